"""Silhouette reprojection in plain torch: both squared distances of seed 003, eq. 1, on points.

The picture's half is made once with numpy (:func:`silhouette_targets`): the squared distance to the true silhouette at
every pixel, and some of its pixels. The body's half is points of its surface, projected: sampled evenly over the
surface (:func:`sample_surface`), or the vertices themselves, which are denser on hands and face.

A *normalised* length has half the crop's side as its unit; pixels as in :func:`posecore.nets.to_crop`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from scipy.ndimage import distance_transform_edt
from torch import Tensor

from posecore.losses.masks import Reduction, reduced

__all__ = [
    "SilhouetteTarget",
    "SurfaceSamples",
    "nearest_squared_distances",
    "sample_surface",
    "silhouette_loss",
    "silhouette_targets",
    "squared_distance_transform",
    "squared_distances_at",
]

# Entries of one table of distances: 4 MB of float32, which a processor's cache holds; 256 MB elsewhere.
_CHUNK, _CHUNK_OF_DEVICES = 1 << 20, 1 << 26
# Where a minimum lies is slow to find, what it is quick: points are searched by blocks first.
_BLOCK = 64


def squared_distance_transform(mask: ArrayLike, margin: int = 0) -> NDArray[np.float32]:
    """Squared distance of every pixel's centre to the nearest pixel centre of the silhouette.

    Args:
        mask: (S, S), true or > 0 on the person.
        margin: pixels by which the answer goes beyond the crop on every side.

    Returns:
        (S + 2 margin, S + 2 margin) float32, normalised (px² · (2 / S)²).

    Raises:
        ValueError: not a square, or without a pixel of the person.
    """
    person = np.asarray(mask) > 0
    if person.ndim != 2 or person.shape[0] != person.shape[1]:
        raise ValueError(f"expected a square silhouette (S, S), got {person.shape}")
    if not person.any():
        raise ValueError("an empty silhouette has no distance to it: leave this picture out")
    distance = distance_transform_edt(~np.pad(person, margin))
    return ((distance * (2.0 / len(person))) ** 2).astype(np.float32)


@dataclass(frozen=True, eq=False)
class SilhouetteTarget:
    """The true silhouettes of N pictures, ready for :func:`silhouette_loss`.

    Attributes:
        distances: (N, S + 2 margin, S + 2 margin) from :func:`squared_distance_transform`.
        pixels: (N, G, 2) pixels of the silhouette, normalised.
        known: (N,) 1, or 0 for a picture without a silhouette, which does not count.
        margin: pixels.
    """

    distances: Tensor
    pixels: Tensor
    known: Tensor
    margin: int

    def __len__(self) -> int:
        return len(self.known)

    def select(self, rows: Tensor) -> SilhouetteTarget:
        """The pictures of those rows (indices or a mask)."""
        return replace(self, distances=self.distances[rows], pixels=self.pixels[rows], known=self.known[rows])

    def to(self, device: torch.device | str) -> SilhouetteTarget:
        """The same on another device."""
        return replace(
            self, distances=self.distances.to(device), pixels=self.pixels.to(device), known=self.known.to(device)
        )


def silhouette_targets(
    masks: ArrayLike, count: int = 1024, margin: int | None = None, rng: np.random.Generator | None = None
) -> SilhouetteTarget:
    """Prepare the silhouettes of N pictures.

    Args:
        masks: (N, S, S), true or > 0 on the person; all zero where no silhouette is known.
        count: pixels kept of each, evenly over the silhouette.
        margin: pixels by which the distances go beyond the crop; None is half a side. Points further out still have a
            gradient, a lower bound of the true distance's.
        rng: draws them; None is a generator with seed 0.

    Returns:
        float32 on the CPU. At S = 224 about 0.8 MB a picture, mostly distances; a mask of half the size does nearly as
        well with a quarter of it.
    """
    people = np.asarray(masks) > 0
    if people.ndim != 3 or people.shape[1] != people.shape[2]:
        raise ValueError(f"expected square silhouettes (N, S, S), got {people.shape}")
    if count < 1:
        raise ValueError(f"count must be 1 or more, got {count}")
    side = people.shape[1]
    margin = side // 2 if margin is None else margin
    rng = rng or np.random.default_rng(0)
    known = people.any((1, 2))
    distances = np.zeros((len(people), side + 2 * margin, side + 2 * margin), np.float32)
    pixels = np.zeros((len(people), count, 2), np.float32)
    for row in np.flatnonzero(known):
        distances[row] = squared_distance_transform(people[row], margin)
        pixels[row] = (_some_pixels(people[row], count, rng) + 0.5) * (2.0 / side) - 1.0
    return SilhouetteTarget(
        torch.from_numpy(distances), torch.from_numpy(pixels), torch.from_numpy(known.astype(np.float32)), margin
    )


def _some_pixels(person: NDArray[np.bool_], count: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """(count, 2) x, y: one pixel drawn from each of ``count`` equal parts of them in reading order."""
    y, x = np.nonzero(person)
    chosen = ((np.arange(count) + rng.random(count)) * (len(x) / count)).astype(int)
    return np.stack([x, y], -1)[np.minimum(chosen, len(x) - 1)].astype(np.float64)


@dataclass(frozen=True, eq=False)
class SurfaceSamples:
    """Points fixed on a mesh's faces, to be found again in any pose of it.

    Attributes:
        corners: (P, 3) vertex indices; weights: (P, 3) barycentric, rows sum to 1.
    """

    corners: Tensor
    weights: Tensor

    def __call__(self, vertices: Tensor) -> Tensor:
        """(N, V, 3) vertices → (N, P, 3) points, with a gradient to the vertices."""
        weights = self.weights.to(vertices)[..., None]
        return (vertices[:, self.corners.to(vertices.device)] * weights).sum(-2)


def sample_surface(vertices: ArrayLike, faces: ArrayLike, count: int, rng: np.random.Generator) -> SurfaceSamples:
    """Points evenly over a mesh: as many on a face as its area's share of all.

    Args:
        vertices: (V, 3) of the template, any unit; faces (F, 3).

    Raises:
        ValueError: the mesh has no area.
    """
    corners, triangles = np.asarray(vertices, np.float64), np.asarray(faces, np.int64)
    a, b, c = (corners[triangles[:, k]] for k in range(3))
    area = np.linalg.norm(np.cross(b - a, c - a), axis=1)
    if not area.sum() > 0:
        raise ValueError("a mesh without area has no surface to sample")
    ends = np.cumsum(area / area.sum())
    chosen = np.searchsorted(ends, (np.arange(count) + rng.random(count)) / count).clip(max=len(triangles) - 1)
    u, v = rng.random((2, count))
    u, v = np.where(u + v > 1, (1 - u, 1 - v), (u, v))  # the other half of the square folded over
    weights = np.stack([1 - u - v, u, v], -1).astype(np.float32)
    return SurfaceSamples(torch.from_numpy(triangles[chosen]), torch.from_numpy(weights))


def squared_distances_at(points: Tensor, distances: Tensor, margin: int = 0) -> Tensor:
    """Squared distance to a silhouette at any point, bilinear between pixels, differentiable in the points.

    Beyond the table the squared distance to its border is added to the border's value: never more than the truth.

    Args:
        points: (N, P, 2) normalised; distances: (N, S + 2 margin, S + 2 margin) with their margin in pixels.

    Returns:
        (N, P) normalised.
    """
    last = distances.shape[-1] - 1
    half = (distances.shape[-1] - 2 * margin) / 2.0
    places = (points + 1.0) * half - 0.5 + margin  # pixels of the table
    inside = places.clamp(0.0, float(last))
    values = torch.nn.functional.grid_sample(
        distances[:, None].to(points.dtype),
        (inside * (2.0 / last) - 1.0)[:, None],
        mode="bilinear",
        padding_mode="border",
        align_corners=True,
    )[:, 0, 0]
    return values + (((places - inside) / half) ** 2).sum(-1)


def nearest_squared_distances(pixels: Tensor, points: Tensor) -> Tensor:
    """Squared distance of every pixel to the nearest point, with a gradient to that point.

    The search keeps no table of distances for the gradient and goes through it in pieces of 4 MB (on a GPU 256).

    Args:
        pixels: (N, G, 2), points: (N, P, 2), one unit.

    Returns:
        (N, G) in its square.
    """
    with torch.no_grad():
        # The last point again, until the blocks are full.
        places = torch.cat([points, points[:, -1:].expand(-1, -points.shape[1] % _BLOCK, -1)], 1)
        squares = (places**2).sum(-1)[:, None]  # |x|² is the same for all points: left out
        entries = _CHUNK if points.device.type == "cpu" else _CHUNK_OF_DEVICES
        rows = max(1, entries // (places.shape[0] * places.shape[1]))
        parts = pixels.split(rows, 1)
        tables = (torch.baddbmm(squares, part, places.mT, alpha=-2.0) for part in parts)  # one at a time
        nearest = torch.cat([_argmin(table) for table in tables], 1).clamp_max(points.shape[1] - 1)
    found = points.gather(1, nearest[..., None].expand(-1, -1, points.shape[-1]))
    return ((pixels - found) ** 2).sum(-1)


def _argmin(table: Tensor) -> Tensor:
    """``table.argmin(-1)`` of (N, G, P) with P a multiple of the block's size."""
    blocks = table.unflatten(-1, (-1, _BLOCK))
    best = blocks.amin(-1).argmin(-1, keepdim=True)
    inner = blocks.gather(2, best[..., None].expand(-1, -1, -1, _BLOCK))[:, :, 0].argmin(-1)
    return best[..., 0] * _BLOCK + inner


