"""Lifting network: 2D joints to 3D joints (Martinez et al. 2017; seed 001, REFERENCE §4)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from posecore.skeletons import BODY_21

__all__ = ["LIFTING_PRESETS", "LiftingConfig", "LiftingNet", "Normaliser"]


@dataclass(frozen=True)
class LiftingConfig:
    """Size of a lifting network.

    Attributes:
        width: hidden units.
        blocks: residual blocks, each of two linear layers.
        joints: joints in and out.
        channels: per input joint: 2 (x, y) or 3 (x, y, confidence).
        dropout: after every hidden layer.
    """

    width: int = 1024
    blocks: int = 2
    joints: int = len(BODY_21)
    channels: int = 3
    dropout: float = 0.5

    def __post_init__(self) -> None:
        if self.channels not in (2, 3):
            raise ValueError(f"channels must be 2 (x, y) or 3 (x, y, confidence), got {self.channels}")


#: ``paper`` is Martinez et al. on 16 joints; ``full`` the same net on ours; the others are for the CPU.
LIFTING_PRESETS: dict[str, LiftingConfig] = {
    "paper": LiftingConfig(joints=16, channels=2),
    "full": LiftingConfig(dropout=0.25),
    "cpu": LiftingConfig(width=512, dropout=0.0),
    "tiny": LiftingConfig(width=32, blocks=1, dropout=0.0),
}


class Normaliser(nn.Module):
    """Per-coordinate mean and standard deviation, kept in the weights so that users feed and get plain units.

    Call :meth:`fit` once before training; coordinates that never vary (the root's) stay 0.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, *shape: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(shape))
        self.register_buffer("std", torch.ones(shape))

    @torch.no_grad()
    def fit(self, samples: Tensor) -> None:
        """Take mean and std over the first axis of (N, *shape). Constant coordinates get std 1."""
        self.mean.copy_(samples.mean(0))
        std = samples.std(0)
        self.std.copy_(torch.where(std > 1e-4, std, torch.ones_like(std)))

    def forward(self, x: Tensor) -> Tensor:
        return (x - self.mean) / self.std

    def inverse(self, x: Tensor) -> Tensor:
        """From normalised values back to plain units."""
        return x * self.std + self.mean


def _layer(inputs: int, outputs: int, dropout: float) -> nn.Sequential:
    return nn.Sequential(nn.Linear(inputs, outputs), nn.BatchNorm1d(outputs), nn.ReLU(), nn.Dropout(dropout))


class _Block(nn.Module):
    """Two layers of [Linear-BN-ReLU-dropout] around a skip (Martinez et al. 2017, fig. 1)."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.layers = nn.Sequential(_layer(width, width, dropout), _layer(width, width, dropout))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layers(x)


class LiftingNet(nn.Module):
    """(N, J, 2 or 3) keypoints, root-relative and of scale 1, → (N, J, 3) joints, m, root-relative, ray frame.

    Linear → ``blocks`` residual blocks → Linear, between per-coordinate normalisations (REFERENCE §4).
    """

    def __init__(self, config: LiftingConfig) -> None:
        super().__init__()
        self.config = config
        self.input = Normaliser(config.joints, config.channels)
        self.output = Normaliser(config.joints, 3)
        self.layers = nn.Sequential(
            _layer(config.joints * config.channels, config.width, config.dropout),
            *(_Block(config.width, config.dropout) for _ in range(config.blocks)),
            nn.Linear(config.width, config.joints * 3),
        )
        for layer in self.modules():
            if isinstance(layer, nn.Linear):
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
                nn.init.zeros_(layer.bias)

    def forward(self, keypoints: Tensor) -> Tensor:
        normalised = self.layers(self.input(keypoints).flatten(1)).unflatten(1, (self.config.joints, 3))
        return self.output.inverse(normalised)

    @torch.no_grad()
    def clip_weights(self, limit: float = 1.0) -> None:
        """Martinez's max-norm: the Frobenius norm of each whole weight matrix is cut to ``limit``.

        (Public ports cut the rows, or the gradients, instead.)
        """
        for layer in self.modules():
            if isinstance(layer, nn.Linear):
                layer.weight.mul_(torch.clamp(limit / layer.weight.norm(), max=1.0))
