"""The mesh regressor as an estimator: the body that the network names, where the network puts it."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from posecore import load_estimator
from posecore.body import load_body
from posecore.capturing.estimators import Pose
from posecore.capturing.regions import Region
from posecore.capturing.smpl import SmplRegressor
from posecore.errors import NoPersonError, PosecoreError
from posecore.proportions import default_offsets
from posecore.skeletons import BODY_21

OPTIONS = {"input_size": 64, "padding": 1.3, "focal": 5.0}


class Finder:
    """Says the same of every picture."""

    name = "finder"

    def __init__(self, presence: float = 0.9) -> None:
        self.presence = presence

    def _pose(self) -> Pose:
        confidence = np.linspace(0.1, 1, 21, dtype=np.float32)
        return Pose(np.zeros((21, 2), np.float32), confidence, np.zeros((21, 3), np.float32), self.presence)

    def find(self, image):
        return [(Region((50.0, 40.0), 60.0), self.presence)]

    def estimate(self, images, regions):
        return [self._pose() for _ in images]

    def region(self, pose):
        return Region((1.0, 2.0), 3.0)


class Session:
    """A network that sees somebody who stands upright, facing the camera, 4 m away and 0.5 m to the right."""

    def __init__(self, place: tuple[float, float, float] = (0.5, 0.0, 4.0)) -> None:
        self.place = place

    def run(self, names, inputs):
        count = len(inputs["image"])
        rotations = np.tile(np.eye(3, dtype=np.float32), (count, 24, 1, 1))
        rotations[:, 0] = np.diag([1.0, -1.0, -1.0])  # faces the camera: +Z is toward it, y is down
        return rotations, np.zeros((count, 10), np.float32), np.tile(np.float32(self.place), (count, 1))


def estimator(place: tuple[float, float, float] = (0.5, 0.0, 4.0), presence: float = 0.9) -> SmplRegressor:
    return SmplRegressor(session=Session(place), finder=Finder(presence), options=OPTIONS)


def test_the_body_is_drawn_where_the_network_puts_it() -> None:
    picture = np.zeros((200, 300, 3), np.uint8)
    region = Region((120.0, 90.0), 160.0)
    pose = estimator().estimate([picture], [region])[0]
    body = load_body()
    upright = Rotation.from_euler("x", np.pi).as_quat()
    turns = np.tile([0, 0, 0, 1.0], (24, 1))
    turns[0] = upright
    places = np.array([[0.5, 0, 4.0]])
    joints = body.joints(turns[None], places)
    points = body.keypoints(body.pose(turns[None], places), joints)[0]
    # A focal length of 5 half sides: 400 px of this region, whose middle the camera looks at.
    expected = points[:, :2] / points[:, 2:] * 400 + [120, 90]
    np.testing.assert_allclose(pose.keypoints, expected, atol=1.5)
    assert pose.keypoints[BODY_21.index("l_wrist"), 0] > pose.keypoints[BODY_21.index("r_wrist"), 0]
    np.testing.assert_array_equal(pose.confidence, Finder()._pose().confidence)
    assert pose.presence == 0.9


def test_joints_are_seen_along_the_ray_to_the_pelvis() -> None:
    picture, region = np.zeros((99, 99, 3), np.uint8), Region((50.0, 50.0), 90.0)
    middle, aside = (estimator(place).estimate([picture], [region])[0] for place in ((0, 0, 4.0), (2.0, 0, 4.0)))
    np.testing.assert_allclose(middle.joints[BODY_21.index("pelvis")], 0, atol=1e-6)
    length = np.linalg.norm(aside.joints, axis=-1)
    np.testing.assert_allclose(length, np.linalg.norm(middle.joints, axis=-1), atol=1e-4)
    # Somebody to the right who faces straight ahead turns their left (picture right) shoulder away from that ray.
    turn = aside.joints[BODY_21.index("l_shoulder")] - aside.joints[BODY_21.index("r_shoulder")]
    angle = np.arctan2(turn[2], turn[0])
    assert abs(abs(angle) - np.arctan2(2, 4)) < 0.05
    size = np.linalg.norm(middle.joints[BODY_21.index("l_knee")] - middle.joints[BODY_21.index("l_hip")])
    assert abs(size - np.abs(default_offsets()).max()) < 0.1  # a thigh, in metres


def test_people_are_found_by_the_finder() -> None:
    picture = np.zeros((80, 100, 3), np.uint8)
    found = estimator()
    assert found.find(picture)[0][0].side == 60 and found.region(found(picture)).side == 3
    np.testing.assert_allclose(found(picture, (20, 10, 60, 60)).keypoints.shape, (21, 2))
    assert found.estimate([], []) == []
    with pytest.raises(NoPersonError, match="give a box"):
        estimator(presence=0.2)(picture)


def test_a_slip_of_the_network_stays_finite() -> None:
    pose = estimator((0.0, 0.0, -3.0)).estimate([np.zeros((50, 50, 3), np.uint8)], [Region((25.0, 25.0), 50.0)])[0]
    assert np.isfinite(pose.keypoints).all() and np.isfinite(pose.joints).all()


def test_the_shipped_regressor() -> None:
    from posecore.runtime.weights import store

    found = load_estimator("smpl", provider="cpu")
    pose = found(np.full((120, 90, 3), 127, np.uint8), (20, 10, 50, 100))
    card = store.card("smpl")
    assert found.name == f"smpl {card.version}" and card.rank is None  # never chosen by auto
    assert pose.keypoints.shape == (21, 2) and np.isfinite(pose.keypoints).all()
    height = np.ptp(pose.joints[:, 1])
    assert 0.3 < height < 2.5  # somebody's, in metres


def test_without_weights_it_says_so(tmp_path, monkeypatch) -> None:
    from posecore.runtime import weights

    monkeypatch.setattr(weights.store, "shipped_folder", lambda: tmp_path)
    monkeypatch.setattr(weights.store, "user_folder", lambda: tmp_path)
    with pytest.raises(PosecoreError, match="smpl"):
        load_estimator("smpl")
