"""The shipped lifter and TP-Nets: contracts of the files, and a lift that makes sense. No torch."""

from __future__ import annotations

import numpy as np
import pytest

from posecore.capturing.lifting import Lifter
from posecore.metrics import mpjpe
from posecore.runtime import create_session, weights
from posecore.skeletons import BODY_21
from training.noise import NoiseStatistics
from training.pose_samples import MotionPool, draw_scenes
from training.virtual_cameras import Cameras, see

CONTRACTS = {
    "lifter": ("keypoints", (21, 3), "joints"),
    "tpnet_online": ("joints", (20, 21, 3), "refined"),
    "tpnet_semi": ("joints", (20, 21, 3), "refined"),
}


@pytest.mark.parametrize("name", CONTRACTS)
def test_contract(name):
    source, shape, result = CONTRACTS[name]
    path = weights.find(name)
    assert path.stat().st_size <= 8_000_000
    session = create_session(path, provider="cpu")
    assert [i.name for i in session.get_inputs()] == [source]
    for count in (1, 5):  # the batch is free
        out = session.run([result], {source: np.zeros((count, *shape), np.float32)})[0]
        assert out.shape == (count, 21, 3)
        assert out.dtype == np.float32
        assert (out[:, BODY_21.index("pelvis")] == 0).all()
    card = weights.card(name)
    assert card.recipe.startswith("python -m training")
    assert not card.restricted


def test_a_plain_standing_body_is_lifted_to_its_shape_and_side(moving):
    joints = moving().joints[None, :1]
    front = Cameras(np.diag([1.0, -1, -1]).astype("f")[None], np.eye(3, dtype="f")[None], np.full(1, 4.0, "f"))
    back = Cameras(np.diag([-1.0, -1, 1]).astype("f")[None], np.eye(3, dtype="f")[None], np.full(1, 4.0, "f"))
    for cameras in (front, back):
        keypoints, truth = see(joints, cameras)
        found = Lifter(provider="cpu")(keypoints[0, 0], np.ones(21, np.float32))
        assert mpjpe(found, truth[0, 0]) < 0.12


def test_tpnets_calm_a_drawn_detector_s_noise(moving):
    scenes = draw_scenes(np.random.default_rng(0), MotionPool([moving(90)]), NoiseStatistics.load(), 6, 60)
    lifted = Lifter(provider="cpu")(scenes.keypoints, scenes.confidence)
    before = np.linalg.norm(np.diff(lifted, n=2, axis=1), axis=-1).mean()
    for name, current in (("tpnet_online", 19), ("tpnet_semi", 10)):
        session = create_session(weights.find(name), provider="cpu")
        places = np.clip(np.arange(60)[:, None] + np.arange(20) - current, 0, 59)
        after = np.stack([session.run(["refined"], {"joints": one[places]})[0] for one in lifted])
        assert np.linalg.norm(np.diff(after, n=2, axis=1), axis=-1).mean() < 0.6 * before
        assert mpjpe(after, scenes.joints) < mpjpe(lifted, scenes.joints) + 0.005
