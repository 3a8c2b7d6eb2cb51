"""Bodies found by tree and places alone, in skeletons whose names say nothing."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from posecore.retargeting import ROLES, Mapping, Rig, map_rig
from posecore.retargeting.anatomy import facing, joint_costs
from posecore.retargeting.topology import find_body
from posecore.retargeting.trunk import spread
from tests.retargeting.dressing import EVERYTHING, dress, place, shuffle
from tests.retargeting.rigs import Build, make

REQUIRED = [name for name, role in ROLES.items() if role.required]

builds = st.builds(
    Build,
    trunk=st.floats(0.45, 0.57),
    thigh=st.floats(0.39, 0.45),
    shin=st.floats(0.38, 0.45),
    upper_arm=st.floats(0.25, 0.31),
    forearm=st.floats(0.22, 0.28),
    hips_width=st.floats(0.14, 0.24),
    shoulders_width=st.floats(0.3, 0.42),
    arms=st.floats(0, 70),
    elbows=st.floats(0, 35),
    knees=st.floats(0, 20),
    straddle=st.floats(0, 15),
    toe_out=st.floats(-5, 20),
    spine=st.integers(1, 3),
    neck=st.booleans(),
    shoulders=st.booleans(),
    twists=st.booleans(),
    root=st.booleans(),
    axes=st.sampled_from(["world", "along", "random"]),
    seed=st.integers(0, 10**6),
)


def by_place(rig: Rig) -> dict[str, str]:
    body = find_body(rig)
    assert body is not None
    return {role: rig.names[bone] for role, bone in body.roles.items()}


@settings(max_examples=60, deadline=None)
@given(build=builds, extras=st.sets(st.sampled_from(EVERYTHING)), seed=st.integers(0, 10**6))
@example(build=Build(), extras=set(EVERYTHING), seed=0)
@example(build=Build(arms=45, twists=True, root=True), extras=set(), seed=1)
def test_any_person_anywhere(build: Build, extras: set[str], seed: int) -> None:
    # a straight arm of equal pieces without fingers could begin anywhere
    assume(not build.twists or "fingers" in extras or build.elbows > 10)
    rig, truth = make(build)
    rig, names = shuffle(place(dress(rig, truth, tuple(sorted(extras))), seed), seed)
    found = by_place(rig)
    wrong = [role for role in REQUIRED if found.get(role) != names[truth.bone(role)]]
    assert not wrong
    assert sum(found.get(role) == names[match.bone] for role, match in truth.matches.items()) >= len(truth.matches) - 2
    assert not {names[truth.bone("leftHand")], names[truth.bone("leftFoot")]} & {
        bone for role, bone in found.items() if role.startswith("right")
    }


def test_axes_rolls_and_names_do_not_matter() -> None:
    rig, truth = make(axes="world", arms=40.0)
    other, _ = make(axes="random", seed=5, arms=40.0)
    expected = {role: match.bone for role, match in truth.matches.items()}
    assert by_place(rig) == by_place(other) == expected


def test_nothing_tells_less_than_feet() -> None:
    """Without toes, and with straight limbs, the world's own rule says where the person looks."""
    rig, truth = make(toes=False, hands=False, axes="world")
    lying = replace(rig, tails=rig.rest[:, :3, 3].copy())  # no ends either
    found = map_rig(lying)
    assert found.bone("leftUpperLeg") == truth.bone("leftUpperLeg")
    sure = map_rig(make(axes="world")[0])
    assert found.matches["leftUpperLeg"].confidence < sure.matches["leftUpperLeg"].confidence


@pytest.mark.parametrize("count", [0, 1, 2, 3])
def test_spine_bones(count: int) -> None:
    rig, truth = make(spine=count)
    found = by_place(rig)
    assert [role for role in ("spine", "chest", "upperChest") if role in found] == ["spine", "chest", "upperChest"][
        :count
    ]
    assert found["hips"] == truth.bone("hips") and found["neck"] == truth.bone("neck")


def test_many_spine_bones_are_spread_by_height() -> None:
    heads = np.zeros((6, 3))
    heads[:, 1] = [0.0, 0.1, 0.2, 0.35, 0.42, 0.5]
    assert spread([1, 2, 3, 4, 5], heads) == {"spine": 1, "chest": 3, "upperChest": 5}
    assert spread([3], heads) == {"spine": 3}
    assert spread([], heads) == {}


