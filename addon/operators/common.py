# SPDX-License-Identifier: GPL-3.0-or-later
"""What the buttons share: one way to run, one way to fail."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import bpy

from .. import live, timers

__all__ = ["attempt", "need"]


def attempt(operator: bpy.types.Operator, work: Callable[[], str], level: str = "INFO") -> set[str]:
    """Run ``work`` and report the line it gives; an error is reported in one line and cancels."""
    try:
        line = work()
    except Exception as error:  # reported; what nobody foresaw is in the console in full
        operator.report({"ERROR"}, live.one_line(error))
        timers.redraw()
        return {"CANCELLED"}
    operator.report({level}, line)
    timers.redraw()
    return {"FINISHED"}


def need(operator: Any, message: str) -> bool:
    """For poll functions: say why the button is grey."""
    operator.poll_message_set(message)
    return False
