"""On random rigs, every limb points as the source's does; checked by forward kinematics of the tests' own."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from posecore.motion import Motion, continuous
from posecore.retargeting import ROLES, RetargetSettings, retarget
from posecore.skeletons import SMPL_24
from tests.retargeting.kinematics import angle, posed, unit, world_change
from tests.retargeting.rigs import make, random_build

LIMBS = [
    (side + limb, side + after)
    for side in ("left", "right")
    for limb, after in (
        ("UpperArm", "LowerArm"),
        ("LowerArm", "Hand"),
        ("UpperLeg", "LowerLeg"),
        ("LowerLeg", "Foot"),
    )
]


def any_motion(rng: np.random.Generator, frames: int = 6) -> Motion:
    """Each joint anywhere within a radian and a half, the body turned anyhow: nothing human, so nothing is spared."""
    vectors = rng.normal(size=(frames, len(SMPL_24), 3)) * 0.6
    vectors *= np.minimum(1.0, 1.5 / np.linalg.norm(vectors, axis=-1, keepdims=True))
    rotations = Rotation.from_rotvec(vectors.reshape(-1, 3)).as_quat().reshape(frames, -1, 4)
    rotations[:, SMPL_24.index("pelvis")] = Rotation.random(frames, random_state=int(rng.integers(2**31))).as_quat()
    path = rng.normal(size=(frames, 3)) + (0.0, 0.9, 0.0)
    return Motion(np.arange(frames) / 10.0, continuous(rotations).astype(np.float32), path.astype(np.float32))


def limb_errors(motion, build):
    """Degrees by which each limb of the target leaves the source's direction, over all limbs and frames."""
    rig, mapping = make(build)
    heads, _ = posed(retarget(motion, rig, mapping))
    source = motion.joints().astype(float)
    errors = []
    for role, after in LIMBS:
        if after not in mapping.matches:
            continue
        got = heads[:, rig.index(mapping.bone(after))] - heads[:, rig.index(mapping.bone(role))]
        wanted = source[:, SMPL_24.index(ROLES[after].joint)] - source[:, SMPL_24.index(ROLES[role].joint)]
        errors.append(angle(got, wanted @ build.placement[:3, :3].T))  # the rig faces where it was placed to face
    return np.array(errors)


@seed(20)
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.integers(0, 2**31 - 1))
def test_limbs_of_random_rigs_point_as_the_sources(number):
    rng = np.random.default_rng(number)
    build = random_build(rng)
    assert limb_errors(any_motion(rng), build).max() < 0.01


@seed(21)
@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.integers(0, 2**31 - 1))
def test_a_t_pose_gives_a_t_pose_and_flat_feet(number):
    rng = np.random.default_rng(number)
    build = random_build(rng)
    rig, mapping = make(build)
    rest = np.tile(np.array([0.0, 0.0, 0.0, 1.0], np.float32), (1, len(SMPL_24), 1))
    motion = Motion(np.zeros(1), rest, np.array([[0.3, 0.9, -2.0]], np.float32))
    assert limb_errors(motion, build).max() < 0.01
    heads, turns = posed(retarget(motion, rig, mapping))
    for side, sign in (("left", 1.0), ("right", -1.0)):
        if mapping.bone(side + "Foot") and mapping.bone(side + "Toes"):
            foot = world_change(rig, turns, mapping.bone(side + "Foot"))[0]
            np.testing.assert_allclose(foot.apply([0, 1, 0]), [0, 1, 0], atol=1e-5)  # the sole stays flat
            ankle, toes = (heads[0, rig.index(mapping.bone(side + name))] for name in ("Foot", "Toes"))
            ahead = (toes - ankle) @ build.placement[:3, :3]
            assert abs(np.degrees(np.arctan2(ahead[0], ahead[2]))) < 0.01
        hand = (
            heads[0, rig.index(mapping.bone(side + "LowerArm"))] - heads[0, rig.index(mapping.bone(side + "UpperArm"))]
        )
        assert angle(hand, build.placement[:3, 0] * sign) < 0.01


@seed(22)
@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.integers(0, 2**31 - 1))
def test_the_point_between_the_hips_walks_the_scaled_path(number):
    """Also where the hips bone lies elsewhere, under a root, in an armature of any unit and axes."""
    rng = np.random.default_rng(number)
    build = random_build(rng)
    rig, mapping = make(build)
    motion = any_motion(rng)
    travel = "root" if build.root and rng.integers(2) else "hips"
    heads, _ = posed(retarget(motion, rig, mapping, RetargetSettings(travel=travel)))
    legs = [rig.index(mapping.bone(side + "UpperLeg")) for side in ("left", "right")]
    pair = SMPL_24.indices(("l_hip", "r_hip"))
    got = np.diff(heads[:, legs].mean(axis=1), axis=0) @ build.placement[:3, :3]
    wanted = np.diff(motion.joints()[:, pair].mean(axis=1), axis=0) * (build.thigh + build.shin) / 0.81
    np.testing.assert_allclose(got, wanted, atol=2e-4)


@pytest.mark.parametrize("axes", ["world", "along", "random"])
@pytest.mark.parametrize("arms", [0.0, 45.0])
def test_twist_of_a_forearm_stays_a_twist(axes, arms):
    rig, mapping = make(axes=axes, arms=arms, twists=True, seed=5)
    rotations = np.tile(np.array([0.0, 0.0, 0.0, 1.0], np.float32), (2, len(SMPL_24), 1))
    rotations[1, SMPL_24.index("l_elbow")] = Rotation.from_euler("X", 60, degrees=True).as_quat()
    motion = Motion(np.arange(2.0), rotations, np.full((2, 3), (0.0, 0.9, 0.0), np.float32))
    heads, turns = posed(retarget(motion, rig, mapping))
    forearm = world_change(rig, turns, mapping.bone("leftLowerArm"))
    change = (forearm[1] * forearm[0].inv()).as_rotvec(degrees=True)
    np.testing.assert_allclose(change, [60.0, 0.0, 0.0], atol=1e-3)
    np.testing.assert_allclose(heads[0], heads[1], atol=1e-5)  # nothing but twist
    upper = world_change(rig, turns, mapping.bone("leftUpperArm"))
    assert (upper[1] * upper[0].inv()).magnitude() < 1e-6


def test_a_right_angle_at_the_elbow_by_hand():
    """Forearm turned by -90° about Y: from pointing left it points ahead. Rig: A-pose, bent elbows, turned by 90°."""
    placement = np.eye(4)
    placement[:3, :3] = Rotation.from_euler("Y", 90, degrees=True).as_matrix()  # faces +X, its left is -Z
    rig, mapping = make(arms=50.0, elbows=30.0, axes="random", placement=placement)
    rotations = np.tile(np.array([0.0, 0.0, 0.0, 1.0], np.float32), (1, len(SMPL_24), 1))
    rotations[0, SMPL_24.index("l_elbow")] = Rotation.from_euler("Y", -90, degrees=True).as_quat()
    motion = Motion(np.zeros(1), rotations, np.array([[0.0, 0.9, 0.0]], np.float32))
    heads = posed(retarget(motion, rig, mapping))[0][0]
    shoulder, elbow, wrist = (heads[rig.index(mapping.bone("left" + n))] for n in ("UpperArm", "LowerArm", "Hand"))
    np.testing.assert_allclose(unit(elbow - shoulder), [0, 0, -1], atol=1e-5)
    np.testing.assert_allclose(wrist - elbow, [0.25, 0, 0], atol=1e-5)
