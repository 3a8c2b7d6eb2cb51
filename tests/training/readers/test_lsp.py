"""LSP, LSPET, the shards, and ordinal depth."""

from __future__ import annotations

import io
import json
import tarfile

import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat

from posecore.skeletons import BLAZEPOSE_33, BODY_21, LSP_14, MPII_16
from training.readers import read
from training.readers.ordinal import derive_ordinal


def lsp_table(rng, joints=14, people=6):
    """(N, J, 3) Matlab pixels, and a mark of 0 or 1."""
    table = rng.uniform(1, 150, (people, joints, 3))
    table[..., 2] = rng.integers(0, 2, (people, joints))
    return table


def test_lsp_marks_hidden_joints_and_labels_all(tmp_path, rng) -> None:
    table = lsp_table(rng)
    savemat(tmp_path / "joints.mat", {"joints": table.transpose(2, 1, 0)})  # 3×14×N
    samples = read("lsp", tmp_path)
    assert samples.kind == "lsp" and samples.skeleton == LSP_14 and len(samples) == 6
    np.testing.assert_allclose(samples.keypoints[..., :2], table[..., :2] - 1, rtol=1e-6)  # Matlab counts from 1
    np.testing.assert_array_equal(samples.keypoints[..., 2], np.where(table[..., 2] == 1, 1, 2))
    assert samples.images[0] == "images/im0001.jpg" and samples.keys[5] == "im0006"


def test_lspet_marks_labelled_joints(tmp_path, rng) -> None:
    table = lsp_table(rng)
    savemat(tmp_path / "joints.mat", {"joints": table.transpose(1, 2, 0)})  # 14×3×N
    samples = read("lsp", tmp_path / "joints.mat")
    known = table[..., 2] == 1
    assert samples.kind == "lspet" and samples.images[0] == "images/im00001.jpg"
    np.testing.assert_array_equal(samples.keypoints[..., 2], np.where(known, 2, 0))
    assert not samples.keypoints[~known].any(), "what is not labelled has no place"
    np.testing.assert_allclose(samples.keypoints[known][:, :2], table[known][:, :2] - 1, rtol=1e-6)


def test_the_convention_can_be_said(tmp_path, rng) -> None:
    table = lsp_table(rng)
    savemat(tmp_path / "joints.mat", {"joints": table.transpose(1, 2, 0)})
    flags = read("lsp", tmp_path, convention="lsp").keypoints[..., 2]
    np.testing.assert_array_equal(flags, np.where(table[..., 2] == 1, 1, 2))


def test_lsp_has_a_thousand_to_train(tmp_path, rng) -> None:
    savemat(tmp_path / "joints.mat", {"joints": lsp_table(rng, people=1003).transpose(2, 1, 0)})
    assert len(read("lsp", tmp_path, split="train")) == 1000
    assert list(read("lsp", tmp_path, split="test").keys) == ["im1001", "im1002", "im1003"]


def test_pictures_are_opened(tmp_path, rng, one_line) -> None:
    savemat(tmp_path / "joints.mat", {"joints": lsp_table(rng).transpose(2, 1, 0)})
    samples = read("lsp", tmp_path)
    with one_line("im0002.jpg", "no such picture"):
        samples.picture(1)
    (tmp_path / "images").mkdir()
    Image.new("L", (8, 5), 77).save(tmp_path / "images" / "im0002.jpg")
    assert samples.picture(1).shape == (5, 8, 3)


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"points": np.zeros((3, 14, 2))}, ("'joints'", "points")),
        ({"joints": np.zeros((3, 16, 2))}, ("3×16×2", "3×14×N")),
        ({"joints": np.zeros((3, 14))}, ("3×14", "14×3×N")),
        ({"joints": "text"}, ("joints",)),
    ],
)
def test_a_wrong_mat_file_is_one_line(variables, words, tmp_path, one_line) -> None:
    savemat(tmp_path / "joints.mat", variables)
    with one_line("joints.mat", *words):
        read("lsp", tmp_path)


# The shards


def shard(path, samples) -> None:
    with tarfile.open(path, "w") as archive:
        for key, picture, note in samples:
            stream = io.BytesIO()
            Image.fromarray(picture).save(stream, "webp", lossless=True)
            for suffix, data in (("webp", stream.getvalue()), ("json", json.dumps(note).encode())):
                entry = tarfile.TarInfo(f"{key}.{suffix}")
                entry.size = len(data)
                archive.addfile(entry, io.BytesIO(data))


def test_rendered_shards_are_exact(tmp_path, rng) -> None:
    places = rng.normal(0, 0.4, (2, 21, 3)) + [0, 0, 4]
    camera = {"fx": 300.0, "fy": 310.0, "cx": 64.0, "cy": 60.0}
    pixels = places[..., :2] / places[..., 2:] * [300, 310] + [64, 60]
    pictures = rng.integers(0, 255, (2, 9, 7, 3), np.uint8)
    notes = [
        {
            "joints_px": pixels[i].tolist(),
            "joints_camera": places[i].tolist(),
            "visible": [1] * 20 + [0],
            "camera": camera,
            "width": 128,
            "height": 120,
            "subject": "005",
            "clip": "005_01",
            "frame": 3 + i,
        }
        for i in range(2)
    ]
    shard(tmp_path / "a.tar", [(f"sy{i}", pictures[i], notes[i]) for i in range(2)])
    (tmp_path / ".half-written.tar").write_bytes(b"x")
    samples = read("synthetic-shards", tmp_path)
    assert samples.skeleton == BODY_21 and list(samples.frames) == [3, 4]
    np.testing.assert_allclose(samples.project(1), pixels[1], atol=1e-4)
    np.testing.assert_allclose(samples.keypoints[..., :2], pixels, rtol=1e-5)
    assert samples.keypoints[0, 19:, 2].tolist() == [2, 1]
    np.testing.assert_array_equal(samples.picture(1), pictures[1])
    np.testing.assert_array_equal(samples.select([1]).picture(0), pictures[1])


