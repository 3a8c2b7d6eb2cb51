# SPDX-License-Identifier: GPL-3.0-or-later
"""What Blender and its exporters print, kept from what a command says. No bpy."""

from __future__ import annotations

import contextlib
import ctypes
import os
import sys
from collections.abc import Iterator
from typing import TextIO

__all__ = ["flush", "hushed", "machine_stream"]


def flush() -> None:
    """Python's own buffers, and C's, through which Blender prints."""
    sys.stdout.flush()
    sys.stderr.flush()
    with contextlib.suppress(OSError, AttributeError, TypeError):  # not to be had that way: lines may then mix
        ctypes.CDLL(None).fflush(None)


@contextlib.contextmanager
def machine_stream(machine: bool) -> Iterator[TextIO | None]:
    """With ``machine``, a stream on stdout for our lines alone: whatever else is printed goes to stderr."""
    if not machine:
        yield None
        return
    flush()
    ours = os.dup(1)
    os.dup2(2, 1)
    try:
        with open(ours, "w", encoding="utf-8", closefd=False) as stream:
            yield stream
        flush()
    finally:
        os.dup2(ours, 1)
        os.close(ours)


@contextlib.contextmanager
def hushed(wanted: bool = True) -> Iterator[None]:
    """Drop what is printed meanwhile: exporters tell their progress and print stack traces of errors that we tell."""
    if not wanted:
        yield
        return
    flush()
    kept = os.dup(1), os.dup(2)
    try:
        with open(os.devnull, "wb") as nowhere:
            os.dup2(nowhere.fileno(), 1)
            os.dup2(nowhere.fileno(), 2)
            try:
                yield
            finally:
                flush()
                os.dup2(kept[0], 1)
                os.dup2(kept[1], 2)
    finally:
        os.close(kept[0])
        os.close(kept[1])
