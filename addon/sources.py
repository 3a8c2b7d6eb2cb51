# SPDX-License-Identifier: GPL-3.0-or-later
"""What kind of thing a chosen path is, found out without asking the user. No bpy."""

from __future__ import annotations

import re
import zipfile
from dataclasses import dataclass
from pathlib import Path

__all__ = ["CAPTURED", "READY", "SourceInfo", "describe", "is_take", "kind_of", "whole_sequence"]

#: Kinds that need the worker (networks), and kinds that are a movement already.
CAPTURED = ("video", "images")
READY = ("take", "motion")


@dataclass(frozen=True)
class SourceInfo:
    """One source.

    Attributes:
        kind: ``video``, ``images``, ``take`` or ``motion``.
        text: one line for people, e.g. "1920×1080, 30 fps, 412 frames".
        rate: frames a second.
        frames: how many, None where the file does not say.
        warnings: one line each.
    """

    kind: str
    text: str
    rate: float
    frames: int | None
    warnings: tuple[str, ...] = ()


def is_take(path: str | Path) -> bool:
    """Whether a file is a Take: an npz archive with keypoints and a camera in it."""
    try:
        with zipfile.ZipFile(path) as archive:
            return {"keypoints.npy", "camera.npy", "meta.npy"} <= set(archive.namelist())
    except (OSError, zipfile.BadZipFile):
        return False


def kind_of(path: str) -> str:
    """By suffix and content; says nothing on whether it can be read.

    Raises:
        SourceError: no path, or no such file.
    """
    from posecore.capturing.images import is_image_source
    from posecore.errors import SourceError

    if not path:
        raise SourceError("no source chosen; choose a video, a folder of pictures, a Take or an AMASS-style .npz")
    suffix = Path(path).suffix.lower()
    if suffix in (".npz", ".bvh"):
        if not Path(path).is_file():
            raise SourceError(f"{path}: no such file; choose another one")
        return "take" if suffix == ".npz" and is_take(path) else "motion"
    return "images" if is_image_source(path) else "video"


def describe(path: str, rate: float | None = None) -> SourceInfo:
    """Look into a source: a video's first frame is decoded, a Take or movement is read whole.

    Args:
        rate: frames a second of pictures.

    Raises:
        SourceError: missing or unreadable; one line.
    """
    kind = kind_of(path)
    if kind == "take":
        from .takes_cache import read_take

        take = read_take(path)
        width, height = take.camera.size
        text = f"Take by {take.estimator or 'another tool'}: {width}×{height}, {take.rate:.4g} fps, {len(take)} frames"
        return SourceInfo(kind, text, take.rate, len(take), tuple(map(str, take.notes.get("warnings", ()))))
    if kind == "motion":
        from posecore import Motion

        motion = Motion.load(path)
        text = f"Movement: {motion.rate:.4g} fps, {len(motion)} frames, {motion.times[-1] - motion.times[0]:.1f} s"
        return SourceInfo(kind, text, motion.rate, len(motion), tuple(map(str, motion.notes.get("warnings", ()))))
    from posecore.capturing.video import open_frames

    frames = open_frames(path, rate=rate)
    width, height = frames.size
    count = "length unknown" if frames.count is None else f"{frames.count} frames"
    return SourceInfo(kind, f"{width}×{height}, {frames.rate:.4g} fps, {count}", frames.rate, frames.count)


def whole_sequence(path: str) -> str:
    """The numbered row (``walk_%04d.png``) that one of its pictures belongs to; any other path as it is."""
    from posecore.capturing.images import PICTURE_SUFFIXES

    file = Path(path)
    number = re.search(r"(\d+)$", file.stem)
    if number is None or file.suffix.lower() not in PICTURE_SUFFIXES or "%" in path or not file.is_file():
        return path
    head, digits = file.stem[: number.start()], len(number.group())
    row = re.compile(re.escape(head) + rf"\d{{{digits}}}" + re.escape(file.suffix))
    if sum(1 for other in file.parent.iterdir() if row.fullmatch(other.name)) < 2:
        return path
    return str(file.with_name(f"{head}%0{digits}d{file.suffix}"))
