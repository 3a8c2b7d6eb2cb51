"""Silhouettes: run lengths, agreement with labelled joints, the file of masks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from posecore.errors import SourceError
from posecore.files import write_npz
from training.bodies.masks import MASK_SIZE, joint_agreement, read_masks
from training.bodies.silhouettes import mask_to_runs, runs_to_mask


def test_runs_hold_a_mask() -> None:
    mask = np.zeros((3, 4), bool)
    mask[1, 1:3] = mask[2, 0] = True
    assert mask_to_runs(mask) == [5, 2, 1, 1, 3]
    np.testing.assert_array_equal(runs_to_mask(mask_to_runs(mask), mask.shape), mask)
    assert mask_to_runs(np.ones((2, 2), bool)) == [0, 4]
    assert mask_to_runs(np.zeros((2, 2), bool)) == [4]
    with pytest.raises(ValueError, match="do not fill 2 x 3"):
        runs_to_mask([4], (2, 3))


@pytest.mark.parametrize("seed", range(5))
def test_runs_of_any_mask(seed: int) -> None:
    mask = np.random.default_rng(seed).random((9, 7)) < 0.5
    np.testing.assert_array_equal(runs_to_mask(mask_to_runs(mask), mask.shape), mask)


def a_person() -> tuple[np.ndarray, np.ndarray]:
    mask = np.zeros((100, 100), bool)
    mask[10:91, 40:61] = True
    y = np.linspace(10, 90, 14)
    return mask, np.stack([np.full(14, 50.0), y, np.ones(14)], 1)


def test_a_mask_on_the_joints_is_kept() -> None:
    assert joint_agreement(*a_person()) == (1.0, True)


def test_unknown_joints_do_not_count() -> None:
    mask, joints = a_person()
    joints[1:6] = 0
    assert joint_agreement(mask, joints) == (1.0, True)
    joints[1:9] = 0
    assert joint_agreement(mask, joints) == (1.0, False)  # six are too few


def test_joints_beside_the_mask_and_masks_beyond_the_joints_are_refused() -> None:
    mask, joints = a_person()
    joints[:3, 0] = 75  # 15 px beside it; the extent is 80 px, 3 % of it are allowed
    share, kept = joint_agreement(mask, joints)
    assert share == pytest.approx(11 / 14) and not kept
    mask, joints = a_person()
    mask[50, :] = True  # reaches 50 px to both sides; 35 % of 80 px are allowed
    assert joint_agreement(mask, joints) == (1.0, False)
    share, kept = joint_agreement(np.zeros((9, 9), bool), joints)
    assert np.isnan(share) and not kept


def test_masks_come_back_and_other_files_are_refused(tmp_path: Path) -> None:
    mask = np.zeros((MASK_SIZE, MASK_SIZE), bool)
    mask[3, 5:9] = True
    packed = np.packbits(mask)[None]
    path = tmp_path / "masks.npz"
    arrays = {
        "keys": np.array(["im1"]),
        "packed": packed,
        "agreement": np.ones(1, np.float32),
        "kept": np.ones(1, bool),
    }
    write_npz(path, arrays)
    np.testing.assert_array_equal(read_masks(path).mask(0), mask)
    write_npz(path, {**arrays, "packed": packed[:, :7]})
    with pytest.raises(SourceError, match="another size"):
        read_masks(path)
    write_npz(path, {"keys": arrays["keys"]})
    with pytest.raises(SourceError, match="not a file of masks"):
        read_masks(path)
