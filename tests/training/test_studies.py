"""Studies: settings in turn, one table, resumable."""

import csv
import json
from dataclasses import fields, replace
from pathlib import Path

import pytest

from posecore.errors import PosecoreError
from training.recipes import lift, ordinal, sapnet, smpl, temporal
from training.recipes.study import StudyOptions, _recipe, run, run_study
from training.schedules import SCHEDULES
from training.studies import STUDIES, Setting, Study

LIFT = {"preset": "tiny", "loop.batch": 4}


@pytest.mark.parametrize("name", sorted(STUDIES))
def test_every_setting_names_options_that_exist(name: str, tmp_path: Path) -> None:
    study = STUDIES[name]
    options = StudyOptions(name, tmp_path, out=tmp_path)
    assert len({setting.name for setting in study.settings}) == len(study.settings)
    for setting in study.settings:
        _, recipe, values = _recipe(study, setting, options, 3, tmp_path / "run")
        if isinstance(recipe, sapnet.SapNetRecipe):
            assert sapnet.schedule_of(recipe).stages and recipe.seed == 3
            assert recipe.minutes == 5.0 * setting.share
        elif isinstance(recipe, ordinal.OrdinalRecipe):
            ordinal.build(replace(recipe, preset="tiny"))
        elif isinstance(recipe, lift.Config):
            lift.config_of(recipe)
        elif isinstance(recipe, smpl.SmplRecipe):
            assert smpl.regressor_config(recipe).count == 24 * 6 + 10 + 3  # rotations, betas, place
            assert recipe.loop.seed == 3 and recipe.loop.minutes == 5.0 * setting.share
        else:
            temporal.build(recipe)
        for value in values.values():  # what a setting starts from is an earlier one
            if isinstance(value, Path):
                earlier = study.settings[: study.settings.index(setting)]
                assert any(f"/{other.name}-seed3" in str(value) for other in earlier)


def test_the_studies_hold_what_the_seeds_compare() -> None:
    names = {name: [setting.name for setting in study.settings] for name, study in STUDIES.items()}
    assert set(names) == {
        "augmentation", "losses", "ordinal", "ablation", "window", "temporal", "compositional-speed",
        "bodies", "bodies-eight", "bodies-long",
    }  # fmt: skip
    assert {"none", "flip", "shift", "rotation", "occlusion", "scale", "overlapping"} <= set(names["augmentation"])
    assert names["ablation"][1:] == ["base", "+Lg", "+La", "+Ls"] and set(names["ablation"][1:]) <= set(SCHEDULES)
    assert {"1", "2", "3", "4", "4-three", "5"} == set(names["ordinal"])


def test_a_study_is_run_once_and_written_as_json_and_csv(motion_data: Path, tmp_path: Path) -> None:
    study = Study(
        "Which is better?",
        (
            Setting("plain", "lift", LIFT, part=True),
            Setting("pairs", "lift", {**LIFT, "loop.loss": "pairs"}, share=2),
            Setting("next", "temporal", {"lifter": "{plain}", "preset": "tiny", "loop.batch": 8, "window": 3}),
        ),
        evaluations=2,
    )
    options = StudyOptions("mine", motion_data, out=tmp_path, steps_each=2)
    table = run_study(study, replace(options, only=("plain",)))
    assert [row["setting"] for row in json.loads(table.read_text())["rows"]] == ["plain"]
    log = tmp_path / "mine" / "2steps" / "plain-seed0" / "log.jsonl"
    before = log.stat().st_mtime_ns
    run_study(study, options)
    assert log.stat().st_mtime_ns == before  # what was done is not done again
    found = json.loads(table.read_text())
    assert found["what"] == "Which is better?"
    assert found["command"] == "python -m training study mine --data DATA --steps-each 2"
    rows = found["rows"]
    assert [(row["setting"], row["steps"], row["seed"]) for row in rows] == [
        ("plain", 2, 0), ("pairs", 4, 0), ("next", 2, 0)
    ]  # fmt: skip
    assert [point["step"] for point in rows[1]["curve"]] == [2, 4]
    assert rows[1]["metrics"]["cmu_mpjpe_mm"] == rows[1]["curve"][-1]["cmu_mpjpe_mm"] > 0
    assert rows[1]["options"]["loop.loss"] == "pairs" and rows[0]["part"]
    assert "cmu_after_mpjpe_mm" in rows[2]["metrics"]
    with open(table.with_suffix(".csv"), newline="") as stream:
        lines = list(csv.DictReader(stream))
    assert [line["setting"] for line in lines] == ["plain", "pairs", "next"]
    assert float(lines[1]["cmu_mpjpe_mm"]) == rows[1]["metrics"]["cmu_mpjpe_mm"] and lines[2]["cmu_mpjpe_mm"] == ""


def test_a_study_can_be_told_in_minutes(motion_data: Path, tmp_path: Path) -> None:
    study = Study("", (Setting("short", "lift", {**LIFT, "loop.log_every": 1}),), evaluations=1)
    row = json.loads(run_study(study, StudyOptions("t", motion_data, out=tmp_path, minutes_each=0.005)).read_text())[
        "rows"
    ][0]
    assert 0.005 <= row["minutes"] < 0.5 and row["steps"] >= 1 and row["length"] == "0.005min"


def test_a_part_that_is_there_already_is_not_trained(motion_data: Path, tmp_path: Path) -> None:
    study = Study(
        "",
        (
            Setting("plain", "lift", LIFT, part=True),
            Setting("next", "temporal", {"lifter": "{plain}", "preset": "tiny", "loop.batch": 8, "window": 3}),
        ),
        evaluations=1,
    )
    options = StudyOptions("mine", motion_data, out=tmp_path / "one", steps_each=2)
    run_study(study, replace(options, only=("plain",)))
    lifter = tmp_path / "one" / "mine" / "2steps" / "plain-seed0"
    found = json.loads(run_study(study, replace(options, out=tmp_path / "two", given=(f"plain={lifter}",))).read_text())
    assert [row["setting"] for row in found["rows"]] == ["next"]
    assert found["rows"][0]["options"]["lifter"] == str(lifter)
    assert found["command"].endswith("--steps-each 2 --given plain=WEIGHTS")
    with pytest.raises(PosecoreError, match="--given other=x: expected plain=PATH"):
        run_study(study, replace(options, given=("other=x",)))
    with pytest.raises(PosecoreError, match=f"--given plain={tmp_path}/no: {tmp_path}/no does not exist"):
        run_study(study, replace(options, given=(f"plain={tmp_path}/no",)))


def test_unknown_names_are_one_line(tmp_path: Path) -> None:
    with pytest.raises(PosecoreError, match="study nought: unknown; choose one of augmentation"):
        run(StudyOptions("nought", tmp_path))
    with pytest.raises(PosecoreError, match="--only nobody: no such setting"):
        run(StudyOptions("losses", tmp_path, out=tmp_path, only=("nobody",)))
    assert {f.name for f in fields(StudyOptions)} >= {"minutes_each", "seeds"}
