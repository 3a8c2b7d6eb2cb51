"""Runs scripts inside the Blenders at hand, each in a child process.

A Blender is a Python that can import ``bpy``, or a Blender binary. The current Python is one if it has ``bpy``; more
are named in the environment variable ``POSECORE_BLENDERS`` (paths, separated as in ``PATH``). A crash or a hang of
Blender takes the child, never the tests.
"""

from __future__ import annotations

import atexit
import functools
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

SCRIPTS = Path(__file__).resolve().parent / "scripts"
ROOT = SCRIPTS.parents[2]


class BlenderFailed(AssertionError):
    """A script ended badly; the message holds what it wrote."""


def blenders() -> list[str]:
    """Paths of the Blenders to test under, none twice."""
    found = [sys.executable] if importlib.util.find_spec("bpy") else []
    found += [path for path in os.environ.get("POSECORE_BLENDERS", "").split(os.pathsep) if path]
    return list(dict.fromkeys(found))


def is_binary(blender: str) -> bool:
    """Whether it is Blender itself rather than a Python with ``bpy``."""
    return Path(blender).name.lower().startswith("blender")


@functools.cache
def version(blender: str) -> str:
    """E.g. ``"4.5.15"``; the path where it does not say."""
    if is_binary(blender):
        words = subprocess.run([blender, "--version"], capture_output=True, text=True, check=False).stdout.split()
        return words[1] if len(words) > 1 else blender
    code = "import importlib.metadata as m; print(m.version('bpy'))"
    done = subprocess.run([blender, "-c", code], capture_output=True, text=True, check=False)
    return done.stdout.strip() or blender


@functools.cache
def has_usd(blender: str) -> bool:
    """Whether it was built with USD; Debian's is not, bpy's is."""
    if not is_binary(blender):
        return True
    command = [
        blender,
        "-b",
        "--factory-startup",
        "--python-expr",
        "import bpy; print('usd', bpy.app.build_options.usd)",
    ]
    return "usd True" in subprocess.run(command, capture_output=True, text=True, check=False).stdout


@functools.cache
def scratch() -> Path:
    """A folder for the whole test session: generated rigs, Blender's user files. ``$POSECORE_BLENDER_CACHE`` keeps
    it for the next session."""
    chosen = os.environ.get("POSECORE_BLENDER_CACHE")
    if chosen:
        Path(chosen).mkdir(parents=True, exist_ok=True)
        return Path(chosen)
    folder = Path(tempfile.mkdtemp(prefix="posecore-blender-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def environment(extra: dict[str, str] | None = None) -> dict[str, str]:
    """Variables of a child: no add-ons or settings of the person who runs the tests, one thread for numpy."""
    ours = {
        "BLENDER_USER_RESOURCES": str(scratch() / "user"),
        "POSECORE_BLENDER_CACHE": str(scratch()),
        "OMP_NUM_THREADS": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    return os.environ | ours | (extra or {})


def command_line(blender: str, script: Path, *arguments: Any) -> list[str]:
    """The command that runs ``script``."""
    words = [str(argument) for argument in arguments]
    if is_binary(blender):
        return [blender, "-b", "--factory-startup", "--python-exit-code", "3", "-P", str(script), "--", *words]
    return [blender, str(script), *words]


def run_in_blender(
    blender: str,
    script: str | Path,
    *arguments: Any,
    timeout: float = 300.0,
    extra_environment: dict[str, str] | None = None,
) -> dict[str, Any]:
    """Run a script and give its result.

    Args:
        blender: one of :func:`blenders`.
        script: path, or the name of a file in ``tests/blender/scripts``.
        arguments: for the script; turned into strings.
        timeout: seconds until it is killed.
        extra_environment: variables for the child.

    Returns:
        The JSON object on the last line of its output that starts with ``{``.

    Raises:
        BlenderFailed: it failed, took too long or gave no result.
    """
    path = Path(script) if Path(script).is_absolute() else SCRIPTS / script
    command = command_line(blender, path, *arguments)
    try:
        done = subprocess.run(
            command,
            cwd=ROOT,
            env=environment(extra_environment),
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        said = (error.stdout or b"")[-3000:]
        raise BlenderFailed(f"{path.name}: not done after {timeout:.0f} s\n{said!r}") from None
    told = "\n".join([f"{path.name}: exit code {done.returncode}", done.stdout[-4000:], done.stderr[-4000:]])
    if done.returncode:
        raise BlenderFailed(told)
    for line in reversed(done.stdout.splitlines()):
        if line.startswith("{"):
            result: dict[str, Any] = json.loads(line)
            return result
    raise BlenderFailed(f"no result: {told}")
