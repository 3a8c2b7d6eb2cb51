"""The values that readers give, the registry and its command."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest
from scipy.io import savemat

from posecore.errors import PosecoreError, SourceError
from posecore.skeletons import BODY_21, H36M_17, LSP_14, MPI_INF_3DHP_17
from training.readers import KINDS, read, stream
from training.readers.command import main
from training.readers.samples import Samples, concatenate


def people(rng, count=4, skeleton=LSP_14, **more) -> Samples:
    keypoints = rng.uniform(1, 100, (count, len(skeleton), 3)).astype(np.float32)
    keypoints[..., 2] = 2
    return Samples("made", skeleton, np.array([f"p{i}" for i in range(count)]), keypoints, **more)


def test_shapes_are_checked(rng) -> None:
    with pytest.raises(ValueError, match="boxes"):
        people(rng, boxes=np.zeros((4, 3), np.float32))
    with pytest.raises(ValueError, match="joints"):
        people(rng, joints=np.zeros((4, 13, 3), np.float32))
    with pytest.raises(ValueError, match="scale"):
        people(rng, extras={"scale": np.zeros(3)})


def test_selecting_takes_everything_along(rng) -> None:
    samples = people(rng, boxes=np.arange(16, dtype=np.float32).reshape(4, 4), extras={"scale": np.arange(4.0)})
    for rows in (np.array([False, True, False, True]), [1, 3], slice(1, None, 2)):
        some = samples.select(rows)
        assert list(some.keys) == ["p1", "p3"] and some.extras["scale"].tolist() == [1, 3]
        assert some.boxes[:, 0].tolist() == [4, 12]
        np.testing.assert_array_equal(some.keypoints, samples.keypoints[[1, 3]])


def test_another_joint_set_keeps_what_is_known(rng) -> None:
    samples = people(rng, joints=rng.normal(size=(4, 14, 3)).astype(np.float32))
    samples.keypoints[0, LSP_14.index("l_hip")] = 0
    samples.keypoints[1, LSP_14.index("l_hip"), 2] = 1
    mapped = samples.to(BODY_21)
    pelvis, hips = BODY_21.index("pelvis"), LSP_14.indices(("l_hip", "r_hip"))
    assert mapped.keypoints[0, pelvis].tolist() == [0, 0, 0], "half of it is unknown"
    assert mapped.keypoints[1, pelvis, 2] == 1, "half of it is hidden"
    np.testing.assert_allclose(mapped.keypoints[2, pelvis, :2], samples.keypoints[2, hips, :2].mean(0), rtol=1e-5)
    np.testing.assert_allclose(mapped.joints[2, pelvis], samples.joints[2, hips].mean(0), rtol=1e-4, atol=1e-6)
    assert not mapped.joints_known[2, BODY_21.index("nose")] and not mapped.joints[2, BODY_21.index("nose")].any()
    assert samples.to(LSP_14) is samples


def test_3dhp_as_human36m_is_the_usual_table(rng) -> None:
    """[14, 8, 9, 10, 11, 12, 13, 15, 1, 16, 0, 5, 6, 7, 2, 3, 4], as works on both data sets have it."""
    samples = people(rng, skeleton=MPI_INF_3DHP_17)
    table = [14, 8, 9, 10, 11, 12, 13, 15, 1, 16, 0, 5, 6, 7, 2, 3, 4]
    np.testing.assert_allclose(samples.to(H36M_17).keypoints, samples.keypoints[:, table])


def test_joining(rng) -> None:
    one = people(rng, actions=np.array(["a"] * 4), boxes=np.ones((4, 4), np.float32))
    two = people(rng, 2, actions=np.array(["longer"] * 2))
    both = concatenate([one, two])
    assert len(both) == 6 and list(both.actions[3:]) == ["a", "longer", "longer"] and both.boxes is None
    with pytest.raises(ValueError, match="joint sets"):
        concatenate([one, people(rng, skeleton=H36M_17)])
    with pytest.raises(ValueError, match="no samples"):
        concatenate([])


def test_what_is_not_there_is_said(rng) -> None:
    samples = people(rng)
    with pytest.raises(SourceError, match="p1 names no picture"):
        samples.picture(1)
    with pytest.raises(ValueError, match="camera"):
        samples.project(0)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_says_what_it_misses(kind, tmp_path, one_line) -> None:
    with one_line(str(tmp_path / "gone")):
        read(kind, tmp_path / "gone")


@pytest.mark.parametrize("kind", [k for k in KINDS if not k.endswith("shards")])
@pytest.mark.parametrize("name", ["joints.mat", "a.json", "a.npz", "annot.mat", "a.bvh", "a.amc"])
def test_every_kind_survives_rubbish(kind, name, tmp_path, one_line) -> None:
    for content in (b"", b"rubbish\n" * 40, bytes(range(256)) * 3):
        (tmp_path / name).write_bytes(content)
        with one_line(str(tmp_path)):
            read(kind, tmp_path / name)


@pytest.mark.parametrize("share", [0.1, 0.4, 0.8, 0.99])
def test_cut_off_mat_files_are_one_line(share, tmp_path, rng, one_line) -> None:
    for compressed in (False, True):
        path = tmp_path / "joints.mat"
        savemat(path, {"joints": rng.uniform(size=(3, 14, 50))}, do_compression=compressed)
        data = path.read_bytes()
        path.write_bytes(data[: int(len(data) * share)])
        with one_line("joints.mat"):
            read("lsp", path)


def test_unknown_kinds(tmp_path, one_line) -> None:
    with one_line("unknown kind", "cmu-amc"):
        read("nothing", tmp_path)
    with one_line("not motion", "amass"):
        next(stream("coco", tmp_path))


def test_nothing_is_imported_before_it_is_asked_for() -> None:
    code = "import sys, training.readers; print(*sorted(m for m in sys.modules if m[:8] == 'training' or m == 'scipy'))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.split() == ["training", "training.readers"]


def test_the_command_prints_a_summary(tmp_path, capsys) -> None:
    entry = {"image": "x.jpg", "center": [1, 2], "scale": 1.0, "joints": [[3, 4]] * 16, "joints_vis": [1] * 16}
    (tmp_path / "train.json").write_text(json.dumps([entry]))
    main(["mpii", str(tmp_path / "train.json")])
    out = capsys.readouterr().out
    assert "1 samples, MPII_16, 100.0%" in out and "x.jpg" in out
    np.savez(tmp_path / "subject_001.npz", **{"001_01": np.ones((60, 22, 3), np.float32)})
    main(["cmu", str(tmp_path), "--option", 'clips=["001_01"]'])
    assert "001_01: 60 frames, 2.0 s" in capsys.readouterr().out
    with pytest.raises(PosecoreError, match=r"--option.*stride"):
        main(["mpii", str(tmp_path / "train.json"), "--option", "stride=3"])
    with pytest.raises(PosecoreError, match="NAME=VALUE"):
        main(["mpii", str(tmp_path / "train.json"), "--option", "split"])
    with pytest.raises(SystemExit):
        main(["--help"])
    assert "panoptic" in capsys.readouterr().out
