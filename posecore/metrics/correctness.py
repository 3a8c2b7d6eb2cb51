"""Shares of joints that are near enough: PCK and its kin."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from posecore.metrics.arrays import Array, Float, blanked, checked, mask_of, masked_mean, means_over_poses
from posecore.metrics.positions import joint_errors
from posecore.skeletons import MPII_16, Skeleton

__all__ = [
    "AUC_THRESHOLDS",
    "auc",
    "head_sizes",
    "mpii_head_sizes",
    "pck",
    "pck_3d",
    "pck_by_joint",
    "pck_rows",
    "pck_torso",
    "pckh",
    "torso_sizes",
]

#: Of MPI-INF-3DHP's test code, m: 0 to 150 mm in steps of 5.
AUC_THRESHOLDS: Float = np.arange(31, dtype=np.float64) * 0.005

_MPII_HEAD_SHARE = 0.6  # MPII's PCKh takes this share of the head box's diagonal for the head's size


def pck(prediction: Array, truth: Array, threshold: ArrayLike, mask: ArrayLike | None = None) -> float:
    """Share of joints no further than ``threshold`` from their truth.

    Args:
        prediction, truth: (..., J, D).
        threshold: one number, or one per pose (...,), in the unit of the input.
        mask: (..., J), joints that count.
    """
    return masked_mean(*_hits(prediction, truth, threshold, mask))


def pck_by_joint(prediction: Array, truth: Array, threshold: ArrayLike, mask: ArrayLike | None = None) -> Float:
    """(J,) :func:`pck` of each joint; NaN where nowhere known."""
    return means_over_poses(*_hits(prediction, truth, threshold, mask))


def _hits(prediction: Array, truth: Array, threshold: ArrayLike, mask: ArrayLike | None) -> tuple[Float, Float]:
    distance, weight = joint_errors(prediction, truth, mask)
    limit = np.asarray(threshold, np.float64)
    return (distance <= (limit[..., None] if limit.ndim else limit)).astype(np.float64), weight


def pck_3d(
    prediction: Array, truth: Array, mask: ArrayLike | None = None, threshold: float = 0.15, root: int | None = None
) -> float:
    """3D PCK: share of joints nearer than 150 mm to their truth (Mehta et al. 2017; their code's "less than").

    Args:
        prediction, truth: (..., J, 3) m; mask (..., J).
        root: joint to subtract from both first.
    """
    distance, weight = joint_errors(prediction, truth, mask, root)
    return masked_mean((distance < threshold).astype(np.float64), weight)


def auc(
    prediction: Array,
    truth: Array,
    mask: ArrayLike | None = None,
    thresholds: ArrayLike = AUC_THRESHOLDS,
    root: int | None = None,
) -> float:
    """Area under the 3D PCK curve: the mean of :func:`pck_3d` over ``thresholds`` (Mehta et al. 2017)."""
    distance, weight = joint_errors(prediction, truth, mask, root)
    limits = np.sort(np.asarray(thresholds, np.float64))
    # How many thresholds each joint passes, instead of a table of joints by thresholds.
    passed = len(limits) - np.searchsorted(limits, distance, side="right")
    return masked_mean(passed / len(limits), weight)


def mpii_head_sizes(corners: Array) -> Float:
    """(...,) head size from MPII's head box, (..., 2, 2): two opposite corners, x and y: 0.6 × its diagonal."""
    corners = np.asarray(corners, np.float64)
    return np.asarray(_MPII_HEAD_SHARE * np.linalg.norm(corners[..., 1, :] - corners[..., 0, :], axis=-1))


def head_sizes(truth: Array, skeleton: Skeleton = MPII_16, mask: ArrayLike | None = None) -> Float:
    """(...,) neck to head top of (..., J, 2), for data without head boxes; 0 where either is unknown."""
    neck = next(name for name in ("upper_neck", "neck", "thorax") if name in skeleton.joints)
    return _distance(truth, skeleton, (neck, "head_top"), mask)


def torso_sizes(truth: Array, skeleton: Skeleton = MPII_16, mask: ArrayLike | None = None) -> Float:
    """(...,) left shoulder to right hip of (..., J, 2): PCK@0.2's torso diameter on LSP; 0 where either is unknown."""
    return _distance(truth, skeleton, ("l_shoulder", "r_hip"), mask)


def _distance(truth: Array, skeleton: Skeleton, joints: tuple[str, str], mask: ArrayLike | None) -> Float:
    points = np.asarray(truth, np.float64)
    both = skeleton.indices(joints)
    known = mask_of(mask, points.shape[:-1])[..., both]
    ends = blanked(points[..., both, :], known)
    length = np.linalg.norm(np.diff(ends, axis=-2), axis=-1)[..., 0]
    return np.asarray(np.where((known != 0).all(-1), length, 0.0))


def pckh(
    prediction: Array,
    truth: Array,
    sizes: ArrayLike,
    mask: ArrayLike | None = None,
    threshold: float = 0.5,
    skeleton: Skeleton = MPII_16,
) -> float:
    """PCKh@0.5 (Andriluka et al. 2014): joints within half a head's size, all but pelvis and thorax, as is usual.

    Args:
        prediction, truth: (..., J, 2) px; mask (..., J).
        sizes: (...,) px, of :func:`mpii_head_sizes` or :func:`head_sizes`; pictures of size 0 do not count.
    """
    scored = [i for i, name in enumerate(skeleton.joints) if name not in ("pelvis", "thorax")]
    prediction, truth = checked(prediction, truth, 2)
    weight = _of_known_size(mask, sizes, truth.shape[:-1])
    limit = threshold * np.asarray(sizes, np.float64)
    return pck(prediction[..., scored, :], truth[..., scored, :], limit, weight[..., scored])


def pck_torso(
    prediction: Array,
    truth: Array,
    mask: ArrayLike | None = None,
    threshold: float = 0.2,
    skeleton: Skeleton = MPII_16,
    sizes: ArrayLike | None = None,
) -> float:
    """PCK@0.2: joints within 0.2 torsos. (..., J, 2) px both; mask (..., J).

    ``sizes`` (...,) px of :func:`torso_sizes` unless given; pictures of size 0 do not count.
    """
    prediction, truth = checked(prediction, truth, 2)
    torso = torso_sizes(truth, skeleton, mask) if sizes is None else np.asarray(sizes, np.float64)
    return pck(prediction, truth, threshold * torso, _of_known_size(mask, torso, truth.shape[:-1]))


def _of_known_size(mask: ArrayLike | None, sizes: ArrayLike, shape: tuple[int, ...]) -> Float:
    return mask_of(mask, shape) * (np.asarray(sizes, np.float64)[..., None] > 0)


def pck_rows(
    prediction: Array,
    truth: Array,
    threshold: ArrayLike,
    mask: ArrayLike | None = None,
    skeleton: Skeleton = MPII_16,
) -> dict[str, float]:
    """The rows of MPII's and LSP's tables: :func:`pck` by kind of joint, left and right together.

    Args as of :func:`pck`; poses of threshold 0 do not count. Pelvis, thorax and other joints of the trunk have no row;
    a row whose joints ``skeleton`` lacks is NaN.
    """
    prediction, truth = checked(prediction, truth, 2)
    weight = _of_known_size(mask, threshold, truth.shape[:-1])
    hits, weight = _hits(prediction, truth, threshold, weight)
    rows: dict[str, tuple[str, ...]] = {"head": ("head_top",)}
    rows |= {n: (f"l_{n}", f"r_{n}") for n in ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")}
    table = {}
    for row, names in rows.items():
        columns = [skeleton.index(name) for name in names if name in skeleton.joints]
        table[row] = masked_mean(hits[..., columns], weight[..., columns])
    return table
