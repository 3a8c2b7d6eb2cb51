"""``RigMotion``: the movement of one rig's bones."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation, Slerp

from posecore.motion import continuous
from posecore.retargeting.rig import Rig

__all__ = ["RigMotion"]


@dataclass(frozen=True)
class RigMotion:
    """Per-bone movement of one rig, as differences from its rest pose.

    Attributes:
        rig: the rig that moves.
        times: (T,) seconds, strictly increasing.
        bones: K names of the bones that turn; all others stay at rest.
        rotations: (T, K, 4) xyzw, continuous in sign: turn from rest in the bone's *own* rest axes
            (Blender's ``matrix_basis``).
        locations: bone name → (T, 3) move from rest in the bone's own rest axes, in the armature's unit;
            only bones that travel (hips, root).
        notes: warnings and facts, JSON values only.
    """

    rig: Rig
    times: NDArray[np.float64]
    bones: tuple[str, ...]
    rotations: NDArray[np.float32]
    locations: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)
    notes: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        shape = (len(self.times), len(self.bones), 4)
        if self.rotations.shape != shape:
            raise ValueError(f"RigMotion.rotations: expected shape {shape}, got {self.rotations.shape}")
        for bone in (*self.bones, *self.locations):
            if bone not in self.rig:
                raise ValueError(f"RigMotion: the rig has no bone {bone!r}")
        for bone, path in self.locations.items():
            if path.shape != (len(self.times), 3):
                raise ValueError(f"RigMotion.locations[{bone!r}]: expected ({len(self.times)}, 3), got {path.shape}")

    def __len__(self) -> int:
        return len(self.times)

    @cached_property
    def pose(self) -> NDArray[np.float64]:
        """(T, B, 4, 4) matrices of all bones in the armature frame, each carried by the bone that it follows."""
        count = len(self.rig)
        basis = np.tile(np.eye(4), (len(self), count, 1, 1))
        for column, name in enumerate(self.bones):
            basis[:, self.rig.index(name), :3, :3] = Rotation.from_quat(self.rotations[:, column]).as_matrix()
        for name, path in self.locations.items():
            basis[:, self.rig.index(name), :3, 3] = path
        posed = np.empty_like(basis)
        done = [False] * count

        def place(bone: int) -> None:
            if done[bone]:
                return
            done[bone] = True
            carrier = self.rig.followed[bone]
            if carrier < 0:
                posed[:, bone] = self.rig.rest[bone] @ basis[:, bone]
            else:
                place(carrier)
                offset = np.linalg.inv(self.rig.rest[carrier]) @ self.rig.rest[bone]
                posed[:, bone] = posed[:, carrier] @ offset @ basis[:, bone]

        for bone in range(count):
            place(bone)
        return posed

    def joints(self) -> NDArray[np.float64]:
        """(T, B, 3) heads of all bones in the world, metres."""
        placement = self.rig.placement
        heads: NDArray[np.float64] = self.pose[..., :3, 3] @ placement[:3, :3].T + placement[:3, 3]
        return heads

    def resample(self, rate: float) -> RigMotion:
        """The same movement at an even ``rate`` (1/s): slerp for rotations, linear for locations.

        Raises:
            ValueError: ``rate`` is not positive.
        """
        if not rate > 0:
            raise ValueError(f"rate must be positive, got {rate}")
        if len(self) < 2:
            return self
        count = int(np.floor((self.times[-1] - self.times[0]) * rate + 1e-6)) + 1
        times = np.minimum(self.times[0] + np.arange(count) / rate, self.times[-1])
        rotations = np.zeros((count, len(self.bones), 4))
        for k in range(len(self.bones)):
            rotations[:, k] = Slerp(self.times, Rotation.from_quat(self.rotations[:, k]))(times).as_quat()
        locations = {
            bone: np.stack([np.interp(times, self.times, axis) for axis in path.T], axis=1).astype(np.float32)
            for bone, path in self.locations.items()
        }
        return replace(self, times=times, rotations=continuous(rotations).astype(np.float32), locations=locations)

    def save(self, path: str | os.PathLike[str], **options: Any) -> None:
        """Write by suffix: ``.bvh``, or ``.glb``/``.gltf``.

        Raises:
            OutputError: unknown suffix, or the path cannot be written.
        """
        from posecore.formats.rigs import write_rig_motion

        write_rig_motion(self, Path(path), **options)
