# SPDX-License-Identifier: GPL-3.0-or-later
"""Seconds of a movement and frames of a scene."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from posecore.retargeting.rig_motion import RigMotion

__all__ = ["on_whole_frames", "scene_rate", "scene_times", "set_scene_rate"]

Array = NDArray[np.float64]

_NEAR = 1e-3  # frames: closer than this to a time stamp is on it


def scene_rate(scene: Any) -> float:
    """Frames a second."""
    return float(scene.render.fps / scene.render.fps_base)


def set_scene_rate(scene: Any, rate: float) -> None:
    """Give a scene ``rate`` frames a second, as Blender's presets do: 29.97 becomes 30 / 1.001."""
    scene.render.fps = max(1, round(rate))
    scene.render.fps_base = max(1, round(rate)) / rate


def scene_times(times: Array, rate: float, frame_start: float) -> tuple[Array, Array]:
    """The frames that a movement covers in a scene.

    Args:
        times: (T,) seconds. The first of them comes to lie on ``frame_start``.
        rate: of the scene, frames a second.
        frame_start: scene frame of the first moment.

    Returns:
        (N,) frames, one apart, and (N,) the moments shown there, in seconds of the movement.
    """
    lasts = float(times[-1] - times[0]) * rate
    steps = np.arange(int(np.floor(lasts + _NEAR)) + 1)
    return frame_start + steps, np.minimum(times[0] + steps / rate, times[-1])


def on_whole_frames(motion: RigMotion, moments: Array) -> tuple[Array, dict[str, Array]]:
    """The movement at given moments within it.

    Args:
        moments: (N,) seconds.

    Returns:
        (N, K, 4) rotations xyzw (slerp) and bone → (N, 3) locations (linear).
    """
    times, rotations = motion.times, np.asarray(motion.rotations, np.float64)
    places = np.interp(moments, times, np.arange(len(times), dtype=np.float64))
    nearest = np.round(places)
    places = np.where(np.abs(places - nearest) < _NEAR, nearest, places)
    left = np.clip(places.astype(int), 0, len(times) - 1)
    right = np.minimum(left + 1, len(times) - 1)
    part = (places - left)[:, None]
    locations = {
        bone: path[left] * (1 - part) + path[right] * part
        for bone, path in ((bone, np.asarray(path, np.float64)) for bone, path in motion.locations.items())
    }
    return _slerp(rotations[left], rotations[right], part[..., None]), locations


def _slerp(a: Array, b: Array, part: Array) -> Array:
    dots = (a * b).sum(-1, keepdims=True)
    b = np.where(dots < 0, -b, b)
    angle = np.arccos(np.clip(np.abs(dots), 0.0, 1.0))
    sine = np.sin(angle)
    close = sine < 1e-6
    safe = np.where(close, 1.0, sine)
    wa = np.where(close, 1 - part, np.sin((1 - part) * angle) / safe)
    wb = np.where(close, part, np.sin(part * angle) / safe)
    out = wa * a + wb * b
    found: Array = out / np.linalg.norm(out, axis=-1, keepdims=True)
    return found
