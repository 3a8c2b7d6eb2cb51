# SPDX-License-Identifier: GPL-3.0-or-later
"""What keeps a movement from being applied, and what would keep it from being seen."""

from __future__ import annotations

from collections.abc import Iterable

import bpy

from posecore.errors import PosecoreError
from posecore.retargeting.rig_motion import RigMotion

from .curves import Channel
from .rigs import check_armature

__all__ = ["check", "obstacles"]


def check(rig_motion: RigMotion, armature: bpy.types.Object, rate: str) -> None:
    """Raises PosecoreError if the movement cannot be keyed on that armature; says what to do."""
    check_armature(armature)
    name = armature.name
    if rate not in ("resample", "set_scene"):
        raise ValueError(f"rate must be 'resample' or 'set_scene', got {rate!r}")
    if armature.library is not None:
        raise PosecoreError(
            f"{name} is linked from another file; make a library override first (Object > Library Override > Make)"
        )
    if not len(rig_motion):
        raise PosecoreError("the movement has no frames; analyse the source again")
    if lost := [bone for bone in (*rig_motion.bones, *rig_motion.locations) if bone not in armature.pose.bones]:
        raise PosecoreError(f"{name} has no bone {lost[0]!r} any more; map its bones anew")
    if armature.animation_data is not None and armature.animation_data.use_tweak_mode:
        raise PosecoreError(
            f"an NLA strip of {name} is in tweak mode; leave it (Tab in the NLA editor) and apply again"
        )


def obstacles(armature: bpy.types.Object, channels: Iterable[Channel]) -> list[str]:
    """Settings of the user's that change or hide the result; they are theirs, so they stay."""
    name, found = armature.name, []
    if armature.data.pose_position == "REST":
        found.append(f"{name} shows its rest position: switch it to Pose Position to see the movement")
    animation = armature.animation_data
    if animation is None:
        return found
    if any(track.is_solo for track in animation.nla_tracks):
        found.append(f"an NLA track of {name} plays solo: the new action is not heard until that is switched off")
    if animation.action_blend_type != "REPLACE" or animation.action_influence < 1.0:
        found.append(f"{name} blends its action with the NLA: the movement is not seen as it is")
    paths = {channel.path for channel in channels}
    driven = sorted({curve.data_path for curve in animation.drivers} & paths)
    if driven:
        found.append(f"a driver decides {driven[0]}: keys on it are not seen")
    return found
