"""Sessions on a network of one addition, written by hand."""

from __future__ import annotations

import gc
import os
import threading
import warnings
import weakref
from pathlib import Path

import numpy as np
import pytest

from posecore.errors import PosecoreError
from posecore.runtime import create_session, providers

onnx = pytest.importorskip("onnx")


def _adder(amount: float) -> bytes:
    """x (N, 2) -> y = x + amount."""
    from onnx import TensorProto, helper

    graph = helper.make_graph(
        [helper.make_node("Add", ["x", "amount"], ["y"])],
        "adder",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 2])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 2])],
        [helper.make_tensor("amount", TensorProto.FLOAT, [], [amount])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return model.SerializeToString()


def _run(session: object, rows: int = 1) -> np.ndarray:
    return session.run(None, {"x": np.zeros((rows, 2), np.float32)})[0]  # type: ignore[attr-defined]


def test_a_session_runs_from_a_path_and_from_bytes_with_any_batch(tmp_path: Path) -> None:
    path = tmp_path / "adder.onnx"
    path.write_bytes(_adder(2.0))
    np.testing.assert_array_equal(_run(create_session(path), 3), np.full((3, 2), 2.0))
    np.testing.assert_array_equal(_run(create_session(str(path)), 0), np.zeros((0, 2)))
    np.testing.assert_array_equal(_run(create_session(_adder(5.0), "cpu")), [[5.0, 5.0]])


def test_the_same_model_is_loaded_once_and_let_go() -> None:
    model = _adder(1.0)
    first = create_session(model, "cpu")
    assert create_session(model, "cpu") is first
    assert create_session(model, "cpu", threads=2) is not first
    alive = weakref.ref(first)
    del first
    gc.collect()
    assert alive() is None


def test_a_file_that_changed_is_loaded_anew(tmp_path: Path) -> None:
    path = tmp_path / "adder.onnx"
    path.write_bytes(_adder(1.0))
    old = create_session(path)
    path.write_bytes(_adder(2.0))
    os.utime(path, ns=(1, 1))
    assert _run(create_session(path))[0, 0] == 2.0
    assert _run(old)[0, 0] == 1.0


def test_one_session_serves_several_threads() -> None:
    session = create_session(_adder(3.0), "cpu")
    results: list[float] = []
    threads = [threading.Thread(target=lambda: results.append(float(_run(session)[0, 0]))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [3.0] * 4


@pytest.mark.parametrize("content", [b"", b"not a network", _adder(1.0)[:-20]])
def test_a_bad_file_is_one_clear_line(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "bad.onnx"
    path.write_bytes(content)
    with pytest.raises(PosecoreError, match=r"bad\.onnx: not a model") as caught:
        create_session(path, "cpu")
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(PosecoreError, match="no such weights file"):
        create_session(tmp_path / "none.onnx")


def test_a_provider_that_cannot_start_fails_by_name_and_falls_back_by_auto(monkeypatch: pytest.MonkeyPatch) -> None:
    # As with a CUDA build on a machine without its libraries: it is listed, and then not there.
    real = providers._present()
    if providers.PROVIDERS["cuda"] in real:
        pytest.skip("this machine may really have it")
    monkeypatch.setattr(providers, "_present", lambda: [providers.PROVIDERS["cuda"], *real])
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # onnxruntime's own warning would be a second, less clear line
        with pytest.raises(PosecoreError, match="could not start"):
            create_session(_adder(8.0), "cuda")
        assert create_session(_adder(8.0), "auto").get_providers()[0] == providers.PROVIDERS["cpu"]
