"""The two values that every reader gives: people in pictures (``Samples``) and clips of motion (``Movement``).

Units are always metres and pixels, the centre of the top-left pixel is (0, 0), and "left" is the person's own.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from posecore.errors import SourceError
from posecore.motion import Motion
from posecore.skeletons import Skeleton, convert
from training.readers.cameras import Camera

__all__ = ["OCCLUDED", "UNKNOWN", "VISIBLE", "Movement", "Samples", "concatenate"]

Array = NDArray[np.float32]

#: Flags of a keypoint: not labelled; labelled, not seen; labelled and seen.
UNKNOWN, OCCLUDED, VISIBLE = 0, 1, 2


@dataclass(frozen=True)
class Samples:
    """N labelled people. What a data set does not say is None, or ``""``.

    Attributes:
        kind: the reader that made it.
        skeleton: the joint set of ``keypoints`` and ``joints``.
        keys: (N,) text, unique.
        keypoints: (N, J, 3) x, y px and flag: 0 unknown (x, y are then 0), 1 labelled but hidden, 2 labelled and seen.
            Data sets that only say "labelled" have flag 2.
        root: the folder that ``images`` are relative to.
        images: (N,) text, path of the picture below ``root`` (a tar file where ``spans`` is set), ``""`` = none.
        spans: (N, 2) first byte and length of the picture inside its tar file.
        boxes: (N, 4) x, y, w, h px.
        head_sizes: (N,) px, the length that MPII's PCKh is counted in; NaN = unknown.
        joints: (N, J, 3) m, camera frame (x right, y down, z away).
        joints_known: (N, J) bool; None = all.
        relations: (N, J, J) int8, ordinal depth: +1 where joint i is nearer than joint j, -1 farther, 0 level.
        relations_known: (N, J, J) bool.
        cameras: by name.
        camera_of: (N,) text, name of each sample's camera.
        subjects, actions, scenes, clips: (N,) text.
        frames: (N,) frame number within the clip, from 0.
        extras: what only this data set has, name -> (N, …).
        licence: one line on what the data may be used for.
    """

    kind: str
    skeleton: Skeleton
    keys: NDArray[Any]
    keypoints: Array
    root: Path = Path()
    images: NDArray[Any] | None = None
    spans: NDArray[np.int64] | None = None
    boxes: Array | None = None
    head_sizes: Array | None = None
    joints: Array | None = None
    joints_known: NDArray[np.bool_] | None = None
    relations: NDArray[np.int8] | None = None
    relations_known: NDArray[np.bool_] | None = None
    cameras: Mapping[str, Camera] = field(default_factory=dict)
    camera_of: NDArray[Any] | None = None
    subjects: NDArray[Any] | None = None
    actions: NDArray[Any] | None = None
    scenes: NDArray[Any] | None = None
    clips: NDArray[Any] | None = None
    frames: NDArray[np.int64] | None = None
    extras: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    licence: str = ""

    def __post_init__(self) -> None:
        count, joints = len(self.keys), len(self.skeleton)
        shapes = {
            "keypoints": (joints, 3),
            "spans": (2,),
            "boxes": (4,),
            "joints": (joints, 3),
            "joints_known": (joints,),
            "relations": (joints, joints),
            "relations_known": (joints, joints),
        }
        for name, value in self._rows().items():
            shape = (count, *shapes.get(name, ())) if name not in self.extras else (count, *value.shape[1:])
            if value.shape != shape:
                raise ValueError(f"{self.kind}: {name} is {value.shape}; expected {shape}")

    def __len__(self) -> int:
        return len(self.keys)

    def _rows(self) -> dict[str, NDArray[Any]]:
        """Everything with one row a sample, extras included."""
        named = {f.name: getattr(self, f.name) for f in fields(self)}
        return {n: v for n, v in named.items() if isinstance(v, np.ndarray)} | dict(self.extras)

    def select(self, rows: Any) -> Samples:
        """The samples that a mask (N,), indices or a slice picks."""
        changed = {n: v[rows] for n, v in self._rows().items()}
        extras = {n: changed.pop(n) for n in self.extras}
        return replace(self, **changed, extras=extras)

    def picture_path(self, index: int) -> Path | None:
        """Where the picture (or the tar file with it) lies; None if the data set names none."""
        name = str(self.images[index]) if self.images is not None else ""
        return self.root / name if name else None

    def picture(self, index: int) -> NDArray[np.uint8]:
        """(H, W, 3) RGB.

        Raises:
            SourceError: no picture is named, or it is missing or unreadable.
        """
        from PIL import Image

        path = self.picture_path(index)
        if path is None:
            raise SourceError(f"{self.kind}: sample {self.keys[index]} names no picture")
        try:
            if self.spans is None:
                return np.asarray(Image.open(path).convert("RGB"))
            with open(path, "rb") as stream:
                stream.seek(int(self.spans[index, 0]))
                data = stream.read(int(self.spans[index, 1]))
            return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
        except FileNotFoundError:
            raise SourceError(f"{path}: no such picture; {self.kind} names it for {self.keys[index]}") from None
        except OSError as error:
            raise SourceError(f"{path}: not a readable picture ({error})") from error

    def to(self, skeleton: Skeleton) -> Samples:
        """The same people in another joint set (:func:`posecore.skeletons.convert`); ordinal relations are dropped.

        A joint that is a blend has the flag of its least known part, and is unknown where one of them is.
        """
        if skeleton == self.skeleton:
            return self
        places, flags = convert(self.keypoints[..., :2], self.skeleton, skeleton, self.keypoints[..., 2])
        keypoints = np.concatenate([np.where(flags[..., None] > 0, places, 0), flags[..., None]], axis=-1)
        joints, known = None, None
        if self.joints is not None:
            had = np.ones(self.joints.shape[:2], bool) if self.joints_known is None else self.joints_known
            joints, sure = convert(self.joints, self.skeleton, skeleton, had.astype(np.float32))
            known = sure > 0
            joints = np.where(known[..., None], joints, 0).astype(np.float32)
        return replace(
            self,
            skeleton=skeleton,
            keypoints=keypoints.astype(np.float32),
            joints=joints,
            joints_known=known,
            relations=None,
            relations_known=None,
        )

    def project(self, index: int) -> NDArray[np.float64]:
        """(J, 2) px: the sample's joints through its camera. Raises ValueError where it has not both."""
        if self.joints is None or self.camera_of is None:
            raise ValueError(f"{self.kind}: sample {index} has no joints or no camera")
        return self.cameras[str(self.camera_of[index])].project(self.joints[index])

    def summary(self) -> list[str]:
        """A few lines for a person to read."""
        flags = self.keypoints[..., 2]
        labelled = float((flags > 0).mean()) if flags.size else 0.0
        lines = [
            f"{self.kind}: {len(self)} samples, {self.skeleton.name}, {labelled:.1%} of the keypoints labelled",
            f"pictures: {self._picture_line()}",
        ]
        if self.boxes is not None and len(self):
            width, height = np.median(self.boxes[:, 2:], axis=0)
            lines.append(f"boxes: median {width:.0f} × {height:.0f} px")
        if self.head_sizes is not None:
            lines.append(f"head sizes: {int(np.isfinite(self.head_sizes).sum())} known")
        if self.joints is not None and len(self):
            away = np.median(self.joints[..., 2])
            lines.append(f"3D joints in metres, camera frame; median {away:.2f} m away")
        if self.relations is not None and self.relations_known is not None:
            lines.append(f"ordinal relations: {int(self.relations_known.sum())} known")
        if self.cameras:
            lines.append(f"cameras: {len(self.cameras)}")
        for name in ("subjects", "actions", "scenes"):
            values = getattr(self, name)
            if values is not None:
                there = sorted(set(map(str, values)) - {""})
                lines.append(f"{name}: {len(there)} ({', '.join(there[:5])}{', …' if len(there) > 5 else ''})")
        if self.extras:
            lines.append(f"also: {', '.join(self.extras)}")
        return [*lines, f"licence: {self.licence}"] if self.licence else lines

    def _picture_line(self) -> str:
        if self.images is None:
            return "none named"
        paths = {path for i in range(min(len(self), 200)) if (path := self.picture_path(i)) is not None}
        missing = [path for path in sorted(paths) if not path.is_file()]
        if missing:
            return f"{len(missing)} of the first {len(paths)} files are missing, e.g. {missing[0]}"
        return f"below {self.root}" if paths else "none named"


