"""A virtual camera over motion capture: Takes whose truth is known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from posecore import Take
from posecore.skeletons import BODY_21, CMU_22, convert
from posecore.takes import Camera

CAMERA = Camera(1000.0, (639.5, 359.5), (1280, 720))


@dataclass
class Filmed:
    """A take and the truth behind it: ``world`` (T, 21, 3) metres, Y up, the camera looking along -Z."""

    take: Take
    world: np.ndarray
    camera_height: float


def film(
    world: np.ndarray,
    rate: float = 30.0,
    pitch: float = 0.0,
    height: float = 1.4,
    distance: float = 5.0,
    joint_noise: float = 0.0,
    pixel_noise: float = 0.0,
    seed: int = 0,
    times: np.ndarray | None = None,
) -> Filmed:
    """Film BODY_21 joints (T, 21, 3) with a pinhole camera that looks down by ``pitch`` radians."""
    world = world.astype(np.float64)
    pelvis = BODY_21.index("pelvis")
    middle = world[:, pelvis, [0, 2]].mean(axis=0)
    world = world - np.array([middle[0], 0.0, middle[1]])
    random = np.random.default_rng(seed)
    eye = np.array([0.0, height, distance])
    # Rows: the camera's right, down and forward axes in the world, written out by hand.
    axes = np.array([[1, 0, 0], [0, -np.cos(pitch), np.sin(pitch)], [0, -np.sin(pitch), -np.cos(pitch)]])
    seen = (world - eye) @ axes.T
    assert (seen[..., 2] > 0.5).all(), "the person walks through the camera"
    keypoints = CAMERA.focal * seen[..., :2] / seen[..., 2:] + np.array(CAMERA.centre)
    joints = seen - seen[:, pelvis : pelvis + 1]
    joints = joints + joint_noise * random.standard_normal(joints.shape)
    keypoints = keypoints + pixel_noise * random.standard_normal(keypoints.shape)
    low, high = keypoints.min(axis=1), keypoints.max(axis=1)
    take = Take(
        times=np.arange(len(world)) / rate if times is None else times,
        boxes=np.concatenate([low, high - low], axis=1).astype(np.float32),
        keypoints=keypoints.astype(np.float32),
        confidence=np.ones(keypoints.shape[:2], np.float32),
        joints=joints.astype(np.float32),
        joints_raw=joints.astype(np.float32),
        camera=CAMERA,
    )
    return Filmed(take, world, height)


@pytest.fixture(scope="session")
def cmu(data_folder: Path) -> Callable[[str], np.ndarray]:
    """Load a CMU clip by its id, as BODY_21 joints (T, 21, 3), metres, Y up, lowest toe at its usual height."""

    def load(clip: str) -> np.ndarray:
        with np.load(data_folder / "mocap_cmu" / "joints" / f"subject_{clip[:3]}.npz") as data:
            return convert(data[clip], CMU_22, BODY_21)[0].astype(np.float64)

    return load


@pytest.fixture(scope="session")
def camera_film() -> Callable[..., Filmed]:
    return film


def stand(frames: int = 1) -> np.ndarray:
    """BODY_21 joints (T, 21, 3) of somebody standing with hanging arms and facing +Z, written by hand."""
    place = {
        "pelvis": (0, 0.90, 0), "hip": (0.10, 0.90, 0), "knee": (0.10, 0.48, 0.01), "ankle": (0.10, 0.08, 0),
        "toe": (0.12, 0.03, 0.14), "spine": (0, 1.15, 0), "thorax": (0, 1.42, 0), "nose": (0, 1.53, 0.02),
        "head_top": (0, 1.70, 0.02), "shoulder": (0.18, 1.40, 0), "elbow": (0.22, 1.13, -0.02),
        "wrist": (0.22, 0.88, 0.05), "hand": (0.22, 0.80, 0.07),
    }  # fmt: skip
    joints = np.zeros((len(BODY_21), 3))
    for index, name in enumerate(BODY_21.joints):
        joints[index] = place[name.removeprefix("l_").removeprefix("r_")]
        if name.startswith("r_"):
            joints[index, 0] *= -1
    return np.repeat(joints[None], frames, axis=0)


@pytest.fixture
def standing() -> Callable[..., np.ndarray]:
    return stand
