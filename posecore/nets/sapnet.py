"""SAP-Net: stacked hourglass plus depth module (Zhou et al. 2017; Dabral et al. 2018; seeds 000, 002)."""

from __future__ import annotations

from dataclasses import dataclass, field

from torch import Tensor, nn

from posecore.nets.blocks import Residual, init_convolutions, total
from posecore.nets.hourglass import HOURGLASS_PRESETS, HourglassConfig, StackedHourglass

__all__ = ["SAPNET_PRESETS", "DepthModule", "SapNet", "SapNetConfig"]


@dataclass(frozen=True)
class SapNetConfig:
    """Size of a SAP-Net.

    Attributes:
        hourglass: the 2D half.
        depth_residuals: residuals before each pooling of the depth module.
        depth_poolings: halvings of the depth module; the papers' 4 bring 64² down to 4².
    """

    hourglass: HourglassConfig = field(default_factory=HourglassConfig)
    depth_residuals: int = 2
    depth_poolings: int = 4


SAPNET_PRESETS: dict[str, SapNetConfig] = {
    "zhou": SapNetConfig(HOURGLASS_PRESETS["zhou"]),
    "newell": SapNetConfig(HOURGLASS_PRESETS["newell"]),
    "seed001_2": SapNetConfig(HOURGLASS_PRESETS["seed001_2"]),
    "seed001_4": SapNetConfig(HOURGLASS_PRESETS["seed001_4"]),
    "cpu": SapNetConfig(HOURGLASS_PRESETS["cpu"], depth_residuals=1, depth_poolings=3),
    "cpu_192": SapNetConfig(HOURGLASS_PRESETS["cpu_192"], depth_residuals=1, depth_poolings=4),
    "tiny": SapNetConfig(HOURGLASS_PRESETS["tiny"], depth_residuals=1, depth_poolings=2),
}


class DepthModule(nn.Module):
    """[Residual(s) + max-pool] × n, then fully connected: (N, C, H, W) → (N, J) depths.

    Depth is in units of half the crop's side, relative to the pelvis, + away from the camera, so
    that z has the scale of x and y in [-1, 1] (Zhou et al. 2017, §3.2).
    """

    def __init__(self, config: SapNetConfig) -> None:
        super().__init__()
        width = config.hourglass.channels
        layers: list[nn.Module] = []
        for _ in range(config.depth_poolings):
            layers += [Residual(width, width) for _ in range(config.depth_residuals)]
            layers.append(nn.MaxPool2d(2))
        side = config.hourglass.heatmap_size // 2**config.depth_poolings
        self.side = side
        self.layers = nn.Sequential(*layers)
        self.output = nn.Linear(width * side * side, config.hourglass.joints)
        init_convolutions(self)
        nn.init.normal_(self.output.weight, std=1e-3)
        nn.init.zeros_(self.output.bias)

    def forward(self, features: Tensor) -> Tensor:
        pooled = self.layers(features)
        if pooled.shape[-1] != self.side:  # another input size than the preset's
            pooled = nn.functional.interpolate(pooled, size=(self.side, self.side), mode="bilinear")
        return self.output(pooled.flatten(1))


class SapNet(nn.Module):
    """Input (N, 3, S, S) RGB in [0, 1] minus 0.5 → heatmaps of every stack and depths (N, J).

    The depth module reads the sum over stacks of the fed-back features and heatmaps.
    """

    def __init__(self, config: SapNetConfig) -> None:
        super().__init__()
        self.config = config
        self.hourglass = StackedHourglass(config.hourglass)
        self.depth = DepthModule(config)

    def forward(self, image: Tensor, depth: bool = True) -> tuple[list[Tensor], Tensor | None]:
        """``depth=False`` leaves the depth module out: (heatmaps, None)."""
        heatmaps, feedbacks = self.hourglass.stages(image)
        return heatmaps, self.depth(total(feedbacks)) if depth else None
