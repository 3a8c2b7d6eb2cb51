"""CMU's Acclaim files against the positions of the same clips, their SMPL rotations, BVH and AMASS."""

from __future__ import annotations

import tarfile

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from posecore.skeletons import CMU_22, SMPL_24
from training.readers import read, stream
from training.readers.amc import CMU_METRES, parse_amc, parse_asf

ASF = """
:version 1.10
:units
  mass 1.0
  length 0.45
  angle deg
:root
   order TX TY TZ RX RY RZ
   axis XYZ
   position 0 0 0
   orientation 0 0 0
:bonedata
  begin
     id 1
     name thigh
     direction 0 -1 0
     length 9.0
     axis 0 0 90  XYZ
     dof rx
     limits (-160.0 20.0)
  end
  begin
     id 2
     name shin
     direction 0 -1 0
     length 4.5
     axis 0 0 0  XYZ
  end
:hierarchy
  begin
    root thigh
    thigh shin
  end
"""
AMC = "#!OML:ASF x\n:FULLY-SPECIFIED\n:DEGREES\n1\nroot 9 0 0 0 0 0\nthigh 90\n2\nroot 0 0 18 0 90 0\nthigh 0\n"


def test_a_two_bone_leg_by_hand() -> None:
    """9 units are 0.508 m (9 / 0.45 inch). The thigh's own x axis is the world's y: turning about it, a bone that hangs
    down stays where it is; the turned frame shows in the rotation."""
    rest = parse_asf(ASF, "leg.asf")
    assert rest.names == ("root", "thigh", "shin") and rest.parents == (-1, 0, 1)
    np.testing.assert_allclose(rest.offsets, [[0, 0, 0], [0, -0.508, 0], [0, -0.254, 0]])
    motion = parse_amc(AMC, rest, "leg.amc")
    np.testing.assert_allclose(motion.ends()[0], [[0.508, 0, 0], [0.508, -0.508, 0], [0.508, -0.762, 0]], atol=1e-12)
    turn = Rotation.from_quat(motion.rotations[0, 1]).as_rotvec(degrees=True)
    np.testing.assert_allclose(turn, [0, 90, 0], atol=1e-9)
    np.testing.assert_allclose(motion.ends()[1, 0], [0, 0, 1.016])
    np.testing.assert_allclose(
        Rotation.from_quat(motion.rotations[1, 2]).as_rotvec(degrees=True), [0, 90, 0], atol=1e-9
    )
    assert pytest.approx(0.0564444) == CMU_METRES and len(parse_amc(AMC, rest, "leg.amc", step=2)) == 1


def test_x_is_turned_first() -> None:
    rest = parse_asf(ASF.replace("dof rx", "dof rx ry rz").replace("axis 0 0 90", "axis 0 0 0"), "leg.asf")
    motion = parse_amc(AMC.replace("thigh 90", "thigh 90 90 0").replace("thigh 0", "thigh 0 0 0"), rest, "leg.amc")
    # -Y by 90° about X is -Z; that by 90° about Y is -X.
    np.testing.assert_allclose(motion.ends()[0, 1], [0.508 - 0.508, 0, 0], atol=1e-12)


BROKEN_ASF = {
    ":hierarchy": ":nothing",
    "length 9.0": "",
    "direction 0 -1 0\n     length 4.5": "direction 0 x 0\n     length 4.5",
    "angle deg": "angle rad",
    "thigh shin": "knee shin",
}


@pytest.mark.parametrize("part", BROKEN_ASF)
def test_a_broken_skeleton_is_one_line(part, one_line) -> None:
    assert part in ASF
    with one_line("leg.asf"):
        parse_asf(ASF.replace(part, BROKEN_ASF[part]), "leg.asf")


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("thigh 90", "thigh 90 1", ("line 6", "1 numbers", "found 2")),
        ("thigh 90", "wing 90", ("line 6", "wing", ".asf")),
        ("thigh 90", "thigh much", ("line 6", "not numbers")),
        ("\nthigh 0\n", "\n", ("frame 2 has 1 bones",)),
        (":DEGREES", ":RADIANS", ("radians",)),
        (AMC, "nothing\n", ("no frames",)),
    ],
)
def test_a_broken_motion_is_one_line(old, new, words, one_line) -> None:
    rest = parse_asf(ASF, "leg.asf")
    with one_line("leg.amc", *words):
        parse_amc(AMC.replace(old, new), rest, "leg.amc")


