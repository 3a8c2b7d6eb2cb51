"""Ordinal depth: which of two joints is nearer (Pavlakos et al., CVPR 2018; seed 004).

``relations[i, j]`` is +1 where joint i is nearer to the camera than joint j, -1 where it is farther, 0 where both are
level: the sign that :func:`posecore.losses.ordinal_rank_loss` takes.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from posecore.errors import SourceError
from posecore.skeletons import LSP_14, MPII_16, Skeleton
from training.readers.checks import load_mat
from training.readers.lsp import read_third_rows
from training.readers.samples import OCCLUDED, UNKNOWN, VISIBLE, Samples

__all__ = ["derive_ordinal", "read_ordinal"]

_LAYOUTS: dict[str, Skeleton] = {"lsp": LSP_14, "mpii": MPII_16}


def read_ordinal(path: str | Path, layout: str = "auto", images: str | Path | None = None) -> Samples:
    """The ordinal annotations of LSP (joints 3×14×N, ordinal N×14×14) or MPII (joints 3×16×N, ordinal N×16×16).

    Flags: LSP as :func:`training.readers.lsp.read_lsp`; MPII's file says 1 for a labelled joint.
    Relations that are no -1, 0 or 1, those of a joint with itself and those of unlabelled joints are unknown.

    Args:
        path: the folder with ``joints.mat`` (or ``joint.mat``), ``ordinal.mat`` and ``images/``.
        layout: ``"lsp"`` (14 joints), ``"mpii"`` (16), or ``"auto"``, by the file's own size.
        images: the folder of the pictures; default ``images`` in the folder.

    Raises:
        SourceError: missing or damaged files, other shapes, joints and relations of different length.
        ValueError: unknown layout.
    """
    if layout not in ("auto", *_LAYOUTS):
        raise ValueError(f"layout is auto, lsp or mpii; got {layout!r}")
    folder = Path(path)
    places = next((folder / name for name in ("joints.mat", "joint.mat") if (folder / name).is_file()), None)
    if places is None:
        raise SourceError(f"{folder}: no joints.mat there; expected joints.mat and ordinal.mat (LSP's or MPII's)")
    expected = "'ordinal', N×14×14 (LSP) or N×16×16 (MPII)"
    relations, name = _relations(folder / "ordinal.mat", expected)
    found = next((key for key, s in _LAYOUTS.items() if len(s) == relations.shape[1]), "")
    if layout == "auto":
        layout = found
    skeleton = _LAYOUTS[layout]
    if relations.shape[1] != len(skeleton):
        raise SourceError(f"{folder / 'ordinal.mat'}: {name} is {relations.shape}; expected N×{len(skeleton)}×…")
    table = _places(places, skeleton)
    if len(table) != len(relations):
        raise SourceError(f"{folder}: {len(table)} people in {places.name}, {len(relations)} in ordinal.mat")
    return _samples(table, relations, layout, Path(images) if images else folder / "images")


def _relations(path: Path, expected: str) -> tuple[NDArray[Any], str]:
    """(N, J, J) of the one variable that has this shape, whatever its name."""
    square = {name: v for name, v in load_mat(path, expected).items() if _is_square(v)}
    if not square:
        raise SourceError(f"{path}: no such variable in it; expected {expected}")
    name = "ordinal" if "ordinal" in square else next(iter(square))
    return np.asarray(square[name], np.float64), name


def _is_square(value: Any) -> bool:
    sizes = {len(skeleton) for skeleton in _LAYOUTS.values()}
    return isinstance(value, np.ndarray) and value.ndim == 3 and value.shape[1] == value.shape[2] in sizes


def _places(path: Path, skeleton: Skeleton) -> NDArray[np.float64]:
    expected = f"'joints', 3×{len(skeleton)}×N"
    names: Mapping[str, Any] = load_mat(path, expected)
    name = "joint" if "joint" in names and "joints" not in names else "joints"
    return read_third_rows(path, skeleton, name, expected)


def _samples(table: NDArray[np.float64], relations: NDArray[Any], layout: str, root: Path) -> Samples:
    mark = table[..., 2] > 0
    flags = np.where(mark, OCCLUDED, VISIBLE) if layout == "lsp" else np.where(mark, VISIBLE, UNKNOWN)
    points = np.where(flags[..., None] > 0, table[..., :2] - 1, 0)
    labelled = flags > 0
    known = np.isin(relations, (-1, 0, 1)) & labelled[:, :, None] & labelled[:, None, :]
    known &= ~np.eye(table.shape[1], dtype=bool)
    digits = 4 if layout == "lsp" else 5
    names = np.array([f"im{i + 1:0{digits}d}" for i in range(len(table))], str)
    return Samples(
        kind=f"{layout} ordinal",
        skeleton=_LAYOUTS[layout],
        keys=names,
        keypoints=np.concatenate([points, flags[..., None]], -1).astype(np.float32),
        root=root,
        images=np.array([f"{name}.jpg" for name in names], str),
        relations=np.where(known, relations, 0).astype(np.int8),
        relations_known=known,
        licence="annotations by Pavlakos et al. (CVPR 2018), on request from them; pictures of LSP and MPII: research",
    )


def derive_ordinal(
    depth: NDArray[np.floating], threshold: float = 0.1, known: NDArray[np.bool_] | None = None
) -> tuple[NDArray[np.int8], NDArray[np.bool_]]:
    """Ordinal relations that follow from exact depth (motion capture, rendered pictures).

    Args:
        depth: (..., J) m, + away from the camera.
        threshold: joints nearer together than this, m, are level (Ronchi et al., BMVC 2018, take 0.1).
        known: (..., J); default all.

    Returns:
        relations (..., J, J) in {-1, 0, 1}: antisymmetric; and which are known (..., J, J), never a joint with itself.

    Raises:
        ValueError: a negative threshold.
    """
    if threshold < 0:
        raise ValueError(f"threshold must not be negative, got {threshold}")
    depth = np.asarray(depth)
    ahead = depth[..., None, :] - depth[..., :, None]  # > 0 where i is nearer than j
    relations = np.where(np.abs(ahead) <= threshold, 0, np.sign(ahead)).astype(np.int8)
    sure = np.ones(depth.shape, bool) if known is None else np.asarray(known, bool)
    pairs = sure[..., :, None] & sure[..., None, :] & ~np.eye(depth.shape[-1], dtype=bool)
    return np.where(pairs, relations, 0).astype(np.int8), pairs
