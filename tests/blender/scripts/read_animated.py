"""Reads files with one animated rig and measures how far its bones are from where the movement says they are.

Arguments: a Take or a Motion, the rig's name ("" for a new skeleton), and files.
"""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from pathlib import Path

import bpy
import common
import making
import numpy as np
from mathutils import Matrix

from addon import sources, workflow

READERS = {
    ".fbx": lambda path: bpy.ops.import_scene.fbx(filepath=path, anim_offset=0.0),
    ".glb": lambda path: bpy.ops.import_scene.gltf(filepath=path),
    ".gltf": lambda path: bpy.ops.import_scene.gltf(filepath=path),
    ".bvh": lambda path: bpy.ops.import_anim.bvh(filepath=path, use_fps_scale=False),
    ".usd": lambda path: bpy.ops.wm.usd_import(filepath=path),
}
Z_UP = np.array(Matrix.Rotation(np.pi / 2, 3, "X"))


def expected(source: str, name: str, rate: float):
    """Names and (T, B, 3) world places, Z up, of the rig's bones by the retargeting alone, at ``rate``."""
    common.fresh_scene(30.0)
    motion = workflow.solve_take(source) if sources.is_take(source) else workflow.load_motion(source)
    if name:
        making.plain_rig("T", name="Villain")
        armature = making.plain_rig("A", name=name)
    else:
        armature = workflow.new_target(motion, bpy.context.scene.collection)
    rig, mapping = workflow.map_target(armature)
    rig_motion = workflow.plan_retarget(motion.resample(rate), rig, mapping)
    return rig.names, rig_motion.joints() @ Z_UP.T


def read(path: Path, name: str, source: str) -> dict:
    kind = path.suffix
    if kind == ".blend":
        bpy.ops.wm.open_mainfile(filepath=str(path))
        armature = bpy.data.objects[name]
    else:
        common.fresh_scene(30.0)
        READERS[kind](str(path))
        armature = next(thing for thing in bpy.data.objects if thing.type == "ARMATURE")
    scene = bpy.context.scene
    rate = scene.render.fps / scene.render.fps_base
    first, last = armature.animation_data.action.frame_range
    places: dict[str, list] = {}
    for frame in range(round(first), round(last) + 1):
        scene.frame_set(frame)
        shown = armature.evaluated_get(bpy.context.evaluated_depsgraph_get())
        for bone in shown.pose.bones:
            places.setdefault(bone.name.replace(".", "_"), []).append(shown.matrix_world @ bone.head)
    facts = {
        "frames": last - first + 1,
        "rate": rate,
        "range": [scene.frame_start, scene.frame_end],
        "actions": len(bpy.data.actions),
        "armatures": sorted(thing.name for thing in bpy.data.objects if thing.type == "ARMATURE"),
    }
    names, wanted = expected(source, name, rate)
    worst, count, travelled = 0.0, 0, 0.0
    for number, bone in enumerate(names):
        found = places.get(bone.replace(".", "_"))
        if found is None:
            continue
        count += 1
        length = min(len(found), len(wanted))
        worst = max(worst, float(np.abs(np.array(found)[:length] - wanted[:length, number]).max()))
        travelled = float(np.linalg.norm(wanted[-1, 0] - wanted[0, 0]))
    return {**facts, "bones": count, "worst": worst, "travelled": travelled}


def main(source: str, name: str, *files: str) -> dict:
    found = {Path(file).suffix: read(Path(file), name, source) for file in files}
    first = next(iter(found.values()))
    return {"files": found, "travelled": first["travelled"], "range": first["range"]}


common.run(main)
