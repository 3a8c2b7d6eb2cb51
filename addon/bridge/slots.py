# SPDX-License-Identifier: GPL-3.0-or-later
"""Actions and their slots: which one an armature has, a new one, and which are our own."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import bpy

from .curves import has_slots

__all__ = ["Assigned", "assign", "assigned", "copied_action", "is_ours", "mark", "marked_paths", "new_action"]

#: Custom property of the actions that we made: JSON with the name asked for and the data paths that we keyed.
_MARK = "posecore"


@dataclass(frozen=True)
class Assigned:
    """An action and the slot of it that animates something; the slot is None in a Blender without slots."""

    action: bpy.types.Action
    slot: Any = None


def assigned(armature: bpy.types.Object) -> Assigned | None:
    """What animates an object now, None for nothing."""
    animation = armature.animation_data
    if animation is None or animation.action is None:
        return None
    return Assigned(animation.action, animation.action_slot if has_slots(animation.action) else None)


def assign(armature: bpy.types.Object, what: Assigned | None) -> None:
    """Let an action animate an object; None takes its action away."""
    animation = armature.animation_data or armature.animation_data_create()
    animation.action = what.action if what else None
    if what is not None and has_slots(what.action):
        animation.action_slot = what.slot


def new_action(name: str, armature: bpy.types.Object) -> Assigned:
    """An empty action with a slot for the armature, not yet assigned."""
    action = bpy.data.actions.new(name)
    slot = action.slots.new(id_type="OBJECT", name=armature.name) if has_slots(action) else None
    return Assigned(action, slot)


def copied_action(old: Assigned, name: str) -> Assigned:
    """A local copy, of one slot only, without marks, markers or whatever made the original an asset."""
    action = old.action.copy()
    action.name = name
    if action.asset_data is not None:
        action.asset_clear()
    action.use_fake_user = False
    if _MARK in action:
        del action[_MARK]
    action.use_frame_range = False
    while len(action.pose_markers):
        action.pose_markers.remove(action.pose_markers[0])
    if not has_slots(action):
        return Assigned(action)
    kept = next(slot for slot in action.slots if slot.handle == old.slot.handle)
    for slot in [slot for slot in action.slots if slot.handle != kept.handle]:
        action.slots.remove(slot)
    return Assigned(action, next(slot for slot in action.slots))


def mark(action: bpy.types.Action, name: str, paths: Iterable[str]) -> None:
    """Note that an action is ours, the name that was asked for and what we keyed."""
    action[_MARK] = json.dumps({"name": name, "paths": sorted(paths)})


def _marks(action: bpy.types.Action) -> dict[str, Any]:
    try:
        found = json.loads(action.get(_MARK, "{}"))
    except (TypeError, ValueError):
        found = {}
    return found if isinstance(found, dict) else {}


def marked_paths(action: bpy.types.Action) -> set[str]:
    """The data paths that we keyed."""
    return set(_marks(action).get("paths", ()))


def is_ours(what: Assigned | None, name: str) -> bool:
    """Whether it may be written over: made by us under this name, local, and nobody else plays it."""
    if what is None or what.action.library is not None or not marked_paths(what.action):
        return False
    if name not in (what.action.name, _marks(what.action).get("name")):
        return False
    return what.action.users - what.action.use_fake_user <= 1 and not (has_slots(what.action) and what.slot is None)
