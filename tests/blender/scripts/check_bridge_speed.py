"""Seconds that keys take: 60 bones over 3,000 frames, and 1,000 frames of a walk on Rigify once more."""

import os
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import bpy
import common
import making
import numpy as np
from mathutils import Vector

from addon.bridge.actions import apply_motion
from addon.bridge.rigs import read_rig
from posecore.retargeting import Mapping, Match, RigMotion, presets
from posecore.retargeting.transfer import retarget


def least(call, times: int = 3) -> float:
    """CPU seconds of the quickest of some calls: the wall clock of a busy machine says nothing about us."""
    found = []
    for _ in range(times):
        begun = time.process_time()
        call()
        found.append(time.process_time() - begun)
    return min(found)


def main() -> dict:
    scene = common.fresh_scene()
    chain = {f"b{n}": (f"b{n - 1}" if n else "", Vector((0, 0, n)), Vector((0, 0, n + 1)), 0.0) for n in range(60)}
    armature = making.build("Chain", chain)
    result = {}
    for name in ("quaternions", "all modes"):
        if name == "all modes":
            making.in_all_modes(armature)
        rig = read_rig(armature)
        turns = np.random.default_rng(0).normal(size=(3000, 60, 4))
        turns /= np.linalg.norm(turns, axis=-1, keepdims=True)
        motion = RigMotion(rig, np.arange(3000) / 30, rig.names, turns.astype("f4"))
        begun = time.process_time()
        keys = apply_motion(motion, armature, scene, action_name=name).keys
        result[name] = {"keys": keys, "seconds": time.process_time() - begun}
    scene = common.fresh_scene()
    armature = making.rigify_rig()
    preset = presets.load("rigify")
    bare = read_rig(armature)
    mapping = Mapping({role: Match(bone, 1.0, "") for role, bone in preset.bones(bare).items()}, "rigify")
    result["read rigify"] = {"seconds": least(lambda: read_rig(armature, mapping, preset.switches))}
    rig, motion = read_rig(armature, mapping, preset.switches), making.walk(1000)

    def again() -> None:
        planned = retarget(motion, rig, mapping)
        apply_motion(planned, armature, scene, action_name="walk", switches=preset.switches)
        bpy.context.view_layer.update()

    again()
    result["rigify again"] = {"seconds": least(again)}
    return result


common.run(main)
