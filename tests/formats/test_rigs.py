"""Rigs out of BVH and glTF files, and movement written back into them, read again by other means."""

import base64
import json

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from posecore.errors import OutputError, PosecoreError, SourceError
from posecore.formats.bvh import read_bvh
from posecore.formats.rigs import read_rig, rig_from_bvh, rig_from_gltf, rig_outputs, write_rig_motion
from posecore.retargeting import Mapping, Match, Rig, RigMotion, retarget
from tests.formats.conftest import make_motion
from tests.retargeting.rigs import make

pygltflib = pytest.importorskip("pygltflib")

BVH = """HIERARCHY
ROOT hip
{
  OFFSET 0 %ROOT% 0
  CHANNELS 6 Xposition Yposition Zposition Zrotation Yrotation Xrotation
  JOINT leg
  {
    OFFSET 10 -10 0
    CHANNELS 3 Zrotation Xrotation Yrotation
    JOINT foot
    {
      OFFSET 0 -80 0
      CHANNELS 3 Yrotation Xrotation Zrotation
      End Site
      {
        OFFSET 0 -5 15
      }
    }
  }
  JOINT back
  {
    OFFSET 0 60 0
    CHANNELS 6 Xposition Yposition Zposition Xrotation Yrotation Zrotation
    JOINT back
    {
      OFFSET 0 0 0
      CHANNELS 0
      End Site
      {
        OFFSET 0 20 0
      }
    }
  }
}
MOTION
Frames: 1
Frame Time: 0.04
0 %HEIGHT% 0 0 0 0 0 0 0 0 0 0 0 60 0 0 0 0
"""


def bvh_file(tmp_path, root=0, height=95):
    path = tmp_path / "rig.bvh"
    path.write_text(BVH.replace("%ROOT%", str(root)).replace("%HEIGHT%", str(height)))
    return path


def wave(rig, bones, frames=5, move=None, seed=3):
    """Smooth turns of some bones by random angles; ``move``: bone -> scale of its random path."""
    rng = np.random.default_rng(seed)
    ramp = np.linspace(0, 1, frames)[:, None, None]
    vectors = ramp * rng.normal(size=(1, len(bones), 3))
    rotations = Rotation.from_rotvec(vectors.reshape(-1, 3)).as_quat().reshape(frames, len(bones), 4)
    paths = {b: (ramp[:, 0] * rng.normal(size=3) * scale).astype(np.float32) for b, scale in (move or {}).items()}
    return RigMotion(rig, np.arange(frames) / 25.0, tuple(bones), rotations.astype(np.float32), paths)


# --- BVH ----------------------------------------------------------------------------------------------------------


def test_a_bvh_stands_on_the_ground_in_metres(tmp_path):
    rig = Rig.from_bvh(bvh_file(tmp_path))
    assert rig.names == ("hip", "leg", "foot", "back", "back.001")
    assert rig.parents == (-1, 0, 1, 0, 3)
    np.testing.assert_allclose(rig.heads[:3], [[0, 0.95, 0], [0.1, 0.85, 0], [0.1, 0.05, 0]], atol=1e-9)
    np.testing.assert_allclose(rig.ends[2], [0.1, 0.0, 0.15], atol=1e-9)
    np.testing.assert_allclose(rig.rest[:, :3, :3], np.tile(np.eye(3), (5, 1, 1)))
    assert any("names repeat" in line for line in rig.warnings)


@pytest.mark.parametrize(
    ("factor", "unit"), [(1, 0.01), (0.01, 1.0), (0.1, 0.1), (1 / 2.54, 0.0254), (10, 0.001), (100, 0.01)]
)
def test_the_unit_is_guessed_from_the_height(tmp_path, factor, unit):
    lines = []
    for line in BVH.replace("%ROOT%", "0").replace("%HEIGHT%", "0").splitlines():
        if "OFFSET" in line:
            line = "OFFSET " + " ".join(str(float(word) * factor) for word in line.split()[1:])
        lines.append(line)
    path = tmp_path / "rig.bvh"
    path.write_text("\n".join(lines))
    assert rig_from_bvh(path).placement[0, 0] == pytest.approx(unit)
    assert rig_from_bvh(path, unit=0.5).placement[1, 1] == 0.5


