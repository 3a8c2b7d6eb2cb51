"""Losses as pure functions ``(prediction, target, mask)``, named after their papers."""

from posecore.losses.combined import DABRAL_2018, ZHOU_2017, DepthWeights, depth_supervision, weak_supervision
from posecore.losses.depth import depth_l1, depth_mse, ordinal_rank_loss
from posecore.losses.heatmaps import gaussian_heatmaps, heatmap_mse
from posecore.losses.joints import (
    PairKind,
    compositional_loss,
    joint_l2,
    joint_pairs,
    joint_weights,
    weighted_l2,
)
from posecore.losses.masks import masked_mean
from posecore.losses.structure import (
    BENDING_LIMBS,
    bending,
    geometric_loss,
    illegal_angle_loss,
    symmetry_loss,
)

__all__ = [
    "BENDING_LIMBS",
    "DABRAL_2018",
    "ZHOU_2017",
    "DepthWeights",
    "PairKind",
    "bending",
    "compositional_loss",
    "depth_l1",
    "depth_mse",
    "depth_supervision",
    "gaussian_heatmaps",
    "geometric_loss",
    "heatmap_mse",
    "illegal_angle_loss",
    "joint_l2",
    "joint_pairs",
    "joint_weights",
    "masked_mean",
    "ordinal_rank_loss",
    "symmetry_loss",
    "weak_supervision",
    "weighted_l2",
]
