"""A licensed SMPL pickle to an npz: ``python -m smpl_assets.convert IN.pkl OUT.npz``.

SMPL's own ``.pkl`` files are pickles, which are programs. This one is read as data (:mod:`posecore.plain_pickle`):
numpy arrays, scipy's sparse matrices and chumpy's arrays are rebuilt from what the file says of them, with neither
scipy's nor chumpy's classes called; any other name in the file is refused. What comes out holds the same arrays under
the same keys, as float32 where they were real. The licence of the body stays what it was: do not pass it on.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from posecore.body.files import fields_of
from posecore.errors import OutputError, PosecoreError, SourceError
from posecore.files import write_npz
from posecore.plain_pickle import Record, load_plain_file

__all__ = ["convert", "main"]

#: Classes of scipy.sparse, as old and new versions name their modules.
_SPARSE = {
    f"scipy.sparse.{module}.{kind}_matrix": kind for kind in ("csc", "csr", "coo") for module in (kind, f"_{kind}")
}
#: chumpy's array, and a choice of elements from one (``shapedirs`` in some files).
_CHUMPY, _SELECT = "chumpy.ch.Ch", "chumpy.reordering.Select"
#: How Python 2 and old protocols make an object before filling it.
_MAKERS = {"copy_reg._reconstructor", "copyreg._reconstructor"}
#: Sets of names and the base class: chumpy's book-keeping.
_BESIDE = {"__builtin__.set", "builtins.set", "__builtin__.object", "builtins.object"}

_ADMITTED = frozenset({*_SPARSE, _CHUMPY, _SELECT, *_MAKERS, *_BESIDE})


def convert(source: Path, output: Path) -> dict[str, NDArray[Any]]:
    """Write the arrays of a body's pickle as an npz.

    Args:
        source: the ``.pkl`` of SMPL, SMPL-H or SMPL-X.
        output: the ``.npz`` to write.

    Returns:
        What was written, by key.

    Raises:
        SourceError: missing or damaged file, anything in it but arrays, or no body that posecore knows.
        OutputError: the output cannot be written, is the source itself, or does not end in ``.npz``.
    """
    _check_output(source, output)
    content = load_plain_file(source, records=_ADMITTED)
    if not isinstance(content, dict):
        raise SourceError(f"{source}: holds no table of arrays; expected a body of SMPL's family")
    arrays = {}
    for key, value in content.items():
        array = _array(value, f"{source}: {key}")
        if array is not None:
            arrays[str(key)] = array.astype(np.float32) if array.dtype == np.float64 else array
    fields_of(arrays, source, betas=10)
    write_npz(output, arrays)
    return arrays


def _check_output(source: Path, output: Path) -> None:
    if output.suffix.lower() != ".npz":
        raise OutputError(f"{output}: does not end in .npz, as body files do; choose another name")
    same = source.resolve() == output.resolve()
    if same or (source.exists() and output.exists() and source.samefile(output)):
        raise OutputError(f"{output}: would overwrite the input; choose another output path")


def _array(value: Any, where: str) -> NDArray[Any] | None:
    """``value`` as an array of numbers or of text, or None if it is something beside (notes on the training)."""
    if isinstance(value, Record):
        value = _rebuilt(value, where)
    if isinstance(value, str | int | float):
        value = np.array(value)
    return value if isinstance(value, np.ndarray) and not value.dtype.hasobject else None


def _rebuilt(record: Record, where: str) -> NDArray[Any]:
    """The array that an object of scipy.sparse or chumpy stands for."""
    name = str(record.arguments[0]) if record.name in _MAKERS and record.arguments else record.name
    state = record.state if isinstance(record.state, dict) else {}
    try:
        if name in _SPARSE:
            return _dense(_SPARSE[name], state)
        if name == _CHUMPY:
            return _number(state["x"], where)
        if name == _SELECT:
            chosen = _number(state["a"], where).ravel()[np.asarray(state["idxs"])]
            shape = state.get("preferred_shape")
            return chosen if shape is None else chosen.reshape(shape)
    except (LookupError, ValueError, TypeError, OverflowError, MemoryError, RecursionError) as error:
        raise SourceError(f"{where}: a damaged {name} ({type(error).__name__}: {error})") from None
    raise SourceError(f"{where}: refused: {name} is no array; nothing was run")


def _number(value: Any, where: str) -> NDArray[Any]:
    array = _array(value, where)
    if array is None or array.dtype.kind not in "biuf":
        raise SourceError(f"{where}: refused: no array of numbers")
    return array


def _dense(kind: str, state: dict[str, Any]) -> NDArray[Any]:
    """The matrix (rows, columns) of a sparse one's parts."""
    shape = state["_shape"] if "_shape" in state else state["shape"]
    data = np.asarray(state["data"])
    if kind == "coo":
        rows, columns = state["coords"] if "coords" in state else (state["row"], state["col"])
    else:
        along = np.asarray(state["indices"])
        across = np.repeat(np.arange(len(state["indptr"]) - 1), np.diff(state["indptr"]))
        rows, columns = (along, across) if kind == "csc" else (across, along)
    rows, columns = np.asarray(rows), np.asarray(columns)
    if min(rows.min(initial=0), columns.min(initial=0)) < 0:
        raise ValueError("a negative index")
    matrix = np.zeros(shape, data.dtype)
    np.add.at(matrix, (rows, columns), data)
    return matrix


def main(arguments: list[str] | None = None) -> int:
    """The command. Returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m smpl_assets.convert", description="Take the arrays out of a licensed SMPL pickle, as an npz."
    )
    parser.add_argument("source", type=Path, help="SMPL_NEUTRAL.pkl or the like")
    parser.add_argument("output", type=Path, help="the .npz to write")
    options = parser.parse_args(arguments)
    try:
        arrays = convert(options.source, options.output)
    except PosecoreError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    except OSError as error:  # a path of an impossible form
        print(f"error: {error.strerror or error}: {error.filename or options.source}", file=sys.stderr)
        return SourceError.exit_code
    print(f"{options.output}: {len(arrays['v_template'])} vertices, {len(arrays['J_regressor'])} joints")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
