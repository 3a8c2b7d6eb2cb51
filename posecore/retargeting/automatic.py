"""``map_rig``: which bone of a rig plays which role, by preset, names, tree and places together."""

from __future__ import annotations

from collections.abc import Mapping as MappingType
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from posecore.errors import PosecoreError
from posecore.retargeting import presets
from posecore.retargeting.anatomy import IMPLAUSIBLE, facing, joint_costs
from posecore.retargeting.mapping import Mapping, Match
from posecore.retargeting.named import named_roles
from posecore.retargeting.names import parse_all
from posecore.retargeting.presets import Preset
from posecore.retargeting.rig import Rig
from posecore.retargeting.roles import ROLES, mirror_role
from posecore.retargeting.topology import Body, find_body

__all__ = ["map_rig"]

#: Names are given up for places where they cost this much more.
OVERRULED = 8.0
#: Evidence from which the body's own look decides what is left and right, against the names.
CERTAIN = 2.5
_LIMBS = {"Leg": ("UpperLeg", "LowerLeg", "Foot", "Toes"), "Arm": ("Shoulder", "UpperArm", "LowerArm", "Hand")}
_REQUIRED = [name for name, its_role in ROLES.items() if its_role.required]


def map_rig(rig: Rig, preset: str | Preset | None = "auto", folder: Path | None = None) -> Mapping:
    """Find the bones of a humanoid.

    Args:
        rig: the rig.
        preset: ``"auto"`` takes the preset that fits best, and names, tree and places where none does; None never
            takes one; else a preset, or the name of one.
        folder: where the user's own presets lie.

    Returns:
        A mapping with a confidence for each bone; empty, with a warning, if the rig holds no body.

    Raises:
        PosecoreError: the preset that was asked for is unknown or does not fit the rig.
        SourceError: it is the user's, and its file is malformed.
    """
    chosen = _chosen(rig, preset, folder)
    if chosen is not None:
        return _by_preset(rig, chosen)
    return _by_names_and_places(rig)


def _chosen(rig: Rig, preset: str | Preset | None, folder: Path | None) -> Preset | None:
    if preset is None:
        return None
    if preset == "auto":
        return presets.best(rig, presets.listing(folder))
    chosen = presets.load(preset, folder) if isinstance(preset, str) else preset
    found = chosen.bones(rig)
    missing = [name for name in _REQUIRED if name in chosen.roles and name not in found]
    if missing:
        wanted = ", ".join(chosen.roles[missing[0]])
        raise PosecoreError(
            f"the preset {chosen.title!r} does not fit this rig: it has no bone {wanted} for {missing[0]}; "
            "choose another preset or automatic mapping"
        )
    return chosen


def _by_preset(rig: Rig, preset: Preset) -> Mapping:
    """The bones of a preset, their confidence from whether they make a body."""
    roles = {role: rig.index(bone) for role, bone in preset.bones(rig).items()}
    roles, warnings, swapped = _on_the_right_side(rig, roles, None)
    costs = joint_costs({role: rig.heads[bone] for role, bone in roles.items()})
    matches = {}
    for role, bone in roles.items():
        cost = costs.get(_limb_of(role), 0.0)
        confidence = 1.0 if cost < IMPLAUSIBLE else 0.75
        matches[role] = Match(rig.names[bone], 0.7 if swapped else confidence, f"preset {preset.title}")
    odd = [limb for limb, cost in costs.items() if cost >= IMPLAUSIBLE]
    if odd:
        warnings += (f"unusual proportions: {', '.join(odd)}; check these bones",)
    root = preset.root_bone(rig) or _root(rig, roles)
    return Mapping(_ordered(matches), preset.name, root, warnings)


def _limb_of(role: str) -> str:
    """``"leftLeg"`` for ``leftFoot``; "" for the middle."""
    side = ROLES[role].side
    return next((side + limb for limb, parts in _LIMBS.items() if side and role.removeprefix(side) in parts), "")


def _ordered(matches: MappingType[str, Match]) -> dict[str, Match]:
    return {role: matches[role] for role in ROLES if role in matches}


def _by_names_and_places(rig: Rig) -> Mapping:
    body = find_body(rig)
    named, scores = named_roles(rig, parse_all(rig.names), body.roles if body else None)
    complete = all(role in named for role in _REQUIRED)
    if body and body.cost > IMPLAUSIBLE and complete:
        body = None  # what is said by name is worth more
    if body is None and not complete:
        warning = "no body was found in this rig; choose the bones by hand"
        return Mapping(warnings=(warning,))
    roles, reasons, warnings = _merged(rig, body, named)
    roles, more, swapped = _on_the_right_side(rig, roles, body)
    if swapped:
        reasons = {mirror_role(role): reason for role, reason in reasons.items()}
        scores = {mirror_role(role): score for role, score in scores.items()}
    matches = {
        role: Match(
            rig.names[bone], _confidence(role, reasons[role], body, scores.get(role, 0.0), swapped), reasons[role]
        )
        for role, bone in roles.items()
    }
    return Mapping(_ordered(matches), "", _root(rig, roles), warnings + more)


def _confidence(role: str, reason: str, body: Body | None, score: float, swapped: bool) -> float:
    """How sure a match is, from its reason: names and places that agree are next to certain."""
    if reason == "name and place":
        value = 0.9 + 0.1 * score
    elif reason == "name":
        value = 0.4 + 0.5 * score
    else:
        assert body is not None
        value = 0.9 * float(np.exp(-max(body.cost, 0.0) / 15))
        if ROLES[role].side:  # without names the sides hang on where the body looks
            value *= 1 - 0.5 * float(np.exp(-body.facing.evidence))
    return round(min(value, 0.7) if swapped else value, 3)


