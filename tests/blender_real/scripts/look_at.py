"""What an animated file holds: ``look_at.py RIG``; its keys, whether it really moves, slots."""

import json
import os
import sys
import traceback

import bpy


def curves_of(action, data):
    """All its curves, in any Blender."""
    if hasattr(action, "layers") and action.layers:
        bags = [strip.channelbag(data.action_slot) for layer in action.layers for strip in layer.strips]
        return [curve for bag in bags if bag for curve in bag.fcurves]
    return list(action.fcurves)


def main(name):
    """One JSON object."""
    rig = bpy.data.objects[name]
    action = rig.animation_data.action
    curves = curves_of(action, rig.animation_data)
    bones = [bone.name for bone in rig.data.bones if bone.use_deform]
    places = []
    first, last = map(int, action.frame_range)
    for frame in range(first, last + 1):
        bpy.context.scene.frame_set(frame)
        shown = rig.evaluated_get(bpy.context.evaluated_depsgraph_get())
        places.append([tuple(shown.matrix_world @ shown.pose.bones[bone].head) for bone in bones])
    moved = max(
        max(places[t][b][axis] for t in range(len(places))) - min(places[t][b][axis] for t in range(len(places)))
        for b in range(len(bones))
        for axis in range(3)
    )
    return {
        "keys": sum(len(curve.keyframe_points) for curve in curves),
        "curves": len(curves),
        "frames": last - first + 1,
        "moved": moved,
        "slotted": hasattr(action, "slots"),
    }


try:
    print("\n" + json.dumps(main(sys.argv[sys.argv.index("--") + 1])), flush=True)
except BaseException:
    traceback.print_exc()
    sys.stderr.flush()
    os._exit(3)
