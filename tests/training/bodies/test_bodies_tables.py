"""Export, tables and picture of bodies."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from posecore.body import load_body
from posecore.capturing.estimators import Pose
from posecore.capturing.smpl import SmplRegressor
from posecore.errors import PosecoreError, SourceError
from posecore.nets import BODY_REGRESSOR_PRESETS, SAPNET_PRESETS, BodyRegressor, SapNet
from posecore.runtime.cards import ModelCard, read_card, write_card
from posecore.skeletons import BODY_21
from tests.training.bodies.test_poses import some_poses
from training.analysis import bodies as drawing
from training.bodies.figures import body_figures, true_bodies
from training.bodies.fitted import fitted_bodies
from training.bodies.pictures import load_rendered, make_body_batch
from training.body_loop import BodyLoop
from training.checkpoints import save_checkpoint, save_weights
from training.evaluation import bodies as tables
from training.evaluation.study_files import read_study
from training.export_smpl import ExportOptions, export
from training.recipes import smpl
from training.recipes.smpl import SmplRecipe, load_regressor
from training.recipes.study import StudyOptions, run_study
from training.studies import STUDIES, Study


def trained(shards: Path, out: Path, **changes: object) -> Path:
    loop = BodyLoop(steps=1, batch=2, accelerator="cpu")
    options = {"preset": "tiny", "size": 32, "critic": "none", "validate_limit": 1, **changes}
    smpl.run(SmplRecipe(out=out, data=shards, bodies=shards, loop=loop, **options))  # type: ignore[arg-type]
    return out / "last.pt"


class Knowing:
    """An estimator that knows the labels of its pictures."""

    name = "knowing"

    def __init__(self, pictures, body) -> None:
        self.pictures, self.body, self.next = pictures, body, 0

    def estimate(self, images, regions):
        row, self.next = self.next, self.next + 1
        from posecore.capturing.rays import ray_rotation

        pictures, body = self.pictures, self.body
        turns, betas = pictures.rotations[row][None], pictures.betas[row]
        points = body.keypoints(body.pose(turns, None, betas), body.joints(turns, None, betas))[0]
        joints = points - points[BODY_21.index("pelvis")]
        focal, *centre = pictures.camera[row]
        ray = [*(pictures.keypoints[row][BODY_21.index("pelvis")] - centre) / focal, 1.0]
        return [Pose(pictures.keypoints[row], np.ones(21, np.float32), joints @ ray_rotation(np.array(ray)).T)]


def test_fitting_to_true_joints_is_near_the_truth(body_shards: Path) -> None:
    body, pictures = load_body(), load_rendered(body_shards, "validation")
    figures = body_figures(fitted_bodies(Knowing(pictures, body), pictures, body, 96), true_bodies(pictures, body, 96))  # type: ignore[arg-type]
    assert figures["pa_mpjpe_mm"] < 60 and figures["mpjpe_mm"] < 80 and figures["kpr"] < 6
    assert figures["iou"] > 0.6


@pytest.mark.parametrize("camera", ["six_dof", "weak_perspective"])
def test_the_exported_network_is_the_estimator(body_shards: Path, tmp_path: Path, camera: str) -> None:
    from posecore.runtime import create_session

    path = trained(body_shards, tmp_path, camera=camera)
    out = tmp_path / "smpl.onnx"
    assert export(ExportOptions(path, out, recipe="made by hand")) < 0.02
    card = read_card(out.with_suffix(".json"))
    assert (card.estimator, card.rank, card.restricted) == ("smpl", None, False)
    assert card.options["input_size"] == 32 and card.metrics

    net, size, _ = load_regressor(path)
    pictures = load_rendered(body_shards, "validation")
    batch = make_body_batch(pictures, np.arange(3), size, 16, drawing_free(), torch.Generator())
    prediction = net(batch.image)
    body = load_body()
    estimator = SmplRegressor(session=create_session(out), finder=object(), options=card.options)  # type: ignore[arg-type]
    names = ["rotations", "betas", "place"]
    answers = [estimator._session.run(names, {"image": one[None]}) for one in batch.image.numpy()]
    rotations, betas, place = (np.concatenate(part) for part in zip(*answers, strict=True))
    nobody = Pose(np.zeros((21, 2), np.float32), np.ones(21, np.float32), np.zeros((21, 3), np.float32))
    from posecore.body.torch_body import TorchBody
    from posecore.capturing.regions import Region

    with torch.no_grad():
        vertices, joints = TorchBody(body)(prediction.rotations, prediction.betas)
        root = joints[:, :1]
        keypoints = torch.from_numpy(body.keypoints((vertices - root).numpy(), (joints - root).numpy()))
        places = (prediction.project(keypoints).numpy() + 1) * 16 - 0.5
    region = Region((15.5, 15.5), 32.0)  # the crop itself
    for n in range(3):
        pose = estimator._pose(rotations[n], betas[n], place[n], region, nobody)
        # A weak perspective has none: the estimator's camera stands 5 half crops away.
        np.testing.assert_allclose(pose.keypoints, places[n], atol=0.3 if camera == "six_dof" else 2.5)


def drawing_free():  # type: ignore[no-untyped-def]
    from training.augmentation import Augmentation

    return Augmentation(mode="none")


def test_an_affine_camera_is_not_exported(tmp_path: Path) -> None:
    """The recipe trains none, but a loop of one's own may."""
    preset = BODY_REGRESSOR_PRESETS["tiny"]
    net = BodyRegressor(replace(preset, camera="affine"))
    network = {key: getattr(net.config, key) for key in ("rotations", "rounds", "camera", "focal", "betas")}
    average = {f"module.{name}": value for name, value in net.state_dict().items()}
    facts = {"recipe": "smpl", "preset": "tiny", "network": network}
    save_checkpoint(tmp_path / "last.pt", {"average": average, "facts": facts, "size": 32, "figures": {}})
    with pytest.raises(PosecoreError, match="an affine camera says not where a body is"):
        export(ExportOptions(tmp_path / "last.pt", tmp_path / "smpl.onnx"))


