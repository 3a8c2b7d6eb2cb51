"""Zero-phase smoothing over true time stamps; knows nothing of bodies.

The smoother is Whittaker's (1923; Eilers, Anal. Chem. 75, 2003): the curve x that minimises

    sum_t w_t (x_t - y_t)^2 dt  +  lambda  integral x''(t)^2 dt,

one symmetric five-band system for a whole clip. It has no lag, leaves constants and straight lines alone,
bridges frames of weight 0, and its response is 1 / (1 + (f / cutoff)^4) with lambda = (2 pi cutoff)^-4.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solveh_banded

from posecore.motion import continuous

__all__ = ["cutoff_of", "fill_missing", "find_spikes", "smooth", "smooth_adaptive", "smooth_quaternions"]

Array = NDArray[np.floating]

# Frames without an observation follow their neighbours; the rest keeps the end of a clip from
# running off along its last slope.
_MISSING_WEIGHT = 0.02


def cutoff_of(smoothing: float) -> float:
    """The setting in (0, 1] as a cut-off frequency, Hz: 3 at 0.5, 0.75 at 1, geometric between.

    On CMU clips with 1.5 to 3 cm of white noise in each axis at 30 frames/s, 3 Hz has the lowest joint error but
    for a millimetre, and halves the acceleration error that 4 Hz leaves.
    """
    return 12.0 * 16.0 ** (-smoothing)


def _bands(times: Array, stiffness: Array) -> Array:
    """Upper bands (3, T) of D' diag(stiffness) D, D the second derivative at the T - 2 inner frames (T >= 3)."""
    before, after = np.diff(times)[:-1], np.diff(times)[1:]
    span = before + after
    d0, d1, d2 = 2 / (before * span), -2 / (before * after), 2 / (after * span)
    s = stiffness * span / 2
    bands = np.zeros((3, len(times)))
    bands[2, :-2] += s * d0 * d0
    bands[2, 1:-1] += s * d1 * d1
    bands[2, 2:] += s * d2 * d2
    bands[1, 1:-1] += s * d0 * d1
    bands[1, 2:] += s * d1 * d2
    bands[0, 2:] += s * d0 * d2
    return bands


def smooth(
    values: Array, times: Array, cutoff: float, weights: Array | None = None, gain: Array | None = None
) -> Array:
    """Smooth columns over time.

    Args:
        values: (T, D), any unit.
        times: (T,) seconds, increasing.
        cutoff: Hz; what is slower stays.
        weights: (T,) trust in each frame, default 1; 1 keeps the cut-off, less lowers it.
        gain: (T,) factor on the cut-off at each frame, default 1.

    Returns:
        (T, D). Fewer than three frames come back as they are: there is no curvature to lower.
    """
    count = len(times)
    if count < 3:
        return np.array(values, np.float64)
    span = np.gradient(times)
    trust = (np.ones(count) if weights is None else np.maximum(weights, 1e-6)) * span
    stiffness = np.full(count - 2, (2 * np.pi * cutoff) ** -4.0)
    if gain is not None:
        stiffness = stiffness * gain[1:-1] ** -4.0
    bands = _bands(times, stiffness)
    bands[2] += trust
    return solveh_banded(bands, trust[:, None] * values, check_finite=False)


def smooth_adaptive(values: Array, times: Array, cutoff: float, weights: Array, calm: float) -> Array:
    """:func:`smooth`, with the cut-off raised where the movement itself is fast.

    Args:
        values: (T, D); the D columns are one point, and are treated alike.
        calm: rate of change, unit of ``values`` per second, at which the cut-off doubles.

    Returns:
        (T, D). The rate comes from a slower zero-phase curve, so noise does not raise the cut-off and a
        symmetric pulse stays symmetric (the idea of the 1 euro filter, Casiez et al. 2012, without its lag).
    """
    if len(times) < 3:
        return np.array(values, np.float64)
    slow = smooth(values, times, 0.7 * cutoff, weights)
    rate = np.linalg.norm(np.gradient(slow, times, axis=0), axis=1)
    return smooth(values, times, cutoff, weights, gain=1.0 + np.minimum(rate / calm, 4.0))


def smooth_quaternions(quaternions: Array, times: Array, cutoff: float, calm: float = 20.0) -> Array:
    """Smooth (T, 4) unit quaternions on one hemisphere; ``calm`` in radians per second."""
    aligned = continuous(quaternions)
    # A quaternion turns by half the angle of its rotation.
    out = smooth_adaptive(aligned, times, cutoff, np.ones(len(times)), calm / 2)
    return out / np.maximum(np.linalg.norm(out, axis=1, keepdims=True), 1e-9)


def fill_missing(values: Array, times: Array, weights: Array) -> tuple[Array, Array]:
    """Bridge frames of weight 0 by straight lines, hold the ends.

    Args:
        values: (T, J, D).
        weights: (T, J).

    Returns:
        values (T, J, D) and weights (T, J), small but above 0 where bridged. A joint that is never seen
        keeps its values, at that same small weight.
    """
    filled = np.array(values, np.float64)
    trust = np.array(weights, np.float64)
    for joint in np.flatnonzero((weights <= 0).any(axis=0)):
        seen = weights[:, joint] > 0
        trust[~seen, joint] = _MISSING_WEIGHT
        if seen.any():
            for axis in range(values.shape[2]):
                filled[~seen, joint, axis] = np.interp(times[~seen], times[seen], filled[seen, joint, axis])
    return filled, trust


def find_spikes(values: Array, times: Array, least: float) -> NDArray[np.bool_]:
    """Single-frame jumps (Hampel's identifier over five frames).

    Args:
        values: (T, J, D).
        least: distance from the local median under which nothing is a spike, unit of ``values``.

    Returns:
        (T, J) true where a frame leaves both of its neighbours by far more than these differ.
    """
    spikes = np.zeros(values.shape[:2], bool)
    if len(times) < 5:
        return spikes
    padded = np.concatenate([values[2:0:-1], values, values[-2:-4:-1]])
    windows = np.stack([padded[i : i + len(values)] for i in range(5)])
    median = np.median(windows, axis=0)
    away = np.linalg.norm(values - median, axis=-1)
    spread = np.median(np.linalg.norm(windows - median, axis=-1), axis=0)
    across = np.linalg.norm(windows[3] - windows[1], axis=-1)
    return (away > least) & (away > 3 * 1.4826 * spread) & (away > 2 * across)
