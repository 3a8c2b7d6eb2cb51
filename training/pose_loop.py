"""The training loop of the pose networks (lifting, TP-Net): small nets, endless drawn data, one process.

Batches are a function of the step alone, so a run that was stopped and resumed ends with the same weights as one
that was not. State is kept without pickle: ``checkpoint.pt`` in the run's folder, replaced atomically.
"""

from __future__ import annotations

import copy
import json
import math
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor, nn

from training.checkpoints import load_checkpoint, save_checkpoint

__all__ = ["LoopConfig", "fit", "load_weights", "pose_loss"]

Batches = Callable[[int], tuple[Tensor, Tensor]]
CHECKPOINT = "checkpoint.pt"


@dataclass(frozen=True)
class LoopConfig:
    """How long and how fast.

    Attributes:
        steps: optimiser steps in all.
        batch: samples a step.
        learning_rate: of Adam at its height; warmed up over 2 % of the steps, then falling as a cosine to 1 %.
        loss: "l2" (the papers: squared error of normalised joints) or "distance" (mean joint distance, m).
        clip_gradient: limit of the gradient's norm (seed 001: 1); 0 for none.
        average: decay of the running average of the weights that is evaluated and exported; 0 for none.
        seed: of weights, data and dropout.
        device: "cpu" or "cuda".
        bf16: autocast to bfloat16 (a gain on GPUs and on CPUs with AMX or AVX512-BF16, a loss elsewhere).
        threads: of torch on the CPU; 0 leaves torch's own.
        log_every, evaluate_every, save_every: steps.
        resume: go on from the run's check-point if there is one.
    """

    steps: int = 20_000
    batch: int = 512
    learning_rate: float = 1e-3
    loss: str = "l2"
    clip_gradient: float = 1.0
    average: float = 0.999
    seed: int = 0
    device: str = "cpu"
    bf16: bool = False
    threads: int = 0
    log_every: int = 50
    evaluate_every: int = 1000
    save_every: int = 500
    resume: bool = True

    def __post_init__(self) -> None:
        if self.loss not in ("l2", "distance"):
            raise ValueError(f"loss must be 'l2' or 'distance', got {self.loss!r}")


def pose_loss(prediction: Tensor, target: Tensor, std: Tensor, kind: str, weights: Tensor | None = None) -> Tensor:
    """Loss of (N, J, 3) joints, m.

    Args:
        std: (J, 3) by which "l2" normalises.
        weights: (J,), seed 001's weighted L2 (wrists, elbows and feet up); default equal.
    """
    difference = prediction.float() - target
    per_joint = difference.norm(dim=-1) if kind == "distance" else ((difference / std) ** 2).mean(-1)
    return per_joint.mean() if weights is None else (per_joint * weights).mean() / weights.mean()


def _rate(step: int, config: LoopConfig) -> float:
    warm = max(1, config.steps // 50)
    if step < warm:
        return config.learning_rate * (step + 1) / warm
    progress = (step - warm) / max(1, config.steps - warm)
    return config.learning_rate * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * progress)))


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
) -> nn.Module:
    """Train ``net`` and return the averaged net (or ``net`` itself without averaging), in evaluation mode.

    Args:
        std: (J, 3), see :func:`pose_loss`.
        batches: step → (inputs, targets) on the CPU; must depend on the step only.
        folder: of the run: check-point and ``log.jsonl``.
        facts: JSON values kept with the weights.
        evaluate: net → metrics for the log.
        after_step: e.g. the max-norm of the weights.
        weights: (J,) of the loss.
        extra_loss: (predictions, targets) → a term to add.
        stop_at: leave early, as if interrupted (the schedule stays that of ``config.steps``).
    """
    folder.mkdir(parents=True, exist_ok=True)
    if config.threads:
        torch.set_num_threads(config.threads)
    device = torch.device(config.device)
    net.to(device)
    std = std.to(device)
    weights = None if weights is None else weights.to(device)
    optimiser = torch.optim.Adam(net.parameters(), lr=config.learning_rate)
    average = copy.deepcopy(net).requires_grad_(False).eval() if config.average else None
    checkpoint = folder / CHECKPOINT
    step = 0
    if config.resume and checkpoint.exists():
        state = load_checkpoint(checkpoint)
        net.load_state_dict(state["net"])
        optimiser.load_state_dict(state["optimiser"])
        if average is not None:
            average.load_state_dict(state["average"])
        step = int(state["facts"]["step"])
    else:
        (folder / "log.jsonl").unlink(missing_ok=True)
    began, running = time.monotonic(), 0.0
    last = min(config.steps, stop_at or config.steps)
    columns = [TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()]
    with Progress(*columns) as bar, open(folder / "log.jsonl", "a", encoding="utf-8") as log:
        task = bar.add_task("training", total=config.steps, completed=step)
        while step < last:
            torch.manual_seed(config.seed * 1_000_003 + step)  # dropout, too, depends on the step only
            net.train()
            inputs, targets = (part.to(device, non_blocking=True) for part in batches(step))
            for group in optimiser.param_groups:
                group["lr"] = _rate(step, config)
            with torch.autocast(device.type, torch.bfloat16) if config.bf16 else nullcontext():
                prediction = net(inputs)
            loss = pose_loss(prediction, targets, std, config.loss, weights)
            if extra_loss is not None:
                loss = loss + extra_loss(prediction.float(), targets)
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            if config.clip_gradient:
                nn.utils.clip_grad_norm_(net.parameters(), config.clip_gradient)
            optimiser.step()
            if after_step is not None:
                after_step()
            step += 1
            if average is not None:
                _blend(average, net, min(config.average, (1 + step) / (10 + step)))
            running += float(loss.detach())
            if step % config.log_every == 0 or step == last:
                line: dict[str, Any] = {"step": step, "loss": running / ((step - 1) % config.log_every + 1)}
                line |= {"learning_rate": _rate(step - 1, config), "seconds": round(time.monotonic() - began, 1)}
                running = 0.0
                if evaluate is not None and (step % config.evaluate_every == 0 or step == last):
                    line |= evaluate((average if average is not None else net).eval())
                log.write(json.dumps(line) + "\n")
                log.flush()
                bar.update(task, completed=step, description=f"loss {line['loss']:.4f}")
            if step % config.save_every == 0 or step == last:
                state = {
                    "net": net.state_dict(),
                    "average": average.state_dict() if average is not None else None,
                    "optimiser": optimiser.state_dict(),
                    "facts": {"step": step, "loop": asdict(config), **facts},
                }
                save_checkpoint(checkpoint, state)
    return (average if average is not None else net).eval()


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
