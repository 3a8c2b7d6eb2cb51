# SPDX-License-Identifier: GPL-3.0-or-later
"""The worker and its jobs, seen from the interface: start, follow, cancel, and what is told of them."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from . import paths, settings, state, takes_cache, timers, worker_events, workflow
from .state import store

if TYPE_CHECKING:
    import bpy

    from .worker_client import Event, WorkerClient

__all__ = [
    "analyse_blocking",
    "analyse_in_background",
    "cancel",
    "client",
    "restart",
    "self_test",
    "shut_down",
    "stop_worker",
]

_SECONDS_TO_LEAVE = 5.0


def client(context: bpy.types.Context | None = None) -> WorkerClient:
    """The worker's client with the preferences of now; another worker when they changed and it is idle."""
    from .worker_client import WorkerClient

    chosen = paths.preferences(context)
    python, weights = paths.absolute(chosen.python), paths.absolute(chosen.weights)
    environment = {"POSECORE_WEIGHTS": weights} if weights else {}
    known = store.client
    if known is not None and (known.python or "", known.environment) != (python, environment) and store.job is None:
        stop_worker()
        known = None
    if known is None:
        store.client = known = WorkerClient(python or None, environment=environment)
    return known


def prepare() -> None:
    """Start the worker before it is asked for: it tells which estimators there are, and Analyse need not wait."""
    import bpy

    client(bpy.context).start()
    timers.ensure()


def analyse_in_background(context: bpy.types.Context) -> bool:
    """Start the capture of the scene's source. Returns False where the Takes were there already.

    Raises:
        PosecoreError: nothing was started.
    """
    options = settings.capture_options(context, context.scene)
    entry = takes_cache.entry_for(options, paths.cache_folder(context))
    clip = state.clip(context.scene)
    clip.message = ""
    if known := entry.takes():
        _finished(context.scene, known, [], f"{len(known)} from the cache" if len(known) > 1 else "from the cache")
        return False
    number = workflow.start_analysis(client(context), options, entry)
    store.job = state.Job(number, state.key_of(context.scene), entry, total=_expected(clip, options))
    clip.capture_warnings = []
    timers.ensure()
    return True


def analyse_blocking(context: bpy.types.Context, progress: Callable[[int, int | None], None] | None = None) -> None:
    """The same for scripts and background runs: waits for the end.

    Raises:
        PosecoreError: see :func:`workflow.analyse`.
    """
    warnings: list[str] = []

    def on_progress(done: int, total: int | None, fps: float, left: float | None) -> None:
        if progress is not None:
            progress(done, total)

    takes = workflow.analyse(
        client(context),
        settings.capture_options(context, context.scene),
        on_progress,
        folder=paths.cache_folder(context),
        on_warning=warnings.append,
    )
    _finished(context.scene, takes, warnings, "")


def cancel() -> bool:
    """Ask the running capture to stop. Returns whether there was one."""
    if store.job is None or store.client is None:
        return False
    store.job.cancelling = True
    store.client.cancel(store.job.number)
    return True


def self_test(context: bpy.types.Context) -> None:
    """Have the worker load and run every estimator; the answer shows in the preferences."""
    chosen = paths.preferences(context)
    store.self_test_text = "testing …"
    store.self_test = client(context).self_test(chosen.provider)
    timers.ensure()


def stop_worker() -> None:
    """End the worker process and what it does; the next job starts another one."""
    known, store.client = store.client, None
    if known is not None:
        if store.job is not None:
            _close_job("stopped together with the worker", "CANCEL")
        known.stop()
    store.self_test = None
    store.worker_text = ""


def restart(context: bpy.types.Context) -> None:
    """A new worker, with the preferences of now."""
    stop_worker()
    store.self_test_text = ""
    client(context).start()
    timers.ensure()


def shut_down() -> None:
    """Before another file, and when the add-on goes: no job, no thread, no timer."""
    timers.stop()
    cancel()
    state.reset()


def drain() -> bool:
    """Take in what the worker reported; a source of :mod:`.timers`. Returns whether more is to come."""
    known = store.client
    if known is None:
        return False
    for event in known.poll():
        try:
            _on_event(event)
        except Exception as error:  # a full disk, say; the job must not stay open
            from . import live

            _close_job(live.one_line(error), "ERROR")
    waiting = known.alive and known.state == "starting"
    return store.job is not None or store.self_test is not None or waiting


def _on_event(event: Event) -> None:
    if event.kind == "ready":
        store.worker_text = ""
    elif event.kind == "crashed":
        store.worker_text = worker_events.message_of(event)
    ended = event.kind in ("done", "error", "crashed")
    if store.self_test is not None and ended and worker_events.concerns(event, store.self_test):
        store.self_test = None
        store.self_test_text = worker_events.self_test_line(event)
    job = store.job
    if job is None or not worker_events.concerns(event, job.number):
        return
    scene = _scene_of(job.scene)
    if event.kind == "progress":
        job.done, total, job.fps, job.left = worker_events.progress_of(event)
        job.total = total or job.total
    elif event.kind == "warning" and scene is not None:
        state.clip(scene).capture_warnings.append(worker_events.message_of(event))
    elif event.kind == "done":
        warnings = list(state.clip(scene).capture_warnings) if scene is not None else []
        takes = job.entry.finish(event.values["takes"])
        store.job = None
        if scene is not None:
            _finished(scene, takes, warnings, f"{float(event.values.get('fps') or 0.0):.1f} frames/s")
    elif event.kind in ("error", "crashed"):
        error = worker_events.error_of(event)
        stopped = job.cancelling or type(error).__name__ == "Cancelled"
        _close_job("Cancelled; the scene is as it was" if stopped else str(error), "CANCEL" if stopped else "ERROR")


def _close_job(message: str, icon: str) -> None:
    job, store.job = store.job, None
    scene = _scene_of(job.scene) if job is not None else None
    if scene is not None:
        clip = state.clip(scene)
        clip.message, clip.message_icon = message, icon


def _finished(scene: bpy.types.Scene, takes: list[Any], warnings: list[str], how: str) -> None:
    """The Takes are there: keep them, remember where, and solve."""
    from . import live

    clip = state.clip(scene)
    clip.takes = list(takes)
    clip.capture_warnings = warnings
    clip.message = "Analysed" + (f" ({how})" if how else "")
    clip.message_icon = "CHECKMARK"
    scene.posecore.capture.takes = "\n".join(str(path) for path in takes)
    live.request(scene)


def _scene_of(key: int) -> bpy.types.Scene | None:
    import bpy

    return next((scene for scene in bpy.data.scenes if state.key_of(scene) == key), None)


def _expected(clip: state.Clip, options: workflow.CaptureOptions) -> int | None:
    """Frames to come, before the worker says so."""
    if clip.info is None or clip.info.frames is None:
        return None
    if options.start is None or options.stop is None:
        return clip.info.frames
    return min(clip.info.frames, round((options.stop - options.start) * clip.info.rate))


def wait_for_self_test(timeout: float = 120.0) -> None:
    """For scripts, which have no timer."""
    end = time.monotonic() + timeout
    while store.self_test is not None and time.monotonic() < end:
        drain()
        time.sleep(0.02)


timers.listen(drain)
