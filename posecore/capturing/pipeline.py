"""``capture``: frames in, Take out. Joins reading, following, repair and temporal refinement."""

from __future__ import annotations

import os
import threading
import time as clock
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from posecore.capturing import cleaning
from posecore.capturing.estimators import Box, Estimator, Pose
from posecore.capturing.flipping import FlipTest
from posecore.capturing.following import FollowSettings, Sighting, follow
from posecore.capturing.frames import FrameSource
from posecore.capturing.loading import choose_estimator, preferred_batch
from posecore.capturing.rays import ray_to_camera
from posecore.capturing.temporal import MODES, load_refiner, refine
from posecore.capturing.video import open_frames
from posecore.errors import Cancelled, NoPersonError, PosecoreError
from posecore.skeletons import BODY_21
from posecore.takes import Camera, Take

__all__ = ["Progress", "capture"]

#: Called with frames done, frames expected (or None) and frames per second so far.
Progress = Callable[[int, int | None, float], None]

# Frames in flight. Fixed, and not the number of cores: what is found must not depend on the machine.
_IN_FLIGHT = 2
# A keypoint below this confidence says nothing about where the person's outline is.
_OUTLINE = 0.2


def capture(
    source: str | os.PathLike[str],
    estimator: str | Estimator = "auto",
    people: str = "main",
    box: Box | None = None,
    provider: str = "auto",
    flip_test: bool = False,
    temporal: str = "online",
    start: float | None = None,
    stop: float | None = None,
    progress: Progress | None = None,
    cancel: threading.Event | None = None,
    rate: float | None = None,
    repair_swaps: bool = True,
) -> list[Take]:
    """Capture the people of a video or an image sequence.

    Args:
        source: see :func:`posecore.capturing.video.open_frames`.
        estimator: ``auto``, ``sapnet``, ``sapnet-free``, ``blazepose``, or an object that keeps the ``Estimator``
            protocol.
        people: ``main`` follows one person, the largest and most central; nothing else is known yet.
        box: (x, y, width, height) px of the person in the first frame; None searches.
        provider: ``auto``, ``cpu``, ``cuda``, ``directml`` or ``coreml``.
        flip_test: also estimate on the mirrored picture, and average.
        temporal: TP-Net ``online``, ``semi-online`` or ``off``.
        start, stop: seconds; frames with start <= time < stop.
        progress: called after every frame, in the calling thread.
        cancel: set it to stop early.
        rate: frames per second of an image sequence (default 30).
        repair_swaps: exchange left and right back where the network confused them for a while.

    Returns:
        One Take per person; frames in which nobody was seen have confidence 0.

    Raises:
        SourceError: the source cannot be read.
        NoPersonError: nobody was found in any frame.
        Cancelled: ``cancel`` was set; ``error.partial`` is the Take of the frames until then, or None.
        PosecoreError: an unknown option, missing weights or a missing provider.
    """
    _check(people, temporal, box)
    frames = open_frames(source, start, stop, rate)
    network, choice = choose_estimator(estimator, provider) if isinstance(estimator, str) else (estimator, "")
    refiner = load_refiner(temporal, provider)  # now: what is missing must not be found out after the heavy work
    if flip_test:
        network = FlipTest(network)
    track = _Track(choice)
    cancelled = _collect(track, frames, network, box, preferred_batch(provider), progress, cancel)
    if cancelled and not track.anyone:
        raise Cancelled("stopped before anybody was captured")
    if not track.anyone:
        raise NoPersonError(_nobody(frames, track, box))
    take = track.finish(frames, network, temporal, refiner, repair_swaps)
    if cancelled:
        error = Cancelled(f"stopped after {len(take)} frames")
        error.partial = take
        raise error
    return [take]


def _check(people: str, mode: str, box: Box | None) -> None:
    if people != "main":
        raise PosecoreError(f"--people {people}: unknown; choose main")
    if mode not in MODES:
        raise PosecoreError(f"--temporal {mode}: unknown; choose one of {', '.join(MODES)}")
    if box is not None and (len(box) != 4 or not np.isfinite(box).all() or min(box[2:]) <= 0):
        raise PosecoreError(f"--box {box}: give x, y, width and height in pixels, width and height above 0")


def _nobody(frames: FrameSource, track: _Track, box: Box | None) -> str:
    where = "" if box is None else " in or near the given box"
    remedy = "give --box x y width height" if box is None else "check the box, or leave it away"
    return f"{frames.path}: no person found{where} in {len(track.times)} frames; {remedy}"


def _collect(
    track: _Track,
    frames: FrameSource,
    network: Estimator,
    box: Box | None,
    batch: int,
    progress: Progress | None,
    cancel: threading.Event | None,
) -> bool:
    """Fill ``track``. Returns whether it was cancelled."""
    began = clock.perf_counter()
    sightings = follow(frames, network, box, FollowSettings(), _IN_FLIGHT, batch)
    try:
        for sighting in sightings:
            if cancel is not None and cancel.is_set():
                return True  # before it is added: an estimator that heard of the cancel may have cut it short
            track.add(sighting)
            if progress is not None:
                done = len(track.times)
                progress(done, frames.count, done / max(clock.perf_counter() - began, 1e-9))
            if cancel is not None and cancel.is_set():
                return True
    finally:
        sightings.close()
    return cancel is not None and cancel.is_set()


