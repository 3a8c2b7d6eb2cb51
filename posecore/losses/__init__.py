"""Losses as pure functions ``(prediction, target, mask)``, named after their papers."""

from posecore.losses.adversarial import (
    CRITIC_BETAS,
    CRITIC_LEARNING_RATE,
    CRITIC_STEPS,
    PENALTY_WEIGHT,
    CriticLoss,
    critic_loss,
    generator_loss,
    gradient_penalty,
    interpolates,
)
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
from posecore.losses.reprojection import (
    ReprojectionWeights,
    keypoint_reprojection_loss,
    orthographic_loss,
    reprojection_loss,
)
from posecore.losses.silhouette import (
    SilhouetteTarget,
    SurfaceSamples,
    nearest_squared_distances,
    sample_surface,
    silhouette_loss,
    silhouette_targets,
    squared_distance_transform,
    squared_distances_at,
)
from posecore.losses.structure import (
    BENDING_LIMBS,
    bending,
    geometric_loss,
    illegal_angle_loss,
    symmetry_loss,
)

__all__ = [
    "BENDING_LIMBS",
    "CRITIC_BETAS",
    "CRITIC_LEARNING_RATE",
    "CRITIC_STEPS",
    "DABRAL_2018",
    "PENALTY_WEIGHT",
    "ZHOU_2017",
    "CriticLoss",
    "DepthWeights",
    "PairKind",
    "ReprojectionWeights",
    "SilhouetteTarget",
    "SurfaceSamples",
    "bending",
    "compositional_loss",
    "critic_loss",
    "depth_l1",
    "depth_mse",
    "depth_supervision",
    "gaussian_heatmaps",
    "generator_loss",
    "geometric_loss",
    "gradient_penalty",
    "heatmap_mse",
    "illegal_angle_loss",
    "interpolates",
    "joint_l2",
    "joint_pairs",
    "joint_weights",
    "keypoint_reprojection_loss",
    "masked_mean",
    "nearest_squared_distances",
    "ordinal_rank_loss",
    "orthographic_loss",
    "reprojection_loss",
    "sample_surface",
    "silhouette_loss",
    "silhouette_targets",
    "squared_distance_transform",
    "squared_distances_at",
    "symmetry_loss",
    "weak_supervision",
    "weighted_l2",
]
