"""From the ray frame to the camera frame.

A picture cut out around a person says nothing of where in the frame the person stood, so an estimator
gives joints in the *ray frame*: the camera turned so that it looks at the pelvis. Someone at the border
of a wide picture is seen up to 25° from the side; leaving that out turns their path and their hips.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from posecore.skeletons import BODY_21
from posecore.takes import Camera

__all__ = ["ray_rotation", "ray_to_camera"]


def ray_rotation(direction: NDArray[np.floating]) -> NDArray[np.float32]:
    """(..., 3, 3) shortest rotation that turns ``direction`` (..., 3), camera frame, onto the optical axis.

    Transposed, it takes ray-frame joints to the camera frame. Directions must point forward (z > 0).
    """
    d = np.asarray(direction, np.float64)
    x, y, z = np.moveaxis(d / np.linalg.norm(d, axis=-1, keepdims=True), -1, 0)
    # Rodrigues for the axis d × e_z, written out: R = I + [v] + [v]² / (1 + z), v = (y, -x, 0).
    k = 1.0 / (1.0 + z)
    rows = [[1 - x * x * k, -x * y * k, -x], [-x * y * k, 1 - y * y * k, -y], [x, y, z]]
    return np.stack([np.stack(row, -1) for row in rows], -2).astype(np.float32)


def ray_to_camera(joints: NDArray[np.floating], keypoints: NDArray[np.floating], camera: Camera) -> NDArray[np.float32]:
    """Turn joints as an estimator sees them into the camera frame.

    Args:
        joints: (T, 21, 3) m, relative to the pelvis, ray frame.
        keypoints: (T, 21, 2) px; the pelvis gives the ray.

    Returns:
        (T, 21, 3) m, relative to the pelvis, camera frame.
    """
    offset = (keypoints[:, BODY_21.index("pelvis")] - np.asarray(camera.centre)) / camera.focal
    direction = np.concatenate([offset, np.ones((len(offset), 1))], axis=-1)
    # Row vectors times R are R transposed times column vectors.
    return np.matmul(joints, ray_rotation(direction)).astype(np.float32)