@pytest.mark.parametrize(("root", "height", "meant"), [(0, 95, "replace"), (95, 94, "replace"), (95, -1, "add")])
def test_movement_in_the_files_own_hierarchy(tmp_path, root, height, meant):
    source = bvh_file(tmp_path, root, height)
    rig = rig_from_bvh(source)
    assert rig.origin.root_positions == meant
    motion = wave(rig, ("hip", "leg", "foot", "back"), move={"hip": 50.0, "back": 10.0})
    motion.save(tmp_path / "out.bvh")
    before, after = read_bvh(source), read_bvh(tmp_path / "out.bvh")
    assert (after.names, after.parents, after.channels) == (before.names, before.parents, before.channels)
    np.testing.assert_array_equal(after.offsets, before.offsets)
    assert len(after.end_sites) == len(before.end_sites) and after.rate == pytest.approx(25.0)
    np.testing.assert_allclose(after.joints(meant) * 0.01, motion.joints(), atol=1e-6)


def test_offsets_that_make_no_figure_give_way_to_the_first_frame(tmp_path):
    """As CC3 writes: every bone along its own Y, the figure only in the rotations."""
    text = """HIERARCHY
    ROOT hip
    { OFFSET 0 100 0
      CHANNELS 6 Xposition Yposition Zposition Zrotation Yrotation Xrotation
      JOINT thigh
      { OFFSET 10 5 0
        CHANNELS 3 Zrotation Yrotation Xrotation
        JOINT calf
        { OFFSET 0 45 0
          CHANNELS 3 Zrotation Yrotation Xrotation
          End Site
          { OFFSET 0 50 0
          } } }
      JOINT back
      { OFFSET 0 60 0
        CHANNELS 3 Zrotation Yrotation Xrotation
        End Site
        { OFFSET 0 20 0
        } } }
    MOTION
    Frames: 1
    Frame Time: 0.04
    0 -1 0 0 0 0 180 0 0 0 0 0 0 0 0
    """
    path = tmp_path / "cc3.bvh"
    path.write_text(text)
    rig = rig_from_bvh(path)
    np.testing.assert_allclose(rig.heads[:3, 1], [0.99, 1.04, 0.59], atol=1e-9)
    assert any("first frame" in line for line in rig.warnings)
    assert rig_from_bvh(path, rest="offsets").heads[2, 1] > 1.4
    motion = wave(rig, ("hip", "thigh", "calf"), move={"hip": 10.0})
    motion.save(tmp_path / "out.bvh")
    np.testing.assert_allclose(read_bvh(tmp_path / "out.bvh").joints("add") * 0.01, motion.joints(), atol=1e-6)


def test_any_rig_becomes_a_bvh_in_metres(tmp_path):
    placement = np.eye(4)
    placement[:3, :3] = Rotation.from_euler("Y", 50, degrees=True).as_matrix()
    inner = np.diag([100.0, 100.0, 100.0, 1.0])
    rig, mapping = make(axes="random", arms=30, root=True, placement=placement, inner=inner)
    moved = retarget(make_motion(np.arange(10) / 25.0), rig, mapping)
    moved.save(tmp_path / "out.bvh")
    written = read_bvh(tmp_path / "out.bvh")  # depth first
    order = [rig.index(name) for name in written.names]
    np.testing.assert_allclose(written.joints(), moved.joints()[:, order], atol=1e-5)


def test_uneven_frames_become_even(tmp_path):
    rig = rig_from_bvh(bvh_file(tmp_path))
    times = np.array([0.0, 0.04, 0.09, 0.21, 0.25])
    motion = wave(rig, ("hip", "leg"), move={"hip": 1.0})
    motion = RigMotion(rig, times, motion.bones, motion.rotations, motion.locations)
    motion.save(tmp_path / "out.bvh", rate=50)
    assert (read_bvh(tmp_path / "out.bvh").rate, len(read_bvh(tmp_path / "out.bvh"))) == (pytest.approx(50), 13)
    motion.save(tmp_path / "own.bvh")
    assert read_bvh(tmp_path / "own.bvh").rate == pytest.approx(1 / 0.045)


