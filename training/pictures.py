"""The picture sets as arrays on disk: decoded once, then read by memory map.

The recipes build the cache when it is missing. Validation pictures are chosen by a hash of their
key and never trained on.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from posecore.errors import SourceError
from posecore.files import atomic_path, read_npz, write_npz
from posecore.skeletons import BLAZEPOSE_33, BODY_21, LSP_14, conversion_weights
from training import labels as lb
from training.shards import count_samples, read_shards
from training.user_pictures import cache_stem, people, read_samples, split_source

__all__ = ["PictureSet", "free_sources", "is_validation", "load_pictures"]

#: Pictures are kept at most this large, px: 1.25 × the person's extent then spans 141 px.
CACHE_SIZE = 192


def is_validation(key: str) -> bool:
    """True for about 5 % of the keys, by the SHA-1 of the key: the same on every machine."""
    return int.from_bytes(hashlib.sha1(key.encode()).digest()[:4], "big") % 20 == 0


@dataclass(frozen=True)
class PictureSet:
    """Pictures with labels, N of them.

    Attributes:
        images: (N, S, S, 3) uint8 RGB, the picture in the top left corner, black beyond.
        sizes: (N, 2) width, height of the picture in it, px.
        keypoints, weight, depth, depth_weight: as :class:`training.labels.Labels`, stacked.
        boxes: (N, 3) centre x, centre y and extent of the labelled person, px.
        lsp: (N, 14, 3) the human labels as they are (x, y, known), zeros where there are none.
        keys: (N,) names.
        source: (N,) "lspet", "people", "people-free" or "synthetic"; free: (N,) True where the licence is free.
    """

    images: NDArray[np.uint8]
    sizes: NDArray[np.int64]
    keypoints: NDArray[np.float32]
    weight: NDArray[np.float32]
    depth: NDArray[np.float32]
    depth_weight: NDArray[np.float32]
    boxes: NDArray[np.float32]
    lsp: NDArray[np.float32]
    keys: NDArray[np.str_]
    source: NDArray[np.str_]
    free: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.keys)

    def rows(self, validation: bool) -> NDArray[np.int64]:
        """Indices of the validation pictures, or of the training pictures."""
        return np.flatnonzero(np.array([is_validation(str(k)) for k in self.keys]) == validation)


def free_sources(sources: Sequence[str]) -> tuple[str, ...]:
    """The parts of ``sources`` that are free: of the people the freely licensed crops, of LSPET and of sets that only
    the user knows nothing."""
    return tuple("people-free" if source == "people" else source for source in sources if source not in _NOTHING_FREE)


_NOTHING_FREE = ("lspet",)
_ARRAYS = ("sizes", "keypoints", "weight", "depth", "depth_weight", "boxes", "lsp", "keys", "source", "free")
_FREE_LICENCES = ("unlicense", "cc by 4.0", "mit")


def load_pictures(folder: Path, cache: Path, source: str, size: int = CACHE_SIZE) -> PictureSet:
    """The pictures of one source, from the cache, building it from the shards in ``folder`` if need be.

    Args:
        source: "lspet", "people", "people-free", "synthetic", or KIND:PATH for a data set of one's own, whose name as
            a source is then KIND (see :mod:`training.user_pictures`).
    """
    stem = Path(cache) / f"{cache_stem(source) if split_source(source) else source}-{size}"
    images_path, labels_path = stem.with_suffix(".npy"), stem.with_suffix(".npz")
    if not labels_path.exists():
        Path(cache).mkdir(parents=True, exist_ok=True)
        build = _build if source in _LABELS else _build_own
        build(Path(folder), source, size, images_path, labels_path)
    arrays = read_npz(labels_path)
    images = np.load(images_path, mmap_mode="r")
    return PictureSet(images=images, **{name: arrays[name] for name in _ARRAYS})


def _build(folder: Path, source: str, size: int, images_path: Path, labels_path: Path) -> None:
    count = count_samples(folder, source)
    labelled = _LABELS[source](folder)
    columns: dict[str, list[object]] = {name: [] for name in _ARRAYS}
    with atomic_path(images_path) as temporary:
        images = np.lib.format.open_memmap(temporary, "w+", np.uint8, (count, size, size, 3))
        row = 0
        for key, picture, annotation in read_shards(folder, source):
            known = labelled(key, annotation, (picture.shape[1], picture.shape[0]))
            if known is None:
                continue
            labels, lsp, free = known
            scale = min(1.0, size / max(picture.shape[:2]))
            small = _resized(picture, scale)
            images[row, : small.shape[0], : small.shape[1]] = small
            _append(columns, key, source, labels, lsp, free, scale, small)
            row += 1
        images.flush()
    columns_arrays = {name: np.array(values) for name, values in columns.items()}
    write_npz(labels_path, columns_arrays)


def _build_own(folder: Path, source: str, size: int, images_path: Path, labels_path: Path) -> None:
    """As :func:`_build`, from one of the readers' data sets."""
    samples = read_samples(source)
    columns: dict[str, list[object]] = {name: [] for name in _ARRAYS}
    nobody = np.zeros((len(LSP_14), 3), np.float32)
    with atomic_path(images_path) as temporary:
        images = np.lib.format.open_memmap(temporary, "w+", np.uint8, (len(samples), size, size, 3))
        for row, (group, cut, labels) in enumerate(people(samples, size)):
            images[row, : cut.shape[0], : cut.shape[1]] = cut
            _append(columns, group, source.partition(":")[0], labels, nobody, False, 1.0, cut)
        images.flush()
    if not columns["keys"]:
        raise SourceError(f"--sources {source}: nobody with enough labelled joints there")
    write_npz(labels_path, {name: np.array(values) for name, values in columns.items()})


