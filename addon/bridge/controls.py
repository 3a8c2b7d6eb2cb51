# SPDX-License-Identifier: GPL-3.0-or-later
"""Switches of a control rig: custom properties that must have a value for its FK controls to be heard."""

from __future__ import annotations

from typing import Any

import bpy
import numpy as np

from .curves import Channel, bone_path
from .probing import plain_switches

__all__ = ["switch_channels"]


def switch_channels(armature: bpy.types.Object, switches: Any) -> tuple[list[Channel], list[str]]:
    """Switches as channels to key, so that the rig's own state stays as it is and comes back with the old action.

    Args:
        switches: ``(bone or "" for the object, property, value)``, tuples or objects with those attributes.

    Returns:
        channels with one value each, and a warning for every switch that the rig does not have.
    """
    channels, warnings = [], []
    for bone, name, value in plain_switches(switches):
        owner = armature.pose.bones.get(bone) if bone else armature
        if owner is None:
            warnings.append(f"no bone {bone} for the switch {name}: if that limb follows IK, FK keys are not seen")
        elif name not in owner:
            warnings.append(
                f"{bone or armature.name} has no switch {name}: if that limb follows IK, FK keys are not seen"
            )
        else:
            member = f'["{bpy.utils.escape_identifier(name)}"]'
            path = bone_path(bone, member) if bone else member
            channels.append(Channel(path, bone or armature.name, np.array([[float(value)]])))
    return channels, warnings
