"""Atomic outputs and npz without pickle."""

from __future__ import annotations

import os
import stat
import zipfile

import numpy as np
import pytest

from posecore.errors import OutputError, SourceError
from posecore.files import atomic_path, read_npz, write_npz


def test_replaces_only_on_success(tmp_path) -> None:
    target = tmp_path / "motion.bvh"
    target.write_text("before")
    with pytest.raises(RuntimeError), atomic_path(target) as temporary:
        temporary.write_text("half")
        raise RuntimeError("the disk of the story is full")
    assert target.read_text() == "before"
    with atomic_path(target) as temporary:
        assert temporary.suffix == ".bvh" and temporary.parent == tmp_path
        temporary.write_text("after")
    assert target.read_text() == "after"
    assert os.listdir(tmp_path) == ["motion.bvh"], "nothing is left behind"


@pytest.mark.skipif(os.name == "nt", reason="POSIX permissions")
def test_the_file_has_ordinary_permissions(tmp_path) -> None:
    with atomic_path(tmp_path / "a.npz") as temporary:
        temporary.write_text("x")
    (tmp_path / "b.npz").write_text("x")
    modes = [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("a.npz", "b.npz")]
    assert modes[0] == modes[1]


def test_no_folder_is_one_clear_line(tmp_path) -> None:
    message = r"nowhere.*cannot write there \(No such file or directory\)"
    with pytest.raises(OutputError, match=message) as caught, atomic_path(tmp_path / "nowhere" / "a.bvh"):
        pass
    assert "\n" not in str(caught.value)


def test_npz_round_trip(tmp_path) -> None:
    arrays = {"a": np.arange(6).reshape(2, 3), "text": np.array("σ"), "empty": np.zeros((0, 3), np.float32)}
    write_npz(tmp_path / "x.npz", arrays)
    back = read_npz(tmp_path / "x.npz")
    assert back.keys() == arrays.keys()
    for name, value in arrays.items():
        np.testing.assert_array_equal(back[name], value)
        assert back[name].dtype == value.dtype


def _npz_bytes(tmp_path, **arrays) -> bytes:
    np.savez_compressed(tmp_path / "source.npz", **arrays)
    return (tmp_path / "source.npz").read_bytes()


def test_bad_npz_is_a_source_error(tmp_path) -> None:
    good = _npz_bytes(tmp_path, a=np.random.default_rng(0).normal(size=2000))
    flipped = bytearray(good)
    flipped[300:400] = bytes(100)
    cases = {
        "empty.npz": b"",
        "text.npz": b"this is not an archive",
        "cut.npz": good[: len(good) // 2],
        "flipped.npz": bytes(flipped),
    }
    for name, content in cases.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(SourceError, match=name):
            read_npz(tmp_path / name)
    np.save(tmp_path / "single.npy", np.zeros(3))
    with pytest.raises(SourceError, match="single array"):
        read_npz(tmp_path / "single.npy")
    with pytest.raises(SourceError, match="no such file"):
        read_npz(tmp_path / "missing.npz")
    with pytest.raises(SourceError):
        read_npz(tmp_path)


def test_pickled_content_is_refused(tmp_path) -> None:
    np.savez(tmp_path / "pickled.npz", a=np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(SourceError, match="a holds Python objects, which posecore does not read"):
        read_npz(tmp_path / "pickled.npz")


def test_only_what_is_asked_for_is_decoded(tmp_path) -> None:
    """Files of others hold Python objects beside the arrays."""
    np.savez(tmp_path / "a.npz", a=np.arange(3), b=np.zeros(2), part2num=np.array({"a": 1}, dtype=object))
    read = read_npz(tmp_path / "a.npz", only=("a", "missing"))
    assert list(read) == ["a"] and read["a"].tolist() == [0, 1, 2]


def test_nobody_is_advised_to_unpickle(tmp_path, monkeypatch) -> None:
    """Each is one line that says what the file is."""
    monkeypatch.chdir(tmp_path)
    contents = {
        "text.npz": b"this is not an archive",
        "empty.npz": b"",
        "pickle.npz": b"\x80\x04N.",
        "zip.npz": b"PK and no more",
    }
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(SourceError) as error:
            read_npz(tmp_path / name)
        assert str(error.value) == f"{tmp_path / name}: not an .npz archive"
    for name in (".", ""):
        with pytest.raises(SourceError, match=r"^\.: a folder, not an \.npz file"):
            read_npz(name)  # type: ignore[arg-type]
    with zipfile.ZipFile(tmp_path / "word.npz", "w") as archive:
        archive.writestr("content.xml", "<text/>")
    with pytest.raises(SourceError, match=r"content\.xml is no array; not an \.npz archive"):
        read_npz(tmp_path / "word.npz")
