"""Are our BlazePose's landmarks MediaPipe's? The same network, so they should be the same pixels.

    python -m benchmarks.blazepose_parity --mediapipe-python /path/to/mp/bin/python ../shared/data/video/*.mp4

Two comparisons, each of all 33 landmarks in all frames where both find a person:

``pictures``
    Every frame by itself (MediaPipe's ``static_image_mode=True``): detector, region, landmarks, refinement.
``following``
    From frame to frame (``static_image_mode=False``) with ``smooth_landmarks=False``, so that the landmarks
    are the network's own. MediaPipe still smooths the *region* it looks at next: its auxiliary landmarks go
    through a one-euro filter whatever ``smooth_landmarks`` says. The comparison does the same
    (:class:`OneEuro`); posecore itself follows by its own filter, for all estimators alike.

With ``--raw-regions`` the second comparison leaves the filter out: what the filter is worth.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from benchmarks.peers import run_mediapipe
from posecore.capturing.blazepose import BlazePose, Landmarks
from posecore.capturing.blazepose_geometry import region_from_points
from posecore.capturing.regions import Region


class OneEuro:
    """Casiez et al. 2012, as MediaPipe applies it to a few points at once: speeds are in units of the points' extent.

    Args:
        min_cutoff, beta, derivative_cutoff: Hz, Hz per (extents per second), Hz.
        rate: frames a second; MediaPipe's Python interface always claims 30.
    """

    def __init__(self, min_cutoff: float = 0.01, beta: float = 10.0, derivative_cutoff: float = 1.0, rate: float = 30):
        self.min_cutoff, self.beta, self.derivative_cutoff, self.rate = min_cutoff, beta, derivative_cutoff, rate
        self.reset()

    def reset(self) -> None:
        self._raw = self._value = self._speed = None

    def __call__(self, points: NDArray[np.floating]) -> NDArray[np.floating]:
        """The filtered (N, 2) px points."""
        if self._raw is None:
            self._raw, self._value, self._speed = points, points, np.zeros_like(points)
            return points
        extent = max(float(np.ptp(points, axis=0).mean()), 1e-6)
        speed = (points - self._raw) / extent * self.rate
        share = self._share(self.derivative_cutoff)
        self._speed = share * speed + (1 - share) * self._speed
        share = self._share(self.min_cutoff + self.beta * np.abs(self._speed))
        self._value = share * points + (1 - share) * self._value
        self._raw = points
        return self._value

    def _share(self, cutoff: NDArray[np.floating] | float) -> NDArray[np.floating] | float:
        return 1 / (1 + self.rate / (2 * np.pi * cutoff))


def frames(path: Path) -> Iterator[NDArray[np.uint8]]:
    """Decoded exactly as the peer's script does."""
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            image = frame.to_ndarray(format="rgb24")
            yield np.ascontiguousarray(np.rot90(image, round(getattr(frame, "rotation", 0) / 90) % 4))


def tip(region: Region) -> NDArray[np.floating]:
    """The centre and the tip (2, 2) px that a region was made from."""
    reach = region.side / 2.5
    centre = np.asarray(region.centre)
    return np.stack([centre, centre + reach * np.array([np.sin(region.angle), -np.cos(region.angle)])])


def ours(estimator: BlazePose, path: Path, following: bool, smooth: OneEuro | None) -> list[Landmarks | None]:
    """Landmarks per frame, or None where nobody is seen; regions as MediaPipe passes them on."""
    seen: list[Landmarks | None] = []
    region: Region | None = None
    for image in frames(path):
        if region is None or not following:
            found = estimator.find(image)
            region = found[0][0] if found else None
        marks = estimator.landmarks(image, region) if region else None
        if marks is not None and marks.presence <= 0.5:
            marks = None
        region = marks.next_region if marks else None
        if smooth and region:
            region = region_from_points(*smooth(tip(region)))
        elif smooth:
            smooth.reset()
        seen.append(marks)
    return seen


def report(label: str, seen: list[Landmarks | None], peer: dict[str, NDArray]) -> None:
    """One line of differences."""
    found = np.array([marks is not None for marks in seen])
    both = found & peer["found"][: len(seen)]
    if not both.any():
        print(f"  {label:34} nobody found by both")
        return
    points = np.stack([marks.points for marks, use in zip(seen, both, strict=True) if marks and use])
    world = np.stack([marks.world for marks, use in zip(seen, both, strict=True) if marks and use])
    pixels = np.linalg.norm(points - peer["xy"][both], axis=-1)
    metres = np.linalg.norm(world - peer["world"][both], axis=-1)
    levels = np.percentile(pixels, [50, 95, 99, 100])
    print(
        f"  {label:34} {both.sum():4d} frames, {np.sum(found != peer['found']):2d} found by one only;"
        f" px median {levels[0]:.3f}  95 % {levels[1]:.3f}  99 % {levels[2]:.2f}  max {levels[3]:.1f};"
        f" within 2 px {100 * np.mean(pixels <= 2):.2f} %; world 95 % {1000 * np.percentile(metres, 95):.1f} mm",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("videos", nargs="+", type=Path)
    parser.add_argument("--mediapipe-python", required=True, help="a Python with mediapipe==0.10.21 and av")
    parser.add_argument("--raw-regions", action="store_true", help="also follow without MediaPipe's region filter")
    options = parser.parse_args()
    estimator = BlazePose(depth="world")
    for path in options.videos:
        print(path.name)
        still = run_mediapipe(options.mediapipe_python, path, mode="pictures")
        report("pictures", ours(estimator, path, following=False, smooth=None), still)
        moving = run_mediapipe(options.mediapipe_python, path, mode="video", smooth=False)
        report("following", ours(estimator, path, following=True, smooth=OneEuro()), moving)
        if options.raw_regions:
            report("following, raw regions", ours(estimator, path, following=True, smooth=None), moving)


if __name__ == "__main__":
    main()
