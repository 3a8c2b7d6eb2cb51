"""Roles by the bones' names, read along the tree: an upper arm lies above its forearm, a hand below."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from posecore.retargeting.names import BoneName, score
from posecore.retargeting.rig import Rig
from posecore.retargeting.roles import ROLES
from posecore.retargeting.trunk import spread

__all__ = ["named_roles"]

_CHAINS = (("Shoulder", "UpperArm", "LowerArm", "Hand"), ("UpperLeg", "LowerLeg", "Foot", "Toes"))
#: Under this a name says nothing.
FAINT = 0.3

_Found = tuple[float, tuple[tuple[int, int], ...]]


def named_roles(
    rig: Rig, names: Sequence[BoneName], placed: Mapping[str, int] | None = None
) -> tuple[dict[str, int], dict[str, float]]:
    """Role → bone number, and role → score of its name, of what the names tell.

    Of bones whose names are as good, the one that ``placed`` (role → bone) holds is taken, else the first in the tree.
    """
    roles: dict[str, int] = {}
    scores: dict[str, float] = {}
    held = {(role.removeprefix(ROLES[role].side), bone) for role, bone in (placed or {}).items()}
    for side in ("left", "right"):
        for parts in _CHAINS:
            for role, bone, value in _chain(rig, names, [side + part for part in parts], held):
                roles[role], scores[role] = bone, value
        if _count_toes(rig, names, f"{side}Toes") > 2:
            roles.pop(f"{side}Toes", None)  # a bone for each toe, none for all
    _middle(rig, names, roles, scores)
    return {role: roles[role] for role in ROLES if role in roles}, scores


def _chain(
    rig: Rig, names: Sequence[BoneName], chain: Sequence[str], held: set[tuple[str, int]]
) -> list[tuple[str, int, float]]:
    """The bones of one limb: along one path from the root, roles in their order, the best names altogether."""
    values = [[score(name, role) for role in chain] for name in names]
    bonus = [[0.05 * ((role.removeprefix(ROLES[role].side), b) in held) for role in chain] for b in range(len(names))]
    start: list[_Found] = [(0.0, ())] * (len(chain) + 1)
    below = [list(start) for _ in names]
    # below[bone][k]: the best that roles k, k+1, … can have at or under a bone. Children come after their parents.
    for bone in reversed(range(len(names))):
        best = list(start)
        for child in rig.children[bone]:
            best = [
                max(mine, other, key=lambda found: found[0]) for mine, other in zip(best, below[child], strict=True)
            ]
        for k in reversed(range(len(chain))):
            options: list[_Found] = []
            for role in range(k, len(chain)):
                if values[bone][role] >= FAINT:
                    rest = best[role + 1]
                    options.append((values[bone][role] + bonus[bone][role] + rest[0], ((role, bone), *rest[1])))
            # of bones with equal names (twists in line) the first has the role
            options.append(best[k])
            below[bone][k] = max(options, key=lambda found: found[0])
    roots = [below[bone][0] for bone, parent in enumerate(rig.parents) if parent < 0]
    _, found = max(roots, key=lambda entry: entry[0], default=(0.0, ()))
    return [(chain[role], bone, values[bone][role]) for role, bone in found]


def _count_toes(rig: Rig, names: Sequence[BoneName], role: str) -> int:
    """Bones that are called a toe right under one that is not."""
    called = [score(name, role) > 0.5 for name in names]
    return sum(called[bone] and not (parent >= 0 and called[parent]) for bone, parent in enumerate(rig.parents))


def _path(rig: Rig, bone: int) -> list[int]:
    out = []
    while bone >= 0:
        out.append(bone)
        bone = rig.parents[bone]
    return out[::-1]


def _shared(rig: Rig, bones: Sequence[int]) -> list[int]:
    """The bones above all of ``bones``, from the root on."""
    paths = [_path(rig, bone)[:-1] for bone in bones]
    return [level[0] for level in zip(*paths, strict=False) if len(set(level)) == 1] if paths else []


def _middle(rig: Rig, names: Sequence[BoneName], roles: dict[str, int], scores: dict[str, float]) -> None:
    """Add hips, spine, neck and head, between and beyond the limbs that were found."""
    legs = [roles[role] for role in ("leftUpperLeg", "rightUpperLeg") if role in roles]
    arms = [
        next(roles[role] for role in (f"{side}Shoulder", f"{side}UpperArm") if role in roles)
        for side in ("left", "right")
        if f"{side}UpperArm" in roles
    ]
    if len(legs) < 2 or len(arms) < 2:
        return
    carriers = _shared(rig, legs + arms)
    if not carriers:
        return
    hips = max(carriers, key=lambda bone: (score(names[bone], "hips"), carriers.index(bone)))
    scores["hips"] = score(names[hips], "hips")
    if scores["hips"] < FAINT:
        return
    roles["hips"] = hips
    chest = _shared(rig, arms)[-1]
    trunk = [bone for bone in _path(rig, chest) if bone not in carriers]
    head = _best_under(rig, names, "head", chest)
    if head >= 0:
        roles["head"], scores["head"] = head, score(names[head], "head")
        between = [bone for bone in _path(rig, head)[:-1] if bone not in carriers]
        necks = [bone for bone in between if score(names[bone], "neck") >= FAINT]
        if necks:
            roles["neck"], scores["neck"] = necks[0], score(names[necks[0]], "neck")
            trunk = between[: between.index(necks[0])]
    trunk = [bone for bone in trunk if bone not in roles.values()]
    for role, bone in spread(trunk, rig.heads).items():
        roles[role] = bone
        scores[role] = max(score(names[bone], other) for other in ("spine", "chest", "upperChest"))


def _best_under(rig: Rig, names: Sequence[BoneName], role: str, top: int) -> int:
    """The bone under ``top`` whose name fits best (of equals the first), -1 for none."""
    under = {top}
    best, value = -1, FAINT
    for bone in range(top + 1, len(names)):
        if rig.parents[bone] in under:
            under.add(bone)
            if score(names[bone], role) > value:
                best, value = bone, score(names[bone], role)
    return best
