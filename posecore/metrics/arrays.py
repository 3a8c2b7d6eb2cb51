"""Checked arrays and masked means for all metrics.

The rule for masks everywhere: 0 is unknown and never looked at (it may be NaN); any other value weighs. Where nothing
is known the figure is NaN, without a warning, so that a row of a table can stay empty.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["Array", "Float", "blanked", "checked", "mask_of", "masked_mean", "means_over_poses"]

Array = NDArray[np.floating]
Float = NDArray[np.float64]


def checked(prediction: ArrayLike, truth: ArrayLike, minimum: int) -> tuple[Float, Float]:
    """Both as float64.

    Raises:
        ValueError: their shapes differ, or have fewer than ``minimum`` axes.
    """
    found, wanted = np.asarray(prediction, np.float64), np.asarray(truth, np.float64)
    if found.shape != wanted.shape or found.ndim < minimum:
        raise ValueError(f"expected equal shapes of {minimum} axes or more, got {found.shape} and {wanted.shape}")
    return found, wanted


def mask_of(mask: ArrayLike | None, shape: tuple[int, ...]) -> Float:
    """``mask``, or ones, as float64 of ``shape``.

    Raises:
        ValueError: the mask does not broadcast to it.
    """
    if mask is None:
        return np.ones(shape)
    weight = np.asarray(mask, np.float64)
    try:
        return np.array(np.broadcast_to(weight, shape))
    except ValueError:
        raise ValueError(f"a mask of shape {weight.shape} does not fit {shape}") from None


def blanked(values: Float, mask: Float) -> Float:
    """(..., J, D) values with 0 where the mask (..., J) is 0."""
    return np.where(mask[..., None] != 0, values, 0.0)


def masked_mean(values: Float, mask: Float) -> float:
    """Σ mask · values / Σ mask; NaN where nothing is known."""
    total = mask.sum()
    return float((np.where(mask != 0, values, 0.0) * mask).sum() / total) if total else float("nan")


def means_over_poses(values: Float, mask: Float) -> Float:
    """(J,) means of (..., J) over all but the last axis; NaN for joints that are nowhere known."""
    weighted = (np.where(mask != 0, values, 0.0) * mask).reshape(-1, values.shape[-1]).sum(0)
    total = mask.reshape(-1, values.shape[-1]).sum(0)
    return np.asarray(np.where(total > 0, weighted / np.where(total > 0, total, 1.0), np.nan))
