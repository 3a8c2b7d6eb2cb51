"""The training loop of the pose networks (lifting, TP-Net, LSTM): small nets, endless drawn data.

Batches are a function of the step (and of the process's rank) alone, so a run that was stopped and resumed ends with
the same weights as one that was not. State is kept without pickle: ``checkpoint.pt`` in the run's folder, replaced
atomically.
"""

from __future__ import annotations

import copy
import json
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import lightning_fabric as lf
import torch
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor, nn

from posecore.losses import compositional_loss, joint_pairs
from posecore.skeletons import BODY_21, Skeleton
from training.checkpoints import load_checkpoint, save_checkpoint
from training.processes import Strategy, make_fabric, shared

__all__ = ["COMPOSITIONAL", "LOSSES", "LoopConfig", "fabric_of", "fit", "load_weights", "pose_loss"]

Batches = Callable[[int], tuple[Tensor, Tensor]]
CHECKPOINT = "checkpoint.pt"

#: Losses on pairs of joints (Sun et al. 2017), by the kind of pairs.
COMPOSITIONAL = ("pairs", "joint", "bone", "both", "all")
LOSSES = ("l2", "distance", *COMPOSITIONAL)


@dataclass(frozen=True)
class LoopConfig:
    """How long and how fast.

    Attributes:
        steps: optimiser steps in all.
        minutes: length by the clock instead, without evaluations.
        batch: samples a step and process.
        learning_rate: of Adam at its height; warmed up over 2 % of the steps, then falling as a cosine to 1 %.
        loss: "l2" (the papers: squared error of normalised joints), "distance" (mean joint distance, m), or a
            compositional one (relative positions of normalised joints): "pairs" (seed 001), "joint", "bone", "both",
            "all" (Sun et al. 2017).
        clip_gradient: limit of the gradient's norm (seed 001: 1); 0 for none.
        average: decay of the running average of the weights that is evaluated and exported; 0 for none.
        seed: of weights, data and dropout.
        device: "cpu" or "cuda".
        devices, nodes, strategy: several processes, see :func:`training.processes.make_fabric`.
        bf16: autocast to bfloat16 (a gain on GPUs and on CPUs with AMX or AVX512-BF16, a loss elsewhere).
        threads: of torch on the CPU; 0 leaves torch's own.
        log_every, evaluate_every, save_every: steps; evaluate_minutes: by the clock instead.
        resume: go on from the run's check-point if there is one.
    """

    steps: int = 20_000
    minutes: float | None = None
    batch: int = 512
    learning_rate: float = 1e-3
    loss: str = "l2"
    clip_gradient: float = 1.0
    average: float = 0.999
    seed: int = 0
    device: str = "cpu"
    devices: int = 1
    nodes: int = 1
    strategy: Strategy = "auto"
    bf16: bool = False
    threads: int = 0
    log_every: int = 50
    evaluate_every: int = 1000
    evaluate_minutes: float | None = None
    save_every: int = 500
    resume: bool = True

    def __post_init__(self) -> None:
        if self.loss not in LOSSES:
            raise ValueError(f"loss must be one of {', '.join(LOSSES)}, got {self.loss!r}")


def fabric_of(config: LoopConfig) -> lf.Fabric:
    """The processes that a loop's options ask for.

    Raises:
        PosecoreError: the machine has no such devices.
    """
    precision = "bf16-mixed" if config.bf16 else "32-true"
    return make_fabric(config.device, config.devices, config.nodes, config.strategy, precision)


def pose_loss(
    prediction: Tensor,
    target: Tensor,
    std: Tensor,
    kind: str,
    weights: Tensor | None = None,
    skeleton: Skeleton = BODY_21,
) -> Tensor:
    """Loss of (N, J, 3) joints, m, root-relative.

    Args:
        std: (J, 3) by which "l2" normalises, > 0. The compositional losses, whose terms are positions of joints
            relative to each other, divide all by one length, its mean over the joints that move: with a scale per
            joint, two joints that are off by the same way would not cancel.
        kind: of :data:`LOSSES`. Compositional losses are the mean over pairs, so that clipping the gradient does to
            them what it does to the others.
        weights: (J,), seed 001's weighted L2 (wrists, elbows and feet up); default equal. Not for compositional ones.
        skeleton: the joints, for the pairs.
    """
    difference = prediction.float() - target
    if kind in COMPOSITIONAL:
        known = torch.ones(difference.shape[:-1], device=difference.device)
        moving = [joint for joint, parent in enumerate(skeleton.parents) if parent >= 0]
        normal = difference / std[moving].mean()
        total = compositional_loss(normal, torch.zeros_like(normal), known, kind, skeleton)  # type: ignore[arg-type]
        return total / len(joint_pairs(kind, skeleton))  # type: ignore[arg-type]
    per_joint = difference.norm(dim=-1) if kind == "distance" else ((difference / std) ** 2).mean(-1)
    return per_joint.mean() if weights is None else (per_joint * weights).mean() / weights.mean()


