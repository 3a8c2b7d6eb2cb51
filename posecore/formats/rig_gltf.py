"""The skeleton of any glTF file as a Rig, and a RigMotion as an animation in that same file.

Bones are the joints of the largest skin, of those that share joints with it, and the nodes between them; the rest
pose is the one to which the mesh was bound, not the one in which the nodes happen to stand. What lies above the
joints is the rig's placement. Meshes, materials and other animations stay as they are.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from posecore.errors import SourceError
from posecore.files import atomic_path
from posecore.formats.gltf_file import FLOAT, Buffer, local_matrix, matrices_of, node_parents, pack, read_gltf
from posecore.formats.rig_bvh import unique_names
from posecore.motion import continuous
from posecore.retargeting.rig import Rig
from posecore.retargeting.rig_motion import RigMotion

__all__ = ["GltfOrigin", "rig_from_gltf", "save_gltf"]

Array = NDArray[np.float64]

_SAME = 1e-4  # metres, quaternion parts: a node that is this near to its place needs no key


@dataclass(frozen=True)
class GltfOrigin:
    """What a glTF rig keeps: the file, and which node each bone is.

    Attributes:
        path: the file; it is read again when movement is written into it.
        nodes: B node numbers.
        above: (B, 4, 4) for a bone without a parent, its parent node in the armature frame; identity for others.
        scales: (B, 3) of the bones in the armature frame at rest.
    """

    path: Path
    nodes: tuple[int, ...]
    above: Array
    scales: Array


def rig_from_gltf(path: str | Path) -> Rig:
    """The skeleton of a ``.glb`` or ``.gltf`` file; all its nodes, if it has no skin.

    Raises:
        SourceError: missing or malformed file, or one without a skeleton.
    """
    path = Path(path).absolute()
    asset, blob = read_gltf(path)
    try:
        return _rig(asset, blob, path)
    except (KeyError, IndexError, TypeError, AttributeError, ValueError) as error:
        raise SourceError(f"{path}: not a glTF file posecore can read ({type(error).__name__}: {error})") from error


def _rig(asset: dict[str, Any], blob: bytes, path: Path) -> Rig:
    nodes, above = asset.get("nodes", []), node_parents(asset)
    skins = _skins(asset)
    joints = {joint for skin in skins for joint in skin["joints"]} or set(range(len(nodes)))
    if len(joints) < 2:
        raise SourceError(f"{path}: holds no skeleton, only {len(nodes)} node{'s' * (len(nodes) != 1)}")
    order = _bones(joints, above)
    world = _worlds(nodes, above)
    bound = _bound(asset, blob, skins, order, above, world)
    base = _common(order, above)
    frame = world[base] if base >= 0 else np.eye(4)
    into = np.linalg.inv(frame)
    number = {node: bone for bone, node in enumerate(order)}
    full = np.stack([into @ bound[node] for node in order])
    scales = np.linalg.norm(full[:, :3, :3], axis=1)
    rest = full.copy()
    left, _, right = np.linalg.svd(full[:, :3, :3])
    rest[:, :3, :3] = left @ right
    parents = tuple(number.get(above[node], -1) for node in order)
    outside = [world[above[node]] if above[node] >= 0 else np.eye(4) for node in order]
    names = [str(nodes[node].get("name") or f"node{node}") for node in order]
    return Rig(
        names=tuple(unique_names(names)),
        parents=parents,
        rest=rest,
        tails=_tails(nodes, order, parents, full),
        placement=frame,
        origin=GltfOrigin(
            path=path,
            nodes=tuple(order),
            above=np.stack([into @ o if p < 0 else np.eye(4) for o, p in zip(outside, parents, strict=True)]),
            scales=scales,
        ),
    )


def _skins(asset: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The largest skin, and all that share joints with it."""
    skins: list[dict[str, Any]] = sorted(asset.get("skins", []), key=lambda skin: -len(skin["joints"]))
    joints = set(skins[0]["joints"]) if skins else set()
    picked = []
    for skin in skins:
        if joints & set(skin["joints"]):
            joints |= set(skin["joints"])
            picked.append(skin)
    return picked


