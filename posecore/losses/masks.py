"""Masks and means that the losses share. Targets and predictions are never changed in place."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

__all__ = ["Reduction", "blanked", "masked_mean", "reduced"]

Reduction = Literal["mean", "none"]


def blanked(values: Tensor, mask: Tensor) -> Tensor:
    """``values`` with 0 wherever ``mask`` is 0, so that a NaN in an unlabelled place reaches neither loss nor gradient.

    Args:
        values: (..., D) or of the mask's shape; mask: (...), any dtype, 0 = unknown.
    """
    known = mask != 0
    if values.ndim > mask.ndim:
        known = known.unsqueeze(-1)
    return torch.where(known, values, torch.zeros_like(values))


def masked_mean(values: Tensor, mask: Tensor) -> Tensor:
    """Σ mask · values / Σ mask over everything; 0, with a gradient of 0, where nothing is known."""
    weight = mask.to(values.dtype)
    return (values * weight).sum() / _at_least_something(weight.sum())


def _at_least_something(total: Tensor) -> Tensor:
    # Fractional masks may well sum to less than 1: only an empty one needs another divisor.
    return torch.where(total > 0, total, torch.ones_like(total))


def reduced(values: Tensor, reduction: Reduction) -> Tensor:
    """The mean of one value per picture, or ("none") the values themselves."""
    if reduction not in ("mean", "none"):
        raise ValueError(f"reduction must be 'mean' or 'none', got {reduction!r}")
    return values.mean() if reduction == "mean" else values
