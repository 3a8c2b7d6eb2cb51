"""Seed 001's five augmentations — flip, shift, rotation, occlusion, scale — on whole batches.

Two modes (seed 001, §2.1 and fig. 4): ``"single"`` applies one random strategy to a picture,
``"overlap"`` several. Photometric changes (light, contrast, colour, blur) are our addition.
Everything is drawn from an explicit generator and done in torch, on the CPU and CUDA alike.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor

from posecore.skeletons import BODY_21

__all__ = ["Augmentation", "Batch", "make_batch"]

STRATEGIES = ("flip", "shift", "rotation", "occlusion", "scale")


@dataclass(frozen=True)
class Augmentation:
    """How much of each strategy.

    Attributes:
        mode: ``"overlap"``, ``"single"`` or ``"none"``.
        strategies: those in use, of flip, shift, rotation, occlusion, scale.
        shift: largest shift, share of the crop's side.
        rotation: standard deviation, degrees (cut at 2.5 of them).
        scale: largest zoom in or out, natural logarithm.
        photometric: strength of the changes in light and colour; 0 = none.
        padding: side of the crop over the person's extent before any zoom.
        stray: share of crops laid anywhere in the picture at any size, so that the network learns to
            stay silent where nobody is (``overlap`` mode only; our addition, the search needs it).
    """

    mode: Literal["overlap", "single", "none"] = "overlap"
    strategies: tuple[str, ...] = STRATEGIES
    shift: float = 0.08
    rotation: float = 28.0
    scale: float = 0.3
    photometric: float = 1.0
    padding: float = 1.3
    stray: float = 0.0


@dataclass
class Batch:
    """A batch ready for a network.

    Attributes:
        image: (N, 3, S, S) RGB in [0, 1] minus 0.5.
        keypoints: (N, J, 2) px of the crop, also beyond it; weight (N, J). A known joint beyond the crop
            keeps its weight: its heatmap is to be empty.
        inside: (N, J) 1 where the joint lies in the crop.
        depth: (N, J) in units of half the crop's side; depth_weight (N, J), 0 beyond the crop.
        to_picture: (N, 2, 3) crop px (x, y, 1) → picture px, for what else is to be cut out alike. Its determinant is
            negative where left and right are exchanged.
    """

    image: Tensor
    keypoints: Tensor
    weight: Tensor
    inside: Tensor
    depth: Tensor
    depth_weight: Tensor
    to_picture: Tensor = field(default_factory=lambda: torch.empty(0, 2, 3))


def _draws(count: int, aug: Augmentation, generator: torch.Generator, device: torch.device) -> dict[str, Tensor]:
    """Which strategies each picture gets, (N,) bool each."""
    chance = {"flip": 0.5, "shift": 0.8, "rotation": 0.7, "occlusion": 0.35, "scale": 0.9}
    pick = torch.randint(len(aug.strategies), (count,), generator=generator)
    chosen = {}
    for name in STRATEGIES:
        if aug.mode == "none" or name not in aug.strategies:
            mask = torch.zeros(count, dtype=torch.bool)
        elif aug.mode == "single":
            mask = pick == aug.strategies.index(name)
        else:
            mask = torch.rand(count, generator=generator) < chance[name]
        chosen[name] = mask.to(device)
    return chosen


def make_batch(
    images: Tensor,
    boxes: Tensor,
    keypoints: Tensor,
    weight: Tensor,
    depth: Tensor,
    depth_weight: Tensor,
    size: int,
    aug: Augmentation,
    generator: torch.Generator,
) -> Batch:
    """Crop, augment and normalise.

    Args:
        images: (N, S0, S0, 3) uint8; boxes: (N, 3) centre x, y and extent, px.
        keypoints, weight, depth (px), depth_weight: as in :class:`training.pictures.PictureSet`.
        size: side of the crops, px.
    """
    device, count = images.device, len(images)
    chosen = _draws(count, aug, generator, device)

    def uniform() -> Tensor:
        return (torch.rand(count, generator=generator) * 2 - 1).to(device)

    side = boxes[:, 2] * aug.padding
    side = side * torch.exp(torch.where(chosen["scale"], uniform() * aug.scale, 0.0))
    shift = torch.stack([uniform(), uniform()], -1) * aug.shift * side[:, None] * chosen["shift"][:, None]
    normal = torch.randn(count, generator=generator).clamp(-2.5, 2.5).to(device)
    angle = torch.where(chosen["rotation"], torch.deg2rad(normal * aug.rotation), 0.0)
    centre = boxes[:, :2] + shift
    if aug.mode == "overlap" and aug.stray > 0:
        centre, side = _astray(centre, side, boxes, aug.stray, generator)
    sign = torch.where(chosen["flip"], -1.0, 1.0)

    # Crop pixel -> picture pixel is centre + R(angle) · diag(±1, 1) · (u - middle) · side / size.
    cos, sin = angle.cos(), angle.sin()
    axes = torch.stack([torch.stack([cos * sign, -sin], -1), torch.stack([sin * sign, cos], -1)], -2)
    step = (side / size)[:, None, None]
    middle = (size - 1) / 2
    grid_1d = torch.arange(size, device=device, dtype=torch.float32) - middle
    grid = torch.stack(torch.meshgrid(grid_1d, grid_1d, indexing="xy"), -1).reshape(1, -1, 2)
    source = centre[:, None] + (grid @ (axes * step).transpose(1, 2))
    source = (source * 2 + 1) / images.shape[1] - 1
    pixels = images.permute(0, 3, 1, 2).float() / 255
    crops = torch.nn.functional.grid_sample(pixels, source.reshape(count, size, size, 2), align_corners=False)

    points = (keypoints - centre[:, None]) @ axes / step + middle
    mirror = torch.tensor(BODY_21.mirror, device=device)
    flipped = chosen["flip"][:, None]
    points = torch.where(flipped[..., None], points[:, mirror], points)
    weight = torch.where(flipped, weight[:, mirror], weight)
    depth = torch.where(flipped, depth[:, mirror], depth) / (side / 2)[:, None]
    depth_weight = torch.where(flipped, depth_weight[:, mirror], depth_weight)
    inside = ((points > -0.5) & (points < size - 0.5)).all(-1).float()

    if aug.mode != "none":
        crops = _occlude(crops, chosen["occlusion"], generator)
        crops = _photometric(crops, aug.photometric, generator)
    linear = axes * step
    to_picture = torch.cat([linear, (centre - linear.sum(-1) * middle)[..., None]], -1)
    return Batch(crops - 0.5, points, weight, inside, depth, depth_weight * inside, to_picture)


def _astray(
    centre: Tensor, side: Tensor, boxes: Tensor, share: float, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Some crops laid at random around the person: 0.15 to 2.5 × the extent, centred up to 0.8 × away."""
    draws = torch.rand(len(boxes), 4, generator=generator).to(boxes.device)
    chosen = draws[:, 0] < share
    extent = boxes[:, 2]
    stray_side = extent * 0.15 * (2.5 / 0.15) ** draws[:, 1]
    stray_centre = boxes[:, :2] + (draws[:, 2:] - 0.5) * 1.6 * extent[:, None]
    return torch.where(chosen[:, None], stray_centre, centre), torch.where(chosen, stray_side, side)


