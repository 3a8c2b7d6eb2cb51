"""A body of SMPL's form where the renderer expects anny's: the same bones' names, so that clothes and light fit it.

Only the names of anny's bones that :mod:`training.rendering` asks for are given to SMPL's joints; shape, skinning and
joints are :class:`posecore.body.BodyModel`'s own, so that picture, mesh and labels cannot disagree.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from posecore.body import BodyModel
from posecore.skeletons import BODY_21, SMPL_24
from training.rendering.body import Body
from training.rendering.body import BodyModel as RenderedModel

__all__ = ["SmplFigure", "SmplRendered", "rendered_model", "world_rotations"]

Array = NDArray[np.float32]

#: anny's bone for each joint ("*": L or R); regions of the surface follow from these names.
_BONES = {
    "pelvis": "root", "spine1": "spine05", "spine2": "spine03", "spine3": "spine02", "neck": "neck01", "head": "head",
    "*_hip": "upperleg01.*", "*_knee": "lowerleg01.*", "*_ankle": "foot.*", "*_foot": "toe2-1.*",
    "*_collar": "clavicle.*", "*_shoulder": "upperarm01.*", "*_elbow": "lowerarm01.*", "*_wrist": "wrist.*",
    "*_hand": "finger2-1.*",
}  # fmt: skip
#: Where the eyes lie from the tip of the nose, in units of nose to crown: aside, up, back.
_EYE = (0.19, 0.22, 0.14)


def _bone(joint: str) -> str:
    if joint[1:2] == "_" and f"*_{joint[2:]}" in _BONES:
        return _BONES[f"*_{joint[2:]}"].replace("*", joint[0].upper())
    return _BONES[joint]


@dataclass(frozen=True)
class SmplFigure(Body):
    """One shape of an SMPL body, for :func:`training.rendering.render.dress` and ``pose_figure``.

    ``vertices`` may have clothes' thickness on them.
    """

    def head(self, bone: str) -> Array:
        """Rest position (3,) of the joint that stands for one of anny's bones; the eyes' from nose and crown."""
        if not bone.startswith("eye"):
            return super().head(bone)
        marks = self.source.keypoints(self.vertices[None], self.heads[None])[0]
        nose, crown = marks[BODY_21.index("nose")], marks[BODY_21.index("head_top")]
        aside, up, back = np.array(_EYE) * (crown[1] - nose[1])
        return (nose + (aside if bone.endswith("L") else -aside, up, -back)).astype(np.float32)

    @property
    def source(self) -> BodyModel:
        """The body that this is a shape of."""
        assert isinstance(self.model, SmplRendered)
        return self.model.source

    def pose(self, rotations: NDArray[np.floating], translation: NDArray[np.floating]) -> tuple[Array, Array]:
        """As :meth:`Body.pose`; pose-dependent shape, where the body has any, is added first."""
        posedirs = self.source.posedirs
        if posedirs is None:
            return super().pose(rotations, translation)
        local = np.array(rotations, np.float64)
        for child, parent in enumerate(self.model.parents):
            if parent >= 0:
                local[child] = rotations[parent].T @ rotations[child]
        feature = (local[1:] - np.eye(3)).reshape(-1)[: posedirs.shape[-1]]
        corrected = self.vertices + (posedirs @ feature.astype(np.float32))
        return Body(self.model, corrected.astype(np.float32), self.heads).pose(rotations, translation)

    def joints(self, vertices: Array, heads: Array) -> Array:
        """BODY_21 (21, 3) of a posed body."""
        return self.source.keypoints(vertices[None], heads[None])[0]


@dataclass(frozen=True, eq=False)
class SmplRendered(RenderedModel):
    """What the renderer asks of a body's model. ``shape(betas)`` takes betas here, not phenotypes."""

    source: BodyModel | None = None

    def shape(self, betas: Any = None, **_: float) -> SmplFigure:  # type: ignore[override]
        """One shape; betas (B,), None is the average."""
        assert self.source is not None
        betas = np.zeros(self.source.shapedirs.shape[-1], np.float32) if betas is None else betas
        return SmplFigure(self, self.source.shaped(betas), self.source.rest_joints(betas))

    @cached_property
    def average(self) -> SmplFigure:
        """The shape of zero betas."""
        return self.shape()


def rendered_model(body: BodyModel) -> SmplRendered:
    """A body with 24 joints as the renderer's model."""
    count = len(SMPL_24)
    from scipy import sparse

    return SmplRendered(
        bones=[_bone(joint) for joint in SMPL_24.joints],
        parents=[int(parent) for parent in body.parents[:count]],
        faces=body.faces,
        skinning=sparse.csr_matrix(body.weights[:, :count]),
        template=body.v_template,
        shapes=np.moveaxis(body.shapedirs, -1, 0),
        template_heads=np.zeros((count, 3), np.float32),
        head_shapes=np.zeros((0, count, 3), np.float32),
        coefficients=None,
        source=body,
    )


def world_rotations(rotations: NDArray[np.floating]) -> NDArray[np.float64]:
    """(24, 3, 3) world rotations of every joint from local ones (24, 4), xyzw."""
    local = Rotation.from_quat(rotations).as_matrix()
    world = local.copy()
    for joint in SMPL_24.topological_order:
        parent = SMPL_24.parents[joint]
        if parent >= 0:
            world[joint] = world[parent] @ local[joint]
    return world
