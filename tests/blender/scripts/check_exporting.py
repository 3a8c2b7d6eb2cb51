"""Every format that an animated rig is written to, read back by Blender's own importers."""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from pathlib import Path

import bpy
import common
import making
import numpy as np
from mathutils import Matrix

from addon import exporting
from posecore.errors import OutputError

START, STOP = 5, 24


def heads(armature: bpy.types.Object, frames) -> dict[str, np.ndarray]:
    """World places of the bones' heads, (T, 3) a bone."""
    scene, found = bpy.context.scene, {}
    for frame in frames:
        scene.frame_set(frame)
        shown = armature.evaluated_get(bpy.context.evaluated_depsgraph_get())
        for bone in shown.pose.bones:
            found.setdefault(bone.name, []).append(shown.matrix_world @ bone.head)
    return {name: np.array(values) for name, values in found.items()}


def animated_rig(seed: int) -> bpy.types.Object:
    """A rig in centimetres, turned and moved, with a stashed action, a constraint and a skinned mesh."""
    armature = making.in_centimetres(making.plain_rig("A", name="Hero", seed=seed))
    armature.matrix_world = Matrix.Translation((0.3, -0.2, 0.1)) @ Matrix.Rotation(0.7, 4, "Z") @ armature.matrix_world
    generator = np.random.default_rng(seed)
    old = None
    for name in ("old", "new"):
        armature.animation_data_create().action = bpy.data.actions.new(name)
        for number, bone in enumerate(armature.pose.bones):
            axis = generator.uniform(-1, 1, 3)
            for frame in range(START, STOP + 1):
                bone.rotation_quaternion = Matrix.Rotation(0.4 * np.sin(0.3 * frame + number), 4, axis).to_quaternion()
                bone.keyframe_insert("rotation_quaternion", frame=frame)
                if bone.name == "hips":
                    bone.location = (3.0 * frame, 20 * np.sin(frame), 2.0)
                    bone.keyframe_insert("location", frame=frame)
        if name == "old":
            old = armature.animation_data.action
            track = armature.animation_data.nla_tracks.new()
            track.strips.new("old", START, old)
            track.mute = True
    copy = armature.pose.bones["hand.L"].constraints.new("COPY_ROTATION")
    copy.target, copy.subtarget = armature, "head"
    mesh = bpy.data.meshes.new("Skin")
    inverse = armature.matrix_world.inverted()
    mesh.from_pydata(
        [inverse @ armature.matrix_world @ bone.head_local for bone in armature.data.bones], [], [(0, 1, 2)]
    )
    skin = bpy.data.objects.new("Skin", mesh)
    bpy.context.scene.collection.objects.link(skin)
    skin.parent = armature
    for number, bone in enumerate(armature.data.bones):
        skin.vertex_groups.new(name=bone.name).add([number], 1.0, "REPLACE")
    skin.modifiers.new("Armature", "ARMATURE").object = armature
    return armature


def state(scene: bpy.types.Scene) -> list:
    layer = bpy.context.view_layer
    return [
        [scene.frame_start, scene.frame_end, scene.frame_current],
        sorted((o.name, o.select_get(), o.hide_get(), o.hide_viewport, o.hide_select) for o in layer.objects),
        layer.objects.active and layer.objects.active.name,
        sorted(c.name for c in bpy.data.collections),
        sorted(a.name for a in bpy.data.actions),
        sorted(bpy.context.preferences.addons.keys()),
        [[round(v, 6) for row in o.matrix_world for v in row] for o in sorted(layer.objects, key=lambda o: o.name)],
    ]


IMPORTERS = {
    ".fbx": lambda path: bpy.ops.import_scene.fbx(filepath=path, anim_offset=0.0),
    ".fbx 2": lambda path: bpy.ops.wm.fbx_import(filepath=path, anim_offset=0.0),
    ".glb": lambda path: bpy.ops.import_scene.gltf(filepath=path),
    ".gltf": lambda path: bpy.ops.import_scene.gltf(filepath=path),
    ".bvh": lambda path: bpy.ops.import_anim.bvh(filepath=path, use_fps_scale=False),
    ".usd": lambda path: bpy.ops.wm.usd_import(filepath=path),
    ".usda": lambda path: bpy.ops.wm.usd_import(filepath=path),
    ".usdc": lambda path: bpy.ops.wm.usd_import(filepath=path),
}


