"""Leeds Sports Pose and its extension: ``joints.mat``."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from posecore.errors import SourceError
from posecore.skeletons import LSP_14, Skeleton
from training.readers.checks import load_mat, pick, shaped
from training.readers.samples import OCCLUDED, UNKNOWN, VISIBLE, Samples

__all__ = ["LICENCE", "read_lsp", "read_third_rows"]

LICENCE = "Flickr pictures for research (Johnson & Everingham, BMVC 2010, CVPR 2011)"


def read_third_rows(path: str | Path, skeleton: Skeleton, name: str, expected: str) -> NDArray[np.float64]:
    """(N, J, 3) of a .mat variable that is 3×J×N (LSP) or J×3×N (LSPET), as published: 1-based pixels and a flag.

    Raises:
        SourceError: missing or damaged file, no such variable, another shape.
    """
    values = np.asarray(pick(load_mat(path, expected), name, path, expected))
    joints = len(skeleton)
    if values.ndim == 3 and values.shape[:2] == (3, joints):
        return shaped(values.transpose(2, 1, 0), (None, joints, 3), path, name)
    if values.ndim == 3 and values.shape[:2] == (joints, 3):
        return shaped(values.transpose(2, 0, 1), (None, joints, 3), path, name)
    said = "×".join(map(str, values.shape))
    raise SourceError(f"{path}: {name} is {said}; expected 3×{joints}×N or {joints}×3×N")


def read_lsp(path: str | Path, convention: str = "auto", split: str | None = None) -> Samples:
    """LSP or LSPET from ``joints.mat`` (or the folder that holds it and ``images/``).

    The third value differs: LSP labels every joint and marks the *hidden* ones with 1; LSPET marks the *labelled*
    ones with 1, and the others have no place.

    Args:
        convention: ``"lsp"``, ``"lspet"``, or ``"auto"``: 3×14×N is LSP and 14×3×N is LSPET, as published.
        split: ``"train"`` (LSP's first 1000, all of LSPET) or ``"test"`` (LSP's others); None = all.

    Raises:
        SourceError: missing or damaged file, another shape.
        ValueError: unknown convention or split.
    """
    if convention not in ("auto", "lsp", "lspet") or split not in (None, "train", "test"):
        raise ValueError(f"convention is auto, lsp or lspet, split train or test; got {convention!r}, {split!r}")
    path = Path(path) / "joints.mat" if Path(path).is_dir() else Path(path)
    expected = "LSP's joints.mat: 'joints', 3×14×N or 14×3×N"
    table = read_third_rows(path, LSP_14, "joints", expected)
    if convention == "auto":
        raw = load_mat(path, expected)["joints"]
        convention = "lsp" if raw.shape[0] == 3 else "lspet"
    mark = table[..., 2] > 0
    flags = np.where(mark, OCCLUDED, VISIBLE) if convention == "lsp" else np.where(mark, VISIBLE, UNKNOWN)
    places = np.where(flags[..., None] > 0, table[..., :2] - 1, 0)  # Matlab counts pixels from 1
    digits = 4 if convention == "lsp" else 5
    names = np.array([f"im{i + 1:0{digits}d}" for i in range(len(table))], str)
    samples = Samples(
        kind=convention,
        skeleton=LSP_14,
        keys=names,
        keypoints=np.concatenate([places, flags[..., None]], -1).astype(np.float32),
        root=path.parent,
        images=np.array([f"images/{name}.jpg" for name in names], str),
        licence=LICENCE,
    )
    if split is None:
        return samples
    training = np.arange(len(table)) < (1000 if convention == "lsp" else len(table))
    return samples.select(training if split == "train" else ~training)
