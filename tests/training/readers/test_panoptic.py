"""Panoptic's bodies and cameras, and the lens model by hand."""

from __future__ import annotations

import json

import numpy as np
import pytest

from posecore.skeletons import BODY_21, PANOPTIC_19
from training.readers import read
from training.readers.cameras import Camera


def test_opencv_distortion_by_hand() -> None:
    camera = Camera(
        "a", np.array([100.0, 200.0]), np.array([10.0, 20.0]), np.eye(3), np.zeros(3),
        radial=(0.1, 0.01, 0.001), tangential=(0.02, 0.03),
    )  # fmt: skip
    # x = 0.5, y = -0.5 → r² = 0.5; radial 1 + .05 + .0025 + .000125 = 1.052625
    # x' = x·radial + 2 p1 x y + p2 (r² + 2x²) = .5263125 - .01 + .03 = .5463125
    # y' = y·radial + p1 (r² + 2y²) + 2 p2 x y = -.5263125 + .02 - .015 = -.5213125
    expected = [0.5463125 * 100 + 10, -0.5213125 * 200 + 20]
    np.testing.assert_allclose(camera.project(np.array([1.0, -1.0, 2.0])), expected)
    np.testing.assert_allclose(camera.project(np.array([1.0, -1.0, 2.0]), distort=False), [60, -80])


def sequence(folder, bodies=None) -> None:
    """A camera at the world's origin that looks along +Z, and one body of two joints that are known."""
    entry = {
        "name": "00_00", "resolution": [1920, 1080], "K": [[1000, 0, 960], [0, 1000, 540], [0, 0, 1]],
        "distCoef": [0, 0, 0, 0, 0], "R": np.eye(3).tolist(), "t": [[0], [0], [50]],
    }  # fmt: skip
    (folder / f"calibration_{folder.name}.json").write_text(json.dumps({"cameras": [entry]}))
    target = folder / "hdPose3d_stage1_coco19"
    target.mkdir(exist_ok=True)
    table = np.zeros((19, 4))
    table[:, 3] = -1
    table[0], table[2] = (10, -20, 150, 0.5), (0, 0, -300, 0.9)
    bodies = [{"id": 3, "joints19": table.ravel().tolist()}] if bodies is None else bodies
    for frame in (7, 8):
        (target / f"body3DScene_{frame:08d}.json").write_text(json.dumps({"version": 0.7, "bodies": bodies}))


def test_bodies_in_a_camera_by_hand(tmp_path) -> None:
    sequence(tmp_path)
    samples = read("panoptic", tmp_path)
    assert len(samples) == 2 and list(samples.frames) == [7, 8] and samples.extras["body"].tolist() == [3, 3]
    np.testing.assert_allclose(samples.joints[0, PANOPTIC_19.index("neck")], [0.1, -0.2, 2.0])  # cm, and t = 0.5 m
    np.testing.assert_allclose(samples.keypoints[0, 0], [960 + 50, 540 - 100, 2])
    assert samples.keypoints[0, 2].tolist() == [0, 0, 0], "behind the camera"
    assert samples.joints_known[0].sum() == 2
    assert samples.images[0] == "hdImgs/00_00/00_00_00000007.jpg"
    assert len(read("panoptic", tmp_path, step=2)) == 1
    mapped = samples.to(BODY_21)
    assert not mapped.joints_known[0, BODY_21.index("l_knee")] and mapped.joints_known[0, BODY_21.index("thorax")]


def test_wrong_files_are_one_line(tmp_path, one_line) -> None:
    with one_line("calibration_", "no such file"):
        read("panoptic", tmp_path)
    sequence(tmp_path)
    with one_line("no camera 77_77", "00_00"):
        read("panoptic", tmp_path, cameras=("77_77",))
    sequence(tmp_path, [{"id": 1, "joints19": [0.0] * 75}])
    with one_line("body3DScene_00000007.json", "75", "76"):
        read("panoptic", tmp_path)
    sequence(tmp_path, [{"id": 1, "joints15": []}])
    with one_line("joints19"):
        read("panoptic", tmp_path)
    for file in (tmp_path / "hdPose3d_stage1_coco19").iterdir():
        file.unlink()
    with one_line("body3DScene_*.json"):
        read("panoptic", tmp_path)
    (tmp_path / f"calibration_{tmp_path.name}.json").write_text('{"cameras": [{"name": "00_00"}]}')
    with one_line("calibration_", "distCoef"):
        read("panoptic", tmp_path)


@pytest.mark.parametrize(("name", "people"), [("160906_band1", 6), ("160906_band2", 6)])
def test_real_sequences(name, people, data_folder) -> None:
    folder = data_folder / "pose_samples" / "mmpose" / "panoptic_body3d" / name
    samples = read("panoptic", folder, cameras=("00_00", "00_16"))
    assert len(samples) == 2 * people
    known = samples.keypoints[..., 2] > 0
    width, height = samples.cameras["00_00"].size
    inside = (samples.keypoints[..., :2] > 0).all(-1) & (samples.keypoints[..., :2] < (width, height)).all(-1)
    assert inside[known].mean() > 0.7, "the HD cameras see the stage, if not every foot"
    lengths = np.linalg.norm(
        samples.joints[:, PANOPTIC_19.index("l_hip")] - samples.joints[:, PANOPTIC_19.index("l_knee")], axis=-1
    )
    assert ((lengths > 0.3) & (lengths < 0.55)).all(), "thighs in metres"
    one, two = samples.select(samples.camera_of == "00_00"), samples.select(samples.camera_of == "00_16")
    for i in range(people):  # the same body, seen twice
        worlds = [s.cameras[s.camera_of[i]].to_world(s.joints[i]) for s in (one, two)]
        np.testing.assert_allclose(*worlds, atol=1e-4)
