"""How long Blender's main thread is held: keys, mapping, re-solving, analysing, registering.

    python -m benchmarks.blender --output docs/results/blender.md

Run it with a Python that has ``bpy``, once for each Blender; every figure is the median of ``--repeats``, but for the
longest round during the analysis, which is the longest of all.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

import bpy
import numpy as np
from scipy.spatial.transform import Rotation

from benchmarks.tables import markdown

ROOT = Path(__file__).resolve().parent.parent
WALK = ROOT / "examples" / "walk.mp4"


def seconds(work: Callable[[], Any], repeats: int) -> float:
    """Median of the seconds of ``repeats`` calls."""
    spent = []
    for _ in range(repeats):
        began = time.perf_counter()
        work()
        spent.append(time.perf_counter() - began)
    return median(spent)


def fresh_scene() -> bpy.types.Scene:
    """An empty one, 30 frames/s."""
    bpy.ops.wm.read_factory_settings(use_empty=True)
    bpy.context.scene.render.fps = 30
    return bpy.context.scene


def row_of_bones(count: int) -> bpy.types.Object:
    """An armature whose bones hang on one another."""
    data = bpy.data.armatures.new("Row")
    armature = bpy.data.objects.new("Row", data)
    bpy.context.scene.collection.objects.link(armature)
    bpy.context.view_layer.objects.active = armature
    bpy.ops.object.mode_set(mode="EDIT")
    above = None
    for number in range(count):
        bone = data.edit_bones.new(f"bone{number}")
        bone.head, bone.tail, bone.parent = (0, 0, 0.1 * number), (0, 0, 0.1 * (number + 1)), above
        above = bone
    bpy.ops.object.mode_set(mode="OBJECT")
    return armature


def keys(bones: int, frames: int, mode: str, repeats: int) -> float:
    """Seconds for ``bones`` × ``frames`` rotations and one path, as a new action."""
    from addon import workflow
    from addon.bridge.rigs import read_rig
    from posecore.retargeting import RigMotion

    scene = fresh_scene()
    armature = row_of_bones(bones)
    for bone in armature.pose.bones:
        bone.rotation_mode = mode
    rig = read_rig(armature)
    generator = np.random.default_rng(1)
    turns = np.cumsum(generator.normal(0, 0.02, (frames, bones, 3)), axis=0)
    motion = RigMotion(
        rig=rig,
        times=np.arange(frames) / 30.0,
        bones=rig.names,
        rotations=Rotation.from_rotvec(turns.reshape(-1, 3)).as_quat().reshape(frames, bones, 4).astype(np.float32),
        locations={rig.names[0]: np.cumsum(generator.normal(0, 0.01, (frames, 3)), axis=0).astype(np.float32)},
    )
    return seconds(
        lambda: workflow.apply_rig_motion(motion, armature, workflow.ApplyOptions(stash=False), (), scene), repeats
    )


def take_of(frames: int, folder: Path) -> Path:
    """A Take of ``frames`` frames: the example's, forwards and backwards as often as it takes."""
    import posecore

    short = posecore.capture(str(WALK), estimator="sapnet", stop=3.0)[0]
    there_and_back = [*range(len(short)), *range(len(short) - 2, 0, -1)]
    picked = np.resize(there_and_back, frames)
    arrays = ("boxes", "keypoints", "confidence", "joints", "joints_raw")
    long = replace(
        short,
        times=np.arange(frames) / short.rate,
        frames=np.arange(frames),
        **{name: getattr(short, name)[picked] for name in arrays},
    )
    path = folder / "long.npz"
    long.save(path)
    return path


def rigify_rig() -> bpy.types.Object:
    """Rigify's human, generated."""
    import addon_utils

    fresh_scene()
    addon_utils.enable("rigify", default_set=True)
    bpy.ops.object.armature_human_metarig_add()
    bpy.ops.pose.rigify_generate()
    return bpy.data.objects["rig"]


