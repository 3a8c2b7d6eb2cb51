"""Body files: SMPL, SMPL-H and SMPL-X npz by their own keys, and the open body, which has SMPL's.

SMPL-H and SMPL-X have joints in hands and face that a Motion does not drive. They stay at rest, so their skin moves
with the next joint above that is driven: merging their weights into that one is exact.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from posecore.errors import SourceError
from posecore.files import read_npz
from posecore.skeletons import SMPL_24

__all__ = ["fields_of", "read_body"]

_KEYS = ("v_template", "f", "shapedirs", "posedirs", "J_regressor", "weights", "kintree_table")

#: Keys of the open body alone. Official files hold more, some of them Python objects, which nobody reads here.
_NAME, _POINTS, _POINT_NAMES = "name", "keypoint_vertices", "keypoint_names"
_READ = (*_KEYS, _NAME, _POINTS, _POINT_NAMES)

#: Letters of numpy's kinds -> what a user would call them.
_WORDS = {"U": "text", "S": "text", "c": "complex numbers", "O": "Python objects", "b": "truth values"}

#: How far the weights of a vertex may sum from 1, and lie below 0 by rounding.
_SUM_SLACK, _SIGN_SLACK = 1e-3, 1e-6

#: Number of joints in a file -> the kind of body, and in which rows each hand's four fingers begin.
_KINDS: dict[int, tuple[str, int | None]] = {24: ("smpl", None), 52: ("smplh", 22), 55: ("smplx", 25)}

#: Joints of SMPL-H and SMPL-X that are SMPL's own: all but the hands.
_SHARED = len(SMPL_24) - 2

#: Rows of one hand in SMPL-H and SMPL-X: three each of index, middle, little, ring finger and thumb.
_HAND_ROWS, _FINGER_ROWS = 15, (0, 3, 6, 9)

#: SMPL-X files hold 300 shapes before the expressions, or in the older ones 10 of each.
_SHAPES_OF_SMPLX = {400: 300, 20: 10}


def read_body(path: Path, betas: int) -> dict[str, Any]:
    """Fields of a :class:`~posecore.body.BodyModel` from an npz.

    Args:
        path: the file.
        betas: shape components to keep, at most.

    Raises:
        SourceError: not a readable npz, keys missing, or arrays that do not fit each other or any known body.
    """
    if path.suffix.lower() == ".pkl":
        raise SourceError(
            f"{path}: pickles are not read; make an npz of it, in posecore's checkout: "
            f"python -m smpl_assets.convert {path} {path.stem}.npz"
        )
    return fields_of(read_npz(path, only=_READ), path, betas)


def fields_of(arrays: Mapping[str, NDArray[Any]], path: Path, betas: int) -> dict[str, Any]:
    """As :func:`read_body`, from the arrays of the file ``path``, which is only named in errors."""
    missing = [key for key in _KEYS if key not in arrays]
    if missing:
        raise SourceError(f"{path}: not a body file, {', '.join(missing)} missing; expected the keys of SMPL's files")
    _check_numbers(path, arrays)
    regressor = arrays["J_regressor"]
    count = len(regressor) if regressor.ndim == 2 else 0
    if count not in _KINDS:
        raise SourceError(f"{path}: {count} joints; expected 24 (SMPL), 52 (SMPL-H) or 55 (SMPL-X)")
    _check_shapes(path, arrays, count)
    _check_values(path, arrays)
    kind, hands = _KINDS[count]
    parents = arrays["kintree_table"][0].astype(np.int64)
    _check_tree(path, parents, count)

    shapedirs = arrays["shapedirs"]
    shapes: int = shapedirs.shape[2]
    if kind == "smplx":
        shapes = _SHAPES_OF_SMPLX.get(shapes, shapes)
    posedirs = arrays["posedirs"][..., : 9 * (_SHARED - 1 if hands else count - 1)].astype(np.float32)
    if hands:
        posedirs = np.concatenate([posedirs, np.zeros((len(posedirs), 3, 2 * 9), np.float32)], 2)
    weights = _driven_weights(arrays["weights"], parents) if hands else arrays["weights"]
    return {
        "name": _name(path, arrays[_NAME]) if _NAME in arrays else kind,
        "v_template": arrays["v_template"].astype(np.float32),
        "faces": arrays["f"].astype(np.int32),
        "shapedirs": np.ascontiguousarray(shapedirs[..., : min(shapes, betas)], np.float32),
        "posedirs": posedirs if posedirs.any() else None,
        "joint_regressor": sparse.csr_matrix(_driven_regressor(regressor, hands).astype(np.float32)),
        "weights": weights.astype(np.float32),
        "parents": np.array(SMPL_24.parents),
        "keypoint_vertices": _found_points(arrays["v_template"], weights) | _named_points(path, arrays),
    }


def _check_numbers(path: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    for key in (*_KEYS, _POINTS):
        if key in arrays:
            kind, wanted = arrays[key].dtype.kind, "iu" if key in ("f", _POINTS) else "iuf"
            if kind not in wanted:
                expected = "whole numbers" if wanted == "iu" else "numbers"
                found = _WORDS.get(kind, "fractions" if kind == "f" else str(arrays[key].dtype))
                raise SourceError(f"{path}: {key} holds {found}, expected {expected}; not a body file")


def _check_shapes(path: Path, arrays: Mapping[str, NDArray[Any]], joints: int) -> None:
    count = len(arrays["v_template"]) if arrays["v_template"].ndim else 0
    expected = {
        "v_template": (count or None, 3),
        "f": (None, 3),
        "shapedirs": (count, 3, None),
        "posedirs": (count, 3, 9 * (joints - 1)),
        "J_regressor": (joints, count),
        "weights": (count, joints),
        "kintree_table": (2, joints),
    }
    for key, shape in expected.items():
        found = arrays[key].shape
        fits = len(found) == len(shape) and all(a == b if b else a for a, b in zip(found, shape, strict=True))
        if not fits:
            wanted = "(" + ", ".join("1 or more" if size is None else str(size) for size in shape) + ")"
            raise SourceError(f"{path}: {key} has shape {found}, expected {wanted}; not a whole body file")


def _check_values(path: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    for key in _KEYS:
        if not np.isfinite(arrays[key]).all():
            raise SourceError(f"{path}: {key} holds NaN or infinity")
    count, faces, weights = len(arrays["v_template"]), arrays["f"], arrays["weights"]
    if faces.min() < 0 or faces.max() >= count:
        raise SourceError(f"{path}: f names vertices that are not there; not a whole body file")
    if weights.min() < -_SIGN_SLACK:
        raise SourceError(f"{path}: weights holds negative ones; skin weights must be 0 or more")
    sums = weights.sum(1, dtype=np.float64)
    worst = int(np.abs(sums - 1).argmax())
    if abs(sums[worst] - 1) > _SUM_SLACK:
        raise SourceError(
            f"{path}: weights of vertex {worst} sum to {sums[worst]:.4g}; those of a vertex must sum to 1"
        )


def _check_tree(path: Path, parents: NDArray[np.int64], joints: int) -> None:
    shared = joints if joints == len(SMPL_24) else _SHARED
    if list(parents[1:shared]) != list(SMPL_24.parents[1:shared]):
        raise SourceError(f"{path}: kintree_table is not SMPL's tree of joints")
    if any(not 0 <= parent < joint for joint, parent in enumerate(parents) if joint):
        raise SourceError(f"{path}: kintree_table names a parent that does not come before its joint")


def _driven_weights(weights: NDArray[Any], parents: NDArray[np.int64]) -> NDArray[Any]:
    """(V, 24) weights: those of undriven joints go to the nearest driven joint above."""
    merged = np.zeros((len(weights), len(SMPL_24)), np.float64)
    for joint in range(weights.shape[1]):
        owner = joint
        while owner >= _SHARED:
            owner = int(parents[owner])
        merged[:, owner] += weights[:, joint]
    return merged


def _driven_regressor(regressor: NDArray[Any], hands: int | None) -> NDArray[Any]:
    """(24, V): SMPL's two hand joints are the middle of where the four fingers begin."""
    if hands is None:
        return regressor
    rows = [regressor[[start + row for row in _FINGER_ROWS]].mean(0) for start in (hands, hands + _HAND_ROWS)]
    return np.concatenate([regressor[:_SHARED], rows])


