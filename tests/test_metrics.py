"""Metrics by hand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from posecore.metrics import acceleration_error, align_procrustes, mpjpe, pa_mpjpe, pck


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
