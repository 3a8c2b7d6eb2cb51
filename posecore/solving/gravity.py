"""How the camera is tilted, from the people it sees: standing bodies are upright, resting feet share a floor.

Both cues are weak on their own: people lean, and somebody who keeps one distance from the camera says nothing
about the floor's slope. They are weighed, with a level camera as the prior, by least squares.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from posecore.skeletons import SMPL_24
from posecore.solving.floor import resting, soles
from posecore.solving.lengths import Proportions, weighted_median
from posecore.solving.rotations import dot, unit

__all__ = ["estimate_pitch", "tilt_matrix"]

Array = NDArray[np.floating]

_PRIOR = np.radians(12.0)  # spread of the pitch of hand-held and tripod cameras
_STANDING = np.radians(4.0)  # what standing frames can be wrong by together
_UPRIGHT = np.radians(10.0)  # the same for frames that are only not lying
_FLOOR = np.radians(1.5)  # what a well-spread floor can be wrong by


def tilt_matrix(pitch: float, roll: float) -> Array:
    """(3, 3) that turns level axes into world axes for a camera that looks down by ``pitch`` and is rolled
    clockwise by ``roll``, radians."""
    cp, sp, cr, sr = np.cos(pitch), np.sin(pitch), np.cos(roll), np.sin(roll)
    about_x = np.array([[1, 0, 0], [0, cp, sp], [0, -sp, cp]])
    about_z = np.array([[cr, sr, 0], [-sr, cr, 0], [0, 0, 1]])
    return about_x @ about_z


def _upright_pitch(joints: Array, weights: Array) -> tuple[float, float]:
    """Pitch, radians, that makes upright bodies upright, and its information (1 / radians²).

    Standing frames say it well: straight knees and a trunk in line with the legs, as walking has at every step.
    The other frames that are anywhere near upright say it badly, but are better than nothing.
    """
    names = ("l_hip", "r_hip", "l_knee", "r_knee", "l_ankle", "r_ankle", "neck")
    lh, rh, lk, rk, la, ra, neck = (joints[:, i] for i in SMPL_24.indices(names))
    feet, hips = (la + ra) / 2, (lh + rh) / 2
    straight = np.minimum(dot(unit(lk - lh), unit(la - lk)), dot(unit(rk - rh), unit(ra - rk)))
    in_line = dot(unit(hips - feet), unit(neck - hips))
    body = unit(neck - feet)
    # Somebody lying is as straight as one who stands.
    upright = weights * (np.abs(body[:, 0]) < 0.35) * (body[:, 1] > 0.6)
    standing = upright * np.clip((straight - 0.85) / 0.12, 0, 1) * np.clip((in_line - 0.93) / 0.05, 0, 1)
    angles = np.arctan2(body[:, 2], body[:, 1])
    total, information = 0.0, 0.0
    for score, error in ((standing, _STANDING), (upright, _UPRIGHT)):
        angle = weighted_median(angles, score)
        if angle is not None:
            known = min(float(score.sum()) / (0.15 * len(score)), 1.0) / error**2
            total, information = total + known * angle, information + known
    return total / max(information, 1e-9), information


def _floor_pitch(joints: Array, times: Array, body: Proportions, start: float, noise: float) -> tuple[float, float]:
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
    # Depth is noisy, and noise along z flattens a slope and feigns knowledge of it: only what the feet spread
    # beyond that noise counts.
    real = spread - (noise * float(np.abs(z).mean())) ** 2
    if real <= 0:
        return start, 0.0
    correction = slope * (spread / real - 1.0)
    slope, spread = slope + correction, real
    rough = float((robust * error**2).sum() / robust.sum()) + 0.03**2
    # Steps, not frames, are independent: about one in ten resting frames.
    variance = rough / max(spread * robust.sum() / 10, 1e-9) + _FLOOR**2 + correction**2
    return float(-np.arctan(slope)), 1.0 / variance


def estimate_pitch(joints: Array, times: Array, weights: Array, body: Proportions, depth_noise: float) -> float:
    """How far the camera looks down, radians.

    Args:
        joints: (T, 24, 3) metres, level axes with the camera at the origin.
        weights: (T,) trust in each frame.
        depth_noise: spread of the depth's error from frame to frame, as a share of the distance.
    """
    standing, standing_information = _upright_pitch(joints, weights)
    first = standing * standing_information / (standing_information + _PRIOR**-2)
    floor, floor_information = _floor_pitch(joints, times, body, first, depth_noise)
    information = standing_information + floor_information + _PRIOR**-2
    return float((standing * standing_information + floor * floor_information) / information)
