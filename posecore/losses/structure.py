"""Structure losses of Zhou et al. 2017 (geometric) and Dabral et al. 2018 (illegal angle, symmetry).

All read joints in the camera frame (x right, y down, z away), any unit of the order of 1 (x and y
in [-1, 1] of the crop with z at the same scale), never millimetres: the angle loss has an exponent
and the geometric loss a square.
"""

from __future__ import annotations

import torch
from torch import Tensor

from posecore.losses.masks import Reduction, blanked, reduced
from posecore.skeletons import BODY_21, Skeleton

__all__ = ["BENDING_LIMBS", "bending", "geometric_loss", "illegal_angle_loss", "symmetry_loss"]

_EPSILON = 1e-6

# Zhou et al.'s groups, each bone with the factor that makes it as long as the others of its group (1 / l̄_e).
# An upper arm is 1.1375361 forearms, a thigh 1.0085885 shins. No trunk, no head.
_GROUPS: tuple[tuple[tuple[str, str, float], ...], ...] = (
    tuple(
        (f"{s}_{a}", f"{s}_{b}", r) for s in "lr" for a, b, r in (("hip", "knee", 1.0), ("knee", "ankle", 1.0085885))
    ),
    tuple(
        (f"{s}_{a}", f"{s}_{b}", r)
        for s in "lr"
        for a, b, r in (("shoulder", "elbow", 1.0), ("elbow", "wrist", 1.1375361))
    ),
    (("pelvis", "l_hip", 1.0), ("pelvis", "r_hip", 1.0)),
    (("thorax", "l_shoulder", 1.0), ("thorax", "r_shoulder", 1.0)),
)

_SYMMETRIC = (
    ("pelvis", "hip"),
    ("hip", "knee"),
    ("knee", "ankle"),
    ("thorax", "shoulder"),
    ("shoulder", "elbow"),
    ("elbow", "wrist"),
)

#: The joints that bend one way only, in the order of :func:`bending`.
BENDING_LIMBS = ("r_elbow", "l_knee", "l_elbow", "r_knee")

# Of each: the side of the plane that is legal for E = n · l, and the chain from the trunk.
_CHAINS = (
    (1.0, ("thorax", "r_shoulder", "r_elbow", "r_wrist")),
    (1.0, ("pelvis", "l_hip", "l_knee", "l_ankle")),
    (-1.0, ("thorax", "l_shoulder", "l_elbow", "l_wrist")),
    (-1.0, ("pelvis", "r_hip", "r_knee", "r_ankle")),
)


def _neck(skeleton: Skeleton) -> str:
    """The joint between the shoulders, by its name in ``skeleton``: MPII's "thorax" is further down."""
    return next(name for name in ("upper_neck", "neck", "thorax") if name in skeleton.joints)


def _indices(skeleton: Skeleton, names: tuple[str, ...]) -> list[int]:
    return skeleton.indices(_neck(skeleton) if name == "thorax" else name for name in names)


def _lengths(joints: Tensor, starts: list[int], ends: list[int]) -> Tensor:
    # The epsilon inside the root keeps the gradient finite where two joints coincide.
    return ((joints[..., starts, :] - joints[..., ends, :]) ** 2).sum(-1).add(_EPSILON**2).sqrt()