def test_what_is_no_body() -> None:
    rest = np.tile(np.eye(4), (9, 1, 1))
    rest[:, 1, 3] = np.arange(9.0)
    chain = Rig(tuple(f"b{n}" for n in range(9)), (-1, *range(8)), rest, rest[:, :3, 3] + (0.0, 1.0, 0.0))
    assert find_body(chain) is None
    two = Rig(("a", "b"), (-1, 0), rest[:2], rest[:2, :3, 3])
    for rig in (chain, two):
        mapping = map_rig(rig)
        assert not mapping.matches and mapping.warnings == ("no body was found in this rig; choose the bones by hand",)


def test_endless_chains_are_no_trouble() -> None:
    """A curtain of two ropes with two thousand bones each."""
    count = 2000
    heads = np.zeros((2 * count + 1, 3))
    heads[1:, 1] = -np.tile(np.arange(1.0, count + 1), 2)
    heads[1:, 0] = np.repeat([1.0, -1.0], count)
    parents = (-1, 0, *range(1, count), 0, *range(count + 1, 2 * count))
    rest = np.tile(np.eye(4), (len(heads), 1, 1))
    rest[:, :3, 3] = heads
    curtain = Rig(tuple(f"b{n}" for n in range(len(heads))), parents, rest, heads - (0.0, 1.0, 0.0))
    assert not map_rig(curtain).matches


def test_facing_by_hand() -> None:
    """A person who looks along +X: up is Y, the left is -Z."""
    rig, truth = make(Build(arms=30.0))
    turn = np.eye(4)
    turn[:3, :3] = [[0, 0, 1], [0, 1, 0], [-1, 0, 0]]
    turned = replace(rig, placement=turn)
    way = facing({role: turned.heads[turned.index(match.bone)] for role, match in truth.matches.items()})
    assert way is not None and not way.swapped and way.evidence > 2
    assert np.allclose(way.forward, [1, 0, 0], atol=0.05) and np.allclose(way.left, [0, 0, -1], atol=0.05)


def test_proportions_of_a_person_cost_little() -> None:
    rig, truth = make()
    at = {role: rig.heads[rig.index(match.bone)] for role, match in truth.matches.items()}
    assert set(joint_costs(at)) == {"leftLeg", "rightLeg", "leftArm", "rightArm"}
    assert max(joint_costs(at).values()) < 3
    at["leftFoot"] = at["leftLowerLeg"] + 0.1 * (at["leftFoot"] - at["leftLowerLeg"])
    assert joint_costs(at)["leftLeg"] > 12


def test_rigify_metarig_without_names(rigify: Callable[[str], Rig]) -> None:
    rig = rigify("metarig")
    expected = {role: match.bone for role, match in map_rig(rig, "rigify_metarig").matches.items()}
    assert by_place(rig) == expected
    shuffled, names = shuffle(place(rig, 3), 3)
    assert by_place(shuffled) == {role: names[bone] for role, bone in expected.items()}


def test_a_large_rig_is_mapped_quickly(rigify: Callable[[str], Rig]) -> None:
    rig = rigify("generated")
    map_rig(rig)
    begun = time.process_time()
    map_rig(rig)
    assert time.process_time() - begun < 0.3


def _right(found: Mapping, rig: Rig, truth: Mapping, blank: Rig) -> float:
    pairs = dict(zip(blank.names, rig.names, strict=True))
    return float(np.mean([pairs.get(found.bone(role)) == match.bone for role, match in truth.matches.items()]))


#: (file, frame of a BVH or None for its rest, share of the roles that must be right without names)
WILD = [
    ("mocap_cmu/raw/samples/005_10.bvh", 0, 1.0),  # CC3: its zero pose has the legs above the head
    ("mocap_cmu/raw/samples/005_10.bvh", 300, 1.0),
    ("mocap_cmu/raw/samples/005_10.bvh", None, 0.95),
    ("mocap_cmu/raw/samples/010_01.bvh", None, 1.0),
    ("mocap_cmu/raw/samples/010_01.bvh", 100, 1.0),
    ("mocap_cmu/raw/samples/035_03.bvh", None, 1.0),
    ("mocap_cmu/raw/samples/039_10.bvh", 0, 1.0),
    ("rigs/daz_cmu/standard_daz_skeleton.bvh", None, 1.0),
]


@pytest.mark.parametrize(("file", "frame", "share"), WILD)
def test_wild_rigs_without_names(
    data_folder: Path, bvh_rig: Callable[[Path, int | None], Rig], file: str, frame: int | None, share: float
) -> None:
    rig = bvh_rig(data_folder / file, frame)
    truth = map_rig(rig)
    assert truth.preset
    blank = replace(rig, names=tuple(f"Bone.{number:03d}" for number in range(len(rig))))
    assert _right(map_rig(blank), rig, truth, blank) >= share
