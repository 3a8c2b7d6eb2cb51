"""Rigs that are not plain: linked, overridden, with hinges, held by constraints, played by the NLA, by Rigify."""

import os
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import bpy
import common
import making
import numpy as np
from mathutils import Euler, Quaternion
from scipy.spatial.transform import Rotation
from snapshot import curves, differences, snapshot

from addon.bridge.actions import apply_motion
from addon.bridge.axes import TO_WORLD, to_array
from addon.bridge.channels import rotation_channels
from addon.bridge.rigs import read_rig
from posecore.errors import PosecoreError
from posecore.motion import continuous
from posecore.retargeting import Mapping, Match, RigMotion, presets

MODES = ("XYZ", "XZY", "YXZ", "YZX", "ZXY", "ZYX", "AXIS_ANGLE", "QUATERNION")


def turn_of(values, mode):
    """What Blender makes of channel values, xyzw."""
    if mode == "QUATERNION":
        made = Quaternion(values)
    elif mode == "AXIS_ANGLE":
        made = Quaternion(values[1:], values[0])
    else:
        made = Euler(values, mode).to_quaternion()
    return [made.x, made.y, made.z, made.w]


def channels():
    """Channel values against Blender's own mathematics: how far off (radians), and the largest step."""
    t = np.linspace(0, 20, 2000)
    vectors = np.stack([3 * np.sin(1.3 * t), 2.5 * np.sin(0.7 * t + 1), 3 * np.sin(t)], axis=1)
    turns = Rotation.from_rotvec(vectors)
    found = {}
    for mode in MODES:
        _, values = rotation_channels(turns.as_quat(), mode)
        made = Rotation.from_quat([turn_of(row, mode) for row in values])
        found[mode] = [float((made * turns.inv()).magnitude().max()), float(np.abs(np.diff(values, axis=0)).max())]
    # Through the pole of an Euler order, where two of its angles are one: up and over in a straight line.
    over = Rotation.from_rotvec(np.outer(np.linspace(0, np.pi, 181), [0, 1, 0]))
    _, values = rotation_channels(over.as_quat(), "XYZ")
    made = Rotation.from_quat([turn_of(row, "XYZ") for row in values])
    found["pole"] = [float((made * over.inv()).magnitude().max()), float(np.abs(np.diff(values, axis=0)).max())]
    # An axis-angle through zero and on to the other side.
    rock = Rotation.from_rotvec(np.outer(np.sin(np.linspace(0, 12, 300)), [0.6, 0.0, 0.8]))
    _, values = rotation_channels(rock.as_quat(), "AXIS_ANGLE")
    found["rock"] = [0.0, float(np.abs(np.diff(values, axis=0)).max())]
    return found


def swinging(rig, bones, travels=(), frames=12, seed=2):
    times = np.arange(frames) / 30
    generator = np.random.default_rng(seed)
    vectors = generator.uniform(-1, 1, (len(bones), 3)) * np.sin(4 * times[:, None, None] + 1)
    turns = Rotation.from_rotvec(vectors.reshape(-1, 3)).as_quat().reshape(frames, -1, 4)
    size = np.ptp(rig.rest[:, :3, 3], axis=0).max()
    paths = {b: (0.2 * size * generator.normal(size=3) * np.sin(3 * times)[:, None]).astype("f4") for b in travels}
    return RigMotion(rig, times, tuple(bones), continuous(turns).astype(np.float32), paths)


def off(armature, planned, bones=None, frames=(1, 5, 12)):
    """Largest distance in mm between what Blender shows and what was planned."""
    scene, worst, expected = bpy.context.scene, 0.0, planned.joints()
    for frame in frames:
        scene.frame_set(frame)
        shown = armature.evaluated_get(bpy.context.evaluated_depsgraph_get())
        matrix = TO_WORLD @ to_array(shown.matrix_world)
        for number, name in enumerate(planned.rig.names):
            if bones is None or name in bones:
                place = matrix[:3, :3] @ np.array(shown.pose.bones[name].head) + matrix[:3, 3]
                worst = max(worst, float(np.linalg.norm(place - expected[frame - 1, number])))
    return 1000 * worst


