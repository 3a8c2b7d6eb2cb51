"""Options of the lifting and TP-Net recipes that the seeds' studies need."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from posecore.errors import PosecoreError
from posecore.losses import joint_pairs
from posecore.nets.recurrent import LstmNet
from posecore.skeletons import BODY_21, MPII_16
from training.pose_loop import COMPOSITIONAL, LoopConfig, load_weights, pose_loss
from training.pose_samples import in_joint_set, joint_set
from training.recipes import lift, temporal

TINY = LoopConfig(steps=2, batch=4, log_every=1)


def test_compositional_losses_by_hand() -> None:
    """One joint is off by (2, 0, −4) cm at a spread of 2 cm: every pair that it is in is off by 1 + 2."""
    target = torch.zeros(1, 21, 3)
    prediction = target.clone()
    wrist = BODY_21.index("l_wrist")
    prediction[0, wrist] = torch.tensor([0.02, 0.0, -0.04])
    std = torch.full((21, 3), 0.02)
    for kind, pairs in (("pairs", 20), ("joint", 1), ("bone", 2), ("both", 3), ("all", 20)):
        expected = 3 * pairs / len(joint_pairs(kind))
        assert float(pose_loss(prediction, target, std, kind)) == pytest.approx(expected), kind
    uneven = torch.linspace(0.01, 0.5, 21)[:, None].expand(21, 3)
    for kind in COMPOSITIONAL:
        assert float(pose_loss(target + 0.3, target, uneven, kind)) == pytest.approx(0, abs=1e-5), "the same way all"
    assert set(COMPOSITIONAL) == {"pairs", "joint", "bone", "both", "all"}
    with pytest.raises(ValueError, match="loss must be one of l2, distance, pairs"):
        LoopConfig(loss="other")


def test_options_reach_the_net_and_the_step(motion_data: Path, tmp_path: Path) -> None:
    config = lift.Config(motion_data, tmp_path / "a", preset="tiny", dropout=0.3, batch_norm=False, loop=TINY)
    assert lift.config_of(config).dropout == 0.3 and not lift.config_of(config).batch_norm
    assert lift.config_of(replace(config, dropout=None)).dropout == 0.0  # the preset's
    lift.run(replace(config, clip="max-norm", weighted=True, loop=replace(TINY, average=0.0)))
    weights, facts = load_weights(tmp_path / "a")
    assert facts["clip"] == "max-norm" and facts["weighted"]
    matrices = [value for name, value in weights.items() if name.endswith("weight") and value.ndim == 2]
    assert matrices and all(float(matrix.norm()) < 1 + 1e-5 for matrix in matrices)
    with pytest.raises(PosecoreError, match=r"--weighted goes with --loop\.loss l2 or distance, not with bone"):
        lift.run(replace(config, weighted=True, loop=replace(TINY, loss="bone")))
    with pytest.raises(PosecoreError, match="--preset small: unknown; choose one of paper"):
        lift.run(replace(config, preset="small"))


def test_the_papers_joints_are_mpii_s(motion_data: Path, tmp_path: Path) -> None:
    values = np.arange(63, dtype=np.float32).reshape(1, 21, 3)
    ankle = in_joint_set(values, 16)[0, MPII_16.index("r_ankle")]
    np.testing.assert_array_equal(ankle, values[0, BODY_21.index("r_ankle")])
    assert joint_set(16) is MPII_16 and in_joint_set(values, 21) is values
    with pytest.raises(PosecoreError, match="no joint set of 5 joints"):
        joint_set(5)
    config = lift.Config(motion_data, tmp_path / "paper", preset="paper", loop=replace(TINY, loss="pairs", average=0.0))
    net = lift.load(lift.run(config))
    assert net(torch.zeros(2, 16, 2)).shape == (2, 16, 3)
    lift.run(lift.Config(motion_data, tmp_path / "ours", preset="tiny", loop=TINY))
    tpnet = temporal.Config(motion_data, tmp_path / "ours", tmp_path / "tp", preset="paper", width=8, loop=TINY)
    assert temporal.load(temporal.run(tpnet)).config.joints == 16
    with pytest.raises(PosecoreError, match="a net of 16 joints; expected one of 21"):
        temporal.run(replace(tpnet, lifter=tmp_path / "paper"))


def test_windows_keep_the_current_pose_in_its_place(motion_data: Path, tmp_path: Path) -> None:
    config = temporal.Config(motion_data)

    def size(**changes: object) -> tuple[int, int]:
        net = temporal.build(replace(config, **changes)).config
        return net.window, net.current

    assert size() == (20, 19)
    assert size(window=5) == (5, 4)
    assert size(window=1) == (1, 0)
    assert size(preset="small_semi", window=10) == (10, 5)
    with pytest.raises(PosecoreError, match="--window 60: choose from 1 to 45"):
        temporal.build(replace(config, window=60))
    with pytest.raises(PosecoreError, match="--preset seed: unknown; choose one of paper"):
        temporal.build(replace(config, preset="seed"))


def test_an_lstm_is_trained_and_loaded_as_tpnet_is(motion_data: Path, tmp_path: Path) -> None:
    lift.run(lift.Config(motion_data, tmp_path / "lift", preset="tiny", loop=TINY))
    config = temporal.Config(
        motion_data, tmp_path / "lift", tmp_path / "lstm", net="lstm", preset="tiny", window=4, loop=TINY
    )
    net = temporal.load(temporal.run(config))
    assert isinstance(net, LstmNet) and net.config.window == 4
    joints = np.zeros((1, 6, 21, 3), np.float32)
    assert temporal.refined(net, joints).shape == joints.shape
