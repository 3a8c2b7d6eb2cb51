"""SAP-Net on pictures: the 2D hourglass, then depth with weak supervision (seeds 000, 002).

    python -m training sapnet --data ../shared/data --out runs/sapnet --stage hourglass --minutes 60
    python -m training sapnet --data ../shared/data --out runs/sapnet-full --stage full \\
        --init runs/sapnet/last.pt --minutes 60

A run is resumed by giving the same ``--out`` again.
"""

from __future__ import annotations

import json
import math
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import lightning_fabric as lf
import numpy as np
import torch
import tyro
from rich.console import Console
from rich.progress import Progress
from torch import Tensor, nn

from posecore.losses import depth_l1, gaussian_heatmaps, heatmap_mse, weak_supervision
from posecore.nets.sapnet import SAPNET_PRESETS, SapNet
from training.augmentation import Augmentation, Batch, make_batch
from training.checkpoints import load_checkpoint, load_weights, save_checkpoint
from training.picture_evaluation import evaluate_pck
from training.pictures import PictureSet, load_pictures

__all__ = ["STAGES", "SapNetRecipe", "Stage", "main", "run"]


@dataclass(frozen=True)
class Stage:
    """What one stage trains with which losses (Dabral et al. 2018, §4).

    Attributes:
        depth: weight of the depth regression (Zhou et al. 2017: 0.1, on a per-cell mean).
        angle, geometric, symmetry: the λ of the weak supervision.
        rate: learning rate at the start; rate_end: at the end (cosine).
    """

    depth: float = 0.0
    angle: float = 0.0
    geometric: float = 0.0
    symmetry: float = 0.0
    rate: float = 2e-3
    rate_end: float = 2e-4


#: The stages of Dabral et al., with learning rates for Adam and small batches.
STAGES: dict[str, Stage] = {
    "hourglass": Stage(),
    "depth": Stage(depth=1.0, rate=1e-3, rate_end=2e-4),
    "structure": Stage(depth=1.0, angle=0.03, geometric=0.03, rate=5e-4, rate_end=5e-5),
    "full": Stage(depth=1.0, angle=0.03, geometric=0.03, symmetry=0.05, rate=1e-3, rate_end=2e-5),
}


@dataclass(frozen=True)
class SapNetRecipe:
    """Options of the recipe.

    Attributes:
        data: folder of the shared data sets (lspet/, people/).
        out: folder of the check-points and the log.
        cache: folder of the decoded pictures; default ``out``/../cache.
        synthetic: folder of rendered shards, if any.
        sources: picture sets used.
        preset: size of the network; size: input side if not the preset's, px.
        stage: key of :data:`STAGES`; init: check-point or .safetensors to start from.
        minutes: length of training by the clock; steps: by steps (wins if given).
        stop_at: leave early after so many steps, as if interrupted (the schedule stays that of ``steps``).
        free_only: only pictures of free licence.
        precision: lightning-fabric's name, e.g. "32-true", "bf16-mixed".
    """

    data: Path
    out: Path
    cache: Path | None = None
    synthetic: Path | None = None
    sources: tuple[str, ...] = ("lspet", "people")
    preset: str = "cpu"
    size: int | None = None
    stage: str = "hourglass"
    init: Path | None = None
    minutes: float = 60.0
    steps: int | None = None
    stop_at: int | None = None
    batch: int = 24
    rate: float | None = None
    ema: float = 0.999
    free_only: bool = False
    precision: str = "32-true"
    accelerator: str = "auto"
    seed: int = 0
    validate_minutes: float = 6.0
    augmentation: Augmentation = field(default_factory=Augmentation)