def library():
    """A linked armature says what to do; an overridden one works."""
    common.fresh_scene()
    path = str(common.cache() / f"library-{bpy.app.version_string}-{os.getpid()}.blend")
    made = making.in_all_modes(making.plain_rig("A", name="Hero", seed=8))
    collection = bpy.data.collections.new("Heroes")
    bpy.context.scene.collection.children.link(collection)
    bpy.context.scene.collection.objects.unlink(made)
    collection.objects.link(made)
    bpy.ops.wm.save_as_mainfile(filepath=path, copy=True)
    scene = common.fresh_scene()
    with bpy.data.libraries.load(path, link=True) as (_, wanted):
        wanted.collections = ["Heroes"]
    scene.collection.children.link(wanted.collections[0])
    bpy.context.view_layer.update()
    linked = bpy.data.objects["Hero"]
    rig = read_rig(linked)
    before = snapshot(linked)
    found = {}
    try:
        apply_motion(swinging(rig, ("hips", "chest", "thigh.L"), ("hips",)), linked, scene)
        found["linked"] = "no error"
    except PosecoreError as error:
        found["linked"] = str(error)
    found["linked changed"] = differences(before, snapshot(linked))
    wanted.collections[0].override_hierarchy_create(scene, bpy.context.view_layer, do_fully_editable=True)
    mine = next(ob for ob in bpy.data.objects if ob.override_library and ob.type == "ARMATURE")
    rig = read_rig(mine)
    before = snapshot(mine, {"hips", "chest", "thigh.L"})
    planned = swinging(rig, ("hips", "chest", "thigh.L"), ("hips",))
    for name in ("first", "second", "second"):
        report = apply_motion(planned, mine, scene, action_name=name)
    found["override changed"] = differences(before, snapshot(mine, {"hips", "chest", "thigh.L"}))
    found["override mm"] = off(mine, planned)
    found["override action"] = [report.action, mine.animation_data.action.library is None, report.again]
    os.remove(path)
    return found


def odd_bones():
    """Hinges, locations in the parent's axes, IK that holds an arm, a bone that another one carries by a constraint."""
    scene = common.fresh_scene()
    armature = making.plain_rig("A", seed=5)
    bones, pose = armature.data.bones, armature.pose.bones
    bones["hips"].use_local_location = False
    bones["spine"].use_local_location = False
    bones["head"].use_inherit_rotation = False
    bones["hand.L"].use_inherit_rotation = False
    copy = pose["shoulder.R"].constraints.new("CHILD_OF")
    copy.target, copy.subtarget = armature, "spine"
    copy.inverse_matrix = bones["spine"].matrix_local.inverted()
    goal = bpy.data.objects.new("Goal", None)
    scene.collection.objects.link(goal)
    goal.location = (0.5, -0.5, 1.2)
    held = pose["shin.L"].constraints.new("IK")
    held.target, held.chain_count = goal, 2
    bpy.context.view_layer.update()
    names = ("hips", "spine", "chest", "neck", "head", "upper_arm.L", "hand.L", "thigh.L", "thigh.R")
    roles = ("hips", "spine", "chest", "neck", "head", "leftUpperArm", "leftHand", "leftUpperLeg", "rightUpperLeg")
    mapping = Mapping({role: Match(name, 1.0, "") for role, name in zip(roles, names, strict=True)})
    before = snapshot(armature)
    rig = read_rig(armature, mapping)
    followed = {n: rig.names[rig.followed[rig.index(n)]] for n in ("chest", "thigh.R", "hand.R")}
    followed |= {n: rig.followed[rig.index(n)] for n in ("hips", "head", "hand.L")}
    changed = differences(before, snapshot(armature))
    planned = swinging(rig, [n for n in names if n != "thigh.L"], ("hips", "spine"))
    apply_motion(planned, armature, scene)
    turned = [name for name in rig.names if not name.endswith(("shin.L", "foot.L", "toe.L", "thigh.L"))]
    rigid = [
        name for name in turned if name not in ("head", "hand.L", "shoulder.R", "upper_arm.R", "forearm.R", "hand.R")
    ]
    return {
        "followed": followed,
        "warnings": list(rig.warnings),
        "changed": changed,
        "mm": off(armature, planned, rigid),
    }


