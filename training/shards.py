"""Reading the picture shards: tar archives that hold ``key.webp`` and ``key.json`` side by side."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from posecore.errors import SourceError

__all__ = ["count_samples", "read_shards"]

#: Folder and file pattern of every picture source below ``--data`` (or below a folder of its own).
PATTERNS = {
    "lspet": "lspet/lspet-*.tar",
    "people": "people/people-*.tar",
    "people-free": "people/people-*.tar",
    "synthetic": "*.tar",
    "bodies-train": "bodies-train-*.tar",
    "bodies-validation": "bodies-validation-*.tar",
}


def _paths(folder: Path, source: str) -> list[Path]:
    # a shard that is still being written begins with a dot
    paths = sorted(path for path in Path(folder).glob(PATTERNS[source]) if not path.name.startswith("."))
    if not paths:
        raise SourceError(f"{folder}: expected shards {PATTERNS[source]} there and found none; check --data")
    return paths


def read_shards(folder: Path, source: str) -> Iterator[tuple[str, NDArray[np.uint8], dict[str, Any]]]:
    """Yield (key, (H, W, 3) RGB picture, annotation) of every sample in the order of the shards.

    Raises:
        SourceError: no shard of that name there, or a damaged one.
    """
    for path in _paths(folder, source):
        try:
            with tarfile.open(path) as archive:
                waiting: dict[str, dict[str, bytes]] = {}
                for member in archive:
                    key, _, suffix = member.name.rpartition(".")
                    stream = archive.extractfile(member)
                    if stream is None:
                        continue
                    parts = waiting.setdefault(key, {})
                    parts[suffix] = stream.read()
                    if len(parts) == 2:
                        del waiting[key]
                        picture = Image.open(io.BytesIO(parts["webp"])).convert("RGB")
                        yield key, np.asarray(picture), json.loads(parts["json"])
        except (tarfile.TarError, KeyError, OSError, json.JSONDecodeError) as error:
            raise SourceError(f"{path}: damaged shard ({error})") from error


def count_samples(folder: Path, source: str) -> int:
    """Number of samples, from the archives' tables alone."""
    total = 0
    for path in _paths(folder, source):
        with tarfile.open(path) as archive:
            total += sum(name.endswith(".json") for name in archive.getnames())
    return total
