"""The window: a person's four clicks under Xvfb, pictures of it, and how long the main thread was held up."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

from tests.blender_real import smoke
from tests.blender_real.box import CHECKOUT, DATA, WORK, Box, data_folder

#: Milliseconds that a call of ours may hold the main thread while an analysis runs.
ALLOWED_MS = 50.0
PICTURES = {
    "analysing": "blender_analysing",
    "analysed": "blender_panel",
    "bones": "blender_bones",
    "applied": "blender_applied",
}


def run(box: Box, images: Path | None = None, seconds: float = 0.0) -> bool:
    """Install, open the window, click; says how it went and copies the pictures to ``images``."""
    smoke.installs(box)
    if not (box.work / "scene.blend").is_file():
        smoke.makes_scenes(box)
    clip = f"{DATA}/video/sports2d_crop_walk.mp4" if data_folder() else f"{CHECKOUT}/examples/walk.mp4"
    script = f"{CHECKOUT}/tests/blender_real/scripts/window.py"
    try:
        done = box.run("python3", script, f"{WORK}/scene.blend", clip, str(seconds), timeout=900)
    except subprocess.TimeoutExpired:
        print("FAILED  the window: not done after 900 s")
        return False
    found = json.loads((box.work / "window.json").read_text()) if done.returncode == 0 else {}
    if not found:
        print(f"FAILED  the window: {done.stdout[-3000:]}{done.stderr[-2000:]}")
        return False
    measured = found["analysis"]
    measured["bare redraw"] = found["redraw"]
    told = ", ".join(f"{name} {worst:.1f} ms at most of {count}" for name, (count, worst) in measured.items())
    slow = max(measured["tick"][1], measured["draw"][1])
    good = slow < ALLOWED_MS
    print(f"{'ok      ' if good else 'FAILED  '}the window: {found['action']}; during the analysis {told}", flush=True)
    if images is not None:
        images.mkdir(parents=True, exist_ok=True)
        for name, target in PICTURES.items():
            if (box.work / f"{name}.png").is_file():
                shutil.copyfile(box.work / f"{name}.png", images / f"{target}.png")
    return good
