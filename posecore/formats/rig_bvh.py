"""Any BVH skeleton as a Rig, and a RigMotion as BVH.

A BVH says nothing of its unit, its up axis, or whether the position channels of its root replace the root's offset
or add to it: all three are guessed from the figure, and what is written follows the file that was read.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from posecore.errors import SourceError
from posecore.formats.bvh import Bvh, read_bvh, write_bvh
from posecore.formats.euler import continuous_euler
from posecore.formats.timing import even_rate
from posecore.retargeting.rig import Rig
from posecore.retargeting.rig_motion import RigMotion

__all__ = ["BvhOrigin", "rig_from_bvh", "save_bvh", "unique_names"]

Array = NDArray[np.float64]

#: Metres per unit, the usual first: metres, centimetres, the unit of CMU's captures, decimetres, inches, millimetres.
_UNITS = (1.0, 0.01, 0.0254 / 0.45, 0.1, 0.0254, 0.001)
_HEIGHTS = (1.0, 2.3)  # of figures whose unit is to be guessed, metres
#: Offsets that all point one way to this degree are no pose, but bones each in its own frame.
_HEAPED = 0.8


@dataclass(frozen=True)
class BvhOrigin:
    """What a BVH rig keeps: the file without its frames, and how its root's positions are meant."""

    bvh: Bvh
    root_positions: str


def rig_from_bvh(path: str | Path, *, rest: str = "auto", unit: float | None = None) -> Rig:
    """The skeleton of any BVH file, standing on the ground.

    Args:
        rest: ``"offsets"``: the pose of the offsets alone; ``"first"``: that of the first frame; ``"auto"``: the
            offsets, unless they make no figure (files whose bones all point one way in their own frames).
        unit: metres per unit of the file; None guesses from the height.

    Raises:
        SourceError: missing or malformed file, or one without a first frame where that is needed.
        ValueError: unknown ``rest``.
    """
    if rest not in ("auto", "offsets", "first"):
        raise ValueError(f"rest must be 'auto', 'offsets' or 'first', got {rest!r}")
    bvh = read_bvh(path)
    warnings = list(bvh.warnings)
    if rest == "auto" and _heaped(bvh):
        if len(bvh):
            rest = "first"
            warnings.append("the offsets of the BVH make no figure: took its first frame for the rest pose")
        else:
            warnings.append("the offsets of the BVH make no figure, and it has no frame to take for the rest pose")
    if rest == "first" and not len(bvh):
        raise SourceError(f"{path}: the BVH holds no frames; its first one was asked for")
    matrices, tails = _rest(bvh, rest == "first")
    height, lift = _stand(matrices[:, :3, 3], tails, bool(np.linalg.norm(bvh.offsets[0]) > 1e-6 or rest == "first"))
    matrices[:, :3, 3] += lift
    if unit is None:
        unit = next((u for u in _UNITS if _HEIGHTS[0] <= u * height <= _HEIGHTS[1]), 1.0 if height < 10 else 0.01)
    names = unique_names(list(bvh.names))
    if names != list(bvh.names):
        warnings.append("joint names repeat in the BVH: later ones got a number")
    return Rig(
        names=tuple(names),
        parents=bvh.parents,
        rest=matrices,
        tails=tails + lift,
        placement=np.diag([unit, unit, unit, 1.0]),
        warnings=tuple(warnings),
        origin=BvhOrigin(replace(bvh, motion=bvh.motion[:0]), _root_positions(bvh, height)),
    )


def unique_names(names: list[str]) -> list[str]:
    """The same names, with ``.001``, ``.002`` … behind those that repeat."""
    taken: set[str] = set()
    out = []
    for name in names:
        fresh, number = name, 0
        while fresh in taken:
            number += 1
            fresh = f"{name}.{number:03d}"
        taken.add(fresh)
        out.append(fresh)
    return out


