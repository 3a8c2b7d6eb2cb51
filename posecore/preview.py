"""The preview video: the observed skeleton over the frames, beside the movement in a turning 3D view.

Left of the person warm, right cool, trunk neutral; what is doubtful fades. Frames keep their true
time stamps. One picture in memory at a time.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Protocol

import av
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from posecore import drawing
from posecore.errors import OutputError, SourceError
from posecore.files import atomic_path
from posecore.formats.rest import tips
from posecore.motion import Motion, forward_kinematics
from posecore.skeletons import BODY_21, SMPL_24, Skeleton
from posecore.takes import Take

__all__ = ["write_preview"]

#: A panel is at most this large (frames are scaled down) and its height at least MIN_HEIGHT (scaled up).
MAX_WIDTH, MAX_HEIGHT, MIN_HEIGHT = 960, 720, 320
#: Ticks a second: whole for 24, 25, 30, 50 and 60 frames a second and their 1001sts, and small enough for MPEG-4.
_CLOCK = 60000
_ENCODERS: dict[str, dict[str, str]] = {
    "libx264": {"preset": "veryfast", "crf": "22"},
    "libopenh264": {"b": "4M"},
    "mpeg4": {"q:v": "4"},
}
_SUFFIXES = (".mp4", ".mov", ".mkv")


_Array = NDArray[np.floating]


class FrameLike(Protocol):
    """What is needed of a frame; :class:`posecore.capturing.frames.Frame` is one."""

    @property
    def image(self) -> NDArray[np.uint8]: ...  # (H, W, 3) RGB
    @property
    def time(self) -> float: ...  # seconds
    @property
    def index(self) -> int: ...  # number in the source


def write_preview(
    path: str | os.PathLike[str],
    source: str | os.PathLike[str] | Iterable[FrameLike],
    take: Take,
    motion: Motion | None = None,
    *,
    turn: float = 24.0,
) -> int:
    """Write the preview video.

    Args:
        path: ``.mp4`` (or ``.mov``, ``.mkv``); H.264 where the av package has an encoder for it, else MPEG-4.
        source: the frames the take was made from, or the path to read them from again. They are
            matched to the take by their number in the source; those it does not know stay bare.
        take: what was observed.
        motion: what was solved, shown in 3D; without it, the take's own joints.
        turn: how fast the 3D view turns, degrees a second; it begins in front, as the camera.

    Returns:
        The number of frames written.

    Raises:
        OutputError: unknown suffix, or the path cannot be written.
        SourceError: there are no frames.
    """
    path = Path(path)
    if path.suffix.lower() not in _SUFFIXES:
        raise OutputError(f"{path}: a preview is written as {', '.join(_SUFFIXES)}, not {path.suffix or 'no suffix'}")
    frames = iter(_frames(source))
    first = next(frames, None)
    if first is None:
        raise SourceError(f"{path}: no preview, there are no frames")
    overlay = _Overlay(take, first.image.shape[1], first.image.shape[0])
    stage = _Stage.of(take, motion, turn, first.time)
    height, width = overlay.size
    side = _even(min(max(height, 0.6 * width), 1.2 * height, MAX_HEIGHT))
    canvas = np.empty((height, width + side, 3), np.uint8)
    written = 0
    with atomic_path(path) as temporary, _Writer(temporary, path, canvas.shape[1], height, take.rate) as writer:
        while first is not None:
            overlay.draw(canvas[:, :width], first)
            stage.draw(canvas[:, width:], first.time)
            writer.add(canvas, first.time)
            written += 1
            first = next(frames, None)
    return written


def _frames(source: str | os.PathLike[str] | Iterable[FrameLike]) -> Iterable[FrameLike]:
    if isinstance(source, (str, os.PathLike)):
        from posecore.capturing.video import open_frames  # only who gives a path needs the reader

        return open_frames(source)
    return source


def _even(length: float) -> int:
    """The even number of pixels nearest to ``length``, as chroma at half resolution needs."""
    return max(2, 2 * round(length / 2))


def _fade(confidence: _Array) -> _Array:
    """Opacity from confidence: nothing below 0.1, full from 0.6."""
    return np.clip((confidence - 0.1) / 0.5, 0.0, 1.0)


class _Overlay:
    """The left panel: frames with the observed keypoints over them."""

    def __init__(self, take: Take, width: int, height: int) -> None:
        self.take = take
        self.row = {int(frame): row for row, frame in enumerate(take.frames)}
        scale = max(min(MAX_WIDTH / width, MAX_HEIGHT / height, 1.0), min(MIN_HEIGHT / height, MAX_WIDTH / width))
        self.size = (_even(height * scale), _even(width * scale))
        # Centres of pixels lie at whole numbers: 0 of a twice as large picture is -0.25 of the small one.
        self.scale = np.array([self.size[1] / width, self.size[0] / height])
        extent = np.median(take.boxes[:, 2:].max(axis=1)) * scale if len(take) else height
        self.radius = float(np.clip(0.011 * extent, 1.3, 0.012 * max(self.size)))
        self.letters = int(np.clip(min(self.size[0] / 28, self.size[1] / 22), 11, 24))

    def draw(self, panel: NDArray[np.uint8], frame: FrameLike) -> None:
        """Draw a frame and what was observed in it over all of ``panel`` (H, W, 3)."""
        panel[:] = self._scaled(frame.image)
        row = self.row.get(frame.index)
        if row is not None:
            places = (self.take.keypoints[row] + 0.5) * self.scale - 0.5
            self._skeleton(panel, places, _fade(self.take.confidence[row]))
        words = f"frame {frame.index}   {frame.time:.2f} s" + ("" if row is not None else "   no person")
        margin = self.letters // 2
        top = panel.shape[0] - margin - round(1.3 * self.letters)
        drawing.text(panel, words, margin + 2, top, self.letters, shade=0.5)

    def _scaled(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        height, width = self.size
        if image.shape[:2] == (height, width):
            return image
        picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
        kernel = "AREA" if image.shape[0] > height else "BICUBIC"
        return np.asarray(picture.reformat(width, height, interpolation=kernel).to_ndarray(), np.uint8)

    def _skeleton(self, panel: NDArray[np.uint8], places: _Array, opacity: _Array) -> None:
        for parent, child in BODY_21.bones:
            alpha = min(opacity[parent], opacity[child])
            colour = drawing.side_colour(BODY_21.joints[child])
            drawing.capsule(panel, places[parent], places[child], self.radius, colour, alpha, 0.35 * self.radius + 0.4)
        colours = [drawing.side_colour(joint) for joint in BODY_21.joints]
        drawing.discs(panel, places, 1.5 * self.radius, colours, opacity, 1.0, (255, 255, 255))


def _with_tips(motion: Motion) -> tuple[Skeleton, NDArray[np.float64], list[int]]:
    """SMPL-24 with the ends of head, hands and feet, where people look first.

    Returns:
        the skeleton of J joints, their positions (T, J, 3) metres, and for each the SMPL-24 joint it moves with.
    """
    positions, turns = forward_kinematics(motion.rotations, motion.offsets, motion.translation)
    ends = tips(motion.offsets)
    owners = SMPL_24.indices(ends)
    reach = [positions[:, joint] + turns[:, joint] @ end for joint, end in zip(owners, ends.values(), strict=True)]
    names = {f"{joint}_tip": joint for joint in ends}
    skeleton = Skeleton("SMPL_24_TIPS", (*SMPL_24.joints, *names), {**SMPL_24.parent_names, **names})
    return skeleton, np.concatenate([positions, np.stack(reach, axis=1)], axis=1), [*range(len(SMPL_24)), *owners]


@dataclass
class _Stage:
    """The right panel: joints in the world (Y up), seen by a camera that follows and turns.

    Attributes:
        skeleton: names and bones of the joints.
        times: (T,) seconds. positions: (T, J, 3) metres, ground at y = 0. opacity: (T, J).
        targets: (T, 3) the calm point that the camera looks at, metres.
        tall: what the view has to show, metres.
        turn: degrees a second. begin: the time at which the camera stands in front.
    """

    skeleton: Skeleton
    times: NDArray[np.float64]
    positions: _Array
    opacity: _Array
    targets: _Array
    tall: float
    turn: float
    begin: float
    background: NDArray[np.uint8] | None = None

    @classmethod
    def of(cls, take: Take, motion: Motion | None, turn: float, begin: float) -> _Stage:
        if motion is not None:
            assert motion.confidence is not None
            skeleton, positions, owners = _with_tips(motion)
            times, opacity = motion.times, 0.35 + 0.65 * _fade(motion.confidence[:, owners])
        else:
            skeleton, times, opacity = BODY_21, take.times, _fade(take.confidence)
            positions = take.joints.astype(np.float64) * (1.0, -1.0, -1.0)  # camera frame to Y up, facing +Z
            seen = take.confidence > 0.1
            lowest = np.where(seen, positions[..., 1], np.inf).min(axis=1)
            lowest = lowest[np.isfinite(lowest)]
            positions[..., 1] -= np.percentile(lowest, 5) if len(lowest) else 0.0
        pelvis = positions[:, skeleton.index("pelvis")].copy()
        tall = float(np.percentile(positions[..., 1].max(axis=1), 95)) if len(positions) else 1.7
        pelvis[:, 1] = 0.46 * tall
        calm = 0.7 / max(float(np.median(np.diff(times))), 1e-3) if len(times) > 1 else 0.0
        targets = gaussian_filter1d(pelvis, calm, axis=0, mode="nearest") if calm else pelvis
        return cls(skeleton, times, positions, opacity, targets, max(tall, 0.5), turn, begin)

    def at(self, time: float) -> tuple[_Array, _Array, _Array] | None:
        """Positions, opacity and target at a time; None where the movement has none."""
        if not len(self.times):
            return None
        period = float(np.median(np.diff(self.times))) if len(self.times) > 1 else 1.0
        if not self.times[0] - period < time < self.times[-1] + period:
            return None
        after = int(np.clip(np.searchsorted(self.times, time), 1, max(len(self.times) - 1, 1)))
        before, after = after - 1, min(after, len(self.times) - 1)
        gap = self.times[after] - self.times[before]
        share = float(np.clip((time - self.times[before]) / gap, 0.0, 1.0)) if gap > 0 else 0.0

        def between(values: _Array) -> _Array:
            return (1 - share) * values[before] + share * values[after]

        return between(self.positions), between(self.opacity), between(self.targets)

    def _resting(self, time: float) -> _Array:
        """Where to look before and after the movement."""
        if not len(self.times):
            return np.array([0.0, 0.46 * self.tall, 0.0])
        return self.targets[-1 if time > self.times[-1] else 0]

    def draw(self, panel: NDArray[np.uint8], time: float) -> None:
        """Draw the movement at ``time`` seconds over all of ``panel`` (H, W, 3)."""
        if self.background is None:
            self.background = _backdrop(*panel.shape[:2])
        panel[:] = self.background
        now = self.at(time)
        azimuth = np.radians(self.turn * (time - self.begin))
        view = _View.around(now[2] if now else self._resting(time), self.tall, azimuth, panel.shape)
        _grid(panel, view)
        if now:
            self._shadow(panel, view, now[0], now[1])
            self._trail(panel, view, time)
            self._figure(panel, view, now[0], now[1])
        _cue(panel, view)

    def _figure(self, panel: NDArray[np.uint8], view: _View, places: _Array, opacity: _Array) -> None:
        points, depth = view.project(places)
        bones = sorted(self.skeleton.bones, key=lambda bone: -(depth[bone[0]] + depth[bone[1]]))
        for parent, child in bones:
            middle = (depth[parent] + depth[child]) / 2
            near = float(np.clip(1.0 - 0.30 * (middle - view.distance) / self.tall, 0.55, 1.0))
            red, green, blue = drawing.side_colour(self.skeleton.joints[child])
            colour = (int(near * red), int(near * green), int(near * blue))
            alpha = min(opacity[parent], opacity[child])
            radius = max(0.017 * self.tall * view.focal / middle, 1.2)
            drawing.capsule(panel, points[parent], points[child], radius, colour, alpha, 1.0, (18, 20, 26))

    def _shadow(self, panel: NDArray[np.uint8], view: _View, places: _Array, opacity: _Array) -> None:
        points, depth = view.project(places * (1.0, 0.0, 1.0))
        bones = [(a, b) for a, b in self.skeleton.bones if min(opacity[a], opacity[b]) > 0.2]
        if bones:
            starts, ends = np.array(bones).T
            width = max(0.045 * self.tall * view.focal / float(depth.mean()), 2.0)
            drawing.shadow(panel, points[starts], points[ends], width, 0.45)

    def _trail(self, panel: NDArray[np.uint8], view: _View, time: float) -> None:
        """Where the pelvis went in the last three seconds, on the ground."""
        past = np.flatnonzero((self.times <= time) & (self.times > time - 3.0))[::2]
        if len(past) < 2:
            return
        spots, _ = view.project(self.positions[past, self.skeleton.index("pelvis")] * (1.0, 0.0, 1.0))
        glow = np.linspace(0.2, 1.0, len(past))[:, None] * np.array([190.0, 200.0, 120.0])
        drawing.lines(panel, spots[:-1], spots[1:], np.stack([glow[:-1], glow[1:]], axis=1))


@dataclass(frozen=True)
class _View:
    """A pinhole camera that looks at a point.

    Attributes:
        eye: (3,) metres. axes: (3, 3) rows right, down, forward. focal: px. centre: (x, y) px.
        target: (3,) metres. distance: from eye to target, metres.
    """

    eye: _Array
    axes: _Array
    focal: float
    centre: _Array
    target: _Array
    distance: float

    @classmethod
    def around(cls, target: _Array, tall: float, azimuth: float, shape: tuple[int, ...]) -> _View:
        """A view with a figure ``tall`` metres high filling two thirds of the panel."""
        height, width = shape[:2]
        rise = np.radians(13.0)
        back = np.array([np.sin(azimuth) * np.cos(rise), np.sin(rise), np.cos(azimuth) * np.cos(rise)])
        right = np.array([np.cos(azimuth), 0.0, -np.sin(azimuth)])
        forward = -back
        down = np.cross(forward, right)
        distance = 3.4 * tall
        focal = 0.66 * min(height, 1.15 * width) * distance / tall
        centre = np.array([(width - 1) / 2, 0.5 * height])
        return cls(target + distance * back, np.stack([right, down, forward]), focal, centre, target, distance)

    def project(self, points: _Array) -> tuple[_Array, _Array]:
        """(N, 3) metres to (N, 2) px and (N,) depth in metres, kept in front of the eye."""
        local = (points - self.eye) @ self.axes.T
        depth = np.maximum(local[:, 2], 0.05 * self.distance)
        return local[:, :2] * (self.focal / depth)[:, None] + self.centre, depth


def _backdrop(height: int, width: int) -> NDArray[np.uint8]:
    """A dark picture, a little lighter towards the ground."""
    share = np.linspace(0, 1, height)[:, None, None]
    colour = (1 - share) * np.array([30, 33, 40]) + share * np.array([52, 57, 66])
    return np.repeat(colour, width, axis=1).astype(np.uint8)


def _grid(panel: NDArray[np.uint8], view: _View) -> None:
    """Lines every metre on the ground (the world's own, so that they pass by), fading outwards."""
    reach = max(2, round(0.55 * view.distance))
    x0, z0 = np.rint(view.target[[0, 2]])
    pieces = 6  # a line fades along its way, so it is drawn in pieces
    steps = np.linspace(-reach, reach, 2 * reach * pieces // 2 + 1)
    offsets = np.arange(-reach, reach + 1.0)
    across, along = np.meshgrid(offsets, steps, indexing="ij")
    ground = np.zeros((2, *across.shape, 3))
    ground[0, ..., 0], ground[0, ..., 2] = x0 + across, z0 + along
    ground[1, ..., 0], ground[1, ..., 2] = x0 + along, z0 + across
    far = np.hypot(ground[..., 0] - view.target[0], ground[..., 2] - view.target[2])
    glow = np.clip(1.0 - far / (reach + 0.2), 0.0, 1.0)[..., None]
    points, _ = view.project(ground.reshape(-1, 3))
    points = points.reshape(*ground.shape[:-1], 2)
    colours = 50 + glow * np.array([75.0, 80.0, 90.0])
    starts, ends = points[:, :, :-1].reshape(-1, 2), points[:, :, 1:].reshape(-1, 2)
    tints = np.stack([colours[:, :, :-1].reshape(-1, 3), colours[:, :, 1:].reshape(-1, 3)], axis=1)
    height, width = panel.shape[:2]
    low, high = np.minimum(starts, ends), np.maximum(starts, ends)
    seen = (high > 0).all(axis=1) & (low[:, 0] < width) & (low[:, 1] < height) & (tints.max(axis=(1, 2)) > 52)
    drawing.lines(panel, starts[seen], ends[seen], tints[seen])


def _cue(panel: NDArray[np.uint8], view: _View) -> None:
    """The world's axes in a corner, and what a square of the grid is."""
    height, width = panel.shape[:2]
    size, letters = 0.055 * height, max(11, round(height / 30))
    origin = np.array([1.6 * size, height - 1.5 * size])
    axes = (("X", (235, 90, 90)), ("Y", (120, 210, 90)), ("Z", (90, 140, 250)))
    for axis, (_, colour) in sorted(enumerate(axes), key=lambda item: -view.axes[2, item[0]]):
        drawing.capsule(panel, origin, origin + size * view.axes[:2, axis], max(1.0, 0.04 * size), colour)
    words = "grid 1 m"
    wide, tall = drawing.text_size(words, letters)
    drawing.text(panel, words, width - wide - letters // 2, height - tall - letters // 3, letters, (170, 175, 185))


class _Writer:
    """A video file that takes pictures with their time stamps and encodes them in a thread of its own."""

    _AHEAD = 4  # pictures waiting for the encoder

    def __init__(self, temporary: Path, path: Path, width: int, height: int, rate: float) -> None:
        self.path = path
        self.tick, self.origin = -1, 0.0
        self.step = max(1, round(_CLOCK / rate))
        self.waiting: deque[Future[None]] = deque()
        self.thread = ThreadPoolExecutor(1, "posecore-preview")
        name = _encoder()
        with self._reported():
            self.container = av.open(str(temporary), "w")
            rate_hint = Fraction(_CLOCK, self.step)
            stream = self.container.add_stream(name, rate=rate_hint, options=dict(_ENCODERS[name]))
        assert isinstance(stream, av.VideoStream)
        self.stream = stream
        self.stream.width, self.stream.height, self.stream.pix_fmt = width, height, "yuv420p"
        self.stream.codec_context.time_base = Fraction(1, _CLOCK)

    @contextmanager
    def _reported(self) -> Iterator[None]:
        try:
            yield
        except (av.FFmpegError, OSError, ValueError) as error:
            raise OutputError(f"{self.path}: cannot write the preview ({error})") from error

    def add(self, canvas: NDArray[np.uint8], time: float) -> None:
        """Append a copy of a picture (H, W, 3) shown at ``time`` seconds; the first one is at time 0 of the file."""
        if self.tick < 0:
            self.origin = time
        self.tick = max(self.tick + 1, round((time - self.origin) * _CLOCK))
        picture = av.VideoFrame.from_ndarray(canvas, format="rgb24")
        picture.pts, picture.time_base = self.tick, Fraction(1, _CLOCK)
        self.waiting.append(self.thread.submit(self._encode, picture))
        if len(self.waiting) > self._AHEAD:
            with self._reported():
                self.waiting.popleft().result()

    def _encode(self, picture: av.VideoFrame | None) -> None:
        for packet in self.stream.encode(picture):
            self.container.mux(packet)

    def __enter__(self) -> _Writer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self.thread:
            if kind is not None:
                self.thread.shutdown(cancel_futures=True)
        with self._reported():
            if kind is None:
                for pending in self.waiting:
                    pending.result()
                self._encode(None)
            self.container.close()


def _encoder() -> str:
    """The best encoder that the installed av package carries."""
    for name in _ENCODERS:
        try:
            av.codec.Codec(name, "w")
        except (av.FFmpegError, ValueError):
            continue
        return name
    raise OutputError("the installed av package has no H.264 or MPEG-4 encoder; reinstall it from PyPI")
