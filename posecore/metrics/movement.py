"""Metrics of movements: smoothness, feet on the ground, the way through the world."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from posecore.metrics.arrays import Array, Float, blanked, checked, mask_of, masked_mean
from posecore.metrics.positions import fit_similarity, joint_errors

__all__ = ["acceleration_error", "align_world", "contacts_of", "foot_skate", "jitter", "world_mpjpe"]


def _frames(joints: Float, needed: int, what: str) -> int:
    frames = joints.shape[-3]
    if frames < needed:
        raise ValueError(f"{what} needs {needed} frames, got {frames}")
    return frames


def _all_known(mask: Float, count: int) -> Float:
    """(..., T − count + 1, J) what each run of ``count`` frames weighs: all its masks multiplied."""
    frames = mask.shape[-2]
    product = np.ones_like(mask[..., : frames - count + 1, :])
    for offset in range(count):
        product = product * mask[..., offset : frames - count + 1 + offset, :]
    return product


def acceleration_error(prediction: Array, truth: Array, rate: float = 30.0, mask: ArrayLike | None = None) -> float:
    """Mean length of the difference of accelerations (second differences × rate²), unit/s².

    Args:
        prediction, truth: (..., T, J, 3), T ≥ 3, at an even ``rate`` of frames/s.
        mask: (..., T, J); a joint counts in a frame where it is known before, in and after it.
    """
    prediction, truth = checked(prediction, truth, 3)
    _frames(prediction, 3, "acceleration")
    weight = mask_of(mask, prediction.shape[:-1])
    acceleration = np.diff(blanked(prediction - truth, weight), n=2, axis=-3) * rate**2
    return masked_mean(np.linalg.norm(acceleration, axis=-1), _all_known(weight, 3))


def jitter(joints: Array, rate: float = 30.0, mask: ArrayLike | None = None) -> float:
    """Mean length of the third differences × rate³: m/s³ for joints (..., T, J, 3) in m, T ≥ 4. No truth needed.

    (Publications differ in the power of ten: WHAM's tables have this divided by 10.)
    """
    points = np.asarray(joints, np.float64)
    if points.ndim < 3:
        raise ValueError(f"expected (..., T, J, 3), got {points.shape}")
    _frames(points, 4, "jitter")
    weight = mask_of(mask, points.shape[:-1])
    jerk = np.diff(blanked(points, weight), n=3, axis=-3) * rate**3
    return masked_mean(np.linalg.norm(jerk, axis=-1), _all_known(weight, 4))


def contacts_of(feet: Array, limit: float = 0.01) -> Float:
    """Which points stand: (..., T, F) of 0 and 1 from true points (..., T, F, 3) m.

    A point stands from one frame to the next if it moves less than ``limit`` (m per frame; WHAM's 1 cm); it is in
    contact in the frames at both ends of such a step.
    """
    points = np.asarray(feet, np.float64)
    still = np.linalg.norm(np.diff(points, axis=-3), axis=-1) < limit
    edge = np.zeros_like(still[..., :1, :])
    return (np.concatenate([still, edge], -2) | np.concatenate([edge, still], -2)).astype(np.float64)


def foot_skate(feet: Array, contacts: ArrayLike, up: int | None = None) -> float:
    """Mean distance that points in contact move from frame to frame: m/frame (tables: × 1000, mm/frame).

    Args:
        feet: (..., T, F, 3) predicted points on the feet, m, world frame.
        contacts: (..., T, F), > 0 in contact: true ones, or the motion's own. A step counts where both its frames are.
        up: axis to leave out (1 in the world frame: horizontal skating); None counts all three.
    """
    points = np.asarray(feet, np.float64)
    standing = mask_of(contacts, points.shape[:-1]) > 0
    _frames(points, 2, "foot skate")
    if up is not None:
        points = np.delete(points, up, axis=-1)
    moved = np.linalg.norm(np.diff(points, axis=-3), axis=-1)
    return masked_mean(moved, _all_known(standing.astype(np.float64), 2))


def align_world(
    prediction: Array,
    truth: Array,
    mask: ArrayLike | None = None,
    by: Literal["first", "all"] = "first",
    first: int = 2,
    scale: bool = True,
) -> Float:
    """A movement (T, J, 3) under the one similarity that fits its first frames, or all of them, to the truth."""
    prediction, truth = checked(prediction, truth, 3)
    if by not in ("first", "all"):
        raise ValueError(f"by must be 'first' or 'all', got {by!r}")
    weight = mask_of(mask, prediction.shape[:-1])
    used = first if by == "first" else len(prediction)
    fit = fit_similarity(
        prediction[:used].reshape(-1, 3), truth[:used].reshape(-1, 3), weight[:used].reshape(-1), scale
    )
    return fit(prediction.reshape(-1, 3)).reshape(prediction.shape)


def world_mpjpe(
    prediction: Array,
    truth: Array,
    mask: ArrayLike | None = None,
    by: Literal["first", "all"] = "first",
    segment: int | None = 100,
    first: int = 2,
    scale: bool = True,
) -> float:
    """W-MPJPE ("first") and WA-MPJPE ("all") of one clip in the world frame (Ye et al. 2023, SLAHMR; Shin et al. 2024).

    Args:
        prediction, truth: (T, J, 3) m, not root-relative; mask (T, J).
        by: align each segment by its first frames, or by all of it.
        segment: frames of a segment, the last being what is left; None takes the clip whole.
        first: frames that "first" looks at (SLAHMR: 2).
        scale: whether alignment may scale (SLAHMR: yes); False tells whether the movement is metric.

    Returns:
        mean over joints and frames, in the unit of the input.
    """
    prediction, truth = checked(prediction, truth, 3)
    if prediction.ndim != 3:
        raise ValueError(f"expected one clip (T, J, 3), got {prediction.shape}")
    weight = mask_of(mask, prediction.shape[:-1])
    aligned = np.empty_like(prediction)
    length = segment or max(len(prediction), 1)
    for start in range(0, len(prediction), length):
        part = slice(start, start + length)
        aligned[part] = align_world(prediction[part], truth[part], weight[part], by, first, scale)
    return masked_mean(*joint_errors(aligned, truth, weight))