def _heaped(bvh: Bvh) -> bool:
    offsets = bvh.offsets[[parent >= 0 for parent in bvh.parents]]
    total = np.linalg.norm(offsets, axis=1).sum()
    return bool(total > 0 and np.linalg.norm(offsets.sum(axis=0)) > _HEAPED * total)


def _rest(bvh: Bvh, first: bool) -> tuple[Array, Array]:
    """(J, 4, 4) rest matrices in the file's frame and unit, and (J, 3) tails."""
    matrices = np.tile(np.eye(4), (len(bvh.names), 1, 1))
    turns = np.tile(np.eye(3), (len(bvh.names), 1, 1))
    places = bvh.offsets
    if first:
        start = replace(bvh, motion=bvh.motion[:1])
        turns = Rotation.from_quat(start.rotations()[0]).as_matrix()
        places = start.locations(_root_positions(bvh, _height(bvh)))[0]
    for joint, parent in enumerate(bvh.parents):
        matrices[joint, :3, :3], matrices[joint, :3, 3] = turns[joint], places[joint]
        if parent >= 0:
            matrices[joint] = matrices[parent] @ matrices[joint]
    ends: dict[int, list[Array]] = {}
    for joint, parent in enumerate(bvh.parents):
        ends.setdefault(parent, []).append(matrices[joint, :3, 3])
    for joint, offset in bvh.end_sites:
        ends.setdefault(joint, []).append(matrices[joint, :3, 3] + matrices[joint, :3, :3] @ offset)
    heads = matrices[:, :3, 3]
    tails = heads.copy()
    for joint, parent in enumerate(bvh.parents):
        if joint in ends:
            tails[joint] = np.mean(ends[joint], axis=0)
        elif parent >= 0:
            tails[joint] = heads[joint] + (heads[joint] - heads[parent]) / 2
    return matrices, tails


def _height(bvh: Bvh) -> float:
    """Of the offsets' pose; where they make no figure, something of the same order."""
    places = bvh.offsets.copy()
    for joint, parent in enumerate(bvh.parents):
        if parent >= 0:
            places[joint] += places[parent]
    return float(np.ptp(places, axis=0).max())


def _stand(heads: Array, tails: Array, placed: bool) -> tuple[float, Array]:
    """Height of the figure, and how far to lift it so that it stands on the ground, where its file does not place it.

    A figure much taller along Z than along Y has Z for up.
    """
    points = np.concatenate([heads, tails])
    extent = np.ptp(points, axis=0)
    up = 2 if extent[2] > 2 * extent[1] else 1
    lift = np.zeros(3)
    if not placed:
        lift[up] = heads[0, up] - points[:, up].min()
    return float(extent[up]), lift


def _root_positions(bvh: Bvh, height: float) -> str:
    """Whether the root's position channels add to its offset: they do if it is high and they are not."""
    up = int(np.abs(bvh.offsets[0]).argmax())
    offset = float(bvh.offsets[0, up])
    if abs(offset) < 0.2 * height or not len(bvh):
        return "replace"
    now = float(np.median(bvh.locations()[:, 0, up]))
    return "add" if abs(now) < abs(now - offset) else "replace"


