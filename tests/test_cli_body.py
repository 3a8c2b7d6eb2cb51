"""``--body`` and ``--mesh``: what is written, what is checked before the work, one line for what is wrong."""

from __future__ import annotations

import json

import numpy as np
import pytest

from posecore import capturing
from posecore.body import load_body
from posecore.cli import run
from posecore.motion import Motion
from posecore.skeletons import BODY_21, SMPL_24, convert
from posecore.takes import Camera, Take
from tests.body import bodies
from tests.body.test_fitting import walking


def make_take() -> Take:
    """Somebody who walks before a level camera, seen without error."""
    motion = walking(24)
    camera = Camera(1000.0, (639.5, 359.5), (1280, 720))
    seen = convert(motion.joints(), SMPL_24, BODY_21)[0] * (1, -1, -1) + (0.0, 1.0, 5.0)
    keypoints = (camera.focal * seen[..., :2] / seen[..., 2:] + camera.centre).astype(np.float32)
    low, high = keypoints.min(axis=1), keypoints.max(axis=1)
    joints = (seen - seen[:, :1]).astype(np.float32)
    boxes = np.concatenate([low, high - low], axis=1)
    ones = np.ones(keypoints.shape[:2], np.float32)
    return Take(motion.times, boxes, keypoints, ones, joints, joints, camera, source="walk.mp4", estimator="fake")


@pytest.fixture
def take(tmp_path):
    make_take().save(tmp_path / "take.npz")
    return tmp_path / "take.npz"


def test_solve_writes_body_and_mesh(take, tmp_path, capsys) -> None:
    outputs = [tmp_path / name for name in ("body.npz", "walk.bvh", "body.glb")]
    arguments = ["solve", str(take), "-o", str(outputs[0]), "-o", str(outputs[1]), "--mesh", str(outputs[2])]
    assert run([*arguments, "--json"]) == 0
    last = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert last["outputs"] == [str(path) for path in outputs]
    facts = last["body"]
    assert facts["name"] == "open" and len(facts["betas"]) == 10
    assert facts["joint_error"] < 0.05 and facts["sole_depth"] < 0.05 and facts["pixel_error"] < 20
    body = Motion.load(outputs[0])
    np.testing.assert_allclose(body.betas, facts["betas"], atol=1e-3)
    rest = load_body().rest_joints(body.betas)
    knee, hip = SMPL_24.indices(("l_knee", "l_hip"))
    np.testing.assert_allclose(body.offsets[knee], rest[knee] - rest[hip], atol=1e-5)
    assert outputs[2].read_bytes()[:4] == b"glTF"
    assert "body" not in outputs[1].read_text()  # the skeleton stays what was solved


def test_a_height_that_no_body_has_is_a_warning(take, tmp_path, capsys) -> None:
    arguments = ["solve", str(take), "--mesh", str(tmp_path / "h.glb"), "--height"]
    assert run([*arguments, "1.0"]) == 0
    said = " ".join(capsys.readouterr().err.split())
    assert "warning: the fitted body is 1.3" in said and "not 1.00 m" in said and "'open' body" in said
    assert run([*arguments, "1.75"]) == 0
    assert "m tall" not in capsys.readouterr().err


def test_betas_that_mean_nothing_to_smpl_are_told(take, tmp_path, capsys) -> None:
    """Where a file holds them, and they are not those of a body of SMPL's family."""
    np.savez(tmp_path / "smpl.npz", **bodies.body_arrays())
    cases = (
        (["-o", "a.npz", "--body", "open"], True),
        (["-o", "b.npz", "--body", str(tmp_path / "smpl.npz")], False),
        (["-o", "c.bvh", "--mesh", str(tmp_path / "c.glb")], False),
    )
    for (flag, name, *rest), told in cases:
        assert run(["solve", str(take), flag, str(tmp_path / name), *rest]) == 0
        said = " ".join(capsys.readouterr().err.split())
        assert ("betas are those of the open body and mean nothing to SMPL" in said) == told


def test_npz_without_a_body_is_as_ever(take, tmp_path) -> None:
    assert run(["solve", str(take), "-o", str(tmp_path / "a.npz")]) == 0
    assert not Motion.load(tmp_path / "a.npz").betas.any()


def test_animate_with_a_mesh_alone(take, tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.setattr(capturing, "capture", lambda source, **options: [Take.load(take)])
    assert run(["animate", "walk.mp4", "--mesh", str(tmp_path / "body.gltf")]) == 0
    assert json.loads((tmp_path / "body.gltf").read_text())["meshes"]
    assert "open body: limbs" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--body", "open", "-o", "walk.bvh"], 2, "--body: no output holds it; add -o NAME.npz or --mesh NAME.glb"),
        (["--mesh", "body.fbx"], 5, "unknown kind of output '.fbx'; use .glb or .gltf"),
        (["--mesh", "none/body.glb"], 5, "there is no folder"),
        (["--mesh", "a.glb", "-o", "a.glb"], 5, "is named twice"),
        (["--body", "nothing.npz", "--mesh", "a.glb"], 3, "nothing.npz"),
        (["--body", "text.npz", "--mesh", "a.glb"], 3, "text.npz"),
        (["--body", "take.npz", "--mesh", "a.glb"], 3, "take.npz"),
        ([], 2, "name at least one output"),
    ],
)
def test_one_line_before_the_work(take, tmp_path, monkeypatch, capsys, arguments, code, said) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "text.npz").write_text("hello")
    assert run(["solve", str(take), *arguments]) == code
    error = capsys.readouterr().err.strip()
    assert error.startswith("error: ") and said in error and "\n" not in error
    assert sorted(path.name for path in tmp_path.iterdir()) == ["take.npz", "text.npz"]
