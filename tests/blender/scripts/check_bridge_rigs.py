"""A walk, and random turns, on every kind of rig; what Blender makes of the keys against what was asked for."""

import os
import sys
from dataclasses import replace

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import bpy
import common
import making
import numpy as np
from scipy.spatial.transform import Rotation

from addon.bridge.actions import apply_motion
from addon.bridge.axes import TO_WORLD, to_array
from addon.bridge.rigs import read_rig
from addon.bridge.skeletons import new_skeleton
from posecore.motion import continuous
from posecore.retargeting import Mapping, Match, RigMotion, presets
from posecore.retargeting.transfer import retarget
from posecore.skeletons import SMPL_24

FRAMES = (1, 9, 23, 40)
# limb: role whose bone begins it, role whose bone ends it, and the joints of the Motion
LIMBS = {
    f"{side}{name}": (f"{side}{begin}", f"{side}{end}", f"{side[0]}_{a}", f"{side[0]}_{b}")
    for side in ("left", "right")
    for name, begin, end, a, b in (
        ("UpperArm", "UpperArm", "LowerArm", "shoulder", "elbow"),
        ("LowerArm", "LowerArm", "Hand", "elbow", "wrist"),
        ("UpperLeg", "UpperLeg", "LowerLeg", "hip", "knee"),
        ("LowerLeg", "LowerLeg", "Foot", "knee", "ankle"),
    )
}
PLAIN = {
    "hips": "hips",
    "spine": "spine",
    "chest": "chest",
    "neck": "neck",
    "head": "head",
    **{
        side + role: f"{bone}.{side[0].upper()}"
        for side in ("left", "right")
        for role, bone in (
            ("Shoulder", "shoulder"),
            ("UpperArm", "upper_arm"),
            ("LowerArm", "forearm"),
            ("Hand", "hand"),
            ("UpperLeg", "thigh"),
            ("LowerLeg", "shin"),
            ("Foot", "foot"),
            ("Toes", "toe"),
        )
    },
}


def by_preset(name, rig, rename=None):
    """A mapping from a preset, and its switches."""
    preset = presets.load(name)
    back = {new: old for old, new in (rename or {}).items()}
    bones = preset.bones(replace(rig, names=tuple(back.get(bone, bone) for bone in rig.names)))
    bones = {role: (rename or {}).get(bone, bone) for role, bone in bones.items()}
    matches = {role: Match(bone, 1.0, "preset") for role, bone in bones.items() if bone}
    return Mapping(matches, name, preset.root_bone(rig)), preset.switches


def by_name(rig):
    return Mapping({role: Match(bone, 1.0, "name") for role, bone in PLAIN.items()}), ()


def by_joint(rig):
    return by_preset("smpl", rig)


def cases():
    """name → (rig maker, mapper, deform bone that shows a mapped control)."""

    def same(bone):
        return bone

    def deform(bone):
        base = bone.replace("_fk", "")
        return f"DEF-{base}"

    def described(kind):
        import json

        found = json.loads((common.data_folder() / "rigs/makehuman" / f"rig.{kind}.json").read_text("utf-8"))
        return making.meaningless(found.get("bones", found))

    yield "rigify", making.rigify_rig, lambda rig: by_preset("rigify", rig), deform
    yield "rigify metarig", lambda: making.rigify_rig("metarig"), lambda rig: by_preset("rigify_metarig", rig), same
    yield "T-pose", making.plain_rig, by_name, same
    yield "A-pose, any rolls", lambda: making.plain_rig("A", seed=4), by_name, same
    yield "A-pose in cm, Y up", lambda: making.in_centimetres(making.plain_rig("A", seed=7)), by_name, same
    yield "all rotation modes", lambda: making.in_all_modes(making.plain_rig("A", seed=2)), by_name, same
    yield "new SMPL-24", lambda: new_skeleton(making.walk(), bpy.context.scene.collection), by_joint, same
    if common.data_folder().is_dir():
        yield "Mixamo names", lambda: making.makehuman_rig("mixamo"), lambda rig: by_preset("mixamo", rig), same
        yield "Unreal names", lambda: making.makehuman_rig("game_engine"), lambda rig: by_preset("unreal4", rig), same
        names = described("mixamo")
        unnamed = lambda: making.makehuman_rig("mixamo", unnamed=True)  # noqa: E731
        yield "no names", unnamed, lambda rig: by_preset("mixamo", rig, names), same