def test_a_bvh_rig_does_not_become_gltf(tmp_path):
    rig = rig_from_bvh(bvh_file(tmp_path))
    assert rig_outputs(rig) == (".bvh",)
    with pytest.raises(OutputError, match=r"did not come from a glTF file; write \.bvh$"):
        write_rig_motion(wave(rig, ("hip",)), tmp_path / "out.glb")
    with pytest.raises(OutputError, match=r"cannot write \.fbx"):
        write_rig_motion(wave(rig, ("hip",)), tmp_path / "out.fbx")
    with pytest.raises(SourceError, match=r"cannot read a rig from \.fbx"):
        read_rig("hero.fbx")
    with pytest.raises(SourceError, match="no such file"):
        read_rig(tmp_path / "none.bvh")


# --- glTF ---------------------------------------------------------------------------------------------------------


def gltf_file(tmp_path, suffix, external=False, posed=True):
    """An armature of four joints in centimetres under a turned, shrunk node, with a node between and a mesh bound to
    a rest pose other than the one the nodes stand in."""
    turn = Rotation.from_euler("X", -90, degrees=True).as_quat().tolist()
    bent = Rotation.from_euler("Z", 40 if posed else 0, degrees=True).as_quat().tolist()
    nodes = [
        {"name": "armature", "rotation": turn, "scale": [0.01] * 3, "translation": [1, 0, 0], "children": [1, 6]},
        {"name": "hips", "translation": [0, 0, 95], "children": [2, 4]},
        {"name": "thigh", "translation": [10, 0, -5], "rotation": bent, "children": [3]},
        {"matrix": [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, -45, 1], "children": [5]},  # between two joints
        {"name": "back", "translation": [0, 0, 60]},
        {"name": "thigh", "translation": [0, 0, -20]},
        {"name": "body", "mesh": 0, "skin": 0},
    ]
    joints = [1, 2, 4, 5]
    places = [[0, 0, 95], [10, 0, 90], [0, 0, 155], [10, 0, 25]]
    inverse = np.tile(np.eye(4, dtype="<f4"), (4, 1, 1))
    inverse[:, 3, :3] = -np.array(places)
    corners = np.array([[0, 0, 0], [10, 0, 0], [0, 0, 100]], "<f4")
    blob = inverse.tobytes() + corners.tobytes() + np.array([0, 40], "<f4").tobytes()
    views = [(0, 256), (256, 36), (292, 8)]
    asset = {
        "asset": {"version": "2.0"},
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": nodes,
        "skins": [{"joints": joints, "inverseBindMatrices": 0}],
        "meshes": [{"primitives": [{"attributes": {"POSITION": 1}}]}],
        "accessors": [
            {"bufferView": 0, "componentType": 5126, "count": 4, "type": "MAT4"},
            {"bufferView": 1, "componentType": 5126, "count": 3, "type": "VEC3", "min": [0, 0, 0], "max": [10, 0, 100]},
        ],
        "bufferViews": [{"buffer": 0, "byteOffset": at, "byteLength": length} for at, length in views],
        "images": [{"uri": "skin.png"}],
    }
    (tmp_path / "skin.png").write_bytes(b"picture")
    path = tmp_path / f"rig{suffix}"
    if suffix == ".glb":
        file = pygltflib.GLTF2.from_json(json.dumps(asset | {"buffers": [{"byteLength": len(blob)}]}))
        file.set_binary_blob(blob)
        file.save_binary(str(path))
        return path
    uri = "data:application/octet-stream;base64," + base64.b64encode(blob).decode()
    if external:
        (tmp_path / "my data.bin").write_bytes(blob)
        uri = "my%20data.bin"
    path.write_text(json.dumps(asset | {"buffers": [{"byteLength": len(blob), "uri": uri}]}))
    return path


