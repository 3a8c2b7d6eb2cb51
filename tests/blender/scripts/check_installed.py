"""The built zip in a clean Blender: ``check_installed.py ZIP CLIP SECONDS``.

Everything of posecore comes out of the zip: the checkout is not on the path, and the worker, the networks, the
retargeting and the keys are those of the installed extension. Prints one line of JSON.
"""

import importlib
import json
import os
import subprocess
import sys
import tempfile
import traceback

import bpy
import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))
PACKAGE = "bl_ext.user_default.posecore"
BUNDLED = ("av", "onnxruntime", "PIL", "posecore", "scipy")
LIMBS = (
    [f"{side}_{joint}" for side in "lr" for joint in ("shoulder", "elbow")],
    [f"{side}_{joint}" for side in "lr" for joint in ("hip", "knee")],
)
NEXT = {"shoulder": "elbow", "elbow": "wrist", "hip": "knee", "knee": "ankle"}


def part(name):
    """A module of the installed extension."""
    return importlib.import_module(f"{PACKAGE}.{name}")


def install(path):
    """Install and enable the zip, unless it was."""
    if f"{PACKAGE}" not in bpy.context.preferences.addons:
        bpy.ops.extensions.package_install_files(filepath=path, repo="user_default", enable_on_install=True)
    assert PACKAGE in bpy.context.preferences.addons, "it was not enabled"
    extensions = os.path.realpath(bpy.utils.user_resource("EXTENSIONS"))
    places = {}
    for name in (*BUNDLED, "ai_edge_litert"):
        place = os.path.realpath(importlib.import_module(name).__file__)
        places[name] = os.path.relpath(place, extensions) if place.startswith(extensions) else place
    return {
        "places": places,
        "numpy": np.__version__,
        "addon": os.path.relpath(os.path.realpath(part("workflow").__file__), extensions),
        "tab": hasattr(bpy.types.Scene, "posecore"),
    }


def self_test(client):
    """What the button in the preferences does."""
    end = client.wait(client.self_test("cpu"), timeout=180)
    return {"kind": end.kind, "ok": end.values.get("ok"), "results": end.values.get("results"), "about": client.about}


# -- rigs with the proportions of the movement, so that positions can be compared

MIXAMO = {
    "pelvis": "Hips", "spine1": "Spine", "spine2": "Spine1", "spine3": "Spine2", "neck": "Neck", "head": "Head",
    "_collar": "Shoulder", "_shoulder": "Arm", "_elbow": "ForeArm", "_wrist": "Hand",
    "_hip": "UpLeg", "_knee": "Leg", "_ankle": "Foot", "_foot": "ToeBase",
}  # fmt: skip
UNREAL = {
    "pelvis": "pelvis", "spine1": "spine_01", "spine2": "spine_02", "spine3": "spine_03", "neck": "neck_01",
    "head": "head", "_collar": "clavicle", "_shoulder": "upperarm", "_elbow": "lowerarm", "_wrist": "hand",
    "_hip": "thigh", "_knee": "calf", "_ankle": "foot", "_foot": "ball",
}  # fmt: skip


def named(kind, joints):
    """Joint → bone's name, in the manner of ``kind``."""
    found = {}
    order = np.random.default_rng(3).permutation(len(joints))
    for joint, number in zip(joints, order, strict=True):
        side, stem = (joint[0], joint[1:]) if joint[1] == "_" else ("", joint)
        if kind == "mixamo" and stem in MIXAMO:
            found[joint] = "mixamorig:" + {"l": "Left", "r": "Right", "": ""}[side] + MIXAMO[stem]
        elif kind == "unreal" and stem in UNREAL:
            found[joint] = UNREAL[stem] + (f"_{side}" if side else "")
        elif kind == "unnamed":
            found[joint] = f"Bone.{number:03d}"
    return found


def rig_like(motion, kind, pose):
    """An armature with the movement's own bone lengths; ``pose`` is how many degrees the arms are lowered.

    Mixamo's is what an FBX import makes: centimetres, the object scaled and turned. All rolls are random.
    """
    from mathutils import Matrix, Vector

    from posecore.skeletons import SMPL_24

    joints = list(SMPL_24.joints)
    names = named(kind, joints)
    rest = np.zeros((len(joints), 3))
    for number, parent in enumerate(SMPL_24.parents):
        offset = Vector(motion.offsets[number])
        side = joints[number][0] if joints[number][1] == "_" else ""
        if joints[number][2:] in ("elbow", "wrist", "hand"):
            offset = Matrix.Rotation(np.radians(-pose if side == "l" else pose), 3, "Z") @ offset
        rest[number] = offset if parent < 0 else rest[parent] + np.array(offset)
    rest[:, 1] -= rest[:, 1].min()
    places = {joint: Vector((x, -z, y)) for joint, (x, y, z) in zip(joints, rest, strict=True)}
    generator = np.random.default_rng(7)
    data = bpy.data.armatures.new(kind)
    armature = bpy.data.objects.new(kind, data)
    bpy.context.scene.collection.objects.link(armature)
    bpy.context.view_layer.objects.active = armature
    bpy.ops.object.mode_set(mode="EDIT")
    for joint, bone in names.items():
        made = data.edit_bones.new(bone)
        below = [j for j, p in zip(joints, SMPL_24.parents, strict=True) if p == joints.index(joint)]
        parent = SMPL_24.parents[joints.index(joint)]
        made.head = places[joint]
        straight = [j for j in below if j[1] != "_" or j[0] == joint[0]]
        if straight:
            made.tail = places[straight[0]]
        else:
            made.tail = places[joint] + (places[joint] - places[joints[parent]]).normalized() * 0.1
        made.roll = generator.uniform(-np.pi, np.pi)
        if parent >= 0:
            made.parent = data.edit_bones[names[joints[parent]]]
    bpy.ops.object.mode_set(mode="OBJECT")
    if kind == "mixamo":
        turn = Matrix.Rotation(np.radians(90), 4, "X") @ Matrix.Scale(0.01, 4)
        data.transform(turn.inverted())
        armature.matrix_world = turn
    bpy.context.view_layer.update()
    return armature, names


