"""Order of depths (seed 004; Pavlakos et al. 2018)."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from posecore.metrics.arrays import Array, mask_of, masked_mean

__all__ = ["ordinal_depth_accuracy", "relations_of"]


def relations_of(depth: Array, margin: float = 0.5) -> NDArray[np.int8]:
    """Ordinal relations of depths: +1 where the row's joint is nearer than the column's, −1 further, 0 about as far.

    The sign is the rank loss's and Pavlakos et al.'s; "about as far" is less than ``margin`` apart, at the depths' own
    scale: seed 004's 0.5 for what its nets give, a length in metres for labels from 3D.

    Args:
        depth: (..., J), + away from the camera.

    Returns:
        (..., J, J) in {-1, 0, 1}.
    """
    z = np.asarray(depth, np.float64)
    nearer = z[..., None, :] - z[..., :, None]
    return (np.sign(nearer) * (np.abs(nearer) >= margin)).astype(np.int8)


def ordinal_depth_accuracy(
    depth: Array, relations: ArrayLike, mask: ArrayLike | None = None, margin: float = 0.5, diagonal: bool = False
) -> float:
    """Share of joint pairs whose :func:`relations_of` are the labels (seed 004's Ordinal Depth Accuracy).

    Args:
        depth: (..., J) predicted, + away from the camera, at the net's own scale.
        relations: (..., J, J) in {-1, 0, 1}, labels of the same sign as :func:`relations_of`.
        mask: (..., J, J), pairs that count.
        diagonal: also count each joint with itself, which is right for any net (1 / J of all pairs).
    """
    found = relations_of(depth, margin)
    wanted = np.asarray(relations)
    if found.shape != wanted.shape:
        raise ValueError(f"expected relations of shape {found.shape}, got {wanted.shape}")
    weight = mask_of(mask, found.shape)
    if not diagonal:
        weight = weight * ~np.eye(found.shape[-1], dtype=bool)
    return masked_mean((found == wanted).astype(np.float64), weight)
