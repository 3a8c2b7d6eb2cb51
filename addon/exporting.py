# SPDX-License-Identifier: GPL-3.0-or-later
"""Writing what was animated: ``.blend`` whole, other formats with the rigs, their meshes and the one movement.

Every output is complete or not there: it is written under another name beside its place and then renamed.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import addon_utils
import bpy

from posecore.errors import OutputError
from posecore.files import atomic_path

from .export_bvh import write_pose_bvh
from .streams import hushed
from .wholeness import is_whole
from .windowing import in_a_window

__all__ = ["SUFFIXES", "Job", "available", "export", "family", "reason_of"]


@dataclass(frozen=True)
class Job:
    """What goes into a file.

    Attributes:
        scene: its frame rate is the file's.
        armatures: the rigs that were animated.
        frame_start: first frame, ``frame_end``: last frame, both written.
        deform_only: FBX, glTF and USD: only the bones that move the mesh, and those they hang on.
        verbose: let through what Blender prints meanwhile.
    """

    scene: bpy.types.Scene
    armatures: tuple[bpy.types.Object, ...]
    frame_start: int
    frame_end: int
    deform_only: bool = False
    verbose: bool = False


@dataclass(frozen=True)
class _Format:
    write: Callable[[Path, Job], None]
    operator: str = ""  # that must be there, "" for none
    addon: str = ""  # that brings it
    objects: bool = True  # writes the selected objects of the frame range


# -- the formats


def _write_blend(path: Path, job: Job) -> None:
    # No backup of ours: Blender keeps one of any file that it finds in the place.
    bpy.ops.wm.save_as_mainfile(filepath=str(path), copy=True, check_existing=False, relative_remap=True)


def _write_fbx(path: Path, job: Job) -> None:
    bpy.ops.export_scene.fbx(
        filepath=str(path),
        check_existing=False,
        use_selection=True,
        object_types={"ARMATURE", "MESH"},
        # Metres in the file's own unit: no rig of size 100 in the engine.
        apply_scale_options="FBX_SCALE_ALL",
        axis_forward="-Z",
        axis_up="Y",
        add_leaf_bones=False,
        use_armature_deform_only=job.deform_only,
        # The movement that the scene shows, once: neither stashed actions nor strips as clips of their own.
        bake_anim=True,
        bake_anim_use_all_bones=True,
        bake_anim_use_nla_strips=False,
        bake_anim_use_all_actions=False,
        bake_anim_force_startend_keying=True,
        bake_anim_step=1.0,
        bake_anim_simplify_factor=0.0,
        path_mode="COPY",
        embed_textures=True,
    )


def _write_gltf(path: Path, job: Job) -> None:
    separate = path.suffix.lower() == ".gltf"
    _call(
        bpy.ops.export_scene.gltf,
        filepath=str(path),
        check_existing=False,
        export_format="GLTF_SEPARATE" if separate else "GLB",
        export_texture_dir=f"{path.stem}_textures" if separate else "",
        use_selection=True,
        export_yup=True,
        export_cameras=False,
        export_lights=False,
        export_extras=False,
        export_def_bones=job.deform_only,
        export_animations=True,
        export_animation_mode="ACTIVE_ACTIONS",
        export_nla_strips_merged_animation_name=_action_name(job),
        export_frame_range=True,
        export_frame_step=1,
        export_force_sampling=True,
        export_negative_frame="CROP" if job.frame_start < 0 else "SLIDE",
        export_anim_slide_to_zero=True,
        export_optimize_animation_size=False,
        export_current_frame=False,
        export_rest_position_armature=True,
    )


def _write_usd(path: Path, job: Job) -> None:
    _call(
        bpy.ops.wm.usd_export,
        filepath=str(path),
        check_existing=False,
        selected_objects_only=True,
        visible_objects_only=True,
        export_animation=True,
        export_armatures=True,
        only_deform_bones=job.deform_only,
        export_hair=False,
        relative_paths=True,
    )


def _write_bvh(path: Path, job: Job) -> None:
    try:
        write_pose_bvh(path, job.armatures[0], job.scene, job.frame_start, job.frame_end)
    except OutputError as error:  # names the temporary path
        raise error.__cause__ or error from error


_USD = _Format(_write_usd, "wm.usd_export")
_FORMATS = {
    ".blend": _Format(_write_blend, objects=False),
    ".fbx": _Format(_write_fbx, "export_scene.fbx", "io_scene_fbx"),
    ".glb": _Format(_write_gltf, "export_scene.gltf", "io_scene_gltf2"),
    ".gltf": _Format(_write_gltf, "export_scene.gltf", "io_scene_gltf2"),
    ".bvh": _Format(_write_bvh),
    ".usd": _USD,
    ".usda": _USD,
    ".usdc": _USD,
}
#: Suffixes that are known; :func:`available` says which of them this Blender can write.
SUFFIXES = tuple(_FORMATS)


def available(suffix: str) -> str:
    """Why this Blender cannot write ``suffix``; "" if it can. Enables no add-on."""
    kind = _FORMATS.get(suffix.lower())
    if kind is None:
        return f"unknown kind of output {suffix!r}; use {', '.join(SUFFIXES)}"
    if not kind.operator or _has(kind.operator):
        return ""
    if not kind.addon:
        return f"this Blender was built without {suffix} export"
    if not any(module.__name__ == kind.addon for module in addon_utils.modules(refresh=False)):
        return f"this Blender has no add-on {kind.addon}, which writes {suffix}"
    return ""


def family(path: Path, people: int) -> list[Path]:
    """Files that ``path`` stands for: one, but a BVH holds one skeleton, so that further people get ``_2``, ``_3`` …"""
    if path.suffix.lower() != ".bvh":
        return [path]
    return [path if n == 0 else path.with_name(f"{path.stem}_{n + 1}{path.suffix}") for n in range(people)]


def export(path: Path, job: Job) -> list[Path]:
    """Write ``path``, whose suffix decides the format. The scene is as before afterwards.

    Returns:
        The files written, without side files (buffers, textures).

    Raises:
        OutputError: the format cannot be written by this Blender, or the place cannot be written to.
    """
    if reason := available(path.suffix):
        raise OutputError(f"{path}: {reason}")
    kind = _FORMATS[path.suffix.lower()]
    files = family(path, len(job.armatures))
    for number, file in enumerate(files):
        part = job if len(files) == 1 else replace(job, armatures=(job.armatures[number],))
        with in_a_window(job.scene), _enabled(kind), _prepared(part) if kind.objects else contextlib.nullcontext():
            _write_whole(file, kind, part)
    return files


def _write_whole(path: Path, kind: _Format, job: Job) -> None:
    try:
        if kind.objects:
            with _folder_beside(path) as folder:
                with hushed(not job.verbose):
                    kind.write(folder / path.name, job)
                if not is_whole(folder / path.name):
                    raise OutputError(f"{path}: Blender could not write all of it; is the disk full?")
                _move_in(folder, path)
        else:
            with atomic_path(path) as temporary:
                temporary.unlink()
                with hushed(not job.verbose):
                    kind.write(temporary, job)
                if not is_whole(temporary):
                    raise OutputError(f"{path}: Blender could not write all of it; is the disk full?")
    except RuntimeError as error:  # what a failed operator raises
        raise OutputError(f"{path}: Blender could not write it ({reason_of(error)}); is the disk full?") from error
    except OSError as error:
        raise OutputError(f"{path}: cannot write there ({error.strerror or error})") from error


def reason_of(error: RuntimeError) -> str:
    """The telling line of what a failed operator raises: a message, or a whole stack trace with its place below."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    lines = [line for line in lines if not line.startswith("Location:")]
    return lines[-1].removeprefix("Error: ") if lines else "no reason given"


