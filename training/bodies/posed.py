"""The body as the losses look at it: joints, keypoints and points of its surface, without the vertices between them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from scipy import sparse
from torch import Tensor, nn

from posecore.body import BodyModel
from posecore.body.torch_body import TorchBody
from posecore.losses import sample_surface
from posecore.skeletons import BODY_21, SMPL_24

__all__ = ["Posed", "PosedBody"]

_ROOT = SMPL_24.index("pelvis")


@dataclass(frozen=True, eq=False)
class Posed:
    """N posed bodies, metres, the pelvis at the origin: joints (N, 24, 3), BODY_21 keypoints (N, 21, 3), surface points
    (N, P, 3)."""

    joints: Tensor
    keypoints: Tensor
    points: Tensor


class PosedBody(nn.Module):
    """A body reduced to some points on its skin, spread evenly, and what its keypoints need.

    A point inside a triangle is skinned with the blend of its corners' places, shapes and weights, which differs from
    the posed triangle's own point by far less than a triangle's size; and posing costs a sixth.

    Args:
        model: any body of SMPL's family.
        count: points on the skin.
        seed: of their choice.
    """

    def __init__(self, model: BodyModel, count: int = 1024, seed: int = 0) -> None:
        super().__init__()
        self.model, self.count = model, count
        blend = _chosen(model, count, np.random.default_rng(seed))
        self.body = TorchBody(_reduced(model, blend))
        skin, joints = _keypoint_weights(model)
        self.register_buffer("keypoint_skin", skin, persistent=False)
        self.register_buffer("keypoint_joints", joints, persistent=False)

    def forward(self, rotations: Tensor, betas: Tensor) -> Posed:
        """Pose with local rotations (N, 24, 3, 3) and betas (N, B)."""
        vertices, joints = self.body(rotations, betas)
        root = joints[:, _ROOT, None]
        vertices, joints = vertices - root, joints - root
        marks = vertices[:, self.count : self.count + self.keypoint_skin.shape[1]]
        keypoints = self.keypoint_skin @ marks + self.keypoint_joints @ joints
        return Posed(joints, keypoints, vertices[:, : self.count])

    def joints(self, rotations: Tensor, betas: Tensor) -> Tensor:
        """(N, 24, 3) alone, the pelvis at the origin."""
        _, rest = self.body.shaped(betas)
        _, joints = self.body._chain(rotations, rest, None)
        return joints - joints[:, _ROOT, None]


def _chosen(model: BodyModel, count: int, rng: np.random.Generator) -> sparse.csr_matrix:
    """(count + K, V) weights: points on the skin, then the vertices of the keypoints."""
    samples = sample_surface(model.v_template, model.faces, count, rng)
    corners, weights = samples.corners.numpy(), samples.weights.numpy()
    named = sorted({vertex for pair in model.keypoint_vertices.values() for vertex in pair})
    rows = np.concatenate([np.repeat(np.arange(count), 3), count + np.arange(len(named))])
    columns = np.concatenate([corners.ravel(), named]).astype(np.int64)
    values = np.concatenate([weights.ravel(), np.ones(len(named))])
    return sparse.csr_matrix((values, (rows, columns)), (count + len(named), len(model.v_template)))


def _reduced(model: BodyModel, blend: sparse.csr_matrix) -> BodyModel:
    """The body of the blended vertices, and of its own joints as further vertices, which the regressor picks out."""
    regressor = model.joint_regressor
    every = sparse.vstack([blend, regressor]).tocsr()
    count, size = every.shape[0], model.shapedirs.shape[2]
    shapes = np.asarray(every @ model.shapedirs.reshape(len(model.v_template), -1))
    corrective = None
    if model.posedirs is not None:
        flat = model.posedirs.reshape(len(model.v_template), -1)
        corrective = np.asarray(every @ flat).reshape(count, 3, -1).astype(np.float32)
    joints = len(model.parents)
    picks = sparse.csr_matrix(
        (np.ones(joints), (np.arange(joints), count - joints + np.arange(joints))), (joints, count)
    )
    return replace(
        model,
        v_template=np.asarray(every @ model.v_template, np.float32),
        faces=np.zeros((0, 3), np.int32),
        shapedirs=shapes.reshape(count, 3, size).astype(np.float32),
        posedirs=corrective,
        joint_regressor=picks,
        weights=np.asarray(every @ model.weights, np.float32),
    )


def _keypoint_weights(model: BodyModel) -> tuple[Tensor, Tensor]:
    """(21, K) and (21, 24): BODY_21 from the keypoints' vertices and the joints, as ``BodyModel.keypoints`` has it."""
    named = sorted({vertex for pair in model.keypoint_vertices.values() for vertex in pair})
    # It is linear: asked about each joint and each vertex alone, it tells its weights.
    joints = np.zeros((len(SMPL_24), len(SMPL_24), 3), np.float32)
    joints[np.arange(len(SMPL_24)), np.arange(len(SMPL_24)), 0] = 1
    nothing = np.zeros((1, len(model.v_template), 3), np.float32)
    of_joints = model.keypoints(np.repeat(nothing, len(joints), 0), joints)[..., 0].T
    skin = np.zeros((len(BODY_21), len(named)), np.float32)
    for column, vertex in enumerate(named):
        one = nothing.copy()
        one[0, vertex, 0] = 1
        skin[:, column] = model.keypoints(one, np.zeros((1, len(SMPL_24), 3), np.float32))[0, :, 0]
    return torch.from_numpy(skin), torch.from_numpy(np.ascontiguousarray(of_joints))
