"""Real poses of the critic: SMPL rotations point as the captures do, mirrors mirror, subjects are apart."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from posecore.motion import default_offsets, forward_kinematics
from posecore.skeletons import SMPL_24
from training.bodies.poses import (
    BETA_LIMIT,
    BodyPoses,
    bone_errors,
    fit_to_rest,
    load_body_poses,
    mirrored,
    random_betas,
    rest_offsets,
)
from training.readers.cmu import read_amc
from training.splits import cmu_split


def some_poses(count: int = 6, seed: int = 0) -> BodyPoses:
    rng = np.random.default_rng(seed)
    turns = Rotation.from_rotvec(rng.normal(0, 0.6, (count * len(SMPL_24), 3))).as_quat()
    clips = np.array([f"{1 + n % 9:03d}_01" for n in range(count)])
    return BodyPoses(turns.reshape(count, len(SMPL_24), 4).astype(np.float32), clips, np.arange(count))


def test_mirror_exchanges_left_and_right_joints() -> None:
    poses = some_poses()
    place = np.zeros((len(poses), 3))
    joints, _ = forward_kinematics(poses.rotations, default_offsets(), place)
    other, _ = forward_kinematics(mirrored(poses.rotations), default_offsets(), place)
    np.testing.assert_allclose(other[:, SMPL_24.mirror] * [-1, 1, 1], joints, atol=1e-5)


def test_another_rest_pose_keeps_the_direction_of_the_limbs() -> None:
    offsets = default_offsets()
    elbow, knee = SMPL_24.index("l_elbow"), SMPL_24.index("r_knee")
    offsets[elbow] = [0.22, -0.18, 0.05]  # an arm that hangs at rest, a leg that is spread
    offsets[knee] = [-0.12, -0.38, 0.02]
    poses = some_poses()
    fitted = fit_to_rest(poses, offsets)
    place = np.zeros((len(poses), 3))
    before, _ = forward_kinematics(poses.rotations, default_offsets(), place)
    after, _ = forward_kinematics(fitted.rotations, offsets, place)
    for start, end in (("l_shoulder", "l_elbow"), ("l_elbow", "l_wrist"), ("r_hip", "r_knee"), ("r_knee", "r_ankle")):
        one, two = (p[:, SMPL_24.index(end)] - p[:, SMPL_24.index(start)] for p in (before, after))
        cosine = (one * two).sum(-1) / np.linalg.norm(one, axis=-1) / np.linalg.norm(two, axis=-1)
        np.testing.assert_allclose(cosine, 1, atol=1e-5)
    np.testing.assert_allclose(
        np.abs((fit_to_rest(poses, default_offsets()).rotations * poses.rotations).sum(-1)), 1, atol=1e-5
    )


def test_betas_are_standard_normals_cut_off() -> None:
    betas = random_betas(np.random.default_rng(3), 4000)
    assert betas.shape == (4000, 10) and np.abs(betas).max() <= BETA_LIMIT
    np.testing.assert_allclose(betas.mean(0), 0, atol=0.06)
    # The variance of a standard normal between ±2.5 is 1 - 2·2.5·φ(2.5) / (2Φ(2.5) - 1) = 0.9113.
    np.testing.assert_allclose(betas.var(0), 0.911, atol=0.07)


def test_long_clips_are_drawn_by_the_root_of_their_length() -> None:
    clips = np.array(["001_01"] * 90 + ["002_01"] * 10)
    poses = BodyPoses(np.tile(np.array([0, 0, 0, 1], np.float32), (100, 24, 1)), clips, np.arange(100))
    share = poses.weights[:90].sum()
    assert share == pytest.approx(90**0.5 / (90**0.5 + 10**0.5))
    assert poses.draw(np.random.default_rng(0), 7).shape == (7, 24, 4)


def test_rest_offsets_are_differences_from_the_parents() -> None:
    joints, _ = forward_kinematics(np.tile([0.0, 0, 0, 1], (1, 24, 1)), default_offsets(), np.array([[1.0, 2, 3]]))
    np.testing.assert_allclose(rest_offsets(joints[0]), default_offsets(), atol=1e-6)


def test_amc_rotations_point_as_the_captured_joints_do(data_folder: Path, tmp_path: Path) -> None:
    samples = data_folder / "mocap_cmu" / "raw" / "samples"
    for movement in read_amc(samples, step=40):
        errors = bone_errors(movement.rotations, default_offsets(), movement.joints)
        limbs = [name for name in errors if name.split("-")[1][2:] in ("knee", "ankle", "elbow", "wrist")]
        assert len(limbs) == 8
        assert max(errors[name].max() for name in limbs) < 0.1
        assert errors["r_shoulder-l_shoulder"].max() < 10 and errors["pelvis-neck"].max() < 10
        # The foot has another direction at rest (SMPL's slopes down to the ball): an even difference, no turn.
        assert errors["l_ankle-l_foot"].max() < 25
    poses = load_body_poses(samples, tmp_path, clips=("002_01",))
    assert set(poses.clips) == {"002_01"} and not list(tmp_path.iterdir())
    assert len(poses.split(cmu_split("002"))) == len(poses)
