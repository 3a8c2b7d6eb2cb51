"""The BVH file format: parsing, forward kinematics, writing, errors that name the line."""

import numpy as np
import pytest

from posecore.errors import OutputError, SourceError
from posecore.formats.bvh import Bvh, read_bvh, write_bvh

HAND_MADE = """HIERARCHY
ROOT hip
{
  OFFSET 0 1e0 0
  CHANNELS 6 Yposition Xposition Zposition Xrotation Zrotation Yrotation
  JOINT my knee
  {
    OFFSET 0.0\t-5.0E-1 0
    CHANNELS 2 zrotation XROTATION
    End Site
    {
      OFFSET 0 -.5 0
    }
    End Site
    {
      OFFSET 0 0 .25
    }
  }
  JOINT tail {
    OFFSET 0 0 -1 }
}
MOTION
Frames:\t2
Frame  Time: 4.0e-2
1 0 0 0 0 0 0 0
2 3 4 0 0 90 90 1.5e-14
"""


def write(path, text, newline="\n"):
    path.write_bytes(text.replace("\n", newline).encode())
    return path


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_reads_any_channel_order_end_sites_and_line_ends(tmp_path, newline):
    bvh = read_bvh(write(tmp_path / "a.bvh", HAND_MADE, newline))
    assert bvh.names == ("hip", "my knee", "tail")
    assert bvh.parents == (-1, 0, 0)
    assert bvh.channels[1] == ("Zrotation", "Xrotation")
    assert bvh.channels[2] == ()
    assert [joint for joint, _ in bvh.end_sites] == [1, 1]
    assert bvh.rate == pytest.approx(25.0)
    assert bvh.motion.shape == (2, 8)
    assert bvh.warnings == ()


def test_forward_kinematics_by_hand(tmp_path):
    bvh = read_bvh(write(tmp_path / "a.bvh", HAND_MADE))
    # Frame 1: y = 2, x = 3, z = 4, turned 90 degrees about Y, which takes -Z to -X.
    expected = [[[0, 1, 0], [0, 0.5, 0], [0, 1, -1]], [[3, 2, 4], [3, 1.5, 4], [2, 2, 4]]]
    np.testing.assert_allclose(bvh.joints(), expected, atol=1e-9)
    np.testing.assert_allclose(bvh.joints("add")[1, 0], [3, 3, 4], atol=1e-9)


def test_channel_order_is_the_order_of_multiplication(tmp_path):
    """R = Rz Rx: the child of a joint turned by z = 90 then x = 90 lies where Rz(Rx(v)) says."""
    text = """HIERARCHY
ROOT a
{
  OFFSET 0 0 0
  CHANNELS 3 Zrotation Xrotation Yrotation
  JOINT b
  {
    OFFSET 0 1 0
  }
}
MOTION
Frames: 1
Frame Time: 0.1
90 90 0
"""
    # v = +Y; Rx(90) v = +Z; Rz(90) leaves +Z.
    np.testing.assert_allclose(read_bvh(write(tmp_path / "a.bvh", text)).joints()[0, 1], [0, 0, 1], atol=1e-9)


def test_wrong_frame_count_is_a_warning(tmp_path):
    bvh = read_bvh(write(tmp_path / "a.bvh", HAND_MADE.replace("Frames:\t2", "Frames: 9")))
    assert len(bvh) == 2
    assert bvh.warnings == ("Frames says 9, the file holds 2",)


def test_a_skeleton_without_motion_has_no_frames(tmp_path):
    bvh = read_bvh(write(tmp_path / "a.bvh", HAND_MADE.split("MOTION")[0]))
    assert len(bvh) == 0
    assert bvh.joints().shape == (0, 3, 3)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("HIERARCHY", "HIERARCHIE", "does not begin with HIERARCHY"),
        ("OFFSET 0 1e0 0", "OFFSET 0 1e0", "line 4: OFFSET needs 3 numbers, found 2"),
        ("OFFSET 0 -.5 0", "OFFSET 0 minus 0", "line 12: OFFSET holds something that is not a number"),
        ("OFFSET 0 -.5 0", "OFFSET 0 nan 0", "line 12: OFFSET holds NaN"),
        ("zrotation", "wrotation", "line 9: unknown channel 'wrotation'"),
        ("CHANNELS 2", "CHANNELS 3", "line 9: CHANNELS says 3 and lists 2"),
        ("zrotation", "xrotation", "line 9: a channel is listed twice"),
        ("JOINT tail {", "BONE tail {", "line 19: expected ROOT"),
        ("JOINT tail {", "ROOT tail {", "line 19: ROOT cannot stand here"),
        ("  OFFSET 0 1e0 0\n", "", "no OFFSET"),
        ("MOTION\n", "}\nMOTION\n", "line 22: one '}' too many"),
        ("  JOINT my knee\n  {", "  JOINT my knee\n", "line 8: expected '{'"),
        ("Frames:\t2", "Frames: two", "line 23: Frames holds something"),
        ("4.0e-2", "0", "line 24: Frame Time must be above 0"),
        ("Frame  Time: 4.0e-2\n", "", "line 24: expected 'Frame Time"),
        ("2 3 4 0 0 90 90 1.5e-14", "2 3 4 0", "line 26: frame needs 8 numbers, found 4"),
        ("2 3 4 0 0 90 90", "2 3 4 O 0 90 90", "line 26: frame holds something that is not a number"),
    ],
)
def test_errors_are_one_line_and_name_the_line(tmp_path, old, new, message):
    assert old in HAND_MADE
    with pytest.raises(SourceError) as caught:
        read_bvh(write(tmp_path / "a.bvh", HAND_MADE.replace(old, new, 1)))
    assert message in str(caught.value)
    assert str(tmp_path / "a.bvh") in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("cut", range(20, 330, 7))
