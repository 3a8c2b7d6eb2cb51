"""The SAP-Net estimator with a scripted network: where it looks, what it makes of heatmaps and depth."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from posecore.capturing.estimators import Pose
from posecore.capturing.regions import Region
from posecore.capturing.sapnet import SapNet, metric_joints
from posecore.errors import NoPersonError
from posecore.proportions import default_offsets
from posecore.runtime import weights
from posecore.skeletons import BODY_21, SMPL_24

SIZE, CELLS = 64, 16


class BlobNet:
    """A network that takes every bright pixel for the person: joints spread over the blob's box, in order."""

    def run(self, _names: list[str], inputs: dict[str, np.ndarray]) -> list[np.ndarray]:
        images = inputs["image"]
        assert images.dtype == np.float32 and images.shape[1:] == (3, SIZE, SIZE)
        assert images.min() >= -0.5 and images.max() <= 0.5
        heatmaps = np.zeros((len(images), 21, CELLS, CELLS), np.float32)
        depth = np.tile(np.linspace(-0.2, 0.2, 21, dtype=np.float32), (len(images), 1))
        for n, image in enumerate(images):
            rows, columns = np.nonzero(image.mean(0) > 0.2)
            # A blob that fills the crop, or hardly shows, is no person to this net.
            if not 40 < len(rows) < 0.9 * SIZE**2:
                continue
            spread = np.linspace(0, 1, 21)
            x = columns.min() + spread * np.ptp(columns)
            y = rows.min() + spread * np.ptp(rows)
            for joint in range(21):
                heatmaps[n, joint, int(y[joint] // 4), int(x[joint] // 4)] = 0.9
        return [heatmaps, depth]


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A store with a card of a 64 px net; the session is given, so no file is opened."""
    (tmp_path / "toy.onnx").write_bytes(b"never opened")
    card = {
        "name": "toy",
        "files": {"toy.onnx": "0" * 64},
        "options": {"input_size": SIZE, "padding": 1.3, "presence_midpoint": 0.3, "joints": "depth"},
    }
    (tmp_path / "toy.json").write_text(json.dumps(card))
    monkeypatch.setenv("POSECORE_WEIGHTS", str(tmp_path))
    yield tmp_path


@pytest.fixture
def net(store: Path) -> SapNet:
    assert weights.card("toy").options["input_size"] == SIZE
    return SapNet(weights="toy", session=BlobNet())


def picture(x: int, y: int, side: int, width: int = 320, height: int = 240) -> np.ndarray:
    image = np.zeros((height, width, 3), np.uint8)
    image[y : y + side, x : x + side] = 255
    return image


def test_keypoints_come_back_to_picture_pixels(net: SapNet) -> None:
    image = picture(100, 60, 80)
    region = Region((140.0, 100.0), 128.0)
    pose = net.estimate([image], [region])[0]
    # The blob spans 100 … 180 px; a cell of the net is 4 · 128 / 64 = 8 px wide.
    assert pose.keypoints[0] == pytest.approx([100, 60], abs=8)
    assert pose.keypoints[20] == pytest.approx([180, 140], abs=8)
    assert pose.confidence == pytest.approx(0.9)
    assert pose.presence > 0.95


def test_nobody_has_no_presence(net: SapNet) -> None:
    assert net.estimate([picture(0, 0, 0)], [Region((100.0, 100.0), 100.0)])[0].presence < 0.05


def test_presence_is_half_at_the_midpoint(net: SapNet) -> None:
    assert float(net._certainty(np.full((1, 21), 0.3, np.float32))[0]) == pytest.approx(0.5)


def test_region_is_the_padded_box_of_seen_joints(net: SapNet) -> None:
    keypoints = np.zeros((21, 2), np.float32)
    keypoints[:, 0] = np.linspace(50, 90, 21)
    keypoints[:, 1] = np.linspace(20, 120, 21)
    keypoints[7] = (1000, 1000)  # unsure: must not count
    confidence = np.full(21, 0.8, np.float32)
    confidence[7] = 0.01
    region = net.region(Pose(keypoints, confidence, np.zeros((21, 3), np.float32)))
    assert region.centre == pytest.approx((70.0, 70.0))
    assert region.side == pytest.approx(1.3 * 100)


def test_region_keeps_room_for_legs_that_were_not_seen(net: SapNet) -> None:
    keypoints = np.full((21, 2), 100.0, np.float32)
    keypoints[BODY_21.index("pelvis")] = (100, 160)  # the trunk is 60 px long and upright
    confidence = np.zeros(21, np.float32)
    upper = BODY_21.indices(("thorax", "pelvis", "l_shoulder", "r_shoulder", "nose"))
    confidence[upper] = 0.8
    lost = net.region(Pose(keypoints, confidence, np.zeros((21, 3), np.float32)))
    # From y = 100 to the feet 1.7 trunks below the pelvis: 162 px.
    assert lost.side == pytest.approx(1.3 * (60 + 1.7 * 60)) and lost.centre[1] == pytest.approx(181)
    confidence[BODY_21.index("l_ankle")] = 0.5
    assert net.region(Pose(keypoints, confidence, np.zeros((21, 3), np.float32))).side == pytest.approx(1.3 * 60)


@pytest.mark.parametrize(("x", "y", "side"), [(30, 90, 110), (150, 40, 160), (200, 120, 100)])
def test_search_finds_the_blob(net: SapNet, x: int, y: int, side: int) -> None:
    region, score = net.find(picture(x, y, side))[0]
    assert score > 0.9
    assert region.centre == pytest.approx((x + side / 2, y + side / 2), abs=0.12 * side)
    assert region.side == pytest.approx(1.3 * side, rel=0.25)


def test_calling_without_a_box_searches(net: SapNet) -> None:
    pose = net(picture(60, 60, 120))
    assert pose.keypoints.mean(0) == pytest.approx([120, 120], abs=12)
    with pytest.raises(NoPersonError):
        net(np.zeros((120, 160, 3), np.uint8))
    assert net(picture(60, 60, 120), (60, 60, 120, 120)).keypoints.mean(0) == pytest.approx([120, 120], abs=12)


def test_metric_joints_have_an_adults_size_and_keep_directions() -> None:
    offsets = default_offsets()
    rest = np.zeros((24, 3))
    for joint in SMPL_24.topological_order:
        parent = SMPL_24.parents[joint]
        rest[joint] = offsets[joint] + (rest[parent] if parent >= 0 else 0)
    body = np.zeros((21, 3))
    for name in set(SMPL_24.joints) & set(BODY_21.joints):
        body[BODY_21.index(name)] = rest[SMPL_24.index(name)]
    pixels = body * 173.0 + (400, 300, 55)  # any scale, anywhere
    found = metric_joints(pixels[:, :2], pixels[:, 2])
    for name in ("l_knee", "r_wrist", "l_shoulder"):
        index = BODY_21.index(name)
        np.testing.assert_allclose(found[index], body[index] - body[BODY_21.index("pelvis")], atol=1e-4)
