"""The preview video: the observed skeleton over the frames, beside the movement in a turning 3D view.

Left of the person warm, right cool, trunk neutral; what is doubtful fades. Frames keep their true
time stamps. One picture in memory at a time.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from posecore.errors import OutputError, SourceError
from posecore.files import atomic_path
from posecore.motion import Motion
from posecore.preview.overlay import MAX_HEIGHT, FrameLike, Overlay, even
from posecore.preview.stage import Stage
from posecore.preview.writer import Writer
from posecore.takes import Take

__all__ = ["write_preview"]

_SUFFIXES = (".mp4", ".mov", ".mkv")


def write_preview(
    path: str | os.PathLike[str],
    source: str | os.PathLike[str] | Iterable[FrameLike],
    take: Take,
    motion: Motion | None = None,
    *,
    turn: float = 24.0,
) -> int:
    """Write the preview video.

    Args:
        path: ``.mp4`` (or ``.mov``, ``.mkv``); H.264 where the av package has an encoder for it, else MPEG-4.
        source: the frames the take was made from, or the path to read them from again. They are
            matched to the take by their number in the source; those it does not know stay bare.
        take: what was observed.
        motion: what was solved, shown in 3D; without it, the take's own joints.
        turn: how fast the 3D view turns, degrees a second; it begins in front, as the camera.

    Returns:
        The number of frames written.

    Raises:
        OutputError: unknown suffix, or the path cannot be written.
        SourceError: there are no frames.
    """
    path = Path(path)
    if path.suffix.lower() not in _SUFFIXES:
        raise OutputError(f"{path}: a preview is written as {', '.join(_SUFFIXES)}, not {path.suffix or 'no suffix'}")
    frames = iter(_frames(source))
    first = next(frames, None)
    if first is None:
        raise SourceError(f"{path}: no preview, there are no frames")
    overlay = Overlay(take, first.image.shape[1], first.image.shape[0])
    stage = Stage.of(take, motion, turn, first.time)
    height, width = overlay.size
    side = even(min(max(height, 0.6 * width), 1.2 * height, MAX_HEIGHT))
    canvas = np.empty((height, width + side, 3), np.uint8)
    written = 0
    with atomic_path(path) as temporary, Writer(temporary, path, canvas.shape[1], height, take.rate) as writer:
        while first is not None:
            overlay.draw(canvas[:, :width], first)
            stage.draw(canvas[:, width:], first.time)
            writer.add(canvas, first.time)
            written += 1
            first = next(frames, None)
    return written


def _frames(source: str | os.PathLike[str] | Iterable[FrameLike]) -> Iterable[FrameLike]:
    if isinstance(source, (str, os.PathLike)):
        from posecore.capturing.video import open_frames  # only who gives a path needs the reader

        return open_frames(source)
    return source
