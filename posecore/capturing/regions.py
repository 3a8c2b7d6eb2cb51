"""``Region``: the oriented square of a picture that a network looks at, and cropping by it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

__all__ = ["Region", "crop", "crop_to_picture", "picture_to_crop"]


@dataclass(frozen=True)
class Region:
    """An oriented square in a picture.

    Attributes:
        centre: (x, y) px.
        side: length of the square, px.
        angle: radians; the direction (sin angle, -cos angle) of the picture points up in the crop.
    """

    centre: tuple[float, float]
    side: float
    angle: float = 0.0

    @classmethod
    def from_box(cls, box: tuple[float, float, float, float] | NDArray[np.floating], padding: float = 1.25) -> Region:
        """The upright square around an (x, y, width, height) box, ``padding`` × its longer side."""
        x, y, width, height = (float(v) for v in box)
        return cls((x + width / 2, y + height / 2), max(width, height) * padding)


def _axes(region: Region) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The crop's right and down directions in the picture."""
    cos, sin = np.cos(region.angle), np.sin(region.angle)
    return np.array([cos, sin]), np.array([-sin, cos])


def crop(image: NDArray[np.uint8], region: Region, size: int, fill: int = 0) -> NDArray[np.uint8]:
    """Cut ``region`` out of an (H, W, 3) picture as a (size, size, 3) picture.

    Shrinks with averaging (no aliasing); outside the picture is ``fill``.
    """
    # A strong reduction first, by whole factors: an affine transform alone would alias.
    factor = max(1, int(region.side / size))
    right, down = _axes(region)
    half = region.side / 2
    corners = np.array([region.centre + sx * right * half + sy * down * half for sx in (-1, 1) for sy in (-1, 1)])
    height, width = image.shape[:2]
    low = np.floor(corners.min(0)).astype(int) - factor
    high = np.ceil(corners.max(0)).astype(int) + factor + 1
    x0, y0 = max(low[0], 0), max(low[1], 0)
    x1, y1 = min(high[0], width), min(high[1], height)
    if x1 <= x0 or y1 <= y0:
        return np.full((size, size, 3), fill, np.uint8)
    part = Image.fromarray(np.ascontiguousarray(image[y0:y1, x0:x1]))
    if factor > 1:
        part = part.reduce(factor)
    # Output pixel (u, v) centre -> picture -> reduced part. Pillow samples at pixel + 0.5.
    step = region.side / size
    origin = np.asarray(region.centre) + 0.5 - half * (right + down) - (x0, y0)
    a, d = right * step / factor
    b, e = down * step / factor
    c, f = origin / factor
    out = part.transform(
        (size, size), Image.Transform.AFFINE, (a, b, c, d, e, f), Image.Resampling.BILINEAR, fillcolor=(fill,) * 3
    )
    return np.asarray(out)


def crop_to_picture(points: NDArray[np.floating], region: Region, size: int) -> NDArray[np.float32]:
    """(..., 2) points in crop pixels to picture pixels (pixel centres at whole numbers in both)."""
    right, down = _axes(region)
    local = (np.asarray(points, np.float64) + 0.5) * (region.side / size) - region.side / 2
    return (np.asarray(region.centre) + local[..., :1] * right + local[..., 1:] * down).astype(np.float32)


def picture_to_crop(points: NDArray[np.floating], region: Region, size: int) -> NDArray[np.float32]:
    """The inverse of :func:`crop_to_picture`."""
    right, down = _axes(region)
    offset = np.asarray(points, np.float64) - np.asarray(region.centre)
    local = np.stack([offset @ right, offset @ down], axis=-1)
    return ((local + region.side / 2) * (size / region.side) - 0.5).astype(np.float32)
