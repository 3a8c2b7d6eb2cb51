"""The papers' sums of losses, with their λ: supervision of depth on pictures with and without 3D labels."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from posecore.losses.masks import blanked
from posecore.losses.structure import geometric_loss, illegal_angle_loss, symmetry_loss
from posecore.skeletons import BODY_21, Skeleton

__all__ = ["DABRAL_2018", "ZHOU_2017", "DepthWeights", "depth_supervision", "weak_supervision"]


@dataclass(frozen=True)
class DepthWeights:
    """The λ of :func:`depth_supervision`.

    Attributes:
        regression: λ_reg of the depth error, on pictures with 3D labels.
        angle, geometric, symmetry: λ_a, λ_g (Zhou's λ_geo), λ_s of the structure losses.
        everywhere: whether the structure losses also act on pictures with 3D labels, or, as in the papers, only where
            there are none (Zhou et al., eq. 4).
    """

    regression: float = 0.1
    angle: float = 0.0
    geometric: float = 0.0
    symmetry: float = 0.0
    everywhere: bool = False


#: Zhou et al. 2017, §4.1: λ_reg 0.1, λ_geo 0.01, the latter once the depth module is trained.
ZHOU_2017: dict[str, DepthWeights] = {
    "depth": DepthWeights(),
    "geometric": DepthWeights(geometric=0.01),
}
#: Dabral et al. 2018, §4 (seed 000 §3.3): stages 2, 3 and 4.
DABRAL_2018: dict[str, DepthWeights] = {
    "depth": DepthWeights(),
    "structure": DepthWeights(angle=0.03, geometric=0.03),
    "full": DepthWeights(angle=0.03, geometric=0.03, symmetry=0.05),
}


def weak_supervision(
    keypoints: Tensor,
    depth: Tensor,
    mask: Tensor,
    angle: float = 0.03,
    geometric: float = 0.03,
    symmetry: float = 0.05,
    skeleton: Skeleton = BODY_21,
) -> Tensor:
    """λ_a L_a + λ_g L_g + λ_s L_s on ground-truth xy with predicted z (Dabral et al. 2018, eq. 2; seed 000 §3.1).

    Args:
        keypoints: (N, J, 2) in [-1, 1] of the crop; depth (N, J) at the same scale; mask (N, J).
    """
    return _structure(keypoints, depth, mask, DepthWeights(0.0, angle, geometric, symmetry), skeleton).mean()


def depth_supervision(
    depth: Tensor,
    target: Tensor,
    mask: Tensor,
    keypoints: Tensor,
    seen: Tensor,
    weights: DepthWeights = DABRAL_2018["full"],
    skeleton: Skeleton = BODY_21,
) -> Tensor:
    """Zhou et al. 2017, eq. 4 for a mixed batch: λ_reg ‖z − z*‖² with 3D labels, weak supervision without.

    Args:
        depth: (N, J) predicted, at the scale of x and y; target (N, J).
        mask: (N, J), 1 where ``target`` is known; a row of zeros is a picture with 2D labels only.
        keypoints: (N, J, 2) ground truth in [-1, 1] of the crop; seen (N, J), 1 where they are known.
        weights: a stage of :data:`ZHOU_2017` or :data:`DABRAL_2018`, or your own.

    Returns:
        scalar: mean over the N pictures of both kinds; a picture's squared error is its mean over known joints.
    """
    known = mask.to(depth.dtype)
    count = known.sum(-1)
    squared = blanked((depth - target) ** 2, mask) * known
    loss = weights.regression * squared.sum(-1) / torch.where(count > 0, count, torch.ones_like(count))
    structure = _structure(keypoints, depth, seen, weights, skeleton)
    return (loss + (structure if weights.everywhere else torch.where(count > 0, 0.0, structure))).mean()


def _structure(keypoints: Tensor, depth: Tensor, mask: Tensor, weights: DepthWeights, skeleton: Skeleton) -> Tensor:
    """(N,) the weighted structure losses of each picture."""
    joints = torch.cat([keypoints, depth[..., None]], -1)
    loss = joints.new_zeros(joints.shape[:-2])
    if weights.angle:
        loss = loss + weights.angle * illegal_angle_loss(joints, mask, skeleton, "none")
    if weights.geometric:
        loss = loss + weights.geometric * geometric_loss(joints, mask, skeleton, "none")
    if weights.symmetry:
        loss = loss + weights.symmetry * symmetry_loss(joints, mask, skeleton, "none")
    return loss
