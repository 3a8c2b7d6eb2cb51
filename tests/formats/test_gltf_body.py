"""A body as glTF: read by an independent library, skinned by hand from the file's own accessors."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from posecore.body import BodyModel, load_body
from posecore.body.fitting import fit_body
from posecore.formats.gltf_body import four_weights, save_body_gltf, vertex_normals
from posecore.skeletons import SMPL_24
from tests.body.stick import stick_fields
from tests.body.test_fitting import walking

pygltflib = pytest.importorskip("pygltflib")

DTYPES = {5126: np.float32, 5121: np.uint8, 5123: np.uint16, 5125: np.uint32}
WIDTHS = {"SCALAR": 1, "VEC3": 3, "VEC4": 4, "MAT4": 16}


class Asset:
    """A file, and skinning written after the specification: sum of w · jointMatrix · inverseBind · position."""

    def __init__(self, path) -> None:
        self.gltf = pygltflib.GLTF2().load(str(path))
        buffer = self.gltf.buffers[0]
        self.blob = self.gltf.get_data_from_buffer_uri(buffer.uri) if buffer.uri else self.gltf.binary_blob()
        assert len(self.blob) == buffer.byteLength

    def array(self, number: int) -> np.ndarray:
        accessor = self.gltf.accessors[number]
        view = self.gltf.bufferViews[accessor.bufferView]
        start = (view.byteOffset or 0) + (accessor.byteOffset or 0)
        kind, width = DTYPES[accessor.componentType], WIDTHS[accessor.type]
        values = np.frombuffer(self.blob, kind, accessor.count * width, start).reshape(accessor.count, width)
        if accessor.min:
            np.testing.assert_array_equal(values.min(axis=0), np.array(accessor.min, kind))
            np.testing.assert_array_equal(values.max(axis=0), np.array(accessor.max, kind))
        return values

    @property
    def primitive(self):
        return self.gltf.meshes[0].primitives[0]

    def times(self) -> np.ndarray:
        clocks = {sampler.input for sampler in self.gltf.animations[0].samplers}
        assert len(clocks) == 1
        return self.array(clocks.pop())[:, 0]

    def skinned(self, frame: int) -> np.ndarray:
        nodes, skin = self.gltf.nodes, self.gltf.skins[0]
        moved = {}
        for channel in self.gltf.animations[0].channels:
            sampler = self.gltf.animations[0].samplers[channel.sampler]
            assert sampler.interpolation == "LINEAR"
            moved[channel.target.node, channel.target.path] = self.array(sampler.output)[frame]
        world = {}

        def walk(number: int, above: np.ndarray) -> None:
            node, local = nodes[number], np.eye(4)
            turn = moved.get((number, "rotation"), node.rotation or [0, 0, 0, 1])
            local[:3, :3] = Rotation.from_quat(turn).as_matrix()
            local[:3, 3] = moved.get((number, "translation"), node.translation or [0, 0, 0])
            world[number] = above @ local
            for child in node.children or []:
                walk(child, world[number])

        for root in self.gltf.scenes[self.gltf.scene].nodes:
            walk(root, np.eye(4))
        inverse = self.array(skin.inverseBindMatrices).reshape(-1, 4, 4).transpose(0, 2, 1)
        matrices = np.stack([world[node] @ inverse[place] for place, node in enumerate(skin.joints)])
        places = self.array(self.primitive.attributes.POSITION)
        joints = self.array(self.primitive.attributes.JOINTS_0)
        weights = self.array(self.primitive.attributes.WEIGHTS_0)
        points = np.c_[places, np.ones(len(places))]
        return np.einsum("vk,vkij,vj->vi", weights, matrices[joints], points)[:, :3]


@pytest.fixture(scope="module")
def body() -> BodyModel:
    return BodyModel(**stick_fields())


@pytest.fixture(scope="module")
def fit(body):
    return fit_body(walking(40), body)


@pytest.mark.parametrize("suffix", [".glb", ".gltf"])
def test_the_mesh_moves_as_the_body_does(tmp_path, fit, suffix) -> None:
    fit.save(tmp_path / f"body{suffix}")
    asset = Asset(tmp_path / f"body{suffix}")
    np.testing.assert_allclose(asset.times(), fit.motion.times, atol=1e-6)
    joints, weights = four_weights(fit.body.weights)
    four = np.zeros_like(fit.body.weights)
    np.add.at(four, (np.arange(len(four))[:, None], joints), weights)
    same = BodyModel(**(stick_fields() | {"weights": four}))
    for frame in (0, 17, 39):
        motion = fit.motion
        part = slice(frame, frame + 1)
        exact = same.pose(motion.rotations[part], motion.translation[part], fit.betas)[0]
        np.testing.assert_allclose(asset.skinned(frame), exact, atol=1e-5)
        # Two of six weights, of one per cent each, are left out here: under a centimetre.
        assert np.linalg.norm(asset.skinned(frame) - fit.vertices(part)[0], axis=1).max() < 0.01


def test_it_is_a_valid_skinned_mesh(tmp_path, fit) -> None:
    fit.save(tmp_path / "body.glb")
    asset = Asset(tmp_path / "body.glb")
    gltf, primitive = asset.gltf, asset.primitive
    assert [gltf.nodes[node].name for node in gltf.skins[0].joints] == list(SMPL_24.joints)
    mesh = next(node for node in gltf.nodes if node.mesh is not None)
    assert mesh.skin == 0 and mesh.translation is None and mesh.rotation is None
    assert primitive.mode in (None, 4)
    corners = asset.array(primitive.indices)[:, 0].reshape(-1, 3)
    np.testing.assert_array_equal(corners, fit.body.faces)
    weights, joints = asset.array(primitive.attributes.WEIGHTS_0), asset.array(primitive.attributes.JOINTS_0)
    np.testing.assert_allclose(weights.sum(axis=1), 1.0, atol=1e-6)
    assert (weights >= 0).all() and joints.max() < 24
    assert not joints[weights == 0].any()
    normals = asset.array(primitive.attributes.NORMAL)
    np.testing.assert_allclose(np.linalg.norm(normals, axis=1), 1.0, atol=1e-5)
    material = gltf.materials[primitive.material].pbrMetallicRoughness
    assert material.metallicFactor == 0 and len(material.baseColorFactor) == 4
    assert asset.array(primitive.attributes.POSITION)[:, 1].min() == pytest.approx(0.0, abs=1e-6)  # soles on the floor
    assert (np.diff(asset.times()) > 0).all()


def test_a_body_with_more_shapes_than_the_motion_has_betas(tmp_path, fit) -> None:
    """What is not said is the average; a Motion keeps ten."""
    fields = stick_fields()
    padding = np.zeros((len(fields["v_template"]), 3, 12), np.float32)
    wide = BodyModel(**(fields | {"shapedirs": np.concatenate([fields["shapedirs"], padding + 0.1], 2)}))
    assert len(fit.motion.betas) == 10 and wide.shapedirs.shape[2] == 16
    save_body_gltf(fit.motion, wide, tmp_path / "wide.glb")
    asset, exact = Asset(tmp_path / "wide.glb"), fit.body.shaped(fit.betas)
    places = asset.array(asset.primitive.attributes.POSITION)
    np.testing.assert_allclose(places, exact - (0, exact[:, 1].min(), 0), atol=1e-6)


def test_normals_point_outwards(body) -> None:
    fields = stick_fields()
    normals = vertex_normals(fields["v_template"], fields["faces"])
    boxes = fields["v_template"].reshape(-1, 8, 3)
    outwards = boxes - boxes.mean(axis=1, keepdims=True)
    assert (outwards * normals.reshape(-1, 8, 3)).sum(-1).min() > 0


def test_normals_by_hand() -> None:
    square = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0], [5, 5, 5]], np.float32)
    normals = vertex_normals(square, np.array([[0, 1, 2], [0, 2, 3]]))
    np.testing.assert_allclose(normals[:4], np.tile([0, 0, 1], (4, 1)), atol=1e-6)
    assert np.linalg.norm(normals[4]) == pytest.approx(1.0)  # belongs to no face


def test_four_weights_by_hand() -> None:
    joints, weights = four_weights(np.array([[0.0, 0.5, 0.1, 0.2, 0.15, 0.05], [0, 0, 1, 0, 0, 0]]))
    assert joints.tolist() == [[1, 3, 4, 2], [2, 0, 0, 0]]
    np.testing.assert_allclose(weights, [[0.5 / 0.95, 0.2 / 0.95, 0.15 / 0.95, 0.1 / 0.95], [1, 0, 0, 0]], atol=1e-6)


def test_the_open_body_within_a_millimetre(tmp_path) -> None:
    """Its own weights, but for the few vertices that have more than four, which stay within 2 cm."""
    fit = fit_body(walking(10), load_body())
    fit.save(tmp_path / "open.glb")
    away = np.linalg.norm(Asset(tmp_path / "open.glb").skinned(7) - fit.vertices(slice(7, 8))[0], axis=1)
    assert away[(fit.body.weights > 0).sum(axis=1) <= 4].max() < 1e-4
    assert away.mean() < 1e-4 and away.max() < 0.02


def test_a_large_mesh_has_wide_indices(tmp_path, fit, body) -> None:
    """Beyond 65,534 vertices two bytes are too few."""
    fields = stick_fields()
    copies = 65600 // len(fields["v_template"]) + 1
    wide = {name: np.concatenate([fields[name]] * copies) for name in ("v_template", "shapedirs", "weights")}
    faces = fields["faces"] + len(fields["v_template"]) * (copies - 1)
    regressor = fields["joint_regressor"].copy()
    regressor.resize(24, len(wide["v_template"]))
    large = BodyModel(**(fields | wide | {"faces": faces, "joint_regressor": regressor}))
    save_body_gltf(fit.motion, large, tmp_path / "large.glb")
    asset = Asset(tmp_path / "large.glb")
    np.testing.assert_array_equal(asset.array(asset.primitive.indices)[:, 0].reshape(-1, 3), faces)
