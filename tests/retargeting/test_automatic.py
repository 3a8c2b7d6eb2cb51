"""``map_rig``: presets, names and places together."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from posecore.retargeting import ROLES, Mapping, Rig, map_rig
from tests.retargeting.dressing import EVERYTHING, dress, rename
from tests.retargeting.rigs import from_makehuman, make

SIDED = {
    "Shoulder": "collarbone",
    "UpperArm": "upper_arm",
    "LowerArm": "elbow",
    "Hand": "wrist",
    "UpperLeg": "thigh",
    "LowerLeg": "calf",
    "Foot": "ankle",
    "Toes": "toe",
}
MIDDLE = {"hips": "Pelvis", "spine": "Belly", "chest": "Spine2", "upperChest": "Chest", "neck": "Neck", "head": "Head"}


def spoken(mapping: Mapping, swap: bool = False) -> dict[str, str]:
    """Bone of a mapping → a name of no preset, with its side; ``swap`` names the sides the wrong way round."""
    names = {}
    for role, match in mapping.matches.items():
        side = ROLES[role].side
        if side:
            letter = side[0].upper() if not swap else "RL"[side == "right"]
            names[match.bone] = f"hero_{SIDED[role.removeprefix(side)]}_{letter}"
        else:
            names[match.bone] = f"hero_{MIDDLE[role]}"
    return names


def test_names_and_places_that_agree_are_nearly_certain() -> None:
    rig, truth = make(root=True, arms=45.0)
    rig = dress(rig, truth, EVERYTHING)
    names = spoken(truth)
    mapping = map_rig(rename(rig, names))
    assert not mapping.preset and not mapping.warnings
    assert {role: mapping.bone(role) for role in truth.matches} == {r: names[m.bone] for r, m in truth.matches.items()}
    assert min(match.confidence for match in mapping.matches.values()) > 0.9
    assert {match.reason for match in mapping.matches.values()} == {"name and place"}
    assert mapping.root == truth.root


def test_places_alone_are_less_sure() -> None:
    rig, truth = make()
    mapping = map_rig(rig)
    assert {match.reason for match in mapping.matches.values()} == {"place"}
    assert all(0.6 < match.confidence < 0.9 for match in mapping.matches.values())
    assert {role: match.bone for role, match in mapping.matches.items()} == {
        r: m.bone for r, m in truth.matches.items()
    }


def test_sides_named_the_wrong_way_round() -> None:
    rig, truth = make(arms=30.0)
    names = spoken(truth, swap=True)
    mapping = map_rig(rename(rig, names))
    assert mapping.bone("leftUpperLeg") == names[truth.bone("leftUpperLeg")] == "hero_thigh_R"
    assert mapping.bone("rightHand") == "hero_wrist_L"
    assert any("left" in warning for warning in mapping.warnings)
    assert all(match.confidence <= 0.7 for match in mapping.matches.values())


def test_a_mirrored_armature_counts_as_such() -> None:
    """A negative scale makes the left the right: what is seen counts."""
    rig, truth = make(arms=30.0)
    names = spoken(truth)
    mirrored = replace(rename(rig, names), placement=np.diag([-1.0, 1.0, 1.0, 1.0]))
    mapping = map_rig(mirrored)
    assert mapping.bone("leftUpperLeg") == "hero_thigh_R" and mapping.warnings


def test_names_that_are_one_bone_off_give_way() -> None:
    """Bones called after the joint where they end (as OpenPose skeletons are): the thigh is called knee."""
    rig, truth = make(arms=30.0)
    names = {}
    for side, letter in (("left", "L"), ("right", "R")):
        names[truth.bone(f"{side}UpperLeg")] = f"{letter}Knee"
        names[truth.bone(f"{side}LowerLeg")] = f"{letter}Ankle"
        names[truth.bone(f"{side}Foot")] = f"{letter}Toe"
    mapping = map_rig(rename(rig, names))
    assert mapping.bone("leftUpperLeg") == "LKnee" and mapping.bone("leftLowerLeg") == "LAnkle"
    (warning,) = mapping.warnings
    assert "left leg, right leg" in warning and "mapped by place" in warning


def test_an_odd_rest_pose_is_read_by_its_names() -> None:
    """Legs that point up (a BVH whose zero pose is no pose): the names are believed, nothing is exchanged."""
    rig, truth = make(arms=30.0)
    names = spoken(truth)
    rest, tails = rig.rest.copy(), rig.tails.copy()
    hip = rest[rig.index(truth.bone("leftUpperLeg")), 1, 3]
    for role, match in truth.matches.items():
        if role.endswith(("LowerLeg", "Foot", "Toes")):
            bone = rig.index(match.bone)
            rest[bone, 1, 3] = 2 * hip - rest[bone, 1, 3]
            tails[bone, 1] = 2 * hip - tails[bone, 1]
    mapping = map_rig(rename(replace(rig, rest=rest, tails=tails), names))
    assert {role: mapping.bone(role) for role in truth.matches} == {r: names[m.bone] for r, m in truth.matches.items()}


def test_names_for_some_bones_only() -> None:
    rig, truth = make(arms=30.0)
    names = {bone: name for bone, name in spoken(truth).items() if name.endswith(("thigh_L", "thigh_R", "Head"))}
    mapping = map_rig(rename(rig, names))
    expected = {role: names.get(match.bone, match.bone) for role, match in truth.matches.items()}
    assert {role: mapping.bone(role) for role in truth.matches} == expected


def test_root_is_a_bone_near_the_floor() -> None:
    assert map_rig(make(root=True)[0]).root == make(root=True)[1].root != ""
    assert map_rig(make(root=False)[0]).root == ""


def test_without_any_preset_names_do_it(rigify: Callable[[str], Rig]) -> None:
    mapping = map_rig(rigify("metarig"), None)
    by_preset = map_rig(rigify("metarig"))
    assert mapping.preset == "" and by_preset.preset == "rigify_metarig"
    assert {role: m.bone for role, m in mapping.matches.items()} == {r: m.bone for r, m in by_preset.matches.items()}


def test_a_mapping_may_be_corrected() -> None:
    rig, _ = make(root=True)
    mapping = map_rig(rig).with_bone("head", rig.names[0])
    assert mapping.matches["head"].reason == "chosen"
    assert Mapping.from_dict(mapping.to_dict()) == mapping


#: MakeHuman's rigs → some of the bones that must come out, with a preset and by names alone.
MAKEHUMAN = {
    "default": ("makehuman", "root", "upperarm01.L", "lowerleg01.R", "spine01"),
    "game_engine": ("unreal4", "pelvis", "upperarm_l", "calf_r", "spine_03"),
    "mixamo": ("mixamo", *(f"mixamorig:{name}" for name in ("Hips", "LeftArm", "RightLeg", "Spine2"))),
    "cmu_mb": ("makehuman_cmu", "Hips", "LeftArm", "RightLeg", "Spine1"),
    "rigify_human": ("mpfb_rigify", "spine", "upper_arm.L", "shin.R", "spine.004"),
}


@pytest.mark.parametrize("kind", MAKEHUMAN)
def test_makehuman(data_folder: Path, kind: str) -> None:
    rig = from_makehuman(data_folder / "rigs" / "makehuman" / f"rig.{kind}.json")
    preset, *bones = MAKEHUMAN[kind]
    for mapping in (map_rig(rig), map_rig(rig, None)):
        roles = ("hips", "leftUpperArm", "rightLowerLeg", "upperChest")
        assert [mapping.bone(role) for role in roles] == bones
        assert not mapping.warnings and len(mapping.matches) >= 20
    assert map_rig(rig).preset == preset


def test_makehuman_openpose_is_named_after_the_far_ends(data_folder: Path) -> None:
    mapping = map_rig(from_makehuman(data_folder / "rigs" / "makehuman" / "rig.openpose.json"))
    assert mapping.bone("leftUpperLeg") == "LKnee" and mapping.bone("rightLowerArm") == "RWrist"
    assert mapping.bone("hips") == "MidHip" and mapping.warnings


def test_cesium_man(data_folder: Path) -> None:
    """19 joints without names; he looks along +X, so his left is -Z. Numbers by the original's joint names."""
    mapping = map_rig(Rig.from_gltf(data_folder / "rigs" / "cesium_man" / "cesium_man.gltf"))
    expected = {
        "hips": 2,
        "spine": 11,
        "chest": 12,
        "neck": 19,
        "head": 20,
        "leftUpperArm": 16,
        "leftLowerArm": 17,
        "leftHand": 18,
        "rightUpperArm": 13,
        "rightLowerArm": 14,
        "rightHand": 15,
        "leftUpperLeg": 7,
        "leftLowerLeg": 8,
        "leftFoot": 9,
        "leftToes": 10,
        "rightUpperLeg": 3,
        "rightLowerLeg": 4,
        "rightFoot": 5,
        "rightToes": 6,
    }
    assert {role: int(match.bone.removeprefix("node")) for role, match in mapping.matches.items()} == expected


def test_mesh2motion(data_folder: Path) -> None:
    mapping = map_rig(Rig.from_gltf(data_folder / "rigs" / "mesh2motion" / "human-skeleton.glb"))
    assert mapping.preset == "rigify_game" and len(mapping.matches) == len(ROLES)
    assert mapping.bone("hips") == "DEF-hips" and mapping.root == "root"
