"""``--rig``: the command line onto other skeletons. Capture and solve are replaced; the rest is real."""

from __future__ import annotations

import json

import numpy as np
import pytest

from posecore import capturing, solving
from posecore.cli import run
from posecore.formats.bvh import read_bvh
from posecore.motion import Motion
from posecore.retargeting import Rig, retarget
from posecore.retargeting.automatic import map_rig
from tests.formats.conftest import make_motion
from tests.retargeting.rigs import make
from tests.test_cli import make_take


@pytest.fixture
def motion() -> Motion:
    return make_motion(np.arange(6) / 25.0)


@pytest.fixture
def calls(monkeypatch, motion) -> list[str]:
    seen: list[str] = []

    def capture(source, **_):
        seen.append("capture")
        return [make_take()]

    def solve(take, settings):
        seen.append("solve")
        return motion

    monkeypatch.setattr(capturing, "capture", capture)
    monkeypatch.setattr(solving, "solve", solve)
    return seen


@pytest.fixture
def hero(tmp_path, motion) -> str:
    """A BVH of Mixamo's names, written by ourselves, with other legs."""
    offsets = motion.offsets.copy()
    offsets[:, 1] *= 1.1
    path = tmp_path / "hero.bvh"
    Motion(motion.times, motion.rotations, motion.translation, offsets).save(path, unit="cm")
    return str(path)


def test_animate_onto_a_bvh(calls, hero, motion, tmp_path, capsys) -> None:
    arguments = ["-o", f"{tmp_path}/a.bvh", "-o", f"{tmp_path}/a.npz", "--rig", hero]
    assert run(["animate", "walk.mp4", *arguments]) == 0
    said = capsys.readouterr().err
    assert f"{hero}: 22 of 22 parts found by preset mixamo" in said
    rig = Rig.from_bvh(hero)
    wanted = retarget(motion, rig, map_rig(rig)).joints()
    written = read_bvh(tmp_path / "a.bvh")
    assert written.names == read_bvh(hero).names
    np.testing.assert_allclose(written.joints() * 0.01, wanted, atol=1e-5)
    np.testing.assert_array_equal(Motion.load(tmp_path / "a.npz").rotations, motion.rotations)


def test_solve_onto_a_gltf_with_options(calls, motion, tmp_path, capsys) -> None:
    source = tmp_path / "figure.glb"
    motion.save(source)
    make_take().save(tmp_path / "take.npz")
    arguments = ["-o", f"{tmp_path}/a.glb", "-o", f"{tmp_path}/a.bvh", "--rig", str(source), "--rig-preset", "smpl"]
    assert run(["solve", f"{tmp_path}/take.npz", *arguments, "--lock-feet", "--in-place", "--json"]) == 0
    result = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (result["rig"], result["rig_preset"]) == (str(source), "smpl")
    assert result["roles"]["leftUpperArm"] == "l_shoulder" and len(result["roles"]) == 22
    path = read_bvh(tmp_path / "a.bvh").joints()[:, 0]
    np.testing.assert_allclose(path[:, [0, 2]], np.tile(path[0, [0, 2]], (6, 1)), atol=1e-5)
    assert Rig.from_gltf(tmp_path / "a.glb").names == Rig.from_gltf(source).names


def test_the_root_may_travel(calls, motion, tmp_path) -> None:
    rig, mapping = make(root=True)
    retarget(motion, rig, mapping).save(tmp_path / "rooted.bvh")
    options = ["--rig", f"{tmp_path}/rooted.bvh", "--travel", "root"]
    assert run(["animate", "walk.mp4", "-o", f"{tmp_path}/a.bvh", *options]) == 0
    joints = read_bvh(tmp_path / "a.bvh").joints()
    ground = joints[:, 0]
    assert np.ptp(ground[:, 2]) > 0.1 and np.ptp(ground[:, 1]) < 1e-5


def test_misuse_is_one_line_before_the_work(calls, hero, tmp_path, capsys) -> None:
    (tmp_path / "two.bvh").write_text(
        "HIERARCHY\nROOT a\n{\nOFFSET 0 0 0\nCHANNELS 0\nJOINT b\n{\nOFFSET 0 1 0\nCHANNELS 0\n}\n}\n"
    )
    (tmp_path / "broken.glb").write_bytes(b"glTF")
    (tmp_path / "mine.json").write_text("{")
    out = f"-o {tmp_path}/a.bvh"
    cases = {
        f"{out} --lock-feet": (2, "--lock-feet: needs a skeleton; add --rig FILE"),
        f"{out} --travel root": (2, "--travel: needs a skeleton"),
        f"{out} --rig-preset mixamo": (2, "--rig-preset: needs a skeleton"),
        f"-o {tmp_path}/a.npz --rig {hero}": (2, "no output holds it"),
        f"{out} --rig {tmp_path}/none.bvh": (3, "no such file"),
        f"{out} --rig {tmp_path}/hero.fbx": (3, "cannot read a rig from .fbx; use .bvh, .glb, .gltf"),
        f"{out} --rig {tmp_path}/broken.glb": (3, "not a glTF file posecore can read"),
        f"-o {tmp_path}/a.glb --rig {hero}": (5, "hero.bvh did not come from a glTF file; write .bvh"),
        f"-o {hero} --rig {hero}": (5, "would overwrite the input"),
        f"{out} --rig {tmp_path}/two.bvh": (1, "two.bvh: the rig has no bone for hips"),
        f"{out} --rig {hero} --rig-preset unreal4": (1, "does not fit this rig"),
        f"{out} --rig {hero} --rig-preset nobody": (1, "no preset 'nobody'"),
        f"{out} --rig {hero} --rig-preset {tmp_path}/mine.json": (3, "not JSON"),
        f"{out} --rig {hero} --travel root": (1, "no root bone above the hips"),
    }
    before = (tmp_path / "hero.bvh").read_bytes()
    for options, (code, message) in cases.items():
        assert run(["animate", "walk.mp4", *options.split()]) == code, options
        said = capsys.readouterr().err
        assert message in said and said.startswith("error: ") and said.count("\n") == 1, said
    assert not calls, "nothing heavy was begun"
    assert (tmp_path / "hero.bvh").read_bytes() == before and not (tmp_path / "a.bvh").exists()


def test_doubtful_bones_are_named(calls, motion, tmp_path, capsys) -> None:
    rig, mapping = make(arms=40)
    retarget(motion, rig, mapping).save(tmp_path / "strange.bvh")
    found = map_rig(Rig.from_bvh(tmp_path / "strange.bvh"))
    doubtful = [line.role for line in found.coverage() if line.state == "doubtful"]
    assert run(["animate", "walk.mp4", "-o", f"{tmp_path}/a.bvh", "--rig", f"{tmp_path}/strange.bvh"]) == 0
    said = capsys.readouterr().err
    assert "names and places" in said
    assert ("not sure of" in said) == bool(doubtful)
