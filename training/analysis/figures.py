"""Pictures for the docs: small PNG files with the numbers that they show beside them. Knows nothing of poses."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from posecore.files import atomic_path

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["MAX_BYTES", "figure", "save_figure", "write_rows"]

#: A picture in the repository is not larger than this.
MAX_BYTES = 200_000
_DPI = 120


def figure(width: float, height: float, **options: Any) -> Figure:
    """An empty figure of so many inches that needs no screen, laid out without overlaps.

    Not through pyplot: nothing global is changed, and nothing has to be closed.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    drawn = Figure(figsize=(width, height), layout="constrained", **options)
    FigureCanvasAgg(drawn)
    return drawn


def save_figure(drawn: Figure, path: Path) -> Path:
    """Write a PNG of at most :data:`MAX_BYTES`: reduced to 256 colours, and to fewer points if that is not enough."""
    from PIL import Image

    path = Path(path)
    with atomic_path(path) as temporary:
        for dpi in (_DPI, 3 * _DPI // 4, _DPI // 2):
            drawn.savefig(temporary, dpi=dpi)
            with Image.open(temporary) as picture:
                small = picture.convert("RGB").quantize(256, dither=Image.Dither.NONE)
            small.save(temporary, optimize=True)
            if temporary.stat().st_size <= MAX_BYTES:
                break
    return path


def write_rows(path: Path, rows: Sequence[Mapping[str, Any]]) -> Path:
    """CSV whose columns are the keys of all rows, in the order in which they appear."""
    columns = list(dict.fromkeys(key for row in rows for key in row))
    with atomic_path(path) as temporary, open(temporary, "w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return Path(path)
