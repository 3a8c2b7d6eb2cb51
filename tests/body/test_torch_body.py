"""The torch half gives what the numpy half gives, and its gradients are right."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from scipy.spatial.transform import Rotation

from posecore.body import load_body
from posecore.body.torch_body import TorchBody
from tests.body import bodies


def pose(frames: int, seed: int = 0):
    generator = np.random.default_rng(seed)
    turns = Rotation.random(frames * 24, random_state=seed)
    return turns.as_quat().reshape(frames, 24, 4), generator.normal(size=(frames, 3)), generator.normal(size=10)


@pytest.mark.parametrize("corrective", [None, False, True])
def test_equal_to_numpy(tmp_path, corrective) -> None:
    model = load_body()
    if corrective is not None:
        np.savez(tmp_path / "body.npz", **bodies.body_arrays(24, corrective))
        model = load_body(tmp_path / "body.npz")
    rotations, translation, betas = pose(5)
    matrices = torch.tensor(Rotation.from_quat(rotations.reshape(-1, 4)).as_matrix().reshape(5, 24, 3, 3)).float()
    body = TorchBody(model)
    tensors = torch.tensor(betas).float().expand(5, -1), torch.tensor(translation).float()
    vertices, joints = body(matrices, *tensors)
    np.testing.assert_allclose(vertices.numpy(), model.pose(rotations, translation, betas), atol=1e-5)
    np.testing.assert_allclose(joints.numpy(), model.joints(rotations, translation, betas), atol=1e-5)
    at_rest = body(matrices, tensors[0])[1][:, 0]
    np.testing.assert_allclose(at_rest.numpy(), np.tile(model.rest_joints(betas)[0], (5, 1)), atol=1e-5)
    assert not list(body.parameters()) and all(b.dtype in (torch.float32, torch.int64) for b in body.buffers())


def test_bodies_of_one_batch_do_not_mix() -> None:
    body = TorchBody(load_body())
    matrices = torch.tensor(Rotation.random(48, random_state=3).as_matrix().reshape(2, 24, 3, 3)).float()
    betas = torch.randn(2, 10, generator=torch.Generator().manual_seed(0))
    both = body(matrices, betas)[0]
    for row in range(2):
        alone = body(matrices[row : row + 1], betas[row : row + 1])[0]
        torch.testing.assert_close(both[row : row + 1], alone, atol=1e-5, rtol=0)


def test_gradients(tmp_path) -> None:
    np.savez(tmp_path / "body.npz", **bodies.body_arrays(24, corrective=True))
    body = TorchBody(load_body(tmp_path / "body.npz")).double()
    generator = torch.Generator().manual_seed(1)
    matrices = torch.tensor(Rotation.random(48, random_state=5).as_matrix().reshape(2, 24, 3, 3))
    rotations = (matrices + 0.1 * torch.randn(2, 24, 3, 3, generator=generator)).requires_grad_()
    betas = torch.randn(2, 10, generator=generator, dtype=torch.float64, requires_grad=True)
    translation = torch.randn(2, 3, generator=generator, dtype=torch.float64, requires_grad=True)
    mix = torch.randn(96, 3, generator=generator, dtype=torch.float64)

    def total(*inputs):
        vertices, joints = body(*inputs)
        return (vertices * mix).sum((1, 2)) + (joints**2).sum((1, 2))

    assert torch.autograd.gradcheck(total, (rotations, betas, translation), fast_mode=True)


def test_wrong_shapes_are_named() -> None:
    body = TorchBody(load_body())
    turns, betas = torch.eye(3).expand(2, 24, 3, 3), torch.zeros(2, 10)
    for arguments, word in (
        ((turns[:, :20], betas), "rotations"),
        ((turns, betas[:, :7]), "betas"),
        ((turns, betas, torch.zeros(1, 3)), "translation"),
    ):
        with pytest.raises(ValueError, match=word):
            body(*arguments)
