# SPDX-License-Identifier: GPL-3.0-or-later
"""What happens when another file is opened, and after undo."""

from __future__ import annotations

from typing import Any

import bpy
from bpy.app.handlers import persistent

from . import jobs, live, state, targets, timers

__all__ = ["register", "unregister"]


@persistent
def posecore_before_load(*_: Any) -> None:
    """Nothing of the old file may arrive in the new one."""
    jobs.shut_down()


@persistent
def posecore_after_load(*_: Any) -> None:
    """The last source is looked into again; its Takes are back if they are still in the cache."""
    for scene in bpy.data.scenes:
        live.restore(scene)


@persistent
def posecore_after_undo(*_: Any) -> None:
    """Undo takes the scene's settings back, not what is kept beside them: make them agree."""
    for scene in bpy.data.scenes:
        live.restore(scene)
        clip = state.clip(scene)
        if clip.takes and not scene.posecore.capture.takes:
            scene.posecore.capture.takes = "\n".join(map(str, clip.takes))
        targets.check(scene)
        live.request(scene)
    timers.redraw()


_HANDLERS = {
    "load_pre": posecore_before_load,
    "load_post": posecore_after_load,
    "undo_post": posecore_after_undo,
    "redo_post": posecore_after_undo,
}


def register() -> None:
    """Add the handlers, once."""
    unregister()
    for name, function in _HANDLERS.items():
        getattr(bpy.app.handlers, name).append(function)


def unregister() -> None:
    """Remove them; those of an earlier load of this module too, which are other objects of the same name."""
    for name, function in _HANDLERS.items():
        handlers = getattr(bpy.app.handlers, name)
        for known in list(handlers):
            if known.__name__ == function.__name__ and known.__module__ == __name__:
                handlers.remove(known)
