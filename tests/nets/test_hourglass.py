"""Hourglass and SAP-Net: sizes by hand, shapes, decoding, what depends on what."""

import numpy as np
import pytest
import torch

from posecore.capturing.heatmaps import decode_heatmaps as decode_numpy
from posecore.losses import gaussian_heatmaps
from posecore.nets.blocks import Hourglass, Residual
from posecore.nets.hourglass import HOURGLASS_PRESETS, HourglassConfig, StackedHourglass, decode_heatmaps
from posecore.nets.sapnet import SAPNET_PRESETS, SapNet


def parameters(net: torch.nn.Module) -> int:
    return sum(p.numel() for p in net.parameters())


def test_residual_has_the_papers_layers() -> None:
    # BN(256) 512, 1x1 256->128 32768, BN 256, 3x3 128->128 147456, BN 256, 1x1 128->256 with bias 33024.
    assert parameters(Residual(256, 256)) == 512 + 32768 + 256 + 147456 + 256 + 33024
    assert isinstance(Residual(64, 64).skip, torch.nn.Identity)
    assert isinstance(Residual(64, 128).skip, torch.nn.Conv2d)


def test_an_hourglass_of_depth_four_has_thirteen_residuals() -> None:
    glass = Hourglass(4, 16, 1)  # 3 residuals per level and one at the bottom
    assert sum(isinstance(m, Residual) for m in glass.modules()) == 3 * 4 + 1
    assert glass(torch.zeros(1, 16, 32, 32)).shape == (1, 16, 32, 32)


@pytest.mark.parametrize(
    ("name", "stacks", "residual_count", "channels", "size"),
    [("newell", 8, 1, 256, 256), ("zhou", 2, 2, 256, 256), ("seed001_4", 4, 1, 256, 256), ("seed004", 1, 1, 256, 256)],
)
def test_presets_have_the_papers_sizes(name: str, stacks: int, residual_count: int, channels: int, size: int) -> None:
    config = HOURGLASS_PRESETS[name]
    assert (config.stacks, config.residual_count, config.channels) == (stacks, residual_count, channels)
    assert (config.input_size, config.heatmap_size, config.depth) == (size, 64, 4)


def test_every_stack_gives_heatmaps_of_a_quarter_size() -> None:
    net = SapNet(SAPNET_PRESETS["tiny"]).eval()
    heatmaps, depth = net(torch.zeros(3, 3, 64, 64))
    assert [h.shape for h in heatmaps] == [(3, 21, 16, 16)] * 2
    assert depth is not None and depth.shape == (3, 21)
    assert net(torch.zeros(1, 3, 64, 64), depth=False)[1] is None


def test_joint_count_is_an_argument() -> None:
    config = HourglassConfig(stacks=1, residual_count=1, channels=16, joints=16, input_size=64, depth=2)
    assert StackedHourglass(config)(torch.zeros(1, 3, 64, 64))[0].shape == (1, 16, 16, 16)


def test_input_size_must_fit_the_depth() -> None:
    with pytest.raises(ValueError, match="divisible by 64"):
        HourglassConfig(input_size=100)


def test_depth_reads_the_last_stack_and_the_heatmaps() -> None:
    net = SapNet(SAPNET_PRESETS["tiny"])
    torch.nn.init.normal_(net.depth.output.weight)
    net(torch.rand(2, 3, 64, 64))[1].sum().backward()
    assert net.hourglass.heatmap_feedback[-1].weight.grad.abs().sum() > 0
    assert net.hourglass.feature_feedback[-1].weight.grad.abs().sum() > 0


def test_decoding_moves_a_quarter_cell_toward_the_higher_neighbour() -> None:
    heatmap = torch.zeros(1, 1, 8, 8)
    heatmap[0, 0, 3, 5] = 1.0
    heatmap[0, 0, 3, 4] = 0.5  # left
    heatmap[0, 0, 4, 5] = 0.5  # below
    points, peak = decode_heatmaps(heatmap)
    # Cell u covers px 4u .. 4u+3, centre 4u + 1.5.
    assert points[0, 0].tolist() == [4 * 4.75 + 1.5, 4 * 3.25 + 1.5]
    assert peak.item() == 1.0


def test_numpy_decoding_is_exact_on_gaussians() -> None:
    truth = torch.tensor([[[13.2, 40.7], [30.0, 21.1], [55.4, 8.9]]])
    heatmaps = gaussian_heatmaps(truth, 16)
    points, peak = decode_numpy(heatmaps.numpy())
    np.testing.assert_allclose(points, truth.numpy(), atol=0.02)
    assert (peak > 0.85).all()
    quarter, _ = decode_heatmaps(heatmaps)
    assert (quarter - truth).abs().max() <= 1.01  # a quarter of a cell is 1 px


def test_numpy_decoding_at_the_border() -> None:
    heatmaps = gaussian_heatmaps(torch.tensor([[[1.5, 1.5], [61.5, 61.5]]]), 16).numpy()
    points, _ = decode_numpy(heatmaps)
    np.testing.assert_allclose(points[0], [[1.5, 1.5], [61.5, 61.5]], atol=2.0)
    assert np.isfinite(points).all()
