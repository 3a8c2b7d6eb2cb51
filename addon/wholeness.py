# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a file that Blender wrote is there to its end: of a full disk some of its writers say nothing. No bpy."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

__all__ = ["is_whole"]

_TAIL = 64


def is_whole(path: Path) -> bool:
    """False for a missing or empty file, and for a .blend or USD that was cut off."""
    try:
        size = path.stat().st_size
    except FileNotFoundError:
        return False
    check = _CHECKS.get(path.suffix.lower())
    if not size or check is None:
        return size > 0
    with open(path, "rb") as stream:
        return check(stream, size)


def _blend(stream: BinaryIO, size: int) -> bool:
    """Ends with a block ``ENDB``, or, compressed, with the mark that ends a table of zstd frames."""
    head = stream.read(8)
    stream.seek(max(0, size - _TAIL))
    tail = stream.read()
    if head.startswith(b"BLENDER"):
        after = 20 if head[7:] == b"-" else 28  # bytes of the block's head after its code; longer since 5.0
        return tail[-after - 4 :] == b"ENDB" + bytes(after)
    return tail.endswith(b"\xb1\xea\x92\x8f")


def _usd(stream: BinaryIO, size: int) -> bool:
    """Binary: the table of contents, a count and 32 bytes each, is the last thing. Text: the outermost prim's brace."""
    head = stream.read(24)
    if head[:8] != b"PXR-USDC":
        stream.seek(max(0, size - _TAIL))
        return stream.read().rstrip().endswith(b"\n}")
    contents = int.from_bytes(head[16:24], "little")
    stream.seek(min(contents, size))
    count = int.from_bytes(stream.read(8), "little")
    return contents > 0 and contents + 8 + 32 * count == size


_CHECKS: dict[str, Callable[[BinaryIO, int], bool]] = {".blend": _blend, ".usd": _usd, ".usda": _usd, ".usdc": _usd}
