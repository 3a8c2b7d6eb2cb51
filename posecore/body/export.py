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
        faces: (F, 3) triangles.

    Raises:
        OutputError: another suffix, or the path cannot be written.
        PosecoreError: trimesh is not installed, or ``vertices`` is not (V, 3).
    """
    path = Path(path)
    if path.suffix.lower() not in _SUFFIXES:
        raise OutputError(f"{path}: meshes are written as {' or '.join(_SUFFIXES)}; choose one of these")
    vertices = np.asarray(vertices)
    if vertices.ndim != 2 or vertices.shape[1] != 3:
        raise PosecoreError(f"vertices: expected shape (V, 3), one frame, got {vertices.shape}")
    try:
        import trimesh
    except ImportError:
        raise PosecoreError('meshes are written by trimesh, which is not here: pip install "trimesh>=4"') from None
    mesh = trimesh.Trimesh(vertices, faces, process=False)
    with atomic_path(path) as temporary:
        mesh.export(temporary, file_type=path.suffix.lower()[1:])
