"""The main job with the weights that are shipped: the example clip, through the command, against its ground truth."""

from __future__ import annotations

import json

import av
import numpy as np
import pytest

from posecore.cli import run
from posecore.formats.bvh import read_bvh
from posecore.motion import Motion
from posecore.skeletons import BODY_21
from posecore.takes import Take

SECONDS = 2.0


@pytest.fixture(scope="module")
def made(root, tmp_path_factory):
    """The folder in which ``posecore animate`` left its outputs for the first seconds of the example."""
    folder = tmp_path_factory.mktemp("animate")
    arguments = ["animate", str(root / "examples" / "walk.mp4"), "--estimator", "sapnet", "--stop", str(SECONDS)]
    for suffix in (".bvh", ".glb", ".npz"):
        arguments += ["-o", str(folder / f"walk{suffix}")]
    assert run([*arguments, "--preview", str(folder / "preview.mp4"), "--take", str(folder / "take.npz")]) == 0
    return folder


@pytest.fixture(scope="module")
def truth(root):
    with np.load(root / "examples" / "walk_truth.npz", allow_pickle=False) as data:
        assert tuple(data["joint_names"]) == BODY_21.joints
        return {name: data[name] for name in ("times", "keypoints", "joints_world")}


def test_the_skeleton_is_on_the_person(made, truth) -> None:
    take = Take.load(made / "take.npz")
    count = len(take)
    np.testing.assert_allclose(take.times, truth["times"][:count], atol=1e-3)
    keypoints = truth["keypoints"][:count]
    height = np.ptp(keypoints[..., 1], axis=1)
    errors = np.linalg.norm(take.keypoints - keypoints, axis=-1) / height[:, None]
    assert np.median(errors) < 0.06, "a sixteenth of the person's height"
    # Chance would be half: the left and the right are the person's own.
    sides = [(BODY_21.index(f"l_{part}"), BODY_21.index(f"r_{part}")) for part in ("shoulder", "hip")]
    for left, right in sides:
        apart = np.abs(keypoints[:, left, 0] - keypoints[:, right, 0]) > 0.04 * height
        sign = np.sign(keypoints[:, left, 0] - keypoints[:, right, 0])
        seen = np.sign(take.keypoints[:, left, 0] - take.keypoints[:, right, 0])
        assert not apart.any() or (sign == seen)[apart].mean() > 0.6


def test_the_motion_is_a_person_on_the_ground(made) -> None:
    motion = Motion.load(made / "walk.npz")
    joints = motion.joints()
    assert len(motion) == round(SECONDS * 30)
    tall = np.ptp(joints[..., 1], axis=1)
    assert 1.2 < np.median(tall) < 2.1, "metres"
    assert abs(np.percentile(joints[..., 1].min(axis=1), 20)) < 0.12, "the feet are at the ground"
    speed = np.linalg.norm(np.diff(joints, axis=0), axis=-1) * motion.rate
    assert np.percentile(speed, 99) < 12, "metres a second"


def test_every_output_is_whole(made, capsys) -> None:
    bvh = read_bvh(made / "walk.bvh")
    assert len(bvh) == round(SECONDS * 30) and bvh.rate == pytest.approx(30, rel=1e-3) and not bvh.warnings
    assert run(["info", str(made / "walk.glb"), "--json"]) == 0
    (animation,) = json.loads(capsys.readouterr().out)["animations"]
    assert animation["seconds"] == pytest.approx(SECONDS, abs=0.1)
    with av.open(str(made / "preview.mp4")) as container:
        frames = sum(1 for _ in container.decode(video=0))
    assert frames == round(SECONDS * 30)


def test_a_video_without_a_person_has_its_own_exit_code(tmp_path, capsys) -> None:
    """Moving stripes and blotches, and nobody: one line, exit code 4, no empty BVH."""
    video = tmp_path / "empty.mp4"
    rng = np.random.default_rng(0)
    blotches = np.kron(rng.integers(60, 200, (6, 8, 3)), np.ones((40, 40, 1))).astype(np.uint8)
    with av.open(str(video), "w") as container:
        stream = container.add_stream("mpeg4", rate=30)
        stream.width, stream.height = 320, 240
        for number in range(12):
            image = np.roll(blotches, 5 * number, axis=1)
            image[:, 8 * number : 8 * number + 20] = 30
            for packet in stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)
    assert run(["animate", str(video), "--estimator", "sapnet", "-o", str(tmp_path / "empty.bvh")]) == 4
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error:")]
    assert len(lines) == 1 and "no person" in lines[0]
    assert not (tmp_path / "empty.bvh").exists()
