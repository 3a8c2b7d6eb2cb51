"""2D supervision of the stacked hourglass (Newell et al. 2016)."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["gaussian_heatmaps", "heatmap_mse"]


def gaussian_heatmaps(keypoints: Tensor, size: int, sigma: float = 1.0, stride: int = 4) -> Tensor:
    """Target heatmaps: a Gaussian of height 1 at every joint.

    Args:
        keypoints: (N, J, 2) px of the input picture, pixel centres at whole numbers.
        size: side of the heatmaps, cells; sigma in cells; stride: input px per cell.

    Returns:
        (N, J, size, size).
    """
    cells = (keypoints - (stride - 1) / 2) / stride
    axis = torch.arange(size, device=keypoints.device, dtype=keypoints.dtype)
    spread = torch.exp(-((axis - cells[..., None]) ** 2) / (2 * sigma**2))  # (N, J, 2, size)
    return spread[..., 1, :, None] * spread[..., 0, None, :]


def heatmap_mse(heatmaps: list[Tensor], target: Tensor, weight: Tensor) -> Tensor:
    """Squared error summed over cells and stacks, averaged over known joints.

    Args:
        heatmaps: per stack (N, J, H, W); target (N, J, H, W); weight (N, J), 0 = unknown.

    Returns:
        scalar; the paper's mean over cells is this divided by H·W.
    """
    known = weight.sum().clamp_min(1.0)
    loss = heatmaps[0].new_zeros(())
    for heatmap in heatmaps:
        loss = loss + (((heatmap - target) ** 2).sum((-2, -1)) * weight).sum() / known
    return loss
