"""Following one main person through a video, with frames in flight.

:class:`Follower` is the state (no threads, no networks): where to look next, when to search again.
:func:`follow` runs it: several frames are estimated at once while the next is decoded. Which results a
frame's region is made from is fixed (those up to ``workers`` chunks before), so the outcome does not
depend on the timing of threads.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from posecore.capturing.appearance import Look, likeness, look_of
from posecore.capturing.estimators import Box, Estimator, Pose
from posecore.capturing.frames import Frame
from posecore.capturing.regions import Region

__all__ = ["FollowSettings", "Follower", "Plan", "Sighting", "choose", "follow"]


@dataclass(frozen=True)
class FollowSettings:
    """How a person is followed.

    Attributes:
        acquire: presence that a newly found person must have.
        keep: presence below which a followed person counts as unseen in that frame.
        patience: unseen frames in a row before the search starts anew.
        search_every: seconds between searches while nobody is found; up to five times that in the long run.
        position_gain, speed_gain: of the filter on the region's centre (alpha-beta).
        side_gain: of the filter on its size.
        memory: seconds for which only candidates are taken that the lost person can have reached.
        recognition: seconds for which nobody is taken who looks different.
        unlike: how much less than usual a candidate may look like the lost person. (A coarse test: in backlight
            two people in dark clothes differ by 0.1, one person turning round by as much.)
    """

    acquire: float = 0.8
    keep: float = 0.3
    patience: int = 3
    search_every: float = 0.1
    position_gain: float = 0.8
    speed_gain: float = 0.3
    side_gain: float = 0.5
    memory: float = 3.0
    recognition: float = 10.0
    unlike: float = 0.25


@dataclass(frozen=True)
class Plan:
    """What to do with a frame.

    Attributes:
        region: where to look, or None.
        search: search the picture (``region`` None).
        near: where the person was last, if known, and ``elapsed`` seconds ago.
        look: what the person looked like, if known, and ``usual`` how like that their own pictures are.
    """

    region: Region | None = None
    search: bool = False
    near: Region | None = None
    elapsed: float = 0.0
    look: Look | None = None
    usual: float = 1.0


@dataclass(frozen=True)
class Sighting:
    """The outcome for one frame; ``pose`` and ``region`` are None if nobody was seen."""

    time: float
    index: int
    region: Region | None
    pose: Pose | None
    look: Look | None = None


def choose(
    candidates: list[tuple[Region, float]],
    size: tuple[int, int],
    near: Region | None = None,
    elapsed: float = 0.0,
    memory: float = 3.0,
) -> list[Region]:
    """Candidates worth a look, best first.

    Without ``near``: large, central, well scored. With it: only those like the lost person in size and,
    for ``memory`` seconds, where that person can have got to, so that nobody else takes their place.

    Args:
        candidates: regions (px) with scores in [0, 1].
        size: (width, height) of the picture, px.
    """
    middle = ((size[0] - 1) / 2, (size[1] - 1) / 2)
    reach_middle = math.hypot(*middle) + 1.0
    ranked: list[tuple[float, int, Region]] = []
    for order, (region, score) in enumerate(candidates):
        largeness = min(1.0, region.side / min(size))
        off_centre = min(1.0, math.dist(region.centre, middle) / reach_middle)
        value = score * largeness * (1.0 - 0.6 * off_centre)
        if near is not None:
            distance = math.dist(region.centre, near.centre) / near.side
            growth = abs(math.log(region.side / near.side))
            # A jogger covers about 1.2 regions a second; the size in the picture changes far slower.
            if growth > 0.5 + 0.4 * elapsed or (distance > 0.5 + 1.2 * elapsed and elapsed < memory):
                continue
            if elapsed < memory:
                value = score * math.exp(-distance - growth)
        ranked.append((-value, order, region))
    return [region for _, _, region in sorted(ranked, key=lambda item: item[:2])]


class Follower:
    """Where to look for the person in the next frames. Plain arithmetic on what was seen so far."""

    def __init__(self, settings: FollowSettings | None = None, first: Region | None = None) -> None:
        self.settings = settings or FollowSettings()
        self._region = first
        self._speed = np.zeros(2)
        self._seen_at: float | None = None
        self._unseen = 0
        self._look: Look | None = None
        self._usual = 1.0
        self._searched_at: float | None = None
        self._misses = 0
        self._begun: float | None = None
        self.following = first is not None  # a region given is looked at before anything is searched

    def plan(self, time: float) -> Plan:
        """What to do with the frame at ``time`` (s), from all that was noted before."""
        if self._begun is None:
            self._begun = time
        if self.following and self._region is not None:
            return Plan(region=self._predict(time))
        # An empty room is searched less and less often, down to a fifth: a search costs many estimates.
        pause = self.settings.search_every * min(5, 1 + self._misses // 5)
        if self._searched_at is not None and time - self._searched_at < pause - 1e-6:
            return Plan()
        self._searched_at, self._misses = time, self._misses + 1
        elapsed = time - (self._begun if self._seen_at is None else self._seen_at)
        return Plan(search=True, near=self._region, elapsed=elapsed, look=self._look, usual=self._usual)

    def note(self, time: float, pose: Pose | None, target: Region | None, look: Look | None = None) -> bool:
        """Take in the outcome of a frame, in order of time.

        Args:
            pose: what was seen there, or None if nothing was looked at or found.
            target: where the estimator would look next, from that pose.
            look: what the person looks like there, if that can be told.

        Returns:
            Whether the person counts as seen in that frame.
        """
        limit = self.settings.keep if self.following else self.settings.acquire
        if pose is None or target is None or not pose.presence >= limit or not _sound(target):
            self._unseen += 1
            if self._unseen >= self.settings.patience:
                self.following = False
            return False
        if self.following and self._region is not None and self._seen_at is not None:
            self._update(time, target)
        else:
            self._region, self._speed = target, np.zeros(2)
        if look is not None:
            self._remember(look)
        self.following = True
        self._unseen, self._misses, self._seen_at, self._searched_at = 0, 0, time, None
        return True

    def _remember(self, look: Look) -> None:
        """Running means, over about 20 frames, of the person's look and of how constant it is."""
        if self._look is None:
            self._look = look
            return
        self._usual += 0.05 * (likeness(self._look, look) - self._usual)
        mean = 0.95 * self._look + 0.05 * look
        self._look = mean / np.linalg.norm(mean)

    def _predict(self, time: float) -> Region:
        """The region at ``time``: moved on by its speed, at most a quarter of its side."""
        region = self._region
        assert region is not None
        step = self._speed * (time - self._seen_at if self._seen_at is not None else 0.0)
        length = float(np.hypot(*step))
        if length > 0.25 * region.side:
            step *= 0.25 * region.side / length
        return Region((region.centre[0] + float(step[0]), region.centre[1] + float(step[1])), region.side, region.angle)

    def _update(self, time: float, target: Region) -> None:
        """An alpha-beta filter on the centre; a first-order one on the logarithm of the side and on the angle."""
        region, settings = self._region, self.settings
        assert region is not None and self._seen_at is not None
        elapsed = max(time - self._seen_at, 1e-3)
        predicted = np.asarray(region.centre) + self._speed * elapsed
        surprise = np.asarray(target.centre) - predicted
        centre = predicted + settings.position_gain * surprise
        self._speed = self._speed + settings.speed_gain * surprise / elapsed
        side = region.side * (target.side / region.side) ** settings.side_gain
        turn = math.remainder(target.angle - region.angle, 2 * math.pi)
        angle = math.remainder(region.angle + settings.position_gain * turn, 2 * math.pi)
        self._region = Region((float(centre[0]), float(centre[1])), float(side), float(angle))


