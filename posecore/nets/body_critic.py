"""The critic of bodies (seed 003 §2.2, fig. 2): joint rotations and shape as HMR judges them, and RepNet's kinematic
chain space, merged to one score. Higher is more real.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn

from posecore.skeletons import SMPL_24, Skeleton

__all__ = ["BODY_CRITIC_PRESETS", "BodyCritic", "BodyCriticConfig", "kinematic_chain_space"]

_ROOT = SMPL_24.index("pelvis")
# Bones are measured in this many metres, so that the entries of Ψ are around 1.
_BONE_UNIT = 0.25
_SLOPE = 0.2


@dataclass(frozen=True)
class BodyCriticConfig:
    """Streams and size of a :class:`BodyCritic`.

    Attributes:
        rotations, shape, kinematics: the streams that are there. The seed's "critic without rotations" has
            ``rotations=False``.
        width: units of the layers that see all joints, or all of Ψ (HMR 1024, RepNet 1000).
        joint_width: units of the layers shared by the joints (HMR 32).
        betas: shape parameters.
        skeleton: of the joints whose bones make Ψ.
    """

    rotations: bool = True
    shape: bool = True
    kinematics: bool = True
    width: int = 1024
    joint_width: int = 32
    betas: int = 10
    skeleton: Skeleton = SMPL_24

    def __post_init__(self) -> None:
        if not (self.rotations or self.shape or self.kinematics):
            raise ValueError("a critic needs at least one stream: rotations, shape or kinematics")


#: The papers' width, then widths for the CPU.
BODY_CRITIC_PRESETS: dict[str, BodyCriticConfig] = {
    "paper": BodyCriticConfig(),
    "without_rotations": BodyCriticConfig(rotations=False),
    "cpu": BodyCriticConfig(width=256),
    "tiny": BodyCriticConfig(width=16, joint_width=8),
}


def kinematic_chain_space(joints: Tensor, skeleton: Skeleton = SMPL_24) -> Tensor:
    """RepNet's KCS layer (Wandt and Rosenhahn 2019): Ψ = BᵀB of the bone vectors B. Squared lengths on the diagonal.

    Args:
        joints: (N, J, 3) of ``skeleton``, any unit and frame: Ψ does not change when the body is turned or moved.

    Returns:
        (N, b, b) in the unit's square, b = ``len(skeleton.bones)``, in that order.

    Raises:
        ValueError: joints of another skeleton.
    """
    if joints.ndim != 3 or joints.shape[1:] != (len(skeleton), 3):
        raise ValueError(f"expected (N, {len(skeleton)}, 3) joints of {skeleton.name}, got {tuple(joints.shape)}")
    parents, children = (list(side) for side in zip(*skeleton.bones, strict=True))
    bones = joints[:, children] - joints[:, parents]
    return bones @ bones.mT


def _dense(*sizes: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise(sizes):
        layers += [nn.Linear(inputs, outputs), nn.LeakyReLU(_SLOPE)]
    return nn.Sequential(*layers)


class _RotationStream(nn.Module):
    """HMR's pose discriminator: layers shared by the joints, a score of each joint, and layers that see all of them."""

    def __init__(self, config: BodyCriticConfig) -> None:
        super().__init__()
        joints, width = len(SMPL_24) - 1, config.joint_width
        self.shared = _dense(9, width, width)
        self.scores = nn.Parameter(torch.empty(joints, width))  # one linear layer a joint
        nn.init.normal_(self.scores, std=width**-0.5)
        self.all = _dense(joints * width, config.width, config.width)
        self.features = joints + config.width

    def forward(self, rotations: Tensor) -> Tensor:
        body = torch.cat([rotations[:, :_ROOT], rotations[:, _ROOT + 1 :]], 1)
        joints = self.shared(body.flatten(2))
        return torch.cat([(joints * self.scores).sum(-1), self.all(joints.flatten(1))], 1)


class _KinematicStream(nn.Module):
    """RepNet's: the chain space (its upper triangle, as it is symmetric), a layer and a residual block."""

    def __init__(self, config: BodyCriticConfig) -> None:
        super().__init__()
        self.skeleton = config.skeleton
        bones = len(config.skeleton.bones)
        self.register_buffer("upper", torch.triu(torch.ones(bones, bones)).bool(), persistent=False)
        self.input = _dense(bones * (bones + 1) // 2, config.width)
        self.block = _dense(config.width, config.width, config.width)
        self.features = config.width

    def forward(self, joints: Tensor) -> Tensor:
        chain = kinematic_chain_space(joints / _BONE_UNIT, self.skeleton)[:, self.upper]
        hidden = self.input(chain)
        return hidden + self.block(hidden)


class BodyCritic(nn.Module):
    """Scores (N,) of bodies, unbounded; higher is more real. No normalisation over the batch: the penalty is by sample.

    What a switched-off stream would read may be None.
    """

    def __init__(self, config: BodyCriticConfig) -> None:
        super().__init__()
        self.config = config
        features = 0
        if config.rotations:
            self.rotation_stream = _RotationStream(config)
            features += self.rotation_stream.features
        if config.shape:
            self.shape_stream = _dense(config.betas, 10, 5)  # HMR's sizes
            features += 5
        if config.kinematics:
            self.kinematic_stream = _KinematicStream(config)
            features += self.kinematic_stream.features
        self.merge = nn.Sequential(*_dense(features, config.width), nn.Linear(config.width, 1))

    def forward(self, rotations: Tensor | None, betas: Tensor | None, joints: Tensor | None) -> Tensor:
        """Scores of N bodies.

        Args:
            rotations: (N, 24, 3, 3) local, of SMPL_24; the root's is not looked at.
            betas: (N, B).
            joints: (N, J, 3) of ``config.skeleton``, metres, any frame.
        """
        found = []
        if self.config.rotations:
            found.append(self.rotation_stream(_needed(rotations, "rotations")))
        if self.config.shape:
            found.append(self.shape_stream(_needed(betas, "betas")))
        if self.config.kinematics:
            found.append(self.kinematic_stream(_needed(joints, "joints")))
        return self.merge(torch.cat(found, 1))[:, 0]


def _needed(value: Tensor | None, name: str) -> Tensor:
    if value is None:
        raise ValueError(f"this critic looks at {name}: give them, or switch that stream off")
    return value
