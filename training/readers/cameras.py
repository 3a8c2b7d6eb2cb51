"""The calibrated cameras of data sets: world to camera to pixel, with lens distortion."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from posecore.errors import SourceError
from training.readers.checks import file_at, load_json, open_h5, shaped, table_of
from training.readers.restricted import load_plain_file

__all__ = ["Camera", "read_calibration", "read_cameras", "read_panoptic_cameras"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Camera:
    """One calibrated camera.

    Attributes:
        name: as the data set calls it.
        focal, centre: (2,) px; the centre of the top-left pixel is (0, 0) as far as the data set says.
        rotation, translation: (3, 3) and (3,) m: x_camera = rotation @ x_world + translation. The world frame is the
            data set's own (Human3.6M: Z up; MPI-INF-3DHP: Y up; Panoptic: -Y up).
        size: (width, height) px; (0, 0) = not known.
        radial: (k1, k2, k3).
        tangential: (p1, p2).
        tangential_gain: 2 for OpenCV's model; Human3.6M's own projection has 1.
    """

    name: str
    focal: Array
    centre: Array
    rotation: Array
    translation: Array
    size: tuple[int, int] = (0, 0)
    radial: tuple[float, float, float] = (0.0, 0.0, 0.0)
    tangential: tuple[float, float] = (0.0, 0.0)
    tangential_gain: float = 2.0

    @property
    def position(self) -> Array:
        """(3,) m, where the camera stands in the world."""
        return -self.rotation.T @ self.translation

    def to_camera(self, world: NDArray[np.floating]) -> Array:
        """(..., 3) m, world to camera frame (x right, y down, z away)."""
        return np.asarray(world, np.float64) @ self.rotation.T + self.translation

    def to_world(self, points: NDArray[np.floating]) -> Array:
        """(..., 3) m, camera frame to world."""
        return (np.asarray(points, np.float64) - self.translation) @ self.rotation

    def project(self, points: NDArray[np.floating], distort: bool = True) -> Array:
        """(..., 2) px of points (..., 3) m in the camera frame.

        With p1, p2 as OpenCV names them: x·(1 + k1 r² + k2 r⁴ + k3 r⁶ + g (p1 y + p2 x)) + p2 r², and the like for y,
        g = ``tangential_gain``.
        """
        points = np.asarray(points, np.float64)
        flat = points[..., :2] / points[..., 2:]
        if distort:
            square = (flat**2).sum(-1, keepdims=True)
            k1, k2, k3 = self.radial
            lean = np.array(self.tangential)[::-1]  # p2 goes with x, p1 with y
            tilt = flat @ lean[:, None] * self.tangential_gain
            flat = flat * (1 + square * (k1 + square * (k2 + square * k3)) + tilt) + square * lean
        return flat * self.focal + self.centre


def read_cameras(path: str | Path, layout: str = "h36m") -> dict[str, Camera]:
    """Cameras by ``"S1.54138969"`` (Human3.6M) or ``"S1_Seq1_Cam0"``, ``"TS1"`` (MPI-INF-3DHP).

    Args:
        path: ``cameras.json`` (name -> R, T in m, c, f, k, p, w, h), the same as mmpose's ``cameras.pkl``, or the
            ``cameras.h5`` of Martinez et al.
        layout: ``"h36m"``: R and T say where the camera stands (camera to world); ``"mpi-inf-3dhp"``: world to camera.

    Raises:
        SourceError: missing file, or in none of these forms.
    """
    expected = "cameras with R, T, c, f as .json, .pkl or .h5"
    suffix = Path(path).suffix.lower()
    if suffix in (".h5", ".hdf5"):
        return _martinez_cameras(path)
    if suffix == ".pkl":
        loaded = load_plain_file(file_at(path, expected))
    else:
        loaded = load_json(path, expected)
    table = table_of(loaded, path, expected)
    return {_camera_key(key): _camera(_camera_key(key), values, layout, path) for key, values in table.items()}


def _camera_key(key: Any) -> str:
    """``("S1", "54138969")``, or that as text, to ``"S1.54138969"``."""
    if isinstance(key, str):
        key = tuple(re.findall(r"'([^']*)'", key)) or key
    return ".".join(key) if isinstance(key, tuple) else str(key)


def _camera(name: str, values: Mapping[str, Any], layout: str, path: str | Path) -> Camera:
    table_of(values, path, f"camera {name} with R, T, c, f (k, p, w, h)")

    def numbers(key: str, count: int, default: float | None = None) -> Array:
        if key not in values:
            if default is None:
                raise SourceError(f"{path}: camera {name} has no {key!r}; expected R, T, c, f (k, p, w, h)")
            return np.full(count, default)
        return shaped(np.ravel(np.asarray(values[key], np.float64)), (count,), path, f"{key} of camera {name}")

    rotation, place = np.eye(3), np.zeros(3)
    if "R" in values:
        rotation, place = shaped(values["R"], (3, 3), path, f"R of camera {name}"), numbers("T", 3)
        if layout == "h36m":
            rotation, place = rotation.T, -rotation.T @ place
    return Camera(
        name=name,
        focal=numbers("f", 2),
        centre=numbers("c", 2),
        rotation=rotation,
        translation=place,
        size=(int(values.get("w", 0)), int(values.get("h", 0))),
        radial=tuple(numbers("k", 3, 0.0)),
        tangential=tuple(numbers("p", 2, 0.0)),
        tangential_gain=1.0 if layout == "h36m" else 2.0,
    )


def _martinez_cameras(path: str | Path) -> dict[str, Camera]:
    """``subject1/camera1/{R,T,f,c,k,p,Name}``; R as stored is camera to world, T the camera's place in mm."""
    expected = "the cameras.h5 of Martinez et al.: subject1/camera1/R, T, f, c, k, p, Name"
    cameras: dict[str, Camera] = {}
    with open_h5(path, expected) as file:
        for subject in file:
            if not subject.startswith("subject"):
                continue
            for group in file[subject].values():
                letters = np.ravel(np.array(group["Name"]))
                name = f"S{subject.removeprefix('subject')}." + "".join(chr(int(letter)) for letter in letters)
                values = {
                    "R": np.array(group["R"]),
                    "T": np.ravel(np.array(group["T"])) / 1000,
                    **{key: np.array(group[key]) for key in "fckp"},
                }
                cameras[name] = _camera(name, values, "h36m", path)
    if not cameras:
        raise SourceError(f"{path}: no subject in it; expected {expected}")
    return cameras


