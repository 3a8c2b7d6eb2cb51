"""Anti-aliased marks on numpy pictures, and the colours of a body. numpy; Pillow for letters only.

Pictures are (H, W, 3) uint8 RGB; places are px, the centre of the top-left pixel is (0, 0).
Everything draws in place and clips at the border.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

__all__ = ["LEFT", "MIDDLE", "RIGHT", "capsule", "discs", "lines", "shadow", "side_colour", "text", "text_size"]

Picture = NDArray[np.uint8]
Colour = tuple[int, int, int]

#: The person's own left is warm, their right cool, what lies between neutral.
LEFT: Colour = (255, 140, 50)
RIGHT: Colour = (60, 160, 255)
MIDDLE: Colour = (225, 228, 234)


def side_colour(joint: str) -> Colour:
    """The colour of a joint, or of the bone that ends in it."""
    return LEFT if joint.startswith("l_") else RIGHT if joint.startswith("r_") else MIDDLE


def capsule(
    picture: Picture,
    start: NDArray[np.floating],
    end: NDArray[np.floating],
    radius: float,
    colour: Colour,
    alpha: float = 1.0,
    outline: float = 0.0,
    outline_colour: Colour = (0, 0, 0),
) -> None:
    """A thick line with round ends (a disc where ``start`` equals ``end``).

    Coverage comes from the distance to the segment, so edges are smooth at any thickness.

    Args:
        start, end: (x, y) px.
        radius: half the thickness, px.
        alpha: opacity in [0, 1].
        outline: width of a rim around it, px.
    """
    height, width = picture.shape[:2]
    reach = radius + outline + 1.0
    ax, ay, bx, by = float(start[0]), float(start[1]), float(end[0]), float(end[1])
    if not math.isfinite(ax + ay + bx + by) or alpha <= 0:
        return
    left, right = max(int(min(ax, bx) - reach), 0), min(int(max(ax, bx) + reach) + 2, width)
    top, bottom = max(int(min(ay, by) - reach), 0), min(int(max(ay, by) + reach) + 2, height)
    if left >= right or top >= bottom:
        return
    # In this function the cost of a call into numpy counts as much as its pixels: few calls, in place.
    x = np.arange(left - ax, right - ax - 0.5, dtype=np.float32)
    y = np.arange(top - ay, bottom - ay - 0.5, dtype=np.float32)[:, None]
    dx, dy = bx - ax, by - ay
    square = max(dx * dx + dy * dy, 1e-6)
    along = x * np.float32(dx / square) + y * np.float32(dy / square)
    np.maximum(along, 0, out=along)
    np.minimum(along, 1, out=along)
    x, y = x - along * np.float32(dx), y - along * np.float32(dy)
    distance = np.sqrt(x * x + y * y)
    spots = np.flatnonzero(distance < reach - 0.5)  # most of the box around a slanted line is empty
    distance = distance.ravel()[spots][:, None]
    rows, columns = np.divmod(spots, right - left)
    tint = np.array(colour, np.float32)
    cover = np.minimum(np.float32(radius + 0.5) - distance, 1)
    if outline:
        np.maximum(cover, 0, out=cover)
        dark = np.array(outline_colour, np.float32)
        tint = dark + cover * (tint - dark)
        cover = np.minimum(np.float32(reach - 0.5) - distance, 1)
    cover *= np.float32(alpha)
    np.maximum(cover, 0, out=cover)
    patch = picture[top:bottom, left:right]
    old = patch[rows, columns]
    tint = tint - old
    tint *= cover
    tint += old
    tint += 0.5
    patch[rows, columns] = tint


def shadow(
    picture: Picture, starts: NDArray[np.floating], ends: NDArray[np.floating], width: float, strength: float
) -> None:
    """Darken a picture under thick lines, as one soft shape.

    Args:
        starts, ends: (N, 2) px.
        width: thickness, px.
        strength: in [0, 1]; 1 is black.
    """
    from PIL import Image, ImageDraw, ImageFilter

    height, wide = picture.shape[:2]
    pad = int(width) + 3
    corners = np.concatenate([starts, ends])
    left, top = np.maximum(np.floor(corners.min(axis=0)).astype(int) - pad, 0)
    right, bottom = np.minimum(np.ceil(corners.max(axis=0)).astype(int) + pad, (wide, height))
    if left >= right or top >= bottom:
        return
    sheet = Image.new("L", (int(right - left), int(bottom - top)), 0)
    pen = ImageDraw.Draw(sheet)
    half = width / 2
    for (x0, y0), (x1, y1) in zip(starts - (left, top), ends - (left, top), strict=True):
        pen.line((x0, y0, x1, y1), fill=255, width=max(1, round(width)))
        pen.ellipse((x1 - half, y1 - half, x1 + half, y1 + half), fill=255)
    mask = np.asarray(sheet.filter(ImageFilter.BoxBlur(max(1.0, width / 4))), np.float32)[..., None]
    patch = picture[top:bottom, left:right]
    patch[:] = patch * (1 - mask * np.float32(strength / 255))


def discs(
    picture: Picture,
    centres: NDArray[np.floating],
    radius: float,
    colours: Sequence[Colour],
    alphas: NDArray[np.floating],
    outline: float,
    outline_colour: Colour,
) -> None:
    """Discs of one size at once; where two overlap, the later one wins.

    Args:
        centres: (N, 2) px.
        radius, outline: px. colours: N of them. alphas: (N,) opacity in [0, 1].
    """
    height, width = picture.shape[:2]
    kept = np.flatnonzero(np.isfinite(centres).all(axis=1) & (alphas > 0) & (np.abs(centres) < 1e6).all(axis=1))
    if not len(kept):
        return
    reach = math.ceil(radius + outline) + 1
    steps = np.arange(-reach, reach + 1)
    base = np.rint(centres[kept]).astype(int)
    x, y = base[:, 0, None] + steps, base[:, 1, None] + steps  # (n, k) each
    from_x, from_y = x - centres[kept, 0, None], y - centres[kept, 1, None]
    distance = np.sqrt(from_x[:, None, :] ** 2 + from_y[:, :, None] ** 2)
    inside = (x >= 0)[:, None, :] & (x < width)[:, None, :] & (y >= 0)[:, :, None] & (y < height)[:, :, None]
    which, row, column = np.nonzero(inside & (distance < radius + outline + 0.5))
    distance = distance[which, row, column][:, None]
    fill = np.clip(radius + 0.5 - distance, 0.0, 1.0)
    cover = np.clip(radius + outline + 0.5 - distance, 0.0, 1.0) * alphas[kept][which, None]
    rim = np.array(outline_colour, np.float32)
    tint = rim + fill * (np.array(colours, np.float32)[kept][which] - rim)
    spots = (y[which, row], x[which, column])
    old = picture[spots]
    picture[spots] = old + (tint - old) * cover + 0.5


def lines(
    picture: Picture, starts: NDArray[np.floating], ends: NDArray[np.floating], colours: NDArray[np.floating]
) -> None:
    """Many thin (1 px) smooth lines at once, of equal cost however many.

    Args:
        starts, ends: (N, 2) px; keep them near the picture, what lies outside costs time.
        colours: (N, 3) or (N, 2, 3) RGB at both ends.
    """
    height, width = picture.shape[:2]
    colours = np.broadcast_to(colours.reshape(len(colours), -1, 3), (len(colours), 2, 3))
    span = ends - starts
    steps = np.ceil(np.abs(span).max(axis=1)).astype(int) + 1
    which = np.repeat(np.arange(len(starts)), steps)
    place = np.arange(len(which)) - np.repeat(np.cumsum(steps) - steps, steps)
    share = (place / np.maximum(steps - 1, 1)[which])[:, None]
    points = starts[which] + share * span[which]
    tint = colours[which, 0] + share * (colours[which, 1] - colours[which, 0])
    steep = (np.abs(span[:, 1]) > np.abs(span[:, 0]))[which]
    major = np.rint(np.where(steep, points[:, 1], points[:, 0])).astype(int)
    minor = np.where(steep, points[:, 0], points[:, 1])
    base = np.floor(minor).astype(int)
    for step, cover in ((0, 1 - (minor - base)), (1, minor - base)):
        x = np.where(steep, base + step, major)
        y = np.where(steep, major, base + step)
        seen = (x >= 0) & (x < width) & (y >= 0) & (y < height) & (cover > 0.02)
        x, y = x[seen], y[seen]
        old = picture[y, x]
        picture[y, x] = old + (tint[seen] - old) * cover[seen, None] + 0.5


@lru_cache(maxsize=512)
def _mask(words: str, size: int) -> NDArray[np.float32]:
    """(h, w) coverage of a line of text, with the font that Pillow carries."""
    from PIL import Image, ImageDraw, ImageFont

    font = ImageFont.load_default(size)
    left, _, right, _ = font.getbbox(words)
    sheet = Image.new("L", (max(int(right - left) + 2, 1), int(size * 1.3)), 0)
    ImageDraw.Draw(sheet).text((-left, 0), words, fill=255, font=font)
    mask = np.asarray(sheet, np.float32) / 255.0
    mask.setflags(write=False)
    return mask


def text_size(words: str, size: int) -> tuple[int, int]:
    """(width, height) px of a line of text."""
    height, width = _mask(words, size).shape
    return width, height


def text(
    picture: Picture, words: str, x: int, y: int, size: int, colour: Colour = (235, 235, 235), shade: float = 0.0
) -> None:
    """A line of text with its top-left corner at (x, y).

    Args:
        size: height of the letters, px.
        shade: how much to darken the picture behind, in [0, 1], so that it reads on anything.
    """
    mask = _mask(words, size)
    pad = size // 3 if shade else 0
    top, left = max(y - pad, 0), max(x - pad, 0)
    behind = picture[top : y + mask.shape[0] + pad, left : x + mask.shape[1] + pad]
    if shade:
        behind[:] = behind * np.float32(1 - shade)
    patch = picture[max(y, 0) : y + mask.shape[0], max(x, 0) : x + mask.shape[1]]
    cover = mask[: patch.shape[0], : patch.shape[1], None]
    patch[:] = patch + (np.array(colour, np.float32) - patch) * cover + np.float32(0.5)