def test_files_that_are_not_there(tmp_path, one_line) -> None:
    with one_line("a.amc", "no such file"):
        read("cmu-amc", tmp_path / "a.amc")
    with one_line("no motion any"):
        read("cmu-amc", tmp_path)
    (tmp_path / "002_01.amc").write_text(AMC)
    with one_line("002.asf"):
        read("cmu-amc", tmp_path / "002_01.amc")
    (tmp_path / "002.asf").write_text(ASF)
    with one_line("002.asf", "no bone", "CMU"):
        read("cmu-amc", tmp_path / "002_01.amc")
    with one_line("002_09"):
        read("cmu-amc", tmp_path, clips=("002_09",))
    (tmp_path / "all.tar.xz").write_bytes(b"x" * 600)
    with one_line("all.tar.xz", "tar"):
        read("cmu-amc", tmp_path / "all.tar.xz")
    with pytest.raises(ValueError, match="step"):
        read("cmu-amc", tmp_path, step=0)


# Real clips


@pytest.fixture(scope="module")
def walks(data_folder):
    return read("cmu-amc", data_folder / "mocap_cmu" / "raw" / "samples")


def test_forward_kinematics_meets_the_shared_positions(walks, data_folder) -> None:
    assert [clip.name for clip in walks] == ["002_01", "016_15"]
    for clip in walks:
        file = data_folder / "mocap_cmu" / "joints" / f"subject_{clip.subject}.npz"
        other = read("cmu", file, clips=clip.name)[0]
        assert clip.rate == other.rate == 30 and len(clip) == len(other) and clip.skeleton == other.skeleton
        assert np.abs(clip.joints - other.joints).max() < 2e-4  # the positions are rounded to 0.1 mm


def test_smpl_rotations_point_as_captured(walks) -> None:
    for clip in walks:
        posed = clip.motion().joints()
        np.testing.assert_allclose(posed[:, 0], clip.joints[:, 0], atol=1e-5)
        for one, other in (("hip", "knee"), ("knee", "ankle"), ("shoulder", "elbow"), ("elbow", "wrist")):
            for side in "lr":
                names = f"{side}_{one}", f"{side}_{other}"
                ours = np.diff(posed[:, SMPL_24.indices(names)], axis=1)[:, 0]
                theirs = np.diff(clip.joints[:, CMU_22.indices(names)], axis=1)[:, 0]
                cosine = (ours * theirs).sum(-1) / np.linalg.norm(ours, axis=-1) / np.linalg.norm(theirs, axis=-1)
                assert cosine.min() > 1 - 1e-6
        # CMU's knees are hinges about the axis across the body: so are SMPL's, and they bend backwards only.
        knee = Rotation.from_quat(clip.rotations[:, SMPL_24.index("l_knee")]).as_rotvec()
        assert np.abs(knee[:, 1:]).max() < 1e-5 and knee[:, 0].min() > -0.05 and knee[:, 0].max() > 0.6
        assert np.abs(np.diff(clip.rotations, axis=0)).max() < 0.3, "continuous in sign"


def test_an_archive_is_read_without_unpacking(tmp_path, data_folder, walks) -> None:
    samples = data_folder / "mocap_cmu" / "raw" / "samples"
    with tarfile.open(tmp_path / "some.tar.xz", "w:xz") as archive:
        for name in ("002.asf", "002_01.amc"):
            archive.add(samples / name, f"asf_amc/{name}")
    clip = read("cmu-amc", tmp_path / "some.tar.xz")[0]
    np.testing.assert_array_equal(clip.joints, walks[0].joints)
    other = read("cmu-amc", samples / "002_01.amc", skeleton=samples / "016.asf", clips="002_01", step=8)[0]
    assert len(other) == 43 and other.rate == 15
    assert np.abs(other.joints - clip.joints[::2]).max() > 0.01, "another body"


