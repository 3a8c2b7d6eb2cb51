"""Files that were cut off are told from whole ones."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from addon.wholeness import is_whole

BLEND = b"BLENDER-v405" + b"DATA" * 50 + b"ENDB" + bytes(20)
LARGE_BLEND = b"BLENDER17-01v0500" + b"DATA" * 50 + b"ENDB" + bytes(28)
COMPRESSED = b"\x28\xb5\x2f\xfd" + b"DATA" * 50 + b"\x03\0\0\0\0\xb1\xea\x92\x8f"
# A head of 88 bytes with the place of the contents, something, and contents of two sections.
BINARY_USD = b"PXR-USDC" + bytes(8) + struct.pack("<q", 200) + bytes(176) + struct.pack("<q", 2) + bytes(64)
TEXT_USD = b'#usda 1.0\ndef Xform "root"\n{\n    def Xform "a"\n    {\n    }\n}\n\n'


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.blend", BLEND),
        ("b.blend", LARGE_BLEND),
        ("c.blend", COMPRESSED),
        ("d.usd", BINARY_USD),
        ("e.usdc", BINARY_USD),
        ("f.usda", TEXT_USD),
    ],
)
def test_a_file_without_its_end_is_not_whole(tmp_path: Path, name: str, data: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(data)
    assert is_whole(path)
    for cut in (40, len(data) // 2, 10, len(data)):
        path.write_bytes(data[: len(data) - cut])
        assert not is_whole(path), cut


def test_others_need_only_be_there(tmp_path: Path) -> None:
    path = tmp_path / "a.fbx"
    assert not is_whole(path)
    path.touch()
    assert not is_whole(path)
    path.write_bytes(b"x")
    assert is_whole(path)
