"""CMU motion: the Acclaim files with their rotations (also as SMPL-24), and the project's joint positions of them."""

from __future__ import annotations

import tarfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from posecore.errors import SourceError
from posecore.files import read_npz
from posecore.motion import continuous
from posecore.proportions import default_offsets
from posecore.skeletons import CMU_22, SMPL_24
from training.readers.amc import AmcMotion, parse_amc, parse_asf
from training.readers.checks import brief, file_at, shaped
from training.readers.samples import Movement
from training.splits import clip_subject

__all__ = ["read_amc", "read_cmu_joints", "smpl_rotations"]

_CMU_LICENCE = "mocap.cs.cmu.edu: free for all uses, the data itself may not be resold (NSF EIA-0196217)"
_CMU_RATE = 120.0

#: CMU_22's joints are where these bones of the Acclaim skeletons end.
_ENDS = {
    "pelvis": "root",
    "*_hip": "*hipjoint",
    "*_knee": "*femur",
    "*_ankle": "*tibia",
    "*_toe": "*foot",
    "spine": "lowerback",
    "chest": "upperback",
    "neck": "thorax",
    "head": "upperneck",
    "head_top": "head",
    "*_shoulder": "*clavicle",
    "*_elbow": "*humerus",
    "*_wrist": "*radius",
    "*_hand_tip": "*hand",
}
#: SMPL_24's joints turn with these bones. The neck turns with the lower of two, the head with the head's.
_TURNS = {
    "pelvis": "root",
    "*_hip": "*femur",
    "spine1": "lowerback",
    "*_knee": "*tibia",
    "spine2": "upperback",
    "*_ankle": "*foot",
    "spine3": "thorax",
    "*_foot": "*toes",
    "neck": "lowerneck",
    "*_collar": "*clavicle",
    "head": "head",
    "*_shoulder": "*humerus",
    "*_elbow": "*radius",
    "*_wrist": "*hand",
    "*_hand": "*fingers",
}
#: Limbs whose rest directions differ (CMU's legs are spread at rest): joint -> the joint that it points at.
_POINTS_AT = {"*_hip": "*_knee", "*_knee": "*_ankle", "*_shoulder": "*_elbow", "*_elbow": "*_wrist"}


def _sided(table: dict[str, str]) -> dict[str, str]:
    """``*`` stands for both sides."""
    both = [(side, key, value) for key, value in table.items() for side in ("lr" if "*" in key else " ")]
    return {key.replace("*", side): value.replace("*", side) for side, key, value in both}


def read_amc(
    path: str | Path, skeleton: str | Path | None = None, clips: Iterable[str] | None = None, step: int = 4
) -> Iterator[Movement]:
    """CMU's Acclaim motions with their rotations: joints CMU_22 (m, Y up), rotations SMPL_24.

    Args:
        path: an ``.amc`` file, a folder of ``.asf`` and ``.amc`` files, or a tar archive (also .xz) of such a folder.
        skeleton: the ``.asf`` of a single ``.amc``; default ``SUBJECT.asf`` or ``CLIP.asf`` beside it.
        clips: clip names, e.g. ``("002_01",)``; default all.
        step: keep every step-th of the 120 frames a second; 4 gives 30.

    Raises:
        SourceError: missing or malformed file, a motion without its skeleton.
        ValueError: ``step`` is not positive.
    """
    if step < 1:
        raise ValueError(f"step must be 1 or more, got {step}")
    path = Path(path)
    texts = _acclaim_texts(path)
    if skeleton is not None:
        own = file_at(skeleton, "the subject's skeleton, .asf").read_text(encoding="latin-1")
        texts.update({f"{Path(name).stem}.asf": own for name in list(texts) if name.lower().endswith(".amc")})
    wanted = None if clips is None else ({clips} if isinstance(clips, str) else set(clips))
    names = sorted(Path(name).stem for name in texts if name.endswith(".amc"))
    if not names or (wanted is not None and not wanted <= set(names)):
        missing = ", ".join(sorted((wanted or set()) - set(names))) or "any"
        raise SourceError(f"{path}: no motion {missing} (.amc) in it")
    for name in names:
        if wanted is None or name in wanted:
            yield _amc_movement(name, texts, path, step)


def _acclaim_texts(path: Path) -> dict[str, str]:
    """Text of every .asf and .amc by file name."""
    if path.is_dir():
        files = [file for file in sorted(path.rglob("*")) if file.suffix.lower() in (".asf", ".amc")]
    elif path.suffix.lower() == ".amc":
        files = [file_at(path, "an Acclaim motion, .amc"), *path.parent.glob("*.asf")]
    else:
        file_at(path, "an .amc file, a folder of .asf and .amc files, or a tar archive of one")
        try:
            with tarfile.open(path) as archive:
                members = [m for m in archive.getmembers() if m.isfile() and m.name.lower().endswith((".asf", ".amc"))]
                return {Path(m.name).name: archive.extractfile(m).read().decode("latin-1") for m in members}  # type: ignore[union-attr]
        except (tarfile.TarError, OSError, EOFError) as error:
            raise SourceError(f"{path}: not a readable tar archive ({brief(error)})") from error
    return {file.name: file.read_text(encoding="latin-1") for file in files}


