"""Where the installed extension's packages come from, and the self-test of its worker."""

import importlib
import json
import os
import platform
import sys
import traceback

import bpy


def main():
    """One JSON object."""
    places = {}
    for name in ("av", "onnxruntime", "PIL", "posecore", "scipy", "ai_edge_litert"):
        places[name] = importlib.import_module(name).__file__
    client = importlib.import_module("bl_ext.user_default.posecore.worker_client").WorkerClient()
    try:
        end = client.wait(client.self_test("cpu"), timeout=180)
        worker = {"kind": end.kind, **end.values, "about": client.about}
    finally:
        client.stop()
    return {
        "blender": bpy.app.version_string,
        "python": platform.python_version(),
        "numpy": importlib.import_module("numpy").__version__,
        "places": places,
        "worker": worker,
    }


try:
    print("\n" + json.dumps(main(), default=str), flush=True)
except BaseException:
    traceback.print_exc()
    sys.stderr.flush()
    os._exit(3)
