"""ResNet encoders (He et al. 2016) in plain torch, with torchvision's names so that ImageNet weights can be loaded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

__all__ = ["RESNET_PRESETS", "ResNet", "ResNetConfig", "load_imagenet"]

_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # ImageNet's, RGB in [0, 1]


@dataclass(frozen=True)
class ResNetConfig:
    """Size of a ResNet.

    Attributes:
        block: ``"basic"`` (two 3×3) or ``"bottleneck"`` (1×1, 3×3, 1×1, four times as wide).
        blocks: blocks of each of the four stages; all but the first stage halve the picture.
        width: channels of the stem and of the first stage; they double from stage to stage.
    """

    block: Literal["basic", "bottleneck"] = "bottleneck"
    blocks: tuple[int, int, int, int] = (3, 4, 6, 3)
    width: int = 64

    def __post_init__(self) -> None:
        if self.block not in _BLOCKS:
            raise ValueError(f"block must be one of {', '.join(_BLOCKS)}, got {self.block!r}")

    @property
    def features(self) -> int:
        """Length of the feature vector."""
        return self.width * 8 * _BLOCKS[self.block].expansion


class _BasicBlock(nn.Module):
    expansion = 1

    def __init__(self, channels: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = _conv(channels, width, 3, stride)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = _conv(width, width, 3, 1)
        self.bn2 = nn.BatchNorm2d(width)
        self.downsample = _downsample(channels, width * self.expansion, stride)

    def forward(self, x: Tensor) -> Tensor:
        out = self.bn1(self.conv1(x)).relu()
        return (self.bn2(self.conv2(out)) + self.downsample(x)).relu()


class _Bottleneck(nn.Module):
    """With the stride in the 3×3 convolution, as torchvision has it."""

    expansion = 4

    def __init__(self, channels: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = _conv(channels, width, 1, 1)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = _conv(width, width, 3, stride)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = _conv(width, width * self.expansion, 1, 1)
        self.bn3 = nn.BatchNorm2d(width * self.expansion)
        self.downsample = _downsample(channels, width * self.expansion, stride)

    def forward(self, x: Tensor) -> Tensor:
        out = self.bn1(self.conv1(x)).relu()
        out = self.bn2(self.conv2(out)).relu()
        return (self.bn3(self.conv3(out)) + self.downsample(x)).relu()


_BLOCKS: dict[str, type[_BasicBlock] | type[_Bottleneck]] = {"basic": _BasicBlock, "bottleneck": _Bottleneck}

#: He et al.'s sizes, then sizes for the CPU.
RESNET_PRESETS: dict[str, ResNetConfig] = {
    "resnet50": ResNetConfig(),
    "resnet34": ResNetConfig("basic"),
    "resnet18": ResNetConfig("basic", (2, 2, 2, 2)),
    "small": ResNetConfig("basic", (2, 2, 2, 2), width=32),
    "tiny": ResNetConfig("basic", (1, 1, 1, 1), width=16),
}


def _conv(channels_in: int, channels_out: int, size: int, stride: int) -> nn.Conv2d:
    return nn.Conv2d(channels_in, channels_out, size, stride, padding=size // 2, bias=False)


def _downsample(channels_in: int, channels_out: int, stride: int) -> nn.Module:
    if stride == 1 and channels_in == channels_out:
        return nn.Identity()
    return nn.Sequential(_conv(channels_in, channels_out, 1, stride), nn.BatchNorm2d(channels_out))


class ResNet(nn.Module):
    """(N, 3, S, S) RGB in [0, 1] minus 0.5, any S ≥ 32, → (N, features): the last stage, averaged over the picture.

    The weights have torchvision's names, without its classifier ``fc``. ImageNet's mean and deviation are applied
    inside, so that such weights see what they were trained on.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, config: ResNetConfig) -> None:
        super().__init__()
        self.config = config
        # Constants, and not in the state: its names are torchvision's.
        self.register_buffer("mean", torch.tensor(_MEAN)[:, None, None] - 0.5, persistent=False)
        self.register_buffer("std", torch.tensor(_STD)[:, None, None], persistent=False)
        self.conv1 = nn.Conv2d(3, config.width, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(config.width)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        self._channels = config.width
        self.layer1 = self._stage(0)
        self.layer2 = self._stage(1)
        self.layer3 = self._stage(2)
        self.layer4 = self._stage(3)
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")

    def _stage(self, index: int) -> nn.Sequential:
        block = _BLOCKS[self.config.block]
        width = self.config.width * 2**index
        layers: list[nn.Module] = []
        for number in range(self.config.blocks[index]):
            layers.append(block(self._channels, width, 2 if index and not number else 1))
            self._channels = width * block.expansion
        return nn.Sequential(*layers)

    def forward(self, image: Tensor) -> Tensor:
        x = (image - self.mean) / self.std
        x = self.maxpool(self.bn1(self.conv1(x)).relu())
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return x.mean((-2, -1))


def load_imagenet(encoder: ResNet, weights: Mapping[str, Tensor]) -> None:
    """Load torchvision's ImageNet weights (or any with its names) of the same size; the classifier is left out.

    Args:
        weights: a state dict, e.g. ``torch.load("resnet50.pth", weights_only=True)``.

    Raises:
        ValueError: they are of another network.
    """
    own = encoder.state_dict()
    given = {name: value for name, value in weights.items() if not name.startswith("fc.")}
    shapes, found = ({name: value.shape for name, value in each.items()} for each in (own, given))
    wrong = sorted(name for name in own.keys() | given.keys() if shapes.get(name) != found.get(name))
    # Old files do not count batches.
    wrong = [name for name in wrong if name in given or not name.endswith("num_batches_tracked")]
    if wrong:
        raise ValueError(
            f"these weights are not of this encoder ({encoder.config}): {len(wrong)} tensors are missing, unknown or "
            f"of another shape, the first {wrong[0]}; take the weights of the same ResNet"
        )
    encoder.load_state_dict(given, strict=False)
