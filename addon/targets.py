# SPDX-License-Identifier: GPL-3.0-or-later
"""The target rig: its mapping, kept in the scene (so that it is saved and undone), and the list that shows it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import bodies, paths, settings, state, workflow
from .state import store

if TYPE_CHECKING:
    import bpy

    from posecore import Motion
    from posecore.retargeting import Mapping, Rig

__all__ = ["bone_chosen", "make_new", "map_scene", "presets", "rig_and_mapping", "save_preset", "summary", "title_of"]

#: Kinds of targets that Apply makes.
MADE = ("NEW", "BODY")

#: Preset choices that are no preset: by themselves, or by names and places alone.
AUTO, PLAIN = "AUTO", "NONE"

_filling = False


def title_of(role: str) -> str:
    """``leftUpperArm`` → "Left Upper Arm"."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", role).title()


# -- mapping


def map_scene(scene: bpy.types.Scene) -> Mapping:
    """Map the target armature anew, by the chosen preset. What the user chose by hand goes.

    Raises:
        PosecoreError: no armature, or one that cannot be used.
    """
    from posecore.errors import PosecoreError

    presets()  # else the chosen one may not be known yet
    target = scene.posecore.target
    armature = target.armature
    clear(scene)
    if armature is None:
        raise PosecoreError("no armature chosen; choose one under Target")
    _, mapping = workflow.find_mapping(armature, _preset(target.preset))
    keep(scene, mapping)
    return mapping


def _preset(choice: str) -> str | None:
    return "auto" if choice in (AUTO, "") else None if choice == PLAIN else choice


def clear(scene: bpy.types.Scene) -> None:
    """Forget the mapping."""
    target, clip = scene.posecore.target, state.clip(scene)
    target.mapping = ""
    target.bones.clear()
    clip.target_error = ""


def keep(scene: bpy.types.Scene, mapping: Mapping) -> None:
    """Write the mapping into the scene and fill the list."""
    global _filling
    target = scene.posecore.target
    target.mapping = json.dumps(mapping.to_dict())
    coverage = mapping.coverage()
    _filling = True
    try:
        while len(target.bones) > len(coverage):
            target.bones.remove(len(target.bones) - 1)
        while len(target.bones) < len(coverage):
            target.bones.add()
        for item, line in zip(target.bones, coverage, strict=True):
            item.name, item.title = line.role, title_of(line.role)
            item.bone, item.confidence = line.bone, line.confidence
            item.reason, item.state = line.reason, line.state
    finally:
        _filling = False


def bone_chosen(scene: bpy.types.Scene, role: str, bone: str) -> bool:
    """The user changed a line of the list. Returns whether that changed the mapping."""
    mapping = settings.mapping_of(scene)
    if _filling or mapping is None or mapping.bone(role) == bone:
        return False
    armature = scene.posecore.target.armature
    clip = state.clip(scene)
    if bone and armature is not None and bone not in armature.data.bones:
        clip.target_error = f"{armature.name} has no bone {bone!r}; the choice was not taken"
        keep(scene, mapping)
        return False
    clip.target_error = ""
    keep(scene, mapping.with_bone(role, bone))
    return True


def rig_and_mapping(scene: bpy.types.Scene) -> tuple[Rig, Mapping]:
    """The target as it is now, with its mapping; mapped automatically if it is not yet.

    Raises:
        PosecoreError: no armature, one that cannot be used, or a mapping that names bones which are gone.
    """
    mapping = settings.mapping_of(scene) or map_scene(scene)
    return workflow.read_target(scene.posecore.target.armature, mapping), mapping


def make_new(scene: bpy.types.Scene, motion: Motion) -> bpy.types.Object:
    """Make a new SMPL-24 armature, or the open body, the target of the scene, mapped."""
    target = scene.posecore.target
    make = bodies.new_body if target.kind == "BODY" else workflow.new_target
    armature = make(motion, scene.collection, Path(state.clip(scene).source).stem or "Mocap")
    target.kind = "ARMATURE"
    target.armature = armature  # its update function maps
    return armature


