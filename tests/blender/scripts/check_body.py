"""The open body as a target: made by Apply, deformed as the library deforms it, re-solved by the sliders, undone."""

from __future__ import annotations

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from pathlib import Path

import bpy
import common
import fake_layout
import making
import numpy as np

import addon
from addon import bodies, panels, paths, state
from posecore import fit_body
from posecore.skeletons import SMPL_24

FRAMES = (1, 25, 48)


def in_blender(points: np.ndarray) -> np.ndarray:
    """World axes (Y up) to Blender's, written out."""
    return np.stack([points[..., 0], -points[..., 2], points[..., 1]], axis=-1)


def skin_of(armature) -> bpy.types.Object:
    (skin,) = [thing for thing in bpy.context.scene.objects if thing.type == "MESH" and thing.parent == armature]
    return skin


def evaluated(scene, thing, frame: int) -> np.ndarray:
    """(V, 3) vertices in Blender's world, as the viewport would draw them."""
    scene.frame_set(frame)
    shown = thing.evaluated_get(bpy.context.evaluated_depsgraph_get())
    mesh = shown.to_mesh()
    points = np.empty(3 * len(mesh.vertices), np.float32)
    mesh.vertices.foreach_get("co", points)
    shown.to_mesh_clear()
    matrix = np.array(shown.matrix_world)
    return points.reshape(-1, 3) @ matrix[:3, :3].T + matrix[:3, 3]


def compare(scene, armature, motion) -> dict:
    """Largest distances, metres, of skin and joints from those of the library's fit."""
    fit = fit_body(motion, betas=bodies.shape_of(armature))
    skin, joints = [], []
    for frame in FRAMES:
        wanted = in_blender(fit.vertices(slice(frame - 1, frame))[0])
        skin.append(np.linalg.norm(evaluated(scene, skin_of(armature), frame) - wanted, axis=1).max())
        places = in_blender(fit.motion.joints()[frame - 1])
        heads = [np.array(armature.matrix_world @ armature.pose.bones[joint].head) for joint in SMPL_24.joints]
        joints.append(np.linalg.norm(np.array(heads) - places, axis=1).max())
    return {
        "skin": float(max(skin)),
        "joints": float(max(joints)),
        "lowest": float(evaluated(scene, skin_of(armature), 25)[:, 2].min()),
    }


def main(folder: str) -> dict:
    place = Path(folder)
    scene = common.fresh_scene(rate=30)
    addon.register()
    paths._Defaults.cache = folder
    ops, values, out = bpy.ops.posecore, scene.posecore, {}
    motion = making.walk(48)
    motion.save(place / "walk.npz")
    values.capture.source = str(place / "walk.npz")
    values.target.kind = "BODY"
    out["drawn"] = [
        text for panel in panels.CLASSES if issubclass(panel, bpy.types.Panel) for text in fake_layout.draw(panel)
    ]
    bystander = making.plain_rig("A", name="Bystander")
    out["no body"] = bodies.shape_of(bystander)
    before = {name: len(getattr(bpy.data, name)) for name in ("objects", "meshes", "armatures", "actions", "scenes")}
    bpy.ops.ed.undo_push(message="Ready")
    out["apply"] = list(ops.apply())
    bpy.ops.ed.undo_push(message="Apply")
    armature = values.target.armature
    skin = skin_of(armature)
    out["made"] = [armature.name, len(armature.data.bones), skin.name, len(skin.data.vertices), values.target.kind]
    out["groups"] = [group.name for group in skin.vertex_groups] == list(SMPL_24.joints)
    out["modifier"] = [(m.type, m.object == armature) for m in skin.modifiers]
    out["shape"] = bodies.shape_of(armature)
    out["mapped"] = state.clip(scene).report.lines
    out["fit"] = compare(scene, armature, motion)

    values.apply.frame_start = 101
    out["moved start"] = [float(value) for value in armature.animation_data.action.frame_range]
    values.apply.frame_start = 1
    armature.location = (2.0, 0.0, 0.0)
    told = evaluated(scene, skin, 25)
    armature.location = (0.0, 0.0, 0.0)
    out["moves as a whole"] = float(np.abs(told - evaluated(scene, skin, 25) - (2.0, 0.0, 0.0)).max())

    # -- another movement on the same body: fitted to the shape it has
    other = making.walk(50)
    other.save(place / "other.npz")
    values.capture.source = str(place / "other.npz")
    out["again"] = [list(ops.apply()), values.target.armature == armature]
    out["fit again"] = compare(scene, armature, other)

    bpy.ops.ed.undo_push(message="Again")
    bpy.ops.ed.undo()
    bpy.ops.ed.undo()
    after = {name: len(getattr(bpy.data, name)) for name in before}
    out["undone"] = [before, after]
    addon.unregister()
    return out


common.run(main)
