"""Every rig of ``making`` is what it says."""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import bpy
import common
import making


def main(word: str) -> dict:
    rigify = making.rigify_rig()
    made = {"rigify": len(rigify.data.bones), "metarig": len(making.rigify_rig("metarig").data.bones)}
    for pose in "TA":
        rig = making.plain_rig(pose)
        made[pose] = [len(rig.data.bones), *(round(v, 3) for v in rig.data.bones["hand.L"].head_local)]
    scaled = making.in_centimetres(rig)
    made["world"] = [round(v, 3) for v in scaled.matrix_world @ scaled.data.bones["hand.L"].head_local]
    made["local"] = [round(v, 1) for v in scaled.data.bones["hand.L"].head_local]
    modes = making.in_all_modes(scaled)
    made["modes"] = len({bone.rotation_mode for bone in modes.pose.bones})
    motion = making.walk()
    made["walk"] = [len(motion), round(float(motion.joints()[:, :, 1].min()), 2)]
    return {"word": word, "version": bpy.app.version_string, **made}


common.run(main)
