"""``--command posecore animate``: what it writes, what it says, and how it ends."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest

from tests.blender import harness
from tests.blender.headless_commands import RATE, WALK, runner, write_movement


@pytest.fixture
def commands(run, tmp_path: Path):
    folder = tmp_path / "asked"
    folder.mkdir()
    return runner(run, folder)


def wrong_calls(folder: Path) -> list[tuple[str, list[object], int, str]]:
    """(scene, words, exit code, what the error line says)"""
    video, out = ["animate", "--video", WALK], ["--output", folder / "out.blend"]
    moving = write_movement(folder / "moving.npz")
    text = folder / "text.mp4"
    text.write_text("no video", encoding="utf-8")
    return [
        ("none", [], 2, "animate | batch"),
        ("none", ["dance"], 2, "invalid choice: 'dance'"),
        ("none", ["animate"], 2, "name one of --video, --take and --motion"),
        ("none", [*video, "--take", "x.npz", *out], 2, "name one of --video, --take and --motion"),
        ("none", video, 2, "name at least one output"),
        ("none", [*video, *out, "--speed", 3], 2, "unrecognized arguments: --speed 3"),
        ("none", [*video, *out, "--height", "tall"], 2, "--height: invalid float value: 'tall'"),
        ("none", [*video, *out, "--height", 30], 2, r"--height: .*\(0.3 … 3\), got 30"),
        ("none", [*video, *out, "--smoothing", 2], 2, "--smoothing: must lie in 0 … 1, got 2"),
        ("none", [*video, *out, "--start", 3, "--stop", 2], 2, "--stop: must lie after the start, got 2"),
        ("none", [*video, *out, "--person", 0], 2, "--person: counts from 1"),
        ("none", [*video, *out, "--rig", "A", "--new-skeleton"], 2, "exclude each other"),
        ("none", [*video, *out, "--new-body", "--new-skeleton"], 2, "exclude each other"),
        ("none", [*video, *out, "--new-body", "--rig", "A"], 2, "exclude each other"),
        ("none", [*video, *out, "--map", "leftHand"], 2, "expected ROLE=BONE"),
        ("none", [*video, *out, "--map", "tail=x"], 2, "unknown role 'tail'; roles are hips, "),
        ("none", [*video, *out], 2, "no armature in scene .*--new-skeleton"),
        ("none", [*video, "--output", folder / "a.avi"], 5, r"unknown kind of output '.avi'; use .blend"),
        ("none", [*video, "--output", folder / "no" / "a.fbx"], 5, "there is no folder .*no; make it first"),
        ("none", [*video, "--output", WALK.with_suffix(".mp4")], 5, "unknown kind of output"),
        ("none", [*video, "--output", folder], 5, "unknown kind of output ''"),
        ("none", [*video, *out, *out], 5, "is named twice as an output"),
        ("none", [*video, *out, "--new-skeleton", "--report", folder / "no" / "r.json"], 5, "there is no folder"),
        ("none", ["animate", "--video", "gone.mp4", *out, "--new-skeleton"], 3, "gone.mp4"),
        ("none", ["animate", "--video", text, *out, "--new-skeleton"], 3, "text.mp4"),
        ("none", ["animate", "--take", "gone.npz", *out, "--new-skeleton"], 3, "gone.npz: no such file"),
        ("none", ["animate", "--motion", text, *out, "--new-skeleton"], 3, "text.mp4"),
        ("none", ["animate", "--motion", moving, "--person", 2, *out, "--new-skeleton"], 4, "1 person was found"),
        ("two", [*video, *out], 2, "several armatures; name one with --rig: Hero, Villain"),
        ("two", [*video, *out, "--rig", "Boss"], 2, "no armature 'Boss' .*--rig can be: Hero, Villain"),
        ("two", [*video, *out, "--rig", "Hero", "--rig", "Hero"], 2, "named twice"),
        ("two", [*video, *out, "--rig", "Hero", "--preset", "nope"], 1, "nope"),
        ("two", [*video, *out, "--rig", "Hero", "--map", "leftHand=paw"], 1, "has no bone 'paw'"),
        ("stub", [*video, *out], 1, "Stub: .*"),
    ]


def test_a_wrong_call_is_one_line_and_a_code(commands, tmp_path: Path) -> None:
    calls = wrong_calls(tmp_path)
    for scene in ("none", "two", "stub"):
        ours = [call for call in calls if call[0] == scene]
        for (_, words, code, pattern), said in zip(ours, commands(scene, *[call[1] for call in ours]), strict=True):
            assert said.code == code, (words, said)
            assert len(said.errors) == 1 and re.search(pattern, said.errors[0]), (words, said.errors)
            assert "Traceback" not in said.stderr and "unexpected" not in said.stderr, said.stderr
    assert not (tmp_path / "out.blend").exists()


def test_help_and_debug(commands, tmp_path: Path) -> None:
    words = ["animate", "--motion", tmp_path / "gone.npz", "--output", tmp_path / "a.blend", "--new-skeleton"]
    top, one, many, debug, machine = commands(
        "none", ["--help"], ["animate", "--help"], ["batch", "--help"], [*words, "--debug"], [*words, "--json"]
    )
    assert top.code == one.code == many.code == 0
    assert "--output FILE" in one.stdout and "exit codes: 0 done" in one.stdout and "FOLDER_OR_LIST" in many.stdout
    assert debug.code == 3 and "Traceback" in debug.stderr and len(debug.errors) == 1
    assert [event["event"] for event in machine.events] == ["error"]
    assert machine.events[0]["exit_code"] == machine.code == 3 and not machine.errors


def test_a_video_onto_a_rig_in_every_format(commands, run, blender: str, tmp_path: Path) -> None:
    kinds = ["blend", "fbx", "glb", "gltf", "bvh", *(["usd"] if harness.has_usd(blender) else [])]
    outputs = [tmp_path / f"walk.{kind}" for kind in kinds]
    named = [word for path in outputs for word in ("--output", path)]
    report = tmp_path / "report.json"
    (said,) = commands(
        "two",
        ["animate", "--video", WALK, "--stop", 0.8, "--estimator", "sapnet", "--rig", "Hero", *named]
        + [
            "--takes",
            tmp_path / "takes",
            "--report",
            report,
            "--frame-start",
            11,
            "--set-range",
            "--action-name",
            "go",
        ],
    )
    assert said.code == 0, said.stderr
    told = json.loads(report.read_text(encoding="utf-8"))
    assert told["ok"] and told["error"] is None and told["estimator"].startswith("sapnet") and told["people"] == 1
    assert told["outputs"] == [str(path) for path in outputs] and all(path.is_file() for path in outputs)
    (rig,) = told["rigs"]
    assert rig["rig"] == "Hero" and rig["action"] == "go" and rig["frames"][0] == 11 and rig["mapped"] >= 18
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")], "no temporary files are left"
    (take,) = (tmp_path / "takes").glob("*/*.npz")
    # The scene runs at 30 frames/s; 11 … is the first moment of the clip.
    read = run("read_animated.py", take, "Hero", *outputs)
    for kind, found in read["files"].items():
        assert found["bones"] >= 21, kind
        assert found["worst"] < 2e-3, f"{kind}: {1000 * found['worst']:.2f} mm from where the rig's movement is"
        assert found["frames"] == pytest.approx(rig["frames"][1] - 10, abs=0.02), kind
        assert found["rate"] == pytest.approx(30), kind
    assert read["travelled"] > 0.3, "the walker goes somewhere"
    assert read["files"][".blend"]["armatures"] == ["Hero", "Villain"]
    assert read["files"][".glb"]["armatures"] == ["Hero"] and read["files"][".glb"]["actions"] == 1
    assert read["range"] == [11, round(rig["frames"][1])]


def test_a_finished_movement_onto_a_new_skeleton(commands, run, tmp_path: Path) -> None:
    moving = write_movement(tmp_path / "moving.npz")
    words = ["animate", "--motion", moving, "--new-skeleton", "--rate", "scene", "--output", tmp_path / "new.glb"]
    quiet, machine = commands("none", [*words, "--quiet"], [*words, "--json"])
    assert quiet.code == 0 and "writing" not in quiet.stderr and "warning" not in quiet.stderr
    assert machine.code == 0 and not machine.errors
    (result,) = [event for event in machine.events if event["event"] == "result"]
    assert result["rate"] == pytest.approx(RATE, abs=0.01) and result["command"] == "animate"
    assert result["outputs"] == [str(tmp_path / "new.glb")]
    read = run("read_animated.py", moving, "", tmp_path / "new.glb")["files"][".glb"]
    assert read["worst"] < 2e-3 and read["bones"] >= 24


def test_ctrl_c_stops_the_worker_and_writes_nothing(commands, tmp_path: Path) -> None:
    words = ["animate", "--video", WALK, "--new-skeleton", "--output", tmp_path / "a.blend", "--takes", tmp_path / "t"]
    (said,) = commands("none", [*words, "--report", tmp_path / "report.json"], interrupt=0.7)
    assert said.code == 130 and len(said.errors) == 1, said.stderr
    assert not (tmp_path / "a.blend").exists()
    told = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert not told["ok"] and told["error"]["exit_code"] == 130


def test_no_person_is_exit_code_4(commands, tmp_path: Path) -> None:
    from PIL import Image

    for number in range(4):
        Image.new("RGB", (160, 120), (90, 120, 90)).save(tmp_path / f"grass_{number:02d}.png")
    words = ["animate", "--video", tmp_path / "grass_%02d.png", "--new-skeleton", "--output", tmp_path / "a.blend"]
    (said,) = commands("none", [*words, "--takes", tmp_path / "takes"])
    assert said.code == 4 and re.search("no person", said.errors[0]), said.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="no limits on files")
def test_a_full_disk_leaves_what_was_there(commands, tmp_path: Path) -> None:
    moving, place = write_movement(tmp_path / "moving.npz"), tmp_path / "out"
    place.mkdir()
    outputs = [place / f"a.{kind}" for kind in ("blend", "fbx", "glb", "gltf", "bvh", "usd", "usda")]
    for path in outputs:
        path.write_text("old", encoding="utf-8")
    calls = [["animate", "--motion", moving, "--output", path] for path in outputs]
    for path, said in zip(outputs, commands("plain", *calls, file_limit=4000), strict=True):
        assert said.code == 5 and len(said.errors) == 1, (path, said)
        assert said.errors[0].startswith(f"error: {path}: ") and "Traceback" not in said.stderr
    assert {path: path.read_text(encoding="utf-8") for path in place.iterdir()} == dict.fromkeys(outputs, "old")