def read_back(kind: str, path: Path, wanted: dict[str, np.ndarray], rate: float) -> dict:
    """How far the bones of a file are from where they were, the import's own frames taken as they come."""
    bpy.ops.wm.read_factory_settings(use_empty=True)
    scene = bpy.context.scene
    scene.render.fps, scene.render.fps_base = round(rate), round(rate) / rate
    if kind == ".blend":
        bpy.ops.wm.open_mainfile(filepath=str(path))
        armature = bpy.data.objects["Hero"]
        bpy.context.view_layer.layer_collection.children["Hidden"].exclude = False
    else:
        IMPORTERS[kind](str(path))
        armature = next(thing for thing in bpy.data.objects if thing.type == "ARMATURE")
    scene = bpy.context.scene
    action = armature.animation_data.action
    first, last = action.frame_range
    found = heads(armature, range(round(first), round(first) + STOP - START + 1))
    # USD and glTF take dots out of names.
    plain = {name.replace(".", "_"): places for name, places in wanted.items()}
    found = {name.replace(".", "_"): places for name, places in found.items()}
    differences = {name: float(np.abs(found[name] - plain[name]).max()) for name in plain if name in found}
    return {
        "bones": len(differences),
        "worst": max(differences.values(), default=9.0),
        "first": float(first),
        "length": float(last - first),
        "rate": scene.render.fps / scene.render.fps_base,
        "actions": len(bpy.data.actions),
        "armatures": sum(thing.type == "ARMATURE" for thing in bpy.data.objects),
        "objects": sorted(thing.name for thing in bpy.data.objects if thing.type in ("ARMATURE", "MESH")),
    }


def main(folder: str, rate: str = "24") -> dict:
    folder, rate = Path(folder), float(rate)
    scene = common.fresh_scene(rate)
    armature = animated_rig(3)
    bpy.data.objects.new("Unrelated", bpy.data.meshes.new("Unrelated"))
    shelf = bpy.data.collections.new("Hidden")
    scene.collection.children.link(shelf)
    for thing in (armature, bpy.data.objects["Skin"]):
        scene.collection.objects.unlink(thing)
        shelf.objects.link(thing)
    scene.collection.objects.link(bpy.data.objects["Unrelated"])
    bpy.data.objects["Unrelated"].select_set(True)
    armature.hide_set(True)
    bpy.context.view_layer.layer_collection.children["Hidden"].exclude = True
    scene.frame_start, scene.frame_end = 100, 120
    scene.frame_set(7)
    armature.name = "Hero"
    before = state(scene)
    bpy.context.view_layer.layer_collection.children["Hidden"].exclude = False
    wanted = heads(armature, range(START, STOP + 1))
    bpy.context.view_layer.layer_collection.children["Hidden"].exclude = True
    scene.frame_set(7)
    job = exporting.Job(scene, (armature,), START, STOP)
    out = {}
    missing = [suffix for suffix in exporting.SUFFIXES if exporting.available(suffix)]
    for suffix in set(exporting.SUFFIXES) - set(missing):
        assert exporting.export(folder / f"hero{suffix}", job) == [folder / f"hero{suffix}"]
        after = state(scene)
        assert after == before, (suffix, [pair for pair in zip(before, after, strict=False) if pair[0] != pair[1]])
    files = sorted(path.name for path in folder.iterdir())
    errors = {}
    for path in (folder / "nowhere" / "a.glb", folder / "nowhere" / "a.blend", folder / "a.txt"):
        try:
            exporting.export(path, job)
        except OutputError as error:
            errors[path.suffix] = str(error)
    for kind in (".blend", *IMPORTERS):
        if kind in missing or (kind == ".fbx 2" and not exporting._has("wm.fbx_import")):
            continue
        out[kind] = read_back(kind, folder / f"hero{kind.split()[0]}", wanted, rate)
    return {"read": out, "files": files, "errors": errors, "bones": len(wanted), "missing": missing}


common.run(main)
