"""Silhouette reprojection: by hand, against brute force and the exact metric, gradients in and out of the crop."""

import numpy as np
import pytest
import torch

from posecore.losses import (
    SurfaceSamples,
    nearest_squared_distances,
    sample_surface,
    silhouette,
    silhouette_loss,
    silhouette_targets,
    squared_distance_transform,
    squared_distances_at,
)
from posecore.metrics import silhouette_reprojection_error
from posecore.nets.cameras import to_crop, to_pixels


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def one_pixel(side: int, x: int, y: int) -> np.ndarray:
    mask = np.zeros((side, side), bool)
    mask[y, x] = True
    return mask


def disc(side: int, x: float, y: float, radius: float) -> np.ndarray:
    rows, columns = np.mgrid[:side, :side]
    return (columns - x) ** 2 + (rows - y) ** 2 <= radius**2


def at(*pixels: tuple[float, float], side: int) -> torch.Tensor:
    return to_crop(torch.tensor([pixels], dtype=torch.float64), side)


def test_one_pixel_and_one_point_by_hand() -> None:
    """A silhouette of the one pixel (2, 2), a body of the one point (5, 6): 3² + 4² px² each way."""
    target = silhouette_targets(one_pixel(8, 2, 2)[None], count=3)
    assert torch.allclose(to_pixels(target.pixels, 8), torch.full((1, 3, 2), 2.0))
    point = at((5, 6), side=8).requires_grad_()
    loss = silhouette_loss(point, target)
    assert loss.item() * (8 / 2) ** 2 == pytest.approx(25 + 25)
    loss.backward()
    # 2 · (3, 4) px from the one term, nearly as much from the distance table's slope.
    assert point.grad is not None and point.grad[0, 0, 0] > 0 and point.grad[0, 0, 1] > 0
    assert silhouette_loss(at((2, 2), side=8), target).item() == pytest.approx(0)


def test_each_term_sees_what_the_other_does_not() -> None:
    """Seed 003: a thin body inside the silhouette costs the second term, a body's limb outside the first."""
    mask = np.zeros((32, 32), bool)
    mask[8:24, 8:24] = True
    target = silhouette_targets(mask[None], 256)
    thin = at(*[(16, y) for y in range(8, 24)], side=32)
    assert float(squared_distances_at(thin, target.distances, target.margin).max()) == pytest.approx(0)
    inward = nearest_squared_distances(target.pixels.double(), thin) * 16**2
    assert float(inward.mean()) == pytest.approx(np.mean([(x - 16) ** 2 for x in range(8, 24)]))
    full = at(*[(x, y) for x in range(8, 24) for y in range(8, 24)], (16, 28), side=32)
    outward = squared_distances_at(full, target.distances, target.margin) * 16**2
    assert outward[0, -1].item() == pytest.approx(25) and float(outward[0, :-1].max()) == pytest.approx(0)
    assert float(nearest_squared_distances(target.pixels.double(), full).max()) == pytest.approx(0)


def test_distance_transform_is_brute_force() -> None:
    mask = np.random.default_rng(0).random((7, 7)) > 0.8
    y, x = np.nonzero(mask)
    rows, columns = np.mgrid[-2:9, -2:9]
    brute = ((rows[..., None] - y) ** 2 + (columns[..., None] - x) ** 2).min(-1)
    found = squared_distance_transform(mask, margin=2)
    assert found.dtype == np.float32
    assert np.allclose(found * (7 / 2) ** 2, brute, atol=1e-4)


def test_distances_at_pixels_are_the_tables_and_between_them_bilinear() -> None:
    table = torch.from_numpy(squared_distance_transform(disc(16, 5, 9, 2.5), margin=4))[None]
    rows, columns = torch.meshgrid(torch.arange(16.0), torch.arange(16.0), indexing="ij")
    points = to_crop(torch.stack([columns, rows], -1).reshape(1, -1, 2), 16)
    found = squared_distances_at(points, table, margin=4).reshape(16, 16)
    assert torch.allclose(found, table[0, 4:20, 4:20], atol=1e-5)
    middle = squared_distances_at(at((12.5, 3.5), side=16), table, 4).item()
    assert middle == pytest.approx(table[0, 7:9, 16:18].mean().item(), rel=1e-5)


