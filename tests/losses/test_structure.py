"""Heatmap and structure losses: values by hand, gradients, and the sign of legal angles."""

import math

import pytest
import torch

from posecore.losses import (
    depth_l1,
    depth_mse,
    gaussian_heatmaps,
    geometric_loss,
    heatmap_mse,
    illegal_angle_loss,
    symmetry_loss,
    weak_supervision,
)
from posecore.skeletons import BODY_21

J = len(BODY_21)


def pose(**joints: tuple[float, float, float]) -> tuple[torch.Tensor, torch.Tensor]:
    """A pose that has only the joints given, and its mask."""
    positions, mask = torch.zeros(1, J, 3, dtype=torch.float64), torch.zeros(1, J, dtype=torch.float64)
    for name, position in joints.items():
        positions[0, BODY_21.index(name)] = torch.tensor(position, dtype=torch.float64)
        mask[0, BODY_21.index(name)] = 1.0
    return positions, mask


def test_gaussian_is_one_at_the_joint_and_falls_by_sigma() -> None:
    heatmap = gaussian_heatmaps(torch.tensor([[[4 * 3 + 1.5, 4 * 5 + 1.5]]]), 16)[0, 0]
    assert heatmap[5, 3] == pytest.approx(1.0)
    assert heatmap[5, 4] == pytest.approx(math.exp(-0.5))
    assert heatmap[7, 3] == pytest.approx(math.exp(-2.0))


def test_heatmap_mse_sums_stacks_and_ignores_unknown_joints() -> None:
    target = torch.zeros(1, 2, 4, 4)
    ones = torch.ones(1, 2, 4, 4)
    weight = torch.tensor([[1.0, 0.0]])
    # 16 cells of error 1 in the one known joint, in each of two stacks.
    assert heatmap_mse([ones, ones], target, weight).item() == pytest.approx(32.0)
    wrong = ones.clone()
    wrong[0, 1] = 1e6
    assert heatmap_mse([wrong], target, weight).item() == pytest.approx(16.0)


def test_depth_losses_by_hand() -> None:
    prediction, target = torch.tensor([[1.0, 3.0, 9.0]]), torch.tensor([[0.0, 1.0, 0.0]])
    mask = torch.tensor([[1.0, 1.0, 0.0]])
    assert depth_mse(prediction, target, mask).item() == pytest.approx((1 + 4) / 2)
    assert depth_l1(prediction, target, mask).item() == pytest.approx((1 + 2) / 2)


def test_geometric_loss_by_hand() -> None:
    joints, mask = pose(l_hip=(0, 0, 0), l_knee=(0, 3, 0), l_ankle=(0, 3 + 1.0085885, 0))
    # Ratios 3 and 1, mean 2, squared deviations 1 and 1, over |R| = 2.
    assert geometric_loss(joints, mask).item() == pytest.approx(1.0, abs=1e-6)


def test_geometric_loss_is_zero_for_canonical_bodies_of_any_size() -> None:
    for size in (0.1, 1.0, 7.0):
        joints, mask = pose(
            l_shoulder=(0, 0, 0), l_elbow=(size, 0, 0), l_wrist=(size, 1.1375361 * size, 0),
        )  # fmt: skip
        assert geometric_loss(joints, mask).item() == pytest.approx(0.0, abs=1e-9)


def test_symmetry_loss_by_hand() -> None:
    joints, mask = pose(
        l_elbow=(0, 0, 0), l_wrist=(3, 4, 0), r_elbow=(0, 0, 0), r_wrist=(0, 0, 2),
    )  # fmt: skip
    assert symmetry_loss(joints, mask).item() == pytest.approx(3.0, abs=1e-5)


