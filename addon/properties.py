# SPDX-License-Identifier: GPL-3.0-or-later
"""The settings of a scene, saved with it: what was chosen last, where its Takes are, and the bones of its rig."""

# No postponed annotations here: Blender reads them.

import math
from typing import Any

import bpy
from bpy.props import (
    BoolProperty,
    CollectionProperty,
    EnumProperty,
    FloatProperty,
    IntProperty,
    PointerProperty,
    StringProperty,
)

from . import live, state, targets

__all__ = ["CLASSES", "register", "unregister"]

# Blender keeps pointers to the strings of a dynamic enum, not the strings: somebody else has to.
_kept: dict[str, Any] = {}


def _keep(name: str, items: list[Any]) -> list[Any]:
    if _kept.get(name) != items:
        _kept[name] = items
    return _kept[name]


_ESTIMATOR_NUMBERS = {"auto": 0, "sapnet": 1, "blazepose": 2, "sapnet-free": 3, "smpl": 4}


def _estimators(self: Any, context: Any) -> list[Any]:
    found = state.store.hello.get("estimators") or [{"name": "sapnet"}, {"name": "blazepose"}]
    items = [("auto", "Automatic", "The best one present, by its measured rank", 0)]
    for place, entry in enumerate(found):
        name = str(entry.get("name") if isinstance(entry, dict) else entry).replace("_", "-")
        rank = entry.get("rank") if isinstance(entry, dict) else None
        about = "Networks that look at the pictures" + (f"; measured rank {rank:g}" if rank is not None else "")
        items.append((name, name, about, _ESTIMATOR_NUMBERS.get(name, 100 + place)))
    return _keep("estimators", items)


def _people_found(self: Any, context: Any) -> list[Any]:
    clip = state.clip(self.id_data)
    count = max(1, len(clip.takes))
    items = [(str(number), f"Person {number + 1}", "Whose movement to use", number) for number in range(count)]
    return _keep(f"people {state.key_of(self.id_data)}", items)


def _presets(self: Any, context: Any) -> list[Any]:
    if not live.threaded():
        targets.presets()  # in a window the thread reads them
    return _keep("presets", targets.preset_items())


def _source_changed(self: Any, context: Any) -> None:
    live.source_changed(self.id_data)


def _changed(self: Any, context: Any) -> None:
    live.request(self.id_data)


def _target_changed(self: Any, context: Any) -> None:
    targets.armature_changed(self.id_data)
    live.request(self.id_data)


def _bone_changed(self: Any, context: Any) -> None:
    if targets.bone_chosen(self.id_data, self.name, self.bone):
        live.request(self.id_data)


def _is_armature(self: Any, value: bpy.types.Object) -> bool:
    return value.type == "ARMATURE" and self.id_data in value.users_scene


class PosecoreCapture(bpy.types.PropertyGroup):
    """Where the movement comes from."""

    source: StringProperty(
        name="Source",
        description="A video, one picture of a numbered sequence, a folder of pictures, a Take, "
        "an AMASS-style .npz, or a .bvh written by posecore",
        subtype="FILE_PATH",
        update=_source_changed,
    )
    estimator: EnumProperty(name="Estimator", description="The networks that look at the pictures", items=_estimators)
    people: EnumProperty(
        name="People",
        description="Whom to follow",
        items=[
            ("main", "Main Person", "The largest and most central person"),
            ("all", "Everybody", "Every person in view; choose afterwards whose movement to use"),
        ],
    )
    person: EnumProperty(name="Person", description="Whose movement to use", items=_people_found, update=_changed)
    use_range: BoolProperty(name="Frame Range", description="Analyse a part of the source only")
    first_frame: IntProperty(name="First", description="First frame of the source to analyse, from 0", min=0)
    last_frame: IntProperty(name="Last", description="Last frame of the source to analyse", min=0, default=250)
    image_rate: FloatProperty(
        name="Frame Rate",
        description="Pictures a second; a video carries its own rate",
        default=30.0,
        min=1.0,
        max=1000.0,
        update=_source_changed,
    )
    takes: StringProperty(name="Takes", description="What was observed: one file a person", options={"HIDDEN"})


