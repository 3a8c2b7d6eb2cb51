# SPDX-License-Identifier: GPL-3.0-or-later
"""The worker's self-test and restart; the cache."""

# No postponed annotations here: Blender reads them.

import bpy

from .. import jobs, live, paths, preferences, state, takes_cache
from ..state import store
from .common import attempt, need

__all__ = ["CLASSES"]


class POSECORE_OT_self_test(bpy.types.Operator):
    """Have the worker load every network and run it on a picture"""

    bl_idname = "posecore.self_test"
    bl_label = "Self-Test"
    bl_options = {"INTERNAL"}

    @classmethod
    def poll(cls, context):
        """Not while the worker works."""
        if store.self_test is not None or store.job is not None:
            return need(cls, "The worker is at work; wait for it")
        return True

    def invoke(self, context, event):
        """From the button: the answer shows beside it."""
        if bpy.app.background:
            return self.execute(context)

        def work():
            jobs.self_test(context)
            return "Testing the worker"

        return attempt(self, work)

    def execute(self, context):
        """From a script: waits for the answer."""

        def work():
            jobs.self_test(context)
            jobs.wait_for_self_test()
            return f"Self-test {store.self_test_text}"

        result = attempt(self, work)
        return result if store.self_test_text.startswith("passed") else {"CANCELLED"}


class POSECORE_OT_restart_worker(bpy.types.Operator):
    """End the worker process, and an analysis with it, and start a new one"""

    bl_idname = "posecore.restart_worker"
    bl_label = "Restart Worker"
    bl_options = {"INTERNAL"}

    def execute(self, context):
        """See the class."""

        def work():
            jobs.restart(context)
            return "The worker was restarted"

        return attempt(self, work)


class POSECORE_OT_measure_cache(bpy.types.Operator):
    """Find out how much is kept"""

    bl_idname = "posecore.measure_cache"
    bl_label = "Measure Cache"
    bl_options = {"INTERNAL"}

    def execute(self, context):
        """See the class."""
        return attempt(self, lambda: preferences.measure_cache(context))


class POSECORE_OT_open_cache(bpy.types.Operator):
    """Show the folder of analysed clips"""

    bl_idname = "posecore.open_cache"
    bl_label = "Open Folder"
    bl_options = {"INTERNAL"}

    def execute(self, context):
        """See the class."""
        folder = paths.cache_folder(context)
        folder.mkdir(parents=True, exist_ok=True)
        bpy.ops.wm.path_open(filepath=str(folder))
        self.report({"INFO"}, str(folder))
        return {"FINISHED"}


class POSECORE_OT_clear_cache(bpy.types.Operator):
    """Delete all analysed clips. Scenes that use them must analyse again"""

    bl_idname = "posecore.clear_cache"
    bl_label = "Clear"
    bl_options = {"INTERNAL"}

    @classmethod
    def poll(cls, context):
        """Not while a clip is being written there."""
        if store.job is not None:
            return need(cls, "An analysis is under way; wait for it or cancel it")
        return True

    def invoke(self, context, event):
        """Ask first: it cannot be undone."""
        return context.window_manager.invoke_confirm(self, event)

    def execute(self, context):
        """See the class."""

        def work():
            count = takes_cache.clear(paths.cache_folder(context))
            preferences.measure_cache(context)
            for scene in bpy.data.scenes:
                if state.clip(scene).takes:
                    live.source_changed(scene)
            return f"{count} analysed clips deleted"

        return attempt(self, work)


CLASSES = (
    POSECORE_OT_self_test,
    POSECORE_OT_restart_worker,
    POSECORE_OT_measure_cache,
    POSECORE_OT_open_cache,
    POSECORE_OT_clear_cache,
)