def test_far_out_the_distance_goes_on_and_never_says_too_much() -> None:
    mask = disc(16, 12, 8, 3)
    y, x = np.nonzero(mask)
    places = [(30.0, 9.0), (-20.0, -5.0), (60.0, 70.0), (8.0, 40.0)]
    true = np.array([((x - a) ** 2 + (y - b) ** 2).min() for a, b in places])
    for margin in (0, 8, 64):
        table = torch.from_numpy(squared_distance_transform(mask, margin))[None]
        points = at(*places, side=16).requires_grad_()
        found = squared_distances_at(points, table, margin)
        assert (found[0].detach().numpy() * 64 <= true + 1e-3).all()
        if margin == 64:
            assert np.allclose(found[0].detach().numpy() * 64, true, rtol=1e-5)
        step = torch.autograd.grad(found.sum(), points)[0]
        inside = at((12, 8), side=16)
        assert ((points - inside) * step).sum(-1).min() > 0  # down the slope is toward the person


def test_nearest_is_brute_force_in_any_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    pixels, points = random(3, 40, 2), random(3, 17, 2, seed=1)
    brute = ((pixels[:, :, None] - points[:, None]) ** 2).sum(-1).min(-1).values
    assert torch.allclose(nearest_squared_distances(pixels, points), brute)
    monkeypatch.setattr(silhouette, "_BLOCK", 5)  # four blocks, the last one not full
    assert torch.allclose(nearest_squared_distances(pixels, points), brute)
    monkeypatch.setattr(silhouette, "_CHUNK", 3 * 20 * 7)  # seven pixels at a time
    assert torch.allclose(nearest_squared_distances(pixels, points), brute)
    monkeypatch.setattr(silhouette, "_CHUNK", 1)
    assert torch.allclose(nearest_squared_distances(pixels, points), brute)


def test_nearest_pulls_the_nearest_point_alone() -> None:
    points = at((1, 1), (5, 5), side=8).requires_grad_()
    pixel = at((2, 1), side=8)
    nearest_squared_distances(pixel, points).sum().backward()
    assert points.grad is not None
    assert points.grad[0, 0].tolist() == pytest.approx([2 * (1 - 2) * 2 / 8, 0.0])
    assert points.grad[0, 1].tolist() == [0.0, 0.0]


def test_on_all_pixels_the_loss_is_the_exact_figure() -> None:
    truth, found = disc(48, 20, 24, 9), disc(48, 27, 22, 7)
    target = silhouette_targets(truth[None], int(truth.sum()))
    y, x = np.nonzero(found)
    points = to_crop(torch.from_numpy(np.stack([x, y], -1)[None].astype(np.float64)), 48)
    loss = silhouette_loss(points, target).item() * (224 / 2) ** 2
    assert loss == pytest.approx(silhouette_reprojection_error(found, truth), rel=1e-4)


def test_a_fraction_of_the_pixels_says_nearly_the_same() -> None:
    truth, found = disc(96, 40, 48, 18), disc(96, 54, 44, 14)
    y, x = np.nonzero(found)
    points = to_crop(torch.from_numpy(np.stack([x, y], -1)[None].astype(np.float64)), 96)
    exact = silhouette_reprojection_error(found, truth)
    generator = np.random.default_rng(0)
    drawn = [silhouette_loss(points, silhouette_targets(truth[None], 200, rng=generator)).item() for _ in range(30)]
    assert np.mean(drawn) * 112**2 == pytest.approx(exact, rel=0.03)  # a fifth of the pixels, without a bias
    assert np.std(drawn) * 112**2 < 0.08 * exact


