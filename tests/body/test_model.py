"""Bodies of SMPL's family: shapes and poses against the equations written out, and what is said of bad files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from posecore.body import load_body
from posecore.body.model import BodyModel
from posecore.body.skinning import matrices_of
from posecore.errors import PosecoreError, SourceError
from posecore.skeletons import SMPL_24
from tests.body import bodies

#: SMPL's own hand joints are no joints of SMPL-H and SMPL-X.
BODY_JOINTS = [joint for joint in SMPL_24.joints if not joint.endswith("_hand")]


def saved(folder: Path, **changes) -> Path:
    """A tiny body's file with some keys changed, or left out where None."""
    arrays = bodies.body_arrays() | changes
    np.savez(folder / "body.npz", **{key: value for key, value in arrays.items() if value is not None})
    return folder / "body.npz"


def random_pose(frames: int, seed: int = 1):
    generator = np.random.default_rng(seed)
    rotations = Rotation.random(frames * 24, random_state=seed).as_quat().reshape(frames, 24, 4)
    return rotations, generator.normal(size=(frames, 3)), generator.normal(size=10)


@pytest.mark.parametrize("joints", [24, 52, 55])
@pytest.mark.parametrize("corrective", [False, True])
def test_poses_are_those_of_the_equations(tmp_path, joints, corrective) -> None:
    arrays = bodies.body_arrays(joints, corrective)
    # Official SMPL-X files name their joints and parts in Python objects, which are not read.
    objects = {name: np.array({"pelvis": 0}, dtype=object) for name in ("joint2num", "part2num") if joints == 55}
    np.savez(tmp_path / "body.npz", **arrays, **objects)
    model = load_body(tmp_path / "body.npz")
    assert model.name == {24: "smpl", 52: "smplh", 55: "smplx"}[joints]
    assert (model.posedirs is not None) == corrective
    rotations, translation, betas = random_pose(3)
    if joints != 24:
        rotations[:, SMPL_24.indices(["l_hand", "r_hand"])] = (0, 0, 0, 1)
    vertices, places = model.pose(rotations, translation, betas), model.joints(rotations, translation, betas)
    for frame in range(3):
        matrices = np.tile(np.eye(3), (joints, 1, 1))
        shared = SMPL_24.indices(SMPL_24.joints if joints == 24 else BODY_JOINTS)
        matrices[shared] = Rotation.from_quat(rotations[frame, shared]).as_matrix()
        expected, expected_joints = bodies.naive_vertices(arrays, matrices, translation[frame], betas)
        np.testing.assert_allclose(vertices[frame], expected, atol=2e-6)
        np.testing.assert_allclose(places[frame, shared], expected_joints[shared], atol=2e-6)


def test_hands_of_smplh_are_where_the_fingers_begin(tmp_path) -> None:
    arrays = bodies.body_arrays(52)
    np.savez(tmp_path / "body.npz", **arrays)
    rest = load_body(tmp_path / "body.npz").rest_joints()
    own = arrays["J_regressor"] @ arrays["v_template"]
    # Index, middle, little and ring finger have three joints each, and begin after the 22 of the body.
    np.testing.assert_allclose(rest[SMPL_24.index("l_hand")], own[22:34:3].mean(0), atol=1e-6)
    np.testing.assert_allclose(rest[SMPL_24.index("r_hand")], own[37:49:3].mean(0), atol=1e-6)


def test_expressions_of_smplx_are_no_shapes(tmp_path) -> None:
    for stored, shapes in ((20, 10), (400, 300)):
        np.savez(tmp_path / "body.npz", **bodies.body_arrays(55, betas=stored))
        assert load_body(tmp_path / "body.npz", betas=350).shapedirs.shape[2] == shapes
    assert load_body(tmp_path / "body.npz").shapedirs.shape[2] == 10


def test_rest_and_translation() -> None:
    model = load_body()
    still = np.tile([0.0, 0, 0, 1], (2, 24, 1))
    np.testing.assert_allclose(model.pose(still)[1], model.v_template, atol=1e-6)
    places = np.array([[0.0, 1, 2], [3, 4, 5]])
    np.testing.assert_allclose(model.joints(still, places)[:, SMPL_24.index("pelvis")], places, atol=1e-6)
    shift = places[1] - model.rest_joints()[SMPL_24.index("pelvis")]
    np.testing.assert_allclose(model.pose(still, places)[1], model.v_template + shift, atol=1e-5)
    assert model.pose(still[:0]).shape == (0, len(model.v_template), 3)


def test_quaternions_need_not_be_units() -> None:
    turn = Rotation.from_euler("xyz", [0.3, -1.0, 2.0])
    np.testing.assert_allclose(matrices_of(3 * turn.as_quat()), turn.as_matrix(), atol=1e-6)


def one_line(error: pytest.ExceptionInfo, *words: str) -> None:
    text = str(error.value)
    assert "\n" not in text and all(word in text for word in words), text


def no_vertices() -> dict[str, np.ndarray]:
    arrays = bodies.body_arrays()
    empty = {key: arrays[key][:0] for key in ("v_template", "shapedirs", "posedirs", "weights")}
    return empty | {"J_regressor": arrays["J_regressor"][:, :0]}


