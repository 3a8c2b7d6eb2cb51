"""CMU Panoptic: 3D bodies of a sequence, seen by one or more of its cameras."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from posecore.errors import SourceError
from posecore.skeletons import PANOPTIC_19
from training.readers.cameras import Camera, read_panoptic_cameras
from training.readers.checks import load_json, shaped, table_of
from training.readers.samples import UNKNOWN, VISIBLE, Samples, concatenate

__all__ = ["read_panoptic"]

_BODIES = "hdPose3d_stage1_coco19"


def read_panoptic(path: str | Path, cameras: Iterable[str] = ("00_00",), step: int = 1) -> Samples:
    """One sequence: ``calibration_NAME.json`` and ``hdPose3d_stage1_coco19/body3DScene_*.json`` (cm; here metres).

    A sample is one body in one frame of one camera; keypoints are its joints projected (the set has no 2D labels),
    flag 0 where the data set is not sure of a joint (confidence ≤ 0) or it lies behind the camera. Pictures are named
    as the data set's script unpacks them: ``hdImgs/00_00/00_00_00000168.jpg``. Extras: ``body`` id, ``confidence``.

    Args:
        path: the sequence's folder.
        cameras: names of cameras, ``"00_00"`` to ``"00_30"`` are the HD ones.
        step: keep every step-th file.

    Raises:
        SourceError: missing or damaged files, unknown cameras.
    """
    folder = Path(path)
    calibration = folder / f"calibration_{folder.name}.json"
    rig = read_panoptic_cameras(calibration)
    names = (cameras,) if isinstance(cameras, str) else tuple(cameras)
    unknown = [name for name in names if name not in rig]
    if unknown or not names:
        raise SourceError(
            f"{calibration}: no camera {', '.join(unknown) or 'asked for'}; it has e.g. {next(iter(rig))}"
        )
    files = sorted((folder / _BODIES).glob("body3DScene_*.json"))[::step]
    if not files:
        raise SourceError(
            f"{folder / _BODIES}: no body3DScene_*.json there; expected the bodies of a Panoptic sequence"
        )
    bodies = [body for file in files for body in _bodies(file)]
    return concatenate([_seen_by(rig[name], bodies, folder) for name in names])


def _bodies(file: Path) -> list[dict[str, Any]]:
    expected = "{bodies: [{id, joints19: 76 numbers}]}"
    frame = int(file.stem.split("_")[-1])
    rows = []
    for body in table_of(load_json(file, expected), file, expected).get("bodies", []):
        if "joints19" not in body:
            raise SourceError(f"{file}: a body without joints19; expected {expected}")
        table = shaped(body["joints19"], (4 * len(PANOPTIC_19),), file, "joints19").reshape(-1, 4)
        rows.append({"id": int(body.get("id", -1)), "frame": frame, "places": table[:, :3] / 100, "sure": table[:, 3]})
    return rows


def _seen_by(camera: Camera, bodies: list[dict[str, Any]], folder: Path) -> Samples:
    joints = len(PANOPTIC_19)
    world = np.array([body["places"] for body in bodies]).reshape(-1, joints, 3)
    sure = np.array([body["sure"] for body in bodies], np.float32).reshape(-1, joints)
    places = camera.to_camera(world)
    known = (sure > 0) & (places[..., 2] > 0)
    pixels = camera.project(np.where(known[..., None], places, 1.0))
    flags = np.where(known, VISIBLE, UNKNOWN)[..., None]
    frames = np.array([body["frame"] for body in bodies], np.int64)
    numbers = [body["id"] for body in bodies]
    return Samples(
        kind="panoptic",
        skeleton=PANOPTIC_19,
        keys=np.array([f"{camera.name}/{f:08d}#{n}" for f, n in zip(frames, numbers, strict=True)], str),
        keypoints=np.concatenate([np.where(flags > 0, pixels, 0), flags], -1).astype(np.float32),
        root=folder,
        images=np.array([f"hdImgs/{camera.name}/{camera.name}_{frame:08d}.jpg" for frame in frames], str),
        joints=places.astype(np.float32),
        joints_known=sure > 0,
        cameras={camera.name: camera},
        camera_of=np.full(len(bodies), camera.name),
        clips=np.full(len(bodies), folder.name),
        frames=frames,
        extras={"body": np.array(numbers, np.int64), "confidence": sure},
        licence="CMU Panoptic: research, non-commercial (Joo et al., ICCV 2015)",
    )
