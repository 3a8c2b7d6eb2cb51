"""What the mesh regressor is trained for, as data: which terms, how much of each. Without torch, for the studies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["LossWeights", "Reprojection"]

#: Seed 003 §4.1: keypoints alone, silhouettes alone, or both.
Reprojection = Literal["kpr", "mr", "combined"]


@dataclass(frozen=True)
class LossWeights:
    """Weights of the generator's terms. The seed prints none; lengths are in halves of the crop's side and metres.

    Chosen by the gradients that the terms give at the mean body, whose silhouette is far off: there none of them pulls
    more than about twice as hard as the keypoints do.

    Attributes:
        keypoints: w_kpr; silhouette: w_mr (eq. 2), which is a squared length.
        adversarial: of the critic's opinion.
        rotations: mean squared difference of the rotation matrices' entries; betas: mean squared difference; joints:
            mean distance, metres. On pictures whose body is known; 0 is the seed's, which has no such pictures.
    """

    keypoints: float = 10.0
    silhouette: float = 30.0
    adversarial: float = 0.5
    rotations: float = 40.0
    betas: float = 0.5
    joints: float = 10.0
