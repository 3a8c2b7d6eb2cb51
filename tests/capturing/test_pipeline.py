"""``capture``: whole clips through a scripted estimator; cancelling; what the Take says."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from posecore.capturing import capture, loading
from posecore.capturing.estimators import Pose
from posecore.capturing.flipping import FlipTest, mirrored_pose, mirrored_region
from posecore.capturing.regions import Region
from posecore.errors import Cancelled, NoPersonError, PosecoreError, SourceError
from posecore.skeletons import BODY_21
from posecore.takes import Take


@pytest.fixture(scope="module")
def walk(tmp_path_factory, clips):
    """(path, true centres): a blob walks, hidden in frames 20-22 and 30-44."""
    centres = [(30 + 1.5 * n, 60.0) for n in range(60)]
    hidden = {20, 21, 22, *range(30, 45)}
    pictures = [clips.blob(None if n in hidden else c) for n, c in enumerate(centres)]
    path = clips.write(tmp_path_factory.mktemp("walk") / "walk.mp4", pictures)
    return path, np.array(centres)


def run(source, clips, **options):
    options = {"temporal": "off", "estimator": clips.Estimator(), "provider": "cpu"} | options
    return capture(source, **options)


def test_the_take(walk, clips, tmp_path):
    path, centres = walk
    (take,) = run(path, clips)
    pelvis = BODY_21.index("pelvis")
    assert len(take) == 60 and take.source == str(path) and take.estimator == "blob"
    np.testing.assert_allclose(take.times, np.arange(60) / 30, atol=1e-6)
    assert (take.camera.size, take.camera.centre) == ((160, 120), (79.5, 59.5))
    seen = [*range(20), *range(23, 30), *range(49, 60)]
    np.testing.assert_allclose(take.keypoints[seen, pelvis], centres[seen], atol=1.0)
    assert (take.confidence[seen] > 0.8).all()
    # A short gap is bridged with low confidence, a long one with none; both have numbers.
    assert (take.confidence[20:23] > 0).all() and (take.confidence[20:23] < 0.5).all()
    assert (take.confidence[30:44] == 0).all()
    np.testing.assert_allclose(take.keypoints[20:44, pelvis], centres[20:44], atol=3.0)
    x, y, width, height = take.boxes[5]
    assert x < centres[5][0] - 10 and x + width > centres[5][0] + 10 and y < 50 and y + height > 70
    take.save(tmp_path / "take.npz")
    assert Take.load(tmp_path / "take.npz").notes == take.notes


def test_warnings_of_the_source_are_in_the_notes(walk, clips, tmp_path):
    cut = clips.write(tmp_path / "cut.mp4", [clips.blob((60, 60)) for _ in range(60)],
                      options={"g": "10"}, container_options={"movflags": "faststart"})  # fmt: skip
    cut.write_bytes(cut.read_bytes()[: cut.stat().st_size * 7 // 10])
    (take,) = run(cut, clips)
    assert 0 < len(take) < 60 and "damaged after" in take.notes["warnings"][0]


def test_nobody(clips, tmp_path):
    path = clips.write(tmp_path / "empty_room.mp4", [clips.blob(None)] * 10)
    with pytest.raises(NoPersonError, match=r"empty_room.mp4: no person found in 10 frames"):
        run(path, clips)
    with pytest.raises(NoPersonError, match="check the box"):
        run(path, clips, box=(10, 10, 20, 20))


def test_one_frame_and_one_picture(clips, tmp_path):
    from PIL import Image

    picture = clips.blob((60, 60))
    Image.fromarray(picture).save(tmp_path / "one.png")
    for source in (clips.write(tmp_path / "one.mp4", [picture]), tmp_path / "one.png"):
        (take,) = run(source, clips)
        assert len(take) == 1 and (take.confidence > 0).all()


def test_cancelling_keeps_what_was_done(walk, clips):
    cancel = threading.Event()

    def progress(done, total, fps):
        assert total == 60 and fps > 0
        if done == 12:
            cancel.set()

    with pytest.raises(Cancelled) as error:
        run(walk[0], clips, progress=progress, cancel=cancel)
    assert len(error.value.partial) == 12
    assert not [t for t in threading.enumerate() if t.name.startswith("posecore-")]


def test_a_frame_cut_short_by_the_cancel_is_left_out(walk, clips):
    cancel = threading.Event()

    class CutShort(clips.Estimator):
        def _one(self, image, region):
            if self.estimates >= 10:
                cancel.set()
                return super()._one(np.zeros_like(image), region)
            return super()._one(image, region)

    with pytest.raises(Cancelled) as error:
        run(walk[0], clips, estimator=CutShort(), cancel=cancel)
    assert 5 < len(error.value.partial) <= 10 and (error.value.partial.confidence > 0).all()


def test_cancelling_before_anybody_was_seen(clips, tmp_path):
    path = clips.write(tmp_path / "late.mp4", [clips.blob(None)] * 10)
    cancel = threading.Event()
    cancel.set()
    with pytest.raises(Cancelled) as error:
        run(path, clips, cancel=cancel)
    assert error.value.partial is None


def test_progress_counts_every_frame(walk, clips):
    calls = []
    run(walk[0], clips, progress=lambda done, total, fps: calls.append((done, total)), start=0.5, stop=1.0)
    assert calls == [(n + 1, 15) for n in range(15)]


@pytest.mark.parametrize(
    "options",
    [{"people": "all"}, {"temporal": "often"}, {"estimator": "best"}, {"provider": "abacus"}, {"box": (1, 2, 0, 5)}],
)
def test_unknown_options(walk, clips, options):
    with pytest.raises(PosecoreError) as error:
        run(walk[0], clips, **options)
    assert "\n" not in str(error.value)


def test_a_missing_source_is_named_before_any_network_is_loaded():
    with pytest.raises(SourceError, match=r"none.mp4"):
        capture("none.mp4", estimator="best")


def test_nan_of_an_estimator_never_reaches_the_take(clips, walk):
    class Sick(clips.Estimator):
        def _one(self, image, region):
            pose = super()._one(image, region)
            if self.estimates % 3 == 0:
                pose.keypoints[BODY_21.index("l_wrist")] = np.nan
            if self.estimates % 10 == 0:
                pose.joints[:] = np.nan
            return pose

    (take,) = run(walk[0], clips, estimator=Sick())
    assert np.isfinite(take.keypoints).all() and np.isfinite(take.joints).all()


def test_mirroring():
    rng = np.random.default_rng(0)
    pose = Pose(*(rng.random(shape, np.float32) for shape in ((21, 2), (21,), (21, 3))))
    twice = mirrored_pose(mirrored_pose(pose, 100), 100)
    np.testing.assert_allclose(twice.keypoints, pose.keypoints, atol=1e-4)
    np.testing.assert_allclose(twice.joints, pose.joints)
    once = mirrored_pose(pose, 100)
    left, right = BODY_21.indices(["l_wrist", "r_wrist"])
    assert once.keypoints[left, 0] == pytest.approx(99 - pose.keypoints[right, 0])
    assert once.joints[left, 0] == -pose.joints[right, 0]
    region = Region((10, 20), 30, 0.4)
    assert mirrored_region(region, 100) == Region((89, 20), 30, -0.4)


def test_flip_test_cancels_a_bias_to_one_side(walk, clips):
    class Biased(clips.Estimator):
        def _one(self, image, region):
            pose = super()._one(image, region)
            pose.keypoints[:, 0] += 2.0
            return pose

    path, centres = walk
    plain, flipped = (run(path, clips, estimator=Biased(), flip_test=flag)[0] for flag in (False, True))
    pelvis = BODY_21.index("pelvis")
    assert np.abs((plain.keypoints[:20, pelvis] - centres[:20])[:, 0].mean() - 2.0) < 0.5
    assert np.abs((flipped.keypoints[:20, pelvis] - centres[:20])[:, 0].mean()) < 0.5
    assert "flip test" in flipped.estimator


def test_auto_takes_the_best_ranked_that_works(monkeypatch, clips):
    from types import SimpleNamespace

    from posecore.runtime import weights

    def entry(name, rank):
        card = SimpleNamespace(name=name, estimator=name, rank=rank, rank_metric="PCK@0.2")
        return SimpleNamespace(card=card)

    monkeypatch.setattr(weights, "ranking", lambda: [entry("blazepose", 0.7), entry("sapnet", 0.6)])

    def load(name, provider):
        if name == "blazepose":
            raise PosecoreError("blazepose needs LiteRT")
        return clips.Estimator()

    monkeypatch.setattr(loading, "_load", load)
    _, reason = loading.choose_estimator("auto", "cpu")
    assert "auto chose sapnet (0.6 PCK@0.2)" in reason and "needs LiteRT" in reason
    monkeypatch.setattr(weights, "ranking", list)
    assert "sapnet" in loading.choose_estimator("auto", "cpu")[1]


def test_flip_test_looks_through_to_the_estimators_extras(clips):
    class Lifting(clips.Estimator):
        def lift(self, keypoints, confidence):
            return "lifted"

    assert FlipTest(Lifting()).lift(None, None) == "lifted"


def test_missing_weights_of_the_refinement_are_named_before_the_work(monkeypatch, walk, clips, tmp_path):
    from posecore.runtime import weights

    def find(name):
        raise PosecoreError(f"no weights named {name!r}")

    monkeypatch.setattr(weights, "find", find)
    estimator = clips.Estimator()
    with pytest.raises(PosecoreError, match="tpnet_semi"):
        run(walk[0], clips, estimator=estimator, temporal="semi-online")
    assert estimator.estimates == 0


def test_repair_lifts_only_frames_in_which_somebody_was_seen() -> None:
    """Nothing can be lifted from confidence 0: there the filled-in joints stay, exchanged alike."""
    from types import SimpleNamespace

    from posecore.capturing import cleaning
    from posecore.capturing.pipeline import _depth_again

    count, joints = 4, len(BODY_21)
    keypoints = np.random.default_rng(0).normal(100, 30, (count, joints, 2)).astype(np.float32)
    confidence = np.full((count, joints), 0.9, np.float32)
    confidence[:2] = 0.0
    before = np.random.default_rng(1).normal(0, 0.3, (count, joints, 3)).astype(np.float32)
    states = np.full(count, 3, np.int64)  # everything exchanged, in every frame
    network = SimpleNamespace(lift=lambda points, _: np.full((len(points), joints, 3), 7.0, np.float32))
    after = _depth_again(network, states, keypoints, confidence, before)  # type: ignore[arg-type]
    np.testing.assert_array_equal(after[2:], 7.0)
    np.testing.assert_array_equal(after[:2], cleaning.apply_swaps(states, before, depth=True)[:2])
