from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from posecore.solving.smoothing import (
    cutoff_of,
    fill_missing,
    find_spikes,
    smooth,
    smooth_adaptive,
    smooth_quaternions,
)

RANDOM = np.random.default_rng(3)
UNEVEN = np.cumsum(RANDOM.uniform(0.01, 0.08, 120))


def test_lines_stay_lines_at_uneven_times_and_weights():
    line = np.stack([3.0 - 2.0 * UNEVEN, np.full(len(UNEVEN), 5.0)], axis=1)
    weights = RANDOM.uniform(0.0, 1.0, len(UNEVEN))
    for out in (smooth(line, UNEVEN, 1.0, weights), smooth_adaptive(line, UNEVEN, 1.0, weights, 1.0)):
        np.testing.assert_allclose(out, line, atol=1e-6)


def test_equals_the_dense_solution_of_its_definition():
    times, values, weights = UNEVEN[:12], RANDOM.standard_normal((12, 1)), RANDOM.uniform(0.2, 1, 12)
    span, system = np.gradient(times), np.diag(weights * np.gradient(times))
    for i in range(1, 11):
        a, b = times[i] - times[i - 1], times[i + 1] - times[i]
        row = np.zeros(12)
        # Slope after less slope before, over the time between their middles: the second derivative.
        row[i - 1 : i + 2] = np.array([1 / a, -1 / a - 1 / b, 1 / b]) / ((a + b) / 2)
        system += (2 * np.pi * 2.0) ** -4 * np.outer(row, row) * (a + b) / 2
    expected = np.linalg.solve(system, (weights * span)[:, None] * values)
    np.testing.assert_allclose(smooth(values, times, 2.0, weights), expected, atol=1e-9)


@pytest.mark.parametrize("frequency", [0.5, 3.0, 6.0])
def test_response_is_that_of_the_docstring(frequency):
    times = np.arange(1200) / 60
    wave = np.sin(2 * np.pi * frequency * times)[:, None]
    middle = slice(400, 800)
    gain = smooth(wave, times, 3.0)[middle].std() / wave[middle].std()
    assert gain == pytest.approx(1 / (1 + (frequency / 3.0) ** 4), abs=0.02)


def test_pulse_stays_centred_and_symmetric():
    times = np.arange(101) / 30
    pulse = np.exp(-(((times - times[50]) / 0.1) ** 2))[:, None]
    for out in (smooth(pulse, times, 2.0), smooth_adaptive(pulse, times, 2.0, np.ones(101), 1.0)):
        assert out.argmax() == 50
        np.testing.assert_allclose(out, out[::-1], atol=1e-9)


def test_adaptive_keeps_more_of_fast_movement_and_as_little_noise_when_still():
    times = np.arange(121) / 30
    punch = 0.6 * np.exp(-(((times - times[60]) / 0.08) ** 2))[:, None]
    plain, adaptive = smooth(punch, times, 3.0), smooth_adaptive(punch, times, 3.0, np.ones(121), 1.5)
    assert adaptive.max() > plain.max() + 0.05
    noise = 0.01 * RANDOM.standard_normal((121, 1))
    assert smooth_adaptive(noise, times, 3.0, np.ones(121), 1.5).std() < 1.15 * smooth(noise, times, 3.0).std()


def test_stronger_setting_lowers_the_cutoff():
    cutoffs = [cutoff_of(s) for s in (0.01, 0.25, 0.5, 1.0)]
    assert cutoffs == sorted(cutoffs, reverse=True)
    assert cutoffs[2] == pytest.approx(3.0)


def test_quaternions_stay_unit_and_ignore_the_sign():
    times = np.arange(60) / 30
    turning = Rotation.from_euler("y", np.linspace(0, 5, 60)[:, None]).as_quat()
    flipped = turning * RANDOM.choice([-1.0, 1.0], (60, 1))
    out = smooth_quaternions(flipped, times, 3.0)
    np.testing.assert_allclose(np.linalg.norm(out, axis=1), 1, atol=1e-12)
    error = (Rotation.from_quat(out) * Rotation.from_quat(turning).inv()).magnitude()
    assert np.degrees(error).max() < 1.5


def test_gaps_are_bridged_and_ends_held():
    times = np.arange(6.0)
    values = np.array([9, 1, 9, 3, 4, 9.0])[:, None, None]
    filled, trust = fill_missing(values, times, np.array([0, 1, 0, 1, 1, 0.0])[:, None])
    np.testing.assert_allclose(filled[:, 0, 0], [1, 1, 2, 3, 4, 4])
    assert (trust > 0).all() and trust[2, 0] < 0.1 and trust[1, 0] == 1
    untouched, _ = fill_missing(values, times, np.zeros((6, 1)))
    np.testing.assert_array_equal(untouched, values)


def test_spikes_are_single_frames_not_fast_movement():
    times = np.arange(60) / 30
    path = np.zeros((60, 1, 3))
    path[:, 0, 0] = 0.8 * np.exp(-(((times - 1.0) / 0.06) ** 2))  # 0.8 m and back within a fifth of a second
    assert not find_spikes(path, times, 0.12).any()
    path[20, 0, 1] += 0.3
    assert np.flatnonzero(find_spikes(path, times, 0.12)[:, 0]).tolist() == [20]


@pytest.mark.parametrize("count", [1, 2])
def test_short_clips_come_back(count):
    values, times = RANDOM.standard_normal((count, 3)), np.arange(count) / 30
    np.testing.assert_array_equal(smooth_adaptive(values, times, 1.0, np.ones(count), 1.0), values)
