"""Figures of a picture network on validation pictures: PCK, depth, 3D joints, and whether bodies are possible ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from posecore.capturing.sapnet import metric_joints
from posecore.losses import illegal_angle_loss
from posecore.metrics import average_joint_distance, geometry_validity, mpjpe, ordinal_depth_accuracy, pa_mpjpe
from posecore.nets.hourglass import decode_heatmaps
from posecore.skeletons import BODY_21, LSP_14
from training.augmentation import Augmentation, make_batch
from training.labels import torso_length
from training.picture_mix import PictureMix
from training.pictures import PictureSet
from training.readers.ordinal import derive_ordinal

__all__ = [
    "Looks",
    "evaluate_pck",
    "evaluator",
    "limb_columns",
    "look",
    "pck_figures",
    "solid_figures",
    "torso_lengths",
]

Array = NDArray[np.float32]

_PLAIN = Augmentation(mode="none")
#: LSP's joints in BODY_21, in LSP's order.
_OF_LSP = BODY_21.indices(joint if joint != "neck" else "thorax" for joint in LSP_14.joints)


@dataclass(frozen=True)
class Looks:
    """What a net said of N pictures, in a crop around the labelled person of ``size`` px, beside the labels.

    Attributes:
        keypoints: (N, 21, 2) px of the crop; depth: (N, 21) half crops.
        true_keypoints, true_depth: the labels; known, depth_known: (N, 21) bool, with a label inside the crop.
        torso: (N,) px of the crop, PCK's yardstick.
    """

    keypoints: Array
    depth: Array
    true_keypoints: Array
    true_depth: Array
    known: NDArray[np.bool_]
    depth_known: NDArray[np.bool_]
    torso: Array
    size: int


def limb_columns() -> list[str]:
    """The twelve limb joints that LSP and the teacher's landmarks share by name."""
    return [joint for joint in LSP_14.joints if joint in BODY_21.joints and joint != "head_top"]


def torso_lengths(pictures: PictureSet, rows: NDArray[np.int64]) -> NDArray[np.float32]:
    """PCK's yardstick per picture, px: human labels where there are any, else the labels in use."""
    found = []
    for row in rows:
        lsp = pictures.lsp[row]
        if not lsp[:, 2].any():
            lsp = np.concatenate([pictures.keypoints[row][_OF_LSP], pictures.weight[row][_OF_LSP, None] > 0], 1)
        found.append(torso_length(lsp[:, :2], lsp[:, 2]))
    return np.array(found, np.float32)


@torch.no_grad()
def look(net: nn.Module, pictures: PictureSet, rows: NDArray[np.int64], size: int) -> Looks:
    """Run ``net`` on the plain crops of ``rows``.

    ``net`` gives heatmaps of every stack, or joints (N, 21, 2) in [-1, 1] of the crop; and depths (N, 21) or None,
    which becomes zeros.
    """
    device = next(net.parameters()).device
    parts: list[tuple[Array, ...]] = []
    generator = torch.Generator().manual_seed(0)
    for start in range(0, len(rows), 32):
        part = rows[start : start + 32]
        names = ("images", "boxes", "keypoints", "weight", "depth", "depth_weight")
        raw = {name: torch.from_numpy(np.ascontiguousarray(getattr(pictures, name)[part])).to(device) for name in names}
        batch = make_batch(**raw, size=size, aug=_PLAIN, generator=generator)
        heatmaps, depth = net(batch.image.contiguous(memory_format=torch.channels_last))
        direct = isinstance(heatmaps, torch.Tensor)
        points = (heatmaps.float() + 1) * size / 2 if direct else decode_heatmaps(heatmaps[-1].float())[0]
        known = (batch.weight > 0) & (batch.inside > 0)
        side = raw["boxes"][:, 2].cpu().numpy() * _PLAIN.padding
        values = (
            points,
            depth.float() if depth is not None else torch.zeros_like(batch.depth),
            batch.keypoints,
            batch.depth,
            known,
            (batch.depth_weight > 0) & (batch.weight > 0),
        )
        torso = torso_lengths(pictures, part) * size / side
        parts.append((*(value.cpu().numpy() for value in values), torso.astype(np.float32)))
    return Looks(*(np.concatenate(column) for column in zip(*parts, strict=True)), size=size)


def pck_figures(looks: Looks) -> dict[str, float]:
    """``pck``: PCK@0.2 (torso) of the limb joints; ``depth``: mean absolute depth error, half crops."""
    limbs = BODY_21.indices(limb_columns())
    distance = np.linalg.norm(looks.keypoints - looks.true_keypoints, axis=-1)[:, limbs]
    hits, known = distance < 0.2 * looks.torso[:, None], looks.known[:, limbs]
    error, mask = np.abs(looks.depth - looks.true_depth), looks.depth_known
    return {
        "pck": float((hits & known).sum() / max(known.sum(), 1)),
        "depth": float((error * mask).sum() / max(mask.sum(), 1)),
    }


