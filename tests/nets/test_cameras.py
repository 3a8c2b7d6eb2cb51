"""Cameras of the body regressor: projections by hand, directions of the picture, gradients."""

import math

import pytest

torch = pytest.importorskip("torch")

from posecore.nets import (
    AffineCamera,
    SixDofCamera,
    WeakPerspectiveCamera,
    axis_angle_to_matrix,
    level_view,
    project_affine,
    project_perspective,
    project_weak_perspective,
    to_crop,
    to_pixels,
)


def points(*rows):
    return torch.tensor([rows], dtype=torch.float64)


def test_perspective_by_hand():
    found = project_perspective(points((1.0, -2.0, 4.0), (0.0, 0.0, 3.0)), 2.0)
    assert found.tolist() == [[[0.5, -1.0], [0.0, 0.0]]]
    both = project_perspective(points((1.0, -2.0, 4.0)).expand(2, 1, 3), torch.tensor([2.0, 4.0]).double())
    assert both[:, 0].tolist() == [[0.5, -1.0], [1.0, -2.0]]


def test_behind_the_camera_the_projection_is_finite_and_pulls_back():
    near = 0.3
    for z in (near, 0.0, -2.0):
        point = points((0.1, 0.2, z)).requires_grad_()
        found = project_perspective(point, 1.0, near)
        assert torch.allclose(found[0, 0], torch.tensor([0.1, 0.2]).double() * (2 - z / near) / near)
        found.abs().sum().backward()
        assert point.grad[0, 0, 2] < 0  # a step against the gradient moves it forward
    # Value and slope meet at the near plane.
    just = [project_perspective(points((1.0, 0.0, near + e)), 1.0, near)[0, 0, 0] for e in (-1e-6, 0.0, 1e-6)]
    assert float((just[2] - just[1]) / (just[1] - just[0])) == pytest.approx(1.0, abs=1e-4)


def test_hmr_scales_the_translation_too():
    found = project_weak_perspective(
        points((1.0, 2.0, 9.0)), torch.tensor([0.5]).double(), torch.tensor([[0.1, -0.4]]).double()
    )
    assert found[0, 0].tolist() == pytest.approx([0.5 * (1.0 + 0.1), 0.5 * (2.0 - 0.4)])  # s (X + t), not s X + t
    assert found[0, 0].tolist() != pytest.approx([0.5 * 1.0 + 0.1, 0.5 * 2.0 - 0.4])


def test_affine_by_hand():
    matrix = torch.tensor([[[1.0, 2, 3], [0, -1, 1]]]).double()
    assert project_affine(points((1.0, 10.0, 100.0)), matrix).tolist() == [[[321.0, 90.0]]]
    moved = project_affine(points((1.0, 10.0, 100.0)), matrix, torch.tensor([[0.5, -0.5]]).double())
    assert moved.tolist() == [[[321.5, 89.5]]]


def cameras():
    """The three kinds, all level, before the person, of scale 1 at the pelvis."""
    one = torch.ones(1, dtype=torch.float64)
    return {
        "six_dof": SixDofCamera(level_view(one)[None], torch.tensor([[0.0, 0.0, 5.0]]).double(), 5.0),
        "weak_perspective": WeakPerspectiveCamera(one, torch.zeros(1, 2).double()),
        "affine": AffineCamera(torch.tensor([[[1.0, 0, 0], [0, 1, 0]]]).double()),
    }


@pytest.mark.parametrize("kind", cameras())
def test_up_is_up_and_their_left_is_at_the_right_of_the_picture(kind):
    camera = cameras()[kind]
    world = points((0.0, 0.5, 0.0), (0.5, 0.0, 0.0), (0.0, 0.0, 0.0))  # above the pelvis, at their left, the pelvis
    found = camera.project(world)
    assert torch.allclose(found, torch.tensor([[[0.0, -0.5], [0.5, 0.0], [0.0, 0.0]]]).double())
    assert torch.allclose(camera.rotation @ camera.rotation.mT, torch.eye(3).double())
    assert float(torch.linalg.det(camera.rotation)) == pytest.approx(1.0)  # no mirror image


def test_perspective_makes_what_is_nearer_larger():
    found = cameras()["six_dof"].project(points((0.5, 0.0, 1.0), (0.5, 0.0, -1.0)))  # before and behind the body
    assert found[0, :, 0].tolist() == pytest.approx([5 * 0.5 / 4, 5 * 0.5 / 6])


def test_six_dof_is_rotation_then_translation():
    turn = axis_angle_to_matrix(torch.tensor([0.0, math.pi / 2, 0.0]).double())
    camera = SixDofCamera(turn[None], torch.tensor([[1.0, 2.0, 3.0]]).double(), 1.0)
    # A quarter turn about y takes z to x.
    assert camera.to_camera(points((0.0, 0.0, 1.0)))[0, 0].tolist() == pytest.approx([2.0, 2.0, 3.0])


def test_crop_coordinates_by_hand():
    pixels = torch.tensor([-0.5, 111.5, 223.5])  # the crop's border, its middle, its other border
    assert to_crop(pixels, 224).tolist() == [-1.0, 0.0, 1.0]
    assert to_pixels(to_crop(pixels, 224), 224).tolist() == pixels.tolist()


def test_projections_have_gradients():
    seed = torch.Generator().manual_seed(0)

    def random(*shape):
        return torch.randn(*shape, generator=seed, dtype=torch.float64).requires_grad_()

    turn, place, body = random(2, 3), random(2, 3), random(2, 4, 3)
    focal, scale, shift, matrix = random(2), random(2), random(2, 2), random(2, 2, 3)

    def six_dof(turn, place, body, focal):
        depth = torch.tensor([0.0, 0.0, 6.0]).double()
        return SixDofCamera(axis_angle_to_matrix(turn), place + depth, focal).project(body)

    assert torch.autograd.gradcheck(six_dof, (turn, place, body, focal))
    assert torch.autograd.gradcheck(lambda s, t, x: WeakPerspectiveCamera(s, t).project(x), (scale, shift, body))
    assert torch.autograd.gradcheck(lambda k, c, x: AffineCamera(k, c).project(x), (matrix, shift, body))
    behind = torch.tensor([[[0.1, 0.2, -1.0], [0.1, 0.2, 0.1]]]).double().requires_grad_()
    assert torch.autograd.gradcheck(lambda x: project_perspective(x, 2.0), behind)
