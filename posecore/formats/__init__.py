"""Files that hold a ``Motion``: BVH, glTF, AMASS npz. The suffix decides."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from posecore.errors import OutputError, SourceError
from posecore.motion import Motion

__all__ = ["READABLE", "WRITABLE", "read_motion", "write_motion"]


def _save_bvh(motion: Motion, path: Path, **options: Any) -> None:
    from posecore.formats.motion_bvh import save_bvh

    save_bvh(motion, path, **options)


def _save_gltf(motion: Motion, path: Path, **options: Any) -> None:
    from posecore.formats.gltf import save_gltf

    save_gltf(motion, path, **options)


def _save_amass(motion: Motion, path: Path, **options: Any) -> None:
    from posecore.formats.amass import save_amass

    save_amass(motion, path, **options)


def _load_bvh(path: Path, **options: Any) -> Motion:
    from posecore.formats.motion_bvh import load_bvh

    return load_bvh(path, **options)


def _load_amass(path: Path, **options: Any) -> Motion:
    from posecore.formats.amass import load_amass

    return load_amass(path, **options)


_WRITERS: dict[str, Callable[..., None]] = {
    ".bvh": _save_bvh,
    ".glb": _save_gltf,
    ".gltf": _save_gltf,
    ".npz": _save_amass,
}
_READERS: dict[str, Callable[..., Motion]] = {".bvh": _load_bvh, ".npz": _load_amass}

#: Suffixes that ``write_motion`` and ``read_motion`` know.
WRITABLE: tuple[str, ...] = tuple(_WRITERS)
READABLE: tuple[str, ...] = tuple(_READERS)


def write_motion(motion: Motion, path: str | os.PathLike[str], **options: Any) -> None:
    """Write a Motion; the suffix of ``path`` decides the format.

    Args:
        options: those of :func:`~posecore.formats.motion_bvh.save_bvh` (unit, names, order, rate),
            :func:`~posecore.formats.gltf.save_gltf` (mesh), :func:`~posecore.formats.amass.save_amass` (up).

    Raises:
        OutputError: unknown suffix, or the path cannot be written.
        TypeError: an option that the format does not have.
    """
    path = Path(path)
    writer = _WRITERS.get(path.suffix.lower())
    if writer is None:
        raise OutputError(f"{path}: cannot write {path.suffix or 'a file without a suffix'}; use {', '.join(WRITABLE)}")
    writer(motion, path, **options)


def read_motion(path: str | os.PathLike[str], **options: Any) -> Motion:
    """Read a Motion; the suffix of ``path`` decides the format.

    Raises:
        SourceError: unknown suffix, missing or malformed file.
        TypeError: an option that the format does not have.
    """
    path = Path(path)
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise SourceError(
            f"{path}: cannot read a motion from {path.suffix or 'a file without a suffix'}; use {', '.join(READABLE)}"
        )
    return reader(path, **options)
