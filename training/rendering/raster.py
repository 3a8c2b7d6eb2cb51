"""A z-buffer for small triangles in numpy: which triangle is seen at each pixel, and where on it.

Written for bodies of some ten thousand triangles at a few hundred pixels, where nearly every triangle covers a handful
of pixels: triangles are grouped by the size of their bounding box and a whole group is tested at once.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Visible", "rasterise"]

Array = NDArray[np.float32]


@dataclass(frozen=True)
class Visible:
    """The N pixels where a triangle is seen.

    Attributes:
        size: (height, width) of the picture.
        pixels: (N,) flat pixel indices, increasing.
        faces: (N,) triangle seen.
        weights: (N, 3) perspective-correct barycentric weights of its corners.
        depth: (N,) metres.
    """

    size: tuple[int, int]
    pixels: NDArray[np.int64]
    faces: NDArray[np.int64]
    weights: Array
    depth: Array

    def interpolate(self, faces: NDArray[np.int32], values: Array) -> Array:
        """(N, ...) values at the pixels from (V, ...) values at the vertices."""
        corners = values[faces[self.faces]]
        return np.einsum("nc,nc...->n...", self.weights, corners)

    def mask(self) -> NDArray[np.bool_]:
        """(height, width) True where anything is seen."""
        mask = np.zeros(self.size[0] * self.size[1], bool)
        mask[self.pixels] = True
        return mask.reshape(self.size)


def rasterise(
    points: Array, depth: Array, faces: NDArray[np.int32], size: tuple[int, int], near: float = 0.05
) -> Visible:
    """Find the nearest front-facing triangle at each pixel.

    Args:
        points: (V, 2) pixels, centre of the top-left pixel (0, 0).
        depth: (V,) metres away from the camera, > 0.
        faces: (F, 3), counter-clockwise seen from outside (as in a y-up view; clockwise in pixels, y down).
        size: (height, width).
        near: triangles with a corner nearer than this are left out.
    """
    height, width = size
    points = np.clip(points.astype(np.float64), -1e6, 1e6)
    a, b, c = (points[faces[:, corner]] for corner in range(3))
    doubled = (b[:, 0] - a[:, 0]) * (c[:, 1] - a[:, 1]) - (b[:, 1] - a[:, 1]) * (c[:, 0] - a[:, 0])
    faced = np.flatnonzero((doubled < -1e-9) & (depth > near)[faces].sum(1).astype(bool))
    a, b, c, doubled = a[faced], b[faced], c[faced], doubled[faced]
    low = np.maximum(np.ceil(np.minimum(np.minimum(a, b), c)).astype(np.int64), 0)
    high = np.floor(np.maximum(np.maximum(a, b), c)).astype(np.int64)
    high = np.minimum(high, [width - 1, height - 1])
    extent = high - low + 1
    kept = np.flatnonzero((extent[:, 0] > 0) & (extent[:, 1] > 0))
    side = np.maximum(extent[kept, 0], extent[kept, 1])
    corners, own = np.stack([a, b, c], 1), faces[faced]
    inverse_depth = 1 / depth.astype(np.float64)[own]

    found: list[tuple[NDArray, ...]] = []
    limit = 0
    for block in (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 4096):
        group = kept[(side > limit) & (side <= block)]
        limit = block
        chunk = max(1, 2_000_000 // (block * block))
        for start in range(0, len(group), chunk):
            found.append(_cover(group[start : start + chunk], block, corners, doubled, low, high, inverse_depth, width))
    if not found:
        empty = np.zeros(0, np.int64)
        return Visible(size, empty, empty, np.zeros((0, 3), np.float32), np.zeros(0, np.float32))
    pixel, face, inverse, weights = (np.concatenate(parts) for parts in zip(*found, strict=True))
    face = faced[face]

    nearest = np.zeros(height * width)
    np.maximum.at(nearest, pixel, inverse)
    wins = np.flatnonzero(inverse == nearest[pixel])
    pixels, first = np.unique(pixel[wins], return_index=True)
    wins = wins[first]
    # Weights are of 1/z: undo, so that values are interpolated on the surface and not on the screen.
    weights = weights[wins] / inverse[wins, None]
    return Visible(size, pixels, face[wins], weights.astype(np.float32), (1 / inverse[wins]).astype(np.float32))


def _cover(
    group: NDArray[np.int64], block: int, corners: NDArray, doubled: NDArray, low: NDArray, high: NDArray,
    inverse_depth: NDArray, width: int,
) -> tuple[NDArray, NDArray, NDArray, NDArray]:  # fmt: skip
    """Pixel centres inside a group of triangles whose boxes are at most ``block`` wide and high.

    Returns:
        pixel index, triangle, 1/z there, and the corners' weights times their 1/z; (M,), (M,), (M,), (M, 3).
    """
    steps = np.arange(block)
    x = low[group, 0, None] + steps  # (G, block)
    y = low[group, 1, None] + steps
    corner = corners[group]
    inside = (x <= high[group, 0, None])[:, None, :] & (y <= high[group, 1, None])[:, :, None]
    bary = []
    for first, second in ((1, 2), (2, 0)):
        a, b = corner[:, first], corner[:, second]
        along = (b - a) / doubled[group, None]
        value = along[:, 0, None, None] * (y - a[:, 1, None])[:, :, None]
        value = value - along[:, 1, None, None] * (x - a[:, 0, None])[:, None, :]
        inside &= value >= 0
        bary.append(value)
    third = 1 - bary[0] - bary[1]
    inside &= third >= 0
    triangle, row, column = np.nonzero(inside)
    weights = np.stack([bary[0][inside], bary[1][inside], third[inside]], 1)
    face = group[triangle]
    weights *= inverse_depth[face]
    return y[triangle, row] * width + x[triangle, column], face, weights.sum(1), weights