def _rate(step: int, elapsed: float, config: LoopConfig) -> float:
    if config.minutes is not None:
        progress = min(elapsed / config.minutes, 1.0)
        warmth, progress = progress / 0.02, (progress - 0.02) / 0.98
        if warmth < 1:
            return config.learning_rate * max(warmth, 0.02)
    else:
        warm = max(1, config.steps // 50)
        if step < warm:
            return config.learning_rate * (step + 1) / warm
        progress = (step - warm) / max(1, config.steps - warm)
    return config.learning_rate * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * progress)))


@dataclass
class _State:
    """What changes while a loop runs."""

    step: int = 0
    elapsed: float = 0.0  # minutes
    loss: float = 0.0  # sum since the last line of the log
    since: int = 0  # steps since then
    evaluated: float = 0.0  # minutes


def fit(
    net: nn.Module,
    std: Tensor,
    batches: Batches,
    config: LoopConfig,
    folder: Path,
    facts: dict[str, Any],
    evaluate: Callable[[nn.Module], dict[str, float]] | None = None,
    after_step: Callable[[], None] | None = None,
    weights: Tensor | None = None,
    extra_loss: Callable[[Tensor, Tensor], Tensor] | None = None,
    stop_at: int | None = None,
    fabric: lf.Fabric | None = None,
    skeleton: Skeleton = BODY_21,
) -> nn.Module:
    """Train ``net`` and return the averaged net (or ``net`` itself without averaging), in evaluation mode.

    Args:
        std: (J, 3), see :func:`pose_loss`.
        batches: number → (inputs, targets) on the CPU, a function of the number alone: the step, or with several
            processes step × processes + rank, so that each trains on its own part of a batch.
        folder: of the run: check-point and ``log.jsonl``.
        facts: JSON values kept with the weights.
        evaluate: net → metrics for the log.
        after_step: e.g. the max-norm of the weights.
        weights: (J,) of the loss.
        extra_loss: (predictions, targets) → a term to add.
        stop_at: leave early, as if interrupted (the schedule stays that of ``config.steps``).
        fabric: launched already; default one process.
        skeleton: of the poses.
    """
    fabric = fabric or fabric_of(config)
    folder.mkdir(parents=True, exist_ok=True)
    if config.threads:
        torch.set_num_threads(config.threads)
    std = std.to(fabric.device)
    weights = None if weights is None else weights.to(fabric.device)
    net.to(fabric.device)
    plain_optimiser = torch.optim.Adam(net.parameters(), lr=config.learning_rate)
    average = copy.deepcopy(net).requires_grad_(False).eval() if config.average else None
    state = _resumed(net, plain_optimiser, average, config, folder, fabric)
    trained, optimiser = fabric.setup(net, plain_optimiser)
    best = average if average is not None else net
    began, before = time.monotonic(), state.elapsed
    rank, ranks = fabric.global_rank, fabric.world_size
    columns = [TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn()]
    with Progress(*columns, console=Console(stderr=True), disable=not fabric.is_global_zero) as bar:
        task = bar.add_task("training", total=1.0)
        while not (done := _done(state, config, stop_at)):
            torch.manual_seed(config.seed * 1_000_003 + state.step * ranks + rank)  # dropout depends on the step only
            trained.train()
            inputs, targets = (part.to(fabric.device) for part in batches(state.step * ranks + rank))
            rate = _rate(state.step, state.elapsed, config)
            for group in optimiser.param_groups:
                group["lr"] = rate
            prediction = trained(inputs)
            loss = pose_loss(prediction, targets, std, config.loss, weights, skeleton)
            if extra_loss is not None:
                loss = loss + extra_loss(prediction.float(), targets)
            optimiser.zero_grad()
            fabric.backward(loss)
            if config.clip_gradient:
                fabric.clip_gradients(trained, optimiser, max_norm=config.clip_gradient, error_if_nonfinite=False)
            optimiser.step()
            if after_step is not None:
                after_step()
            state.step += 1
            if average is not None:
                _blend(average, net, min(config.average, (1 + state.step) / (10 + state.step)))
            state.loss += float(loss.detach())
            state.since += 1
            state.elapsed = before + shared(fabric, (time.monotonic() - began) / 60)
            done = _done(state, config, stop_at)
            if fabric.is_global_zero and (done or state.step % config.log_every == 0):
                paused = time.monotonic()
                line = _line(state, rate, config, best if evaluate is not None else None, evaluate, done)
                began += time.monotonic() - paused
                with open(folder / "log.jsonl", "a", encoding="utf-8") as log:
                    log.write(json.dumps(line) + "\n")
                total = state.elapsed / config.minutes if config.minutes else state.step / config.steps
                bar.update(task, completed=total, description=f"step {state.step}  loss {line['loss']:.4f}")
            if fabric.is_global_zero and (done or state.step % config.save_every == 0):
                _save(net, optimiser, average, state, config, facts, folder)
    fabric.barrier()
    return best.eval()


