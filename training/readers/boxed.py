"""The flat npz and h5 tables of boxed people: ``imgname, center, scale, part, S`` (Kolotouros et al.'s preprocessing,
as mmpose passes it on; the ``annot`` h5 files of Newell, Zhou and Pavlakos have the same names)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from posecore.errors import SourceError
from posecore.files import read_npz
from posecore.skeletons import Skeleton
from training.readers.checks import file_at, open_h5, pick, shaped
from training.readers.samples import UNKNOWN, VISIBLE, Samples

__all__ = ["boxed_samples", "is_boxed", "open_table"]

_EXPECTED = "arrays imgname N, center N×2, scale N, part N×J×3 and S N×J×4"
#: Nobody stands farther than this from a studio's camera, m: larger numbers are millimetres.
_FARTHEST = 100.0


def open_table(path: str | Path) -> dict[str, NDArray[Any]]:
    """All arrays of an npz or h5 file. Raises SourceError where it is missing or damaged."""
    path = file_at(path, _EXPECTED)
    if path.suffix.lower() not in (".h5", ".hdf5"):
        return read_npz(path)
    with open_h5(path, _EXPECTED) as file:
        return {name: np.array(file[name]) for name in file}


def is_boxed(table: Mapping[str, Any]) -> bool:
    """Whether a table is of this form."""
    return "part" in table


def boxed_samples(
    table: Mapping[str, Any], kind: str, skeleton: Skeleton, path: str | Path, images: str | Path | None
) -> Samples:
    """People from a table: keypoints, boxes (squares of 200 px × scale), joints (m, camera frame) where it has ``S``.

    Millimetres are told from metres by their size. Pictures of h5 files are named in a text file beside them
    (``train.h5``: ``train_images.txt``).

    Raises:
        SourceError: a missing array or another shape.
    """
    joints = len(skeleton)
    part = np.asarray(pick(table, "part", path, _EXPECTED), np.float64)
    if part.ndim == 3 and part.shape[1:] == (joints, 2):
        part = np.concatenate([part, np.ones((*part.shape[:2], 1))], -1)
    part = shaped(part, (None, joints, 3), path, "part")
    known = part[..., 2:] > 0
    keypoints = np.concatenate([np.where(known, part[..., :2], 0), np.where(known, VISIBLE, UNKNOWN)], -1)
    centre = shaped(pick(table, "center", path, _EXPECTED), (len(part), 2), path, "center")
    scale = shaped(np.ravel(pick(table, "scale", path, _EXPECTED)), (len(part),), path, "scale")
    side = scale[:, None].repeat(2, 1) * 200
    names = _names(table, Path(path), len(part))
    return Samples(
        kind=kind,
        skeleton=skeleton,
        keys=np.array([Path(name).stem for name in names] if len(set(names)) == len(names) else range(len(part)), str),
        keypoints=keypoints.astype(np.float32),
        root=Path(images) if images else Path(path).parent,
        images=names,
        boxes=np.concatenate([centre - side / 2, side], -1).astype(np.float32),
        extras={"scale": scale.astype(np.float32)},
        **_places(table, joints, path),
    )


def _places(table: Mapping[str, Any], joints: int, path: str | Path) -> dict[str, Any]:
    if "S" not in table:
        return {}
    places = np.asarray(table["S"], np.float64)
    known = np.ones(places.shape[:2], bool)
    if places.ndim == 3 and places.shape[-1] == 4:
        known = places[..., 3] > 0
        places = places[..., :3]
    places = shaped(places, (None, joints, 3), path, "S")
    if len(places) and np.median(np.abs(places)) > _FARTHEST / 10:
        places = places / 1000
    return {"joints": places.astype(np.float32), "joints_known": known}


def _names(table: Mapping[str, Any], path: Path, count: int) -> NDArray[Any]:
    if "imgname" in table and table["imgname"].dtype.kind == "U":
        return np.asarray(table["imgname"], str)
    beside = path.with_name(f"{path.stem}_images.txt")
    if beside.is_file():
        lines = beside.read_text(encoding="utf-8").split()
        if len(lines) != count:
            raise SourceError(f"{beside}: {len(lines)} names for {count} people in {path.name}")
        return np.array(lines, str)
    return np.full(count, "", "U1")
