"""Rasteriser and camera against slow or independent ways; pictures and clip against their own labels.

The tests of whole pictures need the anny package and its built cache (minutes on the first use), so they run where
anny is installed and skip elsewhere.
"""

import json
import tarfile
from pathlib import Path

import av
import numpy as np
import pytest

from posecore.files import read_npz
from posecore.skeletons import BODY_21, CMU_22
from training.rendering import pictures
from training.rendering.body import load_body_model
from training.rendering.camera import Camera, frame_person, look_from
from training.rendering.clip import pose_clip
from training.rendering.clothing import random_outfit
from training.rendering.pictures import random_body, random_camera, render_sample
from training.rendering.poses import PoseBank
from training.rendering.posing import bone_rotations
from training.rendering.raster import rasterise
from training.rendering.render import dress, pose_figure, see, visible_joints
from training.rendering.scenes import ShadowMap, noise_tile, paint_background, random_light


def slow_rasterise(points, depth, faces, size):
    """Pixel by pixel, triangle by triangle."""
    seen = np.full(size, -1)
    nearest = np.full(size, np.inf)
    for number, face in enumerate(faces):
        a, b, c = points[face].astype(float)
        area = (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])
        if area >= 0:
            continue
        for y in range(size[0]):
            for x in range(size[1]):
                w = [
                    ((q[0] - p[0]) * (y - p[1]) - (q[1] - p[1]) * (x - p[0])) / area
                    for p, q in ((b, c), (c, a), (a, b))
                ]
                if min(w) < 0:
                    continue
                z = 1 / sum(wi / zi for wi, zi in zip(w, depth[face], strict=True))
                if z < nearest[y, x]:
                    nearest[y, x], seen[y, x] = z, number
    return seen, nearest


def test_rasteriser_agrees_with_the_slow_way():
    rng = np.random.default_rng(0)
    points = rng.uniform(-4, 28, (60, 2)).astype(np.float32)
    depth = rng.uniform(1, 5, 60).astype(np.float32)
    faces = rng.permutation(60).reshape(20, 3).astype(np.int32)
    seen, nearest = slow_rasterise(points, depth, faces, (20, 24))
    visible = rasterise(points, depth, faces, (20, 24))
    result = np.full(20 * 24, -1)
    result[visible.pixels] = visible.faces
    assert (result.reshape(20, 24) == seen).mean() > 0.99  # equal but for rounding on edges
    agreed = result[visible.pixels] == seen.ravel()[visible.pixels]
    np.testing.assert_allclose(visible.depth[agreed], nearest.ravel()[visible.pixels][agreed], rtol=1e-5)
    np.testing.assert_allclose(visible.weights.sum(1), 1, atol=1e-5)


