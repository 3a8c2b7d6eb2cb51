"""Fewer vertices, each one of the old ones: half-edge collapses by quadric error.

Garland & Heckbert, "Surface Simplification Using Quadric Error Metrics" (SIGGRAPH 1997), with the new vertex always at
one of the edge's two ends, so that whatever is known of the old vertices (shapes, weights) holds for those kept. Where
the skin bends, vertices are dear: the difference of the two ends' skinning weights adds to the cost.
"""

from __future__ import annotations

import heapq

import numpy as np
from numpy.typing import NDArray

__all__ = ["decimate"]

Array = NDArray[np.float64]

#: Square metres that a collapse costs if its ends share no joint, per square metre of the squared edge.
_BEND_COST = 0.05

#: Cosine of the largest turn of a triangle's normal.
_TURN = 0.3

_Vector = tuple[float, float, float]


def decimate(
    vertices: Array, faces: NDArray[np.int32], weights: Array, importance: Array, target: int
) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """Take vertices away until ``target`` are left, or no collapse is possible.

    Args:
        vertices: (V, 3) metres.
        faces: (F, 3) triangles.
        weights: (V, J) skinning weights.
        importance: (V,) factor of the geometric error; below 1 for what may lose detail first.
        target: number of vertices to keep.

    Returns:
        kept: (V',) indices of the vertices that stay, increasing.
        faces: (F', 3) triangles of the kept vertices, numbered from 0.
    """
    work = _Mesh(vertices, faces, weights, importance)
    work.collapse_until(target)
    kept = np.flatnonzero(work.alive)
    number = np.full(len(vertices), -1)
    number[kept] = np.arange(len(kept))
    left = sorted(face for face, corners in enumerate(work.corners) if corners)
    return kept, number[np.array([work.corners[face] for face in left])].astype(np.int32)


