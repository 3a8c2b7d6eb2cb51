"""Rigs for tests: people of any proportions, rest pose, bone axes and placement, built from joints by hand."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from posecore.retargeting import Mapping, Match, Rig
from posecore.retargeting.roles import ROLES

Array = NDArray[np.float64]

#: Blender's world (Z up, a person faces -Y) to ours (Y up, facing +Z).
Z_UP = np.array([[1.0, 0, 0, 0], [0, 0, 1, 0], [0, -1, 0, 0], [0, 0, 0, 1]])


@dataclass(frozen=True)
class Build:
    """What a made rig is like. Lengths in metres, angles in degrees, of the person standing in our world.

    Attributes:
        arms: how far the upper arms hang down from a T-pose; elbows: how far the elbows bend forward.
        knees: how far the knees bend; straddle: how far the legs stand apart; toe_out: turn of the feet.
        spine: bones between hips and neck, 0 to 3.
        twists: an extra bone half-way along each arm and leg bone that *carries* the next one.
        leaves: extra end bones, and two beside the limbs.
        root: a bone at the ground above the hips.
        axes: ``"world"`` (as BVH), ``"along"`` (Y along the bone, as Blender) or ``"random"``.
        seed: of the random axes.
        placement: armature frame → world; the person stands in the world *before* it is applied.
        inner: world → armature frame before that, so that the armature's own axes and unit are others.
    """

    trunk: float = 0.50
    thigh: float = 0.42
    shin: float = 0.41
    upper_arm: float = 0.29
    forearm: float = 0.25
    hips_width: float = 0.18
    shoulders_width: float = 0.36
    ankle: float = 0.09
    arms: float = 0.0
    elbows: float = 0.0
    knees: float = 0.0
    straddle: float = 0.0
    toe_out: float = 0.0
    spine: int = 3
    neck: bool = True
    shoulders: bool = True
    hands: bool = True
    toes: bool = True
    twists: bool = False
    leaves: bool = False
    root: bool = False
    axes: str = "world"
    seed: int = 0
    placement: Array | None = None
    inner: Array | None = None


def _joints(build: Build) -> dict[str, Array]:
    """Role → place of its bone's head, standing on y = 0, facing +Z."""
    down, elbow, knee, apart, out = np.radians([build.arms, build.elbows, build.knees, build.straddle, build.toe_out])
    at: dict[str, Array] = {}
    thigh = np.array([np.sin(apart), -np.cos(apart) * np.cos(knee / 2), np.cos(apart) * np.sin(knee / 2)])
    shin = np.array([np.sin(apart), -np.cos(apart) * np.cos(knee / 2), -np.cos(apart) * np.sin(knee / 2)])
    height = build.ankle - build.thigh * thigh[1] - build.shin * shin[1]
    hips = np.array([0.0, height + 0.08, 0.0])
    top = hips + (0.0, build.trunk, 0.0)
    names = ("spine", "chest", "upperChest")[: build.spine]
    at["hips"] = hips
    for number, name in enumerate(names):
        at[name] = hips + (0.0, build.trunk * (0.2 + 0.8 * number / max(len(names), 1)), 0.0)
    if build.neck:
        at["neck"] = top
    at["head"] = top + (0.0, 0.10, 0.02)
    for side, sign in (("left", 1.0), ("right", -1.0)):
        mirror = np.array([sign, 1.0, 1.0])
        shoulder = top + mirror * (build.shoulders_width / 2, -0.05, 0.0)
        upper = np.array([np.cos(down), -np.sin(down), 0.0])
        lower = np.array([np.cos(down) * np.cos(elbow), -np.sin(down) * np.cos(elbow), np.sin(elbow)])
        at[side + "Shoulder"] = top + mirror * (0.03, -0.06, 0.0)
        at[side + "UpperArm"] = shoulder
        at[side + "LowerArm"] = shoulder + mirror * (build.upper_arm * upper)
        at[side + "Hand"] = at[side + "LowerArm"] + mirror * (build.forearm * lower)
        hip = np.array([sign * build.hips_width / 2, height, 0.0])
        at[side + "UpperLeg"] = hip
        at[side + "LowerLeg"] = hip + mirror * (build.thigh * thigh)
        at[side + "Foot"] = at[side + "LowerLeg"] + mirror * (build.shin * shin)
        at[side + "Toes"] = at[side + "Foot"] + mirror * (0.14 * np.sin(out), 0.02 - build.ankle, 0.14 * np.cos(out))
    absent = [n for n in at if not build.shoulders and "Shoulder" in n]
    absent += [n for n in at if not build.hands and "Hand" in n]
    absent += [n for n in at if not build.toes and "Toes" in n]
    return {name: at[name] for name in ROLES if name in at and name not in absent}