def _sound(region: Region) -> bool:
    """A region that a picture can be cut by."""
    return bool(np.isfinite([*region.centre, region.side, region.angle]).all()) and region.side > 4.0


def _inside(region: Region, image: NDArray[np.uint8]) -> bool:
    """Whether at least the region's centre is within the picture, give or take a quarter of its side."""
    height, width = image.shape[:2]
    margin = region.side / 4
    x, y = region.centre
    return -margin <= x <= width + margin and -margin <= y <= height + margin


def _look(estimator: Estimator, frames: list[Frame], plans: list[Plan], settings: FollowSettings) -> list[Sighting]:
    """Carry out the plans of a few frames; those with a region as one batch. Runs in a worker thread."""
    poses: dict[int, tuple[Region, Pose]] = {}
    known = [(n, plan.region) for n, plan in enumerate(plans) if plan.region is not None and _sound(plan.region)]
    known = [(n, region) for n, region in known if _inside(region, frames[n].image)]
    if known:
        found = estimator.estimate([frames[n].image for n, _ in known], [region for _, region in known])
        poses.update({n: (region, pose) for (n, region), pose in zip(known, found, strict=True)})
    for n, plan in enumerate(plans):
        if plan.search:
            sighted = _search(estimator, frames[n].image, plan, settings)
            if sighted is not None:
                poses[n] = sighted
    sightings = []
    for n, frame in enumerate(frames):
        region, pose = poses.get(n, (None, None))
        look = None if pose is None else look_of(frame.image, pose)
        sightings.append(Sighting(frame.time, frame.index, region, pose, look))
    return sightings


