"""How a body must stand to be where a person's joints are: the second half of fitting.

A body's rest pose is not the T-pose of :class:`~posecore.motion.Motion`: its limbs rest in slightly other directions
and are a little longer or shorter. First each limb is turned by the smallest rotation between the two rest
directions, so that it points where the person's points; feet and trunk, which rest flat and upright in both, keep
their turns. Then a few Gauss-Newton steps move the joints onto the person's. The unknowns of a frame are the place of
the pelvis and a small turn of every joint *in the world*, so that turning a thigh does not tip the foot.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from posecore.motion import continuous, forward_kinematics
from posecore.skeletons import SMPL_24
from posecore.solving.rotations import swing, unit

__all__ = ["Pixels", "chain", "locals_of", "match_joints", "rest_swings"]

Array = NDArray[np.floating]

# Joints that point at one child, and turn with it.
_POINTING = {
    f"{side}_{name}": f"{side}_{child}"
    for side in ("l", "r")
    for name, child in (
        ("hip", "knee"),
        ("knee", "ankle"),
        ("shoulder", "elbow"),
        ("elbow", "wrist"),
        ("wrist", "hand"),
    )
}
# How near a joint should come to the person's, metres: nearest where hands and feet are, least where skeletons differ
# in what they call a pelvis or a spine.
_NEAR = {
    f"{side}_{name}": spread
    for side in "lr"
    for name, spread in (
        ("ankle", 0.015),
        ("wrist", 0.015),
        ("knee", 0.025),
        ("elbow", 0.025),
        ("hip", 0.03),
        ("shoulder", 0.03),
        ("foot", 0.04),
        ("hand", 0.04),
    )
} | {"head": 0.04}
_LOOSE = 0.08
# How far a joint may turn away from what was solved, radians.
_TURNS = {
    **dict.fromkeys(("pelvis", "head", "neck"), 0.1),
    **dict.fromkeys(("spine1", "spine2", "spine3"), 0.12),
    **{f"{side}_{name}": 0.2 for side in "lr" for name in ("collar", "hip", "knee", "shoulder", "elbow")},
    **{f"{side}_{name}": 0.04 for side in "lr" for name in ("ankle", "wrist")},
}
_STEPS = 2
_CHUNK = 200  # frames solved together: bounds the memory

#: What a picture says of frames: their joints (T, 24, 3) in the world -> K joint indices, residuals (T, K, 2) and how
#: these fall as the joint moves, (T, K, 2, 3).
Pixels = Callable[[Array, slice], tuple[list[int], Array, Array]]


def chain(globals_: Array, offsets: Array, translation: Array) -> Array:
    """(T, 24, 3) joints from global rotation matrices (T, 24, 3, 3), offsets (24, 3) and the pelvis (T, 3), metres."""
    joints = np.empty((len(globals_), len(SMPL_24), 3))
    for joint in SMPL_24.topological_order:
        parent = SMPL_24.parents[joint]
        joints[:, joint] = (
            translation if parent < 0 else joints[:, parent] + globals_[:, parent] @ offsets[joint].astype(np.float64)
        )
    return joints


def locals_of(globals_: Array) -> NDArray[np.float32]:
    """(T, 24, 4) local xyzw rotations, continuous in sign, from global matrices (T, 24, 3, 3)."""
    local = globals_.copy()
    for joint, parent in enumerate(SMPL_24.parents):
        if parent >= 0:
            local[:, joint] = np.swapaxes(globals_[:, parent], -1, -2) @ globals_[:, joint]
    quaternions = Rotation.from_matrix(local.reshape(-1, 3, 3)).as_quat().reshape(len(local), len(SMPL_24), 4)
    quaternions *= np.where(quaternions[:1, :, 3:] < 0, -1.0, 1.0)
    return continuous(quaternions).astype(np.float32)


def rest_swings(offsets: Array, body_offsets: Array) -> Array:
    """(24, 3, 3) smallest turns from a body's rest directions to a person's, both given as offsets (24, 3).

    ``person_global @ swing`` turns the body's limb the way the person's points.
    """
    turns = np.tile(np.eye(3), (len(SMPL_24), 1, 1))
    for joint, child in _POINTING.items():
        theirs, ours = offsets[SMPL_24.index(child)], body_offsets[SMPL_24.index(child)]
        if min(np.linalg.norm(theirs), np.linalg.norm(ours)) > 1e-3:
            start, end = unit(ours[None].astype(np.float64)), unit(theirs[None].astype(np.float64))
            turns[SMPL_24.index(joint)] = swing(start, end)[0]
    for side in ("l", "r"):  # the last joints of the arm move as one with the wrist
        turns[SMPL_24.index(f"{side}_hand")] = turns[SMPL_24.index(f"{side}_wrist")]
    return turns


def turned(rotations: Array, offsets: Array, body_offsets: Array) -> Array:
    """(T, 24, 3, 3) global rotations of the body that point its limbs as a motion's ``rotations`` (T, 24, 4) do."""
    still = np.zeros((len(rotations), 3))
    globals_ = forward_kinematics(rotations, offsets, still)[1].astype(np.float64)
    return globals_ @ rest_swings(offsets, body_offsets)


