"""Batches: geometry by hand, flips, modes, and agreement of picture and labels."""

import numpy as np
import pytest
import torch

from posecore.skeletons import BODY_21
from training.augmentation import Augmentation, make_batch

J = len(BODY_21)


def scene(count: int = 4) -> dict[str, torch.Tensor]:
    """Black 96 px pictures with one white dot, which every joint sits on; a person of 40 px around (48, 48)."""
    images = torch.zeros(count, 96, 96, 3, dtype=torch.uint8)
    images[:, 39:42, 59:62] = 255
    keypoints = torch.tensor([60.0, 40.0]).expand(count, J, 2).clone()
    return {
        "images": images,
        "boxes": torch.tensor([[48.0, 48.0, 40.0]]).repeat(count, 1),
        "keypoints": keypoints,
        "weight": torch.ones(count, J),
        "depth": torch.arange(J).float().expand(count, J).clone(),
        "depth_weight": torch.ones(count, J),
    }


def dot(image: torch.Tensor) -> np.ndarray:
    """Centre of gravity x, y of what is bright in a (3, S, S) crop."""
    light = (image.mean(0) + 0.5).clamp_min(0)
    axis = torch.arange(light.shape[0], dtype=torch.float32)
    return np.array([float((light.sum(across) * axis).sum() / light.sum()) for across in (0, 1)])


def test_plain_crop_by_hand() -> None:
    batch = make_batch(**scene(), size=64, aug=Augmentation(mode="none", padding=1.6), generator=torch.Generator())
    # Side 1.6 * 40 = 64 px: no scaling; crop pixel = picture pixel - 48 + 31.5.
    assert batch.keypoints[0, 0].tolist() == [43.5, 23.5]
    np.testing.assert_allclose(dot(batch.image[0]), [43.5, 23.5], atol=0.05)
    assert batch.depth[0, 3].item() == pytest.approx(3 / 32)


@pytest.mark.parametrize("mode", ["single", "overlap"])
def test_labels_stay_on_the_dot(mode: str) -> None:
    aug = Augmentation(mode=mode, strategies=("flip", "shift", "rotation", "scale"), photometric=0.0)  # type: ignore[arg-type]
    batch = make_batch(**scene(64), size=64, aug=aug, generator=torch.Generator().manual_seed(1))
    for image, points in zip(batch.image, batch.keypoints, strict=True):
        np.testing.assert_allclose(dot(image), points[0].numpy(), atol=0.35)


def test_flip_exchanges_sides() -> None:
    parts = scene(64)
    parts["weight"][:, BODY_21.index("l_wrist")] = 0.0
    aug = Augmentation(mode="single", strategies=("flip",), photometric=0.0)
    batch = make_batch(**parts, size=64, aug=aug, generator=torch.Generator().manual_seed(0))
    assert (batch.weight[:, BODY_21.index("r_wrist")] == 0).all()  # the only strategy: every picture is flipped
    assert (batch.weight[:, BODY_21.index("l_wrist")] == 1).all()
    side = float(parts["boxes"][0, 2]) * aug.padding / 2
    assert batch.depth[0, BODY_21.index("l_knee")].item() == pytest.approx(BODY_21.index("r_knee") / side)


def test_single_mode_applies_one_strategy() -> None:
    aug = Augmentation(mode="single", strategies=("flip", "occlusion"), photometric=0.0)
    batch = make_batch(**scene(200), size=64, aug=aug, generator=torch.Generator().manual_seed(0))
    x = batch.keypoints[:, 0, 0]
    plain = torch.isclose(x, x.max())
    assert 60 < int(plain.sum()) < 140  # about half are flipped, the others occluded


def test_a_known_joint_beyond_the_crop_keeps_its_weight_but_no_depth() -> None:
    parts = scene(1)
    parts["keypoints"][0, 5] = torch.tensor([300.0, 40.0])
    batch = make_batch(**parts, size=64, aug=Augmentation(mode="none"), generator=torch.Generator())
    assert batch.weight[0, 5] == 1 and batch.inside[0, 5] == 0 and batch.depth_weight[0, 5] == 0


def test_same_generator_same_batch() -> None:
    first, second = (
        make_batch(**scene(), size=32, aug=Augmentation(stray=0.3), generator=torch.Generator().manual_seed(5))
        for _ in range(2)
    )
    assert torch.equal(first.image, second.image) and torch.equal(first.keypoints, second.keypoints)