def _chain(node: int, above: list[int]) -> list[int]:
    """A node and all above it, from below."""
    chain = []
    while node >= 0:
        chain.append(node)
        node = above[node]
    return chain


def _bones(joints: set[int], above: list[int]) -> list[int]:
    """Joints and the nodes between them, every parent before its children."""
    bones = set(joints)
    for joint in joints:
        chain = _chain(joint, above)
        top = max(place for place, node in enumerate(chain) if node in joints)
        bones |= set(chain[:top])
    depth = {node: len(_chain(node, above)) for node in bones}
    # Depth first, so that limbs stay together in lists.
    order: list[int] = []

    def visit(node: int) -> None:
        order.append(node)
        for child in sorted(other for other in bones if above[other] == node):
            visit(child)

    for node in sorted((n for n in bones if above[n] not in bones), key=lambda n: (depth[n], n)):
        visit(node)
    return order


def _worlds(nodes: list[dict[str, Any]], above: list[int]) -> list[Array]:
    done: dict[int, Array] = {}

    def world(node: int) -> Array:
        if node not in done:
            local = local_matrix(nodes[node])
            done[node] = world(above[node]) @ local if above[node] >= 0 else local
        return done[node]

    return [world(node) for node in range(len(nodes))]


def _common(order: list[int], above: list[int]) -> int:
    """The nearest node above all bones, -1 for none."""
    chains = [_chain(node, above) for node in order if above[node] not in order]
    return next((node for node in chains[0][1:] if all(node in chain[1:] for chain in chains)), -1)


def _bound(
    asset: Mapping[str, Any],
    blob: bytes,
    skins: list[dict[str, Any]],
    order: list[int],
    above: list[int],
    world: list[Array],
) -> dict[int, Array]:
    """World matrices of the bones as the mesh was bound to them.

    Inverse bind matrices say where joints were in the space of the mesh. That space is laid over the world so that
    the topmost joint stands as its node does; but as the node above it does, where that comes near: then only the
    pose of the topmost joint is taken out.
    """
    inverse: dict[int, Array] = {}
    for skin in reversed(skins):  # so that the largest has the last word
        if "inverseBindMatrices" in skin:
            matrices = matrices_of(asset, blob, skin["inverseBindMatrices"])
            for joint, matrix in zip(skin["joints"], matrices, strict=False):
                if abs(np.linalg.det(matrix)) > 1e-12:
                    inverse[joint] = matrix
    top = next((node for node in order if node in inverse), None)
    bound: dict[int, Array] = {}
    space = np.eye(4)
    if top is not None:
        space = world[top] @ inverse[top]
        outer = world[above[order[0]]] if above[order[0]] >= 0 else np.eye(4)
        if _near(outer @ np.linalg.inv(inverse[top]), world[top]):
            space = outer
    for node in order:
        if node in inverse:
            bound[node] = space @ np.linalg.inv(inverse[node])
        elif above[node] in bound:
            bound[node] = bound[above[node]] @ local_matrix(asset["nodes"][node])
        else:
            bound[node] = world[node]
    return bound


def _near(one: Array, other: Array) -> bool:
    scales = [np.cbrt(abs(np.linalg.det(m[:3, :3]))) for m in (one, other)]
    if abs(scales[0] - scales[1]) > 0.01 * scales[1] or scales[1] <= 0:
        return False
    cosine = (np.trace(one[:3, :3].T @ other[:3, :3]) / (scales[0] * scales[1]) - 1.0) / 2.0
    moved = np.linalg.norm(one[:3, 3] - other[:3, 3])
    return bool(cosine > np.cos(np.radians(45.0)) and moved < 0.3 * (1e-6 + np.linalg.norm(other[:3, 3])))


