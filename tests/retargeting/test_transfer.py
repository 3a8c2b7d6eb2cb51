"""Path, height, root, trunk, warnings and errors of the transfer, with values by hand."""

import time
from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from posecore.errors import PosecoreError
from posecore.motion import Motion
from posecore.proportions import default_offsets
from posecore.retargeting import Mapping, RetargetSettings, retarget
from posecore.skeletons import SMPL_24
from tests.formats.conftest import make_motion
from tests.retargeting.kinematics import angle, posed, world_change
from tests.retargeting.rigs import make

STANDING = 0.08 + 0.41 + 0.40 + 0.06 + 0.025  # metres: rest pelvis of the average adult over the floor


def still(frames=1, **turns):
    """A motion at rest but for ``turns``: joint -> degrees about X, Y, Z."""
    rotations = np.tile(np.array([0.0, 0.0, 0.0, 1.0], np.float32), (frames, len(SMPL_24), 1))
    for joint, degrees in turns.items():
        rotations[:, SMPL_24.index(joint)] = Rotation.from_euler("XYZ", degrees, degrees=True).as_quat()
    path = np.tile(np.array([0.0, STANDING, 0.0], np.float32), (frames, 1))
    return Motion(np.arange(frames) / 30.0, rotations, path)


def walk():
    """Straight ahead by a metre, and down by 10 cm, in three frames."""
    motion = still(3)
    motion.translation[:] = [[5.0, STANDING, 1.0], [5.0, STANDING - 0.05, 1.5], [5.0, STANDING - 0.10, 2.0]]
    return motion


def hips_path(rig, mapping, motion, **options):
    heads, _ = posed(retarget(motion, rig, mapping, RetargetSettings(**options)))
    return heads[:, rig.index(mapping.bone("hips"))]


def test_path_and_height_scale_with_the_legs():
    rig, mapping = make(thigh=0.41 * 2, shin=0.40 * 2)  # legs of twice the source's length
    rest = rig.heads[rig.index(mapping.bone("hips"))]
    path = hips_path(rig, mapping, walk())
    np.testing.assert_allclose(path - rest, [[0, 0, 0], [0, -0.1, 1.0], [0, -0.2, 2.0]], atol=1e-5)
    assert retarget(walk(), rig, mapping).notes["scale"] == pytest.approx(2.0)


def test_standing_source_leaves_the_rig_at_its_rest_place():
    rig, mapping = make(thigh=0.3, shin=0.5, trunk=0.6, shoulders_width=0.5)
    heads, _ = posed(retarget(still(), rig, mapping))
    np.testing.assert_allclose(heads[0], rig.heads, atol=1e-5)


def test_a_set_scale_changes_the_path_not_the_height():
    rig, mapping = make(thigh=0.41, shin=0.40)
    rest = rig.heads[rig.index(mapping.bone("hips"))]
    path = hips_path(rig, mapping, walk(), scale=3.0)
    np.testing.assert_allclose(path[-1] - rest, [0, -0.10, 3.0], atol=1e-5)


def test_in_place_keeps_the_height():
    rig, mapping = make(thigh=0.41, shin=0.40)
    rest = rig.heads[rig.index(mapping.bone("hips"))]
    path = hips_path(rig, mapping, walk(), in_place=True)
    np.testing.assert_allclose(path[-1] - rest, [0, -0.10, 0], atol=1e-5)


def test_who_is_turned_in_the_scene_walks_ahead_of_himself():
    placement = np.eye(4)
    placement[:3, :3] = 0.01 * Rotation.from_euler("Y", 90, degrees=True).as_matrix()
    placement[:3, 3] = (7.0, 0.0, -3.0)
    big = np.diag([100.0, 100.0, 100.0, 1.0])  # in centimetres before the object's scale of 0.01
    rig, mapping = make(thigh=0.41, shin=0.40, placement=placement @ big, inner=None)
    rest = rig.heads[rig.index(mapping.bone("hips"))]
    np.testing.assert_allclose(rest[[0, 2]], [7.0, -3.0], atol=1e-9)
    path = hips_path(rig, mapping, walk())
    np.testing.assert_allclose(path[-1] - rest, [1.0, -0.10, 0.0], atol=1e-5)  # +X is where he faces


