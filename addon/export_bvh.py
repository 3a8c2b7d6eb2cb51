# SPDX-License-Identifier: GPL-3.0-or-later
"""BVH of what an armature shows: Y up, metres, one joint a deforming bone.

Blender's own writer leaves the armature object's place, the axes and the controls of a rig as they are; here the posed
bones are read from the evaluated scene, so that constraints, controls and the object's transform are all in.
"""

from __future__ import annotations

from pathlib import Path

import bpy
import numpy as np
from mathutils import Matrix
from scipy.spatial.transform import Rotation

from posecore.formats.bvh import Bvh, write_bvh
from posecore.formats.euler import continuous_euler

__all__ = ["skeleton", "write_pose_bvh"]

_ORDER = "ZXY"
_ROTATION = tuple(f"{axis}rotation" for axis in _ORDER)
_POSITION = ("Xposition", "Yposition", "Zposition")
#: A joint whose distance from its parent changes by more than this (metres) gets position channels.
_RIGID = 1e-4
#: Bones whose heads and tails lie nearer than this part of their length are the same limb twice.
_SAME = 1e-3
_Y_UP = np.array([[1.0, 0, 0, 0], [0, 0, 1, 0], [0, -1, 0, 0], [0, 0, 0, 1]])


def write_pose_bvh(
    path: Path, armature: bpy.types.Object, scene: bpy.types.Scene, frame_start: int, frame_end: int
) -> None:
    """Write the frames ``frame_start`` … ``frame_end`` (both in) of ``armature`` at the scene's rate.

    Raises:
        OutputError: the place cannot be written to.
    """
    names, parents = skeleton(armature.data)
    frames = list(range(frame_start, frame_end + 1))
    rest, posed = _sample(armature, scene, names, frames)
    rate = scene.render.fps / scene.render.fps_base
    write_bvh(_bvh(names, parents, rest, posed, _tails(armature, names), 1.0 / rate), path)


def skeleton(data: bpy.types.Armature) -> tuple[list[str], list[int]]:
    """The bones that move the mesh (all, if none does), each hung on the nearest one above it.

    A control rig hangs its deforming bones on hidden twins of one another (Rigify's ``DEF-`` on ``ORG-``): a bone that
    lies exactly where a deforming bone lies stands for it.

    Returns:
        names, every parent before its children, and parents' numbers, -1 for a root.
    """
    deforming = [bone for bone in data.bones if bone.use_deform] or list(data.bones)
    twins = {_place(bone): bone.name for bone in reversed(deforming)}
    chosen = {bone.name for bone in deforming}

    def parent_of(bone: bpy.types.Bone) -> str:
        above = bone.parent
        while above is not None:
            stand_in = above.name if above.name in chosen else twins.get(_place(above), "")
            if stand_in and stand_in != bone.name:
                return stand_in
            above = above.parent
        return ""

    parent = {bone.name: parent_of(bone) for bone in deforming}
    depth: dict[str, int] = {}
    for name in parent:
        chain: list[str] = []
        while name and name not in chain:
            chain.append(name)
            name = parent[name]
        if name:  # twins of twins in a ring: cut it
            parent[chain[-1]] = ""
        depth[chain[0]] = len(chain)
    # Depth first, so that the file reads as a tree; children in the order of the armature.
    names: list[str] = []

    def add(name: str) -> None:
        names.append(name)
        for child in parent:
            if parent[child] == name:
                add(child)

    for name in parent:
        if not parent[name]:
            add(name)
    numbers = {name: number for number, name in enumerate(names)}
    return names, [numbers.get(parent[name], -1) for name in names]


def _place(bone: bpy.types.Bone) -> tuple[int, ...]:
    step = max(bone.length, 1e-6) * _SAME
    size = 10.0 ** np.ceil(np.log10(step))
    return tuple(round(value / size) for end in (bone.head_local, bone.tail_local) for value in end)


