"""Forward kinematics of a rig by another way than the library's: offsets in the parent's axes, bone by bone."""

from __future__ import annotations

import numpy as np
from scipy.spatial.transform import Rotation

from posecore.retargeting import Rig, RigMotion


def posed(motion: RigMotion) -> tuple[np.ndarray, list[Rotation]]:
    """(T, B, 3) heads in the world and, of every bone, its T turns in the armature frame."""
    rig, count = motion.rig, len(motion)
    at_rest = [Rotation.from_matrix(matrix[:3, :3]) for matrix in rig.rest]
    heads = np.zeros((count, len(rig), 3))
    turns: list[Rotation] = []
    for bone, name in enumerate(rig.names):
        parent = rig.parents[bone]
        own = Rotation.identity(count)
        if name in motion.bones:
            own = Rotation.from_quat(motion.rotations[:, motion.bones.index(name)].astype(float))
        move = np.asarray(motion.locations.get(name, np.zeros((count, 3))), float)
        if parent < 0:
            turns.append(at_rest[bone] * own)
            heads[:, bone] = rig.rest[bone, :3, 3] + at_rest[bone].apply(move)
        else:
            offset = at_rest[parent].inv().apply(rig.rest[bone, :3, 3] - rig.rest[parent, :3, 3])
            relative = at_rest[parent].inv() * at_rest[bone]
            heads[:, bone] = heads[:, parent] + turns[parent].apply(offset + relative.apply(move))
            turns.append(turns[parent] * relative * own)
    placed = heads @ rig.placement[:3, :3].T + rig.placement[:3, 3]
    return placed, turns


def world_change(rig: Rig, turns: list[Rotation], bone: str) -> Rotation:
    """The turn of a bone from rest, in the world (for placements that turn and scale evenly)."""
    scale = np.cbrt(np.linalg.det(rig.placement[:3, :3]))
    placed = Rotation.from_matrix(rig.placement[:3, :3] / scale)
    number = rig.index(bone)
    return placed * turns[number] * Rotation.from_matrix(rig.rest[number, :3, :3]).inv() * placed.inv()


def unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def angle(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Degrees between vectors."""
    one, other = unit(one), unit(other)
    return np.degrees(2 * np.arctan2(np.linalg.norm(one - other, axis=-1), np.linalg.norm(one + other, axis=-1)))
