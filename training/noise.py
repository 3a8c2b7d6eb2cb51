"""How estimators err: statistics measured on held-out pictures, and noise drawn from them.

:func:`measure` reads :class:`NoiseStatistics` off predictions beside their truth; :func:`corrupt_keypoints` and
:func:`corrupt_joints` draw errors with those statistics, so that lifting and TP-Net train on the input that they
will meet (REFERENCE §3, §4). The parameters live in ``training/noise_statistics.json``.

The model of one keypoint's error: a Gaussian core, correlated over time (AR(1)); a second, wide Gaussian while the
joint is *lost* (a two-state Markov chain); left and right exchanged for a while (arms, legs or all); nothing at all
for a while (dropout). Lengths are shares of :func:`posecore.capturing.lifting.keypoint_scale`; times are in frames at
30 per second.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from posecore.capturing.lifting import keypoint_scale
from posecore.errors import SourceError
from posecore.files import atomic_path
from posecore.skeletons import BODY_21

__all__ = ["STATISTICS_FILE", "NoiseStatistics", "corrupt_joints", "corrupt_keypoints", "measure"]

Array = NDArray[np.float32]
STATISTICS_FILE = Path(__file__).with_name("noise_statistics.json")

_ARMS = ("shoulder", "elbow", "wrist", "hand")
_LEGS = ("hip", "knee", "ankle", "toe")
_TAIL_CUT = 3.5  # cores beyond which an error counts as lost
_UNSURE = 0.1  # confidence that goes as a picture's errors grow e-fold


def _per_joint(value: float, **kinds: float) -> tuple[float, ...]:
    """One value a joint; keyword names are joint kinds (``wrist`` for both wrists)."""
    return tuple(kinds.get(name[2:] if name[1] == "_" else name, value) for name in BODY_21.joints)


@dataclass(frozen=True)
class NoiseStatistics:
    """Error statistics, BODY_21 order.

    Attributes:
        source: what they were measured from, for people to read.
        spread: (21,) standard deviation of the core, per image axis, share of the person's scale.
        lost: (21,) share of frames in which the joint is lost.
        lost_spread: (21,) the same as ``spread`` for lost joints.
        correlation: (21,) of the core from one frame to the next.
        lost_frames: mean frames that a joint stays lost.
        swap: share of frames with left and right exchanged in the arms, the legs, or both together.
        swap_frames: mean frames that an exchange lasts.
        dropout: (21,) share of frames without the joint.
        dropout_frames: mean frames that it stays away.
        confidence: (2,) mean confidence of found and of lost joints.
        confidence_spread: standard deviation of confidence around them.
        clip_spread: standard deviation over clips of log(error size).
        joint_spread: (21, 3) m, core of 3D predictions: x, y, z of the camera frame (depth ≫ image plane).
        joint_correlation: (21,) from one frame to the next, of 3D predictions.
    """

    source: str = "assumed, not measured"
    spread: tuple[float, ...] = _per_joint(
        0.04, pelvis=0.035, hip=0.05, knee=0.055, ankle=0.07, toe=0.08, elbow=0.06, wrist=0.08, hand=0.09, head_top=0.06
    )
    lost: tuple[float, ...] = _per_joint(
        0.03, pelvis=0.01, spine=0.01, thorax=0.01, knee=0.05, ankle=0.08, toe=0.09, elbow=0.08, wrist=0.12, hand=0.13
    )
    lost_spread: tuple[float, ...] = _per_joint(0.3, knee=0.35, ankle=0.5, toe=0.5, wrist=0.5, hand=0.5)
    correlation: tuple[float, ...] = _per_joint(0.75)
    lost_frames: float = 5.0
    swap: dict[str, float] = field(default_factory=lambda: {"arms": 0.01, "legs": 0.015, "all": 0.015})
    swap_frames: float = 6.0
    dropout: tuple[float, ...] = _per_joint(0.02, pelvis=0.002, wrist=0.03, hand=0.04, ankle=0.04, toe=0.05)
    dropout_frames: float = 6.0
    confidence: tuple[float, float] = (0.8, 0.4)
    confidence_spread: float = 0.15
    clip_spread: float = 0.5
    joint_spread: tuple[tuple[float, float, float], ...] = tuple(
        (s * 0.45, s * 0.45, s * 1.6)
        for s in _per_joint(0.03, pelvis=0.0, knee=0.05, ankle=0.07, toe=0.08, elbow=0.06, wrist=0.08, hand=0.09)
    )
    joint_correlation: tuple[float, ...] = _per_joint(0.85)

    def save(self, path: Path = STATISTICS_FILE) -> None:
        """Write as JSON, numbers to four places. Atomic."""
        text = json.dumps({"joints": list(BODY_21.joints), **_rounded(asdict(self))}, indent=1)
        with atomic_path(path) as temporary:
            temporary.write_text(text + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: Path = STATISTICS_FILE) -> NoiseStatistics:
        """Read what :meth:`save` wrote.

        Raises:
            SourceError: no such file, or not noise statistics of BODY_21.
        """
        try:
            data = json.loads(Path(path).read_text(encoding="utf-8"))
            if data.pop("joints") != list(BODY_21.joints):
                raise ValueError("for other joints")
            return cls(**{f.name: _tuples(data[f.name]) for f in fields(cls)})
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise SourceError(f"{path}: not noise statistics ({error}); see 'python -m training noise'") from error


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(item) for item in value]
    return round(value, 4) if isinstance(value, float) else value


def _tuples(value: Any) -> Any:
    return tuple(_tuples(item) for item in value) if isinstance(value, list) else value


def _episodes(
    rng: np.random.Generator, share: NDArray[Any], frames: float, shape: tuple[int, ...]
) -> NDArray[np.bool_]:
    """Stationary on/off Markov chains along axis 1 of ``shape`` (N, T, ...): on for ``share`` of the time.

    An episode lasts ``frames`` on average, geometrically distributed.
    """
    share = np.clip(share, 0.0, 0.95)
    stop = 1.0 / max(frames, 1.0)
    start = np.minimum(share / (1 - share) * stop, 1.0)
    chance = rng.random(shape, dtype=np.float32)
    on = np.empty(shape, bool)
    on[:, 0] = chance[:, 0] < share
    for t in range(1, shape[1]):
        on[:, t] = np.where(on[:, t - 1], chance[:, t] >= stop, chance[:, t] < start)
    return on


def _correlated(rng: np.random.Generator, correlation: NDArray[Any], shape: tuple[int, ...]) -> Array:
    """Unit-variance AR(1) noise along axis 1 of ``shape`` (N, T, J, D); ``correlation`` (..., J) per joint."""
    noise = rng.standard_normal(shape, dtype=np.float32)
    keep = np.asarray(correlation, np.float32)[..., None]
    fresh = np.sqrt(1 - keep**2)
    for t in range(1, shape[1]):
        noise[:, t] = keep * noise[:, t - 1] + fresh * noise[:, t]
    return noise


def _swapped_sides(points: Array, which: NDArray[np.bool_], kinds: tuple[str, ...]) -> Array:
    """Exchange left and right of the named joints where ``which`` (N, T)."""
    left = BODY_21.indices([f"l_{k}" for k in kinds])
    right = BODY_21.indices([f"r_{k}" for k in kinds])
    order = np.arange(len(BODY_21))
    order[left], order[right] = right, left
    return np.where(which[..., None, None], points[:, :, order], points)


def corrupt_keypoints(
    rng: np.random.Generator, keypoints: Array, statistics: NoiseStatistics, rate: float = 30.0
) -> tuple[Array, Array]:
    """Keypoints as a detector would have seen them.

    Args:
        keypoints: (N, T, 21, 2) true places, any unit.
        rate: frames/s; correlation and episodes are those of 30 frames/s, made to fit.

    Returns:
        keypoints (N, T, 21, 2) and confidence (N, T, 21) in [0, 1], 0 = missing.
    """
    count, frames, joints, _ = keypoints.shape
    pace = rate / 30.0
    points = np.asarray(keypoints, np.float32)
    scale = keypoint_scale(points, np.ones(points.shape[:-1]))[..., None]
    both = _episodes(rng, np.array(statistics.swap["all"]), statistics.swap_frames * pace, (count, frames))
    for name, kinds in (("arms", _ARMS), ("legs", _LEGS)):
        alone = _episodes(rng, np.array(statistics.swap[name]), statistics.swap_frames * pace, (count, frames))
        points = _swapped_sides(points, both | alone, kinds)

    shape = (count, frames, joints)
    hard = np.exp(rng.normal(0.0, statistics.clip_spread, (count, 1, 1))).astype(np.float32)
    lost = np.asarray(statistics.lost) * np.minimum(hard[:, 0], 4.0)
    is_lost = _episodes(rng, lost, statistics.lost_frames * pace, shape)
    core = _correlated(rng, np.asarray(statistics.correlation) ** (1 / pace), (*shape, 2))
    # A lost joint rests on something else rather than dancing about: highly correlated.
    wide = _correlated(rng, np.full(joints, 0.9 ** (1 / pace)), (*shape, 2))
    size = np.asarray(statistics.spread, np.float32) * hard * scale
    wide_size = np.asarray(statistics.lost_spread, np.float32) * scale
    points = points + np.where(is_lost[..., None], wide * wide_size[..., None], core * size[..., None])

    mean = np.where(is_lost, statistics.confidence[1], statistics.confidence[0]) - _UNSURE * np.log(hard)
    wobble = _correlated(rng, np.full(joints, 0.9), (*shape, 1))[..., 0]
    confidence = np.clip(mean + statistics.confidence_spread * wobble, 0.02, 1.0)
    gone = _episodes(rng, np.asarray(statistics.dropout), statistics.dropout_frames * pace, shape)
    return points.astype(np.float32), np.where(gone, 0.0, confidence).astype(np.float32)


def corrupt_joints(rng: np.random.Generator, joints: Array, statistics: NoiseStatistics, rate: float = 30.0) -> Array:
    """3D joints as SAP-Net would have predicted them: (N, T, 21, 3) m, root-relative, camera frame, to the same.

    Core noise per axis (depth ≫ image plane), lost joints, exchanges, and a scale that breathes.
    """
    count, frames, number, _ = joints.shape
    pace = rate / 30.0
    points = np.asarray(joints, np.float32)
    both = _episodes(rng, np.array(statistics.swap["all"]), statistics.swap_frames * pace, (count, frames))
    for name, kinds in (("arms", _ARMS), ("legs", _LEGS)):
        alone = _episodes(rng, np.array(statistics.swap[name]), statistics.swap_frames * pace, (count, frames))
        points = _swapped_sides(points, both | alone, kinds)
    shape = (count, frames, number)
    hard = np.exp(rng.normal(0.0, statistics.clip_spread, (count, 1, 1, 1))).astype(np.float32)
    spread = np.asarray(statistics.joint_spread, np.float32) * hard
    noise = _correlated(rng, np.asarray(statistics.joint_correlation) ** (1 / pace), (*shape, 3)) * spread
    is_lost = _episodes(rng, np.asarray(statistics.lost), statistics.lost_frames * pace, shape)
    wide = _correlated(rng, np.full(number, 0.9 ** (1 / pace)), (*shape, 3))
    noise = np.where(is_lost[..., None], noise + 3.0 * spread * wide, noise)
    breath = np.exp(0.04 * _correlated(rng, np.full(1, 0.9 ** (1 / pace)), (count, frames, 1, 1)))
    points = (points + noise) * breath
    pelvis = BODY_21.index("pelvis")
    return (points - points[:, :, pelvis : pelvis + 1]).astype(np.float32)


def measure(
    predictions: NDArray[np.floating],
    truth: NDArray[np.floating],
    confidence: NDArray[np.floating] | None = None,
    seen: NDArray[np.bool_] | None = None,
    joints: tuple[NDArray[np.floating], NDArray[np.floating]] | None = None,
    sequence: bool = False,
    base: NoiseStatistics | None = None,
    source: str = "",
) -> NoiseStatistics:
    """Error statistics of predictions beside their truth.

    Args:
        predictions, truth: (N, 21, 2) in one unit; with ``sequence`` these are consecutive frames at 30 per second.
        confidence: (N, 21); 0 counts as a dropout. Default: all found.
        seen: (N, 21) where the truth is known. Joints that are known in fewer than 20 samples keep ``base``.
        joints: predicted and true (N, 21, 3) m, root-relative, camera frame, if there are any.
        sequence: measure correlation and the length of episodes, too; else they keep ``base``.
        base: values for what cannot be measured here; default: the assumed ones.
        source: recorded in the result.

    Returns:
        ``base`` with all that could be measured in its place. Exchanges are undone before errors are measured.
    """
    base = base or NoiseStatistics()
    predictions, truth = np.asarray(predictions, np.float32), np.asarray(truth, np.float32)
    known = np.ones(truth.shape[:-1], bool) if seen is None else np.asarray(seen, bool)
    sure = np.ones(truth.shape[:-1], np.float32) if confidence is None else np.asarray(confidence, np.float32)
    found = known & (sure > 0)
    scale = keypoint_scale(truth, known.astype(np.float32))
    swapped = {name: _exchanged(predictions, truth, found, kinds) for name, kinds in (("arms", _ARMS), ("legs", _LEGS))}
    points = predictions[:, None]
    for name, kinds in (("arms", _ARMS), ("legs", _LEGS)):
        points = _swapped_sides(points, swapped[name][:, None], kinds)
    error = (points[:, 0] - truth) / scale[:, None, None]
    level = _levels(error, found)

    enough = found.sum(0) >= 20
    core, lost, lost_spread, is_lost = _core_and_tail(error, found, level)
    values: dict[str, Any] = {"source": source or "measured"}
    # What 21 joints' own scatter makes of equal levels is not a difference between pictures.
    values["clip_spread"] = float(np.sqrt(max(np.log(level).var() - 0.12**2, 0.0)))
    values["spread"] = _where(enough, core, base.spread)
    values["lost"] = _where(enough, lost, base.lost)
    values["lost_spread"] = _where(enough & (is_lost.sum(0) >= 10), lost_spread, base.lost_spread)
    gone = (known & (sure == 0)).sum(0) / np.maximum(known.sum(0), 1)
    values["dropout"] = _where(known.sum(0) >= 20, gone, base.dropout)
    both = swapped["arms"] & swapped["legs"]
    values["swap"] = {name: float((swapped[name] & ~both).mean()) for name in swapped} | {"all": float(both.mean())}
    if confidence is not None:
        good, bad = sure[found & ~is_lost], sure[is_lost]
        low = float(bad.mean()) if len(bad) >= 20 else base.confidence[1]
        values["confidence"] = (float(good.mean()), low)
        values["confidence_spread"] = float(good.std())
    if sequence:
        pair = (found & ~is_lost)[1:] & (found & ~is_lost)[:-1]
        product = (np.where(pair[..., None], error[1:] * error[:-1], 0)).sum((0, 2))
        square = (np.where(pair[..., None], error[1:] ** 2 + error[:-1] ** 2, 0)).sum((0, 2)) / 2
        values["correlation"] = _where(enough, np.clip(product / np.maximum(square, 1e-12), 0, 0.99), base.correlation)
        values["lost_frames"] = _mean_length(is_lost, base.lost_frames)
        values["dropout_frames"] = _mean_length(known & (sure == 0), base.dropout_frames)
        values["swap_frames"] = _mean_length(swapped["arms"][:, None] | swapped["legs"][:, None], base.swap_frames)
    if joints is not None:
        miss = np.asarray(joints[0], np.float32) - np.asarray(joints[1], np.float32)
        spread = np.median(np.abs(miss), axis=0) / 0.6745
        values["joint_spread"] = tuple(tuple(float(v) for v in row) for row in spread)
        if sequence:
            product, square = (miss[1:] * miss[:-1]).sum((0, 2)), (miss**2).sum((0, 2))
            correlation = np.clip(product / np.maximum(square, 1e-12), 0, 0.99)
            values["joint_correlation"] = _where(square > 0, correlation, base.joint_correlation)
    return replace(base, **values)


def _where(condition: NDArray[Any], value: NDArray[Any], other: tuple[float, ...]) -> tuple[float, ...]:
    return tuple(float(v) for v in np.where(condition, value, other))


def _exchanged(predictions: Array, truth: Array, found: NDArray[np.bool_], kinds: tuple[str, ...]) -> NDArray[np.bool_]:
    """(N,) whether the limbs fit less than half as badly with left and right exchanged, over clearly apart pairs."""
    left, right = BODY_21.indices([f"l_{k}" for k in kinds]), BODY_21.indices([f"r_{k}" for k in kinds])
    both = found[:, left] & found[:, right]

    def cost(a: Array, b: Array) -> Array:
        return np.where(both, np.linalg.norm(a - b, axis=-1), 0).sum(-1)

    straight = cost(predictions[:, left], truth[:, left]) + cost(predictions[:, right], truth[:, right])
    crossed = cost(predictions[:, left], truth[:, right]) + cost(predictions[:, right], truth[:, left])
    apart = cost(truth[:, left], truth[:, right])
    return np.asarray((both.sum(-1) >= 2) & (crossed < 0.5 * straight) & (straight > 0.8 * apart))


def _levels(error: Array, found: NDArray[np.bool_]) -> NDArray[Any]:
    """(N,) how large each sample's errors are beside the usual ones, median 1; 1 where fewer than 8 joints tell."""
    radius = np.where(found, np.linalg.norm(error, axis=-1), np.nan)
    told = found.sum(-1) >= 8
    if not told.any():
        return np.ones(len(error))
    usual = np.nanmedian(np.where(found.any(0), radius, 1.0), axis=0)
    level = np.nanmedian(np.where(told[:, None], radius, 1.0) / np.maximum(usual, 1e-9), axis=-1)
    level = np.where(told, np.maximum(level, 1e-3), 1.0)
    return np.asarray(level / np.median(level[told]))


