"""What artists hang on a skeleton: fingers, hair, skirts, swords, IK targets. None of it has a role."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from posecore.retargeting import Mapping, Rig

Array = NDArray[np.float64]

EVERYTHING = ("fingers", "face", "hair", "skirt", "breasts", "sword", "targets")


class _Dresser:
    def __init__(self, rig: Rig, mapping: Mapping) -> None:
        self.rig = rig
        self.parents = list(rig.parents)
        self.heads = [head.copy() for head in rig.rest[:, :3, 3]]
        self.tails = [tail.copy() for tail in rig.tails]
        self.bone = {role: rig.index(match.bone) for role, match in mapping.matches.items()}
        hip = (self.at("leftUpperLeg") + self.at("rightUpperLeg")) / 2
        shoulder = (self.at("leftUpperArm") + self.at("rightUpperArm")) / 2
        self.left = self.unit(self.at("leftUpperLeg") - self.at("rightUpperLeg"))
        self.up = self.unit(shoulder - hip)
        self.ahead = np.cross(self.left, self.up)
        self.metre = float(np.linalg.norm(self.at("leftLowerLeg") - self.at("leftUpperLeg"))) / 0.42

    def at(self, role: str) -> Array:
        return self.heads[self.bone[role]]

    @staticmethod
    def unit(vector: Array) -> Array:
        return vector / np.linalg.norm(vector)

    def chain(self, parent: int, start: Array, step: Array, count: int) -> None:
        """``count`` bones from ``start``, all in metres of the person and directions of the armature."""
        head = start
        for _ in range(count):
            self.parents.append(parent)
            self.heads.append(head)
            self.tails.append(head + step * self.metre)
            parent = len(self.parents) - 1
            head = self.tails[-1]

    def side(self, x: float, y: float, z: float) -> Array:
        """A vector towards left, up, ahead."""
        return x * self.left + y * self.up + z * self.ahead

    def fingers(self) -> None:
        for side in ("left", "right"):
            if f"{side}Hand" not in self.bone:
                continue
            hand, along = self.at(f"{side}Hand"), self.unit(self.at(f"{side}Hand") - self.at(f"{side}LowerArm"))
            across = self.unit(np.cross(along, self.up) * (1 if side == "right" else -1) + 1e-6 * self.ahead)
            across = across * np.sign(across @ self.ahead or 1.0)
            for number, length in enumerate((0.03, 0.037, 0.04, 0.036, 0.03)):
                spread = (0.03 - 0.02 * number) * across * self.metre
                start = hand + spread + (0.03 if number == 0 else 0.09) * along * self.metre
                self.chain(self.bone[f"{side}Hand"], start, length * along, 3)

    def face(self) -> None:
        if "head" in self.bone:
            for x in (0.03, -0.03):
                self.chain(
                    self.bone["head"], self.at("head") + self.side(x, 0.06, 0.07) * self.metre, 0.02 * self.ahead, 1
                )
            self.chain(self.bone["head"], self.at("head") + self.side(0, 0.02, 0.04) * self.metre, 0.05 * self.ahead, 1)

    def hair(self) -> None:
        if "head" in self.bone:
            for x in (0.07, -0.07, 0.0):
                start = self.at("head") + self.side(x, 0.12, -0.08) * self.metre
                self.chain(self.bone["head"], start, self.side(0.2 * x, -0.09, -0.01), 5)

    def skirt(self) -> None:
        hips = self.at("hips")
        for angle in np.radians([0, 60, 120, 180, 240, 300]):
            out = self.side(np.cos(angle), 0.0, np.sin(angle))
            self.chain(self.bone["hips"], hips + 0.12 * out * self.metre, 0.03 * out + self.side(0, -0.15, 0), 3)

    def breasts(self) -> None:
        top = next(role for role in ("upperChest", "chest", "spine", "hips") if role in self.bone)
        for x in (0.08, -0.08):
            self.chain(self.bone[top], self.at(top) + self.side(x, 0.05, 0.08) * self.metre, 0.06 * self.ahead, 1)

    def sword(self) -> None:
        if "rightHand" in self.bone:
            self.chain(self.bone["rightHand"], self.at("rightHand"), 0.4 * self.unit(self.ahead + self.up), 2)

    def targets(self) -> None:
        for role in ("leftFoot", "rightFoot", "leftHand", "rightHand"):
            if role in self.bone:
                self.chain(-1, self.at(role), -0.1 * self.ahead, 1)
        for role in ("leftLowerLeg", "rightLowerLeg"):
            self.chain(-1, self.at(role) + 0.5 * self.ahead * self.metre, 0.1 * self.ahead, 1)


def dress(rig: Rig, mapping: Mapping, extras: tuple[str, ...]) -> Rig:
    """The rig with more bones, under names that go on counting."""
    dresser = _Dresser(rig, mapping)
    for extra in extras:
        getattr(dresser, extra)()
    count = len(dresser.parents)
    rest = np.tile(np.eye(4), (count, 1, 1))
    rest[: len(rig)] = rig.rest
    rest[:, :3, 3] = dresser.heads
    names = rig.names + tuple(f"more{number}" for number in range(count - len(rig)))
    return Rig(names, tuple(dresser.parents), rest, np.array(dresser.tails), rig.placement)


def shuffle(rig: Rig, seed: int) -> tuple[Rig, dict[str, str]]:
    """The same rig with its bones in another order, under names that say nothing; old name → new name."""
    rng = np.random.default_rng(seed)
    open_ = [bone for bone, parent in enumerate(rig.parents) if parent < 0]
    order: list[int] = []
    while open_:
        order.append(open_.pop(int(rng.integers(len(open_)))))
        open_.extend(rig.children[order[-1]])
    place = {bone: number for number, bone in enumerate(order)}
    labels = rng.permutation(len(order))
    names = tuple(f"Bone.{label:03d}" for label in labels)
    parents = tuple(place[rig.parents[bone]] if rig.parents[bone] >= 0 else -1 for bone in order)
    changed = Rig(names, parents, rig.rest[order], rig.tails[order], rig.placement)
    return changed, {rig.names[bone]: names[number] for number, bone in enumerate(order)}


def place(rig: Rig, seed: int) -> Rig:
    """The same rig anywhere in the world: turned, scaled by 0.01 to 100, moved."""
    rng = np.random.default_rng(seed)
    placement = np.eye(4)
    placement[:3, :3] = Rotation.random(random_state=seed).as_matrix() * 10 ** rng.uniform(-2, 2)
    placement[:3, 3] = rng.uniform(-5, 5, 3)
    return replace(rig, placement=placement @ rig.placement)


def rename(rig: Rig, names: dict[str, str]) -> Rig:
    """The same rig with some bones called otherwise."""
    return replace(rig, names=tuple(names.get(name, name) for name in rig.names))
