"""Metrics of movements, by hand and against loops."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from posecore.metrics import align_world, contacts_of, foot_skate, jitter, mpjpe, world_mpjpe


def clip(seed=0, shape=(30, 5, 3)):
    return np.random.default_rng(seed).normal(size=shape)


def mask(seed=9, shape=(30, 5)):
    return (np.random.default_rng(seed).random(shape) > 0.2).astype(float)


def moved(joints):
    turned = 1.3 * Rotation.from_rotvec([0.4, 1.0, -2.0]).apply(joints.reshape(-1, 3)).reshape(joints.shape)
    return turned + [5.0, -1.0, 2.0]


def test_jitter_of_a_cubic_is_its_third_derivative():
    times = np.arange(12) / 25
    joints = np.zeros((12, 3, 3))
    joints[..., 0] = (times**3)[:, None]
    assert jitter(joints, 25.0) == pytest.approx(6.0)
    joints[..., 0] = (times**2)[:, None]  # even acceleration is no jitter
    assert jitter(joints, 25.0) == pytest.approx(0.0, abs=1e-6)
    with pytest.raises(ValueError, match="jitter needs 4 frames, got 3"):
        jitter(joints[:3])


def test_jitter_is_the_naive_loop():
    joints, known, found = clip(), mask(), []
    for t in range(27):
        for j in range(5):
            if known[t : t + 4, j].all():
                a, b, c, d = joints[t : t + 4, j]
                found.append(np.linalg.norm(d - 3 * c + 3 * b - a) * 24.0**3)
    assert jitter(joints, 24.0, known) == pytest.approx(np.mean(found))


def test_foot_skate_by_hand():
    feet = np.zeros((5, 2, 3))
    feet[:, 0, 0] = [0.0, 0.01, 0.03, 0.06, 0.10]  # slides 1, 2, 3, 4 cm a frame
    feet[:, 1, 1] = [0.0, 0.02, 0.02, 0.02, 0.02]  # rises 2 cm, then rests
    contacts = np.array([[1, 1], [1, 1], [0, 1], [1, 0], [1, 0]])
    # Steps with both ends in contact: left 0-1 and 3-4, right 0-1 and 1-2.
    assert foot_skate(feet, contacts) == pytest.approx((0.01 + 0.04 + 0.02 + 0.0) / 4)
    assert foot_skate(feet, contacts, up=1) == pytest.approx((0.01 + 0.04 + 0.0 + 0.0) / 4)


def test_foot_skate_is_the_naive_loop():
    feet, contacts, steps = clip(1, (30, 4, 3)), mask(2, (30, 4)), []
    for t in range(29):
        for f in range(4):
            if contacts[t, f] and contacts[t + 1, f]:
                steps.append(np.linalg.norm(feet[t + 1, f] - feet[t, f]))
    assert foot_skate(feet, contacts) == pytest.approx(np.mean(steps))


def test_contacts_are_where_true_feet_rest():
    feet = np.zeros((6, 1, 3))
    feet[:, 0, 2] = [0.0, 0.2, 0.4, 0.405, 0.41, 0.8]
    assert contacts_of(feet)[:, 0].tolist() == [0, 0, 1, 1, 1, 0]
    assert foot_skate(feet, contacts_of(feet)) == pytest.approx(0.005)


def test_world_error_of_a_movement_elsewhere_is_nothing():
    truth = clip()
    for by in ("first", "all"):
        assert world_mpjpe(moved(truth), truth, by=by) == pytest.approx(0.0, abs=1e-9)
    rigid = world_mpjpe(moved(truth), truth, by="all", scale=False)
    assert rigid > 0.1  # the size is wrong, and without scaling it shows


def test_drift_shows_after_the_first_frames():
    """A body that never moves, predicted to walk 1 cm a frame: off by 0.5 cm at once, then by the way walked."""
    truth = np.broadcast_to(clip()[:1], (10, 5, 3))
    prediction = truth + np.arange(10)[:, None, None] * [0.01, 0.0, 0.0]
    aligned = align_world(prediction, truth, scale=False)
    errors = np.linalg.norm(aligned - truth, axis=-1).mean(-1)
    np.testing.assert_allclose(errors, np.abs(np.arange(10) - 0.5) * 0.01, atol=1e-3)
    over_all = world_mpjpe(prediction, truth, by="all", scale=False)
    assert over_all < world_mpjpe(prediction, truth, scale=False)
    # Segments begin anew, so drift over two frames at most is left.
    assert world_mpjpe(prediction, truth, segment=2, scale=False) == pytest.approx(0.005, abs=1e-4)


@pytest.mark.parametrize("by", ["first", "all"])
def test_world_error_is_the_naive_loop(by):
    prediction, truth, known, errors = clip(1), clip(2), mask(), []
    for start in (0, 12, 24):  # 30 frames by 12: the last segment has 6
        p, t, m = (x[start : start + 12] for x in (prediction, truth, known))
        used = 2 if by == "first" else len(p)
        rows = m[:used].ravel() > 0
        source, target = p[:used].reshape(-1, 3)[rows], t[:used].reshape(-1, 3)[rows]
        turn = Rotation.align_vectors(target - target.mean(0), source - source.mean(0))[0]
        turned = turn.apply(source - source.mean(0))
        size = (turned * (target - target.mean(0))).sum() / (turned**2).sum()
        for frame in range(len(p)):
            for j in range(5):
                if m[frame, j]:
                    placed = size * turn.apply(p[frame, j] - source.mean(0)) + target.mean(0)
                    errors.append(np.linalg.norm(placed - t[frame, j]))
    assert world_mpjpe(prediction, truth, known, by, segment=12) == pytest.approx(np.mean(errors), rel=1e-6)


def test_one_segment_aligned_as_a_whole_is_procrustes_of_the_clip():
    prediction, truth = clip(1), clip(2)
    aligned = align_world(prediction, truth, by="all")
    assert world_mpjpe(prediction, truth, by="all", segment=None) == pytest.approx(mpjpe(aligned, truth))


def test_clips_are_refused_that_are_none():
    with pytest.raises(ValueError, match=r"one clip \(T, J, 3\), got \(2, 30, 5, 3\)"):
        world_mpjpe(np.zeros((2, 30, 5, 3)), np.zeros((2, 30, 5, 3)))
    with pytest.raises(ValueError, match="'first' or 'all', got 'last'"):
        align_world(clip(), clip(), by="last")


def test_nothing_known_is_nan_in_silence():
    nothing = np.zeros((30, 5))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.isnan(jitter(clip(), mask=nothing))
        assert np.isnan(foot_skate(clip(), nothing))
        assert np.isnan(world_mpjpe(clip(1), clip(2), nothing))
        hidden = np.full((30, 5, 3), np.nan)
        assert np.isnan(world_mpjpe(clip(1), hidden, nothing))
