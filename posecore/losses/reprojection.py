"""Keypoints and silhouettes of a projected body against a picture's (seed 003 §2.1), and what a camera must be."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from posecore.losses.masks import Reduction, blanked, reduced
from posecore.losses.silhouette import SilhouetteTarget, silhouette_loss

__all__ = ["ReprojectionWeights", "keypoint_reprojection_loss", "orthographic_loss", "reprojection_loss"]


@dataclass(frozen=True)
class ReprojectionWeights:
    """The w of seed 003, eq. 2, which it does not print.

    The defaults are ours, for losses in normalised crop coordinates. 10 · d² pulls as hard as |d| does where d is 0.05,
    6 px of 224: a silhouette further off leads, a nearer one leaves it to the keypoints.

    Attributes:
        keypoints: w_kpr; 0 is the seed's "MR only".
        silhouette: w_mr; 0 is the seed's "KPR only", and costs no silhouette.
    """

    keypoints: float = 1.0
    silhouette: float = 10.0


def keypoint_reprojection_loss(
    prediction: Tensor, target: Tensor, mask: Tensor, reduction: Reduction = "mean"
) -> Tensor:
    """L_kpr: L1 over visible projected joints (seed 003 §2.1, as HMR's L_reproj).

    Args:
        prediction, target: (N, J, 2) normalised crop coordinates (half the crop's side is 1).
        mask: (N, J), 1 = visible; 0 = unknown, and may be NaN; other values weigh.

    Returns:
        per picture the mean over its visible joints of (|Δx| + |Δy|) / 2, so 1 px of 224 in both is 2/224: its mean
        over the pictures that show a joint, or ("none") (N,), 0 for one that shows none.
    """
    weight = mask.to(prediction.dtype)
    errors = blanked((prediction - target).abs(), mask).mean(-1) * weight
    count = weight.sum(-1)
    values = errors.sum(-1) / torch.where(count > 0, count, torch.ones_like(count))
    return _mean_over(values, count > 0, reduction)


def reprojection_loss(
    keypoints: Tensor,
    target: Tensor,
    mask: Tensor,
    points: Tensor,
    silhouette: SilhouetteTarget,
    weights: ReprojectionWeights | None = None,
) -> Tensor:
    """L_comb = w_kpr L_kpr + w_mr L_mr (seed 003, eq. 2).

    Args:
        keypoints, target, mask: as for :func:`keypoint_reprojection_loss`.
        points: (N, P, 2) projected surface points, normalised, as for :func:`posecore.losses.silhouette_loss`.
        silhouette: of the N pictures.

    Returns:
        scalar. A term with weight 0 is not computed.
    """
    weights = weights or ReprojectionWeights()
    loss = keypoints.new_zeros(())
    if weights.keypoints:
        loss = loss + weights.keypoints * keypoint_reprojection_loss(keypoints, target, mask)
    if weights.silhouette:
        loss = loss + weights.silhouette * silhouette_loss(points, silhouette)
    return loss


def orthographic_loss(matrix: Tensor) -> Tensor:
    """How far an affine camera is from a scaled orthographic one (RepNet's camera loss).

    ‖2 / tr(KKᵀ) · KKᵀ − I‖_F: 0 where the rows are orthogonal and equally long, at most √2.

    Args:
        matrix: (N, 2, 3), any unit.

    Returns:
        scalar, mean over N.
    """
    square = matrix @ matrix.mT
    trace = square.diagonal(dim1=-2, dim2=-1).sum(-1)[..., None, None]
    eye = torch.eye(2, dtype=matrix.dtype, device=matrix.device)
    # The epsilon inside the root keeps the gradient finite at a perfect camera.
    return (((2.0 / trace) * square - eye) ** 2).sum((-2, -1)).add(1e-12).sqrt().mean()


def _mean_over(values: Tensor, known: Tensor, reduction: Reduction) -> Tensor:
    """Mean over known pictures (0 where there is none), or all values."""
    if reduction == "mean" and not bool(known.all()):
        return values.sum() / known.sum().clamp_min(1)
    return reduced(values, reduction)
