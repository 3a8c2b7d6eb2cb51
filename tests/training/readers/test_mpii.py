"""MPII: the release's nested structs, and the JSON lists."""

from __future__ import annotations

import json

import numpy as np
import pytest
from scipy.io import savemat

from posecore.skeletons import MPII_16
from training.readers import read

EMPTY = np.zeros((0, 0))


def struct(entries: list[dict], shape=None) -> np.ndarray:
    """A Matlab struct array, 1×n; what an entry lacks is []."""
    names = list(dict.fromkeys(name for entry in entries for name in entry))
    array = np.empty(shape or (1, len(entries)), [(name, object) for name in names])
    for place, entry in enumerate(entries):
        for name in names:
            array.reshape(-1)[place][name] = entry.get(name, EMPTY)
    return array


def cells(items: list) -> np.ndarray:
    array = np.empty((len(items), 1), object)
    for place, item in enumerate(items):
        array[place, 0] = item
    return array


def points(table: dict[int, tuple]) -> np.ndarray:
    rows = [{"x": x, "y": y, "id": number, "is_visible": seen} for number, (x, y, seen) in table.items()]
    return struct([{"point": struct(rows)}])


def release(path) -> None:
    """Two training pictures (three people, one of them without joints), a test picture, one without anybody."""
    place = struct([{"x": 301.0, "y": 201.0}])
    head = {"x1": 100.0, "y1": 50.0, "x2": 130.0, "y2": 90.0}
    first = struct(
        [
            {**head, "scale": 2.0, "objpos": place, "annopoints": points({0: (11.0, 21.0, 1), 9: (5.0, 6.0, EMPTY)})},
            {**head, "scale": 1.5, "objpos": place, "annopoints": EMPTY},
        ]
    )
    second = struct([{**head, "scale": 3.0, "objpos": place, "annopoints": points({15: (41.5, 51.5, "0")})}])
    test = struct([{"scale": 1.0, "objpos": place}])
    people = [("a.jpg", first), ("b.jpg", second), ("c.jpg", test), ("d.jpg", EMPTY)]
    notes = struct([{"image": struct([{"name": name}]), "annorect": who} for name, who in people])
    acts = struct([{"cat_name": "sports", "act_name": f"act {i}", "act_id": i} for i in range(4)], (4, 1))
    whole = {
        "annolist": notes,
        "img_train": np.array([[1, 1, 0, 0]]),
        "single_person": cells([1.0, EMPTY, np.array([[1.0]]), EMPTY]),
        "act": acts,
    }
    savemat(path, {"RELEASE": struct([whole])})


def test_training_people_of_the_release(tmp_path) -> None:
    release(tmp_path / "mpii_human_pose_v1_u12_1.mat")
    samples = read("mpii", tmp_path)
    assert list(samples.keys) == ["a#0", "b#0"] and samples.skeleton == MPII_16
    first = samples.keypoints[0]
    assert first[MPII_16.index("r_ankle")].tolist() == [10, 20, 2], "pixels from 0, seen"
    assert first[MPII_16.index("head_top")].tolist() == [4, 5, 2], "an empty is_visible is a labelled joint"
    assert first[:, 2].sum() == 4
    assert samples.keypoints[1, MPII_16.index("l_wrist")].tolist() == [40.5, 50.5, 1], "labelled, hidden"
    np.testing.assert_allclose(samples.head_sizes, 0.6 * 50)  # a 3-4-5 triangle of 30 × 40
    np.testing.assert_allclose(samples.boxes[0], [300 - 200, 200 - 200, 400, 400])
    assert samples.extras["alone"].tolist() == [True, False]
    assert list(samples.actions) == ["act 0", "act 1"] and list(samples.scenes) == ["sports", "sports"]
    assert samples.picture_path(0) == tmp_path / "images" / "a.jpg"


def test_test_people_have_no_joints(tmp_path) -> None:
    release(tmp_path / "r.mat")
    samples = read("mpii", tmp_path / "r.mat", split="test")
    assert list(samples.keys) == ["c#0"] and not samples.keypoints.any() and np.isnan(samples.head_sizes).all()
    assert len(read("mpii", tmp_path / "r.mat", split=None)) == 3