def test_a_slightly_turned_character_is_not_straightened():
    placement = np.eye(4)
    placement[:3, :3] = Rotation.from_euler("Y", 8, degrees=True).as_matrix()
    rig, mapping = make(thigh=0.41, shin=0.40, placement=placement)
    path = hips_path(rig, mapping, walk())
    moved = path[-1] - path[0]
    assert np.degrees(np.arctan2(moved[0], moved[2])) == pytest.approx(8.0, abs=1e-3)


@pytest.mark.parametrize("axes", ["world", "random"])
def test_the_root_carries_the_ground_path_and_nothing_else(axes):
    rig, mapping = make(thigh=0.41, shin=0.40, root=True, axes=axes)
    motion = walk()
    motion.rotations[:, SMPL_24.index("pelvis")] = Rotation.from_euler("X", 30, degrees=True).as_quat()
    moved = retarget(motion, rig, mapping, RetargetSettings(travel="root"))
    heads, turns = posed(moved)
    root = rig.index(mapping.root)
    np.testing.assert_allclose(heads[:, root], [[0, 0, 0], [0, 0, 0.5], [0, 0, 1.0]], atol=1e-5)
    assert world_change(rig, turns, mapping.root).magnitude().max() < 1e-6
    assert set(moved.locations) == {mapping.root, mapping.bone("hips")}
    same = posed(retarget(motion, rig, mapping))[0]
    np.testing.assert_allclose(np.delete(heads, root, axis=1), np.delete(same, root, axis=1), atol=1e-5)


def test_root_without_a_root_is_one_line():
    rig, mapping = make()
    with pytest.raises(PosecoreError, match=r"^the rig has no root bone above the hips"):
        retarget(still(), rig, mapping, RetargetSettings(travel="root"))


def test_a_hips_bone_beside_the_spine_moves_the_whole_body():
    """Rigs whose legs hang from a pelvis bone beside the spine: what carries both must travel."""
    rig, mapping = make(root=True, spine=1)
    hips, spine, root = (rig.index(b) for b in (mapping.bone("hips"), mapping.bone("spine"), mapping.root))
    parents = tuple(root if bone == spine else parent for bone, parent in enumerate(rig.parents))
    rig = replace(rig, parents=parents, followed=parents)
    motion = walk()
    heads, _ = posed(retarget(motion, rig, mapping))
    for bone in (hips, spine, rig.index(mapping.bone("head")), rig.index(mapping.bone("leftFoot"))):
        np.testing.assert_allclose((heads[-1] - heads[0])[bone, 2], (0.83 / 0.81), atol=1e-5)


def test_one_spine_bone_bends_as_far_as_three():
    motion = still(1, spine1=(15, 0, 0), spine2=(15, 10, 0), spine3=(20, 0, 5))
    joints = motion.joints()[0].astype(float)
    wanted = joints[SMPL_24.index("neck")] - joints[SMPL_24.index("spine1")]
    rig, mapping = make(spine=1)
    heads = posed(retarget(motion, rig, mapping))[0][0]
    got = heads[rig.index(mapping.bone("neck"))] - heads[rig.index(mapping.bone("spine"))]
    assert angle(got, wanted) < 1e-3
    # Neck and head lose nothing either: they are turned in the world as the source's.
    turns = posed(retarget(motion, rig, mapping))[1]
    head = world_change(rig, turns, mapping.bone("head"))[0]
    bent = Rotation.identity()
    for degrees in ((15, 0, 0), (15, 10, 0), (20, 0, 5)):
        bent = bent * Rotation.from_euler("XYZ", degrees, degrees=True)
    assert (head * bent.inv()).magnitude() < 1e-5


