"""Fitting a body: what is built with known shape and pose must be found again, and stay smooth and on the floor."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from posecore.body import BodyModel
from posecore.body.fit_picture import view_of
from posecore.body.fit_pose import chain, match_joints, rest_swings
from posecore.body.fit_shape import BETA_LIMIT, fit_shape, measures, rest_joints
from posecore.body.fitting import LIMBS, fit_body
from posecore.errors import OutputError, PosecoreError
from posecore.motion import Motion, default_offsets, forward_kinematics
from posecore.proportions import AVERAGE_HEIGHT, standing_height
from posecore.skeletons import BODY_21, SMPL_24, convert
from posecore.takes import Camera, Take
from tests.body.stick import rest_of, stick_fields

LIMB_ROWS = SMPL_24.indices(LIMBS)


@pytest.fixture(scope="module")
def body() -> BodyModel:
    return BodyModel(**stick_fields())


def walking(frames: int = 90, rate: float = 30.0, scale: float = 1.0, seed: int = 0) -> Motion:
    """Somebody who swings arms and legs, turns slowly, and steps along on a floor at y = 0."""
    times = np.arange(frames) / rate
    swing = np.sin(2 * np.pi * times)
    vectors = np.zeros((frames, 24, 3))
    for side, sign in (("l", 1.0), ("r", -1.0)):
        vectors[:, SMPL_24.index(f"{side}_hip"), 0] = 0.4 * sign * swing
        vectors[:, SMPL_24.index(f"{side}_knee"), 0] = 0.3 * (1 + sign * swing)
        vectors[:, SMPL_24.index(f"{side}_ankle"), 0] = -vectors[:, SMPL_24.index(f"{side}_hip"), 0]
        vectors[:, SMPL_24.index(f"{side}_ankle"), 0] -= vectors[:, SMPL_24.index(f"{side}_knee"), 0]
        vectors[:, SMPL_24.index(f"{side}_shoulder"), 2] = -1.2 * sign
        vectors[:, SMPL_24.index(f"{side}_elbow"), 1] = -0.5 * sign * (1 + 0.5 * swing)
    vectors[:, SMPL_24.index("spine2"), 1] = 0.1 * swing
    vectors[:, SMPL_24.index("pelvis"), 1] = 0.5 * times
    rotations = Rotation.from_rotvec(vectors.reshape(-1, 3)).as_quat().reshape(frames, 24, 4).astype(np.float32)
    offsets = default_offsets() * np.float32(scale)
    path = np.stack([0.2 * times, np.zeros(frames), 0.5 * times], axis=1)
    motion = Motion(times, rotations, path.astype(np.float32), offsets=offsets)
    ankle = standing_height(offsets) + offsets[SMPL_24.indices(("l_hip", "l_knee", "l_ankle")), 1].sum()
    feet = motion.joints()[:, SMPL_24.indices(("l_ankle", "r_ankle")), 1].min(axis=1)
    return replace(motion, translation=(path + np.outer(ankle - feet, [0, 1, 0])).astype(np.float32))


def of_body(body: BodyModel, betas, motion: Motion) -> Motion:
    """``motion``'s rotations on the skeleton of ``body``."""
    rest = body.rest_joints(np.float32(betas))
    offsets = [rest[j] - rest[p] if p >= 0 else np.zeros(3) for j, p in enumerate(SMPL_24.parents)]
    return replace(motion, offsets=np.array(offsets, np.float32))


def acceleration(joints: np.ndarray, rate: float) -> np.ndarray:
    return np.linalg.norm(np.diff(joints.astype(np.float64), 2, axis=0), axis=-1) * rate**2


def test_lengths_by_hand() -> None:
    rest = rest_of(default_offsets())
    found = measures(rest)
    assert found["hips"] == pytest.approx(0.18)
    assert found["l_thigh"] == pytest.approx(0.41)
    assert found["r_forearm"] == pytest.approx(0.25)
    assert found["trunk"] == pytest.approx(0.08 + 0.11 + 0.13 + 0.06 + 0.12 + 0.03, abs=1e-6)


