"""Rotations that networks regress: values by hand, scipy's answers, gradients at zero, both 6-D layouts."""

import math

import pytest

torch = pytest.importorskip("torch")

from scipy.spatial.transform import Rotation

from posecore.nets import axis_angle_to_matrix, matrix_to_six_d, six_d_to_matrix


def random(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_axis_angle_by_hand_and_by_scipy():
    quarter = axis_angle_to_matrix(torch.tensor([0.0, 0.0, math.pi / 2]))
    assert torch.allclose(quarter, torch.tensor([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]]), atol=1e-6)
    vectors = torch.cat([random(20, 3) * 3, random(5, 3) * 1e-3, random(5, 3) * 1e-5, torch.zeros(1, 3).double()])
    expected = torch.from_numpy(Rotation.from_rotvec(vectors.numpy()).as_matrix())
    assert torch.allclose(axis_angle_to_matrix(vectors), expected, atol=1e-14)
    assert torch.allclose(axis_angle_to_matrix(vectors.float()).double(), expected, atol=1e-6)


def test_axis_angle_has_gradients_everywhere_zero_too():
    vectors = torch.cat([random(1, 3), random(1, 3) * 1e-6, torch.zeros(1, 3).double()])
    assert torch.autograd.gradcheck(axis_angle_to_matrix, vectors.requires_grad_())


def test_the_two_layouts_by_hand():
    first, second = [1.0, 2.0, 3.0], [4.0, 5.0, 6.0]
    rows = torch.tensor([*first, *second])  # reshape(-1, 2, 3): one column after the other
    interleaved = torch.tensor([1.0, 4, 2, 5, 3, 6])  # view(-1, 3, 2): a row of both at a time
    assert interleaved.view(3, 2)[:, 0].tolist() == first == rows.reshape(2, 3)[0].tolist()
    matrix = six_d_to_matrix(rows, "2x3")
    assert torch.allclose(matrix, six_d_to_matrix(interleaved, "3x2"), atol=1e-6)
    assert not torch.allclose(matrix, six_d_to_matrix(interleaved, "2x3"), atol=0.1)
    assert torch.allclose(matrix[:, 0], torch.tensor(first) / math.sqrt(14), atol=1e-6)  # the first *column*
    assert torch.allclose(matrix.mT @ matrix, torch.eye(3), atol=1e-6)
    assert float(torch.linalg.det(matrix)) == pytest.approx(1.0, abs=1e-5)


@pytest.mark.parametrize("layout", ["2x3", "3x2"])
def test_six_d_there_and_back_with_gradients(layout):
    matrices = torch.from_numpy(Rotation.random(10, random_state=1).as_matrix())
    values = matrix_to_six_d(matrices, layout)
    assert torch.allclose(six_d_to_matrix(values, layout), matrices, atol=1e-12)
    assert torch.allclose(six_d_to_matrix(values * 2.5, layout), matrices, atol=1e-12)  # lengths do not matter
    assert torch.autograd.gradcheck(lambda x: six_d_to_matrix(x, layout), random(3, 6).requires_grad_())


def test_bad_six_d_is_refused():
    with pytest.raises(ValueError, match="layout must be one of 2x3, 3x2, got '6'"):
        six_d_to_matrix(torch.zeros(1, 6), "6")
    with pytest.raises(ValueError, match=r"expected \(\.\.\., 6\), got \(1, 9\)"):
        six_d_to_matrix(torch.zeros(1, 9))
