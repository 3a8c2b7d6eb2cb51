"""Fitting as a method beside the regressor: an estimator, the solve, and the body fitted to it, per picture."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from posecore import SolveSettings, solve
from posecore.body import BodyModel
from posecore.body.fit_picture import view_of
from posecore.body.fitting import fit_body
from posecore.capturing.estimators import Estimator
from posecore.capturing.rays import ray_rotation, ray_to_camera
from posecore.capturing.regions import Region
from posecore.nets.cameras import to_crop
from posecore.skeletons import SMPL_24
from posecore.takes import Camera, Take
from training.augmentation import Augmentation
from training.bodies.figures import Bodies, mesh_mask
from training.bodies.masks import MASK_SIZE
from training.bodies.pictures import BodyPictures

__all__ = ["fitted_bodies"]

_ROOT = SMPL_24.index("pelvis")
_PADDING = Augmentation().padding
_STILL = SolveSettings(smoothing=0.0, ground=False, camera_pitch=0.0)


def fitted_bodies(estimator: Estimator, pictures: BodyPictures, body: BodyModel, size: int) -> Bodies:
    """Bodies fitted to what ``estimator`` says of each picture, given the labelled box as the regressor is.

    Args:
        size: side of the crops in whose coordinates the answer is.

    The camera is the true one where it is known, else :meth:`Camera.assumed`.
    """
    found: dict[str, list[NDArray]] = {name: [] for name in Bodies.__dataclass_fields__}
    for row in range(len(pictures)):
        for name, value in _fitted(estimator, pictures, row, body, size).items():
            found[name].append(value)
    return Bodies(**{name: np.stack(values) for name, values in found.items()})


def _fitted(estimator: Estimator, pictures: BodyPictures, row: int, body: BodyModel, size: int) -> dict[str, NDArray]:
    x, y, extent = (float(v) for v in pictures.boxes[row])
    region = Region((x, y), extent * _PADDING)
    take = _take(estimator, pictures, row, region)
    motion = solve(take, _STILL)
    fit = fit_body(motion, body, take, floor=False)
    view = view_of(take, motion, motion.joints())
    world, joints = fit.vertices()[0], fit.motion.joints()[0]
    camera = take.camera

    def placed(points: NDArray) -> NDArray:
        """World points → normalised crop coordinates."""
        pixels = view.project(points[None])[0][0]
        inside = (pixels - region.centre) * (size / region.side) + (size - 1) / 2
        return to_crop(torch.from_numpy(inside.astype(np.float32)), size).numpy()

    middle = (np.array(region.centre) - camera.centre) / camera.focal
    turn = ray_rotation(np.array([*middle, 1.0])) @ view.turn
    local = Rotation.from_quat(fit.motion.rotations[0]).as_matrix()
    local[_ROOT] = turn @ local[_ROOT]
    return {
        "keypoints": placed(body.keypoints(world, joints)),
        "masks": mesh_mask(placed(world), body.faces),
        "joints": ((joints - joints[_ROOT]) @ turn.T).astype(np.float32),
        "vertices": ((world - joints[_ROOT]) @ turn.T).astype(np.float32),
        "rotations": local.astype(np.float32),
        "betas": fit.betas,
    }


def _take(estimator: Estimator, pictures: BodyPictures, row: int, region: Region) -> Take:
    """One frame."""
    pose = estimator.estimate([pictures.images[row]], [region])[0]
    if pictures.solid[row]:
        focal, x, y = (float(v) for v in pictures.camera[row])
        camera = Camera(focal, (x, y), (MASK_SIZE, MASK_SIZE))
    else:
        width, height = (round(2 * float(middle)) + 1 for middle in pictures.camera[row, 1:])
        camera = Camera.assumed((width, height))  # the picture's: it fills the top left of the square
    joints = ray_to_camera(pose.joints[None], pose.keypoints[None], camera)
    half = region.side / 2
    return Take(
        times=np.zeros(1),
        boxes=np.array([[region.centre[0] - half, region.centre[1] - half, region.side, region.side]], np.float32),
        keypoints=pose.keypoints[None],
        confidence=pose.confidence[None],
        joints=joints,
        joints_raw=joints,
        camera=camera,
        source="",
        frames=np.zeros(1, np.int64),
        estimator=estimator.name,
        notes={},
    )
