"""Heatmaps to keypoints in numpy, for the run time."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["decode_heatmaps"]

_FLOOR = 1e-3


def decode_heatmaps(heatmaps: NDArray[np.floating], stride: int = 4) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The highest cell, moved to the top of the Gaussian through it and its neighbours.

    A network trained on Gaussians leaves parabolas in the logarithm, whose top three cells per axis
    give exactly; Newell's fixed quarter cell is the limit of that. The move is at most half a cell.

    Args:
        heatmaps: (..., H, W), 1 at a joint.
        stride: picture px per cell.

    Returns:
        (..., 2) x, y px of the network's input (pixel centres at whole numbers), (...,) peak height.
    """
    height, width = heatmaps.shape[-2:]
    flat = np.asarray(heatmaps, np.float32).reshape(-1, height, width)
    best = flat.reshape(len(flat), -1).argmax(-1)
    rows, columns = np.divmod(best, width)
    index = np.arange(len(flat))
    peak = flat[index, rows, columns]

    def move(low: NDArray[np.float32], high: NDArray[np.float32]) -> NDArray[np.float32]:
        a, b, c = (np.log(np.maximum(v, _FLOOR)) for v in (low, peak, high))
        curve = a - 2 * b + c
        step = np.where(curve < -1e-6, 0.5 * (a - c) / np.where(curve < -1e-6, curve, -1.0), 0.0)
        return np.clip(step, -0.5, 0.5)

    def at(row: NDArray[np.int64], column: NDArray[np.int64]) -> NDArray[np.float32]:
        # Beyond the border the peak's own value: no slope from outside.
        inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
        return np.where(inside, flat[index, row.clip(0, height - 1), column.clip(0, width - 1)], peak)

    dx = move(at(rows, columns - 1), at(rows, columns + 1))
    dy = move(at(rows - 1, columns), at(rows + 1, columns))
    cells = np.stack([columns + dx, rows + dy], -1)
    shape = heatmaps.shape[:-2]
    return (cells * stride + (stride - 1) / 2).astype(np.float32).reshape(*shape, 2), peak.reshape(shape)
