"""What an Apply changes, and above all what it does not."""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import bpy
import common
import making
import numpy as np
from snapshot import curves, differences, snapshot

from addon.bridge import actions, stashing
from addon.bridge import curves as curves_module
from addon.bridge.actions import apply_motion
from addon.bridge.rigs import read_rig
from posecore.errors import PosecoreError
from posecore.retargeting import Mapping, Match, RigMotion

MAPPED = ("hips", "spine", "chest", "upper_arm.L", "forearm.L", "thigh.R", "shin.R")


def mapping_of(bones=MAPPED):
    roles = ("hips", "spine", "chest", "leftUpperArm", "leftLowerArm", "rightUpperLeg", "rightLowerLeg")
    return Mapping({role: Match(bone, 1.0, "") for role, bone in zip(roles, bones, strict=False)})


def movement(rig, frames=20, rate=30.0, seed=1, bones=MAPPED, travel=True):
    """Random smooth turns."""
    times = np.arange(frames) / rate
    generator = np.random.default_rng(seed)
    half = generator.uniform(0.1, 0.4, len(bones)) * np.sin(2 * times[:, None] + generator.uniform(0, 6, len(bones)))
    axes = generator.normal(size=(len(bones), 3))
    axes /= np.linalg.norm(axes, axis=1, keepdims=True)
    turns = np.concatenate([np.sin(half)[..., None] * axes, np.cos(half)[..., None]], axis=-1)
    path = {bones[0]: np.stack([times, 0 * times, 0.1 * times], 1).astype(np.float32)} if travel else {}
    return RigMotion(rig, times, bones, turns.astype(np.float32), path)


def scene_with_rig(rate=30.0):
    scene = common.fresh_scene(rate)
    armature = making.in_all_modes(making.plain_rig("A", name="Hero", seed=3))
    armature.location = (0.3, -2.0, 0.1)
    armature.rotation_euler = (0.1, 0.2, 1.0)
    armature.pose.bones["head"]["mood"] = 0.5
    armature["owner"] = "an animator"
    scene.frame_set(7)
    bpy.context.view_layer.update()
    return scene, armature


def action_of(armature):
    return armature.animation_data.action if armature.animation_data else None


def old_action(armature, name="Old"):
    """Keys on a mapped bone, on bones above and beside the mapped ones, on a property and on the object."""
    armature.animation_data_create().action = bpy.data.actions.new(name)
    pose = armature.pose.bones
    for frame, value in ((1, 0.0), (10, 0.4), (20, 0.1)):
        for bone in ("head", "hand.L", "upper_arm.L", "thigh.R"):
            what = {"QUATERNION": "rotation_quaternion", "AXIS_ANGLE": "rotation_axis_angle"}
            what = what.get(pose[bone].rotation_mode, "rotation_euler")
            values = list(getattr(pose[bone], what))
            values[-1] = value
            setattr(pose[bone], what, values)
            pose[bone].keyframe_insert(what, frame=frame)
        pose["head"]["mood"] = value
        pose["head"].keyframe_insert('["mood"]', frame=frame)
        armature.location.x = value
        armature.keyframe_insert("location", index=0, frame=frame)
    return armature.animation_data.action


def modes(armature, scene):
    """Applied while the armature is posed, edited, hidden, or out of the view layer."""
    found = {}
    rig = read_rig(armature)

    def attempt(name):
        before = snapshot(armature, set(MAPPED))
        report = apply_motion(movement(read_rig(armature)), armature, scene, action_name=name)
        after = snapshot(armature, set(MAPPED))
        same = np.allclose(read_rig(armature).placement, rig.placement, atol=1e-5)
        found[name] = [*differences(before, after), *([] if same else ["read at another place"])]
        assert report.keys and action_of(armature).name.startswith(name)

    attempt("object mode")
    bpy.ops.object.mode_set(mode="POSE")
    scene.tool_settings.use_keyframe_insert_auto = True
    attempt("pose mode")
    bpy.ops.object.mode_set(mode="EDIT")
    attempt("edit mode")
    bpy.ops.object.mode_set(mode="OBJECT")
    scene.tool_settings.use_keyframe_insert_auto = False
    armature.select_set(False)
    armature.hide_set(True)
    attempt("hidden")
    armature.hide_set(False)
    armature.hide_viewport = True
    attempt("off in all viewports")
    armature.hide_viewport = False
    aside = bpy.data.collections.new("Aside")
    scene.collection.children.link(aside)
    aside.objects.link(armature)
    scene.collection.objects.unlink(armature)
    bpy.context.view_layer.layer_collection.children["Aside"].exclude = True
    attempt("excluded collection")
    armature.data.pose_position = "REST"
    attempt("rest position")
    return found


