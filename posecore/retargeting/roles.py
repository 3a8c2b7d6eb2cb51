"""Humanoid roles: what a bone is *for*, in the vocabulary of VRM 1.0, and the joint of SMPL-24 that drives it."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["ROLES", "Role", "mirror_role", "role"]


@dataclass(frozen=True)
class Role:
    """One part of a humanoid.

    Attributes:
        name: VRM's humanoid bone name, e.g. ``"leftUpperArm"``.
        joint: the joint of SMPL_24 whose rotation drives it.
        parent: role above it, "" for the hips.
        required: without a bone in it a rig cannot be used (VRM requires the same ones, but for the spine and head).
    """

    name: str
    joint: str
    parent: str
    required: bool = False

    @property
    def side(self) -> str:
        """``"left"``, ``"right"`` or ``""``."""
        return next((side for side in ("left", "right") if self.name.startswith(side)), "")


_MIDDLE = (
    Role("hips", "pelvis", "", required=True),
    Role("spine", "spine1", "hips"),
    Role("chest", "spine2", "spine"),
    Role("upperChest", "spine3", "chest"),
    Role("neck", "neck", "upperChest"),
    Role("head", "head", "neck"),
)
# (name, joint, parent, required) of one side; a parent in lower case is a role of the middle
_SIDE = (
    ("Shoulder", "collar", "upperChest", False),
    ("UpperArm", "shoulder", "Shoulder", True),
    ("LowerArm", "elbow", "UpperArm", True),
    ("Hand", "wrist", "LowerArm", False),
    ("UpperLeg", "hip", "hips", True),
    ("LowerLeg", "knee", "UpperLeg", True),
    ("Foot", "ankle", "LowerLeg", False),
    ("Toes", "foot", "Foot", False),
)

#: All roles by name, every parent before its children.
ROLES: dict[str, Role] = {r.name: r for r in _MIDDLE} | {
    side + name: Role(side + name, f"{side[0]}_{joint}", parent if parent[0].islower() else side + parent, required)
    for side in ("left", "right")
    for name, joint, parent, required in _SIDE
}


def role(name: str) -> Role:
    """The role of that name. Raises KeyError with the known names if there is none."""
    try:
        return ROLES[name]
    except KeyError:
        raise KeyError(f"no role {name!r}; the roles are {', '.join(ROLES)}") from None


def mirror_role(name: str) -> str:
    """``leftHand`` ↔ ``rightHand``; a middle role is its own mirror."""
    for side, other in (("left", "right"), ("right", "left")):
        if name.startswith(side):
            return other + name.removeprefix(side)
    return name