class _Mesh:
    """The mesh while it shrinks. Plain numbers, not arrays: a collapse touches few values, ten thousand times."""

    def __init__(self, vertices: Array, faces: NDArray[np.int32], weights: Array, importance: Array) -> None:
        self.points: list[_Vector] = [(x, y, z) for x, y, z in vertices.tolist()]
        self.weights = weights
        self.corners: list[tuple[int, int, int] | None] = [(a, b, c) for a, b, c in faces.tolist()]
        self.alive = np.ones(len(vertices), bool)
        self.faces_at: list[set[int]] = [set() for _ in self.points]
        for face, corners in enumerate(self.corners):
            for corner in corners or ():
                self.faces_at[corner].add(face)
        self.quadrics = (_quadrics(vertices, faces) * importance[:, None]).tolist()
        self.stamp = [0] * len(self.points)
        self.boundary = _boundary(faces, len(vertices)).tolist()
        self.bends: dict[tuple[int, int], float] = {}

    def neighbours(self, vertex: int) -> set[int]:
        found = {corner for face in self.faces_at[vertex] for corner in self.corners[face] or ()}
        found.discard(vertex)
        return found

    def bend(self, one: int, other: int) -> float:
        """Squared difference of the skinning weights."""
        pair = (one, other) if one < other else (other, one)
        if pair not in self.bends:
            difference = self.weights[one] - self.weights[other]
            self.bends[pair] = float((difference * difference).sum())
        return self.bends[pair]

    def cost(self, gone: int, stays: int) -> float:
        (x, y, z), (u, v, w) = self.points[stays], self.points[gone]
        q = [one + other for one, other in zip(self.quadrics[gone], self.quadrics[stays], strict=True)]
        error = x * (q[0] * x + 2 * (q[1] * y + q[2] * z + q[3])) + y * (q[4] * y + 2 * (q[5] * z + q[6]))
        error += z * (q[7] * z + 2 * q[8]) + q[9]
        length = (x - u) ** 2 + (y - v) ** 2 + (z - w) ** 2
        # The last term decides on flat skin: short edges first.
        return error + length * length * (_BEND_COST * self.bend(gone, stays) + 1e-6)

    def push(self, heap: list, gone: int) -> None:
        """Queue the cheapest collapse of ``gone``."""
        if self.boundary[gone]:
            return
        options = sorted((self.cost(gone, stays), stays) for stays in self.neighbours(gone))
        for cost, stays in options:
            if self.allowed(gone, stays):
                heapq.heappush(heap, (cost, gone, stays, self.stamp[gone]))
                return

    def allowed(self, gone: int, stays: int) -> bool:
        """Whether the surface stays a surface and no triangle turns over or becomes a needle."""
        if len(self.neighbours(gone) & self.neighbours(stays)) != 2:
            return False
        points = self.points
        for face in self.faces_at[gone]:
            corners = self.corners[face] or (gone, gone, gone)
            if stays in corners:
                continue
            before = _normal(*(points[corner] for corner in corners))
            after = _normal(*(points[stays if corner == gone else corner] for corner in corners))
            sizes = _dot(before, before) * _dot(after, after)
            if sizes < 1e-36 or _dot(before, after) < _TURN * sizes**0.5:
                return False
        return True

    def collapse_until(self, target: int) -> None:
        heap: list[tuple[float, int, int, int]] = []
        for vertex in range(len(self.points)):
            self.push(heap, vertex)
        left = len(self.points)
        while left > target and heap:
            _, gone, stays, stamp = heapq.heappop(heap)
            if not self.alive[gone] or stamp != self.stamp[gone]:
                continue
            if not self.alive[stays] or not self.allowed(gone, stays):
                self.push(heap, gone)
                continue
            self.collapse(gone, stays)
            left -= 1
            for vertex in sorted(self.neighbours(stays) | {stays}):
                self.stamp[vertex] += 1
                self.push(heap, vertex)

    def collapse(self, gone: int, stays: int) -> None:
        for face in self.faces_at[gone]:
            corners = self.corners[face] or (gone, gone, gone)
            if stays in corners:
                self.corners[face] = None
                for corner in corners:
                    if corner != gone:
                        self.faces_at[corner].discard(face)
            else:
                a, b, c = (stays if corner == gone else corner for corner in corners)
                self.corners[face] = (a, b, c)
                self.faces_at[stays].add(face)
        self.faces_at[gone] = set()
        self.quadrics[stays] = [a + b for a, b in zip(self.quadrics[gone], self.quadrics[stays], strict=True)]
        self.alive[gone] = False


def _dot(one: _Vector, other: _Vector) -> float:
    return one[0] * other[0] + one[1] * other[1] + one[2] * other[2]


def _normal(a: _Vector, b: _Vector, c: _Vector) -> _Vector:
    u, v, w = b[0] - a[0], b[1] - a[1], b[2] - a[2]
    x, y, z = c[0] - a[0], c[1] - a[1], c[2] - a[2]
    return v * z - w * y, w * x - u * z, u * y - v * x


def _quadrics(vertices: Array, faces: NDArray[np.int32]) -> Array:
    """(V, 10) squared distances to the planes of each vertex' triangles, weighted by area: upper triangles of 4 x 4."""
    a, b, c = (vertices[faces[:, corner]] for corner in range(3))
    normal = np.cross(b - a, c - a)
    area = np.linalg.norm(normal, axis=1, keepdims=True)
    normal = normal / np.maximum(area, 1e-12)
    plane = np.concatenate([normal, -(normal * a).sum(1, keepdims=True)], 1)
    rows, columns = np.triu_indices(4)
    quadric = plane[:, rows] * plane[:, columns] * (area / 2)
    quadrics = np.zeros((len(vertices), len(rows)))
    for corner in range(3):
        np.add.at(quadrics, faces[:, corner], quadric)
    return quadrics


def _boundary(faces: NDArray[np.int32], count: int) -> NDArray[np.bool_]:
    """(V,) True at open edges, where a collapse would eat the border."""
    edges = np.sort(np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]), axis=1)
    unique, times = np.unique(edges, axis=0, return_counts=True)
    open_ = np.zeros(count, bool)
    open_[unique[times != 2].ravel()] = True
    return open_
