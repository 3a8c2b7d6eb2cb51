"""Bodies, orders of depth and silhouettes, by hand and against loops."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from posecore.metrics import (
    bone_lengths,
    geometry_validity,
    ordinal_depth_accuracy,
    relations_of,
    silhouette_iou,
    symmetry_error,
)
from posecore.skeletons import BODY_21, H36M_17, LSP_14, MPII_16


def joints(seed=0, shape=(4, 17, 3)):
    return np.random.default_rng(seed).normal(size=shape)


def mask(seed=9, shape=(4, 17)):
    return (np.random.default_rng(seed).random(shape) > 0.2).astype(float)


def length(pose, a, b, skeleton):
    return float(np.linalg.norm(pose[skeleton.index(a)] - pose[skeleton.index(b)]))


def test_geometry_validity_by_hand():
    body = np.zeros((1, 17, 3))
    at = H36M_17.index
    body[0, at("l_elbow")], body[0, at("l_wrist")] = [0, 300, 0], [0, 300, 240]
    body[0, at("r_elbow")], body[0, at("r_wrist")] = [0, 0, 270], [250, 0, 270]
    body[0, at("l_knee")], body[0, at("l_ankle")] = [0, 450, 0], [0, 850, 0]
    body[0, at("r_knee")], body[0, at("r_ankle")] = [0, 450, 0], [0, 850, 30]
    rows = geometry_validity(body, H36M_17)
    assert rows["upper_arm"] == pytest.approx(30) and rows["lower_arm"] == pytest.approx(10)
    assert rows["upper_leg"] == 0 and rows["lower_leg"] == pytest.approx(np.hypot(400, 30) - 400)


@pytest.mark.parametrize("skeleton", [H36M_17, MPII_16, LSP_14, BODY_21])
def test_geometry_and_symmetry_are_the_naive_loop(skeleton):
    bodies, known = joints(1, (4, len(skeleton), 3)), mask(2, (4, len(skeleton)))
    names = [(skeleton.joints[a], skeleton.joints[b]) for a, b in skeleton.bones if skeleton.joints[b].startswith("l_")]

    def differences(a, b):
        other = [name.replace("l_", "r_", 1) if name.startswith("l_") else name for name in (a, b)]
        for pose, seen in zip(bodies, known, strict=True):
            if seen[skeleton.indices([a, b, *other])].all():
                yield abs(length(pose, a, b, skeleton) - length(pose, *other, skeleton))

    all_of_them = [gap for a, b in names for gap in differences(a, b)]
    assert symmetry_error(bodies, skeleton, known) == pytest.approx(np.mean(all_of_them))
    rows = geometry_validity(bodies, skeleton, known)
    for row, ends in (("lower_arm", ("l_elbow", "l_wrist")), ("upper_leg", ("l_hip", "l_knee"))):
        assert rows[row] == pytest.approx(np.mean(list(differences(*ends))))


def test_bone_lengths_are_in_the_order_of_the_bones():
    pose = joints()[0]
    for found, (a, b) in zip(bone_lengths(pose, H36M_17), H36M_17.bones, strict=True):
        assert found == pytest.approx(np.linalg.norm(pose[a] - pose[b]))
    with pytest.raises(ValueError, match=r"expected \(..., 21, D\) for BODY_21, got \(4, 17, 3\)"):
        bone_lengths(joints())


def test_relations_by_hand():
    # z grows away from the camera: joint 0 is nearest, 1 is less than half behind it, 2 is far.
    assert relations_of(np.array([0.0, 0.4, 2.0])).tolist() == [[0, 0, 1], [0, 0, 1], [-1, -1, 0]]
    assert relations_of(np.array([0.0, 0.5])).tolist() == [[0, 1], [-1, 0]]  # half is apart already


def test_ordinal_depth_accuracy_by_hand():
    depth, labels = np.array([0.0, 0.4, 2.0]), np.array([[0, 1, 1], [-1, 0, 0], [-1, 0, 0]])
    assert ordinal_depth_accuracy(depth, labels) == pytest.approx(2 / 6)  # of three pairs only 0-2 is right
    assert ordinal_depth_accuracy(depth, labels, diagonal=True) == pytest.approx(5 / 9)
    only = np.zeros((3, 3))
    only[0, 1] = only[0, 2] = 1
    assert ordinal_depth_accuracy(depth, labels, only) == pytest.approx(1 / 2)
    assert ordinal_depth_accuracy(-depth, labels, only) == 0.0
    with pytest.raises(ValueError, match=r"shape \(3, 3\), got \(3, 4\)"):
        ordinal_depth_accuracy(depth, np.zeros((3, 4)))


def test_ordinal_depth_accuracy_is_the_naive_loop():
    rng = np.random.default_rng(3)
    depth, labels = rng.normal(size=(5, 6)), rng.integers(-1, 2, (5, 6, 6))
    known, hits = mask(4, (5, 6, 6)), []
    for n in range(5):
        for i in range(6):
            for j in range(6):
                gap = depth[n, i] - depth[n, j]
                label = 1 if gap <= -0.5 else -1 if gap >= 0.5 else 0
                if i != j and known[n, i, j]:
                    hits.append(label == labels[n, i, j])
    assert ordinal_depth_accuracy(depth, labels, known) == pytest.approx(np.mean(hits))


def test_the_metric_and_the_rank_loss_mean_the_same_order():
    torch = pytest.importorskip("torch")
    from posecore.losses import ordinal_rank_loss

    true_depth = np.random.default_rng(5).normal(size=(3, 8))
    labels = relations_of(true_depth, 0.1)
    depth = torch.zeros(3, 8, requires_grad=True)
    optimiser = torch.optim.Adam([depth], lr=0.1)
    for _ in range(150):
        optimiser.zero_grad()
        ordinal_rank_loss(depth, torch.from_numpy(labels), torch.ones(3, 8, 8)).backward()
        optimiser.step()
    assert ordinal_depth_accuracy(depth.detach().numpy(), labels, np.abs(labels)) > 0.95


def test_silhouette_iou_by_hand_and_by_loop():
    a, b = np.zeros((4, 4), bool), np.zeros((4, 4), bool)
    a[:2], b[1:3] = True, True
    assert silhouette_iou(a, b) == pytest.approx(4 / 12)
    assert silhouette_iou(np.stack([a, a, a & ~a]), np.stack([b, a, a & ~a])) == pytest.approx((1 / 3 + 1) / 2)
    found, wanted = (np.random.default_rng(s).random((6, 8, 9)) > 0.5 for s in (1, 2))
    keep = np.array([1, 0, 1, 1, 0, 1])
    single = [
        sum(x and y for x, y in zip(p.ravel(), t.ravel(), strict=True))
        / sum(x or y for x, y in zip(p.ravel(), t.ravel(), strict=True))
        for p, t, k in zip(found, wanted, keep, strict=True)
        if k
    ]
    assert silhouette_iou(found, wanted, keep) == pytest.approx(np.mean(single))
    with pytest.raises(ValueError, match="equal shapes"):
        silhouette_iou(a, b[:3])


def test_nothing_known_is_nan_in_silence():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.isnan(symmetry_error(joints(), H36M_17, np.zeros((4, 17))))
        assert np.isnan(list(geometry_validity(joints(), H36M_17, np.zeros((4, 17))).values())).all()
        assert np.isnan(ordinal_depth_accuracy(np.zeros(3), np.zeros((3, 3)), np.zeros((3, 3))))
        assert np.isnan(silhouette_iou(np.zeros((2, 3, 3)), np.zeros((2, 3, 3))))
