"""The middle of a body: hips, spine, neck and head between and beyond the limbs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["spread", "trunk_roles"]

Array = NDArray[np.float64]

#: Where the head's bone begins above the shoulder joints, in lengths of a leg: usual place and spread.
HEAD, HEAD_SPREAD = 0.18, 0.08


def spread(trunk: Sequence[int], heads: Array) -> dict[str, int]:
    """Spine roles for the bones between the hips and the neck, lowest first: one bone is the spine; of more than
    three the lowest, the highest and the one nearest to half-way have a role, the others keep their rest."""
    if len(trunk) <= 3:
        return dict(zip(("spine", "chest", "upperChest"), trunk, strict=False))
    middle = (heads[trunk[0]] + heads[trunk[-1]]) / 2
    inner = min(trunk[1:-1], key=lambda bone: float(np.linalg.norm(heads[bone] - middle)))
    return {"spine": trunk[0], "chest": inner, "upperChest": trunk[-1]}


def trunk_roles(
    to_legs: Sequence[int],
    to_arms: Sequence[int],
    children: Sequence[Sequence[int]],
    heads: Array,
    at: Mapping[str, Array],
    taken: set[int],
    bones: int,
) -> tuple[dict[str, int], Array | None]:
    """Roles of the middle.

    Args:
        to_legs: bones from the root to the one where the legs meet, both included; to_arms: likewise.
        children: of each bone.
        heads: (B, 3).
        at: role → (3,) place, of the limbs.
        taken: bones of the limbs.
        bones: number of real bones; one more, the last, may stand for all roots together.

    Returns:
        role → bone, and the middle of what hangs on the head, relative to it (None for nothing).
    """
    hip = (at["leftUpperLeg"] + at["rightUpperLeg"]) / 2
    shoulder = (at["leftUpperArm"] + at["rightUpperArm"]) / 2
    leg = float(np.mean([np.linalg.norm(at[f"{side}Foot"] - at[f"{side}UpperLeg"]) for side in ("left", "right")]))
    trunk_length = max(float(np.linalg.norm(shoulder - hip)), 1e-9)
    up = (shoulder - hip) / trunk_length
    hips, trunk = _hips(to_legs, to_arms, heads, hip, leg, bones)

    def height(bone: int) -> float:
        """Over the shoulders, in lengths of a leg."""
        return float((heads[bone] - shoulder) @ up) / max(leg, 1e-9)

    across = at["leftUpperArm"] - at["rightUpperArm"]
    across = across / max(float(np.linalg.norm(across)), 1e-12)

    def next_up(bone: int) -> int:
        """The child that goes on towards the head: in the middle, upwards, with much on it. -1 for none."""
        options = []
        all_aside = {child: float((heads[child] - shoulder) @ across) / trunk_length for child in children[bone]}
        for child in children[bone]:
            step = heads[child] - heads[bone]
            aside = abs(all_aside[child])
            mirrored = aside > 0.02 and any(abs(all_aside[child] + other) < 0.3 * aside for other in all_aside.values())
            if child in taken or aside > 0.12 or mirrored:
                continue
            rises = float(step @ up) / trunk_length
            forward = float(np.linalg.norm(step - up * (step @ up))) / trunk_length
            options.append((rises - forward - 2 * aside + 0.02 * _size_below(child, children), child))
        return max(options)[1] if options else -1

    beyond: list[int] = []
    bone = to_arms[-1]
    while (bone := next_up(bone)) >= 0 and len(beyond) < 8 and (not beyond or height(bone) < 0.6):
        beyond.append(bone)
        if _holds_a_face(bone, children, heads, leg) and abs(height(bone) - HEAD) < 1.5 * HEAD_SPREAD:
            break
    # bones that still lie under the shoulders carry the trunk, though the arms start lower
    while len(beyond) > 1 and height(beyond[0]) < -0.16:
        trunk.append(beyond.pop(0))
    head, necks = _head(beyond, [height(bone) for bone in beyond], children)
    if not necks and len(trunk) > 1 and height(trunk[-1]) > 0.03:
        necks = [trunk.pop()]  # arms that hang on the neck, as an old Biped's
    roles = {"hips": hips} | spread(trunk, heads)
    if necks:
        roles["neck"] = necks[0]
    if head < 0:
        return roles, None
    roles["head"] = head
    return roles, _face(head, children, heads, 0.3 * leg)


def _size_below(bone: int, children: Sequence[Sequence[int]], most: int = 20) -> int:
    """Bones at and under a bone, at most ``most``."""
    seen = [bone]
    for other in seen:
        if len(seen) >= most:
            return most
        seen.extend(children[other])
    return min(len(seen), most)


def _hips(
    to_legs: Sequence[int], to_arms: Sequence[int], heads: Array, hip: Array, leg: float, bones: int
) -> tuple[int, list[int]]:
    """The hips, and the bones from there (or from where the legs meet) up to where the arms meet."""
    shared = [one for one, other in zip(to_legs, to_arms, strict=False) if one == other]
    base = shared[-1] if shared else to_legs[-1]
    above = list(to_arms[len(shared) :])
    if base == bones and above:
        return above[0], above[1:]  # several roots: nothing carries them all

    def far(bone: int) -> float:
        return float(np.linalg.norm(heads[bone] - hip))

    if far(base) > 0.45 * leg and above:
        nearest = min(above, key=far)  # all meets in a bone at the ground
        if far(nearest) < far(base):
            return nearest, above[above.index(nearest) + 1 :]
    for other in reversed([bone for bone in shared[:-1] if bone < bones]):
        # legs that hang on the first spine bone, as an old Biped's: the pelvis is right above
        if far(base) > 0.05 * leg and far(other) < 0.5 * far(base):
            return other, above
    return base, above


def _head(beyond: list[int], heights: list[float], children: Sequence[Sequence[int]]) -> tuple[int, list[int]]:
    """Which of the bones beyond the chest is the head's, and those of the neck before it.

    Args:
        beyond: bones from the chest on; heights: of each over the shoulders, in lengths of a leg.
        children: of every bone.
    """
    if not beyond:
        return -1, []
    costs = []
    for number, (bone, height) in enumerate(zip(beyond, heights, strict=True)):
        cost = 0.5 * ((height - HEAD) / HEAD_SPREAD) ** 2
        cost += 0.0 if number else 1.0  # there is mostly a neck
        cost -= 2.0 if len(children[bone]) >= 2 else 0.0  # eyes, jaw, hair
        # a bone at the very place of the one before is what hangs on the head
        cost += 3.0 if number and height - heights[number - 1] < 0.01 else 0.0
        costs.append(min(cost, 12.0))
    # of several that may be, the last one that is not yet the top of the head
    good = [number for number, cost in enumerate(costs) if cost <= min(costs) + 0.6]
    chosen = max((number for number in good if heights[number] < 0.235), default=int(np.argmin(costs)))
    return beyond[chosen], beyond[:chosen]


def _holds_a_face(bone: int, children: Sequence[Sequence[int]], heads: Array, leg: float) -> bool:
    """Whether many bones start here, or one that begins at the bone's own place."""
    near = any(np.linalg.norm(heads[child] - heads[bone]) < 0.005 * leg for child in children[bone])
    return near or len(children[bone]) >= 3


def _face(head: int, children: Sequence[Sequence[int]], heads: Array, reach: float) -> Array | None:
    """(3,) middle of the bones on the head, relative to it; hair that leaves the head does not count."""
    open_, found = list(children[head]), []
    while open_:
        bone = open_.pop()
        offset = heads[bone] - heads[head]
        if np.linalg.norm(offset) < reach:
            found.append(offset)
            open_.extend(children[bone])
    return np.mean(found, axis=0) if found else None
