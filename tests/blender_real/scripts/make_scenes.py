"""Files to animate: ``make_scenes.py SCENE EMPTY TWO_BONES``.

The first holds Rigify's human (``rig``, with a body of simple shapes) and ``Plain``, a rig with plain names.
"""

import json
import os
import sys
import traceback

import bpy
from mathutils import Vector

PLAIN = {
    "hips": ("", (0, 0, 0.95), (0, 0, 1.05)),
    "spine": ("hips", (0, 0, 1.05), (0, 0, 1.25)),
    "chest": ("spine", (0, 0, 1.25), (0, 0, 1.45)),
    "neck": ("chest", (0, 0, 1.46), (0, 0, 1.55)),
    "head": ("neck", (0, 0, 1.55), (0, 0, 1.75)),
    "upper_arm.L": ("chest", (0.17, 0, 1.42), (0.44, 0.01, 1.42)),
    "forearm.L": ("upper_arm.L", (0.44, 0.01, 1.42), (0.69, 0, 1.42)),
    "hand.L": ("forearm.L", (0.69, 0, 1.42), (0.79, 0, 1.42)),
    "thigh.L": ("hips", (0.09, 0, 0.92), (0.1, -0.01, 0.5)),
    "shin.L": ("thigh.L", (0.1, -0.01, 0.5), (0.1, 0.02, 0.09)),
    "foot.L": ("shin.L", (0.1, 0.02, 0.09), (0.1, -0.1, 0.02)),
}


def armature(name, bones):
    """An armature from bone → (parent, head, tail); those that end in .L are mirrored."""
    data = bpy.data.armatures.new(name)
    made = bpy.data.objects.new(name, data)
    bpy.context.scene.collection.objects.link(made)
    bpy.context.view_layer.objects.active = made
    bpy.ops.object.mode_set(mode="EDIT")
    for bone, (parent, head, tail) in bones.items():
        for side, flip in ((".L", 1), (".R", -1)) if bone.endswith(".L") else (("", 1),):
            new = data.edit_bones.new(bone.replace(".L", side))
            new.head, new.tail = Vector(head) * Vector((flip, 1, 1)), Vector(tail) * Vector((flip, 1, 1))
            if parent:
                new.parent = data.edit_bones[parent.replace(".L", side)]
    bpy.ops.object.mode_set(mode="OBJECT")
    return made


#: How thick the shapes are, by the beginning of a deforming bone's name: metres.
THICK = {
    "DEF-spine.006": 0.085, "DEF-spine.004": 0.05, "DEF-spine.005": 0.05, "DEF-spine": 0.115, "DEF-shoulder": 0.05,
    "DEF-upper_arm": 0.05, "DEF-forearm": 0.04, "DEF-hand": 0.04, "DEF-f_": 0.011, "DEF-thumb": 0.013,
    "DEF-thigh": 0.075, "DEF-shin": 0.055, "DEF-foot": 0.045, "DEF-toe": 0.035,
}  # fmt: skip


def thickness(name):
    """0 for bones that get no shape, as those of the face."""
    return next((value for start, value in THICK.items() if name.startswith(start)), 0.0)


def rigify():
    """Rigify's human, with a shape on every larger deforming bone so that the movement is seen."""
    bpy.ops.preferences.addon_enable(module="rigify")
    bpy.ops.object.armature_human_metarig_add()
    metarig = bpy.context.object
    bpy.ops.pose.rigify_generate()
    rig = bpy.context.object
    bpy.data.objects.remove(metarig)
    material = bpy.data.materials.new("Clay")
    material.diffuse_color = (0.75, 0.55, 0.4, 1)
    bpy.ops.mesh.primitive_uv_sphere_add(segments=16, ring_count=10, radius=1)
    ball = bpy.context.object.data
    bpy.data.objects.remove(bpy.context.object)
    ball.materials.append(material)
    ball.polygons.foreach_set("use_smooth", [True] * len(ball.polygons))
    for bone in [bone for bone in rig.data.bones if bone.use_deform and thickness(bone.name)]:
        wide = thickness(bone.name)
        shape = bpy.data.objects.new(f"Shape {bone.name}", ball)
        bpy.context.scene.collection.objects.link(shape)
        shape.parent, shape.parent_type, shape.parent_bone = rig, "BONE", bone.name
        shape.location, shape.scale = (0, -bone.length / 2, 0), (wide, 0.5 * bone.length + 0.35 * wide, wide)
        shape.hide_select = True
    return rig


def main(scene_path, empty_path, tiny_path):
    """Write the three files."""
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=False)
    bpy.context.scene.render.fps = 30
    bpy.ops.wm.save_as_mainfile(filepath=empty_path)
    armature("Tiny", {"one": ("", (0, 0, 0), (0, 0, 1)), "two": ("one", (0, 0, 1), (0, 0, 2))})
    bpy.ops.wm.save_as_mainfile(filepath=tiny_path)
    bpy.data.objects.remove(bpy.data.objects["Tiny"])
    rig = rigify()
    plain = armature("Plain", PLAIN)
    plain.location.x = 2.0
    bpy.context.view_layer.objects.active = rig
    bpy.ops.wm.save_as_mainfile(filepath=scene_path)
    return {"rigs": [f"{thing.name} ({len(thing.data.bones)} bones)" for thing in (rig, plain)]}


code = 0
try:
    print("\n" + json.dumps(main(*sys.argv[sys.argv.index("--") + 1 :])), flush=True)
except BaseException:
    traceback.print_exc()
    code = 3
sys.stdout.flush()
sys.stderr.flush()
os._exit(code)