class Pictures:
    """Several picture sets as one, drawn at random."""

    def __init__(self, recipe: SapNetRecipe) -> None:
        cache = recipe.cache or recipe.out.parent / "cache"
        self.sets: list[PictureSet] = [load_pictures(recipe.data, cache, name) for name in recipe.sources]
        if recipe.synthetic is not None:
            self.sets.append(load_pictures(recipe.synthetic, cache, "synthetic"))
        self.rows = []
        for number, pictures in enumerate(self.sets):
            for row in pictures.rows(validation=False):
                if not recipe.free_only or pictures.free[row]:
                    self.rows.append((number, int(row)))

    def __len__(self) -> int:
        return len(self.rows)

    def gather(self, picks: np.ndarray) -> dict[str, Tensor]:
        """The picked pictures as tensors, unaugmented."""
        chosen = [self.rows[int(pick)] for pick in picks]
        names = ("images", "boxes", "keypoints", "weight", "depth", "depth_weight")
        return {
            name: torch.from_numpy(np.stack([getattr(self.sets[s], name)[row] for s, row in chosen])) for name in names
        }


def losses(net: nn.Module, batch: Batch, stage: Stage, size: int) -> dict[str, Tensor]:
    """The weighted terms of one step, by name."""
    target = gaussian_heatmaps(batch.keypoints, size // 4)
    needs_depth = stage.depth > 0
    heatmaps, depth = net(batch.image) if needs_depth else (net(batch.image, depth=False)[0], None)
    terms = {"heatmap": heatmap_mse([h.float() for h in heatmaps], target, batch.weight)}
    if depth is not None:
        seen = batch.inside * (batch.weight > 0)
        mask = batch.depth_weight * seen
        terms["depth"] = stage.depth * depth_l1(depth.float(), batch.depth, mask)
        xy = batch.keypoints * 2 / size - 1
        terms["structure"] = weak_supervision(xy, depth.float(), seen, stage.angle, stage.geometric, stage.symmetry)
    return terms


def _rate(recipe: SapNetRecipe, progress: float) -> float:
    """Warm-up over the first 2 %, then cosine from the stage's rate to its end."""
    stage = STAGES[recipe.stage]
    top = recipe.rate or stage.rate
    if progress < 0.02:
        return top * (0.05 + 0.95 * progress / 0.02)
    return stage.rate_end + (top - stage.rate_end) * 0.5 * (1 + math.cos(math.pi * min(progress, 1.0)))


def run(recipe: SapNetRecipe) -> dict[str, float]:
    """Train; returns the last validation figures."""
    fabric = lf.Fabric(accelerator=recipe.accelerator, devices=1, precision=recipe.precision)  # type: ignore[arg-type]
    recipe.out.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(recipe.seed)
    stage, config = STAGES[recipe.stage], SAPNET_PRESETS[recipe.preset]
    size = recipe.size or config.hourglass.input_size
    net = SapNet(config)
    average = torch.optim.swa_utils.AveragedModel(
        net, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(recipe.ema), use_buffers=True
    )
    state = {"step": 0, "elapsed": 0.0}
    optimiser = torch.optim.AdamW(net.parameters(), recipe.rate or stage.rate, weight_decay=1e-4)
    last = recipe.out / "last.pt"
    if last.exists():
        saved = load_checkpoint(last)
        net.load_state_dict(saved["net"])
        average.load_state_dict(saved["average"])
        optimiser.load_state_dict(saved["optimiser"])
        state = saved["state"]
    elif recipe.init is not None:
        _start_from(net, load_weights(recipe.init))
        average.module.load_state_dict(net.state_dict())
    net = net.to(memory_format=torch.channels_last)
    trained, optimiser = fabric.setup(net, optimiser)
    average = average.to(fabric.device)
    pictures = Pictures(recipe)
    meta = {
        "recipe": {k: str(v) if isinstance(v, Path) else v for k, v in asdict(recipe).items()},
        "pictures": len(pictures),
    }
    (recipe.out / "recipe.json").write_text(json.dumps(meta, indent=1, default=str))

    begun, resumed_at, validated = time.monotonic(), float(state["elapsed"]), float(state["elapsed"])
    figures: dict[str, float] = {}
    running: dict[str, float] = {}
    bar = Progress(console=Console(stderr=True))
    bar.start()
    task = bar.add_task("training", total=1.0)
    while (progress := _progress(recipe, state)) < 1.0 and state["step"] != recipe.stop_at:
        # Seeded by the step, so that a resumed run draws what an uninterrupted one would have drawn.
        generator = torch.Generator().manual_seed(recipe.seed * 1_000_003 + int(state["step"]))
        picks = torch.randint(len(pictures), (recipe.batch,), generator=generator).numpy()
        raw = {name: value.to(fabric.device) for name, value in pictures.gather(picks).items()}
        batch = make_batch(**raw, size=size, aug=recipe.augmentation, generator=generator)
        batch.image = batch.image.contiguous(memory_format=torch.channels_last)
        for group in optimiser.param_groups:
            group["lr"] = _rate(recipe, progress)
        trained.train()
        terms = losses(trained, batch, stage, size)
        optimiser.zero_grad()
        fabric.backward(sum(terms.values()))  # type: ignore[arg-type]
        fabric.clip_gradients(trained, optimiser, max_norm=5.0, error_if_nonfinite=False)
        optimiser.step()
        average.update_parameters(net)
        state["step"] = int(state["step"]) + 1
        state["elapsed"] = resumed_at + (time.monotonic() - begun) / 60
        for name, term in terms.items():
            running[name] = 0.98 * running.get(name, float(term.detach())) + 0.02 * float(term.detach())
        terms_text = "  ".join(f"{name} {value:.3f}" for name, value in running.items())
        bar.update(task, completed=progress, description=f"step {state['step']}  {terms_text}")
        if state["elapsed"] - validated >= recipe.validate_minutes:
            validated = float(state["elapsed"])
            figures = _checkpoint(recipe, net, average, optimiser, state, pictures, size, running)
    figures = _checkpoint(recipe, net, average, optimiser, state, pictures, size, running)
    bar.stop()
    return figures


def _progress(recipe: SapNetRecipe, state: dict[str, Any]) -> float:
    if recipe.steps is not None:
        return state["step"] / recipe.steps
    return state["elapsed"] / recipe.minutes


def _start_from(net: nn.Module, weights: dict[str, Tensor]) -> None:
    """Take over the weights of another run, leaving out what has another shape (the depth layer)."""
    own = net.state_dict()
    net.load_state_dict({k: weights[k] if k in weights and weights[k].shape == v.shape else v for k, v in own.items()})


def _checkpoint(recipe, net, average, optimiser, state, pictures, size, running) -> dict[str, float]:  # type: ignore[no-untyped-def]
    """Validate the averaged network, append to the log, save."""
    average.module.eval()
    figures = {}
    for source in pictures.sets:
        rows = source.rows(validation=True)
        found = evaluate_pck(average.module, source, rows, size)
        figures.update({f"{source.source[0]}_{name}": value for name, value in found.items()})
    record = {**state, **{f"loss_{k}": v for k, v in running.items()}, **figures, "lr": optimiser.param_groups[0]["lr"]}
    with open(recipe.out / "log.jsonl", "a", encoding="utf-8") as log:
        log.write(json.dumps(record) + "\n")
    print(json.dumps({k: round(v, 4) if isinstance(v, float) else v for k, v in record.items()}), flush=True)
    save_checkpoint(
        recipe.out / "last.pt",
        {
            "net": net.state_dict(),
            "average": average.state_dict(),
            "optimiser": optimiser.state_dict(),
            "state": dict(state),
            "preset": recipe.preset,
            "size": size,
            "figures": figures,
            "facts": {
                "sources": [str(part.source[0]) for part in pictures.sets],
                "free_only": recipe.free_only,
                "pictures": len(pictures),
                "samples": int(state["step"]) * recipe.batch,
                "padding": recipe.augmentation.padding,
                "seed": recipe.seed,
            },
        },
    )
    return figures


def main(args: list[str] | None = None) -> None:
    """The command."""
    run(tyro.cli(SapNetRecipe, prog="python -m training sapnet", args=args))
