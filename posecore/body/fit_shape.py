"""Which shape a person's bones say: ``betas`` from measured lengths, the first half of fitting a body.

Skeletons place joints by different habits: the hips of one stand 18 cm apart, those of another 23 cm in the same
flesh, and knees, necks and pelvises differ likewise. So no length is compared as such, but its ratio to that of the
average adult, in the person's skeleton and in the body's: limbs, widths of hips and shoulders, the trunk.
Following SMPLify's idea of a penalised shape (Bogo et al. 2016, eq. 5), with measured lengths in place of pixels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares

from posecore.proportions import AVERAGE_HEIGHT, default_offsets
from posecore.skeletons import SMPL_24

if TYPE_CHECKING:
    from posecore.body.model import BodyModel

__all__ = ["BETA_LIMIT", "fit_shape", "measures", "rest_joints"]

Array = NDArray[np.floating]

#: How many standard deviations from the average body a fitted shape may lie.
BETA_LIMIT = 3.0
#: Betas beyond these are details that no skeleton tells of; SMPL-X has hundreds.
_FITTED = 10
# Length -> (from, to) as blends of joints, and how badly it is known, metres.
_LENGTHS: dict[str, tuple[tuple[str, ...], tuple[str, ...], float]] = {
    "hips": (("l_hip",), ("r_hip",), 0.04),
    "shoulders": (("l_shoulder",), ("r_shoulder",), 0.03),
    "trunk": (("l_hip", "r_hip"), ("l_shoulder", "r_shoulder"), 0.03),
    "ankles_to_head": (("l_ankle", "r_ankle"), ("head",), 0.04),
    **{
        f"{side}_{name}": ((f"{side}_{start}",), (f"{side}_{end}",), spread)
        for side in ("l", "r")
        for name, start, end, spread in (
            ("thigh", "hip", "knee", 0.02),
            ("shin", "knee", "ankle", 0.02),
            ("upper_arm", "shoulder", "elbow", 0.02),
            ("forearm", "elbow", "wrist", 0.02),
            ("foot", "ankle", "foot", 0.06),
            ("hand", "wrist", "hand", 0.06),
        )
    },
}
_HEIGHT = 0.01  # metres: how far a height that somebody told may be off


def _blend(names: tuple[str, ...]) -> Array:
    weights = np.zeros(len(SMPL_24))
    weights[SMPL_24.indices(names)] = 1.0 / len(names)
    return weights


def rest_joints(offsets: Array) -> Array:
    """(24, 3) joints at rest, metres, pelvis at the origin, of offsets (24, 3) from the parent."""
    joints = np.zeros((len(SMPL_24), 3))
    for joint in SMPL_24.topological_order:
        if SMPL_24.parents[joint] >= 0:
            joints[joint] = joints[SMPL_24.parents[joint]] + offsets[joint]
    return joints


_DIFFERENCES = np.stack([_blend(end) - _blend(start) for start, end, _ in _LENGTHS.values()])
_SPREADS = np.array([spread for _, _, spread in _LENGTHS.values()])


def measures(joints: Array) -> dict[str, float]:
    """Lengths, metres, of joints (24, 3) at rest, by name (``l_thigh``, ``hips``, ``trunk``, …)."""
    return dict(zip(_LENGTHS, _lengths(joints).tolist(), strict=True))


def _lengths(joints: Array) -> Array:
    return np.linalg.norm(_DIFFERENCES @ joints, axis=1)


_AVERAGE = _lengths(rest_joints(default_offsets()))


def fit_shape(body: BodyModel, rest: Array, height: float | None = None, prior: float = 1.0) -> Array:
    """The shape whose bones leave the body's average as a person's leave the average adult's.

    Minimises soft-L1 differences of lengths, each over its expected spread, plus ``prior`` times |betas|²; every
    beta stays within three standard deviations. What no length tells of stays 0, the average.

    Args:
        rest: (24, 3) the person's joints at rest, metres, in the habits of :class:`~posecore.motion.Motion`.
        height: from the soles to the crown, metres, if it is known.
        prior: weight of the average body; 0 believes the lengths alone.

    Returns:
        (B,) betas of ``body``.
    """
    count = body.shapedirs.shape[2]
    fitted = min(count, _FITTED)
    template = body.shaped(np.zeros(count, np.float32))
    ends = [int(template[:, 1].argmin()), int(template[:, 1].argmax())]

    def at(values: Array) -> tuple[Array, Array]:
        return body.rest_joints(values).astype(np.float64), body.shaped(values)[ends, 1].astype(np.float64)

    # Joints, crown and sole are linear in the shape: measured once along each axis of it.
    joints, heights = at(np.zeros(count, np.float32))
    along = [at(axis) for axis in np.eye(count, dtype=np.float32)[:fitted]]
    joint_axes = np.stack([moved - joints for moved, _ in along], axis=-1)
    height_axes = np.stack([moved - heights for _, moved in along], axis=-1)
    wanted = _lengths(rest) / _AVERAGE * _lengths(joints) * (AVERAGE_HEIGHT / float(heights[1] - heights[0]))

    def residuals(values: Array) -> Array:
        lengths = _lengths(joints + joint_axes @ values)
        low, high = heights + height_axes @ values
        told = [] if height is None else [(high - low - height) / _HEIGHT]
        return np.concatenate([_soft((lengths - wanted) / _SPREADS), told, np.sqrt(prior) * values])

    betas = np.zeros(count)
    betas[:fitted] = least_squares(residuals, np.zeros(fitted), bounds=(-BETA_LIMIT, BETA_LIMIT)).x
    return betas


def _soft(values: Array) -> Array:
    """Residuals whose squares grow as |x| beyond 1 (Charbonnier's), so that one wrong length cannot rule."""
    return np.sign(values) * np.sqrt(2.0 * (np.sqrt(1.0 + values * values) - 1.0))
