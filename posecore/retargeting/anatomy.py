"""What a human body looks like in numbers: proportions of limbs, and which way a body faces.

Judges given points; finding them in a skeleton is for ``topology``. Proportions count for most here: unlike
directions they are the same in every pose, so that even a skeleton whose rest pose is odd is understood.
A *cost* is minus the logarithm of a probability, up to a constant: 0 is a perfect body.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from posecore.retargeting.roles import ROLES

__all__ = ["Facing", "arm_cost", "body_cost", "facing", "joint_costs", "leg_cost"]

Points = Mapping[str, NDArray[np.float64]]

#: A cost from which a limb is no human limb.
IMPLAUSIBLE = 12.0


def _off(value: float, usual: float, spread: float) -> float:
    """Cost of ``value`` where ``usual`` is the rule, both as ratios: symmetric in the logarithm."""
    return 0.5 * (np.log(max(value, 1e-3) / usual) / spread) ** 2


def _over(value: float, most: float, spread: float) -> float:
    return 0.5 * (max(value - most, 0.0) / spread) ** 2


def leg_cost(before: float, apart: float, thigh: float, shin: float, after: float | None, bend: float | None) -> float:
    """Cost of one leg.

    Args:
        before: length of what lies between the hips and the upper leg's head.
        apart: half the distance of both hip joints.
        thigh: knee from hip joint.
        shin: ankle from knee.
        after: length of the foot from the ankle on; None if the skeleton does not tell.
        bend: cosine between shin and foot, None as above.
    """
    if min(thigh, shin) <= 0:
        return 1e3
    cost = _off(shin / thigh, 1.0, 0.17) + _over(before / thigh, 0.3, 0.2)
    cost += _off(apart / thigh, 0.22, 0.6)
    if after is None:
        return cost + 1.5
    cost += min(_off(after / shin, 0.45, 0.5), 1.5)
    return cost + (1.0 * max(bend - 0.5, 0.0) if bend is not None else 0.3)


def arm_cost(before: float, apart: float, upper: float, fore: float, after: float | None, fingers: int) -> float:
    """Cost of one arm.

    Args:
        before: length of what lies between the chest and the upper arm's head (clavicle).
        apart: half the distance of both shoulder joints.
        upper: elbow from shoulder joint.
        fore: wrist from elbow.
        after: length of the hand from the wrist on; None if the skeleton does not tell.
        fingers: bones that start at the hand.
    """
    if min(upper, fore) <= 0:
        return 1e3
    cost = _off(fore / upper, 0.9, 0.19) + _over(before / upper, 1.0, 0.3)
    cost += _off(apart / upper, 0.6, 0.45)
    cost += 1.5 if after is None else min(_off(after / fore, 0.5, 0.55), 1.2)
    return cost - (1.0 if fingers >= 2 else 0.0)


def body_cost(leg: float, arm: float, trunk: float, hips: float, shoulders: float) -> float:
    """Cost of limbs that are to belong together: lengths hip–ankle, shoulder–wrist, hips–shoulders, and the widths."""
    if min(leg, arm, trunk) <= 0:
        return 1e3
    cost = _off(arm / leg, 0.64, 0.2) + _off(trunk / leg, 0.55, 0.3)
    return float(cost + _off(shoulders / max(hips, 1e-3 * leg), 1.9, 0.6))


def joint_costs(at: Points) -> dict[str, float]:
    """Cost of each limb (``"leftLeg"``, ``"rightArm"``, …) by the heads of its bones alone, as far as they are given.

    Args:
        at: role → (3,) head of its bone.
    """

    def far(one: str, other: str) -> float:
        return float(np.linalg.norm(at[one] - at[other]))

    costs = {}
    for side in ("left", "right"):
        other = "right" if side == "left" else "left"
        for limb, first, second, third in (
            ("Leg", "UpperLeg", "LowerLeg", "Foot"),
            ("Arm", "UpperArm", "LowerArm", "Hand"),
        ):
            names = [side + part for part in (first, second, third)]
            if not all(name in at for name in names) or other + first not in at:
                continue
            apart = far(names[0], other + first) / 2
            upper, lower = far(names[0], names[1]), far(names[1], names[2])
            if limb == "Leg":
                toes = side + "Toes"
                after = far(names[2], toes) * 1.4 if toes in at else None
                costs[side + limb] = leg_cost(0.0, apart, upper, lower, after, None)
            else:
                costs[side + limb] = arm_cost(0.0, apart, upper, lower, None, 0)
    return costs


@dataclass(frozen=True)
class Facing:
    """Which way a body looks.

    Attributes:
        up: (3,) from hips to shoulders, unit length.
        left: (3,) towards the person's own left.
        swapped: whether what was called left lies on the right.
        evidence: how sure; from about 2 on there is hardly a doubt, under 0.5 it is a guess.
    """

    up: NDArray[np.float64]
    left: NDArray[np.float64]
    swapped: bool
    evidence: float

    @property
    def forward(self) -> NDArray[np.float64]:
        """(3,) where the person looks."""
        return np.cross(self.left, self.up)


def _unit(vector: NDArray[np.float64]) -> NDArray[np.float64]:
    return vector / max(float(np.linalg.norm(vector)), 1e-12)


def _across(at: Points) -> NDArray[np.float64]:
    """From what is called right to what is called left, weighing the joints of the trunk most."""
    total = np.zeros(3)
    for part, weight in (("UpperLeg", 3.0), ("UpperArm", 2.0), ("LowerLeg", 0.5), ("LowerArm", 0.2)):
        if f"left{part}" in at and f"right{part}" in at:
            total += weight * (at[f"left{part}"] - at[f"right{part}"])
    return _unit(total)


def facing(at: Points, face: NDArray[np.float64] | None = None) -> Facing | None:
    """Find out by toes, knees, elbows and face where a body looks; None if its limbs are not there.

    Args:
        at: role → (3,) head of its bone; ``leftToes`` may be where the foot's bone ends.
        face: (3,) middle of the bones of the face, relative to the head's; None for none.
    """
    if not all(name in at for name, its_role in ROLES.items() if its_role.required and its_role.side):
        return None

    def middle(part: str) -> NDArray[np.float64]:
        return (at[f"left{part}"] + at[f"right{part}"]) / 2

    up = middle("UpperArm") - middle("UpperLeg")
    trunk = float(np.linalg.norm(up))
    up = _unit(up)
    across = _across(at)
    across = _unit(across - up * (across @ up))
    forward = np.cross(across, up)  # if what is called left is left
    evidence = 0.0

    def share(vector: NDArray[np.float64], size: float) -> float:
        """How far forward something lies, in [-1, 1]."""
        return max(-1.0, min(1.0, float(vector @ forward) / size))

    for side in ("left", "right"):
        hip, knee = at[f"{side}UpperLeg"], at[f"{side}LowerLeg"]
        size = max(float(np.linalg.norm(knee - hip)), 1e-9)
        foot = at.get(f"{side}Foot")
        if foot is None:
            continue
        line = foot - hip
        bent = (knee - hip) - line * ((knee - hip) @ line) / max(float(line @ line), 1e-12)
        evidence += 0.5 * share(bent, 0.08 * size)
        if f"{side}Toes" in at:
            evidence += 1.5 * share(at[f"{side}Toes"] - foot, 0.15 * size)
        elbow, hand = at[f"{side}LowerArm"], at.get(f"{side}Hand")
        if hand is not None:
            shoulder = at[f"{side}UpperArm"]
            line = hand - shoulder
            bent = (elbow - shoulder) - line * ((elbow - shoulder) @ line) / max(float(line @ line), 1e-12)
            evidence -= 0.5 * share(bent, 0.08 * size)
    if face is not None:
        evidence += share(face, 0.06 * max(trunk, 1e-9))
    if abs(evidence) < 0.3:  # nothing in the body tells: the world's own rule, a person at rest looks along +Z
        evidence += 0.3 * float(np.sign(forward[2])) * abs(forward[2])
    swapped = bool(evidence < 0)
    return Facing(up, -across if swapped else across, swapped, abs(float(evidence)))
