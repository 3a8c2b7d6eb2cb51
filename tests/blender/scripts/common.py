"""What the scripts that run inside Blender share. A script begins with

    import os, sys
    sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
    import common

and ends with ``common.run(main)``; ``main`` gets the script's arguments and returns a dictionary of JSON values.
It runs as ``python script.py ARGUMENTS`` and as ``blender -b -P script.py -- ARGUMENTS``.
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[2]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

import bpy  # after the path: a script may be run from anywhere
import numpy as np


def arguments() -> list[str]:
    """The script's own arguments."""
    return sys.argv[sys.argv.index("--") + 1 :] if "--" in sys.argv else sys.argv[1:]


def run(main: Callable[..., dict[str, Any]]) -> None:
    """Call ``main(*arguments)``, print its result on the last line and leave.

    Leaves by ``os._exit``: bpy 4.5 hangs at interpreter exit after a Rigify rig was generated.
    """
    code = 0
    try:
        result = main(*arguments())
        print("\n" + json.dumps(result, default=_plain), flush=True)
    except BaseException:
        traceback.print_exc()
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, np.generic):
        return value.item()
    return str(value)


def cache() -> Path:
    """The test session's folder; the current one where nobody named it."""
    folder = Path(os.environ.get("POSECORE_BLENDER_CACHE") or ROOT / "build" / "blender")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def data_folder() -> Path:
    """The shared data; the test skips beforehand where there is none."""
    return Path(os.environ.get("POSECORE_DATA") or ROOT.parent / "shared" / "data")


def fresh_scene(rate: float = 30.0) -> bpy.types.Scene:
    """An empty scene at ``rate`` frames a second. Restores factory settings first."""
    bpy.ops.wm.read_factory_settings(use_empty=True)
    scene = bpy.context.scene
    scene.render.fps, scene.render.fps_base = round(rate), round(rate) / rate
    return scene
