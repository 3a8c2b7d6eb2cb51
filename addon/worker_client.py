# SPDX-License-Identifier: GPL-3.0-or-later
"""The add-on's side of the worker process: jobs go in, events come out. The protocol is in docs/worker.md.

No bpy, standard library only. :meth:`WorkerClient.poll` never waits, so a Blender timer may call it;
:meth:`WorkerClient.wait` is for runs without a window. All methods belong to one thread.
"""

from __future__ import annotations

import atexit
import os
import queue
import time
import weakref
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from .worker_process import Arrival, WorkerProcess, child_environment, describe_end, find_python, python_at

__all__ = ["Event", "Limits", "WorkerClient"]

#: What ends a job.
FINAL = ("done", "error", "crashed")
# Ends of jobs kept for wait(), and unread lines of the worker's error output kept for poll().
_KEPT_ENDS, _KEPT_LINES = 100, 200
# A main thread that was busy this long (a render, a suspended laptop) cannot tell how long the worker was silent.
_BLINK = 5.0


@dataclass(frozen=True)
class Event:
    """Something that happened in the worker.

    ``job`` is None for what concerns no job. ``values`` by ``kind``:

    * ``ready``: ``python``, ``posecore``, ``numpy``, ``onnxruntime``, ``providers``, ``estimators`` (list of
      ``name``, ``rank``, ``licence``, ``restricted``, …)
    * ``progress``: ``stage``, ``done``, ``total`` (or None), ``fps``, ``seconds_left`` (or None)
    * ``warning``, ``log``: ``message``
    * ``done``: a capture: ``takes`` (paths), ``frames``, ``fps``, ``estimator``, ``warnings``, ``source``; a self-test:
      ``ok``, ``results``; a probe: ``size``, ``rate``, ``count``, ``seconds``, ``thumbnail``
    * ``error``: ``message`` (one line), ``kind`` (class of the error), ``exit_code``, ``details``; where a capture was
      stopped half-way or could not be written, ``takes`` names what was kept
    * ``crashed``: ``message`` (one line), ``kind``, ``exit_code``, ``signal``, ``details``, ``jobs`` (all that
      were lost with it)
    """

    job: str | None
    kind: str
    values: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Limits:
    """Seconds to wait: for the worker to start, for a sign of life while it works, for a job to end after
    Cancel, and for the process to end after stop()."""

    start: float = 60.0
    silence: float = 60.0
    cancel: float = 10.0
    stop: float = 2.0


