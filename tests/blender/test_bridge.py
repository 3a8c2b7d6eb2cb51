"""The bridge between Blender's data and ours, under every Blender at hand."""

from __future__ import annotations

import pytest

from tests.blender import harness

BESIDE = {
    'pose.bones["hand.L"].rotation_quaternion',
    'pose.bones["head"].rotation_euler',
    'pose.bones["head"]["mood"]',
    "location",
}


@pytest.fixture(scope="session")
def special(blender: str) -> dict:
    return harness.run_in_blender(blender, "check_bridge_special.py")


@pytest.fixture(scope="session", params=["", "legacy"], ids=["", "legacy"])
def actions(blender: str, request: pytest.FixtureRequest) -> dict:
    if request.param and int(harness.version(blender).split(".")[0]) >= 5:
        pytest.skip("this Blender knows slots only")
    return harness.run_in_blender(blender, "check_bridge_actions.py", *filter(None, [request.param]))


def test_every_rig_moves_as_planned(run) -> None:
    found = run("check_bridge_rigs.py")
    assert {"rigify", "rigify metarig", "A-pose in cm, Y up", "all rotation modes", "new SMPL-24"} <= set(found)
    for name, rig in found.items():
        # The deforming bones' heads, wherever constraints have put them, against plain forward kinematics.
        assert rig["random_mm"] < 0.05 and rig["walk_mm"] < 0.05, (name, rig)
        assert rig["travelled_m"] > 0.5, (name, rig)
        assert rig["limbs_deg"] < 0.1, (name, rig)
        assert rig["modes"], (name, rig)
        assert not rig["warnings"] and not rig["apply_warnings"], (name, rig)
    assert found["rigify"]["bones"] > 600


def test_channels_are_blenders_own_and_never_flip(special) -> None:
    for mode, (error, step) in special["channels"].items():
        # 2,000 steps through rotations of any size; near an Euler order's pole two angles race against each other.
        assert error < 1e-5 and step < (2.0 if len(mode) == 3 else 0.05), mode


def test_linked_and_overridden_rigs(special) -> None:
    found = special["library"]
    assert "library override" in found["linked"]
    assert found["linked changed"] == [] and found["override changed"] == []
    assert found["override mm"] < 0.05
    assert found["override action"] == ["second", True, True]


def test_what_bones_really_follow(special) -> None:
    found = special["odd_bones"]
    assert found["followed"] == {
        "chest": "spine",
        "thigh.R": "hips",
        "hand.R": "forearm.R",
        "hips": -1,
        "head": -1,  # hinges turn with the armature
        "hand.L": -1,
    }
    assert found["changed"] == [] and found["mm"] < 0.05
    assert len(found["warnings"]) == 1 and found["warnings"][0].startswith("thigh.L ")


def test_what_hides_the_result_is_told(special) -> None:
    told = " ".join(special["nla"]["warnings"])
    assert "rest position" in told and "solo" in told and "blends" in told


def test_rigify(special) -> None:
    found = special["rigify"]
    assert found["changed"] == [] and found["with switches"] == [] and found["report"] == []
    assert any("moves no deforming bone" in line for line in found["without switches"])
    assert any(line.startswith("neck ") for line in found["without switches"])
    assert found["mm"] < 0.05, "an old path of the root and an old sway of the chest are not added"
    assert found["held"] == {bone: [[1.0, 0.0]] for bone in ("root", "chest", "hips")}
    assert found["went on"] == [2, 2], "a finger and a tweak go on"
    assert len(found["missing"]) == 3 and "no_such" in found["missing"][0] and "nobody" in found["missing"][1]
    assert found["missing"][2].startswith("chest, forearm_fk.L stand off their rest pose"), "and the jaw is no matter"


def test_nothing_changes_that_was_not_asked(actions) -> None:
    assert actions["modes"] and not any(actions["modes"].values()), actions["modes"]


def test_applying_again(actions) -> None:
    found = actions["again"]
    assert found["same"] and found["actions"] == 1 and found["tracks"] == 0
    assert found["range"] == [3, 13], "from the user's own key to the end of the shorter movement"
    assert found["user_key"] == [[3.0, 0.0]]
    # A bone that is not mapped any more, and hips that travel no more, must not stay where they were.
    assert found["unmapped_rest"] == [[[5.0, 0.0]]] * 3 and found["no_travel"] == [[[5.0, 0.0]]] * 3
    assert found["other"] == [False, "Walk", "Run", 1]
    assert found["other_again"] == [True, "", 1]
    assert found["shared"] == [False, "Run.001"], "another object plays it: it is left alone"


def test_the_old_action_is_stashed_and_the_rest_goes_on(actions) -> None:
    found = actions["stashed"]
    assert found["changed"] == [] and found["old_untouched"]
    assert found["track"] == ["[Action Stash]", True, True, False, "Old"] and found["strip"] == [1, 20]
    assert {path.rsplit("[", 1)[0] for path in found["went_on"]} == BESIDE
    assert found["replaced"] == ['pose.bones["thigh.R"].rotation_euler', 'pose.bones["upper_arm.L"].rotation_euler']
    assert found["head"] == 0.4
    assert found.get("slots", [1, True]) == [1, True]
    assert len(found["warnings"]) == 1 and "as an object" in found["warnings"][0]


def test_a_failure_leaves_everything_as_it_was(actions) -> None:
    told = {name: value for name, value in actions["failures"].items() if name.endswith("told")}
    left = {name: value for name, value in actions["failures"].items() if name not in told}
    assert len(left) == 6 and not any(left.values()), left
    assert "map its bones anew" in told["lost bone, told"] and "start earlier" in told["too late, told"]
    assert "no armature" in told["nothing, told"] and "Cube is no armature" in told["a mesh, told"]


def test_times_are_true(actions) -> None:
    found = actions["timing"]
    # One second at 50 frames/s in a scene of 30, from frame 10; the hips travel a metre a second.
    assert found["resampled"][:3] == [31, 10, 40]
    assert found["resampled"][3:] == [[10.0, 0.0], [25.0, 0.5], [40.0, 1.0]]
    assert found["own"] == [51, 60, 50, 1.0]
    assert found["ntsc"] == [30, 1.001]
    assert found["single"] == 1


def test_keys_are_quick(run) -> None:
    found = run("check_bridge_speed.py")
    assert found["quaternions"]["keys"] == 60 * 3000 * 4
    for name, measured in found.items():
        assert measured["seconds"] < 4.0, (name, measured)