def _end(name: str, at: dict[str, Array], build: Build) -> Array:
    """Where the bone of a role without a next one ends."""
    side = ROLES[name].side
    if name == "head":
        return at[name] + (0.0, 0.2, 0.0)
    parent = ROLES[name].parent
    if name.endswith("Hand") or (name.endswith("LowerArm") and not build.hands):
        along = at[side + "LowerArm"] - at[side + "UpperArm"]
        if name.endswith("Hand"):
            along = at[name] - at[parent]
            return at[name] + 0.1 * along / np.linalg.norm(along)
        full = _joints(Build(**{**build.__dict__, "hands": True}))
        return full[side + "Hand"]
    out = np.radians(build.toe_out) * (1.0 if side == "left" else -1.0)
    ahead = np.array([np.sin(out), 0.0, np.cos(out)])
    if name.endswith("Toes"):
        return at[name] + 0.06 * ahead
    if name.endswith("Foot"):
        return at[name] + 0.14 * ahead + (0.0, 0.02 - build.ankle, 0.0)
    return at[name] + (0.0, 0.1, 0.0)


def make(build: Build | None = None, **changes: Any) -> tuple[Rig, Mapping]:
    """A rig, and the mapping that is true of it. Bones are named by number, so that names tell nothing."""
    build = Build(**{**(build or Build()).__dict__, **changes})
    at = _joints(build)
    rng = np.random.default_rng(build.seed)
    names: list[str] = []
    parents: list[int] = []
    heads: list[Array] = []
    tails: list[Array] = []
    bones: dict[str, int] = {}  # role -> bone
    carriers: dict[str, int] = {}  # role -> bone that carries the next role

    def add(parent: int, head: Array, tail: Array) -> int:
        names.append(f"bone{len(names)}")
        parents.append(parent)
        heads.append(np.asarray(head, float))
        tails.append(np.asarray(tail, float))
        return len(names) - 1

    root = add(-1, np.zeros(3), np.array([0.0, 0.0, 0.2])) if build.root else -1
    for name in at:
        above = ROLES[name].parent
        while above and above not in at:
            above = ROLES[above].parent
        parent = carriers[above] if above else root
        nexts = [other for other in at if _above(other, at) == name and other not in ("leftShoulder", "rightShoulder")]
        middle = [other for other in nexts if not ROLES[other].side or ROLES[name].side]
        tail = at[middle[0]] if middle else _end(name, at, build)
        bones[name] = carriers[name] = add(parent, at[name], tail)
        if build.twists and name.endswith(("Arm", "Leg")):
            half = (at[name] + tail) / 2
            carriers[name] = add(bones[name], half, tail)
        if build.leaves and name.endswith(("Hand", "Toes", "head", "Leg")):
            add(bones[name], tail, tail + rng.normal(size=3) * 0.05)
            add(bones[name], (at[name] + tail) / 2, tail + rng.normal(size=3) * 0.05)
    rig = _assemble(names, parents, np.array(heads), np.array(tails), build, rng)
    matches = {name: Match(names[bone], 1.0, "made so") for name, bone in bones.items()}
    return rig, Mapping(matches, root=names[root] if build.root else "")


def _above(name: str, at: dict[str, Array]) -> str:
    above = ROLES[name].parent
    while above and above not in at:
        above = ROLES[above].parent
    return above


def _assemble(
    names: list[str], parents: list[int], heads: Array, tails: Array, build: Build, rng: np.random.Generator
) -> Rig:
    inner = np.eye(4) if build.inner is None else build.inner
    turn = inner[:3, :3] / np.cbrt(np.linalg.det(inner[:3, :3]))
    rest = np.tile(np.eye(4), (len(names), 1, 1))
    for bone in range(len(names)):
        if build.axes == "random":
            axes = Rotation.random(random_state=int(rng.integers(2**31))).as_matrix()
        elif build.axes == "along":
            axes = bone_axes(tails[bone] - heads[bone], 0.0)
        else:
            axes = turn.T
        rest[bone, :3, :3] = turn @ axes
    rest[:, :3, 3] = heads @ inner[:3, :3].T + inner[:3, 3]
    placement = np.eye(4) if build.placement is None else build.placement
    return Rig(
        names=tuple(names),
        parents=tuple(parents),
        rest=rest,
        tails=tails @ inner[:3, :3].T + inner[:3, 3],
        placement=placement @ np.linalg.inv(inner),
    )


