"""Linear blend skinning in numpy: turned joints carry the skin along (Loper et al., "SMPL", 2015, eqs. 2 to 4 and 9).

Frame: the world's (Y up, the body at rest faces +Z, its left is +X), metres. Knows nothing of files.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

__all__ = ["joint_transforms", "matrices_of", "skin", "skin_corrected"]

Array = NDArray[np.float32]

#: Frames skinned at once. Small, so that what is between stays in the processor's cache.
_CHUNK = 16


def matrices_of(quaternions: NDArray[np.floating]) -> Array:
    """(..., 4) unit quaternions xyzw -> (..., 3, 3) rotation matrices."""
    q = np.asarray(quaternions, np.float64)
    q = q / np.maximum(np.linalg.norm(q, axis=-1, keepdims=True), 1e-12)
    x, y, z, w = np.moveaxis(q, -1, 0)
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
        [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
        [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
    ]
    return np.stack([np.stack(row, -1) for row in rows], -2).astype(np.float32)


def joint_transforms(
    local: Array, rest: Array, parents: NDArray[np.integer], root: NDArray[np.floating] | None
) -> tuple[Array, Array]:
    """Where the joints go.

    Args:
        local: (T, J, 3, 3) rotation of each joint in its parent's frame.
        rest: (J, 3) joints at rest, metres.
        parents: (J,) parent indices, parents first; the first joint is the root.
        root: (T, 3) world position of the root joint, or None: it stays where it rests.

    Returns:
        transforms (T, J, 3, 4) of points at rest (rotation, then translation) and joint positions (T, J, 3).
    """
    turned = np.empty(local.shape, np.float64)
    positions = np.empty(local.shape[:2] + (3,))
    turned[:, 0] = local[:, 0]
    positions[:, 0] = rest[0] if root is None else root
    for joint in range(1, len(parents)):
        parent = parents[joint]
        turned[:, joint] = turned[:, parent] @ local[:, joint]
        positions[:, joint] = positions[:, parent] + turned[:, parent] @ (rest[joint] - rest[parent])
    offsets = positions - np.einsum("tjab,jb->tja", turned, rest)
    transforms = np.concatenate([turned, offsets[..., None]], -1)
    return transforms.astype(np.float32), positions.astype(np.float32)


def skin(vertices: Array, weights: NDArray[np.floating], transforms: Array) -> Array:
    """Skin one shape in many poses.

    Args:
        vertices: (V, 3) at rest.
        weights: (V, J), rows sum to 1.
        transforms: (T, J, 3, 4) of :func:`joint_transforms`.

    Returns:
        (T, V, 3). Everything else it needs grows with V and J, not with T.
    """
    frames, joints = transforms.shape[:2]
    count = len(vertices)
    # All of a vertex in one row: its weight for a joint times (x, y, z, 1). Most weights are zero.
    homogeneous = np.concatenate([vertices, np.ones((count, 1), np.float32)], 1)
    rows: Any = sparse.csr_matrix((weights[:, :, None] * homogeneous[:, None, :]).reshape(count, joints * 4))
    columns = transforms.transpose(1, 3, 0, 2).reshape(joints * 4, frames, 3)
    posed = np.empty((frames, count, 3), np.float32)
    for start in range(0, frames, _CHUNK):
        some = columns[:, start : start + _CHUNK]
        posed[start : start + _CHUNK] = (
            (rows @ some.reshape(joints * 4, -1)).reshape(count, some.shape[1], 3).swapaxes(0, 1)
        )
    return posed


def skin_corrected(
    vertices: Array, weights: NDArray[np.floating], transforms: Array, local: Array, posedirs: Array
) -> Array:
    """As :func:`skin`, with corrective shapes that follow the pose (SMPL's ``posedirs``).

    Args:
        vertices: (V, 3) at rest.
        weights: (V, J), rows sum to 1.
        transforms: (T, J, 3, 4) of :func:`joint_transforms`.
        local: (T, J, 3, 3) rotation of each joint in its parent's frame.
        posedirs: (V, 3, 9 (J - 1)): what an entry of (rotation - identity) of each joint but the root adds.
    """
    count, entries = len(vertices), posedirs.shape[2]
    features = (local[:, 1:] - np.eye(3, dtype=np.float32)).reshape(len(local), entries)
    flat = np.ascontiguousarray(posedirs.reshape(count * 3, entries).T)
    sparse_weights: Any = sparse.csr_matrix(weights)
    posed = np.empty((len(local), count, 3), np.float32)
    for start in range(0, len(local), _CHUNK):
        some = transforms[start : start + _CHUNK]
        rest = vertices + (features[start : start + _CHUNK] @ flat).reshape(-1, count, 3)
        columns = some.transpose(1, 0, 2, 3).reshape(some.shape[1], -1)
        blended = (sparse_weights @ columns).reshape(count, len(some), 3, 4)
        posed[start : start + _CHUNK] = np.einsum("vtab,tvb->tva", blended[..., :3], rest)
        posed[start : start + _CHUNK] += blended[..., 3].swapaxes(0, 1)
    return posed
