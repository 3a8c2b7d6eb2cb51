"""An LSTM to stand beside TP-Net (Dabral et al. 2018, table 5; seed 000 §3.4).

The paper's point is that a recurrent net does no better than TP-Net's short window (54.05 against 52.1 mm). It gives
the error only, not the net's sizes: here two layers, as TP-Net has two, and the same windows in, poses out and
normalisation, so that the two differ in nothing but the recurrence.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from posecore.nets.lifting import Normaliser
from posecore.nets.temporal import mean_and_deviations, mean_logits
from posecore.skeletons import BODY_21

__all__ = ["LSTM_PRESETS", "LstmConfig", "LstmNet"]


@dataclass(frozen=True)
class LstmConfig:
    """Size and form of the LSTM; fields as in :class:`posecore.nets.temporal.TemporalConfig`.

    Attributes:
        width: units of each layer.
        layers: stacked LSTM layers.
        window: poses seen, read from the oldest to the newest.
        current: index of the pose to refine.
        joints: joints of a pose.
        residual: predict a change of the window's weighted mean, as TP-Net's variant of that name.
    """

    width: int = 1024
    layers: int = 2
    window: int = 20
    current: int = 19
    joints: int = len(BODY_21)
    residual: bool = False

    def __post_init__(self) -> None:
        if not 0 <= self.current < self.window:
            raise ValueError(f"current must be in 0..{self.window - 1}, got {self.current}")


#: Named as TP-Net's presets; ``paper`` has about as many weights as TP-Net's.
LSTM_PRESETS: dict[str, LstmConfig] = {
    "paper": LstmConfig(joints=16),
    "full": LstmConfig(),
    "full_semi": LstmConfig(current=10),
    "small": LstmConfig(width=256, residual=True),
    "small_semi": LstmConfig(width=256, current=10, residual=True),
    "tiny": LstmConfig(width=16, residual=True),
}


class LstmNet(nn.Module):
    """(N, window, J, 3) joints, m, root-relative, oldest first → (N, J, 3) the current pose, refined.

    The state after the last pose of the window, fully connected to the pose. Poses after the current one
    (semi-online) are read like the others, so one direction is enough.
    """

    def __init__(self, config: LstmConfig) -> None:
        super().__init__()
        self.config = config
        self.pose = Normaliser(config.joints, 3)
        size = config.joints * 3
        # The residual form also reads the mean, with every pose: an LSTM would have forgotten it by the end.
        self.lstm = nn.LSTM(size * (1 + int(config.residual)), config.width, config.layers, batch_first=True)
        self.output = nn.Linear(config.width, size)
        nn.init.zeros_(self.output.bias)
        if config.residual:
            nn.init.zeros_(self.output.weight)  # starts as the weighted mean alone
            self.mean_logits = mean_logits(config.window, config.current, config.joints)

    def forward(self, joints: Tensor) -> Tensor:
        if not self.config.residual:
            return self.pose.inverse(self._read(self.pose(joints)))
        mean, deviations = mean_and_deviations(joints, self.mean_logits, self.pose.scale)
        both = torch.cat([deviations, self.pose(mean).expand_as(deviations)], -1)
        return mean[:, 0] + self._read(both) * self.pose.std

    def _read(self, poses: Tensor) -> Tensor:
        states, _ = self.lstm(poses.flatten(2))
        return self.output(states[:, -1]).unflatten(1, (self.config.joints, 3))
