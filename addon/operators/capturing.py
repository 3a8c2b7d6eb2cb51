# SPDX-License-Identifier: GPL-3.0-or-later
"""Choosing a source, analysing it, stopping."""

# No postponed annotations here: Blender reads them.

import bpy
from bpy.props import StringProperty
from bpy_extras.io_utils import ImportHelper

from .. import jobs, live, state, timers
from ..state import store
from .common import attempt, need

__all__ = ["CLASSES"]

_SUFFIXES = ".mp4;.mov;.avi;.mkv;.webm;.m4v;.mpg;.mpeg;.wmv;.npz"


class POSECORE_OT_choose_source(bpy.types.Operator, ImportHelper):
    """Choose a video, a picture of a sequence, a Take or an AMASS-style .npz"""

    bl_idname = "posecore.choose_source"
    bl_label = "Choose Source"
    bl_options = {"REGISTER", "UNDO"}

    filepath: StringProperty(name="File", description="The source", subtype="FILE_PATH", options={"SKIP_SAVE"})
    filter_glob: StringProperty(
        default="*" + _SUFFIXES.replace(";", ";*") + ";*.bvh;*.png;*.jpg;*.jpeg;*.tif;*.tiff;*.webp;*.bmp",
        options={"HIDDEN"},
    )

    def invoke(self, context, event):
        """A dropped file is taken at once; the button opens a file browser."""
        if self.filepath:
            return self.execute(context)
        return ImportHelper.invoke(self, context, event)

    def execute(self, context):
        """See the class."""
        if not self.filepath:
            self.report({"ERROR"}, "no file chosen")
            return {"CANCELLED"}
        before = context.scene.posecore.capture.source
        context.scene.posecore.capture.source = self.filepath
        clip = state.clip(context.scene)
        if clip.error:
            context.scene.posecore.capture.source = before
            self.report({"ERROR"}, clip.error)
            return {"CANCELLED"}
        self.report({"INFO"}, clip.info.text if clip.info else f"Source: {self.filepath}")
        return {"FINISHED"}


class POSECORE_OT_analyse(bpy.types.Operator):
    """Find the person in every frame of the source. Runs beside Blender; ESC stops it"""

    bl_idname = "posecore.analyse"
    bl_label = "Analyse"
    bl_options = {"REGISTER"}

    @classmethod
    def poll(cls, context):
        """Needs a readable video or pictures, and no analysis under way."""
        if context.scene is None:
            return need(cls, "There is no scene")
        clip = state.clip(context.scene)
        if store.job is not None:
            return need(cls, "An analysis is under way; wait for it or cancel it")
        if not context.scene.posecore.capture.source:
            return need(cls, "Choose a source first")
        if clip.error:
            return need(cls, clip.error)
        if clip.info is not None and clip.info.kind in ("take", "motion"):
            return need(cls, "This source holds a movement already; go on with Solve, Target and Apply")
        return True

    def invoke(self, context, event):
        """From the button: starts it, the panel shows how it goes."""
        if bpy.app.background:
            return self.execute(context)
        return attempt(
            self, lambda: "Analysis started; ESC stops it" if jobs.analyse_in_background(context) else "Analysed before"
        )

    def execute(self, context):
        """From a script: waits for the end."""
        manager = context.window_manager
        manager.progress_begin(0, 1000)

        def progress(done, total):
            manager.progress_update(round(1000 * done / total) if total else 0)

        def work():
            jobs.analyse_blocking(context, progress)
            clip = state.clip(context.scene)
            for text in clip.capture_warnings:
                self.report({"WARNING"}, text)
            people = f", {len(clip.takes)} people" if len(clip.takes) > 1 else ""
            return f"Analysed: {len(clip.motion) if clip.motion else 0} frames{people}"

        try:
            return attempt(self, work)
        finally:
            manager.progress_end()


class POSECORE_OT_cancel(bpy.types.Operator):
    """Stop the analysis; the scene stays as it was"""

    bl_idname = "posecore.cancel"
    bl_label = "Cancel"
    bl_options = {"INTERNAL"}

    @classmethod
    def poll(cls, context):
        """Needs an analysis under way."""
        if store.job is None or store.job.cancelling:
            return need(cls, "No analysis is under way")
        return True

    def execute(self, context):
        """See the class."""
        jobs.cancel()
        timers.ensure()
        timers.redraw()
        self.report({"INFO"}, "Stopping the analysis")
        return {"FINISHED"}


class POSECORE_FH_source(bpy.types.FileHandler):
    """Drop a video or an .npz on the 3D view while the Mocap tab is open."""

    bl_idname = "POSECORE_FH_source"
    bl_label = "Mocap Source"
    bl_import_operator = "posecore.choose_source"
    bl_file_extensions = _SUFFIXES

    @classmethod
    def poll_drop(cls, context):
        """Only where our tab is in front: other drops keep their meaning."""
        area = context.area
        if area is None or area.type != "VIEW_3D" or not area.spaces.active.show_region_ui:
            return False
        sidebar = next((region for region in area.regions if region.type == "UI"), None)
        return getattr(sidebar, "active_panel_category", "") == "Mocap"


class POSECORE_OT_reset_solve(bpy.types.Operator):
    """Set all sliders of Solve back"""

    bl_idname = "posecore.reset_solve"
    bl_label = "Reset Sliders"
    bl_options = {"REGISTER", "UNDO"}

    def execute(self, context):
        """See the class."""
        values = context.scene.posecore.solve
        names = [name for name, known in values.bl_rna.properties.items() if hasattr(known, "default")]
        changed = [name for name in names if name != "name" and values.is_property_set(name)]
        for name in changed:
            values.property_unset(name)
        live.request(context.scene)
        self.report({"INFO"}, f"{len(changed)} settings set back" if changed else "All settings are at their defaults")
        return {"FINISHED"} if changed else {"CANCELLED"}


CLASSES = (
    POSECORE_OT_choose_source,
    POSECORE_OT_analyse,
    POSECORE_OT_cancel,
    POSECORE_OT_reset_solve,
    POSECORE_FH_source,
)
