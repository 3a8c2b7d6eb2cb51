"""Networks (torch). Presets carry the sizes of the papers and smaller ones for the CPU."""

from posecore.nets.body_critic import BODY_CRITIC_PRESETS, BodyCritic, BodyCriticConfig, kinematic_chain_space
from posecore.nets.body_regressor import (
    BODY_REGRESSOR_PRESETS,
    BodyPrediction,
    BodyRegressor,
    BodyRegressorConfig,
    mean_rotations,
)
from posecore.nets.cameras import (
    CAMERA_KINDS,
    AffineCamera,
    SixDofCamera,
    WeakPerspectiveCamera,
    level_view,
    project_affine,
    project_perspective,
    project_weak_perspective,
    to_crop,
    to_pixels,
)
from posecore.nets.encoders import RESNET_PRESETS, ResNet, ResNetConfig, load_imagenet
from posecore.nets.hourglass import HOURGLASS_PRESETS, HourglassConfig, StackedHourglass, decode_heatmaps
from posecore.nets.lifting import LIFTING_PRESETS, LiftingConfig, LiftingNet, Normaliser, clip_weight_norm
from posecore.nets.pose_encoder import PoseEncoder, PoseEncoderConfig, load_hourglass
from posecore.nets.rotations import SixDLayout, axis_angle_to_matrix, matrix_to_six_d, six_d_to_matrix
from posecore.nets.sapnet import SAPNET_PRESETS, DepthModule, SapNet, SapNetConfig

__all__ = [
    "BODY_CRITIC_PRESETS",
    "BODY_REGRESSOR_PRESETS",
    "CAMERA_KINDS",
    "HOURGLASS_PRESETS",
    "LIFTING_PRESETS",
    "RESNET_PRESETS",
    "SAPNET_PRESETS",
    "AffineCamera",
    "BodyCritic",
    "BodyCriticConfig",
    "BodyPrediction",
    "BodyRegressor",
    "BodyRegressorConfig",
    "DepthModule",
    "HourglassConfig",
    "LiftingConfig",
    "LiftingNet",
    "Normaliser",
    "PoseEncoder",
    "PoseEncoderConfig",
    "ResNet",
    "ResNetConfig",
    "SapNet",
    "SapNetConfig",
    "SixDLayout",
    "SixDofCamera",
    "StackedHourglass",
    "WeakPerspectiveCamera",
    "axis_angle_to_matrix",
    "clip_weight_norm",
    "decode_heatmaps",
    "kinematic_chain_space",
    "level_view",
    "load_hourglass",
    "load_imagenet",
    "matrix_to_six_d",
    "mean_rotations",
    "project_affine",
    "project_perspective",
    "project_weak_perspective",
    "six_d_to_matrix",
    "to_crop",
    "to_pixels",
]