class PosecoreSolve(bpy.types.PropertyGroup):
    """From what was observed to a movement. Changing any of these solves anew at once."""

    smoothing: FloatProperty(
        name="Smoothing",
        description="0 keeps all that was observed, trembling included; 1 keeps slow movement only",
        default=0.5,
        min=0.0,
        max=1.0,
        subtype="FACTOR",
        update=_changed,
    )
    ground: BoolProperty(
        name="Ground", description="Put the floor under the feet at height 0", default=True, update=_changed
    )
    in_place: BoolProperty(name="In Place", description="Stay on the spot; height and turning stay", update=_changed)
    height: FloatProperty(
        name="Body Height",
        description="Standing height of the person, which sets how far the movement travels. 0 takes what was observed",
        default=0.0,
        min=0.0,
        soft_max=2.2,
        precision=2,
        step=1,
        subtype="DISTANCE",
        unit="LENGTH",
        update=_changed,
    )
    joint_limits: FloatProperty(
        name="Joint Limits",
        description="How strictly knees, elbows and ankles are kept from bending the wrong way",
        default=1.0,
        min=0.0,
        max=1.0,
        subtype="FACTOR",
        update=_changed,
    )
    remove_spikes: BoolProperty(
        name="Remove Spikes", description="Drop jumps of a single frame", default=True, update=_changed
    )
    level_camera: BoolProperty(
        name="Find Camera Tilt",
        description="Find out from the person how far the camera looks down; otherwise say it yourself",
        default=True,
        update=_changed,
    )
    camera_pitch: FloatProperty(
        name="Camera Tilt",
        description="How far the camera looks down",
        subtype="ANGLE",
        min=math.radians(-80),
        max=math.radians(80),
        update=_changed,
    )
    camera_roll: FloatProperty(
        name="Camera Roll",
        description="How far the camera is turned clockwise about its view",
        subtype="ANGLE",
        min=math.radians(-80),
        max=math.radians(80),
        update=_changed,
    )


class PosecoreBone(bpy.types.PropertyGroup):
    """One line of the list of bones; ``name`` is the role."""

    title: StringProperty(name="Part of the Body", description="The role in words")
    bone: StringProperty(name="Bone", description="The bone that plays this part; empty for none", update=_bone_changed)
    confidence: FloatProperty(name="Confidence", description="How sure the mapping is", min=0.0, max=1.0)
    reason: StringProperty(name="Reason", description="Why this bone")
    state: StringProperty(name="State", description="mapped, doubtful, unmapped, or required")


class PosecoreTarget(bpy.types.PropertyGroup):
    """Which rig moves."""

    kind: EnumProperty(
        name="Target",
        description="What is animated",
        items=[
            ("ARMATURE", "Armature", "A rig in this scene"),
            ("NEW", "New SMPL-24", "A new armature with the proportions of the person, made on Apply"),
            ("BODY", "Open Body", "A new armature with a skinned body in the shape of the person, made on Apply"),
        ],
    )
    armature: PointerProperty(
        name="Armature",
        description="The rig to animate",
        type=bpy.types.Object,
        poll=_is_armature,
        update=_target_changed,
    )
    preset: EnumProperty(
        name="Preset", description="How the bones are named; choosing maps anew", items=_presets, update=_target_changed
    )
    mapping: StringProperty(name="Mapping", description="Which bone plays which part", options={"HIDDEN"})
    bones: CollectionProperty(type=PosecoreBone)
    active_bone: IntProperty(name="Bone", description="The chosen line")
    travel: EnumProperty(
        name="Travel",
        description="Which bone carries the character over the ground",
        items=[
            ("hips", "Hips", "The hips carry all of the movement"),
            ("root", "Root", "The bone above the hips carries the way over the ground"),
        ],
        update=_changed,
    )
    lock_feet: BoolProperty(
        name="Lock Feet", description="Hold a foot where it rests on the ground, by bending the leg", update=_changed
    )


class PosecoreApply(bpy.types.PropertyGroup):
    """How the movement is keyed."""

    frame_start: IntProperty(
        name="Start Frame", description="Scene frame of the first pose", default=1, update=_changed
    )
    rate: EnumProperty(
        name="Frame Rate",
        description="What to do when source and scene differ in frame rate; the speed is right either way",
        items=[
            ("resample", "Keep the Scene's", "A key on every frame of the scene, between those of the source"),
            ("set_scene", "Set to the Source's", "Give the scene the frame rate of the source"),
        ],
        update=_changed,
    )
    action_name: StringProperty(
        name="Action",
        description="Name of the new action; empty takes the names of armature and clip. "
        "Applying again under the same name writes over the last result",
    )
    live: BoolProperty(
        name="Live Update",
        description="Write the keys anew when a setting is changed. Turn it off before you edit the keys by hand",
        default=True,
        update=_changed,
    )


class PosecoreScene(bpy.types.PropertyGroup):
    """All of it."""

    capture: PointerProperty(type=PosecoreCapture)
    solve: PointerProperty(type=PosecoreSolve)
    target: PointerProperty(type=PosecoreTarget)
    apply: PointerProperty(type=PosecoreApply)


CLASSES = (PosecoreCapture, PosecoreSolve, PosecoreBone, PosecoreTarget, PosecoreApply, PosecoreScene)


def register() -> None:
    """Hang the settings on every scene. The classes are registered before."""
    bpy.types.Scene.posecore = PointerProperty(type=PosecoreScene, name="Mocap", description="Settings of Mocap")


def unregister() -> None:
    """Take them off again."""
    if hasattr(bpy.types.Scene, "posecore"):
        del bpy.types.Scene.posecore
    _kept.clear()
