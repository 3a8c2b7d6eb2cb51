"""Position and acceleration errors, by hand and against loops."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from posecore.metrics import (
    acceleration_error,
    align_procrustes,
    average_joint_distance,
    fit_similarity,
    mpjpe,
    pa_mpjpe,
    pck,
)


def pose(seed=0, shape=(5, 21, 3)):
    return np.random.default_rng(seed).normal(size=shape)


def test_mpjpe_of_a_known_shift():
    truth = pose()
    assert mpjpe(truth + [3.0, 0.0, 4.0], truth) == pytest.approx(5.0)
    assert mpjpe(truth + [3.0, 0.0, 4.0], truth, root=0) == pytest.approx(0.0, abs=1e-12)
    mask = np.zeros(21)
    mask[4] = 1
    moved = truth.copy()
    moved[:, 4, 0] += 2
    assert mpjpe(moved, truth, mask) == pytest.approx(2.0)


def test_pa_mpjpe_removes_similarity_but_not_reflection():
    truth = pose()
    turned = 1.7 * Rotation.from_rotvec([0.3, -2.0, 1.0]).apply(truth.reshape(-1, 3)).reshape(truth.shape) + [1, 2, 3]
    assert pa_mpjpe(turned, truth) == pytest.approx(0.0, abs=1e-9)
    assert pa_mpjpe(turned * [-1, 1, 1], truth) > 0.3
    # The fit is the best similarity: nudging it in any way is worse.
    noisy = truth + 0.1 * pose(1)
    aligned = align_procrustes(noisy, truth)
    best = ((aligned - truth) ** 2).sum()
    for nudge in (Rotation.from_rotvec([0.02, 0, 0]), Rotation.from_rotvec([0, 0, -0.02])):
        assert ((nudge.apply(aligned.reshape(-1, 3)).reshape(truth.shape) - truth) ** 2).sum() > best


def test_acceleration_error_of_a_parabola():
    times = np.arange(10) / 30
    truth = np.zeros((10, 21, 3))
    prediction = truth.copy()
    prediction[..., 1] = (0.5 * 9.81 * times**2)[:, None]
    assert acceleration_error(prediction, truth, rate=30.0) == pytest.approx(9.81)
    with pytest.raises(ValueError, match="3 frames"):
        acceleration_error(truth[:2], truth[:2])


def test_pck_counts_joints_within_the_threshold():
    truth = np.zeros((2, 4, 2))
    prediction = truth.copy()
    prediction[0, :, 0] = [0.1, 0.2, 0.3, 0.4]
    assert pck(prediction, truth, 0.25) == pytest.approx(6 / 8)
    assert pck(prediction, truth, np.array([0.35, 1.0])) == pytest.approx(7 / 8)


def test_unequal_shapes_are_refused_with_both_shapes():
    with pytest.raises(ValueError, match=r"\(5, 21, 3\) and \(5, 20, 3\)"):
        mpjpe(pose(), pose(shape=(5, 20, 3)))


def mask(seed=2, shape=(5, 21)):
    return (np.random.default_rng(seed).random(shape) > 0.3).astype(float)


def test_mpjpe_is_the_naive_loop():
    prediction, truth, known = pose(1), pose(2), mask()
    known[0, 0] = 0
    errors = []
    for n in range(5):
        for j in range(21):
            if known[n, j] and known[n, 0]:
                found, wanted = prediction[n, j] - prediction[n, 0], truth[n, j] - truth[n, 0]
                errors.append(sum((found - wanted) ** 2) ** 0.5)
    assert mpjpe(prediction, truth, known, root=0) == pytest.approx(np.mean(errors))


def test_average_joint_distance_is_the_naive_loop():
    prediction, truth, known = pose(1), pose(2), mask()
    known[:, 7] = 0
    found = average_joint_distance(prediction, truth, known)
    for j in range(21):
        errors = [np.linalg.norm(prediction[n, j] - truth[n, j]) for n in range(5) if known[n, j]]
        assert found[j] == pytest.approx(np.mean(errors)) if errors else np.isnan(found[j])
    assert np.isnan(found[7]) and np.isfinite(np.delete(found, 7)).all()


def test_unknown_joints_may_be_nan_and_nothing_known_is_nan_in_silence():
    prediction, truth, known = pose(1), pose(2), mask()
    hidden = truth.copy()
    hidden[known == 0] = np.nan
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for metric in (mpjpe, pa_mpjpe):
            assert metric(prediction, hidden, known) == pytest.approx(metric(prediction, truth, known))
            assert np.isnan(metric(prediction, truth, np.zeros((5, 21))))
        assert np.isnan(average_joint_distance(prediction, truth, np.zeros(21))).all()
        assert np.isnan(acceleration_error(prediction, truth, mask=np.zeros((5, 21))))
    with pytest.raises(ValueError, match=r"a mask of shape \(4, 21\) does not fit \(5, 21\)"):
        mpjpe(prediction, truth, np.ones((4, 21)))


def test_a_mirrored_pose_is_not_aligned_by_a_reflection():
    truth = pose()
    mirrored = truth * [-1, 1, 1]
    fit = fit_similarity(mirrored, truth)
    np.testing.assert_allclose(np.linalg.det(fit.rotation), 1.0)
    np.testing.assert_allclose(
        fit.rotation @ np.swapaxes(fit.rotation, -1, -2), np.broadcast_to(np.eye(3), (5, 3, 3)), atol=1e-12
    )
    # By an independent way: scipy's best rotation of the centred points, then the best scale along it.
    for source, target, found in zip(mirrored, truth, align_procrustes(mirrored, truth), strict=True):
        s, t = source - source.mean(0), target - target.mean(0)
        turned = Rotation.align_vectors(t, s)[0].apply(s)
        expected = turned * (turned * t).sum() / (turned**2).sum() + target.mean(0)
        np.testing.assert_allclose(found, expected, atol=1e-6)
    assert pa_mpjpe(mirrored, truth) > 0.3


def test_flat_poses_are_turned_not_reflected():
    """All joints in one plane: a mirrored pose is a turned one."""
    flat = pose()
    flat[..., 2] = 0
    assert pa_mpjpe(flat * [-1, 1, 1], flat) == pytest.approx(0.0, abs=1e-9)


def test_procrustes_looks_at_known_joints_only():
    truth, known = pose(), mask()
    turned = 0.5 * Rotation.from_rotvec([1.0, 2.0, 0.3]).apply(truth.reshape(-1, 3)).reshape(truth.shape) + 4.0
    turned[known == 0] += 100.0
    assert pa_mpjpe(turned, truth, known) == pytest.approx(0.0, abs=1e-9)
    for n in range(5):
        few = known[n] > 0
        np.testing.assert_allclose(
            align_procrustes(turned + 0.1 * pose(3), truth, known)[n, few],
            align_procrustes((turned + 0.1 * pose(3))[n, few], truth[n, few]),
            atol=1e-9,
        )


def test_rigid_alignment_keeps_the_scale():
    truth = pose()
    assert mpjpe(fit_similarity(2 * truth + 1, truth)(2 * truth + 1), truth) == pytest.approx(0.0, abs=1e-9)
    rigid = fit_similarity(2 * truth + 1, truth, scale=False)
    assert (rigid.scale == 1).all()
    centred = truth - truth.mean(-2, keepdims=True)
    assert mpjpe(rigid(2 * truth + 1), truth) == pytest.approx(np.linalg.norm(centred, axis=-1).mean())


def test_acceleration_error_is_the_naive_loop():
    prediction, truth, known = pose(1, (9, 4, 3)), pose(2, (9, 4, 3)), mask(3, (9, 4))
    errors = []
    for t in range(1, 8):
        for j in range(4):
            if known[t - 1 : t + 2, j].all():
                a, b = ((x[t + 1, j] - 2 * x[t, j] + x[t - 1, j]) * 25.0**2 for x in (prediction, truth))
                errors.append(np.linalg.norm(a - b))
    assert acceleration_error(prediction, truth, 25.0, known) == pytest.approx(np.mean(errors))
