# SPDX-License-Identifier: GPL-3.0-or-later
"""posecore for Blender: a video onto your own rig.

Nothing heavy is imported here, nor on registering: numpy and posecore come in when the tab is first used. And
everything but the interface also works where there is no Blender (the worker's client, the cache).
"""

from __future__ import annotations

import sys
from typing import Any

if "register" in globals():  # loaded anew, after an upgrade: the old parts must not stay
    for _name in [_name for _name in sys.modules if _name.startswith(f"{__name__}.")]:
        del sys.modules[_name]

__all__ = ["register", "unregister"]

#: What has been registered, in order, each with how to take it back.
_done: list[Any] = []


def _parts() -> list[tuple[Any, Any]]:
    """(register, unregister) of everything, in order."""
    import bpy

    from . import handlers, keymap, operators, panels, preferences, properties

    classes = (*preferences.CLASSES, *properties.CLASSES, *operators.CLASSES, *panels.CLASSES)
    parts: list[tuple[Any, Any]] = [
        (lambda it=it: bpy.utils.register_class(it), lambda it=it: bpy.utils.unregister_class(it)) for it in classes
    ]
    parts += [(module.register, module.unregister) for module in (properties, handlers, keymap)]
    parts.append((_register_command, _unregister_command))
    return parts


def register() -> None:
    """Called by Blender when the add-on is enabled. Called again, it does nothing."""
    if _done:
        return
    for start, end in _parts():
        try:
            start()
        except Exception:
            unregister()
            raise
        _done.append(end)


def unregister() -> None:
    """Called by Blender when the add-on is disabled: no job, process, thread, timer, handler or class is left."""
    if not _done:
        return
    from . import jobs

    jobs.shut_down()
    jobs.stop_worker()
    while _done:
        _done.pop()()


_command: Any = None


def _register_command() -> None:
    """``blender --command posecore …``."""
    global _command
    import bpy

    if hasattr(bpy.utils, "register_cli_command"):
        _command = bpy.utils.register_cli_command("posecore", _execute)


def _unregister_command() -> None:
    global _command
    if _command is not None:
        import bpy

        bpy.utils.unregister_cli_command(_command)
        _command = None


def _execute(arguments: list[str]) -> int:
    from . import command_line

    return command_line.execute(arguments)
