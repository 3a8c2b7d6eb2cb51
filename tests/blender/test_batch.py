"""``--command posecore batch``: every clip, one report, and a second run that does only what is left."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.blender.headless_commands import WALK, runner, write_movement


@pytest.fixture
def commands(run, tmp_path: Path):
    folder = tmp_path / "asked"
    folder.mkdir()
    return runner(run, folder)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "clips"
    made.mkdir()
    return made


def report(path: Path) -> dict[str, Any]:
    read: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return read


def states(path: Path) -> dict[str, str]:
    return {clip["name"]: clip["state"] for clip in report(path)["clips"]}


def test_a_folder_is_done_reported_and_not_done_twice(commands, folder: Path, tmp_path: Path) -> None:
    shutil.copy(WALK, folder / "a_walk.mp4")
    (folder / "b_broken.mp4").write_text("no video", encoding="utf-8")
    write_movement(folder / "c_moving.npz")
    shutil.copy(WALK, folder / "d_walk.mp4")
    (folder / "notes.txt").write_text("not a clip", encoding="utf-8")
    out = tmp_path / "out"
    words = ["batch", folder, "--rig", "Hero", "--output-dir", out, "--format", "blend,bvh", "--stop", 0.5]
    words += ["--estimator", "sapnet"]
    first, second = commands("two", words, [*words, "--json"])
    assert first.code == second.code == 1, first.stderr
    assert len(first.errors) == 1 and first.errors[0].startswith("error: b_broken: "), "one line, the others go on"
    told = report(out / "report.json")
    assert not told["ok"] and told["counts"] == {"skipped": 3, "failed": 1}
    walk, broken, moving, _ = told["clips"]
    assert [clip["name"] for clip in told["clips"]] == ["a_walk", "b_broken", "c_moving", "d_walk"]
    assert walk["estimator"].startswith("sapnet") and walk["rigs"][0]["rig"] == "Hero" and walk["people"] == 1
    assert broken["error"]["exit_code"] == 3 and broken["outputs"] == []
    assert moving["outputs"] == [str(out / "c_moving.blend"), str(out / "c_moving.bvh")]
    assert all(Path(path).is_file() for clip in (walk, moving) for path in clip["outputs"])
    # The closing table: a line a clip, with what went wrong.
    table = first.stderr[first.stderr.index("clip ") :].splitlines()
    assert "a_walk.blend, a_walk.bvh" in table[1] and "failed" in table[2] and "c_moving.bvh" in table[3]
    assert "4 clips: 3 done, 1 failed" in table[5]
    ends = [event for event in second.events if event.get("command") == "batch clip"]
    assert [event["state"] for event in ends] == ["skipped", "failed", "skipped", "skipped"]
    assert second.events[-1]["command"] == "batch" and second.events[-1]["skipped"] == 3


def test_what_has_changed_is_done_again(commands, folder: Path, tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        write_movement(folder / f"{name}.npz")
    out = tmp_path / "out"
    words = ["batch", folder, "--rig", "Hero", "--output-dir", out, "--format", "bvh"]
    assert commands("two", words)[0].code == 0
    made = {path: path.stat().st_mtime_ns for path in out.glob("*.bvh")}
    assert len(made) == 3
    (out / "a.bvh").unlink()  # an output that is gone
    os.utime(folder / "b.npz", ns=(1, 10**18))  # another source
    assert commands("two", words)[0].code == 0
    assert states(out / "report.json") == {"a": "done", "b": "done", "c": "skipped"}
    assert (out / "c.bvh").stat().st_mtime_ns == made[out / "c.bvh"] and (out / "a.bvh").is_file()
    options, again, forced = commands(
        "two", [*words, "--in-place"], [*words, "--in-place"], [*words, "--in-place", "--force"]
    )
    assert "3 done" in options.stderr and "3 skipped" in again.stderr and "3 done" in forced.stderr


def test_a_list_with_its_own_options(commands, run, folder: Path, tmp_path: Path) -> None:
    write_movement(folder / "moving.npz")
    items = [
        {"motion": "moving.npz"},
        {"motion": "moving.npz", "name": "villain", "rig": "Villain", "in_place": True, "map": {"leftToes": ""}},
        {"motion": "moving.npz", "name": "new", "new_skeleton": True, "output": ["special.glb", "special.bvh"]},
        {"motion": "moving.npz", "name": "nobody", "rig": "Nobody"},
    ]
    (folder / "list.json").write_text(json.dumps(items), encoding="utf-8")
    out = tmp_path / "out"
    (said,) = commands("two", ["batch", folder / "list.json", "--rig", "Hero", "--output-dir", out])
    assert said.code == 1 and "nobody: " in said.errors[0] and "--rig can be: Hero, Villain" in said.errors[0]
    moving, villain, new, _ = report(out / "report.json")["clips"]
    assert moving["rigs"][0]["rig"] == "Hero" and "leftToes" not in moving["rigs"][0]["unmapped"]
    assert villain["rigs"][0]["rig"] == "Villain" and "leftToes" in villain["rigs"][0]["unmapped"]
    assert new["outputs"] == [str(folder / "special.glb"), str(folder / "special.bvh")]
    # Each clip began with the scene as it was: the second file knows nothing of the first clip.
    read = run("read_batch.py", out / "villain.blend")
    assert read["animated"] == ["Villain"] and read["armatures"] == ["Hero", "Villain"] and read["actions"] == 1


def test_a_list_that_makes_no_sense_is_refused_whole(commands, folder: Path, tmp_path: Path) -> None:
    lists = {
        "not a JSON list": ("[{", 3),
        "expected a JSON array": ('{"video": "a.mp4"}', 3),
        "the list is empty": ("[]", 3),
        "clip 2: unknown key 'speed'": ('["a.mp4", {"video": "b.mp4", "speed": 2}]', 2),
        "clip 1: name one of": ('[{"name": "a"}]', 2),
        "clip 1: in_place: expected true or false": ('[{"video": "a.mp4", "in_place": 1}]', 2),
        "clip 1: argument --height: invalid float": ('[{"video": "a.mp4", "height": "tall"}]', 2),
        "clip 1: --smoothing: must lie": ('[{"video": "a.mp4", "smoothing": 3}]', 2),
        "both called 'a'": ('["a.mp4", "b/a.mp4"]', 2),
        "would both write": (
            '[{"video": "a.mp4", "output": "x.fbx"}, {"video": "b.mp4", "output": "x.fbx"}]',
            2,
        ),
        "unknown kind of output '.avi'": ('[{"video": "a.mp4", "output": "x.avi"}]', 5),
        'its "name" must be': ('[{"video": "a.mp4", "name": "b/c"}]', 2),
        "clip 1: expected an object": ("[3]", 2),
    }
    calls = []
    for number, (text, _) in enumerate(lists.values()):
        (folder / f"{number}.json").write_text(text, encoding="utf-8")
        calls.append(["batch", folder / f"{number}.json", "--output-dir", tmp_path / "out"])
    calls += [
        ["batch", folder / "0.json", "--output-dir", tmp_path / "out", "--format", "avi"],
        ["batch", folder / "0.json", "--output-dir", tmp_path / "out", "--shard", "3/2"],
        ["batch", tmp_path / "nowhere", "--output-dir", tmp_path / "out"],
        ["batch", folder / "5.json"],
        ["batch", WALK.parent, "--output-dir", folder / "5.json"],
    ]
    wanted = [*((pattern, code) for pattern, (_, code) in lists.items()), ("--format: unknown .avi", 2)]
    wanted += [("--shard: expected I/N", 2), ("no such file or folder", 3), ("--output-dir", 2), ("in its place", 5)]
    for (pattern, code), said in zip(wanted, commands("none", *calls), strict=True):
        assert said.code == code and len(said.errors) == 1 and pattern in said.errors[0], (pattern, said)
    assert not (tmp_path / "out").exists(), "nothing was begun"


def test_shards_share_the_clips(commands, folder: Path, tmp_path: Path) -> None:
    for name in "abcde":
        write_movement(folder / f"{name}.npz")
    words = ["batch", folder, "--new-skeleton", "--output-dir", tmp_path / "out", "--format", "bvh", "--shard"]
    one, two = commands("none", [*words, "1/2"], [*words, "2/2"])
    assert one.code == two.code == 0
    assert list(states(tmp_path / "out" / "report_1_of_2.json")) == ["a", "c", "e"]
    assert list(states(tmp_path / "out" / "report_2_of_2.json")) == ["b", "d"]
    assert len(list((tmp_path / "out").glob("*.bvh"))) == 5


def test_memory_stays(commands, folder: Path, tmp_path: Path) -> None:
    for number in range(12):
        write_movement(folder / f"{number:02d}.npz")
    words = ["batch", folder, "--rig", "Hero", "--output-dir", tmp_path / "out", "--format", "blend", "--force"]
    runs = commands("two", words, words, words)
    assert all(said.code == 0 for said in runs)
    grown = runs[2].memory - runs[0].memory
    assert grown < 30, f"24 further clips took {grown:.0f} MB"


def test_ctrl_c_keeps_what_is_done(commands, folder: Path, tmp_path: Path) -> None:
    items = [{"motion": str(write_movement(tmp_path / "moving.npz")), "name": "first"}]
    items += [{"video": str(WALK), "name": f"walk{number}"} for number in range(3)]
    (folder / "list.json").write_text(json.dumps(items), encoding="utf-8")
    out = tmp_path / "out"
    words = ["batch", folder / "list.json", "--new-skeleton", "--output-dir", out, "--format", "bvh"]
    (said,) = commands("none", words, interrupt=2.5)
    assert said.code == 130
    told = report(out / "report.json")["clips"]
    assert told[0]["state"] == "done" and told[-1]["state"] == "stopped" and len(told) < 4
    assert (out / "first.bvh").is_file() and not [path for path in out.iterdir() if path.name.startswith(".")]
