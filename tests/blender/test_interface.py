"""The Mocap tab under every Blender at hand: registering, drawing, the worker's jobs."""

from __future__ import annotations

from pathlib import Path

import pytest


def test_registering_twice_leaves_nothing_behind(run) -> None:
    result = run("check_registering.py")
    assert len(result["during"]["classes"]) > 15 and len(result["during"]["operators"]) > 10
    assert result["during"] == result["again"] == result["third"]
    assert result["before"] == result["after"] == result["last"]
    assert not any(result["last"].values())
    assert not result["loaded"], "what is heavy comes in when it is needed"
    assert result["seconds"] < 4.0
    assert not result["timer"] and not result["threads"]


@pytest.fixture
def panels(run, tmp_path: Path) -> dict:
    return run("check_panels.py", tmp_path)


def test_panels_and_bad_input(panels: dict) -> None:
    for name, why in panels["grey"].items():
        assert "no reason given" not in why and len(why) > 30, name
    for name, (outcome, report, source, error, why, drawn) in panels["bad"].items():
        assert outcome == "CANCELLED" and source == "", name
        assert report == f"Error: {error}" and "\n" not in report and name in report, name
        assert error in why, "the grey button says the same"
        assert error.split("; ")[-1].split()[0] in " ".join(drawn), "and so does the panel"
    assert panels["video"] == "640×480, 30 fps, 300 frames"
    assert ["operator", "posecore.analyse"] in [drawn[:2] for drawn in panels["drawn video"]]
    job = panels["drawn job"]
    assert ["progress", "123 of 412 frames", pytest.approx(123 / 412)] in job
    assert ["label", "9.8 frames/s, 0:29 left", "NONE"] in job
    names = [drawn[1] for drawn in job if drawn[0] == "operator"]
    assert "posecore.cancel" in names and "posecore.analyse" not in names
    assert "under way" in panels["analyse while"] and "press Analyse" in panels["apply before"]
    assert panels["reset"][0] == "CANCELLED" and panels["reset again"] == ["FINISHED", "", 0.5]
    assert panels["pictures"] == ["images", "64×48, 30 fps, 3 frames", "shot_%03d.png"]
    assert ["prop", "image_rate"] in [drawn[:2] for drawn in panels["drawn pictures"]]
    assert not panels["undescribed"]
    assert all(name.startswith("posecore.") for name in panels["names"])
    drawn = [entry for key in panels if key.startswith("drawn") for entry in panels[key]] + panels["preferences"]
    for kind, name, about in drawn:
        assert kind not in ("prop", "operator") or len(about) > 10, f"{name} has no description"


def test_the_worker_from_the_tab(run, tmp_path: Path) -> None:
    result = run("check_jobs.py", tmp_path)
    assert result["analyse"] == ["FINISHED"] and result["frames"] == list(range(10, 30))
    assert result["kept in the scene"]
    assert result["again"] == ["FINISHED", "Analysed"] and result["again seconds"] < 2.5
    travelled, in_place = result["in place"]
    assert travelled > 0.1 and in_place == 0
    assert result["height"] == pytest.approx(1.5, abs=0.01)
    assert result["height in centimetres"] == pytest.approx(1.9, abs=0.01)
    # in the background
    done, total, fps = result["job"]
    assert result["progress"] and 0 < done < total == 300 and fps > 0
    assert result["cancel"] == ["FINISHED"] and result["cancelled"] and result["cancel seconds"] < 20
    assert result["cancel message"].startswith("Cancelled") and result["nothing changed"] and result["quiet"]
    assert result["ticks ms"][0] < 5 and result["ticks ms"][1] < 50
    assert result["crash seen"] and "worker process stopped" in result["crash message"]
    assert result["after the crash"] == ["FINISHED"]
    assert "gone.mp4: no such file" in result["gone"]
    assert result["full disk"] == [True, "takes.json: cannot write there (No space left on device)"]
    # files
    assert result["job after loading"]
    assert result["restored"] == [True, 5]
    assert result["undone"] == [True, 5, "Analysed before"] and result["redone"] == ["", 0]
    assert result["copied"] == [True, 5] and "sapnet" in result["estimators"]
    assert "press Analyse again" in result["take gone"]
    assert result["self-test"][0] == "FINISHED" and "sapnet on cpu" in result["self-test"][1]
    assert result["measure"][0] == "FINISHED" and "2 analysed clips" in result["measure"][1]
    assert result["clear"] == ["FINISHED", 0]
    assert result["worker gone"]
