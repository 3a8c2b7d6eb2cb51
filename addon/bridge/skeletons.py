# SPDX-License-Identifier: GPL-3.0-or-later
"""A new armature of SMPL's 24 joints, for a movement that has no character yet."""

from __future__ import annotations

import bpy
import numpy as np
from mathutils import Vector

from posecore.motion import Motion
from posecore.proportions import standing_height
from posecore.skeletons import SMPL_24

from ..windowing import in_a_window
from .axes import from_world

__all__ = ["new_armature", "new_skeleton"]

# The child that a bone points at; bones without one get an end of their own.
_POINTS_AT = {
    "pelvis": "spine1",
    "spine1": "spine2",
    "spine2": "spine3",
    "spine3": "neck",
    "neck": "head",
    **{
        f"{side}_{bone}": f"{side}_{child}"
        for side in "lr"
        for bone, child in (
            ("hip", "knee"),
            ("knee", "ankle"),
            ("ankle", "foot"),
            ("collar", "shoulder"),
            ("shoulder", "elbow"),
            ("elbow", "wrist"),
            ("wrist", "hand"),
        )
    },
}
_HEAD, _TOES, _FINGERS = (0.0, 0.18, 0.0), (0.0, 0.0, 0.07), (0.09, 0.0, 0.0)  # metres, world frame, left side


def new_skeleton(motion: Motion, collection: bpy.types.Collection, name: str = "Mocap") -> bpy.types.Object:
    """Make an armature with the proportions of a movement: a T-pose, standing on the floor, facing -Y.

    Args:
        motion: gives the lengths.
        collection, name: see :func:`new_armature`.
    """
    heads = np.zeros((len(SMPL_24), 3))
    heads[SMPL_24.index("pelvis")] = (0.0, standing_height(motion.offsets), 0.0)
    for joint in SMPL_24.topological_order:
        parent = SMPL_24.parents[joint]
        if parent >= 0:
            heads[joint] = heads[parent] + motion.offsets[joint]
    return new_armature(heads, collection, name)


def new_armature(heads: np.ndarray, collection: bpy.types.Collection, name: str) -> bpy.types.Object:
    """Make an armature whose bones begin at joints.

    Bones point along the limbs; their Z axes face forwards, so that X bends knees and spine. Selection, mode and the
    active object stay as they are.

    Args:
        heads: (24, 3) joints at rest, metres, world frame.
        collection: to put it in.
        name: of the object; Blender adds a number where it is taken.
    """
    data = bpy.data.armatures.new(name)
    data.display_type = "OCTAHEDRAL"
    armature = bpy.data.objects.new(name, data)
    # Bones can only be made in edit mode: in a scene of its own, where the user's objects do not notice.
    workshop = bpy.data.scenes.new("posecore workshop")
    try:
        workshop.collection.objects.link(armature)
        layer = workshop.view_layers[0]
        layer.objects.active = armature
        with bpy.context.temp_override(
            scene=workshop, view_layer=layer, object=armature, active_object=armature, selected_objects=[armature]
        ):
            bpy.ops.object.mode_set(mode="EDIT")
            _bones(data, heads)
            bpy.ops.object.mode_set(mode="OBJECT")
        workshop.collection.objects.unlink(armature)
        collection.objects.link(armature)
    except BaseException:
        bpy.data.objects.remove(armature)
        bpy.data.armatures.remove(data)
        raise
    finally:
        with in_a_window():
            bpy.data.scenes.remove(workshop)
    for bone in armature.pose.bones:
        bone.rotation_mode = "QUATERNION"
    return armature


def _bones(data: bpy.types.Armature, heads: np.ndarray) -> None:
    for number, joint in enumerate(SMPL_24.joints):
        bone = data.edit_bones.new(joint)
        bone.head = from_world(heads[number]).tolist()
        bone.tail = from_world(_end(joint, heads)).tolist()
        parent = SMPL_24.parents[number]
        if parent >= 0:
            bone.parent = data.edit_bones[SMPL_24.joints[parent]]
    for bone in data.edit_bones:
        along = (bone.tail - bone.head).normalized()
        # Forwards; for feet, which point there themselves, upwards.
        bone.align_roll(Vector((0, 0, 1)) if abs(along.y) > 0.7 else Vector((0, -1, 0)))


def _end(joint: str, heads: np.ndarray) -> np.ndarray:
    head = heads[SMPL_24.index(joint)]
    if joint in _POINTS_AT:
        end = heads[SMPL_24.index(_POINTS_AT[joint])]
    else:
        end = head + np.array(_HEAD if joint == "head" else _TOES if joint.endswith("foot") else _FINGERS)
        if joint.startswith("r_"):
            end = head + (end - head) * np.array([-1, 1, 1])
    # Blender drops bones without a length.
    return end if np.linalg.norm(end - head) > 1e-3 else head + np.array([0.0, 0.02, 0.0])
