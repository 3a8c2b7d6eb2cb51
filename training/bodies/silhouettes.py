"""Silhouettes as run lengths for JSON."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

__all__ = ["mask_to_runs", "runs_to_mask"]


def mask_to_runs(mask: NDArray[np.bool_]) -> list[int]:
    """Lengths of the runs of a mask (H, W), row after row; the first is of False (0 if the mask begins with True)."""
    flat = np.asarray(mask, bool).ravel()
    changes = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    edges = [0, *changes.tolist(), flat.size]
    runs = [end - start for start, end in pairwise(edges)]
    return [0, *runs] if flat.size and flat[0] else runs


def runs_to_mask(runs: Sequence[int], size: tuple[int, int]) -> NDArray[np.bool_]:
    """The mask (height, width) of its runs.

    Raises:
        ValueError: they do not fill it.
    """
    if sum(runs) != size[0] * size[1]:
        raise ValueError(f"runs of {sum(runs)} pixels do not fill {size[0]} x {size[1]}")
    values = np.arange(len(runs)) % 2 == 1
    return np.repeat(values, runs).reshape(size)
