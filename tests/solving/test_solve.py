from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import pytest

from posecore import PosecoreError, SolveSettings, solve
from posecore.skeletons import BODY_21, SMPL_24
from posecore.solving.lengths import stature

SHARED = [s + n for s in ("l_", "r_") for n in ("hip", "knee", "ankle", "shoulder", "elbow", "wrist")]
BODY, SMPL = BODY_21.indices(SHARED), SMPL_24.indices(SHARED)
RAW = SolveSettings(smoothing=0.0)


def middle(joints):
    """Between the hips, (T, 3), of joints in the order of SHARED."""
    return (joints[:, SHARED.index("l_hip")] + joints[:, SHARED.index("r_hip")]) / 2


def pose_error(motion, filmed):
    """Mean distance of the shared joints, seen from the middle of the hips, metres; not turned or scaled to fit."""
    a, b = motion.joints()[:, SMPL].astype(float), filmed.world[:, BODY]
    return float(np.linalg.norm((a - middle(a)[:, None]) - (b - middle(b)[:, None]), axis=-1).mean())


def path_error(motion, filmed):
    """(T, 3) of the middle of the hips, metres, the first frames laid on each other in x and z."""
    away = middle(motion.joints()[:, SMPL].astype(float)) - middle(filmed.world[:, BODY])
    return away - away[0] * (1, 0, 1)


def acceleration_error(motion, filmed):
    a, b = motion.joints()[:, SMPL].astype(float), filmed.world[:, BODY]
    return float(
        np.linalg.norm(np.diff((a - middle(a)[:, None]) - (b - middle(b)[:, None]), 2, axis=0), axis=-1).mean() * 900
    )


@pytest.mark.parametrize("pitch, height", [(0.0, 1.2), (np.radians(20), 2.6)])
@pytest.mark.parametrize("clip", ["016_15", "002_01", "005_01", "060_01"])
def test_exact_observation_gives_the_truth_back(cmu, camera_film, clip, pitch, height):
    filmed = camera_film(cmu(clip)[:300], pitch=pitch, height=height, distance=6.5)
    for settings in (RAW, SolveSettings()):
        motion = solve(filmed.take, settings)
        assert motion.notes["camera_pitch"] == pytest.approx(pitch, abs=np.radians(2.0))
        assert pose_error(motion, filmed) < 0.012
        error = path_error(motion, filmed)
        assert np.linalg.norm(error[:, [0, 2]], axis=1).mean() < 0.035
        assert np.abs(error[:, 1]).mean() < 0.035  # the capture's own floor is known to about 3 cm


def test_known_pitch_is_used_as_given(cmu, camera_film):
    filmed = camera_film(cmu("060_01")[:200], pitch=0.5, height=3.5, distance=5.5)
    motion = solve(filmed.take, SolveSettings(camera_pitch=0.5))
    assert motion.notes["camera_pitch"] == pytest.approx(0.5)
    assert pose_error(motion, filmed) < 0.01


@pytest.mark.parametrize("clip", ["016_15", "060_01", "013_29"])
def test_smoothing_lowers_noise_and_does_not_cost_accuracy(cmu, camera_film, clip):
    filmed = camera_film(cmu(clip)[:250], distance=7, joint_noise=0.02, pixel_noise=2.0)
    raw, half = solve(filmed.take, RAW), solve(filmed.take)
    assert acceleration_error(half, filmed) < 0.1 * acceleration_error(raw, filmed)
    assert pose_error(half, filmed) < 0.75 * pose_error(raw, filmed)
    assert np.abs(path_error(half, filmed)).mean() < np.abs(path_error(raw, filmed)).mean()


def test_smoothing_has_no_lag(cmu, camera_film):
    filmed = camera_film(cmu("016_15"), distance=7)
    truth = (filmed.world[:, BODY_21.index("l_wrist")] - filmed.world[:, BODY_21.index("l_hip")])[:, 2]
    joints = solve(filmed.take, SolveSettings(smoothing=0.7)).joints()
    wrist = (joints[:, SMPL_24.index("l_wrist")] - joints[:, SMPL_24.index("l_hip")])[:, 2]
    lags = range(-4, 5)
    best = max(lags, key=lambda lag: np.corrcoef(truth[5:-5], np.roll(wrist, -lag)[5:-5])[0, 1])
    assert best == 0


