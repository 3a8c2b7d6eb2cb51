"""What a silhouette costs: ``python -m benchmarks.silhouette_loss``.

Time of :func:`posecore.losses.silhouette_loss`, forward and backward, per mesh, by the number of surface points and of
silhouette pixels, and of making its target; on ellipses, as the shape does not matter to the time.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from statistics import median

import numpy as np
import torch
import tyro

from benchmarks.tables import markdown
from posecore.losses import SilhouetteTarget, silhouette_loss, silhouette_targets

__all__ = ["rows"]


@dataclass(frozen=True)
class Options:
    """What to measure.

    Attributes:
        points: surface points of a body.
        pixels: pixels kept of a silhouette.
        batch: meshes at once.
        side: of the crop, px.
        repeats: the median of as many counts.
        threads: of torch.
        device: where.
    """

    points: tuple[int, ...] = (1000, 2000, 6890)
    pixels: tuple[int, ...] = (256, 1024)
    batch: int = 8
    side: int = 224
    repeats: int = 5
    threads: int = 1
    device: str = "cpu"


def people(count: int, side: int) -> np.ndarray:
    """(count, side, side) upright ellipses, about as large as a person in a crop."""
    y, x = np.mgrid[:side, :side] / side - 0.5
    shifts = np.linspace(-0.05, 0.05, count)[:, None, None]
    return ((x - shifts) / 0.15) ** 2 + (y / 0.42) ** 2 <= 1


def milliseconds(call: Callable[[], object], device: str, repeats: int) -> float:
    """Median time of a call, ms, after one that does not count: of the processor, or on a GPU of the clock."""
    now = time.process_time if device == "cpu" else time.perf_counter
    times = []
    for _ in range(repeats + 1):
        begun = now()
        call()
        if device != "cpu":
            torch.cuda.synchronize()
        times.append(now() - begun)
    return 1000 * median(times[1:])


def gradient(points: torch.Tensor, target: SilhouetteTarget) -> None:
    """One step's work of the loss."""
    torch.autograd.grad(silhouette_loss(points, target), points)


def rows(options: Options) -> list[dict[str, float]]:
    """One row a number of points and of pixels: ms a mesh for loss and gradient, ms a picture for its target."""
    torch.set_num_threads(options.threads)
    generator = torch.Generator().manual_seed(0)
    masks = people(options.batch, options.side)
    found = []
    for pixels in options.pixels:
        prepare = milliseconds(partial(silhouette_targets, masks, pixels), "cpu", options.repeats)
        target = silhouette_targets(masks, pixels).to(options.device)
        for points in options.points:
            place = (torch.randn(options.batch, points, 2, generator=generator) * 0.3).to(options.device)
            cost = (
                milliseconds(partial(gradient, place.requires_grad_(), target), options.device, options.repeats)
                / options.batch
            )
            row = {"points": points, "pixels": pixels}
            found.append({**row, "ms a mesh": cost, "target, ms a picture": prepare / options.batch})
    return found


def main() -> None:
    """Print the table."""
    options = tyro.cli(Options, description=__doc__)
    print(f"{options.device}, {options.threads} thread(s), {options.batch} meshes at once, crop of {options.side} px")
    print(markdown(rows(options)))


if __name__ == "__main__":
    main()
