"""Runs headless commands as ``blender --command posecore`` does, each in a fresh copy of a scene.

Argument: a JSON file ``{"scene": …, "commands": [[…], …]}`` where ``scene`` is ``none``, ``plain``, ``two``, ``stub``,
``rigify`` or a .blend. ``interrupt`` may hold seconds until a Ctrl-C, ``file_limit`` bytes that no file may exceed.
"""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import json
import signal
import tempfile
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import bpy
import common
import making
from mathutils import Vector

from addon import command_line, streams, worker_client


def make_scene(kind: str) -> None:
    if kind.endswith(".blend"):
        bpy.ops.wm.open_mainfile(filepath=kind)
        return
    if kind == "rigify":
        making.rigify_file()
    common.fresh_scene(30.0)
    if kind == "rigify":
        making.rigify_rig()
    if kind in ("plain", "two"):
        making.plain_rig("A", name="Hero")
    if kind == "two":
        making.plain_rig("T", name="Villain")
    if kind == "stub":
        making.build(
            "Stub",
            {
                "a": ("", Vector((0, 0, 0)), Vector((0, 0, 1)), 0.0),
                "b": ("a", Vector((0, 0, 1)), Vector((0, 0, 2)), 0.0),
            },
        )


@contextmanager
def captured():
    """What is written to the two streams, by Python or by Blender itself."""
    said = {}
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        sys.stdout.flush()
        sys.stderr.flush()
        kept = os.dup(1), os.dup(2)
        os.dup2(out.fileno(), 1)
        os.dup2(err.fileno(), 2)
        try:
            yield said
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            streams.flush()
            os.dup2(kept[0], 1)
            os.dup2(kept[1], 2)
            for name, stream in (("stdout", out), ("stderr", err)):
                stream.seek(0)
                said[name] = stream.read().decode("utf-8", "replace")


@contextmanager
def small_files(limit: int | None):
    """No file can grow over ``limit`` bytes, as on a full disk."""
    if limit is None:
        yield
        return
    import resource

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


class Counted(worker_client.WorkerProcess):
    """A worker process that is counted."""

    count = 0

    def __init__(self, *arguments, **options) -> None:
        super().__init__(*arguments, **options)
        Counted.count += 1


def memory() -> float:
    """Resident megabytes, 0 where the system does not say."""
    status = Path("/proc/self/status")
    if not status.exists():
        return 0.0
    return float(next(line for line in status.read_text().splitlines() if line.startswith("VmRSS")).split()[1]) / 1024


def main(path: str) -> dict:
    asked = json.loads(Path(path).read_text(encoding="utf-8"))
    results = []
    worker_client.WorkerProcess = Counted
    for words in asked["commands"]:
        make_scene(asked["scene"])
        if seconds := asked.get("interrupt"):
            threading.Timer(seconds, os.kill, (os.getpid(), signal.SIGINT)).start()
        Counted.count, began = 0, time.monotonic()
        with captured() as said, small_files(asked.get("file_limit")):
            code = command_line.execute(words)
        results.append(
            {"code": code, "spent": time.monotonic() - began, "memory": memory(), "workers": Counted.count, **said}
        )
    return {"results": results, "handler": str(signal.getsignal(signal.SIGINT))}


common.run(main)
