"""The rest pose of SMPL-24 as files need it: where joints stand, and how far the last bones reach."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from posecore.skeletons import SMPL_24

__all__ = ["rest_places", "tips"]


def rest_places(offsets: NDArray[np.floating]) -> NDArray[np.float64]:
    """(24, 3) joints of the T-pose from rest offsets (24, 3), same unit, pelvis at the origin."""
    places = np.zeros((len(SMPL_24), 3))
    for joint in SMPL_24.topological_order:
        parent = SMPL_24.parents[joint]
        if parent >= 0:
            places[joint] = places[parent] + offsets[joint]
    return places


def tips(offsets: NDArray[np.floating]) -> dict[str, NDArray[np.float64]]:
    """The ends of head, toes and fingers relative to the joints before them, metres.

    SMPL-24 ends at joints, so without these the last bones would have no length.
    """
    ends = {"head": np.array([0.0, 0.18, 0.0])}
    for side, sign in (("l", 1.0), ("r", -1.0)):
        hand = offsets[SMPL_24.index(f"{side}_hand")].astype(np.float64)
        ends[f"{side}_hand"] = hand if np.linalg.norm(hand) > 0.01 else np.array([0.08 * sign, 0.0, 0.0])
        ends[f"{side}_foot"] = np.array([0.0, 0.0, 0.06])
    return ends
