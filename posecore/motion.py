"""``Motion``: the *solved* movement on SMPL-24, the hub of the product (DESIGN §2).

World frame: right-handed, Y up, a person at rest faces +Z with their left toward +X.
Rest pose: a T-pose, all rotations identity, arms along ±X, feet toward +Z.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation, Slerp

from posecore.proportions import default_offsets
from posecore.skeletons import SMPL_24

__all__ = ["Motion", "default_offsets", "forward_kinematics"]


def forward_kinematics(
    rotations: NDArray[np.floating], offsets: NDArray[np.floating], translation: NDArray[np.floating]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Pose SMPL-24.

    Args:
        rotations: (T, 24, 4) local rotations, xyzw.
        offsets: (24, 3) rest offsets from the parent, metres.
        translation: (T, 3) pelvis position, metres.

    Returns:
        positions (T, 24, 3) metres and global rotation matrices (T, 24, 3, 3).
    """
    frames, joints = rotations.shape[:2]
    local = Rotation.from_quat(rotations.reshape(-1, 4)).as_matrix().reshape(frames, joints, 3, 3)
    globals_ = np.empty_like(local)
    positions = np.empty((frames, joints, 3))
    for joint in SMPL_24.topological_order:
        parent = SMPL_24.parents[joint]
        if parent < 0:
            globals_[:, joint] = local[:, joint]
            positions[:, joint] = translation
        else:
            globals_[:, joint] = globals_[:, parent] @ local[:, joint]
            positions[:, joint] = positions[:, parent] + globals_[:, parent] @ offsets[joint]
    return positions.astype(np.float32), globals_.astype(np.float32)


@dataclass(frozen=True)
class Motion:
    """The solved movement of one person.

    Attributes:
        times: (T,) seconds, strictly increasing.
        rotations: (T, 24, 4) local joint rotations, xyzw, continuous in sign over time.
        translation: (T, 3) pelvis position, metres, world frame; the ground is y = 0.
        offsets: (24, 3) rest offsets of the joints from their parents, metres.
        betas: (10,) body shape; zeros until a body is fitted.
        contacts: (T, 4) probability of contact: left heel, left toe, right heel, right toe;
            zeros until contacts are solved.
        confidence: (T, 24) in [0, 1].
        notes: warnings and facts, JSON values only.
    """

    times: NDArray[np.float64]
    rotations: NDArray[np.float32]
    translation: NDArray[np.float32]
    offsets: NDArray[np.float32] = field(default_factory=default_offsets)
    betas: NDArray[np.float32] = field(default_factory=lambda: np.zeros(10, np.float32))
    contacts: NDArray[np.float32] | None = None  # None on construction only: zeros
    confidence: NDArray[np.float32] | None = None  # None on construction only: ones
    notes: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        count, joints = len(self.times), len(SMPL_24)
        if self.contacts is None:
            object.__setattr__(self, "contacts", np.zeros((count, 4), np.float32))
        if self.confidence is None:
            object.__setattr__(self, "confidence", np.ones((count, joints), np.float32))
        shapes = {
            "times": (count,),
            "rotations": (count, joints, 4),
            "translation": (count, 3),
            "offsets": (joints, 3),
            "contacts": (count, 4),
            "confidence": (count, joints),
        }
        for name, shape in shapes.items():
            value = getattr(self, name)
            if value.shape != shape:
                raise ValueError(f"Motion.{name}: expected shape {shape}, got {value.shape}")
            if not np.isfinite(value).all():
                raise ValueError(f"Motion.{name}: holds NaN or infinity")
        if count > 1 and not (np.diff(self.times) > 0).all():
            raise ValueError("Motion.times: time stamps must increase")

    def __len__(self) -> int:
        return len(self.times)

    @property
    def rate(self) -> float:
        """Median frame rate, 1/s; 30 for a single frame."""
        return float(1.0 / np.median(np.diff(self.times))) if len(self) > 1 else 30.0

    def joints(self) -> NDArray[np.float32]:
        """(T, 24, 3) joint positions, metres, world frame."""
        return forward_kinematics(self.rotations, self.offsets, self.translation)[0]

    def resample(self, rate: float) -> Motion:
        """The same movement at an even ``rate`` (1/s): slerp for rotations, linear for the rest.

        Raises:
            ValueError: ``rate`` is not positive.
        """
        if not rate > 0:
            raise ValueError(f"rate must be positive, got {rate}")
        if len(self) < 2:
            return self
        count = int(np.floor((self.times[-1] - self.times[0]) * rate + 1e-6)) + 1
        times = np.minimum(self.times[0] + np.arange(count) / rate, self.times[-1])
        rotations = np.stack(
            [Slerp(self.times, Rotation.from_quat(self.rotations[:, j]))(times).as_quat() for j in range(len(SMPL_24))],
            axis=1,
        )

        def linear(values: NDArray[np.float32]) -> NDArray[np.float32]:
            return np.stack([np.interp(times, self.times, column) for column in values.T], axis=1).astype(np.float32)

        assert self.contacts is not None and self.confidence is not None
        return replace(
            self,
            times=times,
            rotations=continuous(rotations).astype(np.float32),
            translation=linear(self.translation),
            contacts=linear(self.contacts),
            confidence=linear(self.confidence),
        )

    def save(self, path: str | os.PathLike[str], **options: Any) -> None:
        """Write by suffix: ``.bvh``, ``.glb``/``.gltf``, or ``.npz`` (AMASS keys plus ours; round-trips).

        Raises:
            OutputError: unknown suffix, or the path cannot be written.
        """
        # The one upward import of the house: `save` is the public door to the formats.
        from posecore import formats

        formats.write_motion(self, Path(path), **options)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Motion:
        """Read ``.npz`` (ours or AMASS-style) or ``.bvh`` written by posecore.

        Raises:
            SourceError: missing, unreadable, or of another kind.
        """
        from posecore import formats

        return formats.read_motion(Path(path))


def continuous(quaternions: NDArray[np.floating]) -> NDArray[np.floating]:
    """Flip signs so that (T, ..., 4) quaternions never jump to the antipode between frames."""
    quaternions = np.array(quaternions)
    if len(quaternions) > 1:
        dots = (quaternions[1:] * quaternions[:-1]).sum(-1)
        signs = np.cumprod(np.where(dots < 0, -1.0, 1.0), axis=0)
        quaternions[1:] *= signs[..., None].astype(quaternions.dtype)
    return quaternions