def test_a_body_in_several_parts_holds_together():
    """As OpenPose's skeleton in MPFB: legs and neck hang from nothing. They go where the hips would carry them."""
    rig, mapping = make(thigh=0.41, shin=0.40, arms=20, axes="random")
    loose = {rig.index(mapping.bone(role)) for role in ("leftUpperLeg", "rightUpperLeg", "spine")}
    parents = tuple(-1 if bone in loose else parent for bone, parent in enumerate(rig.parents))
    parts = replace(rig, parents=parents, followed=parents)
    motion = make_motion(np.arange(5) / 5.0)
    whole, split = retarget(motion, rig, mapping), retarget(motion, parts, mapping)
    np.testing.assert_allclose(posed(split)[0], posed(whole)[0], atol=1e-5)
    assert set(split.locations) == {rig.names[bone] for bone in loose} | {mapping.bone("hips")}
    assert any("not carried by" in line for line in split.notes["warnings"])


def test_control_rigs_follow_what_their_constraints_say():
    """Legs that hang from the armature by ``parents`` but really follow the hips."""
    rig, mapping = make(thigh=0.41, shin=0.40)
    hips = rig.index(mapping.bone("hips"))
    legs = {rig.index(mapping.bone(side + "UpperLeg")) for side in ("left", "right")}
    loose = replace(rig, parents=tuple(-1 if b in legs else p for b, p in enumerate(rig.parents)), followed=rig.parents)
    motion = make_motion(np.arange(5) / 5.0)
    one, other = retarget(motion, rig, mapping), retarget(motion, loose, mapping)
    np.testing.assert_array_equal(one.rotations, other.rotations)
    np.testing.assert_allclose(other.joints(), posed(one)[0], atol=1e-5)
    assert rig.names[hips] in other.locations


def test_a_leaning_monster_straightens_and_a_slight_stoop_stays():
    for lean, stays in ((10.0, True), (35.0, False)):
        rig, mapping = make(spine=2)
        over = Rotation.from_euler("X", lean, degrees=True).as_matrix()
        pivot = rig.heads[rig.index(mapping.bone("hips"))]
        rest, tails = rig.rest.copy(), rig.tails.copy()
        upper = [b for b, n in enumerate(rig.names) if rig.heads[b, 1] > pivot[1] + 1e-6]
        rest[upper, :3, 3] = (rest[upper, :3, 3] - pivot) @ over.T + pivot
        tails[upper] = (tails[upper] - pivot) @ over.T + pivot
        bent = replace(rig, rest=rest, tails=tails)
        heads = posed(retarget(still(), bent, mapping))[0][0]
        spine = heads[bent.index(mapping.bone("neck"))] - heads[bent.index(mapping.bone("chest"))]
        assert angle(spine, np.array([0.0, 1.0, 0.0])) == pytest.approx(lean if stays else 0.0, abs=1e-3)
        arm = heads[bent.index(mapping.bone("leftLowerArm"))] - heads[bent.index(mapping.bone("leftUpperArm"))]
        assert angle(arm, np.array([1.0, 0.0, 0.0])) < 1e-3


def test_a_mirrored_armature_moves_mirrored_and_says_so():
    motion = make_motion(np.arange(4) / 5.0)
    rig, mapping = make(axes="random")
    mirrored = replace(rig, placement=np.diag([-1.0, 1.0, 1.0, 1.0]) @ rig.placement)
    one, other = retarget(motion, rig, mapping), retarget(motion, mirrored, mapping)
    np.testing.assert_allclose(one.joints() * (-1, 1, 1), other.joints(), atol=1e-5)
    assert any("mirrored" in line for line in other.notes["warnings"])


def test_quaternions_do_not_jump():
    rig, mapping = make(axes="random")
    moved = retarget(make_motion(np.arange(300) / 30.0), rig, mapping)
    assert (np.diff(moved.rotations, axis=0) ** 2).sum(-1).max() < 0.2
    np.testing.assert_allclose(np.linalg.norm(moved.rotations, axis=-1), 1.0, atol=1e-5)


