"""PCK and its kin, by hand and against loops."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from posecore.metrics import (
    AUC_THRESHOLDS,
    auc,
    head_sizes,
    mpii_head_sizes,
    pck,
    pck_3d,
    pck_by_joint,
    pck_rows,
    pck_torso,
    pckh,
    torso_sizes,
)
from posecore.skeletons import LSP_14, MPII_16


def random(seed=0, shape=(6, 16, 2), scale=20.0):
    return scale * np.random.default_rng(seed).normal(size=shape)


def mask(seed=9, shape=(6, 16)):
    return (np.random.default_rng(seed).random(shape) > 0.3).astype(float)


def naive_pck(prediction, truth, limits, known, joints, strict=False):
    hits = []
    for n in range(len(truth)):
        for j in joints:
            if known[n, j] and limits[n] > 0:
                distance = np.linalg.norm(prediction[n, j] - truth[n, j])
                hits.append(distance < limits[n] if strict else distance <= limits[n])
    return np.mean(hits)


def test_pck_and_its_joints_are_the_naive_loop():
    prediction, truth, known, limits = random(1), random(2), mask(), np.linspace(10, 40, 6)
    assert pck(prediction, truth, limits, known) == pytest.approx(
        naive_pck(prediction, truth, limits, known, range(16))
    )
    for j, found in enumerate(pck_by_joint(prediction, truth, limits, known)):
        assert found == pytest.approx(naive_pck(prediction, truth, limits, known, [j]))


def test_3d_pck_and_auc_by_hand():
    truth = np.zeros((1, 4, 3))
    prediction = truth.copy()
    prediction[0, :, 0] = [0.0, 0.012, 0.1499, 0.15]
    assert pck_3d(prediction, truth) == pytest.approx(3 / 4)  # 150 mm is no longer near, as in their code
    # 31 thresholds, 0, 5, ... 150 mm: the joints pass 30, 28 (from 15 mm), 1 and 0 of them.
    assert len(AUC_THRESHOLDS) == 31 and AUC_THRESHOLDS[[0, 1, -1]].tolist() == [0.0, 0.005, 0.15]
    assert auc(prediction, truth) == pytest.approx((30 + 28 + 1 + 0) / (4 * 31))
    assert auc(prediction, truth, np.array([1, 1, 0, 0])) == pytest.approx((30 + 28) / (2 * 31))


def test_auc_is_the_mean_of_its_pcks():
    prediction, truth = random(1, (6, 16, 3), 0.08), random(2, (6, 16, 3), 0.08)
    known = mask()
    curve = [naive_pck(prediction, truth, [limit] * 6, known, range(16), True) for limit in AUC_THRESHOLDS[1:]]
    assert auc(prediction, truth, known) == pytest.approx(sum(curve) / 31)
    rooted = [
        pck_3d(prediction - prediction[:, 6:7], truth - truth[:, 6:7], known * known[:, 6:7], limit)
        for limit in AUC_THRESHOLDS
    ]
    assert auc(prediction, truth, known, root=6) == pytest.approx(np.mean(rooted))


def test_pckh_by_hand_and_by_loop():
    boxes = np.array([[[10.0, 10.0], [40.0, 50.0]]])
    assert mpii_head_sizes(boxes).tolist() == [30.0]  # 0.6 x 50
    truth = np.zeros((1, 16, 2))
    prediction = truth.copy()
    prediction[0, :, 0] = 15.1
    prediction[0, MPII_16.index("l_wrist"), 0] = 15.0
    prediction[0, MPII_16.index("pelvis"), 0] = prediction[0, MPII_16.index("thorax"), 0] = 0.0  # not scored
    assert pckh(prediction, truth, mpii_head_sizes(boxes)) == pytest.approx(1 / 14)

    prediction, truth, known = random(1), random(2), mask()
    sizes = head_sizes(truth, MPII_16, known)
    assert (sizes == 0).any() and (sizes > 0).any()  # pictures without a known head
    scored = [j for j, name in enumerate(MPII_16.joints) if name not in ("pelvis", "thorax")]
    expected = naive_pck(prediction, truth, 0.5 * sizes, known, scored)
    assert pckh(prediction, truth, sizes, known) == pytest.approx(expected)


def test_torso_pck_by_hand_and_by_loop():
    truth = np.zeros((2, 14, 2))
    truth[:, LSP_14.index("l_shoulder")] = [30.0, 40.0]  # 50 px from the right hip
    prediction = truth + [10.0, 0.0]
    prediction[0, 0] += [0.1, 0.0]
    assert torso_sizes(truth, LSP_14).tolist() == [50.0, 50.0]
    assert pck_torso(prediction, truth, skeleton=LSP_14) == pytest.approx(27 / 28)
    known = np.ones((2, 14))
    known[0, LSP_14.index("r_hip")] = 0  # without a torso the picture does not count
    assert pck_torso(prediction, truth, known, skeleton=LSP_14) == 1.0
    assert pck_torso(prediction, truth, skeleton=LSP_14, sizes=np.array([50.6, 1.0])) == pytest.approx(14 / 28)

    prediction, truth, known = random(1, (6, 14, 2)), random(2, (6, 14, 2)), mask(9, (6, 14))
    sizes = torso_sizes(truth, LSP_14, known)
    expected = naive_pck(prediction, truth, 0.4 * sizes, known, range(14))
    assert pck_torso(prediction, truth, known, 0.4, LSP_14) == pytest.approx(expected)


def test_rows_of_the_table_are_both_sides_together():
    prediction, truth, known, limits = random(1), random(2), mask(), np.linspace(0, 40, 6)
    rows = pck_rows(prediction, truth, limits, known)
    assert list(rows) == ["head", "shoulder", "elbow", "wrist", "hip", "knee", "ankle"]
    for row, names in (("head", ["head_top"]), ("elbow", ["l_elbow", "r_elbow"]), ("ankle", ["l_ankle", "r_ankle"])):
        expected = naive_pck(prediction, truth, limits, known, MPII_16.indices(names))
        assert rows[row] == pytest.approx(expected), row


def test_nothing_known_is_nan_in_silence():
    prediction, truth, nothing = random(1), random(2), np.zeros((6, 16))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.isnan(pck(prediction, truth, 5.0, nothing))
        assert np.isnan(pck_by_joint(prediction, truth, 5.0, nothing)).all()
        assert np.isnan(pckh(prediction, truth, np.zeros(6)))
        assert np.isnan(pck_torso(prediction, truth, nothing))
        assert np.isnan(pck_3d(prediction, truth, nothing)) and np.isnan(auc(prediction, truth, nothing))
        assert np.isnan(list(pck_rows(prediction, truth, 5.0, nothing).values())).all()
        unknown = np.full_like(truth, np.nan)
        assert np.isnan(pckh(prediction, unknown, head_sizes(unknown, mask=nothing), nothing))
