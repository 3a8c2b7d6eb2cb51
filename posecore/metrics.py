"""Metrics of poses and movements (REFERENCE §8). numpy in, numpy out; lengths in the unit of the input."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["acceleration_error", "align_procrustes", "mpjpe", "pa_mpjpe", "pck"]

Array = NDArray[np.floating]


def _checked(prediction: Array, truth: Array, minimum: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    found, wanted = np.asarray(prediction, np.float64), np.asarray(truth, np.float64)
    if found.shape != wanted.shape or found.ndim < minimum:
        raise ValueError(f"expected equal shapes of {minimum} axes or more, got {found.shape} and {wanted.shape}")
    return found, wanted


def _mean(values: NDArray[np.float64], mask: Array | None) -> float:
    if mask is None:
        return float(values.mean())
    weight = np.broadcast_to(np.asarray(mask, np.float64), values.shape)
    return float((values * weight).sum() / weight.sum()) if weight.sum() else float("nan")


def mpjpe(prediction: Array, truth: Array, mask: Array | None = None, root: int | None = None) -> float:
    """Mean per-joint position error (Protocol 1).

    Args:
        prediction, truth: (..., J, 3).
        mask: (..., J), joints that count.
        root: joint to subtract from both first; None if they are root-relative already.
    """
    prediction, truth = _checked(prediction, truth, 2)
    if root is not None:
        prediction = prediction - prediction[..., root : root + 1, :]
        truth = truth - truth[..., root : root + 1, :]
    return _mean(np.linalg.norm(prediction - truth, axis=-1), mask)


def align_procrustes(prediction: Array, truth: Array) -> NDArray[np.float64]:
    """The similarity (scale, rotation, translation) of each pose that fits its truth best; never a reflection.

    (..., J, 3) both. Umeyama 1991, eq. 40–43.
    """
    prediction, truth = _checked(prediction, truth, 2)
    mean_p, mean_t = prediction.mean(-2, keepdims=True), truth.mean(-2, keepdims=True)
    p, t = prediction - mean_p, truth - mean_t
    u, singular, vt = np.linalg.svd(np.swapaxes(t, -1, -2) @ p)
    sign = np.ones_like(singular)
    sign[..., -1] = np.sign(np.linalg.det(u @ vt))
    rotation = (u * sign[..., None, :]) @ vt
    scale = (singular * sign).sum(-1) / np.maximum((p**2).sum((-1, -2)), 1e-12)
    return np.asarray(scale[..., None, None] * (p @ np.swapaxes(rotation, -1, -2)) + mean_t)


def pa_mpjpe(prediction: Array, truth: Array) -> float:
    """MPJPE after :func:`align_procrustes` of every pose. (..., J, 3) both."""
    return mpjpe(align_procrustes(prediction, truth), truth)


def acceleration_error(prediction: Array, truth: Array, rate: float = 30.0) -> float:
    """Mean length of the difference of accelerations (second differences × rate²), unit/s².

    (T, J, 3) both, or (..., T, J, 3); T ≥ 3.
    """
    prediction, truth = _checked(prediction, truth, 3)
    difference = prediction - truth
    if difference.shape[-3] < 3:
        raise ValueError(f"acceleration needs 3 frames, got {difference.shape[-3]}")
    acceleration = np.diff(difference, n=2, axis=-3) * rate**2
    return float(np.linalg.norm(acceleration, axis=-1).mean())


def pck(prediction: Array, truth: Array, threshold: Array | float, mask: Array | None = None) -> float:
    """Share of joints no further than ``threshold`` from their truth: PCK@0.2 with 0.2 × torso, 3D PCK with 0.15 m.

    Args:
        prediction, truth: (..., J, D).
        threshold: one number, or one per pose (...,).
        mask: (..., J), joints that count.
    """
    prediction, truth = _checked(prediction, truth, 2)
    limit = np.asarray(threshold, np.float64)
    near = np.linalg.norm(prediction - truth, axis=-1) <= (limit[..., None] if limit.ndim else limit)
    return _mean(near.astype(np.float64), mask)
