"""Everything of an armature and its scene that an Apply must leave alone, as plain values to compare."""

from __future__ import annotations

from typing import Any

import bpy


def rounded(values: Any) -> list[float]:
    return [round(float(value), 5) for value in values]


def matrix(value: Any) -> list[float]:
    return rounded(cell for row in value for cell in row)


def curves(action: bpy.types.Action | None) -> dict[str, list]:
    """Keys of every F-curve of an action, whatever kind of action it is."""
    if action is None:
        return {}
    if hasattr(action, "slots"):
        bags = [bag for layer in action.layers for strip in layer.strips for bag in strip.channelbags]
        found = [curve for bag in bags for curve in bag.fcurves]
    else:
        found = list(action.fcurves)
    return {
        f"{curve.data_path}[{curve.array_index}]": [rounded(key.co) for key in curve.keyframe_points] for curve in found
    }


def properties(owner: Any) -> dict[str, str]:
    return {name: str(owner[name]) for name in owner.keys() if name != "posecore"}  # noqa: SIM118


def snapshot(armature: bpy.types.Object, mapped: set[str] = frozenset(), keyed: set[tuple] = frozenset()) -> dict:
    """The state now.

    Args:
        mapped: bones whose pose may change.
        keyed: (bone, property) that may change.
    """
    context, scene = bpy.context, bpy.context.scene
    bones = {}
    for bone in armature.data.bones:
        bones[bone.name] = [
            bone.parent.name if bone.parent else "",
            matrix(bone.matrix_local),
            rounded(bone.head_local),
            rounded(bone.tail_local),
            bone.use_deform,
            bone.use_inherit_rotation,
            bone.use_connect,
            bone.hide,
        ]
    pose = {}
    for bone in armature.pose.bones:
        kept = {n: v for n, v in properties(bone).items() if (bone.name, n) not in keyed}
        pose[bone.name] = [bone.rotation_mode, list(bone.lock_location), list(bone.lock_rotation), kept]
        pose[bone.name] += [[c.type, c.name, c.mute, round(c.influence, 5)] for c in bone.constraints]
        pose[bone.name] += [rounded(bone.scale)]
        if bone.name not in mapped:
            pose[bone.name] += [
                rounded(bone.location),
                rounded(bone.rotation_quaternion),
                rounded(bone.rotation_euler),
                rounded(bone.rotation_axis_angle),
            ]
    return {
        "object": [matrix(armature.matrix_basis), matrix(armature.matrix_world), armature.rotation_mode],
        "parent": armature.parent.name if armature.parent else "",
        "rest": bones,
        "pose": pose,
        "shown": [armature.hide_viewport, armature.hide_render, armature.hide_get(), armature.data.pose_position],
        "properties": [properties(armature), properties(armature.data)],
        "drivers": len(armature.animation_data.drivers) if armature.animation_data else 0,
        "scene": [
            scene.name,
            scene.frame_current,
            scene.frame_subframe,
            scene.frame_start,
            scene.frame_end,
            scene.render.fps,
            round(scene.render.fps_base, 6),
            scene.tool_settings.use_keyframe_insert_auto,
            len(scene.timeline_markers),
        ],
        "context": [
            context.mode,
            context.view_layer.objects.active.name if context.view_layer.objects.active else "",
            sorted(ob.name for ob in context.selected_objects),
            armature.mode,
        ],
        "data": [len(bpy.data.scenes), len(bpy.data.objects), len(bpy.data.armatures), len(bpy.data.collections)],
        "collections": sorted(c.name for c in armature.users_collection),
    }


def differences(before: Any, after: Any, path: str = "") -> list[str]:
    """Where two snapshots differ, in words."""
    if isinstance(before, dict) and isinstance(after, dict):
        found = [f"{path}.{key} came or went" for key in before.keys() ^ after.keys()]
        for key in before.keys() & after.keys():
            found += differences(before[key], after[key], f"{path}.{key}")
        return found
    return [] if before == after else [f"{path}: {str(before)[:150]} -> {str(after)[:150]}"]
