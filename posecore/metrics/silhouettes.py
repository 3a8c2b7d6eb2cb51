"""Overlap of silhouettes."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from posecore.metrics.arrays import mask_of, masked_mean

__all__ = ["silhouette_iou"]


def silhouette_iou(prediction: ArrayLike, truth: ArrayLike, mask: ArrayLike | None = None) -> float:
    """Intersection over union, mean over pictures.

    Args:
        prediction, truth: (..., H, W), true or > 0 on the person.
        mask: (...,), pictures that count. A picture without anybody in either does not count.
    """
    found, wanted = np.asarray(prediction) > 0, np.asarray(truth) > 0
    if found.shape != wanted.shape or found.ndim < 2:
        raise ValueError(f"expected equal shapes (..., H, W), got {found.shape} and {wanted.shape}")
    both = (found & wanted).sum((-1, -2)).astype(np.float64)
    either = (found | wanted).sum((-1, -2)).astype(np.float64)
    weight = mask_of(mask, either.shape) * (either > 0)
    return masked_mean(both / np.where(either > 0, either, 1.0), weight)
