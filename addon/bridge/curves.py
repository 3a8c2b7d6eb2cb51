# SPDX-License-Identifier: GPL-3.0-or-later
"""F-curves of an action, whether it has slots (Blender 4.4 on) or not."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import bpy
import numpy as np
from numpy.typing import NDArray

__all__ = ["Channel", "Curves", "bone_of", "bone_path", "has_slots"]

_CONSTANT, _LINEAR = 0, 1  # Blender's numbers of interpolations
_BONE = re.compile(r'pose\.bones\["((?:[^"\\]|\\.)*)"\]')


def has_slots(action: bpy.types.Action) -> bool:
    """Whether this Blender's actions are slotted."""
    return hasattr(action, "slots")


def bone_path(bone: str, what: str) -> str:
    """Data path of a pose bone's property; ``what`` is e.g. ``"location"`` or ``'["IK_FK"]'``."""
    dot = "" if what.startswith("[") else "."
    return f'pose.bones["{bpy.utils.escape_identifier(bone)}"]{dot}{what}'


def bone_of(path: str) -> tuple[str, str]:
    """Bone and rest of a data path; ("", path) for a path that names none."""
    found = _BONE.match(path)
    if not found:
        return "", path
    return bpy.utils.unescape_identifier(found[1]), path[found.end() :].removeprefix(".")


@dataclass(frozen=True)
class Channel:
    """One animated property.

    Attributes:
        path: data path from the object.
        group: name of the F-curves' group.
        values: (N, C) numbers, a column for each of its F-curves; N keys, or a single one that holds throughout.
    """

    path: str
    group: str
    values: NDArray[np.floating]


class Curves:
    """The F-curves that an action has for one data-block."""

    def __init__(self, action: bpy.types.Action, slot: Any = None) -> None:
        """Args:
        slot: of the action; ignored by a Blender without slots. Its channel bag is made if there is none.
        """
        if has_slots(action):
            layer = action.layers[0] if len(action.layers) else action.layers.new("Layer")
            strip = layer.strips[0] if len(layer.strips) else layer.strips.new(type="KEYFRAME")
            self._bag = strip.channelbag(slot, ensure=True)
        else:
            self._bag = action
        self.fcurves = self._bag.fcurves
        self._groups = self._bag.groups

    def paths(self) -> list[tuple[str, int]]:
        """Data path and index of every F-curve."""
        return [(curve.data_path, curve.array_index) for curve in self.fcurves]

    def remove(self, paths: Iterable[str]) -> None:
        """Take out all F-curves of these data paths, and groups that they leave empty."""
        gone = set(paths)
        if not gone:
            return
        for curve in [curve for curve in self.fcurves if curve.data_path in gone]:
            self.fcurves.remove(curve)
        for group in [group for group in self._groups if not len(group.channels)]:
            self._groups.remove(group)

    def write(self, channels: Iterable[Channel], frames: NDArray[np.floating]) -> int:
        """Key channels, in place of whatever keys they have; returns the number of keys.

        Keys are linear: they are dense. Their handles are those that Blender itself would set, so that a change to
        Bézier gives no surprises. A channel with a single value holds it.
        """
        known = {(curve.data_path, curve.array_index): curve for curve in self.fcurves}
        count = 0
        for channel in channels:
            single = len(channel.values) == 1
            at = frames[:1] if single else frames
            values = np.ascontiguousarray(channel.values.T, np.float32)
            points = np.empty((len(at), 2), np.float32)
            points[:, 0] = at
            for index, column in enumerate(values):
                curve = known.get((channel.path, index)) or self._new(channel, index)
                points[:, 1] = column
                _fill(curve, points, _CONSTANT if single else _LINEAR)
                count += len(points)
        return count

    def _new(self, channel: Channel, index: int) -> bpy.types.FCurve:
        curve = self.fcurves.new(channel.path, index=index)
        curve.group = self._groups.get(channel.group) or self._groups.new(channel.group)
        return curve


def _fill(curve: bpy.types.FCurve, points: NDArray[np.float32], interpolation: int) -> None:
    keys = curve.keyframe_points
    if len(keys):
        keys.clear()
    keys.add(len(points))
    keys.foreach_set("co", points.ravel())
    keys.foreach_set("interpolation", np.full(len(points), interpolation, np.int32))
    curve.update()  # handles
