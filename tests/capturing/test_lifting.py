"""The lifter's input normalisation, and the wrapper around the network."""

from __future__ import annotations

import numpy as np
import pytest

from posecore.capturing.lifting import Lifter, keypoint_scale, normalise_keypoints
from posecore.skeletons import BODY_21

PELVIS = BODY_21.index("pelvis")


@pytest.fixture
def person():
    rng = np.random.default_rng(0)
    return rng.normal(size=(4, 21, 2)) * 50 + 300, rng.uniform(0.3, 1, (4, 21))


def test_place_and_size_drop_out(person):
    points, sure = person
    base = normalise_keypoints(points, sure)
    np.testing.assert_allclose(normalise_keypoints(points * 3.7 + (100, -40), sure), base, atol=1e-4)
    np.testing.assert_allclose(base[:, PELVIS, :2], 0)
    np.testing.assert_allclose(base[..., 2], sure, rtol=1e-6)
    np.testing.assert_allclose(keypoint_scale(base[..., :2], sure), 1, rtol=1e-5)


def test_scale_by_hand():
    points = np.zeros((21, 2))
    sure = np.zeros(21)
    points[3], points[7], points[9] = (0, 0), (6, 8), (1e6, 1e6)
    sure[3] = sure[7] = 1.0  # joint 9 is unseen
    assert keypoint_scale(points, sure) == pytest.approx(5.0)


def test_unseen_joints_cannot_leak_in(person):
    points, sure = person
    sure[:, 5] = 0
    base = normalise_keypoints(points, sure)
    points[:, 5] = 1e5
    np.testing.assert_array_equal(normalise_keypoints(points, sure), base)
    assert (base[:, 5] == 0).all()


def test_an_unseen_pelvis_is_replaced_by_the_hips(person):
    points, sure = person
    hips = BODY_21.indices(["l_hip", "r_hip"])
    sure[:, PELVIS] = 0
    out = normalise_keypoints(points, sure)
    np.testing.assert_allclose(out[:, hips, :2].sum(axis=1), 0, atol=1e-5)
    sure[:, hips] = 0
    assert np.isfinite(normalise_keypoints(points, sure)).all()
    assert (normalise_keypoints(points, np.zeros_like(sure)) == 0).all()


def test_shapes_are_checked():
    with pytest.raises(ValueError, match="21"):
        normalise_keypoints(np.zeros((3, 17, 2)), np.zeros((3, 17)))
    with pytest.raises(ValueError, match="confidence"):
        normalise_keypoints(np.zeros((3, 21, 2)), np.zeros((2, 21)))


def test_lifter_runs_any_leading_shape_and_puts_the_pelvis_at_zero(person):
    class Session:
        def run(self, names, inputs):
            assert names == ["joints"] and inputs["keypoints"].dtype == np.float32
            return [inputs["keypoints"] + 1.0]

    points, sure = person
    lift = Lifter(session=Session())
    joints = lift(points.reshape(2, 2, 21, 2), sure.reshape(2, 2, 21))
    assert joints.shape == (2, 2, 21, 3) and (joints[..., PELVIS, :] == 0).all()
    assert lift(points[0], sure[0]).shape == (21, 3)
    assert lift(points[:0], sure[:0]).shape == (0, 21, 3)
