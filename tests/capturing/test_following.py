"""Following one person: blobs that move, jump, leave and come back; bystanders; threads."""

from __future__ import annotations

import math
import random

import numpy as np
import pytest

from posecore.capturing.following import Follower, FollowSettings, choose, follow
from posecore.capturing.frames import Frame
from posecore.capturing.regions import Region


def frames_of(pictures, rate=30.0):
    return [Frame(picture, n / rate, n) for n, picture in enumerate(pictures)]


def centres(sightings):
    """Pelvis per frame, or None."""
    return [None if s.pose is None else tuple(s.pose.keypoints[0]) for s in sightings]


def test_follows_a_walk_with_one_search(clips):
    path = [(30 + 1.5 * n, 60 + 10 * math.sin(n / 6)) for n in range(60)]
    estimator = clips.Estimator()
    found = centres(follow(frames_of([clips.blob(c) for c in path]), estimator))
    assert all(f is not None and math.dist(f, c) < 1.0 for f, c in zip(found, path, strict=True))
    assert estimator.searches == 1


def test_the_region_leads_a_steady_walk(clips):
    path = [(20 + 2.0 * n, 60) for n in range(60)]
    sightings = list(follow(frames_of([clips.blob(c) for c in path]), clips.Estimator()))
    for s in sightings[20:]:
        assert abs(s.region.centre[0] - s.pose.keypoints[0, 0]) < 1.5  # two frames' way is 4 px


def test_leaves_and_comes_back(clips):
    path = [(40, 60)] * 10 + [None] * 20 + [(80, 50)] * 15
    found = centres(follow(frames_of([clips.blob(c) for c in path]), clips.Estimator()))
    assert all(f is not None for f in found[:10])
    assert all(f is None for f in found[10:30])
    assert all(f is not None for f in found[36:])  # within two search_every (0.1 s) of coming back


def test_short_drop_outs_need_no_search(clips):
    path = [(60, 60)] * 8 + [None] * 2 + [(60, 60)] * 8
    estimator = clips.Estimator()
    found = centres(follow(frames_of([clips.blob(c) for c in path]), estimator))
    assert [f is None for f in found] == [p is None for p in path]
    assert estimator.searches == 1


def test_a_jump_is_found_again(clips):
    path = [(30, 30)] * 10 + [(125, 90)] * 60
    found = centres(follow(frames_of([clips.blob(c) for c in path]), clips.Estimator()))
    lost = [n for n, f in enumerate(found) if f is None]
    assert lost and lost[0] == 10 and len(lost) < 50 and math.dist(found[-1], (125, 90)) < 1


def test_a_bystander_does_not_take_the_place(clips):
    others = [(20.0, 60.0, 9.0)]
    path = [(110, 60)] * 10 + [None] * 12 + [(125, 60)] * 10
    pictures = [clips.blob(c, others=others) for c in path]
    found = centres(follow(frames_of(pictures), clips.Estimator()))
    assert all(f is None or f[0] > 90 for f in found)
    assert found[0] is not None and found[-1] is not None and all(f is None for f in found[10:22])


def test_somebody_else_is_not_taken_even_after_seconds(clips):
    others = [(40.0, 60.0, 12.0)]
    pictures = [clips.blob((90, 60), others=others)] * 10 + [clips.blob(None, others=others)] * 150
    found = centres(follow(frames_of(pictures), clips.Estimator()))
    assert found[9] is not None and all(f is None for f in found[10:])


def test_looks():
    from posecore.capturing.appearance import likeness, look_of
    from posecore.capturing.estimators import Pose
    from posecore.skeletons import BODY_21

    keypoints = np.full((21, 2), 50.0, np.float32)
    keypoints[BODY_21.indices(["l_shoulder", "r_shoulder"])] -= (0, 20)
    pose = Pose(keypoints, np.ones(21, np.float32), np.zeros((21, 3), np.float32))
    red, dark_red, blue = (np.full((100, 100, 3), c, np.uint8) for c in ((200, 0, 0), (180, 10, 10), (0, 0, 200)))
    looks = [look_of(image, pose) for image in (red, dark_red, blue)]
    assert likeness(looks[0], looks[0]) == pytest.approx(1.0) and likeness(looks[0], looks[1]) > 0.8
    assert likeness(looks[0], looks[2]) == 0.0
    unsure = Pose(keypoints, np.full(21, 0.1, np.float32), pose.joints)
    assert look_of(red, unsure) is None
    assert look_of(red, Pose(keypoints * 0, pose.confidence, pose.joints)) is None


