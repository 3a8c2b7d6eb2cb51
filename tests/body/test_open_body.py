"""The body that comes with the library: its format, its stance, its shapes, its points."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from posecore.body import OPEN_BODY, load_body
from posecore.skeletons import BODY_21, SMPL_24


@pytest.fixture(scope="module")
def arrays() -> dict[str, np.ndarray]:
    with np.load(OPEN_BODY, allow_pickle=False) as data:
        return {name: data[name] for name in data.files}


def test_the_file_is_small_and_in_smpls_format(arrays) -> None:
    assert OPEN_BODY.stat().st_size <= 3_000_000 and OPEN_BODY.with_suffix(".LICENSE.txt").is_file()
    count = len(arrays["v_template"])
    shapes = {
        "v_template": (count, 3),
        "shapedirs": (count, 3, 10),
        "posedirs": (count, 3, 207),
        "weights": (count, 24),
        "J_regressor": (24, count),
        "kintree_table": (2, 24),
    }
    assert {key: arrays[key].shape for key in shapes} == shapes
    assert arrays["kintree_table"][0, 0] == 2**32 - 1
    assert tuple(arrays["kintree_table"][0, 1:]) == SMPL_24.parents[1:]
    assert (arrays["weights"] >= 0).all() and (arrays["weights"].sum(1) == 1).all()
    np.testing.assert_allclose(arrays["J_regressor"].sum(1), 1, atol=1e-6)
    assert load_body().name == "open" and load_body().posedirs is None


def test_it_stands_in_a_t_pose_on_the_ground() -> None:
    model = load_body()
    at = dict(zip(SMPL_24.joints, model.rest_joints(), strict=True))
    assert model.v_template[:, 1].min() == 0 and 1.6 < model.v_template[:, 1].max() < 1.8
    assert np.abs(at["pelvis"][[0, 2]]).max() < 1e-4
    for side, sign in (("l", 1), ("r", -1)):
        for start, end in (("shoulder", "elbow"), ("elbow", "wrist"), ("wrist", "hand")):
            bone = at[f"{side}_{end}"] - at[f"{side}_{start}"]
            np.testing.assert_allclose(bone / np.linalg.norm(bone), (sign, 0, 0), atol=0.01)
        for start, end in (("hip", "knee"), ("knee", "ankle")):
            bone = at[f"{side}_{end}"] - at[f"{side}_{start}"]
            np.testing.assert_allclose(bone / np.linalg.norm(bone), (0, -1, 0), atol=0.01)
        toe = at[f"{side}_foot"] - at[f"{side}_ankle"]
        assert toe[2] > 0.1 and abs(toe[0]) < 0.03, "feet point to +Z"


@pytest.mark.parametrize("component", range(10))
def test_shapes_stand_on_the_ground_too(component) -> None:
    model = load_body()
    for value in (-2.5, 2.5):
        betas = np.zeros(10)
        betas[component] = value
        vertices = model.shaped(betas)
        assert abs(vertices[:, 1].min()) < 0.015
        assert np.abs(model.rest_joints(betas)[SMPL_24.index("pelvis")][[0, 2]]).max() < 1e-3
        assert 1.35 < vertices[:, 1].max() < 2.1


def test_the_first_beta_is_stature() -> None:
    model = load_body()
    heights = [model.shaped(np.eye(10)[0] * value)[:, 1].max() for value in (-1, 0, 1)]
    # One standard deviation of adults' stature, about 0.1 m.
    assert 0.06 < heights[1] - heights[0] < 0.16 and 0.06 < heights[2] - heights[1] < 0.16


def test_left_and_right_are_mirrored() -> None:
    rest = load_body().rest_joints()
    np.testing.assert_allclose(rest[list(SMPL_24.mirror)] * (-1, 1, 1), rest, atol=0.003)


def test_the_surface_is_closed_but_for_the_face() -> None:
    model = load_body()
    faces = model.faces
    edges = np.sort(np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]), axis=1)
    times = np.unique(edges, axis=0, return_counts=True)[1]
    assert (times == 2).mean() > 0.999
    # Seen from outside, triangles run counter-clockwise: the volume is positive, and that of a person.
    a, b, c = (model.v_template[faces[:, corner]].astype(float) for corner in range(3))
    volume = np.einsum("fi,fi->", a, np.cross(b, c)) / 6
    assert 0.05 < volume < 0.09


def test_keypoints_lie_where_they_are_called() -> None:
    model = load_body()
    points = dict(zip(BODY_21.joints, model.keypoints(model.v_template, model.rest_joints()), strict=True))
    assert points["nose"][2] > points["head_top"][2] and abs(points["nose"][0]) < 0.01
    assert points["head_top"][1] > 0.99 * model.v_template[:, 1].max()
    for side, sign in (("l", 1), ("r", -1)):
        assert points[f"{side}_toe"][2] > model.v_template[:, 2].max() - 0.01 and points[f"{side}_toe"][0] * sign > 0.05
    np.testing.assert_allclose(points["pelvis"], (points["l_hip"] + points["r_hip"]) / 2, atol=1e-6)
    assert points["spine"][1] < points["thorax"][1] < points["nose"][1]
    stacked = model.keypoints(np.stack([model.v_template] * 2), np.stack([model.rest_joints()] * 2))
    assert stacked.shape == (2, 21, 3)


def test_bent_limbs_keep_their_thickness() -> None:
    """Elbow, knee, shoulder and hip at 90 degrees: the joint's skin stays around the joint."""
    model = load_body()
    turns = {"l_elbow": ("y", -90), "r_knee": ("x", 90), "l_shoulder": ("z", -90), "l_hip": ("x", -90)}
    pose = np.tile([0.0, 0, 0, 1], (1, 24, 1))
    for joint, (axis, degrees) in turns.items():
        pose[0, SMPL_24.index(joint)] = Rotation.from_euler(axis, degrees, degrees=True).as_quat()
    vertices, joints = model.pose(pose)[0], model.joints(pose)[0]
    for joint in turns:
        index = SMPL_24.index(joint)
        own = model.weights[:, index]
        shared = (own > 0.3) & (own < 0.7)
        before = np.linalg.norm(model.v_template[shared] - model.rest_joints()[index], axis=1)
        after = np.linalg.norm(vertices[shared] - joints[index], axis=1)
        assert shared.sum() > 8 and np.mean(after / before) > 0.75, joint
