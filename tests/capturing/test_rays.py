"""The ray frame: values by hand."""

import numpy as np
import pytest

from posecore.capturing.rays import ray_rotation, ray_to_camera
from posecore.skeletons import BODY_21
from posecore.takes import Camera


def test_rotation_takes_the_ray_to_the_axis() -> None:
    for ray in ([0.3, -0.2, 1.0], [0.0, 0.0, 2.0], [-1.0, 0.5, 1.0]):
        rotation = ray_rotation(np.array(ray))
        np.testing.assert_allclose(rotation @ (np.array(ray) / np.linalg.norm(ray)), [0, 0, 1], atol=1e-6)
        np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-6)
        assert np.linalg.det(rotation) == pytest.approx(1.0)


def test_someone_at_45_degrees_to_the_right_by_hand() -> None:
    camera = Camera(focal=100.0, centre=(50.0, 50.0), size=(101, 101))
    keypoints = np.full((1, 21, 2), 50.0, np.float32)
    keypoints[0, BODY_21.index("pelvis")] = (150.0, 50.0)  # 45° to the right
    joints = np.zeros((1, 21, 3), np.float32)
    joints[0, 1] = (0.0, 0.0, 1.0)  # 1 m behind the pelvis along the ray
    joints[0, 2] = (1.0, 0.0, 0.0)  # 1 m to its right as seen along the ray
    joints[0, 3] = (0.0, 1.0, 0.0)
    found = ray_to_camera(joints, keypoints, camera)
    half = np.sqrt(0.5)
    np.testing.assert_allclose(found[0, 1:4], [[half, 0, half], [half, 0, -half], [0, 1, 0]], atol=1e-6)


def test_in_the_middle_nothing_changes() -> None:
    camera = Camera(100.0, (50.0, 50.0), (101, 101))
    joints = np.random.default_rng(0).normal(size=(3, 21, 3)).astype(np.float32)
    found = ray_to_camera(joints, np.full((3, 21, 2), 50.0), camera)
    np.testing.assert_allclose(found, joints, atol=1e-6)
