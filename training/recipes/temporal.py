"""TP-Net: refine a pose by its neighbours in time (Dabral et al. 2018; seed 000). ``python -m training temporal``.

``--net lstm`` trains the LSTM that the paper sets beside it, on the same windows.

Its input is what run time will feed it: the trained lifter's predictions from keypoints with noise that is
correlated over time, mixed with 3D noise of SAP-Net's kind; its target is the clean pose. ``--preset small`` is
online (19 past poses and the current one), ``--preset small_semi`` semi-online (10 past, the current, 9 ahead).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Literal

import lightning_fabric as lf
import numpy as np
import torch
import tyro
from numpy.typing import NDArray
from torch import Tensor, nn

from posecore.capturing.lifting import normalise_keypoints
from posecore.errors import PosecoreError
from posecore.metrics import acceleration_error, mpjpe, pa_mpjpe
from posecore.nets.lifting import LiftingNet
from posecore.nets.recurrent import LSTM_PRESETS, LstmConfig, LstmNet
from posecore.nets.temporal import TEMPORAL_PRESETS, TemporalConfig, TemporalNet
from posecore.skeletons import BODY_21
from training.motion_data import read_clips
from training.noise import STATISTICS_FILE, NoiseStatistics
from training.pose_loop import LoopConfig, fabric_of, fit, load_weights
from training.pose_samples import MotionPool, Scenes, draw_scenes, estimated_joints, in_joint_set, joint_set
from training.processes import launch
from training.recipes import lift

__all__ = ["Config", "build", "evaluator", "lifted", "load", "main", "refined", "run", "windows"]

SequenceNet = TemporalNet | LstmNet
Array = NDArray[np.float32]

_SCENES, _LENGTH = 256, 48  # a block: 256 scenes of 48 frames
_SAPNET_SHARE = 0.35  # of scenes with SAP-Net's kind of error; the others go through the lifter
_PADDED_SHARE = 0.06  # of windows that stand at the start or end of a clip
_RUN = 4  # consecutive windows stay together, so that a batch can tell accelerations


@dataclass(frozen=True)
class Config:
    """Train a TP-Net.

    Attributes:
        data: the data folder (with mocap_cmu).
        lifter: folder of the lifting run.
        out: folder of the run.
        net: "tpnet" or "lstm".
        preset: of posecore.nets.temporal.TEMPORAL_PRESETS, or of posecore.nets.recurrent.LSTM_PRESETS.
        window: poses seen, if not the preset's; an online net's current pose stays the last one, a semi-online net's
            at the same share of the window.
        width: hidden units, if not the preset's.
        noise: noise statistics (JSON).
        calm: weight of the loss on accelerations (per frame², m) beside that on places; the paper has none (0).
        loop: how long and how fast.
    """

    data: Path
    lifter: Path = Path("runs/lift")
    out: Path = Path("runs/temporal")
    net: Literal["tpnet", "lstm"] = "tpnet"
    preset: str = "small"
    window: int | None = None
    width: int | None = None
    noise: Path = STATISTICS_FILE
    calm: float = 0.5
    loop: LoopConfig = field(
        default_factory=lambda: LoopConfig(
            steps=1_200, batch=512, learning_rate=1.5e-3, loss="distance", average=0.99, evaluate_every=100
        )
    )


def build(config: Config) -> SequenceNet:
    """The net that the options ask for.

    Raises:
        PosecoreError: no such preset, or a window longer than the scenes that are drawn.
    """
    presets = LSTM_PRESETS if config.net == "lstm" else TEMPORAL_PRESETS
    if config.preset not in presets:
        raise PosecoreError(f"--preset {config.preset}: unknown; choose one of {', '.join(presets)}")
    size = presets[config.preset]
    window = config.window if config.window is not None else size.window
    longest = _LENGTH - _RUN + 1
    if not 1 <= window <= longest:
        raise PosecoreError(f"--window {window}: choose from 1 to {longest}")
    online = size.current == size.window - 1
    current = window - 1 if online else size.current * window // size.window
    size = replace(size, window=window, current=current, width=config.width or size.width)
    return LstmNet(size) if isinstance(size, LstmConfig) else TemporalNet(size)


@torch.no_grad()
def lifted(net: LiftingNet, keypoints: Array, confidence: Array) -> Array:
    """(N, T, 21, 3) m: what the lifter makes of keypoints, the pelvis at 0 as at run time."""
    inputs = torch.from_numpy(normalise_keypoints(keypoints, confidence))
    device = next(net.parameters()).device
    joints = net(inputs.flatten(0, 1).to(device)).float().cpu().numpy().reshape(inputs.shape)
    pelvis = BODY_21.index("pelvis")
    return np.asarray(joints - joints[:, :, pelvis : pelvis + 1], np.float32)


def windows(joints: Array, window: int, current: int) -> Array:
    """Every frame with its neighbours: (N, T, 21, 3) → (N, T, window, 21, 3); the ends are repeated."""
    frames = joints.shape[1]
    places = np.arange(frames)[:, None] + np.arange(window) - current
    return joints[:, np.clip(places, 0, frames - 1)]


@torch.no_grad()
def refined(net: SequenceNet, joints: Array) -> Array:
    """(N, T, J, 3) refined frame by frame, the ends repeated, the pelvis at 0."""
    device = next(net.parameters()).device
    out = np.empty_like(joints)
    for index, sequence in enumerate(joints):
        inputs = torch.from_numpy(windows(sequence[None], net.config.window, net.config.current)[0])
        out[index] = net(inputs.to(device)).float().cpu().numpy()
    pelvis = joint_set(net.config.joints).index("pelvis")
    return out - out[:, :, pelvis : pelvis + 1]


def _block(
    rng: np.random.Generator,
    pool: MotionPool,
    statistics: NoiseStatistics,
    lifter: LiftingNet,
    config: TemporalConfig | LstmConfig,
) -> tuple[Tensor, Tensor]:
    """(M, 4, window, 21, 3) observed and (M, 4, 21, 3) true poses: 4 consecutive windows each."""
    scenes = draw_scenes(rng, pool, statistics, _SCENES, _LENGTH)
    observed = lifted(lifter, scenes.keypoints, scenes.confidence)
    direct = rng.random(_SCENES) < _SAPNET_SHARE
    observed[direct] = estimated_joints(rng, scenes.joints[direct], statistics, scenes.rate)
    first, count = config.current, _runs(config) * _RUN
    observed, truth = (in_joint_set(joints, config.joints) for joints in (observed, scenes.joints))
    inputs = windows(observed, config.window, config.current)[:, first : first + count]
    targets = truth[:, first : first + count]
    pose = observed.shape[2:]
    inputs = inputs.reshape(-1, _RUN, config.window, *pose)
    return _padded(rng, inputs, config.current), torch.from_numpy(targets.reshape(-1, _RUN, *pose))


def _runs(config: TemporalConfig | LstmConfig) -> int:
    """Runs of whole windows in a scene."""
    return (_LENGTH - config.window + 1) // _RUN


def _padded(rng: np.random.Generator, inputs: Array, current: int) -> Tensor:
    """Some runs as at the start (or end) of a clip, where the first (last) pose stands in for what is missing.

    The border stays where it is in the clip while the windows of the run move on.
    """
    count, run, window = inputs.shape[:3]
    step = np.arange(run)
    first = np.where(rng.random(count) < _PADDED_SHARE, rng.integers(0, current + 1, count), -window)
    last = np.where(rng.random(count) < _PADDED_SHARE, rng.integers(current + run - 1, window + run, count), 2 * window)
    low = np.clip(first[:, None] - step, 0, window - 1)[..., None]
    high = np.clip(last[:, None] - step, 0, window - 1)[..., None]
    places = np.clip(np.arange(window), low, np.maximum(low, high))
    rows = np.arange(count)[:, None, None]
    return torch.from_numpy(inputs[rows, step[:, None], places])


def _acceleration_loss(prediction: Tensor, target: Tensor) -> Tensor:
    """Mean length of the error's second differences over runs of consecutive poses, m per frame²."""
    error = (prediction - target).unflatten(0, (-1, _RUN))
    return (error[:, 2:] - 2 * error[:, 1:-1] + error[:, :-2]).norm(dim=-1).mean()


