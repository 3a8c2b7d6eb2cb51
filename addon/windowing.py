# SPDX-License-Identifier: GPL-3.0-or-later
"""A window where there is none: ``blender -b FILE --command`` runs outside any, and parts of Blender count on one."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import bpy

__all__ = ["in_a_window"]


@contextlib.contextmanager
def in_a_window(scene: bpy.types.Scene | None = None) -> Iterator[None]:
    """Let the context have a window, that of ``scene`` (None is the current one); nothing changes where it has one.

    Exporters ask it for what is selected, and Blender 4.3 crashes where a scene is removed without.
    """
    windows = [window for manager in bpy.data.window_managers for window in manager.windows]
    if bpy.context.window is not None or not windows:
        yield
        return
    scene, layer = scene or bpy.context.scene, bpy.context.view_layer
    with bpy.context.temp_override(window=windows[0], scene=scene, view_layer=layer):
        yield
