"""Feet that stay where they stand: legs of other proportions make a resting foot slide, so bend them a little."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from posecore.motion import Motion
from posecore.proportions import default_offsets, standing_height
from posecore.retargeting.alignment import swing
from posecore.retargeting.skeleton_pose import SkeletonPose, carriers
from posecore.skeletons import SMPL_24

__all__ = ["lock_feet", "resting"]

Array = NDArray[np.float64]

_STILL = 0.30  # metres per second, of a person of average size: a sole under this rests ...
_NEAR = 0.06  # ... if it is no higher over its lowest than this, metres
_SHORTEST = 0.08  # seconds; a shorter rest is a foot passing by
_BLEND = 0.10  # seconds from free to held
_SNAP = 0.06  # metres; a sole that should stand this near to the ground stands on it
_SOFT = 0.03  # of the leg's length: how early it begins to resist stretching
_POINTS = (("ankle", "Foot"), ("foot", "Toes"))


def lock_feet(pose: SkeletonPose, motion: Motion, joints: Array, scale: float) -> list[str]:
    """Hold the feet of ``pose`` (changed in place) where those of the source rest.

    A foot is held by its ankle while the heel rests and by its toe joint while the toe does. Knees stay in the plane
    in which they bend, feet keep their turn, and legs never become longer than they are.

    Args:
        joints: (T, 24, 3) metres, the source's.
        scale: size of the path, target over source.

    Returns:
        One line for each foot that could not be held.
    """
    warnings = []
    contacts = resting(motion, joints)
    for side, columns in (("left", (0, 1)), ("right", (2, 3))):
        roles = [side + name for name in ("UpperLeg", "LowerLeg", "Foot")]
        bones = [pose.stage.bones.get(role, -1) for role in roles]
        if min(bones) < 0 or any(a not in carriers(pose.rig, b) for a, b in pairwise(bones)):
            warnings.append(f"the {side} foot cannot be held: its leg is not a chain of mapped bones")
            continue
        shift = _shift(pose, side, contacts[:, columns], motion.times, scale)
        if np.any(shift):
            _bend(pose, bones, shift)
    return warnings


def resting(motion: Motion, joints: Array) -> Array:
    """(T, 4) whether left ankle, left toe, right ankle, right toe rest: by the motion's contacts, if it has any,
    otherwise where the source's soles are low and hardly move."""
    assert motion.contacts is not None
    if motion.contacts.any():
        found = motion.contacts > 0.5
    else:
        points = joints[:, SMPL_24.indices(("l_ankle", "l_foot", "r_ankle", "r_foot"))]
        size = standing_height(motion.offsets) / standing_height(default_offsets())
        floors = np.percentile(points[..., 1], 5, axis=0)
        low = points[..., 1] < np.minimum(floors, floors[[2, 3, 0, 1]]) + _NEAR * size
        speed = np.zeros(points.shape[:2])
        if len(motion) > 1:
            speed = np.linalg.norm(np.gradient(points, motion.times, axis=0), axis=-1)
        found = low & (speed < _STILL * size)
    for column in found.T:
        for start, stop in _runs(column):
            if motion.times[stop - 1] - motion.times[start] < _SHORTEST:
                column[start:stop] = False
    return found.astype(np.float64)


