"""Euler angles that do not flip: of the many triples for one rotation, the nearest to the last frame's."""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

__all__ = ["continuous_euler"]


def continuous_euler(quaternions: NDArray[np.floating], order: str) -> NDArray[np.float64]:
    """Intrinsic Euler angles over time without jumps.

    A rotation about three different axes a, b, c has two triples, (α, β, γ) and (α+π, π-β, γ+π),
    each up to whole turns; the one nearest to the previous frame is taken, so angles may leave
    ±180°. Within a hair of the lock (β = ±90°) only α±γ is known: γ is then kept.

    Args:
        quaternions: (T, ..., 4) xyzw.
        order: three different axes, e.g. ``"ZXY"`` for R = Rz Rx Ry (the BVH reading of channels).

    Returns:
        (T, ..., 3) radians, in the order of ``order``.

    Raises:
        ValueError: ``order`` is not a permutation of XYZ.
    """
    if sorted(order) != ["X", "Y", "Z"]:
        raise ValueError(f"an Euler order is a permutation of XYZ, got {order!r}")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # scipy's gimbal lock: handled below
        angles = Rotation.from_quat(quaternions.reshape(-1, 4)).as_euler(order)
    angles = angles.reshape(len(quaternions), -1, 3)
    even = 1.0 if order in ("XYZ", "YZX", "ZXY") else -1.0
    for now in range(1, len(angles)):
        angles[now] = _nearest(angles[now], angles[now - 1], even)
    return angles.reshape(*quaternions.shape[:-1], 3)


def _nearest(angles: NDArray[np.float64], previous: NDArray[np.float64], even: float) -> NDArray[np.float64]:
    """Of the triples equal to ``angles`` (J, 3), those nearest to ``previous``; ``even`` = parity of the order."""
    first, middle, last = angles.T
    locked = np.abs(np.abs(middle) - np.pi / 2) < 1e-6
    kept = np.where(locked, previous[:, 2], last)
    first = first + even * np.sign(middle) * (last - kept)  # what is left of α ± γ
    one = np.stack([first, middle, kept], axis=-1)
    other = np.stack([first + np.pi, np.pi - middle, kept + np.pi], axis=-1)
    candidates = np.stack([one, other])  # (2, J, 3)
    candidates += 2 * np.pi * np.round((previous - candidates) / (2 * np.pi))
    best = np.abs(candidates - previous).sum(axis=-1).argmin(axis=0)
    return candidates[best, np.arange(len(best))]
