# SPDX-License-Identifier: GPL-3.0-or-later
"""The open body as a target: made in the shape of a person, then moved as fitted to it, straight on its bones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import bpy

    from posecore import Motion
    from posecore.retargeting import Rig, RigMotion

__all__ = ["new_body", "plan_body", "shape_of"]

# Blender's axes (Z up, facing -Y) to the world's (Y up, facing +Z), as in bridge/axes.
_TO_WORLD = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, -1.0, 0.0]])


def new_body(motion: Motion, collection: bpy.types.Collection, name: str = "Body") -> bpy.types.Object:
    """An armature with a skinned mesh, in the shape that the bones of ``motion`` tell."""
    from posecore import fit_body

    from .bridge import bodies

    return bodies.new_body(fit_body(motion, refine=False).betas.tolist(), collection, name)


def shape_of(armature: bpy.types.Object | None) -> tuple[float, ...] | None:
    """The shape of an armature that is such a body; None of any other."""
    from .bridge import bodies

    return bodies.shape_of(armature)


def plan_body(motion: Motion, rig: Rig, betas: Sequence[float]) -> RigMotion:
    """Fit a body of known shape to a movement and give its bones that pose exactly. Plain numbers: may run outside
    Blender's main thread.

    The bones *are* the body's joints, so nothing is transferred: joints and skin come to lie where
    :func:`posecore.fit_body` says, in the armature's own frame (an armature that was moved moves as a whole).

    Args:
        rig: an armature that :func:`.bridge.bodies.new_body` made.
        betas: its shape.
    """
    from scipy.spatial.transform import Rotation

    from posecore import fit_body
    from posecore.motion import continuous
    from posecore.retargeting import RigMotion
    from posecore.skeletons import SMPL_24

    fitted = fit_body(motion, betas=np.asarray(betas, np.float32)).motion
    rows = [rig.index(joint) for joint in SMPL_24.joints]
    axes = _TO_WORLD @ rig.rest[rows, :3, :3]  # of each bone at rest, in the world
    turns = Rotation.from_quat(fitted.rotations.reshape(-1, 4)).as_matrix().reshape(len(fitted), -1, 3, 3)
    basis = np.swapaxes(axes, -1, -2) @ turns @ axes
    quaternions = Rotation.from_matrix(basis.reshape(-1, 3, 3)).as_quat().reshape(fitted.rotations.shape)
    quaternions[0] *= np.where(quaternions[0, :, 3:] < 0, -1.0, 1.0)
    root = SMPL_24.index("pelvis")
    moved = fitted.translation - _TO_WORLD @ rig.rest[rows[root], :3, 3]
    return RigMotion(
        rig=rig,
        times=motion.times,
        bones=SMPL_24.joints,
        rotations=continuous(quaternions).astype(np.float32),
        locations={"pelvis": (moved @ axes[root]).astype(np.float32)},
        notes={"warnings": [], "unmapped": [], "scale": 1.0},
    )
