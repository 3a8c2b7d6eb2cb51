"""Rotation matrices over time: small vectorised helpers; knows nothing of bodies.

Arrays are (T, 3) vectors and (T, 3, 3) matrices that act on column vectors.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["about", "frame_from", "orthogonal", "phase_about", "ramp", "swing", "turn", "unit"]

Array = NDArray[np.floating]


def unit(vectors: Array) -> Array:
    """Vectors of length 1; a zero vector stays zero."""
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-9)


def dot(a: Array, b: Array) -> Array:
    """Scalar products (T,)."""
    return np.einsum("...i,...i->...", a, b)


def turn(matrices: Array, vector: Array) -> Array:
    """``matrices`` (T, 3, 3) applied to one vector (3,) or to (T, 3)."""
    return (
        np.einsum("tij,...j->ti", matrices, vector) if vector.ndim == 1 else np.einsum("tij,tj->ti", matrices, vector)
    )


def orthogonal(vectors: Array, axis: Array) -> Array:
    """``vectors`` without their part along the unit vectors ``axis``; not normalised."""
    return vectors - dot(vectors, axis)[..., None] * axis


def frame_from(x: Array, y: Array) -> Array:
    """The frames whose x axis is the unit ``x`` exactly and whose y axis lies nearest to ``y``."""
    up = unit(orthogonal(y, x))
    return np.stack([x, up, np.cross(x, up)], axis=-1)


def swing(start: Array, end: Array) -> Array:
    """The smallest rotations that take unit vectors ``start`` to unit vectors ``end``.

    Opposite vectors, where the axis is free, turn about an axis square to ``start``.
    """
    v = np.cross(start, end)
    c = dot(start, end)
    k = np.zeros((*v.shape[:-1], 3, 3))
    k[..., 0, 1], k[..., 0, 2], k[..., 1, 2] = -v[..., 2], v[..., 1], -v[..., 0]
    k[..., 1, 0], k[..., 2, 0], k[..., 2, 1] = v[..., 2], -v[..., 1], v[..., 0]
    matrices = np.eye(3) + k + k @ k / np.maximum(1 + c, 1e-8)[..., None, None]
    opposite = c < -1 + 1e-7
    if opposite.any():
        first = start[opposite]
        least = np.eye(3)[np.abs(first).argmin(axis=-1)]
        axis = unit(np.cross(first, least))
        matrices[opposite] = 2 * axis[:, :, None] * axis[:, None, :] - np.eye(3)
    return matrices


def about(axis: Array, angle: Array) -> Array:
    """Rotations by ``angle`` (T,) radians about unit vectors ``axis`` (T, 3) (Rodrigues)."""
    k = np.zeros((len(axis), 3, 3))
    k[:, 0, 1], k[:, 0, 2], k[:, 1, 2] = -axis[:, 2], axis[:, 1], -axis[:, 0]
    k[:, 1, 0], k[:, 2, 0], k[:, 2, 1] = axis[:, 2], -axis[:, 1], axis[:, 0]
    s, c = np.sin(angle)[:, None, None], np.cos(angle)[:, None, None]
    return np.eye(3) + s * k + (1 - c) * (k @ k)


def phase_about(axis: Array, start: Array, end: Array) -> Array:
    """Angles (T,) radians in [-pi, pi] that turn ``start`` to ``end`` about unit vectors ``axis``."""
    return np.arctan2(dot(np.cross(start, end), axis), dot(start, end) - dot(start, axis) * dot(end, axis))


def ramp(values: Array, low: Array | float, high: Array | float) -> Array:
    """0 below ``low``, 1 above ``high``, smooth between."""
    x = np.clip((values - low) / (high - low), 0.0, 1.0)
    return x * x * (3 - 2 * x)
