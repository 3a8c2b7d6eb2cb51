# SPDX-License-Identifier: GPL-3.0-or-later
"""A copy of an armature in a scene of its own, to try things out: the user's pose, scene and mode are never touched.

It evaluates the armature alone (not the meshes that it moves), also when the original is hidden, excluded from the
view layer, linked, or shown in rest position.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from types import TracebackType
from typing import Any

import bpy
import numpy as np
from numpy.typing import NDArray

from ..windowing import in_a_window
from .axes import to_array, wxyz

__all__ = ["Stage"]

Array = NDArray[np.float64]


class Stage:
    """Context manager.

    Attributes:
        names: the pose bones, in the order of all arrays here.
    """

    def __init__(self, armature: bpy.types.Object, animated: bool = False) -> None:
        """Args:
        animated: keep the action, the NLA and the pose; otherwise the copy stands at rest and only drivers act.
        """
        self._original = armature
        self._animated = animated

    def __enter__(self) -> Stage:
        original = self._original
        self._scene = bpy.data.scenes.new("posecore stage")
        self._object = self._data = None
        try:
            self._object = original.copy()
            self._data = original.data.copy()
            self._object.data = self._data
            self._turn_to_itself()
            self._object.hide_viewport = False
            self._data.pose_position = "POSE"
            bones = self._object.pose.bones
            self.names = tuple(bone.name for bone in bones)
            self._numbers = {name: number for number, name in enumerate(self.names)}
            if not self._animated:
                self._clear()
            self._scene.collection.objects.link(self._object)
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._object is not None:
            bpy.data.objects.remove(self._object)
        if self._data is not None:
            bpy.data.armatures.remove(self._data)
        with in_a_window():
            bpy.data.scenes.remove(self._scene)

    def _turn_to_itself(self) -> None:
        """What pointed at the original from within it (constraints, drivers) points at the copy."""
        pairs = {self._original: self._object, self._original.data: self._data}
        for owner in (self._object, *self._object.pose.bones):
            for constraint in owner.constraints:
                for holder in (constraint, *getattr(constraint, "targets", ())):
                    for name in ("target", "pole_target"):
                        if getattr(holder, name, None) == self._original:
                            setattr(holder, name, self._object)
        for block in (self._object, self._data):
            for curve in block.animation_data.drivers if block.animation_data else ():
                for variable in curve.driver.variables:
                    for target in variable.targets:
                        if target.id in pairs:
                            target.id = pairs[target.id]

    def _clear(self) -> None:
        """Rest pose, nothing animated."""
        animation = self._object.animation_data
        if animation is not None:
            if animation.use_tweak_mode:
                animation.use_tweak_mode = False
            animation.action = None
            for track in list(animation.nla_tracks):
                animation.nla_tracks.remove(track)
        bones = self._object.pose.bones
        for bone in bones:
            bone.rotation_mode = "QUATERNION"
        count = len(bones)
        bones.foreach_set("location", np.zeros(3 * count, np.float32))
        bones.foreach_set("scale", np.ones(3 * count, np.float32))
        bones.foreach_set("rotation_quaternion", np.tile(np.array([1, 0, 0, 0], np.float32), count))

    def switch(self, switches: Iterable[tuple[str, str, Any]]) -> None:
        """Set custom properties: (bone or "" for the object, property, value); what does not exist is left out."""
        for bone, name, value in switches:
            owner = self._object.pose.bones.get(bone) if bone else self._object
            if owner is not None and name in owner:
                owner[name] = type(owner[name])(value)

    def turn(
        self,
        bones: Sequence[str],
        quaternions: NDArray[np.floating],
        moves: dict[str, NDArray[np.floating]] | None = None,
    ) -> None:
        """Give bones rotations (K, 4) xyzw, and locations, in their own rest axes."""
        pose = self._object.pose.bones
        for name, value in zip(bones, wxyz(quaternions).tolist(), strict=True):
            pose[name].rotation_quaternion = value
        for name, value in (moves or {}).items():
            pose[name].location = value

    def matrices(self, frame: float | None = None) -> Array:
        """(B, 4, 4) evaluated pose matrices in the armature frame, at a frame or at the stage's own."""
        found = np.empty(16 * len(self.names), np.float32)
        self._evaluated(frame).pose.bones.foreach_get("matrix", found)
        return found.reshape(-1, 4, 4).transpose(0, 2, 1).astype(np.float64)

    def world(self, frame: float | None = None) -> Array:
        """(4, 4) evaluated matrix of the object in Blender's world."""
        return to_array(self._evaluated(frame).matrix_world)

    def order(self, names: Iterable[str]) -> list[int]:
        """Places of bones in the arrays."""
        return [self._numbers[name] for name in names]

    def _evaluated(self, frame: float | None) -> bpy.types.Object:
        layer = self._scene.view_layers[0]
        self._object.update_tag(refresh={"OBJECT", "DATA"})
        if frame is not None:
            self._scene.frame_set(int(np.floor(frame)), subframe=float(frame - np.floor(frame)))
        layer.update()
        return self._object.evaluated_get(layer.depsgraph)
