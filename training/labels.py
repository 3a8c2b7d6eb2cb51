"""From annotations to BODY_21 training labels, with a weight per joint.

Human labels (LSP_14) and the teacher's 33 landmarks follow different conventions for hips, neck
and head. :func:`fit_teacher_map` learns, from pictures that carry both, how the human convention
follows from the landmarks, so that pictures with landmarks alone get labels of the same kind.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from posecore.skeletons import BLAZEPOSE_33, BODY_21, LSP_14, conversion_weights, convert, mirror_name

__all__ = ["Labels", "agreement", "fit_teacher_map", "human_labels", "pixels_per_metre", "teacher_labels"]

Array = NDArray[np.float32]

# Landmarks from which a human-labelled joint is explained. The left side is fitted and mirrored.
_EXPLAINED_BY: dict[str, tuple[str, ...]] = {
    "l_hip": ("l_hip", "r_hip", "l_shoulder", "r_shoulder", "l_knee", "r_knee"),
    "neck": ("l_shoulder", "r_shoulder", "l_ear", "r_ear", "l_hip", "r_hip"),
    "head_top": ("l_ear", "r_ear", "l_eye", "r_eye", "l_mouth", "r_mouth", "l_shoulder", "r_shoulder"),
}


@dataclass(frozen=True)
class Labels:
    """Labels of one picture.

    Attributes:
        keypoints: (21, 2) px.
        weight: (21,) in [0, 1]; 0 = unknown.
        depth: (21,) px (at the picture's scale), relative to the pelvis, + away.
        depth_weight: (21,) in [0, 1].
    """

    keypoints: Array
    weight: Array
    depth: Array
    depth_weight: Array


def torso_length(lsp: Array, known: Array) -> float:
    """Mid-shoulder to mid-hip in px (at least 0.15 × the person's extent), as PCK's yardstick.

    Where a side is unknown the other side stands for it; with neither, 0.3 × the extent.
    """
    points = lsp[known > 0]
    extent = float(np.ptp(points, axis=0).max()) if len(points) else 1.0

    def middle(joint: str) -> Array | None:
        found = [lsp[i] for i in LSP_14.indices((f"l_{joint}", f"r_{joint}")) if known[i] > 0]
        return np.mean(found, axis=0) if found else None

    shoulder, hip = middle("shoulder"), middle("hip")
    if shoulder is None or hip is None:
        return max(0.3 * extent, 1.0)
    return max(float(np.linalg.norm(shoulder - hip)), 0.15 * extent, 1.0)


def agreement(lsp: Array, known: Array, teacher: Array) -> float:
    """Share of the human-labelled limb joints within 0.25 torso of the teacher's (33, 2); NaN if none."""
    shared = [j for j in LSP_14.joints if j in BLAZEPOSE_33.joints]
    ours, theirs = LSP_14.indices(shared), BLAZEPOSE_33.indices(shared)
    mask = known[ours] > 0
    if not mask.any():
        return float("nan")
    distance = np.linalg.norm(lsp[ours] - teacher[theirs], axis=-1)
    return float((distance[mask] < 0.25 * torso_length(lsp, known)).mean())


def unswapped(lsp: Array, known: Array, teacher: Array) -> tuple[Array, Array]:
    """Exchange left and right where the crowd clearly mixed them up and the teacher did not."""
    mirror = list(LSP_14.mirror)
    as_is, mirrored = agreement(lsp, known, teacher), agreement(lsp[mirror], known[mirror], teacher)
    if mirrored >= 0.75 and as_is < 0.4:
        return lsp[mirror], known[mirror]
    return lsp, known


def fit_teacher_map(lsp: Array, known: Array, teacher: Array) -> Array:
    """Weights (21, 33) from the teacher's landmarks to BODY_21 in the human convention.

    Args:
        lsp: (N, 14, 2) human labels, px; known (N, 14); teacher: (N, 33, 2), px, in agreement with them.

    Rows sum to 1, so the map commutes with every affine map of the picture and serves for the
    landmarks' 3D positions too.
    """
    weights = np.array(conversion_weights(BLAZEPOSE_33, BODY_21))
    for joint, names in _EXPLAINED_BY.items():
        row = _fit_joint(joint, names, lsp, known, teacher)
        target = {"neck": "thorax"}.get(joint, joint)
        weights[BODY_21.index(target)] = row
        if mirror_name(target) != target:
            weights[BODY_21.index(mirror_name(target))] = row[list(BLAZEPOSE_33.mirror)]
    pelvis = BODY_21.indices(("l_hip", "r_hip"))
    weights[BODY_21.index("pelvis")] = weights[pelvis].mean(0)
    ends = BODY_21.indices(("pelvis", "thorax"))
    weights[BODY_21.index("spine")] = weights[ends].mean(0)
    return weights


def _fit_joint(joint: str, names: tuple[str, ...], lsp: Array, known: Array, teacher: Array) -> Array:
    """Ridge regression of one joint on landmarks, both sides pooled, weights summing to 1."""
    columns = BLAZEPOSE_33.indices(names)
    mirrored = BLAZEPOSE_33.indices(mirror_name(n) for n in names)
    anchor, rows, values = columns[0], [], []
    for target, source, base in (
        (LSP_14.index(joint), columns, anchor),
        (LSP_14.index(mirror_name(joint)), mirrored, mirrored[0]),
    ):
        mask = known[:, target] > 0
        scale = np.ptp(teacher[mask], axis=1).max(-1)[:, None, None]
        rows.append(((teacher[mask][:, source] - teacher[mask][:, [base]]) / scale).transpose(0, 2, 1))
        values.append((lsp[mask, target] - teacher[mask, base]) / scale[:, 0])
    design = np.concatenate(rows).reshape(-1, len(names))[:, 1:]
    value = np.concatenate(values).reshape(-1)
    keep = np.abs(value) < np.quantile(np.abs(value), 0.95)  # the crowd's gross errors
    design, value = design[keep], value[keep]
    ridge = 1e-3 * len(design) * np.eye(design.shape[1]) * design.var()
    solution = np.linalg.solve(design.T @ design + ridge, design.T @ value)
    row = np.zeros(len(BLAZEPOSE_33), np.float32)
    row[columns[1:]] = solution
    row[anchor] += 1 - solution.sum()
    return row


def pixels_per_metre(world: Array, pixels: Array, weight: Array) -> float:
    """Least-squares scale of a weak-perspective camera: (J, 3) metres against (J, 2) px."""
    total = weight.sum()
    centred = world[:, :2] - (weight[:, None] * world[:, :2]).sum(0) / total
    seen = pixels - (weight[:, None] * pixels).sum(0) / total
    return float((weight[:, None] * centred * seen).sum() / (weight[:, None] * centred**2).sum())


def teacher_labels(pixels: Array, world: Array, visibility: Array, weights: Array, size: tuple[int, int]) -> Labels:
    """Labels from the teacher alone: (33, 2) px, (33, 3) metres, (33,) visibility, (21, 33) map."""
    keypoints = weights @ pixels
    positions = weights @ world
    used = weights != 0
    seen = np.where(used.any(-1), np.where(used, visibility, np.inf).min(-1), 0.0)
    inside = ((keypoints >= 0) & (keypoints < np.array(size))).all(-1)
    weight = np.where((seen > 0.3) & inside, np.clip(seen, 0.3, 1.0), 0.0)
    # A hidden joint's depth is a guess, but a plausible one: it keeps a small weight.
    scale = pixels_per_metre(world, pixels, np.clip(visibility, 0.05, 1.0))
    depth = (positions[:, 2] - positions[BODY_21.index("pelvis"), 2]) * scale
    return Labels(
        keypoints.astype(np.float32),
        weight.astype(np.float32),
        depth.astype(np.float32),
        np.where(used.any(-1), np.clip(seen, 0.1, 1.0), 0.0).astype(np.float32),
    )


def human_labels(lsp: Array, known: Array, teacher: Labels | None) -> Labels:
    """Labels of a picture that people labelled; ``teacher`` fills what they did not and the depth."""
    keypoints, weight = convert(lsp, LSP_14, BODY_21, known)
    if teacher is None:
        nothing = np.zeros(len(BODY_21), np.float32)
        return Labels(keypoints, weight, nothing, nothing)
    # Only joints that no human labelled anywhere (nose, hands, toes): an unlabelled LSP joint was
    # hidden or cut off, and there the teacher only guesses.
    fill = (conversion_weights(LSP_14, BODY_21).sum(-1) == 0) & (teacher.weight > 0)
    keypoints[fill], weight[fill] = teacher.keypoints[fill], teacher.weight[fill]
    return Labels(keypoints, weight, teacher.depth, teacher.depth_weight)
