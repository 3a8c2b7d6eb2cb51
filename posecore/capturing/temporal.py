"""TP-Net at run time (REFERENCE §3): each pose refined from its neighbours in time.

The networks know 30 frames a second; other rates are resampled by their time stamps, and back.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from posecore.errors import PosecoreError
from posecore.skeletons import BODY_21

if TYPE_CHECKING:
    import onnxruntime

__all__ = ["MODES", "TRAINED_RATE", "WINDOW", "interpolate", "load_refiner", "refine", "windows"]

Mode = Literal["online", "semi-online", "off"]

#: Frames a second of the motion that TP-Net was trained on.
TRAINED_RATE = 30.0

#: Poses in a window; online sees the current one last, semi-online has 10 before and 9 after it.
WINDOW = 20
_BEFORE = {"online": WINDOW - 1, "semi-online": WINDOW // 2}
_WEIGHTS = {"online": "tpnet_online", "semi-online": "tpnet_semi"}

MODES: Sequence[str] = (*_BEFORE, "off")

# Within this share of 30 frames/s a clip is taken as it is: resampling would cost more than it gains.
_TOLERANCE = 0.1
_BATCH = 256


def refine(
    times: NDArray[np.floating],
    joints: NDArray[np.floating],
    mode: Mode | str = "online",
    provider: str = "auto",
    session: onnxruntime.InferenceSession | None = None,
) -> NDArray[np.float32]:
    """Refine a clip.

    Args:
        times: (T,) seconds, strictly increasing.
        joints: (T, 21, 3) m, relative to the pelvis, camera frame; no NaN.
        mode: ``online`` (19 poses before), ``semi-online`` (10 before, 9 after) or ``off``.
        session: a ready network of that mode, for other weights and for tests.

    Returns:
        (T, 21, 3) m.

    Raises:
        PosecoreError: an unknown mode, or missing weights.
    """
    raw = np.asarray(joints, np.float32)
    if mode not in MODES:
        raise PosecoreError(f"--temporal {mode}: unknown; choose one of {', '.join(MODES)}")
    if mode == "off" or len(raw) == 0:
        return raw.copy()
    session = session or load_refiner(mode, provider)
    assert session is not None
    stamps = np.asarray(times, np.float64)
    if _regular(stamps):
        return _run(session, raw, _BEFORE[mode])
    count = int(np.ceil((stamps[-1] - stamps[0]) * TRAINED_RATE - 1e-6))
    grid = stamps[0] + np.arange(count + 1) / TRAINED_RATE
    grid[-1] = stamps[-1]  # the last step may be a shorter one: nothing lies beyond the end
    even = interpolate(grid, stamps, raw)
    return interpolate(stamps, grid, _run(session, even, _BEFORE[mode]))


def load_refiner(mode: Mode | str, provider: str = "auto") -> onnxruntime.InferenceSession | None:
    """The network of a mode; None for ``off``.

    Raises:
        PosecoreError: its weights, or the provider, are missing.
    """
    if mode == "off":
        return None
    from posecore.runtime import create_session, weights

    return create_session(weights.find(_WEIGHTS[mode]), provider=provider)


def _regular(times: NDArray[np.float64]) -> bool:
    """Whether the frames come at about 30 a second, nearly all of them."""
    if len(times) < 2:
        return True
    steps = np.diff(times) * TRAINED_RATE
    return bool(np.mean(np.abs(steps - 1.0) > _TOLERANCE) < 0.02 and steps.max() < 3.0)


def windows(joints: NDArray[np.float32], before: int, start: int, stop: int) -> NDArray[np.float32]:
    """The (stop - start, 20, J, 3) windows of frames start:stop, ``before`` poses ahead of each.

    Beyond the ends of the clip its first and last pose are repeated.
    """
    index = np.arange(start, stop)[:, None] + np.arange(WINDOW)[None, :] - before
    return joints[np.clip(index, 0, len(joints) - 1)]


def _run(session: onnxruntime.InferenceSession, joints: NDArray[np.float32], before: int) -> NDArray[np.float32]:
    out = np.empty_like(joints)
    for start in range(0, len(joints), _BATCH):
        stop = min(start + _BATCH, len(joints))
        out[start:stop] = session.run(["refined"], {"joints": windows(joints, before, start, stop)})[0]
    pelvis = BODY_21.index("pelvis")
    return out - out[:, pelvis : pelvis + 1]  # the networks are trained on joints relative to it


def interpolate(
    wanted: NDArray[np.floating], times: NDArray[np.floating], values: NDArray[np.floating]
) -> NDArray[np.float32]:
    """Linear interpolation over time: (T, ...) at ``times`` to (W, ...) at ``wanted``; ends are held."""
    flat = np.asarray(values).reshape(len(times), -1)
    if len(times) == 1:
        out = np.repeat(flat, len(wanted), axis=0)
    else:
        right = np.clip(np.searchsorted(times, wanted, side="right"), 1, len(times) - 1)
        span = times[right] - times[right - 1]
        share = np.clip((wanted - times[right - 1]) / span, 0.0, 1.0)[:, None]
        out = flat[right - 1] * (1.0 - share) + flat[right] * share
    return out.reshape(len(wanted), *np.shape(values)[1:]).astype(np.float32)