def bone_axes(along: Array, roll: float) -> Array:
    """(3, 3) axes of Blender's bone of that direction and roll (radians): Y along it."""
    y = along / np.linalg.norm(along)
    if y[1] < -0.999999:
        base = np.diag([-1.0, -1.0, 1.0])
    else:
        shared = 1.0 / (1.0 + y[1])
        base = np.array(
            [
                [1.0 - y[0] ** 2 * shared, y[0], -y[0] * y[2] * shared],
                [-y[0], y[1], -y[2]],
                [-y[0] * y[2] * shared, y[2], 1.0 - y[2] ** 2 * shared],
            ]
        )
    return Rotation.from_rotvec(roll * y).as_matrix() @ base


def random_build(rng: np.random.Generator) -> Build:
    """Any person, pose, axes and place, from what artists make."""
    turn = Rotation.from_euler("Y", rng.uniform(-180, 180), degrees=True).as_matrix()
    placement = np.eye(4)
    placement[:3, :3] = turn
    placement[:3, 3] = rng.uniform(-2, 2, 3)
    inner = np.eye(4)
    unit = rng.choice([1.0, 100.0, 0.39])
    tilt = rng.choice(["none", "z", "any"], p=[0.4, 0.3, 0.3])
    if tilt == "z":
        inner[:3, :3] = np.linalg.inv(Z_UP)[:3, :3]
    elif tilt == "any":
        inner[:3, :3] = Rotation.random(random_state=int(rng.integers(2**31))).as_matrix()
    inner[:3, :3] *= unit
    return Build(
        trunk=rng.uniform(0.35, 0.65),
        thigh=rng.uniform(0.3, 0.5),
        shin=rng.uniform(0.3, 0.5),
        upper_arm=rng.uniform(0.2, 0.4),
        forearm=rng.uniform(0.2, 0.4),
        hips_width=rng.uniform(0.12, 0.3),
        shoulders_width=rng.uniform(0.25, 0.5),
        arms=rng.uniform(-10, 75),
        elbows=rng.uniform(0, 40),
        knees=rng.uniform(0, 30),
        straddle=rng.uniform(0, 20),
        toe_out=rng.uniform(-10, 25),
        spine=int(rng.integers(0, 4)),
        neck=bool(rng.integers(2)),
        shoulders=bool(rng.integers(2)),
        hands=bool(rng.integers(2)),
        toes=bool(rng.integers(2)),
        twists=bool(rng.integers(2)),
        leaves=bool(rng.integers(2)),
        root=bool(rng.integers(2)),
        axes=str(rng.choice(["world", "along", "random"])),
        seed=int(rng.integers(2**31)),
        placement=placement,
        inner=inner,
    )


def from_makehuman(path: Path) -> Rig:
    """A rig of MakeHuman's or MPFB's JSON, as Blender has it: Z up, facing -Y, Y along the bones."""
    page = json.loads(path.read_text(encoding="utf-8"))
    bones: dict[str, Any] = page.get("bones", page)
    order: list[str] = []

    def visit(name: str) -> None:
        if name in order:
            return
        if bones[name]["parent"]:
            visit(bones[name]["parent"])
        order.append(name)

    for name in bones:
        visit(name)
    heads = np.array([bones[name]["head"]["default_position"] for name in order], float)
    tails = np.array([bones[name]["tail"]["default_position"] for name in order], float)
    rest = np.tile(np.eye(4), (len(order), 1, 1))
    for number, name in enumerate(order):
        along = tails[number] - heads[number]
        if np.linalg.norm(along) < 1e-6:
            along = np.array([0.0, 0.0, 1e-3])
        rest[number, :3, :3] = bone_axes(along, bones[name]["roll"])
        rest[number, :3, 3] = heads[number]
    parents = tuple(order.index(bones[name]["parent"]) if bones[name]["parent"] else -1 for name in order)
    return Rig(tuple(order), parents, rest, tails, placement=Z_UP)
