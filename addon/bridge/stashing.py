# SPDX-License-Identifier: GPL-3.0-or-later
"""An action put by, as Blender's own "Stash" does it: in a muted, locked NLA track, where it changes nothing."""

from __future__ import annotations

import math

import bpy

from .curves import has_slots
from .slots import Assigned

__all__ = ["stash"]

_TRACK = "[Action Stash]"  # Blender's own name for it


def stash(armature: bpy.types.Object, old: Assigned) -> str:
    """Put an action by and return its name; "" if it lies in a muted track already."""
    animation = armature.animation_data
    for track in animation.nla_tracks:
        if track.mute and any(strip.action == old.action for strip in track.strips):
            return ""
    track = animation.nla_tracks.new()
    track.name = _TRACK
    strip = track.strips.new(old.action.name, math.floor(old.action.frame_range[0]), old.action)
    if has_slots(old.action) and old.slot is not None:
        strip.action_slot = old.slot
    strip.select = False
    track.select = False
    track.mute = True
    track.lock = True
    return old.action.name
