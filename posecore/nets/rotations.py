"""Rotations as networks regress them: axis-angle, and the 6-D form of Zhou et al. 2019 in its two layouts."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import normalize

__all__ = ["SixDLayout", "axis_angle_to_matrix", "matrix_to_six_d", "six_d_to_matrix"]

#: How the first two columns a, b of a rotation matrix become six numbers. ``"2x3"``: a then b, read back with
#: ``reshape(-1, 2, 3)`` (Zhou et al. 2019; HMR 2.0). ``"3x2"``: a and b in turn, ``view(-1, 3, 2)`` (SPIN, VIBE, PARE).
#: (pytorch3d has the six numbers of ``"2x3"`` too, but means the first two *rows*: the transposed rotation.)
SixDLayout = Literal["2x3", "3x2"]

_LAYOUTS = ("2x3", "3x2")


def axis_angle_to_matrix(vectors: Tensor) -> Tensor:
    """Rodrigues' formula, with a gradient at zero, too.

    Args:
        vectors: (..., 3) axis times angle, radians.

    Returns:
        (..., 3, 3) rotation matrices.
    """
    squared = (vectors**2).sum(-1)[..., None, None]
    small = squared < 1e-8
    angle = torch.where(small, torch.ones_like(squared), squared).sqrt()
    sine = torch.where(small, 1 - squared / 6, angle.sin() / angle)
    # (1 - cos) / angle² by the half angle: no difference of nearly equal numbers in float32.
    cosine = torch.where(small, 0.5 - squared / 24, 0.5 * ((angle / 2).sin() / (angle / 2)) ** 2)
    x, y, z = vectors.unbind(-1)
    zero = torch.zeros_like(x)
    cross = torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], -1).unflatten(-1, (3, 3))
    outer = vectors[..., :, None] * vectors[..., None, :]
    eye = torch.eye(3, dtype=vectors.dtype, device=vectors.device)
    return eye + sine * cross + cosine * (outer - squared * eye)


def six_d_to_matrix(values: Tensor, layout: SixDLayout = "2x3") -> Tensor:
    """Gram-Schmidt on the first two columns; the third is their cross product (Zhou et al. 2019, eq. 15–16).

    Args:
        values: (..., 6), any length but not zero and the two not parallel.
        layout: see :data:`SixDLayout`.

    Returns:
        (..., 3, 3) rotation matrices.

    Raises:
        ValueError: unknown layout, or not six numbers.
    """
    _check(layout)
    if values.shape[-1] != 6:
        raise ValueError(f"expected (..., 6), got {tuple(values.shape)}")
    if layout == "2x3":
        first, second = values.unflatten(-1, (2, 3)).unbind(-2)
    else:
        first, second = values.unflatten(-1, (3, 2)).unbind(-1)
    first = normalize(first, dim=-1)
    second = normalize(second - (first * second).sum(-1, keepdim=True) * first, dim=-1)
    return torch.stack([first, second, torch.linalg.cross(first, second)], -1)


def matrix_to_six_d(matrices: Tensor, layout: SixDLayout = "2x3") -> Tensor:
    """(..., 3, 3) rotation matrices → (..., 6); the inverse of :func:`six_d_to_matrix`."""
    _check(layout)
    columns = matrices[..., :2]
    return (columns.mT if layout == "2x3" else columns).flatten(-2)


def _check(layout: str) -> None:
    if layout not in _LAYOUTS:
        raise ValueError(f"layout must be one of {', '.join(_LAYOUTS)}, got {layout!r}")
