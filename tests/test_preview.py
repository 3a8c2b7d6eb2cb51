"""The preview video, read back: sizes, times, the skeleton where the keypoints are, clean failures."""

from dataclasses import dataclass

import av
import numpy as np
import pytest

from posecore.errors import OutputError, SourceError
from posecore.motion import Motion, default_offsets
from posecore.preview import overlay, write_preview, writer
from posecore.preview.stage import Stage, View
from posecore.skeletons import BODY_21, SMPL_24, convert
from posecore.takes import Camera, Take


@dataclass
class Frame:
    image: np.ndarray
    time: float
    index: int


def make_motion(times):
    rotations = np.tile(np.array([0, 0, 0, 1], np.float32), (len(times), 24, 1))
    translation = np.tile(np.array([0, 0.95, 0], np.float32), (len(times), 1))
    return Motion(np.asarray(times, np.float64), rotations, translation)


def make_take(times, size=(320, 240)):
    """A T-pose that faces the camera, its pelvis in the middle of the picture."""
    body, confidence = convert(make_motion(times).joints(), SMPL_24, BODY_21)
    joints = ((body - body[:, :1]) * (1, -1, -1)).astype(np.float32)
    keypoints = (joints[..., :2] * 0.4 * size[1] / 1.7 + np.array(size) / 2).astype(np.float32)
    confidence[:, BODY_21.index("head_top")] = 0.0  # SMPL_24 has none
    low, high = keypoints.min(axis=1), keypoints.max(axis=1)
    return Take(
        times=np.asarray(times, np.float64),
        boxes=np.concatenate([low, high - low], axis=1),
        keypoints=keypoints,
        confidence=confidence,
        joints=joints,
        joints_raw=joints,
        camera=Camera.assumed(size),
    )


def grey(times, size=(320, 240), value=128):
    for index, time in enumerate(times):
        yield Frame(np.full((size[1], size[0], 3), value, np.uint8), float(time), index)


def read(path):
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        frames = list(container.decode(stream))
        return stream, [frame.to_ndarray(format="rgb24") for frame in frames], [float(frame.time) for frame in frames]


TIMES = np.arange(9) / 25.0


def test_codec_size_and_true_times(tmp_path):
    times = np.cumsum([0.5, 1 / 30, 2 / 30, 1 / 30, 5 / 30, 1 / 60, 0.04, 0.04])
    written = write_preview(tmp_path / "p.mp4", grey(times), make_take(times), make_motion(times))
    stream, pictures, found = read(tmp_path / "p.mp4")
    assert written == len(pictures) == len(times)
    assert stream.codec_context.name == "h264"
    assert stream.pix_fmt == "yuv420p"
    np.testing.assert_allclose(found, times - times[0], atol=1e-4)


@pytest.mark.parametrize("size", [(321, 241), (319, 121), (33, 47), (241, 431), (1920, 1080), (2001, 333)])
def test_odd_small_and_large_frames(tmp_path, size):
    write_preview(tmp_path / "p.mp4", grey(TIMES[:2], size), make_take(TIMES[:2], size))
    _, pictures, _ = read(tmp_path / "p.mp4")
    height, width = pictures[0].shape[:2]
    assert height % 2 == 0 and width % 2 == 0
    assert height <= overlay.MAX_HEIGHT and width <= overlay.MAX_WIDTH + 1.2 * overlay.MAX_HEIGHT


def test_the_skeleton_lies_on_the_keypoints(tmp_path):
    take = make_take(TIMES, (400, 320))
    write_preview(tmp_path / "p.mp4", grey(TIMES, (400, 320)), take)
    _, pictures, _ = read(tmp_path / "p.mp4")

    def colour(joint):
        x, y = np.rint(take.keypoints[6, BODY_21.index(joint)]).astype(int)
        return pictures[6][y, x].astype(int)

    for joint in ("l_wrist", "l_elbow", "l_ankle"):
        red, _, blue = colour(joint)
        assert red > blue + 60
    for joint in ("r_wrist", "r_elbow", "r_ankle"):
        red, _, blue = colour(joint)
        assert blue > red + 60
    np.testing.assert_allclose(pictures[6][20, 20], 128, atol=4)  # the picture elsewhere is as it was


def test_what_is_missing_is_not_drawn(tmp_path):
    take = make_take(TIMES, (400, 320))
    take.confidence[:, BODY_21.indices(["l_wrist", "l_hand"])] = 0.0
    write_preview(tmp_path / "p.mp4", grey(TIMES, (400, 320)), take)
    _, pictures, _ = read(tmp_path / "p.mp4")
    x, y = np.rint(take.keypoints[6, BODY_21.index("l_wrist")]).astype(int)
    np.testing.assert_allclose(pictures[6][y, x], 128, atol=4)


