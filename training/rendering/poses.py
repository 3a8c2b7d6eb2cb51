"""Which captured poses are rendered: CMU frames without near-duplicates, half ordinary motion, half varied."""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from posecore.errors import SourceError
from posecore.files import read_npz
from posecore.skeletons import CMU_22
from training.splits import Split, clip_subject, cmu_split

__all__ = ["PickedPose", "PoseBank", "load_clip", "load_pose_bank", "sample_pose"]

Array = NDArray[np.float64]

_ORDINARY = re.compile(r"walk|run\b|jog|wash self|laugh|directions|discussion|greeting|phoning|posing|waiting", re.I)


@dataclass(frozen=True)
class PoseBank:
    """Distinct poses.

    Attributes:
        joints: (N, 22, 3) CMU_22, metres, Y up.
        clips, frames: (N,) where each came from; frames at 30 a second.
        ordinary: (N,) True for walking, standing and the like.
        weights: (N,) chance of each, within ordinary and within varied summing to 1.
    """

    joints: NDArray[np.float32]
    clips: list[str]
    frames: NDArray[np.int64]
    ordinary: NDArray[np.bool_]
    weights: Array


@dataclass(frozen=True)
class PickedPose:
    """A pose to render: (22, 3) joints, the clip and frame it came from, and what was done to it."""

    joints: Array
    clip: str
    frame: int
    change: str


def _joints_folder(data: Path) -> Path:
    folder = Path(data) / "mocap_cmu" / "joints"
    if not folder.is_dir():
        raise SourceError(f"{folder}: no such folder; --data must be the folder that holds mocap_cmu")
    return folder


def load_clip(data: Path, clip: str) -> NDArray[np.float32]:
    """(T, 22, 3) joints of one clip such as ``"047_01"``, metres, 30 frames a second.

    Raises:
        SourceError: no such clip.
    """
    path = _joints_folder(data) / f"subject_{clip_subject(clip)}.npz"
    clips = read_npz(path)
    if clip not in clips:
        raise SourceError(f"{path}: no clip {clip}; it has {', '.join(clips)}")
    return clips[clip]


def _distinct(joints: NDArray[np.float32], threshold: float, stride: int = 3) -> NDArray[np.int64]:
    """Frames of a clip that differ from all kept before them by more than ``threshold`` metres, mean over joints,
    once place and heading are taken away."""
    hips = joints[:, CMU_22.index("l_hip")] - joints[:, CMU_22.index("r_hip")]
    turn = Rotation.from_euler("Y", np.arctan2(hips[:, 2], hips[:, 0])[:, None]).as_matrix()
    centred = np.einsum("tij,tkj->tki", turn, joints - joints[:, :1])
    kept: list[int] = []
    for frame in range(0, len(joints), stride):
        if not kept or np.linalg.norm(centred[kept] - centred[frame], axis=-1).mean(-1).min() > threshold:
            kept.append(frame)
    return np.array(kept, np.int64)


def load_pose_bank(data: Path, split: Split = "train", threshold: float = 0.05) -> PoseBank:
    """All distinct poses of one side of the split.

    Raises:
        SourceError: the data is not there.
    """
    folder = _joints_folder(data)
    with open(folder.parent / "clips.csv", newline="") as stream:
        description = {row["clip"]: row["description"] for row in csv.DictReader(stream)}
    joints, clips, frames, ordinary, weights = [], [], [], [], []
    for path in sorted(folder.glob("*.npz")):
        for clip, positions in sorted(read_npz(path).items()):
            if cmu_split(clip_subject(clip)) != split:
                continue
            is_ordinary = bool(_ORDINARY.search(description.get(clip, "") + " " + clip))
            kept = _distinct(positions, threshold * (0.6 if is_ordinary else 1.0), 1 if is_ordinary else 3)
            joints.append(positions[kept])
            clips += [clip] * len(kept)
            frames.append(kept)
            ordinary += [is_ordinary] * len(kept)
            # By the root of the count, or a few long dances would be half of all pictures.
            weights += [len(kept) ** -0.5] * len(kept)
    if not joints:
        raise SourceError(f"{folder}: no clips of the {split} subjects")
    flags, weight = np.array(ordinary), np.array(weights)
    for group in (flags, ~flags):
        weight[group] /= max(weight[group].sum(), 1e-12)
    return PoseBank(np.concatenate(joints), clips, np.concatenate(frames), flags, weight)


