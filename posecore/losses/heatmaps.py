"""2D supervision of the stacked hourglass (Newell et al. 2016)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from posecore.losses.masks import blanked

__all__ = ["gaussian_heatmaps", "heatmap_mse"]


def gaussian_heatmaps(keypoints: Tensor, size: int, sigma: float = 1.0, stride: int = 4) -> Tensor:
    """Target heatmaps: a Gaussian of height 1 at every joint.

    Args:
        keypoints: (N, J, 2) px of the input picture, pixel centres at whole numbers.
        size: side of the heatmaps, cells; sigma in cells; stride: input px per cell.

    Returns:
        (N, J, size, size), rows are y.
    """
    cells = (keypoints - (stride - 1) / 2) / stride
    axis = torch.arange(size, device=keypoints.device, dtype=keypoints.dtype)
    spread = torch.exp(-((axis - cells[..., None]) ** 2) / (2 * sigma**2))  # (N, J, 2, size)
    return spread[..., 1, :, None] * spread[..., 0, None, :]


def heatmap_mse(heatmaps: Sequence[Tensor], target: Tensor, weight: Tensor) -> Tensor:
    """Squared error summed over cells and stacks, averaged over known joints.

    Newell et al. 2016, §3.3: a loss on every stack against one ground truth; Zhou et al. 2017, eq. 2 (seed 002: L_2D)
    sums over the cells as here.

    Args:
        heatmaps: per stack (N, J, H, W); target (N, J, H, W); weight (N, J), 0 = unknown.

    Returns:
        scalar; the paper's mean over cells is this divided by H·W.
    """
    known = weight.sum().clamp_min(1.0)
    loss = heatmaps[0].new_zeros(())
    for heatmap in heatmaps:
        loss = loss + (blanked(((heatmap - target) ** 2).sum((-2, -1)), weight) * weight).sum() / known
    return loss