def armature_changed(scene: bpy.types.Scene) -> None:
    """Another armature (or preset) was chosen: map it, or remember why that failed."""
    from . import live

    clip = state.clip(scene)
    if scene.posecore.target.armature is None:
        clear(scene)
        return
    try:
        map_scene(scene)
    except Exception as error:  # a property's update has no report
        clip.target_error = live.one_line(error)


def summary(mapping: Mapping) -> str:
    """One line: how many bones were found, by what, and what lacks."""
    coverage = mapping.coverage()
    mapped = sum(1 for line in coverage if line.bone)
    doubtful = sum(1 for line in coverage if line.state == "doubtful")
    lacking = [title_of(line.role) for line in coverage if line.state == "required"]
    parts = [f"{mapped} of {len(coverage)} bones mapped"]
    parts += [f"preset {mapping.preset}"] if mapping.preset else []
    parts += [f"{doubtful} doubtful"] if doubtful else []
    parts += [f"choose a bone for {', '.join(lacking)}"] if lacking else []
    return ", ".join(parts)


def check(scene: bpy.types.Scene) -> None:
    """After undo: drop an error that is about another armature."""
    clip, armature = state.clip(scene), scene.posecore.target.armature
    if armature is None or settings.mapping_of(scene) is not None:
        clip.target_error = ""


# -- presets


def presets() -> list[tuple[str, str, str]]:
    """(name, title, what it is) of every preset, the user's own last. Read from disk once; see :func:`forget`."""
    if store.presets is None:
        store.presets = read_presets(paths.presets_folder())
    return store.presets


def read_presets(folder: Path) -> list[tuple[str, str, str]]:
    """As :func:`presets`, from disk. May run in a thread."""
    from posecore.retargeting import presets as library

    return [
        (preset.name, preset.title, "Your own" if (folder / f"{preset.name}.json").is_file() else "Comes with posecore")
        for preset in library.listing(folder)
    ]


def forget() -> None:
    """Presets were added: read them anew."""
    store.presets = None


def save_preset(scene: bpy.types.Scene, title: str) -> Path:
    """Keep the scene's mapping as a preset of the user's.

    Raises:
        PosecoreError: no mapping, no title, or it cannot be written.
    """
    from posecore.errors import PosecoreError
    from posecore.retargeting import presets as library

    mapping = settings.mapping_of(scene)
    name = re.sub(r"[^a-z0-9]+", "_", title.strip().lower()).strip("_")
    if mapping is None:
        raise PosecoreError("there is no mapping to keep; choose an armature first")
    if lacking := [title_of(line.role) for line in mapping.coverage() if line.state == "required"]:
        raise PosecoreError(f"choose a bone for {', '.join(lacking)} first; a preset must name it")
    if not name:
        raise PosecoreError("the preset needs a name with letters or digits in it")
    path = library.save(library.from_mapping(mapping, name[:64], title.strip()), paths.presets_folder())
    forget()
    presets()
    return path


def add_preset(path: Path) -> tuple[str, str]:
    """Copy a preset file into the user's own. Returns its name and title.

    Raises:
        PosecoreError: not a preset, or it cannot be written.
    """
    from posecore.retargeting import presets as library

    preset = library.read(path)
    library.save(preset, paths.presets_folder())
    forget()
    presets()
    return preset.name, preset.title


def preset_items() -> list[tuple[str, str, str, int]]:
    """Items of the chooser. Numbers come from the names, so that a new preset does not move the chosen one."""
    import zlib

    items: list[Any] = [
        (AUTO, "Automatic", "The preset that fits best, or names and places where none fits", 0),
        (PLAIN, "Names and Places", "No preset: by the names of the bones and where they are", 1),
    ]
    for name, title, what in store.presets or ():
        items.append((name, title, what, zlib.crc32(name.encode()) & 0x3FFFFFFF | 0x100))
    return items
