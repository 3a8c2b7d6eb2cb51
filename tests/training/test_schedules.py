"""The four-stage schedule: stages as data, what trains in each, resuming in any, several processes."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from posecore.errors import PosecoreError, SourceError
from posecore.losses import DepthWeights, depth_supervision
from posecore.nets.sapnet import SAPNET_PRESETS, SapNet
from training.augmentation import Augmentation, Batch
from training.checkpoints import load_checkpoint, load_facts, load_weights, save_checkpoint, save_weights
from training.picture_mix import PictureMix
from training.pictures import PictureSet, load_pictures
from training.recipes import sapnet as sapnet_recipe
from training.recipes.sapnet import SapNetRecipe, losses, run
from training.schedules import SCHEDULES, Schedule, Stage, single


def recipe(shards: Path, out: Path, **changes: object) -> SapNetRecipe:
    options = {
        "data": shards, "out": out, "cache": shards / "cache", "synthetic": shards, "sources": (), "preset": "tiny",
        "steps": 8, "batch": 4, "accelerator": "cpu", "validate_minutes": 1e9, "validate_limit": 2,
    }  # fmt: skip
    return SapNetRecipe(**{**options, **changes})  # type: ignore[arg-type]


def set_of(shards: Path, source: str, free: bool = True) -> PictureSet:
    pictures = load_pictures(shards, shards / "cache", "synthetic")
    return replace(pictures, source=np.full(len(pictures), source), free=np.full(len(pictures), free))


def test_the_papers_schedules_have_the_papers_numbers() -> None:
    dabral = SCHEDULES["dabral"]
    assert dabral.batch == 6
    assert sum(stage.iterations or 0 for stage in dabral.stages) == 400_000
    assert [stage.rate for stage in dabral.stages] == [2.5e-4, 2.5e-4, 2.5e-4, 2.5e-5]
    third, fourth = dabral.stages[2:]
    assert (third.angle, third.geometric, third.symmetry) == (0.03, 0.03, 0.0)
    assert (fourth.angle, fourth.geometric, fourth.symmetry) == (0.03, 0.03, 0.05)
    assert third.two_d == fourth.two_d == 0.5
    assert dabral.stages[1].two_d == 0.0 and dabral.stages[1].parts == ("depth",)
    zhou = SCHEDULES["zhou"]
    assert all(stage.angle == stage.symmetry == 0 for stage in zhou.stages)
    assert [stage.geometric for stage in zhou.stages] == [0, 0, 0.01, 0.01]


def test_the_ablation_differs_in_its_losses_only() -> None:
    base = [replace(stage, angle=0, geometric=0, symmetry=0) for stage in SCHEDULES["+Ls"].stages]
    for name, terms in {"base": 0, "+Lg": 1, "+La": 2, "+Ls": 3}.items():
        stages = SCHEDULES[name].stages
        assert [replace(stage, angle=0, geometric=0, symmetry=0) for stage in stages] == base
        assert sum(map(bool, (stages[-1].angle, stages[-1].geometric, stages[-1].symmetry))) == terms
        assert stages[2].symmetry == 0  # symmetry comes in the last stage
    assert SCHEDULES["cpu"] == SCHEDULES["+Ls"]


def test_schedules_can_start_late_and_change_their_rate() -> None:
    schedule = SCHEDULES["cpu"]
    assert [s.name for s in schedule.starting_at("structure").stages] == ["structure", "full"]
    assert schedule.starting_at("3") == schedule.starting_at("structure")
    assert schedule.scaled(4e-3).stages[3].rate == pytest.approx(2 * schedule.stages[3].rate)
    assert single("hourglass", 1e-3).stages[0].rate_end == single("hourglass").stages[0].rate_end
    with pytest.raises(PosecoreError, match="--first later: no such stage"):
        schedule.starting_at("later")
    with pytest.raises(PosecoreError, match="--stage never: unknown"):
        single("never")


def test_batches_are_half_and_half_and_shared_out(picture_shards: Path) -> None:
    mix = PictureMix([set_of(picture_shards, "lspet"), set_of(picture_shards, "synthetic")])

    def picks(rank: int, ranks: int, batch: int = 6) -> np.ndarray:
        return mix.pick(torch.Generator().manual_seed(3), batch, 0.5, rank, ranks)

    assert mix.solid(picks(0, 1)).tolist() == [False] * 3 + [True] * 3
    # Two processes draw together what one draws in a batch of twice the size.
    both = np.concatenate([picks(0, 2), picks(1, 2)])
    assert sorted(both) == sorted(picks(0, 1, 12)) and not np.array_equal(picks(0, 2), picks(1, 2))
    assert mix.solid(mix.pick(torch.Generator(), 5, 0.0)).all()
    only = PictureMix([set_of(picture_shards, "lspet")])
    with pytest.raises(SourceError, match="this stage needs 3D pictures; give --synthetic"):
        only.pick(torch.Generator(), 4, 0.5)


def test_free_only_and_limit_choose_pictures(picture_shards: Path) -> None:
    sets = [set_of(picture_shards, "lspet", free=False), set_of(picture_shards, "synthetic")]
    free = PictureMix(sets, free_only=True)
    assert len(free) == len(sets[1].rows(validation=False)) and free.solid(np.arange(len(free))).all()
    assert len(PictureMix(sets, limit=5)) == 10
    with pytest.raises(SourceError, match="no training pictures in lspet"):
        PictureMix(sets[:1], free_only=True)


class _Fixed(nn.Module):
    """Says the same whatever it sees."""

    def __init__(self, heatmaps: torch.Tensor, depth: torch.Tensor) -> None:
        super().__init__()
        self.heatmaps, self.z = heatmaps, nn.Parameter(depth)

    def forward(self, image: torch.Tensor, depth: bool = True) -> tuple[list[torch.Tensor], torch.Tensor | None]:
        return [self.heatmaps], self.z if depth else None


def test_3d_pictures_are_regressed_and_2d_ones_weakly_supervised() -> None:
    torch.manual_seed(0)
    size, count = 64, 4
    keypoints = torch.rand(count, 21, 2) * size
    ones = torch.ones(count, 21)
    batch = Batch(torch.zeros(count, 3, size, size), keypoints, ones, ones, torch.zeros(count, 21), ones)
    net = _Fixed(torch.zeros(count, 21, 16, 16), torch.rand(count, 21))
    solid = torch.tensor([True, False, True, False])
    stage = Stage(depth=2.0, geometric=0.3, symmetry=0.5, two_d=0.5)
    schedule = Schedule((stage,), per_cell=True, depth_loss="l2")
    terms = losses(net, batch, solid, stage, size, schedule)
    # Each term is a mean over the whole batch, half of which it is about: eq. 4, as depth_supervision sums it.
    assert float(terms["depth"].detach()) == pytest.approx(float((net.z[solid] ** 2).detach().mean()))
    seen = ((keypoints >= 0) & (keypoints < size)).all(-1).float()
    mask = seen * solid[:, None]
    weights = DepthWeights(2.0, geometric=0.3, symmetry=0.5)
    whole = depth_supervision(net.z, batch.depth, mask, keypoints * 2 / size - 1, seen, weights)
    assert float(sum(terms[n] for n in ("depth", "structure")).detach()) == pytest.approx(float(whole.detach()))
    terms["depth"].backward(retain_graph=True)
    assert net.z.grad[~solid].abs().max() == 0 < net.z.grad[solid].abs().min()
    net.z.grad = None
    terms["structure"].backward()
    assert net.z.grad[solid].abs().max() == 0 < net.z.grad[~solid].abs().max()
    # An empty heatmap misses a Gaussian whose square sums to π, spread over 16 × 16 cells.
    assert float(terms["heatmap"]) == pytest.approx(np.pi / 256, rel=0.2)
    plain = losses(net, batch, solid, replace(stage, two_d=None), size, schedule)
    assert float(plain["depth"].detach()) == pytest.approx(2 * float((net.z**2).detach().mean()))
    assert set(losses(net, batch, solid, Stage("hourglass"), size, schedule)) == {"heatmap"}


def weights_of(folder: Path) -> dict[str, torch.Tensor]:
    return load_checkpoint(folder / "last.pt")["net"]


@pytest.fixture(scope="module", autouse=True)
def solid_schedule():
    """``cpu`` with 3D pictures alone, since the fixture's are all such; equal shares, so that no stage is long."""
    stages = [replace(s, share=1.0, two_d=None if s.two_d is None else 0.0) for s in SCHEDULES["cpu"].stages]
    SCHEDULES["solid"] = Schedule(tuple(stages))
    yield
    del SCHEDULES["solid"]


