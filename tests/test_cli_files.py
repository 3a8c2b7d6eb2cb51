"""``posecore info``, ``doctor`` and ``models``: commands that look at what is there."""

from __future__ import annotations

import hashlib
import json

import av
import numpy as np
import pytest
from PIL import Image

from posecore.cli import run
from posecore.motion import Motion
from posecore.runtime import weights
from posecore.takes import Camera, Take


def info(path, capsys) -> dict:
    assert run(["info", str(path), "--json"]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    facts = json.loads(line)
    assert facts["event"] == "result" and facts["file"] == str(path)
    return facts


def write_video(path, count: int = 12, rate: int = 24, size: tuple[int, int] = (64, 48)) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=rate)
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        for value in range(count):
            frame = av.VideoFrame.from_ndarray(np.full((size[1], size[0], 3), value * 10, np.uint8), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


@pytest.fixture
def motion() -> Motion:
    rotations = np.zeros((31, 24, 4), np.float32)
    rotations[..., 3] = 1
    translation = np.linspace((0, 1, 0), (0.5, 1, 2), 31).astype(np.float32)
    return Motion(np.arange(31) / 30, rotations, translation)


def test_info_of_a_video(tmp_path, capsys) -> None:
    write_video(tmp_path / "clip.mp4")
    facts = info(tmp_path / "clip.mp4", capsys)
    assert (facts["kind"], facts["width"], facts["height"], facts["rate"]) == ("video", 64, 48, 24)
    assert (facts["frames"], facts["seconds"], facts["warnings"]) == (12, 0.5, [])


def test_info_of_pictures(tmp_path, capsys) -> None:
    for number in range(3):
        Image.new("RGB", (20, 10)).save(tmp_path / f"frame_{number:04d}.png")
    for source in (tmp_path, tmp_path / "frame_%04d.png", tmp_path / "*.png"):
        facts = info(source, capsys)
        assert (facts["kind"], facts["width"], facts["height"], facts["frames"]) == ("pictures", 20, 10, 3)


def test_info_of_a_take(tmp_path, capsys) -> None:
    count = 5
    zeros = np.zeros((count, 21, 3), np.float32)
    Take(
        times=np.arange(count) / 50,
        boxes=np.zeros((count, 4), np.float32),
        keypoints=zeros[..., :2],
        confidence=np.full((count, 21), 0.5, np.float32),
        joints=zeros,
        joints_raw=zeros,
        camera=Camera(700, (319.5, 239.5), (640, 480)),
        source="walk.mp4",
        estimator="sapnet 1",
        notes={"warnings": ["cut off"], "temporal": "online"},
    ).save(tmp_path / "take.npz")
    facts = info(tmp_path / "take.npz", capsys)
    assert (facts["kind"], facts["frames"], facts["rate"], facts["estimator"]) == ("take", 5, 50, "sapnet 1")
    assert (facts["confidence"], facts["warnings"], facts["notes"]) == (0.5, ["cut off"], {"temporal": "online"})


def test_info_of_what_is_written(motion, tmp_path, capsys) -> None:
    for suffix in (".bvh", ".glb", ".gltf", ".npz"):
        motion.save(tmp_path / f"walk{suffix}")
    facts = info(tmp_path / "walk.npz", capsys)
    assert (facts["kind"], facts["frames"], facts["seconds"]) == ("motion", 31, 1.0)
    assert facts["travelled"] == [0.5, 0.0, 2.0]
    facts = info(tmp_path / "walk.bvh", capsys)
    assert (facts["kind"], facts["joints"], facts["frames"], facts["rate"]) == ("bvh", 24, 31, 30)
    for suffix in (".glb", ".gltf"):
        facts = info(tmp_path / f"walk{suffix}", capsys)
        (animation,) = facts["animations"]
        assert facts["kind"] == "gltf" and animation["seconds"] == 1.0 and animation["frames"] == 31


def test_info_for_people(motion, tmp_path, capsys) -> None:
    motion.save(tmp_path / "walk.bvh")
    text = (tmp_path / "walk.bvh").read_text().replace("Frames: 31", "Frames: 40")
    (tmp_path / "walk.bvh").write_text(text)
    assert run(["info", str(tmp_path / "walk.bvh")]) == 0
    said = capsys.readouterr()
    assert "joints" in said.out and "24" in said.out
    assert said.err == "warning: Frames says 40, the file holds 31\n"


def test_info_of_rubbish_is_code_3(tmp_path, capsys) -> None:
    for name in ("a.mp4", "a.npz", "a.bvh", "a.glb", "a.gltf", "a.txt"):
        (tmp_path / name).write_bytes(b"rubbish\x00\xff")
        assert run(["info", str(tmp_path / name)]) == 3, name
        assert run(["info", str(tmp_path / f"missing-{name}")]) == 3
        assert all(line.startswith("error: ") for line in capsys.readouterr().err.splitlines())


@pytest.fixture
def store(tmp_path, monkeypatch):
    """Two empty places for weights: shipped and the user's own."""
    shipped, user = tmp_path / "shipped", tmp_path / "user"
    shipped.mkdir()
    user.mkdir()
    monkeypatch.setenv("POSECORE_WEIGHTS", str(user))
    monkeypatch.setattr("posecore.runtime.weights.store.shipped_folder", lambda: shipped)
    return shipped, user


def add(folder, name: str, content: bytes = b"weights", **card) -> None:
    (folder / f"{name}.onnx").write_bytes(content)
    digest = hashlib.sha256(content).hexdigest()
    (folder / f"{name}.json").write_text(json.dumps({"name": name, "sha256": digest, **card}))


def doctor(capsys) -> tuple[int, dict]:
    code = run(["doctor", "--json"])
    return code, json.loads(capsys.readouterr().out.splitlines()[0])


def test_doctor_of_a_whole_installation(store, capsys) -> None:
    shipped, _ = store
    for name in ("lifter", "tpnet_online", "tpnet_semi"):
        add(shipped, name)
    add(shipped, "sapnet", estimator="sapnet", rank=0.7, architecture="SAP-Net")
    code, facts = doctor(capsys)
    assert code == 0 and facts["problems"] == []
    assert facts["packages"]["numpy"] == np.__version__ and "cpu" in facts["providers"]
    assert {entry["name"]: entry["state"] for entry in facts["weights"]}["sapnet"] == "ok"
    assert any("models add blazepose" in hint for hint in facts["hints"])
    assert run(["doctor"]) == 0
    assert "all well" in capsys.readouterr().out


def test_doctor_finds_changed_and_missing_weights(store, capsys) -> None:
    shipped, _ = store
    for name in ("lifter", "tpnet_online", "tpnet_semi"):
        add(shipped, name)
    add(shipped, "sapnet", estimator="sapnet", rank=0.7)
    (shipped / "sapnet.onnx").write_bytes(b"changed")
    (shipped / "tpnet_semi.json").unlink()
    code, facts = doctor(capsys)
    assert code == 1
    assert any("sha256 differs" in problem for problem in facts["problems"])
    assert any("'tpnet_semi'" in problem for problem in facts["problems"])


def test_models_list_and_remove(store, capsys) -> None:
    shipped, user = store
    add(shipped, "sapnet", estimator="sapnet", rank=0.7, licence="research", restricted=True)
    add(user, "mine")
    assert run(["models", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert {model["name"]: model["origin"] for model in facts["models"]} == {"sapnet": "shipped", "mine": "user"}
    assert facts["addable"] == list(weights.ADDABLE)
    assert run(["models", "list"]) == 0
    assert "research (restricted)" in capsys.readouterr().out
    assert run(["models", "remove", "mine"]) == 0
    assert not (user / "mine.onnx").exists()
    assert run(["models", "remove", "sapnet"]) == 1
    assert "came with posecore" in capsys.readouterr().err


def test_models_add_asks_first(store, capsys, monkeypatch) -> None:
    def no_network(*_, **__):
        raise AssertionError("nobody agreed to this")

    monkeypatch.setattr("posecore.runtime.weights.adding._download", no_network)
    assert run(["models", "add", "blazepose"]) == 1
    assert "consent" in capsys.readouterr().err


def test_models_add_a_file(store, tmp_path, capsys) -> None:
    (tmp_path / "mine.onnx").write_bytes(b"net")
    assert run(["models", "add", str(tmp_path / "mine.onnx")]) == 0
    assert (store[1] / "mine.onnx").read_bytes() == b"net"
    assert "mine: added" in capsys.readouterr().err
