# SPDX-License-Identifier: GPL-3.0-or-later
"""Folders and the add-on's own name, which differs between an installed extension and a checkout."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import bpy

__all__ = ["PACKAGE", "absolute", "cache_folder", "preferences", "presets_folder", "user_folder"]

#: The name under which Blender knows the add-on: ``bl_ext.user_default.posecore``, or ``addon`` in a checkout.
PACKAGE = __package__ or ""


class _Defaults:
    """The preferences' values where there are none: the add-on was registered by a script, not enabled."""

    provider = "auto"
    temporal = "online"
    python = ""
    weights = ""
    cache = ""


def preferences(context: bpy.types.Context | None = None) -> Any:
    """The add-on's preferences, or their defaults."""
    import bpy

    entry = (context or bpy.context).preferences.addons.get(PACKAGE)
    values = getattr(entry, "preferences", None)
    return values if values is not None else _Defaults()


def absolute(path: str) -> str:
    """Blender's ``//`` paths made whole; "" stays ""."""
    import bpy

    return bpy.path.abspath(path.strip()) if path.strip() else ""


def user_folder(name: str) -> Path:
    """A folder of ours that survives upgrades, made if need be; a temporary one when we are no extension."""
    import bpy

    try:
        return Path(bpy.utils.extension_path_user(PACKAGE, path=name, create=True))
    except (ValueError, OSError):  # ValueError: the package is no extension
        folder = Path(tempfile.gettempdir()) / "posecore-blender" / name
        folder.mkdir(parents=True, exist_ok=True)
        return folder


def cache_folder(context: bpy.types.Context | None = None) -> Path:
    """Where Takes are kept."""
    chosen = absolute(preferences(context).cache)
    return Path(chosen) if chosen else user_folder("takes")


def presets_folder() -> Path:
    """Where the user's own presets are kept."""
    return user_folder("presets")
