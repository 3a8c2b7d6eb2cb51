"""``Motion`` to glTF 2.0: a skinned skeleton with its animation, ``.glb`` or ``.gltf``.

Metres, Y up, facing +Z, as glTF wants it. Key frames stand at the true time stamps, so a variable
frame rate survives. Viewers draw no skeleton and Blender makes no armature where a skin has no
mesh, hence a small figure of octahedra, one a bone, unless ``mesh=False``.

Written with the standard library alone: an asset with one buffer is a page of JSON, and the
libraries for it would bring compiled wheels into the Blender extension.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from posecore.drawing import side_colour
from posecore.files import atomic_path
from posecore.formats.gltf_file import FLOAT, UBYTE, USHORT, Buffer, pack
from posecore.formats.rest import rest_places, tips
from posecore.motion import Motion, continuous
from posecore.skeletons import SMPL_24

__all__ = ["animation_of", "joint_nodes", "save_gltf", "skin_of"]


def save_gltf(motion: Motion, path: str | Path, *, mesh: bool = True) -> None:
    """Write a Motion as ``.glb`` (binary) or ``.gltf`` (JSON with the data inside).

    Nodes bear the names of SMPL_24. The rest pose is the T-pose with its soles on the ground.

    Args:
        mesh: add the figure of octahedra. Without it the file holds bare animated nodes and a skin.

    Raises:
        OutputError: the path cannot be written.
    """
    path = Path(path)
    buffer = Buffer()
    rest = rest_places(motion.offsets)
    rest[:, 1] -= rest[:, 1].min()
    nodes = joint_nodes(rest)
    root = SMPL_24.index("pelvis")
    asset: dict[str, Any] = {
        "asset": {"version": "2.0", "generator": "posecore"},
        "scene": 0,
        "scenes": [{"nodes": [root]}],
        "nodes": nodes,
        "skins": [skin_of(buffer, rest)],
        "animations": [animation_of(buffer, motion)],
    }
    if mesh:
        asset["meshes"] = [_mesh(buffer, motion, rest)]
        asset["materials"] = [{"name": "figure", "pbrMetallicRoughness": {"metallicFactor": 0, "roughnessFactor": 0.7}}]
        nodes.append({"name": "figure", "mesh": 0, "skin": 0})
        asset["scenes"][0]["nodes"].append(len(nodes) - 1)
    asset["accessors"], asset["bufferViews"] = buffer.accessors, buffer.views
    with atomic_path(path) as temporary:
        temporary.write_bytes(pack(asset, buffer.blob, path.suffix))


def joint_nodes(rest: NDArray[np.float64]) -> list[dict[str, Any]]:
    """The first 24 nodes of an asset: SMPL_24 with its joints at ``rest`` (24, 3), metres."""
    nodes: list[dict[str, Any]] = []
    for joint, name in enumerate(SMPL_24.joints):
        parent = SMPL_24.parents[joint]
        place = rest[joint] - (rest[parent] if parent >= 0 else 0.0)
        children = [child for child, above in enumerate(SMPL_24.parents) if above == joint]
        nodes.append({"name": name, "translation": place.tolist()} | ({"children": children} if children else {}))
    return nodes


def skin_of(buffer: Buffer, rest: NDArray[np.float64]) -> dict[str, Any]:
    """The skin of :func:`joint_nodes`: a mesh in the place where those joints are at ``rest`` follows them."""
    root = SMPL_24.index("pelvis")
    inverse = np.tile(np.eye(4, dtype=np.float32), (len(SMPL_24), 1, 1))
    inverse[:, 3, :3] = -rest  # columns first, as glTF keeps matrices
    matrices = buffer.add(inverse.reshape(-1, 16), "MAT4", FLOAT)
    return {"name": "posecore", "inverseBindMatrices": matrices, "joints": list(range(len(SMPL_24))), "skeleton": root}


def animation_of(buffer: Buffer, motion: Motion) -> dict[str, Any]:
    """The movement of :func:`joint_nodes`: keys at the true time stamps, rotations of all, the path of the pelvis."""
    root = SMPL_24.index("pelvis")
    # Time stamps may not be negative, and must still increase as float32.
    times = (motion.times - min(0.0, float(motion.times[0]))).astype(np.float32)
    if len(times) > 1 and not (np.diff(times) > 0).all():
        times = (motion.times - motion.times[0]).astype(np.float32)
    clock = buffer.add(times, "SCALAR", FLOAT, bounds=True)
    samplers, channels = [], []

    def animate(joint: int, what: str, values: NDArray[np.float32], kind: str) -> None:
        output = buffer.add(values, kind, FLOAT)
        samplers.append({"input": clock, "output": output, "interpolation": "LINEAR"})
        channels.append({"sampler": len(samplers) - 1, "target": {"node": joint, "path": what}})

    animate(root, "translation", motion.translation.astype(np.float32), "VEC3")
    quaternions = continuous(motion.rotations.astype(np.float64))
    quaternions /= np.linalg.norm(quaternions, axis=-1, keepdims=True)
    for joint in range(len(SMPL_24)):
        animate(joint, "rotation", quaternions[:, joint].astype(np.float32), "VEC4")
    return {"name": "motion", "samplers": samplers, "channels": channels}


_Place = NDArray[np.float64]


def _bones(motion: Motion, rest: _Place) -> list[tuple[int, str, _Place, _Place]]:
    """(joint that moves it, joint that names its side, head, tail) of every bone to be seen."""
    bones = [(parent, SMPL_24.joints[child], rest[parent], rest[child]) for parent, child in SMPL_24.bones]
    for name, tip in tips(motion.offsets).items():
        joint = SMPL_24.index(name)
        bones.append((joint, name, rest[joint], rest[joint] + tip))
    return bones


def _octahedron(head: NDArray[np.float64], tail: NDArray[np.float64]) -> NDArray[np.float64]:
    """(24, 3) corners of eight triangles, counter-clockwise from outside: the shape of Blender's bones."""
    axis = tail - head
    length = float(np.linalg.norm(axis))
    axis = axis / max(length, 1e-9)
    side = np.cross(axis, [0.0, 0.0, 1.0] if abs(axis[2]) < 0.9 else [1.0, 0.0, 0.0])
    side /= np.linalg.norm(side)
    other = np.cross(axis, side)
    thick = min(0.12 * length + 0.008, 0.04)
    waist = [head + axis * min(0.15 * length, 0.05) + thick * spoke for spoke in (side, other, -side, -other)]
    corners: list[NDArray[np.float64]] = []
    for now, after in zip(waist, waist[1:] + waist[:1], strict=True):
        corners += [tail, now, after, head, after, now]
    return np.array(corners)


