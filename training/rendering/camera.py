"""A pinhole camera: world (Y up) -> camera (x right, y down, z away) -> pixels (centre of the top-left is 0, 0)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

__all__ = ["Camera", "frame_person", "look_from"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Camera:
    """A camera without lens distortion.

    Attributes:
        rotation, translation: (3, 3) and (3,); a world point X is at ``rotation @ X + translation`` metres.
        focal: pixels.
        centre: (2,) principal point, pixels.
        size: (width, height) pixels.
    """

    rotation: Array
    translation: Array
    focal: float
    centre: Array
    size: tuple[int, int]

    @property
    def position(self) -> Array:
        """(3,) the eye, world metres."""
        return -self.rotation.T @ self.translation

    def to_camera(self, points: NDArray[np.floating]) -> Array:
        """(..., 3) world -> (..., 3) camera frame, metres."""
        return points @ self.rotation.T + self.translation

    def project(self, points: NDArray[np.floating]) -> Array:
        """(..., 3) world -> (..., 2) pixels. The points must lie in front of the camera."""
        camera = self.to_camera(points)
        return camera[..., :2] / camera[..., 2:] * self.focal + self.centre

    def rays(self) -> Array:
        """(height, width, 3) world directions through the pixel centres, with camera depth 1."""
        width, height = self.size
        x, y = np.meshgrid(np.arange(width), np.arange(height))
        directions = np.stack(
            [(x - self.centre[0]) / self.focal, (y - self.centre[1]) / self.focal, np.ones((height, width))], -1
        )
        return directions @ self.rotation

    def scaled(self, factor: float) -> Camera:
        """The same view with ``factor`` times as many pixels a side."""
        size = (round(self.size[0] * factor), round(self.size[1] * factor))
        # A pixel's centre is its middle, so the origin moves by half a pixel of each.
        return Camera(self.rotation, self.translation, self.focal * factor, (self.centre + 0.5) * factor - 0.5, size)


def look_from(azimuth: float, elevation: float, roll: float = 0.0) -> Array:
    """World-to-camera rotation (3, 3).

    Args:
        azimuth: where the camera stands about the person, radians; 0 = in front of one who faces +Z, +90° = at
            their left.
        elevation: radians above the horizon.
        roll: clockwise turn of the picture, radians.
    """
    level = np.diag([1.0, -1.0, -1.0])  # camera on +Z looking along -Z
    around = Rotation.from_euler("Y", -azimuth).as_matrix()
    tilt = Rotation.from_euler("X", elevation).as_matrix()
    turn = Rotation.from_euler("Z", roll).as_matrix()
    return turn @ level @ tilt @ around


def frame_person(
    rotation: Array, points: NDArray[np.floating], focal: float, size: tuple[int, int], fill: float, middle: Array
) -> Camera:
    """Place a camera so that points fill a given part of the picture.

    Args:
        rotation: (3, 3) world to camera.
        points: (N, 3) world, all of the person.
        focal: pixels.
        fill: larger side of the points' bounding box over the picture's smaller side.
        middle: (2,) pixel where the box's centre comes to lie. The principal point is shifted to get there, as when a
            crop is cut from a larger picture.
    """
    target = points.mean(0)
    turned = (points - target) @ rotation.T
    side = fill * min(size)
    distance = focal * np.ptp(turned[:, :2], axis=0).max() / side
    for _ in range(4):  # perspective changes the extent a little
        depth = np.maximum(turned[:, 2:] + distance, 0.1)
        pixels = turned[:, :2] / depth * focal
        distance = max(distance * np.ptp(pixels, axis=0).max() / side, 0.3 - turned[:, 2].min())
    pixels = turned[:, :2] / (turned[:, 2:] + distance) * focal
    box_centre = (pixels.min(0) + pixels.max(0)) / 2
    translation = np.array([0.0, 0.0, distance]) - rotation @ target
    return Camera(rotation, translation, float(focal), np.asarray(middle, float) - box_centre, size)