def _runs(held: NDArray[Any]) -> list[tuple[int, int]]:
    """(start, stop) of every run of true values."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], held, [False]]).astype(np.int8)))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))


def _shift(pose: SkeletonPose, side: str, contacts: Array, times: Array, scale: float) -> Array:
    """(T, 3) metres by which a foot must move to stay where it rests, fading in and out beside each rest."""
    total = np.zeros((len(times), 3))
    here = [(column, side + name) for column, (_, name) in enumerate(_POINTS) if side + name in pose.stage.bones]
    columns = [column for column, _ in here]
    places = [pose.head(pose.stage.bones[role]) for _, role in here]
    grounds = [pose.stage.heads[pose.stage.bones[role], 1] for _, role in here]
    softened = _blurred(contacts, times)
    for start, stop in _runs(np.any(contacts[:, columns], axis=1)):
        held = np.zeros((stop - start, 3))
        weights = np.zeros((stop - start, 1))
        for column, place, ground in zip(columns, places, grounds, strict=True):
            rest = contacts[start:stop, column] > 0
            if not rest.any():
                continue
            anchor = np.median(place[start:stop][rest], axis=0)
            if abs(anchor[1] - ground) < _SNAP * scale:
                anchor[1] = ground
            weight = softened[start:stop, column, None] + 1e-9
            held += weight * (anchor - place[start:stop])
            weights += weight
        held /= np.maximum(weights, 1e-9)
        total[start:stop] += held
        before, after = times[:start] - times[start], times[stop:] - times[stop - 1]
        total[:start] += _fade(before / _BLEND)[:, None] * held[0]
        total[stop:] += _fade(after / _BLEND)[:, None] * held[-1]
    return total


def _fade(distance: Array) -> Array:
    """1 at 0, 0 from ±1 on, without a corner at either."""
    near = np.clip(1.0 - np.abs(distance), 0.0, 1.0)
    faded: Array = near * near * (3.0 - 2.0 * near)
    return faded


def _blurred(contacts: Array, times: Array) -> Array:
    """(T, 2) contacts that change over about the time of a blend."""
    if len(times) < 3:
        return contacts
    width = max(1, round(_BLEND / float(np.median(np.diff(times))) / 2))
    kernel = _fade(np.arange(-width, width + 1) / (width + 1))
    padded = np.pad(contacts, ((width, width), (0, 0)), mode="edge")
    return np.stack([np.convolve(column, kernel / kernel.sum(), "valid") for column in padded.T], axis=1)


def _bend(pose: SkeletonPose, bones: list[int], shift: Array) -> None:
    """Move an ankle by ``shift`` (T, 3) by the turns of hip and knee alone."""
    upper, lower, foot = bones
    hip, knee, ankle = (pose.head(bone) for bone in bones)
    thigh, shin, reach = knee - hip, ankle - knee, ankle - hip
    lengths = [np.linalg.norm(part, axis=-1, keepdims=True) for part in (thigh, shin, reach)]
    wanted = reach + shift
    distance = _soft(np.linalg.norm(wanted, axis=-1, keepdims=True), lengths[2], lengths[0] + lengths[1])
    distance = np.maximum(distance, np.abs(lengths[0] - lengths[1]) + 1e-6)
    along = wanted / np.maximum(np.linalg.norm(wanted, axis=-1, keepdims=True), 1e-9)

    # Where the knee points: as now, and forward for a leg that is straight now.
    front = pose.turn(upper)[..., :, 2]  # +Z of the stage, as the thigh has turned
    across = thigh - reach * ((thigh * reach).sum(-1, keepdims=True) / np.maximum(lengths[2] ** 2, 1e-12))
    pole = across + 1e-3 * lengths[0] * front
    pole -= along * (pole * along).sum(-1, keepdims=True)
    pole /= np.maximum(np.linalg.norm(pole, axis=-1, keepdims=True), 1e-12)
    cosine = (lengths[0] ** 2 + distance**2 - lengths[1] ** 2) / np.maximum(2 * lengths[0] * distance, 1e-12)
    cosine = np.clip(cosine, -1.0, 1.0)
    new_thigh = lengths[0] * (cosine * along + np.sqrt(1.0 - cosine**2) * pole)
    new_shin = distance * along - new_thigh

    moved = (np.linalg.norm(shift, axis=-1) > 1e-9)[:, None, None]
    kept = pose.turn(foot) @ np.eye(3)
    pose.turns[upper] = np.where(moved, _swing(thigh, new_thigh), np.eye(3)) @ pose.turn(upper)
    pose.turns[lower] = np.where(moved, _swing(shin, new_shin), np.eye(3)) @ pose.turn(lower)
    pose.turns[foot] = kept


def _swing(one: Array, other: Array) -> Array:
    def unit(vectors: Array) -> Array:
        return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-12)

    return swing(unit(one), unit(other))


def _soft(wanted: Array, now: Array, full: Array) -> Array:
    """A leg's new length from hip to ankle: as wanted, but easing off before it is fully stretched; never forced
    shorter than it is now."""
    margin = _SOFT * full
    over = np.maximum(wanted - (full - margin), 0.0)
    eased = np.where(over > 0, full - margin * np.exp(-over / margin), wanted)
    return np.minimum(wanted, np.maximum(eased, np.minimum(now, full)))
