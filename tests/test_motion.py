"""``Motion``, its rest pose, forward kinematics and resampling."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from posecore.motion import Motion, continuous, default_offsets, forward_kinematics
from posecore.skeletons import SMPL_24


def rest(count: int = 1) -> tuple[np.ndarray, np.ndarray]:
    rotations = np.zeros((count, 24, 4), np.float32)
    rotations[..., 3] = 1
    return rotations, np.zeros((count, 3), np.float32)


def make_motion(count: int = 10, rate: float = 30.0) -> Motion:
    rng = np.random.default_rng(2)
    rotations = Rotation.from_rotvec(rng.normal(size=(count * 24, 3))).as_quat().reshape(count, 24, 4)
    return Motion(
        times=np.arange(count) / rate,
        rotations=continuous(rotations).astype(np.float32),
        translation=rng.normal(size=(count, 3)).astype(np.float32),
    )


def test_rest_pose_is_an_upright_t_facing_z() -> None:
    rotations, translation = rest()
    joints = dict(zip(SMPL_24.joints, forward_kinematics(rotations, default_offsets(), translation)[0][0], strict=True))
    assert joints["l_wrist"][0] > 0 > joints["r_wrist"][0], "the left is at +X"
    assert joints["l_wrist"][1] == pytest.approx(joints["l_shoulder"][1]), "arms are level"
    assert joints["head"][1] > joints["pelvis"][1] > joints["l_knee"][1] > joints["l_ankle"][1]
    assert joints["l_foot"][2] > joints["l_ankle"][2], "toes point to +Z"
    # Pelvis to ankle and to head: an adult of about 1.70 m.
    assert joints["l_ankle"][1] == pytest.approx(-0.89)
    assert joints["head"][1] == pytest.approx(0.61)
    for name, place in joints.items():
        if name.startswith("l_"):
            np.testing.assert_allclose(joints["r_" + name[2:]], place * (-1, 1, 1), atol=1e-6)


def test_bent_elbow_by_hand() -> None:
    rotations, translation = rest()
    # +90° about +Y takes +X to -Z: the left forearm, which lies along +X, then points backwards.
    rotations[0, SMPL_24.index("l_elbow")] = (0, np.sqrt(0.5), 0, np.sqrt(0.5))
    translation[0] = (1, 2, 3)
    offsets = default_offsets()
    joints, turned = forward_kinematics(rotations, offsets, translation)
    elbow, wrist, hand = (joints[0, SMPL_24.index(name)] for name in ("l_elbow", "l_wrist", "l_hand"))
    np.testing.assert_allclose(joints[0, SMPL_24.index("pelvis")], (1, 2, 3))
    np.testing.assert_allclose(wrist - elbow, (0, 0, -0.25), atol=1e-6)
    np.testing.assert_allclose(hand - wrist, (0, 0, -0.08), atol=1e-6)
    np.testing.assert_allclose(turned[0, SMPL_24.index("l_wrist")] @ (1, 0, 0), (0, 0, -1), atol=1e-6)


def test_bone_lengths_survive_any_pose() -> None:
    motion = make_motion()
    joints = motion.joints()
    for parent, child in SMPL_24.bones:
        lengths = np.linalg.norm(joints[:, child] - joints[:, parent], axis=-1)
        np.testing.assert_allclose(lengths, np.linalg.norm(motion.offsets[child]), atol=1e-5)


def test_defaults_and_checks() -> None:
    motion = make_motion(4)
    assert motion.contacts.shape == (4, 4) and not motion.contacts.any()
    assert motion.confidence.shape == (4, 24) and motion.confidence.all()
    assert motion.betas.shape == (10,)
    with pytest.raises(ValueError, match=r"Motion.rotations: expected shape \(4, 24, 4\), got \(4, 23, 4\)"):
        replace(motion, rotations=motion.rotations[:, 1:])
    with pytest.raises(ValueError, match=r"Motion\.translation: holds NaN"):
        replace(motion, translation=np.full((4, 3), np.inf, np.float32))
    with pytest.raises(ValueError, match="must increase"):
        replace(motion, times=np.array([0, 2, 1, 3.0]))


def test_resample_by_hand() -> None:
    rotations, translation = rest(2)
    rotations[1, 0] = Rotation.from_euler("y", 90, degrees=True).as_quat()
    translation[1] = (1, 0, 0)
    motion = Motion(
        np.array([0.0, 1.0]), rotations, translation, confidence=np.array([[0.0] * 24, [1.0] * 24], np.float32)
    )
    half = motion.resample(4)
    np.testing.assert_allclose(half.times, [0, 0.25, 0.5, 0.75, 1])
    np.testing.assert_allclose(half.translation[:, 0], [0, 0.25, 0.5, 0.75, 1], atol=1e-6)
    angles = Rotation.from_quat(half.rotations[:, 0]).as_rotvec(degrees=True)
    np.testing.assert_allclose(angles, [[0, a, 0] for a in (0, 22.5, 45, 67.5, 90)], atol=1e-4)
    np.testing.assert_allclose(half.confidence[:, 3], [0, 0.25, 0.5, 0.75, 1], atol=1e-6)


def test_resample_at_its_own_rate_changes_nothing() -> None:
    motion = make_motion(7, 24.0)
    same = motion.resample(24.0)
    np.testing.assert_allclose(same.times, motion.times, atol=1e-9)
    np.testing.assert_allclose(same.rotations, motion.rotations, atol=1e-6)
    np.testing.assert_allclose(same.translation, motion.translation, atol=1e-6)


def test_resample_of_uneven_times_keeps_the_clock() -> None:
    rotations, translation = rest(4)
    times = np.array([0.0, 0.1, 0.15, 0.4])
    translation[:, 0] = times  # moves at 1 m/s whatever the stamps
    even = Motion(times, rotations, translation).resample(20)
    np.testing.assert_allclose(even.translation[:, 0], even.times, atol=1e-6)
    assert len(even) == 9


def test_resample_of_little() -> None:
    one = make_motion(1)
    assert one.resample(60) is one
    assert one.rate == 30.0
    with pytest.raises(ValueError, match="rate must be positive, got 0"):
        one.resample(0)


def test_continuous_never_jumps_to_the_antipode() -> None:
    angles = np.linspace(0, 4 * np.pi, 50)
    quaternions = Rotation.from_rotvec(np.stack([angles, 0 * angles, 0 * angles], -1)).as_quat(canonical=True)
    assert ((quaternions[1:] * quaternions[:-1]).sum(-1) < 0).any(), "the canonical sign jumps"
    smooth = continuous(quaternions[:, None])[:, 0]
    assert ((smooth[1:] * smooth[:-1]).sum(-1) > 0).all()
    np.testing.assert_allclose(np.abs((smooth * quaternions).sum(-1)), 1)
