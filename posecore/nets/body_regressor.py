"""From a picture to a body: encoder, three fully connected layers, θ, β and camera (seed 003 §2; HMR's iterative form).

The vector of parameters is [θ, β, γ], and its length follows from the camera (``BodyRegressorConfig.count``):

- ``six_dof`` (the seed): 23 joints · 3 = 69, the root's turn being the camera's; 10; axis-angle 3 + translation 3:
  **85**. With 6-D rotations 138 + 10 + 9 = 157.
- ``weak_perspective`` (HMR): 24 joints · 3 = 72; 10; s, tx, ty: **85**. With 6-D rotations 144 + 10 + 3 = 157.
- ``affine`` (RepNet): 24 joints · 3 = 72; 10; 2×3: **88**. With 6-D rotations 144 + 10 + 6 = 160.

The module knows no mesh: it gives rotations and betas for any body with SMPL's tree.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from posecore.nets.cameras import (
    CAMERA_KINDS,
    NEAR,
    AffineCamera,
    Camera,
    CameraKind,
    SixDofCamera,
    WeakPerspectiveCamera,
    level_view,
)
from posecore.nets.encoders import RESNET_PRESETS, ResNet, ResNetConfig
from posecore.nets.hourglass import HOURGLASS_PRESETS
from posecore.nets.pose_encoder import PoseEncoder, PoseEncoderConfig
from posecore.nets.rotations import SixDLayout, axis_angle_to_matrix, matrix_to_six_d, six_d_to_matrix
from posecore.skeletons import SMPL_24

__all__ = ["BODY_REGRESSOR_PRESETS", "BodyPrediction", "BodyRegressor", "BodyRegressorConfig", "mean_rotations"]

_ROOT = SMPL_24.index("pelvis")
#: Of the mean camera: halves of the crop's side per metre, and metres that the pelvis is above the crop's middle. A
#: person of 1.75 m then reaches from about -0.8 to 0.8.
MEAN_SCALE, MEAN_RISE = 0.9, 0.1
_ARM_DROP = math.radians(60.0)


@dataclass(frozen=True)
class BodyRegressorConfig:
    """Form and size of a :class:`BodyRegressor`.

    Attributes:
        encoder: the ResNet, or a 2D net.
        hidden: units of the first two fully connected layers.
        rounds: 0 regresses once, from the features alone (the seed); n ≥ 1 corrects the mean parameters in n rounds,
            each from the features and the parameters so far (HMR, with 3).
        dropout: after the first two layers, HMR's 0.5; 0 for none.
        rotations: how every rotation, a six_dof camera's too, is regressed.
        layout: of the six numbers of ``"6d"``.
        camera: see :mod:`posecore.nets.cameras`.
        focal: of a six_dof camera where none is given with the picture, in halves of the crop's side: at 5 a person
            who fills the crop is about 5.5 m away.
        betas: shape parameters.
    """

    encoder: ResNetConfig | PoseEncoderConfig = RESNET_PRESETS["resnet50"]
    hidden: int = 1024
    rounds: int = 0
    dropout: float = 0.0
    rotations: Literal["axis_angle", "6d"] = "axis_angle"
    layout: SixDLayout = "2x3"
    camera: CameraKind = "six_dof"
    focal: float = 5.0
    betas: int = 10

    def __post_init__(self) -> None:
        if self.camera not in CAMERA_KINDS:
            raise ValueError(f"camera must be one of {', '.join(CAMERA_KINDS)}, got {self.camera!r}")
        if self.rotations not in ("axis_angle", "6d"):
            raise ValueError(f"rotations must be 'axis_angle' or '6d', got {self.rotations!r}")
        if self.rounds < 0:
            raise ValueError(f"rounds must be 0 or more, got {self.rounds}")
        if not self.focal > 0:
            raise ValueError(f"focal must be positive, got {self.focal}")

    @property
    def numbers(self) -> int:
        """Numbers of one rotation."""
        return 3 if self.rotations == "axis_angle" else 6

    @property
    def sizes(self) -> tuple[int, int, int]:
        """Lengths of θ, β and γ."""
        joints = len(SMPL_24) - (self.camera == "six_dof")
        gamma = {"six_dof": self.numbers + 3, "weak_perspective": 3, "affine": 6}[self.camera]
        return joints * self.numbers, self.betas, gamma

    @property
    def count(self) -> int:
        """Length of the vector of parameters."""
        return sum(self.sizes)


#: ``seed`` and ``hmr`` are the papers'; ``resnet18`` is the seed's form at a size that trains in hours on a GPU; the
#: others are for the CPU, ``pose`` and ``pose_tiny`` on top of a trained 2D net.
BODY_REGRESSOR_PRESETS: dict[str, BodyRegressorConfig] = {
    "seed": BodyRegressorConfig(),
    "seed_iterative": BodyRegressorConfig(rounds=3, dropout=0.5),
    "hmr": BodyRegressorConfig(rounds=3, dropout=0.5, camera="weak_perspective"),
    "hmr_6d": BodyRegressorConfig(rounds=3, dropout=0.5, camera="weak_perspective", rotations="6d"),
    "resnet18": BodyRegressorConfig(RESNET_PRESETS["resnet18"], hidden=512),
    "cpu": BodyRegressorConfig(RESNET_PRESETS["small"], hidden=256),
    "tiny": BodyRegressorConfig(RESNET_PRESETS["tiny"], hidden=32),
    "pose": BodyRegressorConfig(PoseEncoderConfig(), hidden=512),
    "pose_tiny": BodyRegressorConfig(PoseEncoderConfig(HOURGLASS_PRESETS["tiny"], width=8, side=2), hidden=32),
}


@dataclass(frozen=True, eq=False)
class BodyPrediction:
    """Bodies seen in N pictures.

    Attributes:
        rotations: (N, 24, 3, 3) local rotations of SMPL_24, world frame (Y up, facing +Z). With a six_dof camera the
            root's is the identity, as the camera holds its turn.
        betas: (N, B) shape.
        camera: see :mod:`posecore.nets.cameras`.
        parameters: (N, P) the vector that all this was made of.
    """

    rotations: Tensor
    betas: Tensor
    camera: Camera
    parameters: Tensor

    def project(self, points: Tensor) -> Tensor:
        """(N, P, 3) of the posed body (world frame, metres, pelvis at the origin) → (N, P, 2) normalised crop."""
        return self.camera.project(points)

    def seen_rotations(self) -> Tensor:
        """(N, 24, 3, 3) as :attr:`rotations`, with the person turned as a level camera sees them (+Z is toward it).

        Bodies of all kinds of camera are posed alike with these; what an affine matrix turns is not known as such.
        """
        root = level_view(self.betas).mT @ self.camera.rotation @ self.rotations[:, _ROOT]
        return torch.cat([self.rotations[:, :_ROOT], root[:, None], self.rotations[:, _ROOT + 1 :]], 1)


def mean_rotations() -> Tensor:
    """(24, 3) axis-angle of the default mean pose: upright, facing +Z, arms 60° below the T-pose's."""
    pose = torch.zeros(len(SMPL_24), 3)
    pose[SMPL_24.index("l_shoulder")] = torch.tensor([0.0, 0.0, -_ARM_DROP])
    pose[SMPL_24.index("r_shoulder")] = torch.tensor([0.0, 0.0, _ARM_DROP])
    return pose