def test_two_triangles_are_sampled_by_their_area() -> None:
    """A right triangle of area 3 / 2 beside one of 1 / 2: three quarters of the points, inside, evenly."""
    vertices = np.array([[0.0, 0, 0], [3, 0, 0], [0, 1, 0], [-1, 0, 0]])
    samples = sample_surface(vertices, [[0, 1, 2], [0, 2, 3]], 4000, np.random.default_rng(0))
    assert torch.allclose(samples.weights.sum(1), torch.ones(4000)) and float(samples.weights.min()) >= 0
    points = samples(torch.from_numpy(vertices)[None])[0]
    right = points[:, 0] > 0
    assert float(right.double().mean()) == pytest.approx(0.75, abs=1e-3)
    assert points[right].mean(0).tolist() == pytest.approx([1.0, 1 / 3, 0.0], abs=0.03)  # the centroid
    assert float((points[right, 0] / 3 + points[right, 1]).max()) <= 1 + 1e-6


def test_samples_follow_the_mesh_with_a_gradient() -> None:
    samples = SurfaceSamples(torch.tensor([[0, 1, 2]]), torch.tensor([[0.5, 0.25, 0.25]]))
    vertices = torch.tensor([[[0.0, 0, 0], [4, 0, 0], [0, 4, 0]], [[1.0, 1, 1], [5, 1, 1], [1, 5, 1]]])
    vertices.requires_grad_()
    points = samples(vertices)
    assert points.tolist() == [[[1.0, 1.0, 0.0]], [[2.0, 2.0, 1.0]]]
    points.sum().backward()
    assert vertices.grad is not None and vertices.grad[0, :, 0].tolist() == [0.5, 0.25, 0.25]
    with pytest.raises(ValueError, match="without area"):
        sample_surface(np.zeros((3, 3)), [[0, 1, 2]], 5, np.random.default_rng(0))


def test_pictures_without_a_silhouette_do_not_count() -> None:
    masks = np.stack([disc(16, 8, 8, 3), np.zeros((16, 16), bool)])
    target = silhouette_targets(masks, 30)
    assert target.known.tolist() == [1.0, 0.0] and len(target) == 2
    points = random(2, 5, 2).requires_grad_()
    each = silhouette_loss(points, target, "none")
    assert each[1].item() == 0
    assert silhouette_loss(points, target).item() == pytest.approx(each[0].item())
    silhouette_loss(points, target).backward()
    assert points.grad is not None and float(points.grad[1].abs().max()) == 0
    nobody = target.select(torch.tensor([1])).to("cpu")
    assert silhouette_loss(points[1:], nobody).item() == 0
    with pytest.raises(ValueError, match="2 bodies for 1 silhouettes"):
        silhouette_loss(points, nobody)


def test_what_is_wrong_is_said() -> None:
    with pytest.raises(ValueError, match=r"expected a square silhouette \(S, S\), got \(4, 5\)"):
        squared_distance_transform(np.ones((4, 5)))
    with pytest.raises(ValueError, match="empty silhouette"):
        squared_distance_transform(np.zeros((4, 4)))
    with pytest.raises(ValueError, match=r"expected square silhouettes \(N, S, S\), got \(4, 4\)"):
        silhouette_targets(np.ones((4, 4)))
    with pytest.raises(ValueError, match="count must be 1 or more"):
        silhouette_targets(np.ones((1, 4, 4)), 0)


def test_gradients_in_double_precision() -> None:
    target = silhouette_targets(np.stack([disc(16, 6, 9, 3), disc(16, 9, 7, 4)]), 12)
    inside, outside = random(2, 5, 2) * 0.5, random(2, 3, 2, seed=1) * 0.2 + 2.7  # beyond the distances' margin, too
    points = torch.cat([inside, outside], 1).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: silhouette_loss(x, target), points)
    assert torch.autograd.gradcheck(lambda x: squared_distances_at(x, target.distances, target.margin), points)
    pixels = target.pixels.double()
    assert torch.autograd.gradcheck(lambda x: nearest_squared_distances(pixels, x), points)


def test_descent_moves_points_into_the_silhouette() -> None:
    truth = disc(32, 18, 15, 6)
    target = silhouette_targets(truth[None], 100)
    points = (
        (random(1, 80, 2) * 0.2 - torch.tensor([1.6, 0.0])).float().requires_grad_()
    )  # half of them out of the crop
    first = silhouette_loss(points, target).item()
    optimizer = torch.optim.Adam([points], 0.08)
    for _ in range(60):
        optimizer.zero_grad()
        loss = silhouette_loss(points, target)
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.01 * first