def _sample(
    armature: bpy.types.Object, scene: bpy.types.Scene, names: list[str], frames: list[int]
) -> tuple[np.ndarray, np.ndarray]:
    """World matrices, Y up: rest (J, 4, 4), with the object where it is in the first frame, and posed (T, J, 4, 4)."""
    before = scene.frame_current, scene.frame_subframe
    posed = np.empty((len(frames), len(names), 4, 4))
    rest = np.empty((len(names), 4, 4))
    try:
        for row, frame in enumerate(frames):
            scene.frame_set(frame)
            shown = armature.evaluated_get(bpy.context.evaluated_depsgraph_get())
            world = _array(shown.matrix_world)
            bones = shown.pose.bones
            posed[row] = world @ np.array([bones[name].matrix for name in names])
            if row == 0:
                rest = world @ np.array([armature.data.bones[name].matrix_local for name in names])
    finally:
        scene.frame_set(before[0], subframe=before[1])
    rest, posed = _Y_UP @ rest, _Y_UP @ posed
    for matrices in (rest, posed):  # metres, whatever the scene calls one unit
        matrices[..., :3, :] *= scene.unit_settings.scale_length
    return rest, posed


def _tails(armature: bpy.types.Object, names: list[str]) -> np.ndarray:
    """(J, 3) length of each bone along its own Y axis, for the end sites, metres of the armature."""
    return np.array([[0.0, armature.data.bones[name].length, 0.0] for name in names])


def _array(matrix: Matrix) -> np.ndarray:
    return np.array(matrix)


def _turns(matrices: np.ndarray) -> np.ndarray:
    """The rotation in (…, 4, 4) matrices that may also scale and shear."""
    left, _, right = np.linalg.svd(matrices[..., :3, :3])
    turns = left @ right
    turns[np.linalg.det(turns) < 0] *= -1.0  # a mirrored armature: the turn of its mirror image
    return turns


def _bvh(
    names: list[str],
    parents: list[int],
    rest: np.ndarray,
    posed: np.ndarray,
    tails: np.ndarray,
    frame_time: float,
) -> Bvh:
    """Joints whose axes at rest are those of the world, as every reader of BVH takes it."""
    turn = _turns(posed) @ np.swapaxes(_turns(rest), -1, -2)
    place = posed[..., :3, 3]
    roots = [joint for joint, parent in enumerate(parents) if parent < 0]
    if len(roots) > 1:  # most readers take one root only
        names = [_new_name("root", names), *names]
        parents = [-1, *(parent + 1 for parent in parents)]
        turn = np.concatenate([np.tile(np.eye(3), (len(turn), 1, 1, 1)), turn], axis=1)
        place = np.concatenate([np.zeros((len(place), 1, 3)), place], axis=1)
        rest = np.concatenate([np.eye(4)[None], rest])
        tails = np.concatenate([np.zeros((1, 3)), tails])
    offsets, channels, columns = [], [], []
    for joint, parent in enumerate(parents):
        local, step, offset = turn[:, joint], place[:, joint], np.zeros(3)
        if parent >= 0:
            back = np.swapaxes(turn[:, parent], -1, -2)
            local = back @ local
            step = (back @ (place[:, joint] - place[:, parent])[..., None])[..., 0]
            offset = rest[joint, :3, 3] - rest[parent, :3, 3]
        moves = parent < 0 or np.abs(step - offset).max() > _RIGID
        offsets.append(offset)
        channels.append((*_POSITION, *_ROTATION) if moves else _ROTATION)
        angles = np.degrees(continuous_euler(Rotation.from_matrix(local).as_quat(), _ORDER))
        columns += [step, angles] if moves else [angles]
    leaves = [joint for joint in range(len(names)) if joint not in parents]
    ends = tuple((joint, (rest[joint, :3, :3] @ tails[joint])) for joint in leaves)
    return Bvh(
        tuple(names),
        tuple(parents),
        np.array(offsets),
        tuple(channels),
        frame_time,
        np.concatenate(columns, axis=1),
        ends,
    )


def _new_name(name: str, taken: list[str]) -> str:
    number = 1
    candidate = name
    while candidate in taken:
        number += 1
        candidate = f"{name}_{number}"
    return candidate
