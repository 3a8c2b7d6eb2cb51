"""A video file that takes pictures with true time stamps."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from types import TracebackType

import av
import numpy as np
from numpy.typing import NDArray

from posecore.errors import OutputError

__all__ = ["ENCODERS", "Writer", "find_encoder"]

#: Ticks a second: whole for 24, 25, 29.97, 30, 50 and 60 frames a second, and few enough for MPEG-4.
_CLOCK = 60000
#: What may encode, best first, with its options.
ENCODERS: dict[str, dict[str, str]] = {
    "libx264": {"preset": "veryfast", "crf": "22"},
    "libopenh264": {"b": "4M"},
    "mpeg4": {"q:v": "4"},
}


class Writer:
    """A video file that takes pictures with their time stamps and encodes them in a thread of its own."""

    _AHEAD = 4  # pictures waiting for the encoder

    def __init__(self, temporary: Path, path: Path, width: int, height: int, rate: float) -> None:
        self.path = path
        self.tick, self.origin = -1, 0.0
        self.step = max(1, round(_CLOCK / rate))
        self.waiting: deque[Future[None]] = deque()
        self.thread = ThreadPoolExecutor(1, "posecore-preview")
        name = find_encoder()
        with self._reported():
            self.container = av.open(str(temporary), "w")
            rate_hint = Fraction(_CLOCK, self.step)
            stream = self.container.add_stream(name, rate=rate_hint, options=dict(ENCODERS[name]))
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

    def __enter__(self) -> Writer:
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


def find_encoder() -> str:
    """The best encoder that the installed av package carries."""
    for name in ENCODERS:
        try:
            av.codec.Codec(name, "w")
        except (av.FFmpegError, ValueError):
            continue
        return name
    raise OutputError("the installed av package has no H.264 or MPEG-4 encoder; reinstall it from PyPI")
