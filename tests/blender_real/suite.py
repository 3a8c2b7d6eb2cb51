"""The tests of ``tests/blender`` under a real Blender: a program ``blender-SUITE`` that the harness can start."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from tests.blender_real.box import ROOT, Box, data_folder
from tests.blender_real.rootfs import PYTHONS

_SECONDS = 1200


def run(box: Box, suite: str, words: list[str]) -> bool:
    """Run pytest on ``tests/blender``; ``words`` are further arguments of it. Says how it went."""
    program = make_program(box, suite)
    version = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout.split()[1]
    command = [sys.executable, "-m", "pytest", "-q", "--no-header", "tests/blender", "-k", version, *words]
    environment = os.environ | {"POSECORE_BLENDERS": str(program)}
    environment.pop("POSECORE_EXTENSION_ZIP", None)
    try:
        done = subprocess.run(command, cwd=ROOT, env=environment, timeout=_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        print(f"FAILED  tests/blender under {version}: not done after {_SECONDS} s")
        return False
    print(f"{'FAILED  ' if done.returncode else 'ok      '}tests/blender under Blender {version}", flush=True)
    return done.returncode == 0


def make_program(box: Box, suite: str) -> Path:
    """A script that runs Blender in the sandbox, with this machine's paths of the checkout and of temporary files."""
    packages = box.work / "packages"
    unpack(box.work / "posecore.zip", packages, PYTHONS[suite])
    (box.work / "home").mkdir(exist_ok=True)
    binds = ["--bind", str(box.rootfs), "/", "--proc", "/proc", "--dev", "/dev"]
    for folder in {
        tempfile.gettempdir(),
        str(box.work),
        os.environ.get("POSECORE_BLENDER_CACHE", tempfile.gettempdir()),
    }:
        binds += ["--bind", folder, folder]
    for folder in (ROOT, data_folder()):
        binds += ["--ro-bind", str(folder), str(folder)] if folder else []
    binds += [
        "--unshare-net",
        "--die-with-parent",
        "--setenv",
        "HOME",
        str(box.work / "home"),
        "--unsetenv",
        "PYTHONHOME",
    ]
    binds += ["--setenv", "PYTHONPATH", str(packages), "--setenv", "PATH", "/usr/local/bin:/usr/bin:/bin"]
    program = box.work / f"blender-{suite}"
    program.write_text(f'#!/bin/sh\nexec bwrap {shlex.join(binds)} blender --python-use-system-env "$@"\n')
    program.chmod(0o755)
    return program


def unpack(extension: Path, folder: Path, python: str) -> None:
    """The packages that the extension carries for a Python, but for posecore: that is the checkout's."""
    tag = f"cp{python.replace('.', '')}"
    with zipfile.ZipFile(extension) as archive:
        for name in archive.namelist():
            wheel = Path(name).name
            if (
                name.startswith("wheels/")
                and not wheel.startswith("posecore-")
                and (f"-{tag}-" in wheel or "-abi3-" in wheel)
            ):
                with archive.open(name) as stream, zipfile.ZipFile(stream) as inner:
                    inner.extractall(folder)
