"""The root path: where the solved body stands before the camera.

Frames used here: *camera* (x right, y down, z away), *level* = diag(1, -1, -1) camera (x right, y up, z towards the
camera; still tilted as the camera is), and *world* (level, with pitch and roll of the camera taken out). A person
who faces the camera faces +Z; their left, at the right of the picture, is +X.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from posecore.skeletons import BODY_21, SMPL_24
from posecore.solving.smoothing import smooth
from posecore.takes import Camera

__all__ = ["LEVEL", "solve_path"]

Array = NDArray[np.floating]

#: Camera axes to level axes, and back.
LEVEL = np.array([1.0, -1.0, -1.0])

# Joints that both sets place alike: what the projection is fitted to.
_SHARED = tuple(side + name for side in ("l_", "r_") for name in ("hip", "knee", "ankle", "shoulder", "elbow", "wrist"))
_NEAREST = 0.3  # metres from the camera; nobody is filmed whole from nearer


def solve_path(
    joints: Array, keypoints: Array, confidence: Array, times: Array, camera: Camera, cutoff: float | None
) -> tuple[Array, float]:
    """Where the pelvis is in the camera's frame, so that the solved joints fall on the keypoints.

    For a joint at X + t, a pixel u says t_x - u' t_z = u' X_z - X_x with u' = (u - c_x) / focal: linear in t.
    Each frame is solved by least squares, weighted by confidence and, over a few rounds, by Huber's weights.
    Depth comes from the size in the picture alone and is the noisiest axis: its logarithm is smoothed much more,
    and the other two axes are solved again beside it.

    Args:
        joints: (T, 24, 3) SMPL-24, metres from the pelvis, camera frame.
        keypoints: (T, 21, 2) px; confidence: (T, 21), 0 = missing.
        cutoff: Hz of the smoothing; None for none.

    Returns:
        (T, 3) metres, camera frame; frames that say nothing are bridged. And the spread of the error that is left
        in the depth, as a share of the depth, judged by its tremble.
    """
    body = joints[:, SMPL_24.indices(_SHARED)]
    marks = BODY_21.indices(_SHARED)
    rays = (keypoints[:, marks] - np.array(camera.centre)) / camera.focal
    weights = confidence[:, marks].astype(np.float64)
    known = (weights > 0).sum(axis=1) >= 4
    trust = np.where(known, weights.mean(axis=1), 0.0)
    if not known.any():
        return np.broadcast_to([0.0, 0.0, 4.0], (len(times), 3)).copy(), 1.0

    path = _fit_path(body, rays, np.where(known[:, None], weights, 1.0))
    known &= (path[:, 2] > _NEAREST) & np.isfinite(path).all(axis=1)
    trust = np.where(known, trust, 0.0)
    if not known.any():
        return np.broadcast_to([0.0, 0.0, 4.0], (len(times), 3)).copy(), 1.0
    for axis in range(3):
        path[:, axis] = np.interp(times, times[known], path[known, axis])
    floor = np.maximum(trust, 0.02)
    depth = np.exp(smooth(np.log(path[:, 2:]), times, (cutoff or 3.0) / 4, floor))
    noise = 0.005 + 1.4826 * float(np.median(np.abs(path[:, 2] / depth[:, 0] - 1.0)))
    if cutoff is None:
        return path, noise
    sideways = np.where(known[:, None], _beside(body, rays, weights, depth[:, 0]), path[:, :2] / path[:, 2:] * depth)
    return np.concatenate([smooth(sideways, times, cutoff, floor), depth], axis=1), 0.5 * noise


def _fit_path(body: Array, rays: Array, weights: Array) -> Array:
    """(T, 3) least-squares translations; rays (T, K, 2) are pixels in units of the focal length."""
    u, v = rays[..., 0], rays[..., 1]
    right = np.stack([u * body[..., 2] - body[..., 0], v * body[..., 2] - body[..., 1]], axis=-1)
    robust = weights
    path = np.zeros((len(body), 3))
    for _ in range(4):
        normal = np.zeros((len(body), 3, 3))
        normal[:, 0, 0] = normal[:, 1, 1] = robust.sum(1)
        normal[:, 0, 2] = normal[:, 2, 0] = -(robust * u).sum(1)
        normal[:, 1, 2] = normal[:, 2, 1] = -(robust * v).sum(1)
        normal[:, 2, 2] = (robust * (u * u + v * v)).sum(1)
        vector = np.stack(
            [
                (robust * right[..., 0]).sum(1),
                (robust * right[..., 1]).sum(1),
                -(robust * (u * right[..., 0] + v * right[..., 1])).sum(1),
            ],
            axis=-1,
        )
        normal += 1e-9 * np.eye(3)
        path = np.linalg.solve(normal, vector[..., None])[..., 0]
        miss = np.stack([path[:, :1] - u * path[:, 2:], path[:, 1:2] - v * path[:, 2:]], axis=-1) - right
        error = np.linalg.norm(miss, axis=-1)
        scale = 1.5 * np.median(error, axis=1, keepdims=True) + 1e-6
        robust = weights * np.minimum(1.0, scale / np.maximum(error, 1e-9))
    return path


def _beside(body: Array, rays: Array, weights: Array, depth: Array) -> Array:
    """(T, 2) best x and y of the translation at a given ``depth`` (T,)."""
    wanted = rays * (body[..., 2:] + depth[:, None, None]) - body[..., :2]
    total = np.maximum(weights.sum(1), 1e-9)[:, None]
    mean = (weights[..., None] * wanted).sum(1) / total
    error = np.linalg.norm(wanted - mean[:, None], axis=-1)
    scale = 1.5 * np.median(error, axis=1, keepdims=True) + 1e-6
    robust = weights * np.minimum(1.0, scale / np.maximum(error, 1e-9))
    return (robust[..., None] * wanted).sum(1) / np.maximum(robust.sum(1), 1e-9)[:, None]
