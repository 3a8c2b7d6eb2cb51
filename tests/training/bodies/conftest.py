"""A few small rendered bodies that the tests of their training share."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

SIZE = 96


@pytest.fixture(scope="session")
def body_shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with six training and three validation pictures of gentle random poses, SIZE px."""
    pytest.importorskip("torch")
    from tests.training.bodies.test_poses import some_poses
    from training.bodies import rendering
    from training.bodies.poses import BodyPoses

    folder = tmp_path_factory.mktemp("bodies")
    poses = some_poses(6, seed=4)
    gentle = poses.rotations * np.array([0.4, 0.4, 0.4, 1], np.float32)
    gentle /= np.linalg.norm(gentle, axis=-1, keepdims=True)
    poses = BodyPoses(gentle, poses.clips, poses.frames)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rendering, "load_body_poses", lambda data, cache: poses)
        patch.setattr(BodyPoses, "split", lambda self, split: self)
        rendering.write_bodies(folder, folder, 6, seed=3, size=SIZE)
        rendering.write_bodies(folder, folder, 3, seed=3, size=SIZE, split="validation")
    return folder
