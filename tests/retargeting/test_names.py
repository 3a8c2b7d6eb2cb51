"""Names of bones, as they are in the wild."""

from __future__ import annotations

import pytest

from posecore.retargeting import ROLES
from posecore.retargeting.names import parse, parse_all, score


def best(name: str) -> str:
    """The role that a name fits best, "" for none."""
    parsed = parse(name)
    values = {role: score(parsed, role) for role in ROLES}
    role = max(values, key=lambda role: values[role])
    return role if values[role] > 0 else ""


@pytest.mark.parametrize(
    ("name", "role"),
    [
        ("mixamorig:LeftUpLeg", "leftUpperLeg"),
        ("mixamorig7:LeftLeg", "leftLowerLeg"),
        ("LeftArm", "leftUpperArm"),
        ("RightForeArm", "rightLowerArm"),
        ("thigh_l", "leftUpperLeg"),
        ("calf_r", "rightLowerLeg"),
        ("ball_l", "leftToes"),
        ("DEF-upper_arm.L", "leftUpperArm"),
        ("upper_arm_fk.R", "rightUpperArm"),
        ("lShldr", "leftUpperArm"),
        ("lShldrBend", "leftUpperArm"),
        ("rForearmBend", "rightLowerArm"),
        ("lCollar", "leftShoulder"),
        ("Bip01 L Thigh", "leftUpperLeg"),
        ("Bip001 R Toe0", "rightToes"),
        ("CC_Base_R_Clavicle", "rightShoulder"),
        ("CC_Base_NeckTwist01", "neck"),
        ("J_Bip_L_LowerLeg", "leftLowerLeg"),
        ("J_Bip_C_UpperChest", "upperChest"),
        ("left_hip", "leftUpperLeg"),
        ("m_avg_L_Hip", "leftUpperLeg"),
        ("RightKnee", "rightLowerLeg"),
        ("lhand", "leftHand"),
        ("hip", "hips"),
        ("pelvis", "hips"),
        ("LowerBack", "spine"),
        ("abdomen", "spine"),
        ("lclavicle", "leftShoulder"),
        ("rradius", "rightLowerArm"),
        ("upperArmL", "leftUpperArm"),
        ("Leg_Upper_R", "rightUpperLeg"),
        ("Oberschenkel.L", "leftUpperLeg"),
        ("brazo_izquierdo", "leftUpperArm"),
        ("左ひじ", "leftLowerArm"),
        ("右足首", "rightFoot"),
        ("頭", "head"),
        ("wrist.L", "leftHand"),
    ],
)
def test_a_name_has_its_role(name: str, role: str) -> None:
    assert best(name) == role


@pytest.mark.parametrize(
    "name",
    [
        "upperarm_twist_01_l",
        "LeftHandIndex1",
        "f_middle.01.L",
        "CC_Base_L_ForearmTwist02",
        "CC_Base_L_MidToe1X_Finger",
        "ik_hand_gun",
        "ik_foot_l",
        "knee_pole.L",
        "LHipJoint",
        "pelvis.R",
        "lButtock",
        "breast.L",
        "HairTail_03",
        "HeadNub",
        "Head_end",
        "leftEye",
        "jaw",
        "MCH-upper_arm_parent.L",
        "ORG-thigh.L",
        "Bone.001",
        "joint_12",
        "skirt_left_02",
    ],
)
def test_what_is_no_limb_has_no_role(name: str) -> None:
    assert best(name) == ""


def test_the_side_may_stand_anywhere() -> None:
    names = ("L_Arm", "arm.l", "Arm Left", "lArm", "LArm", "leftarm", "armLeft", "Arm_L_01", "ArmL", "arm_lt")
    assert {parse(name).side for name in names} == {"left"}
    assert {parse(name).side for name in ("Skull", "collar", "lowerback", "spine.001", "Clavicle", "Roll")} == {""}


def test_a_word_that_all_names_begin_with_does_not_count() -> None:
    names = parse_all(["Neo_Hips", "Neo_Spine", "Neo_LeftArm", "Neo_RightArm", "Neo_Head"])
    assert [name.words for name in names] == [("hips",), ("spine",), ("arm",), ("arm",), ("head",)]


def test_words_that_nobody_knows_cost_something() -> None:
    assert score(parse("LeftArm"), "leftUpperArm") > score(parse("hero_LeftArm_v2"), "leftUpperArm") > 0


def test_an_unknown_role() -> None:
    with pytest.raises(KeyError):
        score(parse("LeftArm"), "leftWing")
