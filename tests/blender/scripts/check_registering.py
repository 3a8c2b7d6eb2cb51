"""Registering the add-on: what it costs, and that nothing of it stays behind."""

from __future__ import annotations

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import time

import bpy
import common

HEAVY = ("posecore", "numpy", "scipy", "onnxruntime", "av", "PIL")


def ours() -> dict[str, list[str]]:
    """Everything of ours that Blender holds."""
    classes = [name for name in dir(bpy.types) if name.lower().startswith("posecore")]
    handlers = [
        f"{name}:{function.__name__}"
        for name in dir(bpy.app.handlers)
        if isinstance(getattr(bpy.app.handlers, name), list)
        for function in getattr(bpy.app.handlers, name)
        if "posecore" in getattr(function, "__name__", "")
    ]
    operators = list(dir(bpy.ops.posecore)) if "posecore" in dir(bpy.ops) else []
    return {
        "classes": classes,
        "handlers": handlers,
        "operators": operators,
        "scene": [name for name in bpy.types.Scene.bl_rna.properties.keys() if name == "posecore"],  # noqa: SIM118
    }


def main() -> dict:
    common.fresh_scene()
    for name in HEAVY:  # the harness has loaded some of them already
        for module in [known for known in sys.modules if known == name or known.startswith(f"{name}.")]:
            if name != "numpy":
                del sys.modules[module]
    before = ours()
    begun = time.perf_counter()
    import addon

    addon.register()
    seconds = time.perf_counter() - begun
    loaded = [name for name in HEAVY if name in sys.modules and name != "numpy"]
    during = ours()
    addon.register()
    again = ours()
    from addon import timers

    timer = timers.running()
    addon.unregister()
    addon.unregister()
    after = ours()
    addon.register()
    third = ours()
    bpy.context.scene.posecore.solve.smoothing = 0.25
    addon.unregister()
    import threading

    return {
        "before": before,
        "during": during,
        "again": again,
        "after": after,
        "third": third,
        "last": ours(),
        "seconds": seconds,
        "loaded": loaded,
        "timer": timer,
        "threads": [thread.name for thread in threading.enumerate() if thread.name == "posecore"],
    }


common.run(main)
