"""``Take``: one person over time as *observed* (DESIGN §2). Never overwritten by solving.

Knows nothing of networks or of how the observation was made.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from posecore.errors import SourceError
from posecore.files import read_npz, write_npz
from posecore.skeletons import BODY_21

__all__ = ["Camera", "Take"]

_FORMAT = "posecore.take"
_VERSION = 1


@dataclass(frozen=True)
class Camera:
    """A pinhole camera without distortion, in the frame of OpenCV.

    Attributes:
        focal: focal length, px (equal in x and y).
        centre: (cx, cy) principal point, px.
        size: (width, height) of the upright picture, px.
    """

    focal: float
    centre: tuple[float, float]
    size: tuple[int, int]

    @classmethod
    def assumed(cls, size: tuple[int, int]) -> Camera:
        """The camera to assume for a video that says nothing: a 50° field over the longer side."""
        width, height = size
        return cls(max(width, height) / (2 * np.tan(np.radians(25.0))), ((width - 1) / 2, (height - 1) / 2), size)


@dataclass(frozen=True)
class Take:
    """One person over time, as observed.

    Attributes:
        times: (T,) seconds, strictly increasing; the time stamps of the source.
        boxes: (T, 4) x, y, width, height of the person, px of the upright picture.
        keypoints: (T, J, 2) px.
        confidence: (T, J) in [0, 1]; 0 = missing.
        joints: (T, J, 3) metres, relative to the pelvis, camera frame (x right, y down, z away),
            after temporal refinement where there was any.
        joints_raw: (T, J, 3) the same before temporal refinement.
        camera: the camera used.
        source: where the frames came from (a path, for people to read).
        frames: (T,) frame numbers in the source.
        estimator: name and version of what observed.
        notes: warnings and facts, JSON values only.

    J = 21, in the order of :data:`posecore.skeletons.BODY_21`.
    """

    times: NDArray[np.float64]
    boxes: NDArray[np.float32]
    keypoints: NDArray[np.float32]
    confidence: NDArray[np.float32]
    joints: NDArray[np.float32]
    joints_raw: NDArray[np.float32]
    camera: Camera
    source: str = ""
    frames: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    estimator: str = ""
    notes: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        count, joints = len(self.times), len(BODY_21)
        if len(self.frames) == 0 and count:
            object.__setattr__(self, "frames", np.arange(count, dtype=np.int64))
        shapes = {
            "times": (count,),
            "boxes": (count, 4),
            "keypoints": (count, joints, 2),
            "confidence": (count, joints),
            "joints": (count, joints, 3),
            "joints_raw": (count, joints, 3),
            "frames": (count,),
        }
        for name, shape in shapes.items():
            value = getattr(self, name)
            if value.shape != shape:
                raise ValueError(f"Take.{name}: expected shape {shape}, got {value.shape}")
            if not np.isfinite(value).all():
                raise ValueError(f"Take.{name}: holds NaN or infinity; missing joints have confidence 0 instead")
        if count > 1 and not (np.diff(self.times) > 0).all():
            raise ValueError("Take.times: time stamps must increase")

    def __len__(self) -> int:
        return len(self.times)

    @property
    def rate(self) -> float:
        """Median frame rate, 1/s; 30 for a single frame."""
        return float(1.0 / np.median(np.diff(self.times))) if len(self) > 1 else 30.0

    def slice(self, start: int, stop: int) -> Take:
        """The frames ``start:stop`` as a Take of their own."""
        cut = {
            name: getattr(self, name)[start:stop]
            for name in ("times", "boxes", "keypoints", "confidence", "joints", "joints_raw", "frames")
        }
        return replace(self, **cut)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write an ``.npz`` with one array per field (no pickle). Atomic."""
        meta = {
            "format": _FORMAT,
            "version": _VERSION,
            "skeleton": BODY_21.name,
            "source": self.source,
            "estimator": self.estimator,
            "notes": self.notes,
        }
        camera = self.camera
        write_npz(
            Path(path),
            {
                "times": self.times.astype(np.float64),
                "boxes": self.boxes.astype(np.float32),
                "keypoints": self.keypoints.astype(np.float32),
                "confidence": self.confidence.astype(np.float32),
                "joints": self.joints.astype(np.float32),
                "joints_raw": self.joints_raw.astype(np.float32),
                "frames": self.frames.astype(np.int64),
                "camera": np.array([camera.focal, *camera.centre, *camera.size], np.float64),
                "meta": np.array(json.dumps(meta)),
            },
        )

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Take:
        """Read a Take written by :meth:`save`.

        Raises:
            SourceError: the file is missing, not an npz, or not a Take.
        """
        data = read_npz(Path(path))
        try:
            meta = json.loads(str(data["meta"]))
            if meta["format"] != _FORMAT:
                raise KeyError("format")
            focal, cx, cy, width, height = (float(v) for v in data["camera"])
            fields = {
                name: data[name]
                for name in ("times", "boxes", "keypoints", "confidence", "joints", "joints_raw", "frames")
            }
            return cls(
                **fields,
                camera=Camera(focal, (cx, cy), (int(width), int(height))),
                source=meta["source"],
                estimator=meta["estimator"],
                notes=meta["notes"],
            )
        except (KeyError, ValueError, TypeError) as error:
            raise SourceError(f"{path}: not a posecore Take ({error}); make one with 'posecore capture'") from error
