"""Image sequences: a numbered pattern, a folder, a glob, or one picture.

Pictures of another size than the first are fitted into the first's size with grey borders, so that
all coordinates are pixels of the first picture's size.
"""

from __future__ import annotations

import glob
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from posecore.capturing.frames import Frame, FrameSource
from posecore.errors import SourceError

__all__ = ["PICTURE_SUFFIXES", "ImageSequence", "find_pictures", "fit", "is_image_source", "read_picture"]

#: File endings that are read as still pictures. An animated .gif is read as a video.
PICTURE_SUFFIXES = frozenset(
    ".png .jpg .jpeg .jpe .jfif .bmp .dib .tif .tiff .webp .tga .ppm .pgm .pbm .pnm .jp2 .j2k .avif .sgi".split()  # noqa: SIM905
)

#: Frames per second of pictures, which carry no time.
DEFAULT_RATE = 30.0

# Behind transparent pixels and around smaller pictures: neutral for a network.
_GREY = 128

_PATTERN = re.compile(r"%(0?\d*)d")


def is_image_source(source: str) -> bool:
    """Whether ``source`` names pictures (a pattern, a folder, a glob, a picture) and not a video file."""
    path = Path(source)
    if path.is_dir():
        return True
    if path.is_file():
        return path.suffix.lower() in PICTURE_SUFFIXES
    return bool(_PATTERN.search(path.name)) or any(mark in source for mark in "*?[")


def find_pictures(source: str) -> list[Path]:
    """The picture files that ``source`` names, in natural order (``frame_2`` before ``frame_10``).

    Raises:
        SourceError: there are none.
    """
    path = Path(source)
    if path.is_dir():
        files = list(path.iterdir())
        what = "no pictures in this folder"
    elif path.is_file():
        files = [path]
        what = "not a picture"
    elif _PATTERN.search(path.name):
        files = _matching(path)
        what = "no picture fits this pattern"
    else:
        files = [Path(name) for name in glob.glob(source)]
        what = "no picture fits this pattern"
    pictures = [
        file
        for file in files
        if file.suffix.lower() in PICTURE_SUFFIXES and not file.name.startswith(".") and file.is_file()
    ]
    if not pictures:
        raise SourceError(f"{source}: {what}; give a video, a folder of pictures, or a pattern as frame_%04d.png")
    return sorted(pictures, key=lambda file: _natural(str(file)))


def _matching(pattern: Path) -> list[Path]:
    """Files that fit a printf pattern such as ``frame_%04d.png``."""
    if not pattern.parent.is_dir():
        raise SourceError(f"{pattern.parent}: no such folder; check the path")

    def digits(match: re.Match[str]) -> str:
        width = int(match[1] or 0)
        return rf"\d{{{width},}}" if match[1].startswith("0") else r"\d+"

    parts, last = [], 0
    for match in _PATTERN.finditer(pattern.name):
        parts += [re.escape(pattern.name[last : match.start()]), digits(match)]
        last = match.end()
    expression = re.compile("".join([*parts, re.escape(pattern.name[last:])]))
    return [file for file in pattern.parent.iterdir() if expression.fullmatch(file.name)]


