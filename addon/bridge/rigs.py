# SPDX-License-Identifier: GPL-3.0-or-later
"""An armature as a :class:`posecore.Rig`."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import bpy
import numpy as np

from posecore.errors import PosecoreError
from posecore.retargeting.rig import ROTATION_MODES, Rig

from .axes import TO_WORLD, to_array
from .stage import Stage

if TYPE_CHECKING:
    from posecore.retargeting import Mapping

__all__ = ["check_armature", "read_rig"]


def check_armature(armature: Any) -> bpy.types.Object:
    """Give it back if it is an armature with bones.

    Raises:
        PosecoreError: it is not; says what to do.
    """
    if armature is None:
        raise PosecoreError("no armature is chosen; choose one, or a new one, under Target")
    if armature.type != "ARMATURE":
        raise PosecoreError(f"{armature.name} is no armature but a {armature.type.lower()}; choose an armature")
    if not armature.data.bones:
        raise PosecoreError(f"{armature.name} has no bones; choose another armature")
    return armature


def read_rig(armature: bpy.types.Object, mapping: Mapping | None = None, switches: Any = ()) -> Rig:
    """The skeleton at rest, as it stands in the world now. Changes nothing; linked and overridden armatures are fine.

    Args:
        mapping: with it, ``followed`` says what each bone of a control rig really follows while the mapped bones
            are keyed (see :func:`.probing.follow`). Without it those are the parents, as in a plain skeleton.
        switches: the preset's, as for :func:`.actions.apply_motion`.

    Raises:
        PosecoreError: not an armature, or one without bones.
    """
    check_armature(armature)
    if armature.mode == "EDIT":
        armature.update_from_editmode()
    rig = _skeleton(armature)
    if mapping is None:
        return rig
    from .probing import follow

    return follow(armature, rig, mapping, switches)


def _skeleton(armature: bpy.types.Object) -> Rig:
    bones = _parents_first(armature.data.bones)
    numbers = {bone.name: number for number, bone in enumerate(bones)}
    pose = armature.pose.bones if armature.pose else {}
    modes = [pose[bone.name].rotation_mode if bone.name in pose else "QUATERNION" for bone in bones]
    rig = Rig(
        names=tuple(numbers),
        parents=tuple(numbers[bone.parent.name] if bone.parent else -1 for bone in bones),
        rest=np.array([to_array(bone.matrix_local) for bone in bones]),
        tails=np.array([list(bone.tail_local) for bone in bones], np.float64),
        placement=TO_WORLD @ _world(armature),
        rotation_modes=tuple(mode if mode in ROTATION_MODES else "QUATERNION" for mode in modes),
        deform=np.array([bone.use_deform for bone in bones], bool),
    )
    scales = np.linalg.norm(rig.placement[:3, :3], axis=0)
    if scales.max() > 1.001 * scales.min() or np.linalg.det(rig.placement[:3, :3]) < 0:
        uneven = f"{armature.name} is scaled unevenly or mirrored; apply its scale (Ctrl+A) for a faithful result"
        rig = replace(rig, warnings=(uneven,))
    return rig


def _parents_first(bones: Any) -> list[Any]:
    waiting = [bone for bone in bones if bone.parent is None]
    ordered = []
    while waiting:
        bone = waiting.pop()
        ordered.append(bone)
        waiting.extend(reversed(bone.children))
    return ordered


def _world(armature: bpy.types.Object) -> np.ndarray:
    """(4, 4) object → Blender's world. Blender keeps it up to date only where it shows the object."""
    if armature.visible_get():
        bpy.context.view_layer.update()  # costs nothing unless something was moved by a script
        return to_array(armature.matrix_world)
    with Stage(armature, animated=True) as stage:
        return stage.world(bpy.context.scene.frame_current_final)
