"""Training samples for lifting and TP-Net: moving bodies, seen by virtual cameras, with an estimator's errors.

Everything is drawn anew from an explicit generator: motion, speed, mirror image, body proportions, camera, noise.
Knows nothing of torch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from posecore.errors import PosecoreError
from posecore.skeletons import BODY_21, H36M_17, MPII_16, Skeleton, convert
from training.motion_data import CANONICAL_SIZE, RATE, Clip, body_size, resample, scale_bones
from training.noise import NoiseStatistics, corrupt_joints, corrupt_keypoints
from training.virtual_cameras import draw_cameras, see

__all__ = ["MotionPool", "Scenes", "draw_scenes", "estimated_joints", "in_joint_set", "joint_set"]

Array = NDArray[np.float32]

# How far detectors place a joint from ours, m standard deviation per axis, the same throughout a clip: conventions
# and clothes, not noise.
_OFFSETS = {"hip": 0.022, "shoulder": 0.015, "thorax": 0.03, "nose": 0.02, "head_top": 0.02, "toe": 0.025, "hand": 0.02}
_OTHER_OFFSET = 0.01


#: The joint sets that nets may have, by their number of joints: ours, and the papers'.
_JOINT_SETS = {len(skeleton): skeleton for skeleton in (BODY_21, H36M_17, MPII_16)}


def joint_set(count: int) -> Skeleton:
    """The joint set of a net with ``count`` joints.

    Raises:
        PosecoreError: there is none.
    """
    if count not in _JOINT_SETS:
        raise PosecoreError(f"no joint set of {count} joints; nets may have {', '.join(map(str, _JOINT_SETS))}")
    return _JOINT_SETS[count]


def in_joint_set(values: Array, count: int) -> Array:
    """(..., 21, C) of BODY_21 in the joint set of ``count`` joints."""
    skeleton = joint_set(count)
    return values if skeleton == BODY_21 else np.asarray(convert(values, BODY_21, skeleton)[0], np.float32)


@dataclass(frozen=True)
class Scenes:
    """N scenes of T frames.

    Attributes:
        keypoints: (N, T, 21, 2) as detected, focal length 1.
        confidence: (N, T, 21) in [0, 1], 0 = missing.
        joints: (N, T, 21, 3) m, the truth, root-relative, ray frame (see ``virtual_cameras``), canonical size.
        rate: frames/s at which the scenes were seen.
        sizes: (N,) the subjects' own sizes over the canonical one.
    """

    keypoints: Array
    confidence: Array
    joints: Array
    rate: float
    sizes: Array


class MotionPool:
    """Clips to draw stretches of motion from, long clips a little more often than short ones.

    Args:
        own_bodies: on bodies of the subjects' own proportions (evaluation), not on the canonical one.
    """

    def __init__(self, clips: Sequence[Clip], own_bodies: bool = False) -> None:
        if not clips:
            raise ValueError("no clips to draw from")
        self._motions = [clip.own_joints if own_bodies else clip.joints for clip in clips]
        self._sizes = np.array([clip.size for clip in clips], np.float32)
        # The square root keeps two hours of salsa from drowning everything else.
        weight = np.sqrt([len(clip.joints) for clip in clips])
        self._chance = weight / weight.sum()
        self._start = np.concatenate([[0], np.cumsum([len(clip.joints) for clip in clips])])
        self._frames = np.concatenate(self._motions)
        self._travels = np.array([clip.travels for clip in clips])

    def draw(self, rng: np.random.Generator, count: int, length: int, step: float) -> tuple[Array, Array]:
        """Stretches of ``length`` frames, ``step`` captured frames apart. Too short a clip stands still at its end.

        Returns:
            (N, T, 21, 3) m, world frame, and (N,) sizes of the subjects.
        """
        chosen = rng.choice(len(self._motions), count, p=self._chance)
        frames = np.diff(self._start)[chosen]
        steps = step * np.exp(rng.normal(0.0, 0.12, count))
        room = np.maximum(frames - 1 - steps * (length - 1), 0)
        times = rng.random(count) * room
        times = np.minimum(times[:, None] + steps[:, None] * np.arange(length), frames[:, None] - 1)
        if length == 1:  # between two captured poses there is nothing new to learn for one picture
            return self._frames[(self._start[chosen, None] + times.astype(int))], self._sizes[chosen]
        motion = np.stack([resample(self._motions[c], t) for c, t in zip(chosen, times, strict=True)])
        still = ~self._travels[chosen] | (rng.random(count) < 0.2)  # a following camera sees no path
        motion[still] -= motion[still][:, :, :1]
        return motion, self._sizes[chosen]


def draw_scenes(
    rng: np.random.Generator,
    pool: MotionPool,
    statistics: NoiseStatistics,
    count: int,
    length: int = 1,
    rate: float = 30.0,
    augment: bool = True,
) -> Scenes:
    """Draw ``count`` scenes of ``length`` frames.

    Args:
        rate: frames/s of the video (run time brings every video to 30 before TP-Net).
        augment: vary bodies, mirror, offset and confidence habits (training); False keeps the pool's own
            motion and bodies, under the same cameras and noise (evaluation).
    """
    joints, sizes = pool.draw(rng, count, length, RATE / rate)
    offsets = None
    if augment:
        joints = _varied_bodies(rng, _mirrored(rng, joints))
        offsets = _detector_offsets(rng, joints)
    keypoints, truth = see(joints, draw_cameras(rng, count), offsets)
    keypoints, confidence = corrupt_keypoints(rng, keypoints, statistics, rate)
    if augment:
        confidence = _confidence_habits(rng, confidence)
    return Scenes(keypoints, confidence, truth, rate, sizes)


def _mirrored(rng: np.random.Generator, joints: Array) -> Array:
    """Half of the samples as their mirror image, left and right exchanged."""
    mirrored = joints[:, :, list(BODY_21.mirror)] * np.array([-1, 1, 1], np.float32)
    return np.where(rng.random(len(joints))[:, None, None, None] < 0.5, mirrored, joints)


def _varied_bodies(rng: np.random.Generator, joints: Array) -> Array:
    """Other proportions, equal left and right, at the canonical size."""
    factors = np.exp(rng.normal(0.0, 0.06, (len(joints), 1, len(BODY_21)))).astype(np.float32)
    factors = (factors + factors[..., list(BODY_21.mirror)]) / 2**0.5 + 1 - 2**0.5
    factors[..., BODY_21.index("spine")] = factors[..., BODY_21.index("thorax")]
    factors[..., BODY_21.index("pelvis")] = 1.0
    varied = scale_bones(joints, factors)
    return varied * (CANONICAL_SIZE / body_size(varied).mean(1))[:, None, None, None]


def _detector_offsets(rng: np.random.Generator, joints: Array) -> Array:
    """(N, T, 21, 3) m: where the detector places the joints, fixed to the trunk over time."""
    at = BODY_21.index
    left = joints[:, :, at("l_shoulder")] - joints[:, :, at("r_shoulder")]
    up = joints[:, :, at("thorax")] - joints[:, :, at("pelvis")]
    forward = np.cross(left, up)
    up = np.cross(forward, left)
    axes = np.stack([left, up, forward], -2)
    axes /= np.maximum(np.linalg.norm(axes, axis=-1, keepdims=True), 1e-6)
    sizes = [_OFFSETS.get(n[2:] if n[1] == "_" else n, _OTHER_OFFSET) for n in BODY_21.joints]
    local = rng.standard_normal((len(joints), len(BODY_21), 3)) * np.array(sizes)[:, None]
    return np.einsum("njk,ntki->ntji", local, axes).astype(np.float32)


def _confidence_habits(rng: np.random.Generator, confidence: Array) -> Array:
    """Estimators differ in what they call sure, and in which joints they know at all (BlazePose: no top of the head).

    Now and then the lower body is outside the picture.
    """
    count = len(confidence)
    power = np.exp(rng.normal(0.0, 0.6, (count, 1, 1)))
    out = confidence**power
    head = BODY_21.index("head_top")
    out[..., head] *= rng.random((count, 1)) < 0.6
    ends = BODY_21.indices(["l_toe", "r_toe", "l_hand", "r_hand"])
    out[..., ends] *= (rng.random((count, 1)) < 0.9)[..., None]
    cut = rng.random((count, 1, 1)) < 0.05
    below = BODY_21.indices([f"{s}_{j}" for s in ("l", "r") for j in ("knee", "ankle", "toe")])
    out[..., below] *= np.where(cut, rng.choice([0.0, 0.2]), 1.0)
    return out.astype(np.float32)


def estimated_joints(rng: np.random.Generator, truth: Array, statistics: NoiseStatistics, rate: float) -> Array:
    """(N, T, 21, 3) m: the truth as SAP-Net would have predicted it."""
    return corrupt_joints(rng, truth, statistics, rate)
