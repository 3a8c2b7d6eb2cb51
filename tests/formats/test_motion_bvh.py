"""A Motion as BVH and back; what animators see: names, unit, rate, axes, no Euler jumps."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from posecore.errors import OutputError, SourceError
from posecore.formats import read_motion, write_motion
from posecore.formats.bvh import read_bvh
from posecore.formats.euler import continuous_euler
from posecore.formats.timing import at_even_rate, even_rate
from posecore.motion import Motion
from posecore.skeletons import SMPL_24


def angle_between(a, b):
    """Largest angle between two arrays of quaternions, degrees."""
    turn = Rotation.from_quat(a.reshape(-1, 4)).inv() * Rotation.from_quat(b.reshape(-1, 4))
    return np.degrees(turn.magnitude()).max()


@pytest.mark.parametrize("unit", ["m", "cm"])
@pytest.mark.parametrize("names", ["mixamo", "smpl"])
@pytest.mark.parametrize("order", ["ZXY", "ZYX", "XYZ"])
def test_round_trip(tmp_path, motion, unit, names, order):
    motion.save(tmp_path / "a.bvh", unit=unit, names=names, order=order)
    back = Motion.load(tmp_path / "a.bvh")
    assert angle_between(back.rotations, motion.rotations) < 0.001
    np.testing.assert_allclose(back.translation, motion.translation, atol=1e-5)
    np.testing.assert_allclose(back.offsets, motion.offsets, atol=1e-6)
    np.testing.assert_allclose(back.joints(), motion.joints(), atol=1e-5)
    np.testing.assert_allclose(back.times, motion.times, atol=1e-6)


@pytest.mark.parametrize(("unit", "metres"), [("m", 1.0), ("cm", 0.01)])
def test_forward_kinematics_of_the_file_is_the_motions(tmp_path, motion, unit, metres):
    motion.save(tmp_path / "a.bvh", unit=unit, names="smpl")
    bvh = read_bvh(tmp_path / "a.bvh")
    picked = [bvh.names.index(joint) for joint in SMPL_24.joints]
    for convention in ("replace", "add"):  # readers disagree; the file means the same to both
        np.testing.assert_allclose(bvh.joints(convention)[:, picked] * metres, motion.joints(), atol=1e-5)


def test_rest_pose_is_a_t_pose_that_faces_z(tmp_path, motion):
    motion.save(tmp_path / "a.bvh")
    bvh = read_bvh(tmp_path / "a.bvh")
    place = {}
    for joint, name in enumerate(bvh.names):
        place[name] = bvh.offsets[joint] + (place[bvh.names[bvh.parents[joint]]] if joint else 0)
    assert place["Head"][1] > place["Hips"][1] > place["LeftFoot"][1]
    assert place["LeftHand"][0] > 0.5 and place["RightHand"][0] < -0.5
    assert place["LeftHand"][1] == pytest.approx(place["LeftArm"][1])
    assert place["LeftToeBase"][2] > place["LeftFoot"][2] + 0.05


def test_every_leaf_has_an_end_site_with_a_length(tmp_path, motion):
    motion.save(tmp_path / "a.bvh", unit="cm")
    bvh = read_bvh(tmp_path / "a.bvh")
    leaves = set(range(len(bvh.names))) - set(bvh.parents)
    assert {joint for joint, _ in bvh.end_sites} == leaves
    assert all(np.linalg.norm(offset) > 3.0 for _, offset in bvh.end_sites)


def test_euler_angles_do_not_jump(tmp_path):
    """A spin of three turns, rolled and pitched: every channel moves less than 15 degrees a frame."""
    times = np.arange(121) / 30.0
    turn = Rotation.from_euler("YXZ", np.stack([6 * np.pi * times / 4, 0.5 * np.sin(times), 0.4 * np.cos(times)], 1))
    rotations = np.tile(np.array([0, 0, 0, 1.0], np.float32), (121, 24, 1))
    rotations[:, SMPL_24.index("pelvis")] = turn.as_quat()
    bend = Rotation.from_rotvec(np.outer(np.linspace(0, np.pi, 121), [1, 0, 0]))
    rotations[:, SMPL_24.index("l_knee")] = bend.as_quat()
    Motion(times, rotations, np.zeros((121, 3), np.float32)).save(tmp_path / "a.bvh")
    steps = np.abs(np.diff(read_bvh(tmp_path / "a.bvh").motion, axis=0))
    assert steps.max() < 15.0
    assert np.ptp(read_bvh(tmp_path / "a.bvh").motion, axis=0).max() > 1000.0  # three turns, unwrapped


@pytest.mark.parametrize("order", ["XYZ", "XZY", "YXZ", "YZX", "ZXY", "ZYX"])
@pytest.mark.parametrize("lock", [90.0, -90.0])
def test_euler_through_the_lock(order, lock):
    """Straight through β = ±90°, standing on it for a while: exact, and no jump."""
    middle = np.concatenate([np.linspace(0.7, 1.0, 16), np.ones(5), np.linspace(1.0, 1.4, 21)]) * lock
    angles = np.stack([np.full_like(middle, 20.0), middle, np.full_like(middle, -35.0)], axis=1)
    quaternions = Rotation.from_euler(order, angles, degrees=True).as_quat()
    found = np.degrees(continuous_euler(quaternions, order))
    assert angle_between(Rotation.from_euler(order, found, degrees=True).as_quat(), quaternions) < 1e-5
    assert np.abs(np.diff(found, axis=0)).max() < 3.0


def test_a_variable_frame_rate_is_resampled_at_true_times(tmp_path, uneven_motion):
    assert even_rate(uneven_motion.times) is None
    uneven_motion.save(tmp_path / "a.bvh", rate=60)
    bvh, back = read_bvh(tmp_path / "a.bvh"), Motion.load(tmp_path / "a.bvh")
    assert bvh.rate == pytest.approx(60.0, abs=1e-5)
    duration = uneven_motion.times[-1] - uneven_motion.times[0]
    assert (len(bvh) - 1) / 60.0 == pytest.approx(duration, abs=1 / 60)
    for frame in (0, 11, 40):  # at its own time, each observed frame is where it was
        now = (uneven_motion.times[frame] - uneven_motion.times[0]) * 60.0
        nearest = round(now)
        assert abs(now - nearest) < 1e-6
        np.testing.assert_allclose(back.joints()[nearest], uneven_motion.joints()[frame], atol=1e-4)


@pytest.mark.parametrize("rate", [24.0, 25.0, 30000 / 1001, 30.0, 60.0, 17.3])
def test_even_rate_sees_through_rounded_time_stamps(rate):
    times = np.round(np.arange(300) / rate, 3)
    assert even_rate(times) == pytest.approx(rate, rel=1e-9 if rate != 17.3 else 1e-4)


def test_even_frames_are_kept_as_they_are(motion):
    same, rate = at_even_rate(motion)
    assert same is motion
    assert rate == 25.0
    halved, rate = at_even_rate(motion, 12.5)
    assert (len(halved), rate) == (50, 12.5)


def test_one_frame(tmp_path, motion):
    Motion(motion.times[:1], motion.rotations[:1], motion.translation[:1]).save(tmp_path / "a.bvh")
    back = Motion.load(tmp_path / "a.bvh")
    assert len(back) == 1
    assert read_bvh(tmp_path / "a.bvh").rate == pytest.approx(30.0)


def test_prefixed_mixamo_names_are_read(tmp_path, motion):
    motion.save(tmp_path / "a.bvh")
    text = (tmp_path / "a.bvh").read_text().replace("JOINT ", "JOINT mixamorig:").replace("ROOT ", "ROOT mixamorig:")
    (tmp_path / "a.bvh").write_text(text)
    np.testing.assert_allclose(Motion.load(tmp_path / "a.bvh").joints(), motion.joints(), atol=1e-5)


def test_another_skeleton_is_refused_with_a_way_out(tmp_path, motion):
    motion.save(tmp_path / "a.bvh")
    text = (tmp_path / "a.bvh").read_text()
    (tmp_path / "a.bvh").write_text(text.replace("LeftForeArm", "Bone.012"))
    with pytest.raises(SourceError, match=r"another skeleton .*Rig\.from_bvh"):
        Motion.load(tmp_path / "a.bvh")
    (tmp_path / "a.bvh").write_text(text.split("MOTION")[0])
    with pytest.raises(SourceError, match="no frames"):
        Motion.load(tmp_path / "a.bvh")


@pytest.mark.parametrize("options", [{"unit": "mm"}, {"names": "rigify"}, {"order": "ZZY"}, {"rate": 0.0}])
def test_options_without_that_value(tmp_path, motion, options):
    with pytest.raises(ValueError):
        motion.save(tmp_path / "a.bvh", **options)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["a.fbx", "a", "a.mp4"])
def test_unknown_suffixes(tmp_path, motion, name):
    with pytest.raises(OutputError, match=r"use \.bvh"):
        write_motion(motion, tmp_path / name)
    with pytest.raises(SourceError, match=r"use \.bvh"):
        read_motion(tmp_path / name)


def test_upper_case_suffix(tmp_path, motion):
    motion.save(tmp_path / "A.BVH")
    assert len(Motion.load(tmp_path / "A.BVH")) == len(motion)
