"""Global rotations of pelvis, spine, neck and head from observed joints.

The hip line and the chest are taken as observed; the spine between them bends so that the trunk comes out in the
observed direction exactly. The head turns with the nose where the joint set has a real nose.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from posecore.skeletons import BODY_21, SMPL_24
from posecore.solving.lengths import Proportions
from posecore.solving.rotations import about, dot, frame_from, orthogonal, phase_about, ramp, swing, turn, unit

__all__ = ["direction", "mid_hip", "solve_head", "solve_trunk"]

Array = NDArray[np.floating]

_HEAD_TURN = np.radians(80.0)


def mid_hip(joints: Array) -> Array:
    """(T, 3): the middle of the hip line, which every joint set shares (its "pelvis" may lie higher)."""
    left, right = BODY_21.indices(("l_hip", "r_hip"))
    return (joints[:, left] + joints[:, right]) / 2


def direction(vectors: Array, otherwise: tuple[float, float, float]) -> Array:
    """Unit vectors (T, 3); a vector of no length takes that of the nearest frame that has one, or ``otherwise``."""
    lengths = np.linalg.norm(vectors, axis=-1)
    good = np.flatnonzero(lengths > 1e-6)
    if len(good) == 0:
        return np.broadcast_to(np.array(otherwise, np.float64), vectors.shape).copy()
    if len(good) < len(vectors):
        frames = np.arange(len(vectors))
        after = good[np.minimum(np.searchsorted(good, frames), len(good) - 1)]
        before = good[np.maximum(np.searchsorted(good, frames, side="right") - 1, 0)]
        vectors = vectors[np.where(np.abs(after - frames) < np.abs(frames - before), after, before)]
    return unit(vectors)


def between(start: Array, end: Array, share: float) -> Array:
    """Rotation matrices (T, 3, 3) a ``share`` of the way from ``start`` to ``end``."""
    step = Rotation.from_matrix(np.swapaxes(start, -1, -2) @ end).as_rotvec()
    return start @ Rotation.from_rotvec(share * step).as_matrix()


def _hold_hips(across: Array, trunk: Array) -> Array:
    """Hip lines ``across`` as they are up to 17 degrees from square to ``trunk``, and never beyond 28: the rest is
    error, since a lower spine bends no further sideways."""
    lean = np.arcsin(np.clip(dot(across, trunk), -1.0, 1.0))
    excess = np.maximum(np.abs(lean) - 0.3, 0.0)
    held = np.sign(lean) * (np.minimum(np.abs(lean), 0.3) + 0.2 * np.tanh(excess / 0.2))
    square = direction(orthogonal(across, trunk), (1, 0, 0))
    return unit(np.cos(held)[:, None] * square + np.sin(held)[:, None] * trunk)


def solve_trunk(joints: Array, body: Proportions, rotations: Array) -> Array:
    """Fill pelvis, spine1-3 of ``rotations`` (T, 24, 3, 3, global).

    Args:
        joints: (T, 21, 3) BODY_21, metres, Y up.

    Returns:
        (T, 3) position of the observed thorax on the solved trunk, metres from the pelvis.
    """
    lh, rh, ls, rs = BODY_21.indices(("l_hip", "r_hip", "l_shoulder", "r_shoulder"))
    spine, thorax = joints[:, BODY_21.index("spine")], joints[:, BODY_21.index("thorax")]
    hips = mid_hip(joints)
    trunk = direction(thorax - hips, (0, 1, 0))
    # A short half says little about its direction, and where the "spine" lies differs between joint sets (at a
    # quarter to three quarters of the trunk): lean each half on the whole, the more the shorter it is.
    share = float(
        np.median(np.linalg.norm(spine - hips, axis=1) / np.maximum(np.linalg.norm(thorax - hips, axis=1), 1e-6))
    )
    lower_trust, upper_trust = 0.7 * np.clip([2 * share, 2 * (1 - share)], 0.0, 1.0)
    lower = unit(lower_trust * direction(spine - hips, (0, 1, 0)) + (1 - lower_trust) * trunk)
    upper = unit(upper_trust * direction(thorax - spine, (0, 1, 0)) + (1 - upper_trust) * trunk)
    pelvis = frame_from(_hold_hips(direction(joints[:, lh] - joints[:, rh], (1, 0, 0)), lower), lower)
    across = direction(orthogonal(joints[:, ls] - joints[:, rs], upper), (1, 0, 0))
    across = unit(orthogonal(across, upper))
    chest = np.stack([across, upper, np.cross(across, upper)], axis=-1)

    offsets = body.offsets.astype(np.float64)
    o1, o2, o3 = (offsets[SMPL_24.index(name)] for name in ("spine1", "spine2", "spine3"))
    drop = -offsets[SMPL_24.index("l_hip"), 1]
    first, second = between(pelvis, chest, 1 / 3), between(pelvis, chest, 2 / 3)
    to_thorax = np.array([0.0, body.thorax_height - drop - (o1 + o2 + o3)[1], 0.0])
    # Hip line to thorax is a fixed part (pelvis, chest) and a bending part; turn the bending part so that the
    # sum points along the observed trunk.
    fixed = turn(pelvis, np.array([0.0, drop, 0.0]) + o1) + turn(chest, to_thorax)
    bending = turn(first, o2) + turn(second, o3)
    along = dot(fixed, trunk)
    reach = along**2 - dot(fixed, fixed) + dot(bending, bending)
    wanted = (along + np.sqrt(np.maximum(reach, 0.0)))[:, None] * trunk - fixed
    bend = swing(unit(bending), unit(wanted))
    first, second = bend @ first, bend @ second

    for name, matrices in zip(("pelvis", "spine1", "spine2", "spine3"), (pelvis, first, second, chest), strict=True):
        rotations[:, SMPL_24.index(name)] = matrices
    return turn(pelvis, o1) + turn(first, o2) + turn(second, o3) + turn(chest, to_thorax)


def solve_head(joints: Array, rotations: Array, seen: dict[str, bool]) -> None:
    """Fill neck and head of ``rotations``, whose chest is set.

    In H36M's sense the "nose" lies at the face, in the joint sets made from motion capture it is the head's own
    joint, on the line of the neck. Which of them a clip has shows in how far it stands in front of the line from
    thorax to crown; only a real nose tells where the head faces, else the head faces as the chest does.
    """
    chest = rotations[:, SMPL_24.index("spine3")]
    neck, head = SMPL_24.indices(("neck", "head"))
    rotations[:, neck] = rotations[:, head] = chest
    if not (seen["nose"] or seen["head_top"]):
        return
    thorax, nose, crown = (joints[:, BODY_21.index(name)] for name in ("thorax", "nose", "head_top"))
    if not seen["head_top"]:
        crown = nose
    if not seen["nose"]:
        nose = (thorax + crown) / 2
    line = direction(crown - thorax, (0, 1, 0))
    front = orthogonal(nose - thorax, line)
    ahead = np.linalg.norm(front, axis=-1) / np.maximum(np.linalg.norm(crown - thorax, axis=-1), 1e-6)
    is_face = float(ramp(np.median(ahead), 0.15, 0.3)) if seen["head_top"] and seen["nose"] else 0.0
    skull = direction(crown - nose, (0, 1, 0)) if seen["head_top"] and seen["nose"] else line
    up = unit((1 - is_face) * 0.6 * skull + (is_face + (1 - is_face) * 0.4) * line)
    facing = swing(chest[..., 1], up) @ chest
    yaw = phase_about(up, facing[..., 2], direction(front, (0, 0, 1)))
    yaw = np.clip(yaw, -_HEAD_TURN, _HEAD_TURN) * is_face * ramp(ahead, 0.05, 0.15)
    rotations[:, head] = about(up, yaw) @ facing
    rotations[:, neck] = between(chest, rotations[:, head], 0.5)