def _tails(nodes: list[dict[str, Any]], order: list[int], parents: tuple[int, ...], full: Array) -> Array:
    """(B, 3): the middle of a bone's children; the end node below a last bone; else on as the bone before."""
    heads = full[:, :3, 3]
    tails = heads.copy()
    for bone, node in enumerate(order):
        below = [heads[other] for other, parent in enumerate(parents) if parent == bone]
        if not below:
            ends = [
                local_matrix(nodes[child]) for child in nodes[node].get("children", []) if "mesh" not in nodes[child]
            ]
            below = [(full[bone] @ end)[:3, 3] for end in ends]
        if below and np.linalg.norm(np.mean(below, axis=0) - heads[bone]) > 1e-9:
            tails[bone] = np.mean(below, axis=0)
        elif parents[bone] >= 0:
            tails[bone] += (heads[bone] - heads[parents[bone]]) / 2
    return tails


def save_gltf(motion: RigMotion, path: str | Path) -> None:
    """Write the rig's own file again, with ``motion`` as its first animation, at its true time stamps.

    Raises:
        OutputError: the path cannot be written.
        SourceError: the file that the rig came from is gone or changed.
        ValueError: the rig did not come from a glTF file.
    """
    path, origin = Path(path), motion.rig.origin
    if not isinstance(origin, GltfOrigin):
        raise ValueError("this rig did not come from a glTF file")
    asset, blob = read_gltf(origin.path)
    nodes = asset.get("nodes", [])
    names = [str(nodes[n].get("name") or f"node{n}") if n < len(nodes) else "" for n in origin.nodes]
    if tuple(unique_names(names)) != motion.rig.names:
        raise SourceError(f"{origin.path}: holds another skeleton than when the rig was read from it")
    buffer = Buffer(blob, asset)
    asset["animations"] = [_animation(asset, buffer, motion, origin), *asset.get("animations", [])]
    asset["accessors"], asset["bufferViews"] = buffer.accessors, buffer.views
    with atomic_path(path) as temporary:
        temporary.write_bytes(pack(asset, buffer.blob, path.suffix))


def _animation(asset: dict[str, Any], buffer: Buffer, motion: RigMotion, origin: GltfOrigin) -> dict[str, Any]:
    times = (motion.times - min(0.0, float(motion.times[0]))).astype(np.float32)
    clock = buffer.add(times, "SCALAR", FLOAT, bounds=True)
    instant = buffer.add(times[:1], "SCALAR", FLOAT, bounds=True)
    samplers: list[dict[str, Any]] = []
    channels: list[dict[str, Any]] = []
    full = motion.pose.copy()
    full[..., :3, :3] *= origin.scales[:, None, :]
    for bone, node in enumerate(origin.nodes):
        parent = motion.rig.parents[bone]
        local = np.linalg.inv(origin.above[bone] if parent < 0 else full[:, parent]) @ full[:, bone]
        values = _parts(local)
        resting = _parts(local_matrix(asset["nodes"][node])[None])
        for what, kind in (("translation", "VEC3"), ("rotation", "VEC4"), ("scale", "VEC3")):
            track = values[what]
            still = bool(np.abs(track - track[:1]).max() < 1e-6)
            apart = np.abs(track - resting[what])
            if what == "rotation":
                apart = np.minimum(apart, np.abs(track + resting[what]))
            if still and apart.max() < _SAME * (max(1.0, float(np.abs(resting[what]).max()))):
                continue
            output = buffer.add((track[:1] if still else track).astype(np.float32), kind, FLOAT)
            samplers.append({"input": instant if still else clock, "output": output, "interpolation": "LINEAR"})
            channels.append({"sampler": len(samplers) - 1, "target": {"node": node, "path": what}})
        if "matrix" in asset["nodes"][node]:  # an animated node may not have one
            del asset["nodes"][node]["matrix"]
            asset["nodes"][node] |= {what: value[0].tolist() for what, value in resting.items()}
    return {"name": "posecore", "samplers": samplers, "channels": channels}


def _parts(matrices: Array) -> dict[str, Array]:
    """Translation, rotation (xyzw, continuous) and scale of (T, 4, 4)."""
    scales = np.linalg.norm(matrices[:, :3, :3], axis=1)
    turns = matrices[:, :3, :3] / np.maximum(scales[:, None, :], 1e-12)
    quaternions = continuous(Rotation.from_matrix(turns).as_quat())
    return {"translation": matrices[:, :3, 3], "rotation": quaternions, "scale": scales}
