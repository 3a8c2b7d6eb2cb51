# SPDX-License-Identifier: GPL-3.0-or-later
"""What happens by itself: a chosen source is looked into, a moved slider solves anew and, where a movement was
applied, applies it anew.

Numbers are worked out in the thread of :mod:`.tasks`; the main thread only writes keys, once the mouse rests.
Without a window everything is done at once.
"""

from __future__ import annotations

import time
import traceback
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import bodies, settings, state, timers, workflow
from .state import store

if TYPE_CHECKING:
    import bpy

    from posecore import Motion
    from posecore.retargeting import RigMotion

    from .tasks import Outcome

__all__ = [
    "apply_now",
    "describe_now",
    "motion_now",
    "one_line",
    "request",
    "restore",
    "source_changed",
    "steps",
    "warm_up",
]

#: Seconds that a slider must rest before keys are written.
_REST = 0.15


def one_line(error: BaseException) -> str:
    """What to show of an error. One that nobody foresaw goes to the console in full."""
    from posecore.errors import PosecoreError

    if isinstance(error, PosecoreError):
        return " ".join(str(error).split())
    traceback.print_exception(error)
    return f"unexpected {type(error).__name__}: {' '.join(str(error).split())} (details in the console)"


def threaded() -> bool:
    """Whether slow things go to the thread: only a window has the timer that takes their results in."""
    import bpy

    return not bpy.app.background


def warm_up(scene: bpy.types.Scene) -> None:
    """When the tab is drawn: load the library and the presets in the thread, so that no click waits; and look into
    the source of a scene that is new to us (copied, or saved before the add-on was enabled)."""
    if not threaded():
        return
    if store.presets is None and not store.tasks.pending("presets"):
        from . import paths, targets

        folder = paths.presets_folder()

        def done(outcome: Outcome) -> None:
            store.presets = outcome.value if outcome.error is None else []
            if outcome.error is not None:
                one_line(outcome.error)

        def load() -> list[tuple[str, str, str]]:
            import posecore.retargeting.automatic
            import posecore.retargeting.transfer
            import posecore.solving  # noqa: F401

            return targets.read_presets(folder)

        store.tasks.submit("presets", load, done)
        timers.ensure()
    key = state.key_of(scene)
    if scene.posecore.capture.source.strip() and not state.clip(scene).source:
        name = f"restore {key}"
        if not store.tasks.pending(name):  # not now: drawing must not change anything
            store.tasks.submit(name, lambda: None, lambda _: _restore(key))
            timers.ensure()


def _restore(key: int) -> None:
    scene = _scene(key)
    if scene is not None:
        restore(scene)


# -- the source


def source_changed(scene: bpy.types.Scene) -> None:
    """Another source was chosen: look into it, forget what was known of the last one."""
    fresh = state.Clip(source=settings.source_path(scene), target_error=state.clip(scene).target_error)
    store.clips[state.key_of(scene)] = fresh
    scene.posecore.capture.takes = ""
    if not fresh.source:
        return
    if not threaded():
        describe_now(scene)
        return
    from . import sources

    rate = scene.posecore.capture.image_rate
    key = state.key_of(scene)
    store.tasks.submit(
        "describe", lambda: sources.describe(fresh.source, rate), lambda out: _described(key, fresh, out)
    )
    timers.ensure()


def describe_now(scene: bpy.types.Scene) -> None:
    """Look into the source at once."""
    from . import sources
    from .tasks import Outcome

    clip = state.clip(scene)
    try:
        outcome = Outcome(sources.describe(clip.source, scene.posecore.capture.image_rate))
    except Exception as error:  # shown as one line
        outcome = Outcome(error=error)
    _described(state.key_of(scene), clip, outcome)


def _described(key: int, clip: state.Clip, outcome: Outcome) -> None:
    scene = _scene(key)
    if scene is None or store.clips.get(key) is not clip:
        return
    if outcome.error is not None:
        clip.error = one_line(outcome.error)
        return
    clip.info = outcome.value
    values = scene.posecore.capture
    if clip.info.frames and not values.use_range:
        values.first_frame, values.last_frame = 0, clip.info.frames - 1
    if clip.info.kind in ("video", "images") and threaded():
        from . import jobs

        jobs.prepare()
    if clip.info.kind == "take":
        clip.takes = [Path(clip.source)]
        scene.posecore.capture.takes = clip.source
    if clip.info.kind in ("take", "motion"):
        request(scene)


