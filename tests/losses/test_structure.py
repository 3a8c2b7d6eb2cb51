"""Heatmap and structure losses: values by hand, gradients, and the sign of legal angles."""

import csv
import math
import re

import numpy as np
import pytest
import torch

from posecore.losses import (
    BENDING_LIMBS,
    bending,
    gaussian_heatmaps,
    geometric_loss,
    heatmap_mse,
    illegal_angle_loss,
    symmetry_loss,
    weak_supervision,
)
from posecore.skeletons import BODY_21, CMU_22, MPII_16, convert

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


def test_geometric_loss_by_hand() -> None:
    joints, mask = pose(l_hip=(0, 0, 0), l_knee=(0, 3, 0), l_ankle=(0, 3 + 1 / 1.0085885, 0))
    # Ratios 3 and 1, mean 2, squared deviations 1 and 1, over |R| = 2.
    assert geometric_loss(joints, mask).item() == pytest.approx(1.0, abs=1e-6)


def test_geometric_loss_is_zero_for_canonical_bodies_of_any_size() -> None:
    for size in (0.1, 1.0, 7.0):
        joints, mask = pose(
            l_shoulder=(0, 0, 0), l_elbow=(1.1375361 * size, 0, 0), l_wrist=(1.1375361 * size, size, 0),
        )  # fmt: skip
        assert geometric_loss(joints, mask).item() == pytest.approx(0.0, abs=1e-9)


def test_geometric_loss_holds_the_human36m_body_for_canonical() -> None:
    """Dabral et al.'s lengths, m (REFERENCE §7): upper arms are the longer ones."""
    arm, _ = pose(l_shoulder=(0, 0, 0), l_elbow=(0.2797, 0, 0), l_wrist=(0.2797, 0.2464, 0))
    swapped, mask = pose(l_shoulder=(0, 0, 0), l_elbow=(0.2464, 0, 0), l_wrist=(0.2464, 0.2797, 0))
    assert geometric_loss(arm, mask).item() < 1e-6 < 1e-4 < geometric_loss(swapped, mask).item()


def test_geometric_groups_by_hand() -> None:
    """Hips and shoulders of lengths a and b have the ratios' variance ((a − b) / 2)²; groups add up."""
    joints, mask = pose(
        pelvis=(0, 0, 0), l_hip=(2, 0, 0), r_hip=(-1, 0, 0),
        thorax=(0, -5, 0), l_shoulder=(0, -5, 3), r_shoulder=(0, -5, -1),
    )  # fmt: skip
    assert geometric_loss(joints, mask).item() == pytest.approx(0.25 + 1.0, abs=1e-5)
    mask[0, BODY_21.index("r_shoulder")] = 0  # one bone alone has no variance
    assert geometric_loss(joints, mask).item() == pytest.approx(0.25, abs=1e-5)


