"""Labels as a crop can see them, and what methods answer on small pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")
import torch
from PIL import Image

from posecore.capturing.regions import Region
from posecore.errors import PosecoreError
from posecore.nets.sapnet import SAPNET_PRESETS, SapNet
from posecore.skeletons import BODY_21, LSP_14, Skeleton
from training.checkpoints import save_checkpoint
from training.evaluation import answers
from training.readers.samples import Samples

RNG = np.random.default_rng(5)


def people(count: int = 3, skeleton: Skeleton = BODY_21, **more) -> Samples:
    keypoints = np.concatenate(
        [RNG.uniform(20, 80, (count, len(skeleton), 2)), np.full((count, len(skeleton), 1), 2)], -1
    )
    keys = np.array([f"k{n}" for n in range(count)])
    return Samples("test", skeleton, keys, keypoints.astype(np.float32), **more)


def test_truth_is_turned_to_the_ray_and_put_on_its_pelvis() -> None:
    body = RNG.normal(0, 0.3, (21, 3))
    body -= body[BODY_21.index("pelvis")]
    # The same body before the camera, and to its right, turned with the ray: a crop shows the same.
    angle = np.arctan2(2.0, 4.0)
    turn = np.array([[np.cos(angle), 0, np.sin(angle)], [0, 1, 0], [-np.sin(angle), 0, np.cos(angle)]])
    joints = np.stack([body + (0, 0, 4.0), body @ turn.T + (2.0, 0, 4.0)]).astype(np.float32)
    truth = answers.truth_of(people(2, joints=joints))
    np.testing.assert_allclose(truth.joints[0], body, atol=1e-5)
    np.testing.assert_allclose(truth.joints[1], body, atol=1e-5)
    assert truth.known.all()


def test_root_relative_labels_stay_as_they_are_and_unknown_joints_are_blank() -> None:
    joints = RNG.normal(0, 0.3, (2, 21, 3)).astype(np.float32)
    joints -= joints[:, :1]
    known = np.ones((2, 21), bool)
    known[0, 5] = False
    known[1, BODY_21.index("pelvis")] = False
    truth = answers.truth_of(people(2, joints=joints, joints_known=known))
    np.testing.assert_allclose(truth.joints[0, 6:], joints[0, 6:], atol=1e-6)
    assert not truth.joints[0, 5].any() and not truth.known[0, 5]
    assert not truth.known[1].any()  # without its root nobody knows where the others are
    with pytest.raises(PosecoreError, match="no 3D labels"):
        answers.truth_of(people(2))


def test_regions_stand_around_the_labelled_joints_or_on_the_box() -> None:
    keypoints = np.zeros((2, 14, 3), np.float32)
    keypoints[0, :3] = [[10, 20, 2], [30, 60, 1], [500, 500, 0]]
    samples = Samples("test", LSP_14, np.array(["a", "b"]), keypoints, boxes=np.array([[0, 0, 1, 1], [5, 6, 20, 10.0]]))
    first, second = answers.regions_of(samples, 1.5)
    assert first == Region((20.0, 40.0), 60.0)
    assert second == Region((15.0, 11.0), 30.0)
    with pytest.raises(PosecoreError, match="b has neither keypoints nor a box"):
        answers.regions_of(Samples("test", LSP_14, np.array(["a", "b"]), keypoints))


def test_lengths_in_the_crop_are_in_its_pixels() -> None:
    points = np.array([[[20.0, 40.0], [50.0, 40.0]]])
    found = answers.in_crop(points, [Region((20.0, 40.0), 60.0)])
    np.testing.assert_allclose(found, [[[127.5, 127.5], [127.5 + 128, 127.5]]])


@pytest.fixture
def pictures(tmp_path: Path) -> Samples:
    names = [f"{n}.png" for n in range(3)]
    for name in names:
        Image.fromarray(RNG.integers(0, 255, (100, 100, 3), np.uint8).astype(np.uint8)).save(tmp_path / name)
    return people(3, root=tmp_path, images=np.array(names))


def test_a_checkpoint_answers_in_pixels_and_metres(tmp_path: Path, pictures: Samples) -> None:
    torch.manual_seed(0)
    net = SapNet(SAPNET_PRESETS["tiny"])
    path = tmp_path / "last.pt"
    average = {f"module.{name}": value for name, value in net.state_dict().items()}
    size = SAPNET_PRESETS["tiny"].hourglass.input_size
    save_checkpoint(path, {"average": average, "preset": "tiny", "size": size, "facts": {"padding": 1.5}})
    found = answers.answer(str(path), pictures)
    assert found.keypoints.shape == (3, 21, 2) and found.joints.shape == (3, 21, 3)
    assert not found.joints[:, BODY_21.index("pelvis")].any()
    for points, region in zip(found.keypoints, answers.regions_of(pictures, 1.5), strict=True):
        assert (np.abs(points - region.centre) <= region.side / 2 + 1).all()
    lifted = answers.answer(f"{path}:lifter", pictures)
    np.testing.assert_array_equal(lifted.keypoints, found.keypoints)
    assert np.abs(lifted.joints - found.joints).max() > 0.01


def test_labelled_joints_are_lifted_and_clips_refined_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def refine(times, joints, mode, provider):
        calls.append((times.tolist(), mode))
        return joints + 1

    monkeypatch.setattr(answers, "refine", refine)
    clips, frames = np.array(["a", "b", "a", "a"]), np.array([10, 0, 0, 5])
    samples = people(4, clips=clips, frames=frames, camera_of=np.array(["1", "1", "1", "2"]))
    plain = answers.answer("lifter", samples)
    refined = answers.answer("lifter:online", samples, rate=50.0)
    assert calls == [([0.0, 0.2], "online"), ([0.1], "online"), ([0.0], "online")]
    np.testing.assert_allclose(refined.joints, plain.joints + 1)
    np.testing.assert_array_equal(plain.keypoints, samples.keypoints[..., :2])
    with pytest.raises(PosecoreError, match="no clips"):
        answers.answer("lifter:semi-online", people(2))


def test_missing_weights_and_pictures_are_one_line(pictures: Samples) -> None:
    with pytest.raises(PosecoreError, match="no weights named 'nix'"):
        answers.answer("nix", pictures)
    with pytest.raises(PosecoreError, match="names no picture"):
        answers.answer("sapnet", people(1))