def _done(state: _State, config: LoopConfig, stop_at: int | None) -> bool:
    if state.step == stop_at:
        return True
    return state.elapsed >= config.minutes if config.minutes is not None else state.step >= config.steps


def _line(
    state: _State,
    rate: float,
    config: LoopConfig,
    net: nn.Module | None,
    evaluate: Callable[[nn.Module], dict[str, float]] | None,
    done: bool,
) -> dict[str, Any]:
    """A line of the log, with the metrics when they are due."""
    line: dict[str, Any] = {"step": state.step, "loss": state.loss / max(state.since, 1)}
    line |= {"learning_rate": rate, "elapsed": round(state.elapsed, 4)}
    state.loss, state.since = 0.0, 0
    if config.evaluate_minutes is not None:
        due = state.elapsed - state.evaluated >= config.evaluate_minutes
    else:
        due = state.step % config.evaluate_every == 0
    if net is not None and evaluate is not None and (due or done):
        state.evaluated = state.elapsed
        line |= evaluate(net.eval())
    return line


def _resumed(
    net: nn.Module,
    optimiser: torch.optim.Optimizer,
    average: nn.Module | None,
    config: LoopConfig,
    folder: Path,
    fabric: lf.Fabric,
) -> _State:
    checkpoint = folder / CHECKPOINT
    if not (config.resume and checkpoint.exists()):
        if fabric.is_global_zero:
            (folder / "log.jsonl").unlink(missing_ok=True)
        return _State()
    saved = load_checkpoint(checkpoint)
    net.load_state_dict(saved["net"])
    optimiser.load_state_dict(saved["optimiser"])
    if average is not None:
        average.load_state_dict(saved["average"])
    elapsed = float(saved["facts"].get("elapsed", 0.0))
    return _State(step=int(saved["facts"]["step"]), elapsed=elapsed, evaluated=elapsed)


def _save(
    net: nn.Module,
    optimiser: Any,
    average: nn.Module | None,
    state: _State,
    config: LoopConfig,
    facts: dict[str, Any],
    folder: Path,
) -> None:
    content = {
        "net": net.state_dict(),
        "average": average.state_dict() if average is not None else None,
        "optimiser": optimiser.state_dict(),
        "facts": {"step": state.step, "elapsed": state.elapsed, "loop": asdict(config), **facts},
    }
    save_checkpoint(folder / CHECKPOINT, content)


@torch.no_grad()
def _blend(average: nn.Module, net: nn.Module, decay: float) -> None:
    for mine, theirs in zip(average.state_dict().values(), net.state_dict().values(), strict=True):
        if mine.is_floating_point():
            mine.lerp_(theirs, 1 - decay)
        else:
            mine.copy_(theirs)


def load_weights(folder: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The weights to use of a run (averaged if there are any) and its facts.

    Raises:
        SourceError: the folder holds no readable check-point.
    """
    state = load_checkpoint(folder / CHECKPOINT)
    return state["average"] or state["net"], state["facts"]
