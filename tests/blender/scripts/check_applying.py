"""A movement onto a rig by the buttons: mapping, presets, Apply, sliders afterwards, undo."""

from __future__ import annotations

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import dataclasses
import time
from pathlib import Path

import bpy
import common
import fake_layout
import making
import numpy as np

import addon
from addon import live, panels, paths, settings, state, timers

HARDLY = "frames 38-46: the person is hardly seen"


def curves(armature) -> dict[tuple[str, int], np.ndarray]:
    """(path, index) → (N, 2) frame and value of every key of the armature's action."""
    from addon.bridge.curves import Curves

    data = armature.animation_data
    known = Curves(data.action, getattr(data, "action_slot", None))
    return {(c.data_path, c.array_index): np.array([p.co[:] for p in c.keyframe_points]) for c in known.fcurves}


def heads(scene, armature, frame: int) -> dict[str, np.ndarray]:
    scene.frame_set(frame)
    return {bone.name: np.array(armature.matrix_world @ bone.head) for bone in armature.pose.bones}


def pressed(operator, **options) -> list[str]:
    try:
        return [*operator(**options), ""]
    except RuntimeError as error:
        return ["CANCELLED", str(error).strip()]


def main(folder: str) -> dict:
    place = Path(folder)
    scene = common.fresh_scene(rate=30)
    addon.register()
    paths._Defaults.cache = folder
    presets_folder = place / "presets"
    paths.presets_folder = lambda: presets_folder
    ops, values, out = bpy.ops.posecore, scene.posecore, {}
    motion = making.walk(60)
    confidence = np.ones((60, 24), np.float32)
    confidence[38:47] = 0.2
    motion = dataclasses.replace(motion, confidence=confidence, notes={"warnings": [HARDLY]})
    motion.save(place / "walk.npz")
    values.capture.source = str(place / "walk.npz")
    out["source"] = state.clip(scene).info.text

    # -- mapping
    armature = making.plain_rig("A", seed=3)
    bpy.context.view_layer.objects.active = armature
    out["use selected"] = pressed(ops.use_active)
    out["mapped"] = sum(1 for item in values.target.bones if item.bone)
    out["forearm"] = [item.bone for item in values.target.bones if item.name == "leftLowerArm"]
    line = next(item for item in values.target.bones if item.name == "leftHand")
    line.bone = "hand.R"  # the user's choice takes the bone from its other role
    mapping = settings.mapping_of(scene)
    out["chosen"] = [mapping.bone("leftHand"), mapping.bone("rightHand"), mapping.matches["leftHand"].reason]
    line.bone = "no such bone"
    out["refused"] = [line.bone, state.clip(scene).target_error]
    needed = next(item for item in values.target.bones if item.name == "hips")
    bone, needed.bone = needed.bone, ""
    out["hips needed"] = [needed.state, pressed(ops.apply)[1]]
    out["preset refused"] = pressed(ops.save_preset, title="My Odd Rig")
    out["map again"] = [*pressed(ops.map_bones), settings.mapping_of(scene).bone("hips") == bone]
    line = next(item for item in values.target.bones if item.name == "leftHand")
    line.bone = "hand.R"
    out["preset saved"] = pressed(ops.save_preset, title="My Odd Rig")
    out["preset file"] = [path.name for path in presets_folder.glob("*.json")]
    values.target.preset = "my_odd_rig"
    out["by preset"] = [settings.mapping_of(scene).preset, settings.mapping_of(scene).bone("leftHand")]
    values.target.preset = "AUTO"
    out["own preset first"] = settings.mapping_of(scene).preset
    (presets_folder / "my_odd_rig.json").unlink()
    ops.map_bones()
    (place / "broken.json").write_text("{", encoding="utf-8")
    out["broken preset"] = pressed(ops.load_preset, filepath=str(place / "broken.json"))

    # -- apply
    before = bpy.data.actions.new("Before")
    armature.animation_data_create().action = before
    bpy.ops.ed.undo_push(message="Ready")
    begun = time.perf_counter()
    out["apply"] = pressed(ops.apply)
    out["apply seconds"] = time.perf_counter() - begun
    bpy.ops.ed.undo_push(message="Apply")  # what a click does, by the operator's UNDO
    clip = state.clip(scene)
    action = armature.animation_data.action
    out["action"] = [action.name, len(curves(armature))]
    out["report"] = [clip.report.title, clip.report.lines, clip.report.warnings]
    out["stashed"] = [
        strip.action.name for track in armature.animation_data.nla_tracks for strip in track.strips if strip.action
    ]
    frames = next(iter(curves(armature).values()))[:, 0]
    out["frames"] = [float(frames[0]), float(frames[-1]), len(frames)]
    out["elbow"] = _angle_between(scene, armature, motion, 31)
    out["drawn"] = [
        d for panel in panels.CLASSES if issubclass(panel, bpy.types.Panel) for d in fake_layout.draw(panel)
    ]
    out["worst"] = [*pressed(ops.go_to_worst), scene.frame_current]

    # -- sliders afterwards: the same action, other keys
    tracks = len(armature.animation_data.nla_tracks)
    far = heads(scene, armature, 60)["hips"]
    values.solve.in_place = True
    near = heads(scene, armature, 60)["hips"]
    out["in place"] = [float(np.linalg.norm(far[:2])), float(np.linalg.norm(near[:2]))]
    values.solve.in_place = False
    values.apply.frame_start = 101
    out["moved start"] = [float(next(iter(curves(armature).values()))[0, 0]), armature.animation_data.action == action]
    values.apply.frame_start = 1
    out["same action"] = [armature.animation_data.action == action, len(armature.animation_data.nla_tracks) - tracks]
    values.apply.live = False
    values.solve.in_place = True
    out["not live"] = float(np.linalg.norm(heads(scene, armature, 60)["hips"][:2]))
    values.solve.in_place = False
    values.apply.live = True

    # -- the same through the thread and the timer, as in a window
    live.threaded = lambda: True
    del timers.last_ticks[:]
    begun = time.perf_counter()
    values.solve.in_place = True
    out["mouse move ms"] = 1000 * (time.perf_counter() - begun)
    end = time.monotonic() + 20
    while timers.tick() and time.monotonic() < end:
        time.sleep(0.02)
    out["threaded"] = float(np.linalg.norm(heads(scene, armature, 60)["hips"][:2]))
    out["ticks ms"] = [1000 * float(np.median(timers.last_ticks)), 1000 * max(timers.last_ticks)]
    values.solve.in_place = False
    while timers.tick() and time.monotonic() < end:
        time.sleep(0.02)
    live.threaded = lambda: False

    # -- undo takes it all back in one step
    bpy.ops.ed.undo_push(message="Later")
    bpy.ops.ed.undo()
    bpy.ops.ed.undo()
    scene = bpy.context.scene
    armature = bpy.data.objects["Plain"]
    data = armature.animation_data
    out["undone"] = [data.action.name if data and data.action else None, len(data.nla_tracks) if data else 0]
    out["after undo"] = scene.posecore.target.armature == armature

    # -- a new armature
    values = scene.posecore
    values.target.kind = "NEW"
    out["new"] = pressed(ops.apply)
    made = values.target.armature
    out["new rig"] = [made.name, len(made.data.bones), values.target.kind, made != armature]
    joints = motion.joints()[29]
    told = heads(scene, made, 30)
    out["new error"] = _worst(told, joints)

    # -- the armature goes
    bpy.data.objects.remove(made)
    out["gone"] = pressed(ops.apply)
    empty = bpy.data.objects.new("Empty rig", bpy.data.armatures.new("Empty rig"))
    scene.collection.objects.link(empty)
    values.target.armature = empty
    out["no bones"] = [state.clip(scene).target_error, pressed(ops.apply)[1]]
    two = making.build("Two", {"a": ("", (0, 0, 0), (0, 0, 1), 0.0), "b": ("a", (0, 0, 1), (0, 0, 2), 0.0)})
    values.target.armature = two
    out["two bones"] = [state.clip(scene).target_error, pressed(ops.apply)[1]]
    addon.unregister()
    return out


