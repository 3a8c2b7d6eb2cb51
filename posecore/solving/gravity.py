"""How the camera is tilted, from the people it sees: standing bodies are upright, resting feet share a floor.

Both cues are weak on their own: people lean, and somebody who keeps one distance from the camera says nothing
about the floor's slope. They are weighed, with a level camera as the prior, by least squares.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from posecore.skeletons import SMPL_24
from posecore.solving.floor import resting, soles
from posecore.solving.lengths import Proportions
from posecore.solving.rotations import dot, unit

__all__ = ["estimate_pitch", "tilt_matrix"]

Array = NDArray[np.floating]

_PRIOR = np.radians(12.0)  # spread of the pitch of hand-held and tripod cameras
_STANDING = np.radians(4.0)  # what standing frames can be wrong by together
_FLOOR = np.radians(1.5)  # what a well-spread floor can be wrong by


def tilt_matrix(pitch: float, roll: float) -> Array:
    """(3, 3) that turns level axes into world axes for a camera that looks down by ``pitch`` and is rolled
    clockwise by ``roll``, radians."""
    cp, sp, cr, sr = np.cos(pitch), np.sin(pitch), np.cos(roll), np.sin(roll)
    about_x = np.array([[1, 0, 0], [0, cp, sp], [0, -sp, cp]])
    about_z = np.array([[cr, sr, 0], [-sr, cr, 0], [0, 0, 1]])
    return about_x @ about_z


def _standing_pitch(joints: Array, weights: Array) -> tuple[float, float]:
    """Pitch, radians, that makes standing bodies upright, and its information (1 / radians²)."""
    names = ("l_hip", "r_hip", "l_knee", "r_knee", "l_ankle", "r_ankle", "neck")
    lh, rh, lk, rk, la, ra, neck = (joints[:, i] for i in SMPL_24.indices(names))
    feet, hips = (la + ra) / 2, (lh + rh) / 2
    legs, trunk = unit(hips - feet), unit(neck - hips)
    straight = np.minimum(dot(unit(lk - lh), unit(la - lk)), dot(unit(rk - rh), unit(ra - rk)))
    # Standing: straight knees and a trunk in line with the legs. Walking passes through it at every step.
    score = weights * np.clip((straight - 0.85) / 0.12, 0, 1) * np.clip((dot(legs, trunk) - 0.93) / 0.05, 0, 1)
    if score.sum() < 1e-6:
        return 0.0, 0.0
    body = unit(neck - feet)
    # Only bodies that are near upright in the picture count: somebody lying is as straight as one who stands.
    score = score * (np.abs(body[:, 0]) < 0.35) * (body[:, 1] > 0.6)
    if score.sum() < 1e-6:
        return 0.0, 0.0
    angles = np.arctan2(body[:, 2], body[:, 1])
    order = np.argsort(angles)
    total = np.cumsum(score[order])
    angle = float(angles[order][np.searchsorted(total, total[-1] / 2)])
    share = float(np.clip(score.sum() / (0.15 * len(score)), 0.0, 1.0))
    return angle, share / _STANDING**2


def _floor_pitch(joints: Array, times: Array, body: Proportions, start: float) -> tuple[float, float]:
    """Pitch, radians, that makes the resting feet lie at one height, and its information (1 / radians²)."""
    up = np.array([0.0, np.cos(start), np.sin(start)])
    points = soles(joints, up, body)
    weights = resting(points, up, times, body.scale)
    y, z, w = points[..., 1].ravel(), points[..., 2].ravel(), weights.ravel()
    if w.sum() < 3:
        return start, 0.0
    robust = w
    slope, spread, error = 0.0, 0.0, np.zeros_like(y)
    for _ in range(5):
        total = robust.sum()
        zc, yc = z - (robust * z).sum() / total, y - (robust * y).sum() / total
        spread = float((robust * zc * zc).sum() / total)
        slope = float((robust * zc * yc).sum() / max(total * spread, 1e-9))
        error = yc - slope * zc
        limit = 1.5 * 1.4826 * np.median(np.abs(error)) + 0.01
        robust = w * np.minimum(1.0, limit / np.maximum(np.abs(error), 1e-9))
    noise = float((robust * error**2).sum() / robust.sum()) + 0.03**2
    # Steps, not frames, are independent: about one in ten resting frames.
    variance = noise / max(spread * robust.sum() / 10, 1e-9) + _FLOOR**2
    return float(-np.arctan(slope)), 1.0 / variance


def estimate_pitch(joints: Array, times: Array, weights: Array, body: Proportions) -> float:
    """How far the camera looks down, radians.

    Args:
        joints: (T, 24, 3) metres, level axes with the camera at the origin.
        weights: (T,) trust in each frame.
    """
    standing, standing_information = _standing_pitch(joints, weights)
    first = standing * standing_information / (standing_information + _PRIOR**-2)
    floor, floor_information = _floor_pitch(joints, times, body, first)
    information = standing_information + floor_information + _PRIOR**-2
    return float((standing * standing_information + floor * floor_information) / information)
