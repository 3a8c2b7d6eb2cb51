"""Real poses of SMPL_24 from the CMU captures (AMC files) and shapes to go with them: what the critic calls real.

They stand in for MoSh (seed 003, §3). Knows nothing of pictures or networks.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from posecore.errors import SourceError
from posecore.files import read_npz, write_npz
from posecore.motion import default_offsets, forward_kinematics
from posecore.skeletons import CMU_22, SMPL_24
from training.readers.cmu import read_amc
from training.splits import Split, clip_subject, cmu_split

__all__ = [
    "BodyPoses",
    "bone_errors",
    "fit_to_rest",
    "load_body_poses",
    "mirrored",
    "random_betas",
    "rest_offsets",
]

Array = NDArray[np.float32]

_ARCHIVE = "mocap_cmu/raw/asf_amc.tar.xz"
#: Betas are cut there: beyond it the linear shapes of any body leave what people look like.
BETA_LIMIT = 2.5
#: Limbs whose direction is to be kept when rotations move to a body with another rest: joint -> joint pointed at.
_LIMBS = {
    f"{s}_{a}": f"{s}_{b}"
    for s in "lr"
    for a, b in (("hip", "knee"), ("knee", "ankle"), ("shoulder", "elbow"), ("elbow", "wrist"))
}
#: The joint of CMU_22 that a joint of SMPL_24 is compared with, where names differ.
_CMU_NAMES = {"l_foot": "l_toe", "r_foot": "r_toe"}

_OTHER_BONES = (
    ("l_ankle", "l_foot"), ("r_ankle", "r_foot"), ("r_hip", "l_hip"), ("r_shoulder", "l_shoulder"), ("pelvis", "neck"),
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class BodyPoses:
    """Poses without place, N of them.

    Attributes:
        rotations: (N, 24, 4) local rotations of SMPL_24, xyzw, world frame (Y up); rest is the T-pose of
            :func:`posecore.motion.default_offsets`.
        clips: (N,) clip ids; frames: (N,) at 30 a second.
    """

    rotations: Array
    clips: NDArray[np.str_]
    frames: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.rotations)

    def split(self, split: Split) -> BodyPoses:
        """Those of the training or of the held-out subjects (:mod:`training.splits`)."""
        names, clip = np.unique(self.clips, return_inverse=True)
        own = np.array([cmu_split(clip_subject(str(name))) == split for name in names])[clip]
        return BodyPoses(self.rotations[own], self.clips[own], self.frames[own])

    @cached_property
    def weights(self) -> NDArray[np.float64]:
        """(N,) chance of each: clips by the root of their length, or a few long ones would be most of what is drawn."""
        _, clip, count = np.unique(self.clips, return_inverse=True, return_counts=True)
        weights = count[clip] ** -0.5
        return weights / weights.sum()

    def draw(self, rng: np.random.Generator, count: int, mirror: float = 0.5) -> Array:
        """(count, 24, 4) drawn by :attr:`weights`; a share ``mirror`` of them with left and right exchanged."""
        drawn = self.rotations[rng.choice(len(self), count, p=self.weights)]
        return np.where((rng.random(count) < mirror)[:, None, None], mirrored(drawn), drawn)


def mirrored(rotations: NDArray[np.floating]) -> Array:
    """(..., 24, 4) with left and right exchanged, as seen in a mirror at x = 0."""
    return np.asarray(rotations[..., SMPL_24.mirror, :] * np.array([1, -1, -1, 1]), np.float32)


def random_betas(rng: np.random.Generator, count: int, size: int = 10) -> Array:
    """(count, size) shapes: independent standard normals, drawn again beyond :data:`BETA_LIMIT`.

    The shape axes of SMPL bodies are scaled so that the people behind them have variance 1 along each.
    """
    drawn = rng.normal(size=(count, size))
    while (out := np.abs(drawn) > BETA_LIMIT).any():
        drawn[out] = rng.normal(size=int(out.sum()))
    return drawn.astype(np.float32)


def load_body_poses(data: Path, cache: Path | None = None, clips: tuple[str, ...] | None = None) -> BodyPoses:
    """All frames of all AMC files, 30 a second.

    Args:
        data: the data folder that holds ``mocap_cmu/raw/asf_amc.tar.xz``, or an AMC folder or file itself.
        cache: folder for ``cmu-smpl.npz``, which saves a minute the next time.
        clips: only these; they are not cached.

    Raises:
        SourceError: no captures there.
    """
    kept = Path(cache) / "cmu-smpl.npz" if cache is not None and clips is None else None
    if kept is not None and kept.exists():
        arrays = read_npz(kept)
        return BodyPoses(arrays["rotations"], arrays["clips"], arrays["frames"])
    archive = Path(data) / _ARCHIVE
    found = []
    for movement in read_amc(archive if archive.exists() else Path(data), clips=clips):
        assert movement.rotations is not None
        count = len(movement)
        found.append(BodyPoses(movement.rotations, np.full(count, movement.name), np.arange(count)))
    if not found:
        raise SourceError(f"{archive}: no captures in it")
    arrays = {name: np.concatenate([getattr(one, name) for one in found]) for name in ("rotations", "clips", "frames")}
    if kept is not None:
        kept.parent.mkdir(parents=True, exist_ok=True)
        write_npz(kept, arrays)
    return BodyPoses(**arrays)


def rest_offsets(joints: NDArray[np.floating]) -> Array:
    """(24, 3) offsets from the parents, metres, of a body's rest joints (24, 3); the pelvis' is zero."""
    offsets = np.zeros_like(joints, np.float32)
    for child, parent in enumerate(SMPL_24.parents):
        if parent >= 0:
            offsets[child] = joints[child] - joints[parent]
    return offsets


def fit_to_rest(poses: BodyPoses, offsets: NDArray[np.floating]) -> BodyPoses:
    """The same poses for a body whose limbs point elsewhere at rest.

    The global rotation of a thigh, shin, upper arm or forearm gets the shortest turn from the body's own rest direction
    to the one of :func:`posecore.motion.default_offsets` in front, so that each points as captured.

    Args:
        offsets: (24, 3) the body's rest offsets.
    """
    _, matrices = forward_kinematics(poses.rotations, default_offsets(), np.zeros((len(poses), 3)))
    turned = matrices.astype(np.float64)
    for joint, end in _LIMBS.items():
        index, at = SMPL_24.index(joint), SMPL_24.index(end)
        turned[:, index] = turned[:, index] @ _swing(offsets[at], default_offsets()[at])
    local = turned.copy()
    for child, parent in enumerate(SMPL_24.parents):
        if parent >= 0:
            local[:, child] = np.swapaxes(turned[:, parent], 1, 2) @ turned[:, child]
    quaternions = Rotation.from_matrix(local.reshape(-1, 3, 3)).as_quat().reshape(poses.rotations.shape)
    return replace(poses, rotations=quaternions.astype(np.float32))


def _swing(source: NDArray[np.floating], target: NDArray[np.floating]) -> NDArray[np.float64]:
    """(3, 3) shortest rotation of direction ``source`` to ``target``."""
    a, b = np.asarray(source, np.float64), np.asarray(target, np.float64)
    a, b = a / np.linalg.norm(a), b / np.linalg.norm(b)
    axis = np.cross(a, b)
    sine = float(np.linalg.norm(axis))
    angle = np.arctan2(sine, float(a @ b))
    return Rotation.from_rotvec(axis * (angle / sine) if sine > 1e-12 else np.zeros(3)).as_matrix()


def bone_errors(
    rotations: NDArray[np.floating], offsets: NDArray[np.floating], joints: NDArray[np.floating]
) -> dict[str, NDArray[np.float64]]:
    """How far the bones of posed SMPL_24 point from those that were captured, degrees.

    Args:
        rotations: (T, 24, 4) of a clip; offsets: (24, 3) the body's rest.
        joints: (T, 22, 3) CMU_22 of the same frames.

    Returns:
        Bone ("l_hip-l_knee") → (T,) angles.
    """
    posed, _ = forward_kinematics(rotations, np.asarray(offsets, np.float32), np.zeros((len(rotations), 3)))
    found = {}
    for start, end in (*_LIMBS.items(), *_OTHER_BONES):
        own = posed[:, SMPL_24.index(end)] - posed[:, SMPL_24.index(start)]
        ends = [joints[:, CMU_22.index(_CMU_NAMES.get(name, name))] for name in (start, end)]
        found[f"{start}-{end}"] = _angles(own, ends[1] - ends[0])
    return found


def _angles(a: NDArray[np.floating], b: NDArray[np.floating]) -> NDArray[np.float64]:
    a, b = a.astype(np.float64), b.astype(np.float64)
    return np.degrees(np.arctan2(np.linalg.norm(np.cross(a, b), axis=-1), (a * b).sum(-1)))
