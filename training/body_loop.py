"""The training loop of the mesh regressor: generator and critic in turn, resumable at any step.

A step looks at a batch once; the critic is trained several times on what the generator said, each time beside other
real bodies, then the generator once against it. What a step draws is a function of its number and of the process's
rank alone. Knows nothing of options' names on the command line (:mod:`training.recipes.smpl`).
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import lightning_fabric as lf
import numpy as np
import torch
from rich.console import Console
from rich.progress import Progress
from torch import Tensor, nn

from posecore.losses import critic_loss
from posecore.nets import BodyCritic, BodyRegressor
from posecore.skeletons import SMPL_24
from training.augmentation import Augmentation
from training.bodies.losses import generator_terms
from training.bodies.pictures import BodyBatch, BodyPictures, make_body_batch
from training.bodies.posed import PosedBody
from training.bodies.poses import BodyPoses, random_betas
from training.bodies.weights import LossWeights, Reprojection
from training.checkpoints import load_checkpoint, save_checkpoint
from training.processes import Strategy, shared

__all__ = ["BodyLoop", "BodyRun", "Sources", "matrices_of", "train_bodies"]

_ROOT = SMPL_24.index("pelvis")


@dataclass(frozen=True)
class BodyLoop:
    """Length, speed and losses of a training.

    Attributes:
        minutes: by the clock, without validations; steps: by steps (wins if given).
        stop_at: leave early after so many steps, as if interrupted.
        batch: pictures a step and process; rendered: share of it from rendered pictures, where there are others, too.
        rate, rate_end: of the generator (Adam, cosine); critic_rate: of the critic (Adam, 0.5, 0.9).
        critic_steps: of the critic for each of the generator.
        reprojection: kpr, mr or combined (seed 003 §4.1); weights: of all terms.
        mask_size: side of the silhouettes that the loss compares, px.
        mirror: share of the critic's real poses that are mirrored.
        ema: decay of the running average of the weights, which is evaluated and exported.
        seed: of everything.
        validate_minutes: between validations; validate_steps: by steps (wins if given).
    """

    minutes: float = 60.0
    steps: int | None = None
    stop_at: int | None = None
    batch: int = 32
    rendered: float = 0.5
    rate: float = 1e-3
    rate_end: float = 1e-5
    critic_rate: float = 1e-4
    critic_steps: int = 5
    reprojection: Reprojection = "combined"
    weights: LossWeights = field(default_factory=LossWeights)
    mask_size: int = 48
    mirror: float = 0.5
    ema: float = 0.999
    seed: int = 0
    validate_minutes: float = 6.0
    validate_steps: int | None = None
    accelerator: str = "auto"
    devices: int = 1
    nodes: int = 1
    strategy: Strategy = "auto"
    precision: Literal["32-true", "bf16-mixed"] = "32-true"


@dataclass(frozen=True, eq=False)
class Sources:
    """What is trained on: pictures, and real poses for the critic (None without one)."""

    pictures: BodyPictures
    poses: BodyPoses | None


@dataclass(eq=False)
class BodyRun:
    """What one process holds while it trains."""

    fabric: lf.Fabric
    loop: BodyLoop
    out: Path
    net: BodyRegressor
    critic: BodyCritic | None
    body: PosedBody
    sources: Sources
    size: int
    augmentation: Augmentation
    evaluate: Callable[[BodyRegressor], dict[str, float]]
    facts: dict[str, Any]
    average: Any = None
    state: dict[str, Any] = field(default_factory=lambda: {"step": 0, "elapsed": 0.0})
    running: dict[str, float] = field(default_factory=dict)


class _Parameters(nn.Module):
    """The regressor as one that answers with tensors alone, which is all that processes can share."""

    def __init__(self, net: BodyRegressor) -> None:
        super().__init__()
        self.net = net

    def forward(self, image: Tensor) -> Tensor:
        return self.net.regress(image)[-1]


def matrices_of(quaternions: np.ndarray) -> Tensor:
    """(N, 24, 4) xyzw → (N, 24, 3, 3) float32."""
    from training.bodies.pictures import matrices

    return matrices(torch.from_numpy(np.ascontiguousarray(quaternions, np.float32)))


def train_bodies(run: BodyRun) -> dict[str, float]:
    """Train to the end (or ``stop_at``); the last validation figures (rank 0's; others get {})."""
    fabric, loop = run.fabric, run.loop
    run.out.mkdir(parents=True, exist_ok=True)
    run.average = torch.optim.swa_utils.AveragedModel(run.net, multi_avg_fn=_young(loop.ema), use_buffers=True)
    saved = load_checkpoint(run.out / "last.pt") if (run.out / "last.pt").exists() else None
    if saved is not None:
        run.net.load_state_dict(saved["net"])
        run.average.load_state_dict(saved["average"])
        run.state = dict(saved["state"])
        if run.critic is not None:
            run.critic.load_state_dict(saved["critic"])
    elif fabric.is_global_zero:
        _describe(run)
    run.average, run.body = run.average.to(fabric.device), run.body.to(fabric.device)
    module: Any = _Parameters(run.net)
    optimiser: Any = torch.optim.Adam(module.parameters(), loop.rate)
    if saved is not None:
        optimiser.load_state_dict(saved["optimiser"])
    module, optimiser = fabric.setup(module, optimiser)
    critic: Any = None
    critic_optimiser: Any = None
    if run.critic is not None:
        critic_optimiser = torch.optim.Adam(run.critic.parameters(), loop.critic_rate, (0.5, 0.9))
        if saved is not None:
            critic_optimiser.load_state_dict(saved["critic_optimiser"])
        critic, critic_optimiser = fabric.setup(run.critic, critic_optimiser)
    return _loop(run, module, optimiser, critic, critic_optimiser)


def _young(decay: float) -> Callable[..., None]:
    """The usual average, but after n steps no older than about n / 10 of them."""

    def update(averages: Any, values: Any, count: Any) -> None:
        n = int(count)
        torch.optim.swa_utils.get_ema_multi_avg_fn(min(decay, (1 + n) / (10 + n)))(averages, values, count)

    return update


def _describe(run: BodyRun) -> None:
    content = {"loop": asdict(run.loop), "facts": run.facts, "pictures": len(run.sources.pictures)}
    (run.out / "recipe.json").write_text(json.dumps(content, indent=1, default=str))


def _loop(run: BodyRun, module: Any, optimiser: Any, critic: Any, critic_optimiser: Any) -> dict[str, float]:
    fabric, loop, state = run.fabric, run.loop, run.state
    begun, before = time.monotonic(), float(state["elapsed"])
    validated, validated_at, saved_at = before, int(state["step"]), -1
    figures: dict[str, float] = {}
    with Progress(console=Console(stderr=True), disable=not fabric.is_global_zero) as bar:
        task = bar.add_task("bodies", total=1.0)
        while (progress := _progress(loop, state)) < 1.0 and state["step"] != loop.stop_at:
            for group in optimiser.param_groups:
                group["lr"] = _rate(loop, progress)
            terms = _step(run, module, optimiser, critic, critic_optimiser)
            state["step"] += 1
            state["elapsed"] = before + shared(fabric, (time.monotonic() - begun) / 60)
            for name, value in terms.items():
                run.running[name] = 0.98 * run.running.get(name, value) + 0.02 * value
            text = "  ".join(f"{name} {value:.3f}" for name, value in run.running.items())
            bar.update(task, completed=progress, description=f"step {state['step']}  {text}")
            if loop.validate_steps:
                due = state["step"] - validated_at >= loop.validate_steps
            else:
                due = state["elapsed"] - validated >= loop.validate_minutes
            if due:
                validated, validated_at, saved_at = float(state["elapsed"]), state["step"], state["step"]
                paused = time.monotonic()
                figures = _checkpoint(run, optimiser, critic_optimiser)
                begun += time.monotonic() - paused
        if saved_at != state["step"]:
            figures = _checkpoint(run, optimiser, critic_optimiser)
    return figures


def _progress(loop: BodyLoop, state: dict[str, Any]) -> float:
    if loop.steps is not None:
        return state["step"] / max(loop.steps, 1)
    return state["elapsed"] / loop.minutes


def _rate(loop: BodyLoop, progress: float) -> float:
    """Warm-up over the first 2 %, then cosine."""
    if progress < 0.02:
        return loop.rate * (0.05 + 0.95 * progress / 0.02)
    return loop.rate_end + (loop.rate - loop.rate_end) * 0.5 * (1 + math.cos(math.pi * min(progress, 1.0)))


def _draw(run: BodyRun, generator: torch.Generator) -> BodyBatch:
    """This process's pictures of a step: so many rendered and so many others, where there are both."""
    loop, pictures = run.loop, run.sources.pictures
    ranks, rank = run.fabric.world_size, run.fabric.global_rank
    pools = [np.flatnonzero(pictures.solid), np.flatnonzero(~pictures.solid)]
    counts = [round(loop.batch * loop.rendered), loop.batch - round(loop.batch * loop.rendered)]
    if not all(len(pool) for pool in pools):
        counts = [loop.batch if len(pool) else 0 for pool in pools]
    rows = []
    for pool, count in zip(pools, counts, strict=True):
        if not count:
            continue
        if count * ranks >= len(pool) and ranks == 1:  # all of a handful, as in overfitting, then again
            drawn = torch.cat([torch.randperm(len(pool), generator=generator) for _ in range(-(-count // len(pool)))])
        else:
            drawn = torch.randint(len(pool), (count * ranks,), generator=generator)
        rows.append(pool[drawn.numpy()[: count * ranks][rank::ranks]])
    if ranks > 1:
        generator = torch.Generator().manual_seed((loop.seed * 1_000_003 + run.state["step"]) * ranks + rank)
    batch = make_body_batch(pictures, np.concatenate(rows), run.size, loop.mask_size, run.augmentation, generator)
    device = run.fabric.device
    moved = {f: getattr(batch, f).to(device) for f in ("image", "keypoints", "weight", "solid", "rotations", "betas")}
    return replace(batch, **moved)


def _real(run: BodyRun, rng: np.random.Generator, count: int) -> tuple[Tensor, Tensor, Tensor]:
    """Real bodies for the critic: captured poses, random shapes, and the joints that follow."""
    assert run.sources.poses is not None
    device = run.fabric.device
    rotations = matrices_of(run.sources.poses.draw(rng, count, run.loop.mirror)).to(device)
    if run.net.config.camera == "six_dof":
        # The camera has the turn, regressed bodies stand upright facing +Z: bodies half-way between the two, at which
        # the penalty is taken, are bodies only if these do so, too.
        rotations[:, _ROOT] = torch.eye(3, device=device)
    betas = torch.from_numpy(random_betas(rng, count, run.net.config.betas)).to(device)
    with torch.no_grad():
        return rotations, betas, run.body.joints(rotations, betas)


def _step(run: BodyRun, module: Any, optimiser: Any, critic: Any, critic_optimiser: Any) -> dict[str, float]:
    loop, fabric = run.loop, run.fabric
    seed = loop.seed * 1_000_003 + int(run.state["step"])
    generator = torch.Generator().manual_seed(seed)
    batch = _draw(run, generator)
    torch.manual_seed(seed)  # dropout
    module.train()
    prediction = run.net.decode(module(batch.image).float())
    posed = run.body(prediction.rotations, prediction.betas)
    values: dict[str, float] = {}
    if critic is not None:
        rng = np.random.default_rng([seed, fabric.global_rank])
        fake = [value.detach() for value in (prediction.rotations, prediction.betas, posed.joints)]
        for _ in range(loop.critic_steps):
            loss = critic_loss(critic, _real(run, rng, len(fake[0])), fake, generator=generator)
            critic_optimiser.zero_grad()
            fabric.backward(loss.total)
            critic_optimiser.step()
            values |= {"distance": float(loss.distance.detach()), "penalty": float(loss.penalty.detach())}
        _freeze(run.critic, True)
    terms = generator_terms(prediction, posed, batch, run.body, critic, loop.reprojection, loop.weights)
    optimiser.zero_grad()
    fabric.backward(torch.stack(list(terms.values())).sum())
    fabric.clip_gradients(module, optimiser, max_norm=5.0, error_if_nonfinite=False)
    optimiser.step()
    _freeze(run.critic, False)
    run.average.update_parameters(run.net)
    return {name: float(term.detach()) for name, term in terms.items()} | values


def _freeze(critic: nn.Module | None, frozen: bool) -> None:
    if critic is not None:
        for parameter in critic.parameters():
            parameter.requires_grad_(not frozen)


def _checkpoint(run: BodyRun, optimiser: Any, critic_optimiser: Any) -> dict[str, float]:
    """Validate the averaged network, append to the log, save; rank 0 alone."""
    if not run.fabric.is_global_zero:
        return {}
    run.average.module.eval()
    figures = run.evaluate(run.average.module)
    losses = {f"loss_{name}": value for name, value in run.running.items()}
    record = {**run.state, **losses, **figures, "lr": optimiser.param_groups[0]["lr"]}
    with open(run.out / "log.jsonl", "a", encoding="utf-8") as log:
        log.write(json.dumps(record) + "\n")
    print(json.dumps({k: round(v, 4) if isinstance(v, float) else v for k, v in record.items()}), flush=True)
    content = {
        "net": run.net.state_dict(),
        "average": run.average.state_dict(),
        "optimiser": optimiser.state_dict(),
        "state": dict(run.state),
        "size": run.size,
        "figures": figures,
        "facts": {
            **run.facts,
            "pictures": len(run.sources.pictures),
            "samples": int(run.state["step"]) * run.loop.batch * run.fabric.world_size,
        },
    }
    if run.critic is not None:
        content |= {"critic": run.critic.state_dict(), "critic_optimiser": critic_optimiser.state_dict()}
    save_checkpoint(run.out / "last.pt", content)
    return figures
