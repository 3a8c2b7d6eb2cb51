"""Structure losses of Zhou et al. 2017 (geometric) and Dabral et al. 2018 (illegal angle, symmetry).

All read joints in the camera frame (x right, y down, z away), any unit of the order of 1 — x and y
in [-1, 1] of the crop with z at the same scale — never millimetres: the angle loss has an exponent.
"""

from __future__ import annotations

import torch
from torch import Tensor

from posecore.skeletons import BODY_21, Skeleton

__all__ = ["depth_l1", "depth_mse", "geometric_loss", "illegal_angle_loss", "symmetry_loss", "weak_supervision"]

_EPSILON = 1e-6

# Bones of Zhou et al.'s groups with their canonical length ratios; no trunk, no head.
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


def depth_mse(prediction: Tensor, target: Tensor, mask: Tensor) -> Tensor:
    """Mean squared depth error over known joints: (N, J) each (Zhou et al. 2017, eq. 4, first case)."""
    return ((prediction - target) ** 2 * mask).sum() / mask.sum().clamp_min(1.0)


def depth_l1(prediction: Tensor, target: Tensor, mask: Tensor) -> Tensor:
    """Mean absolute depth error over known joints: the robust form for pseudo-labels."""
    return ((prediction - target).abs() * mask).sum() / mask.sum().clamp_min(1.0)


def _lengths(joints: Tensor, starts: list[int], ends: list[int]) -> Tensor:
    # The epsilon inside the root keeps the gradient finite where two joints coincide.
    return ((joints[:, starts] - joints[:, ends]) ** 2).sum(-1).add(_EPSILON**2).sqrt()


def geometric_loss(joints: Tensor, mask: Tensor, skeleton: Skeleton = BODY_21) -> Tensor:
    """Variance of bone-length ratios within a group (Zhou et al. 2017, eq. 5).

    Args:
        joints: (N, J, 3), ground-truth x and y with predicted z; mask (N, J), 1 = visible.

    Returns:
        scalar: per picture Σ_groups 1/|R| Σ_e (l_e / l̄_e − r_R)², over visible bones, mean over N.
    """
    loss = joints.new_zeros(len(joints))
    for group in _GROUPS:
        starts = skeleton.indices(bone[0] for bone in group)
        ends = skeleton.indices(bone[1] for bone in group)
        canonical = joints.new_tensor([bone[2] for bone in group])
        seen = mask[:, starts] * mask[:, ends]
        count = seen.sum(-1).clamp_min(1.0)
        ratio = _lengths(joints, starts, ends) / canonical
        mean = (ratio * seen).sum(-1) / count
        loss = loss + (((ratio - mean[:, None]) ** 2) * seen).sum(-1) / count
    return loss.mean()


def illegal_angle_loss(joints: Tensor, mask: Tensor, skeleton: Skeleton = BODY_21) -> Tensor:
    """Elbows and knees bent the wrong way (Dabral et al. 2018, eq. 3; seed 000 §3.1).

    With unit bone vectors, n = (shoulder − neck) × (elbow − shoulder) and E = n · (wrist − elbow);
    knees by analogy along pelvis, hip, knee, ankle. Right elbow and left knee are legal for
    E ≥ 0, left elbow and right knee for E ≤ 0; an illegal |E| costs |E| e^|E|.

    Args:
        joints: (N, J, 3) camera frame; mask (N, J).

    Returns:
        scalar: sum over the four joints, mean over N; 0 where all are legal or unseen.
    """
    loss = joints.new_zeros(len(joints))
    for sign, chain in (
        (1.0, ("thorax", "r_shoulder", "r_elbow", "r_wrist")),
        (1.0, ("pelvis", "l_hip", "l_knee", "l_ankle")),
        (-1.0, ("thorax", "l_shoulder", "l_elbow", "l_wrist")),
        (-1.0, ("pelvis", "r_hip", "r_knee", "r_ankle")),
    ):
        indices = skeleton.indices(chain)
        bones = torch.diff(joints[:, indices], dim=1)
        bones = bones / (bones.norm(dim=-1, keepdim=True) + _EPSILON)
        energy = sign * (torch.linalg.cross(bones[:, 0], bones[:, 1]) * bones[:, 2]).sum(-1)
        illegal = (-energy).clamp_min(0.0)
        loss = loss + illegal * illegal.exp() * mask[:, indices].prod(-1)
    return loss.mean()


def symmetry_loss(joints: Tensor, mask: Tensor, skeleton: Skeleton = BODY_21) -> Tensor:
    """Difference of left and right bone lengths, summed over pairs, mean over N (Dabral et al. 2018, eq. 4)."""

    def side(name: str) -> tuple[list[int], list[int]]:
        def full(joint: str) -> str:
            return joint if joint in ("pelvis", "thorax") else f"{name}_{joint}"

        return skeleton.indices(full(a) for a, _ in _SYMMETRIC), skeleton.indices(full(b) for _, b in _SYMMETRIC)

    left, right = side("l"), side("r")
    seen = mask[:, left[0]] * mask[:, left[1]] * mask[:, right[0]] * mask[:, right[1]]
    return ((_lengths(joints, *left) - _lengths(joints, *right)).abs() * seen).sum(-1).mean()


def weak_supervision(
    keypoints: Tensor,
    depth: Tensor,
    mask: Tensor,
    angle: float = 0.03,
    geometric: float = 0.03,
    symmetry: float = 0.05,
    skeleton: Skeleton = BODY_21,
) -> Tensor:
    """λ_a L_a + λ_g L_g + λ_s L_s on ground-truth xy with predicted z (Dabral et al. 2018, eq. 2).

    Args:
        keypoints: (N, J, 2) in [-1, 1] of the crop; depth (N, J) at the same scale; mask (N, J).
    """
    joints = torch.cat([keypoints, depth[..., None]], -1)
    loss = joints.new_zeros(())
    if angle:
        loss = loss + angle * illegal_angle_loss(joints, mask, skeleton)
    if geometric:
        loss = loss + geometric * geometric_loss(joints, mask, skeleton)
    if symmetry:
        loss = loss + symmetry * symmetry_loss(joints, mask, skeleton)
    return loss
