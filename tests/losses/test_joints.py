"""Losses of the lifting networks: hand values, pair sets, naive loops, gradients."""

import math

import pytest
import torch

from posecore.losses import compositional_loss, joint_l2, joint_pairs, joint_weights, weighted_l2
from posecore.skeletons import BODY_21, H36M_17, MPII_16


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_l2_and_its_weights_by_hand() -> None:
    target = torch.zeros(1, 3, 3)
    prediction = torch.tensor([[[1.0, 2.0, 2.0], [0.0, 3.0, 4.0], [9.0, 9.0, 9.0]]])
    target[0, 2] = math.nan
    mask = torch.tensor([[1.0, 1.0, 0.0]])
    assert joint_l2(prediction, target, mask).item() == pytest.approx((9 + 25) / 2)
    weights = torch.tensor([1.0, 3.0, 100.0])
    assert weighted_l2(prediction, target, mask, weights).item() == pytest.approx((9 + 3 * 25) / 4)
    assert weighted_l2(prediction, target, mask, torch.full((3,), 7.0)).item() == pytest.approx(17.0)


def test_weights_lift_wrists_elbows_and_feet_of_both_sides() -> None:
    weights = dict(zip(H36M_17.joints, joint_weights(H36M_17, 2.0).tolist(), strict=True))
    heavy = {f"{side}_{name}" for side in "lr" for name in ("wrist", "elbow", "ankle")}
    assert {name for name, weight in weights.items() if weight == 2.0} == heavy
    assert {weight for name, weight in weights.items() if name not in heavy} == {1.0}


def test_pair_sets_by_count() -> None:
    assert len(joint_pairs("pairs", H36M_17)) == 17 * 16 // 2
    assert joint_pairs("all", H36M_17) == joint_pairs("pairs", H36M_17)
    assert len(joint_pairs("joint", H36M_17)) == len(joint_pairs("bone", H36M_17)) == 16
    # The pelvis has three children, whose pairs with the root are in both sets.
    assert len(joint_pairs("both", H36M_17)) == 16 + 16 - 3
    assert all(first < second for first, second in joint_pairs("both"))
    with pytest.raises(ValueError, match="one of pairs, joint, bone, both, all"):
        joint_pairs("none")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("kind", "joint", "pairs"),
    [
        ("joint", "pelvis", 20),
        ("joint", "l_knee", 1),
        ("bone", "pelvis", 3),
        ("bone", "l_knee", 2),
        ("both", "l_knee", 3),
        ("pairs", "l_wrist", 20),
    ],
)
def test_compositional_loss_of_one_wrong_joint(kind, joint, pairs) -> None:  # type: ignore[no-untyped-def]
    """A joint off by (1, -2, 0) changes each pair that it is in by 3."""
    target = random(1, 21, 3)
    prediction = target.clone()
    prediction[0, BODY_21.index(joint)] += torch.tensor([1.0, -2.0, 0.0])
    assert compositional_loss(prediction, target, torch.ones(1, 21), kind).item() == pytest.approx(3.0 * pairs)


@pytest.mark.parametrize("kind", ["pairs", "joint", "bone", "both", "all"])
def test_compositional_loss_is_the_naive_loop(kind) -> None:  # type: ignore[no-untyped-def]
    prediction, target = random(3, 16, 3, seed=1), random(3, 16, 3, seed=2)
    mask = (torch.rand(3, 16, generator=torch.Generator().manual_seed(3)) > 0.3).double()
    total = 0.0
    for n in range(3):
        for u, v in joint_pairs(kind, MPII_16):
            found, wanted = prediction[n, u] - prediction[n, v], target[n, u] - target[n, v]
            total += float((found - wanted).abs().sum() * mask[n, u] * mask[n, v])
    assert compositional_loss(prediction, target, mask, kind, MPII_16).item() == pytest.approx(total / 3)


def test_compositional_loss_ignores_where_the_body_is() -> None:
    prediction, target = random(2, 21, 3, seed=4), random(2, 21, 3, seed=5)
    mask = torch.ones(2, 21)
    moved = prediction + torch.tensor([5.0, -3.0, 2.0])
    assert compositional_loss(moved, target, mask).item() == pytest.approx(
        compositional_loss(prediction, target, mask).item()
    )
    with pytest.raises(ValueError, match=r"expected \(..., 17, D\) for H36M_17, got \(2, 21, 3\)"):
        compositional_loss(prediction, target, mask, "bone", H36M_17)


def test_unknown_joints_are_without_effect_even_as_nan() -> None:
    prediction, target, mask = random(2, 21, 3, seed=6), random(2, 21, 3, seed=7), torch.ones(2, 21)
    mask[:, 4] = 0
    expected = compositional_loss(prediction, target, mask).item()
    target[:, 4] = math.nan
    prediction.requires_grad_()
    value = compositional_loss(prediction, target, mask)
    value.backward()
    assert value.item() == pytest.approx(expected)
    assert prediction.grad is not None and torch.isfinite(prediction.grad).all()


def test_gradients_in_double_precision() -> None:
    target, mask = random(1, 21, 3, seed=8), torch.ones(1, 21, dtype=torch.float64)
    mask[0, 3] = 0.0
    prediction = random(1, 21, 3, seed=9).requires_grad_()
    weights = joint_weights().double()
    for kind in ("pairs", "both"):
        assert torch.autograd.gradcheck(lambda x, kind=kind: compositional_loss(x, target, mask, kind), prediction)
    assert torch.autograd.gradcheck(lambda x: joint_l2(x, target, mask), prediction)
    assert torch.autograd.gradcheck(lambda x: weighted_l2(x, target, mask, weights), prediction)