def test_nobody_at_the_beginning_and_nobody_at_all(clips):
    path = [None] * 11 + [(60, 60)] * 5
    found = centres(follow(frames_of([clips.blob(c) for c in path]), clips.Estimator()))
    assert found[:11] == [None] * 11 and found[-1] is not None
    estimator = clips.Estimator()
    assert centres(follow(frames_of([clips.blob(None)] * 30), estimator)) == [None] * 30
    assert estimator.searches <= 8 and estimator.estimates == 0  # every 0.1 s, later every 0.2 s


def test_a_given_box_chooses_the_person(clips):
    others = [(120.0, 60.0, 20.0)]
    pictures = [clips.blob((40, 60), others=others, radius=8)] * 6
    main = centres(follow(frames_of(pictures), clips.Estimator()))
    boxed = centres(follow(frames_of(pictures), clips.Estimator(), box=(30, 50, 20, 20)))
    assert all(f[0] > 100 for f in main) and all(f[0] < 60 for f in boxed)


def test_a_box_without_a_person_falls_back_to_searching(clips):
    found = centres(follow(frames_of([clips.blob((40, 60))] * 110), clips.Estimator(), box=(140, 100, 20, 20)))
    assert found[0] is None and found[-1] is not None


@pytest.mark.parametrize(("workers", "batch"), [(2, 1), (1, 4), (2, 3)])
def test_the_result_does_not_depend_on_the_timing_of_threads(clips, workers, batch):
    rng = np.random.default_rng(3)
    path = np.cumsum(rng.normal(0, 2.0, (50, 2)), axis=0) + (80, 60)
    pictures = [clips.blob(tuple(c) if n not in (20, 21, 22, 23, 24) else None) for n, c in enumerate(path)]

    def run(seed):
        dice = random.Random(seed)
        estimator = clips.Estimator(delay=lambda: dice.random() * 0.004)
        sightings = list(follow(frames_of(pictures), estimator, workers=workers, batch=batch))
        return [s.pose.joints.tobytes() if s.pose else b"" for s in sightings]

    first = run(0)
    assert sum(map(bool, first)) > 35
    assert all(run(seed) == first for seed in range(1, 4))


def test_two_frames_are_estimated_side_by_side(clips):
    estimator = clips.Estimator(delay=lambda: 0.01)
    list(follow(frames_of([clips.blob((60, 60))] * 20), estimator))
    assert len(estimator.threads) == 2


def test_frames_are_taken_only_as_they_are_needed(clips):
    """Constant memory: no more than the frames in flight are held."""
    taken = []

    def stream():
        for frame in frames_of([clips.blob((60, 60))] * 50):
            taken.append(frame.index)
            yield frame

    running = follow(stream(), clips.Estimator())
    for n in range(20):
        next(running)
        assert len(taken) <= n + 4
    running.close()


def test_the_estimators_errors_come_through(clips):
    class Broken(clips.Estimator):
        def _one(self, image, region):
            raise RuntimeError("no memory")

    with pytest.raises(RuntimeError, match="no memory"):
        list(follow(frames_of([clips.blob((60, 60))] * 5), Broken()))


def test_choose():
    size = (200, 100)
    big, small, corner = Region((100, 50), 80), Region((100, 50), 20), Region((5, 5), 60)
    assert choose([(small, 0.9), (corner, 0.9), (big, 0.8)], size)[0] == big
    assert choose([], size) == []
    near = Region((10, 10), 60)
    assert choose([(big, 0.9), (corner, 0.6)], size, near, elapsed=0.1) == [corner]
    assert choose([(small, 0.9)], size, Region((100, 50), 80), elapsed=0.1) == []  # far too small
    assert set(choose([(big, 0.9), (corner, 0.6)], size, near, elapsed=10.0)) == {big, corner}


def test_follower_turns_the_short_way_round():
    from posecore.capturing.estimators import Pose

    follower = Follower(FollowSettings(position_gain=0.5))
    pose = Pose(np.zeros((21, 2), np.float32), np.ones(21, np.float32), np.zeros((21, 3), np.float32))
    assert follower.plan(0.0).search
    follower.note(0.0, pose, Region((0, 0), 100, 3.0))
    follower.note(0.1, pose, Region((0, 0), 100, -3.0))
    assert abs(abs(follower.plan(0.2).region.angle) - math.pi) < 0.01
