"""COCO's JSON, as six data sets use it."""

from __future__ import annotations

import copy
import json

import numpy as np
import pytest

from posecore.skeletons import COCO_17, H36M_17
from training.readers import read

NAMES = [joint.replace("l_", "left_").replace("r_", "right_") for joint in COCO_17.joints]


def tiny() -> dict:
    person = {"id": 5, "image_id": 1, "category_id": 1, "iscrowd": 0, "bbox": [10, 20, 30, 40], "area": 900.0}
    return {
        "images": [{"id": 1, "file_name": "a.jpg", "width": 64, "height": 48}],
        "categories": [{"id": 1, "name": "person", "keypoints": NAMES}],
        "annotations": [
            person | {"keypoints": [7, 8, 2] + [3, 4, 1] + [5, 6, 0] * 15},
            person | {"id": 6, "keypoints": [0, 0, 0] * 17},
            person | {"id": 7, "iscrowd": 1, "keypoints": [7, 8, 2] * 17},
            person | {"id": 8},
        ],
    }


def written(folder, table):
    path = folder / "person_keypoints.json"
    path.write_text(json.dumps(table))
    return path


def test_people_flags_and_boxes(tmp_path) -> None:
    path = written(tmp_path, tiny())
    samples = read("coco", path)
    assert list(samples.keys) == ["1#5"] and samples.skeleton == COCO_17
    assert samples.keypoints[0, :3].tolist() == [[7, 8, 2], [3, 4, 1], [0, 0, 0]], "unlabelled has no place"
    assert samples.boxes.tolist() == [[10, 20, 30, 40]] and samples.extras["image_size"].tolist() == [[64, 48]]
    assert samples.picture_path(0) == tmp_path / "a.jpg"
    assert len(read("coco", path, unlabelled=True)) == 2 and len(read("coco", path, crowds=True)) == 2
    assert read("coco", path, images=tmp_path / "val2017").root == tmp_path / "val2017"


def test_nobody_is_no_error(tmp_path) -> None:
    samples = read("coco", written(tmp_path, tiny() | {"annotations": []}))
    assert len(samples) == 0 and samples.keypoints.shape == (0, 17, 3) and samples.summary()


def test_wrong_files_are_one_line(tmp_path, one_line) -> None:
    def broken(change) -> dict:
        table = copy.deepcopy(tiny())
        change(table)
        return table

    cases = [
        (lambda t: t.pop("categories"), ("no list 'categories'",)),
        (lambda t: t["annotations"][0].update(keypoints=[1, 2, 2]), ("annotation 5", "3 keypoint numbers", "51")),
        (lambda t: t["annotations"][0].update(image_id=99), ("99",)),
        (lambda t: t["categories"][0].update(keypoints=["tail", "trunk"]), ("tail", "skeleton=")),
        (lambda t: t["categories"][0].pop("keypoints"), ("none", "skeleton=")),
    ]
    for change, words in cases:
        with one_line("person_keypoints.json", *words):
            read("coco", written(tmp_path, broken(change)))
    with one_line("NOTHING_3", "COCO_17"):
        read("coco", written(tmp_path, tiny()), skeleton="NOTHING_3")
    (tmp_path / "person_keypoints.json").write_text("[1, 2]")
    with one_line("holds a list"):
        read("coco", tmp_path / "person_keypoints.json")


@pytest.mark.parametrize(
    ("file", "skeleton", "people"),
    [
        ("coco/test_coco.json", "COCO_17", 12),
        ("crowdpose/test_crowdpose.json", "CROWDPOSE_14", 4),
        ("aic/test_aic.json", "AIC_14", 9),
        ("jhmdb/test_jhmdb_sub1.json", "JHMDB_15", 3),
        ("ochuman/test_ochuman.json", "COCO_17", 5),
        ("coco/test_coco_wholebody.json", "COCO_17", 12),
        ("humanart/test_humanart.json", "COCO_17", 4),
    ],
)
def test_real_samples(file, skeleton, people, data_folder) -> None:
    path = data_folder / "pose_samples" / "mmpose" / file
    samples = read("coco", path)
    assert samples.skeleton.name == skeleton and len(samples) == people
    notes = {note["id"]: note for note in json.loads(path.read_text())["annotations"]}
    counted = 12 if "crowdpose" in file else len(samples.skeleton)  # CrowdPose does not count head and neck
    for key, keypoints in zip(samples.extras["annotation_id"], samples.keypoints, strict=True):
        assert (keypoints[:counted, 2] > 0).sum() == notes[key].get("num_keypoints", counted)
    if "humanart" not in file:
        known = samples.keypoints[0, :, 2] > 0
        assert (samples.keypoints[0, known, :2] <= samples.picture(0).shape[1::-1]).all()


def test_real_files_that_are_something_else(data_folder, one_line) -> None:
    folder = data_folder / "pose_samples" / "mmpose"
    with one_line("399 keypoint numbers"):
        read("coco", folder / "coco" / "test_keypoint_partition_metric.json")
    with one_line("holds a list"):
        read("coco", folder / "coco" / "test_coco_det_AP_H_56.json")
    # Its names exchange left and right; the order is Human3.6M's all the same, so the caller has to say it.
    with one_line("left_hip", "skeleton="):
        read("coco", folder / "h36m" / "h36m_coco.json")
    samples = read("coco", folder / "h36m" / "h36m_coco.json", skeleton="H36M_17")
    table = np.load(folder / "h36m" / "test_h36m_body3d.npz")
    assert samples.skeleton == H36M_17
    np.testing.assert_allclose(samples.keypoints[:, :, :2], table["part"][: len(samples), :, :2], atol=1e-3)
