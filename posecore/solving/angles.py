"""SMPL-24 local rotations from observed BODY_21 joints; all frames at once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from posecore.motion import continuous
from posecore.skeletons import BODY_21, SMPL_24
from posecore.solving.lengths import Proportions
from posecore.solving.limbs import solve_arm, solve_leg
from posecore.solving.trunk import solve_head, solve_trunk

__all__ = ["solve_angles"]

Array = NDArray[np.floating]


def solve_angles(joints: Array, times: Array, trust: Array, body: Proportions, joint_limits: float = 1.0) -> Array:
    """Rotations that put every segment of ``body`` in its observed direction.

    Args:
        joints: (T, 21, 3) BODY_21, metres, any origin, Y up (the camera frame turned half about x).
        times: (T,) seconds.
        trust: (T, 21) in [0, 1], confidence after bridging; a joint that is 0 throughout is taken as
            never seen, and its segment stays at rest.
        joint_limits: strength in [0, 1] of the hinge limits.

    Returns:
        (T, 24, 4) local rotations, xyzw, continuous in sign.
    """
    seen = {name: bool(trust[:, i].max(initial=0.0) > 0) for i, name in enumerate(BODY_21.joints)}
    rotations = np.broadcast_to(np.eye(3), (len(times), len(SMPL_24), 3, 3)).copy()
    thorax = solve_trunk(joints, body, rotations)
    solve_head(joints, rotations, seen)
    for side in ("l_", "r_"):
        solve_arm(side, joints, times, trust, seen, body, thorax, rotations, joint_limits)
        solve_leg(side, joints, times, trust, seen, body, rotations, joint_limits)
    return localise(rotations)


def localise(rotations: Array) -> Array:
    """Global matrices (T, 24, 3, 3) as local quaternions (T, 24, 4), xyzw, continuous in sign."""
    parents = np.array(SMPL_24.parents)
    local = rotations.copy()
    children = parents >= 0
    local[:, children] = np.swapaxes(rotations[:, parents[children]], -1, -2) @ rotations[:, children]
    quaternions = Rotation.from_matrix(local.reshape(-1, 3, 3)).as_quat().reshape(*local.shape[:2], 4)
    quaternions[0] *= np.where(quaternions[0, :, 3:] < 0, -1.0, 1.0)
    return continuous(quaternions)
