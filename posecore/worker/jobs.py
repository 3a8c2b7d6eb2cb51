"""One job: what is known of it, who may end it, and what is said about its end."""

from __future__ import annotations

import re
import threading
import time
import traceback
from collections.abc import Mapping
from typing import Any

from posecore.errors import Cancelled, PosecoreError
from posecore.worker.channel import Channel

# "--provider cuda: …" is the command's way to speak; here nobody sees flags.
_FLAG = re.compile(r"(?<!\S)--(?=[a-z])")

__all__ = ["Job", "ProtocolError", "describe_error"]


class ProtocolError(PosecoreError):
    """A message that the worker does not understand."""


class Job:
    """A command with an id. Ends once; whatever is said after that is not heard.

    Attributes:
        cancel: set when the job is to stop.
        started: it is no longer waiting for its turn.
        ended: its end is told, or is being told.
        worthwhile: there is something that a stop would keep, so it is worth waiting for.
    """

    def __init__(self, channel: Channel, name: str | None, command: str, fields: Mapping[str, Any]) -> None:
        self.name, self.command, self.fields = name, command, dict(fields)
        self.cancel = threading.Event()
        self.started = False
        self.ended = False
        self.worthwhile = False
        self.began = time.monotonic()
        self._channel = channel
        self._lock = threading.Lock()
        self._over = threading.Event()

    @property
    def over(self) -> bool:
        """Whether its end has been told: nothing of it is to come."""
        return self._over.is_set()

    def wait(self, seconds: float) -> bool:
        """Wait for its end; whether it has ended."""
        return self._over.wait(seconds)

    def say(self, event: str, **values: Any) -> None:
        """Tell something about the job, unless it has ended."""
        with self._lock:
            if not self.ended:
                self._channel.emit(event, self.name, **values)

    def end(self, event: str, **values: Any) -> None:
        """Tell its end; the first one counts."""
        with self._lock:
            if not self.ended:
                self.ended = True  # first: whoever reads of the end may use the name again
                self._channel.emit(event, self.name, **values)
                self._over.set()

    def fail(self, error: BaseException) -> None:
        """End it with an error."""
        self.end("error", **describe_error(error))


def describe_error(error: BaseException) -> dict[str, Any]:
    """``message`` (one line), ``kind`` and ``exit_code`` of an error, with the traceback if it was not expected."""
    kind = type(error).__name__
    if isinstance(error, PosecoreError):
        values = {"message": _FLAG.sub("", " ".join(str(error).split())), "kind": kind, "exit_code": error.exit_code}
        if isinstance(error, Cancelled):
            values["takes"] = []
        return values
    if isinstance(error, MemoryError):
        message = "not enough memory; close other programs, or analyse a shorter range"
    else:
        message = f"unexpected {kind}: {' '.join(str(error).split())[:300]}"
    details = "".join(traceback.format_exception(error))
    return {"message": message, "kind": kind, "exit_code": PosecoreError.exit_code, "details": details[-8000:]}
