"""Atomic output and pickle-free npz: the two file habits that every room shares."""

from __future__ import annotations

import os
import struct
import tempfile
import tokenize
import zipfile
import zlib
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from posecore.errors import OutputError, SourceError

__all__ = ["atomic_path", "read_npz", "write_npz"]


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """A temporary path beside ``path`` (same suffix) that replaces it only if the block succeeds.

    Raises:
        OutputError: the folder does not exist or cannot be written.
    """
    path = Path(path)
    try:
        handle, name = tempfile.mkstemp(prefix=f".{path.stem}-", suffix=path.suffix, dir=path.parent)
        os.close(handle)
    except OSError as error:
        raise OutputError(f"{path}: cannot write there ({error.strerror}); choose another output path") from error
    temporary = Path(name)
    try:
        yield temporary
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)
        temporary.replace(path)
    except OSError as error:
        raise OutputError(f"{path}: cannot write there ({error.strerror or error})") from error
    finally:
        temporary.unlink(missing_ok=True)


def write_npz(path: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write a compressed npz atomically, at exactly ``path``."""
    with atomic_path(path) as temporary, open(temporary, "wb") as stream:
        np.savez_compressed(stream, **arrays)  # type: ignore[arg-type]  # takes it for allow_pickle


#: How an archive begins (a zip file, an empty one), and how numpy's file of one array does.
_ARCHIVE, _ARRAY = (b"PK\x03\x04", b"PK\x05\x06"), b"\x93NUMPY"
#: What a damaged archive may raise, from numpy, zipfile and zlib.
_DAMAGE = (
    *(ValueError, EOFError, NotImplementedError, RuntimeError, OverflowError, MemoryError, OSError, SyntaxError),
    *(zipfile.BadZipFile, zlib.error, struct.error, tokenize.TokenError),
)


def read_npz(path: Path, only: Collection[str] | None = None) -> dict[str, NDArray[Any]]:
    """Read an npz without pickle.

    Args:
        path: the file.
        only: the keys to read, where they are there; the others are not even decoded. None reads all.

    Raises:
        SourceError: missing file, not an npz, or object arrays under a key that is read.
    """
    path = Path(path)
    try:
        with open(path, "rb") as stream:
            _check_start(path, stream.read(len(_ARRAY)))
            stream.seek(0)
            return _members(path, stream, only)
    except FileNotFoundError:
        raise SourceError(f"{path}: no such file") from None
    except IsADirectoryError:
        raise SourceError(f"{path}: a folder, not an .npz file; name a file in it") from None
    except _DAMAGE as error:
        if path.is_dir():  # which Windows calls a lack of permission
            raise SourceError(f"{path}: a folder, not an .npz file; name a file in it") from None
        raise SourceError(f"{path}: not a readable .npz file ({_said(error)})") from error


def _check_start(path: Path, start: bytes) -> None:
    if start.startswith(_ARRAY):
        raise SourceError(f"{path}: a single array, not an .npz archive")
    if not start.startswith(_ARCHIVE):
        raise SourceError(f"{path}: not an .npz archive")


def _members(path: Path, stream: IO[bytes], only: Collection[str] | None) -> dict[str, NDArray[Any]]:
    found: dict[str, NDArray[Any]] = {}
    with np.load(stream, allow_pickle=False) as data:
        for name in data.files if only is None else [name for name in data.files if name in only]:
            try:
                found[name] = data[name]
            except ValueError as error:
                if "allow_pickle" not in str(error):
                    raise
                # numpy's own words advise to load it all the same, which would run the file.
                raise SourceError(f"{path}: {name} holds Python objects, which posecore does not read") from None
            if not isinstance(found[name], np.ndarray):
                raise SourceError(f"{path}: {name} is no array; not an .npz archive")
    return found


def _said(error: BaseException) -> str:
    """The first line of an error's own words, of the system's without number and path."""
    text = (isinstance(error, OSError) and error.strerror) or str(error)
    return (text.splitlines() or [type(error).__name__])[0]
