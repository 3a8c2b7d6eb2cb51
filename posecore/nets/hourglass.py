"""Stacked hourglass 2D pose network (Newell et al. 2016; seeds 000, 001, 002, 004)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from posecore.nets.blocks import Hourglass, Residual, init_convolutions, residuals
from posecore.skeletons import BODY_21

__all__ = ["HOURGLASS_PRESETS", "HourglassConfig", "StackedHourglass", "decode_heatmaps"]


@dataclass(frozen=True)
class HourglassConfig:
    """Size of a stacked hourglass.

    Attributes:
        stacks: hourglasses in a row, each supervised.
        residual_count: residuals per place.
        channels: width.
        joints: heatmaps.
        input_size: side of the square input, px; heatmaps have a quarter of it.
        depth: halvings in each hourglass; input_size / 4 must be divisible by 2**depth.
    """

    stacks: int = 2
    residual_count: int = 2
    channels: int = 256
    joints: int = len(BODY_21)
    input_size: int = 256
    depth: int = 4

    def __post_init__(self) -> None:
        if self.input_size % (4 * 2**self.depth):
            raise ValueError(f"input_size {self.input_size} must be divisible by {4 * 2**self.depth}")

    @property
    def heatmap_size(self) -> int:
        """Side of the heatmaps."""
        return self.input_size // 4


#: The papers' sizes, then sizes for the CPU.
HOURGLASS_PRESETS: dict[str, HourglassConfig] = {
    "newell": HourglassConfig(stacks=8, residual_count=1),
    "zhou": HourglassConfig(stacks=2, residual_count=2),
    "seed001_2": HourglassConfig(stacks=2, residual_count=1),
    "seed001_4": HourglassConfig(stacks=4, residual_count=1),
    "seed004": HourglassConfig(stacks=1, residual_count=1),
    "cpu": HourglassConfig(stacks=1, residual_count=1, channels=128, input_size=128, depth=3),
    "cpu_192": HourglassConfig(stacks=2, residual_count=1, channels=128, input_size=192, depth=3),
    "tiny": HourglassConfig(stacks=2, residual_count=1, channels=16, input_size=64, depth=2),
}


class StackedHourglass(nn.Module):
    """Newell et al. 2016. :meth:`forward` gives the heatmaps of every stack.

    Input (N, 3, S, S) RGB in [0, 1] minus 0.5; heatmaps (N, J, S/4, S/4), unbounded, 1 at a joint.
    """

    def __init__(self, config: HourglassConfig) -> None:
        super().__init__()
        self.config = config
        width = config.channels
        self.stem = nn.Sequential(
            nn.Conv2d(3, width // 4, 7, stride=2, padding=3, bias=False),
            nn.BatchNorm2d(width // 4),
            nn.ReLU(),
            Residual(width // 4, width // 2),
            nn.MaxPool2d(2),
            Residual(width // 2, width // 2),
            Residual(width // 2, width),
        )
        stacks = range(config.stacks)
        self.hourglasses = nn.ModuleList(Hourglass(config.depth, width, config.residual_count) for _ in stacks)
        self.features = nn.ModuleList(
            nn.Sequential(
                *residuals(config.residual_count, width),
                nn.Conv2d(width, width, 1, bias=False),
                nn.BatchNorm2d(width),
                nn.ReLU(),
            )
            for _ in stacks
        )
        self.heads = nn.ModuleList(nn.Conv2d(width, config.joints, 1) for _ in stacks)
        # Feedback also after the last stack: the depth module reads it (Zhou et al. 2017). A plain
        # hourglass leaves it unused, so both kinds load each other's weights.
        self.feature_feedback = nn.ModuleList(nn.Conv2d(width, width, 1) for _ in stacks)
        self.heatmap_feedback = nn.ModuleList(nn.Conv2d(config.joints, width, 1) for _ in stacks)
        init_convolutions(self)
        for head in self.heads:
            nn.init.normal_(head.weight, std=1e-3)

    def trace(self, image: Tensor) -> tuple[list[Tensor], list[Tensor], list[Tensor]]:
        """Of every stack: heatmaps (N, J, H, W), penultimate features and fed-back features (N, C, H, W).

        Penultimate features are what the heatmaps are made of (seed 004); what is fed back joins both through 1×1
        convolutions, also after the last stack.
        """
        x = self.stem(image)
        heatmaps, penultimate, feedbacks = [], [], []
        for index, hourglass in enumerate(self.hourglasses):
            features = self.features[index](hourglass(x))
            heatmap = self.heads[index](features)
            feedback = self.feature_feedback[index](features) + self.heatmap_feedback[index](heatmap)
            x = x + feedback
            heatmaps.append(heatmap)
            penultimate.append(features)
            feedbacks.append(feedback)
        return heatmaps, penultimate, feedbacks

    def stages(self, image: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """Heatmaps (N, J, H, W) and fed-back features (N, C, H, W) of every stack."""
        heatmaps, _, feedbacks = self.trace(image)
        return heatmaps, feedbacks

    def forward(self, image: Tensor) -> list[Tensor]:
        """Heatmaps of every stack, each (N, J, S/4, S/4)."""
        return self.stages(image)[0]


def decode_heatmaps(heatmaps: Tensor) -> tuple[Tensor, Tensor]:
    """Newell's decoding: the highest cell, moved ±0.25 cell toward the higher neighbour.

    Args:
        heatmaps: (N, J, H, W).

    Returns:
        (N, J, 2) x, y in *input* pixels, pixel centres at whole numbers (a cell is 4 px wide, so a
        cell centre u lies at 4u + 1.5), and (N, J) peak heights.
    """
    count, joints, height, width = heatmaps.shape
    flat = heatmaps.reshape(count, joints, -1)
    peak, best = flat.max(-1)
    x, y = best % width, best // width

    def at(column: Tensor, row: Tensor) -> Tensor:
        column, row = column.clamp(0, width - 1), row.clamp(0, height - 1)
        return flat.gather(-1, (row * width + column)[..., None])[..., 0]

    dx = torch.sign(at(x + 1, y) - at(x - 1, y)) * 0.25
    dy = torch.sign(at(x, y + 1) - at(x, y - 1)) * 0.25
    cells = torch.stack([x + dx, y + dy], -1)
    return cells * 4 + 1.5, peak
