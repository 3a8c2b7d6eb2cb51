"""Errors of joint positions: MPJPE, PA-MPJPE, and per joint."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from posecore.metrics.arrays import Array, Float, blanked, checked, mask_of, masked_mean, means_over_poses

__all__ = [
    "Similarity",
    "align_procrustes",
    "average_joint_distance",
    "fit_similarity",
    "joint_errors",
    "mpjpe",
    "pa_mpjpe",
]


def joint_errors(
    prediction: Array, truth: Array, mask: ArrayLike | None = None, root: int | None = None
) -> tuple[Float, Float]:
    """Distance of every joint from its truth, and what each weighs.

    Args:
        prediction, truth: (..., J, D).
        mask: (..., J), joints that count.
        root: joint to subtract from both first; poses whose root is unknown do not count.

    Returns:
        (..., J) each: distances, 0 where unknown, and the mask.
    """
    prediction, truth = checked(prediction, truth, 2)
    weight = mask_of(mask, prediction.shape[:-1])
    difference = blanked(prediction - truth, weight)
    if root is not None:
        difference = difference - difference[..., root : root + 1, :]
        weight = weight * (weight[..., root : root + 1] != 0)
    return np.linalg.norm(difference, axis=-1), weight


def mpjpe(prediction: Array, truth: Array, mask: ArrayLike | None = None, root: int | None = None) -> float:
    """Mean per-joint position error (Protocol 1), in the unit of the input. As :func:`joint_errors`; NaN if none."""
    return masked_mean(*joint_errors(prediction, truth, mask, root))


def average_joint_distance(prediction: Array, truth: Array, mask: ArrayLike | None = None) -> Float:
    """(J,) mean distance of each joint from its truth (seed 004, experiment 2: px of the picture or of the crop).

    (..., J, D) both; NaN for a joint that is nowhere known.
    """
    return means_over_poses(*joint_errors(prediction, truth, mask))


class Similarity(NamedTuple):
    """x ↦ scale · rotation x + translation: (...,), (..., 3, 3) without reflections, (..., 3)."""

    scale: Float
    rotation: Float
    translation: Float

    def __call__(self, points: Array) -> Float:
        """(..., P, 3) → (..., P, 3)."""
        turned = np.asarray(points, np.float64) @ np.swapaxes(self.rotation, -1, -2)
        return np.asarray(self.scale[..., None, None] * turned + self.translation[..., None, :])


def fit_similarity(source: Array, target: Array, mask: ArrayLike | None = None, scale: bool = True) -> Similarity:
    """The least-squares similarity from ``source`` to ``target``, never a reflection (Umeyama 1991, eq. 40-43).

    Args:
        source, target: (..., P, 3).
        mask: (..., P), what the points weigh. With fewer than three points known, a rotation out of the many that fit.
        scale: False leaves the scale at 1.
    """
    source, target = checked(source, target, 2)
    weight = mask_of(mask, source.shape[:-1])
    total = weight.sum(-1)
    share = (weight / np.where(total > 0, total, 1.0)[..., None])[..., None]
    source, target = blanked(source, weight), blanked(target, weight)
    mean_s, mean_t = (share * source).sum(-2), (share * target).sum(-2)
    s, t = source - mean_s[..., None, :], target - mean_t[..., None, :]
    u, singular, vt = np.linalg.svd(np.swapaxes(share * t, -1, -2) @ s)
    sign = np.ones_like(singular)
    sign[..., -1] = np.where(np.linalg.det(u @ vt) < 0, -1.0, 1.0)
    rotation = (u * sign[..., None, :]) @ vt
    spread = (share * s**2).sum((-1, -2))
    factor = (singular * sign).sum(-1) / np.where(spread > 1e-18, spread, 1.0)
    size = np.where(spread > 1e-18, factor, 1.0) if scale else np.ones_like(spread)
    translation = mean_t - size[..., None] * (rotation @ mean_s[..., None])[..., 0]
    return Similarity(np.asarray(size), rotation, translation)


def align_procrustes(prediction: Array, truth: Array, mask: ArrayLike | None = None) -> Float:
    """Each pose of ``prediction`` under the similarity that fits its truth best; never a reflection.

    (..., J, 3) both; mask (..., J), the joints that the fit looks at.
    """
    return fit_similarity(prediction, truth, mask)(prediction)


def pa_mpjpe(prediction: Array, truth: Array, mask: ArrayLike | None = None) -> float:
    """MPJPE after :func:`align_procrustes` of every pose (Protocol 2). (..., J, 3) both; mask (..., J)."""
    return mpjpe(align_procrustes(prediction, truth, mask), truth, mask)
