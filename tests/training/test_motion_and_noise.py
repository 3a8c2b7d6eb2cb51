"""CMU motion, virtual cameras, noise: by hand, or back from what was drawn."""

from __future__ import annotations

import numpy as np
import pytest

from posecore.capturing.lifting import normalise_keypoints
from posecore.capturing.rays import ray_rotation
from posecore.errors import SourceError
from posecore.skeletons import BODY_21
from training.motion_data import (
    CANONICAL_LENGTHS,
    CANONICAL_SIZE,
    body_size,
    read_clips,
    resample,
    scale_bones,
)
from training.noise import NoiseStatistics, corrupt_joints, corrupt_keypoints, measure
from training.pose_samples import MotionPool, draw_scenes
from training.virtual_cameras import Cameras, draw_cameras, project, see


def test_harmonised_body_has_canonical_lengths_and_the_data_s_directions(moving):
    clip = moving()
    at = BODY_21.index
    thigh = clip.joints[:, at("l_knee")] - clip.joints[:, at("l_hip")]
    assert np.allclose(thigh, [0, -CANONICAL_LENGTHS["knee"], 0], atol=1e-4)
    shoulders = (clip.joints[:, at("l_shoulder")] + clip.joints[:, at("r_shoulder")]) / 2
    assert np.allclose(clip.joints[:, at("thorax")], shoulders, atol=1e-4)
    hips = (clip.joints[:, at("l_hip")] + clip.joints[:, at("r_hip")]) / 2
    assert np.allclose(clip.joints[:, at("pelvis")], hips, atol=1e-4)
    nose = clip.joints[:, at("nose")] - clip.joints[:, at("thorax")]
    assert (nose[:, 2] > 0.08).all()  # the face looks ahead
    assert (clip.joints[:, at("head_top"), 1] > clip.joints[:, at("nose"), 1]).all()
    assert np.median(body_size(clip.joints)) == pytest.approx(CANONICAL_SIZE, rel=0.01)
    assert np.median(body_size(clip.own_joints)) == pytest.approx(CANONICAL_SIZE, rel=0.02)


def test_scaling_bones_moves_everything_beyond_them(moving):
    joints = moving().joints
    factors = np.ones(21, np.float32)
    factors[BODY_21.index("l_elbow")] = 2.0
    longer = scale_bones(joints, factors)
    upper_arm = joints[:, BODY_21.index("l_elbow")] - joints[:, BODY_21.index("l_shoulder")]
    for name in BODY_21.joints:
        moved = upper_arm if name in ("l_elbow", "l_wrist", "l_hand") else 0
        assert np.allclose(longer[:, BODY_21.index(name)], joints[:, BODY_21.index(name)] + moved, atol=1e-5)


def test_resampling_keeps_frames_and_is_exact_on_straight_lines():
    frames = np.arange(12, dtype=np.float32).reshape(6, 2)
    assert np.allclose(resample(frames, np.arange(6.0)), frames)
    assert np.allclose(resample(frames, np.array([2.25])), [[4.5, 5.5]])
    assert np.allclose(resample(frames, np.array([-3.0, 99.0])), frames[[0, -1]])


def test_projection_by_hand():
    assert np.allclose(project(np.array([0.5, -1.0, 2.0]), focal=800, centre=(320, 240)), [520, -160])


def test_a_level_camera_ahead_sees_a_person_face_on(moving):
    """The person faces +Z; a camera that looks along -Z from 4 m sees their left on its right."""
    count = 1
    cameras = Cameras(
        np.diag([1.0, -1.0, -1.0]).astype(np.float32)[None], np.eye(3, dtype=np.float32)[None], np.full(count, 4.0, "f")
    )
    joints = moving().joints[None, :1]
    keypoints, truth = see(joints, cameras)
    local = (joints - joints[:, :, :1])[0, 0]
    assert np.allclose(truth[0, 0], local * [1, -1, -1], atol=1e-5)
    wrist = BODY_21.index("l_wrist")
    x, y, z = local[wrist]
    assert np.allclose(keypoints[0, 0, wrist], [x / (4 - z), -y / (4 - z)], atol=1e-5)
    assert keypoints[0, 0, wrist, 0] > 0
    assert keypoints[0, 0, BODY_21.index("head_top"), 1] < 0  # up in the picture


def test_cameras_are_rotations_and_rays_end_on_the_axis():
    rng = np.random.default_rng(0)
    cameras = draw_cameras(rng, 50)
    for matrices in (cameras.rotation, cameras.tilt):
        assert np.allclose(matrices @ matrices.transpose(0, 2, 1), np.eye(3), atol=1e-5)
        assert np.allclose(np.linalg.det(matrices), 1, atol=1e-5)
    # Mostly upright: the world's up is up (-y) in nearly every picture.
    assert (cameras.rotation[:, 1, 1] < 0).mean() > 0.9
    direction = rng.normal(size=(50, 3)) * [1, 1, 0.3] + [0, 0, 2]
    turned = np.einsum("nij,nj->ni", ray_rotation(direction), direction)
    assert np.allclose(turned, np.linalg.norm(direction, axis=-1)[:, None] * [0, 0, 1], atol=1e-5)


def test_truth_does_not_depend_on_where_in_the_picture_a_still_person_stands(moving):
    rng = np.random.default_rng(1)
    cameras = draw_cameras(rng, 8)
    middle = Cameras(cameras.rotation, np.tile(np.eye(3, dtype=np.float32), (8, 1, 1)), cameras.distance)
    joints = np.repeat(moving().joints[None, :1], 8, 0)
    # Equal but for the roll that the shortest arc brings in: depths are the same.
    assert np.allclose(see(joints, cameras)[1][..., 2], see(joints, middle)[1][..., 2], atol=1e-4)


