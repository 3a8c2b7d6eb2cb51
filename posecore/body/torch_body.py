"""The same skinning in torch: batched and differentiable, for training (Loper et al., "SMPL", 2015).

Frame: the world's (Y up, the body at rest faces +Z, its left is +X), metres.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from posecore.body.model import BodyModel

__all__ = ["TorchBody"]


class TorchBody(nn.Module):
    """A :class:`BodyModel` as a module without parameters: its arrays are float32 buffers.

    Args:
        model: the body.
    """

    v_template: Tensor
    shapedirs: Tensor
    posedirs: Tensor | None
    weights: Tensor
    joint_template: Tensor
    joint_shapedirs: Tensor
    faces: Tensor

    def __init__(self, model: BodyModel) -> None:
        super().__init__()
        self.model = model
        self.parents = [int(parent) for parent in model.parents]
        regressor = model.joint_regressor.toarray().astype(np.float64)
        buffers = {
            "v_template": model.v_template,
            "shapedirs": model.shapedirs,
            "posedirs": model.posedirs,
            "weights": model.weights,
            # Joints are linear in betas, too: no need to ask all vertices each time.
            "joint_template": regressor @ model.v_template,
            "joint_shapedirs": np.einsum("jv,vcb->jcb", regressor, model.shapedirs),
        }
        for name, array in buffers.items():
            tensor = None if array is None else torch.as_tensor(np.array(array), dtype=torch.float32)
            self.register_buffer(name, tensor, persistent=False)
        self.register_buffer("faces", torch.as_tensor(model.faces.astype(np.int64)), persistent=False)

    def shaped(self, betas: Tensor) -> tuple[Tensor, Tensor]:
        """Vertices (N, V, 3) and joints (N, 24, 3) at rest from betas (N, B)."""
        vertices = self.v_template + torch.einsum("vcb,nb->nvc", self.shapedirs, betas)
        return vertices, self.joint_template + torch.einsum("jcb,nb->njc", self.joint_shapedirs, betas)

    def forward(self, rotations: Tensor, betas: Tensor, translation: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Pose the body.

        Args:
            rotations: (N, 24, 3, 3) local rotation matrices, SMPL_24.
            betas: (N, B) shape.
            translation: (N, 3) world position of the pelvis joint, metres; None leaves it at rest.

        Returns:
            vertices (N, V, 3) and joints (N, 24, 3), metres, world frame.

        Raises:
            ValueError: a wrong shape.
        """
        count, known = len(rotations), self.shapedirs.shape[2]
        if rotations.shape != (count, len(self.parents), 3, 3):
            raise ValueError(f"rotations: expected (N, {len(self.parents)}, 3, 3), got {tuple(rotations.shape)}")
        if betas.shape != (count, known):
            raise ValueError(f"betas: expected ({count}, {known}), got {tuple(betas.shape)}")
        if translation is not None and translation.shape != (count, 3):
            raise ValueError(f"translation: expected ({count}, 3), got {tuple(translation.shape)}")
        vertices, rest = self.shaped(betas)
        if self.posedirs is not None:
            identity = torch.eye(3, dtype=rotations.dtype, device=rotations.device)
            features = (rotations[:, 1:] - identity).flatten(1)
            vertices = vertices + torch.einsum("vcp,np->nvc", self.posedirs, features)
        turned, positions = self._chain(rotations, rest, translation)
        offsets = positions - (turned @ rest[..., None])[..., 0]
        transforms = torch.cat([turned.flatten(2), offsets], 2)
        blended = self.weights @ transforms
        posed = (blended[..., :9].unflatten(2, (3, 3)) @ vertices[..., None])[..., 0] + blended[..., 9:]
        return posed, positions

    def _chain(self, local: Tensor, rest: Tensor, root: Tensor | None) -> tuple[Tensor, Tensor]:
        """World rotations (N, 24, 3, 3) and positions (N, 24, 3) of the joints."""
        turned = [local[:, 0]]
        positions = [rest[:, 0] if root is None else root]
        for joint, parent in enumerate(self.parents[1:], start=1):
            turned.append(turned[parent] @ local[:, joint])
            offset = rest[:, joint] - rest[:, parent]
            positions.append(positions[parent] + (turned[parent] @ offset[..., None])[..., 0])
        return torch.stack(turned, 1), torch.stack(positions, 1)
