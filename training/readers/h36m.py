"""Human3.6M in the forms that are in use: VideoPose3D's npz, Martinez's h5, flat tables of boxed people."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from posecore.errors import SourceError
from posecore.skeletons import H36M_17, H36M_32, Skeleton, convert
from training.readers.boxed import boxed_samples, is_boxed, open_table
from training.readers.cameras import Camera, read_cameras
from training.readers.checks import file_at, open_h5, pick, shaped, table_of
from training.readers.restricted import read_objects
from training.readers.samples import VISIBLE, Movement, Samples, concatenate

__all__ = ["CAMERAS", "read_h36m", "read_h36m_movements"]

_LICENCE = "Human3.6M: academic use, on request from its authors"
_RATE = 50.0
#: The four cameras, in the order of every published table of 2D detections.
CAMERAS = ("54138969", "55011271", "58860488", "60457274")
_NEEDS = "a file of data_3d_h36m.npz or data_2d_h36m_*.npz form, a folder of S1/MyPoses/3D_positions/*.h5, or imgname…S"
# World (Z up) to Y up: x stays, y = old z, z = -old y.
_TO_Y_UP = np.array([[1.0, 0, 0], [0, 0, 1.0], [0, -1.0, 0]])

_Table = dict[str, dict[str, Any]]


def read_h36m(
    path: str | Path,
    cameras: str | Path | None = None,
    detections: str | Path | None = None,
    subjects: Iterable[str] | None = None,
    actions: Iterable[str] | None = None,
    step: int = 1,
    images: str | Path | None = None,
) -> Samples:
    """Human3.6M as H36M_17 samples, one per frame and camera.

    - ``data_3d_h36m.npz`` (``positions_3d``: subject -> action -> (T, 32, 3) m, world) or a folder of Martinez's
      ``S1/MyPoses/3D_positions/*.h5`` ((96, T) mm, world): needs ``cameras``; ``joints`` in each camera's frame,
      ``keypoints`` from ``detections`` or, without, projected with the lens distortion.
    - ``data_2d_h36m_*.npz`` (``positions_2d``: subject -> action -> 4 × (T, 17, 2) px): keypoints only.
    - npz or h5 with ``imgname, center, scale, part, S``: see :mod:`training.readers.boxed`.

    ``actions`` are the usual fifteen without the take's number; ``clips`` are ``S9/Directions 1/54138969``.
    Pixels are as published (what the authors' camera model gives), not shifted.

    Args:
        cameras: ``cameras.json``, ``.pkl`` or ``.h5``; see :func:`training.readers.cameras.read_cameras`.
        detections: a ``data_2d_h36m_*.npz``.
        subjects: e.g. ``("S9", "S11")``; actions: e.g. ``("Walking",)``; default all.
        step: keep every step-th frame (Zhou's test takes 64).
        images: the folder of the pictures of a flat table; default the file's own.

    Raises:
        SourceError: missing, damaged or other files.
        ValueError: ``step`` is not positive.
    """
    if step < 1:
        raise ValueError(f"step must be 1 or more, got {step}")
    wanted = _Wanted(_listed(subjects), _listed(actions), step)
    path = Path(path)
    if path.is_dir():
        return _from_positions(_martinez(path), path, cameras, detections, wanted)
    file_at(path, _NEEDS)
    if path.suffix.lower() in (".h5", ".hdf5"):
        return _boxed(open_table(path), path, cameras, images, wanted)
    table = read_objects(path)
    if "positions_3d" in table:
        return _from_positions(_tables(table, "positions_3d", path), path, cameras, detections, wanted)
    if "positions_2d" in table:
        return _from_detections(_tables(table, "positions_2d", path), path, wanted)
    if is_boxed(table):
        return _boxed(table, path, cameras, images, wanted)
    raise SourceError(f"{path}: holds {', '.join(list(table)[:6]) or 'nothing'}; expected {_NEEDS}")


def read_h36m_movements(path: str | Path, subjects: Iterable[str] | None = None) -> Iterator[Movement]:
    """The clips of ``data_3d_h36m.npz`` or of Martinez's h5 folder: H36M_32, 50 frames/s, world turned to Y up.

    Raises:
        SourceError: missing, damaged or other files.
    """
    path = Path(path)
    if path.is_dir():
        table = _martinez(path)
    else:
        file_at(path, _NEEDS)
        table = _tables(read_objects(path), "positions_3d", path)
    wanted = _Wanted(_listed(subjects), None, 1)
    for subject, action, positions in wanted.clips(table):
        joints = _positions(positions, path, f"{subject} {action}") @ _TO_Y_UP.T
        name = f"{subject}/{action}"
        yield Movement("h36m", name, subject, _RATE, H36M_32, joints.astype(np.float32), licence=_LICENCE)


def _listed(values: Iterable[str] | None) -> set[str] | None:
    if values is None:
        return None
    return {values} if isinstance(values, str) else set(values)


class _Wanted:
    """What the caller asked for."""

    def __init__(self, subjects: set[str] | None, actions: set[str] | None, step: int) -> None:
        self.subjects, self.actions, self.step = subjects, actions, step

    def clips(self, table: _Table) -> Iterator[tuple[str, str, Any]]:
        for subject, clips in table.items():
            if self.subjects is None or subject in self.subjects:
                for action, values in clips.items():
                    if self.actions is None or base_action(action) in self.actions:
                        yield subject, action, values


def base_action(action: str) -> str:
    """``"Directions 1"``, ``"Directions_1"`` -> ``"Directions"``."""
    return re.sub(r"[ _]\d+$", "", action)


def _tables(loaded: Mapping[str, Any], name: str, path: Path) -> _Table:
    table = table_of(pick(loaded, name, path, _NEEDS), path, f"{name}: subject -> action -> array")
    for subject, clips in table.items():
        table_of(clips, path, f"{name}[{subject!r}]: action -> array")
    return table


def _positions(values: Any, path: Path, name: str) -> NDArray[np.float64]:
    return shaped(values, (None, len(H36M_32), 3), path, name)


def _martinez(folder: Path) -> _Table:
    """``S1/MyPoses/3D_positions/Directions.h5``: ``3D_positions`` (96, T) mm, to (T, 32, 3) m."""
    files = sorted(folder.glob("S*/MyPoses/3D_positions/*.h5"))
    if not files:
        raise SourceError(f"{folder}: no S*/MyPoses/3D_positions/*.h5 in it; expected Martinez et al.'s h36m folder")
    table: _Table = {}
    for file in files:
        with open_h5(file, "'3D_positions', 96×T mm") as opened:
            values = np.array(pick(opened, "3D_positions", file, "'3D_positions', 96×T mm"))
        flat = shaped(values, (3 * len(H36M_32), None), file, "3D_positions")
        clip = flat.T.reshape(-1, len(H36M_32), 3) / 1000
        table.setdefault(file.parts[-4], {})[file.stem] = clip
    return table


def _from_positions(
    table: _Table, path: Path, cameras: str | Path | None, detections: str | Path | None, wanted: _Wanted
) -> Samples:
    if cameras is None:
        raise SourceError(f"{path}: its positions are in the world; give the cameras too (cameras=cameras.json)")
    rig = read_cameras(cameras, "h36m")
    seen = None
    if detections is not None:
        seen = _tables(read_objects(file_at(detections, _NEEDS)), "positions_2d", Path(detections))
    parts = []
    for subject, action, positions in wanted.clips(table):
        name = f"{subject} {action}"
        world, _ = convert(_positions(positions, path, name)[:: wanted.step], H36M_32, H36M_17)
        for number, camera_name in enumerate(CAMERAS):
            camera = pick(rig, f"{subject}.{camera_name}", cameras, "Human3.6M's four cameras of every subject")
            places = camera.to_camera(world)
            if seen is None:
                pixels = camera.project(places)
            else:
                pixels = _views(seen, subject, action, Path(str(detections)))[number][:: wanted.step][: len(places)]
                places = places[: len(pixels)]
            parts.append(_clip(subject, action, camera, pixels, places, wanted.step))
    return _joined(parts, path)


def _views(table: _Table, subject: str, action: str, path: Path) -> list[NDArray[np.float64]]:
    """The four cameras' (T, 17, 2) px of one clip."""
    clips = pick(table, subject, path, "the same subjects as in the 3D file")
    views = pick(clips, action, path, f"the same actions of {subject} as in the 3D file")
    if len(views) != len(CAMERAS):
        raise SourceError(f"{path}: {subject} {action} has {len(views)} views; expected {len(CAMERAS)}")
    shape = (None, len(H36M_17), 2)
    return [shaped(np.asarray(view)[..., :2], shape, path, f"{subject} {action}") for view in views]


def _from_detections(table: _Table, path: Path, wanted: _Wanted) -> Samples:
    parts = []
    for subject, action, _ in wanted.clips(table):
        for name, pixels in zip(CAMERAS, _views(table, subject, action, path), strict=True):
            parts.append(_clip(subject, action, name, pixels[:: wanted.step], None, wanted.step))
    return _joined(parts, path)


def _clip(
    subject: str,
    action: str,
    camera: Camera | str,
    pixels: NDArray[np.floating],
    places: NDArray[np.floating] | None,
    step: int,
) -> Samples:
    name = camera if isinstance(camera, str) else camera.name.split(".")[-1]
    count = len(pixels)
    clip = f"{subject}/{action}/{name}"
    frames = np.arange(count) * step
    return Samples(
        kind="h36m",
        skeleton=H36M_17,
        keys=np.array([f"{clip}/{frame}" for frame in frames], str),
        keypoints=np.concatenate([pixels, np.full((*pixels.shape[:2], 1), VISIBLE)], -1).astype(np.float32),
        joints=None if places is None else places.astype(np.float32),
        cameras={} if isinstance(camera, str) else {camera.name: camera},
        camera_of=np.full(count, f"{subject}.{name}"),
        subjects=np.full(count, subject),
        actions=np.full(count, base_action(action)),
        clips=np.full(count, clip),
        frames=frames,
        licence=_LICENCE,
    )


def _joined(parts: list[Samples], path: Path) -> Samples:
    if not parts:
        raise SourceError(f"{path}: no clip of the subjects and actions asked for")
    return concatenate(parts)


def _boxed(
    table: Mapping[str, Any], path: Path, cameras: str | Path | None, images: str | Path | None, wanted: _Wanted
) -> Samples:
    """A flat table; subject, action and camera follow from names like ``S1_Directions_1.54138969_000001.jpg``."""
    from dataclasses import replace

    skeleton: Skeleton = H36M_17
    samples = boxed_samples(table, "h36m", skeleton, path, images)
    stems = [Path(str(name)).stem for name in samples.images]  # type: ignore[union-attr]
    found = [re.fullmatch(r"(S\d+)_(.+)\.(\d{8})_(\d+)", stem) for stem in stems]
    if samples and all(found):
        rows = [match.groups() for match in found if match]
        samples = replace(
            samples,
            subjects=np.array([row[0] for row in rows], str),
            actions=np.array([base_action(row[1]) for row in rows], str),
            clips=np.array([f"{row[0]}/{row[1]}/{row[2]}" for row in rows], str),
            camera_of=np.array([f"{row[0]}.{row[2]}" for row in rows], str),
            frames=np.array([int(row[3]) - 1 for row in rows], np.int64),
            cameras=read_cameras(cameras, "h36m") if cameras else {},
        )
        if wanted.subjects is not None:
            samples = samples.select(np.isin(samples.subjects, list(wanted.subjects)))
        if wanted.actions is not None:
            samples = samples.select(np.isin(samples.actions, list(wanted.actions)))
    samples = samples.select(slice(None, None, wanted.step))
    return replace(samples, licence=_LICENCE)
