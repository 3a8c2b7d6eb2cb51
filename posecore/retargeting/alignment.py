"""The rest poses of source and target brought together: a shared frame, and what turns one limb into the other.

The *stage frame* is the one in which the target rig stands upright, faces +Z and has its left at +X, as the source's
T-pose does. Everything of the transfer happens there; how the rig is placed, turned and scaled in the world, and
which axes its bones have, is met only here.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from posecore.errors import PosecoreError
from posecore.retargeting.mapping import Mapping
from posecore.retargeting.rig import Rig
from posecore.retargeting.roles import ROLES
from posecore.skeletons import SMPL_24

__all__ = ["Stage", "align", "set_stage", "source_rest", "swing"]

Array = NDArray[np.float64]

_UP = np.array([0.0, 1.0, 0.0])
_UPRIGHT = np.radians(30.0)  # a rig within this of an axis stands along it
_STRAIGHT = np.radians(10.0)  # a rig within this of an axis faces along it
_EXACT = np.radians(1.0)
_LEANING = np.radians(20.0)  # a trunk that leans more at rest is straightened
_BENT = np.radians(40.0)  # one bone of the trunk may lean this much by its nature
_SHRUGGED = np.radians(60.0)  # so may a collar bone
_ODD_END = np.radians(60.0)  # a hand that leaves the forearm by more has a tail that means nothing
_UNLIKE = np.radians(10.0)  # feet whose slopes differ by more do not both stand
_FLAT = (np.radians(-25.0), np.radians(75.0))  # slopes from ankle to toe joint of feet that stand flat

#: The trunk's roles from below, and its joints.
TRUNK = ("hips", "spine", "chest", "upperChest", "neck", "head")


@dataclass(frozen=True)
class Stage:
    """The target at rest, in the stage frame.

    Attributes:
        heads, ends: (B, 3) heads and tails, metres.
        axes: (B, 3, 3) bone axes.
        unit: metres per unit of the armature frame.
        bones: role → number of its bone.
        warnings: one line each.
    """

    heads: Array
    ends: Array
    axes: Array
    unit: float
    bones: dict[str, int]
    warnings: tuple[str, ...]

    def direction(self, role: str, after: str) -> Array:
        """Unit vector from a role's joint to that of the role ``after`` it, or to its own tail where there is none."""
        here = self.bones[role]
        end = self.heads[self.bones[after]] if after in self.bones else self.ends[here]
        return _unit(end - self.heads[here])

    def middle(self, name: str) -> Array:
        """Half-way between the left and right joints of a role, e.g. ``"UpperLeg"``."""
        middle: Array = (self.heads[self.bones["left" + name]] + self.heads[self.bones["right" + name]]) / 2
        return middle


def _unit(vector: Array) -> Array:
    return vector / np.maximum(np.linalg.norm(vector, axis=-1, keepdims=True), 1e-12)


def _angle(one: Array, other: Array) -> float:
    return float(np.arctan2(np.linalg.norm(np.cross(one, other)), one @ other))


def swing(one: Array, other: Array) -> Array:
    """(..., 3, 3) smallest turns that take unit vectors ``one`` (..., 3) to ``other``; opposite ones turn about X,
    or about Y if they lie along X."""
    one, other = np.broadcast_arrays(one, other)
    cross, cosine = np.cross(one, other), (one * other).sum(-1)
    skew = np.zeros((*cross.shape, 3))
    x, y, z = cross[..., 0], cross[..., 1], cross[..., 2]
    skew[..., 0, 1], skew[..., 0, 2], skew[..., 1, 2] = -z, y, -x
    skew[..., 1, 0], skew[..., 2, 0], skew[..., 2, 1] = z, -y, x
    opposite = cosine < -1.0 + 1e-9
    turn = np.eye(3) + skew + skew @ skew / np.where(opposite, 1.0, 1.0 + cosine)[..., None, None]
    if opposite.any():
        axis = np.where(np.abs(one[..., :1]) < 0.9, [1.0, 0.0, 0.0], _UP)
        axis = _unit(axis - (axis * one).sum(-1, keepdims=True) * one)
        half_turn = 2.0 * axis[..., :, None] * axis[..., None, :] - np.eye(3)
        turn = np.where(opposite[..., None, None], half_turn, turn)
    return turn


