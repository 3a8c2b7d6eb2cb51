"""Figures of a picture network on validation pictures: PCK and depth."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from posecore.nets.hourglass import decode_heatmaps
from posecore.skeletons import BODY_21, LSP_14
from training.augmentation import Augmentation, make_batch
from training.labels import torso_length
from training.pictures import PictureSet

__all__ = ["evaluate_pck", "limb_columns", "torso_lengths"]

_PLAIN = Augmentation(mode="none")


def limb_columns() -> list[str]:
    """The twelve limb joints that LSP and the teacher's landmarks share by name."""
    return [joint for joint in LSP_14.joints if joint in BODY_21.joints and joint != "head_top"]


def torso_lengths(pictures: PictureSet, rows: NDArray[np.int64]) -> NDArray[np.float32]:
    """PCK's yardstick per picture, px: human labels where there are any, else the labels in use."""
    found = []
    for row in rows:
        lsp = pictures.lsp[row]
        if not lsp[:, 2].any():
            own = BODY_21.indices(j if j != "neck" else "thorax" for j in LSP_14.joints)
            lsp = np.concatenate([pictures.keypoints[row][own], pictures.weight[row][own, None] > 0], 1)
        found.append(torso_length(lsp[:, :2], lsp[:, 2]))
    return np.array(found, np.float32)


@torch.no_grad()
def evaluate_pck(net: nn.Module, pictures: PictureSet, rows: NDArray[np.int64], size: int) -> dict[str, float]:
    """PCK@0.2 of the limb joints in a crop around the labelled person (not the benchmark's search).

    Also ``depth``: mean absolute depth error in units of half the crop, where depth is known.
    """
    limbs = BODY_21.indices(limb_columns())
    device = next(net.parameters()).device
    hits, known, errors = [], [], []
    generator = torch.Generator().manual_seed(0)
    for start in range(0, len(rows), 32):
        part = rows[start : start + 32]
        names = ("images", "boxes", "keypoints", "weight", "depth", "depth_weight")
        raw = {name: torch.from_numpy(np.ascontiguousarray(getattr(pictures, name)[part])).to(device) for name in names}
        batch = make_batch(**raw, size=size, aug=_PLAIN, generator=generator)
        heatmaps, depth = net(batch.image.contiguous(memory_format=torch.channels_last))
        points = decode_heatmaps(heatmaps[-1].float())[0]
        scale = (raw["boxes"][:, 2] * _PLAIN.padding / size)[:, None]
        distance = (points - batch.keypoints).norm(dim=-1)[:, limbs] * scale
        torso = torch.from_numpy(torso_lengths(pictures, part)).to(device)[:, None]
        hits.append((distance < 0.2 * torso).float())
        known.append((batch.weight[:, limbs] > 0) * batch.inside[:, limbs])
        mask = batch.depth_weight * (batch.weight > 0)
        errors.append(((depth - batch.depth).abs() * mask).sum() / mask.sum().clamp_min(1))
    hit, seen = torch.cat(hits), torch.cat(known)
    return {"pck": float((hit * seen).sum() / seen.sum()), "depth": float(torch.stack(errors).mean())}
