# SPDX-License-Identifier: GPL-3.0-or-later
"""ESC stops an analysis. A key map rather than a modal operator: that would keep auto-save and others waiting."""

from __future__ import annotations

from typing import Any

import bpy

__all__ = ["register", "unregister"]

_items: list[tuple[Any, Any]] = []


def register() -> None:
    """Add the key. Where no analysis runs the operator's poll lets it pass on to others."""
    configurations = bpy.context.window_manager.keyconfigs if bpy.context.window_manager else None
    if configurations is None or configurations.addon is None or bpy.app.background:
        return
    keymap = configurations.addon.keymaps.new(name="Window", space_type="EMPTY")
    _items.append((keymap, keymap.keymap_items.new("posecore.cancel", "ESC", "PRESS")))


def unregister() -> None:
    """Remove it."""
    while _items:
        keymap, item = _items.pop()
        keymap.keymap_items.remove(item)
