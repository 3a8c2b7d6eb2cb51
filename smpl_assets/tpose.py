"""From anny's rest (arms hanging, elbows and knees a little bent) to the T-pose in which SMPL's identity stands.

Every shape is turned by its own angles, so that in every shape the arms lie along X, palms down, the thighs and shins
along Y, and the feet stay as they stood. Frame: the world's, metres.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from posecore.skeletons import SMPL_24
from smpl_assets.source import Source, joint_centres

__all__ = ["to_t_pose"]

Array = NDArray[np.float64]

_UP, _FORWARD = np.array([0.0, 1.0, 0.0]), np.array([0.0, 0.0, 1.0])

#: How much of the hand's roll (the palm turns down) the forearm's bones take.
_ROLL = {"lowerarm01": 0.25, "lowerarm02": 0.7}


def _unit(vectors: Array) -> Array:
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def _dot(one: Array, other: Array) -> Array:
    return (one * other).sum(-1)


def _cross(one: Array, other: Array) -> Array:
    (a, b, c), (x, y, z) = np.moveaxis(one, -1, 0), np.moveaxis(other, -1, 0)
    return np.stack([b * z - c * y, c * x - a * z, a * y - b * x], -1)


def _turned(rotations: Array, vectors: Array) -> Array:
    return (rotations @ vectors[..., None])[..., 0]


def _about(axes: Array, angles: Array) -> Array:
    """(N, 3, 3) turns by ``angles`` (N,) about the unit vectors ``axes`` (N, 3)."""
    x, y, z = np.moveaxis(axes, -1, 0)
    zero = np.zeros_like(x)
    cross = np.stack([np.stack(row, -1) for row in ((zero, -z, y), (z, zero, -x), (-y, x, zero))], -2)
    sine, rest = np.sin(angles)[:, None, None], (1 - np.cos(angles))[:, None, None]
    return np.eye(3) + sine * cross + rest * cross @ cross


def _swing(source: Array, target: Array) -> Array:
    """(N, 3, 3) the smallest turns from directions ``source`` to ``target`` (N, 3), under 180 degrees apart."""
    source, target = _unit(source), _unit(target)
    axis = _cross(source, target)
    sine = np.linalg.norm(axis, axis=-1)
    return _about(axis / np.maximum(sine, 1e-12)[:, None], np.arctan2(sine, _dot(source, target)))


def _arm(at: dict[str, Array], side: str) -> dict[str, Array]:
    """World rotations (N, 3, 3) of one arm's bones, by the beginning of their names."""
    shoulder, elbow, wrist = (at[f"{bone}.{side}"] for bone in ("upperarm01", "lowerarm01", "wrist"))
    outwards = np.zeros_like(shoulder)
    outwards[:, 0] = 1 if side == "L" else -1
    upper = _swing(elbow - shoulder, outwards)
    lower = _swing(_turned(upper, wrist - elbow), outwards) @ upper
    index, little = at[f"finger2-1.{side}"], at[f"finger5-1.{side}"]
    hand = _swing(_turned(lower, (index + little) / 2 - wrist), outwards) @ lower
    # Palm down: from the little finger to the index finger is forwards.
    across = _turned(hand, index - little)
    across = across - _dot(across, outwards)[:, None] * outwards
    forward = np.broadcast_to(_FORWARD, across.shape)
    angle = np.arctan2(_dot(_cross(across, forward), outwards), _dot(across, forward))
    hand = _about(outwards, angle) @ hand
    return {
        "upperarm": upper,
        **{bone: _about(outwards, share * angle) @ lower for bone, share in _ROLL.items()},
        **dict.fromkeys(("wrist", "metacarpal", "finger"), hand),
    }


def _leg(at: dict[str, Array], side: str) -> dict[str, Array]:
    hip, knee, ankle = (at[f"{bone}.{side}"] for bone in ("upperleg01", "lowerleg01", "foot"))
    down = np.broadcast_to(-_UP, hip.shape)
    upper = _swing(knee - hip, down)
    return {"upperleg": upper, "lowerleg": _swing(_turned(upper, ankle - knee), down) @ upper}


def bone_rotations(bones: list[str], heads: Array) -> Array:
    """(N, B, 3, 3) world rotations of all bones from anny's rest to the T-pose, for bone heads (N, B, 3)."""
    at = dict(zip(bones, np.moveaxis(heads, 1, 0), strict=True))
    rotations = np.tile(np.eye(3), (*heads.shape[:2], 1, 1))
    for side in "LR":
        turned = _arm(at, side) | _leg(at, side)
        for row, bone in enumerate(bones):
            stem, _, bone_side = bone.partition(".")
            for prefix, turn in turned.items():
                if bone_side == side and stem.startswith(prefix):
                    rotations[:, row] = turn
    return rotations


def to_t_pose(source: Source, vertices: Array, heads: Array) -> tuple[Array, Array]:
    """Bodies from anny's rest into the T-pose.

    Args:
        source: anny.
        vertices: (N, V, 3) metres.
        heads: (N, B, 3) metres, where each bone starts.

    Returns:
        vertices (N, V, 3) and the 24 joints (N, 24, 3): soles at y = 0, the pelvis joint at x = z = 0.
    """
    rotations = bone_rotations(source.bones, heads)
    posed = heads.copy()
    for bone, parent in enumerate(source.parents):
        if parent >= 0:
            posed[:, bone] = posed[:, parent] + _turned(rotations[:, parent], heads[:, bone] - heads[:, parent])
    transforms = np.concatenate([rotations.reshape(*heads.shape[:2], 9), posed - _turned(rotations, heads)], 2)
    weights = sparse.csr_matrix(source.weights)
    joints = joint_centres(source, posed)
    moved = np.empty_like(vertices)
    for row, body in enumerate(vertices):
        blended = weights @ transforms[row]
        moved[row] = _turned(blended[:, :9].reshape(-1, 3, 3), body) + blended[:, 9:]
    pelvis = joints[:, SMPL_24.index("pelvis")]
    shift = np.stack([pelvis[:, 0], moved[..., 1].min(1), pelvis[:, 2]], -1)[:, None]
    return moved - shift, joints - shift
