"""Loss surfaces over the left elbow (Dabral et al. 2018, fig. 3; seed 000 §3.4).

x and z of the left elbow vary, everything else stays as it is. With the 2D projection loss alone no depth is better
than another; the symmetry loss leaves two, of which the illegal-angle loss excludes one; full 3D supervision is there
to compare with. Three poses with the same picture are marked: see :func:`poses`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from posecore.losses import illegal_angle_loss, symmetry_loss
from posecore.skeletons import BODY_21

__all__ = ["ANGLE", "ELBOW", "KINDS", "SYMMETRY", "Kind", "Surface", "elbow_loss", "elbow_surface", "poses"]

Array = NDArray[np.float32]
Kind = Literal["projection", "symmetry", "angle", "full3d"]

#: The surfaces in the paper's order; each of the first three has the terms of those before it.
KINDS: tuple[Kind, ...] = get_args(Kind)
ELBOW = "l_elbow"
#: Dabral et al.'s λ_s and λ_a; the projection loss and the full 3D loss count 1.
SYMMETRY, ANGLE = 0.05, 0.03

# A standing person who faces the camera, hands on the hips, elbows out and back: x right in the picture (the person's
# left), y down, z away, in half crops. Shoulder and wrist are at one depth, so that the two elbow depths that keep
# both bones' lengths lie one before and one behind them.
_MIDDLE = {
    "pelvis": (0.0, 0.05, 0.0),
    "spine": (0.0, -0.16, 0.0),
    "thorax": (0.0, -0.37, 0.0),
    "nose": (0.0, -0.50, -0.06),
    "head_top": (0.0, -0.65, 0.0),
}
_LEFT = {
    "hip": (0.075, 0.05, 0.0),
    "knee": (0.085, 0.40, -0.02),
    "ankle": (0.090, 0.75, 0.02),
    "toe": (0.105, 0.80, -0.11),
    "shoulder": (0.150, -0.36, 0.0),
    "elbow": (0.300, -0.19, 0.12),
    "wrist": (0.140, -0.05, 0.0),
    "hand": (0.085, -0.02, -0.03),
}
#: The elbow's depth in the worse pose: as far forward again as the bad pose is wrong.
_WORSE = 2.5


@dataclass(frozen=True)
class Surface:
    """A loss over a grid of places of the left elbow.

    Attributes:
        kind: which loss, of :data:`KINDS`.
        x: (W,) and z: (H,) half crops; loss: (H, W).
    """

    kind: Kind
    x: NDArray[np.float64]
    z: NDArray[np.float64]
    loss: NDArray[np.float64]


def poses() -> dict[str, Array]:
    """The marked poses, (21, 3) half crops, camera frame (x right, y down, z away), equal but for the left elbow's z.

    - ``good``: the truth, the elbow behind the body;
    - ``bad``: the elbow mirrored to the front: the same picture, the same bone lengths, bent the wrong way;
    - ``worse``: further forward still: the same picture, both bones too long, bent the wrong way.
    """
    good = np.zeros((len(BODY_21), 3), np.float32)
    for joint in BODY_21.joints:
        x, y, z = _MIDDLE.get(joint) or _LEFT[joint[2:]]
        good[BODY_21.index(joint)] = (-x if joint.startswith("r_") else x, y, z)
    elbow = BODY_21.index(ELBOW)
    found = {"good": good, "bad": good.copy(), "worse": good.copy()}
    found["bad"][elbow, 2] *= -1
    found["worse"][elbow, 2] *= -_WORSE
    return found


def elbow_loss(
    joints: Tensor, kind: Kind | str, truth: Tensor, symmetry: float = SYMMETRY, angle: float = ANGLE
) -> Tensor:
    """The loss of each of (N, 21, 3) poses against ``truth`` (21, 3), half crops: (N,).

    - ``projection``: Σ squared distance of x and y, what labels of a picture can teach;
    - ``symmetry``: and λ_s × the symmetry loss;
    - ``angle``: and λ_a × the illegal-angle loss;
    - ``full3d``: Σ squared distance of x, y and z.

    Raises:
        ValueError: an unknown kind.
    """
    if kind not in KINDS:
        raise ValueError(f"kind must be one of {', '.join(KINDS)}, got {kind!r}")
    axes = 3 if kind == "full3d" else 2
    loss = ((joints - truth)[..., :axes] ** 2).sum((-2, -1))
    seen = torch.ones(joints.shape[:-1], dtype=joints.dtype)
    if kind in ("symmetry", "angle"):
        loss = loss + symmetry * symmetry_loss(joints, seen, reduction="none")
    if kind == "angle":
        loss = loss + angle * illegal_angle_loss(joints, seen, reduction="none")
    return loss


def elbow_surface(
    kind: Kind | str,
    points: int = 121,
    reach: float = 0.45,
    symmetry: float = SYMMETRY,
    angle: float = ANGLE,
) -> Surface:
    """One surface: ``points`` × ``points`` places of the left elbow, ``reach`` half crops to every side.

    Centred on the true elbow's x, and on the depth of the shoulder.
    """
    truth = torch.from_numpy(poses()["good"]).double()
    elbow = BODY_21.index(ELBOW)
    x = float(truth[elbow, 0]) + torch.linspace(-reach, reach, points, dtype=torch.float64)
    z = torch.linspace(-reach, reach, points, dtype=torch.float64)
    grid = truth.repeat(points * points, 1, 1)
    grid[:, elbow, 0] = x.repeat(points)
    grid[:, elbow, 2] = z.repeat_interleave(points)
    loss = elbow_loss(grid, kind, truth, symmetry, angle).reshape(points, points)
    return Surface(kind, x.numpy(), z.numpy(), loss.numpy())  # type: ignore[arg-type]
