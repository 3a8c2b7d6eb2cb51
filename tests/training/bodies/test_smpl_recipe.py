"""The mesh regressor's training: it runs with every critic, learns, resumes, and refuses what it cannot do."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from safetensors.torch import save_file

from posecore.body import load_body
from posecore.errors import PosecoreError, SourceError
from posecore.nets import SAPNET_PRESETS, BodyRegressor, SapNet
from posecore.skeletons import SMPL_24
from tests.training.bodies.test_poses import some_poses
from training.augmentation import Augmentation
from training.bodies.figures import CROP, Bodies, body_figures, true_bodies
from training.bodies.pictures import load_rendered
from training.bodies.poses import BodyPoses
from training.body_loop import BodyLoop
from training.checkpoints import save_weights
from training.recipes import smpl
from training.recipes.smpl import SmplRecipe, load_regressor


@pytest.fixture(autouse=True)
def _captured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(smpl, "load_body_poses", lambda data, cache: some_poses(9))


def recipe(shards: Path, out: Path, **changes: object) -> SmplRecipe:
    loop = BodyLoop(steps=4, batch=4, critic_steps=2, accelerator="cpu", validate_steps=100)
    given = {"preset": "tiny", "size": 32, "bodies": shards, "loop": loop, "validate_limit": 3, **changes}
    return SmplRecipe(out=out, data=shards, **given)  # type: ignore[arg-type]


@pytest.mark.parametrize("critic", smpl.CRITICS)
def test_every_critic_trains_and_is_measured(body_shards: Path, tmp_path: Path, critic: str) -> None:
    figures = smpl.run(recipe(body_shards, tmp_path, critic=critic))
    assert set(figures) == {
        f"bodies_{n}" for n in ("kpr", "mr", "iou", "mpjpe_mm", "pa_mpjpe_mm", "pve_mm", "pa_pve_mm")
    }
    assert all(np.isfinite(value) for value in figures.values())
    line = json.loads((tmp_path / "log.jsonl").read_text().splitlines()[-1])
    assert line["step"] == 4 and line["bodies_kpr"] == figures["bodies_kpr"]
    assert ("loss_critic" in line) == ("loss_penalty" in line) == (critic != "none")
    assert {"loss_kpr", "loss_mr", "loss_rotations", "loss_betas", "loss_joints"} <= set(line)


@pytest.mark.parametrize(("reprojection", "there", "missing"), [("kpr", "kpr", "mr"), ("mr", "mr", "kpr")])
def test_one_reprojection_alone(body_shards: Path, tmp_path: Path, reprojection: str, there: str, missing: str) -> None:
    loop = replace(recipe(body_shards, tmp_path).loop, reprojection=reprojection, steps=1)
    smpl.run(recipe(body_shards, tmp_path, loop=loop, critic="none", preset="tiny", camera="weak_perspective"))
    line = json.loads((tmp_path / "log.jsonl").read_text().splitlines()[-1])
    assert f"loss_{there}" in line and f"loss_{missing}" not in line


def test_an_interrupted_run_ends_with_the_same_weights(body_shards: Path, tmp_path: Path) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    loop = recipe(body_shards, whole).loop
    smpl.run(recipe(body_shards, whole, rounds=2))
    smpl.run(recipe(body_shards, parts, rounds=2, loop=replace(loop, stop_at=2)))
    smpl.run(recipe(body_shards, parts, rounds=2))
    one, two = (torch.load(folder / "last.pt", weights_only=True) for folder in (whole, parts))
    for part in ("net", "critic", "average"):
        for name, value in one[part].items():
            torch.testing.assert_close(value, two[part][name], rtol=0, atol=1e-6, msg=name)


def test_a_few_pictures_are_overfitted(body_shards: Path, tmp_path: Path) -> None:
    loop = BodyLoop(steps=120, batch=4, rate=3e-3, rate_end=1e-3, accelerator="cpu", ema=0.9, validate_steps=10)
    smpl.run(
        recipe(
            body_shards,
            tmp_path,
            critic="none",
            limit=2,
            loop=loop,
            validate_training=True,
            augmentation=Augmentation(mode="none"),
        )
    )
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    for name in ("kpr", "mr", "mpjpe_mm", "pve_mm"):
        assert lines[-1][f"bodies_{name}"] < 0.7 * lines[0][f"bodies_{name}"]


def test_the_trained_network_comes_back_with_its_options(body_shards: Path, tmp_path: Path) -> None:
    smpl.run(recipe(body_shards, tmp_path, rotations="6d", focal=3.0, critic="none"))
    net, size, saved = load_regressor(tmp_path / "last.pt")
    assert (net.config.rotations, net.config.focal, size) == ("6d", 3.0, 32)
    assert saved["facts"]["sources"] == ["bodies"] and not net.training
    torch.save({"facts": {}}, tmp_path / "other.pt")
    with pytest.raises(PosecoreError, match="not a check-point of"):
        load_regressor(tmp_path / "other.pt")


def test_training_starts_from_the_captures_mean_and_given_encoder(tmp_path: Path) -> None:
    """Two captured poses, one elbow bent by 0.4 and by 0.8 rad; mirrored, both elbows are bent by 0.6 on average."""
    rotations = np.tile(np.array([0, 0, 0, 1], np.float32), (2, 24, 1))
    elbow = SMPL_24.index("l_elbow")
    for pose, angle in enumerate((0.4, 0.8)):
        rotations[pose, elbow] = rotations[pose, SMPL_24.mirror[elbow]] = (np.sin(angle / 2), 0, 0, np.cos(angle / 2))
    poses = BodyPoses(rotations, np.array(["a", "a"]), np.arange(2))
    config = smpl.regressor_config(recipe(tmp_path, tmp_path))
    encoder = BodyRegressor(config).encoder.state_dict()
    weights = tmp_path / "encoder.safetensors"
    save_file({name: torch.full_like(value, 2) for name, value in encoder.items()}, weights)
    net = smpl._new_net(recipe(tmp_path, tmp_path, encoder_weights=weights), config, poses)
    assert net.mean[: 23 * 3].reshape(23, 3)[elbow - 1].tolist() == pytest.approx([0.6, 0, 0], abs=1e-3)
    assert all(bool((value == 2).all()) for value in net.encoder.state_dict().values())
    other = {"conv1.weight": torch.zeros(1)}
    save_file(other, weights)
    with pytest.raises(PosecoreError, match="not of this encoder"):
        smpl._new_net(recipe(tmp_path, tmp_path, encoder_weights=weights), config, poses)
    for name, text in (("none.pth", "no such file"), ("text.pth", "not a file of weights")):
        (tmp_path / "text.pth").write_text("text")
        with pytest.raises(SourceError, match=text):
            smpl._new_net(recipe(tmp_path, tmp_path, encoder_weights=tmp_path / name), config, poses)


def test_a_regressor_on_a_2d_net(body_shards: Path, tmp_path: Path) -> None:
    options = recipe(body_shards, tmp_path / "run", preset="pose_tiny", size=64, critic="none")
    with pytest.raises(PosecoreError, match="reads a trained 2D net; give --encoder-weights"):
        smpl.run(options)
    glass = SapNet(SAPNET_PRESETS["tiny"]).state_dict()
    weights = tmp_path / "sapnet.safetensors"
    save_weights(weights, glass)
    smpl.run(replace(options, encoder_weights=weights))
    net, _, saved = load_regressor(tmp_path / "run" / "last.pt")
    name = "stem.0.weight"
    assert torch.equal(net.encoder.hourglass.state_dict()[name], glass[f"hourglass.{name}"].half().float())
    assert (saved["facts"]["encoder_weights"], saved["facts"]["encoder_free"]) == ("sapnet.safetensors", False)
    save_weights(weights, glass, {"free_only": True})
    smpl.run(replace(options, encoder_weights=weights, out=tmp_path / "free"))
    assert load_regressor(tmp_path / "free" / "last.pt")[2]["facts"]["encoder_free"]


def test_a_camera_that_cannot_be_trained_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(PosecoreError, match="--camera affine: needs the pelvis"):
        smpl.run(recipe(tmp_path, tmp_path, camera="affine"))


def test_true_bodies_are_perfect_and_moved_ones_are_not(body_shards: Path) -> None:
    body = load_body()
    truth = true_bodies(load_rendered(body_shards, "validation"), body, 64)
    same = Bodies(truth.keypoints, truth.masks, truth.joints, truth.vertices, np.zeros(0), np.zeros(0))
    figures = body_figures(same, truth)
    assert figures == {**dict.fromkeys(figures, pytest.approx(0, abs=1e-3)), "iou": 1.0}
    moved = replace(
        same,
        keypoints=truth.keypoints + np.float32(2 / CROP),  # a pixel right and down
        joints=truth.joints + np.array([0.01, 0, 0], np.float32),
        masks=np.roll(truth.masks, 1, 2),
    )
    figures = body_figures(moved, truth)
    assert figures["kpr"] == pytest.approx(1.0, abs=1e-3)
    assert figures["mpjpe_mm"] == pytest.approx(10.0, abs=1e-3) and figures["pa_mpjpe_mm"] == pytest.approx(0, abs=1e-2)
    assert 0 < figures["mr"] < 30 and 0.6 < figures["iou"] < 1


def test_what_cannot_be_trained_is_said_in_a_line(body_shards: Path, tmp_path: Path) -> None:
    with pytest.raises(PosecoreError, match="--preset huge: unknown"):
        smpl.run(recipe(body_shards, tmp_path, preset="huge"))
    with pytest.raises(PosecoreError, match="silhouettes are needed"):
        smpl.run(recipe(body_shards, tmp_path, bodies=None))
