# SPDX-License-Identifier: GPL-3.0-or-later
"""The worker as an operating-system process: which Python, which environment, pipes, and its end.

Standard library only, no bpy. Nothing in here blocks the caller: starting, writing and reading happen in
threads, and what they learn lands in one queue. (Windows cannot ``select`` on pipes, so threads it is.)
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import queue
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["Arrival", "WorkerProcess", "child_environment", "describe_end", "find_python", "python_at"]

#: The packages that the worker needs; it is to see the very ones that this process sees.
_SHARED = ("posecore", "numpy", "scipy", "onnxruntime", "av", "PIL", "ai_edge_litert")
# Settings of this process's Python that would break, or be inherited by mistake in, another one.
_UNWANTED = ("PYTHONHOME", "PYTHONPATH", "PYTHONSTARTUP", "PYTHONINSPECT", "PYTHONEXECUTABLE", "__PYVENV_LAUNCHER__")
_WINDOWS = os.name == "nt"
_NAME = f"python{sys.version_info[0]}.{sys.version_info[1]}"
# Longest line of the worker's error output that is kept.
_LINE = 2000
# Unread arrivals from which on error output is kept in the log alone.
_BACKLOG = 1000


def find_python() -> str:
    """The interpreter of this process as a program of its own.

    In Blender ``sys.executable`` is its bundled Python; some builds put Blender itself there, or nothing.

    Raises:
        FileNotFoundError: there is none (the message says what to do).
    """
    if _is_python(sys.executable):
        return sys.executable
    for prefix in dict.fromkeys((sys.prefix, sys.exec_prefix, sys.base_prefix)):
        found = _python_below(Path(prefix))
        if found:
            return found
    base = getattr(sys, "_base_executable", None)
    found = base if _is_python(base) else shutil.which(_NAME)
    if not found:
        raise FileNotFoundError(f"no {_NAME} found beside Blender; choose a Python in the add-on's preferences")
    return found


def python_at(place: str) -> str:
    """The interpreter that a user named: a program, or the folder of a virtual environment.

    Raises:
        FileNotFoundError: nothing to run there.
    """
    path = Path(os.path.expanduser(place.strip().strip('"')))
    if path.is_dir():
        found = _python_below(path)
        if found is None:
            raise FileNotFoundError(f"{path}: no Python in this folder; choose the interpreter itself")
        return found
    if not path.is_file():
        found = shutil.which(str(path))
        if found is None:
            raise FileNotFoundError(f"{path}: no such Python; choose another in the add-on's preferences")
        return found
    return os.path.abspath(path)


def _is_python(path: str | None) -> bool:
    return bool(path) and Path(path).is_file() and Path(path).stem.lower().startswith(("python", "pypy"))


def _python_below(prefix: Path) -> str | None:
    for folder in (prefix / "bin", prefix / "Scripts", prefix):
        for candidate in (_NAME, "python3", "python"):
            path = folder / (f"{candidate}.exe" if _WINDOWS else candidate)
            if path.is_file():
                return str(path)
    return None


def child_environment(
    own: bool, extra_path: Iterable[str] = (), settings: Mapping[str, str] | None = None
) -> dict[str, str]:
    """The environment of the worker.

    Args:
        own: the worker runs this process's own Python and is to see the packages that are seen here;
            otherwise it has its own packages, and only ``extra_path`` is added.
        settings: set last; they win.
    """
    environment = {key: value for key, value in os.environ.items() if key not in _UNWANTED}
    folders = [os.path.abspath(folder) for folder in extra_path]
    if own:
        folders += _package_folders()
        environment["PYTHONNOUSERSITE"] = "1"
        if sys.dont_write_bytecode:
            environment["PYTHONDONTWRITEBYTECODE"] = "1"
    if folders:
        environment["PYTHONPATH"] = os.pathsep.join(dict.fromkeys(folders))
    # The folder that Blender was started in may hold anything, a numpy.py for instance: not on the path.
    environment.update(PYTHONSAFEPATH="1", PYTHONUTF8="1", PYTHONUNBUFFERED="1")
    environment.update(settings or {})
    return environment


def _package_folders() -> list[str]:
    """Where the shared packages lie, in the order in which this process searches them."""
    folders = []
    for name in _SHARED:
        try:
            spec = importlib.util.find_spec(name)
        except (ImportError, ValueError):
            continue
        places = list(spec.submodule_search_locations or []) if spec else []
        if places:
            folders.append(os.path.abspath(os.path.dirname(places[0])))
    order = {os.path.abspath(entry): place for place, entry in reversed(list(enumerate(sys.path)))}
    return sorted(dict.fromkeys(folders), key=lambda folder: order.get(folder, len(order)))


@dataclass(frozen=True)
class Arrival:
    """Something that a process gave: ``kind`` is ``message`` (a dict), ``text`` (a line of its error output),
    ``ended`` (exit code, negative for a signal) or ``failed`` (why it did not start)."""

    process: WorkerProcess
    kind: str
    value: Any
    time: float


class WorkerProcess:
    """A started process that speaks JSON lines. Everything it gives goes into ``inbox`` as :class:`Arrival`.

    Lines of its error output also go into ``log``; the inbox takes them only while somebody empties it.
    """

    def __init__(
        self,
        command: list[str],
        environment: dict[str, str],
        inbox: queue.SimpleQueue[Arrival],
        log: deque[str],
    ) -> None:
        self._command, self._environment, self._inbox, self._log = command, environment, inbox, log
        self._outgoing: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._unwanted = False
        self._over = threading.Event()
        self._thread(self._live, "posecore-worker-out")

    # -- for the caller; none of these waits

    @property
    def running(self) -> bool:
        """Whether it is starting or alive."""
        return not self._over.is_set()

    @property
    def pid(self) -> int | None:
        """The process id, once it is started."""
        return self._process.pid if self._process else None

    def send(self, message: dict[str, Any]) -> None:
        """Queue one message for its stdin."""
        self._outgoing.put(json.dumps(message).encode("ascii") + b"\n")

    def close(self) -> None:
        """Close its stdin after what is queued: the worker then ends by itself."""
        self._outgoing.put(None)

    def kill(self) -> None:
        """End it and its children at once."""
        with self._lock:
            self._unwanted = True
            process = self._process
        self.close()
        if process is not None and process.poll() is None:
            _kill_tree(process)

    def wait(self, timeout: float) -> bool:
        """Wait until it has ended; whether it has."""
        return self._over.wait(timeout)

    # -- threads

    def _thread(self, target: Any, name: str) -> threading.Thread:
        thread = threading.Thread(target=target, name=name, daemon=True)
        thread.start()
        return thread

    def _put(self, kind: str, value: Any) -> None:
        self._inbox.put(Arrival(self, kind, value, time.monotonic()))

    def _live(self) -> None:
        """Start it, pass on its messages until it closes stdout, and see to its end."""
        try:
            process = subprocess.Popen(
                self._command,
                bufsize=0,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=self._environment,
                **_apart(),
            )
        except (OSError, ValueError) as error:
            self._over.set()
            self._put("failed", f"{self._command[0]}: cannot be started ({getattr(error, 'strerror', None) or error})")
            return
        with self._lock:
            self._process = process
            unwanted = self._unwanted
        if unwanted:
            _kill_tree(process)
        self._thread(self._write, "posecore-worker-in")
        errors = self._thread(self._read_errors, "posecore-worker-err")
        for line in _lines(process.stdout):
            self._receive(line)
        try:
            code = process.wait(2.0)
        except subprocess.TimeoutExpired:  # it lives on, deaf and dumb
            _kill_tree(process)
            code = process.wait()
        errors.join(0.5)
        self.close()
        self._over.set()
        self._put("ended", code)

    def _receive(self, line: bytes) -> None:
        try:
            message = json.loads(line)
        except ValueError:
            message = None
        if isinstance(message, dict):
            self._put("message", message)
        elif line.strip():
            self._text(line)

    def _read_errors(self) -> None:
        assert self._process is not None
        for line in _lines(self._process.stderr):
            self._text(line)

    def _text(self, line: bytes) -> None:
        text = line[:_LINE].decode("utf-8", "replace").rstrip()
        self._log.append(text)
        if self._inbox.qsize() < _BACKLOG:
            self._put("text", text)

    def _write(self) -> None:
        assert self._process is not None and self._process.stdin is not None
        stream = self._process.stdin
        try:
            while (data := self._outgoing.get()) is not None:
                while data:
                    data = data[stream.write(data) :]
        except OSError:  # it is gone: the reader of its stdout sees that, too
            return
        finally:
            with contextlib.suppress(OSError):
                stream.close()


def _apart() -> dict[str, Any]:
    """Keywords for Popen: a group of its own (Ctrl-C in Blender's terminal is not for it), no console window."""
    if _WINDOWS:
        return {"creationflags": subprocess.CREATE_NO_WINDOW | subprocess.CREATE_NEW_PROCESS_GROUP}  # type: ignore[attr-defined]
    return {"start_new_session": True}


def _lines(stream: Any) -> Iterable[bytes]:
    """Lines of an unbuffered pipe until it ends, without the locks of Python's buffered files: at the end of
    the interpreter those are fatal to a thread that still reads. Endless lines are cut."""
    rest = b""
    while True:
        try:
            data = stream.read(65536)
        except (OSError, ValueError):
            data = b""
        if not data:
            break
        *whole, rest = (rest + data).split(b"\n")
        yield from whole
        if len(rest) > 1 << 24:
            yield rest
            rest = b""
    if rest:
        yield rest
    with contextlib.suppress(OSError):
        stream.close()


def _kill_tree(process: subprocess.Popen[bytes]) -> None:
    if _WINDOWS:
        # A virtual environment's python.exe starts the real one as its child. taskkill takes a moment.
        threading.Thread(target=_taskkill, args=(process,), daemon=True).start()
        return
    try:
        os.killpg(process.pid, signal.SIGKILL)  # its own group: start_new_session
    except (ProcessLookupError, PermissionError):
        process.kill()


def _taskkill(process: subprocess.Popen[bytes]) -> None:
    command = ["taskkill", "/T", "/F", "/PID", str(process.pid)]
    with contextlib.suppress(OSError, subprocess.TimeoutExpired):
        subprocess.run(command, capture_output=True, timeout=5, check=False, **_apart())
    process.kill()


_WINDOWS_CODES = {
    0xC0000005: "it touched memory that is not its own (access violation)",
    0xC0000017: "the computer ran out of memory",
    0xC000012D: "the computer ran out of memory",
    0xC00000FD: "its stack overflowed",
    0xC0000135: "a DLL is missing",
    0xC000001D: "this processor lacks an instruction that it needs",
}
_SIGNALS = {
    "SIGKILL": "it was killed from outside, most often because memory ran out",
    "SIGSEGV": "it touched memory that is not its own (a fault in a native library)",
    "SIGABRT": "a native library gave up",
    "SIGBUS": "a file that it reads was cut short, or memory ran out",
    "SIGILL": "this processor lacks an instruction that it needs",
    "SIGTERM": "it was asked to end from outside",
}


def describe_end(code: int) -> tuple[str, str | None]:
    """(words, name of the signal) for an exit code: negative is a signal, large is Windows' NTSTATUS."""
    if -256 < code < 0:
        try:
            name = signal.Signals(-code).name
        except ValueError:
            name = f"signal {-code}"
        return _SIGNALS.get(name, f"it ended by {name}"), name
    return _WINDOWS_CODES.get(code & 0xFFFFFFFF, f"it ended with exit code {code}"), None