def test_a_card_names_what_the_encoder_learned_from(body_shards: Path, tmp_path: Path) -> None:
    weights, card = tmp_path / "glass.safetensors", tmp_path / "glass.json"
    save_weights(weights, SapNet(SAPNET_PRESETS["tiny"]).state_dict())
    learned = ({"name": "pictures of somebody", "licence": "theirs"},)
    write_card(card, ModelCard("glass", files={"glass.onnx": "0" * 64}, training_data=learned))
    path = trained(body_shards, tmp_path / "run", preset="pose_tiny", size=64, encoder_weights=weights)
    out = tmp_path / "smpl.onnx"
    with pytest.raises(PosecoreError, match=r"weights glass\.safetensors learned from something; give --encoder-card"):
        export(ExportOptions(path, out))
    assert not out.exists()
    export(ExportOptions(path, out, encoder_card=card))
    found = read_card(out.with_suffix(".json"))
    assert found.restricted and "hourglass of 2 stack(s)" in found.architecture
    assert [entry["name"] for entry in found.training_data] == [
        "rendered open bodies (anny) in CMU motion", "through the encoder: pictures of somebody"
    ]  # fmt: skip


def test_studies_become_tables_and_a_picture(
    body_shards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(smpl, "load_body_poses", lambda data, cache: some_poses(9))
    whole = STUDIES["bodies-eight"]
    short = Study(whole.what, (whole.settings[0], whole.settings[-1]), evaluations=1)
    options = StudyOptions("bodies-eight", body_shards, bodies=body_shards, out=tmp_path, steps_each=1)
    run_study(short, options)
    content = json.loads((tmp_path / "bodies-eight.json").read_text())
    assert "--bodies BODIES" in content["command"] and "--masks" not in content["command"]
    (table,) = tables.study_tables(tmp_path)
    assert [row["setting"] for row in table.rows] == ["KPR only", "critic with rotations"]
    assert {"KPR bodies", "MR bodies", "IoU bodies", "PVE bodies"} <= set(table.rows[0])
    paths = drawing.draw(tmp_path, read_study(tmp_path, "bodies-eight"), tmp_path, body_shards, people=2)
    assert [path.name for path in paths] == ["bodies.png", "bodies.csv"]
    with pytest.raises(PosecoreError, match="none of the studies"):
        tables.study_tables(body_shards)


def test_methods_stand_side_by_side(body_shards: Path, tmp_path: Path) -> None:
    path = str(trained(body_shards, tmp_path))
    (table,) = tables.method_tables(body_shards, None, None, (path,))
    assert table.rows[0]["method"] == path and "3 held-out" in table.title
    assert all(np.isfinite(table.rows[0][name]) for name in ("KPR", "MR", "IoU", "MPJPE", "PA-MPJPE", "PVE"))
    with pytest.raises(PosecoreError, match="no held-out pictures"):
        tables.method_tables(None, None, None, ())
    with pytest.raises(SourceError):
        tables.method_tables(tmp_path, None, None, ())
