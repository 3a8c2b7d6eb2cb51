"""Joint sets: names, orders, parents, mirror pairs, and maps between sets.

This is the only module that knows a joint's index. Every other room asks for joints by
name (``BODY_21.index("l_wrist")``) or maps whole arrays (:func:`convert`).

Names are prefixed ``l_``/``r_`` for the person's own left and right, so mirror pairs
follow from the names and cannot disagree with them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache, cached_property

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "AIC_14",
    "BLAZEPOSE_33",
    "BODY_21",
    "CMU_22",
    "COCO_17",
    "CROWDPOSE_14",
    "H36M_17",
    "H36M_32",
    "JHMDB_15",
    "LSP_14",
    "MPII_16",
    "MPI_INF_3DHP_17",
    "MPI_INF_3DHP_28",
    "PANOPTIC_19",
    "SMPL_24",
    "SKELETONS",
    "Skeleton",
    "conversion_weights",
    "convert",
]


@dataclass(frozen=True)
class Skeleton:
    """A named joint set.

    Attributes:
        name: the registry key, e.g. ``"BODY_21"``.
        joints: joint names in array order.
        parent_names: parent of every joint that has one; a joint that is absent is a root.
    """

    name: str
    joints: tuple[str, ...]
    parent_names: Mapping[str, str]

    def __post_init__(self) -> None:
        if len(set(self.joints)) != len(self.joints):
            raise ValueError(f"{self.name}: joint names repeat")
        unknown = (set(self.parent_names) | set(self.parent_names.values())) - set(self.joints)
        if unknown:
            raise ValueError(f"{self.name}: parents name unknown joints {sorted(unknown)}")

    def __len__(self) -> int:
        return len(self.joints)

    def __hash__(self) -> int:
        return hash(self.name)

    def index(self, joint: str) -> int:
        """Array index of ``joint``. Raises KeyError with the known names if there is none."""
        try:
            return self.joints.index(joint)
        except ValueError:
            raise KeyError(f"{self.name} has no joint {joint!r}; it has {', '.join(self.joints)}") from None

    def indices(self, joints: Iterable[str]) -> list[int]:
        """Array indices of several joints, in the order asked for."""
        return [self.index(joint) for joint in joints]

    @cached_property
    def parents(self) -> tuple[int, ...]:
        """Parent index per joint, -1 for a root."""
        return tuple(self.joints.index(self.parent_names[j]) if j in self.parent_names else -1 for j in self.joints)

    @cached_property
    def bones(self) -> tuple[tuple[int, int], ...]:
        """(parent, child) index pairs of all bones, in joint order."""
        return tuple((parent, child) for child, parent in enumerate(self.parents) if parent >= 0)

    @cached_property
    def mirror(self) -> tuple[int, ...]:
        """Permutation that exchanges left and right: ``mirrored = array[..., mirror, :]``."""
        return tuple(self.joints.index(mirror_name(joint)) for joint in self.joints)

    @cached_property
    def topological_order(self) -> tuple[int, ...]:
        """Joint indices with every parent before its children."""
        order: list[int] = []
        placed: set[int] = set()
        while len(order) < len(self.joints):
            for index, parent in enumerate(self.parents):
                if index not in placed and (parent < 0 or parent in placed):
                    order.append(index)
                    placed.add(index)
        return tuple(order)


def mirror_name(joint: str) -> str:
    """``l_x`` ↔ ``r_x``; a middle joint is its own mirror."""
    if joint.startswith("l_"):
        return "r_" + joint[2:]
    if joint.startswith("r_"):
        return "l_" + joint[2:]
    return joint


def _skeleton(name: str, joints: str, parents: str) -> Skeleton:
    """``parents`` reads ``child<parent`` items; ``*_x<*_y`` stands for both sides."""
    table: dict[str, str] = {}
    for item in parents.split():
        child, parent = item.split("<")
        sides = ("l", "r") if child.startswith("*") else ("",)
        for side in sides:
            table[child.replace("*", side)] = parent.replace("*", side)
    return Skeleton(name, tuple(joints.split()), table)


_H36M_JOINTS = (
    "pelvis r_hip r_knee r_ankle l_hip l_knee l_ankle spine thorax nose head_top "
    "l_shoulder l_elbow l_wrist r_shoulder r_elbow r_wrist"
)
_H36M_PARENTS = (
    "*_hip<pelvis *_knee<*_hip *_ankle<*_knee spine<pelvis thorax<spine nose<thorax head_top<nose "
    "*_shoulder<thorax *_elbow<*_shoulder *_wrist<*_elbow"
)

#: Human3.6M's usual 17. Joint 9 is called "neck/nose" there; it lies at the face, so ``nose``.
H36M_17 = _skeleton("H36M_17", _H36M_JOINTS, _H36M_PARENTS)

#: The joint set of the networks: H36M_17, then toes and hands. ``[:17]`` is exactly H36M_17.
BODY_21 = _skeleton(
    "BODY_21",
    _H36M_JOINTS + " l_toe r_toe l_hand r_hand",
    _H36M_PARENTS + " *_toe<*_ankle *_hand<*_wrist",
)

MPII_16 = _skeleton(
    "MPII_16",
    "r_ankle r_knee r_hip l_hip l_knee l_ankle pelvis thorax upper_neck head_top "
    "r_wrist r_elbow r_shoulder l_shoulder l_elbow l_wrist",
    "*_hip<pelvis *_knee<*_hip *_ankle<*_knee thorax<pelvis upper_neck<thorax head_top<upper_neck "
    "*_shoulder<thorax *_elbow<*_shoulder *_wrist<*_elbow",
)

LSP_14 = _skeleton(
    "LSP_14",
    "r_ankle r_knee r_hip l_hip l_knee l_ankle r_wrist r_elbow r_shoulder l_shoulder l_elbow l_wrist neck head_top",
    "*_hip<neck *_knee<*_hip *_ankle<*_knee *_shoulder<neck *_elbow<*_shoulder *_wrist<*_elbow head_top<neck",
)

COCO_17 = _skeleton(
    "COCO_17",
    "nose l_eye r_eye l_ear r_ear l_shoulder r_shoulder l_elbow r_elbow l_wrist r_wrist "
    "l_hip r_hip l_knee r_knee l_ankle r_ankle",
    "*_eye<nose *_ear<*_eye *_shoulder<nose *_elbow<*_shoulder *_wrist<*_elbow "
    "*_hip<*_shoulder *_knee<*_hip *_ankle<*_knee",
)

BLAZEPOSE_33 = _skeleton(
    "BLAZEPOSE_33",
    "nose l_eye_inner l_eye l_eye_outer r_eye_inner r_eye r_eye_outer l_ear r_ear l_mouth r_mouth "
    "l_shoulder r_shoulder l_elbow r_elbow l_wrist r_wrist l_pinky r_pinky l_index r_index l_thumb r_thumb "
    "l_hip r_hip l_knee r_knee l_ankle r_ankle l_heel r_heel l_toe r_toe",
    "*_eye_inner<nose *_eye<*_eye_inner *_eye_outer<*_eye *_ear<*_eye_outer *_mouth<nose *_shoulder<nose "
    "*_elbow<*_shoulder *_wrist<*_elbow *_pinky<*_wrist *_index<*_wrist *_thumb<*_wrist "
    "*_hip<*_shoulder *_knee<*_hip *_ankle<*_knee *_heel<*_ankle *_toe<*_heel",
)

SMPL_24 = _skeleton(
    "SMPL_24",
    "pelvis l_hip r_hip spine1 l_knee r_knee spine2 l_ankle r_ankle spine3 l_foot r_foot neck "
    "l_collar r_collar head l_shoulder r_shoulder l_elbow r_elbow l_wrist r_wrist l_hand r_hand",
    "*_hip<pelvis spine1<pelvis *_knee<*_hip spine2<spine1 *_ankle<*_knee spine3<spine2 *_foot<*_ankle "
    "neck<spine3 *_collar<spine3 head<neck *_shoulder<*_collar *_elbow<*_shoulder *_wrist<*_elbow *_hand<*_wrist",
)

#: Joint positions of the CMU captures as the 22 points that are common to all their conversions.
CMU_22 = _skeleton(
    "CMU_22",
    "pelvis l_hip l_knee l_ankle l_toe r_hip r_knee r_ankle r_toe spine chest neck head head_top "
    "l_shoulder l_elbow l_wrist l_hand_tip r_shoulder r_elbow r_wrist r_hand_tip",
    "*_hip<pelvis *_knee<*_hip *_ankle<*_knee *_toe<*_ankle spine<pelvis chest<spine neck<chest head<neck "
    "head_top<head *_shoulder<neck *_elbow<*_shoulder *_wrist<*_elbow *_hand_tip<*_wrist",
)

#: Human3.6M's full set. Joints 11, 16 and 24 repeat others, as do the ends beyond the wrists.
H36M_32 = _skeleton(
    "H36M_32",
    "pelvis r_hip r_knee r_ankle r_toe_base r_toe l_hip l_knee l_ankle l_toe_base l_toe "
    "spine_base spine thorax nose head_top "
    "l_collar l_shoulder l_elbow l_wrist l_thumb l_thumb_end l_wrist_end l_wrist_site "
    "r_collar r_shoulder r_elbow r_wrist r_thumb r_thumb_end r_wrist_end r_wrist_site",
    "*_hip<pelvis *_knee<*_hip *_ankle<*_knee *_toe_base<*_ankle *_toe<*_toe_base spine_base<pelvis spine<spine_base "
    "thorax<spine nose<thorax head_top<nose *_collar<thorax *_shoulder<*_collar *_elbow<*_shoulder *_wrist<*_elbow "
    "*_thumb<*_wrist *_thumb_end<*_thumb *_wrist_end<*_wrist *_wrist_site<*_wrist_end",
)

#: MPI-INF-3DHP's training joints.
MPI_INF_3DHP_28 = _skeleton(
    "MPI_INF_3DHP_28",
    "spine3 spine4 spine2 spine pelvis neck head head_top l_collar l_shoulder l_elbow l_wrist l_hand "
    "r_collar r_shoulder r_elbow r_wrist r_hand l_hip l_knee l_ankle l_foot l_toe r_hip r_knee r_ankle r_foot r_toe",
    "spine<pelvis spine2<spine spine3<spine2 spine4<spine3 neck<spine4 head<neck head_top<head *_collar<spine4 "
    "*_shoulder<*_collar *_elbow<*_shoulder *_wrist<*_elbow *_hand<*_wrist "
    "*_hip<pelvis *_knee<*_hip *_ankle<*_knee *_foot<*_ankle *_toe<*_foot",
)

#: MPI-INF-3DHP's "relevant" joints: those of its test set and of its metrics.
MPI_INF_3DHP_17 = _skeleton(
    "MPI_INF_3DHP_17",
    "head_top neck r_shoulder r_elbow r_wrist l_shoulder l_elbow l_wrist r_hip r_knee r_ankle l_hip l_knee l_ankle "
    "pelvis spine head",
    "*_hip<pelvis *_knee<*_hip *_ankle<*_knee spine<pelvis neck<spine head<neck head_top<head "
    "*_shoulder<neck *_elbow<*_shoulder *_wrist<*_elbow",
)

#: CMU Panoptic's 19; its "body centre" is the middle of the hips.
PANOPTIC_19 = _skeleton(
    "PANOPTIC_19",
    "neck nose pelvis l_shoulder l_elbow l_wrist l_hip l_knee l_ankle r_shoulder r_elbow r_wrist r_hip r_knee r_ankle "
    "l_eye l_ear r_eye r_ear",
    "neck<pelvis nose<neck *_shoulder<neck *_elbow<*_shoulder *_wrist<*_elbow *_hip<pelvis *_knee<*_hip *_ankle<*_knee "
    "*_eye<nose *_ear<*_eye",
)

_LIMBS = "*_hip<neck *_knee<*_hip *_ankle<*_knee *_shoulder<neck *_elbow<*_shoulder *_wrist<*_elbow"

AIC_14 = _skeleton(
    "AIC_14",
    "r_shoulder r_elbow r_wrist l_shoulder l_elbow l_wrist r_hip r_knee r_ankle l_hip l_knee l_ankle head_top neck",
    _LIMBS + " head_top<neck",
)

CROWDPOSE_14 = _skeleton(
    "CROWDPOSE_14",
    "l_shoulder r_shoulder l_elbow r_elbow l_wrist r_wrist l_hip r_hip l_knee r_knee l_ankle r_ankle head_top neck",
    _LIMBS + " head_top<neck",
)

JHMDB_15 = _skeleton(
    "JHMDB_15",
    "neck belly head r_shoulder l_shoulder r_hip l_hip r_elbow l_elbow r_knee l_knee r_wrist l_wrist r_ankle l_ankle",
    "belly<neck head<neck *_hip<belly *_knee<*_hip *_ankle<*_knee *_shoulder<neck *_elbow<*_shoulder *_wrist<*_elbow",
)

#: All joint sets by name.
SKELETONS: dict[str, Skeleton] = {
    s.name: s
    for s in (
        *(BODY_21, H36M_17, MPII_16, LSP_14, COCO_17, BLAZEPOSE_33, SMPL_24, CMU_22),
        *(H36M_32, MPI_INF_3DHP_28, MPI_INF_3DHP_17, PANOPTIC_19, AIC_14, CROWDPOSE_14, JHMDB_15),
    )
}

_Blend = dict[str, float]

_MID_HIP: _Blend = {"l_hip": 0.5, "r_hip": 0.5}
_MID_SHOULDER: _Blend = {"l_shoulder": 0.5, "r_shoulder": 0.5}
_MID_TRUNK: _Blend = {"l_hip": 0.25, "r_hip": 0.25, "l_shoulder": 0.25, "r_shoulder": 0.25}
_HAND: dict[str, _Blend] = {f"{s}_hand": {f"{s}_index": 0.5, f"{s}_pinky": 0.5} for s in ("l", "r")}
_FROM_NECK_AND_HIPS: dict[str, _Blend] = {
    "pelvis": _MID_HIP,
    "thorax": {"neck": 1.0},
    "spine": {"l_hip": 0.25, "r_hip": 0.25, "neck": 0.5},
}

# Joints that do not simply keep their name: (source, target) -> target joint -> blend of source joints.
# Blends sum to 1, so they are affine: equal in pixels, in metres and in any frame.
_BLENDS: dict[tuple[str, str], dict[str, _Blend]] = {
    ("CMU_22", "BODY_21"): {
        "spine": {"chest": 1.0},
        "thorax": {"neck": 1.0},
        "nose": {"head": 1.0},
        "l_hand": {"l_wrist": 0.5, "l_hand_tip": 0.5},
        "r_hand": {"r_wrist": 0.5, "r_hand_tip": 0.5},
    },
    ("BLAZEPOSE_33", "BODY_21"): {
        "pelvis": _MID_HIP,
        "spine": _MID_TRUNK,
        "thorax": _MID_SHOULDER,
        **_HAND,
    },
    ("COCO_17", "BODY_21"): {"pelvis": _MID_HIP, "spine": _MID_TRUNK, "thorax": _MID_SHOULDER},
    ("LSP_14", "BODY_21"): _FROM_NECK_AND_HIPS,
    ("AIC_14", "BODY_21"): _FROM_NECK_AND_HIPS,
    ("CROWDPOSE_14", "BODY_21"): _FROM_NECK_AND_HIPS,
    ("JHMDB_15", "BODY_21"): {"pelvis": _MID_HIP, "spine": {"belly": 1.0}, "thorax": {"neck": 1.0}},
    ("PANOPTIC_19", "BODY_21"): {"spine": {"pelvis": 0.5, "neck": 0.5}, "thorax": {"neck": 1.0}},
    ("MPI_INF_3DHP_17", "BODY_21"): {"thorax": {"neck": 1.0}, "nose": {"head": 1.0}},
    ("MPI_INF_3DHP_28", "BODY_21"): {"thorax": {"neck": 1.0}, "nose": {"head": 1.0}},
    ("MPII_16", "BODY_21"): {
        "thorax": {"upper_neck": 1.0},
        "spine": {"pelvis": 0.5, "upper_neck": 0.5},
    },
    ("BODY_21", "LSP_14"): {"neck": {"thorax": 1.0}},
    # Zhou et al.'s table [3,2,1,4,5,6,0,7,8,10,16,15,14,11,12,13] calls the spine "thorax".
    ("BODY_21", "MPII_16"): {"thorax": {"spine": 1.0}, "upper_neck": {"thorax": 1.0}},
    ("SMPL_24", "BODY_21"): {
        "spine": {"spine2": 1.0},
        "thorax": {"neck": 1.0},
        "nose": {"head": 1.0},
        "l_toe": {"l_foot": 1.0},
        "r_toe": {"r_foot": 1.0},
    },
}


def _blends(source: Skeleton, target: Skeleton) -> dict[str, _Blend]:
    """The blend table of a pair; H36M_17 is BODY_21 without its last four joints."""
    alias = {"H36M_17": "BODY_21"}
    key = (alias.get(source.name, source.name), alias.get(target.name, target.name))
    return _BLENDS.get(key, {})


@cache
def conversion_weights(source: Skeleton, target: Skeleton) -> NDArray[np.float32]:
    """Weights (J_target, J_source) that turn joints of ``source`` into joints of ``target``.

    A row sums to 1, or is all zero where ``source`` says nothing about that joint.
    """
    blends = _blends(source, target)
    weights = np.zeros((len(target), len(source)), np.float32)
    for row, joint in enumerate(target.joints):
        blend = blends.get(joint, {joint: 1.0} if joint in source.joints else {})
        if all(name in source.joints for name in blend):
            for name, weight in blend.items():
                weights[row, source.index(name)] = weight
    weights.setflags(write=False)
    return weights


def convert(
    positions: NDArray[np.floating],
    source: Skeleton,
    target: Skeleton,
    confidence: NDArray[np.floating] | None = None,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Map joint positions from one joint set to another.

    Args:
        positions: (..., J_source, D), any unit and frame.
        confidence: (..., J_source) in [0, 1], default all 1.

    Returns:
        positions (..., J_target, D) and confidence (..., J_target): that of the weakest joint
        used, and 0 (with position 0) where ``source`` has no such joint.

    Raises:
        ValueError: ``positions`` does not have ``J_source`` joints.
    """
    positions = np.asarray(positions, np.float32)
    if positions.ndim < 2 or positions.shape[-2] != len(source):
        raise ValueError(f"expected (..., {len(source)}, D) for {source.name}, got {positions.shape}")
    weights = conversion_weights(source, target)
    if confidence is None:
        confidence = np.ones(positions.shape[:-1], np.float32)
    used = weights > 0
    spread = np.where(used, np.asarray(confidence, np.float32)[..., None, :], np.inf).min(axis=-1)
    target_confidence = np.where(used.any(axis=-1), spread, 0.0).astype(np.float32)
    return np.matmul(weights, positions), target_confidence