def match_joints(
    start: Array, offsets: Array, translation: Array, wanted: Array, pixels: Pixels | None = None
) -> tuple[Array, Array]:
    """Turn and move bodies so that their joints come to lie on ``wanted``.

    Args:
        start: (T, 24, 3, 3) global rotations to begin from, and to stay near.
        offsets: (24, 3) the body's own, metres; translation: (T, 3) its pelvis, metres, to begin from.
        wanted: (T, 24, 3) metres.
        pixels: what a picture adds.

    Returns:
        Turns (T, 24, 3), rotation vectors in world axes, to be put before ``start``; and the pelvis (T, 3).
        Frames are solved one by one: a smooth input gives smooth turns, as their sum is held near zero.
    """
    turns, moved = np.zeros((len(start), len(SMPL_24), 3)), translation.astype(np.float64)
    for first in range(0, len(start), _CHUNK):
        part = slice(first, min(first + _CHUNK, len(start)))
        turns[part], moved[part] = _match(start[part], offsets, moved[part], wanted[part], pixels, part)
    return turns, moved


def _paths() -> list[tuple[int, int, int]]:
    """(joint, turning ancestor, the ancestor's child on the way) for every joint and each of its ancestors."""
    found = []
    for joint in range(len(SMPL_24)):
        below, above = joint, SMPL_24.parents[joint]
        while above >= 0:
            found.append((joint, above, below))
            below, above = above, SMPL_24.parents[above]
    return found


_PATHS = _paths()


def _slopes(arms: Array, movable: Sequence[int]) -> Array:
    """(T, 24, 3, 3 + 3 M): how joints move with the pelvis and with turns; arms (T, 24, 3) are turned offsets."""
    columns = {joint: 3 + 3 * place for place, joint in enumerate(movable)}
    slopes = np.zeros((len(arms), len(SMPL_24), 3, 3 + 3 * len(movable)))
    slopes[..., :3] = np.eye(3)
    for joint, above, below in _PATHS:
        if above in columns:
            at = columns[above]
            x, y, z = arms[:, below].T
            slopes[:, joint, 0, at + 1], slopes[:, joint, 0, at + 2] = z, -y
            slopes[:, joint, 1, at], slopes[:, joint, 1, at + 2] = -z, x
            slopes[:, joint, 2, at], slopes[:, joint, 2, at + 1] = y, -x
    return slopes


def _match(
    start: Array, offsets: Array, translation: Array, wanted: Array, pixels: Pixels | None, frames: slice
) -> tuple[Array, Array]:
    movable = SMPL_24.indices(_TURNS)
    stiff = np.repeat(1.0 / np.array(list(_TURNS.values())), 3)
    prior = np.concatenate([np.full(3, 1e-3), stiff]) ** 2
    near = 1.0 / np.array([_NEAR.get(name, _LOOSE) for name in SMPL_24.joints])
    count = len(start)
    turns, place = np.zeros((count, len(SMPL_24), 3)), translation.copy()
    for _ in range(_STEPS):
        globals_ = _turn(turns, start)
        joints = chain(globals_, offsets, place)
        arms = np.stack(
            [globals_[:, max(p, 0)] @ offsets[j].astype(np.float64) for j, p in enumerate(SMPL_24.parents)], axis=1
        )
        slopes = _slopes(arms, movable)
        rows = (slopes * near[:, None, None]).reshape(count, -1, slopes.shape[-1])
        miss = ((wanted - joints) * near[:, None]).reshape(count, -1)
        if pixels is not None:
            seen, error, along = pixels(joints, frames)
            rows = np.concatenate([rows, (along @ slopes[:, seen]).reshape(count, -1, slopes.shape[-1])], axis=1)
            miss = np.concatenate([miss, error.reshape(count, -1)], axis=1)
        across = np.swapaxes(rows, 1, 2)
        bent = np.concatenate([np.zeros((count, 3)), turns[:, movable].reshape(count, -1)], axis=1)
        normal = across @ rows + np.diag(prior)
        step = np.linalg.solve(normal, (across @ miss[..., None])[..., 0][..., None] - (prior * bent)[..., None])[
            ..., 0
        ]
        place = place + step[:, :3]
        now = Rotation.from_rotvec(step[:, 3:].reshape(-1, 3)) * Rotation.from_rotvec(turns[:, movable].reshape(-1, 3))
        turns[:, movable] = now.as_rotvec().reshape(count, -1, 3)
        for leaf, carrier in _CARRIED:  # hands and toes go with what carries them
            turns[:, leaf] = turns[:, carrier]
    return turns, place


_CARRIED = tuple(
    (SMPL_24.index(f"{side}_{leaf}"), SMPL_24.index(f"{side}_{carrier}"))
    for side in "lr"
    for leaf, carrier in (("hand", "wrist"), ("foot", "ankle"))
)


def _turn(turns: Array, globals_: Array) -> Array:
    return Rotation.from_rotvec(turns.reshape(-1, 3)).as_matrix().reshape(globals_.shape) @ globals_