def save_bvh(motion: RigMotion, path: str | Path, *, rate: float | None = None) -> None:
    """Write a RigMotion as BVH at an even frame rate.

    A rig that came from a BVH keeps its joints, channels, unit and axes. Any other becomes one in metres, Y up, whose
    rest pose is that of the rig, with channels ``Zrotation Xrotation Yrotation``.

    Args:
        rate: frames a second; None keeps the motion's own, or its median where frames do not lie evenly.

    Raises:
        OutputError: the path cannot be written.
    """
    own = even_rate(motion.times)
    if rate is None and own is None:
        rate = float(1.0 / np.median(np.diff(motion.times)))
    if rate is not None and (own is None or abs(rate - own) > 1e-3 * own):
        motion = motion.resample(rate)
    else:
        rate = rate or own
    assert rate is not None
    origin, pose = motion.rig.origin, motion.pose
    if isinstance(origin, BvhOrigin):
        bvh, base = origin.bvh, origin.bvh.offsets * (origin.root_positions == "add")
    else:
        bvh, pose = _plain(motion)
        base = np.zeros((len(bvh.names), 3))
    local = pose.copy()
    for joint, parent in enumerate(bvh.parents):
        if parent >= 0:
            local[:, joint] = _inverse(pose[:, parent]) @ pose[:, joint]
        else:
            local[:, joint, :3, 3] -= base[joint]
    angles = _angles(bvh.channels, local[..., :3, :3])
    blocks = []
    for joint, channels in enumerate(bvh.channels):
        kinds = {"position": local[:, joint, :3, 3], "rotation": angles[:, joint]}
        columns = [kinds[channel[1:]][:, "XYZ".index(channel[0])] for channel in channels]
        blocks.append(np.stack(columns, axis=1) if columns else np.zeros((len(motion), 0)))
    write_bvh(replace(bvh, frame_time=1.0 / rate, motion=np.concatenate(blocks, axis=1)), path)


def _inverse(rigid: Array) -> Array:
    """(T, 4, 4) inverses of turns with moves."""
    turn = np.swapaxes(rigid[:, :3, :3], 1, 2)
    out = np.zeros_like(rigid)
    out[:, :3, :3], out[:, 3, 3] = turn, 1.0
    out[:, :3, 3] = -(turn @ rigid[:, :3, 3, None])[..., 0]
    return out


def _angles(channels: tuple[tuple[str, ...], ...], turns: Array) -> Array:
    """(T, J, 3) degrees about X, Y, Z of (T, J, 3, 3) turns, each joint in the order of its channels. Joints of one
    order go together: continuity over time is a loop over frames. Axes that a joint has no channel for are lost."""
    orders: dict[str, list[int]] = {}
    for joint, names in enumerate(channels):
        order = "".join(name[0] for name in names if name.endswith("rotation"))
        if order:
            orders.setdefault(order + "".join(axis for axis in "XYZ" if axis not in order), []).append(joint)
    angles = np.zeros(turns.shape[:3])
    for order, joints in orders.items():
        quaternions = Rotation.from_matrix(turns[:, joints].reshape(-1, 3, 3)).as_quat()
        found = continuous_euler(quaternions.reshape(len(turns), len(joints), 4), order)
        for column, axis in enumerate(order):
            angles[:, joints, "XYZ".index(axis)] = np.degrees(found[..., column])
    return angles


def _plain(motion: RigMotion) -> tuple[Bvh, Array]:
    """A BVH skeleton for any rig, and its (T, B, 4, 4) poses there: metres, Y up, no turns at rest."""
    rig = motion.rig
    scale = float(np.cbrt(abs(np.linalg.det(rig.placement[:3, :3]))))
    turn = rig.placement[:3, :3] / scale
    pose = np.tile(np.eye(4), (len(motion), len(rig), 1, 1))
    pose[..., :3, :3] = turn @ motion.pose[..., :3, :3] @ np.swapaxes(rig.rest[:, :3, :3], 1, 2) @ np.linalg.inv(turn)
    pose[..., :3, 3] = motion.joints()
    heads = rig.heads
    parents = np.array(rig.parents)
    offsets = np.where(parents[:, None] >= 0, heads - heads[parents], 0.0)
    places, turns = ("Xposition", "Yposition", "Zposition"), ("Zrotation", "Xrotation", "Yrotation")
    travels = [rig.parents[bone] < 0 or rig.names[bone] in motion.locations for bone in range(len(rig))]
    bvh = Bvh(
        names=tuple(name.replace(" ", "_") for name in rig.names),
        parents=rig.parents,
        offsets=offsets,
        channels=tuple((*places, *turns) if travel else turns for travel in travels),
        frame_time=1.0,
        motion=np.zeros((0, 0)),
        end_sites=tuple((b, rig.ends[b] - heads[b]) for b in range(len(rig)) if not rig.children[b]),
    )
    return bvh, pose
