"""Repair of one person's track: left and right exchanged by the network, and short drop-outs.

Seen from behind, or from the side, networks exchange left and right for a while. The body does not:
:func:`find_swaps` finds the labelling that moves most smoothly, over the whole clip at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from posecore.capturing.lifting import keypoint_scale
from posecore.capturing.temporal import interpolate
from posecore.skeletons import BODY_21

__all__ = ["STATES", "SwapSettings", "apply_swaps", "fill_gaps", "find_swaps", "swap_runs"]

#: What may be exchanged in a frame: (legs, arms) per state. ``all`` is the whole body.
STATES = {"none": (0, 0), "legs": (1, 0), "arms": (0, 1), "all": (1, 1)}

_LEGS = ("hip", "knee", "ankle", "toe")
_ARMS = ("shoulder", "elbow", "wrist", "hand")


@dataclass(frozen=True)
class SwapSettings:
    """Costs of the labelling, in units of the person's 2D scale (about 0.5 m) of one joint's motion.

    Attributes:
        change: of a change of state between two frames.
        whole: of each frame in which the whole body is exchanged: the network's own opinion.
        part: of each frame in which the legs, or the arms, alone are exchanged. Far dearer: where legs pass
            each other the hidden one is seen at the visible one, and steady motion is no witness of a long swap.
        twist: of a trunk whose hips and shoulders point opposite ways, times their width.
        cap: the most that one joint can cost in one frame, so that no wild joint decides.
        steadiness: the share of acceleration, against speed, in the cost of motion.

    The defaults were chosen on 19 clips of the CMU captures, each seen from three sides with 1 and 3 cm of
    correlated noise: of right labels under 0.1 % are taken for wrong; swaps that begin and end where left and right
    coincide in the picture are missed in under 1 % of their frames.
    """

    change: float = 0.3
    whole: float = 0.04
    part: float = 0.12
    twist: float = 1.0
    cap: float = 0.5
    steadiness: float = 0.7


def find_swaps(
    times: NDArray[np.floating],
    keypoints: NDArray[np.floating],
    confidence: NDArray[np.floating],
    settings: SwapSettings | None = None,
) -> NDArray[np.int64]:
    """Which labels are exchanged in which frame.

    The cheapest path (second-order Viterbi) through the four :data:`STATES`: steady motion, few changes,
    an untwisted trunk, and where all that is equal the network's own labels.

    Args:
        times: (T,) seconds.
        keypoints: (T, 21, 2) px, no NaN.
        confidence: (T, 21); unseen joints have no say.

    Returns:
        (T,) indices into :data:`STATES`.
    """
    settings = settings or SwapSettings()
    count = len(times)
    if count < 2:
        return np.zeros(count, np.int64)
    scale = _steady_scale(keypoints, confidence)
    points = np.asarray(keypoints, np.float64) / scale[:, None, None]
    own = _own_costs(points, np.asarray(confidence, np.float64), settings)
    legs = _pair_costs(_LEGS, times, points, confidence, settings)
    arms = _pair_costs(_ARMS, times, points, confidence, settings)
    leg = np.array([state[0] for state in STATES.values()])
    arm = np.array([state[1] for state in STATES.values()])
    grid = np.ix_(range(4), range(4), range(4))
    motion = legs[:, leg[grid[0]], leg[grid[1]], leg[grid[2]]] + arms[:, arm[grid[0]], arm[grid[1]], arm[grid[2]]]
    change = settings.change * (1.0 - np.eye(4))
    return _cheapest_path(own, motion, change)


def _steady_scale(keypoints: NDArray[np.floating], confidence: NDArray[np.floating]) -> NDArray[np.float64]:
    """(T,) the person's 2D scale, px, without frame to frame noise: a median over half a second or so."""
    scale = keypoint_scale(keypoints, confidence).astype(np.float64)
    seen = np.asarray(confidence).max(axis=-1) > 0
    if not seen.any():
        return np.ones(len(scale))
    scale = np.interp(np.arange(len(scale)), np.flatnonzero(seen), scale[seen])
    padded = np.pad(scale, 7, mode="edge")
    return np.maximum(np.median(np.lib.stride_tricks.sliding_window_view(padded, 15), axis=-1), 1e-3)


