"""AMASS npz: ours round-trips to the bit, AMASS readers see AMASS, foreign layouts come in."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from posecore.errors import OutputError, SourceError
from posecore.formats import read_motion
from posecore.motion import Motion
from posecore.skeletons import SMPL_24


def body_vectors(motion, count=24):
    vectors = Rotation.from_quat(motion.rotations.reshape(-1, 4)).as_rotvec().reshape(len(motion), 24, 3)
    return vectors[:, :count]


def same_rotations(a, b, atol=0.01):
    turn = Rotation.from_quat(a.reshape(-1, 4)).inv() * Rotation.from_quat(b.reshape(-1, 4))
    return np.degrees(turn.magnitude()).max() < atol


@pytest.mark.parametrize("up", ["y", "z"])
def test_round_trip_to_the_bit(tmp_path, uneven_motion, up):
    uneven_motion.save(tmp_path / "a.npz", up=up)
    back = Motion.load(tmp_path / "a.npz")
    for name in ("times", "rotations", "translation", "offsets", "betas", "contacts", "confidence"):
        np.testing.assert_array_equal(getattr(back, name), getattr(uneven_motion, name))
        assert getattr(back, name).dtype == getattr(uneven_motion, name).dtype
    assert back.notes == uneven_motion.notes


def test_an_amass_reader_sees_amass(tmp_path, motion):
    motion.save(tmp_path / "a.npz")
    with np.load(tmp_path / "a.npz") as data:
        assert data["poses"].shape == (100, 156)
        assert data["trans"].shape == (100, 3)
        assert data["betas"].shape == (16,)
        assert data["dmpls"].shape == (100, 8)
        assert str(data["gender"]) == "neutral"
        assert float(data["mocap_framerate"]) == float(data["mocap_frame_rate"]) == pytest.approx(25.0)
        assert not data["poses"][:, 66:].any()
        root, trans = data["poses"][:, :3], data["trans"]
    # Z up: the body's own up (+Y at rest) points to world +Z; the pelvis is trans + the rest pelvis.
    up = Rotation.from_rotvec(root).apply([0, 1, 0])
    np.testing.assert_allclose(up, np.tile([0, 0, 1], (100, 1)), atol=1e-5)
    pelvis = trans + np.array([0.0, -0.24, 0.03])
    np.testing.assert_allclose(pelvis[:, 2], motion.translation[:, 1], atol=1e-5)
    np.testing.assert_allclose(pelvis[:, 1], -motion.translation[:, 2], atol=1e-5)


def test_as_a_foreign_file_it_says_the_same(tmp_path, motion):
    """Our own AMASS half alone, read as a stranger's: rotations and path are ours, hands are lost."""
    motion.save(tmp_path / "a.npz")
    with np.load(tmp_path / "a.npz") as data:
        np.savez(tmp_path / "b.npz", **{k: data[k] for k in data.files if not k.startswith("posecore")})
    back = Motion.load(tmp_path / "b.npz")
    assert back.notes["up"] == "z"
    assert same_rotations(back.rotations[:, :22], motion.rotations[:, :22])
    np.testing.assert_allclose(back.translation, motion.translation, atol=1e-5)
    np.testing.assert_allclose(back.betas, motion.betas, atol=1e-6)
    np.testing.assert_allclose(back.times, motion.times, atol=1e-9)
    assert not back.confidence[:, SMPL_24.index("l_hand")].any()


@pytest.mark.parametrize("joints", [22, 24, 52, 55])
@pytest.mark.parametrize("flat", [True, False])
def test_poses_of_every_smpl(tmp_path, motion, joints, flat):
    poses = np.zeros((100, joints, 3))
    poses[:, : min(joints, 24)] = body_vectors(motion, min(joints, 24))
    np.savez(tmp_path / "a.npz", poses=poses.reshape(100, -1) if flat else poses, trans=motion.translation, fps=25)
    back = read_motion(tmp_path / "a.npz")
    kept = 24 if joints == 24 else 22
    assert same_rotations(back.rotations[:, :kept], motion.rotations[:, :kept])
    assert back.notes["up"] == "y"
    assert back.rate == pytest.approx(25.0)
    lift = -0.35 if joints == 55 else -0.24
    np.testing.assert_allclose(back.translation[:, 1], motion.translation[:, 1] + lift, atol=1e-5)


