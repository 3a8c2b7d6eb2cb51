"""``Frame`` and ``FrameSource``: upright RGB pictures with true time stamps, read ahead in a thread.

Knows nothing of files or codecs: those are in :mod:`.video` and :mod:`.images`.
"""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

__all__ = ["Frame", "FrameSource", "Timeline", "read_ahead"]

# Pictures decoded ahead of the reader: enough to hide uneven decoding, few enough for 8K video.
READ_AHEAD = 4


@dataclass(frozen=True)
class Frame:
    """One picture of a source.

    Attributes:
        image: (H, W, 3) uint8 RGB, upright (rotation metadata applied). Read only.
        time: seconds since the source's own first frame.
        index: number of the frame in the source, from 0.
    """

    image: NDArray[np.uint8]
    time: float
    index: int


class FrameSource(ABC):
    """Frames of a video or an image sequence. Iterate over it; every iteration starts anew.

    Decoding runs in a thread of its own, at most ``READ_AHEAD`` pictures ahead, so memory does not
    grow with the length of the video.

    Attributes:
        path: what was opened, as the user wrote it.
        size: (width, height) of the upright pictures, px.
        rate: frames per second as the file states it (the time stamps are the truth).
        count: how many frames to expect, or None if the file does not say.
        warnings: one line each; complete once the iteration has ended.
    """

    path: str
    size: tuple[int, int]
    rate: float
    count: int | None
    warnings: list[str]

    @abstractmethod
    def read(self) -> Iterator[Frame]:
        """The frames, decoded in the calling thread."""

    def __iter__(self) -> Iterator[Frame]:
        return read_ahead(self.read, READ_AHEAD)

    def warn(self, text: str) -> None:
        """Note a warning once, however often the source is read."""
        if text not in self.warnings:
            self.warnings.append(text)


class Timeline:
    """Turns a source's time stamps into strictly increasing seconds from 0.

    A repeated or slightly earlier stamp moves half a frame past the one before; a leap backwards of
    more than a second (joined clips, a clock that wrapped) continues one frame after the one before;
    a missing stamp is one frame after the one before. Leaps forwards are kept: they may be real.

    Args:
        rate: nominal frames per second.
        origin: the source's own stamp of its first frame, seconds; None takes the first one seen.
    """

    def __init__(self, rate: float, origin: float | None = None) -> None:
        self._step = 1.0 / rate
        self._origin = origin
        self._last: float | None = None

    def place(self, stamp: float | None) -> float:
        """The time of the next frame, from its own stamp in seconds (None = it has none)."""
        if stamp is None:
            time = 0.0 if self._last is None else self._last + self._step
        else:
            if self._origin is None:
                self._origin = stamp
            time = stamp - self._origin
        if self._last is not None and time <= self._last:
            if stamp is not None and time < self._last - 1.0:
                self._origin = stamp - (self._last + self._step)
                time = self._last + self._step
            else:
                time = self._last + self._step / 2
        self._last = time
        return time


_T = TypeVar("_T")


class _End:
    """Marks the end of the stream, with what ended it."""

    def __init__(self, error: BaseException | None) -> None:
        self.error = error


def read_ahead(produce: Callable[[], Iterator[_T]], depth: int) -> Iterator[_T]:
    """Run ``produce`` in a thread, at most ``depth`` items ahead of the reader.

    An error of the producer is raised in the reader, after the items before it. Closing the iterator
    early (or dropping it) stops the thread.
    """
    items: deque[_T | _End] = deque()
    ready, slots, stop = threading.Semaphore(0), threading.Semaphore(depth), threading.Event()

    def work() -> None:
        error: BaseException | None = None
        source = produce()
        try:
            while not stop.is_set():
                # The slot first: an item decoded while the buffer is full would be one too many.
                slots.acquire()
                if stop.is_set():
                    break
                item = next(source, None)
                if item is None:
                    break
                items.append(item)
                ready.release()
        except BaseException as caught:  # handed to the reader, whatever it is
            error = caught
        finally:
            close = getattr(source, "close", None)
            if close is not None:
                close()
            items.append(_End(error))
            ready.release()

    thread = threading.Thread(target=work, name="posecore-read-ahead", daemon=True)
    thread.start()
    try:
        while True:
            ready.acquire()
            item = items.popleft()
            if isinstance(item, _End):
                if item.error is not None:
                    raise item.error
                return
            slots.release()
            yield item
    finally:
        stop.set()
        slots.release()
        thread.join()
