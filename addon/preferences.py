# SPDX-License-Identifier: GPL-3.0-or-later
"""Edit → Preferences → Add-ons: where the networks run, the worker and its self-test, the cache."""

# No postponed annotations here: Blender reads them.

from typing import Any

import bpy
from bpy.props import EnumProperty, StringProperty

from . import paths, takes_cache
from .state import store

__all__ = ["CLASSES", "PosecorePreferences", "measure_cache"]


class PosecorePreferences(bpy.types.AddonPreferences):
    """Settings of the machine rather than of a scene."""

    bl_idname = paths.PACKAGE

    provider: EnumProperty(
        name="Run On",
        description="Where the networks run",
        items=[
            ("auto", "Automatic", "The fastest that works"),
            ("cpu", "Processor", "The processor: works everywhere"),
            ("cuda", "NVIDIA (CUDA)", "Needs a Python with posecore[gpu] in it, chosen below"),
            ("directml", "DirectML", "Graphics cards on Windows; needs the extension's DirectML zip"),
            ("coreml", "CoreML", "Apple's own, on macOS"),
        ],
    )
    temporal: EnumProperty(
        name="Refine Over Time",
        description="Refine each pose by those around it",
        items=[
            ("online", "By Earlier Frames", "By the frames before"),
            ("semi-online", "By Both Sides", "By the frames before and after"),
            ("off", "Off", "Each frame for itself"),
        ],
    )
    python: StringProperty(
        name="Python",
        description="Another Python for the worker, or the folder of its environment: one with posecore[gpu] in it "
        "for CUDA. Empty takes Blender's own",
        subtype="FILE_PATH",
    )
    weights: StringProperty(
        name="Weights",
        description="A folder with networks of your own. Empty takes the usual folder of posecore",
        subtype="DIR_PATH",
    )
    cache: StringProperty(
        name="Cache",
        description="Where analysed clips are kept. Empty takes the extension's own folder",
        subtype="DIR_PATH",
    )

    def draw(self, context: bpy.types.Context) -> None:
        """See the class."""
        layout = self.layout
        layout.use_property_split = True
        layout.use_property_decorate = False
        column = layout.column()
        column.prop(self, "provider")
        column.prop(self, "temporal")
        column.prop(self, "python")
        column.prop(self, "weights")
        self._draw_worker(layout.box())
        self._draw_cache(layout.box())

    def _draw_worker(self, box: Any) -> None:
        known = store.client
        state = known.state if known is not None else "stopped"
        words = {
            "stopped": "not running (it starts when needed)",
            "starting": "starting …",
            "ready": "ready",
            "busy": "working",
            "crashed": "crashed",
        }
        row = box.row()
        row.label(text=f"Worker: {words.get(state, state)}", icon="ERROR" if state == "crashed" else "SYSTEM")
        row.operator("posecore.self_test", icon="PLAY")
        row.operator("posecore.restart_worker", icon="FILE_REFRESH")
        if store.worker_text:
            box.label(text=store.worker_text, icon="ERROR")
        if store.self_test_text:
            box.label(text=f"Self-test {store.self_test_text}")
        about = store.hello
        if about:
            versions = ", ".join(
                f"{name} {about[name]}" for name in ("python", "posecore", "onnxruntime") if name in about
            )
            box.label(text=versions)
            providers = about.get("providers") or []
            names = ", ".join(str(one.get("name") if isinstance(one, dict) else one) for one in providers)
            box.label(text=f"Can run on: {names or 'nothing'}")
            for entry in about.get("estimators") or []:
                box.label(text=_estimator_line(entry), icon="DOT")

    def _draw_cache(self, box: Any) -> None:
        box.prop(self, "cache")
        row = box.row()
        row.label(text=store.cache_text or "Size unknown", icon="FILE_CACHE")
        row.operator("posecore.measure_cache", text="Measure", icon="FILE_REFRESH")
        row.operator("posecore.open_cache", icon="FILE_FOLDER")
        row.operator("posecore.clear_cache", icon="TRASH")


def _estimator_line(entry: Any) -> str:
    if not isinstance(entry, dict):
        return str(entry)
    rank = f", rank {entry['rank']:g}" if isinstance(entry.get("rank"), int | float) else ""
    licence = f", {entry['licence']}" if entry.get("licence") else ""
    return f"{entry.get('name')}{rank}{licence}" + (" (research only)" if entry.get("restricted") else "")


def measure_cache(context: bpy.types.Context) -> str:
    """The line on the cache's size, kept for drawing."""
    clips, size = takes_cache.size_of(paths.cache_folder(context))
    store.cache_text = f"{clips} analysed clip{'s' if clips != 1 else ''}, {_size(size)}"
    return store.cache_text


def _size(count: int) -> str:
    return f"{count / 1e6:.1f} MB" if count >= 1e5 else f"{count / 1e3:.0f} KB"


CLASSES = (PosecorePreferences,)
