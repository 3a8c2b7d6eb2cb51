"""What a .blend holds."""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import bpy
import common


def main(path: str) -> dict:
    bpy.ops.wm.open_mainfile(filepath=path)
    rigs = [thing for thing in bpy.data.objects if thing.type == "ARMATURE"]
    return {
        "armatures": sorted(rig.name for rig in rigs),
        "animated": sorted(rig.name for rig in rigs if rig.animation_data and rig.animation_data.action),
        "actions": len(bpy.data.actions),
    }


common.run(main)
