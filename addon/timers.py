# SPDX-License-Identifier: GPL-3.0-or-later
"""The one timer: it hands what the worker and the thread have to say over to the main thread.

It runs only while something is under way, each tick stays within a few milliseconds (but for writing keys), and it
is gone after the last: on finish, cancel, crash, loading of another file, and unregistering.
"""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable
from typing import Any

from .state import store

__all__ = ["ensure", "last_ticks", "redraw", "running", "stop", "tick"]

_INTERVAL = 0.05
_ENOUGH = 20  # failures in a row after which it gives up

_failures = 0

#: Asked by every tick, each returns whether there is more to come. Filled by the modules that need it.
_sources: list[Callable[[], bool]] = []

#: Seconds of the last ticks, for tests and the curious.
last_ticks: list[float] = []


def listen(source: Callable[[], bool]) -> None:
    """Have ``source`` called by every tick."""
    if source not in _sources:
        _sources.append(source)


def ensure() -> None:
    """Start the timer unless it runs. Without a window there is no loop to run it: callers then wait themselves."""
    import bpy

    if not bpy.app.background and not bpy.app.timers.is_registered(_run):
        bpy.app.timers.register(_run, first_interval=0.01)


def running() -> bool:
    """Whether the timer is registered."""
    import bpy

    return bool(bpy.app.timers.is_registered(_run))


def stop() -> None:
    """Remove the timer, if it is there."""
    import bpy

    if bpy.app.timers.is_registered(_run):
        bpy.app.timers.unregister(_run)


def tick() -> bool:
    """One round. Returns whether anything is still under way."""
    begun = time.perf_counter()
    store.tasks.drain()
    more = [source() for source in _sources]  # after the tasks, whose outcomes they work on
    last_ticks.append(time.perf_counter() - begun)
    del last_ticks[:-200]
    return any(more) or store.tasks.busy


def _run() -> float | None:
    global _failures
    try:
        more = tick()
        _failures = 0
    except Exception:  # Blender would drop the timer, and with it the job that runs
        traceback.print_exc()
        _failures += 1
        more = _failures < _ENOUGH
    redraw()
    return _INTERVAL if more else None


def redraw() -> None:
    """Have the sidebars drawn anew."""
    import bpy

    manager: Any = bpy.context.window_manager
    for window in manager.windows if manager else ():
        for area in window.screen.areas:
            if area.type == "VIEW_3D":
                for region in area.regions:
                    if region.type == "UI":
                        region.tag_redraw()
            elif area.type == "PREFERENCES":
                area.tag_redraw()