@pytest.mark.parametrize(("suffix", "external"), [(".glb", False), (".gltf", False), (".gltf", True)])
def test_a_gltf_rig_is_that_of_the_bound_mesh(tmp_path, suffix, external):
    rig = Rig.from_gltf(gltf_file(tmp_path, suffix, external))
    assert rig.names == ("hips", "thigh", "node3", "thigh.001", "back")
    assert rig.parents == (-1, 0, 1, 2, 0)
    expected = [[1, 0.95, 0], [1.1, 0.9, 0], [1.1, 0.45, 0], [1.1, 0.25, 0], [1, 1.55, 0]]
    np.testing.assert_allclose(rig.heads, expected, atol=1e-6)
    np.testing.assert_allclose(rig.rest[:, :3, :3], np.tile(np.eye(3), (5, 1, 1)), atol=1e-6)


def played(path, frames):
    """{node: (T, 3) world places} of the first animation, by pygltflib and matrices of the test's own."""
    file = pygltflib.GLTF2().load(str(path))
    file.convert_buffers(pygltflib.BufferFormat.BINARYBLOB)
    blob = file.binary_blob()

    def values(accessor, width):
        a = file.accessors[accessor]
        view = file.bufferViews[a.bufferView]
        return np.frombuffer(blob, "<f4", a.count * width, (view.byteOffset or 0) + (a.byteOffset or 0)).reshape(
            -1, width
        )

    tracks = {}
    for channel in file.animations[0].channels:
        sampler = file.animations[0].samplers[channel.sampler]
        times = values(sampler.input, 1)
        got = values(sampler.output, 4 if channel.target.path == "rotation" else 3)
        assert len(times) == len(got) in (1, frames)
        tracks[channel.target.node, channel.target.path] = np.broadcast_to(got, (frames, got.shape[1]))
    world = {}

    def place(node, above):
        n = file.nodes[node]
        matrix = np.tile(np.eye(4), (frames, 1, 1))
        if n.matrix:
            assert not any(key[0] == node for key in tracks)
            matrix[:] = np.array(n.matrix).reshape(4, 4).T
        else:
            rotation = tracks.get((node, "rotation"), np.tile(n.rotation or [0, 0, 0, 1], (frames, 1)))
            matrix[:, :3, :3] = Rotation.from_quat(rotation).as_matrix() * np.array(n.scale or [1, 1, 1])
            matrix[:, :3, 3] = tracks.get((node, "translation"), np.array(n.translation or [0, 0, 0]))
        world[node] = above @ matrix
        for child in n.children or []:
            place(child, world[node])

    place(file.scenes[file.scene or 0].nodes[0], np.eye(4))
    return {node: matrix[:, :3, 3] for node, matrix in world.items()}, file


@pytest.mark.parametrize("suffix", [".glb", ".gltf"])
@pytest.mark.parametrize("out", [".glb", ".gltf"])
def test_movement_goes_into_the_same_file(tmp_path, suffix, out):
    rig = rig_from_gltf(gltf_file(tmp_path, suffix, external=True))
    motion = wave(rig, ("hips", "thigh", "thigh.001"), move={"hips": 30.0})
    (tmp_path / "elsewhere").mkdir()
    path = tmp_path / "elsewhere" / f"out{out}"
    write_rig_motion(motion, path)
    places, file = played(path, len(motion))
    np.testing.assert_allclose(
        np.stack([places[node] for node in rig.origin.nodes], axis=1), motion.joints(), atol=1e-5
    )
    assert len(file.meshes) == 1 and len(file.skins) == 1 and file.images[0].mimeType == "image/png"
    again = rig_from_gltf(path)
    np.testing.assert_allclose(again.rest, rig.rest, atol=1e-6)
    assert rig_outputs(rig) == (".bvh", ".glb", ".gltf")


def test_nodes_without_a_skin_are_a_rig_too(tmp_path):
    path = gltf_file(tmp_path, ".gltf")
    asset = json.loads(path.read_text())
    del asset["skins"], asset["nodes"][6]["skin"]
    path.write_text(json.dumps(asset))
    assert len(rig_from_gltf(path)) == 7