@pytest.mark.parametrize("body", [63, 69])
def test_smpl_keys_in_a_camera_frame(tmp_path, motion, body):
    """global_orient, body_pose, transl as WHAM or GVHMR hold them: y down, z away."""
    vectors = body_vectors(motion)
    flip = Rotation.from_rotvec([np.pi, 0, 0])
    np.savez(
        tmp_path / "a.npz",
        global_orient=(flip * Rotation.from_rotvec(vectors[:, 0])).as_rotvec()[:, None],
        body_pose=vectors[:, 1:].reshape(100, -1)[:, :body],
        transl=flip.apply(motion.translation),
        betas=np.tile(motion.betas, (100, 1)),
    )
    back = read_motion(tmp_path / "a.npz", rate=50)
    assert back.notes["up"] == "-y"
    assert back.rate == pytest.approx(50)
    assert same_rotations(back.rotations[:, :22], motion.rotations[:, :22])
    np.testing.assert_allclose(back.translation[:, 0], motion.translation[:, 0], atol=1e-5)
    np.testing.assert_allclose(back.betas, motion.betas)


def test_rotation_matrices_and_root_orient(tmp_path, motion):
    matrices = Rotation.from_quat(motion.rotations.reshape(-1, 4)).as_matrix().reshape(100, 24, 3, 3)
    np.savez(tmp_path / "a.npz", root_orient=matrices[:, 0], pose_body=matrices[:, 1:22])
    back = read_motion(tmp_path / "a.npz")
    assert same_rotations(back.rotations[:, :22], motion.rotations[:, :22])
    assert "warnings" in back.notes  # no rate
    assert back.joints()[..., 1].min() == pytest.approx(0.0, abs=1e-6)  # no path: stands on the ground


def test_up_can_be_told(tmp_path, motion):
    np.savez(tmp_path / "a.npz", poses=body_vectors(motion, 22).reshape(100, -1), trans=motion.translation)
    forced = read_motion(tmp_path / "a.npz", up="z")
    np.testing.assert_allclose(forced.translation[:, 2], -(motion.translation[:, 1] - 0.24), atol=1e-5)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"foo": np.zeros(3)}, "it holds foo"),
        ({}, "it holds nothing"),
        ({"poses": np.zeros((4, 75))}, "25 joints"),
        ({"poses": np.zeros((0, 72))}, "shape"),
        ({"poses": np.zeros(72)}, "shape"),
        ({"poses": np.full((4, 72), np.nan)}, "NaN"),
        ({"poses": np.zeros((4, 72)), "trans": np.zeros((5, 3))}, "5 translations for 4 poses"),
        ({"poses": np.zeros((4, 72)), "trans": np.full((4, 3), np.inf)}, "translations hold NaN"),
        ({"posecore_rotations": np.zeros((4, 24, 4))}, "posecore_meta"),
    ],
)
def test_what_is_not_a_motion(tmp_path, arrays, message):
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(SourceError, match=message) as caught:
        read_motion(tmp_path / "a.npz")
    assert "\n" not in str(caught.value)


def test_not_an_npz_and_unwritable(tmp_path, motion):
    (tmp_path / "a.npz").write_text("hello")
    with pytest.raises(SourceError):
        read_motion(tmp_path / "a.npz")
    with pytest.raises(SourceError, match="no such file"):
        read_motion(tmp_path / "none.npz")
    with pytest.raises(OutputError):
        motion.save(tmp_path / "none" / "a.npz")
    with pytest.raises(ValueError, match="up must be"):
        motion.save(tmp_path / "b.npz", up="x")
