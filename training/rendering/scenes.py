"""What is around the person: light, floor, walls, sky, clutter, things in front. All procedural, from one generator."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter
from scipy import ndimage

from training.rendering.camera import Camera

__all__ = ["Background", "Light", "ShadowMap", "noise_tile", "paint_background", "paint_occluders", "random_light"]

Array = NDArray[np.float32]


@dataclass(frozen=True)
class Light:
    """One far lamp and the sky: ``direction`` (3,) towards the lamp, world; colours (3,) in linear light."""

    direction: NDArray
    lamp: NDArray
    sky: NDArray
    ground: NDArray

    def shade(self, normals: Array, lit: Array) -> Array:
        """(N, 3) light on surfaces with world ``normals`` (N, 3), of which a share ``lit`` (N,) sees the lamp."""
        lambert = np.clip(normals @ self.direction, 0, 1) * lit
        upward = (normals[:, 1:2] + 1) / 2
        return (lambert[:, None] * self.lamp + self.ground * (1 - upward) + self.sky * upward).astype(np.float32)


def random_light(rng: np.random.Generator) -> Light:
    """Sun, lamp or overcast."""
    azimuth, height = rng.uniform(0, 2 * np.pi), np.deg2rad(rng.uniform(15, 80))
    direction = np.array([np.cos(height) * np.sin(azimuth), np.sin(height), np.cos(height) * np.cos(azimuth)])
    warmth = rng.normal(0, 0.08)
    lamp = rng.choice([rng.uniform(0.05, 0.3), rng.uniform(0.4, 1.1)], p=[0.3, 0.7])
    total = rng.uniform(0.75, 1.15)
    ambient = max(total - lamp * 0.7, 0.18)
    tint = rng.normal(0, 0.05, 3)
    return Light(
        direction,
        lamp * np.array([1 + warmth, 1, 1 - warmth]),
        ambient * np.clip(np.array([1 - warmth, 1, 1 + warmth]) + tint, 0.6, 1.4) * rng.uniform(0.9, 1.15),
        ambient * rng.uniform(0.35, 0.8) * np.ones(3),
    )


class ShadowMap:
    """Depth of a cloud of surface points seen from the lamp, on a grid of ``cell`` metres."""

    def __init__(self, points: Array, light: Light, cell: float = 0.022) -> None:
        up = np.array([0.0, 1.0, 0.0]) if abs(light.direction[1]) < 0.95 else np.array([1.0, 0.0, 0.0])
        across = np.cross(up, light.direction)
        across /= np.linalg.norm(across)
        self.axes = np.stack([across, np.cross(light.direction, across), light.direction])
        seen = points @ self.axes.T
        self.cell, self.low = cell, seen[:, :2].min(0) - 2 * cell
        shape = np.ceil((seen[:, :2].max(0) + 2 * cell - self.low) / cell).astype(int) + 1
        grid = np.full(shape, -np.inf, np.float32)
        index = np.round((seen[:, :2] - self.low) / cell).astype(int)
        np.maximum.at(grid, (index[:, 0], index[:, 1]), seen[:, 2])
        # Vertices are sparser than cells on the trunk: close the holes.
        self.grid = ndimage.grey_closing(np.where(np.isfinite(grid), grid, -1e3), 5).astype(np.float32)

    def lit(self, points: Array, bias: float = 0.04) -> Array:
        """(N,) share of the lamp that reaches points (N, 3): 0 in shadow, 1 in light."""
        seen = points @ self.axes.T.astype(np.float32)
        place = (seen[:, :2] - self.low.astype(np.float32)) / np.float32(self.cell)
        share = np.ones(len(points), np.float32)
        rows, columns = self.grid.shape
        margin = (place[:, 0] > 1) & (place[:, 0] < rows - 2) & (place[:, 1] > 1) & (place[:, 1] < columns - 2)
        inside = np.flatnonzero(margin)
        place, level = place[inside] + np.float32(0.5), seen[inside, 2] + np.float32(bias)
        total = np.zeros(len(inside), np.float32)
        for shift in ((-0.6, -0.5), (0.6, -0.5), (0.0, 0.6)):
            index = (place + np.array(shift, np.float32)).astype(np.int32)
            total += self.grid.ravel()[index[:, 0] * columns + index[:, 1]] < level
        share[inside] = total / 3
        return share


def noise_tile(rng: np.random.Generator, size: int = 128, slope: float = 1.0) -> Array:
    """(size, size) repeating noise in [0, 1] whose amplitude falls as 1 / frequency**slope."""
    frequency = np.hypot(*np.meshgrid(np.fft.fftfreq(size), np.fft.rfftfreq(size), indexing="ij"))
    frequency[0, 0] = np.inf
    spectrum = np.fft.rfft2(rng.normal(size=(size, size))) / frequency**slope
    tile = np.fft.irfft2(spectrum, s=(size, size))
    low, high = np.percentile(tile, [1, 99])
    return np.clip((tile - low) / (high - low), 0, 1).astype(np.float32)


def _material(rng: np.random.Generator) -> tuple:
    """A floor or wall: two colours, a layout, a period in metres, a noise tile."""
    colours = rng.uniform(0.08, 0.9, (2, 1)) + rng.normal(0, 0.08, (2, 3))
    if rng.random() < 0.5:
        colours[1] = colours[0] * rng.uniform(0.7, 1.3)
    layout = rng.choice(
        ["plain", "tiles", "checks", "planks", "bricks", "stripes"], p=[0.45, 0.15, 0.08, 0.14, 0.1, 0.08]
    )
    return np.clip(colours, 0.02, 1), str(layout), rng.uniform(0.2, 1.2), noise_tile(rng, slope=rng.uniform(0.6, 1.6))


def _surface(material: tuple, u: Array, v: Array) -> Array:
    """(..., 3) linear colour of a material at (u, v) metres."""
    (first, second), layout, period, tile = material
    a, b = u / period, v / period
    if layout == "tiles":
        share = ((a % 1 < 0.05) | (b % 1 < 0.05)).astype(np.float32)
    elif layout == "checks":
        share = ((np.floor(a) + np.floor(b)) % 2).astype(np.float32)
    elif layout == "planks":
        row = np.floor(a * 4)
        share = ((a * 4 % 1 < 0.06) | ((b / 2 + row * 0.37) % 1 < 0.015)) * 0.8 + 0.3 * (row * 0.618 % 1)
    elif layout == "bricks":
        row = np.floor(b * 3)
        share = ((b * 3 % 1 < 0.12) | ((a * 1.5 + row * 0.5) % 1 < 0.06)).astype(np.float32)
    elif layout == "stripes":
        share = (a % 1 < 0.5).astype(np.float32)
    else:
        share = np.zeros_like(a)
    mask = len(tile) - 1  # its side is a power of two
    grain = tile[(u * 40).astype(np.int32) & mask, (v * 40).astype(np.int32) & mask]
    grain = grain * 0.5 + 0.5 * tile[(u * 7).astype(np.int32) & mask, (v * 7).astype(np.int32) & mask]
    share = np.clip(share, 0, 1)[..., None]
    return ((first * (1 - share) + second * share) * (0.7 + 0.6 * grain[..., None])).astype(np.float32)


@dataclass(frozen=True)
class Background:
    """``picture`` (H, W, 3) in linear light without the person's shadow; ``floor`` (H, W) where the floor is seen, and
    ``points`` (H, W, 3) what point of it, world metres."""

    picture: Array
    floor: NDArray[np.bool_]
    points: Array


def paint_background(rng: np.random.Generator, camera: Camera, floor_height: float, light: Light) -> Background:
    """A room, a street or open land, an abstract pattern, or noise; with clutter."""
    width, height = camera.size
    rays, eye = camera.rays().astype(np.float32), camera.position
    kind = rng.choice(["room", "land", "abstract", "noise"], p=[0.42, 0.33, 0.13, 0.12])
    with np.errstate(divide="ignore", invalid="ignore"):
        reach = (floor_height - eye[1]) / rays[..., 1]
    reach = np.where((reach > 0) & np.isfinite(reach), reach, np.inf)
    floor = reach < 60
    if kind in ("abstract", "noise"):
        floor = np.zeros((height, width), bool)
    picture = np.zeros((height, width, 3), np.float32)
    if kind == "room":
        turn, gap = rng.uniform(0, np.pi / 2), rng.uniform(1.0, 5.0)
        for index in range(4):  # the nearest of four walls about the person
            normal = np.array([np.cos(turn + index * np.pi / 2), 0, np.sin(turn + index * np.pi / 2)])
            gap_here = gap * rng.uniform(1, 1.6)
            with np.errstate(divide="ignore", invalid="ignore"):
                hit = (gap_here - eye @ normal) / (rays @ normal)
            behind = (rays @ normal > 1e-6) & (hit > 0) & (hit < reach)
            material, dim = _material(rng), rng.uniform(0.6, 1.0)
            points = (eye + rays[behind] * hit[behind, None]).astype(np.float32)
            along = points @ np.array([-normal[2], 0, normal[0]], np.float32)
            picture[behind] = _surface(material, along, points[:, 1]) * light.shade(-normal[None], np.ones(1)) * dim
            reach = np.where(behind, hit, reach)
            floor &= ~behind
    elif kind == "land":
        horizon = np.clip(rays[..., 1] / np.linalg.norm(rays, axis=-1) * rng.uniform(1, 3), 0, 1)[..., None]
        low, high = np.clip(rng.uniform(0.35, 1, (2, 1)) + rng.normal(0, 0.08, (2, 3)), 0, 1)
        picture[:] = (low * (1 - horizon) + high * horizon) ** 2.2
        picture *= 0.85 + 0.3 * _screen_noise(rng, width, height, 1.8)[..., None]
    elif kind == "abstract":
        corners = np.clip(rng.uniform(0, 1, (2, 2, 1)) + rng.normal(0, 0.15, (2, 2, 3)), 0, 1)
        picture[:] = ndimage.zoom(corners, (height / 2, width / 2, 1), order=1)[:height, :width] ** 2.2
    else:
        channels = [_screen_noise(rng, width, height, rng.uniform(0.7, 1.8)) for _ in range(3)]
        mixed = np.stack(channels, -1) * rng.uniform(0, 1) + channels[0][..., None]
        picture[:] = (mixed / mixed.max() * rng.uniform(0.4, 1.1)) ** 2.2
    picture = _clutter(rng, picture, floor, kind)
    points = eye + rays * np.where(floor, reach, 0)[..., None]
    if floor.any():
        on_floor = points[floor].astype(np.float32)
        ground = _surface(_material(rng), on_floor[:, 0], on_floor[:, 2]) ** 1.5
        picture[floor] = ground * light.shade(np.array([[0, 1.0, 0]]), np.ones(1))
    blur = rng.choice([0.0, rng.uniform(0.4, 1.2), rng.uniform(1.2, 4)], p=[0.35, 0.35, 0.3])
    if blur:
        picture = ndimage.gaussian_filter(picture, (blur, blur, 0))
    return Background(picture.astype(np.float32), floor, points.astype(np.float32))


def _screen_noise(rng: np.random.Generator, width: int, height: int, slope: float) -> Array:
    tile = noise_tile(rng, 128, slope)
    scale = max(width, height) / 128
    return ndimage.zoom(tile, scale, order=1)[:height, :width]


def _clutter(rng: np.random.Generator, picture: Array, floor: NDArray[np.bool_], kind: str) -> Array:
    """Boxes, discs, poles, polygons and limb-like strokes behind the person."""
    height, width = floor.shape
    count = int(rng.integers(0, 6) if kind == "room" else rng.integers(0, 16))
    layer = Image.fromarray((np.clip(picture, 0, 1) ** (1 / 2.2) * 255).astype(np.uint8))
    draw = ImageDraw.Draw(layer)
    base = int(np.argmax(floor.any(1))) if floor.any() else height
    for _ in range(count):
        colour = tuple(int(c) for c in np.clip(rng.uniform(0, 255) + rng.normal(0, 40, 3), 0, 255))
        x, w = rng.uniform(-0.1, 1.1) * width, rng.gamma(2, 0.09) * width
        top = rng.uniform(-0.2, 0.9) * base
        shape = rng.choice(5, p=[0.4, 0.2, 0.15, 0.17, 0.08])
        bottom = base + 2 if kind in ("room", "land") and shape < 2 else top + rng.gamma(2, 0.09) * height
        if shape == 0:
            draw.rectangle([x, min(top, bottom), x + w, bottom], fill=colour)
            _windows(rng, draw, x, top, x + w, bottom)
        elif shape == 1:
            draw.rectangle([x, min(top, bottom), x + w * 0.12, bottom], fill=colour)
        elif shape == 2:
            draw.ellipse([x, top, x + w, top + w * rng.uniform(0.5, 1.5)], fill=colour)
        elif shape == 3:
            polygon = np.array([x, top]) + rng.normal(0, 1, (5, 2)) * w
            draw.polygon([tuple(p) for p in polygon], fill=colour)
        else:
            strokes = np.cumsum(np.concatenate([[[x, top]], rng.normal(0, 0.12 * width, (3, 2))]), 0)
            draw.line(
                [tuple(p) for p in strokes], fill=colour, width=int(rng.uniform(2, 2 + 0.055 * width)), joint="curve"
            )
    if rng.random() < 0.5:
        layer = layer.filter(ImageFilter.GaussianBlur(float(rng.uniform(0.3, 2))))
    return ((np.asarray(layer, np.float32) / 255) ** 2.2).astype(np.float32)


def _windows(rng: np.random.Generator, draw: ImageDraw.ImageDraw, x0: float, y0: float, x1: float, y1: float) -> None:
    if rng.random() < 0.5 or y1 - y0 < 12 or x1 - x0 < 12:
        return
    step = rng.uniform(6, 16)
    colour = tuple(int(c) for c in rng.uniform(0, 255, 3))
    for y in np.arange(y0 + step / 2, y1 - step, step):
        for x in np.arange(x0 + step / 2, x1 - step / 2, step):
            draw.rectangle([x, y, x + step * 0.5, y + step * 0.6], fill=colour)


def paint_occluders(rng: np.random.Generator, size: tuple[int, int], box: Array) -> tuple[Array, Array]:
    """Things in front of the person.

    Args:
        size: (width, height).
        box: (4,) x0, y0, x1, y1 of the person, pixels.

    Returns:
        picture (H, W, 3) in linear light, cover (H, W) in [0, 1].
    """
    width, height = size
    cover = Image.new("L", size, 0)
    layer = Image.new("RGB", size, 0)
    draw, draw_cover = ImageDraw.Draw(layer), ImageDraw.Draw(cover)
    span = max(box[2] - box[0], box[3] - box[1])
    for _ in range(int(rng.integers(1, 4))):
        colour = tuple(int(c) for c in np.clip(rng.uniform(0, 255) + rng.normal(0, 45, 3), 0, 255))
        centre = np.array([rng.uniform(box[0], box[2]), rng.uniform(box[1], box[3])])
        half = span * rng.uniform(0.04, 0.16, 2)
        shape = rng.integers(4)
        if shape == 0:  # a table, a wall, a bonnet: up from the lower border
            top = rng.uniform(box[1] + 0.6 * (box[3] - box[1]), box[3])
            corners = [
                (-2, height + 2),
                (-2, top + rng.normal(0, 6)),
                (width + 2, top + rng.normal(0, 6)),
                (width + 2, height + 2),
            ]
            if rng.random() < 0.6:
                left, right = sorted(rng.uniform(0, width, 2))
                corners = [(left, height + 2), (left, top), (right, top), (right, height + 2)]
        elif shape == 1:
            corners = [tuple(centre + half * s) for s in ((-1, -1), (1, -1), (1, 1), (-1, 1))]
        elif shape == 2:
            angles = np.sort(rng.uniform(0, 2 * np.pi, 12))
            corners = [tuple(centre + half * rng.uniform(0.6, 1.1) * np.array([np.cos(a), np.sin(a)])) for a in angles]
        else:  # a pole
            lean, thick = rng.normal(0, 0.1) * height, rng.uniform(0.01, 0.035) * width
            x = centre[0]
            corners = [(x - thick, -2), (x + thick, -2), (x + thick + lean, height + 2), (x - thick + lean, height + 2)]
        draw.polygon(corners, fill=colour)
        draw_cover.polygon(corners, fill=255)
    picture = (np.asarray(layer, np.float32) / 255) ** 2.2
    picture = picture * (0.6 + 0.8 * _screen_noise(rng, width, height, rng.uniform(0.8, 1.6))[..., None])
    soft = ndimage.gaussian_filter(np.asarray(cover, np.float32) / 255, 0.6)
    return picture.astype(np.float32), soft
