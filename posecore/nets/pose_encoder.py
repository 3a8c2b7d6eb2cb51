"""An encoder that knows where joints are: a trained hourglass read by a few layers.

In place of a ResNet that learned from ImageNet (seed 003), for those who have a 2D net of their own and little time:
as ViTPose's weights under HMR 2.0 (Goel et al. 2023), the pictures' features come from 2D pose.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from posecore.nets.blocks import Residual
from posecore.nets.hourglass import HOURGLASS_PRESETS, HourglassConfig, StackedHourglass

__all__ = ["PoseEncoder", "PoseEncoderConfig", "load_hourglass"]

_HALVINGS = 3  # of the heatmaps' side


@dataclass(frozen=True)
class PoseEncoderConfig:
    """Size of a :class:`PoseEncoder`.

    Attributes:
        hourglass: the 2D net.
        width: channels of the layers that read it.
        side: of the map that they end in; where a joint is would be lost in an average over the whole picture.
        frozen: the 2D net keeps its weights and its batch statistics.
    """

    hourglass: HourglassConfig = field(default_factory=lambda: HOURGLASS_PRESETS["cpu"])
    width: int = 64
    side: int = 4
    frozen: bool = True

    @property
    def features(self) -> int:
        """Length of the feature vector."""
        return self.width * self.side**2


class PoseEncoder(nn.Module):
    """(N, 3, S, S) RGB in [0, 1] minus 0.5 → (N, features), from the last stack's heatmaps and penultimate features."""

    def __init__(self, config: PoseEncoderConfig) -> None:
        super().__init__()
        self.config = config
        self.hourglass = StackedHourglass(config.hourglass)
        channels = config.hourglass.channels + config.hourglass.joints
        layers: list[nn.Module] = []
        for _ in range(_HALVINGS):
            layers += [Residual(channels, config.width), nn.MaxPool2d(2)]
            channels = config.width
        layers += [nn.BatchNorm2d(channels), nn.ReLU(), nn.AdaptiveAvgPool2d(config.side)]
        self.layers = nn.Sequential(*layers)
        if config.frozen:
            self.hourglass.requires_grad_(False).eval()

    def train(self, mode: bool = True) -> PoseEncoder:
        super().train(mode)
        if self.config.frozen:
            self.hourglass.eval()
        return self

    def forward(self, image: Tensor) -> Tensor:
        heatmaps, penultimate, _ = self.hourglass.trace(image)
        return self.layers(torch.cat([penultimate[-1], heatmaps[-1]], 1)).flatten(1)


def load_hourglass(encoder: PoseEncoder, weights: Mapping[str, Tensor]) -> None:
    """Load the 2D half of a SAP-Net, or an hourglass by itself.

    Args:
        weights: a state dict; names that do not begin with ``hourglass.`` are left out where others do.

    Raises:
        ValueError: they are of another network.
    """
    prefix = "hourglass."
    part = {name.removeprefix(prefix): value for name, value in weights.items() if name.startswith(prefix)}
    given, own = part or dict(weights), encoder.hourglass.state_dict()
    wrong = sorted(
        name
        for name in own.keys() | given.keys()
        if name not in own or name not in given or own[name].shape != given[name].shape
    )
    if wrong:
        raise ValueError(
            f"these weights are not of this hourglass ({encoder.config.hourglass}): {len(wrong)} tensors are missing, "
            f"unknown or of another shape, the first {wrong[0]}"
        )
    encoder.hourglass.load_state_dict(given)
