"""What generator and critic minimise: reprojection (seed 003 §2.1), known bodies, and the critic's opinion (§2.2)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from posecore.losses import (
    generator_loss,
    keypoint_reprojection_loss,
    silhouette_loss,
    silhouette_targets,
)
from posecore.nets.body_regressor import BodyPrediction
from posecore.skeletons import SMPL_24
from training.bodies.pictures import BodyBatch
from training.bodies.posed import Posed, PosedBody
from training.bodies.weights import LossWeights, Reprojection

__all__ = ["generator_terms", "seen"]

_ROOT = SMPL_24.index("pelvis")
#: Pixels of a true silhouette that look for the body. A table of 512 × 1024 distances a picture.
_PIXELS_OF_SILHOUETTE = 512


def seen(prediction: BodyPrediction) -> Tensor:
    """(N, 24, 3, 3) local rotations, the root's to the camera frame, as the pictures' labels are."""
    root = prediction.camera.rotation @ prediction.rotations[:, _ROOT]
    return torch.cat([prediction.rotations[:, :_ROOT], root[:, None], prediction.rotations[:, _ROOT + 1 :]], 1)


def generator_terms(
    prediction: BodyPrediction,
    posed: Posed,
    batch: BodyBatch,
    body: PosedBody,
    critic: nn.Module | None,
    reprojection: Reprojection,
    weights: LossWeights,
) -> dict[str, Tensor]:
    """Weighted terms by name.

    Args:
        posed: ``body`` posed with the prediction.
        critic: frozen by the caller; None trains without.
        reprojection: which of the two terms are there.
    """
    terms: dict[str, Tensor] = {}
    if reprojection != "mr":
        places = prediction.project(posed.keypoints)
        terms["kpr"] = weights.keypoints * keypoint_reprojection_loss(places, batch.keypoints, batch.weight)
    if reprojection != "kpr":
        target = silhouette_targets(batch.masks, _PIXELS_OF_SILHOUETTE).to(batch.image.device)
        terms["mr"] = weights.silhouette * silhouette_loss(prediction.project(posed.points), target)
    if critic is not None:
        terms["critic"] = weights.adversarial * generator_loss(
            critic(prediction.rotations, prediction.betas, posed.joints)
        )
    known = batch.solid
    if bool(known.any()):
        terms |= _known_body_terms(prediction, batch, body, known, weights)
    return terms


def _known_body_terms(
    prediction: BodyPrediction, batch: BodyBatch, body: PosedBody, known: Tensor, weights: LossWeights
) -> dict[str, Tensor]:
    share = known.float().mean()  # a mixed batch weighs as its pictures do
    rotations, betas = seen(prediction)[known], prediction.betas[known]
    terms = {}
    if weights.rotations:
        terms["rotations"] = weights.rotations * share * (rotations - batch.rotations[known]).square().mean()
    if weights.betas:
        terms["betas"] = weights.betas * share * (betas - batch.betas[known]).square().mean()
    if weights.joints:
        with torch.no_grad():
            wanted = body.joints(batch.rotations[known], batch.betas[known])
        errors = (body.joints(rotations, betas) - wanted).norm(dim=-1)
        terms["joints"] = weights.joints * share * errors.mean()
    return terms