def evaluator(scenes: Scenes, lifter: LiftingNet) -> Callable[[nn.Module], dict[str, float]]:
    """A function of a net that measures it on ``scenes``."""
    observed = lifted(lifter, scenes.keypoints, scenes.confidence)

    def evaluate(net: nn.Module) -> dict[str, float]:
        assert isinstance(net, SequenceNet)
        result = {}
        before, truth = (in_joint_set(joints, net.config.joints) for joints in (observed, scenes.joints))
        for name, joints in (("before", before), ("after", refined(net, before))):
            result[f"{name}_mpjpe_mm"] = round(1000 * mpjpe(joints, truth), 2)
            result[f"{name}_pa_mpjpe_mm"] = round(1000 * pa_mpjpe(joints, truth), 2)
            result[f"{name}_acceleration_m_s2"] = round(acceleration_error(joints, truth, scenes.rate), 2)
        return result

    return evaluate


def run(config: Config) -> Path:
    """Train, and return the run's folder.

    Raises:
        PosecoreError: options that make no net, no lifter, or a device that is not there.
    """
    build(config)
    if (joints := lift.load(config.lifter).config.joints) != len(BODY_21):
        raise PosecoreError(f"--lifter {config.lifter}: a net of {joints} joints; expected one of {len(BODY_21)}")
    launch(fabric_of(config.loop), _run, config=config)
    return config.out


