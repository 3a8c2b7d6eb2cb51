"""Depth losses: regression, ordinal ranks and the papers' sums, by hand and by gradients."""

import math

import pytest
import torch

from posecore.losses import (
    DABRAL_2018,
    ZHOU_2017,
    DepthWeights,
    depth_l1,
    depth_mse,
    depth_supervision,
    geometric_loss,
    illegal_angle_loss,
    ordinal_rank_loss,
    symmetry_loss,
    weak_supervision,
)
from posecore.skeletons import BODY_21

J = len(BODY_21)


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_depth_losses_by_hand() -> None:
    prediction, target = torch.tensor([[1.0, 3.0, 9.0]]), torch.tensor([[0.0, 1.0, math.nan]])
    mask = torch.tensor([[1.0, 1.0, 0.0]])
    assert depth_mse(prediction, target, mask).item() == pytest.approx((1 + 4) / 2)
    assert depth_l1(prediction, target, mask).item() == pytest.approx((1 + 2) / 2)
    weak = torch.tensor([[0.2, 0.1, 0.0]])  # fractions weigh; they do not shrink the loss
    assert depth_l1(prediction, target, weak).item() == pytest.approx((0.2 * 1 + 0.1 * 2) / 0.3)
    assert depth_mse(prediction, target, torch.zeros(1, 3)).item() == 0.0


def test_rank_loss_by_hand() -> None:
    depth = torch.tensor([1.0, 3.0, 0.0])
    relations = torch.tensor([[0, 1, 0], [0, 0, -1], [0, 0, 0]])
    mask = torch.tensor([[1, 1, 1], [0, 1, 1], [0, 0, 1]])  # the diagonal is without effect
    # 0 nearer than 1 (true): log(1 + e^(1-3)); 2 nearer than 1 (true): log(1 + e^(0-3)); 0 and 2 level: 1².
    expected = (math.log1p(math.exp(-2)) + math.log1p(math.exp(-3)) + 1.0) / 3
    assert ordinal_rank_loss(depth, relations, mask).item() == pytest.approx(expected)
    # The other way round each true order costs more.
    assert ordinal_rank_loss(-depth, relations, mask).item() == pytest.approx(
        (math.log1p(math.exp(2)) + math.log1p(math.exp(3)) + 1.0) / 3
    )


def test_rank_loss_is_the_naive_double_loop() -> None:
    depth = random(3, 6)
    relations = torch.randint(-1, 2, (3, 6, 6), generator=torch.Generator().manual_seed(1))
    mask = torch.rand(3, 6, 6, generator=torch.Generator().manual_seed(2)) > 0.4
    total, count = 0.0, 0
    for n in range(3):
        for i in range(6):
            for j in range(6):
                if i == j or not mask[n, i, j]:
                    continue
                gap, count = float(depth[n, i] - depth[n, j]), count + 1
                order = int(relations[n, i, j])
                total += gap**2 if order == 0 else math.log1p(math.exp(order * gap))
    assert ordinal_rank_loss(depth, relations, mask).item() == pytest.approx(total / count)


def test_rank_loss_neither_overflows_nor_divides_by_nothing() -> None:
    depth = torch.tensor([[1000.0, -1000.0]], requires_grad=True)
    relations = torch.tensor([[[0, 1], [-1, 0]]])
    ordinal_rank_loss(depth, relations, torch.ones(1, 2, 2)).backward()
    assert depth.grad is not None and torch.isfinite(depth.grad).all()
    assert depth.grad[0, 0] > 0 > depth.grad[0, 1]  # downhill brings the first joint nearer
    assert ordinal_rank_loss(depth, relations, torch.zeros(1, 2, 2)).item() == 0.0


def test_weak_supervision_is_the_weighted_sum() -> None:
    joints, mask = random(2, J, 3, seed=3), torch.ones(2, J, dtype=torch.float64)
    expected = 0.03 * illegal_angle_loss(joints, mask) + 0.03 * geometric_loss(joints, mask)
    expected = expected + 0.05 * symmetry_loss(joints, mask)
    assert weak_supervision(joints[..., :2], joints[..., 2], mask).item() == pytest.approx(expected.item())


def test_the_papers_weights() -> None:
    assert ZHOU_2017["geometric"] == DepthWeights(regression=0.1, geometric=0.01)
    assert DABRAL_2018["structure"] == DepthWeights(angle=0.03, geometric=0.03)
    assert DABRAL_2018["full"] == DepthWeights(angle=0.03, geometric=0.03, symmetry=0.05)


def test_a_mixed_batch_is_each_kind_on_its_own() -> None:
    """Zhou et al., eq. 4: pictures with 3D labels get the regression, those without the structure losses."""
    joints, target = random(4, J, 3, seed=7), random(4, J, seed=8)
    keypoints, depth, seen = joints[..., :2], joints[..., 2], torch.ones(4, J, dtype=torch.float64)
    labelled = torch.zeros(4, J, dtype=torch.float64)
    labelled[:2] = 1.0
    regression = depth_mse(depth[:2], target[:2], labelled[:2])
    geometric = geometric_loss(joints[2:], seen[2:])
    found = depth_supervision(depth, target, labelled, keypoints, seen, ZHOU_2017["geometric"])
    assert found.item() == pytest.approx((0.1 * 2 * regression + 0.01 * 2 * geometric).item() / 4)
    everywhere = DepthWeights(geometric=0.01, everywhere=True)
    found = depth_supervision(depth, target, labelled, keypoints, seen, everywhere)
    assert found.item() == pytest.approx((0.1 * 2 * regression / 4 + 0.01 * geometric_loss(joints, seen)).item())


def test_gradients_in_double_precision() -> None:
    prediction, target = random(2, 5, seed=9).requires_grad_(), random(2, 5, seed=10)
    mask = torch.tensor([[1.0, 0.5, 0.0, 1.0, 1.0], [1.0, 1.0, 1.0, 0.0, 0.0]], dtype=torch.float64)
    for loss in (depth_mse, depth_l1):
        assert torch.autograd.gradcheck(lambda z, loss=loss: loss(z, target, mask), prediction)
    relations = torch.randint(-1, 2, (2, 5, 5), generator=torch.Generator().manual_seed(11))
    assert torch.autograd.gradcheck(lambda z: ordinal_rank_loss(z, relations, torch.ones(2, 5, 5)), prediction)
    joints, labelled = random(2, J, 3, seed=12), torch.zeros(2, J, dtype=torch.float64)
    labelled[0] = 1.0
    depth = joints[..., 2].clone().requires_grad_()
    seen = torch.ones(2, J, dtype=torch.float64)
    for weights in (DepthWeights(0.1, 0.03, 0.03, 0.05), DepthWeights(0.1, geometric=0.01, everywhere=True)):
        assert torch.autograd.gradcheck(
            lambda z, weights=weights: depth_supervision(
                z, random(2, J, seed=13), labelled, joints[..., :2], seen, weights
            ),
            depth,
        )