def _own_costs(
    points: NDArray[np.float64], confidence: NDArray[np.float64], settings: SwapSettings
) -> NDArray[np.float64]:
    """(T, 4) what each state costs in itself."""
    l_hip, r_hip, l_shoulder, r_shoulder = BODY_21.indices(["l_hip", "r_hip", "l_shoulder", "r_shoulder"])
    hips, shoulders = points[:, l_hip] - points[:, r_hip], points[:, l_shoulder] - points[:, r_shoulder]
    sure = confidence[:, [l_hip, r_hip, l_shoulder, r_shoulder]].min(axis=-1)
    widths = np.minimum(np.linalg.norm(hips, axis=-1), np.linalg.norm(shoulders, axis=-1)) + 1e-9
    cosine = (hips * shoulders).sum(-1) / (np.linalg.norm(hips, axis=-1) * np.linalg.norm(shoulders, axis=-1) + 1e-9)
    weight = settings.twist * sure * widths
    cost = np.empty((len(points), 4))
    for state, (leg, arm) in enumerate(STATES.values()):
        along = cosine if leg == arm else -cosine
        cost[:, state] = weight * np.maximum(-along, 0.0)
        if leg or arm:
            names = (*(_LEGS if leg else ()), *(_ARMS if arm else ()))
            joints = BODY_21.indices([f"{side}_{name}" for side in "lr" for name in names])
            price = settings.whole if leg and arm else settings.part
            cost[:, state] += price * confidence[:, joints].mean(axis=-1)
    return cost


def _pair_costs(
    names: tuple[str, ...],
    times: NDArray[np.floating],
    points: NDArray[np.float64],
    confidence: NDArray[np.floating],
    settings: SwapSettings,
) -> NDArray[np.float64]:
    """(T, 2, 2, 2) cost of the motion into frame t, by exchanged or not at t-2, t-1 and t.

    Speed between the last two frames and, from frame 2 on, the deviation from steady motion over three.
    """
    left, right = BODY_21.indices([f"l_{n}" for n in names]), BODY_21.indices([f"r_{n}" for n in names])
    plain, exchanged = left + right, right + left
    labelled = np.stack([points[:, plain], points[:, exchanged]])  # (2, T, 2n, 2)
    weights = np.stack([np.asarray(confidence, np.float64)[:, joints] for joints in (plain, exchanged)])
    steps = np.diff(np.asarray(times, np.float64))
    # Long steps say little about who is who.
    trust = np.minimum(1.0, 0.1 / np.maximum(steps, 1e-6))
    cost = np.zeros((len(points), 2, 2, 2))
    for b, c in product(range(2), range(2)):
        move = labelled[c, 1:] - labelled[b, :-1]
        weight = np.sqrt(weights[c, 1:] * weights[b, :-1])
        speed = (weight * np.minimum(np.linalg.norm(move, axis=-1), settings.cap)).sum(-1) * trust
        cost[1:, :, b, c] += (1.0 - settings.steadiness) * speed[:, None]
        for a in range(2):
            before = labelled[b, 1:-1] - labelled[a, :-2]
            ratio = np.minimum(steps[1:] / steps[:-1], 3.0)[:, None, None]
            bend = np.linalg.norm(move[1:] - before * ratio, axis=-1)
            threefold = np.cbrt(weights[c, 2:] * weights[b, 1:-1] * weights[a, :-2])
            steady = (threefold * np.minimum(bend, settings.cap)).sum(-1) * trust[1:]
            cost[2:, a, b, c] += settings.steadiness * steady
    return cost


