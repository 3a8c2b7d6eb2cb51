"""The two figures of seed 003's tables 1 and 2, exact, in pixels of a crop of 224.

The seed prints neither their units nor what is summed. They are read as means here, per coordinate and per pixel: its
baseline's KPR 2.64 and MR 27.09 are then under 3 px a coordinate and about 4 px (root mean square)
each way, which is likely.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.ndimage import distance_transform_edt

from posecore.metrics.arrays import blanked, checked, mask_of, masked_mean

__all__ = ["keypoint_reprojection_error", "silhouette_reprojection_error"]

_SIDE = 224.0


def keypoint_reprojection_error(
    prediction: ArrayLike, truth: ArrayLike, mask: ArrayLike | None = None, side: float = _SIDE
) -> float:
    """KPR: mean absolute error of a coordinate over all visible joints, px of a 224 crop.

    Args:
        prediction, truth: (..., J, 2) px of crops of that side; mask (..., J).
    """
    found, wanted = checked(prediction, truth, 2)
    weight = mask_of(mask, found.shape[:-1])
    errors = np.abs(blanked(found, weight) - blanked(wanted, weight)).mean(-1)
    return masked_mean(errors, weight) * _SIDE / side


def silhouette_reprojection_error(prediction: ArrayLike, truth: ArrayLike, mask: ArrayLike | None = None) -> float:
    """MR (eq. 1, with means for its sums): px² of a 224 crop, mean over pictures.

    The mean over the predicted silhouette's pixels of the squared distance to the true silhouette, plus the mean over
    the true one's pixels of the squared distance to the predicted. A prediction without a pixel (nobody in the crop)
    is taken as a crop's diagonal away.

    Args:
        prediction, truth: (..., S, S), true or > 0 on the person.
        mask: (...,), pictures that count; those without a true silhouette never do.
    """
    found, wanted = np.asarray(prediction) > 0, np.asarray(truth) > 0
    if found.shape != wanted.shape or found.ndim < 2 or found.shape[-1] != found.shape[-2]:
        raise ValueError(f"expected equal shapes (..., S, S), got {found.shape} and {wanted.shape}")
    side = found.shape[-1]
    known = wanted.any((-1, -2))
    weight = mask_of(mask, known.shape) * known
    pairs = zip(found.reshape(-1, side, side), wanted.reshape(-1, side, side), weight.ravel(), strict=True)
    values = [_both_ways(a, b) if counts else 0.0 for a, b, counts in pairs]
    return masked_mean(np.array(values).reshape(known.shape), weight) * (_SIDE / side) ** 2


def _both_ways(found: NDArray[np.bool_], wanted: NDArray[np.bool_]) -> float:
    if not found.any():
        return 2.0 * len(found) ** 2
    outward = distance_transform_edt(~wanted)[found] ** 2
    inward = distance_transform_edt(~found)[wanted] ** 2
    return float(outward.mean() + inward.mean())
