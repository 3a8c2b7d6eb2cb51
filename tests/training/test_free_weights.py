"""The second set of weights: nothing of unclear or research-only licence goes into it, and it is loaded by name."""

import io
import json
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import posecore
from posecore.errors import PosecoreError
from posecore.nets.sapnet import SAPNET_PRESETS, SapNet
from posecore.runtime.cards import read_card
from posecore.skeletons import BLAZEPOSE_33, BODY_21
from training.checkpoints import load_facts
from training.export_sapnet import ExportOptions, export
from training.picture_evaluation import evaluator
from training.picture_mix import load_mix
from training.pictures import free_sources, load_pictures
from training.recipes.sapnet import SapNetRecipe, run

LICENCES = ("Unlicense (public domain)", "none stated; research use", "CC BY 4.0", "MIT", "COCO terms")


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with ten crops of people, four in ten of them restricted, and no LSPET."""
    data = tmp_path_factory.mktemp("data")
    (data / "people").mkdir()
    rng = np.random.default_rng(0)
    with tarfile.open(data / "people" / "people-000.tar", "w") as archive:
        for number in range(10):
            world = rng.normal(0, 0.3, (33, 3))
            teacher = {
                "xy": (world[:, :2] * 60 + 48).tolist(),
                "world": world.tolist(),
                "visibility": [0.9] * 33,
            }
            annotation = {"licence": LICENCES[number % 5], "mediapipe": teacher}
            stream = io.BytesIO()
            Image.fromarray(np.full((96, 96, 3), 90, np.uint8)).save(stream, "webp")
            for suffix, content in (("webp", stream.getvalue()), ("json", json.dumps(annotation).encode())):
                entry = tarfile.TarInfo(f"pp{number:05d}.{suffix}")
                entry.size = len(content)
                archive.addfile(entry, io.BytesIO(content))
    return data


def test_a_source_named_twice_is_drawn_twice_as_often_and_measured_once(people: Path, tmp_path: Path) -> None:
    once = load_mix(people, tmp_path, ("people",), free_only=True)
    twice = load_mix(people, tmp_path, ("people", "people"), free_only=True)
    assert len(twice) == 2 * len(once) > 0
    counts = np.bincount(twice._row, minlength=6)
    np.testing.assert_array_equal(counts, 2 * np.bincount(once._row, minlength=6))
    calls = []

    def spy(looks: object) -> dict[str, float]:
        calls.append(looks)
        return {"pck": 0.5}

    net = SapNet(SAPNET_PRESETS["tiny"])
    found = evaluator(twice, 64, (spy,), training=2)(net)
    assert list(found) == ["people-free_train_pck"]  # none of the six is for validation
    assert len(calls) == 1


def test_free_pictures_need_no_lspet_and_carry_its_conventions_nowhere(people: Path, tmp_path: Path) -> None:
    pictures = load_pictures(people, tmp_path, "people-free")
    assert len(pictures) == 6 and pictures.free.all()
    assert set(pictures.source) == {"people-free"}
    with tarfile.open(people / "people" / "people-000.tar") as archive:
        annotation = json.loads(archive.extractfile("pp00000.json").read())
    landmarks = np.array(annotation["mediapipe"]["xy"])
    hip = landmarks[BLAZEPOSE_33.index("l_hip")]
    inside = ((hip >= 0) & (hip < 96)).all()
    assert bool(pictures.weight[0, BODY_21.index("l_hip")]) == inside
    np.testing.assert_allclose(pictures.keypoints[0, BODY_21.index("l_hip")], hip, atol=1e-3)
    assert free_sources(("lspet", "people")) == ("people-free",)
    mix = load_mix(people, tmp_path, ("lspet", "people"), free_only=True)
    assert [str(part.source[0]) for part in mix.sets] == ["people-free"]


@pytest.fixture(scope="module")
def exported(people: Path, picture_shards: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ``sapnet_free`` of a tiny net that was trained a little."""
    out = tmp_path_factory.mktemp("free")
    run(
        SapNetRecipe(
            data=people, out=out / "run", cache=out / "cache", synthetic=picture_shards, preset="tiny", stage="full",
            steps=1, batch=2, accelerator="cpu", free_only=True,
        )
    )  # fmt: skip
    options = ExportOptions(out / "run" / "last.pt", out / "sapnet_free.onnx", keep=out / "kept.safetensors", rank=0.9)
    export(options)
    return out


def test_the_card_of_free_weights_says_so(exported: Path) -> None:
    card = read_card(exported / "sapnet_free.json")
    assert card.name == "sapnet_free" and card.estimator == "sapnet" and not card.restricted
    assert [data["licence"] for data in card.training_data] == ["Unlicense, CC BY 4.0, MIT", "Apache-2.0 / CC0 / CMU"]
    assert load_facts(exported / "kept.safetensors") == {"free_only": True}


def test_free_weights_are_loaded_by_name_and_never_by_auto(exported: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POSECORE_WEIGHTS", str(exported))
    estimator = posecore.load_estimator("sapnet-free", provider="cpu")
    assert estimator.name == "sapnet_free 1"
    pose = estimator(np.zeros((120, 90, 3), np.uint8), box=(20, 10, 50, 100))
    assert pose.keypoints.shape == (21, 2) and np.isfinite(pose.joints).all()
    assert posecore.load_estimator("sapnet_free", provider="cpu").name == "sapnet_free 1"
    # Its rank is the highest here, but another set of an estimator's weights is taken by its own name only.
    assert posecore.load_estimator("auto", provider="cpu").name != "sapnet_free 1"


def test_without_free_weights_the_line_says_what_there_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from posecore.runtime.weights import store

    monkeypatch.setenv("POSECORE_WEIGHTS", str(tmp_path))
    monkeypatch.setattr(store, "shipped_folder", lambda: tmp_path / "nothing")
    with pytest.raises(PosecoreError, match="no weights named 'sapnet_free'"):
        posecore.load_estimator("sapnet-free", provider="cpu")
    with pytest.raises(PosecoreError, match="--estimator other: unknown; choose one of auto, sapnet, sapnet-free"):
        posecore.load_estimator("other")
