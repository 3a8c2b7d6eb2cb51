"""Fitting a body to a solved movement: a shape and a pose in which the mesh stands where the person stands.

The movement is given, so no picture is searched: the shape comes from the bone lengths (``fit_shape``), the pose from
the solved rotations and joints, and where there is a Take also from its keypoints (``fit_pose``, ``fit_picture``),
and the height from the soles. Light enough for whole clips on one core.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from posecore.body.fit_picture import View, view_of
from posecore.body.fit_pose import chain, locals_of, match_joints, turned
from posecore.body.fit_shape import fit_shape, rest_joints
from posecore.body.model import BodyModel, load_body
from posecore.errors import OutputError, PosecoreError
from posecore.motion import Motion
from posecore.proportions import TOE_HEIGHT
from posecore.skeletons import SMPL_24
from posecore.solving.smoothing import cutoff_of, smooth
from posecore.takes import Take

__all__ = ["BodyFit", "fit_body"]

Array = NDArray[np.floating]

#: Joints that every skeleton places alike: what a fit is judged by.
LIMBS = tuple(f"{s}_{n}" for s in "lr" for n in ("hip", "knee", "ankle", "shoulder", "elbow", "wrist"))
_SOLE = 0.03  # metres: what lies lower in the rest pose is sole
_HEIGHT_SLACK = 0.03  # metres: a body that misses the height it was told by more is another's


@dataclass(frozen=True)
class BodyFit:
    """A body that moves as a person does.

    Attributes:
        body: the model.
        motion: the movement *of that body*: ``betas`` its shape, ``offsets`` its own rest skeleton, ``rotations``
            from its own rest pose, ``translation`` its pelvis; ``joints()`` are the body's joints.
        facts: how well it fits, JSON values: ``height`` (m, the body's at rest, soles to crown), ``joint_error`` (m,
            12 limb joints), ``joint_error_all`` (m, all 24), ``sole_depth`` (m, the deepest sole under the floor; 0 for
            none), ``sole_depth_95``, and with a Take ``pixel_error`` and ``pixel_error_solved`` (px, the same of the
            motion that was fitted).
    """

    body: BodyModel
    motion: Motion
    facts: dict[str, Any] = field(default_factory=dict)

    def vertices(self, frames: slice = slice(None)) -> NDArray[np.float32]:
        """(T, V, 3) metres, world frame (Y up, the floor at y = 0), of some frames or all (12 bytes a vertex)."""
        motion = self.motion
        return self.body.pose(motion.rotations[frames], motion.translation[frames], self.betas)

    @property
    def betas(self) -> NDArray[np.float32]:
        """(B,) the shape, as long as the body's."""
        return self.body.stored_betas(self.motion.betas)

    def save(self, path: str | os.PathLike[str], **options: Any) -> None:
        """Write by suffix: ``.npz`` (AMASS keys) or ``.glb``/``.gltf`` (a skinned mesh that moves).

        Raises:
            OutputError: unknown suffix, or the path cannot be written.
        """
        # As Motion.save: the public door to the formats.
        from posecore.formats.amass import save_amass
        from posecore.formats.gltf_body import save_body_gltf

        path = Path(path)
        if path.suffix.lower() == ".npz":
            pelvis = self.body.rest_joints(self.betas)[SMPL_24.index("pelvis")]
            save_amass(self.motion, path, rest_pelvis=pelvis, **options)
        elif path.suffix.lower() in (".glb", ".gltf"):
            save_body_gltf(self.motion, self.body, path, **options)
        else:
            raise OutputError(f"{path}: a fitted body goes into .npz, .glb or .gltf, not {path.suffix or 'no suffix'}")


