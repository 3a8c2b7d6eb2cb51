"""``Take`` and ``Camera``: checks on construction, and the file."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from posecore.errors import SourceError
from posecore.takes import Camera, Take


def make_take(count: int = 5) -> Take:
    rng = np.random.default_rng(1)
    return Take(
        times=np.cumsum(rng.uniform(0.02, 0.05, count)),
        boxes=rng.uniform(0, 100, (count, 4)).astype(np.float32),
        keypoints=rng.uniform(0, 100, (count, 21, 2)).astype(np.float32),
        confidence=rng.uniform(0, 1, (count, 21)).astype(np.float32),
        joints=rng.normal(size=(count, 21, 3)).astype(np.float32),
        joints_raw=rng.normal(size=(count, 21, 3)).astype(np.float32),
        camera=Camera(812.5, (319.5, 239.5), (640, 480)),
        source="walk.mp4",
        frames=np.arange(10, 10 + count),
        estimator="sapnet 1",
        notes={"warnings": ["häßlich"], "people": 1},
    )


def test_round_trip(tmp_path) -> None:
    take = make_take()
    take.save(tmp_path / "take.npz")
    back = Take.load(tmp_path / "take.npz")
    for name in ("times", "boxes", "keypoints", "confidence", "joints", "joints_raw", "frames"):
        np.testing.assert_array_equal(getattr(back, name), getattr(take, name))
        assert getattr(back, name).dtype == getattr(take, name).dtype
    assert back.camera == take.camera
    assert (back.source, back.estimator, back.notes) == (take.source, take.estimator, take.notes)


def test_one_array_a_field(tmp_path) -> None:
    make_take().save(tmp_path / "take.npz")
    with np.load(tmp_path / "take.npz", allow_pickle=False) as data:
        fields = {"times", "boxes", "keypoints", "confidence", "joints", "joints_raw", "frames", "camera", "meta"}
        assert set(data.files) == fields
        assert data["times"].dtype == np.float64 and data["joints"].dtype == np.float32


def test_slice_keeps_times_and_frame_numbers() -> None:
    take = make_take(6)
    part = take.slice(2, 5)
    assert len(part) == 3
    np.testing.assert_array_equal(part.times, take.times[2:5])
    np.testing.assert_array_equal(part.frames, [12, 13, 14])
    np.testing.assert_array_equal(part.joints, take.joints[2:5])
    assert part.camera == take.camera


def test_rate_is_the_median() -> None:
    times = np.array([0.0, 0.04, 0.08, 0.12, 5.0])  # one long pause says nothing about the rate
    assert replace(make_take(), times=times).rate == pytest.approx(25)
    assert make_take(1).rate == 30.0


def test_frames_default_to_a_count() -> None:
    np.testing.assert_array_equal(replace(make_take(3), frames=np.zeros(0, np.int64)).frames, [0, 1, 2])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"boxes": np.zeros((5, 3), np.float32)}, r"Take.boxes: expected shape \(5, 4\), got \(5, 3\)"),
        ({"joints": np.zeros((5, 17, 3), np.float32)}, r"Take.joints: expected shape \(5, 21, 3\)"),
        ({"keypoints": np.full((5, 21, 2), np.nan, np.float32)}, "Take.keypoints: holds NaN"),
        ({"times": np.array([0, 1, 1, 2, 3.0])}, "must increase"),
    ],
)
def test_impossible_values_are_refused(change, message) -> None:
    with pytest.raises(ValueError, match=message):
        replace(make_take(), **change)


def test_other_files_are_refused(tmp_path) -> None:
    np.savez(tmp_path / "other.npz", poses=np.zeros(3))
    with pytest.raises(SourceError, match="not a posecore Take"):
        Take.load(tmp_path / "other.npz")
    make_take().save(tmp_path / "take.npz")
    with np.load(tmp_path / "take.npz") as data:
        arrays = dict(data)
    arrays["times"] = arrays["times"][:-1]
    np.savez(tmp_path / "short.npz", **arrays)
    with pytest.raises(SourceError, match="not a posecore Take"):
        Take.load(tmp_path / "short.npz")


def test_assumed_camera_sees_fifty_degrees_over_the_longer_side() -> None:
    for size in ((1920, 1080), (1080, 1920)):
        camera = Camera.assumed(size)
        assert np.degrees(2 * np.arctan(max(size) / 2 / camera.focal)) == pytest.approx(50)
        assert camera.centre == ((size[0] - 1) / 2, (size[1] - 1) / 2)
