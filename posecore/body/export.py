"""A posed body as a mesh file: OBJ and PLY, through trimesh (in the extra ``[train]``)."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from posecore.errors import OutputError, PosecoreError
from posecore.files import atomic_path

__all__ = ["export_mesh"]

_SUFFIXES = (".obj", ".ply")


def export_mesh(path: str | os.PathLike[str], vertices: NDArray[np.floating], faces: NDArray[np.integer]) -> None:
    """Write one mesh.

    Args:
        path: ``.obj`` or ``.ply``.
        vertices: (V, 3) metres, world frame (Y up), written as they are.
        faces: (F, 3) triangles, indices of vertices.

    Raises:
        OutputError: another suffix, or the path cannot be written.
        PosecoreError: trimesh is not installed, ``vertices`` is not (V, 3) or not finite, or ``faces`` is not (F, 3)
            or names vertices that are not there. Nothing is written then.
    """
    path = Path(path)
    if path.suffix.lower() not in _SUFFIXES:
        raise OutputError(f"{path}: meshes are written as {' or '.join(_SUFFIXES)}; choose one of these")
    vertices, faces = np.asarray(vertices), np.asarray(faces)
    _check(vertices, faces)
    try:
        import trimesh
    except ImportError:
        raise PosecoreError('meshes are written by trimesh, which is not here: pip install "trimesh>=4"') from None
    mesh = trimesh.Trimesh(vertices, faces, process=False)
    with atomic_path(path) as temporary:
        mesh.export(temporary, file_type=path.suffix.lower()[1:])


def _check(vertices: NDArray[np.floating], faces: NDArray[np.integer]) -> None:
    if vertices.ndim != 2 or vertices.shape[1] != 3 or not len(vertices):
        raise PosecoreError(f"vertices: expected shape (V, 3), one frame, got {vertices.shape}")
    if vertices.dtype.kind not in "iuf" or not np.isfinite(vertices).all():
        raise PosecoreError("vertices: holds NaN, infinity or no numbers; a mesh cannot be written from that")
    if faces.ndim != 2 or faces.shape[1] != 3 or not len(faces) or faces.dtype.kind not in "iu":
        raise PosecoreError(f"faces: expected whole numbers of shape (F, 3), got {faces.dtype} {faces.shape}")
    if faces.min() < 0 or faces.max() >= len(vertices):
        raise PosecoreError(f"faces: names vertices from {faces.min()} to {faces.max()}, there are {len(vertices)}")
