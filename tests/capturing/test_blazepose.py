"""BlazePose: the arithmetic by hand values (never skipped), the networks where they are installed."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from posecore.capturing import blazepose_geometry as geometry
from posecore.capturing.blazepose import BlazePose, body_21
from posecore.capturing.blazepose_geometry import Detections
from posecore.capturing.regions import Region
from posecore.errors import NoPersonError, PosecoreError
from posecore.runtime import weights
from posecore.skeletons import BLAZEPOSE_33, BODY_21

# --- anchors and decoding


def test_anchors_are_2254_cell_centres_row_by_row() -> None:
    centres = geometry.anchors(224)
    assert centres.shape == (2254, 2)  # 28² · 2 + 14² · 2 + 7² · 6
    np.testing.assert_allclose(centres[0], [0.5 / 28, 0.5 / 28])
    np.testing.assert_allclose(centres[1], centres[0])  # two anchors a cell
    np.testing.assert_allclose(centres[2], [1.5 / 28, 0.5 / 28])  # x runs first
    np.testing.assert_allclose(centres[2 * 28], [0.5 / 28, 1.5 / 28])
    np.testing.assert_allclose(centres[1568], [0.5 / 14, 0.5 / 14])
    np.testing.assert_allclose(centres[1568 + 392 + 5], [0.5 / 7, 0.5 / 7])  # six anchors a cell
    np.testing.assert_allclose(centres[-1], [6.5 / 7, 6.5 / 7])


def test_decoding_adds_the_anchor_and_keeps_what_is_likely() -> None:
    centres = np.array([[0.5, 0.5], [0.25, 0.75], [0.1, 0.1]], np.float32)
    raw = np.zeros((3, 12), np.float32)
    raw[1] = [22.4, -22.4, 44.8, 89.6, 0, 0, 22.4, 0, 0, 22.4, -22.4, -22.4]
    found = geometry.decode(raw, np.array([0.0, 2.0, -0.1], np.float32), centres)
    np.testing.assert_allclose(found.scores, [1 / (1 + math.exp(-2)), 0.5], rtol=1e-6)  # best first
    np.testing.assert_allclose(found.boxes[0], [0.25, 0.45, 0.45, 0.85], atol=1e-6)
    np.testing.assert_allclose(found.points[0], [[0.25, 0.75], [0.35, 0.75], [0.25, 0.85], [0.15, 0.65]], atol=1e-6)


def test_decoding_drops_boxes_turned_inside_out_and_survives_huge_logits() -> None:
    raw = np.zeros((2, 12), np.float32)
    raw[0, 2] = -1
    with np.errstate(over="raise"):
        found = geometry.decode(raw, np.array([500.0, 500.0], np.float32), np.zeros((2, 2), np.float32))
    assert found.scores.tolist() == [1.0]
    assert len(geometry.decode(raw, np.array([-500.0, -1.0], np.float32), np.zeros((2, 2), np.float32)).scores) == 0


# --- suppression


def test_weighted_suppression_takes_the_score_weighted_mean_of_a_group() -> None:
    boxes = np.array([[0, 0, 1, 1], [0, 0, 1, 0.8], [5, 5, 6, 6]], np.float32)
    points = np.arange(24, dtype=np.float32).reshape(3, 4, 2)
    found = geometry.suppress(Detections(boxes, points, np.array([0.9, 0.6, 0.5], np.float32)))
    np.testing.assert_allclose(found.scores, [0.9, 0.5])  # the best one's own score
    np.testing.assert_allclose(found.boxes[0], [0, 0, 1, 0.6 * 1 + 0.4 * 0.8], rtol=1e-6)
    np.testing.assert_allclose(found.points[0], 0.6 * points[0] + 0.4 * points[1], rtol=1e-6)
    np.testing.assert_allclose(found.points[1], points[2])


def test_suppression_joins_above_the_overlap_only() -> None:
    boxes = np.array([[0, 0, 1, 1], [0.5, 0, 1.5, 1]], np.float32)  # intersection 0.5 of 1.5
    pair = Detections(boxes, np.zeros((2, 4, 2), np.float32), np.array([0.9, 0.8], np.float32))
    assert len(geometry.suppress(pair, overlap=0.33).scores) == 1
    assert len(geometry.suppress(pair, overlap=0.34).scores) == 2


def test_suppression_of_nothing_and_of_boxes_without_area_ends() -> None:
    nothing = Detections(np.zeros((0, 4), np.float32), np.zeros((0, 4, 2), np.float32), np.zeros(0, np.float32))
    assert geometry.suppress(nothing).points.shape == (0, 4, 2)
    flat = Detections(np.zeros((2, 4), np.float32), np.zeros((2, 4, 2), np.float32), np.array([0.9, 0.8], np.float32))
    assert geometry.suppress(flat).scores.tolist() == pytest.approx([0.9, 0.8])


# --- regions and sampling


def test_region_is_centred_on_the_hip_and_reaches_a_quarter_past_the_tip() -> None:
    upright = geometry.region_from_points(np.array([100.0, 200.0]), np.array([100.0, 100.0]))
    assert upright == Region((100.0, 200.0), 250.0, 0.0)  # 2 · 1.25 · 100
    lying = geometry.region_from_points(np.array([0.0, 0.0]), np.array([30.0, 0.0]))
    assert lying.angle == pytest.approx(math.pi / 2)
    assert lying.side == pytest.approx(75.0)


@pytest.mark.parametrize("angle", [0.0, 0.4, -2.0])
def test_the_tip_lies_above_the_centre_in_the_crop(angle: float) -> None:
    centre = np.array([50.0, 60.0])
    tip = centre + 40 * np.array([math.sin(angle), -math.cos(angle)])
    region = geometry.region_from_points(centre, tip)
    # 40 px of a 100 px side: 0.4 above the middle.
    np.testing.assert_allclose(
        geometry.to_picture(np.array([[0.5, 0.5], [0.5, 0.1]]), region), [centre, tip], atol=1e-4
    )


def test_the_whole_picture_is_letter_boxed() -> None:
    image = np.full((2, 4, 3), 200, np.uint8)
    crop = geometry.sample(image, geometry.picture_region(4, 2), 4, replicate=False)
    np.testing.assert_array_equal(crop[:, :, 0], [[0] * 4, [200] * 4, [200] * 4, [0] * 4])


def test_sampling_blends_between_pixels_and_holds_or_blackens_the_edge() -> None:
    image = np.repeat(np.array([[[0], [100], [200]]], np.uint8), 3, axis=2)  # (1, 3, 3)
    region = Region((1.5, 0.0), 3.0)  # crop column u at x = 0.75 u
    held = geometry.sample(image, region, 4, replicate=True)
    np.testing.assert_array_equal(held[2, :, 0], [0, 75, 150, 200])
    np.testing.assert_array_equal(held[0], held[2])  # rows outside repeat the edge
    black = geometry.sample(image, region, 4, replicate=False)
    np.testing.assert_array_equal(black[2, :, 0], [0, 75, 150, 150])  # a quarter of the way to the black beyond
    assert not black[0].any()


def test_sampling_a_turned_region_against_turning_the_picture() -> None:
    image = np.random.default_rng(0).integers(0, 256, (40, 40, 3), dtype=np.uint8)
    straight = geometry.sample(image, Region((20, 20), 16), 16, replicate=True)
    np.testing.assert_array_equal(straight, image[12:28, 12:28])
    # "Up" in the crop is right in the picture; in MediaPipe's convention the first sample lies half a side out.
    turned = geometry.sample(image, Region((20, 20), 16, math.pi / 2), 16, replicate=True)
    np.testing.assert_array_equal(turned, np.rot90(image[12:28, 13:29]))


def test_picture_coordinates_of_a_crop_point_are_where_it_was_sampled() -> None:
    yy, xx = np.mgrid[0:120, 0:120]
    image = np.stack([xx, yy, xx], axis=-1).astype(np.uint8)
    region = Region((60, 55), 50, 0.3)
    crop = geometry.sample(image, region, 64, replicate=True)
    row, column = 20, 41
    x, y = geometry.to_picture(np.array([column / 64, row / 64]), region)
    np.testing.assert_allclose(crop[row, column, :2], [x, y], atol=0.6)


# --- landmark refinement


def _logit(probability: float) -> float:
    return math.log(probability / (1 - probability))


def test_refinement_moves_to_the_centre_of_mass_near_a_confident_peak() -> None:
    maps = np.full((64, 64, 1), -60.0, np.float32)
    maps[10, 20, 0], maps[10, 22, 0], maps[50, 50, 0] = _logit(0.75), _logit(0.25), _logit(0.99)
    refined = geometry.refine(np.array([[21.9 / 64, 11.2 / 64]], np.float32), maps)
    np.testing.assert_allclose(refined, [[20.5 / 64, 10 / 64]], atol=1e-6)


def test_refinement_leaves_weak_peaks_and_points_outside_alone() -> None:
    maps = np.full((64, 64, 3), -60.0, np.float32)
    maps[10, 20, 0] = _logit(0.49)
    maps[0, 0] = _logit(0.9)
    points = np.array([[20 / 64, 10 / 64], [-0.1, 0.0], [0.5, 1.0]], np.float32)
    np.testing.assert_array_equal(geometry.refine(points, maps), points)


def test_refinement_window_is_nine_cells_and_is_cut_at_the_edge() -> None:
    maps = np.full((64, 64, 2), -60.0, np.float32)
    maps[4, 0, 0] = maps[5, 0, 1] = _logit(0.9)
    start = np.zeros((2, 2), np.float32)
    np.testing.assert_allclose(geometry.refine(start, maps), [[0, 4 / 64], [0, 0]], atol=1e-6)


# --- BODY_21


def test_body_21_has_a_head_top_above_the_ears_along_the_face() -> None:
    points = np.zeros((33, 2), np.float32)
    for name, place in {"ear": (0, 0), "eye": (10, 0), "mouth": (10, 10), "hip": (0, 100), "shoulder": (0, 40)}.items():
        points[BLAZEPOSE_33.indices([f"l_{name}", f"r_{name}"])] = place
    confidence = np.full(33, 0.8, np.float32)
    confidence[BLAZEPOSE_33.index("r_mouth")] = 0.4
    out, trust = body_21(points, confidence)
    np.testing.assert_allclose(out[BODY_21.index("head_top")], [0, -17.3], atol=1e-5)
    assert trust[BODY_21.index("head_top")] == pytest.approx(0.2)  # half of the face's weakest
    np.testing.assert_allclose(out[BODY_21.index("pelvis")], [0, 100])
    np.testing.assert_allclose(out[BODY_21.index("thorax")], [0, 40])
    assert trust[BODY_21.index("l_toe")] == pytest.approx(0.8)


def test_body_21_is_the_same_blend_in_every_frame() -> None:
    rng = np.random.default_rng(1)
    points = rng.normal(size=(5, 33, 3))
    turn, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    moved, _ = body_21(points @ turn + 3.0, np.ones((5, 33)))
    still, _ = body_21(points, np.ones((5, 33)))
    np.testing.assert_allclose(moved, still @ turn + 3.0, atol=1e-4)


# --- without or with wrong files


def test_missing_weights_name_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("ai_edge_litert")
    monkeypatch.setenv("POSECORE_WEIGHTS", str(tmp_path))
    monkeypatch.setattr("posecore.runtime.weights.store.shipped_folder", lambda: tmp_path)
    with pytest.raises(PosecoreError, match="posecore models add blazepose"):
        BlazePose(depth="world")


def test_missing_litert_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "ai_edge_litert.interpreter", None)
    with pytest.raises(PosecoreError, match=r"posecore\[blazepose\]"):
        BlazePose(depth="world")


def test_a_file_that_is_no_network_is_one_clear_line(tmp_path: Path) -> None:
    pytest.importorskip("ai_edge_litert")
    for name in ("pose_detection.tflite", "pose_landmark_full.tflite"):
        (tmp_path / name).write_bytes(b"not a network")
    with pytest.raises(PosecoreError, match="LiteRT cannot run it") as caught:
        BlazePose(depth="world", folder=tmp_path).find(np.zeros((8, 8, 3), np.uint8))
    assert "\n" not in str(caught.value)


# --- the networks themselves


@pytest.fixture(scope="module")
def estimator() -> BlazePose:
    pytest.importorskip("ai_edge_litert")
    try:
        weights.files("blazepose")
    except PosecoreError as error:
        pytest.skip(str(error))
    return BlazePose(depth="world")


@pytest.fixture(scope="module")
def picture(data_folder: Path) -> np.ndarray:
    """A person walking to the left, seen from the side; 640 x 234."""
    av = pytest.importorskip("av")
    path = data_folder / "video" / "sports2d_crop_walk.mp4"
    if not path.is_file():
        pytest.skip(f"no {path}")
    with av.open(str(path)) as container:
        for index, frame in enumerate(container.decode(video=0)):
            if index == 60:
                return frame.to_ndarray(format="rgb24")
    raise AssertionError("the video is shorter than it was")


# MediaPipe 0.10.21, static_image_mode, on that very frame; px.
_MEDIAPIPE = {
    "nose": (402.57, 51.46),
    "l_shoulder": (417.92, 68.08),
    "r_elbow": (413.22, 96.90),
    "r_wrist": (401.23, 118.05),
    "l_hip": (406.91, 123.43),
    "r_knee": (401.75, 159.95),
    "l_ankle": (441.89, 182.22),
    "r_toe": (384.45, 202.85),
}


def test_landmarks_are_mediapipes_own(estimator: BlazePose, picture: np.ndarray) -> None:
    region, score = estimator.find(picture)[0]
    marks = estimator.landmarks(picture, region)
    assert score > 0.9 and marks.presence > 0.99
    places = marks.points[BLAZEPOSE_33.indices(_MEDIAPIPE)]
    np.testing.assert_allclose(places, list(_MEDIAPIPE.values()), atol=0.3)


def test_the_pose_is_body_21_about_the_pelvis_with_the_feet_below(estimator: BlazePose, picture: np.ndarray) -> None:
    pose = estimator(picture)
    assert pose.keypoints.shape == (21, 2) and pose.joints.shape == (21, 3) and pose.confidence.shape == (21,)
    assert pose.keypoints.dtype == pose.joints.dtype == np.float32
    place = {name: pose.joints[BODY_21.index(name)] for name in BODY_21.joints}
    np.testing.assert_allclose(place["pelvis"], 0, atol=1e-6)
    assert place["l_ankle"][1] > 0.6 and place["r_ankle"][1] > 0.6  # y is down
    assert place["head_top"][1] < -0.5
    assert place["r_toe"][0] < place["r_ankle"][0] < place["l_ankle"][0]  # a step to the left of the picture


def test_a_box_and_a_search_agree(estimator: BlazePose, picture: np.ndarray) -> None:
    searched = estimator(picture)
    low, high = searched.keypoints.min(axis=0), searched.keypoints.max(axis=0)
    boxed = estimator(picture, (*low.tolist(), *(high - low).tolist()))
    apart = np.linalg.norm(searched.keypoints - boxed.keypoints, axis=-1)
    assert np.median(apart) < 3.0


def test_the_next_region_holds_the_person(estimator: BlazePose, picture: np.ndarray) -> None:
    pose = estimator(picture)
    assert estimator.region(pose) is pose.next_region
    again = estimator.estimate([picture], [estimator.region(pose)])[0]
    assert np.median(np.linalg.norm(again.keypoints - pose.keypoints, axis=-1)) < 3.0


def test_nobody_is_said_so(estimator: BlazePose) -> None:
    grey = np.full((120, 90, 3), 127, np.uint8)
    assert estimator.find(grey) == []
    assert estimator.estimate([], []) == []
    assert estimator.estimate([grey], [Region((45, 60), 100)])[0].presence < 0.5
    with pytest.raises(NoPersonError, match="no person"):
        estimator(grey)


def test_threads_do_not_disturb_each_other(estimator: BlazePose, picture: np.ndarray) -> None:
    region = estimator.find(picture)[0][0]
    flipped = np.ascontiguousarray(picture[:, ::-1])
    mirrored = Region((picture.shape[1] - 1 - region.centre[0], region.centre[1]), region.side, -region.angle)
    jobs = [(picture, region), (flipped, mirrored)] * 6
    alone = [estimator.landmarks(*job).points for job in jobs[:2]]
    with ThreadPoolExecutor(3) as pool:
        together = list(pool.map(lambda job: estimator.landmarks(*job).points, jobs))
    for index, points in enumerate(together):
        np.testing.assert_array_equal(points, alone[index % 2])


def test_a_given_lifting_function_is_fed_one_batch(picture: np.ndarray, estimator: BlazePose) -> None:
    shapes = []

    def lift(keypoints: np.ndarray, confidence: np.ndarray) -> np.ndarray:
        shapes.append((keypoints.shape, confidence.shape))
        return np.full((*keypoints.shape[:2], 3), 7, np.float32)

    region = estimator.find(picture)[0][0]
    poses = BlazePose(lift=lift).estimate([picture] * 3, [region] * 3)
    assert shapes == [((3, 21, 2), (3, 21))]
    assert (poses[2].joints == 7).all()
