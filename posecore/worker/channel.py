"""The two pipes of the worker, kept clean: whatever else writes to stdout goes to stderr."""

from __future__ import annotations

import contextlib
import faulthandler
import json
import math
import os
import sys
import threading
from collections.abc import Iterator, Mapping
from typing import Any

__all__ = ["Channel", "take_over_standard_streams"]


class Channel:
    """JSON lines in and out, over two file descriptors. Writing is safe from several threads."""

    def __init__(self, incoming: int, outgoing: int) -> None:
        self._incoming, self._outgoing = incoming, outgoing
        self._lock = threading.Lock()

    def lines(self) -> Iterator[bytes]:
        """Lines until the other side closes its end; never more than is there, so none waits for the next."""
        rest = b""
        while data := self._read():
            *whole, rest = (rest + data).split(b"\n")
            yield from (line for line in whole if line.strip())

    def _read(self) -> bytes:
        try:
            return os.read(self._incoming, 65536)
        except OSError:
            return b""

    def emit(self, event: str, job: str | None = None, **values: Any) -> None:
        """Write one event. Values that JSON has no word for become text; NaN and infinity become null.

        Nothing happens when nobody listens any more: the end of stdin says so, too.
        """
        line = json.dumps({"event": event, "id": job, **_plain(values)}, allow_nan=False).encode("ascii") + b"\n"
        with self._lock, contextlib.suppress(OSError):
            while line:
                line = line[os.write(self._outgoing, line) :]


def _plain(value: Any) -> Any:
    """``value`` as JSON values."""
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if hasattr(value, "tolist"):  # numpy
        return _plain(value.tolist())
    return str(value)


def take_over_standard_streams() -> Channel:
    """Keep stdin and stdout for the protocol alone.

    File descriptor 1 becomes stderr, also for native code: a library's ``printf`` cannot break the
    protocol. File descriptor 0 becomes empty: on Windows the mere question what kind of file it is, which
    runtime libraries ask when they are loaded, would wait for as long as another thread reads from it.
    """
    incoming, outgoing = os.dup(0), os.dup(1)
    if os.name == "nt":
        import msvcrt

        for descriptor in (incoming, outgoing):
            msvcrt.setmode(descriptor, os.O_BINARY)  # type: ignore[attr-defined]
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    faulthandler.enable(sys.stderr)
    return Channel(incoming, outgoing)
