"""Virtual pinhole cameras around a moving body: what a phone, a webcam or a tripod would see of it.

Bodies are given in the world frame (Y up). The lifter's target is the *ray frame*: the camera turned so that it
looks at the pelvis (x right, y down, z away). A picture cut out around a person says nothing of where in the
frame the person stood, so that frame is all that a net can know; see :mod:`posecore.capturing.rays`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from posecore.capturing.rays import ray_rotation
from posecore.skeletons import BODY_21

__all__ = ["Cameras", "draw_cameras", "project", "see"]

Array = NDArray[np.float32]

# World (x, Y up, z) to a camera that looks along -Z of the world: x right, y down, z away.
_TO_CAMERA = np.diag([1.0, -1.0, -1.0])
_NEAREST = 1.5  # m from the camera to a pelvis that walks towards it


@dataclass(frozen=True)
class Cameras:
    """One camera per sample.

    Attributes:
        rotation: (N, 3, 3) world directions to the frame of a camera that looks at the body.
        tilt: (N, 3, 3) from there to the camera frame: the person is seldom in the middle of the picture.
        distance: (N,) m from the camera to the body.
    """

    rotation: Array
    tilt: Array
    distance: Array


def _about(axis: str, angle: NDArray[np.floating]) -> Array:
    """(N, 3, 3) right-handed rotations about a coordinate axis."""
    i, j = {"x": (1, 2), "y": (2, 0), "z": (0, 1)}[axis]
    matrix = np.tile(np.eye(3, dtype=np.float32), (len(angle), 1, 1))
    matrix[:, i, i] = matrix[:, j, j] = np.cos(angle)
    matrix[:, i, j], matrix[:, j, i] = -np.sin(angle), np.sin(angle)
    return matrix


def draw_cameras(rng: np.random.Generator, count: int) -> Cameras:
    """Cameras from all headings, mostly near eye or chest height, 2 to 9 m away, held nearly level.

    Every twentieth is rolled by any angle (people that lie or turn somersaults), every tenth looks from high up.
    """
    heading = rng.uniform(-np.pi, np.pi, count)
    elevation = np.radians(rng.normal(6.0, 12.0, count))
    high = rng.random(count) < 0.1
    elevation = np.where(high, np.radians(rng.uniform(10, 60, count)), elevation)
    roll = np.radians(rng.normal(0.0, 4.0, count))
    roll = np.where(rng.random(count) < 0.05, rng.uniform(-np.pi, np.pi, count), roll)
    distance = np.exp(rng.uniform(np.log(2.0), np.log(9.0), count))
    # Looking down by the elevation turns the world about the camera's x; heading turns it about Y.
    rotation = _about("z", roll) @ _about("x", elevation) @ (_TO_CAMERA @ _about("y", heading))
    tilt = _about("y", np.radians(rng.normal(0, 9.0, count))) @ _about("x", np.radians(rng.normal(0, 5.0, count)))
    return Cameras(rotation.astype(np.float32), tilt.astype(np.float32), distance.astype(np.float32))


def project(points: NDArray[np.floating], focal: float = 1.0, centre: tuple[float, float] = (0.0, 0.0)) -> Array:
    """Pinhole projection of (..., 3) camera-frame points to (..., 2), u = f x/z + cx, v = f y/z + cy."""
    return (focal * points[..., :2] / points[..., 2:] + np.asarray(centre)).astype(np.float32)


def see(joints: Array, cameras: Cameras, offsets: Array | None = None) -> tuple[Array, Array]:
    """What the cameras see of moving bodies.

    Args:
        joints: (N, T, 21, 3) m, world frame. Each camera is placed by the middle frame and stands still.
        cameras: N cameras.
        offsets: (N, T, 21, 3) m, world frame, added before projection only: where a detector sees a joint
            beside its place.

    Returns:
        keypoints (N, T, 21, 2) at focal length 1, and joints (N, T, 21, 3) m, root-relative, ray frame.
    """
    pelvis = BODY_21.index("pelvis")
    root = joints[:, :, pelvis]
    local = joints - root[:, :, None]
    path = root - root[:, root.shape[1] // 2, None]
    turn = cameras.tilt @ cameras.rotation
    place = np.einsum("nij,ntj->nti", turn, path)
    place += cameras.tilt[:, None, :, 2] * cameras.distance[:, None, None]
    # Whoever walks into the camera is kept at a distance instead.
    place[..., 2] = np.maximum(place[..., 2], _NEAREST)
    local_camera = np.einsum("nij,ntkj->ntki", turn, local)
    shown = local_camera if offsets is None else local_camera + np.einsum("nij,ntkj->ntki", turn, offsets)
    shown = shown + place[:, :, None]
    shown[..., 2] = np.maximum(shown[..., 2], 0.3)
    ray = ray_rotation(place)
    return project(shown), np.einsum("ntij,ntkj->ntki", ray, local_camera).astype(np.float32)