def _occlude(crops: Tensor, chosen: Tensor, generator: torch.Generator) -> Tensor:
    """A random patch set to black or white (seed 001, §2.1.4)."""
    count, _, height, width = crops.shape
    draws = torch.rand(count, 5, generator=generator).to(crops.device)
    half_w, half_h = (0.05 + 0.15 * draws[:, 0]) * width, (0.05 + 0.15 * draws[:, 1]) * height
    x, y = draws[:, 2] * width, draws[:, 3] * height
    columns = torch.arange(width, device=crops.device)[None, None]
    rows = torch.arange(height, device=crops.device)[None, :, None]
    in_patch = ((columns - x[:, None, None]).abs() < half_w[:, None, None]) & (
        (rows - y[:, None, None]).abs() < half_h[:, None, None]
    )
    colour = (draws[:, 4] > 0.5).float()[:, None, None, None]
    return torch.where((in_patch & chosen[:, None, None])[:, None], colour, crops)


def _photometric(crops: Tensor, strength: float, generator: torch.Generator) -> Tensor:
    """Gain per channel, contrast around the mean, grey pictures, and a blur on some."""
    if strength <= 0:
        return crops
    count = len(crops)
    draws = torch.rand(count, 7, generator=generator).to(crops.device)
    gain = torch.exp((draws[:, :1] - 0.5) * 0.7 * strength + (draws[:, 1:4] - 0.5) * 0.25 * strength)
    contrast = torch.exp((draws[:, 4] - 0.5) * 0.6 * strength)[:, None, None, None]
    mean = crops.mean((1, 2, 3), keepdim=True)
    out = ((crops - mean) * contrast + mean) * gain[:, :, None, None]
    grey = (draws[:, 5] < 0.1 * strength)[:, None, None, None]
    out = torch.where(grey, out.mean(1, keepdim=True), out)
    blurred = draws[:, 6] < 0.15 * strength
    if blurred.any():
        out[blurred] = torch.nn.functional.avg_pool2d(out[blurred], 3, 1, 1, count_include_pad=False)
    return out.clamp(0, 1)
