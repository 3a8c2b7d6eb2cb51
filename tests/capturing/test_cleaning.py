"""Repair of left/right swaps with a known truth, and gap filling."""

from __future__ import annotations

import numpy as np
import pytest

from posecore.capturing.cleaning import STATES, apply_swaps, fill_gaps, find_swaps, swap_runs
from posecore.skeletons import BODY_21

NAMES = list(STATES)
SIDES = {"l": 1.0, "r": -1.0}


def walker(count: int = 120, turn: float = 0.0, rate: float = 30.0) -> np.ndarray:
    """(T, 21, 3) m, camera frame (y down): a stick figure walks on the spot, ``turn`` rad/s about the vertical."""
    times = np.arange(count) / rate
    phase = 2 * np.pi * 0.9 * times
    swing = {"l": np.sin(phase), "r": -np.sin(phase)}
    spots = {"pelvis": (0, 0), "spine": (0, -0.25), "thorax": (0, -0.5), "nose": (0.1, -0.65), "head_top": (0, -0.8)}
    limbs = {  # half width, height, forward swing (legs with their side, arms against it)
        "hip": (0.1, 0, 0), "knee": (0.1, 0.4, 0.18), "ankle": (0.1, 0.8, 0.3), "toe": (0.1, 0.86, 0.3),
        "shoulder": (0.18, -0.5, 0), "elbow": (0.2, -0.22, -0.1), "wrist": (0.2, 0, -0.22), "hand": (0.2, 0.07, -0.26),
    }  # fmt: skip
    body = np.zeros((count, 21, 3))
    for index, joint in enumerate(BODY_21.joints):
        side, _, rest = joint.partition("_")
        if joint in spots:
            body[:, index, 2], body[:, index, 1] = -spots[joint][0], spots[joint][1]
        else:
            width, height, forward = limbs[rest]
            ahead = 0.12 if rest == "toe" else 0.0
            body[:, index] = np.stack(
                [np.full(count, SIDES[side] * width), np.full(count, height), -(forward * swing[side] + ahead)], -1
            )
    angle = 0.6 + turn * times
    cos, sin = np.cos(angle)[:, None], np.sin(angle)[:, None]
    x, z = body[..., 0], body[..., 2]
    return np.stack([cos * x + sin * z, body[..., 1], -sin * x + cos * z], axis=-1)


def seen(body: np.ndarray, noise: float = 2.0, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Keypoints (200 px a metre) with noise, and confidence."""
    rng = np.random.default_rng(seed)
    keypoints = body[..., :2] * 200 + 300 + rng.normal(0, noise, (*body.shape[:2], 2))
    return keypoints.astype(np.float32), rng.uniform(0.6, 1.0, body.shape[:2]).astype(np.float32)


def times_of(body):
    return np.arange(len(body)) / 30


@pytest.mark.parametrize("turn", [0.0, 0.8, -1.5])
@pytest.mark.parametrize("noise", [1.0, 4.0])
def test_what_is_right_is_left_alone(turn, noise):
    body = walker(150, turn)
    keypoints, confidence = seen(body, noise)
    assert (find_swaps(times_of(body), keypoints, confidence) == 0).all()


@pytest.mark.parametrize("turn", [0.0, 0.8])
@pytest.mark.parametrize(
    "swaps",
    [[(20, 26, "legs")], [(20, 35, "arms")], [(20, 45, "all")], [(10, 12, "all"), (40, 50, "legs"), (50, 61, "arms")]],
)
def test_known_swaps_are_found_and_undone(turn, swaps):
    body = walker(150, turn)
    keypoints, confidence = seen(body)
    true = np.zeros(len(body), np.int64)
    for start, stop, what in swaps:
        true[start:stop] = NAMES.index(what)
    found = find_swaps(times_of(body), apply_swaps(true, keypoints), apply_swaps(true, confidence))
    # Where left and right coincide in the picture either is right: compare positions, not labels.
    error = np.linalg.norm(apply_swaps(found, apply_swaps(true, keypoints)) - keypoints, axis=-1)
    assert (error.max(axis=-1) > 25).mean() < 0.02
    assert (found == true).mean() > 0.95


def test_a_network_that_takes_a_back_for_a_front():
    """The person turns once round; the network exchanges left and right while it sees the back."""
    body = walker(120, turn=2 * np.pi / 4)
    keypoints, confidence = seen(body, noise=1.0)
    hips = BODY_21.indices(["l_hip", "r_hip"])
    from_behind = keypoints[:, hips[0], 0] < keypoints[:, hips[1], 0]
    true = np.where(from_behind, NAMES.index("all"), 0)
    assert 50 < from_behind.sum() < 70
    found = find_swaps(times_of(body), apply_swaps(true, keypoints), apply_swaps(true, confidence))
    repaired = apply_swaps(found, apply_swaps(true, keypoints))
    error = np.linalg.norm(repaired - keypoints, axis=-1).max(axis=-1)
    assert (error > 25).mean() < 0.05


def test_unseen_joints_have_no_say():
    body = walker(90)
    keypoints, confidence = seen(body)
    wild = BODY_21.index("l_ankle")
    keypoints[:, wild] = np.random.default_rng(1).uniform(-1e4, 1e4, (90, 2))
    confidence[:, wild] = 0
    confidence[30:40] = 0
    assert (find_swaps(times_of(body), keypoints, confidence) == 0).all()


@pytest.mark.parametrize("count", [0, 1, 2, 3])
def test_short_clips(count):
    body = walker(count)
    assert find_swaps(times_of(body), *seen(body)).shape == (count,)


def test_applying_twice_gives_back_and_depth_turns_with_the_whole_body():
    body = walker(4).astype(np.float32)
    states = np.arange(4)
    np.testing.assert_array_equal(apply_swaps(states, apply_swaps(states, body)), body)
    turned = apply_swaps(states, body, depth=True)
    left, right = BODY_21.index("l_knee"), BODY_21.index("r_knee")
    legs, arms, both = (NAMES.index(n) for n in ("legs", "arms", "all"))
    np.testing.assert_array_equal(turned[legs, left], body[legs, right])
    np.testing.assert_array_equal(turned[arms, left], body[arms, left])
    np.testing.assert_array_equal(turned[both, left], body[both, right] * (1, 1, -1))


def test_runs():
    assert swap_runs(np.array([0, 1, 1, 0, 3]), np.arange(10, 15)) == [[11, 12, "legs"], [14, 14, "all"]]
    assert swap_runs(np.zeros(3, np.int64), np.arange(3)) == []


def test_gaps():
    times = np.arange(20) / 30
    values = np.stack([times, 2 * times], axis=-1)[:, None].astype(np.float32)
    sure = np.full((20, 1), 0.8, np.float32)
    for lost in (slice(0, 2), slice(5, 8), slice(10, 18)):
        values[lost], sure[lost] = 99.0, 0.0
    filled, confidence = fill_gaps(times, values, sure, longest=0.25)
    np.testing.assert_allclose(filled[2:, 0, 0], times[2:], atol=1e-6)
    np.testing.assert_allclose(filled[:2, 0, 0], times[2])  # held at the beginning
    np.testing.assert_allclose(confidence[5:8], 0.4)
    assert (confidence[10:18] == 0).all() and (confidence[:2] == 0).all() and (confidence[8:10] > 0.7).all()
    same, none = fill_gaps(times, values, np.zeros_like(sure))
    np.testing.assert_array_equal(same, values)
    assert (none == 0).all()
