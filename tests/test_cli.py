"""The command line with capture and solve replaced: parsing, early checks, messages, exit codes."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from typing import get_args, get_type_hints

import numpy as np
import pytest
from PIL import Image

import posecore
from posecore import capturing, solving
from posecore.capturing.loading import ESTIMATORS
from posecore.cli import run
from posecore.commands.capturing import CaptureOptions
from posecore.commands.common import MOTION_SUFFIXES
from posecore.commands.solving import SolveOptions
from posecore.errors import Cancelled, NoPersonError
from posecore.formats import WRITABLE
from posecore.motion import Motion
from posecore.runtime.weights import store
from posecore.takes import Camera, Take


def make_take(count: int = 6) -> Take:
    return Take(
        times=np.arange(count) / 25,
        boxes=np.ones((count, 4), np.float32),
        keypoints=np.ones((count, 21, 2), np.float32),
        confidence=np.ones((count, 21), np.float32),
        joints=np.zeros((count, 21, 3), np.float32),
        joints_raw=np.zeros((count, 21, 3), np.float32),
        camera=Camera.assumed((64, 48)),
        source="walk.mp4",
        estimator="fake 1",
        notes={"warnings": ["the video is cut off after 0.24 s"]},
    )


def make_motion(take: Take, settings=None) -> Motion:
    rotations = np.zeros((len(take), 24, 4), np.float32)
    rotations[..., 3] = 1
    return Motion(
        take.times,
        rotations,
        np.zeros((len(take), 3), np.float32),
        notes={"warnings": [*take.notes["warnings"], "feet slide"]},
    )


@pytest.fixture
def calls(monkeypatch) -> list[dict]:
    """Options that capture and solve were called with, in order."""
    seen: list[dict] = []

    def capture(source, progress=None, cancel=None, **options):
        seen.append({"source": source, **options})
        for done in range(1, 7):
            progress(done, 6, 40.0)
        return [make_take()]

    def solve(take, settings):
        seen.append(vars(settings))
        return make_motion(take)

    monkeypatch.setattr(capturing, "capture", capture)
    monkeypatch.setattr(solving, "solve", solve)
    return seen


def events(text: str) -> list[dict]:
    return [json.loads(line) for line in text.splitlines()]


def test_animate_writes_every_output_and_says_what_it_did(calls, tmp_path, capsys) -> None:
    outputs = [tmp_path / f"walk{suffix}" for suffix in MOTION_SUFFIXES]
    arguments = ["animate", "walk.mp4", "--take", str(tmp_path / "take.npz")]
    for path in outputs:
        arguments += ["-o", str(path)]
    assert run(arguments) == 0
    assert all(path.stat().st_size > 0 for path in [*outputs, tmp_path / "take.npz"])
    assert len(Take.load(tmp_path / "take.npz")) == 6
    said = capsys.readouterr()
    assert said.out == "", "messages for people go to stderr"
    assert said.err.count("warning: the video is cut off after 0.24 s") == 1, "a Motion carries its Take's warnings"
    assert "warning: feet slide" in said.err
    closing = said.err.splitlines()[-1]
    assert closing.startswith("fake 1: 6 frames at 25 frames/s (0.2 s) -> ") and str(outputs[0]) in closing


def test_options_reach_capture_and_solve(calls, tmp_path) -> None:
    line = (
        f"animate walk.mp4 -o {tmp_path}/a.bvh --estimator blazepose --provider cpu --box 1 2 30 40.5 --flip-test "
        "--temporal semi-online --start 0.5 --stop 2 --rate 12 --smoothing 0.25 --height 1.8 --in-place --no-ground"
    )
    assert run(line.split()) == 0
    captured, solved = calls
    assert captured == {
        "source": "walk.mp4",
        "estimator": "blazepose",
        "provider": "cpu",
        "box": (1.0, 2.0, 30.0, 40.5),
        "flip_test": True,
        "temporal": "semi-online",
        "start": 0.5,
        "stop": 2.0,
        "rate": 12.0,
    }
    wanted = {"smoothing": 0.25, "height": 1.8, "in_place": True, "ground": False}
    assert {name: solved[name] for name in wanted} == wanted


def test_defaults_are_those_of_the_library() -> None:
    defaults, settings = SolveOptions(), posecore.SolveSettings()
    for name in ("smoothing", "height", "ground", "in_place"):
        assert getattr(defaults, name) == getattr(settings, name)
    assert set(MOTION_SUFFIXES) == set(WRITABLE)


def test_every_estimator_can_be_asked_for() -> None:
    """The names are written out for the parser, which reads them from the annotation."""
    choices = get_args(get_type_hints(CaptureOptions)["estimator"])
    assert set(choices) == {"auto", *ESTIMATORS} and len(choices) == len(set(choices))


def test_an_estimator_without_weights_is_one_line(monkeypatch, tmp_path, capsys) -> None:
    picture = tmp_path / "a.png"
    Image.new("RGB", (64, 64)).save(picture)
    monkeypatch.setenv("POSECORE_WEIGHTS", str(tmp_path))
    monkeypatch.setattr(store, "shipped_folder", lambda: tmp_path)
    assert run(["capture", str(picture), "--estimator", "smpl", "-o", str(tmp_path / "take.npz")]) == 1
    said = capsys.readouterr().err
    assert said.startswith("error: no weights named 'smpl'") and said.count("\n") == 1
    assert not (tmp_path / "take.npz").exists()


def test_json_is_one_object_a_line_on_stdout(calls, tmp_path, capsys) -> None:
    assert run(["animate", "walk.mp4", "-o", f"{tmp_path}/a.bvh", "--json"]) == 0
    said = capsys.readouterr()
    assert said.err == ""
    lines = events(said.out)
    assert {line["event"] for line in lines} == {"progress", "warning", "result"}
    last_progress = [line for line in lines if line["event"] == "progress"][-1]
    expected = {"stage": "capture", "done": 6, "total": 6, "fps": 40.0, "left": 0.0}
    assert last_progress == {"event": "progress", **expected}
    result = lines[-1]
    assert result["event"] == "result" and result["outputs"] == [f"{tmp_path}/a.bvh"]
    assert (result["estimator"], result["frames"], result["rate"]) == ("fake 1", 6, 25.0)


def test_capture_then_solve(calls, tmp_path) -> None:
    take = tmp_path / "take.npz"
    assert run(["capture", "walk.mp4", "-o", str(take)]) == 0
    assert run(["solve", str(take), "-o", f"{tmp_path}/a.bvh", "-o", f"{tmp_path}/a.npz", "--smoothing", "1"]) == 0
    assert calls[-1]["smoothing"] == 1
    assert len(posecore.Motion.load(tmp_path / "a.npz")) == 6


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("animate walk.mp4", "at least one output"),
        ("animate walk.mp4 -o a.bvh --smoothing 1.5", "--smoothing: must lie in 0"),
        ("animate walk.mp4 -o a.bvh --height 180", "--height: a person's height in metres"),
        ("animate walk.mp4 -o a.bvh --box 0 0 0 5", "--box: width and height must be positive"),
        ("animate walk.mp4 -o a.bvh --start 3 --stop 2", "--stop: must lie after the start"),
        ("animate walk.mp4 -o a.bvh --start -1", "--start: must not be negative"),
        ("animate walk.mp4 -o a.bvh --rate 0", "--rate: must be positive"),
        ("models remove", "name the weights"),
        ("models list blazepose", "takes no name"),
    ],
)
def test_wrong_values_are_code_2(calls, capsys, line, message) -> None:
    assert run(line.split()) == 2
    assert message in capsys.readouterr().err
    assert not calls


@pytest.mark.parametrize("line", ["", "animate", "frobnicate", "animate a.mp4 -o a.bvh --estimator magic", "solve"])
def test_wrong_usage_is_code_2(line, capsys) -> None:
    with pytest.raises(SystemExit) as caught:
        run(line.split())
    assert caught.value.code == 2
    said = capsys.readouterr()
    assert "help" in said.out + said.err


def test_outputs_are_checked_before_the_work(calls, tmp_path, capsys) -> None:
    (tmp_path / "folder.bvh").mkdir()
    (tmp_path / "file").write_text("")
    (tmp_path / "walk.mp4").write_text("the input")
    video = str(tmp_path / "walk.mp4")
    cases = {
        f"-o {tmp_path}/nowhere/a.bvh": "there is no folder",
        f"-o {tmp_path}/file/a.bvh": "there is no folder",
        f"-o {tmp_path}/folder.bvh": "is a folder",
        f"-o {tmp_path}/a.fbx": "unknown kind of output '.fbx'; use .bvh",
        f"-o {tmp_path}/a": "unknown kind of output",
        f"-o {tmp_path}/a.bvh --preview {tmp_path}/a.txt": "unknown kind of output '.txt'; use .mp4",
        f"-o {tmp_path}/a.bvh --preview {tmp_path}/walk.mp4": "would overwrite the input",
        f"-o {tmp_path}/a.npz --take {tmp_path}/a.npz": "is named twice",
        f"-o {tmp_path}/a.bvh --take {tmp_path}/a.txt": "use .npz",
    }
    for options, message in cases.items():
        assert run(["animate", video, *options.split()]) == 5, options
        said = capsys.readouterr().err
        assert message in said and said.startswith("error: ") and said.count("\n") == 1
    assert not calls, "nothing heavy was begun"
    assert (tmp_path / "walk.mp4").read_text() == "the input"


def test_a_folder_that_cannot_be_written(calls, monkeypatch, tmp_path, capsys) -> None:
    def refuse(**_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("posecore.commands.common.tempfile.TemporaryFile", refuse)
    assert run(["animate", "walk.mp4", "-o", f"{tmp_path}/a.bvh"]) == 5
    assert "cannot write there (Permission denied)" in capsys.readouterr().err
    assert not calls


def test_bad_sources_are_code_3_and_one_line(tmp_path, capsys) -> None:
    (tmp_path / "empty.mp4").write_bytes(b"")
    (tmp_path / "text.mp4").write_text("this is not a video\n" * 50)
    (tmp_path / "take.npz").write_text("this is not a take")
    for command, name in (
        ("animate", "missing.mp4"),
        ("animate", "empty.mp4"),
        ("capture", "text.mp4"),
        ("solve", "take.npz"),
    ):
        suffix = ".npz" if command == "capture" else ".bvh"
        assert run([command, str(tmp_path / name), "-o", f"{tmp_path}/out{suffix}"]) == 3, name
        said = capsys.readouterr().err
        assert said.startswith("error: ") and name in said and said.count("\n") == 1
        assert not list(tmp_path.glob("out*")) and not list(tmp_path.glob(".out*"))


def test_no_person_is_code_4_without_an_empty_output(monkeypatch, tmp_path, capsys) -> None:
    def capture(source, **_):
        raise NoPersonError(f"{source}: no person found in 6 frames")

    monkeypatch.setattr(capturing, "capture", capture)
    assert run(["animate", "desk.mp4", "-o", f"{tmp_path}/a.bvh"]) == 4
    assert "error: desk.mp4: no person found" in capsys.readouterr().err
    monkeypatch.setattr(capturing, "capture", lambda source, **_: [])
    assert run(["animate", "desk.mp4", "-o", f"{tmp_path}/a.bvh", "--json"]) == 4
    line = events(capsys.readouterr().out)[-1]
    assert (line["event"], line["kind"], line["exit_code"]) == ("error", "NoPersonError", 4)
    assert not list(tmp_path.iterdir())


def test_ctrl_c_keeps_what_is_done(monkeypatch, tmp_path, capsys) -> None:
    def capture(source, cancel=None, **_):
        signal.raise_signal(signal.SIGINT)
        assert cancel.is_set()
        error = Cancelled("stopped after 3 frames")
        error.partial = make_take(3)
        raise error

    monkeypatch.setattr(capturing, "capture", capture)
    before = signal.getsignal(signal.SIGINT)
    assert run(["animate", "walk.mp4", "-o", f"{tmp_path}/walk.bvh"]) == 130
    assert signal.getsignal(signal.SIGINT) is before
    assert "the 3 frames captured are kept in" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["walk.partial.npz"]
    assert len(Take.load(tmp_path / "walk.partial.npz")) == 3


def test_ctrl_c_before_anything(monkeypatch, tmp_path, capsys) -> None:
    def capture(source, cancel=None, **_):
        raise Cancelled("stopped")

    monkeypatch.setattr(capturing, "capture", capture)
    assert run(["animate", "walk.mp4", "-o", f"{tmp_path}/walk.bvh"]) == 130
    assert "before anything was captured" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_the_second_ctrl_c_leaves_at_once(monkeypatch, tmp_path, capsys) -> None:
    def capture(source, cancel=None, **_):
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        raise AssertionError("not reached")

    monkeypatch.setattr(capturing, "capture", capture)
    assert run(["animate", "walk.mp4", "-o", f"{tmp_path}/walk.bvh"]) == 130
    assert "error: stopped at once" in capsys.readouterr().err


def test_an_unexpected_error_is_one_line_and_a_hint(monkeypatch, tmp_path, capsys) -> None:
    def capture(source, **_):
        raise RuntimeError("first line\nsecond line")

    monkeypatch.setattr(capturing, "capture", capture)
    arguments = ["animate", "walk.mp4", "-o", f"{tmp_path}/a.bvh"]
    assert run(arguments) == 1
    said = capsys.readouterr().err
    assert said == "error: unexpected RuntimeError: first line second line; run with --debug for the stack trace\n"
    assert run([*arguments, "--debug"]) == 1
    said = capsys.readouterr().err
    assert "Traceback (most recent call last)" in said
    assert said.splitlines()[-1].startswith("error: unexpected RuntimeError") and "--debug" not in said.splitlines()[-1]


def test_markup_in_names_is_printed_as_it_is(tmp_path, capsys) -> None:
    assert run(["info", str(tmp_path / "[red]shot[/red] 1.mp4")]) == 3
    assert "[red]shot[/red] 1.mp4" in capsys.readouterr().err


def test_a_closed_pipe_is_no_stack_trace(root) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "posecore", "models", "--json"], cwd=root, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None and process.stderr is not None
        process.stdout.close()
        said = process.stderr.read()
    assert (process.returncode, said) == (141, b"")


def test_exit_codes_reach_the_shell(root, tmp_path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "posecore", "info", str(tmp_path / "missing.mp4")],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 3 and done.stdout == "" and done.stderr.startswith("error: ")
    done = subprocess.run(
        [sys.executable, "-m", "posecore", "--version"], cwd=root, capture_output=True, text=True, check=True
    )
    assert done.stdout == f"posecore {posecore.__version__}\n"
