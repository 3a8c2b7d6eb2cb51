# SPDX-License-Identifier: GPL-3.0-or-later
"""What the interface says of a result: counts, warnings, and where the movement is least sure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import state

if TYPE_CHECKING:
    import bpy

    from posecore import Motion
    from posecore.retargeting import Mapping, RigMotion

    from .bridge.actions import ApplyReport

__all__ = ["after_apply", "scene_frame", "worst_line", "worst_moment"]


def after_apply(clip: state.Clip, planned: RigMotion, result: ApplyReport, mapping: Mapping | None) -> state.Report:
    """The report of an Apply."""
    lines = [f"{result.frames} frames, {result.first:g} to {result.last:g}, {result.keys} keys"]
    if mapping is not None:
        coverage = mapping.coverage()
        mapped = sum(1 for line in coverage if line.bone)
        doubtful = sum(1 for line in coverage if line.state == "doubtful")
        line = f"{mapped} of {len(coverage)} parts of the body have a bone"
        lines.append(line + (f", {doubtful} of them doubtful" if doubtful else ""))
    warnings = [*map(str, result.warnings), *map(str, planned.notes.get("warnings", ()))]
    if clip.motion is not None:
        warnings += map(str, clip.motion.notes.get("warnings", ()))
    if result.stashed:
        lines.append(f"“{result.stashed}” is kept in a muted NLA track")
    return state.Report(f"Applied as “{result.action}”", lines, list(dict.fromkeys(warnings)))


def worst_moment(motion: Motion) -> tuple[float, float]:
    """(seconds since the first frame, confidence) where the joints that are ever seen were seen worst."""
    import numpy as np

    assert motion.confidence is not None
    seen = motion.confidence.max(axis=0) > 0
    mean = motion.confidence[:, seen].mean(axis=1) if seen.any() else np.zeros(len(motion))
    # the middle of the worst half second, not one bad frame at its edge
    width = max(1, round(0.25 * motion.rate))
    kernel = np.ones(width)
    smooth = np.convolve(mean, kernel, "same") / np.convolve(np.ones(len(mean)), kernel, "same")
    worst = int(np.argmin(smooth))
    return float(motion.times[worst] - motion.times[0]), float(mean[worst])


def worst_line(motion: Motion, frame: int, confidence: float) -> str:
    """What to say of the frame that was gone to."""
    assert motion.confidence is not None
    if float(motion.confidence.max() - motion.confidence.min()) < 1e-3:
        return f"Frame {frame}: every frame of this movement is equally sure"
    return f"Frame {frame}: confidence {confidence:.0%}, the lowest of the clip"


def scene_frame(scene: bpy.types.Scene, seconds: float) -> int:
    """The scene's frame of a moment of the movement."""
    fps = scene.render.fps / scene.render.fps_base
    return round(scene.posecore.apply.frame_start + seconds * fps)
