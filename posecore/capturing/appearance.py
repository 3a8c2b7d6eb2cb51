"""What a person looks like, just well enough to tell them from a bystander: the colours of the trunk."""

from __future__ import annotations

from itertools import product

import numpy as np
from numpy.typing import NDArray

from posecore.capturing.estimators import Pose
from posecore.capturing.regions import Region, crop
from posecore.skeletons import BODY_21

__all__ = ["Look", "likeness", "look_of"]

#: Square roots of the shares of 64 colours; a unit vector.
Look = NDArray[np.float32]

_PIXELS = 12
_SHADES = 4
_PLACES = np.array([_SHADES * _SHADES, _SHADES, 1])
# A trunk of fewer pixels shows more of the background than of the clothes.
_LEAST = 6.0


def look_of(image: NDArray[np.uint8], pose: Pose) -> Look | None:
    """The colours between the shoulders and the hips of ``pose`` in an (H, W, 3) RGB picture.

    None where the trunk is too small or not seen well enough.
    """
    corners = BODY_21.indices(["l_shoulder", "r_shoulder", "l_hip", "r_hip"])
    points = pose.keypoints[corners].astype(np.float64)
    if not np.isfinite(points).all() or pose.confidence[corners].min() < 0.2:
        return None
    neck, hips = points[:2].mean(axis=0), points[2:].mean(axis=0)
    length = float(np.linalg.norm(neck - hips))
    if length < _LEAST:
        return None
    centre = (neck + hips) / 2
    patch = crop(image, Region((float(centre[0]), float(centre[1])), 0.6 * length), _PIXELS)
    # Each pixel counts for the two nearest shades of a channel: a cloud before the sun changes little.
    place = np.clip(patch.reshape(-1, 3) * (_SHADES / 256.0) - 0.5, 0.0, _SHADES - 1.0)
    lower = np.minimum(place.astype(np.int64), _SHADES - 2)
    share = place - lower
    colours = np.zeros(_SHADES**3)
    for step in product((0, 1), repeat=3):
        weight = np.where(step, share, 1.0 - share).prod(axis=1)
        colours += np.bincount((lower + step) @ _PLACES, weight, minlength=len(colours))
    return np.sqrt(colours / colours.sum()).astype(np.float32)


def likeness(a: Look, b: Look) -> float:
    """1 for the same colours in the same shares, 0 for none in common (Bhattacharyya's coefficient)."""
    return float(a @ b)
