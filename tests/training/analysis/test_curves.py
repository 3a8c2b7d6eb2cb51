"""Training curves and pictures of studies, from small files of the recipes' forms."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

pytest.importorskip("matplotlib")

from posecore.errors import PosecoreError, SourceError
from training.analysis import curves, study_curves
from training.evaluation.study_files import read_study


def log(folder: Path, records: list[dict], rest: str = "") -> Path:
    folder.mkdir(parents=True)
    (folder / "log.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records) + rest)
    return folder


def read(path: Path) -> list[dict[str, str]]:
    with open(path, newline="") as stream:
        return list(csv.DictReader(stream))


def test_log_is_read_whole_and_a_line_being_written_is_left_out(tmp_path) -> None:
    run = log(tmp_path / "a", [{"step": 1, "loss": 2.0}, {"step": 2, "loss": 1.5}], '{"step": 3, "lo')
    assert [record["step"] for record in curves.read_log(run)] == [1, 2]
    assert curves.read_log(run / "log.jsonl") == curves.read_log(run)


@pytest.mark.parametrize(
    ("content", "message"),
    [("", "empty"), ("no json\n{}\n", "line 1 is no JSON object"), ("[1]\n{}\n", "line 1 is no JSON object")],
)
def test_other_files_are_told(tmp_path, content: str, message: str) -> None:
    (tmp_path / "log.jsonl").write_text(content)
    with pytest.raises(SourceError, match=message):
        curves.read_log(tmp_path)
    with pytest.raises(SourceError, match="no log there"):
        curves.read_log(tmp_path / "nowhere")


def test_figures_are_what_is_no_bookkeeping_and_losses_come_last() -> None:
    record = {
        "step": 1,
        "elapsed": 2.0,
        "stage_name": "full",
        "lr": 0.1,
        "loss_depth": 3.0,
        "lspet_pck": 0.5,
        "on": True,
    }
    assert curves.figures_of([[record]]) == ["lspet_pck", "loss_depth"]


@pytest.mark.parametrize(("count", "grid"), [(1, (1, 1)), (3, (1, 3)), (4, (2, 2)), (5, (2, 4)), (12, (3, 4))])
def test_panels(count: int, grid: tuple[int, int]) -> None:
    assert curves.panel_grid(count) == grid


def test_curves_of_two_runs(tmp_path) -> None:
    runs = [
        log(tmp_path / "one", [{"step": 1, "pck": 0.1}, {"step": 2, "pck": 0.2, "mpjpe": 80.0}]),
        log(tmp_path / "two", [{"step": 1, "pck": 0.3}]),
    ]
    picture, table = curves.draw(tmp_path, runs)
    assert 5_000 < picture.stat().st_size <= 200_000
    rows = read(table)
    assert [(row["run"], row["step"], row["pck"], row["mpjpe"]) for row in rows] == [
        ("one", "1", "0.1", ""),
        ("one", "2", "0.2", "80.0"),
        ("two", "1", "0.3", ""),
    ]
    with pytest.raises(PosecoreError, match="--keys depth: not in the logs; they have pck, mpjpe"):
        curves.draw(tmp_path, runs, ["depth"])
    with pytest.raises(PosecoreError, match="--axis seconds: not in every log; choose one of step"):
        curves.draw(tmp_path, runs, axis="seconds")
    with pytest.raises(PosecoreError, match="nothing to draw"):
        curves.draw(tmp_path, [])


def study(folder: Path, name: str, rows: list[dict]) -> Path:
    filled = [
        {"recipe": "temporal", "seed": 0, "length": "5min", "part": False, "minutes": 5.0, "steps": 9, "options": {}}
        | {"curve": [{"step": 9, "minutes": 5.0, **row["metrics"]}]}
        | row
        for row in rows
    ]
    path = folder / f"{name}.json"
    path.write_text(json.dumps({"study": name, "what": "a question", "command": "a command", "rows": filled}))
    return path


def test_error_against_the_window(tmp_path) -> None:
    def row(window: int, error: float, seed: int) -> dict:
        metrics = {"cmu_after_mpjpe_mm": error, "cmu_before_mpjpe_mm": 70.0}
        return {"setting": f"{window} poses", "seed": seed, "metrics": metrics, "options": {"window": window}}

    lifter = {"setting": "lifter", "part": True, "metrics": {"cmu_mpjpe_mm": 70.0}}
    rows = [lifter, row(20, 60.0, 0), row(20, 62.0, 1), row(2, 66.0, 0), row(2, 66.0, 1)]
    picture, table = study_curves.draw_window(tmp_path, read_study(study(tmp_path, "window", rows), "window"))
    assert picture.stat().st_size > 5_000
    found = {
        row["window"]: (float(row["cmu_after_mpjpe_mm"]), float(row["cmu_after_mpjpe_mm_std"])) for row in read(table)
    }
    assert list(found) == ["2", "20"]
    assert found["2"] == (66.0, 0.0) and found["20"] == pytest.approx((61.0, 2**0.5))


def test_a_study_without_windows_is_told(tmp_path) -> None:
    found = read_study(study(tmp_path, "window", [{"setting": "x", "metrics": {"a_b": 1.0}}]), "window")
    with pytest.raises(PosecoreError, match="no setting with a window was measured"):
        study_curves.draw_window(tmp_path, found)


def test_curves_of_a_study(tmp_path) -> None:
    def row(setting: str, seed: int, value: float) -> dict:
        curve = [{"step": s, "minutes": s / 2, "lspet_pck": value * s, "loss_heatmap": 1 / s} for s in (1, 2)]
        return {"setting": setting, "seed": seed, "metrics": {"lspet_pck": 2 * value}, "curve": curve}

    rows = [row("none", 0, 0.1), row("none", 1, 0.12), row("flip", 0, 0.2)]
    found = read_study(study(tmp_path, "augmentation", rows), "augmentation")
    picture, table = study_curves.draw_curves(tmp_path, found)
    assert picture.name == "augmentation_curves.png" and picture.stat().st_size > 5_000
    lines = read(table)
    assert len(lines) == 6 and "loss_heatmap" not in lines[0]
    assert [line["lspet_pck"] for line in lines if line["setting"] == "none" and line["seed"] == "1"] == [
        "0.12",
        "0.24",
    ]
    with pytest.raises(PosecoreError, match="--keys x: not in the study; it has lspet_pck, loss_heatmap"):
        study_curves.draw_curves(tmp_path, found, ["x"])
    with pytest.raises(PosecoreError, match="--axis seconds: unknown"):
        study_curves.draw_curves(tmp_path, found, axis="seconds")
