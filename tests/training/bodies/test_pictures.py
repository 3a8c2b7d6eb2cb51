"""Rendered bodies and batches: mesh, keypoints and silhouette agree, also after cutting out, turning and mirroring."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from posecore.body import BodyModel, load_body
from posecore.errors import SourceError
from posecore.nets.cameras import to_pixels
from posecore.skeletons import BODY_21, SMPL_24
from tests.training.bodies.conftest import SIZE
from tests.training.bodies.test_poses import some_poses
from training.augmentation import Augmentation
from training.bodies import rendering
from training.bodies.figure import rendered_model
from training.bodies.pictures import BodyPictures, joined, load_rendered, make_body_batch
from training.bodies.posed import PosedBody
from training.bodies.silhouettes import runs_to_mask
from training.rendering.body import REGIONS
from training.rendering.raster import rasterise


@pytest.fixture(scope="module")
def body() -> BodyModel:
    return load_body()


@pytest.fixture(scope="module")
def shards(body_shards: Path) -> Path:
    return body_shards


def silhouette(body: BodyModel, labels: dict) -> np.ndarray:
    """(H, W) of the bare mesh, by the labels' θ, β and camera."""
    rotations, translation, betas = (np.array(labels[k], np.float32) for k in ("rotations", "translation", "betas"))
    vertices = body.pose(rotations[None], translation[None], betas)[0]
    camera = labels["camera"]
    pixels = vertices[:, :2] / vertices[:, 2:] * camera["fx"] + [camera["cx"], camera["cy"]]
    return rasterise(pixels.astype(np.float32), vertices[:, 2], body.faces, (SIZE, SIZE)).mask()


def read(folder: Path) -> list[dict]:
    labels = []
    for path in sorted(folder.glob("bodies-train-*.tar")):
        with tarfile.open(path) as archive:
            labels += [json.loads(archive.extractfile(m).read()) for m in archive if m.name.endswith(".json")]
    return labels


def test_the_mesh_of_the_labels_stands_where_the_picture_shows_it(shards: Path, body: BodyModel) -> None:
    labels = read(shards)
    assert len(labels) == 6
    for one in labels:
        rotations, translation, betas = (np.array(one[k], np.float32) for k in ("rotations", "translation", "betas"))
        vertices = body.pose(rotations[None], translation[None], betas)
        joints = body.joints(rotations[None], translation[None], betas)
        np.testing.assert_allclose(body.keypoints(vertices, joints)[0], one["joints_camera"], atol=2e-4)
        camera, places = one["camera"], np.array(one["joints_camera"])
        pixels = places[:, :2] / places[:, 2:] * camera["fx"] + [camera["cx"], camera["cy"]]
        np.testing.assert_allclose(pixels, one["joints_px"], atol=0.01)
        seen, bare = runs_to_mask(one["silhouette"], (SIZE, SIZE)), silhouette(body, one)
        # Clothes and hair go beyond the skin, by a pixel or two of these small pictures.
        assert (seen & bare).sum() / (seen | bare).sum() > 0.8
        assert (bare & ~seen).sum() < 0.06 * bare.sum()


def test_the_same_number_gives_the_same_picture(body: BodyModel) -> None:
    poses, model = some_poses(4), rendered_model(body)
    one, two = (rendering.render_body(model, poses, 7, 2, 32) for _ in range(2))
    assert one.labels == two.labels and (one.picture == two.picture).all()
    assert one.labels != rendering.render_body(model, poses, 8, 2, 32).labels


def test_the_body_has_the_regions_that_clothes_need(body: BodyModel) -> None:
    figure = rendered_model(body).average
    regions = {REGIONS[n] for n in np.unique(figure.model.vertex_region)}
    assert regions == set(REGIONS) - {"eyes"}
    assert figure.head("eye.L")[0] > 0 > figure.head("eye.R")[0]
    assert figure.head("neck01")[1] < figure.head("eye.L")[1] < figure.vertices[:, 1].max()


def test_points_and_keypoints_are_those_of_the_whole_mesh(body: BodyModel) -> None:
    poses = some_poses(3, seed=1).rotations
    betas = np.random.default_rng(0).normal(size=10).astype(np.float32)
    posed = PosedBody(body, 64)
    from training.bodies.pictures import matrices

    found = posed(matrices(torch.from_numpy(poses)), torch.from_numpy(np.tile(betas, (3, 1))))
    vertices, joints = body.pose(poses, None, betas), body.joints(poses, None, betas)
    root = joints[:, :1]
    np.testing.assert_allclose(found.joints, joints - root, atol=1e-5)
    np.testing.assert_allclose(found.keypoints, body.keypoints(vertices, joints) - root, atol=1e-5)
    nearest = np.linalg.norm((vertices - root)[:, None] - found.points.numpy()[:, :, None], axis=-1).min(-1)
    assert nearest.max() < 0.03  # a triangle's size
    again = posed.joints(matrices(torch.from_numpy(poses)), torch.from_numpy(np.tile(betas, (3, 1))))
    np.testing.assert_allclose(again, found.joints, atol=1e-6)


@pytest.mark.parametrize("mode", ["none", "overlap"])
def test_what_happens_to_a_picture_happens_to_the_body_in_it(shards: Path, body: BodyModel, mode: str) -> None:
    pictures = load_rendered(shards, "train")
    assert len(pictures) == 6 and pictures.solid.all()
    augmentation = Augmentation(mode=mode, strategies=("flip", "shift", "rotation", "scale"), rotation=40.0)  # type: ignore[arg-type]
    rows = np.tile(np.arange(6), 3)
    batch = make_body_batch(pictures, rows, 64, 32, augmentation, torch.Generator().manual_seed(1))
    posed = PosedBody(body, 16)(batch.rotations, batch.betas)
    # In the crop's camera, whose focal length is known, one translation must put the body on all keypoints.
    rays = batch.keypoints / batch.focal[:, None, None]
    for n in range(len(rows)):
        points, ray = posed.keypoints[n].double().numpy(), rays[n].double().numpy()
        # (X + t)_xy = ray · (Z + t_z): linear in t.
        matrix = np.concatenate([np.tile(np.eye(2), (len(ray), 1)), -ray.reshape(-1, 1)], 1)
        wanted = (ray * points[:, 2:] - points[:, :2]).reshape(-1)
        place = np.linalg.lstsq(matrix, wanted, rcond=None)[0]
        shown = (points[:, :2] + place[:2]) / (points[:, 2:] + place[2])
        pixels = np.abs(shown - ray).max() * float(batch.focal[n]) * 32
        assert place[2] > 1 and pixels < 0.8
        inside = (batch.keypoints[n].abs() < 0.95).all(-1).numpy()
        at = to_pixels(batch.keypoints[n], 32).round().long().numpy().clip(0, 31)
        core = inside & np.isin(np.arange(21), BODY_21.indices(["pelvis", "spine", "l_hip", "r_hip", "l_knee"]))
        assert batch.masks[n][at[core, 1], at[core, 0]].mean() > 0.7


def test_sets_join_and_missing_or_large_ones_are_refused(shards: Path, tmp_path: Path) -> None:
    pictures = load_rendered(shards, "train", limit=2)
    both = joined([pictures, pictures])
    assert len(both) == 4 and isinstance(both, BodyPictures)
    assert both.mask(3).sum() == pictures.mask(1).sum() > 0
    with pytest.raises(SourceError, match="bodies-validation"):
        load_rendered(tmp_path, "validation")
    assert len(SMPL_24) == pictures.rotations.shape[1]
