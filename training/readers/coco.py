"""Keypoint annotations in COCO's JSON: COCO, CrowdPose, AI Challenger, JHMDB, OCHuman, Human-Art, …"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from posecore.errors import SourceError
from posecore.skeletons import SKELETONS, Skeleton
from training.readers.checks import load_json, table_of
from training.readers.samples import Samples

__all__ = ["read_coco", "skeleton_named"]

_EXPECTED = "COCO keypoints: {images, annotations with keypoints, categories}"
#: Other words for joints, after "left_" and "right_" have become "l_" and "r_".
_SYNONYMS = {"head": "head_top", "top_head": "head_top", "bottom_head": "neck"}


def read_coco(
    path: str | Path,
    images: str | Path | None = None,
    skeleton: str | Skeleton | None = None,
    crowds: bool = False,
    unlabelled: bool = False,
) -> Samples:
    """A COCO keypoints JSON. Flags and places are COCO's own (pixels count from 0).

    Boxes (x, y, w, h) are as published: their corner is that of the pixel's area, half a pixel before its centre.
    Extras: ``area`` (N,) px², ``crowd`` (N,), ``image_id``, ``annotation_id``, ``image_size`` (N, 2) w, h.

    Args:
        images: the folder of the pictures; default the file's own.
        skeleton: the joint set, or its name; default the one whose joints the file's category lists.
        crowds: keep crowd regions.
        unlabelled: keep people without a labelled keypoint.

    Raises:
        SourceError: missing or damaged file, unknown joint names, keypoints of another length.
    """
    table = table_of(load_json(path, _EXPECTED), path, _EXPECTED)
    for name in ("images", "annotations", "categories"):
        if not isinstance(table.get(name), list):
            raise SourceError(f"{path}: no list {name!r} in it; expected {_EXPECTED}")
    chosen = SKELETONS.get(skeleton) if isinstance(skeleton, str) else skeleton
    if isinstance(skeleton, str) and chosen is None:
        raise SourceError(f"unknown joint set {skeleton!r}; known are {', '.join(SKELETONS)}")
    rows: list[dict[str, Any]] = []
    try:
        pictures = {picture["id"]: picture for picture in table["images"]}
        sets = {c["id"]: chosen or skeleton_named(c.get("keypoints", []), path) for c in table["categories"]}
        for note in table["annotations"]:
            if "keypoints" not in note or (note.get("iscrowd", 0) and not crowds):
                continue
            rows.append(_row(note, pictures[note["image_id"]], sets[note["category_id"]], path))
    except (KeyError, TypeError) as error:
        raise SourceError(f"{path}: an annotation points at or lacks {error}; expected {_EXPECTED}") from error
    if not unlabelled:
        rows = [row for row in rows if row["keypoints"][:, 2].any()]
    return _samples(rows, next(iter(sets.values()), chosen), path, images)


def skeleton_named(names: list[str], path: str | Path) -> Skeleton:
    """The joint set with these joints in this order (``"left_hip"``, ``"Left Hip"`` and ``"l_hip"`` are one).

    Raises:
        SourceError: none has.
    """
    plain = [name.strip().lower().replace(" ", "_") for name in names]
    plain = [name.replace("left_", "l_", 1).replace("right_", "r_", 1) for name in plain]
    for skeleton in SKELETONS.values():
        count = len(skeleton)
        # Human-Art lists COCO's 17, then four more of another field.
        if len(plain) < count or (len(plain) > count and skeleton.name != "COCO_17"):
            continue
        if all(mine in (theirs, _SYNONYMS.get(theirs)) for mine, theirs in zip(skeleton.joints, plain, strict=False)):
            return skeleton
    said = ", ".join(names[:6]) or "none"
    raise SourceError(f"{path}: joints {said} … are of no known set; name one with skeleton=, e.g. 'COCO_17'")


def _row(note: dict[str, Any], picture: dict[str, Any], skeleton: Skeleton, path: str | Path) -> dict[str, Any]:
    numbers = np.asarray(note["keypoints"], np.float32)
    if numbers.shape != (3 * len(skeleton),):
        count = 3 * len(skeleton)
        raise SourceError(
            f"{path}: annotation {note.get('id')} has {numbers.size} keypoint numbers; {skeleton.name} needs {count}"
        )
    keypoints = numbers.reshape(-1, 3)
    keypoints[keypoints[:, 2] <= 0] = 0
    return {
        "key": f"{note['image_id']}#{note.get('id', '')}",
        "keypoints": keypoints,
        "image": picture["file_name"],
        "box": note.get("bbox", [np.nan] * 4),
        "area": note.get("area", np.nan),
        "crowd": bool(note.get("iscrowd", 0)),
        "image_id": note["image_id"],
        "annotation_id": note.get("id", -1),
        "image_size": (picture.get("width", 0), picture.get("height", 0)),
    }


def _samples(
    rows: list[dict[str, Any]], skeleton: Skeleton | None, path: str | Path, images: str | Path | None
) -> Samples:
    if skeleton is None:
        raise SourceError(f"{path}: no category in it; expected {_EXPECTED}")

    def column(name: str, kind: Any, *shape: int) -> Any:
        return np.array([row[name] for row in rows], kind).reshape(-1, *shape)

    return Samples(
        kind="coco",
        skeleton=skeleton,
        keys=column("key", str),
        keypoints=column("keypoints", np.float32, len(skeleton), 3),
        root=Path(images) if images else Path(path).parent,
        images=column("image", str),
        boxes=column("box", np.float32, 4),
        extras={
            "area": column("area", np.float32),
            "crowd": column("crowd", bool),
            "image_id": column("image_id", np.int64),
            "annotation_id": column("annotation_id", np.int64),
            "image_size": column("image_size", np.int64, 2),
        },
        licence="each picture its own; COCO's own pictures are Flickr's under several Creative Commons licences",
    )
