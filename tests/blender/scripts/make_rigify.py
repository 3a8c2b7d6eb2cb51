"""Rigify's human, generated and saved: ``make_rigify.py FILE.blend``."""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import bpy
import common


def main(path: str) -> dict:
    common.fresh_scene()
    bpy.ops.preferences.addon_enable(module="rigify")
    bpy.ops.object.armature_human_metarig_add()
    bpy.ops.pose.rigify_generate()
    unfinished = path + ".new"
    bpy.ops.wm.save_as_mainfile(filepath=unfinished, copy=True)
    os.replace(unfinished, path)
    return {"path": path}


common.run(main)