# Camera frame: x right, y down, z away. A person facing the camera (toward -z) has their right arm at
# image left (-x). Upper arm hanging down; the forearm may bend toward the camera (-z), never away.
@pytest.mark.parametrize(("side", "x"), [("r", -1.0), ("l", 1.0)])
def test_elbows_bend_forward_only(side: str, x: float) -> None:
    arm = {"thorax": (0.0, 0.0, 0.0), f"{side}_shoulder": (x, 0.0, 0.0), f"{side}_elbow": (x, 1.0, 0.0)}
    legal = pose(**arm, **{f"{side}_wrist": (x, 1.0, -1.0)})
    illegal = pose(**arm, **{f"{side}_wrist": (x, 1.0, 1.0)})
    assert illegal_angle_loss(*legal).item() == 0.0
    # Unit vectors at right angles: |E| = 1, so the loss is e.
    assert illegal_angle_loss(*illegal).item() == pytest.approx(math.e, rel=1e-4)


@pytest.mark.parametrize(("side", "x"), [("r", -1.0), ("l", 1.0)])
def test_knees_bend_backward_only(side: str, x: float) -> None:
    leg = {"pelvis": (0.0, 0.0, 0.0), f"{side}_hip": (x, 0.0, 0.0), f"{side}_knee": (x, 1.0, 0.0)}
    legal = pose(**leg, **{f"{side}_ankle": (x, 1.0, 1.0)})
    illegal = pose(**leg, **{f"{side}_ankle": (x, 1.0, -1.0)})
    assert illegal_angle_loss(*legal).item() == 0.0
    assert illegal_angle_loss(*illegal).item() == pytest.approx(math.e, rel=1e-4)


def test_mirroring_with_exchange_keeps_the_angle_loss() -> None:
    joints = torch.randn(6, J, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    mask = torch.ones(6, J, dtype=torch.float64)
    mirrored = joints[:, list(BODY_21.mirror)] * torch.tensor([-1.0, 1.0, 1.0])
    assert illegal_angle_loss(mirrored, mask).item() == pytest.approx(illegal_angle_loss(joints, mask).item())


def test_gradients_in_double_precision() -> None:
    joints = torch.randn(2, J, 3, generator=torch.Generator().manual_seed(2), dtype=torch.float64, requires_grad=True)
    mask = torch.ones(2, J, dtype=torch.float64)
    for loss in (geometric_loss, illegal_angle_loss, symmetry_loss):
        assert torch.autograd.gradcheck(lambda x, loss=loss: loss(x, mask), joints)
    xy, z = joints.detach()[..., :2], joints.detach()[..., 2].clone().requires_grad_()
    assert torch.autograd.gradcheck(lambda z: weak_supervision(xy, z, mask), z)


def test_weak_supervision_is_the_weighted_sum() -> None:
    joints = torch.randn(2, J, 3, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    mask = torch.ones(2, J, dtype=torch.float64)
    expected = 0.03 * illegal_angle_loss(joints, mask) + 0.03 * geometric_loss(joints, mask)
    expected = expected + 0.05 * symmetry_loss(joints, mask)
    assert weak_supervision(joints[..., :2], joints[..., 2], mask).item() == pytest.approx(expected.item())


def test_walking_is_legal_and_a_wrong_sign_shows(data_folder) -> None:  # type: ignore[no-untyped-def]
    """REFERENCE §2: 97.6-100 % of the frames of shared walking clips are legal, ~0 % with the sign flipped."""
    import numpy as np

    from posecore.skeletons import CMU_22, convert

    with np.load(data_folder / "mocap_cmu" / "joints" / "subject_007.npz") as data:
        clip = data["007_01"]
    joints, _ = convert(clip, CMU_22, BODY_21)
    camera = torch.from_numpy(joints * np.array([1, -1, -1], np.float32)).double()
    mask = torch.ones(camera.shape[:2], dtype=torch.float64)

    def legal(positions: torch.Tensor) -> float:
        single = [illegal_angle_loss(p[None], m[None]).item() for p, m in zip(positions, mask, strict=True)]
        return float(np.mean([value < 1e-3 for value in single]))

    assert legal(camera) >= 0.97
    assert legal(camera * torch.tensor([-1.0, 1.0, 1.0])) < 0.03  # mirrored without exchanging sides
