"""Depth: regression where it is known (Zhou et al. 2017), ordinal ranks where it is not (Pavlakos et al. 2018)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import softplus

from posecore.losses.masks import blanked, masked_mean

__all__ = ["depth_l1", "depth_mse", "ordinal_rank_loss"]


def depth_mse(prediction: Tensor, target: Tensor, mask: Tensor) -> Tensor:
    """Mean squared depth error over known joints (Zhou et al. 2017, eq. 4, first case, without its λ_reg).

    Args:
        prediction, target: (N, J) or (...), depth at the scale of x and y in [-1, 1], + away from the camera.
        mask: of the same shape; 0 = unknown, other values weigh.

    Returns:
        scalar, 0 where nothing is known.
    """
    return masked_mean(blanked((prediction - target) ** 2, mask), mask)


def depth_l1(prediction: Tensor, target: Tensor, mask: Tensor) -> Tensor:
    """Mean absolute depth error over known joints: the robust form for pseudo-labels. As :func:`depth_mse`."""
    return masked_mean(blanked((prediction - target).abs(), mask), mask)


def ordinal_rank_loss(depth: Tensor, relations: Tensor, mask: Tensor) -> Tensor:
    """Ranking loss of annotated joint pairs (Pavlakos et al. 2018, eq. 1–2; seed 004).

    Per pair (i, j): log(1 + e^{z_i − z_j}) where i is nearer, log(1 + e^{z_j − z_i}) where j is, (z_i − z_j)² where
    both are about as far.

    Args:
        depth: (..., J), + away from the camera, any scale.
        relations: (..., J, J) in {-1, 0, 1}: +1 where the row's joint is nearer than the column's.
        mask: (..., J, J), 0 = not annotated. The diagonal never counts.

    Returns:
        scalar: mean over annotated pairs, 0 where there are none.
    """
    difference = depth.unsqueeze(-1) - depth.unsqueeze(-2)
    order = torch.sign(blanked(relations.to(depth.dtype), mask))
    ranked = softplus(order * difference)
    loss = torch.where(order == 0, difference**2, ranked)
    others = ~torch.eye(depth.shape[-1], dtype=torch.bool, device=depth.device)
    return masked_mean(loss, mask * others)
