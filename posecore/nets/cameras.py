"""Cameras of the body regressor: 6-DoF pose (seed 003), weak perspective (HMR), 2×3 affine (RepNet).

All take body points in the *world frame* (Y up, the person at rest faces +Z, metres) **with the pelvis at the origin**,
and give **normalised crop coordinates**: x right, y down, (pixels + ½) · 2 / side − 1, so that a crop spans [-1, 1]
(:func:`to_crop`, :func:`to_pixels`). A camera at rest is level and looks at the person's face:
:func:`level_view` turns the world frame into such a camera's (x right, y down, z away), and every rotation or matrix
regressed is a change of it, so that zero is upright and facing the camera, far from the axis-angle's cut at 180°.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

__all__ = [
    "CAMERA_KINDS",
    "AffineCamera",
    "Camera",
    "CameraKind",
    "SixDofCamera",
    "WeakPerspectiveCamera",
    "level_view",
    "project_affine",
    "project_perspective",
    "project_weak_perspective",
    "to_crop",
    "to_pixels",
]

CameraKind = Literal["six_dof", "weak_perspective", "affine"]
CAMERA_KINDS: tuple[CameraKind, ...] = ("six_dof", "weak_perspective", "affine")

#: Nearer than this (metres) a perspective camera goes on by the tangent of 1/z, so that a body that a bad step has put
#: behind the camera has a finite projection and a gradient that brings it back.
NEAR = 0.3


def to_crop(pixels: Tensor, side: float) -> Tensor:
    """Pixels of a square crop (centre of the top-left one: 0, 0) → normalised crop coordinates."""
    return (pixels + 0.5) * (2.0 / side) - 1.0


def to_pixels(points: Tensor, side: float) -> Tensor:
    """Normalised crop coordinates → pixels of a square crop of that side."""
    return (points + 1.0) * (side / 2.0) - 0.5


def level_view(like: Tensor) -> Tensor:
    """(3, 3) world frame (Y up, the person faces +Z) → frame of a level camera before the person: diag(1, -1, -1)."""
    return torch.diag(torch.tensor([1.0, -1.0, -1.0], dtype=like.dtype, device=like.device))


def project_perspective(points: Tensor, focal: float | Tensor, near: float = NEAR) -> Tensor:
    """Pinhole with the principal point in the middle of the crop.

    Args:
        points: (N, P, 3) camera frame, metres.
        focal: in halves of the crop's side (pixels · 2 / side): one number, or (N,).
        near: see :data:`NEAR`; exact at z ≥ near.

    Returns:
        (N, P, 2) normalised crop coordinates.
    """
    z = points[..., 2:]
    safe = z.clamp_min(near)
    inverse = torch.where(z >= near, 1.0 / safe, (2.0 - z / near) / near)
    scale = focal[:, None, None] if isinstance(focal, Tensor) else focal
    return points[..., :2] * inverse * scale


def project_weak_perspective(points: Tensor, scale: Tensor, translation: Tensor) -> Tensor:
    """s · (X + t), as HMR projects (Kanazawa et al. 2018, code; the paper prints s·Π(RX) + t).

    Args:
        points: (N, P, 3) camera frame, metres; z is dropped.
        scale: (N,) halves of the crop's side per metre.
        translation: (N, 2) metres.

    Returns:
        (N, P, 2) normalised crop coordinates.
    """
    return scale[:, None, None] * (points[..., :2] + translation[:, None])


def project_affine(points: Tensor, matrix: Tensor, centre: Tensor | None = None) -> Tensor:
    """K · X (Wandt and Rosenhahn 2019, reprojection layer), around the pelvis' place, as RepNet centres its 2D poses.

    Args:
        points: (N, P, 3) camera frame, metres, pelvis at the origin.
        matrix: (N, 2, 3) halves of the crop's side per metre.
        centre: (N, 2) where the pelvis is, normalised; None is the middle of the crop.

    Returns:
        (N, P, 2) normalised crop coordinates.
    """
    projected = points @ matrix.mT
    return projected if centre is None else projected + centre[:, None]


@dataclass(frozen=True, eq=False)
class SixDofCamera:
    """A camera with a pose and a given focal length. The person's orientation is in it: θ has no root.

    Attributes:
        rotation: (N, 3, 3) world → camera frame.
        translation: (N, 3) metres: where the pelvis is, camera frame.
        focal: halves of the crop's side, given and not regressed: a number, or (N,).
        near: see :data:`NEAR`.
    """

    rotation: Tensor
    translation: Tensor
    focal: float | Tensor
    near: float = NEAR

    def to_camera(self, points: Tensor) -> Tensor:
        """(N, P, 3) world frame, metres → camera frame, metres."""
        return points @ self.rotation.mT + self.translation[:, None]

    def project(self, points: Tensor) -> Tensor:
        """(N, P, 3) world frame, metres, pelvis at the origin → (N, P, 2) normalised crop coordinates."""
        return project_perspective(self.to_camera(points), self.focal, self.near)


@dataclass(frozen=True, eq=False)
class WeakPerspectiveCamera:
    """HMR's camera: level, without perspective. The person's orientation is θ's root.

    Attributes:
        scale: (N,) halves of the crop's side per metre.
        translation: (N, 2) metres, x right, y down.
    """

    scale: Tensor
    translation: Tensor

    @property
    def rotation(self) -> Tensor:
        """(N, 3, 3) world → camera frame: that of a level camera, always."""
        return level_view(self.scale).expand(len(self.scale), 3, 3)

    def project(self, points: Tensor) -> Tensor:
        """(N, P, 3) world frame, metres, pelvis at the origin → (N, P, 2) normalised crop coordinates."""
        return project_weak_perspective(points @ self.rotation.mT, self.scale, self.translation)


@dataclass(frozen=True, eq=False)
class AffineCamera:
    """RepNet's camera: any linear map of the level view. The person's orientation is θ's root.

    Attributes:
        matrix: (N, 2, 3) halves of the crop's side per metre, of points in a level camera's frame.
        centre: (N, 2) where the pelvis is, normalised, given and not regressed; None is the middle of the crop.
    """

    matrix: Tensor
    centre: Tensor | None = None

    @property
    def rotation(self) -> Tensor:
        """(N, 3, 3) world → camera frame: that of a level camera, always (the matrix may turn further)."""
        return level_view(self.matrix).expand(len(self.matrix), 3, 3)

    def project(self, points: Tensor) -> Tensor:
        """(N, P, 3) world frame, metres, pelvis at the origin → (N, P, 2) normalised crop coordinates."""
        return project_affine(points @ self.rotation.mT, self.matrix, self.centre)


Camera = SixDofCamera | WeakPerspectiveCamera | AffineCamera
