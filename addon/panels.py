# SPDX-License-Identifier: GPL-3.0-or-later
"""The sidebar tab "Mocap": Capture, Solve, Target, Apply. Drawing only: nothing in here changes or computes anything
beyond text."""

from __future__ import annotations

import textwrap
from typing import Any

import bpy

from . import live, settings, state
from .state import store

__all__ = ["CLASSES", "wrapped"]

_WARNINGS_SHOWN = 6


def wrapped(layout: Any, context: bpy.types.Context, text: str, icon: str = "NONE", alert: bool = False) -> None:
    """A text over as many lines as the sidebar's width needs."""
    region = context.region
    scale = context.preferences.system.ui_scale or 1.0  # 0 where there is no window
    width = (region.width if region else 300) / scale
    characters = max(20, int((width - (50 if icon != "NONE" else 30)) / 6.5))
    column = layout.column(align=True)
    column.alert = alert
    column.scale_y = 0.8
    for place, line in enumerate(textwrap.wrap(text, characters) or [""]):
        column.label(text=line, icon=icon if place == 0 else "BLANK1" if icon != "NONE" else "NONE")


def _clock(seconds: float) -> str:
    whole = round(seconds)
    hours, minutes = whole // 3600, whole % 3600 // 60
    return f"{hours}:{minutes:02d}:{whole % 60:02d}" if hours else f"{minutes}:{whole % 60:02d}"


class _MocapPanel:
    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = "Mocap"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return context.scene is not None

    def columns(self) -> Any:
        """The layout, names left and values right."""
        layout = self.layout  # type: ignore[attr-defined]
        layout.use_property_split = True
        layout.use_property_decorate = False
        return layout


class POSECORE_PT_capture(_MocapPanel, bpy.types.Panel):
    """Where the movement comes from."""

    bl_idname = "POSECORE_PT_capture"
    bl_label = "Capture"
    bl_order = 0

    def draw(self, context: bpy.types.Context) -> None:
        """See the class."""
        scene = context.scene
        live.warm_up(scene)
        layout = self.columns()
        values, clip = scene.posecore.capture, state.clip(scene)
        layout.prop(values, "source", text="")
        self._draw_source(layout, context, clip)
        kind = clip.info.kind if clip.info is not None else ""
        if kind in ("video", "images"):
            self._draw_options(layout, values, kind)
        if store.job is not None:
            self._draw_job(layout)
        elif kind in ("video", "images", ""):
            row = layout.row()
            row.scale_y = 1.4
            row.operator("posecore.analyse", icon="VIEW_CAMERA")
        if clip.message:
            alert = clip.message_icon == "ERROR"
            wrapped(layout, context, clip.message, clip.message_icon, alert)
        if len(clip.takes) > 1:
            layout.prop(values, "person")
        for text in clip.capture_warnings[:_WARNINGS_SHOWN]:
            wrapped(layout, context, text, "ERROR")

    def _draw_source(self, layout: Any, context: bpy.types.Context, clip: state.Clip) -> None:
        if clip.error:
            wrapped(layout, context, clip.error, "ERROR", alert=True)
        elif clip.info is not None:
            wrapped(layout, context, clip.info.text, "INFO")
            for text in clip.info.warnings[:_WARNINGS_SHOWN]:
                wrapped(layout, context, text, "ERROR")
        elif clip.source:
            layout.label(text="Looking into it …", icon="TIME")
        else:
            wrapped(layout, context, "A video, pictures, a Take, or an AMASS-style .npz")

    def _draw_options(self, layout: Any, values: Any, kind: str) -> None:
        column = layout.column()
        column.enabled = store.job is None
        column.prop(values, "estimator")
        if "all" in (store.hello.get("people") or ()):  # where the worker can follow more than one
            column.prop(values, "people")
        if kind == "images":
            column.prop(values, "image_rate")
        column.prop(values, "use_range")
        if values.use_range:
            row = column.row(align=True)
            row.prop(values, "first_frame", text="Frames")
            row.prop(values, "last_frame", text="")

    def _draw_job(self, layout: Any) -> None:
        job = store.job
        assert job is not None
        known = store.client
        column = layout.column(align=True)
        if job.cancelling:
            text = "Stopping …"
        elif known is not None and known.state == "starting":
            text = "Starting the worker …"
        elif not job.done:
            text = "Loading the networks …"
        else:
            text = f"{job.done} of {job.total} frames" if job.total else f"{job.done} frames"
        column.progress(factor=job.factor, type="BAR", text=text)
        left = f", {_clock(job.left)} left" if job.left is not None else ""
        column.label(text=f"{job.fps:.1f} frames/s{left}" if job.fps else "")
        layout.operator("posecore.cancel", icon="CANCEL")


