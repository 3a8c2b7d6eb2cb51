# SPDX-License-Identifier: GPL-3.0-or-later
"""What a new action takes over from the one that it replaces: everything that the movement has nothing to say about.

A face, fingers, properties or the object itself that were animated go on as before. What would carry the mapped bones
along a second time (an old path on the root, an old sway of the hips) is held at rest instead.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import bpy
import numpy as np
from mathutils import Matrix, Vector
from scipy.spatial.transform import Rotation

from .channels import PROPERTY
from .curves import Channel, bone_of, bone_path
from .probing import is_plain
from .stage import Stage

__all__ = ["Inheritance", "inheritance", "posed_upstream", "rest_channels", "upstream"]

_REST = {
    "location": [0.0, 0.0, 0.0],
    "scale": [1.0, 1.0, 1.0],
    "rotation_euler": [0.0, 0.0, 0.0],
    "rotation_quaternion": [1.0, 0.0, 0.0, 0.0],
    "rotation_axis_angle": [0.0, 0.0, 1.0, 0.0],
}
_STILL = Matrix.Identity(4)
_OBJECT = (*_REST, "delta_location", "delta_rotation_euler", "delta_rotation_quaternion", "delta_scale")


@dataclass
class Inheritance:
    """How to deal with the F-curves of an old action.

    Attributes:
        kept: data paths that go on as they are.
        rested: channels to hold at rest.
        warnings: one line each.
    """

    kept: set[str] = field(default_factory=set)
    rested: list[Channel] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def inheritance(
    armature: bpy.types.Object,
    paths: Iterable[tuple[str, int]],
    written: set[str],
    mapped: Sequence[str],
    switches: Sequence[tuple[str, str, Any]] = (),
) -> Inheritance:
    """Decide about every F-curve of an old action.

    Args:
        paths: data path and index of those F-curves.
        written: data paths that get new keys.
        mapped: bones that get new keys.
        switches: set while it is found out what carries what.
    """
    found = Inheritance()
    by_bone: dict[str, set[str]] = {}
    for path, _ in paths:
        if path in written:
            continue
        bone, what = bone_of(path)
        if bone and what in _REST and bone in armature.pose.bones:
            by_bone.setdefault(bone, set()).add(what)
        else:
            found.kept.add(path)
    carrying = set(upstream(armature, [bone for bone in by_bone if bone not in mapped], mapped, switches))
    for bone, names in by_bone.items():
        its_paths = {bone_path(bone, name) for name in names}
        if bone in mapped or bone in carrying:
            found.rested += rest_channels(armature, its_paths)
        else:
            found.kept |= its_paths
    if any(path in found.kept for path in _OBJECT):
        found.warnings.append(
            f"{armature.name} itself is animated as an object, as before: the movement comes on top of that"
        )
    return found


def rest_channels(armature: bpy.types.Object, paths: Iterable[str]) -> list[Channel]:
    """Channels that hold bones at rest, for those of the paths that are heard in the bones' rotation modes."""
    channels = []
    for path in sorted(paths):
        bone, what = bone_of(path)
        if what not in _REST or bone not in armature.pose.bones:
            continue
        rotation = PROPERTY.get(armature.pose.bones[bone].rotation_mode, "rotation_euler")
        if what == rotation or not what.startswith("rotation"):
            channels.append(Channel(path, bone, np.array([_REST[what]])))
    return channels


def posed_upstream(
    armature: bpy.types.Object, keyed: set[str], mapped: Sequence[str], switches: Sequence[tuple[str, str, Any]] = ()
) -> list[str]:
    """Bones that carry mapped ones, get no keys and stand off their rest pose: the movement comes on top of that.

    Args:
        keyed: data paths that have keys.
        mapped: bones that are keyed; a location or scale of theirs that is not keyed counts too.
    """
    posed, moved = [], []
    for bone in armature.pose.bones:
        place = bone_path(bone.name, "location") in keyed or bone.location.length < 1e-5
        size = (bone.scale - Vector((1, 1, 1))).length < 1e-5
        if bone.name in mapped:
            if not place or not size:
                moved.append(bone.name)
        elif not any(bone_path(bone.name, name) in keyed for name in _REST):
            turned = max(
                abs(a - b)
                for row, rest in zip(bone.matrix_basis, _STILL, strict=True)
                for a, b in zip(row, rest, strict=True)
            )
            if turned > 1e-4:
                posed.append(bone.name)
    return [*upstream(armature, posed, mapped, switches), *moved]


def upstream(
    armature: bpy.types.Object,
    bones: Sequence[str],
    mapped: Sequence[str],
    switches: Sequence[tuple[str, str, Any]] = (),
) -> list[str]:
    """Those of ``bones`` that carry mapped bones along when they move."""
    known = armature.data.bones
    above = {parent.name for bone in mapped if bone in known for parent in known[bone].parent_recursive}
    if not bones or is_plain(armature):
        return [bone for bone in bones if bone in above]
    with Stage(armature) as stage:
        stage.switch(switches)
        watched = stage.order(bone for bone in mapped if bone in known)
        rest = stage.matrices()[watched]
        tolerance = 1e-4 * max(float(np.abs(rest).max()), 1.0)
        generator = np.random.default_rng(1)
        turns = Rotation.from_rotvec(generator.uniform(0.2, 0.4, (len(bones), 3))).as_quat()
        still = np.array([0.0, 0.0, 0.0, 1.0])

        def carrying(group: list[int]) -> list[int]:
            """By halves: most bones of a face or a hand carry nothing, and one trial clears them all."""
            names = [bones[number] for number in group]
            stage.turn(names, turns[group], dict.fromkeys(names, np.full(3, 0.05)))
            moved = np.abs(stage.matrices()[watched] - rest).max() > tolerance
            stage.turn(names, np.tile(still, (len(group), 1)), dict.fromkeys(names, np.zeros(3)))
            if not moved or len(group) == 1:
                return group if moved else []
            half = len(group) // 2
            return carrying(group[:half]) + carrying(group[half:])

        return [bones[number] for number in carrying(list(range(len(bones))))]