def solid_figures(looks: Looks) -> dict[str, float]:
    """3D figures on bodies scaled to an average adult, x and y from the heatmaps and z from the depth.

    - ``mpjpe_mm``, ``pa_mpjpe_mm``: over limbs, pelvis and thorax, of pictures that know all of these;
    - ``upper_arm_mm`` and so on: |left − right| (Zhou et al. 2017, table 4), ``symmetry_mm`` their mean;
    - ``illegal_share``: of pictures with an elbow or knee bent the wrong way (Dabral et al. 2018, eq. 3).
    """
    joints = BODY_21.indices([*limb_columns(), "pelvis", "thorax"])
    bodies = metric_joints(looks.keypoints, looks.depth * looks.size / 2)
    truth = metric_joints(looks.true_keypoints, looks.true_depth * looks.size / 2)
    figures = {}
    whole = (looks.known & looks.depth_known)[:, joints].all(-1)
    if whole.any():
        found, wanted = bodies[whole][:, joints], truth[whole][:, joints]
        figures["mpjpe_mm"] = 1000 * mpjpe(found, wanted, root=joints.index(BODY_21.index("pelvis")))
        figures["pa_mpjpe_mm"] = 1000 * pa_mpjpe(found, wanted)
    sides = geometry_validity(1000 * bodies)
    figures |= {f"{name}_mm": value for name, value in sides.items()}
    figures["symmetry_mm"] = float(np.mean(list(sides.values())))
    everything = torch.ones(len(bodies), len(BODY_21))
    illegal = illegal_angle_loss(torch.from_numpy(bodies), everything, reduction="none")
    figures["illegal_share"] = float((illegal > 0).float().mean())
    return figures


def ordinal_figures(looks: Looks, threshold: float = 0.1) -> dict[str, float]:
    """Seed 004's figures, for depths of any scale.

    - ``oda``: Ordinal Depth Accuracy, against relations that follow from the labels' depth;
    - ``level_share``: what a net would have that calls every pair level;
    - ``ajd_JOINT_px``: Average Joint Distance of each of LSP's 14 joints, px of a crop of 256 px; ``ajd_px``: of all.

    Args:
        threshold: labels nearer together than this are level, half crops (a crop is about 2.2 m wide).
    """
    known = looks.known & looks.depth_known
    relations, pairs = derive_ordinal(looks.true_depth, threshold, known)
    scale = 256 / looks.size
    distance = average_joint_distance(looks.keypoints * scale, looks.true_keypoints * scale, looks.known)[_OF_LSP]
    return {
        "oda": ordinal_depth_accuracy(looks.depth, relations, pairs),
        "level_share": float((relations[pairs] == 0).mean()) if pairs.any() else float("nan"),
        "ajd_px": float(np.nanmean(distance)),
        **{f"ajd_{joint}_px": float(px) for joint, px in zip(LSP_14.joints, distance, strict=True) if px == px},
    }


def evaluate_pck(net: nn.Module, pictures: PictureSet, rows: NDArray[np.int64], size: int) -> dict[str, float]:
    """PCK@0.2 of the limb joints in a crop around the labelled person (not the benchmark's search), and depth error."""
    return pck_figures(look(net, pictures, rows, size))


def evaluator(
    pictures: PictureMix,
    size: int,
    measures: Sequence[Callable[[Looks], dict[str, float]]] = (pck_figures,),
    limit: int = 0,
    training: int = 0,
) -> Callable[[nn.Module], dict[str, float]]:
    """net → figures named ``SET_MEASURE`` for every picture set.

    Args:
        limit: validation pictures of each set at most (the first), 0 for all.
        training: as many training pictures of each set are measured too, as ``SET_train_MEASURE``.
    """

    def evaluate(net: nn.Module) -> dict[str, float]:
        figures = {}
        # A set that is there twice, to be drawn more often, is measured once.
        once = {id(source): (source, rows) for source, rows in zip(pictures.sets, pictures.training_rows, strict=True)}
        for source, training_rows in once.values():
            rows = source.rows(validation=True)
            named = {"": rows[:limit] if limit else rows, "train_": training_rows[:training]}
            for kind, chosen in named.items():
                if len(chosen):
                    looks = look(net, source, chosen, size)
                    found = {name: value for measure in measures for name, value in measure(looks).items()}
                    figures |= {f"{source.source[0]}_{kind}{name}": value for name, value in found.items()}
        return figures

    return evaluate
