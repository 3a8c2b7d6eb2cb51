"""The built-in estimator: SAP-Net through onnxruntime (seeds 000, 002; REFERENCE §1–2).

One network gives 2D heatmaps and relative depth. It has no detector of its own: people are searched
for by laying the network over the picture at several sizes and keeping where it is surest.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from posecore.capturing.estimators import Box, Pose
from posecore.capturing.heatmaps import decode_heatmaps
from posecore.capturing.lifting import Lifter
from posecore.capturing.regions import Region, crop, crop_to_picture
from posecore.errors import NoPersonError
from posecore.proportions import default_offsets
from posecore.skeletons import BODY_21, SMPL_24

__all__ = ["SapNet", "metric_joints"]

# Joints that tell where a person is; toes and hands are small, the head's top has few labels.
_LIMBS = ("hip", "knee", "ankle", "shoulder", "elbow", "wrist")
_PRESENCE = tuple(joint for joint in BODY_21.joints if joint.split("_")[-1] in _LIMBS)
# Sides of the squares that the search tries, as shares of the picture's shorter side, and their step.
_SEARCH_SIDES = (1.1, 0.75, 0.5)
_SEARCH_STEP = 0.55
_SEARCH_BATCH = 16
_CANDIDATES = 6
# Confidence from which a joint counts as seen, and the length of a leg over that of pelvis to thorax.
_SEEN = 0.15
_LEG_PER_TRUNK = 1.7
# Bones whose sum gives the scale: long, well defined, in both skeletons.
_SCALE_BONES = tuple(
    (f"{s}_{a}", f"{s}_{b}")
    for s in "lr"
    for a, b in (("hip", "knee"), ("knee", "ankle"), ("shoulder", "elbow"), ("elbow", "wrist"))
) + (("l_shoulder", "r_shoulder"), ("l_hip", "r_hip"))


def _rest_sum() -> float:
    """Σ lengths of the scale bones on the average adult of :func:`posecore.proportions.default_offsets`, metres."""
    offsets = default_offsets()
    positions = np.zeros_like(offsets)
    for joint in SMPL_24.topological_order:
        parent = SMPL_24.parents[joint]
        positions[joint] = offsets[joint] + (positions[parent] if parent >= 0 else 0.0)
    return sum(
        float(np.linalg.norm(positions[SMPL_24.index(a)] - positions[SMPL_24.index(b)])) for a, b in _SCALE_BONES
    )


def metric_joints(keypoints: NDArray[np.floating], depth: NDArray[np.floating]) -> NDArray[np.float32]:
    """Weak-perspective joints in metres at the size of an average adult.

    Args:
        keypoints: (..., 21, 2) px; depth: (..., 21) px at the same scale, relative to the pelvis.

    Returns:
        (..., 21, 3) m, pelvis at 0, ray frame; the scale-bone lengths sum to an average adult's
        (Zhou et al. rescale to a fixed sum of bone lengths alike).
    """
    joints = np.concatenate([keypoints, depth[..., None]], -1).astype(np.float64)
    joints -= joints[..., [BODY_21.index("pelvis")], :]
    starts = BODY_21.indices(a for a, _ in _SCALE_BONES)
    ends = BODY_21.indices(b for _, b in _SCALE_BONES)
    length = np.linalg.norm(joints[..., starts, :] - joints[..., ends, :], axis=-1).sum(-1)
    scale = _rest_sum() / np.maximum(length, 1e-6)
    return (joints * scale[..., None, None]).astype(np.float32)


class SapNet:
    """SAP-Net as an estimator (see :class:`posecore.capturing.estimators.Estimator`).

    Args:
        provider: see :func:`posecore.runtime.create_session`.
        weights: name in the weights store.
        joints: ``"depth"`` (the network's own), ``"lifter"`` (2D lifted by the lifting net) or
            ``"auto"`` (what the model card measured as better).

    Raises:
        PosecoreError: the weights or the provider are missing.
    """

    def __init__(
        self, provider: str = "auto", weights: str = "sapnet", joints: str = "auto", session: Any = None
    ) -> None:
        from posecore.runtime import create_session
        from posecore.runtime import weights as store

        card = store.card(weights)
        options = card.options
        self.name = f"{weights} {card.version}"
        self._session = session or create_session(store.find(weights), provider=provider)
        # A search waits for nothing beside it, so it may have every core; frames in flight share them.
        self._search_session = session or create_session(store.find(weights), provider=provider, threads=0)
        self._size = int(options["input_size"])
        self._padding = float(options["padding"])
        self._midpoint = float(options["presence_midpoint"])
        source = str(options.get("joints", "depth")) if joints == "auto" else joints
        self._lifter = Lifter(provider) if source == "lifter" else None
        self._presence = BODY_21.indices(_PRESENCE)

    def _run(
        self, images: Sequence[NDArray[np.uint8]], regions: Sequence[Region], session: Any
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Heatmaps (N, 21, S/4, S/4) and depth (N, 21) of the regions."""
        pairs = zip(images, regions, strict=True)
        crops = np.stack([crop(image, region, self._size) for image, region in pairs])
        image = np.ascontiguousarray(crops.transpose(0, 3, 1, 2)).astype(np.float32) / 255 - 0.5
        heatmaps, depth = session.run(["heatmaps", "depth"], {"image": image})
        return heatmaps, depth

    def _certainty(self, peaks: NDArray[np.float32]) -> NDArray[np.float32]:
        """(..., 21) peak heights to presence in [0, 1]: 0.5 at the card's midpoint of the mean limb peak."""
        mean = np.clip(peaks[..., self._presence], 0, 1).mean(-1)
        return (1 / (1 + np.exp(-(mean - self._midpoint) / (0.2 * self._midpoint)))).astype(np.float32)

    def estimate(self, images: Sequence[NDArray[np.uint8]], regions: Sequence[Region]) -> list[Pose]:
        """The person in each region, as one batch."""
        return self._poses(images, regions, self._session)

    def _poses(self, images: Sequence[NDArray[np.uint8]], regions: Sequence[Region], session: Any) -> list[Pose]:
        if not images:
            return []
        heatmaps, depth = self._run(images, regions, session)
        points, peaks = decode_heatmaps(heatmaps)
        keypoints = np.stack(
            [crop_to_picture(p, region, self._size) for p, region in zip(points, regions, strict=True)]
        )
        confidence = np.clip(peaks, 0.0, 1.0)
        if self._lifter is not None:
            joints = self._lifter(keypoints, confidence)
        else:
            sides = np.array([region.side for region in regions], np.float32)
            joints = metric_joints(keypoints, depth * sides[:, None] / 2)
        presence = self._certainty(peaks)
        return [Pose(keypoints[n], confidence[n], joints[n], float(presence[n])) for n in range(len(images))]

    @property
    def lift(self) -> Any:
        """The lifting net in use, or None where depth comes from SAP-Net itself."""
        return self._lifter

    def region(self, pose: Pose) -> Region:
        """The square around the joints that were seen, and where unseen legs must be, at the padding of training."""
        sure = pose.confidence >= min(_SEEN, float(np.sort(pose.confidence)[-4]))
        points = np.concatenate([pose.keypoints[sure], _legs(pose)])
        low, high = points.min(0), points.max(0)
        centre = (low + high) / 2
        return Region((float(centre[0]), float(centre[1])), float((high - low).max()) * self._padding)

    def find(self, image: NDArray[np.uint8]) -> list[tuple[Region, float]]:
        """Lay the network over the picture at several sizes; the surest places, looked at again more closely."""
        height, width = image.shape[:2]
        grid = _search_grid(width, height)
        found: list[tuple[Region, float]] = []
        for start in range(0, len(grid), _SEARCH_BATCH):
            part = grid[start : start + _SEARCH_BATCH]
            for pose in self._poses([image] * len(part), part, self._search_session):
                found.append((self.region(pose), pose.presence))
        rough = _distinct(found)[:_CANDIDATES]
        if not rough:
            return []
        closer = self._poses([image] * len(rough), [region for region, _ in rough], self._search_session)
        return _distinct([(self.region(pose), pose.presence) for pose in closer])

    def __call__(self, image: NDArray[np.uint8], box: Box | None = None) -> Pose:
        """One picture; ``box`` is (x, y, width, height) px of the person, or None to search.

        Raises:
            NoPersonError: no box was given and nobody was found.
        """
        if box is not None:
            return self.estimate([image], [Region.from_box(box, self._padding)])[0]
        found = self.find(image)
        if not found or found[0][1] < 0.5:
            raise NoPersonError("no person found in the picture; give a box")
        return self.estimate([image], [found[0][0]])[0]


def _legs(pose: Pose) -> NDArray[np.float32]:
    """Where the feet would be with straight legs if neither was seen: (1, 2) px, or (0, 2).

    Without this a region that once lost the legs (a blur, a coat) shrinks to the trunk, and legs
    outside the crop are never seen again.
    """
    top, bottom, *feet = BODY_21.indices(("thorax", "pelvis", "l_ankle", "r_ankle"))
    trunk_seen = pose.confidence[[top, bottom]].min() >= _SEEN
    if not trunk_seen or pose.confidence[feet].max() >= _SEEN:
        return np.zeros((0, 2), np.float32)
    down = pose.keypoints[bottom] - pose.keypoints[top]
    return (pose.keypoints[bottom] + _LEG_PER_TRUNK * down)[None]


def _search_grid(width: int, height: int) -> list[Region]:
    """Squares of several sizes that cover the picture."""
    grid = []
    for share in _SEARCH_SIDES:
        side = share * min(width, height)
        columns = max(1, round((width - side) / (_SEARCH_STEP * side)) + 1) if width > side else 1
        rows = max(1, round((height - side) / (_SEARCH_STEP * side)) + 1) if height > side else 1
        for y in np.linspace(side / 2, height - side / 2, rows) if rows > 1 else [height / 2]:
            for x in np.linspace(side / 2, width - side / 2, columns) if columns > 1 else [width / 2]:
                grid.append(Region((float(x), float(y)), float(side)))
    return grid


def _distinct(found: list[tuple[Region, float]]) -> list[tuple[Region, float]]:
    """Best first, without those that mean the same person as a better one."""
    kept: list[tuple[Region, float]] = []
    for region, score in sorted(found, key=lambda item: -item[1]):
        near = (
            np.hypot(*np.subtract(region.centre, other.centre)) < 0.35 * max(region.side, other.side)
            for other, _ in kept
        )
        if not any(near):
            kept.append((region, score))
    return kept
