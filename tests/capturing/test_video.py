"""Reading videos: time stamps, formats, rotation, ranges, and every kind of bad file."""

from __future__ import annotations

import gc
import os
import struct
import threading
import wave
from pathlib import Path

import av
import numpy as np
import pytest

from posecore.capturing.frames import READ_AHEAD, Timeline, read_ahead
from posecore.capturing.video import open_frames
from posecore.errors import SourceError

FAST = {"movflags": "faststart"}


@pytest.fixture(scope="module")
def clip(tmp_path_factory, clips) -> Path:
    """3 s at 30 frames/s, a key frame every half second, the index at the front."""
    path = tmp_path_factory.mktemp("video") / "clip.mp4"
    return clips.write(path, clips.noise(90), options={"g": "15"}, container_options=FAST)


def one_line(error: pytest.ExceptionInfo, name: str) -> str:
    text = str(error.value)
    assert "\n" not in text and name in text
    return text


def test_frames_times_and_size(clip):
    source = open_frames(clip)
    frames = list(source)
    assert (source.size, source.rate, source.count) == ((160, 120), 30.0, 90)
    assert [frame.index for frame in frames] == list(range(90))
    np.testing.assert_allclose([frame.time for frame in frames], np.arange(90) / 30, atol=1e-6)
    assert frames[0].image.shape == (120, 160, 3) and frames[0].image.dtype == np.uint8
    assert source.warnings == []


def test_a_source_can_be_read_twice(clip):
    source = open_frames(clip)
    first, second = ([frame.image.sum(dtype=np.int64) for frame in source] for _ in range(2))
    assert first == second


@pytest.mark.parametrize(("start", "stop"), [(0.0, 0.5), (1.0, 2.0), (1.21, 1.3), (2.9, None), (None, 0.01)])
def test_a_range_gives_the_same_frames_as_the_whole(clip, start, stop):
    whole = {frame.index: frame for frame in open_frames(clip)}
    part = list(open_frames(clip, start, stop))
    low, high = start or 0.0, 99.0 if stop is None else stop
    assert [frame.index for frame in part] == [n for n in range(90) if low - 1e-6 <= n / 30 < high - 1e-6]
    for frame in part:
        assert frame.time == pytest.approx(frame.index / 30)
        np.testing.assert_array_equal(frame.image, whole[frame.index].image)


@pytest.mark.parametrize(("start", "stop"), [(5.0, None), (5.0, 6.0), (2.0, 1.0)])
def test_a_range_without_frames(clip, start, stop):
    with pytest.raises(SourceError) as error:
        list(open_frames(clip, start, stop))
    one_line(error, "clip.mp4")


def test_variable_frame_rate_is_kept(tmp_path, clips):
    stamps = [0, 33, 67, 100, 500, 533, 1200, 1210]
    path = clips.write(tmp_path / "vfr.mkv", clips.noise(8), pts=[1000 + t for t in stamps])
    times = [frame.time for frame in open_frames(path)]
    np.testing.assert_allclose(times, np.array(stamps) / 1000, atol=2e-3)
    assert times[0] == 0.0


def test_timeline_repairs_time_stamps():
    line = Timeline(rate=10.0)
    placed = [line.place(stamp) for stamp in (5.0, 5.1, 5.1, 5.2, None, 5.4, 1.0, 1.1)]
    np.testing.assert_allclose(placed, [0, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6])


