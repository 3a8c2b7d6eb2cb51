"""Accuracy and speed on fixed inputs, beside peers in the same run. Needs the checkout and the [train] extra."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from posecore.capturing import load_estimator
from posecore.capturing.estimators import Estimator
from posecore.errors import PosecoreError

__all__ = ["usable_estimators"]


def usable_estimators(names: Sequence[str]) -> Iterator[tuple[str, Estimator]]:
    """Name and estimator of those that work here; says which are left out, and why."""
    for name in names:
        try:
            yield name, load_estimator(name)
        except PosecoreError as error:
            print(f"{name}: left out ({error})")
