"""Frames per second of the whole path and of each stage, beside MediaPipe on the same video in the same run.

    python -m benchmarks.speed --video ../shared/data/video/sports2d_demo.mp4 --mediapipe-python /path/to/mp/bin/python

Runs alternate (ours, MediaPipe, ours, …), so that a noisy machine slows both alike; the median counts.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import tyro

import posecore
from benchmarks import usable_estimators
from benchmarks.peers import run_mediapipe
from benchmarks.tables import markdown
from posecore.capturing.regions import Region, crop
from posecore.capturing.temporal import refine
from posecore.capturing.video import open_frames
from posecore.preview import write_preview

__all__ = ["path_rows", "stage_rows"]


@dataclass(frozen=True)
class Options:
    """What to measure.

    Attributes:
        video: the clip.
        mediapipe_python: an interpreter that has MediaPipe 0.10.21.
        estimators: which of ours.
        repeats: runs of each, alternating.
    """

    video: Path
    mediapipe_python: Path | None = None
    estimators: tuple[str, ...] = ("sapnet", "blazepose")
    repeats: int = 3


def _seconds(work: Callable[[], Any]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def _whole_path(video: Path, estimator: Any) -> None:
    """Video to BVH, as ``posecore animate`` without a preview."""
    with tempfile.TemporaryDirectory() as folder:
        take = posecore.capture(str(video), estimator=estimator)[0]
        posecore.solve(take).save(Path(folder) / "out.bvh")


def path_rows(options: Options) -> list[dict[str, Any]]:
    """Whole path per estimator and MediaPipe (decoding and landmarks only), frames/s."""
    frames = sum(1 for _ in open_frames(options.video))
    methods: dict[str, Callable[[], Any]] = {}
    for name, estimator in usable_estimators(options.estimators):
        methods[f"posecore {name}: video to BVH"] = lambda e=estimator: _whole_path(options.video, e)  # type: ignore[misc]
    spent: dict[str, list[float]] = {name: [] for name in methods}
    peers: list[float] = []
    for _ in range(options.repeats):
        for name, method in methods.items():
            spent[name].append(_seconds(method))
        if options.mediapipe_python is not None:
            result = run_mediapipe(options.mediapipe_python, options.video, smooth=True)
            peers.append(float(np.sum(result["seconds"])))
    rows = [{"what": name, "frames/s": frames / median(values)} for name, values in spent.items()]
    if peers:
        rows.append({"what": "MediaPipe 0.10.21 Full: landmarks alone", "frames/s": frames / median(peers)})
        for row in rows[:-1]:
            row["ratio to MediaPipe"] = row["frames/s"] / rows[-1]["frames/s"]
    return rows


def stage_rows(options: Options) -> list[dict[str, Any]]:
    """Each stage by itself on one thread of control, milliseconds a frame."""
    frames = list(open_frames(options.video))
    count = len(frames)
    rows: list[dict[str, Any]] = []

    def add(what: str, seconds: float, number: int = count) -> None:
        rows.append({"what": what, "ms/frame": 1000 * seconds / number, "frames/s": number / seconds})

    add("decoding", _seconds(lambda: [None for _ in open_frames(options.video)]))
    height, width = frames[0].image.shape[:2]
    square = Region((width / 2, height / 2), float(min(width, height)))
    add("cropping (128 px)", _seconds(lambda: [crop(f.image, square, 128) for f in frames]))
    for name, estimator in usable_estimators(options.estimators):
        few = frames[: min(count, 60)]
        estimator.estimate([few[0].image], [square])
        spent = _seconds(lambda e=estimator, few=few: [e.estimate([f.image], [square]) for f in few])  # type: ignore[misc]
        add(f"{name}: estimate, one thread", spent, len(few))
        add(f"{name}: search", _seconds(lambda e=estimator: e.find(frames[0].image)), 1)  # type: ignore[misc]
    take = posecore.capture(str(options.video), estimator=options.estimators[0])[0]
    add("TP-Net online", _seconds(lambda: refine(take.times, take.joints_raw, "online", "cpu")))
    motion = posecore.solve(take)
    add("solve", _seconds(lambda: posecore.solve(take)))
    with tempfile.TemporaryDirectory() as folder:
        for suffix in ("bvh", "glb", "npz"):
            add(f"write .{suffix}", _seconds(lambda s=suffix: motion.save(Path(folder) / f"out.{s}")))  # type: ignore[misc]
        preview = Path(folder) / "preview.mp4"
        add("preview video", _seconds(lambda: write_preview(preview, options.video, take, motion)))
    return rows


def main() -> None:
    """Print the tables."""
    options = tyro.cli(Options, prog="python -m benchmarks.speed", description=__doc__)
    print(f"## {options.video.name}: whole path\n\n{markdown(path_rows(options))}\n")
    print(f"## {options.video.name}: stages\n\n{markdown(stage_rows(options))}")


if __name__ == "__main__":
    main()
