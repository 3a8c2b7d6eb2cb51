"""Labels from people and from the teacher: values by hand, the convention map on invented data."""

import numpy as np
import pytest

from posecore.skeletons import BLAZEPOSE_33, BODY_21, LSP_14
from training import labels as lb


def standing() -> tuple[np.ndarray, np.ndarray]:
    """LSP labels (14, 2) of a person facing the camera, torso 40 px, and all known."""
    at = {
        "ankle": (8, 180),
        "knee": (8, 140),
        "hip": (8, 100),
        "shoulder": (15, 60),
        "elbow": (20, 80),
        "wrist": (20, 100),
    }
    points = np.zeros((14, 2), np.float32)
    for joint, (x, y) in at.items():
        points[LSP_14.index(f"l_{joint}")] = (100 + x, y)
        points[LSP_14.index(f"r_{joint}")] = (100 - x, y)
    points[LSP_14.index("neck")], points[LSP_14.index("head_top")] = (100, 55), (100, 30)
    return points, np.ones(14, np.float32)


def as_teacher(lsp: np.ndarray) -> np.ndarray:
    """The same person as 33 landmarks, what LSP lacks at the neck."""
    points = np.tile(lsp[LSP_14.index("neck")], (33, 1))
    for joint in set(LSP_14.joints) & set(BLAZEPOSE_33.joints):
        points[BLAZEPOSE_33.index(joint)] = lsp[LSP_14.index(joint)]
    return points.astype(np.float32)


def test_torso_by_hand() -> None:
    lsp, known = standing()
    assert lb.torso_length(lsp, known) == pytest.approx(40.0)
    known[LSP_14.index("l_hip")] = 0
    # Mid shoulder (100, 60) to the one known hip (92, 100).
    assert lb.torso_length(lsp, known) == pytest.approx(np.hypot(8, 40))
    known[LSP_14.index("r_hip")] = 0
    assert lb.torso_length(lsp, known) == pytest.approx(0.3 * 150)  # 30 … 180 px


def test_agreement_counts_limb_joints() -> None:
    lsp, known = standing()
    teacher = as_teacher(lsp)
    assert lb.agreement(lsp, known, teacher) == 1.0
    teacher[BLAZEPOSE_33.index("l_wrist")] += (11, 0)  # over 0.25 * 40
    teacher[BLAZEPOSE_33.index("r_wrist")] += (9, 0)
    assert lb.agreement(lsp, known, teacher) == pytest.approx(11 / 12)
    assert np.isnan(lb.agreement(lsp, np.zeros(14, np.float32), teacher))


def test_sides_are_exchanged_only_where_the_teacher_is_sure() -> None:
    lsp, known = standing()
    wide = lsp.copy()
    wide[:, 0] = 100 + 3 * (wide[:, 0] - 100)
    crowd = wide[list(LSP_14.mirror)]
    fixed, _ = lb.unswapped(crowd, known, as_teacher(wide))
    np.testing.assert_array_equal(fixed, wide)
    kept, _ = lb.unswapped(wide, known, as_teacher(wide))
    np.testing.assert_array_equal(kept, wide)


def test_teacher_map_finds_a_known_convention() -> None:
    """People label the hips 10 % of the hip distance further out than the teacher: the map must learn it."""
    rng = np.random.default_rng(0)
    teacher = rng.normal(100, 40, (400, 33, 2)).astype(np.float32)
    lsp = rng.normal(100, 40, (400, 14, 2)).astype(np.float32)
    left, right = (teacher[:, BLAZEPOSE_33.index(f"{s}_hip")] for s in "lr")
    lsp[:, LSP_14.index("l_hip")] = left + 0.1 * (left - right)
    lsp[:, LSP_14.index("r_hip")] = right + 0.1 * (right - left)
    weights = lb.fit_teacher_map(lsp, np.ones((400, 14), np.float32), teacher)
    np.testing.assert_allclose(weights.sum(1), 1.0, atol=1e-4)
    row = weights[BODY_21.index("l_hip")]
    assert row[BLAZEPOSE_33.index("l_hip")] == pytest.approx(1.1, abs=0.02)
    assert row[BLAZEPOSE_33.index("r_hip")] == pytest.approx(-0.1, abs=0.02)
    mirrored = row[list(BLAZEPOSE_33.mirror)]
    np.testing.assert_allclose(weights[BODY_21.index("r_hip")], mirrored)
    np.testing.assert_allclose(
        weights[BODY_21.index("pelvis")], weights[BODY_21.indices(("l_hip", "r_hip"))].mean(0), atol=1e-6
    )


def test_scale_of_a_weak_perspective_camera() -> None:
    world = np.random.default_rng(1).normal(size=(33, 3)).astype(np.float32)
    pixels = world[:, :2] * 123 + (40, 50)
    assert lb.pixels_per_metre(world, pixels, np.ones(33, np.float32)) == pytest.approx(123, rel=1e-4)


def test_teacher_depth_is_in_pixels_and_pelvis_relative() -> None:
    rng = np.random.default_rng(2)
    world = rng.normal(0, 0.3, (33, 3)).astype(np.float32)
    pixels = (world[:, :2] * 100 + 128).astype(np.float32)
    from posecore.skeletons import conversion_weights

    weights = np.array(conversion_weights(BLAZEPOSE_33, BODY_21))
    found = lb.teacher_labels(pixels, world, np.ones(33, np.float32), weights, (256, 256))
    hips = world[BLAZEPOSE_33.indices(("l_hip", "r_hip")), 2].mean()
    knee = world[BLAZEPOSE_33.index("r_knee"), 2]
    assert found.depth[BODY_21.index("r_knee")] == pytest.approx(100 * (knee - hips), abs=1e-2)
    assert found.weight[BODY_21.index("head_top")] == 0  # the plain map knows no head top
    hidden = lb.teacher_labels(pixels, world, np.full(33, 0.1, np.float32), weights, (256, 256))
    assert not hidden.weight.any()


def test_human_labels_win_and_the_teacher_fills_only_what_lsp_lacks() -> None:
    lsp, known = standing()
    known[LSP_14.index("l_wrist")] = 0
    teacher = lb.Labels(
        np.full((21, 2), 7, np.float32), np.full(21, 0.9, np.float32), np.ones(21, np.float32), np.ones(21, np.float32)
    )
    found = lb.human_labels(lsp, known, teacher)
    np.testing.assert_array_equal(found.keypoints[BODY_21.index("r_knee")], lsp[LSP_14.index("r_knee")])
    assert found.weight[BODY_21.index("l_wrist")] == 0  # hidden or cut off: the teacher only guesses there
    assert found.weight[BODY_21.index("l_toe")] == pytest.approx(0.9)
    assert found.keypoints[BODY_21.index("nose")].tolist() == [7, 7]