def restore(scene: bpy.types.Scene) -> None:
    """After a file was opened, and after undo: where the scene's source is another than we know, look into it. Its
    Takes, if they are still there, are back."""
    values = scene.posecore.capture
    if settings.source_path(scene) == state.clip(scene).source:
        return
    paths = [Path(path) for path in values.takes.split("\n") if path]
    source_changed(scene)
    clip = state.clip(scene)
    if paths and all(path.is_file() for path in paths):
        values.takes = "\n".join(map(str, paths))
        clip.takes = paths
        clip.message, clip.message_icon = "Analysed before", "CHECKMARK"
        request(scene)


# -- solving


def _what_to_solve(scene: bpy.types.Scene) -> tuple[str, Any]:
    """(file, settings) of the movement; settings are None for a finished one.

    Raises:
        PosecoreError: there is none yet; the message says what to do.
    """
    from posecore.errors import PosecoreError

    clip = state.clip(scene)
    if clip.takes:
        take = clip.takes[min(int(scene.posecore.capture.person or 0), len(clip.takes) - 1)]
        if not take.is_file():
            raise PosecoreError(f"{take.name} is gone from the cache; press Analyse again")
        return str(take), settings.solve_settings(scene)
    if clip.info is not None and clip.info.kind == "motion":
        return clip.source, None
    if not clip.source:
        raise PosecoreError("no source chosen; choose a video or a Take first")
    if clip.error:
        raise PosecoreError(clip.error)
    raise PosecoreError("nothing is analysed yet; press Analyse first")


def _load(path: str, solve_settings: Any) -> Motion:
    return workflow.load_motion(path) if solve_settings is None else workflow.solve_take(path, solve_settings)


def motion_now(scene: bpy.types.Scene) -> Motion:
    """The movement with the settings of now, solved at once if need be.

    Raises:
        PosecoreError: there is none, or it cannot be solved.
    """
    clip = state.clip(scene)
    key = _what_to_solve(scene)
    if clip.motion is None or clip.motion_key != key:
        begun = time.perf_counter()
        store.tasks.drop("live")
        clip.motion, clip.motion_key, clip.solve_error = _load(*key), key, ""
        clip.solve_seconds = time.perf_counter() - begun
    return clip.motion


def request(scene: bpy.types.Scene) -> None:
    """Something that matters was changed: solve anew and, where a movement was applied, apply anew."""
    from posecore.errors import PosecoreError

    clip = state.clip(scene)
    clip.changed_at = time.monotonic()
    try:
        key = _what_to_solve(scene)
    except PosecoreError as error:
        clip.solve_error = one_line(error) if clip.takes else ""  # nothing to solve yet: no error
        return
    clip.solve_error = ""
    key_of_scene = state.key_of(scene)
    try:
        work = _work(scene, clip, key)
    except PosecoreError as error:  # the rig that it was applied to cannot be used any more
        clip.solve_error = one_line(error)
        return
    if not threaded():
        from .tasks import Outcome

        try:
            outcome = Outcome(work())
        except Exception as error:  # shown as one line
            outcome = Outcome(error=error)
        _solved(key_of_scene, clip, key, outcome)
        _write_planned(scene, clip)
        return
    store.tasks.submit("live", work, lambda outcome: _solved(key_of_scene, clip, key, outcome))
    timers.ensure()


def _work(scene: bpy.types.Scene, clip: state.Clip, key: tuple[str, Any]) -> Any:
    """What the thread does: everything it needs is taken from Blender's data here, on the main thread."""
    known = clip.motion if clip.motion_key == key else None
    applied = _still_applied(scene, clip)
    mapping, retarget_settings = settings.mapping_of(scene), settings.retarget_settings(scene)
    shape = bodies.shape_of(scene.posecore.target.armature)
    apply_key = _apply_key(scene, key)
    linked = applied is not None and mapping is not None and scene.posecore.apply.live
    wanted = linked and applied is not None and applied.key != apply_key

    def work() -> tuple[Motion, RigMotion | None, Any, float]:
        begun = time.perf_counter()
        motion = known if known is not None else _load(*key)
        seconds = time.perf_counter() - begun if known is None else 0.0
        planned = None
        if wanted and applied is not None and mapping is not None:
            planned = workflow.plan_retarget(motion, applied.rig, mapping, retarget_settings, shape)
        return motion, planned, apply_key, seconds

    return work


