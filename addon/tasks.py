# SPDX-License-Identifier: GPL-3.0-or-later
"""One thread for what is too slow for a mouse move: solving, retargeting, looking into files. No bpy in here.

A newer task replaces one of the same name that waits, and the result of one that runs: dragging a slider solves
for the newest value only. Results are handed over on the main thread by :meth:`Tasks.drain`.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

__all__ = ["Outcome", "Tasks"]


@dataclass(frozen=True)
class Outcome:
    """What a task gave.

    Attributes:
        value: its result, None if it failed.
        error: what it raised, or None.
        seconds: how long it took.
    """

    value: Any = None
    error: Exception | None = None
    seconds: float = 0.0


@dataclass
class _Task:
    name: str
    number: int
    work: Callable[[], Any]
    done: Callable[[Outcome], None]


class Tasks:
    """The thread, what waits for it, and what came out of it."""

    def __init__(self) -> None:
        self._lock = threading.Condition()
        self._waiting: list[_Task] = []
        self._finished: list[tuple[_Task, Outcome]] = []
        self._running: _Task | None = None
        self._newest: dict[str, int] = {}
        self._count = 0
        self._thread: threading.Thread | None = None
        self._stopping = False

    @property
    def busy(self) -> bool:
        """Whether anything waits, runs, or is to be handed over."""
        with self._lock:
            return bool(self._waiting or self._finished or self._running)

    def pending(self, name: str) -> bool:
        """Whether a task of that name waits, runs, or is to be handed over."""
        with self._lock:
            tasks = [*self._waiting, *(task for task, _ in self._finished), *([self._running] if self._running else [])]
        return any(task.name == name and task.number == self._newest.get(name) for task in tasks)

    def submit(self, name: str, work: Callable[[], Any], done: Callable[[Outcome], None]) -> None:
        """Run ``work`` in the thread; ``done`` gets its outcome on the main thread, unless a newer one came."""
        with self._lock:
            self._count += 1
            self._newest[name] = self._count
            self._waiting = [task for task in self._waiting if task.name != name]
            self._waiting.append(_Task(name, self._count, work, done))
            if self._thread is None:
                self._stopping = False
                self._thread = threading.Thread(target=self._work, name="posecore", daemon=True)
                self._thread.start()
            self._lock.notify_all()

    def drop(self, name: str) -> None:
        """Forget every task of that name; one that runs ends unheard."""
        with self._lock:
            self._count += 1
            self._newest[name] = self._count
            self._waiting = [task for task in self._waiting if task.name != name]

    def drain(self, budget: float = 0.005) -> int:
        """Hand over outcomes until ``budget`` seconds are over. Returns how many."""
        end, count = time.perf_counter() + budget, 0
        while time.perf_counter() < end:
            with self._lock:
                if not self._finished:
                    break
                task, outcome = self._finished.pop(0)
                current = self._newest.get(task.name) == task.number
            if current:
                task.done(outcome)
                count += 1
        return count

    def finish(self, timeout: float = 60.0) -> None:
        """Wait for everything and hand it over: for scripts, which have no timers."""
        end = time.monotonic() + timeout
        while self.busy and time.monotonic() < end:
            if not self.drain(timeout):
                time.sleep(0.005)

    def stop(self) -> None:
        """Forget everything and end the thread; waits a moment for a task that runs."""
        with self._lock:
            self._stopping = True
            self._waiting.clear()
            self._finished.clear()
            self._newest.clear()
            thread, self._thread = self._thread, None
            self._lock.notify_all()
        if thread is not None and thread is not threading.current_thread():
            thread.join(timeout=5.0)

    def _work(self) -> None:
        me = threading.current_thread()
        while True:
            with self._lock:
                while not self._waiting and not self._stopping and self._thread is me:
                    self._lock.wait()
                if self._stopping or self._thread is not me:
                    return
                task = self._running = self._waiting.pop(0)
            begun = time.perf_counter()
            try:
                outcome = Outcome(task.work(), None, time.perf_counter() - begun)
            except Exception as error:  # whatever it is, the main thread shows it
                outcome = Outcome(None, error, time.perf_counter() - begun)
            with self._lock:
                self._running = None
                if not self._stopping and self._newest.get(task.name) == task.number:
                    self._finished.append((task, outcome))