@contextlib.contextmanager
def _folder_beside(path: Path) -> Iterator[Path]:
    """An empty folder beside ``path``; a format of several files is made in it under the final names."""
    try:
        folder = Path(tempfile.mkdtemp(prefix=f".{path.stem}-", dir=path.parent))
    except OSError as error:
        raise OutputError(f"{path}: cannot write there ({error.strerror}); choose another output path") from error
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _move_in(folder: Path, path: Path) -> None:
    """Move side files first, the named file last: whoever sees it sees what it refers to."""
    made = folder / path.name
    for item in sorted(folder.rglob("*"), key=lambda item: (item == made, item)):
        target = path.parent / item.relative_to(folder)
        if item.is_dir():
            if any(item.iterdir()):
                target.mkdir(exist_ok=True)
        else:
            os.replace(item, target)


# -- the scene as the exporters want it, and back


@contextlib.contextmanager
def _enabled(kind: _Format) -> Iterator[None]:
    """The exporter's add-on, enabled for this time only (the user's preferences are not touched)."""
    if not kind.operator or _has(kind.operator):
        yield
        return
    module = addon_utils.enable(kind.addon, default_set=False)
    try:
        if module is None or not _has(kind.operator):
            raise OutputError(f"this Blender's add-on {kind.addon} does not start; enable it in the preferences")
        yield
    finally:
        addon_utils.disable(kind.addon, default_set=False)