def test_faces_the_camera_and_stands_on_the_floor(standing, camera_film):
    motion = solve(camera_film(standing(30)).take)
    joints = motion.joints()
    assert joints[0, SMPL_24.index("l_wrist"), 0] > 0.1  # their left is +X
    assert joints[0, SMPL_24.index("l_foot"), 2] > joints[0, SMPL_24.index("l_ankle"), 2] + 0.05  # facing +Z
    np.testing.assert_allclose(motion.translation[0, [0, 2]], 0, atol=1e-6)
    assert joints[..., 1].min() == pytest.approx(0.025, abs=0.02)
    assert joints[..., 1].max() == pytest.approx(1.55, abs=0.08)


def test_seen_from_behind_they_face_away(standing, camera_film):
    motion = solve(camera_film(standing(10) * (-1, 1, -1)).take)
    joints = motion.joints()[0]
    assert joints[SMPL_24.index("l_wrist"), 0] < -0.1
    assert joints[SMPL_24.index("l_foot"), 2] < joints[SMPL_24.index("l_ankle"), 2] - 0.05


def test_a_flat_foot_is_an_unturned_foot(standing, camera_film):
    motion = solve(camera_film(standing(30)).take)
    for joint in SMPL_24.indices(("l_ankle", "r_ankle")):
        assert np.degrees(2 * np.arccos(np.abs(motion.rotations[:, joint, 3]))).max() < 12


def test_walking_away_travels_backwards_in_depth(standing, camera_film):
    walk = standing(90)
    walk[:, :, 2] -= np.linspace(0, 3, 90)[:, None]
    motion = solve(camera_film(walk, distance=5).take)
    travelled = motion.translation[-1] - motion.translation[0]
    np.testing.assert_allclose(travelled, (0, 0, -3), atol=0.1)


def test_wrong_places_at_the_border_of_the_picture_do_not_sink_the_person(standing, camera_film):
    filmed = camera_film(standing(90))
    keypoints = filmed.take.keypoints.copy()
    keypoints[70:, :, 1] += np.linspace(0, 200, 20)[:, None]  # the body is held to slide down, over a metre
    joints = solve(replace(filmed.take, keypoints=keypoints)).joints()
    assert joints[..., 1].min() > -0.08


def test_a_jump_leaves_the_floor_and_comes_back(standing, camera_film):
    jump = standing(120)
    flight = np.linspace(0, 1, 16)
    jump[50:66, :, 1] += 4 * 0.35 * (flight * (1 - flight))[:, None]
    height = solve(camera_film(jump).take).translation[:, 1]
    assert height[50:66].max() - height[20] == pytest.approx(0.35, abs=0.06)
    assert height[100] == pytest.approx(height[20], abs=0.02)


def test_height_sets_the_size_and_the_path_with_it(cmu, camera_film):
    filmed = camera_film(cmu("002_01"), distance=7)
    usual, tall = solve(filmed.take), solve(filmed.take, SolveSettings(height=2.0))
    ratio = 2.0 / stature(usual.offsets)
    assert stature(tall.offsets) == pytest.approx(2.0, abs=1e-3)
    travel = [np.linalg.norm(m.translation[-1] - m.translation[0]) for m in (usual, tall)]
    assert travel[1] == pytest.approx(ratio * travel[0], rel=0.03)


def test_in_place_keeps_height_and_drops_travel(cmu, camera_film):
    filmed = camera_film(cmu("016_15"), distance=7)
    moving, still = solve(filmed.take), solve(filmed.take, SolveSettings(in_place=True))
    assert np.abs(still.translation[:, [0, 2]]).max() == 0
    np.testing.assert_array_equal(still.translation[:, 1], moving.translation[:, 1])
    np.testing.assert_array_equal(still.rotations, moving.rotations)


def test_without_ground_the_first_frame_stands_at_standing_height(cmu, camera_film):
    motion = solve(camera_film(cmu("016_15"), distance=7).take, SolveSettings(ground=False))
    legs = -sum(motion.offsets[SMPL_24.index(n), 1] for n in ("l_hip", "l_knee", "l_ankle"))
    assert legs < motion.translation[0, 1] < legs + 0.12


def test_zero_smoothing_is_off(cmu, camera_film):
    filmed = camera_film(cmu("016_15")[:40], distance=7, joint_noise=0.02)
    whole, first = solve(filmed.take, RAW), solve(filmed.take.slice(0, 20), RAW)
    # Nothing of a frame's pose leaks into another but what is measured over the whole clip.
    knees = SMPL_24.indices(("l_knee", "r_knee"))
    np.testing.assert_allclose(whole.rotations[:20, knees], first.rotations[:, knees], atol=0.05)


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_very_short_takes(standing, camera_film, count):
    motion = solve(camera_film(standing(count)).take)
    assert len(motion) == count
    assert motion.joints()[..., 1].min() == pytest.approx(0.025, abs=0.03)


