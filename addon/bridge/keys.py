# SPDX-License-Identifier: GPL-3.0-or-later
"""A movement as channels to key: each bone in the rotation mode that it has."""

from __future__ import annotations

from collections.abc import Mapping

import bpy
import numpy as np
from numpy.typing import NDArray

from .axes import to_array
from .channels import rotation_channels
from .curves import Channel, bone_path

__all__ = ["motion_channels"]

Array = NDArray[np.float64]


def motion_channels(
    armature: bpy.types.Object, bones: tuple[str, ...], rotations: Array, locations: Mapping[str, Array]
) -> list[Channel]:
    """What to key.

    Args:
        bones: K names.
        rotations: (N, K, 4) xyzw from rest in the bones' own axes.
        locations: bone → (N, 3) from rest in the bone's own axes.
    """
    channels = []
    for column, bone in enumerate(bones):
        what, values = rotation_channels(rotations[:, column], armature.pose.bones[bone].rotation_mode)
        channels.append(Channel(bone_path(bone, what), bone, values))
    for bone, path in locations.items():
        axes = _location_axes(armature.data.bones[bone])
        channels.append(Channel(bone_path(bone, "location"), bone, np.asarray(path, np.float64) @ axes.T))
    return channels


def _location_axes(bone: bpy.types.Bone) -> Array:
    """(3, 3) from the bone's own axes to those of its location channels, which may be its parent's."""
    if bone.use_local_location:
        return np.eye(3)
    rest = to_array(bone.matrix_local)[:3, :3]
    return rest if bone.parent is None else to_array(bone.parent.matrix_local)[:3, :3].T @ rest
