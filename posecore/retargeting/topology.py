"""The body in a skeleton by its tree and its joints' places alone: names, axes and the way up do not matter.

Limbs are pairs of chains whose bones have the same lengths; of all pairs, the two that together make the
most human body (:mod:`posecore.retargeting.anatomy`) are the legs and the arms. The rest follows: hips where the
legs meet, trunk up to where the arms meet, neck and head beyond, left and right by where the body looks.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from posecore.retargeting.anatomy import Facing, arm_cost, body_cost, facing, leg_cost
from posecore.retargeting.rig import Rig
from posecore.retargeting.roles import ROLES, mirror_role
from posecore.retargeting.trunk import trunk_roles

__all__ = ["Body", "find_body"]

Array = NDArray[np.float64]

#: Pairs of chains that are looked at, longest first.
CANDIDATES = 14
#: Ways to read a pair of chains as limbs that are looked at, and the cost from which one is not.
READINGS, UNLIKELY = 3, 15.0
#: Bones of a chain that may play a role: hair and tails go on for ever.
LONGEST = 16
#: Bones of a chain that are compared.
DEEPEST = 100


@dataclass(frozen=True)
class Body:
    """A body found in a skeleton.

    Attributes:
        roles: role → number of the bone.
        costs: ``"legs"``, ``"arms"``, ``"body"`` → cost (:mod:`posecore.retargeting.anatomy`).
        facing: where it looks.
    """

    roles: dict[str, int]
    costs: dict[str, float]
    facing: Facing

    @property
    def cost(self) -> float:
        """Sum of all costs."""
        return sum(self.costs.values())


@dataclass(frozen=True)
class _Pair:
    """Two chains of the same make: ``bones[i]`` = the i-th bone of one and of the other; ``base`` = where they meet."""

    base: int
    bones: list[tuple[int, int]]
    length: float


@dataclass(frozen=True)
class _Limb:
    """A pair of chains read as a pair of limbs: places of hip, knee, ankle (or shoulder, elbow, wrist) in it."""

    pair: _Pair
    points: Array  # (2, P, 3): heads of both chains, and the end of the last bone
    at: tuple[int, int, int]
    cost: float

    def point(self, number: int) -> Array:
        """(3,) middle of both sides."""
        return np.asarray(self.points[:, self.at[number]].mean(0))

    def width(self) -> Array:
        """(3,) from the second to the first chain where the limb begins."""
        return np.asarray(self.points[0, self.at[0]] - self.points[1, self.at[0]])

    def length(self) -> float:
        """Both segments together, mean of both sides."""
        picked = self.points[:, self.at]
        return float(np.linalg.norm(np.diff(picked, axis=1), axis=-1).sum(1).mean())

    def bone(self, number: int, side: int) -> int:
        """The bone whose head is at a joint, -1 if only another bone's end is there."""
        place = self.at[number]
        return self.pair.bones[place][side] if place < len(self.pair.bones) else -1