def test_gap_is_bridged_and_named(cmu, camera_film):
    filmed = camera_film(cmu("016_15"), distance=7)
    confidence, joints, keypoints = (
        a.copy() for a in (filmed.take.confidence, filmed.take.joints, filmed.take.keypoints)
    )
    gap = slice(40, 46)
    confidence[gap], joints[gap], keypoints[gap] = 0, 77, -1000
    motion = solve(replace(filmed.take, confidence=confidence, joints=joints, keypoints=keypoints))
    assert pose_error(motion, filmed) < 0.03
    assert np.abs(path_error(motion, filmed)).max() < 0.15
    assert any("frames 40-45" in warning for warning in motion.notes["warnings"])
    assert motion.confidence[42].max() == 0


def test_joint_never_seen_rests_and_is_named(standing, camera_film):
    filmed = camera_film(standing(10))
    confidence, joints = filmed.take.confidence.copy(), filmed.take.joints.copy()
    missing = BODY_21.indices(("l_toe", "r_toe", "l_hand", "r_hand", "head_top", "nose"))
    confidence[:, missing], joints[:, missing] = 0, 0
    motion = solve(replace(filmed.take, confidence=confidence, joints=joints))
    for joint in ("l_ankle", "r_wrist", "head"):
        np.testing.assert_allclose(np.abs(motion.rotations[:, SMPL_24.index(joint), 3]), 1, atol=1e-3)
    assert sum("never seen" in warning for warning in motion.notes["warnings"]) == len(missing)


def test_spike_is_removed(cmu, camera_film):
    filmed = camera_film(cmu("016_15"), distance=7)
    joints = filmed.take.joints.copy()
    joints[50, BODY_21.index("l_wrist")] += 0.5
    take = replace(filmed.take, joints=joints)
    clean, held = solve(filmed.take), solve(take)
    assert held.notes["spikes"] == 1
    assert np.abs(clean.joints() - held.joints()).max() < 0.03


def test_uneven_times_survive(cmu, camera_film):
    world = cmu("016_15")
    keep = np.sort(np.random.default_rng(0).choice(len(world), len(world) * 2 // 3, replace=False))
    filmed = camera_film(world[keep], distance=7, times=keep / 30)
    motion = solve(filmed.take)
    np.testing.assert_array_equal(motion.times, filmed.take.times)
    assert pose_error(motion, filmed) < 0.015


def test_quaternions_are_unit_and_continuous(cmu, camera_film):
    motion = solve(camera_film(cmu("060_01"), distance=8, joint_noise=0.02, pixel_noise=2).take)
    np.testing.assert_allclose(np.linalg.norm(motion.rotations, axis=-1), 1, atol=1e-5)
    assert ((motion.rotations[1:] * motion.rotations[:-1]).sum(-1) > 0).all()
    assert motion.contacts is not None and not motion.contacts.any()


def test_take_is_left_alone_and_solving_repeats(cmu, camera_film):
    take = camera_film(cmu("002_01"), distance=7, joint_noise=0.02).take
    before = take.joints.copy()
    first, again = solve(take), solve(take)
    np.testing.assert_array_equal(before, take.joints)
    np.testing.assert_array_equal(first.rotations, again.rotations)


def test_notes_are_json_and_survive_saving(standing, camera_film):
    import json

    notes = solve(camera_film(standing(3)).take).notes
    assert json.loads(json.dumps(notes)) == notes
    assert notes["settings"]["smoothing"] == 0.5


def test_nothing_seen_is_an_error(standing, camera_film):
    take = camera_film(standing(5)).take
    with pytest.raises(PosecoreError, match="missing"):
        solve(replace(take, confidence=np.zeros_like(take.confidence)))
    with pytest.raises(PosecoreError, match="no frames"):
        solve(take.slice(0, 0))


@pytest.mark.parametrize("bad", [{"smoothing": 1.5}, {"height": 20.0}, {"joint_limits": -1.0}, {"camera_pitch": 3.0}])
def test_settings_out_of_range_are_refused(bad):
    with pytest.raises(ValueError, match=next(iter(bad))):
        SolveSettings(**bad)


def test_a_thousand_frames_in_under_a_second(cmu, camera_film):
    filmed = camera_film(cmu("135_01")[:1000], distance=10, joint_noise=0.02, pixel_noise=2)
    solve(filmed.take)
    start = time.process_time()
    solve(filmed.take)
    assert time.process_time() - start < 1.0
