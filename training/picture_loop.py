"""The training loop of the picture networks: stages one after the other, resumable at any step of any of them.

What a step draws is a function of its number (and of the process's rank) alone, so a run that was stopped and resumed
ends with the weights of one that was not. The check-point knows its stage; at the end of each, the averaged weights
are also kept alone. Knows nothing of losses or of what a network computes.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import lightning_fabric as lf
import torch
from rich.console import Console
from rich.progress import Progress
from torch import Tensor, nn

from posecore.errors import PosecoreError
from training.augmentation import Augmentation, Batch, make_batch
from training.checkpoints import (
    load_checkpoint,
    load_facts,
    load_weights,
    save_checkpoint,
    save_weights,
)
from training.picture_mix import PictureMix
from training.processes import Strategy, shared
from training.schedules import Schedule, Stage

__all__ = ["PictureOptions", "Terms", "train"]

#: (net, batch, which pictures are 3D (N,) bool, stage) → the weighted terms of the loss by name.
Terms = Callable[[nn.Module, Batch, Tensor, Stage], dict[str, Tensor]]


@dataclass(frozen=True)
class PictureOptions:
    """Options of every recipe on pictures.

    Attributes:
        data: folder of the shared data sets (lspet/, people/).
        out: folder of the check-points and the log.
        cache: folder of the decoded pictures; default ``out``/../cache.
        synthetic: folder of rendered shards, if any.
        sources: picture sets used: lspet, people, or KIND:PATH with a kind of training.readers (mpii, h36m, coco, …);
            one that is named twice is drawn twice as often.
        solid: sources whose depth counts as truth, where a stage tells 3D pictures from 2D ones.
        preset: size of the network; size: input side if not the preset's, px.
        init: check-point or .safetensors to start from; init_only: the part of it that is taken, e.g. hourglass.
        first: stage to start with, by name or number; what comes before it must be in ``init``.
        minutes: length of training by the clock, without validations; steps: by steps (wins if given). Without either
            the schedule's own iterations, or an hour.
        stop_at: leave early after so many steps, as if interrupted (the schedule stays that of ``steps``).
        batch: pictures a step and process; default the schedule's own, else 24.
        rate: learning rate at the start of the first stage, if not the schedule's.
        ema: decay of the running average of the weights that is evaluated and exported.
        norm: "batch"; "sync" over all processes (GPUs only); "frozen" keeps the statistics as they are.
        free_only: only pictures of free licence, and nothing learned from others.
        limit: training pictures of each source at most, 0 for all.
        accelerator, devices, nodes, strategy, precision: see :func:`training.processes.make_fabric`.
        validate_minutes: between validations; validate_steps: by steps (wins if given).
        validate_limit: validation pictures of each source at most, 0 for all; validate_training: as many of the
            training pictures are measured too.
    """

    data: Path
    out: Path
    cache: Path | None = None
    synthetic: Path | None = None
    sources: tuple[str, ...] = ("lspet", "people")
    solid: tuple[str, ...] = ("synthetic",)
    preset: str = "cpu"
    size: int | None = None
    init: Path | None = None
    init_only: str = ""
    first: str | None = None
    minutes: float | None = None
    steps: int | None = None
    stop_at: int | None = None
    batch: int | None = None
    rate: float | None = None
    ema: float = 0.999
    norm: Literal["batch", "sync", "frozen"] = "batch"
    free_only: bool = False
    limit: int = 0
    precision: str = "32-true"
    accelerator: str = "auto"
    devices: int = 1
    nodes: int = 1
    strategy: Strategy = "auto"
    seed: int = 0
    validate_minutes: float = 6.0
    validate_steps: int | None = None
    validate_limit: int = 0
    validate_training: int = 0
    augmentation: Augmentation = field(default_factory=Augmentation)


@dataclass
class _Run:
    """What one process holds while it trains."""

    fabric: lf.Fabric
    options: PictureOptions
    schedule: Schedule
    net: nn.Module
    average: torch.optim.swa_utils.AveragedModel
    pictures: PictureMix
    size: int
    batch: int
    terms: Terms
    evaluate: Callable[[nn.Module], dict[str, float]]
    facts: dict[str, Any]
    state: dict[str, Any]
    running: dict[str, float]
    validated: float = 0.0


def train(
    fabric: lf.Fabric,
    options: PictureOptions,
    schedule: Schedule,
    net: nn.Module,
    pictures: PictureMix,
    size: int,
    terms: Terms,
    evaluate: Callable[[nn.Module], dict[str, float]],
    facts: Mapping[str, Any],
) -> dict[str, float]:
    """Run every stage of ``schedule``; the last validation figures (rank 0's; others get {}).

    Args:
        schedule: with ``options.first`` and ``options.rate`` applied already.
        net: on the CPU; called as ``net(image, depth=…)`` by ``terms``.
        size: side of the crops, px.
        evaluate: averaged net → figures by name.
        facts: plain values kept in the check-point; ``preset`` is expected by the exports.
    """
    options.out.mkdir(parents=True, exist_ok=True)
    average = torch.optim.swa_utils.AveragedModel(net, multi_avg_fn=_running_average(options.ema), use_buffers=True)
    batch = options.batch or schedule.batch or 24
    state = {"step": 0, "elapsed": 0.0, "stage": 0, "stage_step": 0, "stage_elapsed": 0.0}
    run = _Run(fabric, options, schedule, net, average, pictures, size, batch, terms, evaluate, dict(facts), state, {})
    optimiser_state = _resume(run)
    if options.norm == "sync" and fabric.world_size > 1:
        net = run.net = nn.SyncBatchNorm.convert_sync_batchnorm(net)
    run.net = net.to(fabric.device, memory_format=torch.channels_last)
    run.average = average.to(fabric.device)
    if fabric.is_global_zero:
        _describe(run)
    figures: dict[str, float] = {}
    with Progress(console=Console(stderr=True), disable=not fabric.is_global_zero) as bar:
        while run.state["stage"] < len(schedule.stages):
            figures = _stage(run, bar, optimiser_state)
            optimiser_state = None
            if run.state["step"] == options.stop_at:
                break
            run.state |= {"stage": run.state["stage"] + 1, "stage_step": 0, "stage_elapsed": 0.0}
    return figures


def _running_average(decay: float) -> Callable[..., None]:
    """The usual average, but young: after n steps no older than about n / 10 of them, so that short runs have one."""

    def update(averages: Any, values: Any, count: Any) -> None:
        n = int(count)
        torch.optim.swa_utils.get_ema_multi_avg_fn(min(decay, (1 + n) / (10 + n)))(averages, values, count)

    return update


def _resume(run: _Run) -> dict[str, Any] | None:
    """Take up the run's own check-point, or the weights to start from; the optimiser's state if there is one."""
    options, last = run.options, run.options.out / "last.pt"
    if last.exists():
        saved = load_checkpoint(last)
        _refuse_unfree(options, saved.get("facts", {}), last)
        run.net.load_state_dict(saved["net"])
        run.average.load_state_dict(saved["average"])
        state = saved["state"]
        # Check-points from before there were schedules hold one stage.
        run.state = {"stage": 0, "stage_step": state["step"], "stage_elapsed": state["elapsed"], **state}
        return dict(saved["optimiser"])
    if options.init is not None:
        if options.free_only:
            _refuse_unfree(options, load_facts(options.init), options.init)
        weights = load_weights(options.init)
        prefix = f"{options.init_only}." if options.init_only else ""
        _start_from(run.net, {name: value for name, value in weights.items() if name.startswith(prefix)})
        run.average.module.load_state_dict(run.net.state_dict())
    return None


def _refuse_unfree(options: PictureOptions, facts: Mapping[str, Any], path: Path) -> None:
    if options.free_only and not facts.get("free_only"):
        raise PosecoreError(f"{path}: not trained with --free-only; free weights cannot start from it")


def _start_from(net: nn.Module, weights: dict[str, Tensor]) -> None:
    """Take over the weights of another run, leaving out what is missing or of another shape."""
    own = net.state_dict()
    net.load_state_dict({k: weights[k] if k in weights and weights[k].shape == v.shape else v for k, v in own.items()})


def _describe(run: _Run) -> None:
    """``recipe.json`` beside the check-points: the options as they were and the stages as data."""
    recipe = {key: str(value) if isinstance(value, Path) else value for key, value in asdict(run.options).items()}
    stages = [asdict(stage) for stage in run.schedule.stages]
    content = {"recipe": recipe, "stages": stages, "pictures": len(run.pictures), "processes": run.fabric.world_size}
    (run.options.out / "recipe.json").write_text(json.dumps(content, indent=1, default=str))


def _stage(run: _Run, bar: Progress, optimiser_state: dict[str, Any] | None) -> dict[str, float]:
    """Train one stage to its end (or ``stop_at``), then validate and save."""
    fabric, options, state = run.fabric, run.options, run.state
    stage = run.schedule.stages[state["stage"]]
    for parameter in run.net.parameters():
        parameter.requires_grad_(False)
    for parameter in _parameters(run.net, stage):
        parameter.requires_grad_(True)
    optimiser: Any = _optimiser(run.schedule, stage, _parameters(run.net, stage))
    if optimiser_state is not None:
        optimiser.load_state_dict(optimiser_state)
    trained, optimiser = fabric.setup(run.net, optimiser)
    begun, before, stage_before = time.monotonic(), float(state["elapsed"]), float(state["stage_elapsed"])
    run.validated, validated_at, saved_at = before, int(state["step"]), -1
    run.running.clear()
    figures: dict[str, float] = {}
    task = bar.add_task(stage.name or "training", total=1.0)
    while (progress := _progress(run, stage)) < 1.0 and state["step"] != options.stop_at:
        for group in optimiser.param_groups:
            group["lr"] = _rate(stage, progress)
        _set_modes(run, trained, stage)
        terms = _step(run, trained, optimiser, stage)
        minutes = shared(fabric, (time.monotonic() - begun) / 60)
        state["step"] += 1
        state["stage_step"] += 1
        state |= {"elapsed": before + minutes, "stage_elapsed": stage_before + minutes}
        for name, term in terms.items():
            value = float(term.detach())
            run.running[name] = 0.98 * run.running.get(name, value) + 0.02 * value
        text = "  ".join(f"{name} {value:.3f}" for name, value in run.running.items())
        bar.update(task, completed=progress, description=f"{stage.name} step {state['step']}  {text}")
        if options.validate_steps:
            due = state["step"] - validated_at >= options.validate_steps
        else:
            due = state["elapsed"] - run.validated >= options.validate_minutes
        if due:
            run.validated, validated_at, saved_at = float(state["elapsed"]), state["step"], state["step"]
            paused = time.monotonic()
            figures = _checkpoint(run, optimiser, stage)
            begun += time.monotonic() - paused
    if saved_at != state["step"]:
        figures = _checkpoint(run, optimiser, stage)
    bar.update(task, completed=1.0)
    if fabric.is_global_zero and _progress(run, stage) >= 1.0:
        name = f"{state['stage'] + 1}-{stage.name or 'stage'}.safetensors"
        save_weights(options.out / name, run.average.module.state_dict(), {"free_only": options.free_only})
    return figures


def _parameters(net: nn.Module, stage: Stage) -> list[nn.Parameter]:
    return [parameter for part in stage.parts for parameter in net.get_submodule(part).parameters()]


def _optimiser(schedule: Schedule, stage: Stage, parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
    if schedule.optimiser == "rmsprop":
        return torch.optim.RMSprop(parameters, stage.rate, alpha=0.99, eps=1e-8)
    return torch.optim.AdamW(parameters, stage.rate, weight_decay=1e-4)


def _set_modes(run: _Run, trained: nn.Module, stage: Stage) -> None:
    """Training mode for the parts that train; the others keep their batch statistics, too."""
    trained.train()
    for name, part in run.net.named_children():
        if name not in stage.parts:
            part.eval()
    if run.options.norm == "frozen":
        for module in run.net.modules():
            if isinstance(module, nn.modules.batchnorm._BatchNorm):
                module.eval()


def _step(run: _Run, trained: nn.Module, optimiser: Any, stage: Stage) -> dict[str, Tensor]:
    fabric, options, step = run.fabric, run.options, int(run.state["step"])
    # Seeded by the step, so that a resumed run draws what an uninterrupted one would have drawn.
    generator = torch.Generator().manual_seed(options.seed * 1_000_003 + step)
    ranks = fabric.world_size
    picks = run.pictures.pick(generator, run.batch, stage.two_d, fabric.global_rank, ranks)
    if ranks > 1:  # the same pictures for all to share out, other changes to them in every process
        generator = torch.Generator().manual_seed((options.seed * 1_000_003 + step) * ranks + fabric.global_rank)
    torch.manual_seed(options.seed * 1_000_003 + step)  # dropout
    raw = {name: value.to(fabric.device) for name, value in run.pictures.gather(picks).items()}
    batch = make_batch(**raw, size=run.size, aug=options.augmentation, generator=generator)
    batch.image = batch.image.contiguous(memory_format=torch.channels_last)
    terms = run.terms(trained, batch, run.pictures.solid(picks).to(fabric.device), stage)
    optimiser.zero_grad()
    fabric.backward(torch.stack(list(terms.values())).sum())
    fabric.clip_gradients(trained, optimiser, max_norm=5.0, error_if_nonfinite=False)
    optimiser.step()
    run.average.update_parameters(run.net)
    return terms


def _progress(run: _Run, stage: Stage) -> float:
    """Share of the stage that is done: by steps, by minutes, or by the schedule's own iterations."""
    options, stages = run.options, run.schedule.stages
    share = stage.share / sum(other.share for other in stages)
    if options.steps is not None:
        ends = [sum(other.share for other in stages[: n + 1]) for n in range(len(stages))]
        marks = [0, *(round(options.steps * end / ends[-1]) for end in ends)]
        number = run.state["stage"]
        length = marks[number + 1] - marks[number]
        return run.state["stage_step"] / length if length else 1.0
    if options.minutes is None and stage.iterations is not None:
        return run.state["stage_step"] / stage.iterations
    minutes = options.minutes if options.minutes is not None else 60.0
    return run.state["stage_elapsed"] / (minutes * share)


def _rate(stage: Stage, progress: float) -> float:
    """Warm-up over the first 2 %, then cosine from the stage's rate to its end."""
    if progress < 0.02:
        return stage.rate * (0.05 + 0.95 * progress / 0.02)
    return stage.rate_end + (stage.rate - stage.rate_end) * 0.5 * (1 + math.cos(math.pi * min(progress, 1.0)))


def _checkpoint(run: _Run, optimiser: Any, stage: Stage) -> dict[str, float]:
    """Validate the averaged network, append to the log, save; rank 0 alone."""
    if not run.fabric.is_global_zero:
        return {}
    options, state = run.options, dict(run.state)
    run.average.module.eval()
    figures = run.evaluate(run.average.module)
    losses = {f"loss_{name}": value for name, value in run.running.items()}
    record = {**state, "stage_name": stage.name, **losses, **figures, "lr": optimiser.param_groups[0]["lr"]}
    with open(options.out / "log.jsonl", "a", encoding="utf-8") as log:
        log.write(json.dumps(record) + "\n")
    print(json.dumps({k: round(v, 4) if isinstance(v, float) else v for k, v in record.items()}), flush=True)
    facts = {
        "sources": [str(part.source[0]) for part in run.pictures.sets],
        "free_only": options.free_only,
        "pictures": len(run.pictures),
        "samples": int(state["step"]) * run.batch * run.fabric.world_size,
        "padding": options.augmentation.padding,
        "seed": options.seed,
        "stage": stage.name,
    }
    save_checkpoint(
        options.out / "last.pt",
        {
            "net": run.net.state_dict(),
            "average": run.average.state_dict(),
            "optimiser": optimiser.state_dict(),
            "state": state,
            "preset": options.preset,
            "size": run.size,
            "figures": figures,
            "facts": {**facts, **run.facts},
        },
    )
    return figures
