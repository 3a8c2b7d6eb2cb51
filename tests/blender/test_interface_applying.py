"""A movement onto rigs by the buttons, under every Blender at hand."""

from __future__ import annotations

from pathlib import Path

import pytest

_results: dict[str, dict] = {}


@pytest.fixture
def result(run, blender: str, tmp_path: Path) -> dict:
    """One run serves all tests of a Blender."""
    if blender not in _results:
        _results[blender] = run("check_applying.py", tmp_path)
    return _results[blender]


def test_a_movement_onto_a_rig(result: dict) -> None:
    assert result["source"] == "Movement: 30 fps, 60 frames, 2.0 s"
    # mapping, by hand too
    assert result["use selected"] == ["FINISHED", ""] and result["mapped"] == 21
    assert result["forearm"] == ["forearm.L"]
    assert result["chosen"] == ["hand.R", "", "chosen"]
    bone, why = result["refused"]
    assert bone == "hand.R" and "no such bone" in why
    assert result["hips needed"][0] == "required" and "Choose a bone for Hips" in result["hips needed"][1]
    assert result["preset refused"][0] == "CANCELLED" and "Hips" in result["preset refused"][1]
    assert result["map again"] == ["FINISHED", "", True]
    assert result["preset saved"] == ["FINISHED", ""] and result["preset file"] == ["my_odd_rig.json"]
    assert result["by preset"] == ["my_odd_rig", "hand.R"] and result["own preset first"] == "my_odd_rig"
    assert result["broken preset"][0] == "CANCELLED" and "broken.json: not JSON" in result["broken preset"][1]
    # apply
    assert result["apply"] == ["FINISHED", ""]
    assert result["action"] == ["Plain walk", 21 * 4 + 3] and result["frames"] == [1.0, 60.0, 60]
    assert result["elbow"] < 0.5, "degrees, on a rig in A-pose with random rolls"
    title, lines, warnings = result["report"]
    assert title == "Applied as “Plain walk”" and "60 frames" in lines[0] and lines[1].startswith("21 of 22")
    assert "“Before”" in lines[2] and result["stashed"] == ["Before"]
    assert "frames 38-46: the person is hardly seen" in warnings
    drawn = [entry[1] for entry in result["drawn"]]
    assert "posecore.apply" in drawn and "Left Lower Arm" in drawn and title.split("“")[0].strip() in " ".join(drawn)
    assert "frames 38-46:" in " ".join(drawn)
    assert result["worst"] == ["FINISHED", "", 43], "the middle of the frames that were seen worst"


def test_sliders_after_apply(result: dict) -> None:
    far, near = result["in place"]
    assert far > 2.0 and near < 0.01
    assert result["moved start"] == [101.0, True]
    assert result["same action"] == [True, 0], "written over, not piled up"
    assert result["not live"] == pytest.approx(far, abs=1e-4)
    # as in a window: the mouse goes on at once, the keys follow
    assert result["mouse move ms"] < 250 and result["threaded"] == pytest.approx(near, abs=1e-4)
    assert result["ticks ms"][0] < 5


def test_undo_a_new_rig_and_bad_rigs(result: dict) -> None:
    assert result["undone"] == ["Before", 0] and result["after undo"]
    assert result["new"] == ["FINISHED", ""]
    assert result["new rig"] == ["walk", 24, "ARMATURE", True] and result["new error"] < 1e-4
    assert result["gone"][0] == "CANCELLED" and "Choose an armature" in result["gone"][1]
    assert "has no bones; choose another" in result["no bones"][0] and "has no bones" in result["no bones"][1]
    assert "Choose a bone for" in result["two bones"][1]
