"""The order of solving; each step is a module of its own."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from posecore.errors import PosecoreError
from posecore.motion import Motion, continuous, forward_kinematics
from posecore.skeletons import BODY_21, SMPL_24, conversion_weights
from posecore.solving.angles import solve_angles
from posecore.solving.floor import flatten_feet, floor_drift, lift_out, standing_height
from posecore.solving.gravity import estimate_pitch, tilt_matrix
from posecore.solving.lengths import Proportions, measure, stature
from posecore.solving.settings import SolveSettings
from posecore.solving.smoothing import cutoff_of, fill_missing, find_spikes, smooth, smooth_adaptive, smooth_quaternions
from posecore.solving.world import LEVEL, solve_path
from posecore.takes import Take

__all__ = ["solve"]

Array = NDArray[np.floating]

_DEFAULTS = SolveSettings()
_SPIKE = 0.12  # metres at 1.70 m; nearer the neighbours' median nothing is called a spike
_LAST = frozenset({"l_hand", "r_hand", "l_toe", "r_toe", "nose", "head_top"})  # segments too short to trust
_LOW = 0.3  # mean confidence under which a warning names the frames


def solve(take: Take, settings: SolveSettings = _DEFAULTS) -> Motion:
    """Solve one person's movement.

    Args:
        take: what was observed; it is not changed.
        settings: see :class:`SolveSettings`.

    Returns:
        The Motion, one frame for each of the take, at its time stamps. World frame: the camera looks towards -Z,
        so a person who faces it faces +Z; the first frame stands at x = z = 0; the floor is y = 0.

    Raises:
        PosecoreError: the take is empty, or no joint in it was ever seen.
    """
    if len(take) == 0:
        raise PosecoreError("the take has no frames; nothing to solve")
    if not (take.confidence > 0).any():
        raise PosecoreError("every joint of the take is missing (confidence 0); nothing to solve")
    times = take.times.astype(np.float64) - float(take.times[0])
    cutoff = cutoff_of(settings.smoothing) if settings.smoothing > 0 else None

    joints, trust, spikes = _clean(take, times, settings, cutoff is not None)
    body = measure(joints, np.where(trust >= 0.05, trust, 0.0), settings.height)
    if cutoff is not None:
        joints = _smooth_joints(joints, times, trust, cutoff, body.observed_scale)
    ever = (take.confidence > 0).any(axis=0)
    rotations = solve_angles(joints, times, trust * ever, body, settings.joint_limits)
    if cutoff is not None:
        rotations = np.stack(
            [smooth_quaternions(rotations[:, j], times, 2 * cutoff) for j in range(len(SMPL_24))], axis=1
        )
        rotations = continuous(rotations)

    rotations, translation, body, pitch = _place(take, times, rotations, body, settings, cutoff)
    return Motion(
        times=take.times.astype(np.float64),
        rotations=rotations.astype(np.float32),
        translation=translation.astype(np.float32),
        offsets=body.offsets,
        confidence=_confidence(take.confidence),
        notes=_notes(take, settings, body, pitch, spikes),
    )


def _clean(
    take: Take, times: Array, settings: SolveSettings, smoothing: bool
) -> tuple[Array, Array, NDArray[np.bool_]]:
    """Joints (T, 21, 3) in level axes with gaps bridged and spikes out, trust (T, 21), and the spikes (T, 21)."""
    joints = take.joints.astype(np.float64) * LEVEL
    trust = np.clip(take.confidence.astype(np.float64), 0.0, 1.0)
    joints, bridged = fill_missing(joints, times, trust)
    spikes = np.zeros(trust.shape, bool)
    if smoothing and settings.remove_spikes:
        spikes = find_spikes(joints, times, _SPIKE)
        joints, bridged = fill_missing(joints, times, np.where(spikes, 0.0, trust))
    return joints, bridged, spikes


def _smooth_joints(joints: Array, times: Array, trust: Array, cutoff: float, scale: float) -> Array:
    """Smooth every joint; hands, toes and head along with what carries them.

    The last segments are short, so what is a tremble of a joint is a flutter of their direction. They are smoothed
    as vectors, at a cut-off lowered by the ratio of noise to length that the clip itself shows.
    """
    calm = 1.5 * scale
    smoothed = np.empty_like(joints)
    for joint in BODY_21.topological_order:
        smoothed[:, joint] = smooth_adaptive(joints[:, joint], times, cutoff, trust[:, joint], calm)
        if BODY_21.joints[joint] not in _LAST:
            continue
        parent = BODY_21.parents[joint]
        segment = joints[:, joint] - joints[:, parent]
        weight = np.minimum(trust[:, joint], trust[:, parent])
        length = max(float(np.median(np.linalg.norm(segment, axis=1))), 1e-3)
        tremble = segment - smooth(segment, times, cutoff, weight)
        noise = 1.4826 * float(np.median(np.linalg.norm(tremble, axis=1)))
        lowered = cutoff / (1.0 + noise / (0.1 * length))
        smoothed[:, joint] = smoothed[:, parent] + smooth_adaptive(segment, times, lowered, weight, calm)
    return smoothed


def _place(
    take: Take, times: Array, rotations: Array, body: Proportions, settings: SolveSettings, cutoff: float | None
) -> tuple[Array, Array, Proportions, float]:
    """Rotations and pelvis path (T, 3) in the world, the body with flat feet, and the camera's pitch, radians."""
    still = np.zeros((len(times), 3))
    posed = forward_kinematics(rotations, body.offsets, still)[0].astype(np.float64)
    path, noise = solve_path(posed * LEVEL, take.keypoints, take.confidence, times, take.camera, cutoff)
    path = path * LEVEL
    pitch = settings.camera_pitch
    if pitch is None:
        pitch = estimate_pitch(posed + path[:, None], times, take.confidence.mean(axis=1), body, noise)
    upright = tilt_matrix(pitch, settings.camera_roll)
    root = SMPL_24.index("pelvis")
    rotations = rotations.copy()
    turned = (Rotation.from_matrix(upright) * Rotation.from_quat(rotations[:, root])).as_quat()
    rotations[:, root] = continuous(turned * np.where(turned[:1, 3:] < 0, -1.0, 1.0))
    posed, path = posed @ upright.T, path @ upright.T

    rotations, body = flatten_feet(rotations, posed + path[:, None], times, body)
    if settings.ground:
        path[:, 1] -= floor_drift(posed + path[:, None], times, body)
        path[:, 1] += lift_out(posed + path[:, None], times, body, cutoff)
    else:
        path[:, 1] += standing_height(body) - path[0, 1]
    path[:, [0, 2]] -= path[0, [0, 2]]
    if settings.in_place:
        path[:, [0, 2]] = 0.0
    return rotations, path, body, pitch