def _resized(picture: NDArray[np.uint8], scale: float) -> NDArray[np.uint8]:
    if scale == 1.0:
        return picture
    size = (round(picture.shape[1] * scale), round(picture.shape[0] * scale))
    return np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.BOX if scale < 0.5 else 2))


def _append(columns, key, source, labels: lb.Labels, lsp, free: bool, scale: float, small) -> None:  # type: ignore[no-untyped-def]
    keypoints = (labels.keypoints + 0.5) * scale - 0.5
    lsp = lsp.copy()
    lsp[:, :2] = (lsp[:, :2] + 0.5) * scale - 0.5
    seen = keypoints[labels.weight > 0]
    low, high = seen.min(0), seen.max(0)
    columns["sizes"].append((small.shape[1], small.shape[0]))
    columns["keypoints"].append(keypoints.astype(np.float32))
    columns["weight"].append(labels.weight)
    columns["depth"].append((labels.depth * scale).astype(np.float32))
    columns["depth_weight"].append(labels.depth_weight)
    columns["boxes"].append(np.array([*(low + high) / 2, (high - low).max()], np.float32))
    columns["lsp"].append(lsp.astype(np.float32))
    columns["keys"].append(key)
    columns["source"].append(source)
    columns["free"].append(free)


def _lspet_teacher(folder: Path) -> dict[str, dict[str, NDArray[np.float32]]]:
    data = read_npz(folder / "lspet" / "mediapipe.npz")
    found = {name: data[name] for name in ("xy", "world", "visibility")}
    return {
        str(key): {name: values[row] for name, values in found.items()}
        for row, key in enumerate(data["keys"])
        if data["found"][row]
    }


def _human(annotation: dict) -> tuple[NDArray[np.float32], NDArray[np.float32]]:  # type: ignore[type-arg]
    joints = np.array(annotation["joints"], np.float32)
    return joints[:, :2], joints[:, 2]


def teacher_map(folder: Path) -> NDArray[np.float32]:
    """:func:`training.labels.fit_teacher_map` on LSPET's training pictures; kept in the folder of the recipe."""
    teacher = _lspet_teacher(folder)
    rows = []
    for key, annotation in _lspet_annotations(folder):
        if key in teacher and not is_validation(key):
            lsp, known = _human(annotation)
            if lb.agreement(lsp, known, teacher[key]["xy"]) >= 0.75:
                rows.append((lsp, known, teacher[key]["xy"]))
    lsp_all, known_all, xy = (np.stack(part) for part in zip(*rows, strict=True))
    return lb.fit_teacher_map(lsp_all, known_all, xy)


