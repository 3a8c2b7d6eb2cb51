"""A fitted body to glTF 2.0: its mesh, skinned to SMPL's 24 joints, with its movement. ``.glb`` or ``.gltf``.

A glTF skin is linear blend skinning with up to four joints a vertex, which every viewer and engine plays; so the
smallest weights of a vertex that has more are left out and the others share theirs (:func:`four_weights`), and
pose-dependent corrections (``posedirs`` of a licensed SMPL) are not in the file.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from posecore.files import atomic_path
from posecore.formats.gltf import animation_of, joint_nodes, skin_of
from posecore.formats.gltf_file import FLOAT, UBYTE, UINT, USHORT, Buffer, pack
from posecore.motion import Motion
from posecore.skeletons import SMPL_24

if TYPE_CHECKING:
    from posecore.body import BodyModel

__all__ = ["four_weights", "save_body_gltf", "vertex_normals"]

#: A neutral grey with a little warmth, linear as glTF wants it.
COLOUR = (0.50, 0.47, 0.44, 1.0)


def four_weights(weights: NDArray[np.floating]) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """The four strongest joints of every vertex and their weights, made to sum to 1.

    Args:
        weights: (V, J), rows sum to 1.

    Returns:
        joints (V, 4), 0 where the weight is 0, and weights (V, 4).
    """
    joints = np.argsort(-weights, axis=1, kind="stable")[:, :4]
    kept = np.take_along_axis(weights, joints, axis=1).astype(np.float64)
    kept /= kept.sum(axis=1, keepdims=True)
    return np.where(kept > 0, joints, 0).astype(np.uint8), kept.astype(np.float32)


def vertex_normals(vertices: NDArray[np.floating], faces: NDArray[np.integer]) -> NDArray[np.float32]:
    """(V, 3) unit normals: those of the faces (F, 3, counter-clockwise) around a vertex, weighted by area."""
    corners = vertices[faces].astype(np.float64)
    areas = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normals = np.zeros((len(vertices), 3))
    for corner in range(3):
        np.add.at(normals, faces[:, corner], areas)
    lengths = np.linalg.norm(normals, axis=1, keepdims=True)
    return np.where(lengths > 1e-12, normals / np.maximum(lengths, 1e-12), (0.0, 1.0, 0.0)).astype(np.float32)


def save_body_gltf(motion: Motion, body: BodyModel, path: str | Path) -> None:
    """Write a body that moves as ``motion`` says, which must be that body's own (:func:`posecore.fit_body`).

    Nodes bear the names of SMPL_24; the rest pose is the body's, with its soles on the ground. Metres, Y up, facing
    +Z; keys stand at the true time stamps.

    Raises:
        OutputError: the path cannot be written.
    """
    path = Path(path)
    betas = body.stored_betas(motion.betas)
    vertices, rest = body.shaped(betas).astype(np.float64), body.rest_joints(betas).astype(np.float64)
    floor = vertices[:, 1].min()
    vertices[:, 1] -= floor
    rest[:, 1] -= floor
    buffer = Buffer()
    nodes = joint_nodes(rest)
    nodes.append({"name": "body", "mesh": 0, "skin": 0})
    asset: dict[str, Any] = {
        "asset": {"version": "2.0", "generator": "posecore"},
        "scene": 0,
        "scenes": [{"nodes": [SMPL_24.index("pelvis"), len(nodes) - 1]}],
        "nodes": nodes,
        "skins": [skin_of(buffer, rest)],
        "animations": [animation_of(buffer, motion)],
        "meshes": [_mesh(buffer, body, vertices)],
        "materials": [_MATERIAL],
    }
    asset["accessors"], asset["bufferViews"] = buffer.accessors, buffer.views
    with atomic_path(path) as temporary:
        temporary.write_bytes(pack(asset, buffer.blob, path.suffix))


_MATERIAL = {
    "name": "body",
    "pbrMetallicRoughness": {"baseColorFactor": list(COLOUR), "metallicFactor": 0.0, "roughnessFactor": 0.8},
}


def _mesh(buffer: Buffer, body: BodyModel, vertices: NDArray[np.float64]) -> dict[str, Any]:
    joints, weights = four_weights(body.weights)
    attributes = {
        "POSITION": buffer.add(vertices.astype(np.float32), "VEC3", FLOAT, bounds=True),
        "NORMAL": buffer.add(vertex_normals(vertices, body.faces), "VEC3", FLOAT),
        "JOINTS_0": buffer.add(joints, "VEC4", UBYTE),
        "WEIGHTS_0": buffer.add(weights, "VEC4", FLOAT),
    }
    few = len(vertices) < 65535  # 65535 itself means "start anew"
    corners = body.faces.astype(np.uint16 if few else np.uint32).reshape(-1)
    indices = buffer.add(corners, "SCALAR", USHORT if few else UINT)
    return {"name": body.name, "primitives": [{"attributes": attributes, "indices": indices, "material": 0}]}
