"""``Motion`` to and from BVH.

What is written: SMPL-24 with End Sites, Y up, facing +Z, metres (``unit="cm"`` for tools that
expect centimetres), rest pose a T-pose, root position absolute (root OFFSET 0, so that readers
which add it and readers which replace it agree), one Euler order for all joints (some loaders
remember only one), unwrapped over time, an even frame rate. Blender's plain File > Import > BVH
then gives an upright figure of the right size; tick "Update Scene FPS" there for the right rate.

What a BVH cannot hold: time before the first frame, betas, contacts, confidence, notes.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from posecore.errors import SourceError
from posecore.formats.bvh import Bvh, read_bvh, write_bvh
from posecore.formats.euler import continuous_euler
from posecore.formats.rest import rest_places, tips
from posecore.formats.timing import at_even_rate
from posecore.motion import Motion, continuous
from posecore.skeletons import SMPL_24

__all__ = ["MIXAMO_NAMES", "load_bvh", "save_bvh"]

_SCALES = {"m": 1.0, "cm": 0.01}
#: A rest pose longer than this from top to toe, in the file's unit, is not in metres.
_TALLEST_IN_METRES = 10.0

_SIDED = {
    "hip": "UpLeg",
    "knee": "Leg",
    "ankle": "Foot",
    "foot": "ToeBase",
    "collar": "Shoulder",
    "shoulder": "Arm",
    "elbow": "ForeArm",
    "wrist": "Hand",
    "hand": "HandMiddle1",
}
#: SMPL-24 joint -> the name of the same joint on Mixamo's skeleton (known to most retargeters).
MIXAMO_NAMES: dict[str, str] = {
    "pelvis": "Hips",
    "spine1": "Spine",
    "spine2": "Spine1",
    "spine3": "Spine2",
    "neck": "Neck",
    "head": "Head",
    **{f"{side[0].lower()}_{joint}": side + name for side in ("Left", "Right") for joint, name in _SIDED.items()},
}


def _names(names: str) -> list[str]:
    if names == "mixamo":
        return [MIXAMO_NAMES[joint] for joint in SMPL_24.joints]
    if names == "smpl":
        return list(SMPL_24.joints)
    raise ValueError(f"names must be 'mixamo' or 'smpl', got {names!r}")


def save_bvh(
    motion: Motion,
    path: str | Path,
    *,
    unit: str = "m",
    names: str = "mixamo",
    order: str = "ZXY",
    rate: float | None = None,
) -> None:
    """Write a Motion as BVH.

    Args:
        unit: ``"m"`` (default: right size in Blender's plain import) or ``"cm"``.
        names: ``"mixamo"`` (Hips, LeftUpLeg, …) or ``"smpl"`` (pelvis, l_hip, …).
        order: Euler order, e.g. ``"ZXY"`` for R = Rz Rx Ry.
        rate: frames a second; default the motion's own if its frames lie evenly, else its median.

    Raises:
        OutputError: the path cannot be written.
        ValueError: an option has none of its values.
    """
    if unit not in _SCALES:
        raise ValueError(f"unit must be 'm' or 'cm', got {unit!r}")
    motion, rate = at_even_rate(motion, rate)
    scale = 1.0 / _SCALES[unit]
    offsets = motion.offsets.astype(np.float64) * scale
    root = SMPL_24.index("pelvis")
    offsets[root] = 0.0
    angles = np.degrees(continuous_euler(motion.rotations.astype(np.float64), order))
    turns = tuple(f"{axis}rotation" for axis in order)
    blocks, channels = [], []
    for joint in range(len(SMPL_24)):
        if joint == root:
            blocks.append(motion.translation.astype(np.float64) * scale)
        blocks.append(angles[:, joint])
        channels.append(("Xposition", "Yposition", "Zposition", *turns) if joint == root else turns)
    bvh = Bvh(
        names=tuple(_names(names)),
        parents=SMPL_24.parents,
        offsets=offsets,
        channels=tuple(channels),
        frame_time=1.0 / rate,
        motion=np.concatenate(blocks, axis=1),
        end_sites=tuple((SMPL_24.index(joint), tip * scale) for joint, tip in tips(motion.offsets).items()),
    )
    write_bvh(bvh, path)


def load_bvh(path: str | Path, *, unit: str = "auto") -> Motion:
    """Read a Motion from a BVH whose joints are SMPL-24 under our names (either set).

    Args:
        unit: ``"m"``, ``"cm"``, or ``"auto"``: centimetres if the rest pose is over 10 units tall.

    Raises:
        SourceError: malformed file, another skeleton, or no frames.
        ValueError: unknown ``unit``.
    """
    if unit not in ("auto", *_SCALES):
        raise ValueError(f"unit must be 'auto', 'm' or 'cm', got {unit!r}")
    bvh = read_bvh(path)
    picked = _smpl_joints(bvh, path)
    if not len(bvh):
        raise SourceError(f"{path}: the BVH holds a skeleton but no frames")
    offsets = bvh.offsets[picked]
    root = SMPL_24.index("pelvis")
    offsets[root] = 0.0
    if unit == "auto":
        unit = "cm" if np.ptp(rest_places(offsets)[:, 1]) > _TALLEST_IN_METRES else "m"
    scale = _SCALES[unit]
    return Motion(
        times=np.arange(len(bvh), dtype=np.float64) * bvh.frame_time,
        rotations=continuous(bvh.rotations()[:, picked]).astype(np.float32),
        translation=(bvh.locations()[:, picked[root]] * scale).astype(np.float32),
        offsets=(offsets * scale).astype(np.float32),
    )


def _smpl_joints(bvh: Bvh, path: str | Path) -> list[int]:
    """Where each SMPL-24 joint is in the file; the parents must agree too."""
    known = {name.lower().removeprefix("mixamorig:"): index for index, name in enumerate(bvh.names)}
    missing: list[str] = []
    for names in ("mixamo", "smpl"):
        wanted = _names(names)
        missing = [name for name in wanted if name.lower() not in known]
        if not missing:
            picked = [known[name.lower()] for name in wanted]
            for joint, parent in enumerate(SMPL_24.parents):
                if parent >= 0 and bvh.parents[picked[joint]] != picked[parent]:
                    raise SourceError(f"{path}: {wanted[joint]} is not a child of {wanted[parent]}; not a posecore BVH")
            return picked
    raise SourceError(
        f"{path}: another skeleton than posecore's ({len(bvh.names)} joints, no {missing[0]}); "
        "as a target rig, read it with posecore.Rig.from_bvh"
    )
