"""Rigs and a movement to try them with, for the scripts that run inside Blender."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import bpy
import common
import numpy as np
from mathutils import Matrix, Vector
from scipy.spatial.transform import Rotation

from posecore.motion import Motion, continuous, default_offsets
from posecore.skeletons import SMPL_24

ROTATION_MODES = ("QUATERNION", "XYZ", "XZY", "YXZ", "YZX", "ZXY", "ZYX", "AXIS_ANGLE")

# name: (parent, head, tail) in metres, Z up, the person's left at +X, facing -Y; the left side, mirrored for the right
_PLAIN = {
    "hips": ("", (0, 0, 0.95), (0, 0, 1.05)),
    "spine": ("hips", (0, 0, 1.05), (0, 0, 1.2)),
    "chest": ("spine", (0, 0, 1.2), (0, 0, 1.42)),
    "neck": ("chest", (0, 0, 1.46), (0, 0, 1.55)),
    "head": ("neck", (0, 0, 1.55), (0, 0, 1.72)),
    "shoulder.L": ("chest", (0.03, 0, 1.4), (0.16, 0.01, 1.42)),
    "upper_arm.L": ("shoulder.L", (0.17, 0.01, 1.42), (0.44, 0.02, 1.42)),
    "forearm.L": ("upper_arm.L", (0.44, 0.02, 1.42), (0.69, 0.0, 1.42)),
    "hand.L": ("forearm.L", (0.69, 0.0, 1.42), (0.79, 0.0, 1.42)),
    "thigh.L": ("hips", (0.09, 0, 0.92), (0.1, -0.01, 0.5)),
    "shin.L": ("thigh.L", (0.1, -0.01, 0.5), (0.1, 0.02, 0.09)),
    "foot.L": ("shin.L", (0.1, 0.02, 0.09), (0.1, -0.1, 0.02)),
    "toe.L": ("foot.L", (0.1, -0.1, 0.02), (0.1, -0.17, 0.02)),
}
_ARM = ("upper_arm.L", "forearm.L", "hand.L")


def build(name: str, bones: dict[str, tuple[str, Vector, Vector, float]]) -> bpy.types.Object:
    """An armature object from bone → (parent, head, tail, roll in radians), in the current scene."""
    data = bpy.data.armatures.new(name)
    armature = bpy.data.objects.new(name, data)
    bpy.context.scene.collection.objects.link(armature)
    bpy.context.view_layer.objects.active = armature
    bpy.ops.object.mode_set(mode="EDIT")
    for bone, (_, head, tail, roll) in bones.items():
        made = data.edit_bones.new(bone)
        made.head, made.tail, made.roll = head, tail, roll
    for bone, (parent, *_) in bones.items():
        if parent:
            data.edit_bones[bone].parent = data.edit_bones[parent]
    bpy.ops.object.mode_set(mode="OBJECT")
    return armature


def plain_rig(pose: str = "T", name: str = "Plain", seed: int | None = None) -> bpy.types.Object:
    """25 bones with plain names; ``pose`` is ``"T"`` or ``"A"`` (arms 45° down). A seed gives random rolls."""
    bones = {}
    generator = np.random.default_rng(seed)
    down = Matrix.Rotation(math.radians(45), 3, "Y")
    pivot = Vector(_PLAIN["upper_arm.L"][1])
    for bone, (parent, head, tail) in _PLAIN.items():
        head, tail = Vector(head), Vector(tail)
        if pose == "A" and bone in _ARM:
            head, tail = pivot + down @ (head - pivot), pivot + down @ (tail - pivot)
        for side, flip in ((".L", 1), (".R", -1)) if bone.endswith(".L") else (("", 1),):
            roll = generator.uniform(-math.pi, math.pi) if seed is not None else 0.0
            mirror = Vector((flip, 1, 1))
            bones[bone.replace(".L", side)] = (parent.replace(".L", side), head * mirror, tail * mirror, roll)
    return build(name, bones)


def in_centimetres(armature: bpy.types.Object) -> bpy.types.Object:
    """What an FBX import makes: bones in centimetres with Y up, the object scaled by 0.01 and turned by X 90°."""
    turn = Matrix.Rotation(math.radians(90), 4, "X") @ Matrix.Scale(0.01, 4)
    armature.data.transform(turn.inverted() @ armature.matrix_world)
    armature.matrix_world = turn
    bpy.context.view_layer.update()
    return armature


def in_all_modes(armature: bpy.types.Object) -> bpy.types.Object:
    """Every bone in another of Blender's rotation modes, in turn."""
    for number, bone in enumerate(armature.pose.bones):
        bone.rotation_mode = ROTATION_MODES[number % len(ROTATION_MODES)]
    return armature


def meaningless(names: Iterable[str]) -> dict[str, str]:
    """``Bone.000`` and so on for every name, shuffled, always the same way."""
    names = list(names)
    order = np.random.default_rng(5).permutation(len(names))
    return {name: f"Bone.{number:03d}" for name, number in zip(names, order, strict=True)}