def read_panoptic_cameras(path: str | Path) -> dict[str, Camera]:
    """The cameras of a Panoptic ``calibration_SEQUENCE.json`` by name (``"00_00"``); lengths cm -> m.

    Raises:
        SourceError: missing file or another layout.
    """
    expected = "a Panoptic calibration with 'cameras': name, K, R, t, distCoef, resolution"
    table = table_of(load_json(path, expected), path, expected)
    cameras = {}
    for entry in table.get("cameras", []):
        try:
            k1, k2, p1, p2, k3 = entry["distCoef"]
            intrinsic = shaped(entry["K"], (3, 3), path, "K")
            width, height = entry["resolution"]
            cameras[entry["name"]] = Camera(
                entry["name"],
                np.array([intrinsic[0, 0], intrinsic[1, 1]]),
                intrinsic[:2, 2].copy(),
                shaped(entry["R"], (3, 3), path, "R"),
                np.ravel(shaped(entry["t"], (3, 1), path, "t")) / 100,
                (int(width), int(height)),
                (k1, k2, k3),
                (p1, p2),
            )
        except (KeyError, ValueError, TypeError) as error:
            raise SourceError(f"{path}: a camera lacks {error}; expected {expected}") from error
    if not cameras:
        raise SourceError(f"{path}: no cameras in it; expected {expected}")
    return cameras


def read_calibration(path: str | Path) -> dict[int, Camera]:
    """The cameras of MPI-INF-3DHP's ``camera.calibration`` by number; lengths mm -> m.

    Raises:
        SourceError: missing file or another layout.
    """
    expected = "a Skeletool camera.calibration: name, size, intrinsic (16 numbers), extrinsic (16 numbers)"
    path = file_at(path, expected)
    cameras: dict[int, Camera] = {}
    number, size, intrinsic = 0, (0, 0), np.eye(4)
    for line in path.read_text(encoding="latin-1").splitlines():
        word, *rest = line.split() or [""]
        try:
            if word == "name":
                number = int(rest[0])
            elif word == "size":
                size = (int(float(rest[0])), int(float(rest[1])))
            elif word == "intrinsic":
                intrinsic = np.array(rest, float).reshape(4, 4)
            elif word == "extrinsic":
                matrix = np.array(rest, float).reshape(4, 4)
                focal, centre = np.diag(intrinsic)[:2].copy(), intrinsic[:2, 2].copy()
                cameras[number] = Camera(str(number), focal, centre, matrix[:3, :3], matrix[:3, 3] / 1000, size)
        except (ValueError, IndexError) as error:
            raise SourceError(f"{path}: {line.strip()[:60]!r} ({error}); expected {expected}") from error
    if not cameras:
        raise SourceError(f"{path}: no cameras in it; expected {expected}")
    return cameras
