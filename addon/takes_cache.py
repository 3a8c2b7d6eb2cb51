# SPDX-License-Identifier: GPL-3.0-or-later
"""Takes on disk, by what they were made from: a second Analyse of the same clip is instant.

An entry is a folder named by the clip and a hash of (path, size, time of change, options). It counts only once
``takes.json`` lists its files, which is written last.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from posecore import Take

    from .workflow import CaptureOptions

__all__ = ["Entry", "clear", "default_folder", "entry_for", "pause", "read_take", "signature", "size_of"]

_LIST = "takes.json"


@dataclass(frozen=True)
class Entry:
    """One clip with one set of options."""

    folder: Path

    def takes(self) -> list[Path]:
        """The Takes made before; [] if there are none, or one of them is gone."""
        try:
            names = json.loads((self.folder / _LIST).read_text(encoding="utf-8"))["takes"]
            paths = [self.folder / str(name) for name in names]
        except (OSError, ValueError, KeyError, TypeError):
            return []
        return paths if paths and all(path.is_file() for path in paths) else []

    def prepare(self) -> Path:
        """The folder, made and empty of a finished list.

        Raises:
            OutputError: it cannot be made.
        """
        from posecore.errors import OutputError

        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            (self.folder / _LIST).unlink(missing_ok=True)
        except OSError as error:
            reason = error.strerror or error
            raise OutputError(f"{self.folder}: cannot write there ({reason}); check the cache folder") from error
        return self.folder

    def finish(self, takes: Sequence[str | os.PathLike[str]]) -> list[Path]:
        """Note which files belong to it, and return them."""
        from posecore.files import atomic_path

        paths = [Path(path) for path in takes]
        with atomic_path(self.folder / _LIST) as temporary:
            names = [os.path.relpath(path, self.folder) for path in paths]
            temporary.write_text(json.dumps({"takes": names}), encoding="utf-8")
        return paths


def default_folder() -> Path:
    """Where Takes are kept: as the preferences say inside Blender, a temporary folder elsewhere."""
    try:
        from .paths import cache_folder

        return cache_folder()
    except ImportError:  # no bpy
        return Path(tempfile.gettempdir()) / "posecore-takes"


def entry_for(options: CaptureOptions, folder: str | Path | None = None) -> Entry:
    """The place of that clip with those options, whether anything is there or not."""
    base = Path(folder) if folder else default_folder()
    facts = {"arguments": options.arguments(), "source": signature(options.source)}
    digest = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]
    stem = "".join(c if c.isalnum() or c in "-_" else "_" for c in Path(options.source).stem)[:40]
    return Entry(base / f"{stem or 'clip'}-{digest}")


def signature(source: str) -> list[object]:
    """What changes when the clip does: path, size and time of change of the file, or of every picture."""
    path = Path(source)
    try:
        if path.is_file():
            status = path.stat()
            return [str(path.resolve()), status.st_size, status.st_mtime_ns]
        folder = path if path.is_dir() else path.parent
        with os.scandir(folder) as files:
            found = sorted((f.name, f.stat().st_size, f.stat().st_mtime_ns) for f in files if f.is_file())
        return [str(path.absolute()), *found]
    except OSError:  # the worker says what is wrong with it
        return [source]


_kept: dict[str, tuple[tuple[int, int], Take]] = {}


def read_take(path: str) -> Take:
    """As ``Take.load``; the last few are kept in memory until their files change."""
    from posecore import Take

    try:
        status = os.stat(path)
        state = (status.st_size, status.st_mtime_ns)
    except OSError:
        _kept.pop(path, None)
        return Take.load(path)  # raises what there is to say
    known = _kept.get(path)
    if known is not None and known[0] == state:
        return known[1]
    take = Take.load(path)
    while len(_kept) >= 4:
        _kept.pop(next(iter(_kept)))
    _kept[path] = (state, take)
    return take


def size_of(folder: str | Path) -> tuple[int, int]:
    """(clips, bytes) kept in a cache folder."""
    folder = Path(folder)
    if not folder.is_dir():
        return 0, 0
    lists = list(folder.glob(f"*/{_LIST}"))
    return len(lists), sum(file.stat().st_size for file in folder.glob("*/*") if file.is_file())


def clear(folder: str | Path) -> int:
    """Delete every entry, and nothing that is no entry. Returns how many."""
    _kept.clear()
    entries = [path.parent for path in Path(folder).glob(f"*/{_LIST}")]
    for entry in entries:
        shutil.rmtree(entry, ignore_errors=True)
    return len(entries)


def pause(seconds: float) -> None:
    """Let the worker work."""
    time.sleep(seconds)
