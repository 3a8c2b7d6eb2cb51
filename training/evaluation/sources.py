"""Which data a table is made from: the benchmark where the user has it, else what stands in for it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from posecore.errors import PosecoreError
from training.pictures import is_validation
from training.readers import read
from training.readers.samples import Samples

__all__ = ["PICTURES", "benchmark", "pictures", "reader_options"]

#: Picture sets that every validation picture of which can be measured: name → kind of reader.
PICTURES = {"rendered": "synthetic-shards", "lspet": "lspet-shards", "people": "people-shards"}


def reader_options(texts: tuple[str, ...]) -> dict[str, Any]:
    """``("step=64", "subjects=S9")`` → keyword arguments of a reader.

    Raises:
        PosecoreError: one without ``=``.
    """
    options: dict[str, Any] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals:
            raise PosecoreError(f"--option {text}: expected NAME=VALUE")
        try:
            options[name.replace("-", "_")] = json.loads(value)
        except json.JSONDecodeError:  # plain text needs no quotes
            options[name.replace("-", "_")] = value
    return options


def benchmark(kind: str, path: Path, options: Mapping[str, Any], limit: int = 0) -> Samples:
    """The samples of a benchmark, ``limit`` of them at most, spread evenly.

    Raises:
        PosecoreError: an option that the reader has not.
        SourceError: whatever is wrong with the files.
    """
    try:
        found = read(kind, path, **options)
    except (TypeError, ValueError) as error:
        raise PosecoreError(f"--option: {error}; docs/data.md lists the options of {kind}") from error
    assert isinstance(found, Samples)
    return _thinned(found, limit)


def pictures(name: str, folder: Path, limit: int = 0) -> Samples:
    """The validation pictures of one of :data:`PICTURES`, never trained on."""
    found = read(PICTURES[name], folder)
    assert isinstance(found, Samples)
    found = found.select(np.array([is_validation(str(key)) for key in found.keys], bool))
    if not len(found):
        raise PosecoreError(f"{folder}: no validation pictures among its {name} shards")
    return _thinned(_inside(found), limit)


def _inside(samples: Samples) -> Samples:
    """3D joints count where they lie in the picture: beyond its border nobody can say where they are."""
    if samples.joints is None or samples.camera_of is None:
        return samples
    sizes = np.array([samples.cameras[str(name)].size for name in samples.camera_of], np.float64)
    points = samples.keypoints[..., :2]
    inside = ((points >= 0) & (points < sizes[:, None])).all(-1)
    known = inside if samples.joints_known is None else samples.joints_known & inside
    return replace(samples, joints_known=known)


def _thinned(samples: Samples, limit: int) -> Samples:
    if not limit or len(samples) <= limit:
        return samples
    return samples.select(np.linspace(0, len(samples) - 1, limit).round().astype(int))