def person(**longer: float) -> np.ndarray:
    """Rest joints of the average adult with both sides' offsets of some joints made longer."""
    offsets = default_offsets().astype(np.float64)
    for name, factor in longer.items():
        offsets[SMPL_24.indices((f"l_{name}", f"r_{name}"))] *= factor
    return rest_joints(offsets)


def ratios(body: BodyModel, betas: np.ndarray) -> dict[str, float]:
    """Lengths of a shape over those of the body's average."""
    average = measures(body.rest_joints(np.zeros(4, np.float32)))
    return {name: value / average[name] for name, value in measures(body.rest_joints(np.float32(betas))).items()}


def test_rest_joints_by_hand() -> None:
    found, slow = rest_joints(default_offsets()), rest_of(default_offsets())
    np.testing.assert_allclose(found, slow)


def test_an_adult_as_others_is_the_average_body(body) -> None:
    """However the two skeletons place their joints; and no bone says how thick somebody is."""
    height = np.ptp(body.shaped(np.zeros(4, np.float32))[:, 1])
    betas = fit_shape(body, person() * height / AVERAGE_HEIGHT, prior=1e-3)
    np.testing.assert_allclose(betas, 0, atol=0.02)


def test_what_is_longer_is_longer_in_the_body(body) -> None:
    height = np.ptp(body.shaped(np.zeros(4, np.float32))[:, 1])
    same = height / AVERAGE_HEIGHT
    tall = ratios(body, fit_shape(body, 1.05 * same * person(), prior=1e-2))
    assert all(1.04 < value < 1.06 for value in tall.values())
    legs = ratios(body, fit_shape(body, same * person(knee=1.04, ankle=1.04), prior=1e-2))
    assert legs["l_thigh"] == pytest.approx(1.04, abs=0.012) and legs["l_upper_arm"] == pytest.approx(1, abs=0.012)
    arms = ratios(body, fit_shape(body, same * person(elbow=1.05, wrist=1.05), prior=1e-2))
    assert arms["r_forearm"] == pytest.approx(1.05, abs=0.012) and arms["r_shin"] == pytest.approx(1, abs=0.012)


def test_a_height_that_was_told_is_kept(body) -> None:
    betas = fit_shape(body, person(), height=1.80)
    assert np.ptp(body.shaped(np.float32(betas))[:, 1]) == pytest.approx(1.80, abs=0.02)


def test_giants_stay_within_three_standard_deviations(body) -> None:
    assert np.abs(fit_shape(body, 2.0 * person())).max() <= BETA_LIMIT + 1e-6


def test_one_wrong_bone_does_not_rule(body) -> None:
    right, wrong = person(), person()
    for name in ("elbow", "wrist", "hand"):
        wrong[SMPL_24.index(f"l_{name}")] += (0.15, 0, 0)  # 15 cm more of upper arm
    one, other = (measures(body.rest_joints(np.float32(fit_shape(body, rest)))) for rest in (right, wrong))
    for name in one:
        assert other[name] == pytest.approx(one[name], abs=0.025), name


def test_the_same_body_in_the_same_pose(body) -> None:
    """A motion that is the body's own comes back: shape, joints and rotations."""
    betas = np.float32([0.8, 0.5, -0.6, 0.0])
    motion = of_body(body, betas, walking())
    fit = fit_body(motion, body, betas=betas, floor=False)
    np.testing.assert_array_equal(fit.betas, betas)
    np.testing.assert_allclose(fit.motion.joints()[:, LIMB_ROWS], motion.joints()[:, LIMB_ROWS], atol=0.012)
    turn = Rotation.from_quat(fit.motion.rotations.reshape(-1, 4)).inv() * Rotation.from_quat(
        motion.rotations.reshape(-1, 4)
    )
    assert np.degrees(turn.magnitude()).max() < 3.0
    assert fit.facts["joint_error"] < 0.012


