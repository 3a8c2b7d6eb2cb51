"""What a chosen path is, and the cache of Takes."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from addon import sources, takes_cache, workflow
from addon.worker_client import Event
from posecore import Camera, Motion, NoPersonError, PosecoreError, SourceError, Take
from posecore.skeletons import BODY_21


def a_take(frames: int = 4) -> Take:
    count = len(BODY_21)
    zeros = np.zeros((frames, count, 3), np.float32)
    return Take(
        times=np.arange(frames) / 25,
        boxes=np.zeros((frames, 4), np.float32),
        keypoints=zeros[..., :2],
        confidence=np.ones((frames, count), np.float32),
        joints=zeros,
        joints_raw=zeros,
        camera=Camera.assumed((640, 360)),
        estimator="sapnet 1",
    )


def a_motion(frames: int = 5) -> Motion:
    rotations = np.zeros((frames, 24, 4), np.float32)
    rotations[..., 3] = 1
    return Motion(np.arange(frames) / 50, rotations, np.zeros((frames, 3), np.float32))


def test_kinds_are_found_out(root: Path, tmp_path: Path) -> None:
    a_take().save(tmp_path / "take.npz")
    a_motion().save(tmp_path / "amass.npz")
    a_motion().save(tmp_path / "walk.bvh")
    assert sources.describe(str(root / "examples" / "walk.mp4")).text == "640×480, 30 fps, 300 frames"
    take = sources.describe(str(tmp_path / "take.npz"))
    assert (take.kind, take.text) == ("take", "Take by sapnet 1: 640×360, 25 fps, 4 frames")
    for name in ("amass.npz", "walk.bvh"):
        motion = sources.describe(str(tmp_path / name))
        assert (motion.kind, motion.text) == ("motion", "Movement: 50 fps, 5 frames, 0.1 s"), name


@pytest.mark.parametrize("name", ["", "nothing.npz", "nothing.mp4", "nothing.bvh"])
def test_what_is_not_there_is_one_clear_line(name: str, tmp_path: Path) -> None:
    with pytest.raises(SourceError) as caught:
        sources.describe(str(tmp_path / name) if name else "")
    assert "\n" not in str(caught.value) and ";" in str(caught.value)


def test_an_archive_of_something_else_is_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "other.npz", weights=np.zeros(3))
    assert sources.kind_of(str(tmp_path / "other.npz")) == "motion"
    with pytest.raises(SourceError, match="not a motion posecore can read"):
        sources.describe(str(tmp_path / "other.npz"))


def test_one_picture_stands_for_its_row(tmp_path: Path) -> None:
    for name in ("shot_08.png", "shot_09.png", "shot_10.png", "still_7.png", "shot_011.png"):
        (tmp_path / name).write_bytes(b"")
    assert sources.whole_sequence(str(tmp_path / "shot_09.png")) == str(tmp_path / "shot_%02d.png")
    for alone in ("still_7.png", "shot_011.png", "missing_1.png", "shot_%02d.png"):
        assert sources.whole_sequence(str(tmp_path / alone)) == str(tmp_path / alone)


class Client:
    """A worker that says what it is told to."""

    alive = True

    def __init__(self, *events: tuple[str, dict]) -> None:
        self.events, self.captured, self.cancelled = list(events), [], []

    def capture(self, source: str, out_folder: str, **options: object) -> str:
        self.captured.append((source, out_folder, options))
        return "capture-1"

    def cancel(self, job: str) -> None:
        self.cancelled.append(job)

    def poll(self) -> list[Event]:
        return [Event("capture-1", *self.events.pop(0))] if self.events else []


def options(source: Path, **changes: object) -> workflow.CaptureOptions:
    return workflow.CaptureOptions(str(source), **changes)


def test_a_second_analysis_comes_from_the_cache(tmp_path: Path) -> None:
    video, cache = tmp_path / "a walk.mp4", tmp_path / "cache"
    video.write_bytes(b"frames")
    entry = takes_cache.entry_for(options(video), cache)
    assert entry.takes() == []

    def analysed(client: Client, **changes: object) -> list[Path]:
        return workflow.analyse(client, options(video, **changes), folder=cache)

    entry.prepare()
    a_take().save(entry.folder / "walk.npz")
    done = ("done", {"takes": [str(entry.folder / "walk.npz")]})
    first = Client(("progress", {"done": 1}), done)
    assert analysed(first) == [entry.folder / "walk.npz"]
    assert first.captured[0][:2] == (str(video), str(entry.folder))
    second = Client()
    assert analysed(second) == [entry.folder / "walk.npz"] and not second.captured
    # another range, another video, or a Take that is gone: analysed again
    assert takes_cache.entry_for(options(video, start=0.5), cache) != entry
    os.utime(video, ns=(1, 1))
    assert takes_cache.entry_for(options(video), cache) != entry
    assert takes_cache.size_of(cache)[0] == 1
    (cache / "a file of the user.txt").write_text("mine")
    assert takes_cache.clear(cache) == 1
    assert [path.name for path in cache.iterdir()] == ["a file of the user.txt"]


def test_the_workers_errors_arrive_as_our_own(tmp_path: Path) -> None:
    (tmp_path / "v.mp4").write_bytes(b"")
    for event, kind, words in (
        (("error", {"message": "nobody there", "kind": "NoPersonError"}), NoPersonError, "nobody there"),
        (("error", {"message": "odd", "kind": "ZeroDivisionError"}), PosecoreError, "odd"),
        (("crashed", {"message": "out of memory", "jobs": ["capture-1"]}), PosecoreError, "out of memory"),
    ):
        with pytest.raises(kind, match=words):
            workflow.analyse(Client(event), options(tmp_path / "v.mp4"), folder=tmp_path / "cache")
    silent = Client()
    silent.alive = False
    with pytest.raises(PosecoreError, match="has gone"):
        workflow.analyse(silent, options(tmp_path / "v.mp4"), folder=tmp_path / "cache")


def test_cancelled_once_and_nothing_kept(tmp_path: Path) -> None:
    (tmp_path / "v.mp4").write_bytes(b"")
    client = Client(("progress", {"done": 1}), ("error", {"message": "stopped", "kind": "Cancelled"}))
    with pytest.raises(PosecoreError, match="stopped"):
        workflow.analyse(client, options(tmp_path / "v.mp4"), cancelled=lambda: True, folder=tmp_path / "cache")
    assert client.cancelled == ["capture-1"]
    assert takes_cache.entry_for(options(tmp_path / "v.mp4"), tmp_path / "cache").takes() == []


def test_a_take_is_read_once(tmp_path: Path) -> None:
    path = tmp_path / "take.npz"
    a_take(4).save(path)
    first = takes_cache.read_take(str(path))
    assert takes_cache.read_take(str(path)) is first
    a_take(6).save(path)
    assert len(takes_cache.read_take(str(path))) == 6
    path.unlink()
    with pytest.raises(SourceError, match="no such file"):
        takes_cache.read_take(str(path))
