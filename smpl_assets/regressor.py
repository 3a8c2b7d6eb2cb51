"""Joint centres as weighted means of nearby vertices, fitted over many shapes (SMPL's ``J_regressor``).

As Loper et al., "SMPL" (2015), §5.2: non-negative weights that sum to 1, of few vertices around the joint.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls

__all__ = ["fit_joint_regressor"]

Array = NDArray[np.float64]

#: How many of the nearest vertices a joint may use.
_CANDIDATES = 200

#: Weight of "sum to 1" against a metre of error.
_SUM = 100.0


def fit_joint_regressor(vertices: Array, joints: Array) -> Array:
    """Fit the regressor.

    Args:
        vertices: (N, V, 3) shapes at rest, metres.
        joints: (N, J, 3) their true joint centres.

    Returns:
        (J, V) non-negative, rows sum to 1, few entries a row.
    """
    regressor = np.zeros((joints.shape[1], vertices.shape[1]))
    mean = vertices.mean(0)
    for joint in range(joints.shape[1]):
        distance = np.linalg.norm(mean - joints[:, joint].mean(0), axis=1)
        near = np.sort(np.argsort(distance, kind="stable")[:_CANDIDATES])
        # Relative to the joint: the common part of all positions would drown what is to be fitted.
        offsets = vertices[:, near] - joints[:, None, joint]
        matrix = np.concatenate([offsets.transpose(0, 2, 1).reshape(-1, len(near)), np.full((1, len(near)), _SUM)])
        # NNLS on the (C, C) normal equations: the same answer, whatever the number of shapes.
        triangle = np.linalg.qr(np.column_stack([matrix, np.append(np.zeros(len(matrix) - 1), _SUM)]), mode="r")
        weights, _ = nnls(triangle[:, :-1], triangle[:, -1])
        regressor[joint, near] = weights / weights.sum()
    return regressor
