"""Pickles are read as data: arrays come out as they went in, and nothing that a pickle asks for is run."""

from __future__ import annotations

import io
import zipfile

import numpy as np
import pytest

from posecore.errors import SourceError
from training.readers.restricted import Record, load_plain, load_plain_file, read_objects


def pickled(value) -> bytes:
    """``value`` as numpy pickles it inside an object array."""
    box = np.empty((), object)
    box[()] = value
    return box.dumps()


def loaded(data: bytes, **options):
    return load_plain(io.BytesIO(data), "file", **options)


PLAIN = {
    "S1": {"Walking 1": np.arange(24, dtype=np.float32).reshape(2, 4, 3)},
    "big": np.arange(3, dtype=">i8"),
    "fortran": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    "views": [np.ones((2, 2)), np.zeros((0, 5))],
    "names": np.array(["neck", "hip"]),
    "flags": np.array([True, False]),
    "single": np.float64(2.5),
    ("S1", "54138969"): (1, -7, 2**40, 1.5, None, True, "ä", b"\x00\xff"),
}


def assert_same(one, other) -> None:
    assert type(one) is type(other)
    if isinstance(one, dict):
        assert one.keys() == other.keys()
        for key in one:
            assert_same(one[key], other[key])
    elif isinstance(one, list | tuple):
        assert len(one) == len(other)
        for a, b in zip(one, other, strict=True):
            assert_same(a, b)
    elif isinstance(one, np.ndarray):
        assert one.dtype == other.dtype
        np.testing.assert_array_equal(one, other)
    else:
        assert one == other


def test_plain_data_come_out_as_they_went_in(tmp_path) -> None:
    assert_same(loaded(pickled(PLAIN)).item(), PLAIN)
    np.savez_compressed(tmp_path / "a.npz", positions_3d=np.array(PLAIN, dtype=object), plain=np.arange(4))
    table = read_objects(tmp_path / "a.npz")
    assert_same(table["positions_3d"], PLAIN)
    np.testing.assert_array_equal(table["plain"], np.arange(4))


def test_object_arrays_keep_their_shape() -> None:
    box = np.empty((2, 2), object)
    for place in np.ndindex(2, 2):
        box[place] = np.full(3, sum(place))
    out = loaded(box.dumps())
    assert out.shape == (2, 2) and out[1, 1].tolist() == [2, 2, 2]


def test_python_2_text_holds_array_data() -> None:
    # As Python 2 wrote it: protocol 2, the bytes of the array as a str (BINSTRING).
    data = (
        b"\x80\x02cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R"
        b"(K\x01K\x02\x85cnumpy\ndtype\nU\x02f4K\x00K\x01\x87R(K\x03U\x01<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
        b"\x89U\x08\x00\x00\x80?\x00\x00\x00\xc0tb."
    )
    np.testing.assert_array_equal(loaded(data), np.array([1, -2], np.float32))


def test_shared_lists_do_not_grow(tmp_path) -> None:
    # Every list holds the last one twice: 2**60 leaves if what is shared were copied.
    steps = b"".join(b"]q%c(h%ch%ce" % (i, i - 1, i - 1) for i in range(1, 60))
    value = loaded(b"\x80\x02]q\x00" + steps + b".")
    assert value[0] is value[1]


MALICIOUS = {
    "os.system": b"cos\nsystem\n(S'echo broken > %s'\ntR.",
    "builtins.eval": b"\x80\x04\x8c\x08builtins\x94\x8c\x04eval\x94\x93\x94\x8c\x011\x94\x85\x94R\x94.",
    "instance": b"(S'echo broken'\nios\nsystem\n.",
    "object": b"\x80\x02cos\nsystem\nU\x04echo\x85\x81.",
    "numpy.load": b"\x80\x02cnumpy\nload\nU\x01x\x85R.",
    "_codecs.decode": b"\x80\x02c_codecs\ndecode\nX\x01\x00\x00\x00xX\x03\x00\x00\x00hex\x86R.",
    "getattr": b"\x80\x02c__builtin__\ngetattr\ncnumpy\nndarray\nU\x01T\x86R.",
    "persistent": b"Pid\n.",
    "extension": b"\x80\x02\x82\x01.",
}


@pytest.mark.parametrize("name", MALICIOUS)
def test_a_malicious_pickle_is_refused_and_not_run(name, tmp_path, monkeypatch, one_line) -> None:
    monkeypatch.chdir(tmp_path)
    data = MALICIOUS[name].replace(b"%s", b"broken")
    with one_line("refused"):
        loaded(data)
    (tmp_path / "bad.pkl").write_bytes(data)
    with one_line("bad.pkl"):
        load_plain_file(tmp_path / "bad.pkl")
    assert [path.name for path in tmp_path.iterdir()] == ["bad.pkl"]


def test_a_malicious_npz_is_refused(tmp_path, one_line) -> None:
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "|O", "fortran_order": False, "shape": ()})
    with zipfile.ZipFile(tmp_path / "bad.npz", "w") as archive:
        archive.writestr("positions_3d.npy", header.getvalue() + MALICIOUS["os.system"])
    with one_line("bad.npz", "refused", "os.system"):
        read_objects(tmp_path / "bad.npz")


def test_records_hold_what_a_foreign_class_was_filled_with() -> None:
    # A chumpy array as in SMPL's files: an object with a dict that holds the numbers.
    inner = np.arange(3.0).dumps()[2:-1]
    data = b"\x80\x02cchumpy.ch\nCh\n)\x81}U\x01x" + inner + b"sb."
    with pytest.raises(SourceError, match="chumpy"):
        loaded(data)
    record = loaded(data, records=True)
    assert isinstance(record, Record) and record.name == "chumpy.ch.Ch"
    np.testing.assert_array_equal(record.state["x"], [0, 1, 2])
    called = loaded(MALICIOUS["os.system"], records=True)
    assert called == Record("os.system", ("echo broken > %s",))


@pytest.mark.parametrize("share", [0.02, 0.3, 0.7, 0.98])
def test_a_cut_off_file_is_one_line(share, tmp_path, one_line) -> None:
    data = pickled(PLAIN)
    with one_line("file"):
        loaded(data[: int(len(data) * share)])
    np.savez_compressed(tmp_path / "a.npz", x=np.array(PLAIN, dtype=object))
    whole = (tmp_path / "a.npz").read_bytes()
    (tmp_path / "a.npz").write_bytes(whole[: int(len(whole) * share)])
    with one_line("a.npz"):
        read_objects(tmp_path / "a.npz")


def test_a_list_that_holds_itself_is_one_line(one_line) -> None:
    with one_line("file"):
        loaded(b"\x80\x02]q\x00h\x00a.")


def test_structured_arrays_are_refused(one_line) -> None:
    with one_line("refused", "structured"):
        loaded(np.zeros(2, [("a", "f4"), ("b", "i4")]).dumps())