def _lspet_annotations(folder: Path):  # type: ignore[no-untyped-def]
    import tarfile

    paths = sorted((folder / "lspet").glob("lspet-*.tar"))
    if not paths:
        raise SourceError(f"{folder}: expected shards lspet/lspet-*.tar there and found none; check --data")
    for path in paths:
        with tarfile.open(path) as archive:
            for member in archive:
                if member.name.endswith(".json"):
                    stream = archive.extractfile(member)
                    assert stream is not None
                    yield member.name.removesuffix(".json"), json.loads(stream.read())


def _lspet_labels(folder: Path):  # type: ignore[no-untyped-def]
    teacher, weights = _lspet_teacher(folder), teacher_map(folder)

    def labels(key, annotation, size):  # type: ignore[no-untyped-def]
        lsp, known = _human(annotation)
        raw = np.concatenate([lsp, known[:, None]], 1)
        guide = None
        if key in teacher:
            mp = teacher[key]
            if not is_validation(key):
                lsp, known = lb.unswapped(lsp, known, mp["xy"])
            if lb.agreement(lsp, known, mp["xy"]) >= 0.75:
                guide = lb.teacher_labels(mp["xy"], mp["world"], mp["visibility"], weights, size)
        if not known.any():
            return None
        return lb.human_labels(lsp, known, guide), raw, False

    return labels


def _people_labels(folder: Path):  # type: ignore[no-untyped-def]
    return _teacher_labels(teacher_map(folder))


def _free_people_labels(folder: Path):  # type: ignore[no-untyped-def]
    """Freely licensed crops alone, and no convention learned from LSPET: landmarks as posecore.skeletons maps them."""
    everything = _teacher_labels(np.array(conversion_weights(BLAZEPOSE_33, BODY_21)))

    def labels(key, annotation, size):  # type: ignore[no-untyped-def]
        found = everything(key, annotation, size)
        return found if found is not None and found[2] else None

    return labels


def _teacher_labels(weights: NDArray[np.float32]):  # type: ignore[no-untyped-def]
    def labels(key, annotation, size):  # type: ignore[no-untyped-def]
        mp = annotation["mediapipe"]
        xy, world = np.array(mp["xy"], np.float32), np.array(mp["world"], np.float32)
        found = lb.teacher_labels(xy, world, np.array(mp["visibility"], np.float32), weights, size)
        if not found.weight.any():
            return None
        licence = annotation["licence"].lower()
        free = licence.startswith(_FREE_LICENCES)
        return found, np.zeros((len(LSP_14), 3), np.float32), free

    return labels


def _synthetic_labels(folder: Path):  # type: ignore[no-untyped-def]
    def labels(key, annotation, size):  # type: ignore[no-untyped-def]
        keypoints = np.array(annotation["joints_px"], np.float32)
        camera = np.array(annotation["joints_camera"], np.float32)
        visible = np.array(annotation["visible"], np.float32)
        inside = ((keypoints >= 0) & (keypoints < np.array(size))).all(-1)
        if inside.sum() < 8:
            return None
        scale = lb.pixels_per_metre(camera, keypoints, np.ones(len(BODY_21), np.float32))
        depth = (camera[:, 2] - camera[BODY_21.index("pelvis"), 2]) * scale
        # A joint hidden by the person's own body has exact labels, so it counts nearly fully.
        weight = np.where(inside, np.where(visible > 0, 1.0, 0.6), 0.0)
        found = lb.Labels(keypoints, weight.astype(np.float32), depth, np.ones(len(BODY_21), np.float32))
        return found, np.zeros((len(LSP_14), 3), np.float32), True

    return labels


_LABELS = {
    "lspet": _lspet_labels,
    "people": _people_labels,
    "people-free": _free_people_labels,
    "synthetic": _synthetic_labels,
}
