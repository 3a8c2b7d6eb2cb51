"""Opening data set files: whatever is wrong ends in one line that says what was expected where."""

from __future__ import annotations

import contextlib
import json
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from posecore.errors import SourceError
from posecore.plain_pickle import brief

__all__ = ["brief", "file_at", "load_json", "load_mat", "open_h5", "pick", "shaped", "table_of"]

# What scipy raises for truncated and damaged .mat files depends on where the damage lies.
_DAMAGE = (OSError, ValueError, TypeError, IndexError, KeyError, EOFError, OverflowError, MemoryError, zlib.error)


def file_at(path: str | Path, expected: str) -> Path:
    """``path`` as a Path if there is a file. Raises SourceError saying what was ``expected`` otherwise."""
    path = Path(path)
    if path.is_dir():
        raise SourceError(f"{path}: a folder; expected {expected}")
    if not path.is_file():
        raise SourceError(f"{path}: no such file; expected {expected}")
    return path


def load_json(path: str | Path, expected: str) -> Any:
    """The whole JSON file.

    Raises:
        SourceError: missing or not JSON.
    """
    path = file_at(path, expected)
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise SourceError(f"{path}: not readable JSON ({brief(error)}); expected {expected}") from error


def load_mat(path: str | Path, expected: str, **options: Any) -> dict[str, Any]:
    """The variables of a Matlab file up to version 7.2; ``options`` go to :func:`scipy.io.loadmat`.

    Raises:
        SourceError: missing, damaged, or of version 7.3 (see :func:`open_h5`).
    """
    from scipy.io import loadmat
    from scipy.io.matlab import MatReadError

    path = file_at(path, expected)
    try:
        loaded = loadmat(path, **options)
    except NotImplementedError:
        raise SourceError(f"{path}: a Matlab 7.3 file (HDF5); expected {expected}, saved as version 7") from None
    except (MatReadError, *_DAMAGE) as error:
        raise SourceError(f"{path}: not a readable .mat file ({brief(error)}); expected {expected}") from error
    return {name: value for name, value in loaded.items() if not name.startswith("__")}


@contextlib.contextmanager
def open_h5(path: str | Path, expected: str) -> Iterator[Any]:
    """An open HDF5 file (also Matlab 7.3), by the optional package h5py.

    Raises:
        SourceError: missing or damaged file, or h5py is not installed.
    """
    path = file_at(path, expected)
    try:
        import h5py
    except ModuleNotFoundError:
        raise SourceError(f"{path}: an HDF5 file needs the package h5py: pip install h5py") from None
    try:
        with h5py.File(path, "r") as file:
            yield file
    except OSError as error:
        raise SourceError(f"{path}: not a readable HDF5 file ({brief(error)}); expected {expected}") from error


def pick(data: Mapping[str, Any], name: str, path: str | Path, expected: str) -> Any:
    """``data[name]``. Raises SourceError that lists what is there instead."""
    try:
        return data[name]
    except KeyError:
        there = ", ".join(str(key) for key in list(data)[:8]) or "nothing"
        raise SourceError(f"{path}: no {name!r} in it, only {there}; expected {expected}") from None


def shaped(values: Any, shape: tuple[int | None, ...], path: str | Path, name: str) -> NDArray[np.float64]:
    """``values`` as float64 of ``shape`` (None = any length).

    Raises:
        SourceError: not numbers, or of another shape.
    """
    wanted = "×".join("N" if size is None else str(size) for size in shape)
    try:
        array = np.asarray(values, np.float64)
    except (TypeError, ValueError):
        raise SourceError(f"{path}: {name} is not an array of numbers; expected {wanted}") from None
    fits = array.ndim == len(shape) and all(w is None or w == n for w, n in zip(shape, array.shape, strict=True))
    if not fits:
        raise SourceError(f"{path}: {name} is {'×'.join(map(str, array.shape)) or 'a number'}; expected {wanted}")
    return array


def table_of(value: Any, path: str | Path, expected: str) -> dict[Any, Any]:
    """``value`` if it is a dictionary. Raises SourceError otherwise."""
    if not isinstance(value, dict):
        raise SourceError(f"{path}: holds a {type(value).__name__}; expected {expected}")
    return value
