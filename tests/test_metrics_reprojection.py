"""The seed's KPR and MR figures, by hand."""

import math

import numpy as np
import pytest

from posecore.metrics import keypoint_reprojection_error, silhouette_reprojection_error


def dot(side: int, x: int, y: int) -> np.ndarray:
    mask = np.zeros((side, side))
    mask[y, x] = 1
    return mask


def test_kpr_by_hand() -> None:
    truth = np.zeros((2, 2, 2))
    found = np.array([[[1.0, -3.0], [5.0, 5.0]], [[0.0, 2.0], [9.0, 9.0]]])
    truth[1, 1] = np.nan
    mask = [[1, 1], [1, 0]]
    assert keypoint_reprojection_error(found, truth, mask) == pytest.approx((2 + 5 + 1) / 3)
    assert keypoint_reprojection_error(found, truth, mask, side=112) == pytest.approx(2 * 8 / 3)
    assert math.isnan(keypoint_reprojection_error(found, truth, np.zeros((2, 2))))


def test_mr_by_hand() -> None:
    # A pixel 3 to the right and 4 down of another, both ways; a quarter of the size makes 4² of it.
    assert silhouette_reprojection_error(dot(224, 10, 10), dot(224, 13, 14)) == pytest.approx(50.0)
    assert silhouette_reprojection_error(dot(56, 10, 10), dot(56, 13, 14)) == pytest.approx(50.0 * 16)
    # One pixel more costs what it alone is off, by half of the mean over two.
    both = dot(224, 13, 14) + dot(224, 13, 24)
    assert silhouette_reprojection_error(both, dot(224, 13, 14)) == pytest.approx(100 / 2)
    assert silhouette_reprojection_error(dot(224, 13, 14), both) == pytest.approx(100 / 2)


def test_mr_of_nobody() -> None:
    nobody = np.zeros((8, 8))
    assert silhouette_reprojection_error(nobody, dot(8, 1, 1)) == pytest.approx(2 * 224**2)
    assert math.isnan(silhouette_reprojection_error(dot(8, 1, 1), nobody))
    pair = np.stack([dot(8, 1, 1), dot(8, 4, 4)]), np.stack([dot(8, 1, 1), nobody])
    assert silhouette_reprojection_error(*pair) == 0
    masked = silhouette_reprojection_error(np.stack([dot(8, 1, 1), nobody]), np.stack([dot(8, 1, 1)] * 2), [1, 0])
    assert masked == 0
    with pytest.raises(ValueError, match=r"expected equal shapes \(\.\.\., S, S\)"):
        silhouette_reprojection_error(np.ones((4, 5)), np.ones((4, 5)))
