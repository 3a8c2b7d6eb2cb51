"""Metrics of poses and movements. numpy in, numpy out; lengths in the unit of the input unless a name says otherwise.

Masks: 0 is unknown, other values weigh; where nothing is known the figure is NaN.
"""

from posecore.metrics.correctness import (
    AUC_THRESHOLDS,
    auc,
    head_sizes,
    mpii_head_sizes,
    pck,
    pck_3d,
    pck_by_joint,
    pck_rows,
    pck_torso,
    pckh,
    torso_sizes,
)
from posecore.metrics.movement import (
    acceleration_error,
    align_world,
    contacts_of,
    foot_skate,
    jitter,
    world_mpjpe,
)
from posecore.metrics.ordinal import ordinal_depth_accuracy, relations_of
from posecore.metrics.positions import (
    Similarity,
    align_procrustes,
    average_joint_distance,
    fit_similarity,
    joint_errors,
    mpjpe,
    pa_mpjpe,
)
from posecore.metrics.protocols import PROTOCOLS, Protocol, evaluate_protocol, zhou_skeleton
from posecore.metrics.reprojection import keypoint_reprojection_error, silhouette_reprojection_error
from posecore.metrics.silhouettes import silhouette_iou
from posecore.metrics.structure import LIMBS, bone_lengths, geometry_validity, symmetry_error

__all__ = [
    "AUC_THRESHOLDS",
    "LIMBS",
    "PROTOCOLS",
    "Protocol",
    "Similarity",
    "acceleration_error",
    "align_procrustes",
    "align_world",
    "auc",
    "average_joint_distance",
    "bone_lengths",
    "contacts_of",
    "evaluate_protocol",
    "fit_similarity",
    "foot_skate",
    "geometry_validity",
    "head_sizes",
    "jitter",
    "joint_errors",
    "keypoint_reprojection_error",
    "mpii_head_sizes",
    "mpjpe",
    "ordinal_depth_accuracy",
    "pa_mpjpe",
    "pck",
    "pck_3d",
    "pck_by_joint",
    "pck_rows",
    "pck_torso",
    "pckh",
    "relations_of",
    "silhouette_iou",
    "silhouette_reprojection_error",
    "symmetry_error",
    "torso_sizes",
    "world_mpjpe",
    "zhou_skeleton",
]
