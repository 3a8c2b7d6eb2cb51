"""2D keypoints to 3D joints with the ``lifter`` network (REFERENCE §4), and the network's input.

:func:`normalise_keypoints` is the one definition of the lifter's input: training imports it from
here. Knows nothing of pictures, of torch, or of how the keypoints were detected.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from posecore.skeletons import BODY_21

if TYPE_CHECKING:
    import onnxruntime

__all__ = ["Lifter", "keypoint_scale", "normalise_keypoints"]

# Below this confidence a pelvis is no anchor: the body's confident joints are a better one.
_ANCHOR_CONFIDENCE = 0.1
_TINY = 1e-6


def keypoint_scale(keypoints: NDArray[np.floating], confidence: NDArray[np.floating]) -> NDArray[np.float32]:
    """The person's size in the picture: how far the confident joints spread.

    The root of the confidence-weighted mean squared distance to the confidence-weighted mean. One
    wild joint moves it little, a missing one (confidence 0) not at all, and it needs no bone in particular.

    Args:
        keypoints: (..., 21, 2) px.
        confidence: (..., 21) in [0, 1].

    Returns:
        (...,) px, > 0; 1 where fewer than two joints are seen.
    """
    points = np.asarray(keypoints, np.float32)
    weight = np.clip(np.asarray(confidence, np.float32), 0.0, 1.0)[..., None]
    total = weight.sum(axis=-2)
    mean = (weight * points).sum(axis=-2) / np.maximum(total, _TINY)
    squared = (weight * (points - mean[..., None, :]) ** 2).sum(axis=(-2, -1))
    scale = np.sqrt(squared / np.maximum(total[..., 0], _TINY))
    return np.where(scale > _TINY, scale, 1.0).astype(np.float32)


def normalise_keypoints(keypoints: NDArray[np.floating], confidence: NDArray[np.floating]) -> NDArray[np.float32]:
    """The lifter's input: pelvis at 0, the person's 2D scale 1, confidence as third channel.

    Unseen joints (confidence 0) become (0, 0, 0), so that made-up positions cannot leak in. An unseen
    pelvis is replaced by the mid hip, and that by the mean of the seen joints.

    Args:
        keypoints: (..., 21, 2) px, x right, y down; unit and offset drop out.
        confidence: (..., 21) in [0, 1].

    Returns:
        (..., 21, 3) float32: x, y (no unit), confidence.
    """
    points = np.asarray(keypoints, np.float32)
    if points.ndim < 2 or points.shape[-2:] != (len(BODY_21), 2):
        raise ValueError(f"expected keypoints (..., {len(BODY_21)}, 2), got {points.shape}")
    seen = np.clip(np.asarray(confidence, np.float32), 0.0, 1.0)
    if seen.shape != points.shape[:-1]:
        raise ValueError(f"expected confidence {points.shape[:-1]}, got {seen.shape}")
    local = (points - _anchor(points, seen)[..., None, :]) / keypoint_scale(points, seen)[..., None, None]
    local = np.where(seen[..., None] > 0, local, 0.0)
    return np.concatenate([local, seen[..., None]], axis=-1).astype(np.float32)


def _anchor(points: NDArray[np.float32], seen: NDArray[np.float32]) -> NDArray[np.float32]:
    """(..., 2) pelvis; mid hip where it is unseen; weighted mean where those are, too."""
    hips = BODY_21.indices(["l_hip", "r_hip"])
    pelvis = BODY_21.index("pelvis")
    mean = (seen[..., None] * points).sum(axis=-2) / np.maximum(seen.sum(axis=-1)[..., None], _TINY)
    hips_seen = seen[..., hips].min(axis=-1)[..., None] >= _ANCHOR_CONFIDENCE
    fallback = np.where(hips_seen, points[..., hips, :].mean(axis=-2), mean)
    return np.where(seen[..., pelvis, None] >= _ANCHOR_CONFIDENCE, points[..., pelvis, :], fallback)


class Lifter:
    """The ``lifter`` weights as a function. Safe to call from several threads at once.

    Args:
        provider: see :func:`posecore.runtime.create_session`.
        session: a ready session, for other weights and for tests.

    Raises:
        PosecoreError: the weights or the provider are missing.
    """

    def __init__(self, provider: str = "auto", session: onnxruntime.InferenceSession | None = None) -> None:
        if session is None:
            from posecore.runtime import create_session, weights

            session = create_session(weights.find("lifter"), provider=provider)
        self._session = session

    def __call__(self, keypoints: NDArray[np.floating], confidence: NDArray[np.floating]) -> NDArray[np.float32]:
        """Lift (..., 21, 2) px with (..., 21) confidence to (..., 21, 3) m, pelvis at 0, ray frame."""
        features = normalise_keypoints(keypoints, confidence)
        batch = features.reshape(-1, *features.shape[-2:])
        if len(batch) == 0:
            return features
        joints = self._session.run(["joints"], {"keypoints": batch})[0].reshape(features.shape)
        pelvis = BODY_21.index("pelvis")
        return (joints - joints[..., pelvis : pelvis + 1, :]).astype(np.float32)