def _merged(
    rig: Rig, body: Body | None, named: dict[str, int]
) -> tuple[dict[str, int], dict[str, str], tuple[str, ...]]:
    """Names where they make a body, places where they do not, and places for what has no name."""
    placed = body.roles if body else {}
    roles: dict[str, int] = {}
    reasons: dict[str, str] = {}
    groups = [[side + part for part in parts] for side in ("left", "right") for parts in _LIMBS.values()]
    middle = [role for role in ROLES if not ROLES[role].side]
    overruled = _implausible(rig, named, placed)
    swapped = _named_the_other_way(named, placed)
    for group in (*groups, middle):
        limb = _limb_of(group[0])
        by_name = {role: named[role] for role in group if role in named}
        by_place = {(mirror_role(role) if swapped else role): bone for role, bone in placed.items()}
        by_place = {role: by_place[role] for role in group if role in by_place}
        if limb and limb in overruled:
            by_name = {}
        for role in group:
            if role in by_name:
                roles[role] = by_name[role]
                reasons[role] = "name and place" if by_place.get(role) == by_name[role] else "name"
            elif role in by_place and _fits_in(rig, role, by_place[role], by_name | roles):
                roles[role], reasons[role] = by_place[role], "place"
    if not overruled:
        return roles, reasons, ()
    limbs = ", ".join(limb.replace("L", " l").replace("A", " a") for limb in overruled)
    return roles, reasons, (f"the bones' names do not fit their places ({limbs}): mapped by place; check these bones",)


def _named_the_other_way(named: dict[str, int], placed: dict[str, int]) -> bool:
    """Whether names and places are of one mind but for left and right."""
    sided = [role for role in named if ROLES[role].side and role in placed]
    same = sum(named[role] == placed[role] for role in sided)
    other = sum(named[role] == placed.get(mirror_role(role)) for role in sided)
    return other > same


def _implausible(rig: Rig, named: dict[str, int], placed: dict[str, int]) -> list[str]:
    """Limbs whose named bones are no limb while the placed ones are."""
    by_name = joint_costs({role: rig.heads[bone] for role, bone in named.items()})
    by_place = joint_costs({role: rig.heads[bone] for role, bone in placed.items()})
    other = {f"{'right' if limb.startswith('left') else 'left'}{limb[-3:]}": cost for limb, cost in by_place.items()}
    odd = []
    for side in ("left", "right"):
        for limb, parts in _LIMBS.items():
            needed = [side + part for part in parts if ROLES[side + part].required]
            name = side + limb
            there = all(role in placed for role in needed)
            if not all(role in named for role in needed):
                if there and any(role in named for role in needed):
                    odd.append(name)  # half a limb by name, a whole one by place
            elif there and by_name.get(name, 0.0) > min(by_place.get(name, 0.0), other.get(name, 0.0)) + OVERRULED:
                odd.append(name)
    return odd


def _fits_in(rig: Rig, role: str, bone: int, others: dict[str, int]) -> bool:
    """Whether a bone without a name of its own may have a role among those that are settled."""
    if bone in others.values():
        return False
    above = ROLES[role].parent
    while above and above not in others:
        above = ROLES[above].parent
    if not above:
        return True
    ancestor = rig.parents[bone]
    while ancestor >= 0 and ancestor != others[above]:
        ancestor = rig.parents[ancestor]
    return ancestor >= 0


def _on_the_right_side(
    rig: Rig, roles: dict[str, int], body: Body | None
) -> tuple[dict[str, int], tuple[str, ...], bool]:
    """Exchange left and right where the body clearly looks the other way than the names say."""
    at = {role: rig.heads[bone] for role, bone in roles.items()}
    for side in ("left", "right"):  # the end of a foot tells as much as toes
        foot = roles.get(f"{side}Foot")
        if foot is not None and f"{side}Toes" not in at:
            at[f"{side}Toes"] = rig.ends[foot]
    way = facing(at)
    if way is None or not way.swapped or way.evidence < CERTAIN or not _upright(at, way.up):
        return roles, (), False
    warning = "the bones' names say left where the body has its right: mapped by where the body looks"
    return {role: roles[mirror] for role in ROLES if (mirror := mirror_role(role)) in roles}, (warning,), True


def _upright(at: MappingType[str, NDArray[np.float64]], up: NDArray[np.float64]) -> bool:
    """Whether the legs go down from the hips: where they do not, the rest pose says nothing of left and right."""
    if not all(f"{side}Foot" in at for side in ("left", "right")):
        return False
    legs = [at[f"{side}Foot"] - at[f"{side}UpperLeg"] for side in ("left", "right")]
    return all(float(leg @ up) < -0.7 * float(np.linalg.norm(leg)) for leg in legs)


def _root(rig: Rig, roles: MappingType[str, int]) -> str:
    """The topmost bone above the hips that lies near the floor, "" for none."""
    hips = roles.get("hips", -1)
    feet = [rig.heads[roles[role]] for role in ("leftFoot", "rightFoot") if role in roles]
    if hips < 0 or not feet:
        return ""
    floor = np.mean(feet, axis=0)
    up = rig.heads[hips] - floor
    height = float(np.linalg.norm(up))
    if height <= 0:
        return ""
    found, bone = "", rig.parents[hips]
    while bone >= 0:
        over = float((rig.heads[bone] - floor) @ up) / height
        if abs(over) < 0.25 * height:
            found = rig.names[bone]
        bone = rig.parents[bone]
    return found
