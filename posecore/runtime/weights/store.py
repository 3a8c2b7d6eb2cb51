"""Finding weights by name, and checking them."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from posecore.errors import PosecoreError
from posecore.runtime.cards import ModelCard, read_card, sha256_of

__all__ = [
    "Installed",
    "card",
    "files",
    "find",
    "installed",
    "listing",
    "ranking",
    "shipped_folder",
    "user_folder",
]


@dataclass(frozen=True)
class Installed:
    """A set of weights on this machine.

    Attributes:
        card: its model card.
        folder: where the card and the files lie.
        origin: ``"user"`` or ``"shipped"``.
    """

    card: ModelCard
    folder: Path
    origin: Literal["user", "shipped"]

    @property
    def paths(self) -> list[Path]:
        """The files, the main one first."""
        return [self.folder / name for name in self.card.files]


# Hashing takes about a millisecond a megabyte: once per file and process is enough.
_verified: set[tuple[str, int, int, str]] = set()


def user_folder() -> Path:
    """The user's own weights: ``POSECORE_WEIGHTS``, or the platform's folder for application data."""
    if chosen := os.environ.get("POSECORE_WEIGHTS"):
        return Path(chosen).expanduser()
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Application Support"
    else:
        base = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share")
    return base / "posecore" / "weights"


def shipped_folder() -> Path:
    """The weights that come with posecore."""
    return Path(__file__).parent


def listing() -> list[Installed]:
    """Every set on this machine, by name; a user's set hides the shipped one of the same name.

    A card that cannot be read is left out: ``find`` names it when it is asked for.
    """
    found: dict[str, Installed] = {}
    for origin, folder in _folders():
        for path in sorted(folder.glob("*.json")) if folder.is_dir() else []:
            try:
                found.setdefault(path.stem, Installed(read_card(path), folder, origin))
            except PosecoreError:
                continue
    return [found[name] for name in sorted(found)]


def _folders() -> tuple[tuple[Literal["user"], Path], tuple[Literal["shipped"], Path]]:
    return ("user", user_folder()), ("shipped", shipped_folder())


def installed(name: str) -> Installed:
    """The set of that name, unchecked; the user's own before the shipped one.

    Raises:
        PosecoreError: there is none (the message says what there is, or how to add it).
    """
    for origin, folder in _folders():
        path = folder / f"{name}.json"
        if Path(name).name == name and path.is_file():
            return Installed(read_card(path), folder, origin)
    from posecore.runtime.weights.adding import ADDABLE

    if name in ADDABLE:
        raise PosecoreError(f"weights {name!r} are not on this machine; run: posecore models add {name}")
    names = ", ".join(entry.card.name for entry in listing()) or "none"
    raise PosecoreError(f"no weights named {name!r} (there are: {names}); see posecore models list")


def card(name: str) -> ModelCard:
    """The model card of a set, with the errors of :func:`installed`."""
    return installed(name).card


def files(name: str) -> dict[str, Path]:
    """All files of a set, checked: file name without its folder -> path.

    Raises:
        PosecoreError: no such set, or a file that is missing or not the one on the card.
    """
    entry = installed(name)
    paths = {}
    for relative, digest in entry.card.files.items():
        path = entry.folder / relative
        _verify(path, digest, name)
        paths[path.name] = path
    return paths


def find(name: str | os.PathLike[str]) -> Path:
    """The main file of a set, checked against its card; or a path to an ``.onnx`` file as it is.

    Raises:
        PosecoreError: as :func:`files`.
    """
    if Path(name).suffix == ".onnx":
        path = Path(name)
        if not path.is_file():
            raise PosecoreError(f"{path}: no such weights file")
        return path
    return next(iter(files(os.fspath(name)).values()))


def _verify(path: Path, digest: str, name: str) -> None:
    """Compare with the card, once per state of the file."""
    try:
        status = path.stat()
    except OSError:
        raise PosecoreError(f"{path}: missing from the weights {name!r}; {_repair(name)}") from None
    state = (str(path), status.st_size, status.st_mtime_ns, digest)
    if state in _verified:
        return
    if sha256_of(path) != digest.lower():
        raise PosecoreError(f"{path}: not the file on its model card (sha256 differs); {_repair(name)}")
    _verified.add(state)


def _repair(name: str) -> str:
    from posecore.runtime.weights.adding import ADDABLE

    return f"run: posecore models add {name}" if name in ADDABLE else "install these weights again"


def ranking() -> list[Installed]:
    """The sets that make an estimator and have been measured, best first."""
    rated = [entry for entry in listing() if entry.card.estimator and entry.card.rank is not None]
    return sorted(rated, key=lambda entry: -(entry.card.rank or 0.0))
