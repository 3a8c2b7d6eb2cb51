"""posecore's own wheel for the extension: built from the checkout, with BlazePose's files put in."""

from __future__ import annotations

import base64
import hashlib
import importlib.util
import os
import re
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from posecore.errors import PosecoreError
from posecore.runtime import weights
from tools.extension.archive import write_zip
from tools.extension.wheels import Wheel, fetch, run_pip

__all__ = ["blazepose_files", "build_wheel", "repack"]

WEIGHTS_FOLDER = "posecore/runtime/weights"


def build_wheel(checkout: Path, folder: Path) -> Path:
    """``pip wheel --no-deps`` of the checkout; returns the wheel in ``folder``.

    Raises:
        PosecoreError: pip cannot build it.
    """
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check", "--no-input"]
    if importlib.util.find_spec("hatchling"):  # no need to fetch it then
        command.append("--no-build-isolation")
    run_pip([*command, "--no-deps", "--wheel-dir", str(folder), str(checkout)], "build posecore's own wheel")
    found = list(folder.glob("posecore-*.whl"))
    if len(found) != 1:
        raise PosecoreError(f"pip built {len(found)} wheels of posecore, not one")
    return found[0]


def blazepose_files(source: Wheel, cache: Path) -> dict[str, bytes]:
    """BlazePose's card, networks, licence and notice: path inside posecore's wheel -> contents.

    They come out of the wheel of mediapipe as ``posecore models add blazepose`` takes them, each checked.

    Raises:
        PosecoreError: the wheel cannot be had, or its files are not the expected ones.
    """
    wheel = fetch(source, cache)
    with tempfile.TemporaryDirectory(prefix="posecore-") as folder, _weights_store(folder):
        weights.add("blazepose", from_file=wheel)
        paths = sorted(path for path in Path(folder).rglob("*") if path.is_file())
        return {f"{WEIGHTS_FOLDER}/{path.relative_to(folder).as_posix()}": path.read_bytes() for path in paths}


@contextmanager
def _weights_store(folder: str) -> Iterator[None]:
    """Let ``folder`` be the user's weights store, so that the real one is neither read nor written."""
    before = os.environ.get("POSECORE_WEIGHTS")
    os.environ["POSECORE_WEIGHTS"] = folder
    try:
        yield
    finally:
        if before is None:
            del os.environ["POSECORE_WEIGHTS"]
        else:
            os.environ["POSECORE_WEIGHTS"] = before


def repack(wheel: Path, extra: Mapping[str, bytes], folder: Path) -> Path:
    """A copy of ``wheel`` in ``folder`` with ``extra`` in it and a version of its own, ``0.1.0+`` and a digest.

    Blender unpacks a wheel only if its version was not there before: by the digest a rebuilt library is never
    mistaken for the one installed.
    """
    with zipfile.ZipFile(wheel) as archive:
        files = {name: archive.read(name) for name in archive.namelist() if not name.endswith("/")}
    files = {name: data for name, data in files.items() if not name.endswith(".dist-info/RECORD")} | dict(extra)
    project, version, tags = wheel.name.split("-", 2)
    digest = hashlib.sha256(b"".join(name.encode() + hashlib.sha256(files[name]).digest() for name in sorted(files)))
    local = f"{version}+{digest.hexdigest()[:12]}"
    info = f"{project}-{local}.dist-info"
    files = {name.replace(f"{project}-{version}.dist-info/", f"{info}/"): data for name, data in files.items()}
    metadata = files[f"{info}/METADATA"].decode("utf-8")
    files[f"{info}/METADATA"] = re.sub(
        r"^Version: .*$", f"Version: {local}", metadata, count=1, flags=re.MULTILINE
    ).encode("utf-8")
    files[f"{info}/RECORD"] = _record(files, info)
    target = folder / f"{project}-{local}-{tags}"
    write_zip(target, files)
    return target


def _record(files: Mapping[str, bytes], info: str) -> bytes:
    """RECORD as PEP 376 wants it: path, sha256, size."""
    rows = []
    for name in sorted(files):
        digest = base64.urlsafe_b64encode(hashlib.sha256(files[name]).digest()).rstrip(b"=").decode()
        rows.append(f"{name},sha256={digest},{len(files[name])}")
    return "\n".join([*rows, f"{info}/RECORD,,", ""]).encode("utf-8")
