"""The loss surfaces tell good, bad and worse apart as the paper says, and each loss does its part."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")
import torch
from scipy.ndimage import minimum_filter

from posecore.losses import bending
from posecore.metrics import geometry_validity
from posecore.skeletons import BODY_21
from training.analysis import elbow, elbow_picture

GOOD, BAD, WORSE = (torch.from_numpy(elbow.poses()[name])[None].double() for name in ("good", "bad", "worse"))


def losses(kind: str) -> list[float]:
    return [float(elbow.elbow_loss(pose, kind, GOOD[0])) for pose in (GOOD, BAD, WORSE)]


def at(surface: elbow.Surface, name: str) -> float:
    """The surface at a marked pose (nearest grid point)."""
    x, _, z = elbow.poses()[name][BODY_21.index(elbow.ELBOW)]
    return float(surface.loss[np.abs(surface.z - z).argmin(), np.abs(surface.x - x).argmin()])


def test_the_poses_share_one_picture_and_differ_in_the_elbow_alone() -> None:
    poses = elbow.poses()
    assert list(poses) == ["good", "bad", "worse"]
    for pose in poses.values():
        np.testing.assert_array_equal(pose[:, :2], poses["good"][:, :2])
        changed = np.flatnonzero((pose != poses["good"]).any(-1))
        assert set(changed) <= {BODY_21.index("l_elbow")}


def test_good_is_a_legal_body_and_bad_one_only_in_its_lengths() -> None:
    good, bad, worse = (pose[0] for pose in (GOOD, BAD, WORSE))
    assert max(geometry_validity(good.numpy(), BODY_21).values()) < 1e-6
    assert max(geometry_validity(bad.numpy(), BODY_21).values()) < 1e-6
    assert geometry_validity(worse.numpy(), BODY_21)["upper_arm"] > 0.05
    assert bool((bending(good) > 0).all())
    legal = bending(bad) > 0
    assert legal.tolist() == [True, True, False, True]  # the left elbow


def test_every_loss_takes_away_one_ambiguity() -> None:
    assert losses("projection") == [0.0, 0.0, 0.0]
    good, bad, worse = losses("symmetry")
    assert good == pytest.approx(0, abs=1e-6) and bad == pytest.approx(0, abs=1e-6) and worse > 0.005
    good, bad, worse = losses("angle")
    assert good == pytest.approx(0, abs=1e-6) and 0.01 < bad < worse
    good, bad, worse = losses("full3d")
    assert good == 0 and 0 < bad < worse


def test_full_3d_is_the_squared_distance_of_the_elbow() -> None:
    distance = float((BAD - GOOD).norm())
    assert losses("full3d")[1] == pytest.approx(distance**2)


def test_surfaces_have_the_valleys_of_their_losses() -> None:
    projection, symmetry, angle, full = (elbow.elbow_surface(kind, 91) for kind in elbow.KINDS)
    assert np.ptp(projection.loss, axis=0).max() < 1e-12  # no depth is better than another
    assert at(symmetry, "good") < 1e-3 and at(symmetry, "bad") < 1e-3 < at(symmetry, "worse")
    assert at(angle, "good") < at(angle, "bad") < at(angle, "worse")
    lowest = np.unravel_index(full.loss.argmin(), full.loss.shape)
    assert full.z[lowest[0]] == pytest.approx(0.12, abs=0.01) and full.x[lowest[1]] == pytest.approx(0.30, abs=0.01)
    # The two mirrored valleys of symmetry are symmetric; with the angle loss only the true one is left.
    np.testing.assert_allclose(symmetry.loss, symmetry.loss[::-1], atol=1e-9)
    wells = [(minimum_filter(s.loss, 15) == s.loss) & (s.loss < 1e-3) for s in (symmetry, angle)]
    assert {bool(z > 0) for z in symmetry.z[np.nonzero(wells[0])[0]]} == {True, False}
    assert (angle.z[np.nonzero(wells[1])[0]] >= 0).all() and wells[1].any()


def test_weights_scale_their_terms() -> None:
    twice = float(elbow.elbow_loss(WORSE, "symmetry", GOOD[0], symmetry=2 * elbow.SYMMETRY))
    assert twice == pytest.approx(2 * losses("symmetry")[2])


def test_unknown_surface_is_refused() -> None:
    with pytest.raises(ValueError, match="kind must be one of projection, symmetry, angle, full3d"):
        elbow.elbow_surface("depth")


def test_picture_is_small_and_its_numbers_are_beside_it(tmp_path) -> None:
    picture, numbers = elbow_picture.draw(tmp_path, points=31)
    assert picture.name == "elbow_surfaces.png" and 10_000 < picture.stat().st_size <= 200_000
    with np.load(numbers) as data:
        assert data["loss_angle"].shape == (31, 31)
        np.testing.assert_array_equal(data["pose_worse"], elbow.poses()["worse"])
