"""Whether bodies are bodies: left and right of one length."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from posecore.metrics.arrays import Array, Float, blanked, mask_of, masked_mean
from posecore.skeletons import BODY_21, Skeleton, mirror_name

__all__ = ["LIMBS", "bone_lengths", "geometry_validity", "symmetry_error"]

#: Zhou et al.'s rows of geometry validity, by the ends of the bone.
LIMBS: dict[str, tuple[str, str]] = {
    "upper_arm": ("shoulder", "elbow"),
    "lower_arm": ("elbow", "wrist"),
    "upper_leg": ("hip", "knee"),
    "lower_leg": ("knee", "ankle"),
}


def bone_lengths(joints: Array, skeleton: Skeleton = BODY_21) -> Float:
    """(..., B) lengths of ``skeleton.bones`` of (..., J, D) joints, in their unit."""
    points = _checked(joints, skeleton)
    parents, children = ([bone[end] for bone in skeleton.bones] for end in (0, 1))
    return np.asarray(np.linalg.norm(points[..., children, :] - points[..., parents, :], axis=-1))


def _checked(joints: Array, skeleton: Skeleton) -> Float:
    points = np.asarray(joints, np.float64)
    if points.ndim < 2 or points.shape[-2] != len(skeleton):
        raise ValueError(f"expected (..., {len(skeleton)}, D) for {skeleton.name}, got {points.shape}")
    return points


def _differences(points: Float, weight: Float, skeleton: Skeleton, bones: list[tuple[str, str]]) -> tuple[Float, Float]:
    """|left − right| (..., B) of the bones, by the names of their ends on the left, and what they weigh."""
    points = blanked(points, weight)

    def side(names: list[tuple[str, str]]) -> tuple[Float, Float]:
        starts, ends = (skeleton.indices(bone[end] for bone in names) for end in (0, 1))
        length = np.linalg.norm(points[..., starts, :] - points[..., ends, :], axis=-1)
        return length, weight[..., starts] * weight[..., ends]

    left, seen_left = side(bones)
    right, seen_right = side([(mirror_name(start), mirror_name(end)) for start, end in bones])
    return np.abs(left - right), seen_left * seen_right


def symmetry_error(joints: Array, skeleton: Skeleton = BODY_21, mask: ArrayLike | None = None) -> float:
    """Bone symmetry error: mean |left − right| of all bones that have a left and a right, in the unit of the input.

    (..., J, D); mask (..., J): a pair counts where all its ends are known.
    """
    points = _checked(joints, skeleton)
    names = skeleton.joints
    bones = [(names[a], names[b]) for a, b in skeleton.bones if names[b].startswith("l_")]
    return masked_mean(*_differences(points, mask_of(mask, points.shape[:-1]), skeleton, bones))


def geometry_validity(joints: Array, skeleton: Skeleton = BODY_21, mask: ArrayLike | None = None) -> dict[str, float]:
    """Zhou et al. 2017, table "geometry validity" (seed 002): mean |left − right| of the limbs' lengths.

    Args:
        joints: (..., J, 3) predicted: in mm for the table's mm rows; for its px rows x and y in px with z at the same
            scale. The figures are in the unit of the input.
        mask: (..., J).

    Returns:
        a figure per row of :data:`LIMBS`.
    """
    points = _checked(joints, skeleton)
    weight = mask_of(mask, points.shape[:-1])
    rows = {}
    for row, (start, end) in LIMBS.items():
        rows[row] = masked_mean(*_differences(points, weight, skeleton, [(f"l_{start}", f"l_{end}")]))
    return rows
