"""3D joint losses of the lifting networks (Martinez et al. 2017; Sun et al. 2017; seed 001)."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from itertools import combinations
from typing import Literal

import torch
from torch import Tensor

from posecore.losses.masks import blanked, masked_mean
from posecore.skeletons import BODY_21, Skeleton

__all__ = ["PairKind", "compositional_loss", "joint_pairs", "joint_weights", "joint_l2", "weighted_l2"]

PairKind = Literal["pairs", "joint", "bone", "both", "all"]
_KINDS = ("pairs", "joint", "bone", "both", "all")

#: Seed 001's "wrist, elbow and foot": the joints that the 2D net sees worst.
_EMPHASISED = ("wrist", "elbow", "ankle")


def joint_l2(prediction: Tensor, target: Tensor, mask: Tensor) -> Tensor:
    """Squared distance, mean over known joints (seed 001, eq. 1 and 3; Martinez et al. 2017, eq. 1).

    Args:
        prediction, target: (..., J, D), both in the same unit: normalised per coordinate in the papers.
        mask: (..., J), 0 = unknown, other values weigh.

    Returns:
        scalar, in the square of that unit; 0 where nothing is known.
    """
    return masked_mean(_squared(prediction, target, mask), mask)


def weighted_l2(prediction: Tensor, target: Tensor, mask: Tensor, weights: Tensor) -> Tensor:
    """:func:`joint_l2` with a weight per joint (seed 001, eq. 7), divided by the weights that count.

    So weights that are all equal give :func:`joint_l2`, and rates need not change with the weights.

    Args:
        prediction, target: (..., J, D); mask (..., J).
        weights: (J,) ≥ 0, e.g. of :func:`joint_weights`.
    """
    return masked_mean(_squared(prediction, target, mask), mask * weights.to(prediction))


def _squared(prediction: Tensor, target: Tensor, mask: Tensor) -> Tensor:
    return (blanked(prediction - target, mask) ** 2).sum(-1)


def joint_weights(skeleton: Skeleton = BODY_21, factor: float = 1.5, emphasised: Iterable[str] = _EMPHASISED) -> Tensor:
    """(J,) weights for :func:`weighted_l2`: ``factor`` on both sides of the joints named, 1 elsewhere."""
    names = tuple(emphasised)
    return torch.tensor([factor if joint[2:] in names else 1.0 for joint in skeleton.joints])


@cache
def joint_pairs(kind: PairKind, skeleton: Skeleton = BODY_21) -> tuple[tuple[int, int], ...]:
    """The pair sets P of Sun et al. 2017, §3.2, each pair once, as sorted array indices.

    ``joint``: every joint with the root; ``bone``: every joint with its parent; ``both``: their union; ``all``: every
    two joints, which is also seed 001's Σ_{u<v} (``pairs``).
    """
    if kind not in _KINDS:
        raise ValueError(f"kind must be one of {', '.join(_KINDS)}, got {kind!r}")
    bones = {(min(bone), max(bone)) for bone in skeleton.bones}
    root = skeleton.parents.index(-1)
    joints = {(min(root, other), max(root, other)) for other in range(len(skeleton)) if other != root}
    chosen = {"joint": joints, "bone": bones, "both": joints | bones}.get(kind)
    return tuple(combinations(range(len(skeleton)), 2)) if chosen is None else tuple(sorted(chosen))


def compositional_loss(
    prediction: Tensor, target: Tensor, mask: Tensor, kind: PairKind = "pairs", skeleton: Skeleton = BODY_21
) -> Tensor:
    """Relative positions of joint pairs: Σ_{(u,v) ∈ P} ‖ΔJ_uv − ΔJ*_uv‖₁ (Sun et al. 2017, eq. 6; seed 001, eq. 4–6).

    Args:
        prediction, target: (..., J, D), any one unit (normalised per coordinate in the papers).
        mask: (..., J), 0 = unknown; a pair weighs as its two joints multiplied.
        kind: which pairs, see :func:`joint_pairs`.

    Returns:
        scalar: summed over pairs and coordinates, mean over the poses; in the unit of the input.
    """
    if prediction.shape[-2] != len(skeleton):
        raise ValueError(f"expected (..., {len(skeleton)}, D) for {skeleton.name}, got {tuple(prediction.shape)}")
    first, second = (list(column) for column in zip(*joint_pairs(kind, skeleton), strict=True))
    error = blanked(prediction - target, mask)
    weight = mask.to(error.dtype)
    relative = (error[..., first, :] - error[..., second, :]).abs().sum(-1)
    return (relative * weight[..., first] * weight[..., second]).sum(-1).mean()
