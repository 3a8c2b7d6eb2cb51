"""Losses as pure functions ``(prediction, target, mask)``, named after their papers."""

from posecore.losses.heatmaps import gaussian_heatmaps, heatmap_mse
from posecore.losses.structure import (
    depth_l1,
    depth_mse,
    geometric_loss,
    illegal_angle_loss,
    symmetry_loss,
    weak_supervision,
)

__all__ = [
    "depth_l1",
    "depth_mse",
    "gaussian_heatmaps",
    "geometric_loss",
    "heatmap_mse",
    "illegal_angle_loss",
    "symmetry_loss",
    "weak_supervision",
]