class WorkerClient:
    """One worker process, started when needed and again after a crash.

    Args:
        python: the interpreter (or a virtual environment's folder); None is Blender's own, which then sees the
            packages that are seen here. A chosen one uses its own packages (``posecore[gpu]``, say).
        extra_path: folders to put first on its path.
        environment: variables to set for it (``POSECORE_WEIGHTS``, …).
        limits: time-outs.
        version: of posecore that the worker must have; None is the one here.
        command: instead of ``python -m posecore.worker``, for tests.
    """

    def __init__(
        self,
        python: str | None = None,
        extra_path: Iterable[str] = (),
        environment: Mapping[str, str] | None = None,
        *,
        limits: Limits | None = None,
        version: str | None = None,
        command: list[str] | None = None,
    ) -> None:
        self.python = (python or "").strip() or None
        self.extra_path = list(extra_path)
        self.environment = dict(environment or {})
        self.limits = limits or Limits()
        #: What the worker said of itself when it was ready: versions, providers, estimators.
        self.about: dict[str, Any] = {}
        #: The last lines of its error output.
        self.log: deque[str] = deque(maxlen=_KEPT_LINES)
        self._version = version
        self._command = command
        self._inbox: queue.SimpleQueue[Arrival] = queue.SimpleQueue()
        self._process: WorkerProcess | None = None
        self._state = "stopped"
        self._began = self._heard = self._looked = 0.0
        self._count = 0
        self._jobs: dict[str, float | None] = {}  # unfinished: when it was cancelled, or None
        self._undelivered: list[Event] = []
        self._ends: dict[str, Event] = {}
        atexit.register(_end_quietly, weakref.ref(self))

    # -- the process

    @property
    def state(self) -> str:
        """``stopped``, ``starting``, ``ready``, ``busy`` or ``crashed``, as of the last poll."""
        return "busy" if self._state == "ready" and self._jobs else self._state

    @property
    def alive(self) -> bool:
        """Whether there is a worker, as of the last poll: its end is told there, not missed here."""
        return self._process is not None

    @property
    def pid(self) -> int | None:
        """The worker's process id."""
        return self._process.pid if self._process else None

    def start(self) -> None:
        """Start the worker if it is not there. Returns at once; ``ready`` or ``crashed`` follows in :meth:`poll`."""
        self._absorb()
        if self._process is not None:
            return
        self._state, self.about = "starting", {}
        self._began = self._heard = self._looked = time.monotonic()
        self.log = deque(maxlen=_KEPT_LINES)
        try:
            command, own = self._resolve()
        except FileNotFoundError as error:
            self._crash(str(error), kind="NoPython")
            return
        environment = child_environment(own, self.extra_path, self.environment)
        self._process = WorkerProcess(command, environment, self._inbox, self.log)
        self._process.send({"command": "hello", "id": None})

    def stop(self) -> None:
        """End the worker: asked, waited for (``limits.stop``), then killed. Unfinished jobs end as cancelled."""
        process, self._process = self._process, None
        self._state = "stopped"
        for job in list(self._jobs):
            values = {"message": "stopped together with the worker", "kind": "Cancelled", "exit_code": 130}
            self._end(job, Event(job, "error", values))
        if process is None:
            return
        process.send({"command": "shutdown", "id": None})
        process.close()
        if not process.wait(self.limits.stop):
            process.kill()
            process.wait(1.0)

    # -- jobs: each returns its id at once; started if need be, queued behind what runs

    def capture(
        self,
        source: str | os.PathLike[str],
        out_folder: str | os.PathLike[str],
        *,
        estimator: str = "auto",
        provider: str = "auto",
        start: float | None = None,
        stop: float | None = None,
        rate: float | None = None,
        people: str = "main",
        temporal: str = "online",
    ) -> str:
        """Capture a source; the options are those of ``posecore.capture``. ``done`` has the Takes' paths."""
        options = {
            "estimator": estimator,
            "provider": provider,
            "start": start,
            "stop": stop,
            "rate": rate,
            "people": people,
            "temporal": temporal,
        }
        return self._submit("capture", source=_absolute(source), out_folder=_absolute(out_folder), **options)

    def probe(self, source: str | os.PathLike[str], thumbnail: str | os.PathLike[str] | None = None) -> str:
        """Cheap facts about a source, beside whatever runs; ``thumbnail`` is a PNG to write of its first frame."""
        picture = None if thumbnail is None else _absolute(thumbnail)
        return self._submit("probe", source=_absolute(source), thumbnail=picture)

    def self_test(self, provider: str = "auto") -> str:
        """Load every installed estimator and run it on a picture."""
        return self._submit("self_test", provider=provider)

    def refresh(self) -> None:
        """Ask for the facts of ``ready`` once more (weights were added, say)."""
        if self._process is None:
            self.start()
        else:
            self._process.send({"command": "hello", "id": None})

    def cancel(self, job: str) -> None:
        """Stop a job: it ends as ``error`` of kind ``Cancelled``, with ``takes`` where something was kept."""
        if self._process is not None and job in self._jobs and self._jobs[job] is None:
            self._jobs[job] = time.monotonic()
            self._process.send({"command": "cancel", "id": job})

    # -- events

    def poll(self) -> list[Event]:
        """What happened since the last call. Never waits."""
        self._absorb()
        self._check_times()
        events, self._undelivered = self._undelivered, []
        return events

    def wait(self, job: str, timeout: float | None = None, on_event: Callable[[Event], object] | None = None) -> Event:
        """Poll until a job has ended, and return its end (``done``, ``error`` or ``crashed``).

        Args:
            timeout: seconds; the job goes on when they have passed.
            on_event: gets every event polled meanwhile, that of the end included.

        Raises:
            TimeoutError: the time has passed.
            KeyError: no such job.
        """
        end = None if timeout is None else time.monotonic() + timeout
        while True:
            for event in self.poll():
                if on_event is not None:
                    on_event(event)
            if job in self._ends:
                return self._ends.pop(job)
            if job not in self._jobs:
                raise KeyError(job)
            if end is not None and time.monotonic() > end:
                raise TimeoutError(f"{job} is not done after {timeout:g} s")
            time.sleep(0.01)

    # -- inside

    def _resolve(self) -> tuple[list[str], bool]:
        """(command line, whether it is this process's own Python)."""
        if self._command is not None:
            return self._command, True
        own = None
        try:
            own = find_python()
        except FileNotFoundError:
            if self.python is None:
                raise
        chosen = python_at(self.python) if self.python else own
        assert chosen is not None
        same = own is not None and os.path.normcase(chosen) == os.path.normcase(own)
        return [chosen, "-m", "posecore.worker"], same

    def _submit(self, command: str, **fields: Any) -> str:
        self.start()
        self._count += 1
        job = f"{command}-{self._count}"
        self._jobs[job] = None
        if self._process is None:  # it could not even be tried; start() has left the reason
            reason = self._undelivered.pop() if self._undelivered else Event(None, "crashed", {})
            self._end(job, Event(job, "crashed", {**reason.values, "jobs": [job]}))
        else:
            if len(self._jobs) == 1:
                self._heard = time.monotonic()  # an idle worker is silent: count from now
            self._process.send({"command": command, "id": job, **fields})
        return job

    def _end(self, job: str, event: Event) -> None:
        self._jobs.pop(job, None)
        self._ends[job] = event
        while len(self._ends) > _KEPT_ENDS:
            del self._ends[next(iter(self._ends))]
        self._undelivered.append(event)

    def _absorb(self) -> None:
        """Take in what the threads have put down."""
        while True:
            try:
                arrival = self._inbox.get_nowait()
            except queue.Empty:
                return
            if arrival.process is not self._process:
                continue  # an earlier worker's last words
            self._heard = max(self._heard, arrival.time)
            if arrival.kind == "message":
                self._on_message(arrival.value)
            elif arrival.kind == "text":
                self._on_text(arrival.value)
            elif arrival.kind == "failed":
                self._crash(arrival.value, kind="NoPython")
            else:
                self._on_end(arrival.value)

    def _on_message(self, message: dict[str, Any]) -> None:
        kind, job = message.pop("event", None), message.pop("id", None)
        if kind == "ready":
            self._on_ready(message)
        elif kind in ("done", "error") and job in self._jobs:
            self._end(job, Event(job, kind, message))
        elif kind in ("progress", "warning") and job in self._jobs:
            self._undelivered.append(Event(job, kind, message))
        elif kind in ("log", "error"):
            self.log.append(str(message.get("message", "")))
            self._on_text(self.log[-1])

    def _on_ready(self, about: dict[str, Any]) -> None:
        wanted, found = self._version or _our_version(), about.get("posecore")
        if wanted and found != wanted:
            python = about.get("executable") or self.python or "its Python"
            self._crash(
                f"posecore {found} is installed for {python}, but this add-on needs {wanted}; "
                f'run: "{python}" -m pip install "posecore=={wanted}"',
                kind="VersionMismatch",
            )
            return
        self._state, self.about = "ready", about
        self._undelivered.append(Event(None, "ready", about))

    def _on_text(self, text: str) -> None:
        if len(self._undelivered) < _KEPT_LINES:  # nobody polls: keep the log, drop its events
            self._undelivered.append(Event(None, "log", {"message": text}))

    def _on_end(self, code: int) -> None:
        said = "\n".join(self.log.copy())
        if self._state == "starting" and "No module named" in said and "posecore" in said.rsplit("No module", 1)[-1]:
            python = self.python or "the Python of the worker"
            self._crash(f'{python} has no posecore; run: "{python}" -m pip install posecore', code, kind="NoPosecore")
            return
        words, name = describe_end(code)
        when = "while starting" if self._state == "starting" else "while working" if self._jobs else "while idle"
        last = self.log[-1].strip()[:200] if self.log and name is None else ""
        self._crash(f"the worker process stopped {when}: {words}" + (f" ({last})" if last else ""), code, name)

    def _check_times(self) -> None:
        now = time.monotonic()
        if now - self._looked > _BLINK:
            # We were away, so was perhaps the whole machine: everyone gets their time anew.
            self._heard = now
            self._began = max(self._began, now - self.limits.start / 2)
        self._looked = now
        if self._process is None:
            return
        waited = [now - since for since in self._jobs.values() if since is not None]
        if self._state == "starting" and now - self._began > self.limits.start:
            self._crash(f"the worker process did not start within {self.limits.start:g} s", kind="TimedOut")
        elif self._state == "ready" and self._jobs and now - self._heard > self.limits.silence:
            self._crash(f"the worker process gave no sign of life for {self.limits.silence:g} s", kind="TimedOut")
        elif waited and max(waited) > self.limits.cancel:
            self._crash(f"the worker did not stop within {self.limits.cancel:g} s and was ended", kind="TimedOut")

    def _crash(
        self, message: str, code: int | None = None, name: str | None = None, kind: str = "WorkerCrashed"
    ) -> None:
        """The one place where a worker is given up: one event, whatever was running."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
        self._state = "crashed"
        jobs = list(self._jobs)
        values = {
            "message": " ".join(message.split()),
            "kind": kind,
            "exit_code": code,
            "signal": name,
            "details": "\n".join(self.log.copy())[-8000:],
            "jobs": jobs,
        }
        event = Event(jobs[0] if jobs else None, "crashed", values)
        self._jobs.clear()
        self._ends.update(dict.fromkeys(jobs, event))
        self._undelivered.append(event)


def _absolute(path: str | os.PathLike[str]) -> str:
    name = os.fspath(path)
    return name if "://" in name else os.path.abspath(os.path.expanduser(name))


def _our_version() -> str | None:
    try:
        from posecore import __version__
    except ImportError:
        return None
    return __version__


def _end_quietly(reference: weakref.ref[WorkerClient]) -> None:
    client = reference()
    if client is not None:
        client.stop()
