"""The right panel of the preview: the movement in the world, seen by a camera that follows and turns."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from posecore import drawing
from posecore.formats.rest import tips
from posecore.motion import Motion, forward_kinematics
from posecore.preview.overlay import fade
from posecore.skeletons import BODY_21, SMPL_24, Skeleton
from posecore.takes import Take

__all__ = ["Stage", "View"]

_Array = NDArray[np.floating]


def _with_tips(motion: Motion) -> tuple[Skeleton, NDArray[np.float64], list[int]]:
    """SMPL-24 with the ends of head, hands and feet, where people look first.

    Returns:
        the skeleton of J joints, their positions (T, J, 3) metres, and for each the SMPL-24 joint it moves with.
    """
    positions, turns = forward_kinematics(motion.rotations, motion.offsets, motion.translation)
    ends = tips(motion.offsets)
    owners = SMPL_24.indices(ends)
    reach = [positions[:, joint] + turns[:, joint] @ end for joint, end in zip(owners, ends.values(), strict=True)]
    names = {f"{joint}_tip": joint for joint in ends}
    skeleton = Skeleton("SMPL_24_TIPS", (*SMPL_24.joints, *names), {**SMPL_24.parent_names, **names})
    return skeleton, np.concatenate([positions, np.stack(reach, axis=1)], axis=1), [*range(len(SMPL_24)), *owners]


@dataclass
class Stage:
    """The right panel: joints in the world (Y up), seen by a camera that follows and turns.

    Attributes:
        skeleton: names and bones of the joints.
        times: (T,) seconds. positions: (T, J, 3) metres, ground at y = 0. opacity: (T, J).
        targets: (T, 3) the calm point that the camera looks at, metres.
        tall: what the view has to show, metres.
        turn: degrees a second. begin: the time at which the camera stands in front.
    """

    skeleton: Skeleton
    times: NDArray[np.float64]
    positions: _Array
    opacity: _Array
    targets: _Array
    tall: float
    turn: float
    begin: float
    background: NDArray[np.uint8] | None = None

    @classmethod
    def of(cls, take: Take, motion: Motion | None, turn: float, begin: float) -> Stage:
        if motion is not None:
            assert motion.confidence is not None
            skeleton, positions, owners = _with_tips(motion)
            times, opacity = motion.times, 0.35 + 0.65 * fade(motion.confidence[:, owners])
        else:
            skeleton, times, opacity = BODY_21, take.times, fade(take.confidence)
            positions = take.joints.astype(np.float64) * (1.0, -1.0, -1.0)  # camera frame to Y up, facing +Z
            seen = take.confidence > 0.1
            lowest = np.where(seen, positions[..., 1], np.inf).min(axis=1)
            lowest = lowest[np.isfinite(lowest)]
            positions[..., 1] -= np.percentile(lowest, 5) if len(lowest) else 0.0
        pelvis = positions[:, skeleton.index("pelvis")].copy()
        tall = float(np.percentile(positions[..., 1].max(axis=1), 95)) if len(positions) else 1.7
        pelvis[:, 1] = 0.46 * tall
        calm = 0.7 / max(float(np.median(np.diff(times))), 1e-3) if len(times) > 1 else 0.0
        targets = gaussian_filter1d(pelvis, calm, axis=0, mode="nearest") if calm else pelvis
        return cls(skeleton, times, positions, opacity, targets, max(tall, 0.5), turn, begin)

    def at(self, time: float) -> tuple[_Array, _Array, _Array] | None:
        """Positions, opacity and target at a time; None where the movement has none."""
        if not len(self.times):
            return None
        period = float(np.median(np.diff(self.times))) if len(self.times) > 1 else 1.0
        if not self.times[0] - period < time < self.times[-1] + period:
            return None
        after = int(np.clip(np.searchsorted(self.times, time), 1, max(len(self.times) - 1, 1)))
        before, after = after - 1, min(after, len(self.times) - 1)
        gap = self.times[after] - self.times[before]
        share = float(np.clip((time - self.times[before]) / gap, 0.0, 1.0)) if gap > 0 else 0.0

        def between(values: _Array) -> _Array:
            return (1 - share) * values[before] + share * values[after]

        return between(self.positions), between(self.opacity), between(self.targets)

    def _resting(self, time: float) -> _Array:
        """Where to look before and after the movement."""
        if not len(self.times):
            return np.array([0.0, 0.46 * self.tall, 0.0])
        return self.targets[-1 if time > self.times[-1] else 0]

    def draw(self, panel: NDArray[np.uint8], time: float) -> None:
        """Draw the movement at ``time`` seconds over all of ``panel`` (H, W, 3)."""
        if self.background is None:
            self.background = _backdrop(*panel.shape[:2])
        panel[:] = self.background
        now = self.at(time)
        azimuth = np.radians(self.turn * (time - self.begin))
        view = View.around(now[2] if now else self._resting(time), self.tall, azimuth, panel.shape)
        _grid(panel, view)
        if now:
            self._shadow(panel, view, now[0], now[1])
            self._trail(panel, view, time)
            self._figure(panel, view, now[0], now[1])
        _cue(panel, view)

    def _figure(self, panel: NDArray[np.uint8], view: View, places: _Array, opacity: _Array) -> None:
        points, depth = view.project(places)
        bones = sorted(self.skeleton.bones, key=lambda bone: -(depth[bone[0]] + depth[bone[1]]))
        for parent, child in bones:
            middle = (depth[parent] + depth[child]) / 2
            near = float(np.clip(1.0 - 0.30 * (middle - view.distance) / self.tall, 0.55, 1.0))
            red, green, blue = drawing.side_colour(self.skeleton.joints[child])
            colour = (int(near * red), int(near * green), int(near * blue))
            alpha = min(opacity[parent], opacity[child])
            radius = max(0.017 * self.tall * view.focal / middle, 1.2)
            drawing.capsule(panel, points[parent], points[child], radius, colour, alpha, 1.0, (18, 20, 26))

    def _shadow(self, panel: NDArray[np.uint8], view: View, places: _Array, opacity: _Array) -> None:
        points, depth = view.project(places * (1.0, 0.0, 1.0))
        bones = [(a, b) for a, b in self.skeleton.bones if min(opacity[a], opacity[b]) > 0.2]
        if bones:
            starts, ends = np.array(bones).T
            width = max(0.045 * self.tall * view.focal / float(depth.mean()), 2.0)
            drawing.shadow(panel, points[starts], points[ends], width, 0.45)

    def _trail(self, panel: NDArray[np.uint8], view: View, time: float) -> None:
        """Where the pelvis went in the last three seconds, on the ground."""
        past = np.flatnonzero((self.times <= time) & (self.times > time - 3.0))[::2]
        if len(past) < 2:
            return
        spots, _ = view.project(self.positions[past, self.skeleton.index("pelvis")] * (1.0, 0.0, 1.0))
        glow = np.linspace(0.2, 1.0, len(past))[:, None] * np.array([190.0, 200.0, 120.0])
        drawing.lines(panel, spots[:-1], spots[1:], np.stack([glow[:-1], glow[1:]], axis=1))


@dataclass(frozen=True)
class View:
    """A pinhole camera that looks at a point.

    Attributes:
        eye: (3,) metres. axes: (3, 3) rows right, down, forward. focal: px. centre: (x, y) px.
        target: (3,) metres. distance: from eye to target, metres.
    """

    eye: _Array
    axes: _Array
    focal: float
    centre: _Array
    target: _Array
    distance: float

    @classmethod
    def around(cls, target: _Array, tall: float, azimuth: float, shape: tuple[int, ...]) -> View:
        """A view with a figure ``tall`` metres high filling two thirds of the panel."""
        height, width = shape[:2]
        rise = np.radians(13.0)
        back = np.array([np.sin(azimuth) * np.cos(rise), np.sin(rise), np.cos(azimuth) * np.cos(rise)])
        right = np.array([np.cos(azimuth), 0.0, -np.sin(azimuth)])
        forward = -back
        down = np.cross(forward, right)
        distance = 3.4 * tall
        focal = 0.66 * min(height, 1.15 * width) * distance / tall
        centre = np.array([(width - 1) / 2, 0.5 * height])
        return cls(target + distance * back, np.stack([right, down, forward]), focal, centre, target, distance)

    def project(self, points: _Array) -> tuple[_Array, _Array]:
        """(N, 3) metres to (N, 2) px and (N,) depth in metres, kept in front of the eye."""
        local = (points - self.eye) @ self.axes.T
        depth = np.maximum(local[:, 2], 0.05 * self.distance)
        return local[:, :2] * (self.focal / depth)[:, None] + self.centre, depth


def _backdrop(height: int, width: int) -> NDArray[np.uint8]:
    """A dark picture, a little lighter towards the ground."""
    share = np.linspace(0, 1, height)[:, None, None]
    colour = (1 - share) * np.array([30, 33, 40]) + share * np.array([52, 57, 66])
    return np.repeat(colour, width, axis=1).astype(np.uint8)


def _grid(panel: NDArray[np.uint8], view: View) -> None:
    """Lines every metre on the ground (the world's own, so that they pass by), fading outwards."""
    reach = max(2, round(0.55 * view.distance))
    x0, z0 = np.rint(view.target[[0, 2]])
    pieces = 6  # a line fades along its way, so it is drawn in pieces
    steps = np.linspace(-reach, reach, 2 * reach * pieces // 2 + 1)
    offsets = np.arange(-reach, reach + 1.0)
    across, along = np.meshgrid(offsets, steps, indexing="ij")
    ground = np.zeros((2, *across.shape, 3))
    ground[0, ..., 0], ground[0, ..., 2] = x0 + across, z0 + along
    ground[1, ..., 0], ground[1, ..., 2] = x0 + along, z0 + across
    far = np.hypot(ground[..., 0] - view.target[0], ground[..., 2] - view.target[2])
    glow = np.clip(1.0 - far / (reach + 0.2), 0.0, 1.0)[..., None]
    points, _ = view.project(ground.reshape(-1, 3))
    points = points.reshape(*ground.shape[:-1], 2)
    colours = 50 + glow * np.array([75.0, 80.0, 90.0])
    starts, ends = points[:, :, :-1].reshape(-1, 2), points[:, :, 1:].reshape(-1, 2)
    tints = np.stack([colours[:, :, :-1].reshape(-1, 3), colours[:, :, 1:].reshape(-1, 3)], axis=1)
    height, width = panel.shape[:2]
    low, high = np.minimum(starts, ends), np.maximum(starts, ends)
    seen = (high > 0).all(axis=1) & (low[:, 0] < width) & (low[:, 1] < height) & (tints.max(axis=(1, 2)) > 52)
    drawing.lines(panel, starts[seen], ends[seen], tints[seen])


def _cue(panel: NDArray[np.uint8], view: View) -> None:
    """The world's axes in a corner, and what a square of the grid is."""
    height, width = panel.shape[:2]
    size, letters = 0.055 * height, max(11, round(height / 30))
    origin = np.array([1.6 * size, height - 1.5 * size])
    axes = (("X", (235, 90, 90)), ("Y", (120, 210, 90)), ("Z", (90, 140, 250)))
    for axis, (_, colour) in sorted(enumerate(axes), key=lambda item: -view.axes[2, item[0]]):
        drawing.capsule(panel, origin, origin + size * view.axes[:2, axis], max(1.0, 0.04 * size), colour)
    words = "grid 1 m"
    wide, tall = drawing.text_size(words, letters)
    drawing.text(panel, words, width - wide - letters // 2, height - tall - letters // 3, letters, (170, 175, 185))
