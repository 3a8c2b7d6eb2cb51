# SPDX-License-Identifier: GPL-3.0-or-later
"""Keys on the rig, and finding the place to look at afterwards."""

# No postponed annotations here: Blender reads them.

import bpy

from .. import live, reports, state, targets
from .common import attempt, need

__all__ = ["CLASSES"]


class POSECORE_OT_apply(bpy.types.Operator):
    """Put the movement on the target as a new action; the old action is kept"""

    bl_idname = "posecore.apply"
    bl_label = "Apply"
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context):
        """Needs a movement and a target."""
        if context.scene is None:
            return need(cls, "There is no scene")
        clip, target = state.clip(context.scene), context.scene.posecore.target
        if not clip.takes and not (clip.info is not None and clip.info.kind == "motion"):
            return need(cls, clip.error or "There is no movement yet: choose a source and press Analyse")
        if target.kind in targets.MADE:
            return True
        if target.armature is None:
            return need(cls, "Choose an armature under Target, or a new one")
        if target.armature.mode == "EDIT":
            return need(cls, f"Leave edit mode of {target.armature.name} first")
        if clip.target_error:
            return need(cls, clip.target_error)
        lacking = [item.title for item in target.bones if item.state == "required"]
        if lacking:
            return need(cls, f"Choose a bone for {', '.join(lacking)} first")
        return True

    def execute(self, context):
        """See the class."""

        def work():
            report = live.apply_now(context.scene)
            for text in report.warnings[:3]:
                self.report({"WARNING"}, text)
            count = len(report.warnings)
            more = f"; {count} warning{'s' if count != 1 else ''}" if count else ""
            return f"{report.title}: {report.lines[0]}{more}"

        return attempt(self, work)


class POSECORE_OT_go_to_worst(bpy.types.Operator):
    """Go to the frame where the person was seen worst: look there first"""

    bl_idname = "posecore.go_to_worst"
    bl_label = "Go to Worst Frame"
    bl_options = {"REGISTER"}

    @classmethod
    def poll(cls, context):
        """Needs a movement."""
        if context.scene is None or state.clip(context.scene).motion is None:
            return need(cls, "There is no movement yet")
        return True

    def execute(self, context):
        """See the class."""

        def work():
            motion = state.clip(context.scene).motion
            seconds, confidence = reports.worst_moment(motion)
            frame = reports.scene_frame(context.scene, seconds)
            context.scene.frame_set(frame)
            return reports.worst_line(motion, frame, confidence)

        return attempt(self, work)


CLASSES = (POSECORE_OT_apply, POSECORE_OT_go_to_worst)
