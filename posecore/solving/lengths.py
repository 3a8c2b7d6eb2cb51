"""One set of bone lengths for a whole clip, as the SMPL-24 rest offsets of one body.

Every length is a confidence-weighted median over frames, left and right together, held to plausible
proportions. Joint sets disagree about the middle of the body (the "thorax" of CMU lies 5 cm below the shoulder
line, that of BlazePose on it), so the trunk is measured to the shoulder line, which all of them share.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from posecore.proportions import default_offsets
from posecore.skeletons import BODY_21, SMPL_24
from posecore.solving.rotations import dot, frame_from, unit

__all__ = ["Proportions", "measure", "stature"]

Array = NDArray[np.floating]

# Limbs as (parent, child) of BODY_21, left and right; the SMPL-24 joint whose offset they set.
_LIMBS = {
    "knee": ("hip", "knee"),
    "ankle": ("knee", "ankle"),
    "foot": ("ankle", "toe"),
    "elbow": ("shoulder", "elbow"),
    "wrist": ("elbow", "wrist"),
    "hand": ("wrist", "hand"),
}
# How far a part may leave the proportions of the average body, as factors.
_LIMITS = {"wrist": (0.62, 1.33), "foot": (0.6, 1.6), "hand": (0.5, 1.6), "hips": (0.65, 1.5), "shoulders": (0.65, 1.4)}
_LIMIT = (0.75, 1.33)
# What people call the part whose offset belongs to a joint.
_CALLED = {
    "knee": "thighs",
    "ankle": "shins",
    "foot": "feet",
    "elbow": "upper arms",
    "wrist": "forearms",
    "hand": "hands",
}
_TRUNK_CHAIN = ("spine1", "spine2", "spine3")
_AVERAGE_STATURE = 1.70  # of default_offsets()


@dataclass(frozen=True)
class Proportions:
    """The measured body.

    Attributes:
        offsets: (24, 3) SMPL-24 rest offsets, metres.
        thorax_height: where the observed "thorax" lies on the rest trunk, metres above the hip line.
        scale: size relative to the average adult of 1.70 m.
        observed_scale: the same before a set height; ``scale / observed_scale`` turns observed metres into solved.
        warnings: what was implausible.
    """

    offsets: NDArray[np.float32]
    thorax_height: float
    scale: float
    observed_scale: float
    warnings: tuple[str, ...] = ()


def stature(offsets: NDArray[np.floating]) -> float:
    """Standing height, metres, of rest ``offsets`` (24, 3): their upright chain, and crown and sole in proportion."""

    def chain(values: NDArray[np.floating]) -> float:
        names = ("l_hip", "l_knee", "l_ankle")
        legs = -sum(float(values[SMPL_24.index(n), 1]) for n in names)
        return legs + sum(float(values[SMPL_24.index(n), 1]) for n in (*_TRUNK_CHAIN, "neck", "head"))

    return _AVERAGE_STATURE * chain(offsets) / chain(default_offsets())


def weighted_median(values: Array, weights: Array) -> float | None:
    """Median of values (N,) under weights (N,); None where all weights are 0."""
    keep = weights > 0
    if not keep.any():
        return None
    order = np.argsort(values[keep])
    total = np.cumsum(weights[keep][order])
    return float(values[keep][order][np.searchsorted(total, total[-1] / 2)])


def _limb_length(joints: Array, confidence: Array, ends: tuple[str, str]) -> float | None:
    lengths, weights = [], []
    for side in ("l_", "r_"):
        a, b = BODY_21.indices((side + ends[0], side + ends[1]))
        lengths.append(np.linalg.norm(joints[:, b] - joints[:, a], axis=-1))
        weights.append(np.minimum(confidence[:, a], confidence[:, b]))
    return weighted_median(np.concatenate(lengths), np.concatenate(weights))


def _measure_trunk(joints: Array, confidence: Array) -> dict[str, float]:
    """Half widths of hips and shoulders, and heights of thorax and shoulder line above the hip line, metres."""
    lh, rh, ls, rs, thorax = BODY_21.indices(("l_hip", "r_hip", "l_shoulder", "r_shoulder", "thorax"))
    hips, shoulders = joints[:, lh] - joints[:, rh], joints[:, ls] - joints[:, rs]
    hip_weight = np.minimum(confidence[:, lh], confidence[:, rh])
    shoulder_weight = np.minimum(confidence[:, ls], confidence[:, rs])
    trunk_weight = np.minimum(hip_weight, confidence[:, thorax])
    middle = (joints[:, lh] + joints[:, rh]) / 2
    trunk = joints[:, thorax] - middle
    along = frame_from(unit(trunk), hips)[..., 0]
    lift = dot((joints[:, ls] + joints[:, rs]) / 2 - joints[:, thorax], along)
    measured = {
        "hips": weighted_median(np.linalg.norm(hips, axis=-1) / 2, hip_weight),
        "shoulders": weighted_median(np.linalg.norm(shoulders, axis=-1) / 2, shoulder_weight),
        "thorax": weighted_median(np.linalg.norm(trunk, axis=-1), trunk_weight),
        "lift": weighted_median(lift, np.minimum(shoulder_weight, trunk_weight)),
    }
    return {name: value for name, value in measured.items() if value is not None}


def measure(joints: Array, confidence: Array, height: float | None = None) -> Proportions:
    """Measure the body of a clip.

    Args:
        joints: (T, 21, 3) BODY_21, metres, any frame.
        confidence: (T, 21) in [0, 1]; frames of 0 do not count.
        height: standing height to scale the result to, metres; None keeps the observed size.
    """
    default = default_offsets().astype(np.float64)
    normal = {name: float(np.linalg.norm(default[SMPL_24.index("l_" + name)])) for name in _LIMBS}
    hip_drop = -float(default[SMPL_24.index("l_hip"), 1])
    to_spine3 = hip_drop + sum(float(default[SMPL_24.index(n), 1]) for n in _TRUNK_CHAIN)
    collar, shoulder = default[SMPL_24.index("l_collar")], default[SMPL_24.index("l_shoulder")]
    normal |= {
        "hips": float(default[SMPL_24.index("l_hip"), 0]),
        "shoulders": float(collar[0] + shoulder[0]),
        "trunk": to_spine3 + float(collar[1] + shoulder[1]),
    }

    seen = {name: _limb_length(joints, confidence, ends) for name, ends in _LIMBS.items()}
    found = {name: value for name, value in seen.items() if value is not None}
    trunk = _measure_trunk(joints, confidence)
    found |= {name: trunk[name] for name in ("hips", "shoulders") if name in trunk}
    if "thorax" in trunk:
        lift = np.clip(trunk.get("lift", 0.0), -0.2 * trunk["thorax"], 0.2 * trunk["thorax"])
        found["trunk"] = trunk["thorax"] + lift

    main = [found[n] / normal[n] for n in ("trunk", "knee", "ankle", "elbow", "wrist") if found.get(n, 0) > 0]
    size = float(np.median(main)) if main else 1.0
    ratios, warnings = {}, []
    for name, usual in normal.items():
        low, high = _LIMITS.get(name, _LIMIT)
        ratio = found.get(name, size * usual) / (size * usual)
        ratios[name] = size * float(np.clip(ratio, low, high))
        if not low <= ratio <= high:
            held = np.clip(ratio, low, high)
            warnings.append(f"{_CALLED.get(name, name)} {ratio:.2f} times the usual length, held to {held:.2f}")

    offsets = _offsets(default, ratios, size)
    observed = stature(offsets) / _AVERAGE_STATURE
    factor = 1.0 if height is None else height / stature(offsets)
    thorax = trunk.get("thorax", normal["trunk"] * ratios["trunk"])
    return Proportions(
        (offsets * factor).astype(np.float32), thorax * factor, observed * factor, observed, tuple(warnings)
    )


def _offsets(default: Array, ratios: dict[str, float], size: float) -> Array:
    """The default body with each part scaled by its ratio; neck and head by the size of the whole."""
    scales = np.full((len(SMPL_24), 3), size)
    for side in ("l_", "r_"):
        for name in _LIMBS:
            scales[SMPL_24.index(side + name)] = ratios[name]
        scales[SMPL_24.index(side + "hip")] = (ratios["hips"], ratios["trunk"], size)
        for name in ("collar", "shoulder"):
            scales[SMPL_24.index(side + name)] = (ratios["shoulders"], ratios["trunk"], size)
    scales[SMPL_24.indices((*_TRUNK_CHAIN, "neck"))] = ratios["trunk"]
    return default * scales
