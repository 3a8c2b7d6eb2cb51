"""The papers' protocols, by hand and against loops written from their descriptions."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from posecore.metrics import auc, evaluate_protocol, mpjpe, pa_mpjpe, pck_3d, zhou_skeleton
from posecore.skeletons import BODY_21, H36M_17, MPII_16

# Zhou et al.'s order of MPII's joints in Human3.6M's 17, and the bones whose lengths they add up.
ZHOU_ORDER = [3, 2, 1, 4, 5, 6, 0, 7, 8, 10, 16, 15, 14, 11, 12, 13]
ZHOU_EDGES = [
    (0, 1), (1, 2), (2, 6), (6, 3), (3, 4), (4, 5), (10, 11), (11, 12), (12, 8), (8, 13), (13, 14), (14, 15),
    (6, 8), (8, 9),
]  # fmt: skip


def poses(seed=0, shape=(5, 17, 3)):
    return 0.4 * np.random.default_rng(seed).normal(size=shape)


def naive_zhou(prediction, truth):
    errors = []
    for found, wanted in zip(prediction[:, ZHOU_ORDER], truth[:, ZHOU_ORDER], strict=True):
        total = sum(np.linalg.norm(found[a] - found[b]) for a, b in ZHOU_EDGES)
        placed = (found - found[6]) / total * 4296.99233013 + 1000 * wanted[6]
        placed[7] = (placed[6] + placed[8]) / 2
        errors += [np.linalg.norm(placed[j] - 1000 * wanted[j]) for j in range(16)]
    return float(np.mean(errors))


def test_zhou_is_the_naive_loop():
    prediction, truth = poses(1), poses(2)
    expected = naive_zhou(prediction, truth)
    assert evaluate_protocol(prediction, truth, "zhou", H36M_17)["mpjpe_mm"] == pytest.approx(expected, rel=1e-9)
    both = [np.concatenate([x, poses(3, (5, 4, 3))], 1) for x in (prediction, truth)]  # toes and hands do not matter
    assert evaluate_protocol(*both, "zhou", BODY_21)["mpjpe_mm"] == pytest.approx(expected, rel=1e-9)
    mpii = [x[:, ZHOU_ORDER] for x in (prediction, truth)]
    assert evaluate_protocol(*mpii, "zhou", MPII_16)["mpjpe_mm"] == pytest.approx(expected, rel=1e-9)


def test_zhou_knows_neither_scale_nor_place_of_the_prediction():
    prediction, truth = poses(1), poses(2)
    elsewhere = 173.0 * prediction + [3.0, -80.0, 5.0]  # pixels, say
    assert evaluate_protocol(elsewhere, truth, "zhou", H36M_17) == pytest.approx(
        evaluate_protocol(prediction, truth, "zhou", H36M_17)
    )
    body = zhou_skeleton(poses(4, (16, 3)))
    assert sum(np.linalg.norm(body[a] - body[b]) for a, b in ZHOU_EDGES) == pytest.approx(4.29699233013)
    np.testing.assert_allclose(body[MPII_16.index("thorax")], body[MPII_16.index("upper_neck")] / 2)


def test_zhou_counts_the_root_and_masks_what_is_unknown():
    """One wrist off by 160 mm where all else is right: 10 mm over 16 joints; nothing where that wrist is unknown."""
    truth = zhou_skeleton(poses(5, (1, 16, 3)))
    moved = truth.copy()
    wrist, elbow = MPII_16.indices(["l_wrist", "l_elbow"])
    # Turned about the elbow, so that no bone changes its length: a chord of 160 mm.
    arm = truth[0, wrist] - truth[0, elbow]
    axis = np.cross(arm, [1.0, 0.0, 0.0])
    angle = 2 * np.arcsin(0.08 / np.linalg.norm(arm))
    turned = Rotation.from_rotvec(angle * axis / np.linalg.norm(axis)).apply(arm)
    moved[0, wrist] = truth[0, elbow] + turned
    assert evaluate_protocol(moved, truth, "zhou", MPII_16)["mpjpe_mm"] == pytest.approx(10.0, abs=1e-6)
    known = np.ones((1, 16))
    known[0, wrist] = 0
    hidden = truth.copy()
    hidden[0, wrist] = np.nan
    assert evaluate_protocol(moved, hidden, "zhou", MPII_16, known)["mpjpe_mm"] == pytest.approx(0.0, abs=1e-6)


def test_martinez_is_protocols_1_and_2_on_17_joints():
    prediction, truth = poses(1), poses(2)
    found = evaluate_protocol(prediction, truth, "martinez", H36M_17)
    assert found["mpjpe_mm"] == pytest.approx(1000 * mpjpe(prediction, truth, root=0))
    assert found["pa_mpjpe_mm"] == pytest.approx(1000 * pa_mpjpe(prediction, truth))
    moved = truth.copy()
    moved[:, H36M_17.index("l_wrist"), 0] += 0.17
    assert evaluate_protocol(moved, truth, "martinez", H36M_17)["mpjpe_mm"] == pytest.approx(
        10.0
    )  # 170 / 17: with root
    both = [np.concatenate([x, poses(3, (5, 4, 3))], 1) for x in (prediction, truth)]
    assert evaluate_protocol(*both, "martinez") == pytest.approx(found)
    mpii = [x[:, ZHOU_ORDER] for x in (moved, truth)]
    assert evaluate_protocol(*mpii, "martinez", MPII_16)["mpjpe_mm"] == pytest.approx(170 / 16)


def test_3dhp_is_14_joints_relative_to_the_pelvis():
    prediction, truth = poses(1), poses(2)
    prediction = truth + 0.3 * (prediction - truth)
    names = ["head_top", "thorax", "l_shoulder", "l_elbow", "l_wrist", "l_hip", "l_knee", "l_ankle"]
    columns = H36M_17.indices(names + [name.replace("l_", "r_") for name in names[2:]])
    assert len(columns) == 14
    p, t = (x[:, columns] - x[:, :1] for x in (prediction, truth))
    found = evaluate_protocol(prediction, truth, "mpi_inf_3dhp", H36M_17)
    assert found["pck"] == pytest.approx(pck_3d(p, t)) and 0 < found["pck"] < 1
    assert found["auc"] == pytest.approx(auc(p, t))
    assert found["mpjpe_mm"] == pytest.approx(1000 * mpjpe(p, t))


def test_masked_poses_do_not_count_and_nothing_known_is_nan():
    prediction, truth = poses(1), poses(2)
    known = np.ones((5, 17))
    known[3:] = 0
    hidden = truth.copy()
    hidden[3:] = np.nan
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for protocol in ("zhou", "martinez", "mpi_inf_3dhp"):
            expected = evaluate_protocol(prediction[:3], truth[:3], protocol, H36M_17)
            assert evaluate_protocol(prediction, hidden, protocol, H36M_17, known) == pytest.approx(expected)
            none = evaluate_protocol(prediction, hidden, protocol, H36M_17, np.zeros((5, 17)))
            assert np.isnan(list(none.values())).all()


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="one of zhou, martinez, mpi_inf_3dhp, got 'h36m'"):
        evaluate_protocol(poses(), poses(), "h36m", H36M_17)
    with pytest.raises(ValueError, match=r"expected \(..., 21, 3\) for BODY_21, got \(5, 17, 3\)"):
        evaluate_protocol(poses(), poses(), "zhou")
