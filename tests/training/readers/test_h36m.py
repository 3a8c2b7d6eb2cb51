"""Human3.6M in its several forms, against the real sample and hand-made files of the same shape."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest

from posecore.skeletons import H36M_17, H36M_32
from training.readers import read, stream
from training.readers.cameras import read_cameras
from training.readers.h36m import CAMERAS

# The 17 of the 32 joints, as every code base lists them.
USUAL = [0, 1, 2, 3, 6, 7, 8, 12, 13, 14, 15, 17, 18, 19, 25, 26, 27]


def look(angle: float) -> np.ndarray:
    """(3, 3) camera to world, Z up: a level camera that looks toward ``angle`` in the ground plane."""
    away = np.array([np.cos(angle), np.sin(angle), 0.0])
    down = np.array([0.0, 0.0, -1.0])
    return np.stack([np.cross(down, away), down, away], axis=1)


def camera_table(subjects=("S1", "S9")) -> dict:
    table = {}
    for subject in subjects:
        for i, name in enumerate(CAMERAS):
            angle = i * np.pi / 2 + 0.3
            place = -5 * np.array([np.cos(angle), np.sin(angle), 0]) + [0, 0, 1.5]
            table[str((subject, name))] = {
                "R": look(angle).tolist(),
                "T": place[:, None].tolist(),
                "f": [[1145.0], [1143.0]],
                "c": [[512.0], [515.0]],
                "k": [[-0.2], [0.24], [-0.003]],
                "p": [[-0.0014], [-0.001]],
                "w": 1000,
                "h": 1002,
            }
    return table


@pytest.fixture
def folder(tmp_path, rng):
    """``data_3d_h36m.npz``, ``data_2d_h36m_gt.npz`` (one frame longer, as the real ones are) and ``cameras.json``."""
    clips = {"S1": ("Walking 1", "Directions"), "S9": ("Walking",)}
    places = {
        s: {a: (rng.normal(0, 0.4, (7, 32, 3)) + [0, 0, 1]).astype(np.float32) for a in names}
        for s, names in clips.items()
    }
    pixels = {
        s: {a: [rng.uniform(0, 1000, (8, 17, 2)).astype(np.float32) for _ in CAMERAS] for a in names}
        for s, names in clips.items()
    }
    np.savez_compressed(tmp_path / "data_3d_h36m.npz", positions_3d=np.array(places, dtype=object))
    layout = {"layout_name": "h36m", "num_joints": 17, "keypoints_symmetry": [[4, 5, 6], [1, 2, 3]]}
    np.savez_compressed(
        tmp_path / "data_2d_h36m_gt.npz", positions_2d=np.array(pixels, dtype=object), metadata=np.array(layout)
    )
    (tmp_path / "cameras.json").write_text(json.dumps(camera_table()))
    return tmp_path, places, pixels


def test_world_positions_through_four_cameras(folder) -> None:
    path, places, _ = folder
    samples = read("h36m", path / "data_3d_h36m.npz", cameras=path / "cameras.json")
    assert len(samples) == 3 * 4 * 7 and samples.skeleton == H36M_17
    assert sorted(set(samples.actions)) == ["Directions", "Walking"] and sorted(set(samples.subjects)) == ["S1", "S9"]
    assert samples.clips[0] == "S1/Walking 1/54138969" and samples.camera_of[0] == "S1.54138969"
    world = places["S1"]["Walking 1"][3][USUAL].astype(float)
    table = camera_table()["('S1', '54138969')"]
    turn, place = np.array(table["R"]), np.array(table["T"])[:, 0]
    by_hand = (world - place) @ turn  # the inverse of camera to world
    np.testing.assert_allclose(samples.joints[3], by_hand, atol=1e-5)
    assert (samples.joints[..., 2] > 2).all(), "everybody is in front of every camera"
    np.testing.assert_allclose(samples.project(3), samples.keypoints[3, :, :2], atol=1e-2)
    head, foot = H36M_17.index("head_top"), H36M_17.index("pelvis")
    upright = world[head, 2] > world[foot, 2]
    assert (samples.joints[3, head, 1] < samples.joints[3, foot, 1]) == upright, "y points down"


def test_detections_in_place_of_projections(folder) -> None:
    path, _, pixels = folder
    options = {"cameras": path / "cameras.json", "detections": path / "data_2d_h36m_gt.npz"}
    samples = read("h36m", path / "data_3d_h36m.npz", **options)
    assert len(samples) == 3 * 4 * 7, "the longer 2D is cut to the 3D"
    np.testing.assert_array_equal(samples.keypoints[7:14, :, :2], pixels["S1"]["Walking 1"][1][:7])
    thinned = read("h36m", path / "data_3d_h36m.npz", step=3, subjects="S9", actions=("Walking",), **options)
    assert len(thinned) == 4 * 3 and list(thinned.frames[:3]) == [0, 3, 6]
    np.testing.assert_array_equal(thinned.keypoints[:3, :, :2], pixels["S9"]["Walking"][0][[0, 3, 6]])


def test_detections_alone(folder) -> None:
    path, _, pixels = folder
    samples = read("h36m", path / "data_2d_h36m_gt.npz", subjects=("S1",))
    assert samples.joints is None and len(samples) == 2 * 4 * 8
    np.testing.assert_array_equal(samples.keypoints[8:16, :, :2], pixels["S1"]["Walking 1"][1])


def test_clips_as_motion_are_y_up(folder) -> None:
    path, places, _ = folder
    clips = read("h36m-motion", path / "data_3d_h36m.npz")
    assert [clip.name for clip in clips] == ["S1/Walking 1", "S1/Directions", "S9/Walking"]
    assert clips[0].skeleton == H36M_32 and clips[0].rate == 50
    source = places["S1"]["Walking 1"]
    np.testing.assert_allclose(clips[0].joints[..., 1], source[..., 2])
    np.testing.assert_allclose(clips[0].joints[..., 2], -source[..., 1])
    assert len(list(stream("h36m-motion", path / "data_3d_h36m.npz", subjects=("S9",)))) == 1


def martinez(folder, write_h5, places) -> None:
    target = folder / "h36m" / "S9" / "MyPoses" / "3D_positions"
    target.mkdir(parents=True)
    write_h5(target / "Walking.h5", {"3D_positions": places.reshape(len(places), 96).T * 1000})


def test_martinez_files(folder, write_h5) -> None:
    path, places, _ = folder
    martinez(path, write_h5, places["S9"]["Walking"].astype(float))
    one = read("h36m", path / "h36m", cameras=path / "cameras.json")
    two = read("h36m", path / "data_3d_h36m.npz", cameras=path / "cameras.json", subjects=("S9",))
    np.testing.assert_allclose(one.joints, two.joints, atol=1e-5)
    cameras = {}
    for i, name in enumerate(CAMERAS, 1):
        values = camera_table()[str(("S9", name))]
        # He stores the transpose of world to camera, millimetres, and the name as numbers.
        stored = {key: np.array(values[key]) for key in "Rfckp"} | {"T": np.array(values["T"]) * 1000}
        cameras[f"camera{i}"] = stored | {"Name": np.array([[ord(c)] for c in name])}
    write_h5(path / "cameras.h5", {"subject9": cameras})
    three = read("h36m", path / "h36m", cameras=path / "cameras.h5")
    np.testing.assert_allclose(three.joints, two.joints, atol=1e-5)
    np.testing.assert_allclose(three.keypoints, two.keypoints, atol=1e-2)


def test_flat_h5_tables(tmp_path, rng, write_h5, one_line) -> None:
    part, places = rng.uniform(0, 200, (3, 17, 2)), rng.normal(0, 300, (3, 17, 3)) + [0, 0, 5000]
    table = {"part": part, "S": places, "center": np.full((3, 2), 100.0), "scale": np.full(3, 1.5)}
    write_h5(tmp_path / "train.h5", table)
    (tmp_path / "train_images.txt").write_text("a.jpg\nb.jpg\nc.jpg\n")
    samples = read("h36m", tmp_path / "train.h5")
    np.testing.assert_allclose(samples.joints, places / 1000, rtol=1e-5)
    np.testing.assert_allclose(samples.boxes[0], [-50, -50, 300, 300])
    assert list(samples.keys) == ["a", "b", "c"]
    (tmp_path / "train_images.txt").write_text("a.jpg\n")
    with one_line("train_images.txt", "1 names for 3 people"):
        read("h36m", tmp_path / "train.h5")


def test_wrong_files_are_one_line(folder, one_line) -> None:
    path, *_ = folder
    full = path / "data_3d_h36m.npz"
    with one_line("cameras=cameras.json"):
        read("h36m", full)
    with one_line("cameras.json", "S9.54138969"):
        (path / "cameras.json").write_text(json.dumps(camera_table(("S1",))))
        read("h36m", full, cameras=path / "cameras.json")
    with one_line("no clip"):
        read("h36m", path / "data_2d_h36m_gt.npz", subjects=("S5",))
    np.savez(path / "a.npz", positions_3d=np.array({"S1": {"Walking": np.zeros((4, 17, 3))}}, dtype=object))
    with one_line("a.npz", "S1 Walking", "4×17×3", "N×32×3"):
        list(stream("h36m-motion", path / "a.npz"))
    np.savez(path / "a.npz", positions_2d=np.array({"S1": {"Walking": [np.zeros((4, 17, 2))] * 3}}, dtype=object))
    with one_line("a.npz", "3 views"):
        read("h36m", path / "a.npz")
    np.savez(path / "a.npz", positions_3d=np.array([1, 2]))
    with one_line("a.npz", "subject -> action"):
        read("h36m", path / "a.npz", cameras=path / "cameras.json")
    np.savez(path / "a.npz", something=1)
    with one_line("a.npz", "something", "data_3d_h36m.npz"):
        read("h36m", path / "a.npz")
    np.savez(path / "a.npz", part=np.zeros((2, 16, 3)))
    with one_line("a.npz", "2×16×3", "N×17×3"):
        read("h36m", path / "a.npz")
    with one_line("nowhere.npz", "no such file"):
        read("h36m", path / "nowhere.npz")
    with one_line("3D_positions"):
        read("h36m", path)
    full.write_bytes(full.read_bytes()[:900])
    with one_line("data_3d_h36m.npz"):
        read("h36m", full, cameras=path / "cameras.json")
    with pytest.raises(ValueError, match="step"):
        read("h36m", full, step=0)


def test_without_h5py_the_line_says_so(tmp_path, monkeypatch, one_line) -> None:
    monkeypatch.setitem(sys.modules, "h5py", None)  # import of a None entry is a ModuleNotFoundError
    (tmp_path / "train.h5").write_bytes(b"\x89HDF\r\n\x1a\n")
    with one_line("train.h5", "pip install h5py"):
        read("h36m", tmp_path / "train.h5")


def test_a_damaged_h5_is_one_line(tmp_path, write_h5, one_line) -> None:
    (tmp_path / "train.h5").write_bytes(b"nothing of the kind")
    with one_line("train.h5", "HDF5"):
        read("h36m", tmp_path / "train.h5")


# The real sample


@pytest.fixture
def sample(data_folder):
    return data_folder / "pose_samples" / "mmpose" / "h36m"


def test_real_joints_fall_on_the_real_keypoints(sample, one_line) -> None:
    samples = read("h36m", sample / "test_h36m_body3d.npz", cameras=sample / "cameras.json")
    assert list(samples.subjects) == ["S1", "S5", "S7", "S8"]
    assert list(samples.actions) == ["Directions", "SittingDown", "Greeting", "WalkDog"]
    for i in range(4):
        # The lens model is right to a ten-thousandth of a pixel; without it the joints miss by 1 to 2 px.
        np.testing.assert_allclose(samples.project(i), samples.keypoints[i, :, :2], atol=1e-4)
        camera = samples.cameras[samples.camera_of[i]]
        assert np.abs(camera.project(samples.joints[i], distort=False) - samples.keypoints[i, :, :2]).max() > 1
        assert samples.picture(i).shape[1] == camera.size[0] == 1000
    assert read("h36m", sample / "test_h36m_body3d.npz", subjects=("S7", "S8"), step=2).subjects.tolist() == ["S7"]
    with one_line("4×24×3", "N×17×3"):
        read("h36m", sample / "test_h36m.npz")


def test_real_world_joints_through_the_real_extrinsics(sample) -> None:
    """Another file of the sample has the same people in the world's frame."""
    samples = read("h36m", sample / "test_h36m_body3d.npz", cameras=sample / "cameras.json")
    notes = json.loads((sample / "h36m_coco.json").read_text())["annotations"]
    for i, note in enumerate(notes):
        world = np.reshape(note["keypoints_3d"], (17, 4))[:, :3]
        camera = samples.cameras[samples.camera_of[i]]
        np.testing.assert_allclose(camera.to_camera(world), samples.joints[i], atol=1e-5)
        np.testing.assert_allclose(camera.to_world(samples.joints[i]), world, atol=1e-5)
        assert 1 < camera.position[2] < 2.5, "a camera on its tripod, Z up"