def corners(image: np.ndarray) -> list[str]:
    """The colour of the four corners, clockwise from the top left: a letter each."""
    h, w = image.shape[:2]
    spots = [image[h // 8, w // 8], image[h // 8, -w // 8], image[-h // 8, -w // 8], image[-h // 8, w // 8]]
    names = {(1, 0, 0): "r", (0, 1, 0): "g", (0, 0, 1): "b", (1, 1, 1): "w"}
    return [names[tuple(int(v > 128) for v in spot)] for spot in spots]


def four_corners() -> np.ndarray:
    picture = np.zeros((48, 64, 3), np.uint8)
    picture[:24, :32], picture[:24, 32:], picture[24:, 32:], picture[24:, :32] = (
        (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255),
    )  # fmt: skip
    return picture


# Clockwise turns that a player must make, as ISO/IEC 14496-12 writes them into the track header (16.16, y down):
# x' = a x + c y, y' = b x + d y.
MATRICES = {
    0: (1, 0, 0, 1, "rgbw"),
    90: (0, 1, -1, 0, "wrgb"),
    180: (-1, 0, 0, -1, "bwrg"),
    270: (0, -1, 1, 0, "gbwr"),
    "mirrored": (-1, 0, 0, 1, "grwb"),
}


@pytest.mark.parametrize("turn", list(MATRICES))
def test_rotation_of_phone_videos(tmp_path, clips, turn):
    a, b, c, d, expected = MATRICES[turn]
    path = clips.write(tmp_path / "phone.mp4", [four_corners()] * 3)
    data = bytearray(path.read_bytes())
    matrix = data.index(b"tkhd") + 4 + 40  # version, flags, times, track, duration, layer, volume: 40 bytes
    data[matrix : matrix + 36] = struct.pack(">9i", a << 16, b << 16, 0, c << 16, d << 16, 0, 0, 0, 1 << 30)
    path.write_bytes(data)
    source = open_frames(path)
    image = next(iter(source)).image
    assert "".join(corners(image)) == expected
    assert source.size == ((48, 64) if turn in (90, 270) else (64, 48))
    assert image.shape == (source.size[1], source.size[0], 3)


@pytest.mark.parametrize(("degrees", "expected"), [(0, "rgbw"), (90, "gbwr"), (180, "bwrg"), (270, "wrgb")])
@pytest.mark.parametrize("suffix", ["mp4", "mov", "mkv"])
def test_rotation_as_ffmpeg_writes_it(tmp_path, clips, degrees, expected, suffix):
    """FFmpeg counts counter-clockwise."""
    path = clips.write(tmp_path / f"phone.{suffix}", [four_corners()] * 2, rotation=degrees)
    assert "".join(corners(next(iter(open_frames(path))).image)) == expected


@pytest.mark.parametrize(
    ("suffix", "codec", "pix_fmt", "size"),
    [
        ("mp4", "libx264", "yuv420p10le", (64, 48)),
        ("mp4", "libx264", "yuv444p", (63, 47)),
        ("mkv", "libx265", "yuv420p10le", (64, 64)),
        ("avi", "mjpeg", "yuvj420p", (63, 47)),
        ("mov", "prores_ks", "yuv422p10le", (64, 48)),
        ("webm", "libvpx-vp9", "yuv420p", (65, 33)),
        ("mkv", "ffv1", "gray", (33, 65)),
        ("avi", "rawvideo", "bgr24", (37, 21)),
        ("gif", "gif", "rgb8", (40, 30)),
    ],
)
def test_formats(tmp_path, clips, suffix, codec, pix_fmt, size):
    if codec not in av.codecs_available:
        pytest.skip(f"this FFmpeg has no {codec}")
    shade = np.broadcast_to(np.linspace(20, 230, size[0]).astype(np.uint8)[None, :, None], (size[1], size[0], 3))
    options = {"log-level": "none", "x265-params": "log-level=none"} if codec == "libx265" else {}
    path = clips.write(tmp_path / f"clip.{suffix}", [shade] * 4, codec=codec, pix_fmt=pix_fmt, options=options)
    source = open_frames(path)
    frames = list(source)
    assert len(frames) == 4 and source.size == size
    assert frames[0].image.shape == (size[1], size[0], 3) and frames[0].image.dtype == np.uint8
    assert np.abs(frames[-1].image.astype(int) - shade).mean() < (20 if codec == "gif" else 5)


def test_pixels_that_are_not_square(tmp_path):
    path = tmp_path / "anamorphic.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=30)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.codec_context.sample_aspect_ratio = 2
        container.mux(stream.encode(av.VideoFrame.from_ndarray(np.zeros((48, 64, 3), np.uint8), "rgb24")))
        container.mux(stream.encode())
    assert open_frames(path).size == (128, 48)


def test_one_frame(tmp_path, clips):
    frames = list(open_frames(clips.write(tmp_path / "one.mp4", clips.noise(1))))
    assert [(frame.time, frame.index) for frame in frames] == [(0.0, 0)]


def test_truncated_keeps_everything_up_to_the_fault(tmp_path, clip):
    data = clip.read_bytes()
    path = tmp_path / "cut.mp4"
    path.write_bytes(data[: int(len(data) * 0.6)])
    whole = [frame.image for frame in open_frames(clip)]
    source = open_frames(path)
    frames = list(source)
    assert 40 < len(frames) < 60
    for frame in frames:
        np.testing.assert_array_equal(frame.image, whole[frame.index])
    (warning,) = source.warnings
    assert f"damaged after {frames[-1].time:.1f} s (frame {len(frames)} of about 90)" in warning
    assert "the rest is ignored" in warning and "\n" not in warning


@pytest.mark.parametrize("suffix", ["mkv", "avi"])
def test_truncated_in_other_containers(tmp_path, clips, suffix):
    path = clips.write(tmp_path / f"clip.{suffix}", clips.noise(90), options={"g": "15"})
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 6 // 10])
    source = open_frames(path)
    assert 40 < len(list(source)) < 60
    assert len(source.warnings) == 1 and "damaged after" in source.warnings[0]


def test_damage_in_the_middle_goes_on_at_the_next_key_frame(tmp_path, clip):
    data = bytearray(clip.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 3000] = np.random.default_rng(1).integers(0, 255, 3000, np.uint8).tobytes()
    path = tmp_path / "scratched.mp4"
    path.write_bytes(data)
    source = open_frames(path)
    frames = list(source)
    missing = sorted(set(range(90)) - {frame.index for frame in frames})
    assert 0 < len(missing) <= 20 and missing == list(range(missing[0], missing[-1] + 1))
    np.testing.assert_allclose([frame.time for frame in frames], [frame.index / 30 for frame in frames], atol=1e-6)
    assert "frames are left out" in source.warnings[0]


def test_truncated_before_the_index(tmp_path, clips):
    path = clips.write(tmp_path / "late.mp4", clips.noise(60))
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 6 // 10])
    with pytest.raises(SourceError) as error:
        open_frames(path)
    assert "cut off" in one_line(error, "late.mp4")


def test_missing_file(tmp_path):
    with pytest.raises(SourceError) as error:
        open_frames(tmp_path / "none.mp4")
    assert "no such file" in one_line(error, "none.mp4")


def test_empty_file(tmp_path):
    path = tmp_path / "empty.mp4"
    path.touch()
    with pytest.raises(SourceError) as error:
        open_frames(path)
    assert "empty" in one_line(error, "empty.mp4")


@pytest.mark.parametrize(
    "text", ["hello world\n" * 100, "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nhttp://localhost:9/x.ts\n"]
)
def test_text_named_mp4(tmp_path, text):
    path = tmp_path / "notes.mp4"
    path.write_text(text)
    with pytest.raises(SourceError) as error:
        open_frames(path)
    assert "not a video" in one_line(error, "notes.mp4")


def test_sound_only(tmp_path):
    path = tmp_path / "voice.wav"
    with wave.open(str(path), "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(8000)
        sound.writeframes(bytes(8000))
    with pytest.raises(SourceError) as error:
        open_frames(path)
    assert "only sound" in one_line(error, "voice.wav")


def test_video_without_frames(tmp_path):
    path = tmp_path / "none.avi"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mjpeg", rate=30)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuvj420p"
        container.start_encoding()
    with pytest.raises(SourceError) as error:
        open_frames(path)
    one_line(error, "none.avi")


def test_network_addresses_are_refused():
    with pytest.raises(SourceError, match="download"):
        open_frames("http://localhost:9/clip.mp4")


def test_reading_ahead_is_bounded_and_stops():
    made = []
    ended = threading.Event()

    def produce():
        try:
            for n in range(1000):
                made.append(n)
                yield n
        finally:
            ended.set()

    reader = read_ahead(produce, READ_AHEAD)
    taken = [next(reader) for _ in range(5)]
    assert taken == [0, 1, 2, 3, 4]
    ended.wait(0.2)  # time for a thread without bounds to run off
    assert len(made) <= 5 + READ_AHEAD
    reader.close()
    assert ended.wait(2.0) and len(made) <= 6 + READ_AHEAD


def test_memory_does_not_grow_with_the_video(tmp_path, clips):
    """240 pictures of 0.9 MB: kept, they would be 220 MB. Without the garbage collector, so that rings show."""
    status = Path("/proc/self/statm")
    if not status.exists():
        pytest.skip("needs Linux's /proc")
    path = clips.write(
        tmp_path / "long.mp4", [np.zeros((480, 640, 3), np.uint8)] * 240, options={"preset": "ultrafast"}
    )

    def pages():
        return int(status.read_text().split()[1])

    gc.disable()
    try:
        before, peak = None, 0
        for frame in open_frames(path):
            if frame.index == 30:
                before = pages()
            peak = pages()
    finally:
        gc.enable()
    assert (peak - before) * os.sysconf("SC_PAGE_SIZE") < 60e6


def test_reading_ahead_passes_errors_on_in_their_place():
    def produce():
        yield 1
        raise ValueError("later")

    reader = read_ahead(produce, 2)
    assert next(reader) == 1
    with pytest.raises(ValueError, match="later"):
        next(reader)


def test_real_video(data_folder):
    source = open_frames(data_folder / "video" / "sports2d_crop_walk.mp4")
    assert source.size[0] == 640 and len(list(source)) == 130 and source.warnings == []
