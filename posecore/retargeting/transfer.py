"""``retarget``: the movement of a Motion on another skeleton.

Every mapped bone gets the turn from rest that its SMPL joint has made in the world, after both rest poses have been
brought together (``alignment``). These are turns in the world, not relative ones, so bones that the target lacks,
has more of, or that carry one another otherwise, lose or add nothing. The hips carry the path: scaled by the length
of the legs, and so that who stands at rest height stands at rest height.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from posecore.errors import PosecoreError
from posecore.motion import Motion, continuous, forward_kinematics
from posecore.proportions import standing_height
from posecore.retargeting.alignment import TRUNK, align, set_stage, source_rest, swing
from posecore.retargeting.feet import lock_feet
from posecore.retargeting.mapping import Mapping
from posecore.retargeting.rig import Rig
from posecore.retargeting.rig_motion import RigMotion
from posecore.retargeting.roles import ROLES
from posecore.retargeting.settings import RetargetSettings
from posecore.retargeting.skeleton_pose import SkeletonPose, carriers
from posecore.skeletons import SMPL_24

__all__ = ["check_mapping", "retarget"]

Array = NDArray[np.float64]

_FLAT = np.array([1.0, 0.0, 1.0])


def retarget(
    motion: Motion, rig: Rig, mapping: Mapping | None = None, settings: RetargetSettings | None = None
) -> RigMotion:
    """Put a Motion onto a rig.

    The rig stays where it is and faces where it faces: the source's world (facing +Z) becomes the rig's own, and the
    path begins at the rig's rest place. Limbs point as the source's do, whatever the rest pose; the trunk keeps the
    character's posture.

    Args:
        mapping: which bone plays which role; None finds out.
        settings: None for the defaults.

    Returns:
        The movement of the mapped bones. ``notes["warnings"]`` holds one line for each thing worth knowing,
        ``notes["unmapped"]`` the roles without a bone, for which their neighbours make up, ``notes["scale"]`` the
        size of the path, target over source.

    Raises:
        PosecoreError: a required role has no bone, the mapping names bones that the rig lacks, or the path shall go
            on a root bone that is not there.
    """
    settings = settings or RetargetSettings()
    if mapping is None:
        from posecore.retargeting.automatic import map_rig

        mapping = map_rig(rig)
    check_mapping(rig, mapping, settings)
    mapping = _only_bones(mapping)
    stage = set_stage(rig, mapping)
    warnings = [*rig.warnings, *mapping.warnings, *stage.warnings]

    rest = source_rest(motion.offsets)
    joints, turns = forward_kinematics(motion.rotations, motion.offsets, motion.translation)
    source = _Source(motion, rest, joints.astype(np.float64), turns.astype(np.float64))
    pose = SkeletonPose(rig, stage, len(motion))
    alignment = align(stage, rig, rest)
    for role, bone in stage.bones.items():
        pose.turns[bone] = _turn(role, source, stage.bones) @ alignment[role]
    scale = _travel(pose, source, mapping, settings, warnings)
    if settings.lock_feet:
        warnings += lock_feet(pose, motion, source.joints, scale)
    unmapped = [role for role in ROLES if role not in stage.bones]
    return _rig_motion(pose, motion, {"warnings": warnings, "unmapped": unmapped, "scale": scale})


def check_mapping(rig: Rig, mapping: Mapping, settings: RetargetSettings) -> None:
    """Find out before any work whether :func:`retarget` can use a mapping.

    Raises:
        PosecoreError: see :func:`retarget`.
    """
    unmapped = [line.role for line in mapping.coverage() if line.state == "required"]
    if unmapped:
        raise PosecoreError(f"the rig has no bone for {', '.join(unmapped)}: choose one for each")
    if missing := mapping.missing(rig):
        raise PosecoreError(f"the mapping names bones that the rig does not have: {', '.join(missing)}")
    owners: dict[str, str] = {}
    for role, match in mapping.matches.items():
        if match.bone in owners:
            raise PosecoreError(f"bone {match.bone!r} plays both {owners[match.bone]} and {role}; give it one role")
        owners[match.bone] = role
    if settings.travel == "root":
        if not mapping.root or mapping.root not in rig:
            raise PosecoreError("the rig has no root bone above the hips: let the hips carry the path")
        hips = rig.index(mapping.bone("hips"))
        if rig.index(mapping.root) not in carriers(rig, hips):
            raise PosecoreError(f"root bone {mapping.root!r} does not carry the hips: let the hips carry the path")


def _only_bones(mapping: Mapping) -> Mapping:
    """The mapping without empty matches."""
    return Mapping({r: m for r, m in mapping.matches.items() if m.bone}, mapping.preset, mapping.root, mapping.warnings)


class _Source:
    """The Motion as places and turns in the world."""

    def __init__(self, motion: Motion, rest: Array, joints: Array, turns: Array) -> None:
        self.rest, self.joints, self.turns = rest, joints, turns
        self.floor = standing_height(motion.offsets)  # of the pelvis at rest over the floor, metres

    def turn(self, joint: str) -> Array:
        """(T, 3, 3)."""
        return self.turns[:, SMPL_24.index(joint)]

    def middle(self, joint: str, moving: bool = True) -> Array:
        """(T, 3) or (3,) half-way between the left and the right joint."""
        pair = SMPL_24.indices((f"l_{joint}", f"r_{joint}"))
        middle: Array = self.joints[:, pair].mean(axis=1) if moving else self.rest[pair].mean(axis=0)
        return middle


def _turn(role: str, source: _Source, bones: dict[str, int]) -> Array:
    """(T, 3, 3) turn from rest of what the source has in a role.

    A bone of the trunk that stands for several joints of the source turns so that the next mapped joint lies in the
    source's direction. Beside that, a lower one has their mean turn, and the top one the turn of the last of them,
    from which the shoulders hang.
    """
    joint = ROLES[role].joint
    if role not in ("spine", "chest", "upperChest"):
        return source.turn(joint)
    above = [other for other in TRUNK[TRUNK.index(role) + 1 : TRUNK.index("neck")] if other in bones]
    after = above[0] if above else "neck"
    span = [ROLES[r].joint for r in TRUNK[TRUNK.index(role) : TRUNK.index(after)]]
    if len(span) == 1:
        return source.turn(joint)
    start, end = SMPL_24.index(joint), SMPL_24.index(ROLES[after].joint)
    base = _mean([source.turn(name) for name in span]) if above else source.turn(span[-1])
    at_rest = source.rest[end] - source.rest[start]
    wanted = source.joints[:, end] - source.joints[:, start]
    now = base @ (at_rest / np.linalg.norm(at_rest))
    turn: Array = swing(now, wanted / np.linalg.norm(wanted, axis=-1, keepdims=True)) @ base
    return turn


def _mean(turns: list[Array]) -> Array:
    """The chordal mean of several (T, 3, 3) turns."""
    left, _, right = np.linalg.svd(np.sum(turns, axis=0))
    left[..., -1] *= np.linalg.det(left @ right)[..., None]
    mean: Array = left @ right
    return mean


def _travel(
    pose: SkeletonPose, source: _Source, mapping: Mapping, settings: RetargetSettings, warnings: list[str]
) -> float:
    """Let the hips (and the root) carry the path; returns its scale.

    What is brought to its place is the point between the hip joints, from which the legs hang, wherever the rig has
    its hips bone.
    """
    stage = pose.stage
    size = _leg(pose) / _source_leg(source.rest)
    scale = size if settings.scale is None else settings.scale
    pelvis = source.joints[:, SMPL_24.index("pelvis")]
    path = (pelvis - pelvis[:1]) * _FLAT
    sway = source.middle("hip") - pelvis
    rest_sway = source.middle("hip", moving=False)
    height = (pelvis[:, 1] - source.floor)[:, None] * np.array([0.0, size, 0.0])
    ground = np.zeros_like(path) if settings.in_place else scale * path
    wanted = stage.middle("UpperLeg") + ground + height + size * (sway - rest_sway)

    carrier = _carrier(pose)
    pose.turns[carrier] = pose.turns[stage.bones["hips"]]
    root = pose.rig.index(mapping.root) if settings.travel == "root" else carrier
    if root != carrier:
        pose.moves[root] = ground
    pose.moves[carrier] = wanted - _hung(pose, stage.bones["hips"], stage.middle("UpperLeg"))
    _gather(pose, carrier, warnings)
    return scale


def _carrier(pose: SkeletonPose) -> int:
    """The bone that must move for the whole body to move: the hips, or a bone above them that carries the rest too."""
    bones = pose.stage.bones
    hips = bones["hips"]
    chain = [hips, *carriers(pose.rig, hips)]
    legs = {bones["leftUpperLeg"], bones["rightUpperLeg"]}
    body = legs | {bones[role] for role in bones if role in (*TRUNK[1:], "leftUpperArm", "rightUpperArm")}
    for parts in (body, legs):
        for bone in chain:
            if all(bone in carriers(pose.rig, part) for part in parts):
                return bone
    return hips


def _hung(pose: SkeletonPose, bone: int, point: Array) -> Array:
    """(T, 3) where a point (3,) of the rest pose comes to lie that hangs from a bone."""
    return pose.head(bone) + (pose.turn(bone) @ (point - pose.stage.heads[bone]))


def _gather(pose: SkeletonPose, carrier: int, warnings: list[str]) -> None:
    """Give parts of the body that do not hang from ``carrier`` a path of their own, as if they did."""
    stage, loose = pose.stage, []
    outer = set(carriers(pose.rig, carrier))
    for role in ROLES:
        bone = stage.bones.get(role, carrier)
        chain = [bone, *carriers(pose.rig, bone)]
        if carrier in chain:
            continue
        top = [other for other in chain if other not in outer][-1]
        if top in pose.moves:
            continue
        above = ROLES[role].parent
        while above not in stage.bones:
            above = ROLES[above].parent
        pose.moves[top] = _hung(pose, stage.bones[above], stage.heads[bone]) - pose.head(bone)
        loose.append(pose.rig.names[bone])
    if loose:
        warnings.append(f"{', '.join(loose)}: not carried by {pose.rig.names[carrier]}, so given a path of their own")


def _leg(pose: SkeletonPose) -> float:
    """Length of the rig's legs, metres."""
    stage, total = pose.stage, 0.0
    for side in ("left", "right"):
        hip, knee = stage.heads[stage.bones[side + "UpperLeg"]], stage.heads[stage.bones[side + "LowerLeg"]]
        foot = side + "Foot"
        ankle = stage.heads[stage.bones[foot]] if foot in stage.bones else stage.ends[stage.bones[side + "LowerLeg"]]
        total += float(np.linalg.norm(knee - hip) + np.linalg.norm(ankle - knee)) / 2
    if total <= 0:
        raise PosecoreError("the rig's legs have no length; check which bones were chosen for legs and feet")
    return total


def _source_leg(rest: Array) -> float:
    """Length of the source's legs, metres."""
    chain = rest[SMPL_24.indices(("l_hip", "l_knee", "l_ankle"))]
    other = rest[SMPL_24.indices(("r_hip", "r_knee", "r_ankle"))]
    return max(float(np.linalg.norm(np.diff([chain, other], axis=1), axis=-1).sum()) / 2, 1e-9)


def _rig_motion(pose: SkeletonPose, motion: Motion, notes: dict[str, Any]) -> RigMotion:
    bones = sorted(pose.turns)
    basis = np.stack([pose.basis(bone) for bone in bones], axis=1)
    quaternions = Rotation.from_matrix(basis.reshape(-1, 3, 3)).as_quat().reshape(len(motion), len(bones), 4)
    quaternions[0] *= np.where(quaternions[0, :, 3:] < 0, -1.0, 1.0)
    return RigMotion(
        rig=pose.rig,
        times=motion.times,
        bones=tuple(pose.rig.names[bone] for bone in bones),
        rotations=continuous(quaternions).astype(np.float32),
        locations={pose.rig.names[bone]: pose.location(bone).astype(np.float32) for bone in sorted(pose.moves)},
        notes=notes,
    )
