"""``Rig`` and ``RigMotion`` as values."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from posecore.errors import OutputError
from posecore.retargeting import Rig, RigMotion
from tests.retargeting.kinematics import posed
from tests.retargeting.rigs import make, random_build


def arm(**changes):
    """Two bones along +X: 30 cm and 20 cm, in centimetres, the second one's axes turned by 90° about X."""
    rest = np.tile(np.eye(4), (2, 1, 1))
    rest[0, :3, 3] = (0, 100, 0)
    rest[1, :3, 3] = (30, 100, 0)
    rest[1, :3, :3] = Rotation.from_euler("X", 90, degrees=True).as_matrix()
    values = {
        "names": ("upper", "lower"),
        "parents": (-1, 0),
        "rest": rest,
        "tails": np.array([[30.0, 100, 0], [50, 100, 0]]),
        "placement": np.diag([0.01, 0.01, 0.01, 1]),
    }
    return Rig(**{**values, **changes})


def moved(rig, turns, **paths):
    """One frame; ``turns``: bone -> degrees about its own X, Y, Z."""
    quaternions = [Rotation.from_euler("XYZ", t, degrees=True).as_quat() for t in turns.values()]
    rotations = np.array(quaternions, np.float32).reshape(1, len(turns), 4)
    locations = {bone: np.array([path], np.float32) for bone, path in paths.items()}
    return RigMotion(rig, np.zeros(1), tuple(turns), rotations, locations)


def test_places_in_the_world():
    rig = arm()
    np.testing.assert_allclose(rig.heads, [[0, 1, 0], [0.3, 1, 0]])
    np.testing.assert_allclose(rig.ends, [[0.3, 1, 0], [0.5, 1, 0]])
    assert rig.index("lower") == 1 and "lower" in rig and "leg" not in rig
    assert rig.children == ((1,), ()) and rig.followed == (-1, 0) and rig.deform.all()
    with pytest.raises(KeyError, match="no bone 'leg'"):
        rig.index("leg")


def test_poses_by_hand():
    rig = arm()
    # The upper bone up by a quarter turn about Z; the lower one's own Y is the world's Z.
    up = moved(rig, {"upper": (0, 0, 90), "lower": (0, 0, 0)}).joints()[0]
    np.testing.assert_allclose(up, [[0, 1, 0], [0, 1.3, 0]], atol=1e-7)
    bent = moved(rig, {"lower": (0, 90, 0)}).pose[0, 1]
    np.testing.assert_allclose(bent[:3, 0], [0, 1, 0], atol=1e-7)  # its X, along the bone, now points up
    away = moved(rig, {"upper": (0, 0, 90)}, lower=(0, 10, 0)).joints()[0, 1]
    np.testing.assert_allclose(away, [0, 1.3, 0.1], atol=1e-7)


def test_what_a_bone_follows_counts_not_its_parent():
    free = moved(arm(followed=(-1, -1)), {"upper": (0, 0, 90)}).joints()[0, 1]
    np.testing.assert_allclose(free, [0.3, 1, 0], atol=1e-7)


@pytest.mark.parametrize("number", range(5))
def test_poses_agree_with_the_tests_own(number):
    rng = np.random.default_rng(number)
    rig, _ = make(random_build(rng))
    rotations = Rotation.random(3 * len(rig), random_state=number).as_quat().reshape(3, len(rig), 4)
    paths = {rig.names[0]: rng.normal(size=(3, 3)).astype(np.float32)}
    motion = RigMotion(rig, np.arange(3.0), rig.names, rotations.astype(np.float32), paths)
    np.testing.assert_allclose(motion.joints(), posed(motion)[0], atol=1e-5)


def test_resampling():
    rig = arm()
    turns = Rotation.from_euler("Z", [[0], [90]], degrees=True).as_quat()[:, None].astype(np.float32)
    motion = RigMotion(rig, np.array([0.0, 1.0]), ("upper",), turns, {"upper": np.array([[0, 0, 0], [8, 0, 0]], "f4")})
    finer = motion.resample(4)
    np.testing.assert_allclose(finer.times, [0, 0.25, 0.5, 0.75, 1])
    np.testing.assert_allclose(
        Rotation.from_quat(finer.rotations[2, 0]).as_euler("ZXY", degrees=True)[0], 45, atol=1e-4
    )
    np.testing.assert_allclose(finer.locations["upper"][:, 0], [0, 2, 4, 6, 8])
    assert moved(rig, {}).resample(10).rotations.shape == (1, 0, 4)
    with pytest.raises(ValueError, match="must be positive"):
        motion.resample(0)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"names": ("a", "a")}, "names repeat"),
        ({"parents": (1, -1)}, "before its children"),
        ({"rest": np.eye(4)[None]}, "Rig.rest: expected shape"),
        ({"followed": (-1, 1)}, "follows itself"),
        ({"rotation_modes": ("XYZ", "ZXZ")}, "unknown"),
    ],
)
def test_impossible_rigs_are_refused(changes, says):
    with pytest.raises(ValueError, match=says):
        arm(**changes)


def test_impossible_motions_are_refused():
    rig = arm()
    with pytest.raises(ValueError, match="no bone 'leg'"):
        moved(rig, {"leg": (0, 0, 0)})
    with pytest.raises(ValueError, match="expected shape"):
        RigMotion(rig, np.zeros(1), ("upper",), np.zeros((2, 1, 4), np.float32))
    with pytest.raises(ValueError, match=r"expected \(1, 3\)"):
        RigMotion(rig, np.zeros(1), (), np.zeros((1, 0, 4), np.float32), {"upper": np.zeros((2, 3), np.float32)})
    with pytest.raises(OutputError, match="cannot write"):
        moved(rig, {}).save("movement.fbx")
