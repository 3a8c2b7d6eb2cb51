"""glTF 2.0 as a container: reading any ``.glb`` or ``.gltf`` into JSON and one buffer, and writing them back.

Knows nodes, accessors and buffers, nothing of skeletons. The standard library alone: the packages for it would bring
compiled wheels into the Blender extension.
"""

from __future__ import annotations

import base64
import binascii
import json
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote, unquote_to_bytes

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from posecore.errors import SourceError

__all__ = [
    "FLOAT",
    "UBYTE",
    "UINT",
    "USHORT",
    "Buffer",
    "local_matrix",
    "matrices_of",
    "node_parents",
    "pack",
    "read_gltf",
]

FLOAT, UBYTE, USHORT, UINT = 5126, 5121, 5123, 5125
_WIDTHS = {"SCALAR": 1, "VEC3": 3, "VEC4": 4, "MAT4": 16}
_IMAGES = {".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".webp": "image/webp"}


class Buffer:
    """Collects accessors into one binary blob; may go on from those of a file."""

    def __init__(self, blob: bytes | bytearray = b"", asset: Mapping[str, Any] | None = None) -> None:
        self.blob = bytearray(blob)
        self.views: list[dict[str, Any]] = list((asset or {}).get("bufferViews", []))
        self.accessors: list[dict[str, Any]] = list((asset or {}).get("accessors", []))

    def add_bytes(self, data: bytes) -> int:
        """Index of a new view over ``data``."""
        self.blob += b"\0" * (-len(self.blob) % 4)
        self.views.append({"buffer": 0, "byteOffset": len(self.blob), "byteLength": len(data)})
        self.blob += data
        return len(self.views) - 1

    def add(
        self, values: NDArray[Any], kind: str, component: int, bounds: bool = False, normalized: bool = False
    ) -> int:
        """Index of a new accessor over ``values`` (N, width)."""
        values = np.ascontiguousarray(values).reshape(len(values), _WIDTHS[kind])
        accessor: dict[str, Any] = {
            "bufferView": self.add_bytes(values.tobytes()),
            "componentType": component,
            "count": len(values),
            "type": kind,
        }
        if normalized:
            accessor["normalized"] = True
        if bounds:
            accessor["min"], accessor["max"] = values.min(axis=0).tolist(), values.max(axis=0).tolist()
        self.accessors.append(accessor)
        return len(self.accessors) - 1


def pack(asset: dict[str, Any], blob: bytes | bytearray, suffix: str) -> bytes:
    """A whole file: binary for ``.glb``, else JSON with the data inside."""
    if suffix.lower() != ".glb":
        uri = "data:application/octet-stream;base64," + base64.b64encode(blob).decode()
        return json.dumps(asset | {"buffers": [{"byteLength": len(blob), "uri": uri}]}, indent=1).encode()
    data = bytes(blob) + b"\0" * (-len(blob) % 4)
    page = json.dumps(asset | {"buffers": [{"byteLength": len(data)}]}, separators=(",", ":")).encode()
    page += b" " * (-len(page) % 4)
    header = struct.pack("<4sII", b"glTF", 2, 12 + 8 + len(page) + 8 + len(data))
    chunks = ((b"JSON", page), (b"BIN\0", data))
    return header + b"".join(struct.pack("<I4s", len(part), kind) + part for kind, part in chunks)


def read_gltf(path: Path) -> tuple[dict[str, Any], bytes]:
    """The JSON of a file and its binary data as *one* buffer, to which all views then belong.

    Buffers and pictures in files of their own are taken in, so that what is written elsewhere is whole.

    Raises:
        SourceError: missing, malformed, of another version, or compressed in a way we cannot read.
    """
    path = Path(path)
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise SourceError(f"{path}: no such file") from None
    except OSError as error:
        raise SourceError(f"{path}: cannot be read ({error.strerror})") from error
    try:
        asset, binary = _chunks(data) if data[:4] == b"glTF" else (json.loads(data.decode("utf-8-sig")), None)
        if str(asset["asset"]["version"]).split(".")[0] != "2":
            raise SourceError(f"{path}: glTF {asset['asset']['version']}; posecore reads glTF 2.0")
        return _one_buffer(asset, binary, path)
    except (KeyError, IndexError, TypeError, AttributeError, ValueError, struct.error, binascii.Error) as error:
        raise SourceError(f"{path}: not a glTF file posecore can read ({type(error).__name__}: {error})") from error


def _chunks(data: bytes) -> tuple[dict[str, Any], bytes | None]:
    found: dict[bytes, bytes] = {}
    at = 12
    while at + 8 <= len(data):
        length, kind = struct.unpack_from("<I4s", data, at)
        if at + 8 + length > len(data):
            raise ValueError("the file is cut off")
        found.setdefault(kind, data[at + 8 : at + 8 + length])
        at += 8 + length
    if b"JSON" not in found:
        raise ValueError("the file is cut off")
    return json.loads(found[b"JSON"].decode("utf-8")), found.get(b"BIN\0")


def _one_buffer(asset: dict[str, Any], binary: bytes | None, path: Path) -> tuple[dict[str, Any], bytes]:
    if any("EXT_meshopt_compression" in view.get("extensions", {}) for view in asset.get("bufferViews", [])):
        raise SourceError(f"{path}: compressed with meshopt; save it without compression")
    blob, starts = bytearray(), []
    for number, buffer in enumerate(asset.get("buffers", [])):
        data = binary if "uri" not in buffer and number == 0 else _load(buffer["uri"], path)
        if data is None or len(data) < buffer["byteLength"]:
            raise ValueError("the data of a buffer is cut off")
        blob += b"\0" * (-len(blob) % 4)
        starts.append(len(blob))
        blob += data[: buffer["byteLength"]]
    for view in asset.get("bufferViews", []):
        view["byteOffset"] = view.get("byteOffset", 0) + starts[view["buffer"]]
        view["buffer"] = 0
    whole = Buffer(blob, asset)
    for image in asset.get("images", []):
        kind = _IMAGES.get(Path(image.get("uri", "")).suffix.lower())
        if kind and not image["uri"].startswith("data:"):
            image["bufferView"], image["mimeType"] = whole.add_bytes(_load(image.pop("uri"), path)), kind
    if whole.views:
        asset["bufferViews"] = whole.views
    return asset, bytes(whole.blob)


def _load(uri: str, path: Path) -> bytes:
    """The bytes of a data URI, or of a file beside ``path``."""
    if uri.startswith("data:"):
        head, _, body = uri.partition(",")
        return base64.b64decode(body) if head.endswith(";base64") else unquote_to_bytes(body)
    if "://" in uri:
        raise SourceError(f"{path}: needs {uri[:60]} from the network; save it with its data inside")
    beside = path.parent / unquote(uri)
    try:
        return beside.read_bytes()
    except OSError:
        raise SourceError(f"{path}: needs {beside.name}, which is not beside it") from None


def matrices_of(asset: Mapping[str, Any], blob: bytes, accessor: int) -> NDArray[np.float64]:
    """(N, 4, 4) of a MAT4 accessor. Raises ValueError for any other, and KeyError or IndexError for none."""
    values = asset["accessors"][accessor]
    if values["type"] != "MAT4" or values["componentType"] != FLOAT or "sparse" in values:
        raise ValueError("inverse bind matrices of an unknown kind")
    if "bufferView" not in values:
        return np.zeros((values["count"], 4, 4))
    view = asset["bufferViews"][values["bufferView"]]
    start = view.get("byteOffset", 0) + values.get("byteOffset", 0)
    step = view.get("byteStride", 64)
    rows = [np.frombuffer(blob, "<f4", 16, start + step * row) for row in range(values["count"])]
    return np.array(rows, np.float64).reshape(-1, 4, 4).transpose(0, 2, 1)  # columns first in the file


def node_parents(asset: Mapping[str, Any]) -> list[int]:
    """Parent of every node, -1 for none. Raises ValueError if nodes go in a circle or have two parents."""
    nodes = asset.get("nodes", [])
    parents = [-1] * len(nodes)
    for parent, node in enumerate(nodes):
        for child in node.get("children", []):
            if parents[child] >= 0:
                raise ValueError(f"node {child} has two parents")
            parents[child] = parent
    for node in range(len(nodes)):
        seen, above = 0, node
        while above >= 0:
            above, seen = parents[above], seen + 1
            if seen > len(nodes):
                raise ValueError("its nodes go in a circle")
    return parents


def local_matrix(node: Mapping[str, Any]) -> NDArray[np.float64]:
    """(4, 4) of a node in its parent."""
    if "matrix" in node:
        return np.array(node["matrix"], np.float64).reshape(4, 4).T
    matrix = np.eye(4)
    turn = Rotation.from_quat(node.get("rotation", [0.0, 0.0, 0.0, 1.0])).as_matrix()
    matrix[:3, :3] = turn * np.array(node.get("scale", [1.0, 1.0, 1.0]), np.float64)
    matrix[:3, 3] = node.get("translation", [0.0, 0.0, 0.0])
    return matrix
