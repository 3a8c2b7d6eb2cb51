"""Anti-aliased marks on numpy pictures, and the colours of a body. numpy; Pillow for letters only.

Pictures are (H, W, 3) uint8 RGB; places are px, the centre of the top-left pixel is (0, 0).
Everything draws in place and clips at the border.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

__all__ = ["LEFT", "MIDDLE", "RIGHT", "capsule", "lines", "side_colour", "text", "text_size"]

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
    if not (np.isfinite(start).all() and np.isfinite(end).all()) or alpha <= 0:
        return
    ax, ay, bx, by = float(start[0]), float(start[1]), float(end[0]), float(end[1])
    left, right = max(int(min(ax, bx) - reach), 0), min(int(max(ax, bx) + reach) + 2, width)
    top, bottom = max(int(min(ay, by) - reach), 0), min(int(max(ay, by) + reach) + 2, height)
    if left >= right or top >= bottom:
        return
    x = np.arange(left, right, dtype=np.float32) - np.float32(ax)
    y = np.arange(top, bottom, dtype=np.float32)[:, None] - np.float32(ay)
    dx, dy = np.float32(bx - ax), np.float32(by - ay)
    along = np.clip((x * dx + y * dy) / max(float(dx * dx + dy * dy), 1e-6), 0.0, 1.0)
    distance = np.hypot(x - along * dx, y - along * dy)
    patch = picture[top:bottom, left:right]
    fill = np.clip(np.float32(radius + 0.5) - distance, 0.0, 1.0)[..., None]
    if outline > 0:
        rim = np.clip(np.float32(radius + outline + 0.5) - distance, 0.0, 1.0)[..., None] * np.float32(alpha)
        tint = fill * np.array(colour, np.float32) + (1 - fill) * np.array(outline_colour, np.float32)
        patch[:] = patch + (tint - patch) * rim + np.float32(0.5)
    else:
        patch[:] = patch + (np.array(colour, np.float32) - patch) * (fill * np.float32(alpha)) + np.float32(0.5)


def lines(
    picture: Picture, starts: NDArray[np.floating], ends: NDArray[np.floating], colours: NDArray[np.floating]
) -> None:
    """Many thin (1 px) smooth lines at once, of equal cost however many; brightest colour wins.

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
        x, y, weight = x[seen], y[seen], cover[seen, None]
        old = picture[y, x].astype(np.float32)
        np.maximum.at(picture, (y, x), (old + (tint[seen] - old) * weight).clip(0, 255).astype(np.uint8))


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
