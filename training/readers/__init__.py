"""Readers of data sets: ``read(kind, path, **options)`` gives people in pictures or clips of motion.

See docs/data.md for the files that each kind expects. Nothing is read, and no reader is imported, before it is asked.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from posecore.errors import SourceError

if TYPE_CHECKING:
    from training.readers.samples import Movement, Samples

__all__ = ["KINDS", "Kind", "read", "stream"]


@dataclass(frozen=True)
class Kind:
    """One kind of data set.

    Attributes:
        module, function: what reads it, below ``training.readers``.
        expects: what the path is to be.
        options: fixed options of the function.
        motion: whether it gives clips of motion.
    """

    module: str
    function: str
    expects: str
    options: tuple[tuple[str, Any], ...] = ()
    motion: bool = False


KINDS: dict[str, Kind] = {
    "lsp": Kind("lsp", "read_lsp", "joints.mat of LSP or LSPET, or its folder"),
    "lspet-shards": Kind("shards", "read_shards", "the data folder with lspet/*.tar", (("source", "lspet"),)),
    "people-shards": Kind("shards", "read_shards", "the data folder with people/*.tar", (("source", "people"),)),
    "synthetic-shards": Kind("shards", "read_shards", "a folder of rendered *.tar", (("source", "synthetic"),)),
    "mpii": Kind("mpii", "read_mpii", "mpii_human_pose_v1_u12_1.mat, its folder, or a .json made from it"),
    "h36m": Kind("h36m", "read_h36m", "data_3d_h36m.npz, data_2d_h36m_*.npz, a folder of Martinez's .h5, a flat npz"),
    "mpi-inf-3dhp": Kind("mpi_inf_3dhp", "read_3dhp", "annot.mat, annot_data.mat, a folder of either, a flat npz"),
    "coco": Kind("coco", "read_coco", "a keypoints .json of COCO, CrowdPose, AI Challenger, JHMDB, OCHuman, …"),
    "panoptic": Kind("panoptic", "read_panoptic", "a sequence's folder with its calibration and body3DScene_*.json"),
    "ordinal": Kind("ordinal", "read_ordinal", "a folder with joints.mat and ordinal.mat of LSP or MPII"),
    "h36m-motion": Kind("h36m", "read_h36m_movements", "data_3d_h36m.npz or a folder of Martinez's .h5", motion=True),
    "cmu-amc": Kind("cmu", "read_amc", "an .amc, a folder of .asf and .amc, or a tar of one", motion=True),
    "cmu": Kind("cmu", "read_cmu_joints", "subject_SSS.npz, or the folder of them", motion=True),
    "bvh": Kind("motion", "read_bvh_clips", "a .bvh, or a folder of them", motion=True),
    "amass": Kind("motion", "read_amass", "an AMASS .npz, or a folder of them", motion=True),
}


def _called(kind: str, path: str | Path, options: dict[str, Any]) -> Any:
    if kind not in KINDS:
        raise SourceError(f"unknown kind of data {kind!r}; known are {', '.join(KINDS)}")
    entry = KINDS[kind]
    function = getattr(importlib.import_module(f"training.readers.{entry.module}"), entry.function)
    return function(path, **dict(entry.options), **options)


def read(kind: str, path: str | Path, **options: Any) -> Samples | list[Movement]:
    """Read a data set.

    Args:
        kind: one of :data:`KINDS`.
        path: what that kind expects.
        options: those of the kind's own reader.

    Returns:
        :class:`~training.readers.samples.Samples`, or for motion a list of
        :class:`~training.readers.samples.Movement`.

    Raises:
        SourceError: unknown kind; missing, damaged or other files: one line that says what was expected where.
    """
    result = _called(kind, path, options)
    return list(result) if KINDS[kind].motion else result


def stream(kind: str, path: str | Path, **options: Any) -> Iterator[Movement]:
    """:func:`read` for motion, one clip at a time: a whole AMASS does not fit in memory.

    Raises:
        SourceError: as :func:`read`, when the clip at fault comes; and for a kind that is not motion.
    """
    if kind in KINDS and not KINDS[kind].motion:
        raise SourceError(f"{kind} is not motion; known are {', '.join(k for k, v in KINDS.items() if v.motion)}")
    yield from _called(kind, path, options)
