"""MPI-INF-3DHP: training sequences (``annot.mat``), the test set (``annot_data.mat``) and flat tables."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from posecore.errors import SourceError
from posecore.skeletons import MPI_INF_3DHP_17, MPI_INF_3DHP_28, Skeleton
from training.readers.boxed import boxed_samples, open_table
from training.readers.cameras import Camera, read_calibration, read_cameras
from training.readers.checks import file_at, load_mat, open_h5, pick, shaped
from training.readers.samples import VISIBLE, Samples, concatenate

__all__ = ["ACTIVITIES", "SCENES", "read_3dhp", "read_3dhp_test", "read_3dhp_train"]

_LICENCE = "MPI-INF-3DHP: research, non-commercial (Mehta et al., 3DV 2017)"
#: The test set's activities, by the number in ``activity_annotation``, from 1.
ACTIVITIES = ("Stand/Walk", "Exercise", "Sit on Chair", "Reach/Crouch", "On Floor", "Sports", "Misc.")
#: The scenes that the test set's results are told apart by.
SCENES = {"TS1": "studio, green screen", "TS2": "studio, green screen", "TS3": "studio, no green screen"} | {
    "TS4": "studio, no green screen",
    "TS5": "outdoor",
    "TS6": "outdoor",
}


def read_3dhp(path: str | Path, **options: Any) -> Samples:
    """Whichever form ``path`` is: ``annot.mat`` or a folder with ``S1/Seq1/annot.mat``, ``annot_data.mat`` or a folder
    with ``TS1/annot_data.mat``, or a flat npz (see :func:`read_3dhp_train`, :func:`read_3dhp_test`).

    Raises:
        SourceError: none of these.
    """
    path = Path(path)
    if path.suffix.lower() == ".npz":
        return _flat(path, **options)
    if path.is_dir():
        training = sorted(path.glob("S*/Seq*/annot.mat")) or sorted(path.glob("annot.mat"))
        tests = sorted(path.glob("TS*/annot_data.mat")) or sorted(path.glob("annot_data.mat"))
        if training:
            return concatenate([read_3dhp_train(file, root=path, **options) for file in training])
        if tests:
            return concatenate([read_3dhp_test(file, root=path, **options) for file in tests])
        raise SourceError(f"{path}: neither S*/Seq*/annot.mat nor TS*/annot_data.mat in it")
    if path.name == "annot.mat":
        return read_3dhp_train(path, **options)
    return read_3dhp_test(path, **options)


def read_3dhp_train(
    path: str | Path,
    cameras: Iterable[int] | None = None,
    step: int = 1,
    universal: bool = False,
    root: str | Path | None = None,
) -> Samples:
    """One training sequence's ``annot.mat``: cells ``annot2`` (F×56 px), ``annot3`` and ``univ_annot3`` (F×84 mm,
    camera frame) for each of 14 cameras; MPI_INF_3DHP_28.

    ``camera.calibration`` beside the file, if there, gives the cameras. Pictures are named as the data set's own
    script unpacks them: ``imageSequence/video_0/img_000001.jpg``.

    Args:
        cameras: numbers from 0; default all.
        step: keep every step-th frame.
        universal: take the joints that are scaled to one height.
        root: the folder that pictures are named from; default the sequence's own.

    Raises:
        SourceError: missing or damaged file, other shapes.
    """
    expected = "MPI-INF-3DHP's annot.mat: cells annot2 (F×56) and annot3 (F×84), one a camera"
    path = file_at(path, expected)
    table = load_mat(path, expected)
    name3 = "univ_annot3" if universal else "annot3"
    flat2, flat3 = (_cells(pick(table, name, path, expected), path, name) for name in ("annot2", name3))
    if len(flat2) != len(flat3):
        raise SourceError(f"{path}: annot2 has {len(flat2)} cameras, {name3} has {len(flat3)}")
    calibration = path.parent / "camera.calibration"
    rig = read_calibration(calibration) if calibration.is_file() else {}
    sequence = "/".join(path.parts[-3:-1])
    chosen = range(len(flat2)) if cameras is None else cameras
    parts = []
    for number in chosen:
        if not 0 <= number < len(flat2):
            raise SourceError(f"{path}: no camera {number}, it has {len(flat2)}")
        parts.append(
            _sequence(
                MPI_INF_3DHP_28,
                shaped(flat2[number], (None, 56), path, f"annot2 of camera {number}")[::step].reshape(-1, 28, 2),
                shaped(flat3[number], (None, 84), path, f"{name3} of camera {number}")[::step].reshape(-1, 28, 3),
                f"{sequence}/{number}",
                path.parent.relative_to(root).as_posix() if root else ".",
                f"imageSequence/video_{number}/img_{{:06d}}.jpg",
                Path(root) if root else path.parent,
                step,
                path,
                rig.get(number),
            )
        )
    return concatenate(parts)


def _cells(value: Any, path: Path, name: str) -> list[Any]:
    """The cells of a Matlab cell array, which scipy gives as an object array (14, 1)."""
    array = np.asarray(value)
    if array.dtype != object:
        raise SourceError(f"{path}: {name} is no cell array; expected one cell a camera")
    return list(array.ravel())


def _sequence(
    skeleton: Skeleton,
    pixels: NDArray[np.float64],
    millimetres: NDArray[np.float64],
    clip: str,
    folder: str,
    picture: str,
    root: Path,
    step: int,
    path: Path,
    camera: Camera | None = None,
) -> Samples:
    if len(pixels) != len(millimetres):
        raise SourceError(f"{path}: {len(pixels)} frames in 2D, {len(millimetres)} in 3D")
    count = len(pixels)
    frames = np.arange(count) * step
    subject, scene = clip.split("/")[0], SCENES.get(clip.split("/")[0], "studio")
    below = "" if folder in ("", ".") else f"{folder}/"
    return Samples(
        kind="mpi-inf-3dhp",
        skeleton=skeleton,
        keys=np.array([f"{clip}/{frame}" for frame in frames], str),
        keypoints=np.concatenate([pixels, np.full((*pixels.shape[:2], 1), VISIBLE)], -1).astype(np.float32),
        root=root,
        images=np.array([below + picture.format(frame + 1) for frame in frames], str),
        joints=(millimetres / 1000).astype(np.float32),
        cameras={} if camera is None else {clip: replace(camera, name=clip)},
        camera_of=np.full(count, clip),
        subjects=np.full(count, subject),
        scenes=np.full(count, scene),
        clips=np.full(count, clip),
        frames=frames,
        licence=_LICENCE,
    )


def read_3dhp_test(
    path: str | Path,
    universal: bool = False,
    valid_only: bool = True,
    step: int = 1,
    cameras: str | Path | None = None,
    root: str | Path | None = None,
) -> Samples:
    """One test sequence's ``annot_data.mat`` (Matlab 7.3: needs h5py; version 7 is read without): MPI_INF_3DHP_17.

    ``annot2`` N×1×17×2 px, ``annot3`` and ``univ_annot3`` N×1×17×3 mm in the camera's frame, ``valid_frame``,
    ``activity_annotation`` (1 to 7, see :data:`ACTIVITIES`). The papers' PCK and AUC are counted on ``universal``
    joints of valid frames, by :data:`SCENES`.

    Args:
        universal: take the joints that are scaled to one height.
        valid_only: leave out the frames that are not to be evaluated.
        step: keep every step-th frame.
        cameras: a json of the test cameras (``"TS1"``: c, f).
        root: the folder that pictures are named from; default the sequence's own.

    Raises:
        SourceError: missing or damaged file, other shapes.
    """
    expected = "a test sequence's annot_data.mat: valid_frame, annot2, annot3, univ_annot3, activity_annotation"
    path = file_at(path, expected)
    table = _any_mat(path, expected)
    pixels = _frames_first(pick(table, "annot2", path, expected), 2, path, "annot2")
    name3 = "univ_annot3" if universal else "annot3"
    places = _frames_first(pick(table, name3, path, expected), 3, path, name3)
    valid = np.ravel(pick(table, "valid_frame", path, expected)) > 0
    activity = np.ravel(table.get("activity_annotation", np.zeros(len(valid)))).astype(int)
    if not len(valid) == len(pixels) == len(activity):
        raise SourceError(f"{path}: {len(pixels)} frames, {len(valid)} marks of validity, {len(activity)} activities")
    name = path.parent.name
    folder = path.parent.relative_to(root).as_posix() if root else "."
    samples = _sequence(
        MPI_INF_3DHP_17,
        pixels,
        places,
        name,
        folder,
        "imageSequence/img_{:06d}.jpg",
        Path(root) if root else path.parent,
        1,
        path,
        read_cameras(cameras, "mpi-inf-3dhp").get(name) if cameras else None,
    )
    words = np.array([ACTIVITIES[a - 1] if 1 <= a <= len(ACTIVITIES) else "" for a in activity], str)
    samples = replace(samples, actions=words, extras={"valid": valid})
    return samples.select(valid if valid_only else slice(None)).select(slice(None, None, step))


def _any_mat(path: Path, expected: str) -> Mapping[str, Any]:
    with open(path, "rb") as stream:
        head = stream.read(128)
    if b"MATLAB 7.3" not in head and b"HDF" not in head[:8]:
        return load_mat(path, expected)
    with open_h5(path, expected) as file:
        return {name: np.array(file[name]) for name in file if hasattr(file[name], "shape")}


def _frames_first(value: Any, last: int, path: Path, name: str) -> NDArray[np.float64]:
    """(N, 17, last), from h5py's N×1×17×last or Matlab's own last×17×1×N."""
    array = np.asarray(value, np.float64)
    joints = len(MPI_INF_3DHP_17)
    if array.ndim == 4 and array.shape[:3] == (last, joints, 1):
        array = array.transpose(3, 2, 1, 0)
    if array.ndim != 4 or array.shape[1:] != (1, joints, last):
        said = "×".join(map(str, array.shape))
        raise SourceError(f"{path}: {name} is {said}; expected N×1×{joints}×{last} or {last}×{joints}×1×N")
    return array[:, 0]


def _flat(path: Path, cameras: str | Path | None = None, images: str | Path | None = None) -> Samples:
    """``imgname, center, scale, part, S``; names like ``S4_Seq2_Cam0_001033.jpg`` or ``TS1_002001.jpg``."""
    samples = boxed_samples(open_table(path), "mpi-inf-3dhp", MPI_INF_3DHP_17, path, images)
    found = [re.fullmatch(r"((T?S\d+)(?:_Seq\d+_Cam\d+)?)_(\d+)", Path(str(n)).stem) for n in samples.images]  # type: ignore[union-attr]
    if samples and all(found):
        rows = [match.groups() for match in found if match]
        samples = replace(
            samples,
            subjects=np.array([row[1] for row in rows], str),
            scenes=np.array([SCENES.get(row[1], "studio") for row in rows], str),
            clips=np.array([row[0] for row in rows], str),
            camera_of=np.array([row[0] for row in rows], str),
            frames=np.array([int(row[2]) - 1 for row in rows], np.int64),
            cameras=read_cameras(cameras, "mpi-inf-3dhp") if cameras else {},
        )
    return replace(samples, licence=_LICENCE)
