"""Study files and the tables made of them, on made-up numbers that can be followed by hand."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from posecore.errors import SourceError
from posecore.skeletons import LSP_14
from training.evaluation.studies import study_tables
from training.evaluation.study_files import has_study, read_study, set_names

ROW = {"recipe": "sapnet", "length": "5min", "part": False, "minutes": 5.0, "steps": 100, "curve": [], "options": {}}


def write(folder: Path, name: str, rows: list[dict]) -> Path:
    filled = [ROW | {"seed": 0} | row for row in rows]
    path = folder / f"{name}.json"
    path.write_text(json.dumps({"study": name, "what": f"about {name}", "command": f"run {name}", "rows": filled}))
    return path


def test_seeds_are_averaged_and_their_spread_is_kept(tmp_path) -> None:
    rows = [
        {"setting": "a", "seed": 0, "metrics": {"lspet_pck": 0.2, "lspet_depth": 1.0}, "minutes": 4.0},
        {"setting": "a", "seed": 1, "metrics": {"lspet_pck": 0.4}, "minutes": 6.0},
        {"setting": "b", "metrics": {"lspet_pck": 0.5}},
        {"setting": "b", "length": "9min", "minutes": 9.0, "metrics": {"lspet_pck": 0.6}},
    ]
    found = read_study(write(tmp_path, "augmentation", rows), "augmentation")
    assert [(r.setting, r.length, r.seeds) for r in found.results] == [
        ("a", "5min", 2),
        ("b", "5min", 1),
        ("b", "9min", 1),
    ]
    first = found.results[0]
    assert first.metrics == pytest.approx({"lspet_pck": 0.3, "lspet_depth": 1.0}) and first.minutes == 5.0
    assert first.spread == pytest.approx({"lspet_pck": 0.02**0.5})
    assert found.result("b").metrics["lspet_pck"] == 0.6 and found.result("c") is None
    assert has_study(tmp_path, "augmentation") and not has_study(tmp_path, "ordinal")


def test_sets_are_told_apart_from_longer_metrics(tmp_path) -> None:
    metrics = {"lspet_pa_mpjpe_mm": 1.0, "lspet_mpjpe_mm": 2.0, "lspet_train_mpjpe_mm": 3.0, "cmu_mpjpe_mm": 4.0}
    found = read_study(write(tmp_path, "losses", [{"setting": "a", "metrics": metrics}]), "losses")
    assert set_names(found.results, "mpjpe_mm") == ["lspet", "cmu"]
    assert set_names(found.results, "pa_mpjpe_mm") == ["lspet"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "not the file of a study"),
        ("{}", "not the file of a study"),
        ('{"study": "window", "what": "", "command": "", "rows": []}', "the study window; expected losses"),
        ('{"study": "losses", "what": "", "command": "", "rows": []}', "no setting of the study has been trained"),
        (
            '{"study": "losses", "what": "", "command": "", "rows": [{"metrics": {"a_b": 1}}]}',
            "not the file of a study",
        ),
    ],
)
def test_other_files_are_told_in_a_line(tmp_path, content: str, message: str) -> None:
    path = tmp_path / "losses.json"
    path.write_text(content)
    with pytest.raises(SourceError, match=message):
        read_study(path, "losses")
    with pytest.raises(SourceError, match="make it with `python -m training study ordinal`"):
        read_study(tmp_path, "ordinal")


def test_dabrals_table(tmp_path) -> None:
    rows = [
        {"setting": "hourglass", "part": True, "metrics": {"synthetic_pck": 0.5}},
        {"setting": "base", "metrics": {"synthetic_mpjpe_mm": 120.0, "synthetic_illegal_share": 0.25}},
        {"setting": "+Lg", "metrics": {"synthetic_mpjpe_mm": 118.0, "synthetic_illegal_share": 0.2}},
    ]
    write(tmp_path, "ablation", rows)
    temporal = [
        {"setting": "TP-Net", "metrics": {"cmu_before_mpjpe_mm": 70.0, "cmu_after_mpjpe_mm": 65.0}},
        {"setting": "LSTM", "metrics": {"cmu_before_mpjpe_mm": 70.0, "cmu_after_mpjpe_mm": 66.0}},
        {"setting": "LSTM, residual", "metrics": {"cmu_before_mpjpe_mm": 70.0, "cmu_after_mpjpe_mm": 64.0}},
    ]
    assert len(study_tables("dabral", tmp_path)) == 1
    write(tmp_path, "temporal", temporal)
    structure, time = study_tables("dabral", tmp_path)
    assert structure.rows == [
        {
            "setting": "base",
            "rendered: MPJPE, mm": 120.0,
            "rendered: illegal angles, % of pictures": 25.0,
            "Dabral et al., Human3.6M: MPJPE, mm": 58.5,
        },
        {
            "setting": "+Lg",
            "rendered: MPJPE, mm": 118.0,
            "rendered: illegal angles, % of pictures": 20.0,
            "Dabral et al., Human3.6M: MPJPE, mm": 58.3,
        },
    ]
    assert [row["Dabral et al., Human3.6M: MPJPE, mm"] for row in time.rows] == [52.1, 54.05, None]
    assert "`run temporal`: 5.0 minutes of training each, 1 seed(s); one seed says nothing of chance." in time.notes


def test_augmentation_table(tmp_path) -> None:
    def row(setting: str, seed: int, pck: float, train: float) -> dict:
        return {"setting": setting, "seed": seed, "metrics": {"lspet_pck": pck, "lspet_train_pck": train}}

    rows = [
        row("one of flip, rotation, shift", 0, 0.30, 0.50),
        row("one of flip, rotation, shift", 1, 0.32, 0.50),
        row("one of these and occlusion", 0, 0.33, 0.45),
        row("one of these and occlusion", 1, 0.35, 0.47),
    ]
    write(tmp_path, "augmentation", rows)
    (table,) = study_tables("augmentation", tmp_path)
    assert table.rows[0]["LSPET: PCK@0.2, %"] == pytest.approx(31.0)
    assert table.rows[0]["LSPET: PCK@0.2, %, ±"] == pytest.approx(100 * 0.0002**0.5)
    assert table.rows[1]["LSPET: overfit by, points"] == pytest.approx(12.0)
    # Difference 3 points, standard error √(0.0002 / 2 + 0.0002 / 2) = 1.4 points.
    assert any("+3.0 (standard error 1.4) points here (LSPET); about +0.8 in seed 001" in note for note in table.notes)


def test_losses_and_their_speed(tmp_path) -> None:
    def row(setting: str, curve: list[float]) -> dict:
        points = [{"step": 10 * (n + 1), "minutes": n + 1.0, "cmu_mpjpe_mm": value} for n, value in enumerate(curve)]
        return {"setting": setting, "metrics": {"cmu_mpjpe_mm": curve[-1]}, "curve": points}

    rows = [row("l2", [100.0, 90.0, 80.0]), row("l2, weighted", [99.0, 88.0, 77.0])]
    write(tmp_path, "losses", rows)
    write(tmp_path, "compositional-speed", [rows[0], row("compositional, pairs", [95.0, 80.0, 79.0])])
    losses, speed = study_tables("losses", tmp_path)
    assert [row["against L2, mm"] for row in losses.rows] == ["+0.0", "-3.0"]
    assert losses.rows[1]["seed 001, Human3.6M"] == "−3 mm against L2"
    assert [row["steps to 80.0 mm"] for row in speed.rows] == [30, 20]
    assert [row["steps to 79.0 mm"] for row in speed.rows] == [None, 30]  # what the better one ends with


def test_ordinal_table(tmp_path) -> None:
    def row(setting: str, accuracy: float, distance: float) -> dict:
        return {"setting": setting, "metrics": {"synthetic_oda": accuracy, "synthetic_ajd_px": distance}}

    write(tmp_path, "ordinal", [row("2", 0.1, 6.0), row("1", 0.3, 20.0), row("4-three", 0.4, 6.0), row("5", 0.6, 6.0)])
    (table,) = study_tables("ordinal", tmp_path)  # no joint by itself was measured: no second table
    found = {row["setting"]: row for row in table.rows}
    assert list(found) == ["1: all at once", "2: heatmaps alone", "4: heatmaps, 3 FC", "5: penultimate features"]
    accuracy, theirs = "rendered: ordinal accuracy, %", "seed 004: ordinal accuracy, %"
    assert found["2: heatmaps alone"][accuracy] is None  # it has no depth
    assert found["5: penultimate features"][accuracy] == pytest.approx(60.0)
    assert found["1: all at once"][theirs] == "did not converge"
    assert (found["4: heatmaps, 3 FC"][theirs], found["5: penultimate features"][theirs]) == (29.04, 58.35)
    assert found["2: heatmaps alone"]["seed 004: joint distance, px"] == pytest.approx(6.05, abs=0.01)


def test_joint_distances_beside_the_seeds(tmp_path) -> None:
    metrics = {"synthetic_oda": 0.6, "synthetic_ajd_px": 6.0}
    own = {f"synthetic_ajd_{joint}_px": 10.0 + n for n, joint in enumerate(LSP_14.joints)}
    write(tmp_path, "ordinal", [{"setting": "5", "metrics": metrics | own}, {"setting": "2", "metrics": metrics}])
    table, distances = study_tables("ordinal", tmp_path)
    assert len(table.rows) == 2 and len(distances.rows) == 14
    assert distances.rows[0] == {"joint": "r ankle", "rendered": 10.0, "seed 004": 7.7076}
    assert {"joint": "head top", "rendered": 23.0, "seed 004": 4.4677} in distances.rows
