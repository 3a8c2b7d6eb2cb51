"""Presets: what is shipped, which fits, and a user's own."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from posecore.errors import OutputError, PosecoreError, SourceError
from posecore.retargeting import ROLES, Mapping, Match, Preset, Rig, Switch, map_rig, presets
from tests.retargeting.dressing import rename
from tests.retargeting.rigs import make

MIXAMO = "Hips Spine Spine1 Spine2 Neck Head " + " ".join(
    f"{side}{part}"
    for side in ("Left", "Right")
    for part in ("Shoulder", "Arm", "ForeArm", "Hand", "UpLeg", "Leg", "Foot", "ToeBase")
)


def named(names: list[str]) -> Rig:
    """A person whose bones have these names, in the order of the roles."""
    rig, mapping = make()
    return rename(rig, {mapping.bone(role): name for role, name in zip(ROLES, names, strict=True)})


def of_preset(preset: Preset) -> Rig:
    """A person with the names that a preset asks for (plain ones, without any prefix), and its signature."""
    rig, mapping = make(root=True)
    names = {}
    for role in ROLES:
        plain = [
            name for name in preset.roles.get(role, ()) if not name.startswith("re:") and name not in names.values()
        ]
        if plain:
            names[mapping.bone(role)] = plain[0]
    rig = rename(rig, names)
    more = [name for name in preset.signature if not name.startswith("re:") and name not in rig]
    count = len(rig) + len(more)
    rest = np.tile(np.eye(4), (count, 1, 1))
    rest[: len(rig)] = rig.rest
    tails = np.concatenate([rig.tails, np.zeros((len(more), 3))])
    return Rig((*rig.names, *more), (*rig.parents, *[-1] * len(more)), rest, tails)


def test_all_the_rigs_of_the_issue_have_a_preset() -> None:
    there = {preset.name for preset in presets.listing()}
    assert there >= {
        *("rigify", "rigify_metarig", "rigify_deform", "mixamo", "unreal4", "unreal5", "makehuman"),
        *("daz", "daz_genesis8", "daz_genesis9", "cc3", "vroid", "vrm", "smpl", "bvh", "cmu_motionbuilder", "biped"),
    }


@pytest.mark.parametrize("preset", presets.listing(), ids=lambda preset: preset.name)
def test_a_preset_is_whole_and_finds_its_own_rig(preset: Preset) -> None:
    required = {name for name, role in ROLES.items() if role.required}
    assert required <= set(preset.roles)
    for role, names in preset.roles.items():  # sides are mirror images
        if role.startswith("left"):
            assert len(names) == len(preset.roles["right" + role.removeprefix("left")])
    rig = of_preset(preset)
    if not any(name.startswith("re:") for name in preset.signature):
        chosen = presets.best(rig, presets.listing())
        assert chosen is not None and chosen.bones(rig) == preset.bones(rig)
        assert len(chosen.bones(rig)) >= 19


@pytest.mark.parametrize("prefix", ["", "mixamorig:", "mixamorig1:", "mixamorig12:", "mixamorig_", "Hero:mixamorig:"])
def test_mixamo_with_any_prefix(prefix: str) -> None:
    mapping = map_rig(named([prefix + name for name in MIXAMO.split()]))
    assert mapping.preset == "mixamo"
    assert mapping.bone("leftLowerArm") == f"{prefix}LeftForeArm"
    assert len(mapping.matches) == len(ROLES)
    assert min(match.confidence for match in mapping.matches.values()) >= 0.9


def test_a_preset_is_not_taken_by_accident() -> None:
    # all but the arms: 14 of 22 roles, and no rig without arms can be used
    names = [name if "Arm" not in name else f"x{number}" for number, name in enumerate(MIXAMO.split())]
    assert map_rig(named(names)).preset == ""


def test_rigify_by_its_controls(rigify: Callable[[str], Rig]) -> None:
    rig = rigify("generated")
    mapping = map_rig(rig)
    assert mapping.preset == "rigify" and mapping.root == "root" and not mapping.warnings
    assert mapping.bone("hips") == "torso"
    assert mapping.bone("leftUpperArm") == "upper_arm_fk.L"
    assert mapping.bone("rightFoot") == "foot_fk.R"
    assert mapping.bone("head") == "head"
    switches = presets.load("rigify").switches_of(rig)
    to_fk = {switch.bone for switch in switches if switch.property == "IK_FK" and switch.value == 1.0}
    assert to_fk == {f"{limb}_parent.{side}" for limb in ("upper_arm", "thigh") for side in "LR"}
    assert map_rig(rigify("metarig")).preset == "rigify_metarig"
    assert map_rig(rig, "rigify_deform").bone("leftUpperArm") == "DEF-upper_arm.L"


def test_a_preset_by_name_that_does_not_fit() -> None:
    rig, _ = make()
    with pytest.raises(PosecoreError, match=r"'Mixamo' does not fit this rig: it has no bone Hips for hips"):
        map_rig(rig, "mixamo")
    with pytest.raises(PosecoreError, match="no preset 'mixxamo'; there are"):
        map_rig(rig, "mixxamo")


def test_a_user_keeps_what_he_mapped(tmp_path: Path) -> None:
    rig, truth = make(root=True)
    folder = tmp_path / "presets"
    path = presets.save(presets.from_mapping(truth, "my_hero", "My hero ü"), folder)
    assert path == folder / "my_hero.json" and [p.name for p in folder.iterdir()] == ["my_hero.json"]
    mine = presets.load("my_hero", folder)
    assert mine.title == "My hero ü"
    mapping = map_rig(rig, mine)
    assert {role: mapping.bone(role) for role in ROLES} == {role: truth.bone(role) for role in ROLES}
    assert mapping.root == truth.root
    assert "my_hero" in [preset.name for preset in presets.listing(folder)]
    assert "my_hero" not in [preset.name for preset in presets.listing()]
    assert presets.load("My hero ü", folder) == mine
    assert map_rig(rig, folder=folder).preset == "my_hero" and presets.faults(folder) == []


def test_everything_in_a_preset_survives_its_file(tmp_path: Path) -> None:
    preset = Preset(
        "all",
        "All",
        {"hips": ("a", "re:b\\d+"), "head": ("c",)},
        prefix="(?:x:)",
        root=("r",),
        signature=("s",),
        foreign=("f",),
        switches=(Switch("bone", "IK_FK", 1.0),),
    )
    assert presets.read(presets.save(preset, tmp_path)) == preset


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("{", "not JSON"),
        ("[]", "not a JSON object"),
        ('{"name": "x", "title": "X"}', "'roles' is missing"),
        ('{"name": "x", "title": "X", "roles": {"leftWing": ["a"]}}', "no role 'leftWing'"),
        ('{"name": "x", "title": "X", "roles": {"hips": [1]}}', "roles.hips must be"),
        ('{"name": "x", "title": "X", "roles": {"hips": ["re:("]}}', "not a regular expression"),
        ('{"name": "../x", "title": "X", "roles": {"hips": ["a"]}}', "a preset's name is of"),
        ('{"name": "x", "title": "X", "roles": {"hips": ["a"]}, "switches": [{"bone": "b"}]}', "a switch needs"),
        ('{"name": "x", "title": "X", "roles": {"hips": ["a"]}, "colour": 1}', "unknown entry 'colour'"),
    ],
)
def test_a_malformed_file_has_one_clear_line(tmp_path: Path, text: str, what: str) -> None:
    path = tmp_path / "x.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(SourceError, match=re.escape(what)) as caught:
        presets.load("x", tmp_path)
    assert "\n" not in str(caught.value) and str(path) in str(caught.value)
    assert len(presets.listing(tmp_path)) == len(presets.listing())  # the others are still there
    assert presets.faults(tmp_path) == [str(caught.value)]


def test_no_such_file_and_nowhere_to_write(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no such preset file"):
        presets.read(tmp_path / "none.json")
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(OutputError, match="cannot make this folder"):
        presets.save(presets.load("mixamo"), tmp_path / "file")


def test_of_several_that_fit_the_one_with_most_roles() -> None:
    rig = named(MIXAMO.split())
    few = Preset("few", "Few", {"hips": ("Hips",), "head": ("Head",)})
    chosen = presets.best(rig, [few, presets.load("mixamo")])
    assert chosen is not None and chosen.name == "mixamo"
    assert presets.best(rig, []) is None


def test_shipped_files_are_tidy() -> None:
    for path in Path(presets.__file__).with_name("preset_files").glob("*.json"):
        values = json.loads(path.read_text(encoding="utf-8"))
        assert values["name"] == path.stem
        assert values["title"] and list(values["roles"]) == [role for role in ROLES if role in values["roles"]]


def test_a_preset_from_nothing() -> None:
    with pytest.raises(ValueError, match="no roles"):
        presets.from_mapping(Mapping(), "x", "X")
    with pytest.raises(ValueError, match="a preset's name"):
        presets.from_mapping(Mapping({"hips": Match("a", 1.0, "chosen")}), "My Rig", "X")