@dataclass
class _Track:
    """What was seen of one person, frame by frame: arrays in the making, no pictures."""

    choice: str
    times: list[float] = field(default_factory=list)
    frames: list[int] = field(default_factory=list)
    seen: list[bool] = field(default_factory=list)
    boxes: list[NDArray[np.float32]] = field(default_factory=list)
    keypoints: list[NDArray[np.float32]] = field(default_factory=list)
    confidence: list[NDArray[np.float32]] = field(default_factory=list)
    joints: list[NDArray[np.float32]] = field(default_factory=list)

    @property
    def anyone(self) -> bool:
        """Whether anybody was seen in any frame."""
        return any(self.seen)

    def add(self, sighting: Sighting) -> None:
        """Append one frame."""
        count = len(BODY_21)
        self.times.append(sighting.time)
        self.frames.append(sighting.index)
        pose = None if sighting.pose is None else _sane(sighting.pose)
        self.seen.append(pose is not None)
        if pose is None:
            self.boxes.append(np.zeros(4, np.float32))
            self.keypoints.append(np.zeros((count, 2), np.float32))
            self.confidence.append(np.zeros(count, np.float32))
            self.joints.append(np.zeros((count, 3), np.float32))
            return
        self.boxes.append(_outline(pose))
        self.keypoints.append(pose.keypoints)
        self.confidence.append(pose.confidence)
        self.joints.append(pose.joints)

    def finish(self, source: FrameSource, network: Estimator, mode: str, refiner: Any, repair_swaps: bool) -> Take:
        """The Take: gaps filled, left and right repaired, refined over time."""
        times, frames = np.array(self.times, np.float64), np.array(self.frames, np.int64)
        seen = np.array(self.seen)
        keypoints, confidence = cleaning.fill_gaps(times, np.stack(self.keypoints), np.stack(self.confidence))
        whole = seen.astype(np.float32)[:, None]
        boxes, _ = cleaning.fill_gaps(times, np.stack(self.boxes)[:, None], whole)
        flat = np.stack(self.joints).reshape(len(times), 1, -1)
        joints = cleaning.fill_gaps(times, flat, whole)[0].reshape(len(times), len(BODY_21), 3)
        notes: dict[str, Any] = {"frames_seen": int(seen.sum())}
        warnings = list(source.warnings)
        if not seen.all():
            warnings.append(f"{source.path}: nobody was seen in {int((~seen).sum())} of {len(seen)} frames")
        if repair_swaps:
            states = cleaning.find_swaps(times, keypoints, confidence)
            keypoints, confidence = (cleaning.apply_swaps(states, values) for values in (keypoints, confidence))
            joints = _depth_again(network, states, keypoints, confidence, joints)
            runs = cleaning.swap_runs(states, frames)
            if runs:
                notes["swaps_repaired"] = runs
        if warnings:
            notes["warnings"] = warnings
        if self.choice:
            notes["estimator_choice"] = self.choice
        notes["temporal"] = mode
        camera = Camera.assumed(source.size)
        refined = refine(times, joints, mode, session=refiner)  # in the ray frame, as it was trained
        return Take(
            times=times,
            boxes=boxes[:, 0],
            keypoints=keypoints,
            confidence=confidence,
            joints=ray_to_camera(refined, keypoints, camera),
            joints_raw=ray_to_camera(joints, keypoints, camera),
            camera=camera,
            source=source.path,
            frames=frames,
            estimator=network.name,
            notes=notes,
        )


def _sane(pose: Pose) -> Pose | None:
    """``pose`` without NaN: joints with one are unseen; None if nothing remains."""
    keypoints, joints = np.asarray(pose.keypoints, np.float32), np.asarray(pose.joints, np.float32)
    good = np.isfinite(keypoints).all(-1) & np.isfinite(pose.confidence)
    if not good.any() or not np.isfinite(joints).all():
        return None
    confidence = np.where(good, np.clip(np.nan_to_num(pose.confidence), 0.0, 1.0), 0.0).astype(np.float32)
    return Pose(np.where(good[:, None], keypoints, 0.0).astype(np.float32), confidence, joints, pose.presence)


def _outline(pose: Pose) -> NDArray[np.float32]:
    """(4,) x, y, width, height, px: around the confident keypoints, a tenth wider on every side."""
    sure = pose.confidence >= min(_OUTLINE, float(pose.confidence.max()))
    low, high = pose.keypoints[sure].min(axis=0), pose.keypoints[sure].max(axis=0)
    margin = 0.1 * float((high - low).max())
    return np.concatenate([low - margin, high - low + 2 * margin]).astype(np.float32)


def _depth_again(
    network: Estimator,
    states: NDArray[np.int64],
    keypoints: NDArray[np.float32],
    confidence: NDArray[np.float32],
    joints: NDArray[np.float32],
) -> NDArray[np.float32]:
    """Joints that agree with the repaired labels: lifted anew where the estimator can, else exchanged alike."""
    out = cleaning.apply_swaps(states, joints, depth=True)
    lift = getattr(network, "lift", None)
    # Where nobody was seen there is nothing to lift: the filled-in joints stay.
    changed = np.flatnonzero((states != 0) & (confidence.max(axis=-1) > 0))
    if lift is not None and len(changed):
        out[changed] = lift(keypoints[changed], confidence[changed])
    return out
