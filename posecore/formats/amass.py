"""AMASS-style ``.npz``: the door through which motions of other tools come in, and ours go out.

Written keys, those of AMASS (SMPL-H): ``poses`` (T, 156) axis-angle of 52 joints, of which the
first 22 are SMPL-24 without its hands and the 30 of the fingers are zero; ``trans`` (T, 3);
``betas`` (16,); ``dmpls`` (T, 8) zero; ``gender``; ``mocap_framerate`` and ``mocap_frame_rate``.
AMASS has its Z axis up, so have we there (``up="y"`` to keep ours). An AMASS reader sees even
frames: a variable frame rate is lost to it (save ``motion.resample(rate)`` for such readers).

Beside them stand our own keys, exact to the bit: ``posecore_times``, ``_rotations`` (all 24 joints,
with ``l_hand`` and ``r_hand``, for which SMPL-H has no place), ``_translation``, ``_offsets``, ``_betas``,
``_contacts``, ``_confidence``, ``_meta`` (JSON: format, version, notes). Where they are, they are read.

``trans`` moves the origin of the body, not its pelvis, which in SMPL rests about 24 cm below that
origin; both directions reckon with it. The exact place depends on the body and its shape: without one
(``rest_pelvis`` on writing, ``body`` on reading) expect an error of a few centimetres.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from posecore.errors import SourceError
from posecore.files import read_npz, write_npz
from posecore.formats.timing import even_rate
from posecore.motion import Motion, continuous
from posecore.proportions import default_offsets
from posecore.skeletons import SMPL_24

if TYPE_CHECKING:
    from posecore.body import BodyModel

__all__ = ["load_amass", "save_amass"]

_FORMAT = "posecore.motion"
_VERSION = 1
_SMPLH_JOINTS = 52
_BETAS = 16
_BODY_JOINTS = 22  # SMPL, SMPL-H and SMPL-X have these in common, in the order of SMPL_24
#: Rest pelvis relative to the body's origin, metres, model axes, to the centimetre.
_REST_PELVIS = {24: (0.0, -0.24, 0.03), 22: (0.0, -0.24, 0.03), 52: (0.0, -0.24, 0.03), 55: (0.0, -0.35, 0.01)}
_TO_Y_UP = {
    "y": Rotation.identity(),
    "z": Rotation.from_euler("X", -90, degrees=True),
    "-y": Rotation.from_euler("X", 180, degrees=True),  # a camera's frame: y down
}
_POSES = ("poses", "fullpose", "smpl_poses", "pose")
_ROOTS = ("root_orient", "global_orient", "poses_root")
_BODIES = ("pose_body", "body_pose", "poses_body")
_TRANSLATIONS = ("trans", "transl", "smpl_trans", "root_trans", "translation")
_RATES = ("mocap_framerate", "mocap_frame_rate", "framerate", "frame_rate", "fps")


def save_amass(
    motion: Motion,
    path: str | Path,
    *,
    up: str = "z",
    rest_pelvis: NDArray[np.floating] | None = None,
) -> None:
    """Write a Motion as AMASS-style npz; reading it back gives the same Motion, bit by bit.

    Args:
        up: ``"z"`` (as AMASS) or ``"y"``: the axes of ``poses`` and ``trans``.
        rest_pelvis: (3,) where the pelvis of the moved body rests at the motion's ``betas``, metres, from the
            body's origin, so that ``trans`` is exact; None is SMPL-H's average. :meth:`BodyFit.save` gives it.

    Raises:
        OutputError: the path cannot be written.
        ValueError: unknown ``up``.
    """
    if up not in ("y", "z"):
        raise ValueError(f"up must be 'y' or 'z', got {up!r}")
    turn = _TO_Y_UP[up].inv()
    pelvis = np.array(_REST_PELVIS[_SMPLH_JOINTS] if rest_pelvis is None else rest_pelvis, np.float64)
    count = len(motion)
    local = Rotation.from_quat(motion.rotations.reshape(-1, 4)).as_rotvec().reshape(count, len(SMPL_24), 3)
    poses = np.zeros((count, _SMPLH_JOINTS, 3), np.float32)
    poses[:, :_BODY_JOINTS] = local[:, :_BODY_JOINTS]
    root = SMPL_24.index("pelvis")
    poses[:, root] = (turn * Rotation.from_quat(motion.rotations[:, root])).as_rotvec()
    meta = {"format": _FORMAT, "version": _VERSION, "up": up, "notes": motion.notes}
    rate = even_rate(motion.times) or motion.rate
    assert motion.contacts is not None and motion.confidence is not None
    write_npz(
        Path(path),
        {
            "poses": poses.reshape(count, -1),
            "trans": (turn.apply(motion.translation) - pelvis).astype(np.float32),
            "betas": np.pad(motion.betas.astype(np.float32), (0, max(0, _BETAS - len(motion.betas)))),
            "dmpls": np.zeros((count, 8), np.float32),
            "gender": np.array("neutral"),
            "mocap_framerate": np.array(rate),
            "mocap_frame_rate": np.array(rate),
            "posecore_times": motion.times,
            "posecore_rotations": motion.rotations,
            "posecore_translation": motion.translation,
            "posecore_offsets": motion.offsets,
            "posecore_betas": motion.betas,
            "posecore_contacts": motion.contacts,
            "posecore_confidence": motion.confidence,
            "posecore_meta": np.array(json.dumps(meta)),
        },
    )


def load_amass(
    path: str | Path, *, up: str = "auto", rate: float | None = None, body: BodyModel | None = None
) -> Motion:
    """Read our own npz, or an AMASS-style one of another tool.

    Foreign files may hold ``poses`` of 22 (SMPL body), 24 (SMPL), 52 (SMPL-H) or 55 (SMPL-X) joints,
    or ``root_orient``/``global_orient`` with ``pose_body``/``body_pose``; axis-angle, flat or
    (T, J, 3), or rotation matrices (T, J, 3, 3). Finger, jaw and eye rotations are left out. Without
    ``body`` the rest offsets are the average adult's: ``betas`` are kept, not applied.

    Args:
        up: the file's up axis: ``"y"``, ``"z"`` (AMASS), ``"-y"`` (a camera's frame), or ``"auto"``:
            where heads point on average. Ignored for our own files.
        rate: frames a second, where the file does not say; default 30. Ignored for our own files.
        body: the body whose ``betas`` the file holds: rest offsets and the place of the pelvis are then exact.
            Ignored for our own files.

    Raises:
        SourceError: missing file, or without a pose in any of these forms.
        ValueError: unknown ``up`` or a rate that is not positive.
    """
    if up not in ("auto", *_TO_Y_UP):
        raise ValueError(f"up must be 'auto', 'y', 'z' or '-y', got {up!r}")
    if rate is not None and not rate > 0:
        raise ValueError(f"rate must be positive, got {rate}")
    data = read_npz(Path(path))
    try:
        return _own(data) if "posecore_rotations" in data else _foreign(data, up, rate, body)
    except (KeyError, ValueError, TypeError) as error:
        raise SourceError(f"{path}: not a motion posecore can read ({error})") from error


def _own(data: dict[str, NDArray[Any]]) -> Motion:
    meta = json.loads(str(data["posecore_meta"]))
    if meta["format"] != _FORMAT or meta["version"] > _VERSION:
        raise ValueError(f"{meta['format']} version {meta['version']}; this posecore reads {_FORMAT} {_VERSION}")
    return Motion(
        times=data["posecore_times"],
        rotations=data["posecore_rotations"],
        translation=data["posecore_translation"],
        offsets=data["posecore_offsets"],
        betas=data["posecore_betas"] if "posecore_betas" in data else data["betas"][:10],  # files of older versions
        contacts=data["posecore_contacts"],
        confidence=data["posecore_confidence"],
        notes=meta["notes"],
    )


def _first(data: dict[str, NDArray[Any]], names: tuple[str, ...]) -> NDArray[Any] | None:
    return next((data[name] for name in names if name in data), None)


def _as_rotations(values: NDArray[Any]) -> NDArray[np.float64]:
    """(T, J*3), (T, J, 3), (T, 3, 3) or (T, J, 3, 3) to rotation vectors (T, J, 3)."""
    values = np.asarray(values, np.float64)
    if values.ndim < 2 or values.shape[-1] % 3 or not len(values):
        raise ValueError(f"rotations of shape {values.shape}")
    if not np.isfinite(values).all():
        raise ValueError("its rotations hold NaN or infinity")
    if values.ndim > 2 and values.shape[-2:] == (3, 3):
        vectors = Rotation.from_matrix(values.reshape(-1, 3, 3)).as_rotvec()
        return vectors.reshape(len(values), -1, 3)
    return values.reshape(len(values), -1, 3)


def _rotations_of(data: dict[str, NDArray[Any]]) -> NDArray[np.float64]:
    """(T, J, 3) rotation vectors, root first, whatever the names."""
    poses = _first(data, _POSES)
    if poses is not None:
        return _as_rotations(poses)
    root, body = _first(data, _ROOTS), _first(data, _BODIES)
    if root is None or body is None:
        keys = ", ".join(sorted(data)[:8]) or "nothing"
        raise ValueError(f"no 'poses', nor 'global_orient' with 'body_pose'; it holds {keys}")
    return np.concatenate([_as_rotations(root), _as_rotations(body)], axis=1)


def _foreign(data: dict[str, NDArray[Any]], up: str, rate: float | None, body: BodyModel | None) -> Motion:
    vectors = _rotations_of(data)
    count, joints = vectors.shape[:2]
    if joints not in _REST_PELVIS:
        raise ValueError(f"{joints} joints; known are 22, 24 (SMPL), 52 (SMPL-H) and 55 (SMPL-X)")
    kept = len(SMPL_24) if joints == len(SMPL_24) else _BODY_JOINTS
    rotations = np.tile(np.array([0.0, 0.0, 0.0, 1.0]), (count, len(SMPL_24), 1))
    rotations[:, :kept] = Rotation.from_rotvec(vectors[:, :kept].reshape(-1, 3)).as_quat().reshape(count, kept, 4)

    root = SMPL_24.index("pelvis")
    heading = Rotation.from_quat(rotations[:, root])
    notes: dict[str, Any] = {}
    if up == "auto":
        up = _guess_up(heading)
        notes["up"] = up
    turn = _TO_Y_UP[up]
    rotations[:, root] = (turn * heading).as_quat()

    stated = _first(data, _RATES)
    stated_rate = float(np.asarray(stated).reshape(-1)[0]) if stated is not None else 0.0
    if not stated_rate > 0:
        stated_rate = rate or 30.0
        if rate is None:
            notes["warnings"] = ["the file does not say its frame rate: took 30"]
    betas, own = _betas_of(data, body)
    confidence = np.ones((count, len(SMPL_24)), np.float32)
    confidence[:, kept:] = 0.0
    rest = None if body is None else body.rest_joints(own)
    motion = Motion(
        times=np.arange(count, dtype=np.float64) / stated_rate,
        rotations=continuous(rotations).astype(np.float32),
        translation=np.zeros((count, 3), np.float32),
        offsets=default_offsets() if rest is None else _offsets(rest),
        betas=betas,
        confidence=confidence,
        notes=notes,
    )
    pelvis = np.array(_REST_PELVIS[joints]) if rest is None else rest[root]
    motion.translation[:] = _path(data, turn, pelvis, motion)
    return motion


def _betas_of(
    data: dict[str, NDArray[Any]], body: BodyModel | None
) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
    """The betas that a Motion keeps, ten or as many as the body has, and those of the body (B,)."""
    stored = np.asarray(data.get("betas", 0.0), np.float32)
    shape = stored.reshape(-1, stored.shape[-1] if stored.ndim else 1)[0] if stored.size else np.zeros(0, np.float32)
    own = None if body is None else body.stored_betas(shape)
    betas = np.zeros(10 if own is None else max(10, len(own)), np.float32)
    kept = shape[:10] if own is None else own
    betas[: len(kept)] = kept
    return betas, own


def _offsets(rest: NDArray[np.floating]) -> NDArray[np.float32]:
    """(24, 3) offsets from the parent of joints (24, 3)."""
    offsets = [rest[j] - rest[p] if p >= 0 else np.zeros(3) for j, p in enumerate(SMPL_24.parents)]
    return np.array(offsets, np.float32)


def _path(
    data: dict[str, NDArray[Any]], turn: Rotation, pelvis: NDArray[np.floating], motion: Motion
) -> NDArray[np.float64]:
    """(T, 3) or (3,) pelvis positions, Y up; without any in the file, the lowest joint stands on the ground."""
    path = _first(data, _TRANSLATIONS)
    if path is None:
        return np.array([0.0, -motion.joints()[..., 1].min(), 0.0])
    path = np.asarray(path, np.float64).reshape(-1, 3)
    if len(path) != len(motion):
        raise ValueError(f"{len(path)} translations for {len(motion)} poses")
    if not np.isfinite(path).all():
        raise ValueError("its translations hold NaN or infinity")
    return turn.apply(path + pelvis)


def _guess_up(heading: Rotation) -> str:
    """The axis that bodies' own up points along, on average; Z, as AMASS, when they mostly lie."""
    up = heading.apply([0.0, 1.0, 0.0]).mean(axis=0)
    strengths = {"y": up[1], "z": up[2], "-y": -up[1]}
    best = max(strengths, key=lambda axis: strengths[axis])
    return best if strengths[best] > 0.5 else "z"