def test_wrong_release_files_are_one_line(tmp_path, one_line) -> None:
    path = tmp_path / "r.mat"
    savemat(path, {"annolist": 1})
    with one_line("r.mat", "RELEASE", "annolist"):
        read("mpii", path)
    savemat(path, {"RELEASE": struct([{"version": 12}])})
    with one_line("r.mat", "no annolist"):
        read("mpii", path)
    savemat(path, {"RELEASE": struct([{"annolist": struct([{"images": 1}]), "img_train": 1}])})
    with one_line("r.mat", "not laid out"):
        read("mpii", path)
    with one_line("mpii_human_pose_v1_u12_1.mat", "no such file"):
        read("mpii", tmp_path)


@pytest.mark.parametrize("share", [0.05, 0.5, 0.9, 0.99])
def test_a_cut_off_release_is_one_line(share, tmp_path, one_line) -> None:
    path = tmp_path / "r.mat"
    release(path)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    with one_line("r.mat"):
        read("mpii", path)


def entry() -> dict:
    return {
        "image": "x.jpg",
        "center": [101.0, 51.0],
        "scale": 0.5,
        "joints": [[float(i + 1), float(2 * i + 1)] for i in range(16)],
        "joints_vis": [1] * 15 + [0],
    }


def test_the_json_list_and_its_head_sizes(tmp_path, one_line) -> None:
    (tmp_path / "train.json").write_text(json.dumps([entry(), entry()]))
    boxes = np.zeros((2, 2, 2))
    boxes[1, :, 0], boxes[1, :, 1] = (30, 40), (60, 80)
    savemat(tmp_path / "mpii_gt_val.mat", {"headboxes_src": boxes})
    samples = read("mpii", tmp_path / "train.json", heads=tmp_path / "mpii_gt_val.mat")
    assert samples.keypoints[0, 3].tolist() == [3, 6, 2] and not samples.keypoints[0, 15].any()
    np.testing.assert_allclose(samples.boxes[0], [50, 0, 100, 100])
    np.testing.assert_allclose(samples.head_sizes, [30, 60])
    savemat(tmp_path / "mpii_gt_val.mat", {"headboxes_src": boxes[..., :1]})
    with one_line("1 head boxes for 2 people"):
        read("mpii", tmp_path / "train.json", heads=tmp_path / "mpii_gt_val.mat")


def test_newells_json_list(tmp_path) -> None:
    person = {
        "img_paths": "y.jpg",
        "objpos": [101.0, 51.0],
        "scale_provided": 0.5,
        "joint_self": [[i + 1.0, 1.0, float(i > 0)] for i in range(16)],
        "people_index": 2.0,
        "annolist_index": 7,
    }
    (tmp_path / "a.json").write_text(json.dumps([person]))
    samples = read("mpii", tmp_path / "a.json")
    assert not samples.keypoints[0, 0].any() and samples.keypoints[0, 5].tolist() == [5, 0, 2]
    assert samples.extras["person_index"].tolist() == [1] and samples.extras["image_index"].tolist() == [6]


def test_wrong_json_lists_are_one_line(tmp_path, one_line) -> None:
    path = tmp_path / "a.json"
    path.write_text('{"annotations": []}')
    with one_line("a.json", "not a list"):
        read("mpii", path)
    path.write_text(json.dumps([{"image": "x.jpg"}]))
    with one_line("a.json", "entry 0", "joints"):
        read("mpii", path)
    path.write_text(json.dumps([entry() | {"joints": [[1, 2]] * 14}]))
    with one_line("a.json", "14×2", "16×2"):
        read("mpii", path)
    path.write_text(json.dumps([entry()])[:50])
    with one_line("a.json", "not readable JSON"):
        read("mpii", path)


def test_the_real_sample(data_folder) -> None:
    folder = data_folder / "pose_samples" / "mmpose" / "mpii"
    samples = read("mpii", folder / "test_mpii.json")
    assert len(samples) == 5
    assert samples.keypoints[0, MPII_16.index("r_ankle")].tolist() == [803, 710, 2]  # the file says 804, 711
    for i in range(5):
        known = samples.keypoints[i, :, 2] > 0
        assert (samples.keypoints[i, known, :2] < samples.picture(i).shape[1::-1]).all()
