"""The project's own picture shards (tar files of pictures and JSON) as Samples."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path
from typing import Any

import numpy as np

from posecore.errors import SourceError
from posecore.skeletons import BLAZEPOSE_33, BODY_21, LSP_14
from training.readers.cameras import Camera
from training.readers.checks import brief, file_at
from training.readers.lsp import LICENCE
from training.readers.samples import OCCLUDED, UNKNOWN, VISIBLE, Samples
from training.shards import PATTERNS

__all__ = ["read_shards"]


def read_shards(path: str | Path, source: str = "lspet") -> Samples:
    """Our shards as Samples; pictures stay in the tar files and are read one by one.

    Args:
        path: the data folder (``lspet``, ``people``), or the folder of the rendered shards (``synthetic``).
        source: ``"lspet"``: LSP_14, human labels; ``"people"``: BLAZEPOSE_33, a teacher's landmarks (flag 2 where its
            visibility is over one half, else 1); ``"synthetic"``: BODY_21 with exact 3D.

    Raises:
        SourceError: no such shards, or a damaged one.
        ValueError: unknown source.
    """
    if source not in PATTERNS:
        raise ValueError(f"source is one of {', '.join(PATTERNS)}; got {source!r}")
    # A name with a dot in front is a shard that is still being written.
    files = sorted(file for file in Path(path).glob(PATTERNS[source]) if not file.name.startswith("."))
    if not files:
        raise SourceError(f"{path}: expected shards {PATTERNS[source]} there and found none")
    rows: list[dict[str, Any]] = []
    for file in files:
        rows += _shard_rows(file, Path(path))
    fill = {"lspet": _lspet, "people": _people, "synthetic": _synthetic}[source]
    try:
        special = fill([row["json"] for row in rows])
    except (KeyError, ValueError, TypeError) as error:
        raise SourceError(f"{path}: annotations of {source} shards lack {error}") from error
    return Samples(
        kind=f"{source} shards",
        keys=np.array([row["key"] for row in rows], str),
        root=Path(path),
        images=np.array([row["file"] for row in rows], str),
        spans=np.array([row["span"] for row in rows], np.int64).reshape(-1, 2),
        **special,
    )


def _shard_rows(file: Path, root: Path) -> list[dict[str, Any]]:
    """Key, annotation and the place of the picture of every sample of one tar file."""
    rows: dict[str, dict[str, Any]] = {}
    try:
        with tarfile.open(file_at(file, "a shard")) as archive:
            for member in archive:
                key, _, suffix = member.name.rpartition(".")
                row = rows.setdefault(key, {"key": key, "file": file.relative_to(root).as_posix()})
                if suffix == "json":
                    stream = archive.extractfile(member)
                    row["json"] = json.load(stream) if stream else {}
                else:
                    row["span"] = (member.offset_data, member.size)
    except (tarfile.TarError, OSError, ValueError, EOFError) as error:
        raise SourceError(f"{file}: damaged shard ({brief(error)})") from error
    for key, row in rows.items():
        if "json" not in row or "span" not in row:
            raise SourceError(f"{file}: damaged shard ({key} has no picture or no .json beside it)")
    return list(rows.values())


def _lspet(notes: list[dict[str, Any]]) -> dict[str, Any]:
    table = np.array([note["joints"] for note in notes], np.float32).reshape(-1, len(LSP_14), 3)
    table[..., 2] = np.where(table[..., 2] > 0, VISIBLE, UNKNOWN)
    return {"skeleton": LSP_14, "keypoints": table, "licence": LICENCE}


def _people(notes: list[dict[str, Any]]) -> dict[str, Any]:
    landmarks = [note["mediapipe"] for note in notes]
    places = np.array([one["xy"] for one in landmarks], np.float32)
    visibility = np.array([one["visibility"] for one in landmarks], np.float32)
    flags = np.where(visibility > 0.5, VISIBLE, OCCLUDED)
    return {
        "skeleton": BLAZEPOSE_33,
        "keypoints": np.concatenate([places, flags[..., None]], -1).astype(np.float32),
        "subjects": np.array([note["origin"] for note in notes], str),
        "scenes": np.array([note["source"] for note in notes], str),
        "extras": {
            "visibility": visibility,
            "world": np.array([one["world"] for one in landmarks], np.float32),
            "licence": np.array([note["licence"] for note in notes], str),
        },
        "licence": "each picture its own, see extras['licence']; the labels are a network's, not truth",
    }


def _synthetic(notes: list[dict[str, Any]]) -> dict[str, Any]:
    places = np.array([note["joints_px"] for note in notes], np.float32).reshape(-1, len(BODY_21), 2)
    seen = np.array([note["visible"] for note in notes]).reshape(-1, len(BODY_21), 1) > 0
    names = [f"{index}" for index in range(len(notes))]
    cameras = {name: _pinhole(name, note) for name, note in zip(names, notes, strict=True)}
    return {
        "skeleton": BODY_21,
        "keypoints": np.concatenate([places, np.where(seen, VISIBLE, OCCLUDED)], -1).astype(np.float32),
        "joints": np.array([note["joints_camera"] for note in notes], np.float32).reshape(-1, len(BODY_21), 3),
        "cameras": cameras,
        "camera_of": np.array(names, str),
        "subjects": np.array([note["subject"] for note in notes], str),
        "clips": np.array([note["clip"] for note in notes], str),
        "frames": np.array([note["frame"] for note in notes], np.int64),
        "licence": "rendered from the open body (CC0) and CMU motion (free)",
    }


def _pinhole(name: str, note: dict[str, Any]) -> Camera:
    camera = note["camera"]
    focal, centre = np.array([camera["fx"], camera["fy"]]), np.array([camera["cx"], camera["cy"]])
    return Camera(name, focal, centre, np.eye(3), np.zeros(3), (note["width"], note["height"]))
