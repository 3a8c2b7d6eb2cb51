"""``python -m tests.blender_real``: the built extension in real Blenders, each in a sandbox without a network.

Exit code 0 if all is well or if no such Blender can be had here (one line says why), 1 if a check failed.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.blender_real import rootfs, smoke, suite, window
from tests.blender_real.box import ROOT, Box


def build(folder: Path) -> Path | None:
    """A zip for the Pythons of Debian's systems; None if it cannot be built (said on stderr)."""
    words = [sys.executable, str(ROOT / "tools" / "build_extension.py"), "--platform", "linux-x64"]
    for python in sorted(set(rootfs.PYTHONS.values())):
        words += ["--python", python]
    done = subprocess.run([*words, "--output-dir", str(folder)], cwd=ROOT, check=False)
    return next(iter(folder.glob("*.zip")), None) if done.returncode == 0 else None


def run_checks(box: Box, names: list[str]) -> bool:
    """All the checks in order; the first failure ends them."""
    for name, check in smoke.CHECKS.items():
        if names and name.replace(" ", "_") not in names:
            continue
        begun = time.monotonic()
        try:
            told = check(box)
        except (AssertionError, subprocess.TimeoutExpired, OSError) as error:
            print(f"FAILED  {name}: {error}", flush=True)
            return False
        print(f"ok      {name} ({time.monotonic() - begun:.1f} s) {told}", flush=True)
    return True


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m tests.blender_real", description=__doc__.partition("\n")[0])
    parser.add_argument("--zip", type=Path, help="a built extension for Python 3.13 and 3.14 (default: build one)")
    parser.add_argument("--suite", action="append", choices=list(rootfs.SUITES), help="default: sid, else trixie")
    parser.add_argument("--window", action="store_true", help="also the window under Xvfb, with real clicks (sid)")
    parser.add_argument("--tests", action="store_true", help="also all of tests/blender, in these Blenders")
    parser.add_argument("--images", type=Path, help="where the window's pictures go, as docs/images")
    parser.add_argument("--work", type=Path, help="keep the work folder here")
    parser.add_argument(
        "--only", action="append", default=[], help=f"one of {', '.join(smoke.CHECKS)}, with _ for spaces"
    )
    options = parser.parse_args()
    systems: dict[str, Path] = {}
    for name in options.suite or list(rootfs.SUITES):
        try:
            systems[name] = rootfs.get(name)
        except rootfs.Unavailable as reason:
            print(f"skipped {name} ({rootfs.SUITES[name]}): {reason}")
        if systems and not options.suite:
            break  # the fallback is not needed
    if not systems:
        return 0
    with tempfile.TemporaryDirectory(prefix="posecore-real-") as temporary:
        work = options.work or Path(temporary)
        path = options.zip or build(Path(temporary))
        if path is None:
            print("FAILED  the extension cannot be built (see above)")
            return 1
        good = True
        for name, folder in systems.items():
            print(f"== {name}: {rootfs.SUITES[name]}", flush=True)
            box = Box(folder, work / name)
            if not options.only:
                smoke.tidy(box.work)
            shutil.copyfile(path, box.work / "posecore.zip")
            good &= run_checks(box, options.only)
            if options.tests:
                good &= suite.run(box, name, [])
            if options.window and name == "sid":
                good &= window.run(box, options.images)
    return 0 if good else 1


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "2")
    sys.exit(main())
