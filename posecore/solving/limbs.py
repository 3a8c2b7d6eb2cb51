"""Global rotations of arms and legs from observed joints.

Each segment takes the observed direction exactly. What a direction leaves open, the twist, comes from the plane
of the limb (the hinge axis of elbow or knee); where the limb is straight that plane says nothing, and the twist
follows its neighbours in time, the foot, and the smallest turn from the rest pose, in this order.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solveh_banded

from posecore.skeletons import BODY_21, SMPL_24
from posecore.solving.lengths import Proportions
from posecore.solving.rotations import about, dot, orthogonal, phase_about, ramp, swing, turn, unit
from posecore.solving.trunk import direction

__all__ = ["solve_arm", "solve_leg"]

Array = NDArray[np.floating]

_STRAIGHT = np.sin(np.radians((8.0, 25.0)))  # between these bends the plane of a limb becomes trusted
_COLLAR_LIMIT = np.radians(30.0)
_HYPEREXTENSION = np.sin(np.radians(8.0))
_WRIST_LIMIT = np.radians(80.0)  # the cone about the forearm that a hand keeps to
_ANKLE_LIMIT = np.radians(60.0)  # the cone that a foot keeps to, about its usual direction in the shin's frame:
_ANKLE_MIDDLE = np.array([0.0, -0.3, 0.954])
# Usual twist of the upper segment, radians either side of the smallest turn from rest. Measured on CMU: knees lie
# within 60 degrees in 99 % of frames, elbows within 110.
_KNEE_RANGE = np.radians(60.0)
_SPREAD_KNEE_RANGE = np.radians(160.0)  # a leg raised to the side also turns its knee up
_ELBOW_RANGE = np.radians(110.0)


def settle_phase(phase: Array, weight: Array, times: Array, memory: float = 0.2) -> Array:
    """Angles over time that follow ``phase`` where it is trusted, carry on smoothly where it is not, and
    return to 0 where nothing is trusted nearby.

    Args:
        phase: (T,) radians.
        weight: (T,) trust in [0, 1]; 1 keeps ``phase`` exactly.
        memory: seconds over which a trusted angle carries on.
    """
    count = len(times)
    if count == 1:
        return np.angle(weight * np.exp(1j * phase) + 0.03 * (1 - weight))
    span = np.gradient(times)
    bands = np.zeros((2, count))
    bands[1] = (weight + 0.03) * span
    stiffness = memory**2 * 0.1 / np.diff(times)
    bands[1, :-1] += stiffness
    bands[1, 1:] += stiffness
    bands[0, 1:] = -stiffness
    target = (weight * np.exp(1j * phase) + 0.03) * span
    carried = solveh_banded(bands, np.stack([target.real, target.imag], axis=1), check_finite=False)
    blended = weight * np.exp(1j * phase) + (1 - weight) * (carried[:, 0] + 1j * carried[:, 1])
    return np.angle(blended)


def _twist(
    reference: Array, along: Array, hinge: Array, normal: Array, usual: Array, trust: Array, limits: float
) -> tuple[Array, Array]:
    """Phase (T,) of the limb plane about the segment against ``reference``, and its weight (T,).

    A phase outside the ``usual`` range (T,) means a limb that bends the wrong way, and loses its weight by ``limits``.
    """
    phase = phase_about(along, turn(reference, hinge), normal)
    likely = ramp(np.cos(phase), np.cos(np.minimum(usual + 0.6, np.pi)), np.cos(usual))
    weight = ramp(np.linalg.norm(normal, axis=-1), *_STRAIGHT) * trust
    return phase, weight * (1 - limits * (1 - likely))


def _hold_hinge(segment: Array, parent: Array, backward: Array, limits: float) -> Array:
    """``segment`` directions (T, 3) with what bends backward beyond 8 degrees taken back by ``limits``."""
    towards = turn(parent, backward)
    excess = np.maximum(dot(segment, towards) - _HYPEREXTENSION, 0.0)
    return unit(segment - (limits * excess)[:, None] * towards)


def _hold_cone(segment: Array, middle: Array, limit: float, limits: float) -> Array:
    """``segment`` directions (T, 3) outside a cone about ``middle`` taken back towards its edge by ``limits``."""
    angle = np.arccos(np.clip(dot(segment, middle), -1.0, 1.0))
    excess = np.maximum(angle - limit, 0.0)
    held = angle - limits * (excess - 0.3 * np.tanh(excess / 0.3))
    back = turn(about(unit(np.cross(middle, segment)), held), middle)
    return np.where((excess > 0)[:, None], back, segment)


def _aim(parent: Array, rest: Array, along: Array) -> Array:
    """``parent`` turned by the least that brings its ``rest`` direction to ``along``."""
    return swing(turn(parent, unit(rest)), along) @ parent


def solve_arm(
    side: str,
    joints: Array,
    times: Array,
    trust: Array,
    seen: dict[str, bool],
    body: Proportions,
    thorax: Array,
    rotations: Array,
    limits: float,
) -> None:
    """Fill collar, shoulder, elbow, wrist and hand of one ``side`` ("l_", "r_") of ``rotations``.

    Args:
        joints: (T, 21, 3); trust: (T, 21) in [0, 1].
        thorax: (T, 3) where the observed thorax lies on the solved trunk, metres from the pelvis.
        limits: strength of the elbow's hinge limit.
    """
    shoulder, elbow, wrist, hand = (BODY_21.index(side + n) for n in ("shoulder", "elbow", "wrist", "hand"))
    offsets = {
        n: body.offsets[SMPL_24.index(side + n)].astype(np.float64)
        for n in ("collar", "shoulder", "elbow", "wrist", "hand")
    }
    chest = rotations[:, SMPL_24.index("spine3")]
    sign = 1.0 if side == "l_" else -1.0

    # Collar: towards the observed shoulder, seen from the thorax, within a cone.
    middle = body.thorax_height - (_height_of_collars(body))
    start = thorax + turn(chest, np.array([offsets["collar"][0], -middle, offsets["collar"][2]]))
    size = body.scale / body.observed_scale
    target = thorax + size * (joints[:, shoulder] - joints[:, BODY_21.index("thorax")])
    rest = turn(chest, unit(offsets["shoulder"]))
    towards = direction(target - start, tuple(rest[0]))
    angle = np.arccos(np.clip(dot(rest, towards), -1, 1))
    held = _COLLAR_LIMIT * np.tanh(angle / _COLLAR_LIMIT)
    axis = unit(np.cross(rest, towards))
    collar = about(axis, held) @ chest

    # Upper arm: direction, then twist from the elbow's hinge: the forearm bends to the front at rest.
    down = tuple(np.array([0.3 * sign, -0.95, 0.0]))
    upper = direction(joints[:, elbow] - joints[:, shoulder], down) if seen[side + "elbow"] else -chest[..., 1]
    fore = direction(joints[:, wrist] - joints[:, elbow], down) if seen[side + "wrist"] else upper
    reference = _aim(chest, offsets["elbow"], upper)
    hinge = np.array([0.0, -sign, 0.0])
    confidence = trust[:, [shoulder, elbow, wrist]].min(axis=1)
    usual = np.full(len(times), _ELBOW_RANGE)
    phase, weight = _twist(reference, upper, hinge, np.cross(upper, fore), usual, confidence, limits)
    phase = settle_phase(phase, weight, times)
    upper_arm = about(upper, phase) @ reference
    fore = _hold_hinge(fore, upper_arm, np.array([0.0, 0.0, -1.0]), limits)
    forearm = _aim(upper_arm, offsets["wrist"], fore)
    palm = direction(joints[:, hand] - joints[:, wrist], down) if seen[side + "hand"] else fore
    palm = _hold_cone(palm, fore, _WRIST_LIMIT, limits)
    last = _aim(forearm, offsets["hand"], palm)
    for name, matrices in zip(
        ("collar", "shoulder", "elbow", "wrist", "hand"), (collar, upper_arm, forearm, last, last), strict=True
    ):
        rotations[:, SMPL_24.index(side + name)] = matrices


def _height_of_collars(body: Proportions) -> float:
    """Height of the collar joints above the hip line at rest, metres."""
    names = ("spine1", "spine2", "spine3", "l_collar")
    return float(sum(body.offsets[SMPL_24.index(n), 1] for n in names) - body.offsets[SMPL_24.index("l_hip"), 1])


def solve_leg(
    side: str,
    joints: Array,
    times: Array,
    trust: Array,
    seen: dict[str, bool],
    body: Proportions,
    rotations: Array,
    limits: float,
) -> None:
    """Fill hip, knee, ankle and foot of one ``side`` of ``rotations``; arguments as :func:`solve_arm`."""
    hip, knee, ankle, toe = (BODY_21.index(side + n) for n in ("hip", "knee", "ankle", "toe"))
    offsets = {n: body.offsets[SMPL_24.index(side + n)].astype(np.float64) for n in ("knee", "ankle", "foot")}
    pelvis = rotations[:, SMPL_24.index("pelvis")]
    down = (0.0, -1.0, 0.0)
    thigh = direction(joints[:, knee] - joints[:, hip], down) if seen[side + "knee"] else -pelvis[..., 1]
    shin = direction(joints[:, ankle] - joints[:, knee], down) if seen[side + "ankle"] else thigh
    reference = _aim(pelvis, offsets["knee"], thigh)
    hinge = np.array([1.0, 0.0, 0.0])
    confidence = trust[:, [hip, knee, ankle]].min(axis=1)
    aside = ramp(np.abs(dot(thigh, pelvis[..., 0])), 0.35, 0.75)
    usual = _KNEE_RANGE + aside * (_SPREAD_KNEE_RANGE - _KNEE_RANGE)
    phase, weight = _twist(reference, thigh, hinge, np.cross(thigh, shin), usual, confidence, limits)
    if seen[side + "toe"]:
        # A straight leg turns with its foot.
        sole = direction(joints[:, toe] - joints[:, ankle], (0, 0, 1))
        ahead = orthogonal(sole, thigh)
        foot_phase = phase_about(thigh, reference[..., 2], ahead)
        foot_weight = 0.5 * ramp(np.linalg.norm(ahead, axis=-1), 0.3, 0.7) * trust[:, [ankle, toe]].min(axis=1)
        foot_weight = foot_weight * ramp(np.cos(foot_phase), np.cos(1.4), np.cos(0.8)) * (1 - weight)
        both = weight * np.exp(1j * phase) + foot_weight * np.exp(1j * foot_phase)
        phase, weight = np.angle(both), np.clip(np.abs(both), 0.0, 1.0)
    phase = settle_phase(phase, weight, times)
    upper_leg = about(thigh, phase) @ reference
    shin = _hold_hinge(shin, upper_leg, np.array([0.0, 0.0, 1.0]), limits)
    lower_leg = _aim(upper_leg, offsets["ankle"], shin)
    foot = lower_leg
    if seen[side + "toe"]:
        # Yaw about the shin first, so that the sole does not roll, then the least turn to the observed toe.
        sole = _hold_cone(sole, turn(lower_leg, _ANKLE_MIDDLE), _ANKLE_LIMIT, limits)
        local = np.einsum("tji,tj->ti", lower_leg, sole)
        yaw = np.arctan2(local[:, 0], np.sqrt(np.maximum(local[:, 2], 0.0) ** 2 + 0.2**2))
        foot = _aim(about(lower_leg[..., 1], yaw) @ lower_leg, offsets["foot"], sole)
    for name, matrices in zip(("hip", "knee", "ankle", "foot"), (upper_leg, lower_leg, foot, foot), strict=True):
        rotations[:, SMPL_24.index(side + name)] = matrices