class BodyRegressor(nn.Module):
    """Input (N, 3, S, S) RGB in [0, 1] minus 0.5 → :class:`BodyPrediction`.

    Starts at the mean: upright, facing the camera, the whole body in the crop (:meth:`set_mean` for another one).
    """

    mean: Tensor

    def __init__(self, config: BodyRegressorConfig) -> None:
        super().__init__()
        self.config = config
        encoder = config.encoder
        self.encoder = PoseEncoder(encoder) if isinstance(encoder, PoseEncoderConfig) else ResNet(encoder)
        inputs = config.encoder.features + (config.count if config.rounds else 0)
        self.layers = nn.Sequential(
            nn.Linear(inputs, config.hidden),
            nn.ReLU(),
            nn.Dropout(config.dropout),
            nn.Linear(config.hidden, config.hidden),
            nn.ReLU(),
            nn.Dropout(config.dropout),
            nn.Linear(config.hidden, config.count),
        )
        last = self.layers[-1]
        nn.init.xavier_uniform_(last.weight, gain=0.01)  # HMR: the first prediction is the mean, nearly
        nn.init.zeros_(last.bias)
        self.register_buffer("mean", torch.zeros(config.count))
        self.set_mean(mean_rotations())

    @torch.no_grad()
    def set_mean(self, pose: Tensor, betas: Tensor | None = None) -> None:
        """Give the parameters from which corrections start. Before training: learned corrections are relative to them.

        Args:
            pose: (24, 3) axis-angle. With a six_dof camera the root's turns the camera.
            betas: (B,); None is zeros.
        """
        if pose.shape != (len(SMPL_24), 3):
            raise ValueError(f"expected a mean pose of ({len(SMPL_24)}, 3), got {tuple(pose.shape)}")
        numbers = self._numbers_of(pose.to(self.mean))
        shape = torch.zeros(self.config.betas).to(self.mean) if betas is None else betas.to(self.mean)
        if self.config.camera == "six_dof":
            body = torch.cat([numbers[:_ROOT], numbers[_ROOT + 1 :]])
            place = self.mean.new_tensor([0.0, -MEAN_RISE, self.config.focal / MEAN_SCALE])
            camera = torch.cat([numbers[_ROOT], place])
        elif self.config.camera == "weak_perspective":
            body, camera = numbers, self.mean.new_tensor([MEAN_SCALE, 0.0, -MEAN_RISE])
        else:
            body, camera = numbers, self.mean.new_tensor([MEAN_SCALE, 0.0, 0.0, 0.0, MEAN_SCALE, 0.0])
        self.mean.copy_(torch.cat([body.flatten(), shape, camera]))

    def _numbers_of(self, axis_angle: Tensor) -> Tensor:
        if self.config.rotations == "axis_angle":
            return axis_angle
        return matrix_to_six_d(axis_angle_to_matrix(axis_angle), self.config.layout)

    def _matrices(self, numbers: Tensor) -> Tensor:
        if self.config.rotations == "axis_angle":
            return axis_angle_to_matrix(numbers)
        return six_d_to_matrix(numbers, self.config.layout)

    def regress(self, image: Tensor) -> list[Tensor]:
        """(N, P) parameters after every round, the last one last; one where ``config.rounds`` is 0."""
        features = self.encoder(image)
        parameters = self.mean.expand(len(features), -1)
        if not self.config.rounds:
            return [parameters + self.layers(features)]
        found = []
        for _ in range(self.config.rounds):
            parameters = parameters + self.layers(torch.cat([features, parameters], 1))
            found.append(parameters)
        return found

    def decode(
        self, parameters: Tensor, focal: float | Tensor | None = None, centre: Tensor | None = None
    ) -> BodyPrediction:
        """What a vector (N, P) says. ``focal`` and ``centre`` as in :meth:`forward`.

        Raises:
            ValueError: the vector is of another configuration.
        """
        config = self.config
        if parameters.ndim != 2 or parameters.shape[1] != config.count:
            raise ValueError(f"expected (N, {config.count}) parameters, got {tuple(parameters.shape)}")
        theta, betas, gamma = parameters.split(config.sizes, 1)
        rotations = self._matrices(theta.unflatten(1, (-1, config.numbers)))
        camera: Camera
        if config.camera == "six_dof":
            upright = torch.eye(3).to(parameters).expand(len(parameters), 1, 3, 3)
            rotations = torch.cat([rotations[:, :_ROOT], upright, rotations[:, _ROOT:]], 1)
            turn = self._matrices(gamma[:, :-3])
            camera = SixDofCamera(
                level_view(turn) @ turn, gamma[:, -3:], config.focal if focal is None else focal, NEAR
            )
        elif config.camera == "weak_perspective":
            camera = WeakPerspectiveCamera(gamma[:, 0], gamma[:, 1:])
        else:
            camera = AffineCamera(gamma.unflatten(1, (2, 3)), centre)
        return BodyPrediction(rotations, betas, camera, parameters)

    def forward(
        self, image: Tensor, focal: float | Tensor | None = None, centre: Tensor | None = None
    ) -> BodyPrediction:
        """The last round's bodies.

        Args:
            image: (N, 3, S, S) RGB in [0, 1] minus 0.5.
            focal: of a six_dof camera, in halves of the crop's side, one number or (N,); None is the configuration's.
            centre: of an affine camera, (N, 2) the pelvis in the crop, normalised; None is its middle.
        """
        return self.decode(self.regress(image)[-1], focal, centre)
