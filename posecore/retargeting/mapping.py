"""``Mapping``: which bone plays which role, how surely, and why."""

from __future__ import annotations

from collections.abc import Mapping as MappingType
from dataclasses import dataclass, field, replace
from typing import Any

from posecore.retargeting.rig import Rig
from posecore.retargeting.roles import ROLES, role

__all__ = ["Coverage", "Mapping", "Match"]

#: Under this confidence a match is shown as doubtful.
DOUBTFUL = 0.6


@dataclass(frozen=True)
class Match:
    """One role's bone.

    Attributes:
        bone: its name.
        confidence: in [0, 1].
        reason: in a few words, e.g. ``"preset Mixamo"``, ``"name"``, ``"name and place"``, ``"place"``, ``"chosen"``.
    """

    bone: str
    confidence: float
    reason: str


@dataclass(frozen=True)
class Coverage:
    """One line of the coverage report. ``state`` is ``"mapped"``, ``"doubtful"``, ``"unmapped"`` or ``"required"``
    (unmapped, and the rig cannot do without)."""

    role: str
    bone: str
    confidence: float
    reason: str
    state: str


@dataclass(frozen=True)
class Mapping:
    """Roles of a rig.

    Attributes:
        matches: role name → :class:`Match`.
        preset: name of the preset that it came from, "" for none.
        root: bone above the hips that may carry the path, "" for none.
        warnings: one line each.
    """

    matches: MappingType[str, Match] = field(default_factory=dict)
    preset: str = ""
    root: str = ""
    warnings: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in self.matches:
            role(name)

    def bone(self, name: str) -> str:
        """The bone of a role, "" for none."""
        match = self.matches.get(role(name).name)
        return match.bone if match else ""

    def with_bone(self, name: str, bone: str) -> Mapping:
        """A copy in which the user chose ``bone`` for a role ("" for none). The bone leaves any other role."""
        matches = {other: match for other, match in self.matches.items() if other != name and match.bone != bone}
        if bone:
            matches[role(name).name] = Match(bone, 1.0, "chosen")
        return replace(self, matches={other: matches[other] for other in ROLES if other in matches})

    def coverage(self) -> list[Coverage]:
        """One line a role, in the order of :data:`ROLES`."""
        lines = []
        for name, its_role in ROLES.items():
            match = self.matches.get(name)
            if match is None:
                lines.append(Coverage(name, "", 0.0, "", "required" if its_role.required else "unmapped"))
            else:
                state = "mapped" if match.confidence >= DOUBTFUL else "doubtful"
                lines.append(Coverage(name, match.bone, match.confidence, match.reason, state))
        return lines

    def missing(self, rig: Rig) -> list[str]:
        """Bones named here that the rig does not have."""
        return [match.bone for match in self.matches.values() if match.bone not in rig]

    def to_dict(self) -> dict[str, Any]:
        """JSON values; :meth:`from_dict` reads them back."""
        return {
            "roles": {name: [m.bone, round(m.confidence, 4), m.reason] for name, m in self.matches.items()},
            "preset": self.preset,
            "root": self.root,
            "warnings": list(self.warnings),
        }

    @classmethod
    def from_dict(cls, values: MappingType[str, Any]) -> Mapping:
        """Raises KeyError, TypeError or ValueError for anything but what :meth:`to_dict` gives."""
        matches = {
            str(name): Match(str(bone), float(confidence), str(reason))
            for name, (bone, confidence, reason) in values["roles"].items()
        }
        warnings = tuple(map(str, values.get("warnings", ())))
        return cls(matches, str(values.get("preset", "")), str(values.get("root", "")), warnings)