def _search(
    estimator: Estimator, image: NDArray[np.uint8], plan: Plan, settings: FollowSettings
) -> tuple[Region, Pose] | None:
    """The best candidate who turns out to be a person, and not somebody else; at most three are looked at."""
    height, width = image.shape[:2]
    regions = choose(estimator.find(image), (width, height), plan.near, plan.elapsed, settings.memory)
    for region in regions[:3]:
        sighted = _look_closely(estimator, image, region, settings)
        if sighted is not None and _may_be_the_same(image, sighted[1], plan, settings):
            return sighted
    return None


def _look_closely(
    estimator: Estimator, image: NDArray[np.uint8], region: Region, settings: FollowSettings
) -> tuple[Region, Pose] | None:
    """The person in a region just found, looked at twice: that region is a rough one."""
    pose = estimator.estimate([image], [region])[0]
    if pose.presence < settings.acquire:
        return None
    closer = estimator.region(pose)
    if _sound(closer) and _inside(closer, image):
        second = estimator.estimate([image], [closer])[0]
        if second.presence >= settings.acquire:
            return closer, second
    return region, pose


def _may_be_the_same(image: NDArray[np.uint8], pose: Pose, plan: Plan, settings: FollowSettings) -> bool:
    """Whether a candidate may be the lost person, by their look."""
    if plan.look is None or plan.elapsed > settings.recognition:
        return True
    look = look_of(image, pose)
    return look is None or plan.usual - likeness(look, plan.look) < settings.unlike


def follow(
    frames: Iterable[Frame],
    estimator: Estimator,
    box: Box | None = None,
    settings: FollowSettings | None = None,
    workers: int = 2,
    batch: int = 1,
) -> Generator[Sighting, None, None]:
    """Follow the main person; one :class:`Sighting` a frame, in order.

    Args:
        box: (x, y, width, height) px of the person in the first frame; None searches.
        workers: chunks in flight. A frame's region is made from the frames up to that many chunks before.
        batch: frames in a chunk, estimated as one batch (more pays on a GPU only).
    """
    settings = settings or FollowSettings()
    follower = Follower(settings, None if box is None else Region.from_box(box))
    stream = iter(frames)
    pending: deque[Future[list[Sighting]]] = deque()
    with ThreadPoolExecutor(workers, thread_name_prefix="posecore-estimate") as pool:

        def settle() -> list[Sighting]:
            return [_noted(follower, estimator, sighting) for sighting in pending.popleft().result()]

        while True:
            while len(pending) >= workers or (pending and not follower.following):
                yield from settle()
            # While lost, each frame waits for the one before: its search may have found the person.
            chunk = list(islice(stream, batch if follower.following else 1))
            if not chunk:
                break
            plans = [follower.plan(frame.time) for frame in chunk]
            pending.append(pool.submit(_look, estimator, chunk, plans, settings))
        while pending:
            yield from settle()


def _noted(follower: Follower, estimator: Estimator, sighting: Sighting) -> Sighting:
    pose = sighting.pose
    target = None if pose is None else estimator.region(pose)
    if follower.note(sighting.time, pose, target, sighting.look):
        return sighting
    return Sighting(sighting.time, sighting.index, None, None)