def _has(operator: str) -> bool:
    module, name = operator.split(".")
    try:
        getattr(getattr(bpy.ops, module), name).get_rna_type()
    except KeyError:
        return False
    return True


def objects_of(armatures: Iterable[bpy.types.Object]) -> list[bpy.types.Object]:
    """The armatures and the meshes that hang on them, by modifier or as children."""
    chosen = list(armatures)
    for thing in bpy.data.objects:
        if thing.type == "MESH" and thing not in chosen and _hangs_on(thing, chosen):
            chosen.append(thing)
    return chosen


def _hangs_on(thing: bpy.types.Object, armatures: Sequence[bpy.types.Object]) -> bool:
    if any(modifier.type == "ARMATURE" and modifier.object in armatures for modifier in thing.modifiers):
        return True
    parent = thing.parent
    while parent is not None:
        if parent in armatures and parent.type == "ARMATURE":
            return True
        parent = parent.parent
    return False


@contextlib.contextmanager
def _prepared(job: Job) -> Iterator[None]:
    """Exactly the rigs and their meshes visible and selected, in object mode, the frame range that of the movement."""
    scene, layer = job.scene, bpy.context.view_layer
    chosen = objects_of(job.armatures)
    range_before = scene.frame_start, scene.frame_end, scene.frame_current, scene.frame_subframe
    active_before = layer.objects.active
    selected_before = [thing for thing in layer.objects if thing.select_get()]
    if active_before is not None and active_before.mode != "OBJECT":
        bpy.ops.object.mode_set(mode="OBJECT")
    # In a collection of their own, so that no excluded or hidden collection keeps them out.
    shelf = bpy.data.collections.new("posecore export")
    scene.collection.children.link(shelf)
    hidden = []
    try:
        for thing in chosen:
            shelf.objects.link(thing)
        layer.update()
        for thing in chosen:
            hidden.append((thing, thing.hide_viewport, thing.hide_select, thing.hide_get(view_layer=layer)))
            thing.hide_viewport = thing.hide_select = False
            thing.hide_set(False, view_layer=layer)
        for thing in layer.objects:
            thing.select_set(thing in chosen, view_layer=layer)
        layer.objects.active = job.armatures[0]
        # A range may not cross over: widen first, then narrow.
        scene.frame_end = max(scene.frame_end, job.frame_end)
        scene.frame_start, scene.frame_end = job.frame_start, job.frame_end
        yield
    finally:
        for thing, viewport, select, eye in hidden:
            thing.hide_set(eye, view_layer=layer)
            thing.hide_viewport, thing.hide_select = viewport, select
        scene.collection.children.unlink(shelf)
        bpy.data.collections.remove(shelf)
        layer.update()
        for thing in layer.objects:
            thing.select_set(thing in selected_before, view_layer=layer)
        layer.objects.active = active_before
        scene.frame_end = max(scene.frame_end, range_before[1])
        scene.frame_start, scene.frame_end = range_before[:2]
        scene.frame_set(range_before[2], subframe=range_before[3])


def _action_name(job: Job) -> str:
    data = job.armatures[0].animation_data
    return data.action.name if data and data.action else job.armatures[0].name


def _call(operator: Any, **options: Any) -> None:
    """Call an operator with those of the options that this version of it has."""
    known = {item.identifier for item in operator.get_rna_type().properties}
    operator(**{name: value for name, value in options.items() if name in known})
