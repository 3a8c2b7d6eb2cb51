import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from posecore.motion import Motion, continuous
from posecore.skeletons import SMPL_24


def make_motion(times: np.ndarray, seed: int = 7) -> Motion:
    """Every joint swings smoothly about its own axis; the person turns on the spot and walks off."""
    rng = np.random.default_rng(seed)
    joints, t = len(SMPL_24), times[:, None]
    axes = rng.normal(size=(joints, 3))
    axes /= np.linalg.norm(axes, axis=1, keepdims=True)
    angles = rng.uniform(0.2, 0.9, joints) * np.sin(2 * t + rng.uniform(0, 6, joints))
    rotations = Rotation.from_rotvec((angles[..., None] * axes).reshape(-1, 3)).as_quat().reshape(-1, joints, 4)
    heading = Rotation.from_rotvec(np.stack([0 * times, 2.5 * times, 0 * times], axis=1))
    rotations[:, SMPL_24.index("pelvis")] = heading.as_quat()
    path = np.stack([0.3 * np.sin(times), 0.93 + 0.02 * np.sin(5 * times), 0.8 * times], axis=1)
    count = len(times)
    return Motion(
        times=times.astype(np.float64),
        rotations=continuous(rotations).astype(np.float32),
        translation=path.astype(np.float32),
        betas=rng.normal(size=10).astype(np.float32),
        contacts=rng.uniform(size=(count, 4)).astype(np.float32),
        confidence=rng.uniform(size=(count, joints)).astype(np.float32),
        notes={"warnings": ["made by a test"], "height": 1.7},
    )


@pytest.fixture
def motion() -> Motion:
    """4 s at 25 frames a second."""
    return make_motion(np.arange(100) / 25.0)


@pytest.fixture
def uneven_motion() -> Motion:
    """A variable frame rate that starts at 1.5 s."""
    steps = np.random.default_rng(3).choice([1 / 30, 2 / 30, 5 / 30], 60)
    return make_motion(1.5 + np.concatenate([[0.0], np.cumsum(steps)]))
