"""How good bodies are: KPR and MR of seed 003's tables, silhouette IoU, and against known bodies MPJPE and PVE."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from posecore.body import BodyModel
from posecore.body.torch_body import TorchBody
from posecore.metrics import (
    keypoint_reprojection_error,
    mpjpe,
    pa_mpjpe,
    silhouette_iou,
    silhouette_reprojection_error,
)
from posecore.nets import BodyPrediction, BodyRegressor
from posecore.nets.cameras import to_pixels
from posecore.skeletons import SMPL_24
from training.augmentation import Augmentation
from training.bodies.losses import seen
from training.bodies.pictures import BodyPictures, make_body_batch
from training.rendering.raster import rasterise

__all__ = ["CROP", "Bodies", "BodyTruth", "body_figures", "mesh_mask", "predicted_bodies", "true_bodies"]

Array = NDArray[np.float32]

#: Side of the papers' crops: KPR is in its pixels, MR in their square.
CROP = 224
_MASK = 96
_BATCH = 16
_ROOT = SMPL_24.index("pelvis")


@dataclass(frozen=True, eq=False)
class Bodies:
    """What a method said of N people in crops around them.

    Attributes:
        keypoints: (N, 21, 2) normalised crop coordinates.
        masks: (N, M, M) bool, silhouettes of the meshes.
        joints, vertices: (N, 24, 3) and (N, V, 3) m, pelvis at 0, frame of a camera that looks at the crop's middle.
        rotations: (N, 24, 3, 3) local, the root's to that frame; betas (N, B).
    """

    keypoints: Array
    masks: NDArray[np.bool_]
    joints: Array
    vertices: Array
    rotations: Array
    betas: Array


@dataclass(frozen=True, eq=False)
class BodyTruth:
    """Labels of the same crops.

    As :class:`Bodies`, with the keypoints' ``weight`` (N, 21), and ``solid`` (N,) where the body is known; masks are
    all False where unknown. ``image`` (N, 3, S, S) is what networks see.
    """

    keypoints: Array
    weight: Array
    masks: NDArray[np.bool_]
    solid: NDArray[np.bool_]
    joints: Array
    vertices: Array
    image: Tensor


def mesh_mask(points: NDArray[np.floating], faces: NDArray[np.integer], size: int = _MASK) -> NDArray[np.bool_]:
    """(size, size) silhouette of a mesh whose vertices lie at ``points`` (V, 2), normalised crop coordinates."""
    pixels = to_pixels(torch.from_numpy(np.asarray(points, np.float32)), size).numpy()
    return rasterise(pixels, np.ones(len(pixels), np.float32), np.asarray(faces, np.int32), (size, size)).mask()


@torch.no_grad()
def _posed(body: TorchBody, rotations: Tensor, betas: Tensor) -> tuple[Tensor, Tensor]:
    vertices, joints = body(rotations, betas)
    root = joints[:, _ROOT, None]
    return vertices - root, joints - root


@torch.no_grad()
def true_bodies(pictures: BodyPictures, body: BodyModel, size: int, padding: float = Augmentation.padding) -> BodyTruth:
    """The labels of pictures, in unaugmented crops of side ``size``, ``padding`` times as wide as the person."""
    plain = Augmentation(mode="none", padding=padding)
    rows = np.arange(len(pictures))
    batch = make_body_batch(pictures, rows, size, _MASK, plain, torch.Generator().manual_seed(0))
    vertices, joints = _posed(TorchBody(body), batch.rotations, batch.betas)
    return BodyTruth(
        batch.keypoints.numpy(),
        batch.weight.numpy(),
        batch.masks > 0,
        pictures.solid,
        joints.numpy(),
        vertices.numpy(),
        batch.image,
    )


@torch.no_grad()
def predicted_bodies(
    predict: Callable[[Tensor], BodyPrediction] | BodyRegressor, image: Tensor, body: BodyModel
) -> Bodies:
    """A network's answers to crops (N, 3, S, S)."""
    posed_body = TorchBody(body)
    found: dict[str, list[Array]] = {name: [] for name in Bodies.__dataclass_fields__}
    for start in range(0, len(image), _BATCH):
        prediction = predict(image[start : start + _BATCH])
        vertices, joints = _posed(posed_body, prediction.rotations, prediction.betas)
        keypoints = torch.from_numpy(body.keypoints(vertices.numpy(), joints.numpy()))
        places = prediction.project(vertices).numpy()
        camera = prediction.camera.rotation.mT
        found["keypoints"].append(prediction.project(keypoints).numpy())
        found["masks"].append(np.stack([mesh_mask(one, body.faces) for one in places]))
        found["joints"].append((joints @ camera).numpy())
        found["vertices"].append((vertices @ camera).numpy())
        found["rotations"].append(seen(prediction).numpy())
        found["betas"].append(prediction.betas.numpy())
    return Bodies(**{name: np.concatenate(values) for name, values in found.items()})


def body_figures(bodies: Bodies, truth: BodyTruth) -> dict[str, float]:
    """Figures by name; NaN where nothing is known.

    ``kpr`` px of a 224 crop; ``mr`` px² of it; ``iou``; ``mpjpe_mm``, ``pa_mpjpe_mm`` (24 joints), ``pve_mm``,
    ``pa_pve_mm``: pelvis at 0.
    """
    found, wanted = ((np.asarray(k) + 1) * (CROP / 2) for k in (bodies.keypoints, truth.keypoints))
    known = truth.solid
    nan = float("nan")
    metres = {
        "mpjpe_mm": mpjpe(bodies.joints[known], truth.joints[known]) if known.any() else nan,
        "pa_mpjpe_mm": pa_mpjpe(bodies.joints[known], truth.joints[known]) if known.any() else nan,
        "pve_mm": mpjpe(bodies.vertices[known], truth.vertices[known]) if known.any() else nan,
        "pa_pve_mm": pa_mpjpe(bodies.vertices[known], truth.vertices[known]) if known.any() else nan,
    }
    outlined = truth.masks.any((1, 2))
    return {
        "kpr": keypoint_reprojection_error(found, wanted, truth.weight > 0, CROP),
        "mr": silhouette_reprojection_error(bodies.masks, truth.masks, outlined),
        "iou": silhouette_iou(bodies.masks, truth.masks, outlined),
        **{name: value * 1000 for name, value in metres.items()},
    }
