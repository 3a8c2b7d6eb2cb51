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

    Following feeds each difference into the next region, and the network answers a region moved by 0.1 px with
    landmarks moved by some 0.3 px (median; single ones by many px, where they hang on a decision). So two runs
    drift apart until that noise is reached. The control shows how far: ``ourselves, nudged`` is our own run
    against itself with the first region moved by 0.01 px.

With ``--raw-regions`` following is also compared without MediaPipe's filter on our side: what it is worth.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from benchmarks.peers import run_mediapipe
from posecore.capturing.blazepose import BlazePose, Landmarks
from posecore.capturing.blazepose_geometry import region_from_points
from posecore.capturing.regions import Region


class OneEuro:
    """Casiez et al. 2012, as MediaPipe applies it to a region's centre and tip.

    Speeds are in region sides (twice the distance of the two points) a second. With these settings it follows
    MediaPipe 0.10.21's own regions within 0.007 px over a video, given the same raw points.

    Args:
        min_cutoff, beta, derivative_cutoff: Hz, Hz per (sides a second), Hz.
        rate: frames a second; MediaPipe's Python interface always claims 30.
    """

    def __init__(self, min_cutoff: float = 0.01, beta: float = 10.0, derivative_cutoff: float = 1.0, rate: float = 30):
        self.min_cutoff, self.beta, self.derivative_cutoff, self.rate = min_cutoff, beta, derivative_cutoff, rate
        self.reset()

    def reset(self) -> None:
        self._raw = self._value = self._speed = None

    def __call__(self, points: NDArray[np.floating]) -> NDArray[np.floating]:
        """The filtered (2, 2) px points."""
        if self._raw is None:
            self._raw, self._value, self._speed = points, points, np.zeros_like(points)
            return points
        side = max(2 * float(np.linalg.norm(points[1] - points[0])), 1e-6)
        speed = (points - self._raw) / side * self.rate
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


def ours(
    estimator: BlazePose, path: Path, following: bool, smooth: OneEuro | None = None, nudge: float = 0.0
) -> list[Landmarks | None]:
    """Landmarks per frame, or None where nobody is seen; regions as MediaPipe passes them on.

    ``nudge`` moves every region that the detector found, px.
    """
    seen: list[Landmarks | None] = []
    region: Region | None = None
    for image in frames(path):
        if region is None or not following:
            found = estimator.find(image)
            region = found[0][0] if found else None
            if region:
                region = replace(region, centre=(region.centre[0] + nudge, region.centre[1]))
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


def as_peer(seen: list[Landmarks | None]) -> dict[str, NDArray]:
    """Our landmarks in the form of the peer's."""
    empty = np.zeros((33, 3), np.float32)
    return {
        "found": np.array([marks is not None for marks in seen]),
        "xy": np.array([marks.points if marks else empty[:, :2] for marks in seen]),
        "world": np.array([marks.world if marks else empty for marks in seen]),
    }


def report(label: str, seen: list[Landmarks | None], peer: dict[str, NDArray]) -> None:
    """One line of differences."""
    own = as_peer(seen)
    both = own["found"] & peer["found"]
    if not both.any():
        print(f"  {label:24} nobody found by both")
        return
    pixels = np.linalg.norm(own["xy"][both] - peer["xy"][both], axis=-1)
    metres = np.linalg.norm(own["world"][both] - peer["world"][both], axis=-1)
    levels = np.percentile(pixels, [50, 95, 99, 100])
    print(
        f"  {label:24} {both.sum():4d} frames, {np.sum(own['found'] != peer['found']):2d} found by one only;"
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
        report("pictures", ours(estimator, path, following=False), still)
        moving = run_mediapipe(options.mediapipe_python, path, mode="video", smooth=False)
        followed = ours(estimator, path, following=True, smooth=OneEuro())
        report("following", followed, moving)
        nudged = ours(estimator, path, following=True, smooth=OneEuro(), nudge=0.01)
        report("ourselves, nudged", nudged, as_peer(followed))
        if options.raw_regions:
            report("following, raw regions", ours(estimator, path, following=True), moving)


if __name__ == "__main__":
    main()