def sample_pose(bank: PoseBank, rng: np.random.Generator) -> PickedPose:
    """Draw a pose: half ordinary, half varied; some get the arms of another, some sit, some lie."""
    ordinary = bool(rng.random() < 0.5) if 0 < bank.ordinary.sum() < len(bank.ordinary) else bool(bank.ordinary[0])
    index = _draw(bank, rng, ordinary)
    joints = bank.joints[index].astype(np.float64)
    joints = joints - joints[CMU_22.index("pelvis")]
    change = "none"
    dice = rng.random()
    if dice < 0.18:
        change = "arms"
        joints = _with_arms_of(joints, bank.joints[_draw(bank, rng, not ordinary)].astype(np.float64))
    elif dice < 0.26 and ordinary:
        change = "sitting"
        joints = _sitting(joints, rng)
    elif dice < 0.31:
        change = "lying"
        tilt = Rotation.from_euler("YX", [rng.uniform(0, 2 * np.pi), rng.uniform(0.35, 1.1) * np.pi / 2])
        joints = joints @ tilt.as_matrix().T
    # Small changes of every limb, so that no two pictures show one pose.
    joints = _jitter(joints, rng, 0.12)
    return PickedPose(joints, bank.clips[index], int(bank.frames[index]), change)


def _draw(bank: PoseBank, rng: np.random.Generator, ordinary: bool) -> int:
    group = np.flatnonzero(bank.ordinary == ordinary)
    if not len(group):
        group = np.arange(len(bank.ordinary))
    weights = bank.weights[group]
    return int(rng.choice(group, p=weights / weights.sum()))


def _basis(joints: Array, left: str, right: str, low: str, high: str) -> Array:
    """(3, 3) left, up, front as columns."""
    at = CMU_22.index
    x = joints[at(left)] - joints[at(right)]
    y = joints[at(high)] - joints[at(low)]
    x = x / np.linalg.norm(x)
    y = y - y @ x * x
    y = y / np.linalg.norm(y)
    return np.stack([x, y, np.cross(x, y)], 1)


def _with_arms_of(joints: Array, other: Array) -> Array:
    """The pose with the arms of another, held to the chest alike."""
    turn = (
        _basis(joints, "l_shoulder", "r_shoulder", "chest", "neck")
        @ _basis(other, "l_shoulder", "r_shoulder", "chest", "neck").T
    )
    joints = joints.copy()
    for side in "lr":
        shoulder = CMU_22.index(f"{side}_shoulder")
        for name in ("elbow", "wrist", "hand_tip"):
            index = CMU_22.index(f"{side}_{name}")
            joints[index] = joints[shoulder] + turn @ (other[index] - other[shoulder])
    return joints


def _sitting(joints: Array, rng: np.random.Generator) -> Array:
    """The pose with bent hips and knees, as on a chair, a step or the floor."""
    joints = joints.copy()
    x, _, z = _basis(joints, "l_hip", "r_hip", "pelvis", "chest").T
    up = np.array([0.0, 1.0, 0.0])
    common = rng.uniform(-0.25, 0.35)
    for side, sign in (("l", 1), ("r", -1)):
        at = {name: CMU_22.index(f"{side}_{name}") for name in ("hip", "knee", "ankle", "toe")}
        thigh = np.linalg.norm(joints[at["knee"]] - joints[at["hip"]])
        shin = np.linalg.norm(joints[at["ankle"]] - joints[at["knee"]])
        lift, spread = common + rng.normal(0, 0.12), rng.uniform(-0.05, 0.4) * sign
        forward = z * np.cos(spread) + x * np.sin(spread)
        along = forward * np.cos(lift) + up * np.sin(lift)
        bend = rng.uniform(-0.35, 0.5)
        down = -up * np.cos(bend) - forward * np.sin(bend)
        joints[at["knee"]] = joints[at["hip"]] + thigh * along
        joints[at["ankle"]] = joints[at["knee"]] + shin * down
        joints[at["toe"]] = joints[at["ankle"]] + 0.13 * forward - 0.045 * up
    return joints


def _jitter(joints: Array, rng: np.random.Generator, angle: float) -> Array:
    """Turn every limb bone by a small random rotation (standard deviation ``angle`` radians a axis)."""
    result = joints.copy()
    for index in CMU_22.topological_order:
        parent, name = CMU_22.parents[index], CMU_22.joints[index]
        if parent < 0 or not name.startswith(("l_", "r_")) or name.endswith(("hip", "shoulder")):
            if parent >= 0:
                result[index] = result[parent] + joints[index] - joints[parent]
            continue
        turn = Rotation.from_rotvec(rng.normal(0, angle * (0.5 if "toe" in name else 1.0), 3))
        result[index] = result[parent] + turn.apply(joints[index] - joints[parent])
    return result
