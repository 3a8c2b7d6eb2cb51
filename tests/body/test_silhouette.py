"""Silhouettes against a count by hand and against the body's own points; meshes come back from their files."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from posecore.body import export_mesh, load_body, project, silhouette
from posecore.errors import OutputError, PosecoreError


def test_a_triangle_by_hand() -> None:
    points = np.array([[1.0, 1.0], [4.0, 1.0], [1.0, 4.0]])
    expected = np.zeros((6, 7), bool)
    expected[1, 1:5] = expected[2, 1:4] = expected[3, 1:3] = expected[4, 1:2] = True
    for faces in ([[0, 1, 2]], [[2, 1, 0]]):
        np.testing.assert_array_equal(silhouette(points, np.array(faces), (6, 7)), expected)


@pytest.mark.parametrize("size", [(3, 3), (40, 40), (700, 700), (1300, 1100), (6, 9000), (12000, 9)])
def test_large_and_small_triangles_against_each_pixel(size) -> None:
    points = np.random.default_rng(size[0]).uniform(-0.2, 1.2, (5, 2)) * size[::-1]
    faces = np.array([[0, 1, 2], [2, 3, 4]])
    y, x = np.mgrid[: size[0], : size[1]]
    expected = np.zeros(size, bool)
    for face in faces:
        a, b, c = points[face]
        signs = [(q[0] - p[0]) * (y - p[1]) - (q[1] - p[1]) * (x - p[0]) for p, q in ((a, b), (b, c), (c, a))]
        expected |= (np.array(signs) >= 0).all(0) | (np.array(signs) <= 0).all(0)
    assert expected.any()
    np.testing.assert_array_equal(silhouette(points, faces, size), expected)


def test_nothing_in_view() -> None:
    faces = np.array([[0, 1, 2]])
    beside = np.array([[-9.0, 1], [-5, 1], [-7, 5]])
    assert not silhouette(beside, faces, (8, 8)).any()
    middle = np.array([[1.0, 1], [7, 1], [1, 7]])
    assert not silhouette(middle, faces, (8, 8), depth=np.array([1, 1, -1.0])).any()
    assert silhouette(middle, faces, (8, 8), depth=np.ones(3)).any()


def test_a_body_before_a_camera() -> None:
    model = load_body()
    # Three metres away, upright: the camera looks along -Z of the world, y down.
    seen = model.v_template * (1, -1, -1) + (0, 0.85, 3)
    points, depth = project(seen, (100.0, 100.0), (63.5, 63.5))
    np.testing.assert_allclose(points[0], seen[0, :2] / seen[0, 2] * 100 + 63.5, rtol=1e-6)
    mask = silhouette(points, model.faces, (128, 128), depth)
    rows, columns = np.nonzero(mask)
    assert abs(np.ptp(rows) - np.ptp(points[:, 1])) < 2 and abs(np.ptp(columns) - np.ptp(points[:, 0])) < 2
    inside = np.round(points).astype(int)
    near = np.pad(mask, 1)
    near = near[:-2, 1:-1] | near[2:, 1:-1] | near[1:-1, :-2] | near[1:-1, 2:] | mask
    assert near[inside[:, 1], inside[:, 0]].all()
    # A person covers about a quarter of its box with the arms out.
    assert 0.15 < mask.sum() / (np.ptp(rows) * np.ptp(columns)) < 0.4


@pytest.mark.parametrize("suffix", [".obj", ".ply"])
def test_meshes_come_back(tmp_path, suffix) -> None:
    trimesh = pytest.importorskip("trimesh")
    model = load_body()
    export_mesh(tmp_path / f"a{suffix}", model.v_template, model.faces)
    mesh = trimesh.load(tmp_path / f"a{suffix}", process=False)
    np.testing.assert_allclose(mesh.vertices, model.v_template, atol=1e-6)
    np.testing.assert_array_equal(mesh.faces, model.faces)


def test_export_says_what_is_wrong(tmp_path, monkeypatch) -> None:
    model = load_body()
    with pytest.raises(OutputError, match=r"a\.stl.*\.obj or \.ply"):
        export_mesh(tmp_path / "a.stl", model.v_template, model.faces)
    with pytest.raises(PosecoreError, match="one frame"):
        export_mesh(tmp_path / "a.obj", model.v_template[None], model.faces)
    broken = model.v_template.copy()
    broken[7, 1] = np.nan
    for vertices, faces, words in (
        (broken, model.faces, "vertices: holds NaN"),
        (model.v_template[:0], model.faces, r"vertices: .*\(0, 3\)"),
        (model.v_template[:, :2], model.faces, r"vertices: .*\(6890, 2\)"),
        (model.v_template, model.faces[:, :2], r"faces: .*\(13768, 2\)"),
        (model.v_template, model.faces[0], r"faces: .*\(3,\)"),
        (model.v_template, model.faces[:0], r"faces: .*\(0, 3\)"),
        (model.v_template, model.faces * 1.0, "faces: expected whole numbers"),
        (model.v_template, model.faces - 1, "faces: names vertices from -1"),
        (model.v_template[:100], model.faces, "there are 100"),
    ):
        with pytest.raises(PosecoreError, match=words):
            export_mesh(tmp_path / "a.obj", vertices, faces)
    monkeypatch.setitem(sys.modules, "trimesh", None)
    with pytest.raises(PosecoreError, match="pip install") as error:
        export_mesh(tmp_path / "a.obj", model.v_template, model.faces)
    assert "\n" not in str(error.value) and not list(tmp_path.iterdir())