def nla():
    """What would hide the result is told."""
    scene = common.fresh_scene()
    armature = making.plain_rig("T")
    planned = swinging(read_rig(armature), ("hips", "chest"))
    apply_motion(planned, armature, scene, action_name="a")
    animation = armature.animation_data
    track = animation.nla_tracks.new()
    track.strips.new("a", 1, animation.action)
    found = {}
    track.is_solo = True
    armature.data.pose_position = "REST"
    animation.action_influence = 0.5
    found["warnings"] = list(apply_motion(planned, armature, scene, action_name="b").warnings)
    track.is_solo = False
    return found


def rigify(legs: str = "FK"):
    """The rig's own switches stay; an old animation of root and chest does not carry the new one along."""
    scene = common.fresh_scene()
    armature = making.rigify_rig()
    preset = presets.load("rigify")
    bare = read_rig(armature)
    roles = preset.bones(bare)
    mapping = Mapping({role: Match(bone, 1.0, "") for role, bone in roles.items()}, "rigify", preset.root_bone(bare))
    pose = armature.pose.bones
    armature.animation_data_create().action = bpy.data.actions.new("Old")
    for frame in (1, 12):
        for bone in ("root", "chest", "hips", "f_index.01.L", "jaw_master", "upper_arm_tweak.L", "torso"):
            if bone in pose:
                pose[bone].location = (0.1, 0.02 * frame, 0)
                pose[bone].keyframe_insert("location", frame=frame)
    scene.frame_set(1)
    mapped = {*roles.values(), "root", "chest", "hips"}
    keyed = {(switch.bone, switch.property) for switch in preset.switches}
    before = snapshot(armature, mapped, keyed)
    state = [pose["upper_arm_parent.L"]["IK_FK"], pose["torso"]["head_follow"]]
    silent = read_rig(armature, mapping).warnings
    rig = read_rig(armature, mapping, preset.switches)
    planned = swinging(rig, tuple(roles.values()), (roles["hips"],))
    clock = time.perf_counter()
    report = apply_motion(planned, armature, scene, switches=preset.switches, action_name="new")
    seconds = time.perf_counter() - clock
    new = curves(armature.animation_data.action)
    found = {
        "changed": differences(before, snapshot(armature, mapped, keyed)),
        "without switches": list(silent),
        "with switches": list(rig.warnings),
        "report": list(report.warnings),
        "mm": off(armature, planned, {n for n in rig.names if n.startswith(("DEF-foot", "DEF-hand", "DEF-spine"))}),
        "held": {b: new.get(f'pose.bones["{b}"].location[1]') for b in ("root", "chest", "hips")},
        "went on": [len(new.get(f'pose.bones["{b}"].location[1]', ())) for b in ("f_index.01.L", "upper_arm_tweak.L")],
        "seconds": seconds,
    }
    armature.animation_data.action = None
    for bone in ("root", "hips", "torso", "upper_arm_tweak.L", "jaw_master"):
        pose[bone].location = (0, 0, 0) if bone != "jaw_master" else (0, 0.1, 0)
    pose["chest"].location = (0, 0.1, 0)
    pose["forearm_fk.L"].scale = (1, 1.2, 1)
    missing = apply_motion(planned, armature, scene, switches=[("torso", "no_such", 1.0), ("nobody", "IK_FK", 1.0)])
    found["missing"] = list(missing.warnings)
    found["state"] = [state, scene.frame_current]
    return found


def main() -> dict:
    return {f.__name__: f() for f in (channels, library, odd_bones, nla, rigify)}


common.run(main)
