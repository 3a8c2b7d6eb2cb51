"""What a command says while it works: for people on stderr, or for machines as JSON lines on stdout."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress, TaskID

__all__ = ["Reporter"]

_Item = TypeVar("_Item")

_SECONDS_BETWEEN_LINES = 5.0  # people, no terminal
_SECONDS_BETWEEN_EVENTS = 0.2  # machines


class Reporter:
    """Progress, warnings, results and errors of one command.

    With ``machine`` every message is one JSON object on a line of stdout, with a key ``event``:
    ``progress`` (stage, done, total, fps, left), ``warning`` (text), ``result`` (the command's own keys)
    or ``error`` (text, kind, exit_code). Without it, messages are text on stderr, progress is a bar on a
    terminal and a line every few seconds elsewhere, and only answers that were asked for
    (:meth:`answer`) go to stdout.
    """

    def __init__(self, machine: bool = False) -> None:
        self.machine = machine
        self._console: Console | None = None
        self._bar: Progress | None = None
        self._task: TaskID | None = None
        self._stage = ""
        self._last = -1e9
        self._warned: set[str] = set()

    # -- messages

    def say(self, text: str) -> None:
        """A fact for people; machines get facts with the result."""
        if not self.machine:
            self._print(text)

    def warning(self, text: str) -> None:
        """Something the user should know, but the work goes on. Said once, however often it is met."""
        if text in self._warned:
            return
        self._warned.add(text)
        if self.machine:
            self._emit("warning", text=text)
        else:
            self._print(text, label="warning:", style="yellow")

    def error(self, text: str, kind: str, exit_code: int) -> None:
        """Why the command ends without a result: one line."""
        self.close()
        text = " ".join(text.split())
        if self.machine:
            self._emit("error", text=text, kind=kind, exit_code=exit_code)
        else:
            self._print(text, label="error:", style="red")

    def result(self, text: str, **data: Any) -> None:
        """What was made: ``text`` for people, ``data`` (JSON values) for machines."""
        self.close()
        if self.machine:
            self._emit("result", **data)
        else:
            self._print(text)

    def answer(self, renderable: Any, **data: Any) -> None:
        """What was asked for, on stdout: anything rich can print for people, ``data`` for machines."""
        self.close()
        if self.machine:
            self._emit("result", **data)
            return
        from rich.console import Console

        Console(highlight=False, soft_wrap=True).print(renderable)

    # -- progress

    def progress(self, stage: str, done: int, total: int | None, fps: float) -> None:
        """``done`` of ``total`` frames (None: unknown) at ``fps`` frames/s. Call it as often as you like."""
        finished = total is not None and done >= total
        if stage != self._stage:
            self.close()
            self._stage = stage
        if not self.machine and self._terminal.is_terminal:
            self._show_bar(stage, done, total, fps)
            return
        pause = _SECONDS_BETWEEN_EVENTS if self.machine else _SECONDS_BETWEEN_LINES
        now = time.monotonic()
        if now - self._last < pause and not finished:
            return
        self._last = now
        left = (total - done) / fps if total is not None and fps > 0 else None
        if self.machine:
            self._emit("progress", stage=stage, done=done, total=total, fps=round(fps, 2), left=left and round(left, 1))
        else:
            count = f"{done}" if total is None else f"{done}/{total}"
            tail = "" if left is None else f", {left:.0f} s left"
            self._print(f"{stage}: {count} frames, {fps:.1f} frames/s{tail}")

    def track(self, items: Iterable[_Item], stage: str, total: int | None) -> Iterator[_Item]:
        """Pass ``items`` on and report them as progress."""
        begun = time.monotonic()
        for done, item in enumerate(items, start=1):
            yield item
            self.progress(stage, done, total, done / max(time.monotonic() - begun, 1e-6))

    def close(self) -> None:
        """End the progress bar, if one is shown."""
        if self._bar is not None:
            self._bar.stop()
        self._bar = self._task = None
        self._stage, self._last = "", -1e9

    # -- inside

    @property
    def _terminal(self) -> Console:
        if self._console is None:
            from rich.console import Console

            self._console = Console(stderr=True, highlight=False, soft_wrap=True)
        return self._console

    def _print(self, text: str, label: str = "", style: str = "") -> None:
        from rich.text import Text

        line = Text(label + " ", style=style) if label else Text()
        self._terminal.print(line.append(text, style="default"))

    def _emit(self, event: str, **data: Any) -> None:
        sys.stdout.write(json.dumps({"event": event, **data}, allow_nan=False) + "\n")
        sys.stdout.flush()

    def _show_bar(self, stage: str, done: int, total: int | None, fps: float) -> None:
        if self._bar is None:
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

            self._bar = Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TextColumn("{task.fields[fps]:.1f} frames/s"),
                TimeRemainingColumn(),
                console=self._terminal,
            )
            self._bar.start()
            self._task = self._bar.add_task(stage, total=total, fps=fps)
        assert self._task is not None
        self._bar.update(self._task, completed=done, total=total, fps=fps)