def silhouette_loss(points: Tensor, target: SilhouetteTarget, reduction: Reduction = "mean") -> Tensor:
    """L_mr: the squared distance between two silhouettes, both ways (seed 003, eq. 1, from Lassner et al. 2017).

    With means in place of the seed's sums, so that neither the crop's size nor the number of points matters: the mean
    over ``points`` of the squared distance to the true silhouette, plus the mean over its pixels of the squared
    distance to the nearest of ``points``. A pixel between points counts with about half their spacing, squared.

    Cost, loss and gradient, of one mesh on one core (``python -m benchmarks.silhouette_loss``): 4 ms for 2,000 points
    and 1,024 pixels, 1.5 ms for 256 pixels; 7 ms and 4 ms for SMPL's 6,890 vertices. It grows with points × pixels.
    Making the target of a 224 crop takes 7 ms, once a picture.

    Args:
        points: (N, P, 2) surface points of the body (sampled, or vertices), projected, normalised.
        target: of the N pictures, with which pictures count.

    Returns:
        normalised², · (side / 2)² for px²: the mean over pictures that count (0 where none does), or ("none") (N,).
    """
    if len(points) != len(target):
        raise ValueError(f"{len(points)} bodies for {len(target)} silhouettes")
    outward = squared_distances_at(points, target.distances, target.margin).mean(-1)
    inward = nearest_squared_distances(target.pixels.to(points.dtype), points).mean(-1)
    known = target.known.to(points.dtype)
    values = (outward + inward) * known
    if reduction == "mean":
        return values.sum() / known.sum().clamp_min(1.0)
    return reduced(values, reduction)
