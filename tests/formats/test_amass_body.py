"""A fitted body in AMASS's keys: whoever skins them after SMPL's own convention gets our mesh."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from posecore.body import BodyModel
from posecore.body.fitting import fit_body
from posecore.formats.amass import load_amass
from posecore.motion import Motion
from tests.body.stick import stick_fields
from tests.body.test_fitting import walking

FIELDS = ("times", "rotations", "translation", "offsets", "betas", "contacts", "confidence")


@pytest.fixture(scope="module")
def fit():
    return fit_body(walking(30), BodyModel(**stick_fields()))


def smpl_vertices(pose: np.ndarray, betas: np.ndarray, trans: np.ndarray) -> np.ndarray:
    """One frame of SMPL without pose correctives, written out joint by joint and vertex by vertex: rotation vectors
    (24, 3), shape and translation in, vertices (V, 3) in the frame of the root's rotation out."""
    fields = stick_fields()
    shaped = fields["v_template"].astype(np.float64) + fields["shapedirs"] @ betas
    rest = fields["joint_regressor"] @ shaped
    world = []
    for joint, parent in enumerate(fields["parents"]):
        local = np.eye(4)
        local[:3, :3] = Rotation.from_rotvec(pose[joint]).as_matrix()
        local[:3, 3] = rest[joint] - (rest[parent] if joint else 0)
        world.append(world[parent] @ local if joint else local)
    vertices = []
    for place, weights in zip(shaped, fields["weights"], strict=True):
        moved = sum(
            w * (world[j][:3, :3] @ (place - rest[j]) + world[j][:3, 3]) for j, w in enumerate(weights) if w > 0
        )
        vertices.append(moved + trans)
    return np.array(vertices)


@pytest.mark.parametrize("up", ["z", "y"])
def test_the_keys_of_amass_place_the_mesh(tmp_path, fit, up) -> None:
    fit.save(tmp_path / "body.npz", up=up)
    with np.load(tmp_path / "body.npz") as data:
        poses, trans, betas = data["poses"], data["trans"], data["betas"]
        assert poses.shape == (30, 156) and betas.shape == (16,) and str(data["gender"]) == "neutral"
        assert float(data["mocap_framerate"]) == pytest.approx(30.0)
    for frame in (0, 13, 29):
        pose = np.zeros((24, 3))
        pose[:22] = poses[frame, :66].reshape(22, 3)  # SMPL-H has no joints 22 and 23 of SMPL
        found = smpl_vertices(pose, betas[:4], trans[frame])
        wanted = fit.vertices(slice(frame, frame + 1))[0]
        if up == "z":
            wanted = np.stack([wanted[:, 0], -wanted[:, 2], wanted[:, 1]], axis=1)
        np.testing.assert_allclose(found, wanted, atol=1e-3)


def test_it_comes_back(tmp_path, fit) -> None:
    fit.save(tmp_path / "body.npz")
    back = Motion.load(tmp_path / "body.npz")
    for name in FIELDS:
        np.testing.assert_array_equal(getattr(back, name), getattr(fit.motion, name))
    assert back.notes["body"] == "stick"


@pytest.fixture(scope="module")
def wide() -> BodyModel:
    """The stick with 20 shapes: the last ones move all of it, and what is not said of them is 0."""
    fields = stick_fields()
    more = np.zeros((len(fields["v_template"]), 3, 16), np.float32)
    more[:, 0] = 0.01
    return BodyModel(**(fields | {"shapedirs": np.concatenate([fields["shapedirs"], more], 2)}))


def test_every_beta_comes_back(tmp_path, wide) -> None:
    """Of a body with more than the ten that a Motion has as a rule."""
    betas = np.linspace(-1, 1, 20, dtype=np.float32)
    fit = fit_body(walking(3), wide, betas=betas)
    fit.save(tmp_path / "body.npz")
    np.testing.assert_array_equal(Motion.load(tmp_path / "body.npz").betas, betas)
    with np.load(tmp_path / "body.npz") as data:
        np.testing.assert_array_equal(data["betas"], betas)
        arrays = {name: data[name] for name in data.files if name != "posecore_betas"}
    np.savez(tmp_path / "older.npz", **arrays)
    np.testing.assert_array_equal(Motion.load(tmp_path / "older.npz").betas, betas[:10])


@pytest.mark.parametrize("count", [0, 10, 20, 30])
def test_a_strangers_betas_for_a_body_with_many(tmp_path, wide, count) -> None:
    stored = np.linspace(-1, 1, count, dtype=np.float32)
    np.savez(tmp_path / "plain.npz", poses=np.zeros((2, 66)), trans=np.zeros((2, 3)), betas=stored, fps=30)
    motion = load_amass(tmp_path / "plain.npz", up="y", body=wide)
    own = np.zeros(20, np.float32)
    own[: min(count, 20)] = stored[:20]
    np.testing.assert_array_equal(motion.betas, own)
    np.testing.assert_allclose(motion.joints()[0], wide.rest_joints(own), atol=1e-5)


def test_as_a_strangers_file_with_the_body_at_hand(tmp_path, fit) -> None:
    """AMASS keys alone: with the body, joints are exact; without it, the skeleton is the average adult's."""
    fit.save(tmp_path / "body.npz")
    with np.load(tmp_path / "body.npz") as data:
        keys = ("poses", "trans", "betas", "mocap_framerate")
        np.savez(tmp_path / "plain.npz", **{name: data[name] for name in keys})
    known = load_amass(tmp_path / "plain.npz", body=fit.body)
    np.testing.assert_allclose(known.joints(), fit.motion.joints(), atol=2e-3)
    assert np.abs(load_amass(tmp_path / "plain.npz").translation - fit.motion.translation).max() > 0.05
