"""Presets: the bone names of well-known rigs, as JSON files; a user's own are kept the same way.

A preset says which bone plays which role and, for control rigs, which properties must be set so that
the bones that it names (the FK controls) are the ones that move the body. The shipped ones lie in
``preset_files/``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from collections.abc import Mapping as MappingType
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from posecore.errors import OutputError, PosecoreError, SourceError
from posecore.files import atomic_path
from posecore.retargeting.mapping import Mapping
from posecore.retargeting.rig import Rig
from posecore.retargeting.roles import ROLES

__all__ = ["Preset", "Switch", "best", "faults", "from_mapping", "listing", "load", "read", "save"]

_SHIPPED = Path(__file__).parent / "preset_files"
#: A preset is taken for a rig's own only if the rig has this share of the roles that it names …
SHARE = 0.75
#: … and all of those without which no rig can be used.
_REQUIRED = frozenset(name for name, its_role in ROLES.items() if its_role.required)
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_PATTERN = "re:"


@dataclass(frozen=True)
class Switch:
    """A custom property of a pose bone that must have ``value`` while the preset's bones drive the rig."""

    bone: str
    property: str
    value: float


@dataclass(frozen=True)
class Preset:
    """Bone names of one kind of rig.

    Attributes:
        name: short name, also that of its file: ``[a-z0-9_-]``.
        title: what a user reads.
        roles: role → names that its bone may have, best first. A name that starts with ``"re:"`` is a regular
            expression that must match all of the bone's name.
        prefix: regular expression of what may stand before every (plain) name.
        root: names of the bone above the hips that carries the path, best first.
        signature: bones (names as in ``roles``) that a rig must have to be one of this kind.
        foreign: bones that a rig of this kind does not have.
        switches: properties to set.

    Raises:
        ValueError: a bad name, role or regular expression.
    """

    name: str
    title: str
    roles: MappingType[str, tuple[str, ...]]
    prefix: str = ""
    root: tuple[str, ...] = ()
    signature: tuple[str, ...] = ()
    foreign: tuple[str, ...] = ()
    switches: tuple[Switch, ...] = ()
    _patterns: dict[str, re.Pattern[str]] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise ValueError(f"a preset's name is of a-z, 0-9, _ and -, got {self.name!r}")
        unknown = [role for role in self.roles if role not in ROLES]
        if unknown:
            raise ValueError(f"no role {unknown[0]!r}; the roles are {', '.join(ROLES)}")
        if not self.roles:
            raise ValueError("no roles in it")
        for candidate in self._candidates():
            try:
                self._patterns[candidate] = re.compile(self._expression(candidate))
            except re.error as error:
                raise ValueError(f"{candidate!r} is not a regular expression ({error})") from None

    def _candidates(self) -> Iterable[str]:
        for names in (*self.roles.values(), self.root, self.signature, self.foreign):
            yield from names

    def _expression(self, candidate: str) -> str:
        if candidate.startswith(_PATTERN):
            return candidate.removeprefix(_PATTERN)
        return f"(?:{self.prefix})?{re.escape(candidate)}" if self.prefix else re.escape(candidate)

    def _bone(self, candidate: str, rig: Rig) -> str:
        """The first bone of the rig that a candidate names, "" for none."""
        if candidate in rig:
            return candidate
        if not self.prefix and not candidate.startswith(_PATTERN):
            return ""
        pattern = self._patterns[candidate]
        return next((bone for bone in rig.names if pattern.fullmatch(bone)), "")

    def _first(self, candidates: Iterable[str], rig: Rig) -> str:
        return next((bone for bone in (self._bone(candidate, rig) for candidate in candidates) if bone), "")

    def bones(self, rig: Rig) -> dict[str, str]:
        """Role → bone, for the roles whose bone the rig has, in the order of :data:`ROLES`; no bone has two roles."""
        found: dict[str, str] = {}
        for role in ROLES:
            named = (self._bone(candidate, rig) for candidate in self.roles.get(role, ()))
            bone = next((bone for bone in named if bone and bone not in found.values()), "")
            if bone:
                found[role] = bone
        return found

    def root_bone(self, rig: Rig) -> str:
        """The bone above the hips, "" for none."""
        return self._first(self.root, rig)

    def switches_of(self, rig: Rig) -> tuple[Switch, ...]:
        """The switches whose bone the rig has."""
        return tuple(switch for switch in self.switches if switch.bone in rig)

    def fit(self, rig: Rig) -> float:
        """Share of the preset's roles whose bone the rig has; 0 where a required role, a bone of the signature
        is missing, or one is there that such a rig does not have."""
        if any(self._bone(candidate, rig) for candidate in self.foreign):
            return 0.0
        if not all(self._bone(candidate, rig) for candidate in self.signature):
            return 0.0
        found = self.bones(rig)
        return len(found) / len(self.roles) if set(found) >= _REQUIRED & set(self.roles) else 0.0


def best(rig: Rig, among: Iterable[Preset]) -> Preset | None:
    """The preset that fits a rig, None if none does (:data:`SHARE`).

    Of several: most roles found, then most particular (largest signature), then least left over.
    """
    ranked = [
        (len(preset.bones(rig)), len(preset.signature) + len(preset.foreign), fit, -number, preset)
        for number, preset in enumerate(among)
        if (fit := preset.fit(rig)) >= SHARE
    ]
    return max(ranked, key=lambda entry: entry[:4])[-1] if ranked else None


