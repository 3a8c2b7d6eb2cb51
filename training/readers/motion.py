"""Clips of motion in general formats: BVH and AMASS."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from posecore.errors import SourceError
from posecore.formats.amass import load_amass
from posecore.formats.bvh import Bvh, read_bvh
from posecore.skeletons import SMPL_24, Skeleton
from training.readers.amc import CMU_METRES
from training.readers.checks import file_at
from training.readers.samples import Movement
from training.splits import clip_subject

__all__ = ["read_amass", "read_bvh_clips"]


def read_bvh_clips(path: str | Path, metres: float = 0.0, root_positions: str = "replace") -> Iterator[Movement]:
    """BVH files: the positions of the file's own joints, in metres. For rotations on SMPL_24 see
    :func:`posecore.formats.motion_bvh.load_bvh` and retargeting.

    Args:
        path: a file, or a folder of them.
        metres: length of the file's unit; 0 = told by the rest pose's size: over 10 units tall is centimetres (or
            1/0.45 inch, as the CMU conversions, when it is under 60).
        root_positions: see :meth:`posecore.formats.bvh.Bvh.locations`.

    Raises:
        SourceError: missing or malformed file.
    """
    path = Path(path)
    files = sorted(path.rglob("*.bvh")) if path.is_dir() else [path]
    if not files:
        raise SourceError(f"{path}: no .bvh file in it")
    for file in files:
        bvh = read_bvh(file)
        scale = metres or _unit(bvh)
        joints = (bvh.joints(root_positions) * scale).astype(np.float32)
        yield Movement("bvh", file.stem, clip_subject(file.stem), bvh.rate, _own_skeleton(bvh), joints)


def _own_skeleton(bvh: Bvh) -> Skeleton:
    names: list[str] = []
    for name in bvh.names:
        again = sum(name == other.split("~")[0] for other in names)
        names.append(f"{name}~{again}" if again else name)
    parents = {names[i]: names[p] for i, p in enumerate(bvh.parents) if p >= 0}
    return Skeleton(f"BVH_{len(names)}", tuple(names), parents)


def _unit(bvh: Bvh) -> float:
    """Metres a unit, from the height of the rest pose."""
    places = np.zeros((len(bvh.names), 3))
    for joint, parent in enumerate(bvh.parents):
        places[joint] = bvh.offsets[joint] + (places[parent] if parent >= 0 else 0)
    tall = float(np.ptp(places, axis=0).max())
    if tall < 10:
        return 1.0
    return CMU_METRES if tall < 60 else 0.01


def read_amass(path: str | Path, up: str = "auto") -> Iterator[Movement]:
    """AMASS npz (``poses``, ``trans``, ``mocap_framerate``) or our own: joints and rotations of SMPL_24, Y up.

    Joints are the average adult's, as :func:`posecore.formats.amass.load_amass` says.

    Args:
        path: a file, or a folder of them (``shape.npz`` and other files without motion are passed over there).
        up: the files' up axis; see there.

    Raises:
        SourceError: missing or damaged file, or no motion in it.
    """
    path = Path(path)
    files = sorted(path.rglob("*.npz")) if path.is_dir() else [file_at(path, "a motion as AMASS publishes it, .npz")]
    files = [file for file in files if not file.stem.endswith("shape")] if path.is_dir() else files
    if not files:
        raise SourceError(f"{path}: no .npz motion in it; expected AMASS's SUBJECT/CLIP_poses.npz")
    for file in files:
        motion = load_amass(file, up=up)
        yield Movement(
            kind="amass",
            name=file.stem,
            subject=file.parent.name,
            rate=float(motion.rate),
            skeleton=SMPL_24,
            joints=motion.joints(),
            rotations=motion.rotations,
            licence="AMASS: each of its sets its own, most non-commercial",
        )
