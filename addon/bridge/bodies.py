# SPDX-License-Identifier: GPL-3.0-or-later
"""The open body in Blender: an armature of its 24 joints with its skin, and its movement in bone axes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import bpy
import numpy as np
from numpy.typing import NDArray

from posecore.body import BodyModel, load_body
from posecore.skeletons import SMPL_24

from .axes import from_world
from .skeletons import new_armature

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["new_body", "shape_of"]

#: Custom properties of the armature's data: they say that it is a body, and of which shape.
_NAME, _SHAPE = "posecore_body", "posecore_betas"
#: As the body's material in posecore's glTF files, linear.
_COLOUR = (0.50, 0.47, 0.44, 1.0)


def new_body(betas: Sequence[float], collection: bpy.types.Collection, name: str = "Body") -> bpy.types.Object:
    """Make the open body: an armature, and a mesh that it deforms, at rest on the floor, facing -Y.

    Selection, mode and the active object stay as they are.

    Args:
        betas: the shape, as :func:`posecore.fit_body` finds it.
        collection: to put both in.
        name: of the armature; the mesh is ``name`` and " skin". Blender adds a number where one is taken.

    Returns:
        The armature. :func:`shape_of` tells its shape again.
    """
    body = load_body()
    shape = np.asarray(betas, np.float32)
    vertices, joints = body.shaped(shape).astype(np.float64), body.rest_joints(shape).astype(np.float64)
    floor = np.array([0.0, vertices[:, 1].min(), 0.0])
    armature = new_armature(joints - floor, collection, name)
    skin = None
    try:
        skin = bpy.data.objects.new(f"{name} skin", bpy.data.meshes.new(f"{name} skin"))
        _fill(skin, body, vertices - floor)
        collection.objects.link(skin)
        skin.parent = armature
        deform = skin.modifiers.new("Armature", "ARMATURE")
        deform.object = armature
    except BaseException:
        if skin is not None:
            bpy.data.meshes.remove(skin.data)  # and the object with it
        bpy.data.armatures.remove(armature.data)
        raise
    armature.data[_NAME] = body.name
    armature.data[_SHAPE] = shape.tolist()
    return armature


def shape_of(armature: bpy.types.Object | None) -> tuple[float, ...] | None:
    """The shape of an armature that :func:`new_body` made and that still has its bones; None for any other."""
    if armature is None or armature.type != "ARMATURE" or armature.data.get(_NAME) != load_body().name:
        return None
    shape = tuple(float(value) for value in armature.data.get(_SHAPE, ()))
    whole = len(shape) == load_body().shapedirs.shape[2] and all(j in armature.data.bones for j in SMPL_24.joints)
    return shape if whole else None


def _fill(skin: bpy.types.Object, body: BodyModel, vertices: NDArray[np.float64]) -> None:
    mesh = skin.data
    mesh.from_pydata(from_world(vertices).tolist(), [], body.faces.tolist())
    mesh.polygons.foreach_set("use_smooth", np.ones(len(mesh.polygons), bool))
    mesh.update()
    for number, joint in enumerate(SMPL_24.joints):
        group = skin.vertex_groups.new(name=joint)
        weights = body.weights[:, number]
        for vertex in np.flatnonzero(weights > 0).tolist():
            group.add((vertex,), float(weights[vertex]), "REPLACE")
    mesh.materials.append(_material())


def _material() -> bpy.types.Material:
    material = bpy.data.materials.new("Body")
    material.diffuse_color = _COLOUR
    if material.node_tree is None:
        material.use_nodes = True
    for node in material.node_tree.nodes:
        if node.type == "BSDF_PRINCIPLED":
            node.inputs["Base Color"].default_value = _COLOUR
            node.inputs["Roughness"].default_value = 0.8
    return material
