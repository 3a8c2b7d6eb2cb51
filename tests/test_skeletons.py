"""The registry of joint sets, against orders and tables printed in papers and data sheets."""

from __future__ import annotations

import re

import numpy as np
import pytest

from posecore.skeletons import (
    BLAZEPOSE_33,
    BODY_21,
    CMU_22,
    COCO_17,
    H36M_17,
    LSP_14,
    MPII_16,
    SKELETONS,
    SMPL_24,
    Skeleton,
    conversion_weights,
    convert,
)

every_skeleton = pytest.mark.parametrize("skeleton", SKELETONS.values(), ids=SKELETONS.keys())


@every_skeleton
def test_counts_and_single_root(skeleton: Skeleton) -> None:
    assert len(skeleton) == int(skeleton.name.rsplit("_", 1)[1])
    assert skeleton.parents.count(-1) == 1, "every set is one tree"
    assert len(skeleton.bones) == len(skeleton) - 1


@every_skeleton
def test_topological_order_reaches_every_joint_after_its_parent(skeleton: Skeleton) -> None:
    order = list(skeleton.topological_order)
    assert sorted(order) == list(range(len(skeleton)))
    for joint in order:
        parent = skeleton.parents[joint]
        assert parent < 0 or order.index(parent) < order.index(joint)


@every_skeleton
def test_mirror_is_an_involution_that_keeps_the_tree(skeleton: Skeleton) -> None:
    mirror = skeleton.mirror
    assert [mirror[m] for m in mirror] == list(range(len(skeleton)))
    for joint, parent in enumerate(skeleton.parents):
        assert skeleton.parents[mirror[joint]] == (mirror[parent] if parent >= 0 else -1)
    sides = sum(joint.startswith(("l_", "r_")) for joint in skeleton.joints)
    assert sum(mirror[i] != i for i in range(len(skeleton))) == sides


def test_published_orders() -> None:
    # Human3.6M as used since Martinez et al. 2017.
    h36m = "pelvis r_hip r_knee r_ankle l_hip l_knee l_ankle spine thorax nose head_top"
    assert H36M_17.joints[:11] == tuple(h36m.split())
    assert BODY_21.joints[:17] == H36M_17.joints
    assert BODY_21.joints[17:] == ("l_toe", "r_toe", "l_hand", "r_hand")
    # The flip table that every MPII code base carries.
    assert list(MPII_16.mirror) == [5, 4, 3, 2, 1, 0, 6, 7, 8, 9, 15, 14, 13, 12, 11, 10]
    assert list(LSP_14.mirror) == [5, 4, 3, 2, 1, 0, 11, 10, 9, 8, 7, 6, 12, 13]
    # SMPL's published kinematic tree.
    smpl = [-1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 12, 13, 14, 16, 17, 18, 19, 20, 21]
    assert list(SMPL_24.parents) == smpl
    # COCO and MediaPipe: odd is left from the shoulders on.
    assert all(COCO_17.joints[i].startswith("l_") == (i % 2 == 1) for i in range(5, 17))
    assert all(BLAZEPOSE_33.joints[i].startswith("l_") == (i % 2 == 1) for i in range(11, 33))


def test_cmu_order_is_that_of_the_data(data_folder) -> None:
    text = (data_folder / "mocap_cmu" / "joint_names.txt").read_text()
    assert tuple(re.findall(r"[a-z_]+", text)) == CMU_22.joints


def test_h36m_to_mpii_is_zhous_table() -> None:
    table = [3, 2, 1, 4, 5, 6, 0, 7, 8, 10, 16, 15, 14, 11, 12, 13]
    points = np.random.default_rng(0).normal(size=(5, 17, 3)).astype(np.float32)
    mapped, confidence = convert(points, H36M_17, MPII_16)
    np.testing.assert_allclose(mapped, points[:, table], atol=1e-6)
    assert (confidence == 1).all()


def test_body_to_h36m_is_its_first_seventeen() -> None:
    points = np.random.default_rng(0).normal(size=(2, 21, 2)).astype(np.float32)
    np.testing.assert_array_equal(convert(points, BODY_21, H36M_17)[0], points[:, :17])


def test_blend_by_hand() -> None:
    points = np.zeros((33, 2), np.float32)
    points[BLAZEPOSE_33.index("l_hip")] = (2, 10)
    points[BLAZEPOSE_33.index("r_hip")] = (4, 20)
    points[BLAZEPOSE_33.index("l_shoulder")] = (2, 0)
    points[BLAZEPOSE_33.index("r_shoulder")] = (4, 2)
    confidence = np.ones(33, np.float32)
    confidence[BLAZEPOSE_33.index("r_hip")] = 0.25
    mapped, certainty = convert(points, BLAZEPOSE_33, BODY_21, confidence)
    np.testing.assert_allclose(mapped[BODY_21.index("pelvis")], (3, 15))
    np.testing.assert_allclose(mapped[BODY_21.index("thorax")], (3, 1))
    np.testing.assert_allclose(mapped[BODY_21.index("spine")], (3, 8))
    assert certainty[BODY_21.index("pelvis")] == 0.25, "as sure as the weakest joint used"
    assert certainty[BODY_21.index("thorax")] == 1
    assert certainty[BODY_21.index("head_top")] == 0, "BlazePose has no top of the head"


@pytest.mark.parametrize("source", SKELETONS.values(), ids=SKELETONS.keys())
@pytest.mark.parametrize("target", SKELETONS.values(), ids=SKELETONS.keys())
def test_every_map_is_affine_and_commutes_with_mirroring(source: Skeleton, target: Skeleton) -> None:
    weights = conversion_weights(source, target)
    sums = weights.sum(axis=1)
    assert np.all(np.isclose(sums, 1) | (sums == 0))
    mirrored = weights[list(target.mirror)][:, list(source.mirror)]
    np.testing.assert_array_equal(mirrored, weights)
    if source is target:
        np.testing.assert_array_equal(weights, np.eye(len(source)))


def test_clear_errors() -> None:
    with pytest.raises(KeyError, match="BODY_21 has no joint 'tail'"):
        BODY_21.index("tail")
    with pytest.raises(ValueError, match=r"expected \(\.\.\., 21, D\) for BODY_21, got \(17, 3\)"):
        convert(np.zeros((17, 3)), BODY_21, H36M_17)
    with pytest.raises(ValueError, match="unknown joints"):
        Skeleton("BAD_1", ("pelvis",), {"hip": "pelvis"})
    with pytest.raises(ValueError, match="repeat"):
        Skeleton("BAD_2", ("pelvis", "pelvis"), {})
