"""``python -m training evaluate`` and ``analyse`` on small data, and the one line for what is wrong."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

from training.__main__ import main
from training.evaluation import sources
from training.evaluation.motion import action_of, see_held_out, solved
from training.noise import STATISTICS_FILE


@pytest.mark.parametrize(
    ("description", "action"),
    [
        ("walk", "walk"),
        ("Walk forward, turn around", "walk forward"),
        ("dance - expressive arms, pirouette", "dance"),
        ("", "unnamed"),
        ("run/jog", "run/jog"),
    ],
)
def test_actions(description: str, action: str) -> None:
    assert action_of(description) == action


def test_held_out_motion_is_the_same_every_time_and_named(motion_data: Path) -> None:
    seen = see_held_out(motion_data, STATISTICS_FILE, per_clip=2, frames=12)
    again = see_held_out(motion_data, STATISTICS_FILE, per_clip=2, frames=12)
    assert seen.joints.shape == (2, 12, 21, 3) and seen.keypoints.shape == (2, 12, 21, 2)
    np.testing.assert_array_equal(seen.keypoints, again.keypoints)
    assert seen.actions.tolist() == ["subject 007"] * 2  # 001 is trained on
    table = motion_data / "mocap_cmu" / "clips.csv"
    table.write_text('clip,description,conversion_note,source_repo\n007_01,"walk, turn",,x\n')
    assert see_held_out(motion_data, STATISTICS_FILE, per_clip=1, frames=12).actions.tolist() == ["walk"]
    found = solved(seen, ["lifter", "lifter:online"])
    assert [joints.shape for joints in found.values()] == [(2, 12, 21, 3)] * 2
    assert not np.allclose(*found.values())


def test_reader_options() -> None:
    found = sources.reader_options(("step=64", "universal=true", "images=some/folder", 'subjects=["S9"]'))
    assert found == {"step": 64, "universal": True, "images": "some/folder", "subjects": ["S9"]}


def test_tables_of_motion_are_printed_and_written(motion_data: Path, tmp_path: Path, capsys) -> None:
    output = tmp_path / "results"
    arguments = ["--data", str(motion_data), "--methods", "lifter", "--output", str(output)]
    assert main(["evaluate", "h36m", *arguments]) == 0
    printed = capsys.readouterr().out
    assert "| subject 007 | 120 |" in printed
    page = (output / "h36m.md").read_text()
    assert page.splitlines()[0] == "# 3D error by action (Zhou et al. 2017, table 1)"
    assert page.splitlines()[2].startswith("    python -m training evaluate h36m --data ")
    assert (output / "h36m_cmu.csv").read_text().splitlines()[-1].startswith("Average,120,")
    assert main(["evaluate", "3dhp", *arguments]) == 0
    assert "| virtual cameras | 120 |" in (output / "3dhp.md").read_text()


def test_a_study_becomes_a_table(tmp_path: Path, capsys) -> None:
    row = {"setting": "l2", "seed": 0, "length": "1min", "minutes": 1.0, "steps": 5, "curve": []}
    rows = [row | {"metrics": {"cmu_mpjpe_mm": 80.0}}]
    content = {"study": "losses", "what": "Losses", "command": "python -m training study losses", "rows": rows}
    (tmp_path / "losses.json").write_text(json.dumps(content))
    assert main(["evaluate", "losses", "--study", str(tmp_path)]) == 0
    assert "| l2 | 80.0 | +0.0 |" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["evaluate", "h36m"], "--data: the folder of the shared data sets is needed for h36m"),
        (["evaluate", "dabral"], "--study: what `python -m training study` wrote is needed for dabral"),
        (["evaluate", "mpii", "--benchmark", "no.json"], "no.json: no such file"),
        (["evaluate", "mpii", "--benchmark", "no.json", "--option", "images"], "--option images: expected NAME=VALUE"),
        (
            ["evaluate", "h36m", "--benchmark", "no.npz", "--option", "stride=2"],
            "docs/data.md lists the options of h36m",
        ),
        (["evaluate", "geometry", "--benchmark", "no.npz"], "--kind: say of what kind --benchmark is"),
        (["evaluate", "h36m", "--data", "nowhere"], "no CMU joints there"),
        (["evaluate", "ordinal", "--study", "nowhere.json"], "no such file"),
        (["analyse", "sensitivity"], "--data: the folder with mocap_cmu is needed"),
        (["analyse", "window"], "--study: what `python -m training study` wrote is needed for window"),
        (["analyse", "curves"], "nothing to draw: give folders of runs with --runs"),
    ],
)
def test_what_is_wrong_is_one_line(arguments: list[str], message: str, capsys, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(arguments) != 0
    error = capsys.readouterr().err.strip()
    assert message in error and error.startswith("error: ") and len(error.splitlines()) == 1


def test_real_samples_of_the_benchmarks(data_folder: Path, capsys) -> None:
    folder = data_folder / "pose_samples" / "mmpose"
    if not folder.is_dir():
        pytest.skip("no pose samples in the shared data")
    h36m = ["--benchmark", str(folder / "h36m" / "test_h36m_body3d.npz"), "--methods", "lifter"]
    assert main(["evaluate", "h36m", *h36m]) == 0
    found = capsys.readouterr().out
    average = next(line for line in found.splitlines() if line.startswith("| Average"))
    # The shipped lifter from true 2D joints on four pictures of Human3.6M, one of them somebody sitting down.
    assert 50 < float(average.split("|")[3]) < 150
    assert "| Directions | 1 |" in found
    train = folder / "mpi_inf_3dhp" / "test_3dhp_train.npz"
    assert main(["evaluate", "3dhp", "--benchmark", str(train), "--methods", "lifter"]) == 0
    whole = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("| All"))
    assert 40 < float(whole.split("|")[3]) < 100