def _name(path: Path, value: NDArray[Any]) -> str:
    name = str(value.reshape(-1)[0]).strip() if value.size == 1 and value.dtype.kind == "U" else ""
    if not name:
        raise SourceError(f"{path}: name holds no word; expected the body's name as text, or no such key")
    return name


def _named_points(path: Path, arrays: Mapping[str, NDArray[Any]]) -> dict[str, tuple[int, int]]:
    """Points on the skin that the file names, each the middle of two vertices; none where it names none."""
    if _POINTS not in arrays and _POINT_NAMES not in arrays:
        return {}
    if _POINTS not in arrays or _POINT_NAMES not in arrays:
        raise SourceError(f"{path}: only one of {_POINT_NAMES} and {_POINTS} is there; they belong together")
    names, pairs, count = arrays[_POINT_NAMES], arrays[_POINTS], len(arrays["v_template"])
    if names.ndim != 1 or names.dtype.kind != "U":
        raise SourceError(f"{path}: {_POINT_NAMES} is no list of names")
    if pairs.shape != (len(names), 2):
        raise SourceError(f"{path}: {_POINTS} has shape {pairs.shape}, expected ({len(names)}, 2), two a name")
    if pairs.size and (pairs.min() < 0 or pairs.max() >= count):
        raise SourceError(f"{path}: {_POINTS} names vertices that are not there")
    return {str(name): (int(a), int(b)) for name, (a, b) in zip(names, pairs, strict=True)}


def _found_points(template: NDArray[Any], weights: NDArray[Any]) -> dict[str, tuple[int, int]]:
    """The points that BODY_21 needs, found on a template that faces +Z, each one vertex twice."""
    joint = weights.argmax(1)
    head = (joint == SMPL_24.index("head")) & (np.abs(template[:, 0]) < 0.01)
    found = {"nose": _furthest(template[:, 2], head), "head_top": _furthest(template[:, 1], head)}
    for side in ("l", "r"):
        found[f"{side}_toe"] = _furthest(template[:, 2], joint == SMPL_24.index(f"{side}_foot"))
    return {name: (vertex, vertex) for name, vertex in found.items()}


def _furthest(values: NDArray[Any], mask: NDArray[np.bool_]) -> int:
    return int(np.where(mask, values, -np.inf).argmax())
