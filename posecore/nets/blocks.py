"""Building blocks shared by the convolutional networks (Newell et al. 2016, fig. 4)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["Hourglass", "Residual", "residuals"]


class Residual(nn.Module):
    """Pre-activation bottleneck: BN-ReLU-1×1(c/2), BN-ReLU-3×3(c/2), BN-ReLU-1×1(c).

    The skip is a 1×1 convolution only where the channel counts differ (Newell et al. 2016, §3.2).
    (N, C_in, H, W) → (N, C_out, H, W).
    """

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__()
        middle = channels_out // 2
        self.branch = nn.Sequential(
            nn.BatchNorm2d(channels_in),
            nn.ReLU(),
            nn.Conv2d(channels_in, middle, 1, bias=False),
            nn.BatchNorm2d(middle),
            nn.ReLU(),
            nn.Conv2d(middle, middle, 3, padding=1, bias=False),
            nn.BatchNorm2d(middle),
            nn.ReLU(),
            nn.Conv2d(middle, channels_out, 1),
        )
        self.skip = nn.Identity() if channels_in == channels_out else nn.Conv2d(channels_in, channels_out, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.branch(x) + self.skip(x)


def residuals(count: int, channels: int) -> nn.Sequential:
    """``count`` residuals that keep their channels."""
    return nn.Sequential(*(Residual(channels, channels) for _ in range(count)))


class Hourglass(nn.Module):
    """One hourglass: down by max-pooling, up by nearest neighbour, a residual skip at each size.

    (N, C, H, W) → (N, C, H, W); H and W must be divisible by 2**depth.
    """

    def __init__(self, depth: int, channels: int, residual_count: int) -> None:
        super().__init__()
        self.skip = residuals(residual_count, channels)
        self.down = residuals(residual_count, channels)
        self.inner: nn.Module = (
            Hourglass(depth - 1, channels, residual_count) if depth > 1 else residuals(residual_count, channels)
        )
        self.up = residuals(residual_count, channels)

    def forward(self, x: Tensor) -> Tensor:
        low = nn.functional.max_pool2d(x, 2)
        low = self.up(self.inner(self.down(low)))
        return self.skip(x) + nn.functional.interpolate(low, scale_factor=2.0, mode="nearest")


def init_convolutions(module: nn.Module) -> None:
    """He initialisation of every convolution, zero bias."""
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)


def total(parts: list[Tensor]) -> Tensor:
    """Sum of equally shaped tensors."""
    return torch.stack(parts).sum(0) if len(parts) > 1 else parts[0]
