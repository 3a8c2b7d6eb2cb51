# SPDX-License-Identifier: GPL-3.0-or-later
"""Rotations as the numbers that a bone's rotation mode keeps, free of flips. Plain numpy."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from posecore.motion import continuous

from .axes import wxyz

__all__ = ["PROPERTY", "rotation_channels"]

Array = NDArray[np.float64]

#: Name of the pose bone's property, by rotation mode; all others are Euler orders.
PROPERTY = {"QUATERNION": "rotation_quaternion", "AXIS_ANGLE": "rotation_axis_angle"}
_LOCKED = 1e-5  # cosine of the middle angle under which an Euler triple is locked


def rotation_channels(quaternions: NDArray[np.floating], mode: str) -> tuple[str, Array]:
    """What to key for a bone.

    Args:
        quaternions: (T, 4) xyzw.
        mode: Blender's rotation mode.

    Returns:
        the property's name and its values (T, 4) or (T, 3), which never jump where the rotation does not.
    """
    if mode == "QUATERNION":
        return PROPERTY[mode], wxyz(continuous(np.asarray(quaternions, np.float64)))
    if mode == "AXIS_ANGLE":
        return PROPERTY[mode], _axis_angle(np.asarray(quaternions, np.float64))
    return "rotation_euler", _euler(np.asarray(quaternions, np.float64), mode)


def _axis_angle(quaternions: Array) -> Array:
    """(T, 4) angle, x, y, z. The axis keeps its sense while the angle passes zero."""
    quaternions = continuous(quaternions)
    sines = np.linalg.norm(quaternions[:, :3], axis=1)
    turned = sines > 1e-7
    axes = np.tile(np.array([0.0, 1.0, 0.0]), (len(quaternions), 1))
    axes[turned] = quaternions[turned, :3] / sines[turned, None]
    # Where nothing turns any axis is as good: that of the last frame that turned, before it that of the first.
    known = np.flatnonzero(turned)
    if len(known):
        axes = axes[known[np.clip(np.searchsorted(known, np.arange(len(axes)), side="right") - 1, 0, None)]]
    angles = 2.0 * np.arctan2(sines, quaternions[:, 3])
    signs = np.ones(len(axes))
    signs[1:] = np.cumprod(np.where((axes[1:] * axes[:-1]).sum(1) < 0, -1.0, 1.0))
    angles = np.unwrap(angles * signs)
    angles -= 2 * np.pi * np.round(angles[0] / (2 * np.pi))
    return np.column_stack([angles, axes * signs[:, None]])


def _euler(quaternions: Array, mode: str) -> Array:
    """(T, 3) x, y, z angles in one of Blender's orders, each frame's nearest to the frame before."""
    # Blender's "XYZ" turns about x first, then y, then z, about fixed axes: scipy's lower case.
    order = ["XYZ".index(letter) for letter in mode]
    matrices = Rotation.from_quat(quaternions).as_matrix()
    first, second, third = order
    sign = 1.0 if (second - first) % 3 == 1 else -1.0  # an even permutation
    # matrix = R_third(c) R_second(b) R_first(a)
    sine = -sign * matrices[:, third, first]
    cosine = np.hypot(matrices[:, first, first], matrices[:, second, first])
    b = np.arctan2(sine, cosine)
    a = np.arctan2(sign * matrices[:, third, second], matrices[:, third, third])
    c = np.arctan2(sign * matrices[:, second, first], matrices[:, first, first])
    locked = cosine < _LOCKED
    together = np.arctan2(-sign * matrices[:, first, second], matrices[:, second, second])  # c ∓ a where locked
    for frame in np.flatnonzero(locked):
        # Only c - a (b = +90°) or c + a (b = -90°) counts: leave a where it was.
        a[frame] = a[frame - 1] if frame else 0.0
        c[frame] = together[frame] + (a[frame] if b[frame] > 0 else -a[frame])
    out = np.empty((len(b), 3))
    out[:, order] = _nearest(np.column_stack([a, b, c]))
    return out


def _wrapped(angles: Array) -> Array:
    return np.abs((angles + np.pi) % (2 * np.pi) - np.pi)


def _nearest(angles: Array) -> Array:
    """Of all triples that mean the same rotation, in every frame the one nearest to that of the frame before.

    (a, b, c) and (a + π, π - b, c + π) mean the same; two frames in the other form are as far apart as in this one,
    so whether a frame *changes* the form can be told without knowing which form it came from.
    """
    other = np.column_stack([angles[:, 0] + np.pi, np.pi - angles[:, 1], angles[:, 2] + np.pi])
    kept = _wrapped(angles[1:] - angles[:-1]).sum(1)
    changed = _wrapped(other[1:] - angles[:-1]).sum(1)
    form = np.concatenate([[0], np.cumsum(changed < kept) % 2])
    return np.unwrap(np.where(form[:, None] == 1, other, angles), axis=0)