def rigify(take: Path, frames: int, repeats: int) -> list[dict[str, Any]]:
    """Mapping, and what a moved slider costs, on a Rigify rig."""
    from addon import workflow
    from posecore import SolveSettings

    armature = rigify_rig()
    scene = bpy.context.scene
    scene.render.fps = 30
    rows = []
    spent = seconds(lambda: workflow.map_target(armature), repeats)
    bones = len(armature.data.bones)
    rows.append({"what": f"Rigify's human ({bones} bones) read and mapped", "figure": spent, "unit": "s"})
    rig, mapping = workflow.map_target(armature)
    switches = workflow.preset_switches(mapping, rig)
    workflow.read_take(take)
    parts: dict[str, list[float]] = {"all": [], "solved": [], "onto the rig's bones": [], "keyed": []}
    for number in range(repeats):
        marks = [time.perf_counter()]
        motion = workflow.solve_take(take, SolveSettings(smoothing=0.3 + 0.1 * number))
        marks.append(time.perf_counter())
        rig_motion = workflow.plan_retarget(motion, rig, mapping)
        marks.append(time.perf_counter())
        workflow.apply_rig_motion(rig_motion, armature, workflow.ApplyOptions(stash=False), switches, scene)
        marks.append(time.perf_counter())
        for name, value in zip(parts, [marks[-1] - marks[0], *np.diff(marks)], strict=True):
            parts[name].append(float(value))
    for name, values in parts.items():
        what = f"{frames} frames on it: re-solve + re-apply" if name == "all" else f"– {name}"
        rows.append({"what": what, "figure": median(values), "unit": "s"})
    return rows


def analysing(folder: Path) -> list[dict[str, Any]]:
    """The timer's rounds while the worker analyses the example, taken every 50 ms as a window would, to the end of
    the solving that follows in the thread."""
    import addon
    from addon import jobs, live, paths, state, timers

    scene = fresh_scene()
    addon.register()
    live.threaded = lambda: True  # as with a window; without one the add-on waits for every step
    live.warm_up(scene)  # drawing the tab does that
    while timers.tick():
        time.sleep(0.05)
    paths._Defaults.cache = str(folder)
    scene.posecore.capture.source = str(WALK)
    rounds: list[float] = []
    began = time.perf_counter()
    jobs.analyse_in_background(bpy.context)
    start = time.perf_counter() - began
    more = True
    while (more or state.store.job is not None) and time.perf_counter() - began < 300:
        time.sleep(0.05)
        mark = time.perf_counter()
        more = timers.tick()
        rounds.append(time.perf_counter() - mark)
    if state.clip(scene).motion is None:
        raise SystemExit("the analysis came to no end; is the machine busy?")
    addon.unregister()
    return [
        {"what": "Analyse pressed, until the window goes on", "figure": 1000 * start, "unit": "ms"},
        {"what": f"longest of {len(rounds)} rounds during the analysis", "figure": 1000 * max(rounds), "unit": "ms"},
        {"what": "– the median round", "figure": 1000 * median(rounds), "unit": "ms"},
    ]


_REGISTER = """
import sys, time
import bpy
began = time.perf_counter()
import addon
addon.register()
print("seconds", time.perf_counter() - began, flush=True)
import os
os._exit(0)
"""


def registering(repeats: int) -> float:
    """Seconds to import and register the add-on, each in a new process."""
    spent = []
    for _ in range(repeats):
        done = subprocess.run([sys.executable, "-c", _REGISTER], cwd=ROOT, capture_output=True, text=True, check=True)
        spent.append(float(next(line for line in done.stdout.splitlines() if line.startswith("seconds")).split()[1]))
    return median(spent)


def measure(repeats: int) -> list[dict[str, Any]]:
    """All rows."""
    rows: list[dict[str, Any]] = []
    rows.append({"what": "add-on imported and registered", "figure": 1000 * registering(repeats), "unit": "ms"})
    with tempfile.TemporaryDirectory() as folder:
        rows += analysing(Path(folder) / "takes")
        for mode in ("QUATERNION", "XYZ"):
            what = f"keys of 60 bones × 3,000 frames, {mode.lower()}"
            rows.append({"what": what, "figure": keys(60, 3000, mode, repeats), "unit": "s"})
        rows += rigify(take_of(1000, Path(folder)), 1000, repeats)
    return rows


def main() -> None:
    """Print the table, or put it into a page."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.blender", description=__doc__)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--output", type=Path, help="a page whose table for this Blender is written anew")
    options = parser.parse_args()
    table = f"## Blender {bpy.app.version_string}\n\n{markdown(measure(options.repeats))}\n"
    print(table)
    if options.output:
        write(options.output, table)
    sys.stdout.flush()
    os._exit(0)  # bpy 4.5 hangs at interpreter exit after a Rigify rig was generated


def write(page: Path, table: str) -> None:
    """Put ``table`` into ``page`` in the place of the one with its heading, or at the end."""
    heading = table.splitlines()[0]
    parts = page.read_text(encoding="utf-8").split("\n## ") if page.is_file() else ["# Blender\n"]
    tables = {part.splitlines()[0]: f"## {part}".strip() for part in parts[1:]}
    tables[heading.removeprefix("## ")] = table.strip()
    chapters = [tables[name] for name in sorted(tables)]
    page.write_text("\n\n".join([parts[0].strip(), *chapters]) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