def source_rest(offsets: NDArray[np.floating]) -> Array:
    """(24, 3) joints of the T-pose from rest offsets (24, 3), the pelvis at the origin."""
    places = np.zeros((len(SMPL_24), 3))
    for joint in SMPL_24.topological_order:
        if (parent := SMPL_24.parents[joint]) >= 0:
            places[joint] = places[parent] + offsets[joint]
    return places


def set_stage(rig: Rig, mapping: Mapping) -> Stage:
    """Bring the rig into the stage frame.

    Raises:
        PosecoreError: left and right of its limbs cannot be told apart.
    """
    bones = {name: rig.index(match.bone) for name, match in mapping.matches.items()}
    warnings = []
    placed = rig.placement[:3, :3]
    if np.linalg.det(placed) < 0:
        warnings.append("the armature is mirrored (negative scale): the movement comes out mirrored too")
        placed = np.diag([-1.0, 1.0, 1.0]) @ placed
    left, scales, right = np.linalg.svd(placed)
    if scales[-1] < 1e-9 * scales[0] or scales[0] <= 0:
        raise PosecoreError("the armature is scaled to nothing; give it a scale first")
    if scales[0] > 1.01 * scales[-1]:
        warnings.append("the armature is scaled unevenly: apply its scale, or limbs will shear")
    turn, unit = left @ right, float(np.cbrt(np.prod(scales)))
    heads, ends = unit * rig.rest[:, :3, 3] @ turn.T, unit * rig.tails @ turn.T
    stage = _frame(heads, bones, turn)
    return Stage(
        heads=heads @ stage,
        ends=ends @ stage,
        axes=stage.T @ turn @ rig.rest[:, :3, :3],
        unit=unit,
        bones=bones,
        warnings=tuple(warnings),
    )


def _frame(heads: Array, bones: dict[str, int], armature: Array) -> Array:
    """(3, 3) the stage's axes (columns: left, up, facing) in the world; ``armature``: the armature's axes there."""
    middle = {n: (heads[bones["left" + n]] + heads[bones["right" + n]]) / 2 for n in ("UpperLeg", "UpperArm")}
    top = middle["UpperArm"]
    if np.linalg.norm(top - middle["UpperLeg"]) < 1e-9:
        raise PosecoreError("arms and legs of the rig begin at one place; check which bones were chosen")
    up = _unit(top - middle["UpperLeg"])
    axes = [sign * axis for axis in armature.T for sign in (1.0, -1.0)]
    if _angle(up, _UP) < _UPRIGHT:
        up = _UP
    else:  # it lies, or its file has another axis up
        up = min([up, *(axis for axis in axes if _angle(up, axis) < _UPRIGHT)], key=lambda a: (a is up, _angle(a, up)))
    pairs = [heads[bones["left" + n]] - heads[bones["right" + n]] for n in ("UpperLeg", "UpperArm")]
    left = sum(pair - up * (pair @ up) for pair in pairs)
    if np.linalg.norm(left) < 1e-6 * sum(np.linalg.norm(pair) for pair in pairs) + 1e-12:
        raise PosecoreError("the left and the right limbs of the rig lie in one place; check which bones were chosen")
    facing = _unit(np.cross(left, up))
    near = min(axes, key=lambda axis: _angle(axis, facing))
    upright = min(_angle(axis, up) for axis in axes) < _EXACT  # else the armature's axes say nothing of the person
    if upright and _angle(near, facing) < _STRAIGHT:
        facing = _unit(near - up * (near @ up))
    return np.stack([np.cross(up, facing), up, facing], axis=1)


def align(stage: Stage, rig: Rig, source: Array) -> dict[str, Array]:
    """(3, 3) of every mapped role: the turn in the stage frame that takes the target's rest to the source's.

    Limbs turn by the least that brings them to the source's direction, each after the one above it, so that an
    A-pose is lifted and a bent elbow stretched, without twist. Feet turn by heading only: soles are flat at rest in
    both, while ankles and toes lie at various heights. The trunk keeps the character's own posture, unless it leans.

    Args:
        source: (24, 3) rest joints.
    """
    turns = {role: np.eye(3) for role in stage.bones}
    turns |= _trunk(stage, source)
    flat = _stands_flat(stage)
    for side in ("left", "right"):
        _limb(turns, stage, source, side, ("UpperArm", "LowerArm", "Hand"))
        _limb(turns, stage, source, side, ("UpperLeg", "LowerLeg", "Foot"))
        _hand(turns, stage, rig, source, side)
        _foot(turns, stage, source, side, flat)
    return turns


