"""TP-Net: a window of poses to the refined current pose (Dabral et al. 2018; seed 000, REFERENCE §3)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from posecore.nets.lifting import Normaliser
from posecore.skeletons import BODY_21

__all__ = ["TEMPORAL_PRESETS", "TemporalConfig", "TemporalNet", "mean_logits", "mean_and_deviations"]

_REACH = 1.5  # frames after which the first weights of the mean fall e-fold
_DEVIATION = 0.2  # usual size of a deviation from the mean, in standard deviations of the poses


@dataclass(frozen=True)
class TemporalConfig:
    """Size and form of a TP-Net.

    Attributes:
        width: hidden units of both layers.
        window: poses seen (the paper's N).
        current: index of the pose to refine: 19 is online (19 past poses and the current one), 10 is
            semi-online (10 past, the current, 9 ahead).
        joints: joints of a pose.
        residual: predict a change of the window's weighted mean (weights learned per coordinate) rather than the
            pose, from the mean and the window's deviations from it. The paper predicts the pose from the poses
            (False); this variant starts as a smoother and trains in a fraction of the time.
    """

    width: int = 4096
    window: int = 20
    current: int = 19
    joints: int = len(BODY_21)
    residual: bool = False

    def __post_init__(self) -> None:
        if not 0 <= self.current < self.window:
            raise ValueError(f"current must be in 0..{self.window - 1}, got {self.current}")


#: ``paper`` is Dabral et al. (16 joints, online); ``full`` the same on ours; the others are for the CPU.
TEMPORAL_PRESETS: dict[str, TemporalConfig] = {
    "paper": TemporalConfig(joints=16),
    "full": TemporalConfig(),
    "full_semi": TemporalConfig(current=10),
    "small": TemporalConfig(width=512, residual=True),
    "small_semi": TemporalConfig(width=512, current=10, residual=True),
    "tiny": TemporalConfig(width=32, residual=True),
}


class TemporalNet(nn.Module):
    """(N, window, J, 3) joints, m, root-relative, oldest first → (N, J, 3) the current pose, refined.

    Poses flattened and concatenated, two hidden ReLU layers, fully connected. No recurrence, no batch
    normalisation, as in the paper; only the per-coordinate normalisation is ours.
    """

    def __init__(self, config: TemporalConfig) -> None:
        super().__init__()
        self.config = config
        self.pose = Normaliser(config.joints, 3)
        poses = config.window + int(config.residual)
        self.layers = nn.Sequential(
            nn.Linear(poses * config.joints * 3, config.width),
            nn.ReLU(),
            nn.Linear(config.width, config.width),
            nn.ReLU(),
            nn.Linear(config.width, config.joints * 3),
        )
        for layer in self.layers:
            if isinstance(layer, nn.Linear):
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
                nn.init.zeros_(layer.bias)
        if config.residual:
            nn.init.zeros_(self.layers[-1].weight)  # starts as the weighted mean alone
            self.mean_logits = mean_logits(config.window, config.current, config.joints)

    def forward(self, joints: Tensor) -> Tensor:
        shape = (self.config.joints, 3)
        if not self.config.residual:
            return self.pose.inverse(self.layers(self.pose(joints).flatten(1)).unflatten(1, shape))
        mean, deviations = mean_and_deviations(joints, self.mean_logits, self.pose.scale)
        change = self.layers(torch.cat([self.pose(mean), deviations], 1).flatten(1)).unflatten(1, shape)
        return mean[:, 0] + change * self.pose.std


def mean_logits(window: int, current: int, joints: int) -> nn.Parameter:
    """(window, joints, 3) of a learned mean over the window that starts out centred on ``current``."""
    distance = (torch.arange(window) - current).abs().float()
    return nn.Parameter((-distance / _REACH)[:, None, None].expand(-1, joints, 3).clone())


def mean_and_deviations(joints: Tensor, logits: Tensor, std: Tensor) -> tuple[Tensor, Tensor]:
    """The mean (N, 1, J, 3) of windows (N, window, J, 3), weighted by ``logits``, and what is left, of size about 1."""
    mean = (joints * logits.softmax(0)).sum(1, keepdim=True)
    return mean, (joints - mean) / (_DEVIATION * std)
