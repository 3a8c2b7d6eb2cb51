# SPDX-License-Identifier: GPL-3.0-or-later
"""Blender's axes and ours: Z up against Y up, wxyz against xyzw. The only module that knows both.

One Blender unit counts as one metre. ``unit_settings.scale_length`` only changes how lengths are *shown*; a figure
modelled in other units comes out right all the same, because paths are scaled by the lengths of legs.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["TO_WORLD", "from_world", "to_array", "wxyz"]

#: (4, 4): Blender's world (Z up, a person facing -Y) → posecore's (Y up, facing +Z); their left stays +X.
TO_WORLD: NDArray[np.float64] = np.array([[1, 0, 0, 0], [0, 0, 1, 0], [0, -1, 0, 0], [0, 0, 0, 1]], np.float64)


def to_array(matrix: Any) -> NDArray[np.float64]:
    """A ``mathutils.Matrix`` as an array."""
    return np.array([list(row) for row in matrix], np.float64)


def from_world(points: NDArray[np.floating]) -> NDArray[np.float64]:
    """(..., 3) places in posecore's world → Blender's."""
    x, y, z = np.moveaxis(np.asarray(points, np.float64), -1, 0)
    return np.stack([x, -z, y], axis=-1)


def wxyz(quaternions: NDArray[np.floating]) -> NDArray[np.float64]:
    """(..., 4) xyzw → wxyz."""
    return np.roll(np.asarray(quaternions, np.float64), 1, axis=-1)
