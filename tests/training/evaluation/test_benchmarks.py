"""The benchmark tables on bodies and points whose figures follow by hand."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")

from posecore.errors import PosecoreError
from posecore.skeletons import BODY_21, LSP_14
from training.evaluation import benchmarks
from training.evaluation.answers import Answers, Truth
from training.readers.samples import Samples

RNG = np.random.default_rng(7)


def bodies(count: int) -> np.ndarray:
    joints = RNG.normal(0, 0.3, (count, 21, 3))
    return (joints - joints[:, [BODY_21.index("pelvis")]]).astype(np.float32)


def moved(joints: np.ndarray, millimetres: float) -> np.ndarray:
    """Every joint but the pelvis so much to the right."""
    out = joints.copy()
    out[:, 1:, 0] += millimetres / 1000
    return out


def test_adults_are_of_one_size() -> None:
    one = bodies(1)
    np.testing.assert_allclose(benchmarks.adult(one), benchmarks.adult(3 * one), atol=1e-5)


def test_predictions_are_brought_to_the_mean_size_of_the_labelled() -> None:
    truth = 0.8 * benchmarks.adult(bodies(4))
    known = np.ones((4, 21), bool)
    np.testing.assert_allclose(benchmarks.scaled_to(5 * truth, Truth(truth, known)), truth, atol=1e-5)
    # Unlabelled toes have no place, and say nothing of the size.
    ends = BODY_21.indices(["l_toe", "r_toe"])
    known[:, ends] = False
    blank = truth.copy()
    blank[:, ends] = 0
    np.testing.assert_allclose(benchmarks.scaled_to(5 * truth, Truth(blank, known)), truth, atol=1e-4)
    known[:, BODY_21.index("l_knee")] = False
    with pytest.raises(PosecoreError, match="nobody's limbs"):
        benchmarks.scaled_to(truth, Truth(blank, known))


def test_actions_beside_the_papers() -> None:
    truth = bodies(4)
    found = {"ours": np.concatenate([moved(truth[:3], 34.0), moved(truth[3:], 17.0)])}
    actions = np.array(["Walking", "Walking", "Walking", "Eating"])
    known = np.ones((4, 21), bool)
    table = benchmarks.actions_table("h36m", "Human3.6M", found, truth, known, actions, "martinez", ["A note."])
    rows = {row[""]: row for row in table.rows}
    assert list(rows) == ["Eating", "Walking", "Average"]
    # 16 of 17 joints are off: the root counts, too.
    assert rows["Walking"]["ours"] == pytest.approx(32.0, abs=1e-3)
    assert rows["Eating"]["ours"] == pytest.approx(16.0, abs=1e-3)
    assert rows["Average"]["ours"] == pytest.approx(24.0, abs=1e-3)  # of actions, not of poses
    assert rows["Average"]["poses"] == 4
    assert rows["Walking"]["ours, PA"] < 32.0
    assert rows["Walking"]["Zhou et al., Human3.6M, 3D+2D/w geo"] == 63.22
    assert rows["Average"]["Zhou et al., Human3.6M, 3D/wo geo"] == 82.44


def test_stand_ins_have_the_papers_best_beside_their_average_alone() -> None:
    truth = bodies(4).reshape(2, 2, 21, 3)  # two clips of two frames
    known = np.ones((2, 2, 21), bool)
    table = benchmarks.actions_table("t", "T", {"m": truth}, truth, known, np.array(["walk", "run"]), "martinez", [])
    assert [row[""] for row in table.rows] == ["run", "walk", "Average"]
    assert [row["poses"] for row in table.rows] == [2, 2, 4]
    published = [column for column in table.rows[0] if "Zhou" in column]
    assert published == ["Zhou et al., Human3.6M, 3D+2D/w geo"]
    assert [row[published[0]] for row in table.rows] == [None, None, 64.9]


def test_scenes() -> None:
    truth = Truth(bodies(4), np.ones((4, 21), bool))
    found = {"m": np.concatenate([moved(truth.joints[:2], 0.0), moved(truth.joints[2:], 152.0)])}
    scenes = np.array(["outdoor", "outdoor", "studio, green screen", "studio, green screen"])
    rows = {row[""]: row for row in benchmarks.scenes_table("t", "T", found, truth, scenes, []).rows}
    assert (rows["outdoor"]["m, PCK"], rows["studio, green screen"]["m, PCK"], rows["All"]["m, PCK"]) == (100, 0, 50)
    assert rows["All"]["m, AUC"] == pytest.approx(50 * 30 / 31)  # at 0 mm nothing is near enough
    assert rows["outdoor"]["Zhou et al., MPI-INF-3DHP, 3D+2D/w geo, PCK"] == 72.7
    assert rows["All"]["3D+2D/w geo, AUC"] == 32.5 and rows["outdoor"]["3D+2D/w geo, AUC"] is None


def flat(count: int, skeleton=LSP_14, **more) -> tuple[Samples, Answers]:
    points = RNG.uniform(0, 100, (count, len(skeleton), 2)).astype(np.float32)
    keypoints = np.concatenate([points, np.full((count, len(skeleton), 1), 2, np.float32)], -1)
    samples = Samples("test", skeleton, np.array([str(n) for n in range(count)]), keypoints, **more)
    own = samples.to(BODY_21).keypoints
    return samples, Answers(own[..., :2].copy(), own[..., 2], bodies(count))


def test_pckh_by_kind_of_joint_and_beside_the_papers() -> None:
    samples, answers = flat(2, head_sizes=np.array([10.0, np.nan], np.float32))
    wrists = BODY_21.indices(["l_wrist", "r_wrist"])
    answers.keypoints[0, wrists[0]] += (5.5, 0)  # beyond half a head
    answers.keypoints[0, wrists[1]] += (4.5, 0)  # within
    answers.keypoints[1] += 1000  # of unknown size: does not count
    # MPII scores 12 joints of the limbs, head top and upper neck (our thorax), not the pelvis; a spine is ours alone.
    answers.keypoints[0, BODY_21.indices(["thorax", "spine", "pelvis"])] += 1000
    table = benchmarks.pckh_table("mpii", "MPII", {"m": answers}, samples, [])
    ours = table.rows[0]
    assert (ours["people"], ours["wrist"], ours["elbow"], ours["head"]) == (1, 50.0, 100.0, 100.0)
    assert ours["mean"] == pytest.approx(100 * 12 / 14)
    assert [row["mean"] for row in table.rows[1:]] == [90.01, 90.57, 90.93, 91.62]


def test_without_head_boxes_the_neck_tells() -> None:
    samples, answers = flat(1)
    table = benchmarks.pckh_table("t", "T", {"m": answers}, samples, [])
    assert table.rows[0]["mean"] == 100.0 and any("no head boxes" in note for note in table.notes)
    blind, answers = flat(1)
    blind.keypoints[:, LSP_14.index("neck")] = 0
    with pytest.raises(PosecoreError, match="no head sizes known"):
        benchmarks.pckh_table("t", "T", {"m": answers}, blind, [])


def test_geometry_in_millimetres_and_in_pixels_of_the_crop() -> None:
    """A left upper arm 50 mm longer than the right one, straight in the picture: 50 mm, and its share of the crop."""
    at = BODY_21.index
    joints = np.zeros((1, 21, 3), np.float32)
    for side, sign in (("l", 1), ("r", -1)):
        joints[0, at(f"{side}_shoulder")] = (0.2 * sign, -0.5, 0)
        joints[0, at(f"{side}_elbow")] = (0.2 * sign, -0.2, 0)
        joints[0, at(f"{side}_wrist")] = (0.2 * sign, 0.1, 0)
    joints[0, at("l_elbow"), 1] += 0.05
    points = joints[..., :2] * 100 + 50  # 100 px a metre
    keypoints = np.concatenate([points, np.full((1, 21, 1), 2, np.float32)], -1)
    samples = Samples("test", BODY_21, np.array(["a"]), keypoints)
    answers = Answers(points, np.ones((1, 21), np.float32), joints)
    table = benchmarks.geometry_table("geometry", "G", {("m", "p"): (answers, samples)}, [])
    rows = {row[""]: row for row in table.rows}
    assert rows["upper arm, mm"]["m, p (1)"] == pytest.approx(50, abs=1e-3)
    assert rows["lower arm, mm"]["m, p (1)"] == pytest.approx(50, abs=1e-3)
    assert rows["upper leg, mm"]["m, p (1)"] == 0
    side = 1.3 * np.ptp(points[0], axis=0).max()
    assert rows["upper arm, px"]["m, p (1)"] == pytest.approx(5 * 256 / side, rel=1e-3)
    assert rows["lower arm, px"]["Zhou et al., 3D+2D/w geo"] == 6.64