def test_limbs_point_where_the_persons_do(body) -> None:
    """The stick's rest pose is no T-pose; without refinement limbs are parallel, exactly."""
    motion = walking(20)
    fit = fit_body(motion, body, refine=False)
    theirs, ours = motion.joints(), fit.motion.joints()
    for child in ("l_knee", "r_ankle", "l_elbow", "r_wrist", "l_hand"):
        index = SMPL_24.index(child)
        parent = SMPL_24.parents[index]
        a, b = theirs[:, index] - theirs[:, parent], ours[:, index] - ours[:, parent]
        cosine = (a * b).sum(-1) / np.linalg.norm(a, axis=-1) / np.linalg.norm(b, axis=-1)
        assert cosine.min() > 1 - 1e-5, child


def test_refinement_brings_joints_nearer_and_stays_smooth(body) -> None:
    motion = walking(scale=1.08)
    rough, fine = fit_body(motion, body, refine=False), fit_body(motion, body)
    assert fine.facts["joint_error"] < rough.facts["joint_error"] * 0.8
    assert fine.facts["joint_error"] < 0.03
    before, after = acceleration(motion.joints(), 30), acceleration(fine.motion.joints(), 30)
    assert after.mean() < 1.15 * before.mean() + 0.1
    # The body of the fit is what its joints say.
    vertices = fine.vertices(slice(3, 5))
    assert vertices.shape == (2, len(body.v_template), 3)
    posed = body.joints(fine.motion.rotations[3:5], fine.motion.translation[3:5], fine.betas)
    np.testing.assert_allclose(posed, fine.motion.joints()[3:5], atol=1e-5)


def test_soles_stand_on_the_floor(body) -> None:
    for motion in (walking(), walking(scale=0.9)):
        fit = fit_body(motion, body)
        lowest = fit.vertices()[..., 1].min(axis=1)
        assert fit.facts["sole_depth"] < 0.012
        assert fit.facts["sole_depth"] == pytest.approx(max(0.0, -lowest.min()), abs=2e-3)
        assert np.median(lowest) < 0.012  # and does not float


def test_a_jump_stays_in_the_air(body) -> None:
    motion = walking(60)
    up = 0.4 * np.exp(-(((motion.times - 1.0) / 0.12) ** 2))
    motion = replace(motion, translation=motion.translation + np.outer(up, [0, 1, 0]).astype(np.float32))
    fit = fit_body(motion, body)
    assert fit.vertices()[30, :, 1].min() == pytest.approx(0.4, abs=0.03)


def test_with_a_take_the_body_comes_nearer_to_its_keypoints(body) -> None:
    """The keypoints say that the left arm hangs otherwise than solved; without smoothing, as frames are alike."""
    motion = walking(12)
    joints = motion.joints()
    truth = joints.copy()
    truth[:, SMPL_24.indices(("l_wrist", "l_hand"))] += (0.08, 0.0, 0.0)
    camera = Camera(1000.0, (639.5, 359.5), (1280, 720))
    seen = convert(truth, SMPL_24, BODY_21)[0] * (1, -1, -1) + (0.0, 0.9, 5.0)
    keypoints = camera.focal * seen[..., :2] / seen[..., 2:] + camera.centre
    relative = seen - seen[:, :1]
    count = len(motion)
    take = Take(
        motion.times, np.ones((count, 4), np.float32), keypoints.astype(np.float32), np.ones((count, 21), np.float32),
        relative.astype(np.float32), relative.astype(np.float32), camera,
    )  # fmt: skip
    alone, both = fit_body(motion, body), fit_body(motion, body, take)
    wrist = SMPL_24.index("l_wrist")
    without = np.abs(alone.motion.joints()[:, wrist, 0] - truth[:, wrist, 0]).mean()
    with_take = np.abs(both.motion.joints()[:, wrist, 0] - truth[:, wrist, 0]).mean()
    assert with_take < without - 0.01
    joints = alone.motion.joints()
    assert both.facts["pixel_error"] < view_of(take, alone.motion, joints).error(joints)
    assert "pixel_error" not in alone.facts


