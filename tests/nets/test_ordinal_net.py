"""The ordinal heads: sizes by hand, what reads what, where gradients end, and that they can learn an order."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from posecore.losses import ordinal_rank_loss
from posecore.metrics import ordinal_depth_accuracy
from posecore.nets.hourglass import HourglassConfig, StackedHourglass
from posecore.nets.ordinal import ORDINAL_PRESETS, DirectNet, OrdinalConfig, OrdinalNet

HEADS = ("joint", "pooled3", "pooled5", "features")


def parameters(net: torch.nn.Module) -> int:
    return sum(p.numel() for p in net.parameters())


def tiny(head: str, **changes: object) -> OrdinalNet:
    return OrdinalNet(dataclasses.replace(ORDINAL_PRESETS[f"tiny_{head}"], **changes))  # type: ignore[arg-type]


def linear_layers(net: torch.nn.Module) -> int:
    return sum(isinstance(layer, torch.nn.Linear) for layer in net.modules())


@pytest.mark.parametrize(("head", "layers"), [("joint", 2), ("pooled3", 3), ("pooled5", 5), ("features", 2)])
def test_heads_have_the_seeds_layers(head: str, layers: int) -> None:
    net = tiny(head)
    assert linear_layers(net) == layers
    heatmaps, depth = net(torch.zeros(2, 3, 64, 64))
    assert heatmaps[-1].shape == (2, 21, 16, 16) and depth is not None and depth.shape == (2, 21)
    assert net(torch.zeros(2, 3, 64, 64), depth=False)[1] is None


def test_sizes_by_hand() -> None:
    glass = HourglassConfig(stacks=1, residual_count=1, channels=16, joints=14, input_size=256, depth=2)
    # Heatmaps 14 x 64 x 64, pooled to 16 x 16; features 16 channels -> 1x1 -> 64 channels of 64 x 64.
    by_hand = {
        "joint": 14 * 64 * 64 * 8 + 8 + 8 * 14 + 14,
        "pooled3": 14 * 16 * 16 * 8 + 8 + (8 * 8 + 8) + 8 * 14 + 14,
        "pooled5": 14 * 16 * 16 * 8 + 8 + 3 * (8 * 8 + 8) + 8 * 14 + 14,
        "features": (16 * 64 + 64) + 64 * 64 * 64 * 8 + 8 + 8 * 14 + 14,
    }
    for head, count in by_hand.items():
        assert parameters(OrdinalNet(OrdinalConfig(head, glass, hidden=8)).depth) == count, head  # type: ignore[arg-type]


@pytest.mark.parametrize(("joints", "size", "channels", "stacks"), [(14, 64, 8, 1), (16, 128, 24, 2)])
def test_any_hourglass_will_do(joints: int, size: int, channels: int, stacks: int) -> None:
    glass = HourglassConfig(stacks, 1, channels, joints, size, 2)
    for head in HEADS:
        heatmaps, depth = OrdinalNet(OrdinalConfig(head, glass, hidden=4))(torch.zeros(1, 3, size, size))  # type: ignore[arg-type]
        assert len(heatmaps) == stacks and depth is not None and depth.shape == (1, joints)


def test_only_the_joint_head_teaches_the_hourglass() -> None:
    for head in HEADS:
        net = tiny(head)
        net(torch.rand(2, 3, 64, 64))[1].square().sum().backward()
        taught = any(p.grad is not None and p.grad.abs().sum() > 0 for p in net.hourglass.parameters())
        assert taught == (head == "joint"), head


def test_the_features_head_reads_features_and_the_others_heatmaps() -> None:
    image = torch.rand(1, 3, 64, 64)
    for head in HEADS:
        net = tiny(head).eval()
        before = net(image)[1]
        torch.nn.init.normal_(net.hourglass.heads[-1].weight)  # other heatmaps, the same features
        assert torch.equal(net(image)[1], before) == (head == "features"), head


def test_a_frozen_hourglass_stays_as_it_is() -> None:
    net = tiny("features")
    net.freeze_hourglass()
    net.train()
    before = {name: value.clone() for name, value in net.hourglass.state_dict().items()}
    net(torch.rand(2, 3, 64, 64))[1].sum().backward()
    assert all(p.grad is None for p in net.hourglass.parameters())
    assert all(torch.equal(value, before[name]) for name, value in net.hourglass.state_dict().items())
    assert all(p.grad is not None for p in net.depth.parameters())
    net.freeze_hourglass(False)
    assert net.hourglass.training and all(p.requires_grad for p in net.hourglass.parameters())


def test_hourglass_weights_of_a_2d_run_fit() -> None:
    net = tiny("features")
    plain = StackedHourglass(net.config.hourglass)
    net.hourglass.load_state_dict(plain.state_dict())
    image = torch.rand(1, 3, 64, 64)
    assert torch.equal(net.eval()(image)[0][-1], plain.eval()(image)[-1])


@pytest.mark.parametrize("head", HEADS)
def test_every_head_can_learn_the_order_of_two_pictures(head: str) -> None:
    torch.manual_seed(0)
    glass = HourglassConfig(1, 1, 8, 5, 32, 1)
    net = OrdinalNet(OrdinalConfig(head, glass, hidden=32, channels=8))  # type: ignore[arg-type]
    torch.nn.init.normal_(net.hourglass.heads[-1].weight, std=0.3)  # as if trained: heatmaps that say something
    net.eval()
    image = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(1)) - 0.5
    order = torch.tensor([[0, 1, 2, 3, 4], [3, 0, 4, 1, 2]])
    relations = torch.sign(order[:, None, :] - order[:, :, None])  # +1: the row's joint is nearer
    mask = torch.ones(2, 5, 5)
    optimiser = torch.optim.Adam(net.parameters(), lr=1e-2)
    for _ in range(50):
        optimiser.zero_grad()
        ordinal_rank_loss(net(image)[1], relations, mask).backward()
        optimiser.step()
    assert ordinal_depth_accuracy(net(image)[1].detach().numpy(), relations.numpy()) == 1.0


def test_direct_net_gives_coordinates_without_heatmaps() -> None:
    keypoints, depth = DirectNet(ORDINAL_PRESETS["tiny_features"])(torch.zeros(2, 3, 64, 64))
    assert keypoints.shape == (2, 21, 2) and depth.shape == (2, 21)


def test_an_unknown_head_is_refused() -> None:
    with pytest.raises(ValueError, match="one of joint, pooled3, pooled5, features, got 'pooled4'"):
        OrdinalConfig(head="pooled4")  # type: ignore[arg-type]