def test_shared_positions(data_folder, tmp_path, one_line) -> None:
    clips = list(stream("cmu", data_folder, clips=("002_01", "047_01")))
    assert {clip.name for clip in clips} == {"002_01", "047_01"}
    for clip in clips:
        assert clip.skeleton == CMU_22 and clip.travels and 1.2 < clip.joints[..., 1].max() < 2.2
    unknown = read("cmu", data_folder / "mocap_cmu" / "joints" / "unknown_subjects_expmap.npz")
    assert len(unknown) == 25 and not any(clip.travels or clip.subject for clip in unknown)
    np.savez(tmp_path / "subject_001.npz", a=np.zeros((4, 21, 3)))
    with one_line("subject_001.npz", "4×21×3", "N×22×3"):
        read("cmu", tmp_path)
    with one_line("subject_*.npz"):
        read("cmu", tmp_path / "none" if (tmp_path / "none").mkdir() is None else tmp_path)


def test_bvh(data_folder, tmp_path, one_line) -> None:
    samples = data_folder / "mocap_cmu" / "raw" / "samples"
    clip = read("bvh", samples / "035_03.bvh")[0]
    assert clip.rate == pytest.approx(120, abs=0.01) and clip.subject == "035"
    shared = read("cmu", data_folder, clips="035_03")
    for side, name in (("l", "Left"), ("r", "Right")):  # that conversion lost the thorax, but its legs are right
        thigh = np.linalg.norm(
            clip.joints[0, clip.skeleton.index(f"{name}Hip")] - clip.joints[0, clip.skeleton.index(f"{name}Knee")]
        )
        assert 0.35 < thigh < 0.5
        if shared:
            hip, knee = CMU_22.indices((f"{side}_hip", f"{side}_knee"))
            assert thigh == pytest.approx(
                np.linalg.norm(shared[0].joints[0, hip] - shared[0].joints[0, knee]), abs=2e-3
            )
    centimetres = read("bvh", samples / "010_01.bvh")[0]
    assert 1.3 < centimetres.joints[..., 1].max() < 2
    assert read("bvh", samples / "035_03.bvh", metres=1.0)[0].joints[0, 0, 1] > 10
    assert len(list(stream("bvh", samples))) == 6
    with one_line("no .bvh"):
        read("bvh", tmp_path)
    (tmp_path / "a.bvh").write_text("HIERARCHY\nROOT a\n{\n")
    with one_line("a.bvh", "line"):
        read("bvh", tmp_path)


def test_amass(tmp_path, walks, one_line) -> None:
    folder = tmp_path / "CMU" / "subject7"
    folder.mkdir(parents=True)
    count = 12
    poses = np.zeros((count, 156))
    poses[:, 0] = np.pi / 2  # AMASS is Z up: a body that stands is turned about X
    poses[:, 3 * SMPL_24.index("l_knee")] = 0.7
    np.savez(
        folder / "walk_poses.npz",
        poses=poses,
        trans=np.tile([1.0, 2.0, 0.9], (count, 1)),
        betas=np.zeros(16),
        gender="male",
        mocap_framerate=120.0,
        dmpls=np.zeros((count, 8)),
    )
    np.savez(folder / "shape.npz", betas=np.zeros(16), gender="male")
    clip = read("amass", tmp_path)[0]
    assert (
        clip.name == "walk_poses"
        and clip.subject == "subject7"
        and clip.rate == pytest.approx(120)
        and len(clip) == count
    )
    upward = clip.joints[:, SMPL_24.index("head")] - clip.joints[:, SMPL_24.index("pelvis")]
    assert (upward[:, 1] > 0.3).all()
    knee = Rotation.from_quat(clip.rotations[0, SMPL_24.index("l_knee")]).as_rotvec()
    np.testing.assert_allclose(knee, [0.7, 0, 0], atol=1e-6)
    walks[0].motion().save(tmp_path / "CMU" / "own.npz")
    again = read("amass", tmp_path / "CMU" / "own.npz")[0]
    np.testing.assert_array_equal(again.rotations, walks[0].rotations)
    with one_line("shape.npz", "poses"):
        read("amass", folder / "shape.npz")
    with one_line("gone.npz", "no such file"):
        read("amass", tmp_path / "gone.npz")