def _amc_movement(name: str, texts: dict[str, str], path: Path, step: int) -> Movement:
    subject = clip_subject(name)
    candidates = (f"{name}.asf", f"{subject}.asf", f"{name.rstrip('0123456789')}.asf")
    found = next((candidate for candidate in candidates if candidate in texts), None)
    if found is None:
        raise SourceError(f"{path}: no skeleton {subject}.asf (or {name}.asf) beside the motion {name}.amc")
    rest = parse_asf(texts[found], found)
    motion = parse_amc(texts[f"{name}.amc"], rest, f"{name}.amc", step=step)
    bones = _sided(_ENDS)
    lacking = sorted((set(bones.values()) | set(_sided(_TURNS).values())) - set(rest.names))
    if lacking:
        raise SourceError(f"{found}: no bone {', '.join(lacking[:5])}; expected the skeleton of the CMU captures")
    joints = motion.ends()[:, [rest.names.index(bones[joint]) for joint in CMU_22.joints]]
    return Movement(
        kind="cmu-amc",
        name=name,
        subject=subject,
        rate=_CMU_RATE / step,
        skeleton=CMU_22,
        joints=joints.astype(np.float32),
        rotations=smpl_rotations(motion),
        licence=_CMU_LICENCE,
    )


def smpl_rotations(motion: AmcMotion) -> NDArray[np.float32]:
    """(T, 24, 4) local rotations of SMPL_24, xyzw, of a CMU capture.

    Both skeletons rest facing +Z with the left toward +X, so a bone's global turn from rest is SMPL's too, up to the
    directions that the limbs have at rest: CMU's thighs are spread by 20°, SMPL's hang down. That difference is put
    in front by the shortest turn, so that thighs, shins, upper arms and forearms point as captured.
    """
    rest = motion.rest
    turns = _sided(_TURNS)
    count = len(motion)
    globals_ = np.empty((count, len(SMPL_24), 4))
    points_at = _sided(_POINTS_AT)
    offsets = default_offsets()
    for index, joint in enumerate(SMPL_24.joints):
        bone = rest.names.index(turns[joint])
        whole = Rotation.from_quat(motion.rotations[:, bone])
        if joint in points_at:
            own = offsets[SMPL_24.index(points_at[joint])]
            whole = whole * _swing(own.astype(np.float64), rest.offsets[bone])
        globals_[:, index] = whole.as_quat()
    local = np.empty_like(globals_)
    for index, parent in enumerate(SMPL_24.parents):
        own_turn = Rotation.from_quat(globals_[:, index])
        above = Rotation.from_quat(globals_[:, parent]) if parent >= 0 else None
        local[:, index] = (own_turn if above is None else above.inv() * own_turn).as_quat()
    return continuous(local).astype(np.float32)


def _swing(one: NDArray[np.float64], other: NDArray[np.float64]) -> Rotation:
    """The shortest turn of direction ``one`` to ``other``."""
    one, other = one / np.linalg.norm(one), other / np.linalg.norm(other)
    axis = np.cross(one, other)
    length = float(np.linalg.norm(axis))
    angle = np.arctan2(length, float(one @ other))
    return Rotation.from_rotvec(axis * (angle / length) if length > 1e-9 else np.zeros(3))


def read_cmu_joints(path: str | Path, clips: Iterable[str] | None = None) -> Iterator[Movement]:
    """The project's ``joints/subject_SSS.npz``: clip -> (T, 22, 3) m, 30 frames/s; CMU_22, as they are.

    Training takes them through :func:`training.motion_data.read_clips`, which also brings the conversions to one body.

    Args:
        path: an npz, the folder ``joints``, or the data folder that holds ``mocap_cmu/joints``.
        clips: clip names; default all.

    Raises:
        SourceError: missing or damaged files, another shape.
    """
    path = Path(path)
    inside = path / "mocap_cmu" / "joints"
    folder = inside if inside.is_dir() else path
    files = sorted(folder.glob("*.npz")) if folder.is_dir() else [file_at(path, "a subject's joints, .npz")]
    if not files:
        raise SourceError(f"{folder}: no subject_*.npz in it; expected clip -> T×22×3 metres")
    wanted = None if clips is None else ({clips} if isinstance(clips, str) else set(clips))
    for file in files:
        for name, joints in sorted(read_npz(file).items()):
            if wanted is None or name in wanted:
                places = shaped(joints, (None, len(CMU_22), 3), file, name).astype(np.float32)
                unknown = file.stem.startswith("unknown")
                subject = "" if unknown else clip_subject(name)
                yield Movement("cmu", name, subject, 30.0, CMU_22, places, travels=not unknown, licence=_CMU_LICENCE)
