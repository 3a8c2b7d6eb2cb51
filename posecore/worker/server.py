"""The worker's loop: messages are read in one thread, jobs run one after the other in another.

So a cancel is heard while a job runs, cheap questions need not wait for it, and the end of stdin (whoever
started the worker is gone) ends everything.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from posecore.errors import Cancelled
from posecore.worker import answers, capturing
from posecore.worker.channel import Channel
from posecore.worker.estimators import EstimatorCache
from posecore.worker.jobs import Job, ProtocolError, describe_error

__all__ = ["Server"]

#: Seconds between the signs of life of a busy worker.
HEARTBEAT = 2.0
# How long a job may take to stop in order: while there is nothing to keep, and when everything ends.
_GRACE, _LAST_GRACE = 0.1, 0.6

_Work = Callable[[Job, EstimatorCache], dict[str, Any]]
#: Commands that are jobs, in the order of their arrival.
_HEAVY: dict[str, _Work] = {"capture": capturing.capture_job, "self_test": answers.self_test}
#: Commands that are answered beside them.
_LIGHT: dict[str, _Work] = {"hello": answers.hello, "probe": answers.probe}
#: What an answer is called, where it is not "done".
_ANSWER = {"hello": "ready"}


class Server:
    """Serves one client until told to shut down, or until the client is gone."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._cache = EstimatorCache()
        self._heavy: queue.SimpleQueue[Job] = queue.SimpleQueue()
        self._light: queue.SimpleQueue[Job] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._unfinished: list[Job] = []

    def run(self) -> None:
        """Serve. Does not return: the process ends with it."""
        for target in (self._read, self._serve_light, self._keep_alive):
            threading.Thread(target=target, name=f"posecore{target.__name__}", daemon=True).start()
        self._serve(self._heavy, _HEAVY)

    # -- messages

    def _read(self) -> None:
        for line in self._channel.lines():
            try:
                self._handle(line)
            except Exception as error:  # whatever was sent, the next line may be a cancel
                self._channel.emit("error", None, **describe_error(error))
        self._leave()

    def _handle(self, line: bytes) -> None:
        try:
            message = json.loads(line)
        except (ValueError, RecursionError):
            message = None
        command = message.pop("command", None) if isinstance(message, dict) else None
        name = message.pop("id", None) if isinstance(message, dict) else None
        if not isinstance(command, str) or not isinstance(name, str | None):
            form = '{"command": TEXT, "id": TEXT or null, …}'
            raise ProtocolError(f"not a command: {line[:80]!r}; send one JSON object a line, {form}")
        if command == "shutdown":
            self._leave()
        elif command == "cancel":
            self._cancel(name)
        else:
            self._accept(Job(self._channel, name, command, message))

    def _accept(self, job: Job) -> None:
        if job.command not in _HEAVY and job.command not in _LIGHT:
            known = ", ".join([*_LIGHT, *_HEAVY, "cancel", "shutdown"])
            job.fail(ProtocolError(f"{job.command!r} is no command; use one of {known}"))
            return
        with self._lock:
            self._unfinished = [other for other in self._unfinished if not other.over]
            if job.name is not None and any(other.name == job.name and not other.ended for other in self._unfinished):
                raise ProtocolError(f"there is a job {job.name!r} already")
            self._unfinished.append(job)
        (self._heavy if job.command in _HEAVY else self._light).put(job)

    def _cancel(self, name: str | None) -> None:
        with self._lock:
            found = [job for job in self._unfinished if job.name == name and not job.over]
        for job in found:  # none: it has just ended
            job.cancel.set()
            if not job.started:
                job.fail(Cancelled("stopped before it began"))

    def _leave(self) -> None:
        """End the process: stop what runs, wait a moment for it to keep what it has."""
        with self._lock:
            unfinished = [job for job in self._unfinished if not job.over]
        for job in unfinished:
            job.cancel.set()
        deadline = time.monotonic() + _LAST_GRACE
        for job in unfinished:
            job.wait(max(0.0, deadline - time.monotonic()))
        self._channel.emit("bye")
        with contextlib.suppress(OSError, ValueError):
            sys.stderr.flush()
        os._exit(0)  # at once: no thread, and no native library's own ending, is worth waiting for

    # -- work

    def _serve_light(self) -> None:
        self._serve(self._light, _LIGHT)

    def _serve(self, jobs: queue.SimpleQueue[Job], table: dict[str, _Work]) -> None:
        while True:
            job = jobs.get()
            job.started = True
            # In a thread of its own: a job that cannot be stopped in order is left behind.
            arguments = (job, table[job.command])
            threading.Thread(target=self._work, args=arguments, name=f"posecore-{job.command}", daemon=True).start()
            self._await(job)

    def _work(self, job: Job, work: _Work) -> None:
        try:
            if job.cancel.is_set():
                raise Cancelled("stopped before it began")
            job.began = time.monotonic()
            job.end(_ANSWER.get(job.command, "done"), **work(job, self._cache))
        except BaseException as error:  # SystemExit of a library, too, is no reason to end the worker
            job.fail(error)

    def _await(self, job: Job) -> None:
        """Until the job has ended, or was cancelled with nothing to keep and does not end by itself."""
        while not job.wait(0.05):
            if job.cancel.is_set() and not job.worthwhile and not job.wait(_GRACE) and not job.worthwhile:
                job.fail(Cancelled("stopped before anybody was captured"))

    def _keep_alive(self) -> None:
        parent = os.getppid()
        while True:
            time.sleep(HEARTBEAT)
            with self._lock:
                busy = [job for job in self._unfinished if not job.over]
            if busy:
                self._channel.emit("alive", busy[0].name, seconds=round(time.monotonic() - busy[0].began, 1))
            if os.getppid() != parent:  # stdin may be held open by a process that the lost one has started
                self._leave()
