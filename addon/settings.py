# SPDX-License-Identifier: GPL-3.0-or-later
"""The scene's properties as the library's own settings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import paths, state
from .workflow import ApplyOptions, CaptureOptions

if TYPE_CHECKING:
    import bpy

    from posecore import SolveSettings
    from posecore.retargeting import Mapping, RetargetSettings

__all__ = ["apply_options", "body_height", "capture_options", "mapping_of", "retarget_settings", "solve_settings"]


def capture_options(context: bpy.types.Context, scene: bpy.types.Scene) -> CaptureOptions:
    """What Analyse sends to the worker. Frames become seconds here, half a frame to either side."""
    values = scene.posecore.capture
    info = state.clip(scene).info
    start = stop = rate = None
    if info is not None and info.kind == "images":
        rate = values.image_rate
    if values.use_range:
        per_second = rate or (info.rate if info is not None else 30.0)
        start = max(0.0, (values.first_frame - 0.5) / per_second)
        stop = (max(values.last_frame, values.first_frame) + 0.5) / per_second
    chosen = paths.preferences(context)
    return CaptureOptions(
        source=state.clip(scene).source or source_path(scene),
        estimator=values.estimator or "auto",
        provider=chosen.provider,
        start=start,
        stop=stop,
        rate=rate,
        people=values.people,
        temporal=chosen.temporal,
    )


def source_path(scene: bpy.types.Scene) -> str:
    """The chosen source as a whole path; one picture of a numbered row stands for the row."""
    from .sources import whole_sequence

    return whole_sequence(paths.absolute(scene.posecore.capture.source))


def body_height(scene: bpy.types.Scene) -> float | None:
    """Metres, or None for "as observed": 0, or nothing that a person can have."""
    height = scene.posecore.solve.height * scene.unit_settings.scale_length
    return None if height < 0.3 else min(height, 3.0)


def solve_settings(scene: bpy.types.Scene) -> SolveSettings:
    """The sliders."""
    from posecore import SolveSettings

    values = scene.posecore.solve
    return SolveSettings(
        smoothing=values.smoothing,
        height=body_height(scene),
        ground=values.ground,
        in_place=values.in_place,
        camera_pitch=None if values.level_camera else values.camera_pitch,
        camera_roll=values.camera_roll,
        joint_limits=values.joint_limits,
        remove_spikes=values.remove_spikes,
    )


def retarget_settings(scene: bpy.types.Scene) -> RetargetSettings:
    """How the movement goes onto the rig."""
    from posecore.retargeting import RetargetSettings

    target = scene.posecore.target
    return RetargetSettings(travel=target.travel, in_place=scene.posecore.solve.in_place, lock_feet=target.lock_feet)


def apply_options(scene: bpy.types.Scene, **changes: Any) -> ApplyOptions:
    """How it is keyed."""
    values = scene.posecore.apply
    options: dict[str, Any] = {
        "frame_start": float(values.frame_start),
        "rate": values.rate,
        "action_name": values.action_name.strip(),
    }
    return ApplyOptions(**{**options, **changes})


def mapping_of(scene: bpy.types.Scene) -> Mapping | None:
    """The mapping kept in the scene, with what the user chose; None before there is one."""
    import json

    from posecore.retargeting import Mapping

    text = scene.posecore.target.mapping
    try:
        return Mapping.from_dict(json.loads(text)) if text else None
    except (ValueError, KeyError, TypeError):  # written by another version: it is made anew
        return None
