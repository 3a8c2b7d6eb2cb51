"""Ordinal depth on an hourglass: seed 004's five experiments (Pavlakos et al. 2018). ``python -m training ordinal``.

    python -m training ordinal --data DATA --synthetic runs/synthetic --out runs/ordinal2 --experiment 2 --minutes 30
    python -m training ordinal --data DATA --synthetic runs/synthetic --out runs/ordinal5 --experiment 5 \\
        --init runs/ordinal2/1-heatmaps.safetensors --first head --minutes 10

Only the order of depths is taught: relations that follow from the labels' depth, which is exact in rendered pictures
and MediaPipe's elsewhere.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial

import lightning_fabric as lf
import torch
import tyro
from torch import Tensor, nn

from posecore.errors import PosecoreError
from posecore.losses import ordinal_rank_loss
from posecore.nets.ordinal import ORDINAL_PRESETS, DirectNet, OrdinalNet
from training.augmentation import Batch
from training.picture_evaluation import evaluator, ordinal_figures, pck_figures
from training.picture_loop import PictureOptions, train
from training.picture_mix import load_mix
from training.processes import launch, make_fabric
from training.readers.ordinal import derive_ordinal
from training.recipes.sapnet import heatmap_term
from training.schedules import Schedule, Stage

__all__ = ["EXPERIMENTS", "Experiment", "OrdinalRecipe", "build", "main", "run", "terms"]

#: A rank loss starts at ln 2, a stack's heatmaps at π: this makes them alike where both train together (the seed).
_RANK = 4.0


@dataclass(frozen=True)
class Experiment:
    """One of the seed's experiments.

    Attributes:
        head: of posecore.nets.ordinal.OrdinalConfig, or "direct" (coordinates without heatmaps).
        stages: what trains when.
    """

    head: str
    stages: tuple[Stage, ...]


_TOGETHER = {"rate": 1e-3, "rate_end": 2.5e-5}
_HEATMAPS = Stage("heatmaps", parts=("hourglass",), rate=2e-3, rate_end=2e-4, share=3)
# The head is sensitive to its rate, which is why the seed brought in a scheduler: here a warm-up and a cosine.
_HEAD = Stage("head", heatmap=0.0, rank=1.0, parts=("depth",), rate=1e-3, rate_end=1e-5, share=1)

#: By number. 2 is the 2D half alone, from whose weights 4 and 5 can start (``--init … --first head``).
EXPERIMENTS: dict[str, Experiment] = {
    "1": Experiment("joint", (Stage("joint", rank=_RANK, **_TOGETHER),)),
    "2": Experiment("features", (_HEATMAPS,)),
    "3": Experiment("direct", (Stage("direct", rank=1.0, parts=("hourglass", "output"), **_TOGETHER),)),
    "4": Experiment("pooled5", (_HEATMAPS, _HEAD)),
    "4-three": Experiment("pooled3", (_HEATMAPS, _HEAD)),
    "5": Experiment("features", (_HEATMAPS, _HEAD)),
}


@dataclass(frozen=True)
class OrdinalRecipe(PictureOptions):
    """Train an ordinal depth net.

    Attributes:
        experiment: of the seed: 1 (all at once), 2 (heatmaps alone), 3 (coordinates without heatmaps), 4 (heatmaps
            into 5 fully connected layers), 4-three (into 3), 5 (penultimate features).
        threshold: joints nearer together than this in depth are level, half crops (about 1.1 m).
    """

    experiment: str = "5"
    threshold: float = 0.1


def build(recipe: OrdinalRecipe) -> OrdinalNet | DirectNet:
    """The experiment's net at the size of ``recipe.preset`` ("tiny", "cpu", "seed004") and ``recipe.size``.

    Raises:
        PosecoreError: no such experiment or preset, or a size that the hourglass cannot halve.
    """
    if recipe.experiment not in EXPERIMENTS:
        raise PosecoreError(f"--experiment {recipe.experiment}: unknown; choose one of {', '.join(EXPERIMENTS)}")
    head = EXPERIMENTS[recipe.experiment].head
    name = f"{recipe.preset}_{'features' if head == 'direct' else head}"
    if name not in ORDINAL_PRESETS:
        sizes = sorted({known.partition("_")[0] for known in ORDINAL_PRESETS})
        raise PosecoreError(f"--preset {recipe.preset}: unknown; choose one of {', '.join(sizes)}")
    config = ORDINAL_PRESETS[name]
    try:
        glass = replace(config.hourglass, input_size=recipe.size or config.hourglass.input_size)
    except ValueError as error:
        raise PosecoreError(f"--size {recipe.size}: {error}") from None
    config = replace(config, hourglass=glass)
    return DirectNet(config) if head == "direct" else OrdinalNet(config)


def terms(
    net: nn.Module, batch: Batch, solid: Tensor, stage: Stage, size: int, threshold: float, direct: bool
) -> dict[str, Tensor]:
    """Heatmaps (or coordinates) and the rank loss of one step."""
    seen = batch.inside * (batch.weight > 0)
    found: dict[str, Tensor] = {}
    if direct:
        points, depth = net(batch.image)
        wanted = batch.keypoints * 2 / size - 1
        error = ((points.float() - wanted) ** 2).sum(-1) * seen
        found["coordinates"] = error.sum() / seen.sum().clamp_min(1.0)
    else:
        heatmaps, depth = net(batch.image, depth=stage.reads_depth)
        if stage.heatmap:
            found["heatmap"] = stage.heatmap * heatmap_term(heatmaps, batch, size, per_cell=False)
    if stage.rank and depth is not None:
        known = (batch.depth_weight * seen > 0).cpu().numpy()
        relations, pairs = derive_ordinal(batch.depth.cpu().numpy(), threshold, known)
        labels = (torch.from_numpy(part).to(depth.device) for part in (relations, pairs))
        found["rank"] = stage.rank * ordinal_rank_loss(depth.float(), *labels)
    return found


def run(recipe: OrdinalRecipe) -> dict[str, float]:
    """Train; returns the last validation figures."""
    build(recipe)
    # The last stack's feedback has no part here.
    fabric = make_fabric(recipe.accelerator, recipe.devices, recipe.nodes, recipe.strategy, recipe.precision, True)
    return launch(fabric, _run, recipe=recipe)


def _run(fabric: lf.Fabric, recipe: OrdinalRecipe) -> dict[str, float]:
    torch.manual_seed(recipe.seed)
    net = build(recipe)
    size = net.config.hourglass.input_size
    experiment = EXPERIMENTS[recipe.experiment]
    schedule = Schedule(experiment.stages).scaled(recipe.rate).starting_at(recipe.first)
    cache = recipe.cache or recipe.out.parent / "cache"
    with fabric.rank_zero_first(local=True):
        pictures = load_mix(
            recipe.data, cache, recipe.sources, recipe.synthetic, recipe.solid, recipe.free_only, recipe.limit
        )
    step_terms = partial(terms, size=size, threshold=recipe.threshold, direct=experiment.head == "direct")
    measures = (pck_figures, partial(ordinal_figures, threshold=recipe.threshold))
    evaluate = evaluator(pictures, size, measures, recipe.validate_limit, recipe.validate_training)
    return train(fabric, recipe, schedule, net, pictures, size, step_terms, evaluate, {"experiment": recipe.experiment})


def main(args: list[str] | None = None) -> None:
    """The command."""
    run(tyro.cli(OrdinalRecipe, prog="python -m training ordinal", args=args))
