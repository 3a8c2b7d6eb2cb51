# SPDX-License-Identifier: GPL-3.0-or-later
"""``posecore batch``: many clips with one worker, one report, and a second run that goes on where the first ended.

Each clip is done as ``animate`` does one, in the start file opened anew, so that nothing of a clip reaches the next.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import bpy

from posecore.commands.common import UsageError, check_outputs
from posecore.errors import Cancelled, OutputError, SourceError
from posecore.files import atomic_path

from . import headless, takes_cache
from .arguments import BatchOptions, batch_options
from .batch_list import Clip, clips
from .command_line import failure, versions
from .exporting import available, reason_of

if TYPE_CHECKING:
    from .console import Console
    from .worker_client import WorkerClient

__all__ = ["run", "table"]

_STOPPED = 130


@dataclass(frozen=True)
class _Run:
    """What all clips of a run share."""

    batch: BatchOptions
    start: Path  # the file that each clip begins with
    named: bool  # a user's file rather than our copy of what was open without a name
    client: WorkerClient
    console: Console
    cancelled: Callable[[], bool]
    report: _Report
    debug: bool


def run(values: argparse.Namespace, console: Console, cancelled: Callable[[], bool]) -> int:
    """Do all clips; returns 0, 1 where any failed, or 130 when stopped.

    Raises:
        PosecoreError: nothing could be begun.
    """
    batch = batch_options(values)
    todo = clips(batch, values)
    for suffix in dict.fromkeys(path.suffix for clip in todo for path in clip.options.output):
        if reason := available(suffix):
            raise OutputError(reason)
    _make_folder(batch.output_dir)
    check_outputs([(batch.report, (".json",))])
    report = _Report(batch.report)
    began = time.monotonic()
    client = headless.make_client(values.python)
    entries: list[dict[str, Any]] = []
    try:
        with _start_file(todo) as (start, named):
            shared = _Run(batch, start, named, client, console, cancelled, report, values.debug)
            for number, clip in enumerate(todo, start=1):
                console.say(f"[{number}/{len(todo)}] {clip.name}")
                entry = _one(clip, shared)
                entries.append(entry)
                report.put(entry)
                _tell(console, clip, entry)
                if entry["state"] == "stopped":
                    break
    finally:
        client.stop()
    console.say(table(entries))
    return _close(entries, len(todo), batch, console, time.monotonic() - began)


def _close(entries: list[dict[str, Any]], asked: int, batch: BatchOptions, console: Console, spent: float) -> int:
    """The last line; returns the exit code."""
    counts = {state: sum(e["state"] == state for e in entries) for state in ("done", "skipped", "failed", "stopped")}
    text = ", ".join(f"{count} {state}" for state, count in counts.items() if count)
    console.result(
        f"{asked} clips: {text} in {spent:.1f} s; {batch.report}",
        command="batch",
        clips=asked,
        **counts,
        spent=round(spent, 1),
        report=str(batch.report),
    )
    return _STOPPED if counts["stopped"] else int(counts["failed"] > 0)


def _one(clip: Clip, shared: _Run) -> dict[str, Any]:
    """One clip's entry of the report: ``state`` is done, skipped, failed or stopped."""
    key = _key(clip, clip.scene or (shared.start if shared.named else None))
    before = shared.report.entries.get(clip.name, {})
    if not shared.batch.force and _still_good(before, key):
        return {**before, "state": "skipped"}
    outcome, began = headless.Outcome(), time.monotonic()
    error: dict[str, Any] | None = None
    shared.console.warnings.clear()  # said once a clip
    try:
        if shared.cancelled():
            raise Cancelled("stopped before this clip")
        _open(clip.scene or shared.start)
        headless.animate(clip.options, shared.client, shared.console, shared.cancelled, outcome)
    except (Exception, KeyboardInterrupt) as fault:
        if shared.debug and not isinstance(fault, Cancelled):
            traceback.print_exception(fault)
        error = failure(fault, shared.debug)
    finally:
        shared.console.close()
    stopped = error is not None and error["exit_code"] == _STOPPED
    return {
        "name": clip.name,
        "state": "stopped" if stopped else "failed" if error else "done",
        **outcome.as_dict(),
        "source": clip.options.source,
        "error": error,
        "spent": round(time.monotonic() - began, 2),
        "key": key,
    }


