"""What several commands share: flags, early checks of outputs, and stopping with Ctrl-C."""

from __future__ import annotations

import signal
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, Protocol

from posecore.commands.reporting import Reporter
from posecore.errors import OutputError, PosecoreError

if TYPE_CHECKING:
    from posecore.takes import Take

__all__ = [
    "MESH_SUFFIXES",
    "MOTION_SUFFIXES",
    "PREVIEW_SUFFIXES",
    "TAKE_SUFFIXES",
    "Common",
    "UsageError",
    "cancelling",
    "check_outputs",
    "describe_take",
]

MOTION_SUFFIXES = (".bvh", ".glb", ".gltf", ".npz")
MESH_SUFFIXES = (".glb", ".gltf")
TAKE_SUFFIXES = (".npz",)
PREVIEW_SUFFIXES = (".mp4",)


class UsageError(PosecoreError):
    """The command was called wrongly. Exit code 2, as argparse's own."""

    exit_code = 2


@dataclass(frozen=True, kw_only=True)
class Common:
    """Flags of every command."""

    json: bool = False
    """One JSON object a line on stdout, for programs that call this one."""
    debug: bool = False
    """Show the whole stack trace of an error."""

    def execute(self, reporter: Reporter) -> None:
        """Do the work. Errors that a user can act on are PosecoreErrors."""
        raise NotImplementedError


def check_outputs(outputs: Sequence[tuple[Path, Sequence[str]]], inputs: Sequence[str] = ()) -> None:
    """Find out before the heavy work what would fail after it.

    Args:
        outputs: paths, each with the suffixes that can be written there.
        inputs: sources that must not be overwritten.

    Raises:
        OutputError: unknown suffix, no such folder, a folder in the file's place, not writable,
            two outputs at one path, or an output in an input's place.
    """
    read = {Path(source).resolve() for source in inputs}
    written: set[Path] = set()
    for path, suffixes in outputs:
        if path.suffix.lower() not in suffixes:
            raise OutputError(f"{path}: unknown kind of output {path.suffix!r}; use {' or '.join(suffixes)}")
        if path.is_dir():
            raise OutputError(f"{path}: is a folder; name a file in it")
        folder = path.parent
        if not folder.is_dir():
            raise OutputError(f"{path}: there is no folder {folder}; make it first")
        place = path.resolve()
        if place in read:
            raise OutputError(f"{path}: would overwrite the input; choose another output path")
        if place in written:
            raise OutputError(f"{path}: is named twice as an output; give each its own path")
        written.add(place)
        try:
            with tempfile.TemporaryFile(dir=folder):
                pass
        except OSError as error:
            raise OutputError(f"{path}: cannot write there ({error.strerror}); choose another output path") from error


class Speaker(Protocol):
    """Whoever can tell the user a line: the command's Reporter, the Blender extension's Console."""

    def say(self, text: str) -> None:
        """Show one line."""


@contextmanager
def cancelling(speaker: Speaker) -> Iterator[threading.Event]:
    """An event that the first Ctrl-C (or SIGTERM, which a farm sends) sets, so that the work ends in order.

    The second one ends it at once.
    """
    cancel = threading.Event()
    if threading.current_thread() is not threading.main_thread():  # only the main thread may handle signals
        yield cancel
        return

    def stop(number: int, frame: FrameType | None) -> None:
        if cancel.is_set():
            raise KeyboardInterrupt
        cancel.set()
        speaker.say("stopping after the frames in work; Ctrl-C once more to leave at once")

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield cancel
    finally:
        for number, handler in before.items():
            # None: a handler in C (Blender's), which Python cannot put back; the process ends after us anyway.
            signal.signal(number, signal.SIG_DFL if handler is None else handler)


def describe_take(take: Take) -> dict[str, Any]:
    """The facts of a Take that a summary shows, as JSON values."""
    return {
        "estimator": take.estimator,
        "frames": len(take),
        "rate": round(take.rate, 3),
        "seconds": round(float(take.times[-1] - take.times[0]), 3) if len(take) else 0.0,
        "source": take.source,
    }
