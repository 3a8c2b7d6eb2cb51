"""Which wheels go into the extension, and getting them: a pinned table (``wheels.toml``), pip, sha256."""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from posecore.errors import PosecoreError

__all__ = ["DEFAULT_PYTHONS", "PLATFORMS", "TABLE", "Wheel", "choose", "fetch", "read_table", "refresh"]

#: Our names of the platforms, which are also Blender's.
PLATFORMS = ("linux-x64", "windows-x64", "macos-arm64")
#: Blender 4.2-5.0 has Python 3.11, 5.1 and later 3.13; Debian's own Blender has the system's.
DEFAULT_PYTHONS = ("3.11", "3.13")
TABLE = Path(__file__).with_name("wheels.toml")

#: What posecore needs inside Blender, as wheels spell it. numpy is Blender's own.
NEEDED = ("av", "onnxruntime", "pillow", "scipy")
BLAZEPOSE_NEEDS = ("ai_edge_litert",)
#: ``--gpu`` -> (the platform it is for, the project whose place it takes, the project).
GPU = {"directml": ("windows-x64", "onnxruntime", "onnxruntime_directml")}


@dataclass(frozen=True)
class Wheel:
    """One row of the table.

    Attributes:
        file: its name on PyPI.
        sha256: of that file.
        platform: one of :data:`PLATFORMS`.
        pythons: the Pythons it is for, as ``"3.11"``.
    """

    file: str
    sha256: str
    platform: str
    pythons: tuple[str, ...]

    @property
    def project(self) -> str:
        """Lower case, with underscores."""
        return self.file.split("-")[0].lower()

    @property
    def version(self) -> str:
        """As in the file's name."""
        return self.file.split("-")[1]

    @property
    def tags(self) -> tuple[str, str, list[str]]:
        """Python tag, ABI tag, platform tags."""
        python, abi, platform = self.file.removesuffix(".whl").split("-")[-3:]
        return python, abi, platform.split(".")


def read_table(path: Path = TABLE) -> list[Wheel]:
    """Every row of the table.

    Raises:
        PosecoreError: it cannot be read, or a row lacks something.
    """
    try:
        rows = tomllib.loads(path.read_text(encoding="utf-8"))["wheel"]
        return [Wheel(row["file"], row["sha256"], row["platform"], tuple(row["python"])) for row in rows]
    except (OSError, KeyError, TypeError, tomllib.TOMLDecodeError) as error:
        raise PosecoreError(f"{path}: not a table of wheels ({error!r})") from error


def choose(
    table: Iterable[Wheel], platform: str, pythons: Sequence[str], *, gpu: str | None = None, blazepose: bool = True
) -> list[Wheel]:
    """The wheels for one zip: for each Python one of each project that is needed, sorted by file name.

    Raises:
        PosecoreError: the table has none for one of them, or ``gpu`` is not for this platform.
    """
    projects = [*NEEDED, *(BLAZEPOSE_NEEDS if blazepose else ())]
    if gpu is not None:
        only_on, replaced, by = GPU[gpu]
        if platform != only_on:
            raise PosecoreError(f"--gpu {gpu} is for {only_on}, not {platform}")
        projects[projects.index(replaced)] = by
    rows = {(wheel.project, python): wheel for wheel in table if wheel.platform == platform for python in wheel.pythons}
    missing = [f"{project} for Python {python}" for project in projects for python in pythons]
    missing = [text for text in missing if tuple(text.split(" for Python ")) not in rows]
    if missing:
        raise PosecoreError(f"{TABLE.name} has no wheel on {platform} of {', '.join(missing)}; see --refresh-table")
    chosen = {rows[project, python] for project in projects for python in pythons}
    return sorted(chosen, key=lambda wheel: wheel.file)


def fetch(wheel: Wheel, cache: Path) -> Path:
    """The wheel's file in ``cache``, downloaded with pip if it is not there; its sha256 is always compared.

    Raises:
        PosecoreError: no pip, no network, or another file than the table's.
    """
    path = cache / wheel.file
    if path.is_file() and sha256(path) == wheel.sha256:
        return path
    path.unlink(missing_ok=True)
    _download(wheel, cache)
    if not path.is_file():
        raise PosecoreError(f"pip downloaded another file than {wheel.file}; see --refresh-table")
    if sha256(path) != wheel.sha256:
        path.unlink()
        raise PosecoreError(f"{wheel.file}: not the file of {TABLE.name} (sha256 differs); nothing was built")
    return path


def _download(wheel: Wheel, cache: Path) -> None:
    """Exactly the tags of the row, so that it does not matter on what this runs. The user's pip settings hold."""
    cache.mkdir(parents=True, exist_ok=True)
    python, abi, platforms = wheel.tags
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-input"]
    command += ["--no-deps", "--only-binary=:all:", "--implementation=cp"]
    command += [f"--python-version={re.sub(r'^cp3', '3.', python)}", f"--abi={abi}"]
    command += [f"--platform={tag}" for tag in platforms]
    command += ["--dest", str(cache), f"{wheel.project.replace('_', '-')}=={wheel.version}"]
    run_pip(command, f"download {wheel.file}")


def run_pip(command: Sequence[str], what: str) -> None:
    """Run pip; its last error in one line.

    Raises:
        PosecoreError: there is no pip, or it fails.
    """
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    if done.returncode == 0:
        return
    if "No module named pip" in done.stderr:
        raise PosecoreError(f"no pip in {sys.executable}: make a virtual environment, or run python -m ensurepip")
    lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
    errors = [line for line in lines if line.lower().startswith("error")] or lines[-1:] or ["it said nothing"]
    raise PosecoreError(f"pip could not {what} ({errors[0][:200]}); is there a network?")


def refresh(cache: Path, path: Path = TABLE) -> int:
    """Download every row's file again by its version and write the sha256 anew; returns the number of rows.

    To move to a newer version, change the file names in the table, then call this.
    """
    from posecore.files import atomic_path

    text = path.read_text(encoding="utf-8")
    rows = read_table(path)
    for wheel in rows:
        found = cache / wheel.file
        if not found.is_file():
            _download(wheel, cache)
        text = re.sub(
            rf'(file = "{re.escape(wheel.file)}"\nsha256 = )"[^"]*"', rf'\g<1>"{sha256(found)}"', text, count=1
        )
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return len(rows)


def sha256(path: Path) -> str:
    """In hexadecimal."""
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
