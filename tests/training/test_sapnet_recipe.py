"""The picture recipe on a few invented shards: reading, splitting, training, resuming, exporting."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from posecore.errors import SourceError
from posecore.runtime.cards import read_card
from posecore.skeletons import BODY_21
from training.__main__ import main as training_main
from training.export_sapnet import ExportOptions, export, load_net
from training.pictures import is_validation, load_pictures
from training.recipes.sapnet import SapNetRecipe, run
from training.shards import count_samples, read_shards

COUNT = 40  # pictures of the fixture


def recipe(picture_shards: Path, out: Path, **changes: object) -> SapNetRecipe:
    options = {
        "data": picture_shards, "out": out, "cache": picture_shards / "cache", "synthetic": picture_shards,
        "sources": (), "preset": "tiny",
        "stage": "full", "steps": 4, "batch": 4, "accelerator": "cpu", "validate_minutes": 1e9,
    }  # fmt: skip
    return SapNetRecipe(**{**options, **changes})  # type: ignore[arg-type]


def test_shards_are_read_in_order(picture_shards: Path) -> None:
    assert count_samples(picture_shards, "synthetic") == COUNT
    assert [key for key, _, _ in read_shards(picture_shards, "synthetic")][:2] == ["sy00000", "sy00001"]
    with pytest.raises(SourceError, match=r"expected shards lspet/lspet-\*\.tar"):
        next(read_shards(picture_shards, "lspet"))


def test_a_damaged_shard_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "synthetic-0.tar").write_bytes(b"no tar")
    with pytest.raises(SourceError, match="damaged shard"):
        list(read_shards(tmp_path, "synthetic"))


def test_cache_holds_labels_and_the_split_is_disjoint(picture_shards: Path) -> None:
    pictures = load_pictures(picture_shards, picture_shards / "cache", "synthetic")
    assert len(pictures) == COUNT and pictures.images.shape == (COUNT, 192, 192, 3)
    first = next(iter(read_shards(picture_shards, "synthetic")))[2]
    np.testing.assert_allclose(pictures.keypoints[0], first["joints_px"], atol=1e-4)
    # A weak-perspective camera of 50 px a metre made the picture.
    camera = np.array(first["joints_camera"])
    expected = 50 * (camera[:, 2] - camera[BODY_21.index("pelvis"), 2])
    np.testing.assert_allclose(pictures.depth[0], expected, atol=0.01)
    held, used = set(pictures.rows(True)), set(pictures.rows(False))
    assert not held & used and len(held | used) == COUNT
    assert held == {row for row, key in enumerate(pictures.keys) if is_validation(str(key))}


def test_the_split_is_about_one_in_twenty_and_never_moves() -> None:
    held = [key for key in (f"im{n:05d}" for n in range(10_000)) if is_validation(key)]
    assert 400 < len(held) < 600
    assert held[:3] == ["im00023", "im00024", "im00047"]  # by sha1sum and hand


def test_a_resumed_run_equals_an_uninterrupted_one(picture_shards: Path, tmp_path: Path) -> None:
    run(recipe(picture_shards, tmp_path / "whole"))
    run(recipe(picture_shards, tmp_path / "parts", stop_at=2))
    assert load_net(tmp_path / "parts" / "last.pt")[2] is not None
    run(recipe(picture_shards, tmp_path / "parts"))
    first, second = (load_net(tmp_path / name / "last.pt")[0].state_dict() for name in ("whole", "parts"))
    assert all(torch.allclose(first[name], second[name], atol=1e-6) for name in first)
    logged = [json.loads(line) for line in (tmp_path / "whole" / "log.jsonl").read_text().splitlines()]
    assert logged[-1]["step"] == 4 and np.isfinite(logged[-1]["loss_heatmap"])


def test_training_lowers_the_loss(picture_shards: Path, tmp_path: Path) -> None:
    from training.augmentation import Augmentation

    plain = Augmentation(mode="none")
    run(recipe(picture_shards, tmp_path, steps=60, batch=8, rate=4e-3, augmentation=plain, ema=0.9, stage="hourglass"))
    losses = [json.loads(line)["loss_heatmap"] for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    blank = np.pi * 2  # two stacks, each a Gaussian of σ = 1 cell missed: Σ g² = π
    assert losses[-1] < 0.97 * blank


def test_export_equals_torch_and_writes_a_card(picture_shards: Path, tmp_path: Path) -> None:
    run(recipe(picture_shards, tmp_path / "run"))
    target = tmp_path / "sapnet.onnx"
    kept = tmp_path / "kept.safetensors"
    assert export(ExportOptions(tmp_path / "run" / "last.pt", target, keep=kept, recipe="made by a test")) < 5e-3
    card = read_card(tmp_path / "sapnet.json")
    assert card.options["input_size"] == 64 and not card.restricted and card.estimator == "sapnet"
    assert card.training_data[0]["licence"] == "Apache-2.0 / CC0 / CMU"


def test_a_run_starts_from_kept_weights(picture_shards: Path, tmp_path: Path) -> None:
    run(recipe(picture_shards, tmp_path / "first"))
    export(ExportOptions(tmp_path / "first" / "last.pt", tmp_path / "a.onnx", keep=tmp_path / "kept.safetensors"))
    run(recipe(picture_shards, tmp_path / "second", steps=1, stop_at=0, init=tmp_path / "kept.safetensors"))
    first, second = (load_net(tmp_path / name / "last.pt")[0].state_dict() for name in ("first", "second"))
    assert all(torch.allclose(first[name].float(), second[name].float(), atol=2e-3, rtol=2e-3) for name in first)
    with pytest.raises(SourceError, match="no such weights"):
        run(recipe(picture_shards, tmp_path / "third", init=tmp_path / "absent.safetensors"))


def test_command_line_says_what_is_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert training_main(["nonsense"]) == 2
    arguments = ["sapnet", "--data", str(tmp_path), "--out", str(tmp_path / "out"), "--steps", "1", "--preset", "tiny"]
    assert training_main(arguments) == SourceError.exit_code
    assert "expected shards lspet/lspet-*.tar" in capsys.readouterr().err
