"""glTF: read back by an independent library, and by hand-written forward kinematics over its nodes."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from posecore.errors import OutputError
from posecore.motion import Motion
from posecore.skeletons import SMPL_24

pygltflib = pytest.importorskip("pygltflib")

DTYPES = {5126: np.float32, 5121: np.uint8, 5123: np.uint16}
WIDTHS = {"SCALAR": 1, "VEC3": 3, "VEC4": 4, "MAT4": 16}


class Asset:
    def __init__(self, path):
        self.gltf = pygltflib.GLTF2().load(str(path))
        buffer = self.gltf.buffers[0]
        self.blob = self.gltf.get_data_from_buffer_uri(buffer.uri) if buffer.uri else self.gltf.binary_blob()
        assert len(self.blob) == buffer.byteLength

    def array(self, accessor):
        accessor = self.gltf.accessors[accessor]
        view = self.gltf.bufferViews[accessor.bufferView]
        assert view.byteOffset % 4 == 0
        raw = self.blob[view.byteOffset : view.byteOffset + view.byteLength]
        values = np.frombuffer(raw, DTYPES[accessor.componentType]).reshape(accessor.count, WIDTHS[accessor.type])
        if accessor.min:
            np.testing.assert_array_equal(values.min(axis=0), np.float32(accessor.min))
            np.testing.assert_array_equal(values.max(axis=0), np.float32(accessor.max))
        return values

    def posed(self, frame):
        """World matrices of all nodes at a key frame, by walking the scene."""
        nodes = self.gltf.nodes
        translations = {i: np.array(node.translation or [0, 0, 0]) for i, node in enumerate(nodes)}
        rotations = {i: np.array([0, 0, 0, 1.0]) for i in range(len(nodes))}
        animation = self.gltf.animations[0]
        for channel in animation.channels:
            values = self.array(animation.samplers[channel.sampler].output)[frame]
            {"translation": translations, "rotation": rotations}[channel.target.path][channel.target.node] = values
        world = {}

        def walk(node, above):
            local = np.eye(4)
            local[:3, :3], local[:3, 3] = Rotation.from_quat(rotations[node]).as_matrix(), translations[node]
            world[node] = above @ local
            for child in nodes[node].children or []:
                walk(child, world[node])

        for node in self.gltf.scenes[self.gltf.scene].nodes:
            walk(node, np.eye(4))
        return world


@pytest.mark.parametrize("suffix", [".glb", ".gltf"])
def test_joints_and_times(tmp_path, uneven_motion, suffix):
    uneven_motion.save(tmp_path / f"a{suffix}")
    asset = Asset(tmp_path / f"a{suffix}")
    names = [node.name for node in asset.gltf.nodes]
    for frame in (0, 17, 59):
        world = asset.posed(frame)
        found = [world[names.index(joint)][:3, 3] for joint in SMPL_24.joints]
        np.testing.assert_allclose(found, uneven_motion.joints()[frame], atol=1e-5)
    animation = asset.gltf.animations[0]
    clocks = {sampler.input for sampler in animation.samplers}
    assert len(clocks) == 1
    np.testing.assert_allclose(asset.array(clocks.pop())[:, 0], uneven_motion.times, atol=1e-6)  # true time stamps


def test_quaternions_are_continuous_units(tmp_path, motion):
    flipped = motion.rotations.copy()
    flipped[1::2] *= -1
    Motion(motion.times, flipped, motion.translation).save(tmp_path / "a.glb")
    asset = Asset(tmp_path / "a.glb")
    for channel in asset.gltf.animations[0].channels:
        if channel.target.path == "rotation":
            values = asset.array(asset.gltf.animations[0].samplers[channel.sampler].output)
            np.testing.assert_allclose(np.linalg.norm(values, axis=1), 1.0, atol=1e-5)
            assert ((values[1:] * values[:-1]).sum(axis=1) > 0).all()


def test_skin_undoes_the_rest_pose(tmp_path, motion):
    motion.save(tmp_path / "a.glb")
    asset = Asset(tmp_path / "a.glb")
    skin = asset.gltf.skins[0]
    inverse = asset.array(skin.inverseBindMatrices).reshape(-1, 4, 4).transpose(0, 2, 1)
    rest = {}
    parents = {child: i for i, node in enumerate(asset.gltf.nodes) for child in node.children or []}
    for joint, node in enumerate(skin.joints):
        place, at = np.zeros(3), node
        while at is not None:
            place, at = place + asset.gltf.nodes[at].translation, parents.get(at)
        rest[node] = place
        np.testing.assert_allclose(inverse[joint] @ [*place, 1.0], [0, 0, 0, 1], atol=1e-6)
    assert min(place[1] for place in rest.values()) == pytest.approx(0.0, abs=1e-6)  # soles on the ground


def test_the_figure_moves_with_its_bones(tmp_path, motion):
    """Skin by hand: the vertex at the end of the left forearm is at the left wrist."""
    motion.save(tmp_path / "a.glb")
    asset = Asset(tmp_path / "a.glb")
    primitive = asset.gltf.meshes[0].primitives[0]
    positions = asset.array(primitive.attributes.POSITION)
    joints, weights = asset.array(primitive.attributes.JOINTS_0), asset.array(primitive.attributes.WEIGHTS_0)
    inverse = asset.array(asset.gltf.skins[0].inverseBindMatrices).reshape(-1, 4, 4).transpose(0, 2, 1)
    np.testing.assert_allclose(weights.sum(axis=1), 1.0)
    world = asset.posed(40)
    skinned = np.array([(world[j[0]] @ inverse[j[0]] @ [*p, 1.0])[:3] for p, j in zip(positions, joints, strict=True)])
    for joint in ("l_wrist", "r_knee", "head"):
        nearest = np.linalg.norm(skinned - motion.joints()[40, SMPL_24.index(joint)], axis=1).min()
        assert nearest < 1e-5
    normals = asset.array(primitive.attributes.NORMAL)
    np.testing.assert_allclose(np.linalg.norm(normals, axis=1), 1.0, atol=1e-5)
    centres = positions.reshape(-1, 24, 3).mean(axis=1).repeat(24, axis=0)
    assert ((positions - centres) * normals).sum(axis=1).min() > 0  # faces look outwards


def test_without_a_mesh(tmp_path, motion):
    motion.save(tmp_path / "a.glb", mesh=False)
    asset = Asset(tmp_path / "a.glb")
    assert not asset.gltf.meshes
    assert len(asset.gltf.nodes) == len(SMPL_24)


def test_one_frame_and_negative_times(tmp_path, motion):
    Motion(motion.times[:2] - 3.0, motion.rotations[:2], motion.translation[:2]).save(tmp_path / "a.glb")
    Motion(motion.times[:1], motion.rotations[:1], motion.translation[:1]).save(tmp_path / "b.glb")
    two, one = Asset(tmp_path / "a.glb"), Asset(tmp_path / "b.glb")
    np.testing.assert_allclose(two.array(two.gltf.animations[0].samplers[0].input)[:, 0], [0, 0.04], atol=1e-6)
    assert len(one.array(one.gltf.animations[0].samplers[0].input)) == 1


def test_unwritable(tmp_path, motion):
    with pytest.raises(OutputError):
        motion.save(tmp_path / "none" / "a.glb")
