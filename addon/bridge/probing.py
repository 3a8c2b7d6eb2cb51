# SPDX-License-Identifier: GPL-3.0-or-later
"""What the bones of a control rig really follow, found by trying.

All mapped controls are turned at once, each by its own random rotation, on a copy of the armature that stands at rest
otherwise (:mod:`.stage`). Every bone that was carried along rigidly then shows which control carried it: no other
one moved like that. So one evaluation answers for all bones, whatever constraints, drivers, hinges or parents do it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from posecore.retargeting.rig import Rig

from .stage import Stage

if TYPE_CHECKING:
    import bpy

    from posecore.retargeting import Mapping

__all__ = ["follow", "is_plain", "plain_switches"]

Array = NDArray[np.float64]

_TURN = 2e-3  # rotation matrices that differ by less are the same
_MOVE = 2e-3  # of the rig's size
_SEED = 3


def plain_switches(switches: Any) -> list[tuple[str, str, Any]]:
    """Switches as (bone, property, value), whether they come as such or as objects with those attributes."""
    return [tuple(s) if isinstance(s, (tuple, list)) else (s.bone, s.property, s.value) for s in switches]


def is_plain(armature: bpy.types.Object) -> bool:
    """Whether every bone simply follows its parent: no constraints, drivers or hinges."""
    driven = armature.animation_data is not None and len(armature.animation_data.drivers) > 0
    constrained = any(len(bone.constraints) > 0 for bone in armature.pose.bones)
    return not driven and not constrained and all(bone.use_inherit_rotation for bone in armature.data.bones)


def follow(armature: bpy.types.Object, rig: Rig, mapping: Mapping, switches: Any = ()) -> Rig:
    """The rig with ``followed`` as it will be while the mapped bones are keyed and the switches are set.

    Adds a warning for every mapped bone whose keys would not be seen or only in part.

    Args:
        rig: of the armature, see :func:`.rigs.read_rig`.
        switches: ``(bone, property, value)``, tuples or objects with those attributes.
    """
    if is_plain(armature):
        return rig
    controls = [match.bone for match in mapping.matches.values()]
    controls = [bone for bone in dict.fromkeys([mapping.root, *controls]) if bone in rig]
    travelling = [bone for bone in (mapping.root, mapping.bone("hips")) if bone in rig]
    with Stage(armature) as stage:
        stage.switch(plain_switches(switches))
        probe = _Probe(stage, rig, controls, travelling)
        followed, partly = probe.carriers()
        warnings = [*probe.complaints(followed, partly)]
    return replace(rig, followed=tuple(followed), warnings=(*rig.warnings, *warnings))


@dataclass
class _Probe:
    """One armature on its stage.

    Bones are numbered as in the rig. The *motion* of a bone is what takes its rest matrix to its posed one.
    """

    stage: Stage
    rig: Rig
    controls: list[str]
    travelling: list[str]

    def __post_init__(self) -> None:
        self.order = self.stage.order(self.rig.names)
        self.size = float(np.ptp(self.rig.rest[:, :3, 3], axis=0).max()) or 1.0
        self.numbers = [self.rig.index(name) for name in self.controls]
        self.rest = self.stage.matrices()[self.order]  # constraints may hold a bone away from its own rest
        generator = np.random.default_rng(_SEED)
        # Turns of 15 to 45 degrees: large enough to tell apart, small enough to stay within limits.
        axes = generator.normal(size=(len(self.controls), 3))
        axes *= generator.uniform(0.26, 0.78, (len(axes), 1)) / np.linalg.norm(axes, axis=1, keepdims=True)
        self.turns = Rotation.from_rotvec(axes)
        self.moves = {bone: 0.05 * self.size * generator.normal(size=3) for bone in self.travelling}

    def posed(self, turns: Rotation, moves: dict[str, Array]) -> Array:
        """(B, 4, 4) pose matrices with the controls turned."""
        self.stage.turn(self.controls, turns.as_quat(), moves)
        return self.stage.matrices()[self.order]

    def carriers(self) -> tuple[list[int], set[int]]:
        """``followed``, and the bones of which only the rotation follows it."""
        posed = self.posed(self.turns, self.moves)
        rest_inverse = np.linalg.inv(self.rest)
        motions = posed @ rest_inverse
        before = motions.copy()  # as the carrier left the bone, before its own turn and move
        for name, number, turn in zip(self.controls, self.numbers, self.turns.as_matrix(), strict=True):
            own = np.eye(4)
            own[:3, :3], own[:3, 3] = turn, self.moves.get(name, np.zeros(3))
            before[number] = posed[number] @ np.linalg.inv(own) @ rest_inverse[number]
        candidates = [-1, *self.numbers]
        moved = np.stack([np.eye(4), *(motions[number] for number in self.numbers)])
        followed, partly = list(self.rig.parents), set()
        self.unknown: set[int] = set()
        limit = _MOVE * self.size
        for bone, parent in enumerate(self.rig.parents):
            turned_by = np.abs(_turn(before[bone]) - _turn(moved)).max((1, 2))
            head = self.rest[bone, :3, 3]
            places = moved[:, :3, :3] @ head + moved[:, :3, 3]
            moved_by = np.linalg.norm(places - (before[bone, :3, :3] @ head + before[bone, :3, 3]), axis=1)
            same = [
                (moved_by[k] > limit, turned_by[k], other)
                for k, other in enumerate(candidates)
                if other != bone and turned_by[k] < _TURN
            ]
            if same:
                off, _, followed[bone] = min(same)
                if off:
                    partly.add(bone)
            elif parent < 0 or np.abs(before[bone] - motions[parent]).max() > _TURN:
                self.unknown.add(bone)
                # A bone that spreads a limb's twist lies on the limb all the same.
                near = [(turned_by[k], c) for k, c in enumerate(candidates) if c != bone and moved_by[k] < limit]
                followed[bone] = min(near)[1] if near else parent
        self.motions = motions
        return _without_circles(followed, self.rig.parents), partly

    def complaints(self, followed: list[int], partly: set[int]) -> list[str]:
        """One line for every control whose keys would not be seen as they are."""
        lines, silent = [], []
        for name, number in zip(self.controls, self.numbers, strict=True):
            if self._hangs_on_unknown(number, followed):
                lines.append(self._why_unknown(name, number))
            elif not self._moves_the_figure(name, number, followed):
                silent.append(name)
        if silent:
            lines.append(
                f"turning {', '.join(silent[:3])}{f' and {len(silent) - 3} more' if len(silent) > 3 else ''} moves no"
                " deforming bone, so that keys there are not seen: are those limbs on IK, or are other bones meant?"
            )
        return lines

    def _hangs_on_unknown(self, number: int, followed: list[int]) -> bool:
        """Whether it, or what carries it up to the next control, goes its own ways."""
        while number >= 0:
            if number in self.unknown:
                return True
            number = followed[number]
            if number in self.numbers:
                return False
        return False

    def _only(self, name: str) -> Array:
        """(B, 4, 4) pose matrices with a single control turned."""
        pairs = zip(self.controls, self.turns, strict=True)
        alone = [turn if other == name else Rotation.identity() for other, turn in pairs]
        return self.posed(Rotation.concatenate(alone), dict.fromkeys(self.moves, np.zeros(3)))

    def _why_unknown(self, name: str, number: int) -> str:
        heard = _turn(self._only(name)[number]) - _turn(self.rest[number])
        if np.abs(heard).max() < _TURN:
            return f"{name} is held by a constraint or driver of the rig: keys on it will not be seen"
        return f"{name} follows other bones only in part (a constraint or driver): its direction may be off"

    def _moves_the_figure(self, name: str, number: int, followed: list[int]) -> bool:
        deform = np.asarray(self.rig.deform)
        if not deform.any() or deform[number]:
            return True
        if any(deform[bone] and carrier == number for bone, carrier in enumerate(followed)):
            return True
        changed = np.abs(self._only(name) - self.rest).max((1, 2)) > _TURN
        return bool((changed & deform).any())


def _turn(matrices: Array) -> Array:
    """(..., 3, 3) the rotation in a matrix that may scale."""
    found: Array = matrices[..., :3, :3] / np.linalg.norm(matrices[..., :3, :3], axis=-2, keepdims=True)
    return found


def _without_circles(followed: list[int], parents: tuple[int, ...]) -> list[int]:
    """Parents instead, where following would lead back to the bone itself."""
    for bone in range(len(followed)):
        seen, at = {bone}, followed[bone]
        while at >= 0 and at not in seen:
            seen.add(at)
            at = followed[at]
        if at == bone:
            followed[bone] = parents[bone]
    return followed