def _cheapest_path(
    own: NDArray[np.float64], motion: NDArray[np.float64], change: NDArray[np.float64]
) -> NDArray[np.int64]:
    """Second-order Viterbi. own (T, S); motion (T, S, S, S) by the states at t-2, t-1, t; change (S, S)."""
    count, states = own.shape
    total = own[0][:, None] + own[1][None, :] + change + motion[1, 0]  # (S at t-1, S at t)
    back = np.zeros((count, states, states), np.int8)
    for t in range(2, count):
        paths = total[:, :, None] + motion[t]  # (t-2, t-1, t)
        back[t] = paths.argmin(axis=0)
        total = paths.min(axis=0) + change + own[t][None, :]
    path = np.zeros(count, np.int64)
    path[-2], path[-1] = np.unravel_index(int(total.argmin()), total.shape)
    for t in range(count - 1, 1, -1):
        path[t - 2] = back[t, path[t - 1], path[t]]
    return path


def apply_swaps(states: NDArray[np.integer], values: NDArray[np.float32], depth: bool = False) -> NDArray[np.float32]:
    """Exchange left and right in (T, 21, ...) ``values`` by ``states`` (T,).

    With ``depth`` (joints (T, 21, 3)) a wholly exchanged body is also mirrored in depth: what had been taken
    for somebody seen from the front is, with the same outline, that person seen from behind.
    """
    out = np.array(values, copy=True)
    for index, (leg, arm) in enumerate(STATES.values()):
        frames = np.flatnonzero(np.asarray(states) == index)
        if len(frames) == 0 or not (leg or arm):
            continue
        order = list(range(len(BODY_21)))
        for exchanged, names in ((leg, _LEGS), (arm, _ARMS)):
            for name in names if exchanged else ():
                left, right = BODY_21.index(f"l_{name}"), BODY_21.index(f"r_{name}")
                order[left], order[right] = right, left
        out[frames] = values[frames][:, order]
        if depth and leg and arm:
            out[frames, :, 2] *= -1.0
    return out


def swap_runs(states: NDArray[np.integer], frames: NDArray[np.integer]) -> list[list[int | str]]:
    """``states`` as [first frame, last frame, what was exchanged] per run, for a Take's notes."""
    names = list(STATES)
    cuts = np.flatnonzero(np.diff(states)) + 1
    runs: list[list[int | str]] = []
    for part in np.split(np.arange(len(states)), cuts):
        if len(part) and states[part[0]]:
            runs.append([int(frames[part[0]]), int(frames[part[-1]]), names[int(states[part[0]])]])
    return runs


def fill_gaps(
    times: NDArray[np.floating],
    values: NDArray[np.floating],
    confidence: NDArray[np.floating],
    longest: float = 0.25,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Numbers for what was not seen: interpolated over time, held at the ends.

    Args:
        values: (T, K, D).
        confidence: (T, K); 0 = unseen.
        longest: gaps up to so many seconds, between two sightings, also get a low confidence (half of the weaker
            neighbour's); longer ones keep 0.

    Returns:
        values and confidence, filled. A column never seen stays as it is.
    """
    out = np.array(values, np.float32, copy=True)
    sure = np.array(confidence, np.float32, copy=True)
    stamps = np.asarray(times, np.float64)
    for column in range(out.shape[1]):
        seen = np.flatnonzero(sure[:, column] > 0)
        if len(seen) == 0 or len(seen) == len(stamps):
            continue
        lost = np.flatnonzero(sure[:, column] <= 0)
        out[lost, column] = interpolate(stamps[lost], stamps[seen], out[seen, column])
        place = np.searchsorted(seen, lost)
        inner = (place > 0) & (place < len(seen))
        lost, place = lost[inner], place[inner]
        before, after = seen[place - 1], seen[place]
        short = stamps[after] - stamps[before] <= longest + 1e-9
        weaker = np.minimum(sure[before, column], sure[after, column])
        sure[lost[short], column] = 0.5 * weaker[short]
    return out, sure
