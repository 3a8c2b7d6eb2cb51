"""An encoder on top of a 2D net: its size, what stays frozen, and which weights it takes."""

import pytest
import torch

from posecore.nets import (
    BODY_REGRESSOR_PRESETS,
    HOURGLASS_PRESETS,
    SAPNET_PRESETS,
    BodyRegressor,
    PoseEncoder,
    PoseEncoderConfig,
    SapNet,
    StackedHourglass,
    load_hourglass,
)

CONFIG = PoseEncoderConfig(HOURGLASS_PRESETS["tiny"], width=8, side=2)


def encoder(**changes: object) -> PoseEncoder:
    torch.manual_seed(0)
    return PoseEncoder(PoseEncoderConfig(**{**vars(CONFIG), **changes}))  # type: ignore[arg-type]


def test_features_of_any_size_of_picture() -> None:
    net = encoder().eval()
    for side in (64, 96):
        assert net(torch.rand(2, 3, side, side) - 0.5).shape == (2, CONFIG.features) == (2, 32)


def test_the_2d_net_is_frozen_with_its_statistics() -> None:
    for frozen in (True, False):
        net = encoder(frozen=frozen).train()
        before = {name: value.clone() for name, value in net.hourglass.state_dict().items()}
        net(torch.rand(4, 3, 64, 64) - 0.5).square().sum().backward()
        torch.optim.SGD([p for p in net.parameters() if p.grad is not None], 0.1).step()
        changed = {name for name, value in net.hourglass.state_dict().items() if not torch.equal(before[name], value)}
        assert bool(changed) != frozen
        assert net.layers[0].branch[2].weight.grad is not None and net.training


def test_weights_of_a_sapnet_or_of_an_hourglass() -> None:
    sapnet, glass = SapNet(SAPNET_PRESETS["tiny"]), StackedHourglass(HOURGLASS_PRESETS["tiny"])
    net = encoder()
    for source, wanted in ((sapnet, sapnet.hourglass), (glass, glass)):
        load_hourglass(net, source.state_dict())
        assert all(torch.equal(value, net.hourglass.state_dict()[name]) for name, value in wanted.state_dict().items())
    with pytest.raises(ValueError, match=r"not of this hourglass .* tensors are missing"):
        load_hourglass(net, SapNet(SAPNET_PRESETS["cpu"]).state_dict())


def test_a_regressor_on_top_of_it() -> None:
    net = BodyRegressor(BODY_REGRESSOR_PRESETS["pose_tiny"]).eval()
    assert net(torch.zeros(2, 3, 64, 64)).rotations.shape == (2, 24, 3, 3)
