"""A small moving body that the tests of training share."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from posecore.skeletons import CMU_22
from training.motion_data import Clip, harmonise


def standing() -> np.ndarray:
    """(22, 3) a plain CMU_22 body, facing +Z, left = +X."""
    points = {
        "pelvis": (0, 1.0, 0), "spine": (0, 1.1, 0), "chest": (0, 1.2, 0), "neck": (0, 1.35, 0), "head": (0, 1.5, 0),
        "head_top": (0, 1.6, 0), "hip": (0.09, 0.9, 0), "knee": (0.09, 0.5, 0), "ankle": (0.09, 0.09, 0),
        "toe": (0.09, 0.03, 0.12), "shoulder": (0.18, 1.42, 0), "elbow": (0.46, 1.42, 0), "wrist": (0.66, 1.42, 0),
        "hand_tip": (0.8, 1.42, 0),
    }  # fmt: skip
    rows = []
    for name in CMU_22.joints:
        x, y, z = points[name[2:] if name[1] == "_" else name]
        rows.append((-x if name.startswith("r_") else x, y, z))
    return np.array(rows, np.float32)


def walking(frames: int) -> np.ndarray:
    """(T, 22, 3) a body that swings its arms and walks on."""
    t = np.arange(frames, dtype=np.float32)[:, None] / 30
    points = np.repeat(standing()[None], frames, 0)
    for side, sign in (("l", 1), ("r", -1)):
        for joint, reach in (("elbow", 0.5), ("wrist", 1.0), ("hand_tip", 1.2)):
            points[:, CMU_22.index(f"{side}_{joint}"), 2] += sign * 0.2 * reach * np.sin(6 * t[:, 0])
    points[..., 2] += 0.8 * t
    return points


def moving_clip(frames: int = 40, name: str = "1") -> Clip:
    """:func:`walking` as a clip."""
    joints, size, proportions = harmonise(walking(frames), np.zeros(frames, np.float32))
    return Clip(name, name, joints, size, proportions)


@pytest.fixture
def moving():
    """:func:`moving_clip`."""
    return moving_clip


@pytest.fixture
def motion_data(tmp_path):
    """A data folder with one subject on either side of the split."""
    folder = tmp_path / "data" / "mocap_cmu" / "joints"
    folder.mkdir(parents=True)
    for subject in ("001", "007"):
        np.savez(folder / f"subject_{subject}.npz", **{f"{subject}_01": walking(60)})
    return tmp_path / "data"


@pytest.fixture(scope="session")
def picture_shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A shard of 40 rendered-like pictures: a bright figure of 21 dots on grey."""
    folder = tmp_path_factory.mktemp("shards")
    rng = np.random.default_rng(0)
    with tarfile.open(folder / "synthetic-0.tar", "w") as archive:
        for number in range(40):
            joints = rng.uniform(20, 76, (21, 2))
            image = np.full((96, 96, 3), 60, np.uint8)
            for x, y in joints.round().astype(int):
                image[y - 1 : y + 2, x - 1 : x + 2] = 250
            camera = np.concatenate([(joints - 48) / 50, rng.normal(0, 0.2, (21, 1))], 1)
            annotation = {"joints_px": joints.tolist(), "joints_camera": camera.tolist(), "visible": [1] * 21}
            stream = io.BytesIO()
            Image.fromarray(image).save(stream, "webp", quality=90)
            for suffix, data in (("webp", stream.getvalue()), ("json", json.dumps(annotation).encode())):
                entry = tarfile.TarInfo(f"sy{number:05d}.{suffix}")
                entry.size = len(data)
                archive.addfile(entry, io.BytesIO(data))
    return folder
