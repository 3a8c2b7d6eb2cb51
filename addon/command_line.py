# SPDX-License-Identifier: GPL-3.0-or-later
"""``blender -b file.blend --command posecore …``: error lines, exit codes, reports. Options are in ``arguments``.

The exit codes are those of the ``posecore`` command: 0 done, 1 failed, 2 called wrongly, 3 unreadable input,
4 no person found, 5 unwritable output, 130 stopped.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .console import Console
from .streams import machine_stream

if TYPE_CHECKING:
    from .headless import Outcome

__all__ = ["NAME", "execute", "failure"]

#: The word after ``--command``.
NAME = "posecore"


def execute(arguments: list[str]) -> int:
    """Run one command and return its exit code; never raises.

    For ``bpy.utils.register_cli_command(NAME, execute)``.
    """
    from .arguments import parse

    quick = argparse.Namespace(json="--json" in arguments, debug="--debug" in arguments, quiet=False)
    try:
        values = parse(arguments)
    except SystemExit as leaving:  # --help
        return int(leaving.code or 0)
    except Exception as error:
        return _tell(error, Console(quick.json), quick.debug)
    with machine_stream(values.json) as stream:
        console = Console(values.json, values.quiet, stream, values.debug)
        try:
            from posecore.commands.common import cancelling

            with cancelling(console) as cancel:
                return {"animate": _animate, "batch": _batch}[values.command](values, console, cancel.is_set)
        except (Exception, KeyboardInterrupt) as error:
            return _tell(error, console, values.debug)
        finally:
            console.close()


def _animate(values: argparse.Namespace, console: Console, cancelled: Callable[[], bool]) -> int:
    from posecore.commands.common import check_outputs

    from .arguments import animate_options
    from .headless import Outcome, animate, make_client

    options = animate_options(values)
    report = Path(values.report) if values.report else None
    if report:
        check_outputs([(report, (".json",))])
    outcome, began = Outcome(), time.monotonic()
    client = make_client(values.python)
    fault: dict[str, Any] = {}
    try:
        animate(options, client, console, cancelled, outcome)
    except (Exception, KeyboardInterrupt) as error:
        fault = failure(error, values.debug)
        raise
    finally:
        client.stop()
        if report:
            spent = round(time.monotonic() - began, 2)
            _write_report(report, outcome, options.as_dict(), fault, spent)
    console.result(outcome.summary(), command="animate", **outcome.as_dict())
    return 0


def _batch(values: argparse.Namespace, console: Console, cancelled: Callable[[], bool]) -> int:
    from .batch import run

    return run(values, console, cancelled)


def _write_report(path: Path, outcome: Outcome, options: dict[str, Any], fault: dict[str, Any], spent: float) -> None:
    from posecore.files import atomic_path

    values = {
        "command": "animate",
        **versions(),
        "ok": not fault,
        **outcome.as_dict(),
        "spent": spent,
        "options": options,
        "error": fault or None,
    }
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(values, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def versions() -> dict[str, str]:
    """Of posecore and Blender."""
    import bpy

    from posecore import __version__

    return {"posecore": __version__, "blender": bpy.app.version_string}


def failure(error: BaseException, debug: bool = False) -> dict[str, Any]:
    """An error as one line, its kind and its exit code."""
    from posecore.errors import Cancelled, PosecoreError

    if isinstance(error, KeyboardInterrupt):
        error = Cancelled("stopped at once; unfinished outputs were not written")
    if isinstance(error, PosecoreError):
        return {"text": " ".join(str(error).split()), "kind": type(error).__name__, "exit_code": error.exit_code}
    hint = "" if debug else "; run with --debug for the stack trace"
    text = " ".join(f"unexpected {type(error).__name__}: {error}{hint}".split())
    return {"text": text, "kind": type(error).__name__, "exit_code": PosecoreError.exit_code}


def _tell(error: BaseException, console: Console, debug: bool) -> int:
    """One line about ``error``, the stack trace before it if asked for; returns the exit code."""
    if debug:
        traceback.print_exception(error, file=sys.stderr)
    told = failure(error, debug)
    console.error(**told)
    return int(told["exit_code"])
