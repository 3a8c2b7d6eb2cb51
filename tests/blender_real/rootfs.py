"""Debian systems with a real Blender in them, made once with mmdebstrap and kept outside the repository.

``POSECORE_ROOTFS`` is the folder that holds them, one a suite; ``POSECORE_MIRROR`` the mirror, if not that of this
machine's own apt. They need root, mmdebstrap and bubblewrap, and about 1.3 GB each.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

#: Suite -> the Blender and Python in it when this was written (for messages only).
SUITES = {"sid": "Blender 5.2, Python 3.14", "trixie": "Blender 4.3, Python 3.13"}
PYTHONS = {"sid": "3.14", "trixie": "3.13"}

_PACKAGES = ["blender", "python3-numpy", "python3-cattr", "python3-requests", "libegl1", "libgl1", "libgl1-mesa-dri"]
_WINDOW = ["xvfb", "xauth", "xdotool", "imagemagick", "fonts-dejavu-core"]
_MARK = "posecore-packages"
_SECONDS = 600


class Unavailable(Exception):
    """There is no such system here and none can be made; the message says why."""


def base() -> Path:
    """The folder of all the systems."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(os.environ.get("POSECORE_ROOTFS") or Path(cache) / "posecore" / "rootfs")


def packages(suite: str) -> str:
    """What goes into a suite's system; only sid is tried with a window."""
    return ",".join(_PACKAGES + (_WINDOW if suite == "sid" else []))


def get(suite: str) -> Path:
    """The root folder of a suite's system, made now if it is not there.

    Raises:
        Unavailable: it cannot be had.
    """
    folder = base() / suite
    if not shutil.which("bwrap"):
        raise Unavailable("bubblewrap is not installed (apt-get install bubblewrap)")
    if not _complete(folder, suite):
        _make(folder, suite)
    probe = ["bwrap", "--bind", str(folder), "/", "--proc", "/proc", "--dev", "/dev", "--unshare-net", "--unshare-pid"]
    done = subprocess.run([*probe, "true"], capture_output=True, text=True, check=False)
    if done.returncode:
        raise Unavailable(f"bubblewrap cannot make a sandbox here ({done.stderr.strip()[:200]})")
    return folder


def _complete(folder: Path, suite: str) -> bool:
    mark = folder / _MARK
    return mark.is_file() and mark.read_text().strip() == packages(suite)


def _make(folder: Path, suite: str) -> None:
    if not shutil.which("mmdebstrap"):
        raise Unavailable("mmdebstrap is not installed (apt-get install mmdebstrap)")
    if os.geteuid() != 0:
        raise Unavailable("mmdebstrap needs root")
    folder.parent.mkdir(parents=True, exist_ok=True)
    begun = folder.with_name(f".{suite}-{os.getpid()}")
    command = ["mmdebstrap", "--quiet", "--variant=minbase", '--aptopt=APT::Install-Recommends "false"']
    command += ['--aptopt=Acquire::Check-Valid-Until "false"', '--aptopt=Acquire::http::Timeout "60"']
    command += [f"--include={packages(suite)}", suite, str(begun), mirror()]
    print(f"making {folder} ({SUITES[suite]}, about 2 minutes and 1.3 GB)", flush=True)
    try:
        done = subprocess.run(
            command,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            timeout=_SECONDS,
            check=False,
            env=os.environ | {"TMPDIR": str(folder.parent)},
        )
        if done.returncode:
            lines = [line for line in done.stderr.splitlines() if line.startswith("E: ")] or ["it says nothing"]
            raise Unavailable(f"mmdebstrap cannot make {suite} from {mirror()} ({lines[-1][:200]})")
        (begun / _MARK).write_text(packages(suite) + "\n")
        shutil.rmtree(folder, ignore_errors=True)
        begun.replace(folder)
    except subprocess.TimeoutExpired:
        raise Unavailable(f"mmdebstrap was not done after {_SECONDS} s") from None
    finally:
        shutil.rmtree(begun, ignore_errors=True)


def mirror() -> str:
    """The Debian mirror: ``POSECORE_MIRROR``, or the one that this machine's apt uses, or Debian's own."""
    if chosen := os.environ.get("POSECORE_MIRROR"):
        return chosen
    apt = Path("/etc/apt")
    lists = [apt / "sources.list", *sorted((apt / "sources.list.d").glob("*"))] if apt.is_dir() else []
    for path in lists:
        if path.is_file():
            text = path.read_text(encoding="utf-8", errors="replace")
            found = re.search(r"^(?:URIs:|deb(?: \[[^]]*\])?)\s+(https?://\S+/debian/?)(?:\s|$)", text, re.MULTILINE)
            if found:
                return found.group(1)
    return "http://deb.debian.org/debian"


if __name__ == "__main__":
    for name in sys.argv[1:] or SUITES:
        try:
            print(get(name))
        except Unavailable as reason:
            print(f"{name}: {reason}")
