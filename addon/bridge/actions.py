# SPDX-License-Identifier: GPL-3.0-or-later
"""``apply_motion``: a movement becomes a new action on an armature, and nothing else changes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import bpy
import numpy as np
from numpy.typing import NDArray

from posecore.errors import PosecoreError
from posecore.retargeting.rig_motion import RigMotion

from . import slots
from .checking import check, obstacles
from .controls import switch_channels
from .curves import Channel, Curves
from .inheriting import inheritance, posed_upstream, rest_channels
from .keys import motion_channels
from .probing import plain_switches
from .stashing import stash as put_by
from .timing import on_whole_frames, scene_rate, scene_times, set_scene_rate

__all__ = ["ApplyReport", "apply_motion"]

_LAST_FRAME = 1048574  # Blender's own limit


@dataclass(frozen=True)
class ApplyReport:
    """What was written.

    Attributes:
        action: name of the action, which may differ from the one asked for where that was taken.
        frames: number of frames keyed.
        keys: number of keys.
        warnings: one line each; nothing that ``RigMotion.notes`` says already.
        first, last: frames of the first and the last key.
        again: an action of ours was written over; no new one was made.
        stashed: name of the action that was put by, "" for none.
    """

    action: str
    frames: int
    keys: int
    warnings: tuple[str, ...] = ()
    first: float = 0.0
    last: float = 0.0
    again: bool = False
    stashed: str = ""


def apply_motion(
    rig_motion: RigMotion,
    armature: bpy.types.Object,
    scene: bpy.types.Scene,
    *,
    frame_start: float = 1.0,
    rate: str = "resample",
    action_name: str = "",
    switches: Any = (),
    stash: bool = True,
) -> ApplyReport:
    """Key a movement on an armature, in the rotation mode that each bone has.

    The armature gets a new action; the one that it had is put by in a muted NLA track, and what that one animated
    beside the mapped bones goes on in the new one. Applying under the same name again writes over the keys of last
    time. Modes, selection, current frame and every unmapped channel stay as they are.

    Args:
        rig_motion: made for the rig that :func:`.rigs.read_rig` read from this armature.
        scene: whose frame rate counts.
        frame_start: frame of the movement's first moment.
        rate: ``"resample"`` keys whole frames of the scene as it is, at true times; ``"set_scene"`` gives the scene
            the movement's own rate first.
        action_name: "" takes the armature's name.
        switches: ``(bone, property, value)``, tuples or objects with those attributes, keyed so that FK is heard.
        stash: put the old action by; otherwise it is only let go.

    Raises:
        PosecoreError: one line that says what to do; nothing was changed then.
    """
    check(rig_motion, armature, rate)
    own_rate = rate == "set_scene" and len(rig_motion) > 1
    a_second = float(1.0 / np.median(np.diff(rig_motion.times))) if own_rate else scene_rate(scene)
    frames, moments = scene_times(rig_motion.times, a_second, frame_start)
    if max(-frames[0], frames[-1]) > _LAST_FRAME:
        raise PosecoreError(f"the movement would end at frame {frames[-1]:.0f}, and Blender has no such; start earlier")
    pairs = plain_switches(switches)
    channels = motion_channels(armature, rig_motion.bones, *on_whole_frames(rig_motion, moments))
    switching, warnings = switch_channels(armature, pairs)
    name = action_name or f"{armature.name} mocap"
    warnings += obstacles(armature, channels)
    old = slots.assigned(armature)
    again, stashed = slots.is_ours(old, name), ""
    with _same_rate_on_failure(scene), _same_animation_on_failure(armature, known=again):
        if own_rate:
            set_scene_rate(scene, a_second)
        if again:
            action, keys = _write_again(armature, old, name, channels + switching, frames)
        else:
            mapped = list(dict.fromkeys([*rig_motion.bones, *rig_motion.locations]))
            action, keys, more = _write_new(armature, old, name, channels + switching, frames, mapped, pairs)
            warnings += more
            if old is not None and stash:
                stashed = put_by(armature, old)
    armature.update_tag(refresh={"OBJECT", "DATA", "TIME"})
    told, (first, last) = tuple(dict.fromkeys(warnings)), (float(frames[0]), float(frames[-1]))
    return ApplyReport(action.name, len(frames), keys, told, first, last, again, stashed)


def _write_new(
    armature: bpy.types.Object,
    old: slots.Assigned | None,
    name: str,
    channels: Sequence[Channel],
    frames: NDArray[np.float64],
    mapped: Sequence[str],
    switches: Sequence[tuple[str, str, Any]],
) -> tuple[bpy.types.Action, int, list[str]]:
    """A new action with our keys and what is taken over from the old one, assigned."""
    written = {channel.path for channel in channels}
    rested: list[Channel] = []
    warnings: list[str] = []
    new = None
    if old is not None and (old.slot is not None or not slots.has_slots(old.action)):
        paths = Curves(old.action, old.slot).paths() if _has_curves(old) else []
        before = inheritance(armature, paths, written, mapped, switches)
        rested, warnings = before.rested, before.warnings
        if before.kept:
            new = slots.copied_action(old, name)
            Curves(new.action, new.slot).remove({path for path, _ in paths} - before.kept)
    new = new or slots.new_action(name, armature)
    curves = Curves(new.action, new.slot)
    keys = curves.write([*channels, *rested], frames)
    slots.mark(new.action, name, written | {channel.path for channel in rested})
    if posed := posed_upstream(armature, {path for path, _ in curves.paths()}, mapped, switches):
        others = f" and {len(posed) - 3} more" if len(posed) > 3 else ""
        warnings.append(
            f"{', '.join(posed[:3])}{others} stand off their rest pose and carry keyed bones: the movement comes on top"
            " of that; clear their transforms (Alt+G, R, S) if it is not meant"
        )
    slots.assign(armature, new)
    return new.action, keys, warnings


def _has_curves(old: slots.Assigned) -> bool:
    """Asked first, because :class:`Curves` makes what is missing, and an old action stays as it is."""
    if not slots.has_slots(old.action):
        return True
    layers = old.action.layers
    return any(strip.channelbag(old.slot) is not None for layer in layers for strip in layer.strips)


def _write_again(
    armature: bpy.types.Object,
    ours: slots.Assigned,
    name: str,
    channels: Sequence[Channel],
    frames: NDArray[np.float64],
) -> tuple[bpy.types.Action, int]:
    """New keys in an action of ours; as it was if that fails."""
    backup = ours.action.copy()
    try:
        written = {channel.path for channel in channels}
        curves = Curves(ours.action, ours.slot)
        left = slots.marked_paths(ours.action) - written
        resting = rest_channels(armature, left)  # a bone that is not mapped any more would stay as it stands
        written |= {channel.path for channel in resting}
        curves.remove(left - written)
        keys = curves.write([*channels, *resting], frames)
        slots.mark(ours.action, name, written)
    except BaseException:
        title = ours.action.name
        ours.action.user_remap(backup)
        bpy.data.actions.remove(ours.action)
        backup.name = title
        raise
    bpy.data.actions.remove(backup)
    return ours.action, keys


@contextmanager
def _same_rate_on_failure(scene: bpy.types.Scene) -> Iterator[None]:
    fps, base = scene.render.fps, scene.render.fps_base
    try:
        yield
    except BaseException:
        scene.render.fps, scene.render.fps_base = fps, base
        raise


@contextmanager
def _same_animation_on_failure(armature: bpy.types.Object, known: bool) -> Iterator[None]:
    """Whatever goes wrong inside leaves the armature's animation and the file's actions as they were.

    Args:
        known: only an action of ours is written over, which takes care of itself.
    """
    if known:
        yield
        return
    bare = armature.animation_data is None
    old = slots.assigned(armature)
    tracks = 0 if bare else len(armature.animation_data.nla_tracks)
    before = {action.as_pointer() for action in bpy.data.actions}
    try:
        yield
    except BaseException:
        animation = armature.animation_data
        if bare:
            armature.animation_data_clear()
        else:
            for track in list(animation.nla_tracks)[tracks:]:
                animation.nla_tracks.remove(track)
            if slots.assigned(armature) != old:
                slots.assign(armature, old)
        for action in [action for action in bpy.data.actions if action.as_pointer() not in before]:
            bpy.data.actions.remove(action)
        raise
