"""The open body as a target, under every Blender at hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.blender.headless_commands import runner, write_movement

_results: dict[str, dict] = {}


@pytest.fixture
def result(run, blender: str, tmp_path: Path) -> dict:
    """One run serves all tests of a Blender."""
    if blender not in _results:
        _results[blender] = run("check_body.py", tmp_path)
    return _results[blender]


def test_apply_makes_the_body(result: dict) -> None:
    said = " ".join(line[1] for line in result["drawn"] if line[0] == "label")
    assert "skinned body in the shape of the person" in said
    assert result["apply"] == ["FINISHED"] and result["no body"] is None
    name, bones, skin, vertices, kind = result["made"]
    assert (name, bones, skin, kind) == ("walk", 24, "walk skin", "ARMATURE") and vertices > 1000
    assert result["groups"] and result["modifier"] == [["ARMATURE", True]]
    assert len(result["shape"]) == 10 and max(map(abs, result["shape"])) <= 3
    assert "48 frames, 1 to 48" in result["mapped"][0]


def test_it_moves_and_deforms_as_the_library_says(result: dict) -> None:
    for name in ("fit", "fit again"):
        assert result[name]["joints"] < 1e-4, "metres"
        assert result[name]["skin"] < 1e-3, "metres"
        assert abs(result[name]["lowest"]) < 0.02, "metres: it stands on the floor"
    assert result["moved start"] == [101.0, 148.0]
    assert result["moves as a whole"] < 1e-4
    assert result["again"] == [["FINISHED"], True]


def test_one_step_undoes_it_all(result: dict) -> None:
    before, after = result["undone"]
    assert after == before


def test_headless(run, tmp_path: Path) -> None:
    (tmp_path / "asked").mkdir()
    moving = write_movement(tmp_path / "moving.npz")
    words = ["animate", "--motion", moving, "--new-body", "--output", tmp_path / "body.glb", "--json"]
    (said,) = runner(run, tmp_path / "asked")("none", words)
    assert said.code == 0, said.stderr
    (rig,) = said.events[-1]["rigs"]
    assert rig["rig"] == "Body" and rig["mapped"] == 22
    pygltflib = pytest.importorskip("pygltflib")
    asset = pygltflib.GLTF2().load(str(tmp_path / "body.glb"))
    assert len(asset.skins[0].joints) == 24 and len(asset.animations) == 1
    attributes = asset.meshes[0].primitives[0].attributes
    assert asset.accessors[attributes.POSITION].count > 1000 and attributes.WEIGHTS_0 is not None