def _run(fabric: lf.Fabric, config: Config) -> None:
    torch.manual_seed(config.loop.seed)
    statistics = NoiseStatistics.load(config.noise)
    pool = MotionPool(read_clips(config.data, "train", np.random.default_rng(config.loop.seed)))
    lifter = lift.load(config.lifter).to(fabric.device)
    net = build(config)
    runs_per_batch = max(1, config.loop.batch // _RUN)
    steps_per_block = max(1, _SCENES * _runs(net.config) // runs_per_batch)

    @lru_cache(maxsize=1)
    def block(number: int) -> tuple[Tensor, Tensor, Tensor]:
        rng = np.random.default_rng([config.loop.seed, 2, number])
        inputs, targets = _block(rng, pool, statistics, lifter, net.config)
        return inputs, targets, torch.from_numpy(rng.permutation(len(inputs)))

    def batches(step: int) -> tuple[Tensor, Tensor]:
        inputs, targets, order = block(step // steps_per_block)
        chosen = order[(step % steps_per_block) * runs_per_batch :][:runs_per_batch]
        return inputs[chosen].flatten(0, 1), targets[chosen].flatten(0, 1)

    net.pose.fit(block(0)[0].flatten(0, 2))
    fit(
        net,
        net.pose.scale.clone(),
        batches,
        config.loop,
        config.out,
        {"net": asdict(net.config), "noise": statistics.source, "kind": "temporal", "family": config.net},
        evaluate=evaluator(lift.evaluation_scenes(config.data, statistics, 40, 90), lifter),
        extra_loss=(lambda found, true: config.calm * _acceleration_loss(found, true)) if config.calm else None,
        fabric=fabric,
        skeleton=joint_set(net.config.joints),
    )


def load(folder: Path) -> SequenceNet:
    """The net of a run, ready to use."""
    weights, facts = load_weights(folder)
    net: SequenceNet
    if facts.get("family") == "lstm":
        net = LstmNet(LstmConfig(**facts["net"]))
    else:
        net = TemporalNet(TemporalConfig(**facts["net"]))
    net.load_state_dict(weights)
    return net.eval()


def main(args: list[str] | None = None) -> None:
    """``python -m training temporal``."""
    run(tyro.cli(Config, prog="python -m training temporal", args=args))


if __name__ == "__main__":
    main()
