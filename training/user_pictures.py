"""Data sets of one's own as pictures to train on: ``--sources KIND:PATH`` through :mod:`training.readers`.

Every labelled person becomes a square cut of 1.7 times their extent, at most as large as the cache keeps pictures.
Whole clips, subjects or photographs are held out, never one of several people in a photograph.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from posecore.errors import SourceError
from posecore.skeletons import BODY_21
from training.labels import Labels, pixels_per_metre
from training.readers import KINDS, read
from training.readers.samples import OCCLUDED, VISIBLE, Samples

__all__ = ["cache_stem", "people", "read_samples", "split_source"]

Array = NDArray[np.float32]

_MARGIN = 1.7  # of the cut, over the person's extent, as the LSPET shards have it
_LEAST = 6  # labelled joints
_HIDDEN = 0.6  # weight of a joint that was labelled and not seen, as in rendered pictures


def split_source(source: str) -> tuple[str, Path] | None:
    """``"mpii:data/mpii"`` → ("mpii", path); None for a name without a path."""
    kind, colon, path = source.partition(":")
    return (kind, Path(path)) if colon and path else None


def cache_stem(source: str) -> str:
    """A file name for a source with a path: its kind, and a digest of where it lies."""
    kind, _, path = source.partition(":")
    return f"{kind}-{hashlib.sha1(str(Path(path).resolve()).encode()).hexdigest()[:8]}"


def read_samples(source: str) -> Samples:
    """The labelled pictures of ``KIND:PATH`` on BODY_21.

    Raises:
        SourceError: an unknown kind, files that are missing or others, or a data set without pictures.
    """
    found = split_source(source)
    if found is None or found[0] not in KINDS or KINDS[found[0]].motion:
        kinds = ", ".join(name for name, kind in KINDS.items() if not kind.motion)
        raise SourceError(f"--sources {source}: expected lspet, people or KIND:PATH with KIND one of {kinds}")
    samples = read(*found)
    assert isinstance(samples, Samples)
    if samples.images is None:
        raise SourceError(f"{found[1]}: {found[0]} names no pictures there; a picture network needs them")
    return samples.to(BODY_21)


def people(samples: Samples, size: int) -> Iterator[tuple[str, NDArray[np.uint8], Labels]]:
    """(group that is held out together, (H, W, 3) cut of at most ``size`` px, labels in its px) of every person."""
    groups = next((g for g in (samples.clips, samples.subjects, samples.images) if g is not None), samples.keys)
    last: tuple[object, NDArray[np.uint8]] | None = None
    for index in range(len(samples)):
        points, flags = samples.keypoints[index, :, :2], samples.keypoints[index, :, 2]
        if (flags > 0).sum() < _LEAST:
            continue
        name = (samples.picture_path(index), None if samples.spans is None else int(samples.spans[index][0]))
        if last is None or last[0] != name:  # several people in a photograph stand in a row
            last = (name, samples.picture(index))
        low, high = points[flags > 0].min(0), points[flags > 0].max(0)
        cut, origin, scale = _cut(last[1], (low + high) / 2, max(float((high - low).max()), 1.0), size)
        if cut.size:
            yield f"{samples.kind}/{groups[index]}", cut, _labels(samples, index, origin, scale)


def _cut(
    picture: NDArray[np.uint8], centre: Array, extent: float, size: int
) -> tuple[NDArray[np.uint8], NDArray[np.int64], float]:
    """The square around a person, cut off at the picture's border and made smaller; its origin and scale."""
    height, width = picture.shape[:2]
    half = extent * _MARGIN / 2
    left, top = (int(max(0, np.floor(value))) for value in centre - half)
    right, bottom = min(width, int(np.ceil(centre[0] + half))), min(height, int(np.ceil(centre[1] + half)))
    part = picture[top:bottom, left:right]
    if not part.size:
        return part, np.array([left, top]), 1.0
    scale = min(1.0, size / max(part.shape[:2]))
    shape = (max(1, round(part.shape[1] * scale)), max(1, round(part.shape[0] * scale)))
    small = part if scale == 1.0 else np.asarray(Image.fromarray(part).resize(shape, Image.Resampling.BOX))
    return small, np.array([left, top]), scale


def _labels(samples: Samples, index: int, origin: NDArray[np.int64], scale: float) -> Labels:
    flags = samples.keypoints[index, :, 2]
    points = (samples.keypoints[index, :, :2] - origin + 0.5) * scale - 0.5
    weight = np.where(flags == VISIBLE, 1.0, np.where(flags == OCCLUDED, _HIDDEN, 0.0)).astype(np.float32)
    depth, sure = np.zeros(len(BODY_21), np.float32), np.zeros(len(BODY_21), np.float32)
    root = BODY_21.index("pelvis")
    if samples.joints is not None:
        world = samples.joints[index] - samples.joints[index, root]
        known = np.ones(len(BODY_21), bool) if samples.joints_known is None else samples.joints_known[index]
        both = (known & (flags > 0)).astype(np.float32)
        factor = pixels_per_metre(world, points, both) if both.sum() >= _LEAST else 0.0
        if known[root] and factor > 0:
            depth, sure = (world[:, 2] * factor * known).astype(np.float32), known.astype(np.float32)
    return Labels(points.astype(np.float32), weight, depth, sure)
