"""The papers' ways to measure, by name, so that figures can stand beside theirs."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from posecore.metrics.arrays import Array, Float, checked, mask_of, masked_mean
from posecore.metrics.correctness import auc, pck_3d
from posecore.metrics.positions import joint_errors, mpjpe, pa_mpjpe
from posecore.skeletons import BODY_21, H36M_17, MPII_16, Skeleton, conversion_weights, convert

__all__ = ["PROTOCOLS", "Protocol", "evaluate_protocol", "zhou_skeleton"]

Protocol = Literal["zhou", "martinez", "mpi_inf_3dhp"]
PROTOCOLS: tuple[Protocol, ...] = ("zhou", "martinez", "mpi_inf_3dhp")

#: Σ of bone lengths, m, to which Zhou et al.'s evaluation brings each predicted skeleton.
_ZHOU_SIZE = 4.29699233013
#: The bones of that sum: as of MPII's joints, but the trunk is one bone from the pelvis to the upper neck.
_ZHOU_BONES = (
    *((f"{s}_{a}", f"{s}_{b}") for s in "rl" for a, b in (("ankle", "knee"), ("knee", "hip"))),
    *((f"{s}_{a}", f"{s}_{b}") for s in "rl" for a, b in (("wrist", "elbow"), ("elbow", "shoulder"))),
    *((f"{s}_hip", "pelvis") for s in "rl"),
    *((f"{s}_shoulder", "upper_neck") for s in "rl"),
    ("pelvis", "upper_neck"),
    ("upper_neck", "head_top"),
)
#: The 14 joints of MPI-INF-3DHP's test code.
_3DHP_JOINTS = (
    "head_top",
    "thorax",
    *(f"{s}_{name}" for name in ("shoulder", "elbow", "wrist", "hip", "knee", "ankle") for s in "rl"),
)


def evaluate_protocol(
    prediction: Array,
    truth: Array,
    protocol: Protocol,
    skeleton: Skeleton = BODY_21,
    mask: ArrayLike | None = None,
) -> dict[str, float]:
    """The figures of a paper's protocol.

    - ``zhou`` (Zhou et al. 2017, Dabral et al. 2018): MPII's 16 joints, the prediction rescaled to the mean skeleton
      of Human3.6M (:func:`zhou_skeleton`), roots on each other, mean over all 16, root included: ``mpjpe_mm``.
    - ``martinez`` (Martinez et al. 2017): Human3.6M's 17 joints (or the 16 of MPII, if that is what there is),
      roots on each other, mean over all of them, root included: ``mpjpe_mm`` (Protocol 1) and, after a similarity of
      each pose, ``pa_mpjpe_mm`` (Protocol 2).
    - ``mpi_inf_3dhp`` (Mehta et al. 2017): 14 joints, relative to the pelvis: ``pck`` at 150 mm and ``auc``, shares
      of 1, and their ``mpjpe_mm``.

    Args:
        prediction, truth: (..., J, 3) m of ``skeleton``; ``zhou`` takes predictions of any scale.
        mask: (..., J), joints whose truth is known.

    Raises:
        ValueError: the protocol has no such name, or shapes do not fit the skeleton.
    """
    prediction, truth = checked(prediction, truth, 2)
    if prediction.shape[-2] != len(skeleton):
        raise ValueError(f"expected (..., {len(skeleton)}, 3) for {skeleton.name}, got {prediction.shape}")
    weight = mask_of(mask, prediction.shape[:-1])
    if protocol == "zhou":
        return _zhou(prediction, truth, weight, skeleton)
    if protocol == "martinez":
        return _martinez(prediction, truth, weight, skeleton)
    if protocol == "mpi_inf_3dhp":
        return _3dhp(prediction, truth, weight, skeleton)
    raise ValueError(f"protocol must be one of {', '.join(PROTOCOLS)}, got {protocol!r}")


def zhou_skeleton(joints: Array) -> Float:
    """Predicted MPII_16 joints (..., 16, 3) of any unit as Zhou et al.'s evaluation sees them: m, pelvis at 0.

    The lengths of 14 bones, the trunk counted as one, are brought to a sum of 4296.99 mm; the thorax, which no 2D data
    set labels as Human3.6M does, is put midway between pelvis and upper neck.
    """
    points = np.asarray(joints, np.float64)
    root = MPII_16.index("pelvis")
    starts, ends = (MPII_16.indices(bone[end] for bone in _ZHOU_BONES) for end in (0, 1))
    size = np.linalg.norm(points[..., starts, :] - points[..., ends, :], axis=-1).sum(-1)[..., None, None]
    scaled = (points - points[..., root : root + 1, :]) * (_ZHOU_SIZE / np.maximum(size, 1e-12))
    scaled[..., MPII_16.index("thorax"), :] = scaled[..., MPII_16.index("upper_neck"), :] / 2
    return scaled


def _as(skeleton: Skeleton, target: Skeleton, points: Float) -> Float:
    if skeleton == target:
        return points
    return np.asarray(conversion_weights(skeleton, target).astype(np.float64) @ np.nan_to_num(points))


def _weight_as(skeleton: Skeleton, target: Skeleton, weight: Float) -> Float:
    if skeleton == target:
        return weight
    return convert(np.zeros((*weight.shape, 1)), skeleton, target, weight)[1].astype(np.float64)


def _zhou(prediction: Float, truth: Float, weight: Float, skeleton: Skeleton) -> dict[str, float]:
    found = zhou_skeleton(_as(skeleton, MPII_16, prediction))
    wanted = _as(skeleton, MPII_16, truth)
    errors, known = joint_errors(found, wanted, _weight_as(skeleton, MPII_16, weight), MPII_16.index("pelvis"))
    return {"mpjpe_mm": 1000 * masked_mean(errors, known)}


def _martinez(prediction: Float, truth: Float, weight: Float, skeleton: Skeleton) -> dict[str, float]:
    target = H36M_17 if set(H36M_17.joints) <= set(skeleton.joints) else skeleton
    found, wanted = _as(skeleton, target, prediction), _as(skeleton, target, truth)
    known = _weight_as(skeleton, target, weight)
    return {
        "mpjpe_mm": 1000 * mpjpe(found, wanted, known, target.index("pelvis")),
        "pa_mpjpe_mm": 1000 * pa_mpjpe(found, wanted, known),
    }


def _3dhp(prediction: Float, truth: Float, weight: Float, skeleton: Skeleton) -> dict[str, float]:
    neck = "upper_neck" if "upper_neck" in skeleton.joints else "thorax"
    order = skeleton.indices(["pelvis", *(neck if name == "thorax" else name for name in _3DHP_JOINTS)])
    found, wanted, known = prediction[..., order, :], truth[..., order, :], weight[..., order]
    found, wanted = found - found[..., :1, :], wanted - wanted[..., :1, :]
    known = known * (known[..., :1] != 0)
    scored = found[..., 1:, :], wanted[..., 1:, :], known[..., 1:]
    return {"pck": pck_3d(*scored), "auc": auc(*scored), "mpjpe_mm": 1000 * mpjpe(*scored)}