_WRITE_AS_MMPOSE = """
import ast, json, pickle, sys
import numpy as np
table = json.load(open(sys.argv[1]))
as_array = lambda v: np.array(v) if isinstance(v, list) else v
cameras = {ast.literal_eval(key): {k: as_array(v) for k, v in c.items()} for key, c in table.items()}
pickle.dump(cameras, open(sys.argv[2], "wb"))
"""


def test_cameras_as_mmpose_pickles_them(sample, tmp_path) -> None:
    """The file is another program's, so another process writes it."""
    path = tmp_path / "cameras.pkl"
    subprocess.run([sys.executable, "-c", _WRITE_AS_MMPOSE, str(sample / "cameras.json"), str(path)], check=True)
    one, two = read_cameras(sample / "cameras.json"), read_cameras(path)
    assert one.keys() == two.keys() and len(two) == 44
    for name, camera in one.items():
        np.testing.assert_array_equal(camera.rotation, two[name].rotation)
        np.testing.assert_array_equal(camera.translation, two[name].translation)
        assert camera.radial == two[name].radial


def test_wrong_cameras_are_one_line(tmp_path, one_line) -> None:
    path = tmp_path / "cameras.json"
    with one_line("cameras.json", "no such file"):
        read_cameras(path)
    for table, word in (
        ({"a": {"c": [1, 2]}}, "'f'"),
        ({"a": {"R": np.eye(4).tolist(), "T": [0, 0, 0]}}, "4×4"),
        ({"a": {"f": [1, 2, 3], "c": [1, 2]}}, "3"),
        ([1], "holds a list"),
        ({"a": 3}, "camera a"),
        ({"(S1": {}}, "(S1"),
    ):
        path.write_text(json.dumps(table))
        with one_line("cameras.json", word):
            read_cameras(path)
