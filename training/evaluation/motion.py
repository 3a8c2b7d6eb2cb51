"""Held-out CMU motion under virtual cameras, by action: a stand-in for a benchmark's videos. Needs no pictures."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from posecore.capturing.lifting import Lifter
from posecore.capturing.temporal import refine
from posecore.errors import PosecoreError
from training.motion_data import read_clips
from training.noise import NoiseStatistics
from training.pose_samples import MotionPool, draw_scenes
from training.splits import clip_subject

__all__ = ["METHODS", "Seen", "action_of", "see_held_out", "solved"]

Array = NDArray[np.float32]

METHODS = ("lifter", "lifter:online", "lifter:semi-online")
_RATE = 30.0


@dataclass(frozen=True)
class Seen:
    """S scenes of T frames of held-out clips.

    Attributes:
        keypoints: (S, T, 21, 2) with the 2D net's errors, confidence: (S, T, 21).
        joints: (S, T, 21, 3) m, the truth, pelvis at 0, ray frame, canonical size.
        actions: (S,) text.
    """

    keypoints: Array
    confidence: Array
    joints: Array
    actions: NDArray[np.str_]


def action_of(description: str) -> str:
    """A clip's action from its description: what stands before the first comma or dash, in small letters."""
    return re.split(r"[,–]| - ", description)[0].strip().lower() or "unnamed"


def see_held_out(data: Path, noise: Path, per_clip: int = 2, frames: int = 60, seed: int = 2024) -> Seen:
    """Every clip of the held-out subjects ``per_clip`` times, with its own camera and errors; always the same.

    Raises:
        SourceError: there is no CMU motion in ``data``.
    """
    statistics = NoiseStatistics.load(noise)
    names = _descriptions(Path(data) / "mocap_cmu" / "clips.csv")
    rng = np.random.default_rng(seed)
    scenes, actions = [], []
    for clip in read_clips(data, "validation"):
        pool = MotionPool([clip], own_bodies=True)
        scenes.append(draw_scenes(rng, pool, statistics, per_clip, frames, rate=_RATE, augment=False))
        name = clip.name.split("#")[0]
        actions += [action_of(names.get(name, "")) if names else f"subject {clip_subject(name)}"] * per_clip
    if not scenes:
        raise PosecoreError(f"{data}: no clips of held-out subjects")
    keypoints, confidence, joints = (
        np.concatenate([getattr(scene, part) for scene in scenes]) for part in ("keypoints", "confidence", "joints")
    )
    return Seen(keypoints, confidence, joints, np.array(actions))


def _descriptions(table: Path) -> dict[str, str]:
    if not table.exists():
        return {}
    with open(table, newline="", encoding="utf-8") as stream:
        return {row["clip"]: row["description"] for row in csv.DictReader(stream)}


def solved(seen: Seen, methods: Sequence[str] = METHODS) -> dict[str, Array]:
    """What the shipped nets make of it: method → (S, T, 21, 3) m.

    Raises:
        PosecoreError: a method that is not of :data:`METHODS`.
    """
    unknown = set(methods) - set(METHODS)
    if unknown:
        raise PosecoreError(f"{', '.join(sorted(unknown))}: not for motion; choose of {', '.join(METHODS)}")
    lifted = Lifter(provider="cpu")(seen.keypoints, seen.confidence)
    times = np.arange(lifted.shape[1]) / _RATE
    found = {}
    for method in methods:
        mode = method.partition(":")[2] or "off"
        found[method] = np.stack([refine(times, scene, mode, provider="cpu") for scene in lifted])
    return found