class _Tree:
    """A rig's tree in the world, with one bone more (the last) above all roots if there are several."""

    def __init__(self, rig: Rig) -> None:
        roots = [bone for bone, parent in enumerate(rig.parents) if parent < 0]
        self.count = len(rig)
        self.heads, self.ends = rig.heads, rig.ends
        self.parents = list(rig.parents)
        self.children = [list(children) for children in rig.children]
        if len(roots) > 1:
            self.heads = np.vstack([self.heads, self.heads[roots].mean(0)])
            self.ends = np.vstack([self.ends, self.heads[-1]])
            self.parents = [parent if parent >= 0 else self.count for parent in self.parents] + [-1]
            self.children.append(roots)
        above = np.array(self.parents)
        above[above < 0] = np.flatnonzero(above < 0)
        self.lengths = np.linalg.norm(self.heads - self.heads[above], axis=1)
        self.tails = np.linalg.norm(self.ends - self.heads, axis=1)
        self.size = float(np.ptp(self.heads, axis=0).max())
        self._matches: dict[tuple[int, int], tuple[float, tuple[int, int] | None]] = {}

    def path(self, bone: int) -> list[int]:
        """From the root to a bone, both included."""
        out = [bone]
        while self.parents[out[-1]] >= 0:
            out.append(self.parents[out[-1]])
        return out[::-1]

    def match(self, one: int, other: int, depth: int = 0) -> tuple[float, tuple[int, int] | None]:
        """Length of the longest pair of like chains below two bones, and the pair that comes next in it."""
        known = self._matches.get((one, other))
        if depth > DEEPEST:
            return 0.0, None
        if known is None:
            short, long = sorted((self.tails[one], self.tails[other]))
            leaves = not self.children[one] and not self.children[other]
            # of end bones at one place, those that go on in the same way
            known = (max(0.5 * (long - 5 * (long - short)), 0.0) if leaves else 0.0, None)
            for a in self.children[one]:
                for b in self.children[other]:
                    short, long = sorted((self.lengths[a], self.lengths[b]))
                    if long - short > 0.22 * long + 0.004 * self.size:
                        continue
                    value = self.match(a, b, depth + 1)[0] + long - 3 * (long - short)
                    # equal ones: a bone at its parent's very place is a step too
                    if value > known[0] or known[1] is None:
                        known = (value, (a, b))
            self._matches[one, other] = known
        return known

    def pairs(self) -> list[_Pair]:
        """The longest pairs of like chains that start at one bone."""
        found = []
        for base, children in enumerate(self.children):
            # a limb has two bones at least
            for one, other in combinations([child for child in children if self.children[child]], 2):
                short, long = sorted((self.lengths[one], self.lengths[other]))
                if long - short <= 0.3 * long + 0.02 * self.size:
                    found.append((short + self.match(one, other)[0], base, one, other))
        found.sort(reverse=True)
        longest = found[0][0] if found else 0.0
        return [
            _Pair(base, self._chain(one, other), length)
            for length, base, one, other in found[:CANDIDATES]
            if length > 0.25 * longest
        ]

    def _chain(self, one: int, other: int) -> list[tuple[int, int]]:
        bones: list[tuple[int, int]] = []
        step: tuple[int, int] | None = (one, other)
        while step is not None and len(bones) < LONGEST:
            bones.append(step)
            step = self.match(*step)[1]
        return bones

    def points(self, pair: _Pair) -> Array:
        """(2, P, 3) heads of both chains and, where it can be believed, the end of the last bone."""
        sides = np.array(pair.bones).T
        heads = self.heads[sides]
        ends = self.ends[sides[:, -1]]
        length = np.linalg.norm(ends - heads[:, -1], axis=-1)
        if (length > 1e-4 * self.size).all() and (length < 0.75 * pair.length).all():
            return np.concatenate([heads, ends[:, None]], axis=1)
        return heads


def _limbs(tree: _Tree, pair: _Pair, leg: bool) -> list[_Limb]:
    """Read a pair as legs or as arms: the choices of joints that cost least, best first."""
    points = tree.points(pair)
    bones = len(pair.bones)
    steps = np.linalg.norm(np.diff(points, axis=1), axis=-1).mean(0)
    far = np.concatenate([[0.0], np.cumsum(steps)])
    straight = np.linalg.norm(points[:, :, None] - points[:, None], axis=-1).mean(0)
    apart = np.linalg.norm(points[0] - points[1], axis=-1) / 2
    forks = [max(len(tree.children[bone]) for bone in both) for both in pair.bones]
    found: list[tuple[float, tuple[int, int, int]]] = []
    for at in combinations(range(points.shape[1]), 3):
        first, second, third = at
        if second >= bones:
            continue
        upper, lower = straight[first, second], straight[second, third]
        if min(upper, lower) <= 0.05 * far[-1]:
            continue
        # bones between the joints (twists) lie on the line
        crooked = (far[second] - far[first]) / upper + (far[third] - far[second]) / lower - 2
        after = far[-1] - far[third] if far[-1] - far[third] > 1e-3 * far[-1] else None
        if leg:
            cost = leg_cost(far[first], apart[first], upper, lower, after, _bend(points, second, third))
        else:
            fingers = forks[third] if third < bones else 0
            cost = arm_cost(far[first], apart[first], upper, lower, after, fingers)
        cost += 20 * crooked + (0.5 if third >= bones else 0.0)
        cost += 2.0 if max(forks[first + 1 : third], default=0) >= 4 else 0.0  # fingers start at a hand
        found.append((round(cost, 6), at))  # of equals, the first bones
    found.sort()
    return [_Limb(pair, points, at, cost) for cost, at in found[:READINGS] if cost < min(found[0][0] + 4, UNLIKELY)]


