"""Series of rendered pictures as tar shards, whole shards at a time, by one process or several. Knows no bodies."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from posecore.files import atomic_path

__all__ = ["SHARD_SIZE", "Sample", "write_series"]

SHARD_SIZE = 1000


@dataclass(frozen=True)
class Sample:
    """One picture (S, S, 3) uint8 RGB and its labels, ready for JSON."""

    picture: NDArray[np.uint8]
    labels: dict[str, Any]


#: Makes what renders picture number n. It is called once in every process, so that models are loaded there.
Prepare = Callable[[], Callable[[int], Sample]]


def _add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = len(content)
    archive.addfile(entry, io.BytesIO(content))


def _write_shard(
    path: Path, prefix: str, prepare: Prepare, first: int, count: int, progress: Callable[[], None]
) -> None:
    render = prepare()
    with atomic_path(path) as temporary, tarfile.open(temporary, "w") as archive:
        for index in range(first, first + count):
            sample = render(index)
            buffer = io.BytesIO()
            Image.fromarray(sample.picture).save(buffer, "WEBP", quality=85, method=4)
            _add(archive, f"{prefix}{index:06d}.webp", buffer.getvalue())
            _add(archive, f"{prefix}{index:06d}.json", json.dumps(sample.labels).encode())
            progress()


def _nothing() -> None:
    """No progress (a worker process cannot reach the parent's bar)."""


def write_series(
    output: Path,
    stem: str,
    prefix: str,
    prepare: Prepare,
    count: int,
    workers: int = 1,
    progress: Callable[[int], None] = lambda done: None,
    shard_size: int = SHARD_SIZE,
) -> list[Path]:
    """Render pictures 0 … ``count`` - 1 into ``STEM-FIRST-NUMBER.tar``; shards that are there are kept.

    A shard's name holds its first picture and their number, so that a run with another count adds to it.

    Args:
        prefix: of the pictures' keys, which the number follows.
        prepare: a module's own function or a ``functools.partial`` of one: it goes to other processes.
        progress: called with the number of pictures done so far.

    Returns:
        Paths of all shards, in order.
    """
    output.mkdir(parents=True, exist_ok=True)
    jobs = []
    for first in range(0, count, shard_size):
        number = min(shard_size, count - first)
        jobs.append((output / f"{stem}-{first:06d}-{number:04d}.tar", first, number))
    done = sum(number for path, _, number in jobs if path.exists())
    waiting = [job for job in jobs if not job[0].exists()]
    progress(done)
    if workers <= 1:
        for path, first, number in waiting:

            def one_more() -> None:
                nonlocal done
                done += 1
                progress(done)

            _write_shard(path, prefix, prepare, first, number, one_more)
    else:
        with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
            futures = {
                pool.submit(_write_shard, path, prefix, prepare, first, number, _nothing): number
                for path, first, number in waiting
            }
            for future in as_completed(futures):
                future.result()
                done += futures[future]
                progress(done)
    return [path for path, _, _ in jobs]