@pytest.fixture(scope="module")
def whole(picture_shards: Path, tmp_path_factory: pytest.TempPathFactory, solid_schedule: None) -> Path:
    """An uninterrupted run of all four stages, two steps each."""
    out = tmp_path_factory.mktemp("whole")
    run(recipe(picture_shards, out, schedule="solid"))
    return out


def test_stages_are_in_the_log_and_the_check_point(whole: Path) -> None:
    logged = [json.loads(line) for line in (whole / "log.jsonl").read_text().splitlines()]
    assert [(line["stage_name"], line["step"]) for line in logged] == [
        ("hourglass", 2), ("depth", 4), ("structure", 6), ("full", 8)
    ]  # fmt: skip
    saved = load_checkpoint(whole / "last.pt")
    assert saved["state"]["stage"] == 3 and saved["facts"]["stage"] == "full" and saved["facts"]["schedule"] == "solid"
    assert "synthetic_illegal_share" in saved["figures"] and "synthetic_mpjpe_mm" in saved["figures"]
    described = json.loads((whole / "recipe.json").read_text())
    assert [stage["name"] for stage in described["stages"]] == ["hourglass", "depth", "structure", "full"]


def test_only_the_parts_of_a_stage_change(picture_shards: Path, whole: Path, tmp_path: Path) -> None:
    init = whole / "1-hourglass.safetensors"
    options = recipe(picture_shards, tmp_path, schedule="solid", first="depth", init=init, steps=6, stop_at=2)
    run(options)
    before, after = load_weights(init), weights_of(tmp_path)
    changed = {name for name in before if not torch.equal(before[name], after[name].float())}
    assert any(name.startswith("depth.") for name in changed)
    assert not any(name.startswith("hourglass.") for name in changed)  # the batch statistics stay, too
    run(replace(options, stop_at=4))
    assert any(not torch.equal(after[k], weights_of(tmp_path)[k]) for k in after if k.startswith("hourglass."))


