"""Data sets of one's own, through the readers, as pictures to train on."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from posecore.errors import SourceError
from posecore.skeletons import BODY_21, H36M_17
from training.pictures import load_pictures
from training.readers.samples import Samples
from training.user_pictures import people, read_samples


@pytest.fixture
def samples(tmp_path: Path) -> Samples:
    """Two people in one photograph of 400 × 300 px, seen by a weak-perspective camera of 80 px a metre."""
    rng = np.random.default_rng(0)
    joints = rng.uniform(-0.8, 0.8, (2, 17, 3)).astype(np.float32)
    places = joints[..., :2] * 80 + np.array([[[120, 150]], [[300, 150]]])
    photo = np.zeros((300, 400, 3), np.uint8)
    photo[:, 200:] = 200
    Image.fromarray(photo).save(tmp_path / "a.png")
    keypoints = np.concatenate([places, np.full((2, 17, 1), 2)], -1).astype(np.float32)
    keypoints[0, 3, 2] = 1  # labelled, hidden
    keypoints[1, 5] = 0  # unknown
    return Samples(
        "made", H36M_17, np.array(["p0", "p1"]), keypoints, root=tmp_path, images=np.array(["a.png"] * 2), joints=joints
    )


def test_people_are_cut_out_with_their_labels(samples: Samples) -> None:
    found = list(people(samples.to(BODY_21), 64))
    assert [group for group, _, _ in found] == ["made/a.png"] * 2  # one photograph, held out together
    for number, (_, cut, labels) in enumerate(found):
        assert max(cut.shape[:2]) == 64
        joints = samples.keypoints[number, :, :2]
        seen = samples.keypoints[number, :, 2] > 0
        extent = np.ptp(joints[seen], axis=0).max()
        # Distances shrink with the cut; depth is on the same scale.
        scale = np.ptp(labels.keypoints[:17][seen], axis=0).max() / extent
        z = samples.joints[number, :, 2]
        expected = (z - z[H36M_17.index("pelvis")]) * 80 * scale
        np.testing.assert_allclose(labels.depth[:17], expected, atol=1e-2)
    first, second = (labels for _, _, labels in found)
    assert first.weight[3] == pytest.approx(0.6) and first.weight[2] == 1 and second.weight[5] == 0
    assert not first.weight[17:].any()  # toes and hands: this set has none
    # The left half of the photograph is black, the right half grey.
    assert found[0][1].mean() < found[1][1].mean()


def test_flat_people_have_no_depth_and_few_joints_no_place(samples: Samples) -> None:
    flat = replace(samples, joints=None).to(BODY_21)
    assert all(not labels.depth_weight.any() for _, _, labels in people(flat, 64))
    hardly = samples.keypoints.copy()
    hardly[0, 4:] = 0
    assert len(list(people(replace(samples, keypoints=hardly).to(BODY_21), 64))) == 1


def test_real_files_of_two_data_sets_become_pictures(data_folder: Path, tmp_path: Path) -> None:
    folder = data_folder / "pose_samples" / "mmpose"
    coco = load_pictures(data_folder, tmp_path, f"coco:{folder / 'coco' / 'test_coco.json'}")
    assert set(coco.source) == {"coco"} and not coco.free.any() and not coco.depth_weight.any()
    inside = coco.weight > 0
    assert inside.sum() > 50
    assert (coco.keypoints[inside] > -2).all() and (coco.keypoints[inside] < coco.images.shape[1] + 2).all()
    again = load_pictures(data_folder, tmp_path, f"coco:{folder / 'coco' / 'test_coco.json'}")
    np.testing.assert_array_equal(coco.keypoints, again.keypoints)


def test_other_sources_are_one_line(tmp_path: Path) -> None:
    for source in ("nothing:there", "bvh:clips", "mpii:"):
        with pytest.raises(SourceError, match=f"--sources {source}: expected lspet, people or KIND:PATH"):
            read_samples(source)
    with pytest.raises(SourceError, match="--sources mine: expected"):
        load_pictures(tmp_path, tmp_path / "cache", "mine")
