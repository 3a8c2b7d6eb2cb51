"""A zip that is the same, byte for byte, whenever it is made of the same files; and which files those are."""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path

__all__ = ["addon_files", "write_zip"]

#: The earliest time that a zip can hold.
_TIME = (1980, 1, 1, 0, 0, 0)
_LEFT_OUT_FOLDERS = {"__pycache__", "tests"}
_LEFT_OUT_SUFFIXES = {".pyc", ".pyo", ".orig", ".rej", ".blend1"}
#: Compressed already: deflating them again costs seconds and gains nothing.
_STORED = {".whl", ".png", ".npz"}


def addon_files(folder: Path) -> dict[str, Path]:
    """What of ``addon/`` goes to the zip's root: path inside the zip -> file."""
    return {path.relative_to(folder).as_posix(): path for path in _wanted(folder)}


def _wanted(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or path.name.endswith("~") or path.suffix in _LEFT_OUT_SUFFIXES:
            continue
        if path.is_dir():
            if path.name not in _LEFT_OUT_FOLDERS:
                yield from _wanted(path)
        else:
            yield path


def write_zip(target: Path, files: Mapping[str, Path | bytes]) -> None:
    """Write a zip with sorted names, fixed times and fixed modes."""
    with zipfile.ZipFile(target, "w") as archive:
        for name in sorted(files):
            content = files[name]
            entry = zipfile.ZipInfo(name, date_time=_TIME)
            entry.create_system = 3  # Unix, so that the mode below counts
            entry.external_attr = 0o100644 << 16
            entry.compress_type = zipfile.ZIP_STORED if Path(name).suffix in _STORED else zipfile.ZIP_DEFLATED
            if isinstance(content, bytes):
                archive.writestr(entry, content)
            else:
                entry.file_size = content.stat().st_size
                with open(content, "rb") as source, archive.open(entry, "w") as copy:
                    shutil.copyfileobj(source, copy, 1 << 20)
