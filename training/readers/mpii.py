"""MPII Human Pose: the ``.mat`` release and the JSON files that are made from it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from posecore.errors import SourceError
from posecore.skeletons import MPII_16
from training.readers.checks import load_json, load_mat, pick, shaped
from training.readers.samples import OCCLUDED, UNKNOWN, VISIBLE, Samples

__all__ = ["read_mpii", "read_mpii_json", "read_mpii_mat"]

_LICENCE = "research only (Andriluka et al., CVPR 2014)"
#: MPII's head length is 0.6 × the diagonal of the head box.
_HEAD_BIAS = 0.6


def read_mpii(path: str | Path, **options: Any) -> Samples:
    """:func:`read_mpii_mat` or :func:`read_mpii_json`, by the suffix; a folder stands for the release in it."""
    path = Path(path)
    if path.is_dir():
        path = path / "mpii_human_pose_v1_u12_1.mat"
    return read_mpii_json(path, **options) if path.suffix.lower() == ".json" else read_mpii_mat(path, **options)


@dataclass
class _Person:
    """One annotated rectangle."""

    key: str
    image: str
    keypoints: NDArray[np.float64]
    centre: NDArray[np.float64]
    scale: float
    head: float
    image_index: int
    person_index: int
    alone: bool
    action: str
    scene: str


def read_mpii_mat(path: str | Path, split: str | None = "train", images: str | Path | None = None) -> Samples:
    """The release, ``mpii_human_pose_v1_u12_1.mat``.

    Places are turned from Matlab's pixels (from 1) to ours (from 0). Flag 1 = labelled but hidden. The box is the
    square of 200 px × scale around ``objpos``. Extras: ``objpos`` (N, 2), ``scale``, ``image_index`` and
    ``person_index`` (both from 0), ``alone`` ("sufficiently separated", the single-person subset).

    Args:
        split: ``"train"``: people with labelled joints in training pictures; ``"test"``: rectangles of test pictures
            (their joints are withheld: all flags 0); None = both.
        images: the folder of the pictures; default ``images`` beside the file.

    Raises:
        SourceError: missing or damaged file, or not this release.
        ValueError: unknown split.
    """
    if split not in (None, "train", "test"):
        raise ValueError(f"split is train, test or None; got {split!r}")
    expected = "MPII's release mpii_human_pose_v1_u12_1.mat with the struct RELEASE"
    path = Path(path)
    loaded = load_mat(path, expected, struct_as_record=False, squeeze_me=True)
    release = pick(loaded, "RELEASE", path, expected)
    for name in ("annolist", "img_train"):
        if not hasattr(release, name):
            raise SourceError(f"{path}: RELEASE has no {name}; expected {expected}")
    try:
        people = [
            person
            for index, trains in enumerate(np.atleast_1d(release.img_train))
            if split is None or bool(trains) == (split == "train")
            for person in _people(release, index, bool(trains))
        ]
    except (AttributeError, IndexError, TypeError, ValueError) as error:
        raise SourceError(f"{path}: RELEASE is not laid out as expected ({error}); expected {expected}") from error
    return _samples(people, "mpii", Path(images) if images else path.parent / "images")


def _items(value: Any) -> list[Any]:
    """The structs of a Matlab struct array, which scipy gives as an array, as one struct, or as an empty array."""
    return [item for item in np.atleast_1d(np.asarray(value, object)).ravel() if hasattr(item, "_fieldnames")]


def _number(value: Any) -> float:
    """A number that may be missing (Matlab's []) or be written as text."""
    if isinstance(value, str):
        return float(value) if value.strip() else np.nan
    values = np.ravel(np.asarray(value))
    return float(values[0]) if values.size else np.nan


def _people(release: Any, index: int, trains: bool) -> Iterator[_Person]:
    note = np.atleast_1d(release.annolist)[index]
    alone = set()
    if hasattr(release, "single_person"):
        entry = np.atleast_1d(release.single_person)[index]
        alone = {int(value) - 1 for value in np.ravel(np.asarray(entry)) if np.ndim(value) == 0}
    act = _items(np.atleast_1d(release.act)[index]) if hasattr(release, "act") else []
    names = [str(getattr(act[0], name, "")) if act else "" for name in ("act_name", "cat_name")]
    image = str(note.image.name)
    for person, rectangle in enumerate(_items(note.annorect)):
        keypoints = _joints(rectangle)
        if trains and not keypoints[:, 2].any():
            continue
        spots = _items(getattr(rectangle, "objpos", []))
        centre = np.array([_number(spots[0].x), _number(spots[0].y)]) - 1 if spots else np.full(2, np.nan)
        corners = [_number(getattr(rectangle, name, [])) for name in ("x1", "y1", "x2", "y2")]
        yield _Person(
            key=f"{Path(image).stem}#{person}",
            image=image,
            keypoints=keypoints,
            centre=centre,
            scale=_number(getattr(rectangle, "scale", [])),
            head=_HEAD_BIAS * float(np.hypot(corners[2] - corners[0], corners[3] - corners[1])),
            image_index=index,
            person_index=person,
            alone=person in alone,
            action=names[0],
            scene=names[1],
        )


def _joints(rectangle: Any) -> NDArray[np.float64]:
    """(16, 3) x, y (from 0) and flag."""
    table = np.zeros((len(MPII_16), 3))
    for points in _items(getattr(rectangle, "annopoints", [])):
        for point in _items(points.point):
            seen = _number(getattr(point, "is_visible", []))
            # Some files leave is_visible empty for head top and neck: labelled, so take them as seen.
            flag = OCCLUDED if seen == 0 else VISIBLE
            table[int(_number(point.id))] = _number(point.x) - 1, _number(point.y) - 1, flag
    return table


def _samples(people: list[_Person], kind: str, root: Path) -> Samples:
    centre = np.array([one.centre for one in people], np.float32).reshape(-1, 2)
    scale = np.array([one.scale for one in people], np.float32)
    side = scale[:, None].repeat(2, 1) * 200
    return Samples(
        kind=kind,
        skeleton=MPII_16,
        keys=np.array([one.key for one in people], str),
        keypoints=np.array([one.keypoints for one in people], np.float32).reshape(-1, len(MPII_16), 3),
        root=root,
        images=np.array([one.image for one in people], str),
        boxes=np.concatenate([centre - side / 2, side], -1),
        head_sizes=np.array([one.head for one in people], np.float32),
        actions=np.array([one.action for one in people], str),
        scenes=np.array([one.scene for one in people], str),
        extras={
            "objpos": centre,
            "scale": scale,
            "image_index": np.array([one.image_index for one in people], np.int64),
            "person_index": np.array([one.person_index for one in people], np.int64),
            "alone": np.array([one.alone for one in people], bool),
        },
        licence=_LICENCE,
    )


def read_mpii_json(path: str | Path, heads: str | Path | None = None, images: str | Path | None = None) -> Samples:
    """The JSON lists that are in use: ``image, center, scale, joints, joints_vis`` (HRNet, mmpose), or Newell's and
    Wei's ``img_paths, objpos, scale_provided, joint_self``. Their pixels count from 1, as the release's.

    These forms only say whether a joint is labelled: flag 2, or 0.

    Args:
        heads: ``mpii_gt_val.mat`` of the same people (``headboxes_src`` 2×2×N): gives the head sizes.
        images: the folder of the pictures; default ``images`` beside the file, else the file's own folder.

    Raises:
        SourceError: missing or damaged file, entries without these names, or head boxes of other people.
    """
    expected = "a list of {image, center, scale, joints 16×2, joints_vis 16} or {img_paths, objpos, joint_self 16×3}"
    path = Path(path)
    entries = load_json(path, expected)
    if not isinstance(entries, list) or not entries:
        raise SourceError(f"{path}: not a list of people; expected {expected}")
    people = []
    for index, entry in enumerate(entries):
        try:
            people.append(_listed(entry, index, path))
        except (KeyError, TypeError, ValueError) as error:
            raise SourceError(f"{path}: entry {index} lacks {error}; expected {expected}") from error
    if heads is not None:
        for one, head in zip(people, _head_sizes(heads, len(people)), strict=True):
            one.head = float(head)
    folder = path.parent / "images" if (path.parent / "images").is_dir() else path.parent
    return _samples(people, "mpii json", Path(images) if images else folder)


def _listed(entry: dict[str, Any], index: int, path: Path) -> _Person:
    if "joint_self" in entry:
        joints = shaped(entry["joint_self"], (16, 3), path, f"joint_self of entry {index}")
        image, centre, scale = entry["img_paths"], entry["objpos"], entry["scale_provided"]
    else:
        places = shaped(entry["joints"], (16, 2), path, f"joints of entry {index}")
        marks = shaped(entry["joints_vis"], (16,), path, f"joints_vis of entry {index}")
        joints = np.column_stack([places, marks])
        image, centre, scale = entry["image"], entry["center"], entry["scale"]
    known = joints[:, 2:] > 0
    keypoints = np.hstack([np.where(known, joints[:, :2] - 1, 0), np.where(known, VISIBLE, UNKNOWN)])
    middle = shaped(centre, (2,), path, f"centre of entry {index}") - 1
    person = int(entry.get("people_index", 1)) - 1
    picture = int(entry.get("annolist_index", 0)) - 1
    stem = Path(image).stem
    return _Person(
        f"{stem}#{index}", str(image), keypoints, middle, float(scale), np.nan, picture, person, False, "", ""
    )


def _head_sizes(path: str | Path, count: int) -> NDArray[np.float64]:
    expected = "mpii_gt_val.mat with headboxes_src, 2×2×N"
    corners = shaped(pick(load_mat(path, expected), "headboxes_src", path, expected), (2, 2, None), path, "head boxes")
    if corners.shape[2] != count:
        raise SourceError(f"{path}: {corners.shape[2]} head boxes for {count} people; expected those of the same list")
    return _HEAD_BIAS * np.linalg.norm(corners[1] - corners[0], axis=0)
