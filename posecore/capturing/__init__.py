"""Frames to ``Take``: reading, finding and following people, estimating, refining over time."""

from posecore.capturing.loading import load_estimator
from posecore.capturing.pipeline import capture

__all__ = ["capture", "load_estimator"]
