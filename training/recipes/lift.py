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
from training.motion_data import read_clips
from training.noise import STATISTICS_FILE, NoiseStatistics
from training.pose_loop import COMPOSITIONAL, LoopConfig, fabric_of, fit, load_weights
from training.pose_samples import MotionPool, Scenes, draw_scenes, in_joint_set, joint_set
from training.processes import launch

__all__ = ["Config", "config_of", "evaluation_scenes", "evaluator", "load", "main", "run", "samples"]


_OURS = LiftingConfig()


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


def samples(scenes: Scenes, config: LiftingConfig = _OURS) -> tuple[Tensor, Tensor]:
    """(N·T, J, 2 or 3) inputs and (N·T, J, 3) targets of a net of that size."""
    inputs = in_joint_set(normalise_keypoints(scenes.keypoints, scenes.confidence), config.joints)
    targets = in_joint_set(scenes.joints, config.joints)
    flat = (-1, config.joints)
    inputs = np.ascontiguousarray(inputs.reshape(*flat, 3)[..., : config.channels])
    return torch.from_numpy(inputs), torch.from_numpy(targets.reshape(*flat, 3))


def evaluation_scenes(data: Path, statistics: NoiseStatistics, count: int = 2000, length: int = 1) -> Scenes:
    """Fixed scenes of held-out subjects: always the same for the same statistics."""
    pool = MotionPool(read_clips(data, "validation"), own_bodies=True)
    return draw_scenes(np.random.default_rng(2024), pool, statistics, count, length, rate=30.0, augment=False)


def evaluator(scenes: Scenes, config: LiftingConfig = _OURS) -> Callable[[nn.Module], dict[str, float]]:
    """A function of a net that measures it on ``scenes``."""
    inputs, targets = samples(scenes, config)
    skeleton = joint_set(config.joints)
    ends = (joint_weights(skeleton) > 1).numpy()  # wrists, elbows and ankles

    @torch.no_grad()
    def evaluate(net: nn.Module) -> dict[str, float]:
        prediction = net(inputs.to(next(net.parameters()).device)).float().cpu().numpy()
        pelvis = skeleton.indices(["pelvis"])
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
    first = draw_scenes(np.random.default_rng([config.loop.seed, 0]), pool, statistics, 20_000)
    inputs, targets = samples(first, net.config)
    net.input.fit(inputs)
    net.output.fit(targets)

    def batches(step: int) -> tuple[Tensor, Tensor]:
        rng = np.random.default_rng([config.loop.seed, 1, step])
        return samples(draw_scenes(rng, pool, statistics, config.loop.batch), net.config)

    skeleton = joint_set(net.config.joints)
    loop = config.loop if config.clip == "gradient" else replace(config.loop, clip_gradient=0.0)
    facts = {"net": asdict(net.config), "noise": statistics.source, "kind": "lifting"}
    fit(
        net,
        net.output.scale.clone(),
        batches,
        loop,
        config.out,
        {**facts, "clip": config.clip, "weighted": config.weighted},
        evaluate=evaluator(evaluation_scenes(config.data, statistics), net.config),
        after_step=net.clip_weights if config.clip == "max-norm" else None,
        weights=joint_weights(skeleton) if config.weighted else None,
        fabric=fabric,
        skeleton=skeleton,
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
