"""Lifting: 2D keypoints to 3D joints (Martinez et al. 2017; seed 001). ``python -m training lift --data DATA``.

CMU motion on varied bodies, seen by virtual cameras, with the 2D net's measured noise: never clean keypoints.
Targets are root-relative metres in the ray frame on bodies of the canonical size (``training.motion_data``).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Literal

import lightning_fabric as lf
import numpy as np
import torch
import tyro
from torch import Tensor, nn

from posecore.capturing.lifting import normalise_keypoints
from posecore.errors import PosecoreError
from posecore.losses import joint_weights
from posecore.metrics import mpjpe, pa_mpjpe
from posecore.nets.lifting import LIFTING_PRESETS, LiftingConfig, LiftingNet
from posecore.skeletons import BODY_21
from training.motion_data import read_clips
from training.noise import STATISTICS_FILE, NoiseStatistics
from training.pose_loop import COMPOSITIONAL, LoopConfig, fabric_of, fit, load_weights
from training.pose_samples import MotionPool, Scenes, draw_scenes
from training.processes import launch

__all__ = ["Config", "config_of", "evaluation_scenes", "evaluator", "load", "main", "run", "samples"]


@dataclass(frozen=True)
class Config:
    """Train the lifting net.

    Attributes:
        data: the data folder (with mocap_cmu).
        out: folder of the run.
        preset: of posecore.nets.lifting.LIFTING_PRESETS.
        noise: noise statistics (JSON).
        weighted: weigh wrists, elbows and ankles up (seed 001, eq. 7); with ``loop.loss`` l2 or distance.
        clip: "gradient": the gradient's norm, to ``loop.clip_gradient`` (seed 001: 1); "max-norm": Martinez's limit on
            the Frobenius norm of each whole weight matrix instead; "none".
        dropout, batch_norm: if not the preset's.
        loop: how long and how fast.
    """

    data: Path
    out: Path = Path("runs/lift")
    preset: str = "cpu"
    noise: Path = STATISTICS_FILE
    weighted: bool = False
    clip: Literal["gradient", "max-norm", "none"] = "gradient"
    dropout: float | None = None
    batch_norm: bool | None = None
    loop: LoopConfig = field(
        default_factory=lambda: LoopConfig(steps=12_000, batch=512, learning_rate=2e-3, loss="distance")
    )


def config_of(config: Config) -> LiftingConfig:
    """The preset with the options' changes.

    Raises:
        PosecoreError: there is no such preset.
    """
    if config.preset not in LIFTING_PRESETS:
        raise PosecoreError(f"--preset {config.preset}: unknown; choose one of {', '.join(LIFTING_PRESETS)}")
    changes = {"dropout": config.dropout, "batch_norm": config.batch_norm}
    return replace(LIFTING_PRESETS[config.preset], **{name: v for name, v in changes.items() if v is not None})


def samples(scenes: Scenes) -> tuple[Tensor, Tensor]:
    """(N·T, 21, 3) inputs and (N·T, 21, 3) targets of the net."""
    inputs = normalise_keypoints(scenes.keypoints, scenes.confidence)
    shape = (-1, *scenes.joints.shape[-2:])
    return torch.from_numpy(inputs.reshape(shape)), torch.from_numpy(scenes.joints.reshape(shape))


def evaluation_scenes(data: Path, statistics: NoiseStatistics, count: int = 2000, length: int = 1) -> Scenes:
    """Fixed scenes of held-out subjects: always the same for the same statistics."""
    pool = MotionPool(read_clips(data, "validation"), own_bodies=True)
    return draw_scenes(np.random.default_rng(2024), pool, statistics, count, length, rate=30.0, augment=False)


def evaluator(scenes: Scenes) -> Callable[[nn.Module], dict[str, float]]:
    """A function of a net that measures it on ``scenes``."""
    inputs, targets = samples(scenes)
    ends = (joint_weights(BODY_21) > 1).numpy()  # wrists, elbows and ankles

    @torch.no_grad()
    def evaluate(net: nn.Module) -> dict[str, float]:
        prediction = net(inputs.to(next(net.parameters()).device)).float().cpu().numpy()
        pelvis = BODY_21.indices(["pelvis"])
        found, truth = (joints - joints[:, pelvis] for joints in (prediction, targets.numpy()))
        return {
            "mpjpe_mm": round(1000 * mpjpe(found, truth), 2),
            "pa_mpjpe_mm": round(1000 * pa_mpjpe(found, truth), 2),
            "ends_mpjpe_mm": round(1000 * mpjpe(found[:, ends], truth[:, ends]), 2),
        }

    return evaluate


def run(config: Config) -> Path:
    """Train, and return the run's folder.

    Raises:
        PosecoreError: options that do not go together, or a device that is not there.
    """
    if config.weighted and config.loop.loss in COMPOSITIONAL:
        raise PosecoreError(f"--weighted goes with --loop.loss l2 or distance, not with {config.loop.loss}")
    config_of(config)
    launch(fabric_of(config.loop), _run, config=config)
    return config.out


def _run(fabric: lf.Fabric, config: Config) -> None:
    torch.manual_seed(config.loop.seed)
    statistics = NoiseStatistics.load(config.noise)
    pool = MotionPool(read_clips(config.data, "train", np.random.default_rng(config.loop.seed)))
    net = LiftingNet(config_of(config))
    inputs, targets = samples(draw_scenes(np.random.default_rng([config.loop.seed, 0]), pool, statistics, 20_000))
    net.input.fit(inputs)
    net.output.fit(targets)

    def batches(step: int) -> tuple[Tensor, Tensor]:
        rng = np.random.default_rng([config.loop.seed, 1, step])
        return samples(draw_scenes(rng, pool, statistics, config.loop.batch))

    loop = config.loop if config.clip == "gradient" else replace(config.loop, clip_gradient=0.0)
    facts = {"net": asdict(net.config), "noise": statistics.source, "kind": "lifting"}
    fit(
        net,
        net.output.std.clone(),
        batches,
        loop,
        config.out,
        {**facts, "clip": config.clip, "weighted": config.weighted},
        evaluate=evaluator(evaluation_scenes(config.data, statistics)),
        after_step=net.clip_weights if config.clip == "max-norm" else None,
        weights=joint_weights(BODY_21) if config.weighted else None,
        fabric=fabric,
    )


def load(folder: Path) -> LiftingNet:
    """The net of a run, ready to use."""
    weights, facts = load_weights(folder)
    net = LiftingNet(LiftingConfig(**facts["net"]))
    net.load_state_dict(weights)
    return net.eval()


def main(args: list[str] | None = None) -> None:
    """``python -m training lift``."""
    run(tyro.cli(Config, prog="python -m training lift", args=args))


if __name__ == "__main__":
    main()
