from __future__ import annotations

import numpy as np
import pytest

from posecore.motion import forward_kinematics
from posecore.skeletons import BODY_21, SMPL_24
from posecore.solving.angles import solve_angles
from posecore.solving.lengths import measure, stature

LIMBS = [
    (side + a, side + b)
    for side in ("l_", "r_")
    for a, b in (
        ("hip", "knee"),
        ("knee", "ankle"),
        ("ankle", "toe"),
        ("shoulder", "elbow"),
        ("elbow", "wrist"),
        ("wrist", "hand"),
    )
]


def solved(joints, limits=1.0, rate=30.0):
    trust = np.ones(joints.shape[:2])
    body = measure(joints, trust)
    rotations = solve_angles(joints, np.arange(len(joints)) / rate, trust, body, limits)
    positions, matrices = forward_kinematics(rotations, body.offsets, np.zeros((len(joints), 3)))
    return rotations, positions.astype(float), matrices, body


def degrees_between(a, b):
    sine, cosine = np.linalg.norm(np.cross(a, b), axis=-1), (a * b).sum(-1)
    return np.degrees(np.arctan2(sine, cosine))


def smpl(name):
    return SMPL_24.index({"l_toe": "l_foot", "r_toe": "r_foot"}.get(name, name))


def limb_errors(joints, positions):
    """Degrees between observed and solved direction, per limb (T,)."""
    return {
        (a, b): degrees_between(
            joints[:, BODY_21.index(b)] - joints[:, BODY_21.index(a)], positions[:, smpl(b)] - positions[:, smpl(a)]
        )
        for a, b in LIMBS
    }


def turns(rotations):
    """Degrees of every local rotation (T, 24)."""
    return np.degrees(2 * np.arccos(np.clip(np.abs(rotations[..., 3]), 0, 1)))


def steps(rotations):
    """Degrees from frame to frame of every local rotation (T - 1, 24)."""
    return np.degrees(2 * np.arccos(np.clip(np.abs((rotations[1:] * rotations[:-1]).sum(-1)), 0, 1)))


@pytest.mark.parametrize("seed", [0, 1])
def test_every_limb_direction_comes_out_on_random_poses(seed):
    random = np.random.default_rng(seed)
    joints = np.zeros((300, len(BODY_21), 3))
    for joint in BODY_21.topological_order[1:]:
        way = random.standard_normal((300, 3))
        joints[:, joint] = joints[:, BODY_21.parents[joint]] + 0.3 * way / np.linalg.norm(way, axis=1, keepdims=True)
    rotations, positions, _, _ = solved(joints, limits=0.0)
    assert np.isfinite(rotations).all()
    for limb, error in limb_errors(joints, positions).items():
        assert error.max() < 0.1, limb


@pytest.mark.parametrize("clip", ["007_01", "016_15", "060_01", "005_06", "013_29", "014_19"])
def test_every_limb_direction_comes_out_on_motion_capture(cmu, clip):
    joints = cmu(clip)[:400]
    _, free, _, _ = solved(joints, limits=0.0)
    for limb, error in limb_errors(joints, free).items():
        assert error.max() < 1.0, limb
    # The limits leave what living bodies do alone, but for rare frames.
    _, held, _, _ = solved(joints)
    for limb, error in limb_errors(joints, held).items():
        assert np.mean(error > 1.0) < (0.15 if limb[1].endswith(("hand", "toe")) else 0.05), limb


@pytest.mark.parametrize("clip", ["007_01", "016_15", "002_01", "005_01", "013_29"])
def test_rotations_are_continuous_and_of_human_size(cmu, clip):
    rotations, _, _, _ = solved(cmu(clip)[:400])
    most = turns(rotations).max(axis=0)
    for name, limit in {"collar": 31, "knee": 160, "elbow": 160, "hip": 130, "shoulder": 150, "ankle": 90}.items():
        for side in ("l_", "r_"):
            assert most[smpl(side + name)] < limit, side + name
    for name in ("spine1", "spine2", "spine3", "neck"):
        assert most[smpl(name)] < 50, name
    assert steps(rotations).max() < 60
    assert ((rotations[1:] * rotations[:-1]).sum(-1) > 0).all()


def test_trunk_and_hip_line_come_out(cmu):
    joints = cmu("060_01")[:300]
    _, positions, _, _ = solved(joints)
    hips = positions[:, smpl("l_hip")] - positions[:, smpl("r_hip")]
    observed = joints[:, BODY_21.index("l_hip")] - joints[:, BODY_21.index("r_hip")]
    assert np.median(degrees_between(hips, observed)) < 0.1
    middle = (positions[:, smpl("l_hip")] + positions[:, smpl("r_hip")]) / 2
    trunk = (
        joints[:, BODY_21.index("thorax")] - (joints[:, BODY_21.index("l_hip")] + joints[:, BODY_21.index("r_hip")]) / 2
    )
    # SMPL's neck stands 5 cm above the shoulder line, over the thorax: the same way but for the chest's bend.
    assert np.median(degrees_between(positions[:, smpl("neck")] - middle, trunk)) < 3


def test_standing_needs_hardly_any_turn_but_at_the_shoulders(standing):
    rotations, _, _, _ = solved(standing())
    turned = dict(zip(SMPL_24.joints, turns(rotations)[0], strict=True))
    for name, value in turned.items():
        if not name.endswith(("shoulder", "elbow", "ankle")):
            assert value < 15, name
    assert turned["l_shoulder"] == pytest.approx(81, abs=8)


def hinge_axis(matrices, name, axis):
    return matrices[0, smpl(name)][:, axis]


