"""The room of the example clip: planes and boxes, ray-cast once because the camera stands still."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from training.rendering.camera import Camera
from training.rendering.scenes import Background, Light, noise_tile

__all__ = ["cast_room"]

Array = NDArray[np.float32]


@dataclass(frozen=True)
class _Box:
    """An axis-aligned box: corners (3,) in metres, and its sRGB colour."""

    low: tuple[float, float, float]
    high: tuple[float, float, float]
    colour: tuple[float, float, float]


#: Half-width of the room in x, and how far its back wall is in -z and its front in +z; metres.
_SIDE, _BACK, _FRONT, _HEIGHT = 2.9, -3.3, 6.0, 2.9

_BOXES = (
    _Box((-_SIDE, 0, -3.3), (_SIDE, 0.11, -3.27), (0.93, 0.92, 0.9)),  # skirting boards
    _Box((-2.9, 0, -3.3), (-2.87, 0.11, 6.0), (0.93, 0.92, 0.9)),
    _Box((-2.55, 0, -3.2), (-1.35, 0.42, -2.75), (0.5, 0.34, 0.22)),  # sideboard
    _Box((-2.5, 0.42, -3.1), (-2.2, 0.72, -2.85), (0.2, 0.36, 0.4)),  # things on it
    _Box((-1.75, 0.42, -3.1), (-1.6, 0.9, -2.95), (0.85, 0.83, 0.78)),
    _Box((0.9, 1.15, -3.3), (1.9, 1.85, -3.26), (0.16, 0.16, 0.18)),  # pictures on the walls
    _Box((0.96, 1.21, -3.3), (1.84, 1.79, -3.25), (0.72, 0.5, 0.32)),
    _Box((-2.9, 1.2, -1.0), (-2.86, 1.9, -0.3), (0.16, 0.16, 0.18)),
    _Box((-2.9, 1.26, -0.94), (-2.85, 1.84, -0.36), (0.4, 0.52, 0.55)),
    _Box((2.15, 0, -3.1), (2.55, 0.35, -2.7), (0.55, 0.54, 0.52)),  # a plant in its pot
    _Box((2.33, 0.35, -2.92), (2.37, 0.9, -2.88), (0.36, 0.26, 0.18)),
    _Box((2.12, 0.8, -3.08), (2.58, 1.35, -2.68), (0.2, 0.36, 0.2)),
)


def _hit_box(box: _Box, eye: NDArray, rays: Array) -> tuple[Array, NDArray[np.int64]]:
    """(...,) distance along each ray to the box (inf = missed), and the axis of the face that is hit."""
    with np.errstate(divide="ignore", invalid="ignore"):
        first = (np.array(box.low) - eye) / rays
        second = (np.array(box.high) - eye) / rays
    near, far = np.minimum(first, second), np.maximum(first, second)
    enter, leave = near.max(-1), far.min(-1)
    return np.where((enter < leave) & (enter > 1e-4), enter, np.inf), near.argmax(-1)


def _boards(x: Array, z: Array, tile: Array) -> Array:
    """(..., 3) sRGB of a wooden floor at (x, z) metres."""
    row = np.floor(x / 0.14)
    along = z / 1.4 + row * 0.37
    tone = (np.sin(row * 12.99 + np.floor(along) * 78.2) * 43758.5) % 1
    grain = tile[np.mod((x * 500 + tone * 300).astype(int), len(tile)), np.mod((z * 35).astype(int), len(tile))]
    shade = 0.82 + 0.2 * tone + 0.16 * (grain - 0.5)
    gap = (x / 0.14 % 1 < 0.025) | (along % 1 < 0.004)
    return np.where(gap[..., None], 0.22, np.array([0.62, 0.45, 0.3]) * shade[..., None]).astype(np.float32)


def cast_room(camera: Camera, light: Light, supersample: int = 2) -> Background:
    """The empty room, lit, with the boxes' own shadows; and for each pixel the point that is seen."""
    fine = camera.scaled(supersample)
    rays, eye = fine.rays(), camera.position
    reach = np.full(rays.shape[:2], np.inf)
    normal = np.zeros_like(rays)
    colour = np.zeros_like(rays)
    tile = noise_tile(np.random.default_rng(5), 256, 0.9)

    planes = ((1, 0.0, 1), (0, -_SIDE, 1), (0, _SIDE, -1), (2, _BACK, 1), (2, _FRONT, -1), (1, _HEIGHT, -1))
    for axis, offset, sign in planes:
        with np.errstate(divide="ignore", invalid="ignore"):
            hit = (offset - eye[axis]) / rays[..., axis]
        nearer = (hit > 1e-4) & (hit < reach)
        reach = np.where(nearer, hit, reach)
        normal[nearer] = sign * np.eye(3)[axis]
        points = eye + rays[nearer] * hit[nearer, None]
        if axis == 1:
            colour[nearer] = _boards(points[:, 0], points[:, 2], tile) if offset == 0 else 0.9
        else:
            plaster = tile[(points[:, 2 - axis] * 60).astype(int) % 256, (points[:, 1] * 60).astype(int) % 256]
            paint = np.array([0.75, 0.77, 0.74]) if axis == 2 else np.array([0.7, 0.73, 0.72])
            colour[nearer] = paint * (0.98 + 0.04 * plaster[:, None])
    for box in _BOXES:
        hit, axis_hit = _hit_box(box, eye, rays)
        nearer = hit < reach
        reach = np.where(nearer, hit, reach)
        normal[nearer] = -np.sign(rays[nearer]) * np.eye(3)[axis_hit[nearer]]
        colour[nearer] = box.colour

    points = eye + rays * reach[..., None]
    flat_points, flat_normal = points.reshape(-1, 3), normal.reshape(-1, 3)
    lit = np.zeros(len(flat_points), np.float32)
    generator = np.random.default_rng(6)
    for _ in range(4):  # a lamp of some size: soft edges
        towards = light.direction + generator.normal(0, 0.02, 3)
        open_sky = np.ones(len(flat_points), bool)
        start = flat_points + 1e-3 * flat_normal
        for box in _BOXES:
            distance, _ = _hit_box(box, start, np.broadcast_to(towards, start.shape))
            open_sky &= ~np.isfinite(distance)
        lit += open_sky / 4
    shaded = light.shade(flat_normal.astype(np.float32), lit).reshape(points.shape) * colour**2.2
    # Corners get less of the sky.
    inside = np.minimum(np.minimum(points[..., 0] + _SIDE, _SIDE - points[..., 0]), points[..., 2] - _BACK)
    inside = np.where(np.abs(normal[..., 1]) > 0.5, inside, points[..., 1])
    shaded *= (1 - 0.3 * np.exp(-np.maximum(inside, 0) / 0.25))[..., None]
    height, width = camera.size[1], camera.size[0]
    small = shaded.reshape(height, supersample, width, supersample, 3).mean((1, 3))
    centre = points[supersample // 2 :: supersample, supersample // 2 :: supersample]
    return Background(
        ndimage.gaussian_filter(small, (0.35, 0.35, 0)).astype(np.float32),
        np.ones((height, width), bool),
        centre.astype(np.float32),
    )