def _natural(text: str) -> list[tuple[int, str]]:
    """Sort key: runs of digits compare as numbers."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", text)]


def _positions(files: list[Path]) -> tuple[list[int], int]:
    """Frame numbers of pictures from 0, and how many are missing between them.

    A numbered sequence keeps its gaps (frame 7 missing = a longer step there); its usual step counts as
    one frame, so 0010, 0020, 0030 are neighbours. Names that are no one sequence are just counted.
    """
    plain = list(range(len(files)))
    splits = [re.fullmatch(r"(.*?)(\d+)(\D*)", file.name) for file in files]
    if len(files) < 3 or any(split is None for split in splits):
        return plain, 0
    if len({(file.parent, split[1], split[3]) for file, split in zip(files, splits, strict=True) if split}) != 1:
        return plain, 0
    numbers = [int(split[2]) for split in splits if split]
    steps = np.diff(numbers)
    usual, often = Counter(steps.tolist()).most_common(1)[0]
    if usual <= 0 or often < 0.5 * len(steps) or (steps <= 0).any() or (steps % usual).any():
        return plain, 0
    positions = [(number - numbers[0]) // int(usual) for number in numbers]
    return positions, positions[-1] + 1 - len(positions)


def read_picture(path: Path) -> NDArray[np.uint8]:
    """One picture, (H, W, 3) uint8 RGB, turned upright by its EXIF orientation, transparency over grey.

    Raises:
        OSError, ValueError, SyntaxError, Image.DecompressionBombError: what pillow raises on bad files.
    """
    with Image.open(path) as opened:
        opened.load()
        picture: Image.Image = ImageOps.exif_transpose(opened)
    if picture.mode.startswith(("I", "F")):
        return _eight_bit(np.asarray(picture))
    if picture.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in picture.info:
        picture = picture.convert("RGBA")
        back = Image.new("RGBA", picture.size, (_GREY, _GREY, _GREY, 255))
        picture = Image.alpha_composite(back, picture)
    return np.asarray(picture.convert("RGB"))


def _eight_bit(values: NDArray[np.generic]) -> NDArray[np.uint8]:
    """A 16-bit (or float in [0, 1]) grey picture as 8-bit RGB."""
    scaled = np.asarray(values, np.float32)
    if np.issubdtype(values.dtype, np.floating):
        scaled = scaled * 255.0
    elif scaled.max(initial=0.0) > 255:
        scaled = scaled / 257.0
    grey = np.clip(np.nan_to_num(scaled), 0, 255).astype(np.uint8)
    return np.repeat(grey[..., None], 3, axis=-1)


def fit(image: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """``image`` scaled to fit into ``size`` (width, height), centred, grey around it."""
    height, width = image.shape[:2]
    scale = min(size[0] / width, size[1] / height)
    inner = (max(1, round(width * scale)), max(1, round(height * scale)))
    out = Image.new("RGB", size, (_GREY, _GREY, _GREY))
    resized = Image.fromarray(image).resize(inner, Image.Resampling.BILINEAR)
    out.paste(resized, ((size[0] - inner[0]) // 2, (size[1] - inner[1]) // 2))
    return np.asarray(out)


class ImageSequence(FrameSource):
    """Pictures as frames.

    Args:
        source: a folder, a pattern (``frame_%04d.png``), a glob or a picture.
        start, stop: seconds; frames with start <= time < stop.
        rate: frames per second.

    Raises:
        SourceError: no pictures, none readable, or none between ``start`` and ``stop``.
    """

    def __init__(
        self, source: str, start: float | None = None, stop: float | None = None, rate: float | None = None
    ) -> None:
        self.path = source
        self.rate = rate or DEFAULT_RATE
        self.warnings: list[str] = []
        files = find_pictures(source)
        positions, missing = _positions(files)
        if missing:
            self.warn(f"{source}: {missing} numbers are missing in the sequence; their time is kept as a gap")
        low, high = start or 0.0, float("inf") if stop is None else stop
        # A hair of tolerance: frame 3 at 30 fps is at 0.1 s, whatever the rounding says.
        self._files = [
            (position, file)
            for position, file in zip(positions, files, strict=True)
            if low - 1e-9 <= position / self.rate < high - 1e-9
        ]
        if not self._files:
            length = (positions[-1] + 1) / self.rate
            raise SourceError(f"{source}: no pictures from {low:g} s to {high:g} s; the sequence lasts {length:.2f} s")
        self.count: int | None = len(self._files)
        self.size = self._first_size()

    def _first_size(self) -> tuple[int, int]:
        reason = ""
        for _, file in self._files:
            try:
                height, width = read_picture(file).shape[:2]
                return width, height
            except _UNREADABLE as error:
                reason = reason or f"{file.name}: {error or type(error).__name__}"
        raise SourceError(f"{self.path}: no readable picture ({reason}); check that the files are whole")

    def read(self) -> Iterator[Frame]:
        """The pictures in order; unreadable ones are left out and named in ``warnings``."""
        others: list[str] = []
        for position, file in self._files:
            try:
                image = read_picture(file)
            except _UNREADABLE as error:
                self.warn(f"{file}: unreadable picture ({error or type(error).__name__}); left out")
                continue
            if (image.shape[1], image.shape[0]) != self.size:
                others.append(f"{file.name} {image.shape[1]}x{image.shape[0]}")
                image = fit(image, self.size)
            yield Frame(image, position / self.rate, position)
        if others:
            self.warn(
                f"{self.path}: {len(others)} of {len(self._files)} pictures differ in size (first: {others[0]}); "
                f"fitted into {self.size[0]}x{self.size[1]} with borders"
            )


_UNREADABLE = (OSError, ValueError, SyntaxError, Image.DecompressionBombError)