def test_match_joints_undoes_a_known_turn() -> None:
    """Two frames with the left thigh turned by a little: the turn found is that turn, about the hip."""
    offsets = default_offsets().astype(np.float64)
    start = np.tile(np.eye(3), (2, 24, 1, 1))
    place = np.zeros((2, 3))
    turned = start.copy()
    turned[:, SMPL_24.index("l_hip")] = Rotation.from_rotvec([0.1, 0, 0.05]).as_matrix()
    wanted = chain(turned, offsets, place)
    turns, moved = match_joints(start, offsets, place, wanted)
    np.testing.assert_allclose(turns[0, SMPL_24.index("l_hip")], [0.1, 0, 0.05], atol=0.02)
    assert np.abs(turns[:, SMPL_24.index("r_hip")]).max() < 0.01
    assert np.abs(moved).max() < 0.005
    found = Rotation.from_rotvec(turns.reshape(-1, 3)).as_matrix().reshape(2, 24, 3, 3)
    assert np.linalg.norm(chain(found, offsets, moved) - wanted, axis=-1).max() < 0.01


def test_chain_is_forward_kinematics() -> None:
    motion = walking(3)
    positions, globals_ = forward_kinematics(motion.rotations, motion.offsets, motion.translation)
    np.testing.assert_allclose(chain(globals_, motion.offsets, motion.translation), positions, atol=1e-5)


def test_swings_between_equal_skeletons_are_none() -> None:
    turns = rest_swings(default_offsets(), 1.2 * default_offsets())
    np.testing.assert_allclose(turns, np.tile(np.eye(3), (24, 1, 1)), atol=1e-9)


@pytest.mark.parametrize("frames", [1, 2, 3])
def test_few_frames(body, frames) -> None:
    fit = fit_body(walking(frames), body)
    assert len(fit.motion) == frames
    assert np.isfinite(fit.vertices()).all()


def test_bad_input_is_one_line(body, tmp_path) -> None:
    empty = Motion(np.zeros(0), np.zeros((0, 24, 4), np.float32), np.zeros((0, 3), np.float32))
    with pytest.raises(PosecoreError, match="no frames"):
        fit_body(empty, body)
    with pytest.raises(OutputError, match=r"\.npz, \.glb or \.gltf"):
        fit_body(walking(2), body).save(tmp_path / "body.fbx")
    for betas in (np.ones(3), np.ones(5), np.ones(300), np.ones((2, 4)), np.full(4, np.nan)):
        with pytest.raises(PosecoreError, match=r"betas: .*\(the body 'stick' has 4 shape components\)$"):
            fit_body(walking(2), body, betas=betas)


def test_a_height_out_of_reach_is_told(body) -> None:
    """The stick's shapes are 5 cm apart: 15 cm to either side, and no child."""
    tall = float(np.ptp(body.shaped()[:, 1]))
    for height, off in ((1.0, True), (tall, False), (tall + 0.06, False), (2.4, True)):
        motion = walking(3)
        motion = replace(motion, notes={"settings": {"height": height}, "warnings": ["dark"]})
        fit = fit_body(motion, body)
        assert fit.facts["height"] == pytest.approx(np.ptp(body.shaped(fit.betas)[:, 1]), abs=1e-4)
        first, *said = fit.motion.notes["warnings"]
        assert first == "dark" and len(said) == off
        if off:
            assert f"is {fit.facts['height']:.2f} m tall, not {height:.2f} m" in said[0] and "'stick'" in said[0]
        assert motion.notes["warnings"] == ["dark"]  # it is not changed
