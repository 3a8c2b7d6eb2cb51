"""Keypoint reprojection, RepNet's camera loss and the combination: values by hand, masks, gradients."""

import math

import numpy as np
import pytest
import torch

from posecore.losses import (
    ReprojectionWeights,
    keypoint_reprojection_loss,
    orthographic_loss,
    reprojection_loss,
    silhouette_loss,
    silhouette_targets,
)


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_keypoints_by_hand() -> None:
    target = torch.zeros(3, 2, 2)
    prediction = torch.tensor([[[1.0, -3.0], [9.0, 9.0]], [[0.0, 1.0], [0.0, 0.0]], [[7.0, 7.0], [7.0, 7.0]]])
    mask = torch.tensor([[1.0, 0.0], [1.0, 1.0], [0.0, 0.0]])
    each = keypoint_reprojection_loss(prediction, target, mask, "none")
    assert each.tolist() == [2.0, 0.25, 0.0]  # (1 + 3) / 2; (1 / 2 + 0) / 2; nobody seen
    # A picture without a visible joint does not make the others' mean smaller.
    assert keypoint_reprojection_loss(prediction, target, mask).item() == pytest.approx((2.0 + 0.25) / 2)
    # One pixel of a crop of 224, in x and y, of all joints.
    assert keypoint_reprojection_loss(target + 2 / 224, target, mask + 1).item() == pytest.approx(2 / 224)


def test_unseen_keypoints_reach_neither_loss_nor_gradient() -> None:
    prediction, target, mask = random(2, 5, 2), random(2, 5, 2, seed=1), torch.ones(2, 5)
    mask[:, 3] = 0
    target[:, 3] = math.nan
    prediction.requires_grad_()
    keypoint_reprojection_loss(prediction, target, mask).backward()
    assert prediction.grad is not None and torch.isfinite(prediction.grad).all()
    assert float(prediction.grad[:, 3].abs().max()) == 0
    nothing = keypoint_reprojection_loss(prediction, target, torch.zeros(2, 5))
    assert nothing.item() == 0


def test_orthographic_loss_by_hand() -> None:
    turn = torch.linalg.qr(random(3, 3))[0][:2]
    assert orthographic_loss(turn[None] * 7).item() == pytest.approx(0, abs=1e-5)
    # Rows of lengths 1 and 0: 2 / 1 · diag(1, 0) − I = diag(1, −1).
    flat = torch.tensor([[[1.0, 0, 0], [0, 0, 0]]])
    assert orthographic_loss(flat).item() == pytest.approx(math.sqrt(2))
    # Rows (1, 0, 0) and (1, 0, 0): [[1, 1], [1, 1]] − I.
    assert orthographic_loss(torch.tensor([[[1.0, 0, 0], [1.0, 0, 0]]])).item() == pytest.approx(math.sqrt(2))


def test_combination_is_the_weighted_sum() -> None:
    masks = np.zeros((2, 16, 16), bool)
    masks[:, 4:12, 6:10] = True
    silhouette = silhouette_targets(masks, 20)
    keypoints, target, mask, points = (
        random(2, 5, 2),
        random(2, 5, 2, seed=1),
        torch.ones(2, 5),
        random(2, 9, 2, seed=2),
    )
    first = keypoint_reprojection_loss(keypoints, target, mask).item()
    second = silhouette_loss(points, silhouette).item()

    def combined(*weights: float) -> float:
        return reprojection_loss(keypoints, target, mask, points, silhouette, ReprojectionWeights(*weights)).item()

    assert combined(1.0, 0.0) == pytest.approx(first)
    assert combined(0.0, 1.0) == pytest.approx(second)
    assert combined(2.0, 3.0) == pytest.approx(2 * first + 3 * second)
    assert reprojection_loss(keypoints, target, mask, points, silhouette).item() == pytest.approx(combined(1.0, 10.0))


def test_gradients_in_double_precision() -> None:
    mask = torch.ones(2, 5, dtype=torch.float64)
    mask[0, 1] = 0
    target = random(2, 5, 2, seed=1)
    assert torch.autograd.gradcheck(
        lambda x: keypoint_reprojection_loss(x, target, mask), random(2, 5, 2).requires_grad_()
    )
    assert torch.autograd.gradcheck(orthographic_loss, random(2, 2, 3).requires_grad_())
    silhouette = silhouette_targets(np.pad(np.ones((1, 4, 4)), ((0, 0), (4, 4), (4, 4))), 6)
    points = (random(1, 4, 2, seed=3) * 0.6).requires_grad_()
    keypoints = random(1, 5, 2, seed=4).requires_grad_()
    assert torch.autograd.gradcheck(
        lambda k, p: reprojection_loss(k, target[:1], mask[:1], p, silhouette), (keypoints, points)
    )
