"""Seed 004's experiments on invented pictures."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from posecore.errors import PosecoreError
from posecore.skeletons import BODY_21
from training.augmentation import Batch
from training.checkpoints import load_checkpoint, load_weights
from training.picture_evaluation import Looks, ordinal_figures
from training.recipes.ordinal import EXPERIMENTS, OrdinalRecipe, build, run, terms
from training.schedules import Stage


def recipe(shards: Path, out: Path, **changes: object) -> OrdinalRecipe:
    options = {
        "data": shards, "out": out, "cache": shards / "cache", "synthetic": shards, "sources": (), "preset": "tiny",
        "steps": 4, "batch": 4, "accelerator": "cpu", "validate_minutes": 1e9, "validate_limit": 2,
    }  # fmt: skip
    return OrdinalRecipe(**{**options, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize("experiment", ["1", "3", "4-three"])
def test_an_experiment_trains_and_is_measured(picture_shards: Path, tmp_path: Path, experiment: str) -> None:
    figures = run(recipe(picture_shards, tmp_path, experiment=experiment))
    assert 0 <= figures["synthetic_oda"] <= 1 and figures["synthetic_ajd_px"] > 0
    logged = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [line["stage_name"] for line in logged] == [stage.name for stage in EXPERIMENTS[experiment].stages]
    assert np.isfinite(logged[-1]["loss_rank"])


def test_a_head_starts_from_heatmaps_and_leaves_them(picture_shards: Path, tmp_path: Path) -> None:
    run(recipe(picture_shards, tmp_path / "two", experiment="2"))
    init = tmp_path / "two" / "1-heatmaps.safetensors"
    run(recipe(picture_shards, tmp_path / "five", experiment="5", init=init, first="head"))
    before, after = load_weights(init), load_checkpoint(tmp_path / "five" / "last.pt")["net"]
    assert all(torch.equal(before[k], after[k].float()) for k in before if k.startswith("hourglass."))
    assert any(not torch.equal(before[k], after[k].float()) for k in before if k.startswith("depth."))
    # The heatmaps of one experiment fit the heads of the others.
    run(recipe(picture_shards, tmp_path / "four", experiment="4", init=init, first="head", stop_at=0))
    after = load_checkpoint(tmp_path / "four" / "last.pt")["net"]
    assert all(torch.equal(before[k], after[k].float()) for k in before if k.startswith("hourglass."))


def test_relations_come_from_depth_in_the_crop(picture_shards: Path) -> None:
    """Two joints known, the first nearer by more than the threshold: log(1 + e^{z0 − z1}), both ways round."""

    class Fixed(torch.nn.Module):
        def forward(self, image, depth=True):
            z = torch.zeros(1, 21)
            z[0, 0], z[0, 1] = 0.7, 0.2
            return [torch.zeros(1, 21, 4, 4)], z

    true = torch.linspace(0.5, 1.5, 21)[None]
    known = torch.zeros(1, 21)
    known[0, :2] = 1
    true[0, 0], true[0, 1] = -0.2, 0.3
    batch = Batch(torch.zeros(1, 3, 16, 16), torch.zeros(1, 21, 2), known, torch.ones(1, 21), true, known)
    stage = Stage(heatmap=0.0, rank=2.0)
    found = terms(Fixed(), batch, torch.tensor([True]), stage, 16, 0.1, direct=False)
    assert float(found["rank"]) == pytest.approx(2 * np.log(1 + np.exp(0.5)))
    level = terms(Fixed(), batch, torch.tensor([True]), stage, 16, 0.6, direct=False)
    assert float(level["rank"]) == pytest.approx(2 * 0.25)


def test_ordinal_figures_by_hand() -> None:
    depth = np.zeros((1, 21), np.float32)
    truth, found = depth.copy(), depth.copy()
    truth[0, :3] = 0, 1, 2
    found[0, :3] = 0, 1, 1.2  # the last two are called level
    known = np.zeros((1, 21), bool)
    known[0, BODY_21.indices(["pelvis", "r_hip", "r_knee"])] = True
    points = np.zeros((1, 21, 2), np.float32)
    moved = points.copy()
    moved[0, BODY_21.index("r_hip")] = 3, 4
    moved[0, BODY_21.index("pelvis")] = 50, 0  # no joint of LSP's
    looks = Looks(moved, found, points, truth, known, known, np.ones(1, np.float32), size=128)
    figures = ordinal_figures(looks)
    assert figures["oda"] == pytest.approx(2 / 3)
    assert figures["level_share"] == 0
    assert figures["ajd_px"] == pytest.approx(10 / 2)  # 5 px of 128 are 10 of 256, over the known joints of LSP
    distances = {name: value for name, value in figures.items() if name.startswith("ajd_r_")}
    assert distances == pytest.approx({"ajd_r_hip_px": 10.0, "ajd_r_knee_px": 0.0})  # what nobody labelled has none


def test_options_that_make_no_net_are_one_line(picture_shards: Path, tmp_path: Path) -> None:
    options = recipe(picture_shards, tmp_path)
    for change, line in (
        ({"experiment": "6"}, "--experiment 6: unknown; choose one of 1, 2"),
        ({"preset": "huge"}, "--preset huge: unknown; choose one of cpu"),
        ({"size": 50}, "--size 50: "),
    ):
        with pytest.raises(PosecoreError, match=line):
            build(replace(options, **change))