def test_shoulders_hang_on_mpii_upper_neck() -> None:
    """Zhou et al.'s groups 12-8 and 13-8: MPII's joint 8 is the upper neck; its "thorax" is further down."""
    joints = torch.zeros(1, 16, 3, dtype=torch.float64)
    at = MPII_16.index
    joints[0, at("l_shoulder"), 0], joints[0, at("r_shoulder"), 0] = 1.0, -3.0
    joints[0, at("thorax"), 1] = 50.0
    mask = torch.zeros(1, 16, dtype=torch.float64)
    mask[0, MPII_16.indices(["l_shoulder", "r_shoulder", "upper_neck"])] = 1.0
    assert geometric_loss(joints, mask, MPII_16).item() == pytest.approx(1.0, abs=1e-5)


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
    joints = torch.randn(1, J, 3, generator=torch.Generator().manual_seed(2), dtype=torch.float64, requires_grad=True)
    mask = torch.ones(1, J, dtype=torch.float64)
    assert illegal_angle_loss(joints, mask) > 0
    for loss in (geometric_loss, illegal_angle_loss, symmetry_loss):
        assert torch.autograd.gradcheck(lambda x, loss=loss: loss(x, mask), joints)
    xy, z = joints.detach()[..., :2], joints.detach()[..., 2].clone().requires_grad_()
    assert torch.autograd.gradcheck(lambda z: weak_supervision(xy, z, mask), z)
    heatmaps = torch.randn(2, 2, 3, 4, 4, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    weight = torch.tensor([[1.0, 0.0, 0.5], [1.0, 1.0, 1.0]], dtype=torch.float64)
    stacks = heatmaps.clone().requires_grad_()
    assert torch.autograd.gradcheck(lambda h: heatmap_mse(list(h), heatmaps[0] + 1, weight), stacks)


@pytest.mark.parametrize("loss", [geometric_loss, illegal_angle_loss, symmetry_loss])
def test_pictures_are_independent_and_inputs_are_left_alone(loss) -> None:  # type: ignore[no-untyped-def]
    """Two bugs of public ports: a loss that is overwritten per picture, and inputs that are changed in place."""
    joints = torch.randn(5, J, 3, generator=torch.Generator().manual_seed(4), dtype=torch.float64)
    mask = (torch.rand(5, J, generator=torch.Generator().manual_seed(5)) > 0.1).double()
    kept = joints.clone()
    single = [loss(joints[i : i + 1], mask[i : i + 1]).item() for i in range(5)]
    assert loss(joints, mask).item() == pytest.approx(sum(single) / 5)
    assert loss(joints, mask, reduction="none").tolist() == pytest.approx(single)
    assert torch.equal(joints, kept)
    with pytest.raises(ValueError, match="'sum'"):
        loss(joints, mask, reduction="sum")


@pytest.mark.parametrize("loss", [geometric_loss, illegal_angle_loss, symmetry_loss])
def test_unknown_joints_are_without_effect_even_as_nan(loss) -> None:  # type: ignore[no-untyped-def]
    joints = torch.randn(2, J, 3, generator=torch.Generator().manual_seed(6), dtype=torch.float64)
    mask = torch.ones(2, J, dtype=torch.float64)
    hidden = BODY_21.indices(["l_wrist", "r_ankle"])
    mask[:, hidden] = 0.0
    expected = loss(joints, mask).item()
    joints[:, hidden] = math.nan
    joints.requires_grad_()
    value = loss(joints, mask)
    value.backward()
    assert value.item() == pytest.approx(expected)
    assert joints.grad is not None and torch.isfinite(joints.grad).all()
    assert loss(joints.detach(), torch.zeros_like(mask)).item() == 0.0


@pytest.fixture(scope="module")
def walking(data_folder) -> torch.Tensor:  # type: ignore[no-untyped-def]
    """(F, 21, 3) m: every frame of every CMU walk, camera frame: a half turn about x, so nothing is mirrored."""
    descriptions = {}
    with open(data_folder / "mocap_cmu" / "clips.csv", newline="", encoding="utf-8") as stream:
        for row in csv.DictReader(stream):
            descriptions[row["clip"]] = row["description"].lower()
    frames = []
    for file in sorted((data_folder / "mocap_cmu" / "joints").glob("subject_*.npz")):
        with np.load(file) as clips:
            for name in clips.files:
                if re.fullmatch(r"(slow |brisk )?walk(ing)?\d*", descriptions.get(name, "")):
                    frames.append(convert(clips[name], CMU_22, BODY_21)[0])
    return torch.from_numpy(np.concatenate(frames) * np.array([1, -1, -1], np.float32)).double()


def test_walking_is_legal(walking: torch.Tensor) -> None:
    """Measured on 12,178 frames of 90 walks: right elbow 100 %, left knee 97.4, left elbow 100, right knee 97.6."""
    assert len(walking) > 10_000
    legal = (bending(walking) >= 0).double().mean(0)
    assert (legal >= 0.97).all(), dict(zip(BENDING_LIMBS, legal.tolist(), strict=True))
    # All four at once: joints are rounded to 0.1 mm, so a straight knee has an E of about ±1e-3 by chance.
    loss = illegal_angle_loss(walking, torch.ones(walking.shape[:2]), reduction="none")
    assert (loss < 1e-3).double().mean() >= 0.97  # 98.8 %
    assert (loss == 0).double().mean() >= 0.95  # 95.2 %


def test_walking_is_illegal_with_a_wrong_sign(walking: torch.Tensor) -> None:
    mask = torch.ones(walking.shape[:2])
    for flip in ([-1.0, 1.0, 1.0], [1.0, -1.0, 1.0], [1.0, 1.0, -1.0]):
        mirrored = walking * torch.tensor(flip)  # without exchanging sides: every E changes its sign
        illegal = (bending(mirrored) < 0).double().mean(0)
        assert (illegal >= 0.97).all(), dict(zip(BENDING_LIMBS, illegal.tolist(), strict=True))
        assert (illegal_angle_loss(mirrored, mask, reduction="none") > 0).double().mean() > 0.999  # 100 %
    exchanged = walking[:, list(BODY_21.mirror)]
    assert (illegal_angle_loss(exchanged, mask, reduction="none") > 0).double().mean() > 0.999
