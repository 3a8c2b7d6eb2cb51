"""The headless commands' options keep up with the library's."""

from __future__ import annotations

from addon.arguments import parse
from posecore.capturing.loading import ESTIMATORS


def test_every_estimator_can_be_chosen() -> None:
    for name in ("auto", *ESTIMATORS):
        words = ["animate", "--video", "walk.mp4", "--rig", "Hero", "--output", "out.blend"]
        values = parse([*words, "--estimator", name])
        assert values.estimator == name