def test_bent_knee_and_elbow_turn_about_their_hinges(standing):
    joints = standing()[0]
    put = {name: i for i, name in enumerate(BODY_21.joints)}
    for side, sign in (("l_", 1), ("r_", -1)):
        joints[put[side + "ankle"]] = joints[put[side + "knee"]] + (0, -0.2, -0.35)  # heel to the back
        joints[put[side + "toe"]] = joints[put[side + "ankle"]] + (0, -0.13, -0.03)
        joints[put[side + "elbow"]] = joints[put[side + "shoulder"]] + (0, -0.27, 0)
        joints[put[side + "wrist"]] = joints[put[side + "elbow"]] + (0, 0, 0.25)  # forearm straight ahead
        joints[put[side + "hand"]] = joints[put[side + "wrist"]] + (0, 0, 0.08)
        joints[put[side + "hip"]][0] = 0.1 * sign
    _, _, matrices, _ = solved(joints[None])
    for side in ("l_", "r_"):
        # Facing ahead: the thigh's x axis is the knee's hinge; the upper arm hangs, its front is the body's front.
        np.testing.assert_allclose(hinge_axis(matrices, side + "hip", 0), (1, 0, 0), atol=0.05)
        np.testing.assert_allclose(hinge_axis(matrices, side + "shoulder", 2), (0, 0, 1), atol=0.05)


def test_knee_bent_backwards_is_held_by_the_limit_and_free_without(standing):
    joints = standing()
    knee, ankle, toe = BODY_21.indices(("l_knee", "l_ankle", "l_toe"))
    joints[0, ankle] = joints[0, knee] + 0.4 * np.array([0, -np.cos(0.5), np.sin(0.5)])  # shin 29 degrees forward
    joints[0, toe] = joints[0, ankle] + (0, -0.05, 0.13)
    _, held, _, _ = solved(joints)
    _, free, _, _ = solved(joints, limits=0.0)
    shin_held = (held[0, smpl("l_ankle")] - held[0, smpl("l_knee")]) / np.linalg.norm(
        held[0, smpl("l_ankle")] - held[0, smpl("l_knee")]
    )
    assert np.degrees(np.arcsin(shin_held[2])) < 11
    assert limb_errors(joints, free)[("l_knee", "l_ankle")][0] < 0.1


def test_straight_arm_keeps_its_twist_between_bent_moments(standing):
    """An arm that bends, stretches for half a second with noise in its plane, and bends again must not flip."""
    random = np.random.default_rng(0)
    joints = standing(60)
    elbow, wrist, hand, shoulder = BODY_21.indices(("l_elbow", "l_wrist", "l_hand", "l_shoulder"))
    bend = np.radians(np.clip(np.abs(np.arange(60) - 30) * 4.0 - 40, 0, 60))
    for t in range(60):
        forward = np.array([0, -np.cos(bend[t]), np.sin(bend[t])])
        joints[t, elbow] = joints[t, shoulder] + (0, -0.27, 0)
        joints[t, wrist] = joints[t, elbow] + 0.25 * forward
        joints[t, hand] = joints[t, wrist] + 0.08 * forward
    joints[:, [elbow, wrist]] += 0.004 * random.standard_normal((60, 2, 3))
    rotations, _, matrices, _ = solved(joints)
    assert matrices[:, smpl("l_shoulder"), 2, 2].min() > 0.9  # the upper arm's front stays in front
    assert steps(rotations)[:, smpl("l_shoulder")].max() < 20


def test_head_turns_with_a_real_nose_and_with_the_chest_without_one(standing):
    joints = standing(3)
    nose, crown = BODY_21.indices(("nose", "head_top"))
    turn = np.radians(40)
    joints[:, nose] = (0.12 * np.sin(turn), 1.56, 0.12 * np.cos(turn))
    joints[:, crown] = (0, 1.70, 0)
    _, _, matrices, _ = solved(joints)
    face = matrices[0, smpl("head")][:, 2]
    assert np.degrees(np.arctan2(face[0], face[2])) == pytest.approx(40, abs=6)
    joints[:, nose] = (0.02 * np.sin(turn), 1.56, 0.02 * np.cos(turn))
    _, _, matrices, _ = solved(joints)
    face = matrices[0, smpl("head")][:, 2]
    assert abs(np.degrees(np.arctan2(face[0], face[2]))) < 6


def test_lengths_are_one_set_left_equal_to_right_and_robust(standing):
    random = np.random.default_rng(1)
    joints = standing(101)
    joints[::10] += 0.3 * random.standard_normal(joints[::10].shape)  # one frame in ten is rubbish
    body = measure(joints, np.ones(joints.shape[:2]))
    for name, length in {"knee": 0.42, "ankle": 0.40, "elbow": 0.274, "wrist": 0.26, "hand": 0.083}.items():
        left, right = body.offsets[smpl("l_" + name)], body.offsets[smpl("r_" + name)]
        np.testing.assert_allclose(left * (-1, 1, 1), right, atol=1e-6)
        assert np.linalg.norm(left) == pytest.approx(length, abs=0.01), name
    assert stature(body.offsets) == pytest.approx(1.70, abs=0.06)


def test_height_scales_the_body(standing):
    body = measure(standing(), np.ones((1, 21)), height=1.20)
    assert stature(body.offsets) == pytest.approx(1.20, abs=1e-4)


def test_impossible_proportions_are_held_and_named(standing):
    joints = standing()
    joints[0, BODY_21.index("l_wrist")] += (0, -0.5, 0)
    joints[0, BODY_21.index("r_wrist")] += (0, -0.5, 0)
    body = measure(joints, np.ones((1, 21)))
    assert np.linalg.norm(body.offsets[smpl("l_wrist")]) < 0.36
    assert any("forearm" in warning for warning in body.warnings)