def test_a_rig_file_that_changed_or_went_is_one_line(tmp_path):
    path = gltf_file(tmp_path, ".glb")
    rig = rig_from_gltf(path)
    motion = wave(rig, ("hips",))
    other = json.loads(gltf_file(tmp_path, ".gltf").read_text())
    other["nodes"][1]["name"] = "pelvis"
    path.write_text(json.dumps(other))
    with pytest.raises(SourceError, match="holds another skeleton"):
        motion.save(tmp_path / "out.glb")
    path.unlink()
    with pytest.raises(SourceError, match="no such file"):
        motion.save(tmp_path / "out.glb")
    assert not (tmp_path / "out.glb").exists()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda a: a.pop("asset"), "not a glTF file posecore can read"),
        (lambda a: a["asset"].update(version="1.0"), "glTF 1.0; posecore reads glTF 2.0"),
        (lambda a: a["nodes"][5].update(children=[1]), "two parents"),
        (lambda a: a["skins"][0].update(joints=[1, 99]), "not a glTF file"),
        (lambda a: a["buffers"][0].update(byteLength=9999), "cut off"),
        (lambda a: a["buffers"][0].update(uri="gone.bin"), "needs gone.bin, which is not beside it"),
        (lambda a: a["buffers"][0].update(uri="https://example.org/a.bin"), "from the network"),
        (lambda a: a["accessors"][0].update(type="VEC4"), "inverse bind matrices"),
        (lambda a: a["skins"][0].update(joints=[1]), "holds no skeleton"),
    ],
)
def test_damaged_gltf_is_one_line(tmp_path, change, says):
    path = gltf_file(tmp_path, ".gltf")
    asset = json.loads(path.read_text())
    change(asset)
    path.write_text(json.dumps(asset))
    with pytest.raises(SourceError, match=says) as caught:
        rig_from_gltf(path)
    assert "\n" not in str(caught.value)


def test_cut_off_glb_is_one_line(tmp_path):
    path = gltf_file(tmp_path, ".glb")
    data = path.read_bytes()
    for size in (0, 3, 11, 30, len(data) - 20):
        path.write_bytes(data[:size])
        with pytest.raises(SourceError, match="not a glTF file posecore can read"):
            rig_from_gltf(path)


# --- real rigs ----------------------------------------------------------------------------------------------------


REAL = [
    "rigs/daz_cmu/standard_daz_skeleton.bvh",
    "rigs/makehuman/tpose.bvh",
    "mocap_cmu/raw/samples/035_03.bvh",
    "mocap_cmu/raw/samples/005_10.bvh",
    "rigs/mesh2motion/human-skeleton.glb",
    "rigs/cesium_man/cesium_man.gltf",
]


@pytest.mark.parametrize("name", REAL)
def test_real_rigs_are_people_who_stand(data_folder, name):
    rig = read_rig(data_folder / name)
    points = np.concatenate([rig.heads, rig.ends])
    assert 1.0 < np.ptp(points, axis=0).max() < 2.1
    if "makehuman" not in name:  # that file is Z up
        assert abs(points[:, 1].min()) < 0.11
    else:
        assert np.ptp(points[:, 2]) > 1.4


@pytest.mark.parametrize("name", REAL)
def test_real_rigs_go_round(tmp_path, data_folder, name):
    from posecore.retargeting.automatic import map_rig

    rig = read_rig(data_folder / name)
    moved = retarget(make_motion(np.arange(8) / 25.0), rig, map_rig(rig))
    out = tmp_path / ("out" + (".bvh" if name.endswith(".bvh") else ".glb"))
    moved.save(out)
    if out.suffix == ".bvh":
        got = read_bvh(out).joints(rig.origin.root_positions) * rig.placement[0, 0]
    else:
        places, _ = played(out, len(moved))
        got = np.stack([places[node] for node in rig.origin.nodes], axis=1)
    np.testing.assert_allclose(got, moved.joints(), atol=1e-4)


def test_a_rig_of_strangers_bones_needs_a_mapping():
    rig, mapping = make()
    with pytest.raises(PosecoreError, match="no bone for"):
        retarget(make_motion(np.arange(3) / 25.0), rig, Mapping({"hips": Match(mapping.bone("hips"), 1.0, "chosen")}))