def _source_direction(source: Array, role: str, after: str) -> Array:
    return _unit(source[SMPL_24.index(ROLES[after].joint)] - source[SMPL_24.index(ROLES[role].joint)])


def _limb(turns: dict[str, Array], stage: Stage, source: Array, side: str, chain: tuple[str, ...]) -> None:
    above = np.eye(3)
    for name, following in pairwise(chain):
        role, after = side + name, side + following
        above = swing(above @ stage.direction(role, after), _source_direction(source, role, after)) @ above
        turns[role] = above


def _hand(turns: dict[str, Array], stage: Stage, rig: Rig, source: Array, side: str) -> None:
    role = side + "Hand"
    if role not in stage.bones:
        return
    forearm, hand = turns[side + "LowerArm"], stage.bones[role]
    turns[role] = forearm
    along = _unit(stage.ends[hand] - stage.heads[hand])
    fingers = (
        _unit(stage.heads[list(rig.children[hand])] - stage.heads[hand]) if rig.children[hand] else np.zeros((0, 3))
    )
    if len(fingers) >= 4:  # the one that points elsewhere is the thumb
        thumb = (fingers @ _unit(fingers.sum(axis=0))).argmin()
        along = _unit(np.delete(fingers, thumb, axis=0).sum(axis=0))
    if _angle(along, stage.direction(side + "LowerArm", role)) < _ODD_END:
        tip = _unit(source[SMPL_24.index(side[0] + "_hand")] - source[SMPL_24.index(side[0] + "_wrist")])
        turns[role] = swing(forearm @ along, tip) @ forearm


def _slope(along: Array) -> float:
    """How steeply a foot falls from ankle to toe, radians."""
    return float(np.arcsin(np.clip(-along[1], -1.0, 1.0)))


def _stands_flat(stage: Stage) -> bool:
    """Whether the soles are flat at rest, as far as ankles and toes tell: both feet alike, and neither hanging nor on
    its toes."""
    sides = [side for side in ("left", "right") if {side + "Foot", side + "Toes"} <= stage.bones.keys()]
    slopes = [_slope(stage.direction(side + "Foot", side + "Toes")) for side in sides]
    return all(_FLAT[0] < slope < _FLAT[1] for slope in slopes) and bool(np.ptp(slopes or [0.0]) < _UNLIKE)


def _foot(turns: dict[str, Array], stage: Stage, source: Array, side: str, flat: bool) -> None:
    role, toes = side + "Foot", side + "Toes"
    if role not in stage.bones:
        return
    along, wanted = stage.direction(role, toes), _source_direction(source, role, toes)
    if toes in stage.bones and not flat:
        turn = swing(along, wanted)
    else:
        yaw = np.arctan2(wanted[0], wanted[2]) - np.arctan2(along[0], along[2])
        yaw = (yaw + np.pi) % (2 * np.pi) - np.pi
        known = np.hypot(along[0], along[2]) > 0.3 and (toes in stage.bones or abs(yaw) < _ODD_END)
        turn = Rotation.from_rotvec(_UP * yaw * known).as_matrix()
    turns[role] = turn
    if toes in stage.bones:
        turns[toes] = turn


def _trunk(stage: Stage, source: Array) -> dict[str, Array]:
    turns: dict[str, Array] = {}
    hips, shoulders = (
        source[SMPL_24.indices(pair)].mean(axis=0) for pair in (("l_hip", "r_hip"), ("l_shoulder", "r_shoulder"))
    )
    straight = _unit(shoulders - hips)
    whole = _unit(stage.middle("UpperArm") - stage.middle("UpperLeg"))
    limit = _LEANING if _angle(whole, straight) > _LEANING else _BENT
    present = [role for role in TRUNK if role in stage.bones]
    for role, after in pairwise(present[1:]):
        along, wanted = stage.direction(role, after), _source_direction(source, role, after)
        if _angle(along, wanted) > limit:
            turns[role] = swing(along, wanted)
    if limit == _LEANING and len(present) > 1:
        above = stage.heads[stage.bones[present[1]]] - stage.middle("UpperLeg")
        if _angle(_unit(above), _UP) > limit:  # the pelvis leans too
            turns["hips"] = swing(_unit(above), _UP)
    for side in ("left", "right"):
        if side + "Shoulder" in stage.bones:
            role, after = side + "Shoulder", side + "UpperArm"
            along, wanted = stage.direction(role, after), _source_direction(source, role, after)
            if _angle(along, wanted) > _SHRUGGED:
                turns[role] = swing(along, wanted)
    return turns
