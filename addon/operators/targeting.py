# SPDX-License-Identifier: GPL-3.0-or-later
"""Mapping the target's bones; presets of one's own."""

# No postponed annotations here: Blender reads them.

from pathlib import Path

import bpy
from bpy.props import StringProperty
from bpy_extras.io_utils import ImportHelper

from .. import live, paths, settings, state, targets, timers
from .common import attempt, need

__all__ = ["CLASSES"]


class POSECORE_OT_map_bones(bpy.types.Operator):
    """Find out anew which bone plays which part; what was chosen by hand goes"""

    bl_idname = "posecore.map_bones"
    bl_label = "Map Bones"
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context):
        """Needs an armature."""
        if context.scene is None or context.scene.posecore.target.armature is None:
            return need(cls, "Choose an armature first")
        return True

    def execute(self, context):
        """See the class."""

        def work():
            mapping = targets.map_scene(context.scene)
            live.request(context.scene)
            for text in mapping.warnings:
                self.report({"WARNING"}, text)
            return targets.summary(mapping)

        return attempt(self, work)


class POSECORE_OT_use_active(bpy.types.Operator):
    """Take the selected armature (or the one that the selected character is bound to) as the target"""

    bl_idname = "posecore.use_active"
    bl_label = "Use Selected"
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context):
        """Needs an armature, or an object bound to one."""
        if _armature_of(context.object) is None:
            return need(cls, "Select an armature, or a character that is bound to one")
        return True

    def execute(self, context):
        """See the class."""
        target = context.scene.posecore.target
        target.kind = "ARMATURE"
        target.armature = _armature_of(context.object)
        clip = state.clip(context.scene)
        if clip.target_error:
            self.report({"WARNING"}, clip.target_error)
            return {"FINISHED"}
        mapping = settings.mapping_of(context.scene)
        self.report({"INFO"}, targets.summary(mapping) if mapping else f"Target: {target.armature.name}")
        return {"FINISHED"}


def _armature_of(thing):
    if thing is None or thing.type == "ARMATURE":
        return thing
    found = thing.find_armature()
    return found if found is not None else thing.parent if thing.parent and thing.parent.type == "ARMATURE" else None


class POSECORE_OT_save_preset(bpy.types.Operator):
    """Keep this list of bones as a preset of your own, for every rig with the same names"""

    bl_idname = "posecore.save_preset"
    bl_label = "Save Preset"
    bl_options = {"REGISTER"}

    title: StringProperty(name="Name", description="How the chooser shows it", default="My Rig")

    @classmethod
    def poll(cls, context):
        """Needs a mapping."""
        if context.scene is None or not context.scene.posecore.target.mapping:
            return need(cls, "Choose an armature first; its mapping is what a preset keeps")
        return True

    def invoke(self, context, event):
        """Ask for the name."""
        return context.window_manager.invoke_props_dialog(self)

    def execute(self, context):
        """See the class."""
        return attempt(self, lambda: f"Preset written: {targets.save_preset(context.scene, self.title)}")


class POSECORE_OT_load_preset(bpy.types.Operator, ImportHelper):
    """Add a preset file (.json) from elsewhere to your own, and use it"""

    bl_idname = "posecore.load_preset"
    bl_label = "Load Preset"
    bl_options = {"REGISTER", "UNDO"}

    filter_glob: StringProperty(default="*.json", options={"HIDDEN"})

    def execute(self, context):
        """See the class."""

        def work():
            name, title = targets.add_preset(Path(self.filepath))
            context.scene.posecore.target.preset = name
            return f"Preset “{title}” added to {paths.presets_folder()}"

        result = attempt(self, work)
        timers.redraw()
        return result


CLASSES = (POSECORE_OT_map_bones, POSECORE_OT_use_active, POSECORE_OT_save_preset, POSECORE_OT_load_preset)
