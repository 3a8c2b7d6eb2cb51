"""The errors that a user is meant to read, each with the exit code of the command line.

Every message is one line: what is wrong, where, and what to do.
"""

from __future__ import annotations

from typing import Any

__all__ = ["Cancelled", "NoPersonError", "OutputError", "PosecoreError", "SourceError"]


class PosecoreError(Exception):
    """Base class: something the user can act on. Exit code 1."""

    exit_code = 1


class SourceError(PosecoreError):
    """The input is missing, unreadable or empty. Exit code 3."""

    exit_code = 3


class NoPersonError(PosecoreError):
    """No person was found in the input. Exit code 4."""

    exit_code = 4


class OutputError(PosecoreError):
    """The output cannot be written. Exit code 5."""

    exit_code = 5


class Cancelled(PosecoreError):
    """The user stopped the work. Exit code 130, as a shell's Ctrl-C.

    Attributes:
        partial: what was done until then (a Take, for a capture), or None.
    """

    exit_code = 130
    partial: Any = None