def _bend(points: Array, knee: int, ankle: int) -> float | None:
    """Cosine between shin and foot, None if the foot has no length."""
    if ankle + 1 >= points.shape[1]:
        return None
    shin, foot = points[:, ankle] - points[:, knee], points[:, ankle + 1] - points[:, ankle]
    lengths = np.linalg.norm(shin, axis=-1) * np.linalg.norm(foot, axis=-1)
    return float(((shin * foot).sum(-1) / lengths).mean()) if (lengths > 0).all() else None


def _together(tree: _Tree, legs: _Limb, arms: _Limb, below: dict[int, frozenset[int]]) -> float | None:
    """Cost of two limbs as one body, None if the tree forbids it."""
    leg_bones, arm_bones = legs.pair.bones[0], arms.pair.bones[0]
    base, chest = legs.pair.base, arms.pair.base
    if set(leg_bones) & set(arm_bones) or any(chest in below[bone] for bone in leg_bones):
        return None
    if any(base in below[bone] for bone in arm_bones):
        return None
    between = _steps_between(tree, base, chest)
    if between is None:
        return None
    hip, shoulder = legs.point(0), arms.point(0)
    trunk = shoulder - hip
    size, leg = float(np.linalg.norm(trunk)), legs.length()
    if size < 1e-6 * tree.size:
        return None
    up = trunk / size
    wide, broad = legs.width(), arms.width()
    cost = body_cost(leg, arms.length(), size, float(np.linalg.norm(wide)) / 2, float(np.linalg.norm(broad)) / 2)
    lengths = float(np.linalg.norm(wide) * np.linalg.norm(broad))
    cost += 4 * (1 - abs(float(wide @ broad)) / max(lengths, 1e-12))
    down = legs.point(2) - hip
    cost += 1.5 * (1 + float(down @ up) / max(float(np.linalg.norm(down)), 1e-12))
    inner = tree.heads[[bone for bone in below[base] if bone < tree.count]]
    cost += 2 * min(max(float(down @ up - ((inner - hip) @ up).min()) / leg - 0.15, 0.0), 1.0)
    beyond = [bone for bone in tree.children[chest] if bone not in arm_bones and bone not in leg_bones]
    cost += 0.0 if any((tree.heads[bone] - shoulder) @ up > -0.5 * size for bone in beyond) else 1.5
    return cost + between


def _steps_between(tree: _Tree, base: int, chest: int) -> float | None:
    """Cost of how two bones hang together: mostly the legs' is above the arms', or the child of one that is."""
    up, down = tree.path(base), tree.path(chest)
    shared = sum(1 for one, other in zip(up, down, strict=False) if one == other)
    if not shared:
        return None
    side = len(up) - shared  # bones between the legs' and where trunk and legs part
    if len(down) == shared and side:
        return 3.0  # the legs hang on the arms
    return 0.2 * side if side <= 2 else None


def _below(tree: _Tree, pairs: list[_Pair]) -> dict[int, frozenset[int]]:
    """The bones under (and with) each bone that the pairs ask for."""
    out: dict[int, frozenset[int]] = {}
    for bone in {b for pair in pairs for b in (pair.base, *pair.bones[0])}:
        seen, open_ = {bone}, [bone]
        while open_:
            children = tree.children[open_.pop()]
            seen.update(children)
            open_.extend(children)
        out[bone] = frozenset(seen)
    return out