def again(armature, scene):
    """The same name writes over our own keys; another name makes another action."""
    first = apply_motion(movement(read_rig(armature)), armature, scene, action_name="Walk")
    ours = action_of(armature)
    finger = 'pose.bones["hand.R"].location'
    armature.pose.bones["hand.R"].keyframe_insert("location", index=1, frame=3)
    fewer = movement(read_rig(armature), frames=9, seed=2, bones=MAPPED[:-2], travel=False)
    second = apply_motion(fewer, armature, scene, action_name="Walk", frame_start=5)
    kept = curves(ours)
    result = {
        "same": action_of(armature) == ours and second.again and not first.again,
        "actions": len(bpy.data.actions),
        "range": list(ours.frame_range),
        "user_key": kept.get(f"{finger}[1]"),
        "unmapped_rest": [kept[path] for path in kept if path.startswith('pose.bones["shin.R"]')],
        "no_travel": [kept[path] for path in kept if path.startswith('pose.bones["hips"].location')],
        "tracks": len(armature.animation_data.nla_tracks),
    }
    third = apply_motion(movement(read_rig(armature)), armature, scene, action_name="Run")
    result["other"] = [third.again, third.stashed, action_of(armature).name, len(armature.animation_data.nla_tracks)]
    fourth = apply_motion(movement(read_rig(armature)), armature, scene, action_name="Run")
    result["other_again"] = [fourth.again, fourth.stashed, len(armature.animation_data.nla_tracks)]
    bpy.data.objects.new("Double", armature.data).animation_data_create().action = action_of(armature)
    fifth = apply_motion(movement(read_rig(armature)), armature, scene, action_name="Run")
    result["shared"] = [fifth.again, fifth.action]
    return result


def stashed(armature, scene):
    """An old action goes on where the movement says nothing, and is put by as it was."""
    old = old_action(armature)
    keys, users = curves(old), old.users
    armature.pose.bones["shin.L"].scale = (1, 1.2, 1)
    scene.frame_set(7)
    before = snapshot(armature, {*MAPPED})
    report = apply_motion(movement(read_rig(armature)), armature, scene, action_name="New")
    new = curves(action_of(armature))
    track = armature.animation_data.nla_tracks[-1]
    result = {
        "changed": differences(before, snapshot(armature, {*MAPPED})),
        "old_untouched": curves(old) == keys and old.users == users and old.name == "Old",
        "track": [track.name, track.mute, track.lock, track.select, track.strips[0].action.name],
        "strip": [track.strips[0].frame_start, track.strips[0].frame_end],
        "stashed": report.stashed,
        "went_on": sorted(path for path in keys if new.get(path) == keys[path]),
        "replaced": sorted({path.rsplit("[", 1)[0] for path in keys if new.get(path) != keys[path]}),
        "warnings": list(report.warnings),
    }
    if hasattr(old, "slots"):
        result["slots"] = [len(action_of(armature).slots), track.strips[0].action_slot is not None]
    scene.frame_set(10)
    result["head"] = round(float(armature.pose.bones["head"]["mood"]), 4)
    return result