def _angle_between(scene, armature, motion, frame: int) -> float:
    """Degrees between the left forearm of the rig and of the movement, in the same axes."""
    from posecore.skeletons import SMPL_24

    told = heads(scene, armature, frame)
    limb = told["hand.L"] - told["forearm.L"]
    joints = motion.joints()[frame - 1]
    x, y, z = joints[SMPL_24.index("l_wrist")] - joints[SMPL_24.index("l_elbow")]
    wanted = np.array([x, -z, y])
    cosine = limb @ wanted / np.linalg.norm(limb) / np.linalg.norm(wanted)
    return float(np.degrees(np.arccos(np.clip(cosine, -1, 1))))


def _worst(told: dict, joints: np.ndarray) -> float:
    """Largest distance, metres, between bones and joints of the same name, hips on hips."""
    from posecore.skeletons import SMPL_24

    wanted = np.stack([joints[:, 0], -joints[:, 2], joints[:, 1]], axis=1)
    names = [name for name in SMPL_24.joints if name in told]
    assert len(names) > 20, sorted(told)
    root = SMPL_24.index("pelvis")
    return max(
        float(np.linalg.norm((told[n] - told["pelvis"]) - (wanted[SMPL_24.index(n)] - wanted[root]))) for n in names
    )


common.run(main)
