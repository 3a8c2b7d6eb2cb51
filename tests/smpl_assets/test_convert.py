"""A licensed pickle becomes an npz with the same arrays; one with code in it is refused, and nothing in it is run."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from posecore.body import load_body
from posecore.errors import SourceError
from smpl_assets.convert import convert, main
from tests.body import bodies


def array(value: np.ndarray) -> bytes:
    """An array as it stands inside a pickle of protocol 2, without its first and last instruction."""
    return value.dumps()[2:-1]


def table(entries: dict[str, bytes]) -> bytes:
    """A dict of finished values."""
    keys = {key: b"X" + len(key).to_bytes(4, "little") + key.encode() for key in entries}
    return b"}" + b"".join(keys[key] + value + b"s" for key, value in entries.items())


def instance(name: str, state: dict[str, bytes]) -> bytes:
    """An object of class ``name`` filled with ``state``, as protocol 2 writes it."""
    module, _, attribute = name.rpartition(".")
    return f"c{module}\n{attribute}\n".encode() + b")\x81" + table(state) + b"b"


def reconstructed(name: str, state: dict[str, bytes]) -> bytes:
    """The same as Python 2's first protocols write it."""
    module, _, attribute = name.rpartition(".")
    made = f"ccopy_reg\n_reconstructor\nc{module}\n{attribute}\nc__builtin__\nobject\n".encode()
    return made + b"N\x87R" + table(state) + b"b"


def compressed(matrix: np.ndarray, kind: str = "csc") -> dict[str, bytes]:
    stored = getattr(sparse, f"{kind}_matrix")(matrix)
    parts = {name: array(getattr(stored, name)) for name in ("data", "indices", "indptr")}
    return {"_shape": b"K%cK%c\x86" % matrix.shape, "format": b"X\x03\x00\x00\x00" + kind.encode(), **parts}


def smpl_pickle(**changes: bytes) -> tuple[bytes, dict[str, np.ndarray]]:
    """A tiny body as SMPL's own files hold it, with some entries changed."""
    arrays = bodies.body_arrays()
    chumpy = {"x": array(arrays["shapedirs"]), "_dirty_vars": b"c__builtin__\nset\n]X\x01\x00\x00\x00xa\x85R"}
    entries = {key: array(value) for key, value in arrays.items()}
    entries |= {
        "J_regressor": instance("scipy.sparse.csc.csc_matrix", compressed(arrays["J_regressor"])),
        "shapedirs": instance("chumpy.ch.Ch", chumpy),
        "bs_style": b"U\x03lbs",
        "pose_training_info": table({"gender": b"U\x04male"}),
    }
    return b"\x80\x02" + table(entries | changes) + b".", arrays


def assert_same_body(path, arrays) -> None:
    with np.load(path, allow_pickle=False) as written:
        for key, value in arrays.items():
            np.testing.assert_allclose(written[key], value, rtol=1e-6, err_msg=key)


def test_a_body_comes_through(tmp_path, capsys) -> None:
    data, arrays = smpl_pickle()
    (tmp_path / "SMPL.pkl").write_bytes(data)
    assert main([str(tmp_path / "SMPL.pkl"), str(tmp_path / "smpl.npz")]) == 0
    assert "96 vertices, 24 joints" in capsys.readouterr().out
    assert_same_body(tmp_path / "smpl.npz", arrays)
    with np.load(tmp_path / "smpl.npz") as written:
        assert written["v_template"].dtype == np.float32 and "pose_training_info" not in written.files
        assert str(written["bs_style"]) == "lbs"
    np.savez(tmp_path / "same.npz", **arrays)
    ours, same = load_body(tmp_path / "smpl.npz"), load_body(tmp_path / "same.npz")
    np.testing.assert_allclose(ours.shaped(np.ones(10)), same.shaped(np.ones(10)), atol=1e-6)


@pytest.mark.parametrize("kind", ["csc", "csr"])
@pytest.mark.parametrize("module", ["scipy.sparse.{0}", "scipy.sparse._{0}"])
def test_sparse_matrices_of_all_ages(tmp_path, kind, module) -> None:
    regressor = bodies.body_arrays()["J_regressor"]
    name = f"{module.format(kind)}.{kind}_matrix"
    for make in (instance, reconstructed):
        data, arrays = smpl_pickle(J_regressor=make(name, compressed(regressor, kind)))
        (tmp_path / "a.pkl").write_bytes(data)
        convert(tmp_path / "a.pkl", tmp_path / "a.npz")
        assert_same_body(tmp_path / "a.npz", arrays)


def test_a_choice_from_a_chumpy_array(tmp_path) -> None:
    shapes = bodies.body_arrays()["shapedirs"]
    longer = np.concatenate([shapes, shapes * 2], 2)
    chosen = np.arange(longer.size).reshape(longer.shape)[..., :10].ravel()
    state = {
        "a": instance("chumpy.ch.Ch", {"x": array(longer)}),
        "idxs": array(chosen),
        "preferred_shape": b"K%cK%cK%c\x87" % shapes.shape,
    }
    data, arrays = smpl_pickle(shapedirs=instance("chumpy.reordering.Select", state))
    (tmp_path / "a.pkl").write_bytes(data)
    convert(tmp_path / "a.pkl", tmp_path / "a.npz")
    assert_same_body(tmp_path / "a.npz", arrays)