def test_a_cut_file_fails_clearly_or_keeps_whole_rows(tmp_path, cut):
    try:
        bvh = read_bvh(write(tmp_path / "a.bvh", HAND_MADE[:cut]))
    except SourceError:
        return
    assert bvh.motion.shape[1] == 8


@pytest.mark.parametrize("content", [b"", b"\n\n", b"\x00\x01\x02" * 50, b"\xff\xfe junk"])
def test_not_a_bvh(tmp_path, content):
    (tmp_path / "a.bvh").write_bytes(content)
    with pytest.raises(SourceError, match="not a BVH file"):
        read_bvh(tmp_path / "a.bvh")


def test_missing_file(tmp_path):
    with pytest.raises(SourceError, match="no such file"):
        read_bvh(tmp_path / "none.bvh")


def test_writing_reorders_depth_first_and_round_trips(tmp_path):
    rng = np.random.default_rng(0)
    turn = ("Zrotation", "Xrotation", "Yrotation")
    bvh = Bvh(
        names=("root", "left", "right", "left tip"),  # breadth first: not the order of the file
        parents=(-1, 0, 0, 1),
        offsets=rng.normal(size=(4, 3)),
        channels=(("Xposition", "Yposition", "Zposition", *turn), turn, turn, turn[:1]),
        frame_time=1 / 30,
        motion=rng.uniform(-170, 170, (5, 13)),
        end_sites=((3, np.array([0.0, 0.1, 0.0])), (2, np.array([1.0, 0.0, 0.0]))),
    )
    write_bvh(bvh, tmp_path / "a.bvh")
    back = read_bvh(tmp_path / "a.bvh")
    assert back.names == ("root", "left", "left tip", "right")
    assert back.rate == pytest.approx(30.0, abs=1e-6)
    picked = [back.names.index(name) for name in bvh.names]
    np.testing.assert_allclose(back.joints()[:, picked], bvh.joints(), atol=1e-5)
    assert {(back.names[j], tuple(o)) for j, o in back.end_sites} == {("left tip", (0, 0.1, 0)), ("right", (1, 0, 0))}


def test_unwritable_place(tmp_path):
    bvh = Bvh(("a",), (-1,), np.zeros((1, 3)), ((),), 0.1, np.zeros((0, 0)))
    with pytest.raises(OutputError, match="cannot write there"):
        write_bvh(bvh, tmp_path / "none" / "a.bvh")


@pytest.mark.parametrize(
    ("clip", "joints", "rate", "tallest"),
    [
        ("005_10", 100, 60, (150, 190)),  # CC3, centimetres
        ("007_04", 100, 60, (150, 190)),
        ("010_01", 43, 120, (140, 190)),  # DAZ, centimetres
        ("010_03", 43, 120, (140, 190)),
        ("035_03", 31, 120, (20, 30)),  # MotionBuilder style, in 5.6 cm
        ("039_10", 31, 120, (20, 30)),
    ],
)
def test_cmu_samples(data_folder, clip, joints, rate, tallest):
    bvh = read_bvh(data_folder / "mocap_cmu/raw/samples" / f"{clip}.bvh")
    assert len(bvh.names) == joints
    assert bvh.rate == pytest.approx(rate, rel=1e-3)
    assert bvh.warnings == ()
    heights = np.median(np.ptp(bvh.joints()[:, :, 1], axis=1))
    assert tallest[0] * 0.8 < heights < tallest[1]


def test_cmu_joints_agree_with_the_shared_positions(data_folder):
    """The same clip, computed by whoever made the data set: bones from knee to ankle, every fourth frame."""
    bvh = read_bvh(data_folder / "mocap_cmu/raw/samples/035_03.bvh")
    with np.load(data_folder / "mocap_cmu/joints/subject_035.npz") as data:
        shared = data["035_03"]
    names = (data_folder / "mocap_cmu/joint_names.txt").read_text().replace(",", " ").split()
    ours = bvh.joints()[::4] * 0.056444
    same = {"pelvis": "Hips", "l_knee": "LeftKnee", "l_ankle": "LeftAnkle", "r_knee": "RightKnee"}
    for shared_name, name in same.items():
        a, b = ours[:, bvh.names.index(name)], shared[:, names.index(shared_name)]
        count = min(len(a), len(b))
        np.testing.assert_allclose(a[:count], b[:count], atol=2e-4)
