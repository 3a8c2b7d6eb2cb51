"""Image sequences: patterns, folders, globs, single pictures, and bad ones among them."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from posecore.capturing.images import read_picture
from posecore.capturing.video import open_frames
from posecore.errors import SourceError


def save(path, value, size=(40, 30)):
    """A picture of one grey value."""
    Image.new("RGB", size, (value, value, value)).save(path)
    return path


def values(source):
    return [int(frame.image[15, 20, 0]) for frame in source]


@pytest.fixture
def folder(tmp_path):
    for n in range(1, 13):
        save(tmp_path / f"frame_{n}.png", 10 * n)
    (tmp_path / "notes.txt").write_text("not a picture")
    (tmp_path / ".frame_0.png").write_text("nor this")
    return tmp_path


@pytest.mark.parametrize("how", ["", "frame_%d.png", "*.png", "frame_*"])
def test_folder_pattern_and_glob_in_natural_order(folder, how):
    source = open_frames(folder / how if how else folder)
    frames = list(source)
    assert values(frames) == [10 * n for n in range(1, 13)]
    np.testing.assert_allclose([frame.time for frame in frames], np.arange(12) / 30)
    assert (source.size, source.rate, source.count, source.warnings) == ((40, 30), 30.0, 12, [])


def test_padded_pattern_rate_and_range(tmp_path):
    for n in range(5):
        save(tmp_path / f"f_{n:04d}.png", 10 * n)
    save(tmp_path / "f_7.png", 200)  # does not fit %04d
    source = open_frames(tmp_path / "f_%04d.png", start=0.1, stop=0.4, rate=10)
    assert [(f.time, f.index) for f in source] == [(0.1, 1), (0.2, 2), pytest.approx((0.3, 3))]
    assert values(source) == [10, 20, 30]


def test_missing_numbers_keep_their_time(tmp_path):
    for n in (10, 20, 30, 60, 70):
        save(tmp_path / f"r{n}.png", n)
    source = open_frames(tmp_path, rate=1)
    assert [frame.time for frame in source] == [0, 1, 2, 5, 6]
    assert "2 numbers are missing" in source.warnings[0]


def test_one_unreadable_picture_is_named_and_left_out(folder):
    (folder / "frame_3.png").write_bytes(b"\x89PNG broken")
    (folder / "frame_5.png").write_bytes((folder / "frame_5.png").read_bytes()[:50])
    source = open_frames(folder)
    frames = list(source)
    assert [frame.index for frame in frames] == [0, 1, 3, 5, 6, 7, 8, 9, 10, 11]
    assert len(source.warnings) == 2
    assert "frame_3.png" in source.warnings[0] and "frame_5.png" in source.warnings[1]


def test_mixed_sizes_are_fitted_into_the_first(tmp_path):
    save(tmp_path / "a1.png", 200, (40, 30))
    save(tmp_path / "a2.png", 200, (30, 30))
    save(tmp_path / "a3.png", 200, (80, 60))
    source = open_frames(tmp_path)
    frames = list(source)
    assert all(frame.image.shape == (30, 40, 3) for frame in frames)
    assert frames[1].image[15, 2, 0] == 128 and frames[1].image[15, 20, 0] == 200  # a border left and right
    assert (frames[2].image == 200).all()
    assert len(source.warnings) == 1 and "2 of 3 pictures differ in size" in source.warnings[0]


def test_a_picture_alone(tmp_path):
    frames = list(open_frames(save(tmp_path / "walk.png", 70)))
    assert values(frames) == [70] and frames[0].time == 0.0


def test_exif_orientation(tmp_path):
    picture = Image.new("RGB", (40, 20))
    picture.paste((255, 255, 255), (0, 0, 10, 20))  # white at the left
    exif = Image.Exif()
    exif[0x0112] = 6  # turn 90 degrees clockwise to view: the left comes up
    picture.save(tmp_path / "phone.jpg", exif=exif)
    image = next(iter(open_frames(tmp_path / "phone.jpg"))).image
    assert image.shape == (40, 20, 3) and image[:8].mean() > 240 and image[12:].mean() < 15


@pytest.mark.parametrize(("mode", "value", "expected"), [("L", 60, 60), ("1", 1, 255), ("I;16", 257 * 60, 60)])
def test_other_pixels(tmp_path, mode, value, expected):
    Image.new(mode, (4, 4), value).save(tmp_path / "p.png")
    assert (read_picture(tmp_path / "p.png") == expected).all()


def test_transparency_lies_over_grey(tmp_path):
    Image.new("RGBA", (4, 4), (255, 0, 0, 0)).save(tmp_path / "p.png")
    assert (read_picture(tmp_path / "p.png") == 128).all()


def test_nothing_to_read(tmp_path):
    (tmp_path / "notes.txt").write_text("no picture")
    for source in (tmp_path, tmp_path / "f_%04d.png", tmp_path / "*.png"):
        with pytest.raises(SourceError, match="pictur") as error:
            open_frames(source)
        assert "\n" not in str(error.value) and str(source) in str(error.value)
    with pytest.raises(SourceError, match="no such folder"):
        open_frames(tmp_path / "none" / "f_%04d.png")
    (tmp_path / "bad.png").write_bytes(b"nothing")
    with pytest.raises(SourceError, match=r"no readable picture \(bad.png"):
        open_frames(tmp_path)
    save(tmp_path / "good.png", 3)
    with pytest.raises(SourceError, match="lasts"):
        open_frames(tmp_path, start=9)