class POSECORE_PT_solve(_MocapPanel, bpy.types.Panel):
    """Sliders that solve anew at once."""

    bl_idname = "POSECORE_PT_solve"
    bl_label = "Solve"
    bl_order = 1

    def draw(self, context: bpy.types.Context) -> None:
        """See the class."""
        layout = self.columns()
        values, clip = context.scene.posecore.solve, state.clip(context.scene)
        if clip.info is not None and clip.info.kind == "motion":
            wrapped(layout, context, "A finished movement: only In Place changes it", "INFO")
            layout.prop(values, "in_place")
        else:
            layout.prop(values, "smoothing", slider=True)
            layout.prop(values, "ground")
            layout.prop(values, "in_place")
            layout.prop(values, "height")
            if settings.body_height(context.scene) is None:
                row = layout.row()
                row.alignment = "RIGHT"
                row.label(text=_observed_height(clip))
        self._draw_state(layout, context, clip)

    def _draw_state(self, layout: Any, context: bpy.types.Context, clip: state.Clip) -> None:
        if clip.solve_error:
            wrapped(layout, context, clip.solve_error, "ERROR", alert=True)
        elif store.tasks.pending("live"):
            layout.label(text="Solving …", icon="TIME")
        elif clip.motion is not None:
            layout.label(text=f"{len(clip.motion)} frames, solved in {clip.solve_seconds:.2f} s", icon="CHECKMARK")


def _observed_height(clip: state.Clip) -> str:
    height = clip.motion.notes.get("height") if clip.motion is not None else None
    return f"as observed: {height:.2f} m" if isinstance(height, float) else "as observed"