def fit_body(
    motion: Motion,
    body: BodyModel | None = None,
    take: Take | None = None,
    *,
    betas: Array | None = None,
    refine: bool = True,
    floor: bool | None = None,
) -> BodyFit:
    """Give a moving person a body.

    Args:
        motion: the solved movement; it is not changed.
        body: the model; None is the open body.
        take: what ``motion`` was solved from: its keypoints then pull on the joints as well.
        betas: (B,) a shape that is known, as many as ``body`` has; None measures it from the motion's bones.
        refine: move the joints onto the person's; False only turns the limbs the same way.
        floor: keep the soles out of the floor at y = 0; None does so unless the motion says that it was solved
            without ground.

    Returns:
        The body's own movement with as many frames, at the same times. Its motion's notes warn if the height that
        the motion was solved for is none that the body can have.

    Raises:
        PosecoreError: the motion has no frames, the take has another number of them, or ``betas`` is not (B,).
    """
    if len(motion) == 0:
        raise PosecoreError("the motion has no frames; there is nothing to fit a body to")
    if take is not None and len(take) != len(motion):
        raise PosecoreError(
            f"the take has {len(take)} frames, the motion {len(motion)}; give the take it was solved from"
        )
    body = load_body() if body is None else body
    settings = motion.notes.get("settings", {})
    wanted_height = settings.get("height") if betas is None else None
    if betas is None:
        shape = fit_shape(body, rest_joints(motion.offsets), wanted_height).astype(np.float32)
    else:
        shape = body.checked_betas(betas)
    height = float(np.ptp(body.shaped(shape)[:, 1]))
    rest = body.rest_joints(shape).astype(np.float64)
    offsets = np.stack([rest[j] - rest[p] if p >= 0 else np.zeros(3) for j, p in enumerate(SMPL_24.parents)])

    wanted = motion.joints().astype(np.float64)
    globals_ = turned(motion.rotations, motion.offsets, offsets)
    path = _place(chain(globals_, offsets, np.zeros((len(motion), 3))), wanted)
    view = None
    if take is not None:
        view = view_of(take, motion, wanted)
    if refine:
        globals_, path = _refine(motion, globals_, offsets, path, wanted, view)
    soles = _Soles(body, shape, rest)
    path[:, 1] += _lift(soles, globals_, offsets, path, motion, settings, floor)
    fitted = replace(
        motion,
        rotations=locals_of(globals_),
        translation=path.astype(np.float32),
        offsets=offsets.astype(np.float32),
        betas=_ten(shape),
        notes=_notes(motion, body, height, wanted_height),
    )
    lowest = soles.lowest(globals_, chain(globals_, offsets, path))
    return BodyFit(body, fitted, {"height": round(height, 5)} | _facts(fitted, wanted, lowest, take))


def _notes(motion: Motion, body: BodyModel, height: float, wanted: float | None) -> dict[str, Any]:
    notes = motion.notes | {"body": body.name}
    if wanted is not None and abs(height - wanted) > _HEIGHT_SLACK:
        warning = (
            f"the fitted body is {height:.2f} m tall, not {wanted:.2f} m: the shapes of the {body.name!r} body do not "
            "reach that height; scale the mesh, or fit a body made for such people"
        )
        notes["warnings"] = [*notes.get("warnings", []), warning]
    return notes


def _ten(shape: NDArray[np.float32]) -> NDArray[np.float32]:
    """A Motion keeps ten."""
    out = np.zeros(max(10, len(shape)), np.float32)
    out[: len(shape)] = shape
    return out


def _place(joints: Array, wanted: Array) -> Array:
    """(T, 3) pelvis that brings the limb joints (T, 24, 3) nearest to ``wanted``; ``joints`` have theirs at 0."""
    alike = SMPL_24.indices(LIMBS)
    return (wanted[:, alike] - joints[:, alike]).mean(axis=1)