def _solved(scene_key: int, clip: state.Clip, key: tuple[str, Any], outcome: Outcome) -> None:
    scene = _scene(scene_key)
    if scene is None or store.clips.get(scene_key) is not clip:
        return
    if outcome.error is not None:
        clip.solve_error = one_line(outcome.error)
        return
    clip.motion, planned, apply_key, seconds = outcome.value
    clip.motion_key = key
    clip.solve_seconds = seconds or clip.solve_seconds
    clip.planned = (planned, apply_key) if planned is not None else None


# -- applying


def _apply_key(scene: bpy.types.Scene, key: Any) -> Any:
    return key, scene.posecore.target.mapping, settings.retarget_settings(scene), settings.apply_options(scene)


def _read_for(scene: bpy.types.Scene, armature: bpy.types.Object) -> Any:
    return tuple(value for row in armature.matrix_world for value in row), scene.posecore.target.mapping


def _still_applied(scene: bpy.types.Scene, clip: state.Clip) -> state.Applied | None:
    """What was applied last, if the armature still plays it; its rig read anew if need be."""
    applied, armature = clip.applied, scene.posecore.target.armature
    if applied is None or armature is None or armature.name_full != applied.armature:
        return None
    action = armature.animation_data.action if armature.animation_data else None
    if action is None or action.name != applied.action or armature.mode == "EDIT":
        return None
    mapping, read_for = settings.mapping_of(scene), _read_for(scene, armature)
    if mapping is not None and applied.read_for != read_for:
        applied.rig, applied.read_for = workflow.read_target(armature, mapping), read_for
    return applied


def _write_planned(scene: bpy.types.Scene, clip: state.Clip) -> None:
    """Write the keys of a movement that the thread has worked out, over those of the last Apply."""
    if clip.planned is None:
        return
    (planned, key), clip.planned = clip.planned, None
    try:
        applied = _still_applied(scene, clip)
        if applied is not None:
            write(scene, clip, planned, applied, key, again=True)
    except Exception as error:  # from a timer: there is no operator to report it
        clip.solve_error = one_line(error)


def write(
    scene: bpy.types.Scene,
    clip: state.Clip,
    planned: RigMotion,
    applied: state.Applied,
    key: Any,
    again: bool = False,
) -> None:
    """Write keys and note what was written. ``again``: over the last ones, in the same action."""
    from . import reports

    armature = scene.posecore.target.armature
    mapping = settings.mapping_of(scene)
    options = settings.apply_options(scene)
    name = applied.asked if again else options.action_name or workflow.action_name(armature, clip.source)
    options = replace(options, action_name=name)
    switches = workflow.preset_switches(mapping, applied.rig) if mapping is not None else ()
    result = workflow.apply_rig_motion(planned, armature, options, switches, scene)
    applied.action, applied.asked, applied.key = result.action, options.action_name, key
    clip.applied = applied
    clip.report = reports.after_apply(clip, planned, result, mapping)


def apply_now(scene: bpy.types.Scene) -> state.Report:
    """Solve, retarget and write keys, at once.

    Raises:
        PosecoreError: one line; nothing was changed then.
    """
    from posecore.errors import PosecoreError

    from . import targets

    clip = state.clip(scene)
    motion = motion_now(scene)
    store.tasks.drop("live")
    clip.planned = None
    if scene.posecore.target.kind in targets.MADE:
        targets.make_new(scene, motion)
    armature = scene.posecore.target.armature
    if armature is None:
        raise PosecoreError("no armature chosen; choose one under Target")
    rig, mapping = targets.rig_and_mapping(scene)
    shape = bodies.shape_of(armature)
    planned = workflow.plan_retarget(motion, rig, mapping, settings.retarget_settings(scene), shape)
    applied = state.Applied(armature.name_full, "", "", rig, _read_for(scene, armature))
    write(scene, clip, planned, applied, _apply_key(scene, clip.motion_key))
    assert clip.report is not None
    return clip.report


def steps() -> bool:
    """Write what is planned once the sliders rest; a source of :mod:`.timers`."""
    more = False
    for key, clip in list(store.clips.items()):
        if clip.planned is None:
            continue
        if time.monotonic() - clip.changed_at < _REST:
            more = True
            continue
        scene = _scene(key)
        if scene is None:
            clip.planned = None
            continue
        _write_planned(scene, clip)
    return more


def _scene(key: int) -> bpy.types.Scene | None:
    import bpy

    return next((scene for scene in bpy.data.scenes if state.key_of(scene) == key), None)


timers.listen(steps)