class POSECORE_PT_fine(_MocapPanel, bpy.types.Panel):
    """What is seldom needed."""

    bl_idname = "POSECORE_PT_fine"
    bl_label = "Fine Tuning"
    bl_parent_id = "POSECORE_PT_solve"
    bl_options = {"DEFAULT_CLOSED"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """A finished movement has nothing to tune."""
        if context.scene is None:
            return False
        info = state.clip(context.scene).info
        return info is None or info.kind != "motion"

    def draw(self, context: bpy.types.Context) -> None:
        """See the class."""
        layout = self.columns()
        values = context.scene.posecore.solve
        layout.prop(values, "joint_limits", slider=True)
        layout.prop(values, "remove_spikes")
        layout.prop(values, "level_camera")
        column = layout.column()
        column.enabled = not values.level_camera
        column.prop(values, "camera_pitch")
        layout.prop(values, "camera_roll")
        layout.operator("posecore.reset_solve", icon="LOOP_BACK")


class POSECORE_UL_bones(bpy.types.UIList):
    """One line a part of the body: how sure, which bone."""

    ICONS = {"mapped": "CHECKMARK", "doubtful": "QUESTION", "unmapped": "REMOVE", "required": "ERROR"}

    def draw_item(self, context, layout, data, item, icon, active_data, active_property, index=0, flt_flag=0):
        """See the class."""
        split = layout.split(factor=0.5)
        name = split.row()
        name.alert = item.state == "required"
        name.label(text=item.title, icon=self.ICONS.get(item.state, "NONE"))
        row = split.row()
        row.alert = item.state == "required"
        row.label(text=item.bone or ("needed" if item.state == "required" else "–"))
        if item.bone and item.confidence < 0.995:
            number = row.row()
            number.ui_units_x = 2.2
            number.alignment = "RIGHT"
            number.label(text=f"{item.confidence:.0%}")


class POSECORE_PT_target(_MocapPanel, bpy.types.Panel):
    """Which rig moves, and which of its bones is what."""

    bl_idname = "POSECORE_PT_target"
    bl_label = "Target"
    bl_order = 2

    def draw(self, context: bpy.types.Context) -> None:
        """See the class."""
        layout = self.columns()
        target, clip = context.scene.posecore.target, state.clip(context.scene)
        row = layout.row()
        row.use_property_split = False
        row.prop(target, "kind", expand=True)
        if target.kind == "NEW":
            wrapped(layout, context, "Apply makes a new armature with the proportions of the person", "INFO")
            layout.prop(target, "travel")
            return
        if target.kind == "BODY":
            wrapped(layout, context, "Apply makes an armature with a skinned body in the shape of the person", "INFO")
            return
        row = layout.row(align=True)
        row.prop(target, "armature", text="")
        row.operator("posecore.use_active", text="", icon="RESTRICT_SELECT_OFF")
        if clip.target_error:
            wrapped(layout, context, clip.target_error, "ERROR", alert=True)
        if target.armature is None:
            return
        layout.prop(target, "preset")
        self._draw_bones(layout, context, target)
        layout.prop(target, "travel")
        layout.prop(target, "lock_feet")

    def _draw_bones(self, layout: Any, context: bpy.types.Context, target: Any) -> None:
        mapping = settings.mapping_of(context.scene)
        if mapping is not None:
            coverage = mapping.coverage()
            mapped = sum(1 for line in coverage if line.bone)
            doubtful = sum(1 for line in coverage if line.state == "doubtful")
            source = f" by preset {mapping.preset}" if mapping.preset else ""
            text = f"{mapped} of {len(coverage)} mapped{source}" + (f", {doubtful} doubtful" if doubtful else "")
            wrapped(layout, context, text, "ARMATURE_DATA")
            layout.template_list("POSECORE_UL_bones", "", target, "bones", target, "active_bone", rows=6)
            if 0 <= target.active_bone < len(target.bones):
                self._draw_bone(layout, context, target.bones[target.active_bone], target.armature)
            for text in mapping.warnings[:_WARNINGS_SHOWN]:
                wrapped(layout, context, text, "ERROR")
        row = layout.row(align=True)
        row.operator("posecore.map_bones", icon="FILE_REFRESH")
        row.operator("posecore.save_preset", text="", icon="FILE_TICK")
        row.operator("posecore.load_preset", text="", icon="FILE_FOLDER")

    def _draw_bone(self, layout: Any, context: bpy.types.Context, item: Any, armature: bpy.types.Object) -> None:
        """The chosen line, to be changed."""
        column = layout.column()
        column.alert = item.state == "required"
        column.prop_search(item, "bone", armature.data, "bones", text=item.title)
        if item.bone:
            wrapped(layout, context, f"{item.state}, {item.confidence:.0%} sure: {item.reason or 'no reason given'}")
        else:
            wrapped(
                layout, context, "needed: choose a bone" if item.state == "required" else "not needed, may stay empty"
            )


class POSECORE_PT_apply(_MocapPanel, bpy.types.Panel):
    """Keys on the rig."""

    bl_idname = "POSECORE_PT_apply"
    bl_label = "Apply"
    bl_order = 3

    def draw(self, context: bpy.types.Context) -> None:
        """See the class."""
        layout = self.columns()
        values, clip = context.scene.posecore.apply, state.clip(context.scene)
        layout.prop(values, "frame_start")
        layout.prop(values, "rate")
        layout.prop(values, "action_name")
        layout.prop(values, "live")
        row = layout.row()
        row.scale_y = 1.6
        row.operator("posecore.apply", icon="ACTION")
        if clip.report is not None:
            self._draw_report(layout.box(), context, clip.report)
        layout.operator("posecore.go_to_worst", icon="VIEWZOOM")

    def _draw_report(self, box: Any, context: bpy.types.Context, report: state.Report) -> None:
        wrapped(box, context, report.title, "ERROR" if report.failed else "CHECKMARK")
        for text in report.lines:
            wrapped(box, context, text)
        for text in report.warnings[:_WARNINGS_SHOWN]:
            wrapped(box, context, text, "ERROR")
        if len(report.warnings) > _WARNINGS_SHOWN:
            box.label(text=f"… and {len(report.warnings) - _WARNINGS_SHOWN} more warnings")


CLASSES = (
    POSECORE_UL_bones,
    POSECORE_PT_capture,
    POSECORE_PT_solve,
    POSECORE_PT_fine,
    POSECORE_PT_target,
    POSECORE_PT_apply,
)
