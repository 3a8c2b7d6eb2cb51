"""``Rig``: a target skeleton as plain data, wherever it came from (DESIGN §2)."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["ROTATION_MODES", "Rig"]

#: How a bone's rotation is kept by its owner; Blender's names.
ROTATION_MODES = ("QUATERNION", "XYZ", "XZY", "YXZ", "YZX", "ZXY", "ZYX", "AXIS_ANGLE")


@dataclass(frozen=True)
class Rig:
    """A skeleton at rest.

    The *armature frame* is the skeleton's own: any axes, any unit. ``placement`` takes it to the world
    (right-handed, Y up, metres).

    Attributes:
        names: B bone names, every parent before its children.
        parents: B indices, -1 for a root.
        rest: (B, 4, 4) rest matrices in the armature frame: columns are the bone's axes (unit length) and its head.
        tails: (B, 3) ends of the bones in the armature frame.
        placement: (4, 4) armature frame → world; may rotate, scale and move.
        rotation_modes: B of :data:`ROTATION_MODES`.
        followed: B indices of the bone whose posed frame a bone really turns and moves with, -1 for the armature
            itself. The parents in a plain skeleton; in a control rig what its constraints make of them.
        deform: (B,) whether a bone moves the mesh. All true where nothing is known.
        warnings: what was odd about the rig, one line each.
        origin: what the reader of a file keeps to write movement back into the same kind of file; None for none.

    Raises:
        ValueError: shapes or names disagree, or a parent comes after its child.
    """

    names: tuple[str, ...]
    parents: tuple[int, ...]
    rest: NDArray[np.float64]
    tails: NDArray[np.float64]
    placement: NDArray[np.float64] = field(default_factory=lambda: np.eye(4))
    rotation_modes: tuple[str, ...] = ()
    followed: tuple[int, ...] = ()
    deform: NDArray[np.bool_] | None = None
    warnings: tuple[str, ...] = ()
    origin: Any = field(default=None, compare=False, repr=False)

    def __post_init__(self) -> None:
        count = len(self.names)
        defaults = {
            "rotation_modes": ("QUATERNION",) * count,
            "followed": tuple(self.parents),
            "deform": np.ones(count, bool),
        }
        for name, value in defaults.items():
            if getattr(self, name) is None or len(getattr(self, name)) == 0:
                object.__setattr__(self, name, value)
        if len(set(self.names)) != count:
            raise ValueError("Rig: bone names repeat")
        shapes = {"rest": (count, 4, 4), "tails": (count, 3), "placement": (4, 4), "deform": (count,)}
        for name, shape in shapes.items():
            value = getattr(self, name)
            if value.shape != shape:
                raise ValueError(f"Rig.{name}: expected shape {shape}, got {value.shape}")
        for name in ("parents", "followed", "rotation_modes"):
            if len(getattr(self, name)) != count:
                raise ValueError(f"Rig.{name}: expected {count} values, got {len(getattr(self, name))}")
        if any(not -1 <= parent < bone for bone, parent in enumerate(self.parents)):
            raise ValueError("Rig.parents: every parent must come before its children")
        if any(not -1 <= other < count or other == bone for bone, other in enumerate(self.followed)):
            raise ValueError("Rig.followed: no such bone, or a bone that follows itself")
        unknown = set(self.rotation_modes) - set(ROTATION_MODES)
        if unknown:
            raise ValueError(f"Rig.rotation_modes: unknown {sorted(unknown)}")

    def __len__(self) -> int:
        return len(self.names)

    @cached_property
    def _numbers(self) -> dict[str, int]:
        return {name: number for number, name in enumerate(self.names)}

    def index(self, bone: str) -> int:
        """Number of a bone. Raises KeyError if the rig has none of that name."""
        try:
            return self._numbers[bone]
        except KeyError:
            raise KeyError(f"the rig has no bone {bone!r}") from None

    def __contains__(self, bone: object) -> bool:
        return bone in self._numbers

    @cached_property
    def children(self) -> tuple[tuple[int, ...], ...]:
        """Numbers of the children of every bone."""
        out: list[list[int]] = [[] for _ in self.names]
        for bone, parent in enumerate(self.parents):
            if parent >= 0:
                out[parent].append(bone)
        return tuple(map(tuple, out))

    @cached_property
    def heads(self) -> NDArray[np.float64]:
        """(B, 3) heads of the bones in the world at rest, metres."""
        return self.rest[:, :3, 3] @ self.placement[:3, :3].T + self.placement[:3, 3]

    @cached_property
    def ends(self) -> NDArray[np.float64]:
        """(B, 3) tails of the bones in the world at rest, metres."""
        return self.tails @ self.placement[:3, :3].T + self.placement[:3, 3]

    @classmethod
    def from_bvh(cls, path: str | os.PathLike[str]) -> Rig:
        """The skeleton of any BVH file.

        Raises:
            SourceError: missing or malformed file.
        """
        # `Rig` and `RigMotion` are the public doors to the formats, as `Motion.save` is.
        from posecore.formats.rigs import rig_from_bvh

        return rig_from_bvh(Path(path))

    @classmethod
    def from_gltf(cls, path: str | os.PathLike[str]) -> Rig:
        """The first skin's skeleton of a ``.glb`` or ``.gltf`` file (or all its nodes, if it has no skin).

        Raises:
            SourceError: missing or malformed file.
        """
        from posecore.formats.rigs import rig_from_gltf

        return rig_from_gltf(Path(path))