def points(names: list, vertices: list) -> dict[str, np.ndarray]:
    return {"keypoint_names": np.array(names), "keypoint_vertices": np.array(vertices)}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"weights": None, "f": None}, ("f, weights missing", "body.npz")),
        ({"J_regressor": np.zeros((16, 96))}, ("16 joints", "24", "52", "55")),
        ({"J_regressor": np.zeros(3)}, ("0 joints",)),
        ({"weights": np.zeros((96, 20))}, ("weights", "(96, 20)", "(96, 24)")),
        ({"posedirs": np.zeros((96, 3, 9))}, ("posedirs", "(96, 3, 207)")),
        ({"v_template": np.full((96, 3), np.nan)}, ("v_template", "NaN")),
        ({"v_template": np.float64(3)}, ("v_template has shape ()", "(1 or more, 3)")),
        ({"v_template": np.full((96, 3), "x")}, ("v_template holds text, expected numbers",)),
        ({"v_template": np.zeros((96, 3), complex)}, ("v_template holds complex numbers",)),
        (no_vertices(), ("v_template has shape (0, 3)", "(1 or more, 3)")),
        ({"shapedirs": np.zeros((96, 3, 0))}, ("shapedirs has shape (96, 3, 0)", "(96, 3, 1 or more)")),
        ({"weights": np.full((96, 24), "x")}, ("weights holds text",)),
        ({"weights": np.full((96, 24), 1 / 12)}, ("weights of vertex 0 sum to 2", "sum to 1")),
        ({"weights": np.tile([-0.5, 1.5] + 22 * [0], (96, 1))}, ("weights holds negative ones",)),
        ({"f": np.array([[0, 1, 96]])}, ("f names vertices",)),
        ({"f": np.array([[0, 1, -1]])}, ("f names vertices",)),
        ({"f": np.array([[0.0, 1, 2]])}, ("f holds fractions, expected whole numbers",)),
        ({"f": np.zeros((0, 3), int)}, ("f has shape (0, 3)", "(1 or more, 3)")),
        ({"name": np.array("")}, ("name holds no word",)),
        ({"name": np.zeros(0, "U3")}, ("name holds no word",)),
        ({"name": np.array(3)}, ("name holds no word",)),
        (points(["nose", "l_toe"], [[0, 1]]), ("keypoint_vertices has shape (1, 2), expected (2, 2)",)),
        (points(["nose"], [[0, 1, 2]]), ("keypoint_vertices has shape (1, 3)",)),
        (points(["nose"], [[0, 96]]), ("keypoint_vertices names vertices that are not there",)),
        (points(["nose"], [[0.0, 1.0]]), ("keypoint_vertices holds fractions",)),
        (points([["nose"]], [[0, 1]]), ("keypoint_names is no list of names",)),
        ({"keypoint_names": np.array(["nose"])}, ("only one of keypoint_names and keypoint_vertices",)),
        ({"kintree_table": np.zeros((2, 24), int)}, ("kintree_table", "tree")),
    ],
)
def test_a_bad_file_is_one_line(tmp_path, changes, words) -> None:
    with pytest.raises(SourceError) as error:
        load_body(saved(tmp_path, **changes))
    one_line(error, "body.npz", *words)


def test_points_that_a_file_does_not_name_are_found(tmp_path) -> None:
    model = load_body(saved(tmp_path, **points(["nose"], [[3, 5]])))
    assert model.keypoint_vertices["nose"] == (3, 5)
    assert model.keypoints(model.shaped(), model.rest_joints()).shape == (21, 3)


def test_files_that_are_no_bodies(tmp_path) -> None:
    (tmp_path / "text.npz").write_text("no zip")
    for name, word in (("nothing.npz", "no such file"), ("text.npz", "not an .npz archive"), ("SMPL.pkl", "convert")):
        with pytest.raises(SourceError) as error:
            load_body(tmp_path / name)
        one_line(error, word, name)


def test_bad_arguments_are_one_line() -> None:
    model = load_body()
    still = np.tile([0.0, 0, 0, 1], (2, 24, 1))
    calls = [
        (lambda: model.shaped(np.zeros(7)), ("betas", "(10,)", "(7,)", "open")),
        (lambda: model.shaped(np.full(10, "tall")), ("betas", "numbers")),
        (lambda: model.shaped([1, [2, 3]]), ("betas", "numbers")),
        (lambda: load_body(betas=0), ("betas", "1 or more", "got 0")),
        (lambda: load_body(betas=-3), ("betas", "1 or more", "got -3")),
        (lambda: load_body(betas=2.5), ("betas", "1 or more", "got 2.5")),
        (lambda: model.pose(still[:, :23]), ("rotations", "(T, 24, 4)", "(2, 23, 4)")),
        (lambda: model.pose(still, np.zeros((3, 3))), ("translation", "(2, 3)", "(3, 3)")),
        (lambda: model.pose(still * np.nan), ("rotations", "NaN")),
    ]
    for call, words in calls:
        with pytest.raises(PosecoreError) as error:
            call()
        one_line(error, *words)


def test_loading_gives_one_open_body() -> None:
    assert load_body() is load_body() and isinstance(load_body(), BodyModel)


def test_nobody_changes_the_one_open_body() -> None:
    """What the next caller gets is what was shipped."""
    model = load_body()
    before = model.v_template.copy()
    shape = model.shaped()
    shape += 1
    np.testing.assert_array_equal(load_body().v_template, before)
    for array in (model.v_template, model.faces, model.shapedirs, model.weights, model.joint_regressor.data):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0