def heads(armature, bones, count):
    """(T, B, 3) of the bones' heads in posecore's world (Y up), on the frames 1 … count."""
    found = np.zeros((count, len(bones), 3))
    for frame in range(count):
        bpy.context.scene.frame_set(frame + 1)
        shown = armature.evaluated_get(bpy.context.evaluated_depsgraph_get())
        for number, bone in enumerate(bones):
            x, y, z = shown.matrix_world @ shown.pose.bones[bone].head
            found[frame, number] = x, z, -y
    return found


def compare(motion, armature, bones):
    """Worst differences between the bones' heads and the movement's joints: of limb directions, of positions."""
    from posecore.skeletons import SMPL_24

    joints = list(bones)
    got = heads(armature, list(bones.values()), len(motion))
    want = np.asarray(motion.joints() if callable(motion.joints) else motion.joints, float)
    want = want[:, [SMPL_24.index(joint) for joint in joints]]
    angles = {}
    for joint in (joint for group in LIMBS for joint in group):
        below = f"{joint[0]}_{NEXT[joint[2:]]}"
        if joint in bones and below in bones:
            a = got[:, joints.index(below)] - got[:, joints.index(joint)]
            b = want[:, joints.index(below)] - want[:, joints.index(joint)]
            cosine = (a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)
            angles[joint] = float(np.degrees(np.arccos(np.clip(cosine, -1, 1))).max())
    # A rig stands on its lowest bone, the movement on its soles: one height for all, told beside the rest.
    height = float((got - want)[..., 1].mean())
    apart = np.linalg.norm(got - want - [0, height, 0], axis=2)
    moved = np.linalg.norm(np.ptp(got.reshape(-1, 3), axis=0))
    return {
        "degrees": max(angles.values()),
        "worst_limb": max(angles, key=angles.get),
        "millimetres": 1000 * float(apart.max()),
        "height": 1000 * height,
        "worst_joint": joints[int(apart.max(0).argmax())],
        "moved": float(moved),
    }


def rigify_file():
    """Rigify's human, generated in a process with user files of its own: a Blender in which the extension is not
    enabled would take the extension's packages out of the folder that both share."""
    folder = os.environ.get("POSECORE_BLENDER_CACHE") or tempfile.gettempdir()
    path = os.path.join(folder, f"rigify-{'.'.join(map(str, bpy.app.version))}.blend")
    if not os.path.exists(path):
        with tempfile.TemporaryDirectory() as other:
            command = [sys.executable, os.path.join(HERE, "make_rigify.py"), path]
            environment = os.environ | {"BLENDER_USER_RESOURCES": other}
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL, timeout=180, env=environment)
    return path


def rigify(path):
    """The generated rig; the joints of its deforming bones."""
    with bpy.data.libraries.load(path) as (_, wanted):
        wanted.objects = ["rig"]
    armature = wanted.objects[0]
    bpy.context.scene.collection.objects.link(armature)
    bpy.context.view_layer.update()
    names = {"shoulder": "upper_arm", "elbow": "forearm", "wrist": "hand", "hip": "thigh", "knee": "shin"}
    names["ankle"] = "foot"
    bones = {f"{side}_{joint}": f"DEF-{bone}.{side.upper()}" for joint, bone in names.items() for side in "lr"}
    return armature, bones


def animate(client, clip, seconds, rigify_path):
    """A clip onto four rigs, by the functions that the buttons call."""
    workflow = part("workflow")
    paths = workflow.analyse(client, workflow.CaptureOptions(source=clip, start=0.0, stop=seconds))
    motion = workflow.solve_take(paths[0])
    scene = bpy.context.scene
    scene.render.fps, scene.render.fps_base = round(motion.rate), round(motion.rate) / motion.rate
    found = {"frames": len(motion), "rate": motion.rate, "rigs": {}}
    makers = {
        "mixamo": lambda: rig_like(motion, "mixamo", 0),
        "unreal": lambda: rig_like(motion, "unreal", 50),
        "unnamed": lambda: rig_like(motion, "unnamed", 20),
        "rigify": lambda: rigify(rigify_path),
    }
    for kind, make in makers.items():
        try:
            armature, bones = make()
            _, mapping = workflow.map_target(armature)
            report = workflow.apply(motion, armature, mapping)
            found["rigs"][kind] = {
                "preset": mapping.preset,
                "keys": report.keys,
                "warnings": report.warnings,
                **compare(motion, armature, bones),
            }
        except Exception as error:
            traceback.print_exc()
            found["rigs"][kind] = {"error": f"{type(error).__name__}: {error}"}
    return found


def main():
    """All of it."""
    words = sys.argv[sys.argv.index("--") + 1 :] if "--" in sys.argv else sys.argv[1:]
    rigify_path = rigify_file()
    result = install(words[0])
    client = part("worker_client").WorkerClient()
    try:
        result["worker"] = self_test(client)
        if len(words) > 1:
            result["animated"] = {
                clip: animate(client, clip, float(words[2]), rigify_path) for clip in words[1].split("|")
            }
    finally:
        client.stop()
    return result


code = 0
try:
    print("\n" + json.dumps(main(), default=str), flush=True)
except BaseException:
    traceback.print_exc()
    code = 1
sys.stdout.flush()
sys.stderr.flush()
os._exit(code)  # bpy 4.5 hangs at interpreter exit after Rigify
