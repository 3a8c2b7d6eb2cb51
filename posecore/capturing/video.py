"""Reading video files through PyAV, and :func:`open_frames` for every kind of source.

What a file says about itself is not trusted: time stamps come from the frames, a cut-off or damaged
file gives every frame before the fault and, where the codec finds a clean start, those after it.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray

from posecore.capturing.frames import Frame, FrameSource, Timeline
from posecore.capturing.images import ImageSequence, fit, is_image_source
from posecore.errors import SourceError

__all__ = ["Frame", "FrameSource", "VideoFile", "open_frames"]

# No ISO base media file without these: their absence in a file that starts like one means "cut off".
_INDEX_BOX, _BRAND_BOX = b"moov", b"ftyp"


def open_frames(
    source: str | os.PathLike[str],
    start: float | None = None,
    stop: float | None = None,
    rate: float | None = None,
) -> FrameSource:
    """Open a video file or an image sequence.

    Args:
        source: a video file; a folder of pictures; a numbered pattern (``frame_%04d.png``); a glob
            (``shots/*.jpg``); or one picture.
        start, stop: seconds since the first frame; frames with start <= time < stop are read.
        rate: frames per second of an image sequence (default 30); videos carry their own time.

    Raises:
        SourceError: missing, empty, unreadable or without frames; one line that says what to do.
    """
    name = os.fspath(source)
    if start is not None and stop is not None and stop <= start:
        raise SourceError(f"{name}: the range {start:g} s to {stop:g} s is empty; --stop must be after --start")
    if rate is not None and not rate > 0:
        raise SourceError(f"{name}: {rate:g} frames per second is no rate; give a number above 0")
    if is_image_source(name):
        return ImageSequence(name, start, stop, rate)
    return VideoFile(name, start, stop)


class VideoFile(FrameSource):
    """The frames of a video file's first video stream.

    Raises:
        SourceError: see :func:`open_frames`.
    """

    def __init__(self, source: str, start: float | None = None, stop: float | None = None) -> None:
        self.path = source
        self.warnings: list[str] = []
        self._start, self._stop = start, stop
        self._origin: float | None = None
        _check_file(source)
        with _open(source) as container:
            stream = _video_stream(container, source)
            self.rate = _stated_rate(stream)
            self._total, duration = _stated_length(container, stream, self.rate)
            self._promised = bool(stream.frames or _stream_seconds(stream))
        first = next(iter(_Decoding(self, None, None).frames()), None)
        if first is None:
            raise SourceError(f"{source}: the video holds no readable frame; check that it plays elsewhere")
        self.size = (first.image.shape[1], first.image.shape[0])
        self.count = self._expected(duration)

    def _expected(self, duration: float | None) -> int | None:
        """How many frames the asked-for range should hold."""
        if self._start is None and self._stop is None:
            return self._total
        if duration is None and self._stop is None:
            return None
        end = min(x for x in (duration, self._stop) if x is not None)
        if duration is not None and (self._start or 0.0) >= duration + 0.5 / self.rate:
            raise SourceError(f"{self.path}: no frames after {self._start:g} s; the video is {duration:.2f} s long")
        return max(1, round((end - (self._start or 0.0)) * self.rate))

    def read(self) -> Iterator[Frame]:
        """The frames in order of time."""
        decoding = _Decoding(self, self._start, self._stop)
        empty = True
        for frame in decoding.frames():
            empty = False
            if (frame.image.shape[1], frame.image.shape[0]) != self.size:
                self.warn(f"{self.path}: the picture size changes at {frame.time:.2f} s; fitted into the first size")
                frame = Frame(fit(frame.image, self.size), frame.time, frame.index)
            yield frame
        if empty:
            low, high = self._start or 0.0, "the end" if self._stop is None else f"{self._stop:g} s"
            raise SourceError(f"{self.path}: no frames from {low:g} s to {high}; choose another range")


class _Decoding:
    """One pass over a file: packets in, upright frames out, faults noted."""

    def __init__(self, video: VideoFile, start: float | None, stop: float | None) -> None:
        self.video = video
        self.start, self.stop = start, stop
        self.timeline = Timeline(video.rate, video._origin)
        self.reformatter = VideoReformatter()
        self.index = 0  # of the next decoded frame
        self.read_packets = 0  # that carry a frame
        self.last_time: float | None = None
        self.fault: tuple[float, int] | None = None  # time and number of the first frame lost, while unresolved
        self.matrix: tuple[int, int, int, int] | None = None
        self.waiting = True  # for a key frame: at the start, and after a fault

    def frames(self) -> Iterator[Frame]:
        """Upright frames of the range; closes the file when done or dropped."""
        with _open(self.video.path) as container:
            stream = _video_stream(container, self.video.path)
            stream.codec_context.thread_type = "AUTO"
            # Inference needs the other core; the decoder already runs beside it in a thread of its own.
            stream.codec_context.thread_count = max(1, min(4, (os.cpu_count() or 2) - 1))
            first = True
            for picture in self._decoded(container, stream):
                if first:
                    # Of the first frame only: PyAV ties side data and frame into a ring, which keeps every frame
                    # it is read from in memory until the garbage collector comes by.
                    self.matrix, first = _display_matrix(picture.side_data), False
                if picture.is_corrupt:
                    self.index += 1  # what an open group of pictures starts with: half a frame
                    continue
                time = self._time(picture, stream)
                index, self.index = self.index, self.index + 1
                if self.stop is not None and time >= self.stop - 1e-9:
                    return
                self.last_time = time
                if self.start is not None and time < self.start - 1e-9:
                    continue
                yield Frame(self._upright(picture, stream), time, index)
        self._conclude()

    def _time(self, picture: av.VideoFrame, stream: Any) -> float:
        # The stream's time base: PyAV gives none to the frames that come out of a drained decoder.
        stamp = None if picture.pts is None else float(picture.pts * stream.time_base)
        if self.video._origin is None and stamp is not None:
            self.video._origin = stamp
        return self.timeline.place(stamp)

    def _upright(self, picture: av.VideoFrame, stream: Any) -> NDArray[np.uint8]:
        """A decoded frame as upright 8-bit RGB with square pixels."""
        width, height = picture.width, picture.height
        ratio = float(stream.sample_aspect_ratio or 1)
        if abs(ratio - 1) > 0.01 and 0.2 < ratio < 5:
            width = max(1, round(width * ratio))
        image = self.reformatter.reformat(picture, width=width, height=height, format="rgb24").to_ndarray()
        return _orient(np.asarray(image, np.uint8), self.matrix)

    def _decoded(self, container: Any, stream: Any) -> Iterator[av.VideoFrame]:
        """Frames in order of presentation, over faults, beginning with the key frame before ``start``."""
        for packets in self._groups(container, stream):
            for packet in packets:
                if self.waiting and not self._resume(packet):
                    continue
                try:
                    if packet.is_corrupt:
                        raise av.InvalidDataError(0, "damaged packet")
                    yield from packet.decode()
                except av.FFmpegError:
                    yield from self._drain(stream)
                    self._note_fault()
        if not self.waiting:
            yield from self._drain(stream)

    def _groups(self, container: Any, stream: Any) -> Iterator[list[Any]]:
        """Packets to decode. Those before the key frame that ``start`` needs are counted and let go."""
        held: list[Any] = []
        skipping = self.start is not None and self.start > 0
        self.ordinals: dict[int, int] = {}
        packets = container.demux(stream)
        while True:
            try:
                packet = next(packets, None)
            except av.FFmpegError:
                self._note_fault()
                packet = None
            if packet is None or packet.size == 0:  # the end: PyAV's flush packet; we flush ourselves
                break
            if not packet.is_discard:
                self.read_packets += 1
            if not skipping:
                self.ordinals = {id(packet): self.read_packets - 1}
                yield [packet]
                continue
            late = self._stamp(packet) >= (self.start or 0.0)
            if packet.is_keyframe and not late:
                held, self.ordinals = [], {}
            self.ordinals[id(packet)] = self.read_packets - 1
            held.append(packet)
            if late:
                skipping = False
                yield held
                held = []
        if held:
            yield held

    def _stamp(self, packet: Any) -> float:
        if packet.pts is None:
            return (self.read_packets - 1) / self.video.rate
        return float(packet.pts * packet.time_base) - (self.video._origin or 0.0)

    def _resume(self, packet: Any) -> bool:
        """Whether decoding can (re)start at this packet: a whole key frame, or the very first packet."""
        ordinal = self.ordinals.get(id(packet), 0)
        if packet.is_corrupt or not (packet.is_keyframe or (ordinal == 0 and self.fault is None)):
            return False
        self.waiting = False
        self.index = ordinal
        if self.fault is not None:
            time, frame = self.fault
            lost, self.fault = ordinal - frame, None
            self.video.warn(f"{self._damage(time, frame)}; {max(lost, 1)} frames are left out")
        return True

    def _drain(self, stream: Any) -> Iterator[av.VideoFrame]:
        """What the decoder still holds, all of it from before the fault (or the end)."""
        with contextlib.suppress(av.FFmpegError):  # nothing whole is left in it, and the fault has been noted
            yield from stream.codec_context.decode(None)
        stream.codec_context.flush_buffers()

    def _note_fault(self) -> None:
        self.waiting = True
        if self.fault is None:
            self.fault = (0.0 if self.last_time is None else self.last_time, self.index)

    def _damage(self, time: float, frame: int) -> str:
        about = "" if self.video._total is None else f" of about {self.video._total}"
        return f"{self.video.path}: damaged after {time:.1f} s (frame {frame}{about})"

    def _conclude(self) -> None:
        """At the end of the file: was it the end that the file promised?"""
        total = self.video._total if self.video._promised else None
        if self.fault is not None:
            self.video.warn(f"{self._damage(*self.fault)}; the rest is ignored")
        elif total is not None and self.index < 0.98 * total - 2 and self.last_time is not None:
            self.video.warn(f"{self._damage(self.last_time, self.index)}; the rest is ignored")


def _check_file(source: str) -> None:
    path = Path(source)
    if "://" in source:
        raise SourceError(f"{source}: network sources are not read; download the video first")
    if not path.exists():
        raise SourceError(f"{source}: no such file; check the path")
    try:
        if path.is_file() and path.stat().st_size == 0:
            raise SourceError(f"{source}: the file is empty; copy or record it again")
        with open(path, "rb"):
            pass
    except OSError as error:
        raise SourceError(f"{source}: cannot be opened ({error.strerror}); check its permissions") from error


def _open(source: str) -> Any:
    """A PyAV container. Only the file itself may be touched: a playlist must not reach for the network."""
    try:
        return av.open("file:" + os.path.abspath(source), options={"protocol_whitelist": "file"})
    except (av.FFmpegError, OSError, ValueError) as error:
        raise SourceError(_why_unreadable(source, error)) from error


def _why_unreadable(source: str, error: Exception) -> str:
    with open(source, "rb") as stream:
        head = stream.read(4096)
    if head[4:8] == _BRAND_BOX:
        return (
            f"{source}: the video is cut off: its index ('{_INDEX_BOX.decode()}' at the end of the file) is missing, "
            "so no frame can be read; copy or record it again"
        )
    reason = getattr(error, "strerror", None) or str(error)
    return f"{source}: not a video that can be read ({reason}); give a video file or a folder of pictures"


def _video_stream(container: Any, source: str) -> Any:
    """The first stream of moving pictures (the cover art of a sound file is none)."""
    for stream in container.streams.video:
        if not stream.disposition & av.stream.Disposition.attached_pic:
            return stream
    what = "only sound" if container.streams.audio else "no pictures"
    raise SourceError(f"{source}: holds {what}, no video; give a video file or a folder of pictures")


def _stated_rate(stream: Any) -> float:
    for rate in (stream.average_rate, stream.guessed_rate, stream.base_rate):
        if rate and 0.01 < float(rate) < 1000:
            return float(rate)
    return 30.0


def _stated_length(container: Any, stream: Any, rate: float) -> tuple[int | None, float | None]:
    """(frames, seconds) that the file promises, each None where it says nothing."""
    duration = _stream_seconds(stream)
    if duration is None and container.duration:
        # May be that of a longer sound track: good for a progress bar, no promise.
        duration = container.duration / av.time_base
    frames = stream.frames or (round(duration * rate) if duration else None)
    return frames or None, duration


def _stream_seconds(stream: Any) -> float | None:
    """Length of the video stream itself; Matroska has it as a tag, ``00:00:03.500000000``."""
    if stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base)
    try:
        hours, minutes, seconds = stream.metadata.get("DURATION", "").split(":")
        return int(hours) * 3600 + int(minutes) * 60 + float(seconds)
    except ValueError:
        return None


def _display_matrix(side_data: Any) -> tuple[int, int, int, int] | None:
    """(a, b, c, d) of the display matrix: x' = a x + c y, y' = b x + d y, y down; None if there is none."""
    item = side_data.get("DISPLAYMATRIX")  # by its key: iterating gives items in PyAV 18, keys in PyAV 19
    if item is None:
        return None
    a, b, _, c, d = (int(v) for v in np.frombuffer(bytes(item), np.int32)[:5])
    return a, b, c, d


def _orient(image: NDArray[np.uint8], matrix: tuple[int, int, int, int] | None) -> NDArray[np.uint8]:
    """Apply a display matrix, rounded to quarter turns (phones write no others) and flips."""
    if matrix is None:
        return image
    a, b, c, d = matrix
    if abs(a) + abs(d) >= abs(b) + abs(c):
        flip_x, flip_y = a < 0, d < 0
    else:
        image = image.swapaxes(0, 1)
        flip_x, flip_y = c < 0, b < 0
    if flip_x:
        image = image[:, ::-1]
    if flip_y:
        image = image[::-1]
    return np.ascontiguousarray(image) if matrix != (65536, 0, 0, 65536) else image
