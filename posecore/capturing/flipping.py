"""The flip test: estimate on the mirrored picture as well, and average. Works with every estimator."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from posecore.capturing.estimators import Box, Estimator, Pose
from posecore.capturing.regions import Region
from posecore.skeletons import BODY_21

__all__ = ["FlipTest", "mirrored_pose", "mirrored_region"]


def mirrored_region(region: Region, width: int) -> Region:
    """``region`` in the mirror image of a picture ``width`` px wide."""
    return Region((width - 1 - region.centre[0], region.centre[1]), region.side, -region.angle)


def mirrored_pose(pose: Pose, width: int) -> Pose:
    """``pose`` in the mirror image of a picture ``width`` px wide: left and right exchanged."""
    order = list(BODY_21.mirror)
    keypoints = pose.keypoints[order].copy()
    keypoints[:, 0] = width - 1 - keypoints[:, 0]
    joints = pose.joints[order] * np.array([-1, 1, 1], np.float32)
    return replace(
        pose,
        keypoints=keypoints,
        confidence=pose.confidence[order],
        joints=joints,
        next_region=None if pose.next_region is None else mirrored_region(pose.next_region, width),
    )


class FlipTest:
    """An estimator that averages another's poses of the picture and of its mirror image.

    Keypoints are averaged by confidence, joints and confidence plainly.
    """

    def __init__(self, estimator: Estimator) -> None:
        self._inner = estimator
        self.name = f"{estimator.name} (flip test)"

    def __getattr__(self, name: str) -> Any:
        # What an estimator has beyond the protocol (thresholds, a lifter) is the inner one's.
        return getattr(self._inner, name)

    def find(self, image: NDArray[np.uint8]) -> list[tuple[Region, float]]:
        """See :class:`Estimator`."""
        return self._inner.find(image)

    def region(self, pose: Pose) -> Region:
        """See :class:`Estimator`."""
        return self._inner.region(pose)

    def estimate(self, images: Sequence[NDArray[np.uint8]], regions: Sequence[Region]) -> list[Pose]:
        """See :class:`Estimator`; one batch of twice the size."""
        mirrors = [image[:, ::-1] for image in images]
        turned = [mirrored_region(r, i.shape[1]) for r, i in zip(regions, images, strict=True)]
        poses = self._inner.estimate([*images, *mirrors], [*regions, *turned])
        count = len(images)
        return [
            _average(plain, mirrored_pose(flipped, image.shape[1]))
            for plain, flipped, image in zip(poses[:count], poses[count:], images, strict=True)
        ]

    def __call__(self, image: NDArray[np.uint8], box: Box | None = None) -> Pose:
        """See :class:`Estimator`; the mirrored view looks at the region that the plain pose gives."""
        region = self._inner.region(self._inner(image, box)) if box is None else Region.from_box(box)
        return self.estimate([image], [region])[0]


def _average(a: Pose, b: Pose) -> Pose:
    weight_a, weight_b = a.confidence[:, None] + 1e-6, b.confidence[:, None] + 1e-6
    return Pose(
        keypoints=((a.keypoints * weight_a + b.keypoints * weight_b) / (weight_a + weight_b)).astype(np.float32),
        confidence=((a.confidence + b.confidence) / 2).astype(np.float32),
        joints=((a.joints + b.joints) / 2).astype(np.float32),
        presence=(a.presence + b.presence) / 2,
        next_region=a.next_region,
    )