def _refine(
    motion: Motion, globals_: Array, offsets: Array, path: Array, wanted: Array, view: View | None
) -> tuple[Array, Array]:
    """Turns and moves onto the joints, smoothed over time as the solve smooths."""
    turns, moved = match_joints(globals_, offsets, path, wanted, view.pixels() if view else None)
    smoothing = float(motion.notes.get("settings", {}).get("smoothing", 0.5))
    if smoothing > 0:
        cutoff = cutoff_of(smoothing)
        turns = smooth(turns.reshape(len(turns), -1), motion.times, cutoff).reshape(turns.shape)
        moved = path + smooth(moved - path, motion.times, cutoff)
    turn = Rotation.from_rotvec(turns.reshape(-1, 3)).as_matrix().reshape(globals_.shape)
    return turn @ globals_, moved


class _Soles:
    """The lowest vertices of a body's feet, skinned alone: the whole body would take a hundred times as long."""

    def __init__(self, body: BodyModel, shape: NDArray[np.float32], rest: Array) -> None:
        vertices = body.shaped(shape).astype(np.float64)
        carriers = SMPL_24.indices(("l_ankle", "l_foot", "r_ankle", "r_foot"))
        feet = np.flatnonzero(body.weights[:, carriers].sum(axis=1) > 0.5)
        if not len(feet):
            feet = np.arange(len(vertices))
        sole = feet[vertices[feet, 1] < vertices[feet, 1].min() + _SOLE]
        self.weights = body.weights[sole].astype(np.float64)
        self.joints = np.flatnonzero(self.weights.any(axis=0))
        self.local = vertices[sole][:, None] - rest[self.joints]  # (S, K, 3) from each joint that moves it

    def lowest(self, globals_: Array, joints: Array) -> Array:
        """(T,) height of the lowest sole vertex, metres."""
        rows = globals_[:, self.joints, 1]  # only the height is asked for
        heights = np.einsum("tkx,skx,sk->ts", rows, self.local, self.weights[:, self.joints], optimize=True)
        return (heights + joints[:, self.joints, 1] @ self.weights[:, self.joints].T).min(axis=1)


def _lift(
    soles: _Soles,
    globals_: Array,
    offsets: Array,
    path: Array,
    motion: Motion,
    settings: dict[str, Any],
    floor: bool | None,
) -> Array:
    """(T,) metres by which to raise the body so that its soles are where the person's are, and not in the floor."""
    lowest = soles.lowest(globals_, chain(globals_, offsets, path))
    joints = motion.joints()
    size = float(np.abs(offsets[SMPL_24.indices(("l_knee", "l_ankle")), 1]).sum()) / 0.81
    toe = TOE_HEIGHT * size
    ankle = toe - float(motion.offsets[SMPL_24.index("l_foot"), 1])
    points = joints[:, SMPL_24.indices(("l_ankle", "l_foot", "r_ankle", "r_foot")), 1] - [ankle, toe, ankle, toe]
    theirs = points.min(axis=1).astype(np.float64)
    if floor is None:
        floor = bool(settings.get("ground", True))
    if floor:
        theirs = np.maximum(theirs, 0.0)
    gap = theirs - lowest
    near = np.exp(-((theirs / 0.05) ** 2)) if floor else np.ones(len(gap))
    lift = smooth(gap[:, None], motion.times, 1.5, np.maximum(near, 0.02))[:, 0]
    if floor:
        under = np.maximum(-(lowest + lift), 0.0)
        lift = lift + np.maximum(smooth(under[:, None], motion.times, 3.0)[:, 0], 0.0)
    return lift


def _facts(fitted: Motion, wanted: Array, lowest: Array, take: Take | None) -> dict[str, Any]:
    joints = fitted.joints()
    away = np.linalg.norm(joints - wanted, axis=-1)
    depth = np.maximum(-lowest, 0.0)
    facts = {
        "joint_error": float(away[:, SMPL_24.indices(LIMBS)].mean()),
        "joint_error_all": float(away.mean()),
        "sole_depth": float(depth.max()),
        "sole_depth_95": float(np.percentile(depth, 95)),
    }
    if take is not None:
        facts["pixel_error"] = view_of(take, fitted, joints).error(joints)
        facts["pixel_error_solved"] = view_of(take, fitted, wanted).error(wanted)
    return {name: round(value, 5) for name, value in facts.items()}