def _strings(values: Any, what: str) -> tuple[str, ...]:
    if isinstance(values, str):
        values = [values]
    if not isinstance(values, list) or not all(isinstance(value, str) and value for value in values):
        raise ValueError(f"{what} must be a name or a list of names")
    return tuple(values)


def _switch(values: Any) -> Switch:
    if not isinstance(values, dict) or set(values) != {"bone", "property", "value"}:
        raise ValueError("a switch needs exactly bone, property and value")
    if isinstance(values["value"], bool) or not isinstance(values["value"], int | float):
        raise ValueError(f"the value of the switch of {values['bone']!r} must be a number")
    return Switch(str(values["bone"]), str(values["property"]), float(values["value"]))


def _from_json(values: Any) -> Preset:
    """Raises ValueError with what is wrong."""
    if not isinstance(values, dict):
        raise ValueError("it is not a JSON object")
    for key, kind in (("name", str), ("title", str), ("roles", dict)):
        if not isinstance(values.get(key), kind):
            raise ValueError(f"{key!r} is missing or of another type")
    unknown = set(values) - {"name", "title", "prefix", "roles", "root", "signature", "foreign", "switches"}
    if unknown:
        raise ValueError(f"unknown entry {sorted(unknown)[0]!r}")
    if not isinstance(values.get("prefix", ""), str) or not isinstance(values.get("switches", []), list):
        raise ValueError("'prefix' must be a string and 'switches' a list")
    return Preset(
        name=values["name"],
        title=values["title"],
        roles={role: _strings(names, f"roles.{role}") for role, names in values["roles"].items()},
        prefix=values.get("prefix", ""),
        switches=tuple(map(_switch, values.get("switches", []))),
        **{key: _strings(values.get(key, []), key) for key in ("root", "signature", "foreign")},
    )


def _to_json(preset: Preset) -> dict[str, Any]:
    values: dict[str, Any] = {"name": preset.name, "title": preset.title}
    if preset.prefix:
        values["prefix"] = preset.prefix
    values["roles"] = {role: list(preset.roles[role]) for role in ROLES if role in preset.roles}
    for key in ("root", "signature", "foreign"):
        if getattr(preset, key):
            values[key] = list(getattr(preset, key))
    if preset.switches:
        values["switches"] = [vars(switch) for switch in preset.switches]
    return values


def read(path: Path) -> Preset:
    """One preset file.

    Raises:
        SourceError: missing or malformed; one line that says where and why.
    """
    try:
        return _from_json(json.loads(Path(path).read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise SourceError(f"{path}: no such preset file") from None
    except json.JSONDecodeError as error:
        raise SourceError(f"{path}: not JSON (line {error.lineno}: {error.msg}); repair or delete it") from None
    except (OSError, ValueError, RecursionError) as error:
        raise SourceError(f"{path}: not a preset: {error}; repair or delete it") from None


@lru_cache(maxsize=1)
def _shipped() -> tuple[Preset, ...]:
    return tuple(read(path) for path in sorted(_SHIPPED.glob("*.json")))


def _of_user(folder: Path | None) -> list[Preset | SourceError]:
    """The presets of a folder, or what is wrong with them."""
    entries: list[Preset | SourceError] = []
    for path in sorted(Path(folder).glob("*.json")) if folder else ():
        try:
            entries.append(read(path))
        except SourceError as error:
            entries.append(error)
    return entries


def faults(folder: Path) -> list[str]:
    """One line for each malformed preset file in a folder."""
    return [str(entry) for entry in _of_user(folder) if isinstance(entry, SourceError)]


def listing(folder: Path | None = None) -> list[Preset]:
    """The shipped presets, and those in the user's ``folder`` (which hide shipped ones of the same name), by title.

    Malformed files of the user are left out: :func:`faults` names them.
    """
    found = {preset.name: preset for preset in _shipped()}
    found |= {entry.name: entry for entry in _of_user(folder) if isinstance(entry, Preset)}
    return sorted(found.values(), key=lambda preset: preset.title.lower())


def load(name: str, folder: Path | None = None) -> Preset:
    """A preset by its name (or its title), the user's before the shipped.

    Raises:
        PosecoreError: there is none of that name.
        SourceError: the user's file of that name is malformed.
    """
    if folder and _NAME.fullmatch(name) and (Path(folder) / f"{name}.json").exists():
        return read(Path(folder) / f"{name}.json")
    known = listing(folder)
    for preset in known:
        if name.lower() in (preset.name, preset.title.lower()):
            return preset
    raise PosecoreError(f"no preset {name!r}; there are {', '.join(preset.name for preset in known)}")


def save(preset: Preset, folder: Path) -> Path:
    """Keep a preset as ``<folder>/<name>.json``, atomically; the folder is made.

    Raises:
        OutputError: it cannot be written.
    """
    path = Path(folder) / f"{preset.name}.json"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{path.parent}: cannot make this folder ({error.strerror}); choose another one") from error
    with atomic_path(path) as temporary:
        text = json.dumps(_to_json(preset), indent=2, ensure_ascii=False) + "\n"
        temporary.write_text(text, encoding="utf-8")
    return path


def from_mapping(mapping: Mapping, name: str, title: str = "") -> Preset:
    """The preset that maps a rig as the user just did.

    Raises:
        ValueError: nothing is mapped, or a bad name.
    """
    roles = {role: (match.bone,) for role, match in mapping.matches.items()}
    return Preset(name, title or name, roles, root=(mapping.root,) if mapping.root else ())
