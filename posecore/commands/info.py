"""``posecore info``: what is in a file that posecore reads or writes."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from tyro.conf import Positional, arg

from posecore.commands.common import Common, describe_take
from posecore.commands.reporting import Reporter
from posecore.errors import SourceError

__all__ = ["Info", "describe"]

_Facts = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Info(Common):
    """Say what is in a video, a picture sequence, a Take, a Motion, a BVH or a glTF file."""

    file: Annotated[Positional[str], arg(metavar="FILE")]
    """The file, folder, pattern or glob."""

    def execute(self, reporter: Reporter) -> None:
        """See the class."""
        from rich.table import Table

        facts = describe(self.file)
        table = Table(show_header=False, box=None, pad_edge=False)
        for key, value in facts.items():
            if key != "warnings":
                table.add_row(key, _words(value))
        reporter.answer(table, command="info", **facts)
        if not self.json:
            for text in facts.get("warnings", []):
                reporter.warning(str(text))


def describe(source: str) -> _Facts:
    """The facts about a file, as JSON values; ``kind`` says what it is and ``warnings`` what is odd.

    Raises:
        SourceError: missing, or nothing that posecore reads.
    """
    path = Path(source)
    facts = {".npz": _npz, ".bvh": _bvh, ".glb": _gltf, ".gltf": _gltf}.get(path.suffix.lower(), _video)(path)
    kind = facts.pop("kind")
    return {"file": source, "kind": kind, **facts}


def _words(value: Any) -> str:
    """A fact as a person would write it."""
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False)
    return "unknown" if value is None else str(value)


def _video(path: Path) -> _Facts:
    from posecore.capturing.images import is_image_source
    from posecore.capturing.video import open_frames

    source = open_frames(str(path))
    seconds = source.count / source.rate if source.count and source.rate else None
    return {
        "kind": "pictures" if is_image_source(str(path)) else "video",
        "width": source.size[0],
        "height": source.size[1],
        "rate": round(source.rate, 3),
        "frames": source.count,
        "seconds": seconds and round(seconds, 3),
        "warnings": list(source.warnings),
    }


def _npz(path: Path) -> _Facts:
    from posecore.files import read_npz

    if "keypoints" in read_npz(path):
        return _take(path)
    return _motion(path)


def _take(path: Path) -> _Facts:
    from posecore.takes import Take

    take = Take.load(path)
    notes = dict(take.notes)
    warnings = notes.pop("warnings", [])
    return {
        "kind": "take",
        **describe_take(take),
        "width": take.camera.size[0],
        "height": take.camera.size[1],
        "focal": round(take.camera.focal, 2),
        "confidence": round(float(take.confidence.mean()), 3) if len(take) else None,
        **({"notes": notes} if notes else {}),
        "warnings": warnings,
    }


def _motion(path: Path) -> _Facts:
    from posecore.motion import Motion

    motion = Motion.load(path)
    notes = dict(motion.notes)
    warnings = notes.pop("warnings", [])
    travelled = motion.translation[-1] - motion.translation[0] if len(motion) else motion.translation.sum(0)
    return {
        "kind": "motion",
        "frames": len(motion),
        "rate": round(motion.rate, 3),
        "seconds": round(float(motion.times[-1] - motion.times[0]), 3) if len(motion) else 0.0,
        "travelled": [round(float(value), 3) for value in travelled],
        **({"notes": notes} if notes else {}),
        "warnings": warnings,
    }


def _bvh(path: Path) -> _Facts:
    from posecore.formats.bvh import read_bvh

    bvh = read_bvh(path)
    return {
        "kind": "bvh",
        "joints": len(bvh.names),
        "root": bvh.names[0],
        "channels": sum(map(len, bvh.channels)),
        "frames": len(bvh),
        "rate": round(bvh.rate, 3),
        "seconds": round(max(len(bvh) - 1, 0) * bvh.frame_time, 3),
        "warnings": list(bvh.warnings),
    }


def _gltf(path: Path) -> _Facts:
    import pygltflib

    if not path.is_file():
        raise SourceError(f"{path}: no such file")
    try:
        gltf = pygltflib.GLTF2().load(str(path))
        if gltf is None:
            raise ValueError("no glTF inside")
        facts = {
            "kind": "gltf",
            "nodes": len(gltf.nodes),
            "joints": max((len(skin.joints) for skin in gltf.skins), default=0),
            "meshes": len(gltf.meshes),
            "animations": [_gltf_animation(gltf, animation) for animation in gltf.animations],
            "warnings": [],
        }
    except Exception as error:  # pygltflib raises whatever its parsers do: KeyError, struct.error, …
        raise SourceError(f"{path}: not a readable glTF file ({type(error).__name__}: {error})") from error
    return facts


def _gltf_animation(gltf: Any, animation: Any) -> _Facts:
    """Name, channels, key count and length of an animation, from the headers alone."""
    inputs = [gltf.accessors[sampler.input] for sampler in animation.samplers]
    return {
        "name": animation.name,
        "channels": len(animation.channels),
        "frames": max((accessor.count for accessor in inputs), default=0),
        "seconds": round(max((accessor.max[0] for accessor in inputs if accessor.max), default=0.0), 3),
    }
