"""Skeletons of others: reading them as :class:`~posecore.retargeting.Rig`, writing movement back in their own shape."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from posecore.errors import OutputError, SourceError
from posecore.retargeting.rig import Rig
from posecore.retargeting.rig_motion import RigMotion

__all__ = ["RIG_SUFFIXES", "read_rig", "rig_from_bvh", "rig_from_gltf", "rig_outputs", "write_rig_motion"]

#: Files that hold a rig.
RIG_SUFFIXES = (".bvh", ".glb", ".gltf")
_GLTF = (".glb", ".gltf")


def rig_from_bvh(path: str | os.PathLike[str], **options: Any) -> Rig:
    """See :func:`posecore.formats.rig_bvh.rig_from_bvh`."""
    from posecore.formats.rig_bvh import rig_from_bvh as read

    return read(Path(path), **options)


def rig_from_gltf(path: str | os.PathLike[str]) -> Rig:
    """See :func:`posecore.formats.rig_gltf.rig_from_gltf`."""
    from posecore.formats.rig_gltf import rig_from_gltf as read

    return read(Path(path))


def read_rig(path: str | os.PathLike[str]) -> Rig:
    """Read a rig by suffix.

    Raises:
        SourceError: unknown suffix, missing or malformed file.
    """
    suffix = Path(path).suffix.lower()
    if suffix == ".bvh":
        return rig_from_bvh(path)
    if suffix in _GLTF:
        return rig_from_gltf(path)
    raise SourceError(
        f"{path}: cannot read a rig from {suffix or 'a file without a suffix'}; use {', '.join(RIG_SUFFIXES)}"
    )


def rig_outputs(rig: Rig) -> tuple[str, ...]:
    """Suffixes of the files in which the movement of this rig can be written."""
    from posecore.formats.rig_gltf import GltfOrigin

    return (".bvh", *_GLTF) if isinstance(rig.origin, GltfOrigin) else (".bvh",)


def write_rig_motion(motion: RigMotion, path: str | os.PathLike[str], **options: Any) -> None:
    """Write by suffix: ``.bvh`` of any rig (in its own hierarchy and channels, if it came from a BVH); ``.glb`` or
    ``.gltf`` of a rig that came from one: the same file, with the movement as its first animation.

    Args:
        options: ``rate`` of :func:`posecore.formats.rig_bvh.save_bvh`.

    Raises:
        OutputError: unknown suffix, a rig that cannot go there, or the path cannot be written.
        SourceError: the glTF file that the rig came from is gone.
        TypeError: an option that the format does not have.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix not in RIG_SUFFIXES:
        raise OutputError(
            f"{path}: cannot write {suffix or 'a file without a suffix'}; use {', '.join(rig_outputs(motion.rig))}"
        )
    if suffix not in rig_outputs(motion.rig):
        raise OutputError(f"{path}: this rig did not come from a glTF file; write .bvh")
    if suffix == ".bvh":
        from posecore.formats.rig_bvh import save_bvh

        save_bvh(motion, path, **options)
    else:
        from posecore.formats.rig_gltf import save_gltf

        save_gltf(motion, path, **options)