def geometric_loss(joints: Tensor, mask: Tensor, skeleton: Skeleton = BODY_21, reduction: Reduction = "mean") -> Tensor:
    """Variance of bone-length ratios within a group (Zhou et al. 2017, eq. 5; seed 002).

    Args:
        joints: (N, J, 3), ground-truth x and y with predicted z; mask (N, J), 1 = visible.

    Returns:
        per picture Σ_groups 1/|R| Σ_e (l_e / l̄_e − r_R)², over visible bones: its mean over N, or ("none") (N,).
    """
    joints, seen_joints = blanked(joints, mask), mask.to(joints.dtype)
    loss = joints.new_zeros(joints.shape[:-2])
    for group in _GROUPS:
        starts = _indices(skeleton, tuple(bone[0] for bone in group))
        ends = _indices(skeleton, tuple(bone[1] for bone in group))
        factor = joints.new_tensor([bone[2] for bone in group])
        seen = seen_joints[..., starts] * seen_joints[..., ends]
        count = seen.sum(-1).clamp_min(1.0)
        ratio = _lengths(joints, starts, ends) * factor
        mean = (ratio * seen).sum(-1) / count
        loss = loss + (((ratio - mean[..., None]) ** 2) * seen).sum(-1) / count
    return reduced(loss, reduction)


def bending(joints: Tensor, skeleton: Skeleton = BODY_21) -> Tensor:
    """How far the right elbow, left knee, left elbow and right knee bend the legal way (:data:`BENDING_LIMBS`).

    With unit bone vectors, n = (shoulder − neck) × (elbow − shoulder) and E = n · (wrist − elbow);
    knees by analogy along pelvis, hip, knee, ankle. Right elbow and left knee are legal for
    E ≥ 0, left elbow and right knee for E ≤ 0 (Dabral et al. 2018, eq. 3; seed 000 §3.1).

    Args:
        joints: (..., J, 3) camera frame, any unit.

    Returns:
        (..., 4) in [-1, 1]: E, with the sign turned where the legal side is the negative one; < 0 is illegal.
    """
    energies = []
    for sign, chain in _CHAINS:
        bones = torch.diff(joints[..., _indices(skeleton, chain), :], dim=-2)
        bones = bones / (bones.norm(dim=-1, keepdim=True) + _EPSILON)
        normal = torch.linalg.cross(bones[..., 0, :], bones[..., 1, :])
        energies.append(sign * (normal * bones[..., 2, :]).sum(-1))
    return torch.stack(energies, -1)


def illegal_angle_loss(
    joints: Tensor, mask: Tensor, skeleton: Skeleton = BODY_21, reduction: Reduction = "mean"
) -> Tensor:
    """Elbows and knees bent the wrong way: |E| e^|E| of each illegal :func:`bending` (Dabral et al. 2018, eq. 3).

    Args:
        joints: (N, J, 3) camera frame; mask (N, J).

    Returns:
        the sum over the four joints, 0 where all are legal or unseen: its mean over N, or ("none") (N,).
    """
    illegal = (-bending(blanked(joints, mask), skeleton)).clamp_min(0.0)
    seen = torch.stack([mask[..., _indices(skeleton, chain)].prod(-1) for _, chain in _CHAINS], -1)
    return reduced((illegal * illegal.exp() * seen).sum(-1), reduction)


def symmetry_loss(joints: Tensor, mask: Tensor, skeleton: Skeleton = BODY_21, reduction: Reduction = "mean") -> Tensor:
    """Difference of left and right bone lengths, summed over six pairs (Dabral et al. 2018, eq. 4; seed 000 §3.1).

    Args:
        joints: (N, J, 3), any unit; mask (N, J). A pair counts where all its joints are seen.

    Returns:
        in the unit of ``joints``: the mean over N, or ("none") (N,).
    """
    joints = blanked(joints, mask)

    def side(name: str) -> tuple[list[int], list[int]]:
        def full(joint: str) -> str:
            return joint if joint in ("pelvis", "thorax") else f"{name}_{joint}"

        starts, ends = (tuple(full(bone[end]) for bone in _SYMMETRIC) for end in (0, 1))
        return _indices(skeleton, starts), _indices(skeleton, ends)

    left, right = side("l"), side("r")
    seen = mask[..., left[0]] * mask[..., left[1]] * mask[..., right[0]] * mask[..., right[1]]
    difference = (_lengths(joints, *left) - _lengths(joints, *right)).abs()
    return reduced((difference * seen).sum(-1), reduction)