def _side_roles(limb: _Limb, tree: _Tree, leg: bool, flipped: bool) -> dict[str, int]:
    """Roles of a pair of limbs; the first chain is called left unless ``flipped``."""
    parts = ("UpperLeg", "LowerLeg", "Foot") if leg else ("UpperArm", "LowerArm", "Hand")
    roles = {}
    for number, side in enumerate(("right", "left") if flipped else ("left", "right")):
        chain = [bones[number] for bones in limb.pair.bones]
        for joint, part in enumerate(parts):
            roles[side + part] = limb.bone(joint, number)
        size = float(np.linalg.norm(limb.points[number, limb.at[1]] - limb.points[number, limb.at[0]]))
        roles[side + ("Toes" if leg else "Shoulder")] = (
            _toes(tree, chain, limb.at[2], size) if leg else _clavicle(tree, chain, limb, size)
        )
    return {role: bone for role, bone in roles.items() if bone >= 0}


def _toes(tree: _Tree, chain: list[int], ankle: int, size: float) -> int:
    """The bone of all toes, -1 for none: each toe with a bone of its own is no such bone."""
    if ankle + 1 >= len(chain):
        return -1
    long_ones = [bone for bone in tree.children[chain[ankle]] if tree.lengths[bone] > 0.1 * size]
    if len(long_ones) >= 4:
        return -1
    start = tree.heads[chain[ankle]]
    return next((b for b in chain[ankle + 1 :] if np.linalg.norm(tree.heads[b] - start) > 0.1 * size), -1)


def _clavicle(tree: _Tree, chain: list[int], limb: _Limb, size: float) -> int:
    """The first bone between chest and upper arm, -1 for none; one that only marks the chest's own place is passed."""
    before = chain[: limb.at[0]]
    if len(before) > 1 and tree.lengths[before[0]] < 0.05 * size:
        before = before[1:]
    return before[0] if before else -1


def find_body(rig: Rig) -> Body | None:
    """The body in a rig, None if there is none (a prop, an animal without arms, two bones …)."""
    if len(rig) < 7:
        return None
    tree = _Tree(rig)
    pairs = tree.pairs()
    below = _below(tree, pairs)
    legs = [limb for pair in pairs for limb in _limbs(tree, pair, leg=True)]
    arms = [limb for pair in pairs for limb in _limbs(tree, pair, leg=False)]
    best: tuple[float, _Limb, _Limb, float] | None = None
    for leg in legs:
        for arm in arms:
            joint = None if leg.pair is arm.pair else _together(tree, leg, arm, below)
            if joint is not None and (best is None or leg.cost + arm.cost + joint < best[0]):
                best = (leg.cost + arm.cost + joint, leg, arm, joint)
    if best is None:
        return None
    _, leg, arm, joint = best
    flipped = float(leg.width() @ arm.width()) < 0
    roles = _side_roles(leg, tree, True, False) | _side_roles(arm, tree, False, flipped)
    at = {role: tree.heads[bone] for role, bone in roles.items()}
    for side in ("left", "right"):
        for limb, part, flip in ((leg, "Foot", False), (arm, "Hand", flipped)):
            number = int((side == "right") != flip)
            at.setdefault(side + part, limb.points[number, limb.at[2]])
            if part == "Foot" and limb.at[2] + 1 < limb.points.shape[1]:
                at.setdefault(side + "Toes", limb.points[number, limb.at[2] + 1])
    taken = {bone for limb in (leg, arm) for bones in limb.pair.bones for bone in bones}
    middle, face = trunk_roles(
        tree.path(leg.pair.base), tree.path(arm.pair.base), tree.children, tree.heads, at, taken, tree.count
    )
    way = facing(at, face)
    if way is None:
        return None
    if way.swapped:
        roles = {mirror_role(role): bone for role, bone in roles.items()}
    roles |= {role: bone for role, bone in middle.items() if bone < tree.count}
    costs = {"legs": leg.cost, "arms": arm.cost, "body": joint}
    return Body({role: roles[role] for role in ROLES if role in roles}, costs, way)