def _confidence(observed: NDArray[np.float32]) -> NDArray[np.float32]:
    """(T, 24) from (T, 21): that of the joint of the same place, and for the spine and collars that of the trunk."""
    back = conversion_weights(SMPL_24, BODY_21)
    out = np.zeros((len(observed), len(SMPL_24)), np.float32)
    trunk = observed[:, BODY_21.indices(("l_hip", "r_hip", "l_shoulder", "r_shoulder"))].mean(axis=1)
    for joint in range(len(SMPL_24)):
        partner = np.flatnonzero(back[:, joint] == 1.0)
        out[:, joint] = observed[:, partner[0]] if len(partner) else trunk
    return np.clip(out, 0.0, 1.0)


def _ranges(flags: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """First and last index of every run of true."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], flags.astype(np.int8), [0]])))
    return [(int(a), int(b) - 1) for a, b in zip(edges[::2], edges[1::2], strict=True)]


def _notes(
    take: Take, settings: SolveSettings, body: Proportions, pitch: float, spikes: NDArray[np.bool_]
) -> dict[str, Any]:
    """What a user should know, JSON values only; frame numbers are those of the source."""
    warnings = [*take.notes.get("warnings", [])] if isinstance(take.notes.get("warnings"), list) else []
    warnings += [f"body: {text}" for text in body.warnings]
    for first, last in _ranges(take.confidence.mean(axis=1) < _LOW):
        span = f"frame {take.frames[first]}" if first == last else f"frames {take.frames[first]}-{take.frames[last]}"
        warnings.append(f"{span}: the person is hardly seen; the movement there is a guess from its neighbours")
    for joint, name in enumerate(BODY_21.joints):
        if not (take.confidence[:, joint] > 0).any():
            warnings.append(f"{name} is never seen; it stays at rest")
    return {
        "warnings": warnings,
        "source": take.source,
        "estimator": take.estimator,
        "settings": asdict(settings),
        "camera_pitch": round(float(pitch), 5),
        "height": round(stature(body.offsets), 4),
        "spikes": int(spikes.sum()),
    }
