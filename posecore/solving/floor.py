"""The floor under the feet: which soles rest, how high they are, and how a foot lies when it stands flat.

Contacts proper, with feet locked to the spot, are another step; here a sole rests when it hardly moves and is the
lower one.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from posecore import proportions
from posecore.proportions import TOE_HEIGHT
from posecore.skeletons import SMPL_24
from posecore.solving.lengths import Proportions, weighted_median
from posecore.solving.smoothing import smooth

__all__ = ["flatten_feet", "floor_drift", "lift_out", "resting", "soles", "standing_height"]

Array = NDArray[np.floating]

_STILL = 0.25  # metres per second at 1.70 m: half-way between a resting and a moving sole
_DIP = (np.radians(6.0), np.radians(40.0))  # how steeply a flat foot may fall from ankle to toe
_UP = np.array([0.0, 1.0, 0.0])


def _ankle_height(body: Proportions) -> float:
    """Height of the ankle over the sole of a flat foot, metres."""
    return TOE_HEIGHT * body.scale - float(body.offsets[SMPL_24.index("l_foot"), 1])


def standing_height(body: Proportions) -> float:
    """Height of the pelvis over the floor at rest, metres."""
    return proportions.standing_height(body.offsets, body.scale)


def soles(joints: Array, up: Array, body: Proportions) -> Array:
    """Points (T, 4, 3) of the soles under left ankle, left toe, right ankle, right toe.

    Args:
        joints: (T, 24, 3) metres; up: (3,) unit vector.
    """
    points = joints[:, SMPL_24.indices(("l_ankle", "l_foot", "r_ankle", "r_foot"))]
    ankle, toe = _ankle_height(body), TOE_HEIGHT * body.scale
    return points - np.array([ankle, toe, ankle, toe])[:, None] * up


def resting(points: Array, up: Array, times: Array, scale: float) -> Array:
    """How surely each sole point (T, K, 3) rests on the floor, (T, K) in [0, 1]; by height alone in a single frame."""
    heights = points @ up
    near = np.exp(-(((heights - heights.min(axis=1, keepdims=True)) / (0.06 * scale)) ** 2))
    if len(times) < 2:
        return near
    speed = np.linalg.norm(np.gradient(points, times, axis=0), axis=-1)
    return near / (1.0 + (speed / (_STILL * scale)) ** 4)


def floor_drift(joints: Array, times: Array, body: Proportions) -> Array:
    """(T,) height of the floor, metres: flat in truth, but seen at slowly changing heights since depth drifts.

    Args:
        joints: (T, 24, 3) metres, world axes (Y up).
    """
    points = soles(joints, _UP, body)
    rest = resting(points, _UP, times, body.scale)
    weights = rest.max(axis=1)
    heights = (rest * points[..., 1]).sum(axis=1) / np.maximum(rest.sum(axis=1), 1e-9)
    heights = np.where(weights > 1e-3, heights, points[..., 1].min(axis=1))
    if weights.max() < 0.1:  # never at rest: the lowest point of all stands on the floor
        return np.full(len(times), heights.min())
    order = np.argsort(heights)
    total = np.cumsum(weights[order])
    level = heights[order][np.searchsorted(total, 0.3 * total[-1])]
    # What rests well away from the floor is on a chair or in the air.
    weights = weights * np.exp(-(((heights - level) / (0.15 * body.scale)) ** 2))
    near = np.where(weights > 0.05, heights, level)
    return smooth(near[:, None], times, 0.25, np.maximum(weights, 1e-3))[:, 0]


def lift_out(joints: Array, times: Array, body: Proportions, cutoff: float | None) -> Array:
    """(T,) metres by which to lift a body whose lower sole is under the floor, as where it leaves the picture and
    its place is hardly known.

    Args:
        joints: (T, 24, 3) metres, world axes, the floor at y = 0.
        cutoff: Hz of the smoothing; None for none.
    """
    lowest = soles(joints, _UP, body)[..., 1].min(axis=1)
    under = np.maximum(-lowest - 0.03 * body.scale, 0.0)
    return under if cutoff is None else np.maximum(smooth(under[:, None], times, cutoff)[:, 0], 0.0)


def flatten_feet(rotations: Array, joints: Array, times: Array, body: Proportions) -> tuple[Array, Proportions]:
    """Give the rest pose the foot that this clip shows standing flat, so that a flat foot is an unturned foot.

    Networks and captures put the toe anywhere from the ball to the tip, and the ankle at various heights. The
    movement stays as it is: the rotations of the ankles take up what the rest offsets change.

    Args:
        rotations: (T, 24, 4) local, xyzw; joints: (T, 24, 3) metres, world axes.

    Returns:
        rotations (T, 24, 4) and the body with its new foot offsets.
    """
    points = soles(joints, _UP, body)
    rest = resting(points, _UP, times, body.scale)
    dips, weights = [], []
    for first in (0, 2):
        foot = points[:, first + 1] - points[:, first]
        foot[:, 1] += body.offsets[SMPL_24.index("l_foot"), 1]  # from the soles back to the joints
        dips.append(np.arcsin(np.clip(-foot[:, 1] / np.maximum(np.linalg.norm(foot, axis=1), 1e-6), -1, 1)))
        weights.append(np.minimum(rest[:, first], rest[:, first + 1]))
    all_weights = np.concatenate(weights)
    if all_weights.sum() < 3.0:  # frames; fewer say too little
        return rotations, body
    dip = weighted_median(np.concatenate(dips), all_weights)
    assert dip is not None
    dip = float(np.clip(dip, *_DIP))
    old = body.offsets[SMPL_24.index("l_foot")]
    turned = Rotation.from_rotvec([dip - np.arctan2(-old[1], old[2]), 0.0, 0.0])
    offsets, rotations = body.offsets.copy(), rotations.copy()
    for side in ("l_", "r_"):
        ankle, foot_joint = SMPL_24.indices((side + "ankle", side + "foot"))
        offsets[foot_joint] = turned.apply(offsets[foot_joint])
        rotations[:, ankle] = (Rotation.from_quat(rotations[:, ankle]) * turned.inv()).as_quat()
    return rotations, replace(body, offsets=offsets)