def makehuman_rig(kind: str, unnamed: bool = False) -> bpy.types.Object:
    """A rig of MakeHuman's, from the shared data: ``"mixamo"``, ``"game_engine"`` (Unreal's names), ``"cmu_mb"``,
    ``"default"``. ``unnamed`` calls its bones ``Bone.000`` and so on, shuffled."""
    path = common.data_folder() / "rigs" / "makehuman" / f"rig.{kind}.json"
    described = json.loads(path.read_text(encoding="utf-8"))
    described = described.get("bones", described)
    names = meaningless(described) if unnamed else {bone: bone for bone in described}
    bottom = min(bone["tail"]["default_position"][2] for bone in described.values())
    lift = Vector((0, 0, -bottom))
    bones = {
        names[bone]: (
            names.get(it.get("parent") or "", ""),
            Vector(it["head"]["default_position"]) + lift,
            Vector(it["tail"]["default_position"]) + lift,
            it["roll"],
        )
        for bone, it in described.items()
    }
    return build(kind, bones)


def rigify_file() -> Path:
    """A file with ``rig``, made by Rigify from its human ``metarig``, and that one; made once a session."""
    path = common.cache() / f"rigify-{'.'.join(map(str, bpy.app.version))}.blend"
    if not path.exists():
        # In a process of its own: appending to a session that has generated a rig crashes bpy.
        script = str(common.HERE / "make_rigify.py")
        blender = bpy.app.binary_path
        command = [blender, "-b", "--factory-startup", "-P", script, "--"] if blender else [sys.executable, script]
        subprocess.run([*command, str(path)], check=True, stdout=subprocess.DEVNULL, timeout=120)
    return path


def rigify_rig(which: str = "rig", link: bool = False) -> bpy.types.Object:
    """Rigify's human as generated (``"rig"``) or its ``"metarig"``, appended to (or linked into) the current scene."""
    with bpy.data.libraries.load(str(rigify_file()), link=link) as (_, wanted):
        wanted.objects = [which]
    armature = wanted.objects[0]
    bpy.context.scene.collection.objects.link(armature)
    bpy.context.view_layer.update()
    return armature


def walk(frames: int = 60, rate: float = 30.0) -> Motion:
    """A walk-like movement: arms down and swinging, knees and elbows bending, hips turning, going forward and left."""
    times = np.arange(frames) / rate
    phase = 2 * np.pi * 0.9 * times
    vectors = np.zeros((frames, len(SMPL_24), 3))

    def turn(joint: str, *vector: object) -> None:
        vectors[:, SMPL_24.index(joint)] = np.stack(np.broadcast_arrays(*vector, times)[:3], axis=1)

    for side, sign in (("l", 1.0), ("r", -1.0)):
        swing = sign * np.sin(phase)
        turn(f"{side}_hip", -0.5 * swing, 0.05 * sign, 0.08 * sign)
        turn(f"{side}_knee", 0.6 - 0.5 * sign * np.cos(phase), 0, 0)
        turn(f"{side}_ankle", -0.1 + 0.2 * swing, 0, 0)
        turn(f"{side}_collar", 0, 0.1 * swing, -0.1 * sign)
        turn(f"{side}_elbow", 0, -sign * (0.5 + 0.3 * swing), 0)
        turn(f"{side}_wrist", 0.3 * swing, 0, 0.2 * sign)
    turn("spine1", 0.1, 0.15 * np.sin(phase), 0.05)
    turn("spine2", 0.05, 0.1 * np.sin(phase), 0.0)
    turn("spine3", 0.05, 0.1 * np.sin(phase), -0.05)
    turn("neck", 0.1, -0.2 * np.sin(phase), 0.0)
    turn("head", -0.1, 0.4 * np.sin(0.5 * phase), 0.1)
    rotations = Rotation.from_rotvec(vectors.reshape(-1, 3)).as_quat().reshape(frames, -1, 4)
    heading = Rotation.from_rotvec(np.stack([0 * times, 0.4 * times, 0.05 * np.sin(phase)], axis=1))
    rotations[:, SMPL_24.index("pelvis")] = heading.as_quat()
    for side, sign in (("l", 1.0), ("r", -1.0)):
        swung = Rotation.from_rotvec(np.stack([0 * times, -sign * 0.4 * sign * np.sin(phase), 0 * times], axis=1))
        lowered = Rotation.from_rotvec([0, 0, -sign * 1.2])
        rotations[:, SMPL_24.index(f"{side}_shoulder")] = (lowered * swung).as_quat()
    path = np.stack([0.2 * times, 0.93 + 0.02 * np.cos(2 * phase), 1.1 * times], axis=1)
    return Motion(
        times=times,
        rotations=continuous(rotations).astype(np.float32),
        translation=path.astype(np.float32),
        offsets=default_offsets(),
    )