CODE = {
    "os.system": b"cos\nsystem\nU\x0becho broken\x85R",
    "posix.system": b"cposix\nsystem\nU\x0becho broken\x85R",
    "builtins.eval": b"cbuiltins\neval\nU\x011\x85R",
    "object": b"csubprocess\nPopen\nU\x04echo\x85\x81",
    "hidden in a reconstructor": b"ccopy_reg\n_reconstructor\ncos\nsystem\nc__builtin__\nobject\nN\x87R",
    "hidden in a chumpy array": instance("chumpy.ch.Ch", {"x": b"cos\nsystem\nU\x0becho broken\x85R"}),
    "another class of chumpy": instance("chumpy.ch.depends_on", {}),
    "a set in place of an array": b"c__builtin__\nset\n]\x85R",
    "numpy.load": b"cnumpy\nload\nU\x01x\x85R",
    "instance": b"(S'echo broken'\nios\nsystem\n",
}


@pytest.mark.parametrize("name", CODE)
def test_code_is_refused_and_not_run(name, tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    data, _ = smpl_pickle(weights=CODE[name])
    (tmp_path / "bad.pkl").write_bytes(data)
    assert main(["bad.pkl", "out.npz"]) == 3
    said = capsys.readouterr().err
    assert (
        said.count("\n") == 1 and said.startswith("error: bad.pkl") and "refused" in said and "nothing was run" in said
    )
    assert [path.name for path in tmp_path.iterdir()] == ["bad.pkl"]


def test_other_faults_are_one_line(tmp_path) -> None:
    data, arrays = smpl_pickle()
    damaged = compressed(arrays["J_regressor"]) | {"indices": array(np.full(3, 500))}
    cases = {
        "cut": (data[: len(data) // 2], "cut off"),
        "list": (b"\x80\x02].", "no table"),
        "keys": (b"\x80\x02" + table({"f": array(arrays["f"])}) + b".", "missing"),
        "sparse": (smpl_pickle(J_regressor=instance("scipy.sparse.csc.csc_matrix", damaged))[0], "damaged"),
    }
    for name, (content, word) in cases.items():
        (tmp_path / f"{name}.pkl").write_bytes(content)
        with pytest.raises(SourceError, match=word) as error:
            convert(tmp_path / f"{name}.pkl", tmp_path / "out.npz")
        assert "\n" not in str(error.value) and f"{name}.pkl" in str(error.value)
    with pytest.raises(SourceError, match="no such file"):
        convert(tmp_path / "nothing.pkl", tmp_path / "out.npz")
    assert not (tmp_path / "out.npz").exists()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"v_template": b"K\x03"}, "v_template has shape ()"),
        ({"v_template": b"X\x03\x00\x00\x00abc"}, "v_template holds text"),
        ({"weights": b"X\x03\x00\x00\x00abc"}, "weights holds text"),
        ({"weights": array(np.full((96, 24), "a"))}, "weights holds text"),
        ({"weights": b"]"}, "weights missing"),
        ({"J_regressor": instance("scipy.sparse.csc.csc_matrix", {"_shape": b"X\x01\x00\x00\x00a"})}, "damaged"),
    ],
)
def test_malformed_values_are_one_line(tmp_path, capsys, changes, words) -> None:
    (tmp_path / "bad.pkl").write_bytes(smpl_pickle(**changes)[0])
    assert main([str(tmp_path / "bad.pkl"), str(tmp_path / "out.npz")]) == 3
    said = capsys.readouterr().err
    assert said.startswith(f"error: {tmp_path / 'bad.pkl'}: ") and words in said and said.count("\n") == 1
    assert not (tmp_path / "out.npz").exists()


def test_what_cannot_be_opened_is_one_line(tmp_path, capsys, monkeypatch) -> None:
    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    (tmp_path / "shut.pkl").write_bytes(b"")
    assert main([str(tmp_path), str(tmp_path / "out.npz")]) == 3
    said = capsys.readouterr().err
    assert said.startswith(f"error: {tmp_path}: a folder") and said.count("\n") == 1
    monkeypatch.setattr("builtins.open", refuse)
    assert main([str(tmp_path / "shut.pkl"), str(tmp_path / "out.npz")]) == 3
    assert "shut.pkl: cannot be read (Permission denied)" in capsys.readouterr().err


def test_a_licensed_file_is_not_written_over(tmp_path, capsys) -> None:
    data, _ = smpl_pickle()
    for name in ("SMPL.pkl", "SMPL.npz"):
        (tmp_path / name).write_bytes(data)
    (tmp_path / "link.npz").hardlink_to(tmp_path / "SMPL.pkl")
    cases = (
        ("SMPL.pkl", "SMPL.pkl", ".npz"),
        ("SMPL.pkl", "smpl", "does not end in .npz"),
        ("SMPL.npz", "SMPL.npz", "would overwrite the input"),
        ("SMPL.pkl", "link.npz", "would overwrite the input"),
        ("SMPL.npz", "../{}/SMPL.npz", "would overwrite the input"),
    )
    for source, output, words in cases:
        assert main([str(tmp_path / source), str(tmp_path / output.format(tmp_path.name))]) == 5
        said = capsys.readouterr().err
        assert words in said and said.count("\n") == 1
        assert (tmp_path / source).read_bytes() == data
    assert sorted(path.name for path in tmp_path.iterdir()) == ["SMPL.npz", "SMPL.pkl", "link.npz"]
