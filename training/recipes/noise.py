"""Measure the errors of a 2D net on held-out pictures. ``python -m training noise --data DATA --cache CACHE``.

Writes ``training/noise_statistics.json``, from which lifting and TP-Net draw their input. Still pictures say nothing of
time: correlation and the length of episodes keep the values of the file that is there already.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tyro
from numpy.typing import NDArray

from posecore.capturing import load_estimator
from posecore.capturing.estimators import Estimator
from posecore.capturing.regions import Region
from posecore.capturing.sapnet import metric_joints
from training.noise import STATISTICS_FILE, NoiseStatistics, measure
from training.pictures import PictureSet, free_sources, load_pictures

__all__ = ["Config", "main", "predict", "run"]

Array = NDArray[np.float32]

_PADDING = 1.25  # of the region around the labelled person, as the follower keeps it


@dataclass(frozen=True)
class Config:
    """Measure an estimator's errors on held-out pictures.

    Attributes:
        data: the data folder (with people and lspet).
        cache: where decoded pictures are kept.
        estimator: whose errors; its weights must be there.
        sources: picture sets; their validation halves are used.
        synthetic: folder of rendered shards, if they are to be measured on, too.
        free_only: only pictures of free licence, so that what is trained with the statistics stays free.
        limit: pictures of each set at most, 0 for all.
        out: the statistics file.
    """

    data: Path
    cache: Path = Path("runs/pictures")
    estimator: str = "sapnet"
    sources: tuple[str, ...] = ("people", "lspet")
    synthetic: Path | None = None
    free_only: bool = False
    limit: int = 0
    out: Path = STATISTICS_FILE


def predict(estimator: Estimator, pictures: PictureSet, rows: NDArray[np.int64]) -> tuple[Array, Array, Array]:
    """(N, 21, 2) px, (N, 21) confidence and (N, 21, 3) m of the labelled person in each picture."""
    poses = []
    for row in rows:
        width, height = pictures.sizes[row]
        x, y, extent = (float(value) for value in pictures.boxes[row])
        image = np.ascontiguousarray(pictures.images[row][:height, :width])
        poses += estimator.estimate([image], [Region((x, y), extent * _PADDING)])
    return (
        np.stack([pose.keypoints for pose in poses]),
        np.stack([pose.confidence for pose in poses]),
        np.stack([pose.joints for pose in poses]),
    )


def run(config: Config) -> NoiseStatistics:
    """Measure and write the file."""
    estimator = load_estimator(config.estimator)
    found, truth, seen, solid = [], [], [], []
    names = free_sources(config.sources) if config.free_only else config.sources
    sets = [load_pictures(config.data, config.cache, name) for name in names]
    if config.synthetic is not None:
        sets.append(load_pictures(config.synthetic, config.cache, "synthetic"))
        names = (*names, "synthetic")
    for pictures in sets:
        rows = pictures.rows(validation=True)
        rows = rows[: config.limit] if config.limit else rows
        found.append(predict(estimator, pictures, rows))
        truth.append(pictures.keypoints[rows])
        seen.append(pictures.weight[rows] > 0.3)
        whole = (pictures.depth_weight[rows] > 0.3).all(-1) & seen[-1].all(-1)
        solid.append((whole, metric_joints(pictures.keypoints[rows], pictures.depth[rows])))
    points, confidence, joints = (np.concatenate(part) for part in zip(*found, strict=True))
    whole = np.concatenate([part[0] for part in solid])
    true_joints = np.concatenate([part[1] for part in solid])
    base = NoiseStatistics.load(config.out) if config.out.exists() else NoiseStatistics()
    statistics = measure(
        points,
        np.concatenate(truth),
        confidence,
        np.concatenate(seen),
        joints=(joints[whole], true_joints[whole]) if whole.sum() >= 20 else None,
        base=base,
        source=f"{config.estimator} on {len(points)} held-out pictures of {', '.join(names)}",
    )
    statistics.save(config.out)
    return statistics


def main(args: list[str] | None = None) -> None:
    """``python -m training noise``."""
    statistics = run(tyro.cli(Config, prog="python -m training noise", args=args))
    print(statistics.source)


if __name__ == "__main__":
    main()
