# SPDX-License-Identifier: GPL-3.0-or-later
"""Which clips a batch has: a folder of them, or a JSON list."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from posecore.capturing.images import PICTURE_SUFFIXES
from posecore.commands.common import UsageError
from posecore.errors import SourceError

from .arguments import AnimateOptions, BatchOptions, animate_options, item_options

__all__ = ["Clip", "clips"]

#: File endings that a folder is searched for; a list may name others.
VIDEO_SUFFIXES = frozenset(
    ".mp4 .mov .m4v .mkv .webm .avi .mpg .mpeg .mts .m2ts .ts .wmv .flv .3gp .ogv .mxf .gif".split()  # noqa: SIM905
)
_READY = {".npz": "take", ".bvh": "motion"}


@dataclass(frozen=True)
class Clip:
    """One clip of a batch.

    Attributes:
        name: what the report calls it, and the stem of its outputs.
        options: what is done with it.
        scene: the .blend that it is done in; None for the one that the batch was started with.
    """

    name: str
    options: AnimateOptions
    scene: Path | None = None


def clips(batch: BatchOptions, values: argparse.Namespace) -> list[Clip]:
    """All clips of this run (of this shard), in order.

    Raises:
        SourceError: the folder or the list is missing, unreadable or empty.
        UsageError: an item is not understood, or two clips would write the same file.
    """
    place = Path(batch.clips)
    if place.is_dir():
        items = list(_of_folder(place))
        nothing = "no video, folder of pictures, Take (.npz) or movement (.bvh) in this folder"
    else:
        items = list(_of_list(place))
        nothing = "the list is empty"
    if not items:
        raise SourceError(f"{place}: {nothing}")
    found = [_clip(item, number, place, batch, values) for number, item in enumerate(items, start=1)]
    _no_two_alike(found)
    number, count = batch.shard
    return found[number - 1 :: count]


def _of_folder(folder: Path) -> Iterator[dict[str, Any]]:
    for path in sorted(folder.iterdir()):
        if path.name.startswith("."):
            continue
        if path.is_dir():
            if any(file.suffix.lower() in PICTURE_SUFFIXES for file in path.iterdir()):
                yield {"video": str(path)}
        elif path.suffix.lower() in VIDEO_SUFFIXES:
            yield {"video": str(path)}
        elif kind := _READY.get(path.suffix.lower()):
            yield {kind if kind == "motion" or _is_take(path) else "motion": str(path)}


def _is_take(path: Path) -> bool:
    from .sources import is_take

    return is_take(path)


def _of_list(path: Path) -> Iterator[dict[str, Any]]:
    """Items with paths made whole: those of a list are relative to its folder."""
    try:
        read = json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        reason = "no such file or folder" if isinstance(error, FileNotFoundError) else error.strerror
        raise SourceError(f"{path}: {reason}; name a folder of videos or a JSON list") from error
    except ValueError as error:
        raise SourceError(f"{path}: not a JSON list ({error})") from error
    if isinstance(read, dict) and isinstance(read.get("clips"), list):
        read = read["clips"]
    if not isinstance(read, list):
        raise SourceError(f'{path}: expected a JSON array of clips, as [{{"video": "walk.mp4"}}]')
    for number, item in enumerate(read, start=1):
        if isinstance(item, str):
            item = {"video": item}
        if not isinstance(item, dict):
            raise UsageError(f"{path}, clip {number}: expected an object or a path, got {item!r}")
        whole = dict(item)
        for key in ("video", "take", "motion", "scene", "output", "takes"):
            if key in whole:
                whole[key] = _whole(whole[key], path.parent)
        yield whole


def _whole(value: Any, folder: Path) -> Any:
    if isinstance(value, list):
        return [_whole(one, folder) for one in value]
    return str(folder / value) if isinstance(value, str) and value else value


def _clip(item: dict[str, Any], number: int, place: Path, batch: BatchOptions, values: argparse.Namespace) -> Clip:
    complaint = f"{place.name}, clip {number}: "
    source = next((item[key] for key in ("video", "take", "motion") if item.get(key)), "")
    name = item.get("name") or (_stem(str(source)) if isinstance(source, str) else "")
    if not isinstance(name, str) or not name or Path(name).name != name:
        raise UsageError(f'{complaint}its "name" must be that of a file, without a folder, got {name!r}')
    scene = item.get("scene")
    if scene is not None and not isinstance(scene, str):
        raise UsageError(f'{complaint}its "scene" must be the path of a .blend, got {scene!r}')
    its = item_options(values, item, complaint)
    if not its.output:
        its.output = [str(batch.output_dir / f"{name}{suffix}") for suffix in batch.format]
    its.takes = its.takes or str(batch.output_dir / "takes")
    return Clip(name, animate_options(its, complaint), Path(scene) if scene else None)


def _stem(source: str) -> str:
    """``walk`` for ``a/walk.mp4``, ``shot`` for ``shot/frame_%04d.png``."""
    path = Path(source)
    if any(mark in path.name for mark in "%*?[") and path.parent.name:
        return path.parent.name
    return path.stem if path.suffix else path.name


def _no_two_alike(found: list[Clip]) -> None:
    names: dict[str, int] = {}
    writers: dict[Path, str] = {}
    for number, clip in enumerate(found, start=1):
        if clip.name in names:
            raise UsageError(
                f'clips {names[clip.name]} and {number} are both called {clip.name!r}; give one a "name" in a JSON list'
            )
        names[clip.name] = number
        for path in clip.options.output:
            other = writers.setdefault(path.resolve(), clip.name)
            if other != clip.name:
                raise UsageError(f"{clip.name} and {other} would both write {path}; give each its own output")
