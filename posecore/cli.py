"""The ``posecore`` command: parsing, error lines and exit codes. The commands are in ``posecore/commands``.

Exit codes: 0 done, 1 failed, 2 called wrongly, 3 unreadable input, 4 no person found, 5 unwritable
output, 130 stopped by Ctrl-C.
"""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Sequence
from typing import Annotated

import tyro
from tyro.conf import FlagCreatePairsOff, OmitArgPrefixes, OmitSubcommandPrefixes, subcommand

from posecore import __version__
from posecore.commands.animate import Animate
from posecore.commands.capturing import Capture
from posecore.commands.common import Common
from posecore.commands.doctor import Doctor
from posecore.commands.info import Info
from posecore.commands.models import Models
from posecore.commands.reporting import Reporter
from posecore.commands.solving import Solve
from posecore.errors import Cancelled, PosecoreError

__all__ = ["main", "run"]

_Command = (
    Annotated[Animate, subcommand("animate")]
    | Annotated[Capture, subcommand("capture")]
    | Annotated[Solve, subcommand("solve")]
    | Annotated[Info, subcommand("info")]
    | Annotated[Doctor, subcommand("doctor")]
    | Annotated[Models, subcommand("models")]
)

_DESCRIPTION = "One video in, a moving character skeleton out."


def run(arguments: Sequence[str]) -> int:
    """Run one command line and return its exit code. Wrong usage leaves as argparse does (SystemExit 2)."""
    if list(arguments) in (["--version"], ["-V"]):
        print(f"posecore {__version__}")
        return 0
    command: Common = tyro.cli(
        _Command,
        prog="posecore",
        description=_DESCRIPTION,
        args=arguments,
        config=(OmitArgPrefixes, OmitSubcommandPrefixes, FlagCreatePairsOff),
    )
    reporter = Reporter(machine=command.json)
    try:
        command.execute(reporter)
    except BrokenPipeError:
        raise
    except (Exception, KeyboardInterrupt) as error:
        return _report(error, reporter, command.debug)
    finally:
        reporter.close()
    return 0


def _report(error: BaseException, reporter: Reporter, debug: bool) -> int:
    """One line about ``error``, the stack trace before it if asked for; returns the exit code."""
    if debug:
        traceback.print_exception(error, file=sys.stderr)
    if isinstance(error, KeyboardInterrupt):
        error = Cancelled("stopped at once; unfinished outputs were not written")
    if isinstance(error, PosecoreError):
        reporter.error(str(error), type(error).__name__, error.exit_code)
        return error.exit_code
    hint = "" if debug else "; run with --debug for the stack trace"
    reporter.error(f"unexpected {type(error).__name__}: {error}{hint}", type(error).__name__, PosecoreError.exit_code)
    return PosecoreError.exit_code


def main() -> None:
    """Entry point of the console script."""
    try:
        code = run(sys.argv[1:])
        sys.stdout.flush()
    except BrokenPipeError:  # `posecore doctor | head -1`: nobody listens any more, which is no error of ours
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 141
    sys.exit(code)
