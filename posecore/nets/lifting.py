"""Lifting network: 2D joints to 3D joints (Martinez et al. 2017; seed 001, REFERENCE §4)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from posecore.skeletons import BODY_21

__all__ = ["LIFTING_PRESETS", "LiftingConfig", "LiftingNet", "Normaliser", "clip_weight_norm"]


@dataclass(frozen=True)
class LiftingConfig:
    """Size of a lifting network.

    Attributes:
        width: hidden units.
        blocks: residual blocks, each of two linear layers.
        joints: joints in and out.
        channels: per input joint: 2 (x, y) or 3 (x, y, confidence).
        dropout: after every hidden layer; 0 for none.
        batch_norm: after every hidden linear layer.
    """

    width: int = 1024
    blocks: int = 2
    joints: int = len(BODY_21)
    channels: int = 3
    dropout: float = 0.5
    batch_norm: bool = True

    def __post_init__(self) -> None:
        if self.channels not in (2, 3):
            raise ValueError(f"channels must be 2 (x, y) or 3 (x, y, confidence), got {self.channels}")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout must be in [0, 1), got {self.dropout}")


#: ``paper`` is Martinez et al. (and seed 001) on 16 joints, then without its batch normalisation and dropout;
#: ``full`` the same net on ours; the others are for the CPU.
LIFTING_PRESETS: dict[str, LiftingConfig] = {
    "paper": LiftingConfig(joints=16, channels=2),
    "paper_no_dropout": LiftingConfig(joints=16, channels=2, dropout=0.0),
    "paper_no_batch_norm": LiftingConfig(joints=16, channels=2, batch_norm=False),
    "paper_plain": LiftingConfig(joints=16, channels=2, dropout=0.0, batch_norm=False),
    "full": LiftingConfig(dropout=0.25),
    "cpu": LiftingConfig(width=512, dropout=0.0),
    "tiny": LiftingConfig(width=32, blocks=1, dropout=0.0),
}


class Normaliser(nn.Module):
    """Per-coordinate mean and standard deviation, kept in the weights so that users feed and get plain units.

    Call :meth:`fit` once before training. Coordinates that never vary (the root's) have ``std`` 0: :meth:`inverse`
    keeps them at their mean whatever a net says, so that no joint is moved by an error of the root.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, *shape: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(shape))
        self.register_buffer("std", torch.ones(shape))

    @torch.no_grad()
    def fit(self, samples: Tensor) -> None:
        """Take mean and std over the first axis of (N, *shape)."""
        self.mean.copy_(samples.mean(0))
        std = samples.std(0)
        self.std.copy_(torch.where(std > 1e-4, std, torch.zeros_like(std)))

    @property
    def scale(self) -> Tensor:
        """``std``, 1 where that is 0: what may be divided by."""
        return torch.where(self.std > 0, self.std, torch.ones_like(self.std))

    def forward(self, x: Tensor) -> Tensor:
        return (x - self.mean) / self.scale

    def inverse(self, x: Tensor) -> Tensor:
        """From normalised values back to plain units."""
        return x * self.std + self.mean


@torch.no_grad()
def clip_weight_norm(net: nn.Module, limit: float = 1.0) -> None:
    """Martinez's max-norm: the Frobenius norm of each whole weight matrix of ``net`` is cut to ``limit``, in place.

    To be called after every step of the optimiser. Biases and normalisation layers stay as they are. (Public ports
    cut rows, or the gradients, instead; seed 001's gradient clipping is ``torch.nn.utils.clip_grad_norm_``.)

    Raises:
        ValueError: the limit is not positive.
    """
    if limit <= 0:
        raise ValueError(f"limit must be positive, got {limit}")
    for layer in net.modules():
        if isinstance(layer, nn.Linear):
            layer.weight.mul_(torch.clamp(limit / layer.weight.norm().clamp_min(1e-12), max=1.0))


def _layer(inputs: int, outputs: int, config: LiftingConfig) -> nn.Sequential:
    # A layer left out keeps its place, so that weights are called the same in every variant.
    normalisation = nn.BatchNorm1d(outputs) if config.batch_norm else nn.Identity()
    return nn.Sequential(nn.Linear(inputs, outputs), normalisation, nn.ReLU(), nn.Dropout(config.dropout))


class _Block(nn.Module):
    """Two layers of [Linear-BN-ReLU-dropout] around a skip (Martinez et al. 2017, fig. 1)."""

    def __init__(self, config: LiftingConfig) -> None:
        super().__init__()
        width = config.width
        self.layers = nn.Sequential(_layer(width, width, config), _layer(width, width, config))

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
            _layer(config.joints * config.channels, config.width, config),
            *(_Block(config) for _ in range(config.blocks)),
            nn.Linear(config.width, config.joints * 3),
        )
        for layer in self.modules():
            if isinstance(layer, nn.Linear):
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
                nn.init.zeros_(layer.bias)

    def forward(self, keypoints: Tensor) -> Tensor:
        normalised = self.layers(self.input(keypoints).flatten(1)).unflatten(1, (self.config.joints, 3))
        return self.output.inverse(normalised)

    def clip_weights(self, limit: float = 1.0) -> None:
        """:func:`clip_weight_norm` of this net."""
        clip_weight_norm(self, limit)