def test_noise_statistics_come_back():
    """Measured from drawn noise, the statistics are those that it was drawn with."""
    wanted = NoiseStatistics()
    rng = np.random.default_rng(0)
    # Limbs well apart, so that an exchange is an exchange.
    truth = np.repeat(rng.normal(size=(80, 1, 21, 2)) * [1, 2], 150, 1).astype(np.float32)
    points, confidence = corrupt_keypoints(rng, truth, wanted)
    flat = (-1, 21, 2)
    found = measure(points.reshape(flat), truth.reshape(flat), confidence.reshape(-1, 21), sequence=True)
    assert np.allclose(found.spread, wanted.spread, rtol=0.12)
    assert np.allclose(found.correlation, wanted.correlation, atol=0.12)
    assert np.allclose(found.lost, wanted.lost, atol=0.04)
    assert np.allclose(found.lost_spread, wanted.lost_spread, rtol=0.3)
    assert np.allclose(found.dropout, wanted.dropout, atol=0.02)
    assert sum(found.swap.values()) == pytest.approx(sum(wanted.swap.values()), abs=0.02)
    assert found.confidence == pytest.approx(wanted.confidence, abs=0.06)
    assert found.clip_spread == pytest.approx(wanted.clip_spread, abs=0.12)
    assert found.dropout_frames == pytest.approx(wanted.dropout_frames, rel=0.25)


def test_what_cannot_be_measured_is_kept():
    truth = np.random.default_rng(0).normal(size=(50, 21, 2))
    seen = np.ones((50, 21), bool)
    toe = BODY_21.index("l_toe")
    seen[:, toe] = False
    base = NoiseStatistics()
    found = measure(truth + 0.01, truth, seen=seen, base=base)
    assert found.spread[toe] == base.spread[toe]
    assert found.spread[BODY_21.index("l_knee")] < 0.02
    assert found.correlation == base.correlation


def test_noise_of_3d_predictions_is_deeper_than_wide(moving):
    truth = np.repeat((moving().joints - moving().joints[:, :1])[None], 64, 0)
    error = corrupt_joints(np.random.default_rng(0), truth, NoiseStatistics()) - truth
    wrist = BODY_21.index("l_wrist")
    spread = np.median(np.abs(error[:, :, wrist]), axis=(0, 1))
    assert spread[2] > 2 * spread[:2].max()
    assert np.allclose(error[:, :, BODY_21.index("pelvis")], 0)


def test_statistics_file_round_trip_and_refusal(tmp_path):
    path = tmp_path / "noise.json"
    NoiseStatistics(source="a test").save(path)
    assert NoiseStatistics.load(path) == NoiseStatistics.load(path)
    assert NoiseStatistics.load(path).source == "a test"
    path.write_text('{"joints": []}')
    with pytest.raises(SourceError, match="not noise statistics"):
        NoiseStatistics.load(path)


def test_scenes_are_the_same_for_the_same_seed_and_fit_the_lifter(moving):
    pool = MotionPool([moving(40, "1"), moving(60, "2")])
    first, second = (draw_scenes(np.random.default_rng(7), pool, NoiseStatistics(), 6, 25) for _ in range(2))
    assert np.array_equal(first.keypoints, second.keypoints)
    assert first.joints.shape == (6, 25, 21, 3)
    assert np.abs(first.joints[:, :, 0]).max() < 1e-6
    inputs = normalise_keypoints(first.keypoints, first.confidence)
    assert inputs.shape == (6, 25, 21, 3)
    assert np.isfinite(inputs).all()
    # Varied bodies stay of the canonical size.
    assert np.allclose(body_size(first.joints).mean(1), CANONICAL_SIZE, rtol=0.02)


def test_held_out_subjects_are_never_trained_on(data_folder):
    train, validation = (read_clips(data_folder, side) for side in ("train", "validation"))
    assert not {c.subject for c in train} & {c.subject for c in validation}
    assert len({c.subject for c in validation}) >= 5
    everything = train + validation
    assert all(np.isfinite(c.joints).all() for c in everything)
    assert all(0.85 < c.size < 1.15 for c in everything)
    assert len({c.name for c in everything}) == len(everything)


def test_no_motion_is_one_clear_line(tmp_path):
    with pytest.raises(SourceError, match="--data"):
        read_clips(tmp_path)


def test_held_out_pictures_are_read_in_their_own_pixels():
    """The region is the labelled person with a margin; padding beyond a picture is cut off first."""
    pytest.importorskip("torch")
    from posecore.capturing.estimators import Pose
    from training.pictures import PictureSet
    from training.recipes.noise import predict

    class Fake:
        def estimate(self, images, regions):
            assert images[0].shape == (30, 20, 3)
            middle = np.tile(np.array(regions[0].centre, np.float32), (21, 1))
            return [Pose(middle + regions[0].side, np.ones(21, np.float32), np.zeros((21, 3), np.float32))]

    empty = np.zeros((2, 21), np.float32)
    pictures = PictureSet(
        np.zeros((2, 64, 64, 3), np.uint8), np.array([[20, 30]] * 2), np.zeros((2, 21, 2), np.float32), *[empty] * 3,
        np.array([[10, 15, 8]] * 2, np.float32), np.zeros((2, 14, 3), np.float32), np.array(["a", "b"]),
        np.array(["people"] * 2), np.zeros(2, bool),
    )  # fmt: skip
    keypoints, confidence, joints = predict(Fake(), pictures, np.array([0, 1]))
    assert keypoints.shape == (2, 21, 2)
    assert np.allclose(keypoints[0, 0], [10 + 10, 15 + 10])
    assert confidence.shape == (2, 21)
    assert joints.shape == (2, 21, 3)
