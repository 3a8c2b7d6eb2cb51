"""`smplx` (the extra of that name) loads the very file that is shipped, and gives the same vertices."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")
smplx = pytest.importorskip("smplx")

from scipy.spatial.transform import Rotation
from smplx.utils import Struct

from posecore.body import OPEN_BODY, load_body


def test_smplx_gives_the_same_vertices(tmp_path) -> None:
    # Given a folder and the arrays, smplx reads no file: its own reader of single files unpickles.
    arrays = dict(np.load(OPEN_BODY, allow_pickle=False))
    theirs = smplx.create(str(tmp_path), model_type="smpl", data_struct=Struct(**arrays), batch_size=6)
    generator = np.random.default_rng(0)
    turns = generator.normal(0, 0.6, (6, 24, 3))
    betas, translation = generator.normal(0, 1.5, (6, 10)), generator.normal(size=(6, 3))
    out = theirs(
        betas=torch.tensor(betas).float(),
        global_orient=torch.tensor(turns[:, 0]).float(),
        body_pose=torch.tensor(turns[:, 1:].reshape(6, -1)).float(),
        transl=torch.tensor(translation).float(),
    )
    ours = load_body()
    quaternions = Rotation.from_rotvec(turns.reshape(-1, 3)).as_quat().reshape(6, 24, 4)
    for row in range(6):
        # A Motion's translation is where the pelvis is; smplx's is how far the whole body is moved.
        pelvis = ours.rest_joints(betas[row])[:1] + translation[row]
        pose = quaternions[row : row + 1], pelvis, betas[row]
        np.testing.assert_allclose(ours.pose(*pose)[0], out.vertices[row].detach().numpy(), atol=1e-4)
        np.testing.assert_allclose(ours.joints(*pose)[0], out.joints[row, :24].detach().numpy(), atol=1e-4)