def test_frames_that_the_take_does_not_know_stay_bare(tmp_path):
    take = make_take(TIMES, (400, 320)).slice(4, 9)
    write_preview(tmp_path / "p.mp4", grey(TIMES, (400, 320)), take, make_motion(TIMES[4:]))
    _, pictures, _ = read(tmp_path / "p.mp4")
    x, y = np.rint(take.keypoints[0, BODY_21.index("l_wrist")]).astype(int)
    np.testing.assert_allclose(pictures[1][y, x], 128, atol=4)
    assert pictures[6][y, x, 0] > pictures[6][y, x, 2] + 60


@pytest.mark.parametrize("with_motion", [True, False])
def test_the_view_begins_in_front_and_turns(tmp_path, with_motion):
    """Seen from in front, the left hand (warm) is on the right of the panel; half a turn later on its left."""
    times = np.array([0.0, 10.0])
    take, motion = make_take(times), make_motion(times) if with_motion else None
    write_preview(tmp_path / "p.mp4", grey(times, value=0), take, motion, turn=18.0)
    _, pictures, _ = read(tmp_path / "p.mp4")
    left = 2 * round(overlay.MIN_HEIGHT * 320 / 240 / 2)

    def warm(picture):
        panel = picture[:-60, left:].astype(int)
        columns = np.nonzero(panel[..., 0] > panel[..., 2] + 80)[1]
        return columns.mean() / panel.shape[1]

    assert warm(pictures[0]) > 0.55
    assert warm(pictures[1]) < 0.45


def test_the_figure_fits_its_panel_and_stands_on_the_ground():
    motion = make_motion(TIMES)
    stage = Stage.of(make_take(TIMES), motion, 24.0, 0.0)
    view = View.around(stage.targets[0], stage.tall, 0.0, (360, 360))
    points, depth = view.project(stage.positions[0])
    assert (points > 10).all() and (points < 350).all()
    assert np.ptp(points[:, 1]) > 150
    assert (depth > 0).all()
    up, _ = view.project(np.array([[0, 0, 0], [0, 1.0, 0], [1.0, 0, 0]]))
    assert up[1, 1] < up[0, 1] and up[2, 0] > up[0, 0]  # up is up, the person's left is on the right
    assert default_offsets().shape == (24, 3)


def test_frames_are_taken_one_at_a_time(tmp_path):
    """Constant memory: when a frame is asked for, the one before last is gone."""
    import weakref

    alive, most = weakref.WeakSet(), 0

    class Weak(Frame):
        __hash__ = object.__hash__

    def frames():
        nonlocal most
        for index, time in enumerate(TIMES):
            frame = Weak(np.zeros((240, 320, 3), np.uint8), float(time), index)
            alive.add(frame)
            most = max(most, len(alive))
            yield frame
            del frame

    write_preview(tmp_path / "p.mp4", frames(), make_take(TIMES))
    assert most <= 3


def test_nothing_is_left_of_a_failure(tmp_path):
    def failing():
        yield from grey(TIMES[:5])
        raise SourceError("the film tore")

    with pytest.raises(SourceError, match="tore"):
        write_preview(tmp_path / "p.mp4", failing(), make_take(TIMES))
    with pytest.raises(SourceError, match="no frames"):
        write_preview(tmp_path / "p.mp4", [], make_take(TIMES))
    with pytest.raises(OutputError, match=r"\.mp4"):
        write_preview(tmp_path / "p.gif", grey(TIMES), make_take(TIMES))
    assert not list(tmp_path.iterdir())
    with pytest.raises(OutputError, match="cannot write there"):
        write_preview(tmp_path / "none" / "p.mp4", grey(TIMES), make_take(TIMES))


def test_a_full_disk_is_an_output_error(tmp_path, monkeypatch):
    def full(self, picture):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(writer.Writer, "_encode", full)
    with pytest.raises(OutputError, match="No space left"):
        write_preview(tmp_path / "p.mp4", grey(TIMES), make_take(TIMES))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("encoder", list(writer.ENCODERS))
def test_every_encoder_that_is_there(tmp_path, monkeypatch, encoder):
    try:
        av.codec.Codec(encoder, "w")
    except (av.FFmpegError, ValueError):
        pytest.skip(f"this av has no {encoder}")
    monkeypatch.setattr(writer, "find_encoder", lambda: encoder)
    write_preview(tmp_path / "p.mp4", grey(TIMES), make_take(TIMES), make_motion(TIMES))
    _, pictures, found = read(tmp_path / "p.mp4")
    np.testing.assert_allclose(found, TIMES, atol=1e-4)
    assert len(pictures) == len(TIMES)


def test_from_a_path_and_one_frame(tmp_path):
    write_preview(tmp_path / "source.mp4", grey(TIMES), make_take(TIMES))
    assert write_preview(tmp_path / "p.mp4", tmp_path / "source.mp4", make_take(TIMES)) == len(TIMES)
    one = make_take(TIMES[:1])
    assert write_preview(tmp_path / "q.mp4", grey(TIMES[:1]), one, make_motion(TIMES[:1])) == 1
