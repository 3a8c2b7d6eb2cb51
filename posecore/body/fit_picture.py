"""A body before the camera of its Take: where it falls in the picture, and how far from the keypoints.

The solve knows the camera's tilt and puts the person on a level floor; what it took out of the path on the way is
not kept, so the path before the camera is fitted again from the joints, as the solve does it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from posecore.body.fit_pose import Pixels
from posecore.motion import Motion
from posecore.skeletons import BODY_21, SMPL_24
from posecore.solving.gravity import tilt_matrix
from posecore.solving.smoothing import cutoff_of
from posecore.solving.world import LEVEL, solve_path
from posecore.takes import Take

__all__ = ["View", "view_of"]

Array = NDArray[np.floating]

#: Joints that keypoints and bodies place alike.
_SEEN = tuple(f"{s}_{n}" for s in "lr" for n in ("hip", "knee", "ankle", "shoulder", "elbow", "wrist"))
_SPREAD = 0.03  # metres at the person's depth: how far keypoints lie from joints


class View:
    """The camera of a Take, beside a person in the world.

    Attributes:
        turn: (3, 3) world axes to the camera's (x right, y down, z away).
        path: (T, 3) metres, camera frame: where the world's origin is.
        take: whose camera and keypoints.
    """

    def __init__(self, turn: Array, path: Array, take: Take) -> None:
        self.turn, self.path, self.take = turn, path, take

    def project(self, points: Array, frames: slice = slice(None)) -> tuple[Array, Array]:
        """Pixels (T, N, 2) and depth (T, N), metres, of world points (T, N, 3)."""
        camera = self.take.camera
        seen = points @ self.turn.T + self.path[frames, None]
        depth = np.maximum(seen[..., 2], 1e-3)
        return camera.focal * seen[..., :2] / depth[..., None] + np.array(camera.centre), depth

    def misses(self, joints: Array, frames: slice = slice(None)) -> tuple[Array, Array, Array]:
        """Pixels from joints (T, 24, 3) to their keypoints (T, 12, 2), the confidence (T, 12) and the depth (T, 12)."""
        marks = BODY_21.indices(_SEEN)
        pixels, depth = self.project(joints[:, SMPL_24.indices(_SEEN)], frames)
        return self.take.keypoints[frames, marks] - pixels, self.take.confidence[frames, marks], depth

    def error(self, joints: Array) -> float:
        """Mean distance, px, of joints (T, 24, 3) from the keypoints that were seen, weighted by confidence."""
        miss, confidence, _ = self.misses(joints)
        return float((np.linalg.norm(miss, axis=-1) * confidence).sum() / max(float(confidence.sum()), 1e-9))

    def pixels(self) -> Pixels:
        """The keypoints as residuals for ``match_joints``; outliers are held by Huber's weights."""
        focal = self.take.camera.focal

        def residuals(joints: Array, frames: slice) -> tuple[list[int], Array, Array]:
            miss, confidence, depth = self.misses(joints, frames)
            metres = miss * (depth / focal)[..., None]
            away = np.linalg.norm(metres, axis=-1)
            weight = np.sqrt(confidence * np.minimum(1.0, 2 * _SPREAD / np.maximum(away, 1e-9))) / _SPREAD
            indices = SMPL_24.indices(_SEEN)
            seen = joints[:, indices] @ self.turn.T + self.path[frames, None]
            rays = seen[..., :2] / depth[..., None]
            along = self.turn[None, None, :2] - rays[..., None] * self.turn[2]
            return indices, metres * weight[..., None], along * weight[..., None, None]

        return residuals


def view_of(take: Take, motion: Motion, joints: Array) -> View:
    """The camera that saw ``joints`` (T, 24, 3) of ``motion``, which was solved from ``take``."""
    settings = motion.notes.get("settings", {})
    upright = tilt_matrix(float(motion.notes.get("camera_pitch", 0.0)), float(settings.get("camera_roll", 0.0)))
    turn = LEVEL[:, None] * upright.T
    pelvis = joints[:, SMPL_24.index("pelvis")]
    smoothing = float(settings.get("smoothing", 0.5))
    cutoff = cutoff_of(smoothing) if smoothing > 0 else None
    path, _ = solve_path(
        (joints - pelvis[:, None]) @ turn.T, take.keypoints, take.confidence, take.times, take.camera, cutoff
    )
    return View(turn, path - pelvis @ turn.T, take)
