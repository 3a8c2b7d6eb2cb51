"""``python -m training.rendering pictures | bodies | clip``: render training pictures, or the example clip."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import tyro
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from posecore.errors import PosecoreError


@dataclass
class Pictures:
    """Render training pictures with exact labels into tar shards; shards that are there already are kept.

    Attributes:
        data: folder that holds mocap_cmu.
        output: folder for the shards.
        count: how many pictures.
        seed: another seed gives other pictures; the same gives the same.
        workers: processes; each renders whole shards.
        size: side of the pictures, pixels.
    """

    data: Path
    output: Path
    count: int = 8000
    seed: int = 0
    workers: int = 1
    size: int = 256

    def run(self) -> None:
        from training.rendering.pictures import write_pictures

        with _bar() as bar:
            task = bar.add_task("pictures", total=self.count)
            paths = write_pictures(
                self.data,
                self.output,
                self.count,
                self.seed,
                self.workers,
                self.size,
                lambda done: bar.update(task, completed=done),
            )
        print(f"{len(paths)} shards in {self.output}")


@dataclass
class Bodies:
    """Render the open body in SMPL's form with silhouette, keypoints, θ, β and camera; for ``training smpl``.

    Attributes:
        data: folder that holds mocap_cmu.
        output: folder for the shards.
        count: how many pictures.
        seed: another seed gives other pictures; the same gives the same.
        split: train, or validation: held-out subjects, other shapes.
        workers: processes; each renders whole shards.
        size: side of the pictures, pixels.
    """

    data: Path
    output: Path
    count: int = 2000
    seed: int = 0
    split: Literal["train", "validation"] = "train"
    workers: int = 1
    size: int = 192

    def run(self) -> None:
        from training.bodies.rendering import write_bodies

        with _bar() as bar:
            task = bar.add_task("bodies", total=self.count)
            paths = write_bodies(
                self.data,
                self.output,
                self.count,
                self.seed,
                self.workers,
                self.size,
                self.split,
                lambda done: bar.update(task, completed=done),
            )
        print(f"{len(paths)} shards in {self.output}")


@dataclass
class Clip:
    """Render the example: a dressed person walking through a room, with the truth beside it.

    Attributes:
        data: folder that holds mocap_cmu.
        output: the video to write, .mp4; the truth goes to NAME_truth.npz.
        clip: which CMU clip is walked.
        start, stop: frames of it, at 30 a second.
    """

    data: Path
    output: Path = Path("examples/walk.mp4")
    clip: str = "047_01"
    start: int = 0
    stop: int = 300

    def run(self) -> None:
        from training.rendering.clip import write_clip

        with _bar() as bar:
            task = bar.add_task("frames", total=self.stop - self.start)
            write_clip(
                self.data,
                self.output,
                self.clip,
                self.start,
                self.stop,
                lambda done, total: bar.update(task, completed=done, total=total),
            )
        print(f"wrote {self.output}")


def _bar() -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns)


def main() -> int:
    """Run a sub-command; 0, or the exit code of a PosecoreError after its one line on stderr."""
    command = tyro.extras.subcommand_cli_from_dict(
        {"pictures": Pictures, "bodies": Bodies, "clip": Clip}, prog="python -m training.rendering", description=__doc__
    )
    try:
        command.run()
    except PosecoreError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