def test_interpolation_is_perspective_correct():
    camera = Camera(np.eye(3), np.zeros(3), 40.0, np.array([15.5, 15.5]), (32, 32))
    corners = np.array([[-1, -1, 2], [1, -1, 6], [0, 2, 3]], np.float32)  # a slanted triangle
    faces = np.array([[0, 2, 1]], np.int32)
    visible = rasterise(camera.project(corners).astype(np.float32), corners[:, 2], faces, (32, 32))
    assert len(visible.pixels) > 100
    points = visible.interpolate(faces, corners)
    expected = np.stack([visible.pixels % 32, visible.pixels // 32], 1)
    np.testing.assert_allclose(camera.project(points), expected, atol=1e-3)


def test_nothing_to_see():
    faces = np.array([[0, 1, 2]], np.int32)
    visible = rasterise(np.zeros((3, 2), np.float32), np.ones(3, np.float32), faces, (8, 8))
    assert len(visible.pixels) == 0
    assert not visible.mask().any()


def test_camera_in_front_sees_the_left_hand_on_its_right():
    rotation = look_from(0.0, 0.0)
    camera = Camera(rotation, np.array([0, 0, 3.0]), 100.0, np.array([50.0, 50.0]), (101, 101))
    x, y = camera.project(np.array([0.5, 0.5, 0.0]))  # left and up
    assert x > 50 > y
    np.testing.assert_allclose(camera.position, [0, 0, 3])
    behind = Camera(look_from(np.pi, 0.0), np.array([0, 0, 3.0]), 100.0, np.array([50.0, 50.0]), (101, 101))
    assert behind.project(np.array([0.5, 0.5, 0.0]))[0] < 50


def test_elevated_camera_is_above_and_a_left_azimuth_is_left():
    for azimuth, elevation in ((np.pi / 2, 0.4), (-1.0, -0.3)):
        rotation = look_from(azimuth, elevation)
        eye = -rotation.T @ np.array([0, 0, 2.0])
        assert np.sign(eye[1]) == np.sign(elevation)
        assert np.sign(eye[0]) == np.sign(azimuth)
        assert np.linalg.det(rotation) == pytest.approx(1)


def test_rays_and_scaling_agree_with_projection():
    camera = Camera(look_from(0.7, 0.2, 0.1), np.array([0.1, 0.2, 4.0]), 30.0, np.array([10.0, 7.0]), (24, 16))
    points = camera.position + camera.rays()[5, 9] * 3.3
    np.testing.assert_allclose(camera.project(points), [9, 5], atol=1e-9)
    # A 2 x 2 block of fine pixels has its centre in the middle of the coarse pixel.
    fine = camera.scaled(2).project(points)
    np.testing.assert_allclose(fine, [9 * 2 + 0.5, 5 * 2 + 0.5], atol=1e-9)


def test_person_fills_what_was_asked_for():
    points = np.random.default_rng(2).normal(0, [0.2, 0.5, 0.2], (500, 3))
    camera = frame_person(look_from(1.0, 0.3), points, 150.0, (128, 128), 0.8, np.array([60.0, 70.0]))
    pixels = camera.project(points)
    assert np.ptp(pixels, axis=0).max() == pytest.approx(0.8 * 128, rel=0.02)
    np.testing.assert_allclose((pixels.min(0) + pixels.max(0)) / 2, [60, 70], atol=1e-6)


def test_a_ball_shades_the_floor_below_it_only():
    rng = np.random.default_rng(3)
    ball = rng.normal(size=(6000, 3))
    ball = (ball / np.linalg.norm(ball, axis=1, keepdims=True) * 0.3 + [0, 1, 0]).astype(np.float32)
    light = random_light(rng)
    floor = np.array([[0, 1, 0] - light.direction / light.direction[1], [5, 0, 5]], np.float32)
    assert ShadowMap(ball, light).lit(floor).tolist() == [0, 1]


def test_backgrounds_are_finite_and_repeatable():
    camera = Camera(look_from(0.4, 0.2), np.array([0, 0, 4.0]), 60.0, np.array([31.5, 31.5]), (64, 64))
    for seed in range(6):
        first, second = (
            paint_background(rng, camera, -0.9, random_light(rng))
            for rng in (np.random.default_rng(seed), np.random.default_rng(seed))
        )
        assert first.picture.shape == (64, 64, 3)
        assert np.isfinite(first.picture).all() and first.picture.min() >= 0
        np.testing.assert_array_equal(first.picture, second.picture)
    assert np.ptp(noise_tile(np.random.default_rng(0))) == 1


# ------------------------------------------------------------------ with the body


@pytest.fixture(scope="module")
def model():
    pytest.importorskip("anny")

    return load_body_model()


def standing(arms: float = 0.2) -> np.ndarray:
    """CMU_22 joints (22, 3) of a person who stands facing +Z, the arms raised by an angle from hanging down."""
    positions = {"pelvis": (0, 0.95, 0), "spine": (0, 1.1, 0), "chest": (0, 1.22, 0), "neck": (0, 1.4, 0)}
    positions |= {"head": (0, 1.52, 0.01), "head_top": (0, 1.7, 0.02)}
    for side, sign in (("l", 1), ("r", -1)):
        positions |= {f"{side}_hip": (0.09 * sign, 0.92, 0), f"{side}_knee": (0.1 * sign, 0.5, 0.02)}
        positions |= {f"{side}_ankle": (0.1 * sign, 0.08, 0), f"{side}_toe": (0.12 * sign, 0.03, 0.13)}
        shoulder = np.array([0.17 * sign, 1.42, 0])
        along = np.array([np.sin(arms) * sign, -np.cos(arms), 0])
        for name, reach in (("shoulder", 0), ("elbow", 0.28), ("wrist", 0.53), ("hand_tip", 0.68)):
            positions[f"{side}_{name}"] = tuple(shoulder + along * reach)
    return np.array([positions[name] for name in CMU_22.joints])


def posed(model, joints, **phenotype):

    body = model.shape(age=0.7, height=0.4, **phenotype)
    rotations, _ = bone_rotations(body, joints[None])
    vertices, heads = body.pose(rotations[0], np.zeros(3))
    return body, rotations[0], body.joints(vertices, heads)


def test_rest_pose_is_reproduced(model):
    body = model.average
    vertices, heads = body.pose(np.tile(np.eye(3), (len(model.bones), 1, 1)), body.heads[0])
    np.testing.assert_allclose(vertices, body.vertices, atol=1e-5)
    np.testing.assert_allclose(heads, body.heads, atol=1e-5)


def test_limbs_point_where_the_capture_points(model):
    for arms in (0.1, 1.5, 2.8):
        joints = standing(arms)
        _, rotations, result = posed(model, joints, gender=0.8)
        np.testing.assert_allclose(rotations @ np.swapaxes(rotations, 1, 2), np.tile(np.eye(3), (104, 1, 1)), atol=1e-6)
        assert (np.linalg.det(rotations) > 0.999).all()
        for start, end in (("shoulder", "elbow"), ("elbow", "wrist"), ("hip", "knee"), ("knee", "ankle")):
            for side in "lr":
                wanted = joints[CMU_22.index(f"{side}_{end}")] - joints[CMU_22.index(f"{side}_{start}")]
                got = result[BODY_21.index(f"{side}_{end}")] - result[BODY_21.index(f"{side}_{start}")]
                cosine = wanted @ got / np.linalg.norm(wanted) / np.linalg.norm(got)
                assert cosine > 0.999, (arms, side, end)


def test_left_and_right_mirror_each_other(model):
    _, _, result = posed(model, standing(0.9))
    np.testing.assert_allclose(result[list(BODY_21.mirror)] * [-1, 1, 1], result, atol=2e-3)
    nose, toe = result[BODY_21.index("nose")], result[BODY_21.index("l_toe")]
    assert nose[2] > result[BODY_21.index("thorax")][2]
    assert toe[2] > result[BODY_21.index("l_ankle")][2]
    assert result[BODY_21.index("l_hand")][0] > 0


@pytest.fixture(scope="module")
def bank():

    joints = np.stack([standing(arms) for arms in (0.15, 0.6, 1.2, 2.0)]).astype(np.float32)
    ordinary = np.array([True, True, False, False])
    return PoseBank(joints, ["002_01"] * 4, np.arange(4), ordinary, np.full(4, 0.5))


def test_pictures_are_repeatable_and_agree_with_their_labels(model, bank):

    for index in range(4):
        sample, again = (render_sample(model, bank, 3, index, 64) for _ in range(2))
        np.testing.assert_array_equal(sample.picture, again.picture)
        assert sample.labels == again.labels
        assert sample.picture.shape == (64, 64, 3)
        points, camera = np.array(sample.labels["joints_camera"]), sample.labels["camera"]
        assert points.shape == (21, 3) and (points[:, 2] > 0).all()
        pixels = points[:, :2] / points[:, 2:] * camera["fx"] + [camera["cx"], camera["cy"]]
        np.testing.assert_allclose(pixels, sample.labels["joints_px"], atol=0.01)


def test_visible_joints_lie_on_the_body(model, bank):

    on_body, total, seen_share = 0, 0, []
    for seed in range(8):
        rng = np.random.default_rng(seed)
        body, phenotype = random_body(model, rng)
        rotations, _ = bone_rotations(body, bank.joints[seed % 4][None])
        figure = pose_figure(dress(body, random_outfit(rng, phenotype["gender"])), rotations[0], np.zeros(3))
        camera, _ = random_camera(rng, figure.vertices, 64)
        visible = see(figure, camera)
        flags, mask = visible_joints(figure, camera, visible), visible.mask()
        seen_share.append(flags.mean())
        for joint in np.flatnonzero(flags):
            x, y = np.round(camera.project(figure.joints[joint])).astype(int)
            total += 1
            on_body += mask[max(y - 1, 0) : y + 2, max(x - 1, 0) : x + 2].any()
    assert on_body / total > 0.95
    assert 0.4 < np.mean(seen_share) < 1


def test_a_back_hides_the_nose_and_a_front_shows_it(model):

    body = model.average
    rotations, _ = bone_rotations(body, standing()[None])
    figure = pose_figure(dress(body, random_outfit(np.random.default_rng(4), 0.0)), rotations[0], np.zeros(3))
    flags = []
    for azimuth in (0.0, np.pi):
        camera = frame_person(look_from(azimuth, 0), figure.vertices, 200.0, (96, 96), 0.9, np.array([47.5, 47.5]))
        flags.append(visible_joints(figure, camera, see(figure, camera)))
    nose, knee = BODY_21.index("nose"), BODY_21.index("l_knee")
    assert flags[0][nose] and not flags[1][nose]
    assert flags[0][knee] and flags[1][knee]


def test_bones_keep_their_lengths_through_a_clip(model):

    poses = np.stack([standing(arms) for arms in np.linspace(0.1, 2.5, 8)]) + np.linspace(0, 1, 8)[:, None, None] * [
        0,
        0,
        1,
    ]
    body = model.average
    rotations, path = pose_clip(body, poses)
    dressed = dress(body, random_outfit(np.random.default_rng(1), 0.0))
    figures = [pose_figure(dressed, turn, place) for turn, place in zip(rotations, path, strict=True)]
    joints = np.stack([figure.joints for figure in figures])
    lowest = [figure.vertices[:, 1].min() for figure in figures]
    np.testing.assert_allclose(lowest, 0, atol=0.02)
    for start, end in (("hip", "knee"), ("knee", "ankle"), ("shoulder", "elbow"), ("elbow", "wrist")):
        for side in "lr":
            length = np.linalg.norm(
                joints[:, BODY_21.index(f"{side}_{start}")] - joints[:, BODY_21.index(f"{side}_{end}")], axis=-1
            )
            assert np.ptp(length) < 1e-4


def test_shards_resume(model, bank, tmp_path, monkeypatch):

    monkeypatch.setattr(pictures, "load_pose_bank", lambda data: bank)
    monkeypatch.setattr(pictures, "SHARD_SIZE", 2)
    paths = pictures.write_pictures(tmp_path, tmp_path / "out", 3, seed=5, size=32)
    assert [path.name for path in paths] == ["synthetic-s5-000000-0002.tar", "synthetic-s5-000002-0001.tar"]
    with tarfile.open(paths[0]) as archive:
        assert archive.getnames() == ["sy000000.webp", "sy000000.json", "sy000001.webp", "sy000001.json"]
        labels = json.loads(archive.extractfile("sy000001.json").read())
    assert len(labels["joints_px"]) == len(labels["visible"]) == 21
    before = [path.read_bytes() for path in paths]
    paths[1].unlink()
    stamp = paths[0].stat().st_mtime_ns
    pictures.write_pictures(tmp_path, tmp_path / "out", 3, seed=5, size=32)
    assert paths[0].stat().st_mtime_ns == stamp
    assert [path.read_bytes() for path in paths] == before


# ------------------------------------------------------------------ the example that is shipped


def test_the_examples_truth_is_consistent():
    truth = read_npz(Path(__file__).parents[2] / "examples" / "walk_truth.npz")
    assert tuple(truth["joint_names"]) == BODY_21.joints
    count = len(truth["times"])
    assert count / 30 >= 5
    assert truth["joints_world"].shape == truth["joints_camera"].shape == (count, 21, 3)
    in_camera = truth["joints_world"] @ truth["camera_rotation"].T + truth["camera_translation"]
    np.testing.assert_allclose(in_camera, truth["joints_camera"], atol=1e-4)
    pixels = in_camera[..., :2] / in_camera[..., 2:] * truth["focal"] + truth["centre"]
    np.testing.assert_allclose(pixels, truth["keypoints"], atol=0.01)
    assert (truth["keypoints"] > 0).all() and (truth["keypoints"] < truth["size"] - 1).all()
    assert truth["joints_world"][:, BODY_21.indices(["l_toe", "r_toe"]), 1].min() == pytest.approx(0.03, abs=0.05)


def test_the_examples_video_matches_the_truth():
    path = Path(__file__).parents[2] / "examples" / "walk.mp4"
    assert path.stat().st_size <= 2_000_000
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        frames = sum(1 for _ in container.decode(stream))
        assert float(stream.average_rate) == 30
    with np.load(path.with_name("walk_truth.npz")) as truth:
        assert frames == len(truth["times"])
        assert (stream.width, stream.height) == tuple(truth["size"])
