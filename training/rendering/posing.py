"""Joint positions of a capture -> bone rotations of the rendered body.

Only *directions* are taken from the capture: each bone of the body is turned to point where the captured limb points
(swing), and turned about itself (twist) by the plane in which elbow or knee bends; where a limb is straight the plane
says nothing, so the twist goes over to the one of the smallest turn (arms) or of the foot (legs). The body keeps its
own proportions, and the labels come from the posed body, so that picture and label agree whatever is lost here.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from posecore.skeletons import CMU_22
from training.rendering.body import Body

__all__ = ["bone_rotations"]

Array = NDArray[np.float64]

_X, _Y = np.array([1.0, 0.0, 0.0]), np.array([0.0, 1.0, 0.0])

#: How far each bone of the back has turned from the pelvis (0) to the chest (1).
_BACK = {"spine05": 0.1, "spine04": 0.3, "spine03": 0.55, "spine02": 0.85, "spine01": 1.0}


def _unit(vectors: Array) -> Array:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-9)


def _frame(primary: Array, secondary: Array) -> Array:
    """(..., 3, 3) with columns: ``primary``, ``secondary`` made square to it, and their cross product."""
    first = _unit(primary)
    second = _unit(secondary - (secondary * first).sum(-1, keepdims=True) * first)
    return np.stack([first, second, np.cross(first, second)], -1)


def _swing(source: Array, target: Array) -> Array:
    """(..., 3, 3) smallest rotation that turns direction ``source`` to ``target``."""
    source, target = np.broadcast_arrays(_unit(source), _unit(target))
    axis = np.cross(source, target)
    sine = np.linalg.norm(axis, axis=-1, keepdims=True)
    angle = np.arctan2(sine, (source * target).sum(-1, keepdims=True))
    return Rotation.from_rotvec(axis / np.maximum(sine, 1e-9) * angle).as_matrix()


def _between(start: Array, end: Array, share: float) -> Array:
    """Rotation ``share`` of the way from ``start`` to ``end``, both (T, 3, 3)."""
    turn = Rotation.from_matrix(end @ np.swapaxes(start, -1, -2)).as_rotvec()
    return Rotation.from_rotvec(turn * share).as_matrix() @ start


def _smoothstep(value: Array, low: float, high: float) -> Array:
    position = np.clip((value - low) / (high - low), 0, 1)
    return position * position * (3 - 2 * position)


def _apply(rotations: Array, vector: NDArray[np.floating]) -> Array:
    return np.einsum("tij,j->ti", rotations, vector)


def bone_rotations(
    body: Body, joints: NDArray[np.floating], head_turn: Array | None = None, hand_twist: float = 0.0
) -> tuple[Array, Array]:
    """Rotations of the body's bones that put it into the captured poses.

    Args:
        body: the body at rest.
        joints: (T, 22, 3) CMU_22 positions, Y up, any unit.
        head_turn: (3,) yaw, pitch, roll in radians, added to the head (captures say nothing about where it looks).
        hand_twist: turn of the hands about the forearms, radians, thumbs outwards positive.

    Returns:
        (T, B, 3, 3) world rotations from rest, and (T, 3) the captured mid hip, in the captured unit.
    """
    joints = np.asarray(joints, np.float64)
    point = {name: joints[:, index] for index, name in enumerate(CMU_22.joints)}
    mid_hip = (point["l_hip"] + point["r_hip"]) / 2
    mid_shoulder = (point["l_shoulder"] + point["r_shoulder"]) / 2

    # The pelvis is held by the hips' line; its lean is that of the lower back, eased by the whole trunk.
    lower = _unit(point["chest"] - mid_hip) + 0.35 * _unit(mid_shoulder - mid_hip)
    x, y, z = np.moveaxis(_frame(point["l_hip"] - point["r_hip"], lower), -1, 0)
    pelvis = np.stack([x, y, z], -1)
    y, x, z = np.moveaxis(_frame(mid_shoulder - point["chest"], point["l_shoulder"] - point["r_shoulder"]), -1, 0)
    chest = np.stack([x, y, -z], -1)

    towards_crown = _unit(point["head_top"] - mid_shoulder)
    head_up = _unit(towards_crown + _unit(point["head_top"] - point["head"]))
    head = _swing(_apply(chest, _Y), head_up) @ chest
    if head_turn is not None:
        head = head @ Rotation.from_euler("YXZ", head_turn).as_matrix()
    neck = _between(chest, head, 0.5)

    by_stem: dict[str, Array] = {"root": pelvis, "pelvis": pelvis, "neck01": _between(chest, head, 0.25), "neck": neck}
    by_stem |= {"head": head, "eye": head}
    by_stem |= {stem: _between(pelvis, chest, share) for stem, share in _BACK.items()}
    for side in "lr":
        by_stem |= _arm(body, point, side, chest, hand_twist)
        by_stem |= _leg(body, point, side, pelvis)
    return np.stack([_lookup(by_stem, bone) for bone in body.model.bones], 1), mid_hip


def _lookup(by_stem: dict[str, Array], bone: str) -> Array:
    """The rotation for an anny bone: under its exact stem, or the stem without its number, with its side."""
    stem, _, side = bone.partition(".")
    suffix = f".{side}" if side else ""
    plain = stem.split("1-")[0].split("2-")[0].split("3-")[0].split("4-")[0].split("5-")[0].rstrip("0123456789-")
    for key in (stem + suffix, plain + suffix, stem, plain):
        if key in by_stem:
            return by_stem[key]
    raise KeyError(bone)


def _hinged(
    parent: Array, rest: tuple[Array, Array, Array], upper: Array, lower: Array, straight_hinge: Array | None
) -> tuple[Array, Array, Array]:
    """Rotations of a two-bone limb that bends about a hinge.

    Args:
        parent: (T, 3, 3) rotation of what the limb hangs on.
        rest: directions (3,) of the upper bone, the lower bone and the hinge at rest.
        upper, lower: (T, 3) directions wanted.
        straight_hinge: (T, 3) hinge where the limb is straight; None = that of the smallest turn from ``parent``.

    Returns:
        Upper bone swung without twist, upper bone, lower bone; each (T, 3, 3).
    """
    rest_upper, rest_lower, rest_hinge = rest
    swung = _swing(_apply(parent, rest_upper), upper) @ parent
    prior = (
        _apply(swung, rest_hinge) if straight_hinge is None else _unit(_apply(swung, rest_hinge) + 2 * straight_hinge)
    )
    bend = np.cross(_unit(upper), _unit(lower))
    weight = _smoothstep(np.linalg.norm(bend, axis=-1, keepdims=True), 0.12, 0.45)
    hinge = _unit(prior * (1 - weight) + _unit(bend) * weight)
    turned_upper = _frame(upper, hinge) @ _frame(rest_upper, rest_hinge).T
    turned_lower = _frame(lower, hinge) @ _frame(rest_lower, rest_hinge).T
    return swung, turned_upper, turned_lower


def _arm(body: Body, point: dict[str, Array], side: str, chest: Array, hand_twist: float) -> dict[str, Array]:
    end = f".{side.upper()}"
    shoulder, elbow, wrist = (body.head(f"{bone}{end}").astype(float) for bone in ("upperarm01", "lowerarm01", "wrist"))
    knuckles = (body.head(f"finger2-1{end}") + body.head(f"finger5-1{end}")).astype(float) / 2
    rest_upper, rest_lower, rest_hand = _unit(elbow - shoulder), _unit(wrist - elbow), _unit(knuckles - wrist)
    upper = point[f"{side}_elbow"] - point[f"{side}_shoulder"]
    lower = point[f"{side}_wrist"] - point[f"{side}_elbow"]

    # The collar follows the arm by a fifth of its turn, as the shoulder blade does.
    inside = np.swapaxes(chest, -1, -2) @ _swing(_apply(chest, rest_upper), upper) @ chest
    collar = chest @ Rotation.from_rotvec(Rotation.from_matrix(inside).as_rotvec() * 0.2).as_matrix()
    rest = (rest_upper, rest_lower, np.cross(rest_upper, rest_lower))
    swung, turned_upper, forearm = _hinged(collar, rest, upper, lower, None)

    tip = point[f"{side}_hand_tip"] - point[f"{side}_wrist"]
    known = np.linalg.norm(tip, axis=-1, keepdims=True) > 0.02 * np.linalg.norm(upper, axis=-1, keepdims=True) / 0.28
    straight = _apply(forearm, rest_hand)
    wanted = np.where(known, _unit(_unit(tip) + 0.5 * straight), straight)  # half way: the tips of captures are noisy
    twist = Rotation.from_rotvec(np.outer(np.full(len(lower), hand_twist * (1 if side == "l" else -1)), [1.0, 0, 0]))
    along = _frame(lower, _apply(forearm, rest[2]))
    twisted = along @ twist.as_matrix() @ np.swapaxes(along, -1, -2) @ forearm
    hand = _swing(_apply(twisted, rest_hand), wanted) @ twisted
    return {
        f"clavicle{end}": collar,
        f"shoulder{end}": collar,
        f"upperarm01{end}": _between(swung, turned_upper, 0.5),
        f"upperarm02{end}": turned_upper,
        f"lowerarm01{end}": _between(forearm, twisted, 0.25),
        f"lowerarm02{end}": _between(forearm, twisted, 0.75),
        **{f"{stem}{end}": hand for stem in ("wrist", "finger", "metacarpal")},
    }


def _leg(body: Body, point: dict[str, Array], side: str, pelvis: Array) -> dict[str, Array]:
    end = f".{side.upper()}"
    hip, knee, ankle = (body.head(f"{bone}{end}").astype(float) for bone in ("upperleg01", "lowerleg01", "foot"))
    ball = (body.head(f"toe2-1{end}") + body.head(f"toe3-1{end}")).astype(float) / 2
    rest_upper, rest_lower, rest_foot = _unit(knee - hip), _unit(ankle - knee), _unit(ball - ankle)
    rest_hinge = _unit(np.cross(-rest_lower, rest_foot))
    upper = point[f"{side}_knee"] - point[f"{side}_hip"]
    lower = point[f"{side}_ankle"] - point[f"{side}_knee"]
    foot = _unit(point[f"{side}_toe"] - point[f"{side}_ankle"])
    hinge_of_foot = np.cross(-_unit(lower), foot)
    swung, thigh, shin = _hinged(pelvis, (rest_upper, rest_lower, rest_hinge), upper, lower, hinge_of_foot)
    turned_foot = _frame(foot, _apply(shin, rest_hinge)) @ _frame(rest_foot, rest_hinge).T
    return {
        f"upperleg01{end}": _between(swung, thigh, 0.5),
        f"upperleg02{end}": thigh,
        f"lowerleg{end}": shin,
        f"foot{end}": turned_foot,
        f"toe{end}": turned_foot,
    }
