"""Sensitivity against derivatives known by hand and by torch."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")
import torch

from posecore.errors import PosecoreError
from posecore.nets.temporal import TemporalConfig, TemporalNet
from posecore.skeletons import BODY_21
from training.analysis.sensitivity import differentiate, draw, open_refiner

RNG = np.random.default_rng(3)


def windows(count: int = 2, poses: int = 4, joints: int = len(BODY_21)) -> np.ndarray:
    return RNG.normal(0, 0.3, (count, poses, joints, 3)).astype(np.float32)


def test_a_weighted_mean_has_its_weights_as_derivatives() -> None:
    weights = np.array([0.1, 0.2, 0.3, 0.4], np.float32)
    found = differentiate(lambda w: np.einsum("k,nkja->nja", weights, w), windows(joints=5), current=3)
    np.testing.assert_array_equal(found.ago, [3, 2, 1, 0])
    # Each 3 × 3 block of a joint by itself is weight · I, of norm weight · √3; the whole pose's is weight · √15.
    np.testing.assert_allclose(found.blocks, weights[:, None, None] * np.eye(5) * 3**0.5, atol=1e-4)
    np.testing.assert_allclose(found.total, weights * 15**0.5, rtol=1e-3)
    np.testing.assert_allclose(found.joints, np.tile(weights * 3**0.5, (5, 1)), rtol=1e-3)
    assert found.share(1) == pytest.approx((0.3**2 + 0.4**2) / (0.1**2 + 0.2**2 + 0.3**2 + 0.4**2), rel=1e-3)


def test_blocks_name_the_refined_joint_first() -> None:
    def refiner(w: np.ndarray) -> np.ndarray:  # the last pose, joint 0 replaced by twice joint 2 of the first
        out = w[:, -1].copy()
        out[:, 0] = 2 * w[:, 0, 2]
        return out

    found = differentiate(refiner, windows(joints=3), current=3)
    assert found.blocks[0, 0, 2] == pytest.approx(2 * 3**0.5, rel=1e-3)
    assert found.blocks[0, 2, 0] == pytest.approx(0, abs=1e-5)
    assert found.blocks[3, 0, 0] == pytest.approx(0, abs=1e-5)


def test_agrees_with_torch_on_a_net() -> None:
    torch.manual_seed(0)
    net = TemporalNet(TemporalConfig(width=16, window=4, current=2, joints=4, residual=True)).eval()
    torch.nn.init.normal_(net.layers[-1].weight, std=0.2)
    given = windows(3, 4, 4)

    def refiner(w: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            return net(torch.from_numpy(w)).numpy()

    found = differentiate(refiner, given, current=2)
    squared = 0.0
    for window in torch.from_numpy(given):
        jacobian = torch.autograd.functional.jacobian(lambda w: net(w[None])[0], window)  # (J, 3, window, J, 3)
        squared = squared + (jacobian**2).sum((1, 4)).permute(1, 0, 2)
    np.testing.assert_allclose(found.blocks, (squared / 3).sqrt().numpy(), rtol=0.05, atol=0.02)
    np.testing.assert_array_equal(found.ago, [2, 1, 0, -1])


@pytest.mark.parametrize("shape", [(0, 4, 5, 3), (4, 5, 3)])
def test_wrong_windows_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="expected"):
        differentiate(lambda w: w[:, -1], np.zeros(shape, np.float32), 0)


@pytest.mark.parametrize(("mode", "current"), [("online", 19), ("semi-online", 10)])
def test_the_shipped_nets_hardly_look_beyond_five_frames(mode: str, current: int) -> None:
    """The paper's claim (seed 000 §3.4), on a still pose: the sum of derivatives by time is near the identity."""
    refiner, window, place = open_refiner(mode)
    assert (window, place) == (20, current)
    pose = RNG.normal(0, 0.2, (1, 1, 21, 3)).astype(np.float32)
    pose -= pose[:, :, :1]
    found = differentiate(refiner, np.repeat(pose, 20, 1), place, mode)
    assert found.total.argmax() == place
    assert found.share(5) > 0.85
    assert found.share(20) == pytest.approx(1)


def test_missing_network_is_one_line() -> None:
    with pytest.raises(PosecoreError, match="no TP-Net there; give online, semi-online"):
        open_refiner("nowhere")


def test_picture_and_numbers(tmp_path) -> None:
    weights = np.linspace(0, 1, 4, dtype=np.float32)
    found = differentiate(lambda w: np.einsum("k,nkja->nja", weights, w), windows(1), 3, "mean")
    picture, table, numbers = draw(tmp_path, [found])
    assert 5_000 < picture.stat().st_size <= 200_000
    assert table.read_text().splitlines()[:2] == ["network,frames_ago,sensitivity", "mean,3,0.0"]
    with np.load(numbers) as data:
        np.testing.assert_array_equal(data["mean_blocks"], found.blocks)
    with pytest.raises(PosecoreError, match="nothing to draw"):
        draw(tmp_path, [])