def test_what_is_missing_is_said_in_one_line():
    rig, mapping = make(spine=1, toes=False)
    notes = retarget(still(), rig, mapping).notes
    assert notes["unmapped"] == ["chest", "upperChest", "leftToes", "rightToes"] and not notes["warnings"]
    with pytest.raises(PosecoreError, match="no bone for leftUpperArm"):
        retarget(still(), rig, mapping.with_bone("leftUpperArm", ""))
    with pytest.raises(PosecoreError, match="does not have: nobody"):
        retarget(still(), rig, mapping.with_bone("head", "nobody"))
    twice = Mapping({**mapping.matches, "neck": mapping.matches["head"]})
    with pytest.raises(PosecoreError, match="plays both"):
        retarget(still(), rig, twice)


def test_limbs_in_one_place_are_refused():
    rig, mapping = make()
    flat = replace(rig, rest=rig.rest * np.array([0.0, 1.0, 1.0, 1.0])[:, None] + np.diag([1.0, 0, 0, 0]))
    with pytest.raises(PosecoreError, match="lie in one place"):
        retarget(still(), flat, mapping)


# --- feet ---------------------------------------------------------------------------------------------------------


def strides(frames=120, rate=30.0):
    """A walk by inverse kinematics of the test's own: each foot stands still for half of each 1.2 s."""
    times = np.arange(frames) / rate
    offsets = default_offsets().astype(float)
    speed, step = 1.0, 0.6
    pelvis = np.stack([0 * times, np.full(frames, STANDING - 0.09), speed * times], axis=1)
    rotations = np.tile(np.array([0.0, 0.0, 0.0, 1.0]), (frames, len(SMPL_24), 1))
    for side, phase in (("l", 0.0), ("r", 0.5)):
        cycle = times / (2 * step) + phase
        count, part = np.floor(cycle), cycle % 1.0
        stride = 2 * step * speed
        swing = np.clip((part - 0.5) * 2, 0.0, 1.0)
        eased = swing * swing * (3 - 2 * swing)
        ahead = stride * (count - phase + 0.25) + stride * eased
        height = 0.085 + 0.12 * np.sin(np.pi * swing)
        hip = pelvis + offsets[SMPL_24.index(f"{side}_hip")]
        goal = np.stack([hip[:, 0], height, ahead], axis=1)
        reach = goal - hip
        length = np.linalg.norm(reach, axis=1)
        length = np.minimum(length, 0.8095)
        tilt = np.arctan2(-reach[:, 2], -reach[:, 1])
        at_hip = np.arccos((0.41**2 + length**2 - 0.40**2) / (2 * 0.41 * length))
        at_knee = np.pi - np.arccos((0.41**2 + 0.40**2 - length**2) / (2 * 0.41 * 0.40))
        turns = {"hip": tilt - at_hip, "knee": at_knee, "ankle": -(tilt - at_hip + at_knee)}
        for name, angles in turns.items():
            vectors = angles[:, None] * np.array([1.0, 0.0, 0.0])
            rotations[:, SMPL_24.index(f"{side}_{name}")] = Rotation.from_rotvec(vectors).as_quat()
    return Motion(times, rotations.astype(np.float32), pelvis.astype(np.float32))


def slide(motion, rig, mapping, heads):
    """Metres that ankles of the target travel over the ground while the source's stand still."""
    joints = motion.joints().astype(float)
    total, held = 0.0, 0
    for side in ("left", "right"):
        ankle = joints[:, SMPL_24.index(side[0] + "_ankle")]
        speed = np.linalg.norm(np.gradient(ankle, motion.times, axis=0), axis=1)
        resting = (speed < 0.05)[1:] & (speed < 0.05)[:-1]
        steps = np.linalg.norm(np.diff(heads[:, rig.index(mapping.bone(side + "Foot"))], axis=0), axis=1)
        total, held = total + steps[resting].sum(), held + resting.sum()
    assert held > 60
    return total


