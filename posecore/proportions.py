"""The size of an average adult, for whoever has to assume one."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from posecore.skeletons import SMPL_24

__all__ = ["AVERAGE_HEIGHT", "TOE_HEIGHT", "default_offsets", "standing_height"]

#: Metres: the height of the adult whose bones :func:`default_offsets` gives.
AVERAGE_HEIGHT = 1.70
#: Metres from the floor to the toe joint of a standing adult of 1.70 m.
TOE_HEIGHT = 0.025

# Rest offsets from the parent joint, metres, of an average adult of 1.70 m in a T-pose
# (left side; the right mirrors x). Proportions follow Dabral et al. (seed 000, REFERENCE §7)
# for limbs and ordinary anthropometry for trunk, feet and hands.
_OFFSETS_LEFT: dict[str, tuple[float, float, float]] = {
    "pelvis": (0.0, 0.0, 0.0),
    "l_hip": (0.090, -0.080, 0.0),
    "spine1": (0.0, 0.110, 0.0),
    "l_knee": (0.0, -0.410, 0.0),
    "spine2": (0.0, 0.130, 0.0),
    "l_ankle": (0.0, -0.400, 0.0),
    "spine3": (0.0, 0.060, 0.0),
    "l_foot": (0.0, -0.060, 0.130),
    "neck": (0.0, 0.200, 0.0),
    "l_collar": (0.070, 0.120, 0.0),
    "head": (0.0, 0.110, 0.020),
    "l_shoulder": (0.105, 0.030, 0.0),
    "l_elbow": (0.270, 0.0, 0.0),
    "l_wrist": (0.250, 0.0, 0.0),
    "l_hand": (0.080, 0.0, 0.0),
}


def default_offsets() -> NDArray[np.float32]:
    """(24, 3) rest offsets of an average adult, metres, world frame, T-pose."""
    offsets = np.zeros((len(SMPL_24), 3), np.float32)
    for joint, offset in _OFFSETS_LEFT.items():
        offsets[SMPL_24.index(joint)] = offset
    for index, mirrored in enumerate(SMPL_24.mirror):
        if SMPL_24.joints[index].startswith("r_"):
            offsets[index] = offsets[mirrored] * (-1.0, 1.0, 1.0)
    return offsets


def standing_height(offsets: NDArray[np.floating], size: float | None = None) -> float:
    """Height of the pelvis over the floor, metres, of who stands in the rest pose.

    Args:
        offsets: (24, 3) rest offsets, metres.
        size: relative to the average adult; None takes that of the legs.
    """
    thigh_and_shin = SMPL_24.indices(("l_knee", "l_ankle"))
    if size is None:
        lengths = [np.linalg.norm(each[thigh_and_shin], axis=1).sum() for each in (offsets, default_offsets())]
        size = float(lengths[0] / lengths[1])
    legs = -sum(float(offsets[SMPL_24.index(name), 1]) for name in ("l_hip", "l_knee", "l_ankle", "l_foot"))
    return legs + TOE_HEIGHT * size
