"""SAP-Net on pictures: the 2D hourglass, then depth with weak supervision (seeds 000, 002).

    python -m training sapnet --data ../shared/data --synthetic runs/synthetic --out runs/sapnet \\
        --schedule cpu --minutes 120
    python -m training sapnet --data ../shared/data --out runs/hourglass --stage hourglass --minutes 60
    python -m training sapnet --data ../shared/data --out runs/sapnet-full --stage full \\
        --init runs/hourglass/last.pt --minutes 60

``--schedule`` runs several stages of :mod:`training.schedules`, ``--stage`` one. A run is resumed by giving the same
``--out`` again.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import lightning_fabric as lf
import torch
import tyro
from torch import Tensor, nn

from posecore.errors import PosecoreError
from posecore.losses import depth_l1, depth_mse, gaussian_heatmaps, heatmap_mse, weak_supervision
from posecore.nets.sapnet import SAPNET_PRESETS, SapNet, SapNetConfig
from training.augmentation import Batch
from training.picture_evaluation import evaluator, pck_figures, solid_figures
from training.picture_loop import PictureOptions, train
from training.picture_mix import load_mix
from training.processes import launch, make_fabric
from training.schedules import SCHEDULES, STAGES, Schedule, Stage, single

__all__ = ["SCHEDULES", "STAGES", "SapNetRecipe", "Stage", "heatmap_term", "losses", "main", "run", "schedule_of"]


@dataclass(frozen=True)
class SapNetRecipe(PictureOptions):
    """Train SAP-Net.

    Attributes:
        stage: one stage of training.schedules.STAGES.
        schedule: several stages, of training.schedules.SCHEDULES (instead of ``stage``).
    """

    stage: str = "hourglass"
    schedule: str | None = None


def heatmap_term(heatmaps: list[Tensor], batch: Batch, size: int, per_cell: bool) -> Tensor:
    """Heatmaps against Gaussians at the labels: a sum over cells, or their mean."""
    side = size // 4
    loss = heatmap_mse([h.float() for h in heatmaps], gaussian_heatmaps(batch.keypoints, side), batch.weight)
    return loss / side**2 if per_cell else loss


def losses(
    net: nn.Module, batch: Batch, solid: Tensor, stage: Stage, size: int, schedule: Schedule
) -> dict[str, Tensor]:
    """The weighted terms of one step, by name.

    In a stage that tells 3D pictures from 2D ones (``stage.two_d``), the 3D ones have the depth regression and the
    2D ones the weak supervision, each a mean over the whole batch (Zhou et al. 2017, eq. 4; as
    :func:`posecore.losses.depth_supervision`); otherwise every picture has what its labels allow.
    """
    heatmaps, depth = net(batch.image, depth=stage.reads_depth)
    terms = {}
    if stage.heatmap:
        terms["heatmap"] = stage.heatmap * heatmap_term(heatmaps, batch, size, schedule.per_cell)
    if depth is None:
        return terms
    depth = depth.float()
    seen = batch.inside * (batch.weight > 0)
    mixed = stage.two_d is not None
    if stage.depth:
        regression = depth_mse if schedule.depth_loss == "l2" else depth_l1
        mask = batch.depth_weight * seen
        mask = mask * solid[:, None] if mixed else mask
        share = solid.float().mean() if mixed else 1.0
        terms["depth"] = stage.depth * share * regression(depth, batch.depth, mask)
    if stage.weak:
        # Ground-truth x and y with the predicted z: gradients reach the depth alone.
        xy = batch.keypoints * 2 / size - 1
        rows = ~solid if mixed else torch.ones_like(solid)
        if rows.any():
            weights = (stage.angle, stage.geometric, stage.symmetry)
            found = weak_supervision(xy[rows], depth[rows], seen[rows], *weights)
            terms["structure"] = rows.float().mean() * found
    return terms


def schedule_of(recipe: SapNetRecipe) -> Schedule:
    """The schedule that a recipe's options name.

    Raises:
        PosecoreError: there is none of that name, or no such stage in it.
    """
    if recipe.schedule is None:
        return single(recipe.stage, recipe.rate)
    if recipe.schedule not in SCHEDULES:
        raise PosecoreError(f"--schedule {recipe.schedule}: unknown; choose one of {', '.join(SCHEDULES)}")
    return SCHEDULES[recipe.schedule].scaled(recipe.rate).starting_at(recipe.first)


def _size_of(recipe: SapNetRecipe) -> SapNetConfig:
    if recipe.preset not in SAPNET_PRESETS:
        raise PosecoreError(f"--preset {recipe.preset}: unknown; choose one of {', '.join(SAPNET_PRESETS)}")
    return SAPNET_PRESETS[recipe.preset]


def run(recipe: SapNetRecipe) -> dict[str, float]:
    """Train; returns the last validation figures.

    Raises:
        PosecoreError: no such preset, schedule or stage.
    """
    _size_of(recipe)
    flat = any(not stage.reads_depth for stage in schedule_of(recipe).stages)
    fabric = make_fabric(recipe.accelerator, recipe.devices, recipe.nodes, recipe.strategy, recipe.precision, flat)
    return launch(fabric, _run, recipe=recipe)


def _run(fabric: lf.Fabric, recipe: SapNetRecipe) -> dict[str, float]:
    torch.manual_seed(recipe.seed)
    schedule, config = schedule_of(recipe), _size_of(recipe)
    size = recipe.size or config.hourglass.input_size
    cache = recipe.cache or recipe.out.parent / "cache"
    with fabric.rank_zero_first(local=True):  # decoded once, then read by all
        pictures = load_mix(
            recipe.data, cache, recipe.sources, recipe.synthetic, recipe.solid, recipe.free_only, recipe.limit
        )
    has_depth = any(stage.reads_depth for stage in schedule.stages)
    measures = (pck_figures, solid_figures) if has_depth else (pck_figures,)
    evaluate = evaluator(pictures, size, measures, recipe.validate_limit, recipe.validate_training)
    terms = partial(losses, size=size, schedule=schedule)
    facts = {"schedule": recipe.schedule or ""}
    return train(fabric, recipe, schedule, SapNet(config), pictures, size, terms, evaluate, facts)


def main(args: list[str] | None = None) -> None:
    """The command."""
    run(tyro.cli(SapNetRecipe, prog="python -m training sapnet", args=args))
