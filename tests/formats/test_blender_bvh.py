"""What a user of Blender sees who takes File > Import > Motion Capture (.bvh) and changes nothing."""

import numpy as np
import pytest

from posecore.formats.motion_bvh import MIXAMO_NAMES
from posecore.skeletons import SMPL_24

bpy = pytest.importorskip("bpy")


def world_joints(armature, frames, names):
    """(F, J, 3) heads of the pose bones in Blender's world, Z up."""
    places = np.zeros((len(frames), len(names), 3))
    for row, frame in enumerate(frames):
        bpy.context.scene.frame_set(frame)
        for column, name in enumerate(names):
            places[row, column] = (armature.matrix_world @ armature.pose.bones[name].matrix).translation
    return places


def z_up(positions):
    """Our world (Y up, facing +Z) in Blender's (Z up, facing -Y)."""
    return np.stack([positions[..., 0], -positions[..., 2], positions[..., 1]], axis=-1)


@pytest.mark.parametrize(
    ("options", "arguments"),
    [
        ({}, {}),
        ({"unit": "cm"}, {"global_scale": 0.01}),
        ({"order": "XYZ", "names": "smpl"}, {"rotate_mode": "QUATERNION"}),
    ],
)
def test_plain_import_is_upright_right_size_and_right_rate(tmp_path, motion, options, arguments):
    motion.save(tmp_path / "walk.bvh", **options)
    bpy.ops.wm.read_factory_settings(use_empty=True)
    bpy.ops.import_anim.bvh(filepath=str(tmp_path / "walk.bvh"), update_scene_fps=True, **arguments)
    scene, armature = bpy.context.scene, bpy.context.object
    assert scene.render.fps / scene.render.fps_base == pytest.approx(25.0, abs=1e-3)
    assert tuple(armature.animation_data.action.frame_range) == (1, len(motion))
    assert len(armature.data.bones) == len(SMPL_24)
    names = [MIXAMO_NAMES[joint] for joint in SMPL_24.joints] if options.get("names") != "smpl" else SMPL_24.joints
    frames = [0, 1, 30, 57, 99]
    found = world_joints(armature, [1 + frame for frame in frames], names)
    np.testing.assert_allclose(found, z_up(motion.joints()[frames]), atol=2e-4)
    head, pelvis = found[:, SMPL_24.index("head"), 2], found[:, SMPL_24.index("pelvis"), 2]
    assert (head > pelvis + 0.3).all()
    # Between frames Blender turns Euler channels linearly: near the truth only if nothing flips.
    scene.frame_set(30, subframe=0.5)
    between = [np.array(armature.matrix_world @ armature.pose.bones[name].head) for name in names]
    expected = (z_up(motion.joints()[29]) + z_up(motion.joints()[30])) / 2
    np.testing.assert_allclose(between, expected, atol=0.01)