def _mesh(buffer: Buffer, motion: Motion, rest: NDArray[np.float64]) -> dict[str, Any]:
    positions, joints, colours = [], [], []
    for joint, name, head, tail in _bones(motion, rest):
        corners = _octahedron(head, tail)
        positions.append(corners)
        joints.append(np.tile([joint, 0, 0, 0], (len(corners), 1)))
        linear = (np.array(side_colour(name)) / 255.0) ** 2.2  # vertex colours are linear in glTF
        colours.append(np.tile([*np.rint(linear * 255), 255], (len(corners), 1)))
    corners = np.concatenate(positions)
    faces = corners.reshape(-1, 3, 3)
    normals = np.cross(faces[:, 1] - faces[:, 0], faces[:, 2] - faces[:, 0])
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
    weights = np.tile(np.array([1, 0, 0, 0], np.float32), (len(corners), 1))
    attributes = {
        "POSITION": buffer.add(corners.astype(np.float32), "VEC3", FLOAT, bounds=True),
        "NORMAL": buffer.add(np.repeat(normals, 3, axis=0).astype(np.float32), "VEC3", FLOAT),
        "COLOR_0": buffer.add(np.concatenate(colours).astype(np.uint8), "VEC4", UBYTE, normalized=True),
        "JOINTS_0": buffer.add(np.concatenate(joints).astype(np.uint8), "VEC4", UBYTE),
        "WEIGHTS_0": buffer.add(weights, "VEC4", FLOAT),
    }
    indices = buffer.add(np.arange(len(corners), dtype=np.uint16), "SCALAR", USHORT)
    return {"name": "figure", "primitives": [{"attributes": attributes, "indices": indices, "material": 0}]}