@dataclass(frozen=True)
class Movement:
    """One clip of motion.

    Attributes:
        kind: the reader that made it.
        name: clip id.
        subject: ``""`` = unknown.
        rate: frames per second.
        skeleton: the joint set of ``joints``.
        joints: (T, J, 3) m, world frame: Y up (a person at rest faces +Z where the data set says so).
        rotations: (T, 24, 4) local rotations of SMPL_24, xyzw, from SMPL's T-pose; None where the file has none.
        travels: whether the root's path can be trusted.
        licence: one line on what the data may be used for.
    """

    kind: str
    name: str
    subject: str
    rate: float
    skeleton: Skeleton
    joints: Array
    rotations: Array | None = None
    travels: bool = True
    licence: str = ""

    def __len__(self) -> int:
        return len(self.joints)

    def motion(self) -> Motion:
        """The same as a :class:`posecore.Motion` on the average adult's skeleton, the pelvis on the clip's path.

        Raises:
            ValueError: the clip has no rotations.
        """
        if self.rotations is None:
            raise ValueError(f"{self.name} has joint positions only")
        path = self.joints[:, self.skeleton.index("pelvis")]
        return Motion(np.arange(len(self)) / self.rate, self.rotations, np.asarray(path, np.float32))

    def summary(self) -> list[str]:
        """A line for a person to read."""
        turns = ", SMPL rotations" if self.rotations is not None else ""
        seconds = len(self) / self.rate
        return [f"{self.name}: {len(self)} frames, {seconds:.1f} s, {len(self.skeleton)} joints{turns}"]


def concatenate(parts: Sequence[Samples]) -> Samples:
    """Several Samples of one joint set as one; what only some of them say is dropped.

    Raises:
        ValueError: nothing to join, or different joint sets or picture folders.
    """
    if not parts:
        raise ValueError("no samples to join")
    first = parts[0]
    if any(part.skeleton != first.skeleton or part.root != first.root for part in parts):
        raise ValueError("samples of different joint sets or picture folders; map them with .to() first")
    shared = set.intersection(*(set(part._rows()) for part in parts))
    joined = {name: np.concatenate([part._rows()[name] for part in parts]) for name in first._rows() if name in shared}
    extras = {name: joined.pop(name) for name in first.extras if name in shared}
    gone = {name: None for name in first._rows() if name not in shared and name not in first.extras}
    cameras = {name: camera for part in parts for name, camera in part.cameras.items()}
    return replace(first, **joined, **gone, extras=extras, cameras=cameras)