def _still_good(before: dict[str, Any], key: str) -> bool:
    """Whether a clip was done in an earlier run, nothing of it has changed since, and its files are there."""
    done = before.get("state") in ("done", "skipped") and before.get("key") == key
    return done and all(Path(path).is_file() for path in before.get("outputs", []))


def _tell(console: Console, clip: Clip, entry: dict[str, Any]) -> None:
    if entry["state"] == "skipped":
        console.say("  done before, unchanged")
    elif entry["error"] is None:
        outputs = ", ".join(entry["outputs"])
        console.say(f"  {entry['frames']} frames in {entry['spent']:.1f} s -> {outputs}")
    if entry["error"] and entry["state"] == "failed":
        error = entry["error"]
        console.error(f"{clip.name}: {error['text']}", error["kind"], error["exit_code"])
    if console.machine:
        console.result("", command="batch clip", **entry)


# -- the scene


@contextmanager
def _start_file(todo: list[Clip]) -> Iterator[tuple[Path, bool]]:
    """The file that each clip begins with, and whether it is the user's; else a copy of what was open unnamed."""
    written = {path.resolve() for clip in todo for path in clip.options.output}
    if bpy.data.filepath:
        start = Path(bpy.data.filepath)
        if start.resolve() in written:
            raise UsageError(f"{start}: a clip's output would overwrite the file that every clip begins with")
        yield start, True
        return
    with tempfile.TemporaryDirectory(prefix="posecore-batch-") as folder:
        start = Path(folder) / "start.blend"
        bpy.ops.wm.save_as_mainfile(filepath=str(start), copy=True, check_existing=False)
        yield start, False


def _open(scene: Path) -> None:
    if not scene.is_file():
        raise SourceError(f"{scene}: no such .blend")
    try:
        bpy.ops.wm.open_mainfile(filepath=str(scene), load_ui=False)
    except RuntimeError as error:
        raise SourceError(f"{scene}: Blender cannot open it ({reason_of(error)})") from error


# -- what was done before


def _key(clip: Clip, scene: Path | None) -> str:
    """Changes when the source, the start file, an option or an output's place does."""
    facts = {
        "options": clip.options.as_dict(),
        "source": takes_cache.signature(clip.options.source),
        "scene": takes_cache.signature(str(scene)) if scene else None,
        **versions(),
    }
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        reason = "a file is in its place" if isinstance(error, FileExistsError) else error.strerror
        raise OutputError(f"{folder}: cannot make this folder ({reason}); choose another one") from error


class _Report:
    """The report's file: whole after every clip. Clips of earlier runs that are not in this one stay in it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.entries: dict[str, dict[str, Any]] = {}
        try:
            read = json.loads(path.read_text(encoding="utf-8"))
            self.entries = {str(entry["name"]): dict(entry) for entry in read["clips"]}
        except FileNotFoundError:
            return
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise OutputError(
                f"{path}: is there and no report of a batch ({error}); remove it, or name another with --report"
            ) from error

    def put(self, entry: dict[str, Any]) -> None:
        """Take in one clip's entry and write the file."""
        self.entries[entry["name"]] = entry
        entries = list(self.entries.values())
        states = [entry["state"] for entry in entries]
        values = {
            "command": "batch",
            **versions(),
            "counts": {state: states.count(state) for state in dict.fromkeys(states)},
            "ok": all(state in ("done", "skipped") for state in states),
            "clips": entries,
        }
        with atomic_path(self.path) as temporary:
            temporary.write_text(json.dumps(values, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def table(entries: list[dict[str, Any]]) -> str:
    """The closing table: clip, state, frames, seconds, estimator, warnings, outputs or error."""
    rows = [("clip", "state", "frames", "seconds", "estimator", "warnings", "outputs or error")]
    for entry in entries:
        error = entry.get("error")
        last = error["text"] if error else ", ".join(os.path.basename(path) for path in entry["outputs"])
        rows.append(
            (
                entry["name"],
                entry["state"],
                str(entry.get("frames", "")),
                f"{entry.get('spent', 0):.1f}",
                str(entry.get("estimator", "")),
                str(len(entry["warnings"]) or ""),
                last,
            )
        )
    widths = [max(len(row[column]) for row in rows) for column in range(6)]
    lines = []
    for row in rows:
        cells = [
            text.rjust(w) if c in (2, 3, 5) else text.ljust(w)
            for c, (text, w) in enumerate(zip(row, widths, strict=False))
        ]
        lines.append("  ".join([*cells, row[6]]).rstrip())
    return "\n".join(lines)
