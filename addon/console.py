# SPDX-License-Identifier: GPL-3.0-or-later
"""What a headless command says: text on stderr for people, or JSON lines on stdout for programs. No bpy.

The words and the JSON events are those of the ``posecore`` command, which cannot be used here: Blender has no ``rich``.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any, TextIO

__all__ = ["Console"]

_SECONDS_BETWEEN_LINES = 5.0  # people, no terminal
_SECONDS_BETWEEN_EVENTS = 0.2  # a terminal, or machines


class Console:
    """Progress, warnings, results and errors of one command.

    Args:
        machine: one JSON object a line on stdout, with a key ``event``: ``progress`` (stage, done, total, fps, left),
            ``warning`` (text), ``result`` (the command's own keys) or ``error`` (text, kind, exit_code).
        quiet: warnings, results and progress are not said; errors are.
        stream: for the JSON lines; None is stdout.
        debug: what Blender's exporters print is let through.
    """

    def __init__(
        self, machine: bool = False, quiet: bool = False, stream: TextIO | None = None, debug: bool = False
    ) -> None:
        self.machine, self.quiet, self._stream, self.debug = machine, quiet, stream, debug
        self.warnings: list[str] = []
        self._open = False  # a progress line without its end
        self._stage, self._last = "", -1e9

    def say(self, text: str) -> None:
        """A fact for people; machines get facts with the result."""
        if not self.machine and not self.quiet:
            self._line(text)

    def warning(self, text: str) -> None:
        """Something the user should know, but the work goes on. Said once, however often it is met."""
        text = _one_line(text)
        if text in self.warnings:
            return
        self.warnings.append(text)
        if self.machine:
            self._emit("warning", text=text)
        elif not self.quiet:
            self._line(f"warning: {text}")

    def error(self, text: str, kind: str, exit_code: int) -> None:
        """Why there is no result: one line."""
        if self.machine:
            self._emit("error", text=_one_line(text), kind=kind, exit_code=exit_code)
        else:
            self._line(f"error: {_one_line(text)}")

    def result(self, text: str, **data: Any) -> None:
        """What was made: ``text`` for people, ``data`` (JSON values) for machines."""
        if self.machine:
            self._emit("result", **data)
        elif not self.quiet:
            self._line(text)

    def progress(self, stage: str, done: int, total: int | None, fps: float, left: float | None) -> None:
        """``done`` of ``total`` frames (None: unknown) at ``fps`` frames/s, ``left`` seconds to go (None: unknown)."""
        if (self.quiet or not done) and not self.machine:
            return
        if stage != self._stage:
            self._end_line()
            self._stage, self._last = stage, -1e9
        terminal = not self.machine and sys.stderr.isatty()
        pause = _SECONDS_BETWEEN_EVENTS if self.machine or terminal else _SECONDS_BETWEEN_LINES
        now = time.monotonic()
        if now - self._last < pause and (total is None or done < total):
            return
        self._last = now
        if self.machine:
            left = None if left is None else round(left, 1)
            self._emit("progress", stage=stage, done=done, total=total, fps=round(fps, 2), left=left)
            return
        count = f"{done}" if total is None else f"{done}/{total}"
        tail = "" if left is None else f", {left:.0f} s left"
        text = f"{stage}: {count} frames, {fps:.1f} frames/s{tail}"
        if terminal:
            sys.stderr.write(f"\r\x1b[K{text}")
            sys.stderr.flush()
            self._open = True
        else:
            self._line(text)

    def close(self) -> None:
        """End a progress line, if one is open."""
        self._end_line()
        self._stage, self._last = "", -1e9

    def _line(self, text: str) -> None:
        self._end_line()
        print(text, file=sys.stderr, flush=True)

    def _end_line(self) -> None:
        if self._open:
            sys.stderr.write("\n")
            self._open = False

    def _emit(self, event: str, **data: Any) -> None:
        print(json.dumps({"event": event, **data}), file=self._stream or sys.stdout, flush=True)


def _one_line(text: str) -> str:
    return " ".join(text.split())
