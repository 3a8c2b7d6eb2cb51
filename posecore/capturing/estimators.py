"""The protocol that every estimator keeps, and the values that pass through it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from posecore.capturing.regions import Region

__all__ = ["Estimator", "Pose"]

Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Pose:
    """One person in one picture, BODY_21 order.

    Attributes:
        keypoints: (21, 2) px of the picture.
        confidence: (21,) in [0, 1].
        joints: (21, 3) metres, relative to the pelvis, ray frame: the camera turned so that it looks at the
            pelvis (see :mod:`posecore.capturing.rays`).
        presence: how sure the estimator is that a person is there at all, in [0, 1].
        next_region: where to look in the next picture, if the estimator knows better than the
            follower does (BlazePose's auxiliary landmarks); else None.
    """

    keypoints: NDArray[np.float32]
    confidence: NDArray[np.float32]
    joints: NDArray[np.float32]
    presence: float = 1.0
    next_region: Region | None = None


class Estimator(Protocol):
    """What captures one person in one picture. Safe to call from several threads at once."""

    name: str

    def find(self, image: NDArray[np.uint8]) -> list[tuple[Region, float]]:
        """Regions of an (H, W, 3) RGB picture that may hold a person, with scores, best first."""
        ...

    def estimate(self, images: Sequence[NDArray[np.uint8]], regions: Sequence[Region]) -> list[Pose]:
        """The person in each region of each picture, as one batch."""
        ...

    def region(self, pose: Pose) -> Region:
        """The region to look at in the next picture, from the pose in this one."""
        ...

    def __call__(self, image: NDArray[np.uint8], box: Box | None = None) -> Pose:
        """One picture; ``box`` is (x, y, width, height) px of the person, or None to search."""
        ...
