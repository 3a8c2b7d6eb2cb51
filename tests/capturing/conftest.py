"""Tiny clips that the tests write themselves, and an estimator that finds a coloured blob."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from posecore.capturing.estimators import Pose
from posecore.capturing.regions import Region
from posecore.skeletons import BODY_21

RED, BLUE = (230, 30, 30), (30, 30, 230)


def write_clip(
    path: Path,
    pictures: Iterable[np.ndarray],
    rate: int = 30,
    pts: Sequence[int] | None = None,
    codec: str = "libx264",
    pix_fmt: str = "yuv420p",
    options: dict[str, str] | None = None,
    container_options: dict[str, str] | None = None,
    rotation: int | None = None,
) -> Path:
    """Write (H, W, 3) RGB pictures as a video; ``pts`` in milliseconds for a variable rate."""
    with av.open(str(path), "w", options=container_options or {}) as container:
        stream = None
        for n, picture in enumerate(pictures):
            if stream is None:
                stream = container.add_stream(codec, rate=rate, options=options or {})
                stream.width, stream.height, stream.pix_fmt = picture.shape[1], picture.shape[0], pix_fmt
                if pts is not None:
                    stream.codec_context.time_base = Fraction(1, 1000)
                if rotation is not None:
                    stream.set_display_rotation(rotation)
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), "rgb24")
            if pts is not None:
                frame.pts, frame.time_base = pts[n], Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def blob_picture(
    centre: tuple[float, float] | None,
    size: tuple[int, int] = (160, 120),
    radius: float = 12.0,
    others: Sequence[tuple[float, float, float]] = (),
) -> np.ndarray:
    """Grey, with a red disc (the main person) and blue ones (x, y, radius: bystanders)."""
    picture = np.full((size[1], size[0], 3), 90, np.uint8)
    y, x = np.mgrid[: size[1], : size[0]]
    for cx, cy, r in others:
        picture[(x - cx) ** 2 + (y - cy) ** 2 <= r * r] = BLUE
    if centre is not None:
        picture[(x - centre[0]) ** 2 + (y - centre[1]) ** 2 <= radius**2] = RED
    return picture


class BlobEstimator:
    """People are discs: red or blue. ``find`` sees all, ``estimate`` the greater disc within its region."""

    name = "blob"

    def __init__(self, delay: Callable[[], float] | None = None) -> None:
        self.delay = delay
        self.searches = 0
        self.estimates = 0
        self.threads: set[str] = set()
        self._lock = threading.Lock()

    @staticmethod
    def _discs(image: np.ndarray) -> list[tuple[float, float, float]]:
        discs = []
        signed = image.astype(int)
        for channel, other in ((0, 2), (2, 0)):
            y, x = np.nonzero((signed[..., channel] > 150) & (signed[..., other] < 110))
            if len(x) > 20:
                discs.append((float(x.mean()), float(y.mean()), float(np.sqrt(len(x) / np.pi))))
        return discs

    def find(self, image: np.ndarray) -> list[tuple[Region, float]]:
        with self._lock:
            self.searches += 1
        return [(Region((x, y), 4 * r), 0.9) for x, y, r in self._discs(image)]

    def estimate(self, images: Sequence[np.ndarray], regions: Sequence[Region]) -> list[Pose]:
        return [self._one(image, region) for image, region in zip(images, regions, strict=True)]

    def _one(self, image: np.ndarray, region: Region) -> Pose:
        with self._lock:
            self.estimates += 1
            self.threads.add(threading.current_thread().name)
        if self.delay is not None:
            time.sleep(self.delay())
        half = region.side / 2
        x0, y0 = max(0, int(region.centre[0] - half)), max(0, int(region.centre[1] - half))
        part = image[y0 : max(0, int(region.centre[1] + half)), x0 : max(0, int(region.centre[0] + half))]
        discs = sorted(self._discs(part), key=lambda disc: -disc[2]) if part.size else []
        if not discs:
            nothing = np.zeros((len(BODY_21), 2), np.float32)
            return Pose(nothing, np.full(21, 0.05, np.float32), np.zeros((21, 3), np.float32), presence=0.02)
        x, y, r = discs[0]
        keypoints = np.array([x + x0, y + y0]) + r * SHAPE
        # What depends on the region shows in the joints: a test of determinism looks at them.
        joints = np.concatenate([SHAPE, np.full((21, 1), (x + x0 - region.centre[0]) / region.side)], axis=1)
        return Pose(
            keypoints.astype(np.float32), np.full(21, 0.9, np.float32), joints.astype(np.float32), presence=0.95
        )

    def region(self, pose: Pose) -> Region:
        low, high = pose.keypoints.min(0), pose.keypoints.max(0)
        x, y = (low + high) / 2
        return Region((float(x), float(y)), float((high - low).max()) * 2.0)

    def __call__(self, image: np.ndarray, box: tuple[float, float, float, float] | None = None) -> Pose:
        region = self.find(image)[0][0] if box is None else Region.from_box(box)
        return self.estimate([image], [region])[0]


def _shape() -> np.ndarray:
    """(21, 2) a standing figure in [-1, 1], left and right apart."""
    rows = {
        "pelvis": (0, 0), "spine": (0, -0.3), "thorax": (0, -0.6), "nose": (0, -0.8), "head_top": (0, -1),
        "hip": (0.2, 0), "knee": (0.25, 0.5), "ankle": (0.25, 0.9), "toe": (0.3, 1),
        "shoulder": (0.35, -0.6), "elbow": (0.6, -0.3), "wrist": (0.8, 0), "hand": (1, 0.1),
    }  # fmt: skip
    sign = {"l": 1.0, "r": -1.0}
    out = []
    for joint in BODY_21.joints:
        side, _, rest = joint.partition("_")
        x, y = rows[joint] if joint in rows else rows[rest]
        out.append((x * sign[side] if joint not in rows else x, y))
    return np.array(out, float)


SHAPE = _shape()


class Clips:
    """What the tests make clips with (a fixture: conftest modules are not for importing)."""

    write = staticmethod(write_clip)
    blob = staticmethod(blob_picture)
    Estimator = BlobEstimator
    shape = SHAPE

    @staticmethod
    def noise(count: int, size: tuple[int, int] = (160, 120), seed: int = 0) -> list[np.ndarray]:
        """Pictures that compress badly, each different: a shifted noise."""
        base = np.random.default_rng(seed).integers(0, 255, (size[1], size[0], 3), np.uint8)
        return [np.roll(base, 3 * n, axis=1) for n in range(count)]


@pytest.fixture(scope="session")
def clips() -> type[Clips]:
    return Clips