def _core_and_tail(
    error: Array, found: NDArray[np.bool_], level: NDArray[Any]
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any], NDArray[np.bool_]]:
    """Core spread per axis at level 1, share and spread of what lies beyond it, and (N, J) which do."""
    wide, error = error, error / level[:, None, None]
    masked = np.where(found[..., None], np.abs(error), np.nan)
    with np.errstate(all="ignore"):
        core = np.nan_to_num(np.nanmedian(np.where(found.any(0)[:, None], masked, 0), axis=(0, 2))) / 0.6745
        radius = np.linalg.norm(error, axis=-1)
        for _ in range(5):
            inside = found & (radius <= _TAIL_CUT * core)
            square = np.where(inside[..., None], error**2, 0).sum((0, 2)) / np.maximum(2 * inside.sum(0), 1)
            core = np.sqrt(square) * 1.007  # what cutting a Rayleigh radius at 3.5 takes away
        is_lost = found & (radius > _TAIL_CUT * core)
        tail = np.where(is_lost[..., None], wide**2, 0).sum((0, 2)) / np.maximum(2 * is_lost.sum(0), 1)
    return core, is_lost.sum(0) / np.maximum(found.sum(0), 1), np.sqrt(tail), is_lost


def _mean_length(on: NDArray[np.bool_], other: float) -> float:
    """Mean length of the runs of True along axis 0."""
    starts = (on[1:] & ~on[:-1]).sum() + on[0].sum()
    return float(on.sum() / starts) if starts >= 10 else other
