"""What Blender's own glTF importer makes of our files."""

import numpy as np
import pytest

from posecore.skeletons import SMPL_24

bpy = pytest.importorskip("bpy")


@pytest.mark.parametrize("suffix", [".glb", ".gltf"])
def test_import(tmp_path, uneven_motion, suffix):
    path = tmp_path / f"a{suffix}"
    uneven_motion.save(path)
    bpy.ops.wm.read_factory_settings(use_empty=True)
    bpy.context.scene.render.fps = 30
    bpy.ops.import_scene.gltf(filepath=str(path))
    armature = next(o for o in bpy.data.objects if o.type == "ARMATURE")
    assert {bone.name for bone in armature.data.bones} == set(SMPL_24.joints)
    first, last = armature.animation_data.action.frame_range
    assert (last - first) / 30 == pytest.approx(uneven_motion.times[-1] - uneven_motion.times[0], abs=1e-3)
    # The importer puts time 0 at frame 0; ask at the frames' own, uneven times.
    for frame in (0, 20, 59):
        now = uneven_motion.times[frame] * 30
        bpy.context.scene.frame_set(int(now), subframe=now - int(now))
        found = np.array([(armature.matrix_world @ armature.pose.bones[j].matrix).translation for j in SMPL_24.joints])
        x, y, z = uneven_motion.joints()[frame].T
        np.testing.assert_allclose(found, np.stack([x, -z, y], axis=1), atol=1e-3)
    figure = next(o for o in bpy.data.objects if o.type == "MESH" and o.name.startswith("figure"))
    assert any(modifier.type == "ARMATURE" for modifier in figure.modifiers)
    assert 1.3 < figure.dimensions.z < 2.2  # metres