def shown(armature, rig, frame):
    """(B, 3) heads that Blender shows, in posecore's world, metres."""
    scene = bpy.context.scene
    scene.frame_set(frame)
    evaluated = armature.evaluated_get(bpy.context.evaluated_depsgraph_get())
    heads = np.array([list(evaluated.pose.bones[name].head) for name in rig.names])
    matrix = TO_WORLD @ to_array(evaluated.matrix_world)
    return heads @ matrix[:3, :3].T + matrix[:3, 3]


def angle(a, b):
    """Degrees between two directions."""
    cosine = (a * b).sum(-1) / np.linalg.norm(a, axis=-1) / np.linalg.norm(b, axis=-1)
    return float(np.degrees(np.arccos(np.clip(cosine, -1, 1))))


def random_motion(rig, mapping, seed=3):
    """Smooth random turns of all mapped bones and a path of the hips: nothing of the retargeting is in it."""
    generator = np.random.default_rng(seed)
    bones = tuple(match.bone for match in mapping.matches.values())
    times = np.arange(40) / 30.0
    speed = generator.uniform(1, 3, (len(bones), 3))
    vectors = generator.uniform(0.2, 0.7, (len(bones), 3)) * np.sin(times[:, None, None] * speed + 6 * speed)
    turns = Rotation.from_rotvec(vectors.reshape(-1, 3)).as_quat().reshape(len(times), -1, 4)
    unit = np.linalg.norm(rig.placement[:3, 0])
    path = generator.uniform(-0.3, 0.3, 3) * np.sin(2 * times)[:, None] / unit
    locations = {mapping.bone("hips"): path.astype(np.float32)}
    return RigMotion(rig, times, bones, continuous(turns).astype(np.float32), locations)


def try_one(make, mapper, show):
    """Errors of the figures in the table."""
    scene = common.fresh_scene()
    armature = make()
    bare = read_rig(armature)
    mapping, switches = mapper(bare)
    rig = read_rig(armature, mapping, switches)
    deform = np.flatnonzero(rig.deform)
    result = {"bones": len(rig), "mapped": len(mapping.matches), "warnings": list(rig.warnings)}

    planned = random_motion(rig, mapping)
    apply_motion(planned, armature, scene, frame_start=1, action_name="random", switches=switches)
    expected = planned.joints()
    result["random_mm"] = 1000 * max(
        float(np.linalg.norm(shown(armature, rig, frame) - expected[frame - 1], axis=1)[deform].max())
        for frame in FRAMES
    )

    motion = making.walk()
    planned = retarget(motion, rig, mapping)
    report = apply_motion(planned, armature, scene, frame_start=1, action_name="walk", switches=switches)
    result["apply_warnings"] = list(report.warnings)
    expected, joints = planned.joints(), motion.joints()
    errors, angles = [], []
    paths = np.ptp(expected[[frame - 1 for frame in FRAMES]][:, deform], axis=0)
    result["travelled_m"] = float(np.median(np.linalg.norm(paths, axis=-1)))
    for frame in FRAMES:
        heads = shown(armature, rig, frame)
        errors.append(np.linalg.norm(heads - expected[frame - 1], axis=1)[deform].max())
        for begin, end, a, b in LIMBS.values():
            limb = [heads[rig.index(show(mapping.bone(role)))] for role in (begin, end)]
            source = [joints[frame - 1, SMPL_24.index(joint)] for joint in (a, b)]
            angles.append(angle(limb[1] - limb[0], source[1] - source[0]))
    result["walk_mm"], result["limbs_deg"] = 1000 * float(max(errors)), max(angles)
    result["modes"] = {b.rotation_mode for b in armature.pose.bones} == set(rig.rotation_modes)
    return result


def main(*only: str) -> dict:
    return {name: try_one(*rest) for name, *rest in cases() if not only or name in only}


common.run(main)