def test_stopped_in_any_stage_and_resumed_is_as_uninterrupted(
    picture_shards: Path, whole: Path, tmp_path: Path
) -> None:
    for stop in (1, 4, None):  # within the first stage, at the end of the second
        run(recipe(picture_shards, tmp_path, schedule="solid", stop_at=stop))
        assert load_checkpoint(tmp_path / "last.pt")["state"]["step"] == (stop or 8)
    expected, found = weights_of(whole), weights_of(tmp_path)
    assert all(torch.allclose(expected[name], found[name], atol=1e-6) for name in expected)


def test_killed_between_check_points_is_as_uninterrupted(picture_shards: Path, whole: Path, tmp_path: Path) -> None:
    """Steps after the last check-point are lost and drawn again."""
    options = recipe(picture_shards, tmp_path, schedule="solid", validate_steps=1)
    run(replace(options, stop_at=3))
    saved = (tmp_path / "last.pt").read_bytes()
    run(replace(options, stop_at=5))
    (tmp_path / "last.pt").write_bytes(saved)
    run(options)
    expected, found = weights_of(whole), weights_of(tmp_path)
    assert all(torch.allclose(expected[name], found[name], atol=1e-6) for name in expected)


def test_the_papers_schedule_on_half_2d_half_3d_batches(
    picture_shards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """RMSprop, the paper's λ, mixed batches from the third stage on; interrupted there and resumed."""
    mix = PictureMix([set_of(picture_shards, "lspet", free=False), set_of(picture_shards, "synthetic")])
    monkeypatch.setattr(sapnet_recipe, "load_mix", lambda *_: mix)
    options = recipe(picture_shards, tmp_path / "whole", schedule="dabral", steps=8, validate_steps=1)
    run(options)
    for stop in (5, None):
        run(replace(options, out=tmp_path / "parts", stop_at=stop))
    expected, found = weights_of(tmp_path / "whole"), weights_of(tmp_path / "parts")
    assert all(torch.allclose(expected[name], found[name], atol=1e-6) for name in expected)
    logged = [json.loads(line) for line in (tmp_path / "whole" / "log.jsonl").read_text().splitlines()]
    terms = {line["stage_name"]: {name for name in line if name.startswith("loss_")} for line in logged}
    assert terms["hourglass"] == {"loss_heatmap"} and terms["depth"] >= {"loss_depth"}
    assert terms["structure"] == terms["full"] == {"loss_heatmap", "loss_depth", "loss_structure"}


def test_a_schedule_goes_on_from_the_weights_of_a_stage(picture_shards: Path, whole: Path, tmp_path: Path) -> None:
    init = whole / "2-depth.safetensors"
    run(recipe(picture_shards, tmp_path, schedule="solid", first="structure", init=init, steps=2, stop_at=0))
    expected, found = load_weights(init), weights_of(tmp_path)
    assert all(torch.equal(expected[name], found[name].float()) for name in expected)
    part = recipe(picture_shards, tmp_path / "part", schedule="solid", first="structure", init=init, steps=2, stop_at=0)
    run(replace(part, init_only="hourglass"))
    found = weights_of(tmp_path / "part")
    same = {name: torch.equal(expected[name], found[name].float()) for name in expected}
    assert all(equal for name, equal in same.items() if name.startswith("hourglass."))
    assert not all(equal for name, equal in same.items() if name.startswith("depth."))
    with pytest.raises(PosecoreError, match="--preset huge: unknown; choose one of zhou, newell, seed001_2, seed001_4"):
        run(recipe(picture_shards, tmp_path / "other", preset="huge"))
    with pytest.raises(PosecoreError, match=r"--schedule nought: unknown; choose one of zhou"):
        run(recipe(picture_shards, tmp_path / "other", schedule="nought"))


def test_free_weights_never_start_from_others(picture_shards: Path, tmp_path: Path) -> None:
    weights = SapNet(SAPNET_PRESETS["tiny"]).state_dict()
    save_weights(tmp_path / "other.safetensors", weights)
    save_weights(tmp_path / "free.safetensors", weights, {"free_only": True})
    assert load_facts(tmp_path / "free.safetensors") == {"free_only": True}
    options = recipe(picture_shards, tmp_path / "out", free_only=True, steps=1)
    with pytest.raises(PosecoreError, match="not trained with --free-only"):
        run(replace(options, init=tmp_path / "other.safetensors"))
    run(replace(options, init=tmp_path / "free.safetensors"))
    run(options)  # its own check-point
    saved = load_checkpoint(tmp_path / "out" / "last.pt")
    save_checkpoint(tmp_path / "out" / "last.pt", {**saved, "facts": {**saved["facts"], "free_only": False}})
    with pytest.raises(PosecoreError, match=r"last\.pt: not trained with --free-only"):
        run(options)


def test_two_processes_are_one_with_twice_the_batch(picture_shards: Path, tmp_path: Path) -> None:
    """Averaged gradients of two halves are the gradient of the whole; batch statistics stand still for this."""
    options = recipe(
        picture_shards, tmp_path / "two", stage="depth", steps=3, batch=3, norm="frozen", rate=1e-3,
        augmentation=Augmentation(mode="none"), devices=2, strategy="ddp_spawn",
    )  # fmt: skip
    run(options)
    run(replace(options, out=tmp_path / "one", devices=1, strategy="auto", batch=6))
    two, one = weights_of(tmp_path / "two"), weights_of(tmp_path / "one")
    torch.manual_seed(options.seed)
    begun = SapNet(SAPNET_PRESETS["tiny"]).state_dict()

    def distance(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> float:
        return float(sum(((a[name].double() - b[name].double()) ** 2).sum() for name in a)) ** 0.5

    # Adam turns rounding where a gradient is nearly 0 into steps of full length, so not every weight is equal.
    assert distance(one, two) < 0.03 * distance(one, begun)
    assert len((tmp_path / "two" / "log.jsonl").read_text().splitlines()) == 1  # rank 0 alone writes
    assert load_checkpoint(tmp_path / "two" / "last.pt")["facts"]["samples"] == 18
    assert json.loads((tmp_path / "two" / "recipe.json").read_text())["processes"] == 2
