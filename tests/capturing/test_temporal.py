"""TP-Net's windows, padding and resampling, with scripted networks."""

from __future__ import annotations

import numpy as np
import pytest

from posecore.capturing.temporal import WINDOW, interpolate, refine, windows
from posecore.errors import PosecoreError
from posecore.skeletons import BODY_21


class Session:
    """A network that gives back one pose of the window, or its mean, 10 cm beside the root."""

    def __init__(self, pick=None):
        self.pick = pick
        self.shapes = []

    def run(self, names, inputs):
        joints = inputs["joints"]
        self.shapes.append(joints.shape)
        assert names == ["refined"] and joints.dtype == np.float32
        return [(joints.mean(axis=1) if self.pick is None else joints[:, self.pick]) + np.float32(0.1)]


def ramp(times):
    """A clip that moves steadily: joint coordinates = time, but for the pelvis, which stays 0."""
    clip = np.broadcast_to(np.asarray(times, np.float32)[:, None, None], (len(times), 21, 3)).copy()
    clip[:, BODY_21.index("pelvis")] = 0.0
    return clip


@pytest.mark.parametrize(("mode", "current"), [("online", WINDOW - 1), ("semi-online", WINDOW // 2)])
@pytest.mark.parametrize("count", [1, 5, 300])
def test_the_current_pose_is_where_the_network_expects_it(mode, current, count):
    times = np.arange(count) / 30
    out = refine(times, ramp(times), mode, session=Session(current))
    np.testing.assert_allclose(out, ramp(times), atol=1e-6)


def test_ends_are_repeated():
    clip = ramp(np.arange(5))
    wrist = BODY_21.index("l_wrist")
    first = windows(clip, WINDOW - 1, 0, 1)[0, :, wrist, 0]
    np.testing.assert_array_equal(first, np.zeros(WINDOW))
    last = windows(clip, WINDOW // 2, 4, 5)[0, :, wrist, 0]
    np.testing.assert_array_equal(last, [0] * 7 + [1, 2, 3] + [4] * 10)


def test_online_looks_back_only():
    times = np.arange(60) / 30
    later = ramp(times)
    later[40:, BODY_21.index("l_wrist")] += 5.0
    plain, changed = (refine(times, clip, "online", session=Session()) for clip in (ramp(times), later))
    np.testing.assert_array_equal(plain[:40], changed[:40])


@pytest.mark.parametrize("rate", [10, 24, 60, 120])
def test_other_rates_are_resampled_and_back(rate):
    times = np.arange(2 * rate) / rate
    session = Session(WINDOW - 1)
    out = refine(times, ramp(times), "online", session=session)
    assert out.shape == (2 * rate, 21, 3) and sum(shape[0] for shape in session.shapes) == pytest.approx(60, abs=3)
    np.testing.assert_allclose(out, ramp(times), atol=2e-3 if rate > 30 else 1e-3)
    # A window is 19 thirtieths of a second long at every rate: a mean over it lags by half of that.
    lag = ramp(times) - refine(times, ramp(times), "online", session=Session())
    moving = [joint for joint in range(21) if joint != BODY_21.index("pelvis")]
    np.testing.assert_allclose(lag[int(0.7 * rate) + 1 : -int(0.1 * rate), moving], 9.5 / 30, atol=4e-3)


def test_variable_rate_and_gaps():
    times = np.array([0, 0.03, 0.07, 0.1, 0.9, 0.93, 1.0])
    np.testing.assert_allclose(refine(times, ramp(times), "online", session=Session(-1)), ramp(times), atol=1e-2)


def test_off_and_unknown():
    clip = ramp(np.arange(4) / 30)
    np.testing.assert_array_equal(refine(np.arange(4) / 30, clip, "off"), clip)
    with pytest.raises(PosecoreError, match="unknown"):
        refine(np.arange(4) / 30, clip, "later")


def test_interpolate_holds_the_ends():
    values = interpolate(np.array([-1.0, 0.5, 9.0]), np.array([0.0, 1.0]), np.array([[2.0], [4.0]]))
    np.testing.assert_allclose(values[:, 0], [2, 3, 4])