def failures(armature, scene):
    """Whatever goes wrong half-way leaves everything as it was."""
    found = {}

    def fails(name, apply, error=RuntimeError):
        before, tracks = snapshot(armature), armature.animation_data and len(armature.animation_data.nla_tracks)
        held, keys = action_of(armature), curves(action_of(armature))
        held = held.name if held else None
        known = sorted((a.name, a.users) for a in bpy.data.actions)
        try:
            apply()
            found[name] = ["did not fail"]
        except error as reason:
            found[name] = differences(before, snapshot(armature))
            now = action_of(armature)
            if (now.name if now else None, curves(now)) != (held, keys):
                found[name].append("the action changed")
            if sorted((a.name, a.users) for a in bpy.data.actions) != known:
                found[name].append(f"actions {known} -> {[(a.name, a.users) for a in bpy.data.actions]}")
            if (armature.animation_data and len(armature.animation_data.nla_tracks)) != tracks:
                found[name].append("tracks changed")
            if error is PosecoreError:
                found[name + ", told"] = str(reason)

    broken = RuntimeError("the disk is full")

    def break_at(module, function, then):
        kept = getattr(module, function)

        def bad(*arguments, **options):
            if then:
                kept(*arguments, **options)
            raise broken

        setattr(module, function, bad)
        return lambda: setattr(module, function, kept)

    motion = movement(read_rig(armature))
    for name, module, function, then, options in (
        ("bare", actions.slots, "assign", True, {"rate": "set_scene"}),
        ("bare, before", actions.slots, "mark", False, {}),
    ):
        mend = break_at(module, function, then)
        fails(name, lambda: apply_motion(motion, armature, scene, action_name="Walk", **options))  # noqa: B023
        mend()
    old_action(armature)
    scene.frame_set(7)
    mend = break_at(actions, "put_by", True)
    fails("stashing", lambda: apply_motion(motion, armature, scene, action_name="Walk"))
    mend()
    apply_motion(motion, armature, scene, action_name="Walk")
    mend = break_at(actions.slots, "mark", False)
    other = movement(read_rig(armature), seed=9, frames=5)
    fails("again", lambda: apply_motion(other, armature, scene, action_name="Walk"))
    mend()
    lost = movement(read_rig(armature), bones=(*MAPPED[:-1], "shin.R"))
    armature.data.bones["shin.R"].name = "calf.R"
    fails("lost bone", lambda: apply_motion(lost, armature, scene), PosecoreError)
    armature.data.bones["calf.R"].name = "shin.R"
    late = {"frame_start": 2_000_000}
    fails("too late", lambda: apply_motion(motion, armature, scene, **late), PosecoreError)
    for name, thing in (("nothing", None), ("a mesh", bpy.data.objects.new("Cube", bpy.data.meshes.new("Cube")))):
        try:
            read_rig(thing)
        except PosecoreError as reason:
            found[f"{name}, told"] = str(reason)
    return found


def timing(armature, scene):
    """Frames and times."""
    motion = movement(read_rig(armature), frames=51, rate=50.0)  # one second
    found = {}
    report = apply_motion(motion, armature, scene, frame_start=10, action_name="resampled")
    path = curves(action_of(armature))['pose.bones["hips"].location[0]']
    found["resampled"] = [report.frames, report.first, report.last, path[0], path[15], path[-1]]
    report = apply_motion(motion, armature, scene, frame_start=10, action_name="own", rate="set_scene")
    found["own"] = [report.frames, report.last, scene.render.fps, scene.render.fps_base]
    ntsc = movement(read_rig(armature), frames=31, rate=30 / 1.001)
    apply_motion(ntsc, armature, scene, action_name="ntsc", rate="set_scene")
    found["ntsc"] = [scene.render.fps, round(scene.render.fps_base, 6)]
    single = movement(read_rig(armature), frames=1)
    found["single"] = apply_motion(single, armature, scene, action_name="one", rate="set_scene").frames
    return found


def main(api: str = "") -> dict:
    """``legacy``: as in a Blender before 4.4, on one that still has actions' own F-curves."""
    if api == "legacy":
        for module in (curves_module, actions.slots, stashing):
            module.has_slots = lambda action: False
    result = {}
    for name, check in {
        "modes": modes,
        "again": again,
        "stashed": stashed,
        "failures": failures,
        "timing": timing,
    }.items():
        scene, armature = scene_with_rig()
        result[name] = check(armature, scene)
    return result


common.run(main)
