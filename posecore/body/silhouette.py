"""The outline that a posed body leaves in a picture, in numpy: which pixels its triangles cover.

Camera frame: x right, y down, z away from the camera, metres. Pixels: the centre of the top-left one is (0, 0).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

__all__ = ["project", "silhouette"]

#: Triangles are filled in groups whose boxes are at most this wide and high, pixels. Larger boxes are cut.
_BLOCKS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)

#: Values of a group held at once.
_AT_ONCE = 2_000_000


def project(
    vertices: NDArray[np.floating], focal: tuple[float, float], centre: tuple[float, float]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Pinhole projection.

    Args:
        vertices: (V, 3) camera frame, metres.
        focal: focal lengths x, y in pixels.
        centre: principal point x, y in pixels.

    Returns:
        points (V, 2) in pixels and depth (V,) in metres; points with no depth lie at the principal point.
    """
    places: NDArray[np.float64] = np.asarray(vertices, np.float64)
    depth = places[:, 2]
    safe = np.where(np.abs(depth) > 1e-9, depth, np.inf)
    return places[:, :2] / safe[:, None] * focal + centre, depth


def silhouette(
    points: NDArray[np.floating],
    faces: NDArray[np.integer],
    size: tuple[int, int],
    depth: NDArray[np.floating] | None = None,
    near: float = 0.05,
) -> NDArray[np.bool_]:
    """Pixels whose centre lies in any triangle, whichever way it faces.

    Args:
        points: (V, 2) pixels.
        faces: (F, 3) triangles.
        size: (height, width) of the picture.
        depth: (V,) metres from the camera; triangles with a corner nearer than ``near`` are left out.
        near: metres.

    Returns:
        (height, width) True where the body is.
    """
    height, width = size
    mask = np.zeros((height, width), bool)
    faces = np.asarray(faces)
    if depth is not None:
        faces = faces[(np.asarray(depth)[faces] > near).all(1)]
    corners = np.clip(np.asarray(points, np.float64), -1e6, 1e6)[faces]  # (F, 3, 2)
    sides = corners[:, 1:] - corners[:, :1]
    doubled = sides[:, 0, 0] * sides[:, 1, 1] - sides[:, 0, 1] * sides[:, 1, 0]
    low = np.maximum(np.ceil(corners.min(1)).astype(np.int64), 0)
    high = np.minimum(np.floor(corners.max(1)).astype(np.int64), [width - 1, height - 1])
    extent = (high - low + 1).max(1)
    seen = (high >= low).all(1) & (np.abs(doubled) > 1e-12)
    smaller = 0
    for block in _BLOCKS:
        group = np.flatnonzero(seen & (extent > smaller) & (extent <= block))
        smaller = block
        chunk = max(1, _AT_ONCE // block**2)
        for start in range(0, len(group), chunk):
            some = group[start : start + chunk]
            _fill(mask, corners[some], doubled[some], low[some], high[some], block)
    for triangle in np.flatnonzero(seen & (extent > _BLOCKS[-1])):
        for corner in _tiles(low[triangle], high[triangle]):
            end = np.minimum(corner + _BLOCKS[-1] - 1, high[triangle])
            one = slice(triangle, triangle + 1)
            _fill(mask, corners[one], doubled[one], corner[None], end[None], _BLOCKS[-1])
    return mask


def _tiles(low: NDArray[np.int64], high: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
    """The top-left pixels (x, y) of the largest blocks that cover a box, both ends within."""
    for y in range(int(low[1]), int(high[1]) + 1, _BLOCKS[-1]):
        for x in range(int(low[0]), int(high[0]) + 1, _BLOCKS[-1]):
            yield np.array([x, y])


def _fill(mask: NDArray[np.bool_], corners: NDArray, doubled: NDArray, low: NDArray, high: NDArray, block: int) -> None:
    """Set the pixels of triangles whose boxes are at most ``block`` wide and high."""
    steps = np.arange(block)
    x, y = low[:, 0, None] + steps, low[:, 1, None] + steps
    inside = (x <= high[:, 0, None])[:, None, :] & (y <= high[:, 1, None])[:, :, None]
    for first, second in ((0, 1), (1, 2), (2, 0)):
        a, b = corners[:, first], corners[:, second]
        along = (b - a) / doubled[:, None]
        value = along[:, 0, None, None] * (y - a[:, 1, None])[:, :, None]
        inside &= value - along[:, 1, None, None] * (x - a[:, 0, None])[:, None, :] >= -1e-12
    triangle, row, column = np.nonzero(inside)
    mask[y[triangle, row], x[triangle, column]] = True
