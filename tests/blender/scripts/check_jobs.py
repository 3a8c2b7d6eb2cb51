"""The worker seen from the interface: analyse, cache, sliders, cancel, crash, another file."""

from __future__ import annotations

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import signal
import time
from pathlib import Path

import bpy
import common
import numpy as np

import addon
from addon import jobs, live, paths, state, takes_cache, timers
from posecore.errors import OutputError

WALK = str(common.ROOT / "examples" / "walk.mp4")


def pump(until, seconds: float = 60.0) -> bool:
    """Run the timer's rounds, as a window would, until ``until()``."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        timers.tick()
        if until():
            return True
        time.sleep(0.02)
    return False


def choose(scene, first: int, last: int) -> None:
    scene.posecore.capture.source = WALK
    scene.posecore.capture.use_range = True
    scene.posecore.capture.first_frame, scene.posecore.capture.last_frame = first, last


def _full(*_: object) -> None:
    raise OutputError("takes.json: cannot write there (No space left on device)")


def main(folder: str) -> dict:
    scene = common.fresh_scene()
    addon.register()
    paths._Defaults.cache = folder
    ops, out = bpy.ops.posecore, {}

    # -- from a script: waits
    choose(scene, 10, 29)
    out["analyse"] = [*ops.analyse()]
    clip = state.clip(scene)
    out["frames"] = [int(frame) for frame in np.load(clip.takes[0])["frames"]]
    out["kept in the scene"] = scene.posecore.capture.takes == str(clip.takes[0])
    begun = time.perf_counter()
    out["again"] = [*ops.analyse(), state.clip(scene).message]
    out["again seconds"] = time.perf_counter() - begun

    # -- sliders
    rough = clip.motion
    path = rough.translation.copy()
    scene.posecore.solve.in_place = True
    out["in place"] = [float(abs(path[:, [0, 2]]).max()), float(abs(clip.motion.translation[:, [0, 2]]).max())]
    scene.posecore.solve.in_place = False
    scene.posecore.solve.height = 1.5
    out["height"] = clip.motion.notes["height"]
    scene.unit_settings.scale_length = 0.01  # a scene in centimetres
    scene.posecore.solve.height = 190.0
    out["height in centimetres"] = clip.motion.notes["height"]
    scene.unit_settings.scale_length = 1.0
    scene.posecore.solve.height = 0.0
    out["solve seconds"] = clip.solve_seconds

    # -- in the background: progress, ticks, cancel
    choose(scene, 0, 299)
    before = scene.posecore.capture.takes
    del timers.last_ticks[:]
    jobs.analyse_in_background(bpy.context)
    out["progress"] = pump(lambda: state.store.job is None or state.store.job.done > 5)
    out["job"] = [state.store.job.done, state.store.job.total, state.store.job.fps]
    out["cancel"] = [*ops.cancel()]
    begun = time.perf_counter()
    out["cancelled"] = pump(lambda: state.store.job is None)
    out["cancel seconds"] = time.perf_counter() - begun
    out["cancel message"] = state.clip(scene).message
    out["nothing changed"] = scene.posecore.capture.takes == before
    out["quiet"] = not timers.tick()
    out["ticks ms"] = [1000 * float(np.median(timers.last_ticks)), 1000 * max(timers.last_ticks)]

    # -- the worker is killed
    jobs.analyse_in_background(bpy.context)
    pump(lambda: state.store.job.done > 0)
    os.kill(state.store.client.pid, signal.SIGKILL)
    out["crash seen"] = pump(lambda: state.store.job is None)
    out["crash message"] = state.clip(scene).message
    choose(scene, 0, 4)
    out["after the crash"] = [*ops.analyse()]

    # -- the disk is full when the list of Takes is written
    choose(scene, 0, 3)
    finish, takes_cache.Entry.finish = takes_cache.Entry.finish, _full
    jobs.analyse_in_background(bpy.context)
    out["full disk"] = [pump(lambda: state.store.job is None), state.clip(scene).message]
    takes_cache.Entry.finish = finish

    # -- wrong files reach the worker only by a script
    scene.posecore.capture.source = str(Path(folder) / "gone.mp4")
    try:
        out["gone"] = [*ops.analyse()]
    except RuntimeError as error:
        out["gone"] = str(error).strip()

    # -- another file while a job runs; then back
    choose(scene, 0, 4)
    ops.analyse()
    takes = scene.posecore.capture.takes
    blend = Path(folder) / "scene.blend"
    bpy.ops.wm.save_as_mainfile(filepath=str(blend))
    choose(scene, 0, 250)
    jobs.analyse_in_background(bpy.context)
    bpy.ops.wm.read_factory_settings(use_empty=True)
    out["job after loading"] = state.store.job is None and not timers.running()
    bpy.ops.wm.open_mainfile(filepath=str(blend))
    scene = bpy.context.scene
    out["restored"] = [scene.posecore.capture.takes == takes, len(state.clip(scene).motion or ())]
    # -- undo back to before another source was chosen
    bpy.ops.ed.undo_push(message="Analysed")
    scene.posecore.capture.source = ""
    bpy.ops.ed.undo_push(message="No source")
    bpy.ops.ed.undo()
    scene = bpy.context.scene
    clip = state.clip(scene)
    out["undone"] = [scene.posecore.capture.takes == takes, len(clip.motion or ()), clip.message]
    bpy.ops.ed.redo()
    out["redone"] = [bpy.context.scene.posecore.capture.source, len(state.clip(bpy.context.scene).takes)]
    bpy.ops.ed.undo()
    scene = bpy.context.scene

    # -- a copied scene finds its clip when the tab is drawn
    bpy.ops.scene.new(type="FULL_COPY")
    copied = bpy.context.scene
    live.threaded = lambda: True
    live.warm_up(copied)
    pump(lambda: state.clip(copied).motion is not None and state.store.hello, 20)
    live.threaded = lambda: False
    out["copied"] = [copied != scene, len(state.clip(copied).motion or ())]
    out["estimators"] = [entry["name"] for entry in state.store.hello["estimators"]]

    # -- the Take is deleted behind our back
    for file in Path(folder).glob("*/*.npz"):
        file.unlink()
    copied.posecore.solve.smoothing = 0.3
    out["take gone"] = state.clip(copied).solve_error
    out["self-test"] = [*ops.self_test(), state.store.self_test_text]
    out["measure"] = [*ops.measure_cache(), state.store.cache_text]
    out["clear"] = [*ops.clear_cache(), len(list(Path(folder).glob("*/takes.json")))]
    pid = state.store.client.pid
    addon.unregister()
    time.sleep(0.2)
    out["worker gone"] = not Path(f"/proc/{pid}").exists() if Path("/proc").exists() else True
    return out


common.run(main)
