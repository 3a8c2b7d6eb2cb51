"""Ordinal depth from a stacked hourglass: the heads that seed 004 compares (Pavlakos et al. 2018).

Depths are on a scale of their own, + away from the camera: only their order is ever taught. The heads, by the
experiments of the seed:

- ``joint`` (1): fully connected layers on the end of the hourglass, trained together with it;
- ``pooled5``, ``pooled3`` (4): heatmaps max-pooled to 16×16, then 5 or 3 fully connected layers;
- ``features`` (5): the penultimate 256 channels, a 1×1 convolution to 64, then 2 fully connected layers.

All but ``joint`` are for an hourglass that is trained already: their gradients end at what they read. Experiment 3,
coordinates without heatmaps, is :class:`DirectNet`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import Literal

from torch import Tensor, nn

from posecore.nets.hourglass import HOURGLASS_PRESETS, HourglassConfig, StackedHourglass

__all__ = ["ORDINAL_PRESETS", "DirectNet", "Head", "OrdinalConfig", "OrdinalNet"]

Head = Literal["joint", "pooled3", "pooled5", "features"]
_LAYERS = {"joint": 2, "pooled3": 3, "pooled5": 5, "features": 2}


@dataclass(frozen=True)
class OrdinalConfig:
    """An hourglass and the head on it.

    Attributes:
        head: "joint", "pooled3", "pooled5" or "features", see the module.
        hourglass: the 2D half: any width, joints and input size (the seed: 1 stack, 256 channels, 256 px).
        hidden: units of the hidden fully connected layers (the seed does not say).
        pooled_size: side of the pooled heatmaps of "pooled3" and "pooled5".
        channels: after the 1×1 convolution of "features".
        feature_size: side to which "features" is max-pooled before its fully connected layers; 0 leaves it as it is,
            as the seed does, at the price of hidden × 64 × 64² weights.
    """

    head: Head = "features"
    hourglass: HourglassConfig = field(default_factory=lambda: HOURGLASS_PRESETS["seed004"])
    hidden: int = 256
    pooled_size: int = 16
    channels: int = 64
    feature_size: int = 0

    def __post_init__(self) -> None:
        if self.head not in _LAYERS:
            raise ValueError(f"head must be one of {', '.join(_LAYERS)}, got {self.head!r}")


_TINY = HourglassConfig(stacks=1, residual_count=1, channels=16, input_size=64, depth=2)
_CPU = HOURGLASS_PRESETS["cpu"]

#: ``seed004_*`` are the seed's sizes; ``cpu_*`` stand on the hourglass for the CPU.
ORDINAL_PRESETS: dict[str, OrdinalConfig] = {
    **{f"seed004_{head}": OrdinalConfig(head) for head in ("joint", "pooled3", "pooled5", "features")},
    **{
        f"cpu_{head}": OrdinalConfig(head, _CPU, feature_size=16)
        for head in ("joint", "pooled3", "pooled5", "features")
    },
    **{f"tiny_{head}": OrdinalConfig(head, _TINY, 8, 4, 4) for head in ("joint", "pooled3", "pooled5", "features")},
}


def _fully_connected(inputs: int, hidden: int, outputs: int, layers: int) -> nn.Sequential:
    """``layers`` linear layers with ReLU between them."""
    sizes = [inputs] + [hidden] * (layers - 1) + [outputs]
    parts: list[nn.Module] = [nn.Flatten()]
    for number, (before, after) in enumerate(pairwise(sizes)):
        layer = nn.Linear(before, after)
        nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
        nn.init.zeros_(layer.bias)
        parts += [layer] if number == layers - 1 else [layer, nn.ReLU()]
    return nn.Sequential(*parts)


def _pooled(size: int, side: int) -> tuple[nn.Module, int]:
    """A max-pool from ``size`` to ``side`` (never up), and the side that comes out."""
    return (nn.AdaptiveMaxPool2d(side), side) if 0 < side < size else (nn.Identity(), size)


def _feature_head(config: OrdinalConfig, outputs: int) -> nn.Sequential:
    """1×1 convolution, then 2 fully connected layers."""
    glass = config.hourglass
    pool, side = _pooled(glass.heatmap_size, config.feature_size)
    reduce = nn.Conv2d(glass.channels, config.channels, 1)
    nn.init.kaiming_normal_(reduce.weight, nonlinearity="relu")
    nn.init.zeros_(reduce.bias)
    layers = _fully_connected(config.channels * side**2, config.hidden, outputs, _LAYERS["features"])
    return nn.Sequential(reduce, nn.ReLU(), pool, layers)


class OrdinalNet(nn.Module):
    """Input (N, 3, S, S) RGB in [0, 1] minus 0.5 → heatmaps of every stack and depths (N, J), as SAP-Net's.

    ``hourglass`` takes the weights of a :class:`posecore.nets.hourglass.StackedHourglass` of the same configuration.
    """

    def __init__(self, config: OrdinalConfig) -> None:
        super().__init__()
        self.config = config
        self.hourglass = StackedHourglass(config.hourglass)
        self.frozen = False
        joints, size = config.hourglass.joints, config.hourglass.heatmap_size
        if config.head == "features":
            self.depth = _feature_head(config, joints)
        else:
            pool, side = _pooled(size, 0 if config.head == "joint" else config.pooled_size)
            layers = _fully_connected(joints * side**2, config.hidden, joints, _LAYERS[config.head])
            self.depth = nn.Sequential(pool, layers)

    def forward(self, image: Tensor, depth: bool = True) -> tuple[list[Tensor], Tensor | None]:
        """``depth=False`` leaves the head out: (heatmaps, None)."""
        heatmaps, penultimate, _ = self.hourglass.trace(image)
        if not depth:
            return heatmaps, None
        read = penultimate[-1] if self.config.head == "features" else heatmaps[-1]
        return heatmaps, self.depth(read if self.config.head == "joint" else read.detach())

    def freeze_hourglass(self, frozen: bool = True) -> None:
        """Train the head alone: no gradients for the hourglass, and its batch statistics stay as they are."""
        self.frozen = frozen
        self.hourglass.requires_grad_(not frozen)
        self.train(self.training)

    def train(self, mode: bool = True) -> OrdinalNet:
        """As of any module, but a frozen hourglass stays in evaluation mode."""
        super().train(mode)
        if self.frozen:
            self.hourglass.eval()
        return self


class DirectNet(nn.Module):
    """Coordinates without heatmaps, the seed's experiment 3: (N, 3, S, S) → (N, J, 2) and depths (N, J).

    The head of "features" on the same hourglass with three outputs a joint; x and y in [-1, 1] of the crop.
    The hourglass's heatmaps are not used. (The seed could not overfit it.)
    """

    def __init__(self, config: OrdinalConfig) -> None:
        super().__init__()
        self.config = config
        self.hourglass = StackedHourglass(config.hourglass)
        self.output = _feature_head(config, config.hourglass.joints * 3)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        features = self.hourglass.trace(image)[1][-1]
        found = self.output(features).unflatten(1, (self.config.hourglass.joints, 3))
        return found[..., :2], found[..., 2]
