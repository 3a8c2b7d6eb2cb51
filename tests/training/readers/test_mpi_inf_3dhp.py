"""MPI-INF-3DHP: cells of the training sequences, the HDF5 of the test set, the real flat samples."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.io import savemat

from posecore.skeletons import MPI_INF_3DHP_17, MPI_INF_3DHP_28, MPII_16
from training.readers import read

# mpii_get_joints('relevant') of the data set's own Matlab code, from 1.
RELEVANT = [8, 6, 15, 16, 17, 10, 11, 12, 24, 25, 26, 19, 20, 21, 5, 4, 7]


def cells(arrays) -> np.ndarray:
    out = np.empty((len(arrays), 1), object)
    for i, array in enumerate(arrays):
        out[i, 0] = array
    return out


@pytest.fixture
def sequence(tmp_path, rng):
    """``S1/Seq1/annot.mat`` with three cameras of five frames, and its ``camera.calibration``."""
    folder = tmp_path / "S1" / "Seq1"
    folder.mkdir(parents=True)
    flat3 = [rng.normal(0, 300, (5, 84)) + np.tile([0, 0, 3500.0], 28) for _ in range(3)]
    focal, centre = np.array([1500.0, 1501.0]), np.array([1024.0, 1000.0])
    flat2 = [
        ((f.reshape(5, 28, 3)[..., :2] / f.reshape(5, 28, 3)[..., 2:]) * focal + centre).reshape(5, 56) for f in flat3
    ]
    univ = [f * 0.9 for f in flat3]
    savemat(
        folder / "annot.mat",
        {"annot2": cells(flat2), "annot3": cells(flat3), "univ_annot3": cells(univ), "frames": np.arange(5.0)[:, None]},
    )
    lines = ["Skeletool Camera Calibration File V1.0"]
    for i in range(3):
        lines += [
            f"name          {i}",
            "  sensor      10 10",
            "  size        2048 2048",
            "  animated    0",
            "  intrinsic   1500 0 1024 0 0 1501 1000 0 0 0 1 0 0 0 0 1 ",
            f"  extrinsic   1 0 0 {100 * i} 0 -1 0 1400 0 0 -1 3800 0 0 0 1 ",
            "  radial      0",
        ]
    (folder / "camera.calibration").write_text("\n".join(lines))
    return tmp_path, flat2, flat3


def test_training_sequences(sequence) -> None:
    path, flat2, flat3 = sequence
    samples = read("mpi-inf-3dhp", path)
    assert len(samples) == 15 and samples.skeleton == MPI_INF_3DHP_28
    np.testing.assert_allclose(samples.joints[7], flat3[1][2].reshape(28, 3) / 1000, rtol=1e-6)
    np.testing.assert_allclose(samples.keypoints[7, :, :2], flat2[1][2].reshape(28, 2), rtol=1e-6)
    np.testing.assert_allclose(samples.project(7), samples.keypoints[7, :, :2], atol=1e-2)
    assert samples.images[7] == "S1/Seq1/imageSequence/video_1/img_000003.jpg"
    np.testing.assert_allclose(samples.cameras["S1/Seq1/2"].translation, [0.2, 1.4, 3.8])
    some = read("mpi-inf-3dhp", path / "S1" / "Seq1" / "annot.mat", cameras=(2,), step=2, universal=True)
    assert list(some.frames) == [0, 2, 4]
    np.testing.assert_allclose(some.joints[1], flat3[2][2].reshape(28, 3) * 0.9 / 1000, rtol=1e-6)


def test_relevant_joints_follow_from_the_28(sequence) -> None:
    path, *_ = sequence
    samples = read("mpi-inf-3dhp", path)
    relevant = samples.to(MPI_INF_3DHP_17)
    np.testing.assert_allclose(relevant.joints, samples.joints[:, np.array(RELEVANT) - 1], atol=1e-6)


def tables(tmp_path, rng, frames=6):
    univ, own = (rng.normal(0, 300, (frames, 1, 17, 3)) for _ in range(2))
    return {
        "annot2": rng.uniform(0, 2048, (frames, 1, 17, 2)),
        "annot3": own,
        "univ_annot3": univ,
        "valid_frame": np.array([[1.0], [1], [0], [1], [0], [1]]),
        "activity_annotation": np.array([[1.0], [2], [3], [5], [6], [7]]),
    }


def test_the_test_set(tmp_path, rng, write_h5) -> None:
    table = tables(tmp_path, rng)
    for name in ("TS1", "TS6"):
        (tmp_path / name).mkdir()
        write_h5(tmp_path / name / "annot_data.mat", table)
    samples = read("mpi-inf-3dhp", tmp_path, universal=True)
    assert len(samples) == 8 and samples.skeleton == MPI_INF_3DHP_17
    assert list(samples.actions[:4]) == ["Stand/Walk", "Exercise", "On Floor", "Misc."]
    assert samples.scenes[0] == "studio, green screen" and samples.scenes[7] == "outdoor"
    np.testing.assert_allclose(samples.joints[2], table["univ_annot3"][3, 0] / 1000, rtol=1e-6)
    assert samples.images[2] == "TS1/imageSequence/img_000004.jpg"
    everything = read("mpi-inf-3dhp", tmp_path / "TS1" / "annot_data.mat", valid_only=False)
    assert len(everything) == 6 and everything.extras["valid"].tolist() == [True, True, False, True, False, True]
    np.testing.assert_allclose(everything.joints[0], table["annot3"][0, 0] / 1000, rtol=1e-6)


def test_the_test_set_saved_by_an_older_matlab(tmp_path, rng) -> None:
    table = tables(tmp_path, rng)
    (tmp_path / "TS3").mkdir()
    swapped = {n: v.transpose(3, 2, 1, 0) if v.ndim == 4 else v for n, v in table.items()}
    savemat(tmp_path / "TS3" / "annot_data.mat", swapped)
    samples = read("mpi-inf-3dhp", tmp_path / "TS3" / "annot_data.mat")
    np.testing.assert_allclose(samples.joints[2], table["annot3"][3, 0] / 1000, rtol=1e-6)
    assert samples.scenes[0] == "studio, no green screen"


def test_wrong_files_are_one_line(sequence, rng, write_h5, one_line) -> None:
    path, flat2, flat3 = sequence
    file = path / "S1" / "Seq1" / "annot.mat"
    with one_line("no camera 9"):
        read("mpi-inf-3dhp", file, cameras=(9,))
    savemat(file, {"annot2": cells(flat2), "annot3": cells(flat3[:2])})
    with one_line("annot.mat", "3 cameras", "has 2"):
        read("mpi-inf-3dhp", file)
    savemat(file, {"annot2": cells(flat2), "annot3": cells([f[:, :51] for f in flat3])})
    with one_line("annot.mat", "annot3 of camera 0", "5×51", "N×84"):
        read("mpi-inf-3dhp", file)
    savemat(file, {"annot2": np.zeros((5, 56)), "annot3": np.zeros((5, 84))})
    with one_line("annot.mat", "cell"):
        read("mpi-inf-3dhp", file)
    savemat(file, {"annot2": cells(flat2)})
    with one_line("annot.mat", "'annot3'"):
        read("mpi-inf-3dhp", file)
    file.write_bytes(file.read_bytes()[:300])
    with one_line("annot.mat"):
        read("mpi-inf-3dhp", file)
    with one_line("nowhere", "no such file"):
        read("mpi-inf-3dhp", path / "nowhere" / "annot_data.mat")
    with one_line("S*/Seq*/annot.mat", "TS*/annot_data.mat"):
        (path / "empty").mkdir()
        read("mpi-inf-3dhp", path / "empty")
    table = tables(path, rng)
    write_h5(path / "annot_data.mat", table | {"annot2": table["annot2"][:, :, :16]})
    with one_line("annot_data.mat", "6×1×16×2"):
        read("mpi-inf-3dhp", path / "annot_data.mat")
    (path / "S1" / "Seq1" / "camera.calibration").write_text("name 0\n intrinsic 1 2 3\n")
    savemat(file, {"annot2": cells(flat2), "annot3": cells(flat3)})
    with one_line("camera.calibration", "intrinsic"):
        read("mpi-inf-3dhp", file)


def test_the_real_samples(data_folder) -> None:
    folder = data_folder / "pose_samples" / "mmpose" / "mpi_inf_3dhp"
    for file, table, subjects in (("train", "cameras_train", ["S4", "S8"]), ("test", "cameras_test", ["TS1", "TS2"])):
        samples = read("mpi-inf-3dhp", folder / f"test_3dhp_{file}.npz", cameras=folder / f"{table}.json")
        assert list(samples.subjects) == subjects
        for i in range(2):
            known = samples.keypoints[i, :, 2] > 0
            off = (samples.project(i) - samples.keypoints[i, :, :2])[known]
            # The data set's own 2D differs from a pinhole's by up to 2 px, and not on average.
            assert np.abs(off).max() < 2 and np.abs(off.mean(0)).max() < 0.3
            assert samples.picture(i).shape[:2] == (2048, 2048)
            assert 1.2 < np.ptp(samples.joints[i], axis=0).max() < 2
        # Left and right of each limb are equally long: the names sit on the right joints.
        order = MPI_INF_3DHP_17
        for bone in (("knee", "ankle"), ("shoulder", "elbow"), ("elbow", "wrist")):
            ends = [samples.joints[:, order.indices(f"{side}_{joint}" for joint in bone)] for side in "lr"]
            left, right = (np.linalg.norm(end[:, 0] - end[:, 1], axis=-1) for end in ends)
            np.testing.assert_allclose(left, right, atol=1e-3)
        with_unknown = samples.to(MPII_16)
        assert (with_unknown.joints[~with_unknown.joints_known] == 0).all()


def test_real_training_cameras_stand_around_the_stage(data_folder) -> None:
    from training.readers.cameras import read_cameras

    path = data_folder / "pose_samples" / "mmpose" / "mpi_inf_3dhp" / "cameras_train.json"
    cameras = read_cameras(path, "mpi-inf-3dhp")
    assert len(cameras) == 128
    for camera in cameras.values():
        assert 0 < camera.position[1] < 4, "above the floor, Y up"
        towards = -camera.position * [1, 0, 1]
        assert camera.rotation[2] @ towards > 0, "each looks at the middle"