def test_damaged_shards_are_one_line(tmp_path, rng, one_line) -> None:
    with one_line("lspet/lspet-*.tar"):
        read("lspet-shards", tmp_path)
    (tmp_path / "lspet").mkdir()
    path = tmp_path / "lspet" / "lspet-000.tar"
    shard(path, [("im00001", np.zeros((4, 4, 3), np.uint8), {"points": []})])
    with one_line("lspet", "joints"):
        read("lspet-shards", tmp_path)
    path.write_bytes(path.read_bytes()[:700])
    with one_line("lspet-000.tar", "damaged"):
        read("lspet-shards", tmp_path)


def test_the_real_shards(data_folder) -> None:
    lspet = read("lspet-shards", data_folder)
    assert len(lspet) == 9500 and len(set(lspet.keys)) == 9500
    assert lspet.keypoints[..., 2].sum(1).mean() / 2 == pytest.approx(12.3, abs=0.05)  # as the data's own page says
    picture = lspet.picture(4321)
    known = lspet.keypoints[4321, :, 2] > 0
    assert (lspet.keypoints[4321, known, :2] < picture.shape[1::-1]).all()
    people = read("people-shards", data_folder)
    assert len(people) == 6705 and people.skeleton == BLAZEPOSE_33 and people.extras["world"].shape == (6705, 33, 3)


# Ordinal depth


def ordinal_folder(folder, rng, joints, people=5, name="joints"):
    table = lsp_table(rng, joints, people)
    relations = rng.integers(-1, 2, (people, joints, joints))
    relations = np.triu(relations, 1) - np.triu(relations, 1).transpose(0, 2, 1)
    savemat(folder / f"{name}.mat", {name: table.transpose(2, 1, 0)})
    savemat(folder / "ordinal.mat", {"ordinal": relations.astype(np.int8)})
    return table, relations


def test_ordinal_lsp(tmp_path, rng) -> None:
    table, relations = ordinal_folder(tmp_path, rng, 14)
    samples = read("ordinal", tmp_path)
    assert samples.skeleton == LSP_14
    np.testing.assert_array_equal(samples.relations, relations)
    assert samples.relations_known.sum() == 5 * 14 * 13, "all but a joint with itself"
    np.testing.assert_array_equal(samples.keypoints[..., 2], np.where(table[..., 2] == 1, 1, 2))


def test_ordinal_mpii(tmp_path, rng) -> None:
    table, relations = ordinal_folder(tmp_path, rng, 16, name="joint")
    samples = read("ordinal", tmp_path)
    labelled = table[..., 2] == 1
    pairs = labelled[:, :, None] & labelled[:, None, :] & ~np.eye(16, dtype=bool)
    assert samples.skeleton == MPII_16
    np.testing.assert_array_equal(samples.relations_known, pairs)
    np.testing.assert_array_equal(samples.relations, np.where(pairs, relations, 0))


def test_unannotated_pairs_are_unknown(tmp_path, rng) -> None:
    ordinal_folder(tmp_path, rng, 14)
    relations = np.zeros((5, 14, 14))
    relations[2, 3, 4], relations[2, 4, 3] = np.nan, 9
    savemat(tmp_path / "ordinal.mat", {"ord": relations})
    known = read("ordinal", tmp_path).relations_known
    assert not known[2, 3, 4] and not known[2, 4, 3] and known[2, 3, 5]


def test_wrong_ordinal_files_are_one_line(tmp_path, rng, one_line) -> None:
    with one_line("joints.mat", "ordinal.mat"):
        read("ordinal", tmp_path)
    ordinal_folder(tmp_path, rng, 14)
    savemat(tmp_path / "ordinal.mat", {"ordinal": np.zeros((4, 14, 14))})
    with one_line("5 people", "4 in ordinal.mat"):
        read("ordinal", tmp_path)
    savemat(tmp_path / "ordinal.mat", {"ordinal": np.zeros((5, 15, 15))})
    with one_line("ordinal.mat", "N×14×14"):
        read("ordinal", tmp_path)
    savemat(tmp_path / "ordinal.mat", {"ordinal": np.zeros((5, 16, 16))})
    with one_line("joints.mat", "16"):
        read("ordinal", tmp_path)
    (tmp_path / "ordinal.mat").unlink()
    with one_line("ordinal.mat", "no such file"):
        read("ordinal", tmp_path)


def test_relations_from_depth_by_hand() -> None:
    relations, known = derive_ordinal(np.array([2.0, 2.05, 2.5]), threshold=0.1)
    assert relations.tolist() == [[0, 0, 1], [0, 0, 1], [-1, -1, 0]], "the first two are nearer than the third"
    assert known.tolist() == [[False, True, True], [True, False, True], [True, True, False]]
    relations, known = derive_ordinal(np.array([[1.0, 3.0]]), known=np.array([[True, False]]))
    assert not known.any() and not relations.any()
    with pytest.raises(ValueError, match="threshold"):
        derive_ordinal(np.zeros(2), -1.0)