@pytest.mark.parametrize("given_contacts", [False, True])
def test_locked_feet_do_not_slide(given_contacts):
    motion = strides()
    joints = motion.joints()
    if given_contacts:
        for column, name in enumerate(("l_ankle", "l_foot", "r_ankle", "r_foot")):
            speed = np.linalg.norm(np.gradient(joints[:, SMPL_24.index(name)], motion.times, axis=0), axis=1)
            motion.contacts[:, column] = speed < 0.2
    rig, mapping = make(thigh=0.32, shin=0.50, axes="random", twists=True)
    free, held = (retarget(motion, rig, mapping, RetargetSettings(lock_feet=lock)) for lock in (False, True))
    before, after = (slide(motion, rig, mapping, posed(m)[0]) for m in (free, held))
    assert slide(motion, *make(thigh=0.41, shin=0.40), posed(retarget(motion, *make(thigh=0.41, shin=0.40)))[0]) < 0.02
    assert before > 0.15 and after < 0.1 * before
    heads, turns = posed(held)
    for side in ("left", "right"):
        hip, knee, ankle = (heads[:, rig.index(mapping.bone(side + n))] for n in ("UpperLeg", "LowerLeg", "Foot"))
        np.testing.assert_allclose(np.linalg.norm(knee - hip, axis=1), 0.32, atol=1e-5)
        np.testing.assert_allclose(np.linalg.norm(ankle - knee, axis=1), 0.50, atol=1e-5)
        assert ((knee - (hip + ankle) / 2)[:, 2] > -0.01).all()  # no knee bends backwards
        np.testing.assert_allclose(knee[:, 0], hip[:, 0], atol=1e-3)  # nor leaves its plane
        foot = mapping.bone(side + "Foot")
        kept = world_change(rig, posed(free)[1], foot) * world_change(rig, turns, foot).inv()
        assert kept.magnitude().max() < 1e-5
        # No jolt where a foot is caught or let go: accelerations stay of the order of the free walk's.
        jolts = [np.abs(np.diff(posed(m)[0][:, rig.index(foot)], 2, axis=0)).max() for m in (free, held)]
        assert jolts[1] < 3 * jolts[0] + 0.01


def test_feet_that_cannot_be_held_are_named():
    rig, mapping = make()
    free = mapping.with_bone("leftFoot", "").with_bone("leftToes", "")
    lines = retarget(strides(30), rig, free, RetargetSettings(lock_feet=True)).notes["warnings"]
    assert any("the left foot cannot be held" in line for line in lines)


def test_a_thousand_frames_are_quick():
    motion = make_motion(np.arange(1000) / 30.0)
    rig, mapping = make()
    spent = []
    for _ in range(3):
        begun = time.process_time()
        retarget(motion, rig, mapping, RetargetSettings(lock_feet=True))
        spent.append(time.process_time() - begun)
    assert min(spent) < 0.4  # 0.1 on an idle core


@pytest.mark.parametrize(("fall", "flat"), [(10.0, True), (66.0, True), (85.0, False)])
def test_feet_that_stand_stay_flat_however_steep_their_bones(fall, flat):
    """From ankle to toe joint some rigs fall by 66° though the sole is flat; only what hangs is lifted."""
    rig, mapping = make()
    rest, tails = rig.rest.copy(), rig.tails.copy()
    for side in ("left", "right"):
        foot, toes = rig.index(mapping.bone(side + "Foot")), rig.index(mapping.bone(side + "Toes"))
        rest[toes, :3, 3] = rest[foot, :3, 3] + 0.1 * np.array([0, -np.sin(np.radians(fall)), np.cos(np.radians(fall))])
        tails[toes] = rest[toes, :3, 3] + (0, 0, 0.05)
    steep = replace(rig, rest=rest, tails=tails)
    turns = posed(retarget(still(), steep, mapping))[1]
    foot = world_change(steep, turns, mapping.bone("leftFoot"))[0]
    assert (foot.magnitude() < 1e-5) == flat
