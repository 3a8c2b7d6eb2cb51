"""Accuracy of lifting and of lifting + TP-Net on held-out CMU subjects: ``python benchmarks/lifting_accuracy.py``.

The shipped ONNX files through the run-time code, on motion of subjects that training never saw, on bodies of their
own proportions, under drawn cameras and the measured noise. Needs no pictures and no torch network.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from posecore.capturing.lifting import Lifter
from posecore.capturing.temporal import refine
from posecore.metrics import acceleration_error, align_procrustes, mpjpe
from posecore.skeletons import BODY_21, H36M_17
from training.motion_data import read_clips
from training.noise import STATISTICS_FILE, NoiseStatistics
from training.pose_samples import MotionPool, Scenes, draw_scenes

__all__ = ["rows"]

Array = NDArray[np.float32]
_SEED, _SCENES, _FRAMES = 2024, 60, 120


def held_out_scenes(data: Path, statistics: NoiseStatistics) -> Scenes:
    """60 scenes of 4 s at 30 frames/s, always the same for the same statistics."""
    pool = MotionPool(read_clips(data, "validation"), own_bodies=True)
    rng = np.random.default_rng(_SEED)
    return draw_scenes(rng, pool, statistics, _SCENES, _FRAMES, rate=30.0, augment=False)


def refined(joints: Array, rate: float, mode: str) -> Array:
    """(N, T, 21, 3) m through the run-time TP-Net, scene by scene."""
    times = np.arange(joints.shape[1]) / rate
    return np.stack([refine(times, sequence, mode, provider="cpu") for sequence in joints])


def rows(data: Path, noise: Path = STATISTICS_FILE) -> list[dict[str, float | str]]:
    """One row a method: errors in mm (acceleration: m/s²).

    ``mpjpe`` and ``pa_mpjpe`` over all 21 joints, ``mpjpe_17`` over Human3.6M's, on bodies of the canonical size (all
    that a net can know); ``mpjpe_own_size`` against the subjects' own sizes; ``image_plane`` and ``depth`` are the
    error's two parts; ``acceleration`` in m/s².
    """
    statistics = NoiseStatistics.load(noise)
    scenes = held_out_scenes(data, statistics)
    lifted = Lifter(provider="cpu")(scenes.keypoints, scenes.confidence)
    results = {
        "lifting": lifted,
        "lifting + TP-Net online": refined(lifted, scenes.rate, "online"),
        "lifting + TP-Net semi-online": refined(lifted, scenes.rate, "semi-online"),
    }
    return [_row(name, joints, scenes) for name, joints in results.items()]


def _row(name: str, joints: Array, scenes: Scenes) -> dict[str, float | str]:
    truth = scenes.joints
    h36m = [BODY_21.index(joint) for joint in H36M_17.joints]
    aligned = align_procrustes(joints, truth)
    return {
        "method": name,
        "mpjpe": 1000 * mpjpe(joints, truth),
        "mpjpe_17": 1000 * mpjpe(joints[:, :, h36m], truth[:, :, h36m]),
        "pa_mpjpe": 1000 * mpjpe(aligned, truth),
        "mpjpe_own_size": 1000 * mpjpe(joints, truth * scenes.sizes[:, None, None, None]),
        "image_plane": 1000 * mpjpe(joints[..., :2], truth[..., :2]),
        "depth": 1000 * float(np.abs(joints[..., 2] - truth[..., 2]).mean()),
        "acceleration": acceleration_error(joints, truth, scenes.rate),
    }


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--data", type=Path, required=True, help="the data folder (with mocap_cmu)")
    parser.add_argument("--noise", type=Path, default=STATISTICS_FILE, help="noise statistics (JSON)")
    arguments = parser.parse_args()
    table = rows(arguments.data, arguments.noise)
    names = list(table[0])
    print(f"{names[0]:32}" + "".join(f"{name:>16}" for name in names[1:]))
    for row in table:
        print(f"{row['method']:32}" + "".join(f"{row[name]:16.1f}" for name in names[1:]))
    print("mm; acceleration error m/s²; noise:", NoiseStatistics.load(arguments.noise).source)


if __name__ == "__main__":
    main()
