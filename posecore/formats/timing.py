"""From true time stamps to the even frame rate that some formats insist on."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from posecore.motion import Motion

__all__ = ["at_even_rate", "even_rate"]

_WHOLE_RATES = (10.0, 12.0, 12.5, 15.0, 20.0, 24.0, 25.0, 30.0, 48.0, 50.0, 60.0, 90.0, 100.0, 120.0, 240.0)
_USUAL_RATES = (*_WHOLE_RATES, 24000 / 1001, 30000 / 1001, 60000 / 1001, 120000 / 1001)
#: How far a time stamp may lie from its place on an even grid, in frame periods.
_TOLERANCE = 0.1


def even_rate(times: NDArray[np.float64]) -> float | None:
    """The even frame rate (1/s) that all time stamps (T,) fit within a tenth of a frame, or None.

    A usual rate (24, 29.97, 30, …) is preferred to the measured mean, since files round their time
    stamps to milliseconds or ticks.
    """
    if len(times) < 2:
        return 30.0
    mean = (len(times) - 1) / float(times[-1] - times[0])
    frames = np.arange(len(times))
    for rate in (*sorted(_USUAL_RATES, key=lambda usual: abs(usual - mean)), mean):
        if np.abs((times - times[0]) * rate - frames).max() < _TOLERANCE:
            return rate
    return None


def at_even_rate(motion: Motion, rate: float | None = None) -> tuple[Motion, float]:
    """``motion`` with one frame every ``1 / rate`` seconds, and that rate.

    Without ``rate``, frames that already lie evenly are kept as they are; a variable frame rate is
    resampled at its median rate. With ``rate``, the motion is resampled unless it has that rate.

    Raises:
        ValueError: ``rate`` is not positive.
    """
    own = even_rate(motion.times)
    if rate is None and own is not None:
        return motion, own
    if rate is not None and own is not None and abs(rate - own) < 1e-3 * own:
        return motion, rate
    rate = motion.rate if rate is None else rate
    return motion.resample(rate), rate
