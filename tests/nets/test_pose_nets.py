"""Lifting net and TP-Net: shapes, parameter counts against the papers by hand, normalisation."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from posecore.nets.lifting import LIFTING_PRESETS, LiftingConfig, LiftingNet, Normaliser, clip_weight_norm
from posecore.nets.recurrent import LSTM_PRESETS, LstmConfig, LstmNet
from posecore.nets.temporal import TEMPORAL_PRESETS, TemporalConfig, TemporalNet


def parameters(net):
    return sum(p.numel() for p in net.parameters())


def test_martinez_has_the_papers_parameters():
    # 16 joints x 2 -> 1024; 2 blocks of 2 x (1024 -> 1024); 1024 -> 16 x 3; batch norm: 2 a unit in 5 layers.
    by_hand = (32 * 1024 + 1024) + 4 * (1024 * 1024 + 1024) + (1024 * 48 + 48) + 5 * 2 * 1024
    assert by_hand == 4_291_632  # "around 4 to 5 million" (Martinez et al. 2017)
    assert parameters(LiftingNet(LIFTING_PRESETS["paper"])) == by_hand


def test_tpnet_has_the_papers_parameters():
    by_hand = (20 * 48 * 4096 + 4096) + (4096 * 4096 + 4096) + (4096 * 48 + 48)
    assert by_hand == 20_914_224
    assert parameters(TemporalNet(TEMPORAL_PRESETS["paper"])) == by_hand


@pytest.mark.parametrize(("joints", "channels"), [(16, 2), (17, 3), (21, 3)])
def test_lifting_shapes_and_gradients(joints, channels):
    net = LiftingNet(LiftingConfig(width=8, blocks=1, joints=joints, channels=channels))
    out = net(torch.randn(5, joints, channels))
    assert out.shape == (5, joints, 3)
    out.sum().backward()
    assert all(p.grad is not None for p in net.parameters())


def test_lifting_refuses_four_channels():
    with pytest.raises(ValueError, match="channels must be 2"):
        LiftingConfig(channels=4)


def test_normaliser_round_trip_and_constant_coordinates():
    samples = torch.randn(1000, 4, 3) * 3 + 5
    samples[:, 0] = 0  # the root
    layer = Normaliser(4, 3)
    layer.fit(samples)
    normalised = layer(samples)
    assert torch.allclose(normalised[:, 1:].mean(0), torch.zeros(3, 3), atol=1e-5)
    assert torch.allclose(normalised[:, 1:].std(0), torch.ones(3, 3), atol=1e-4)
    assert (normalised[:, 0] == 0).all()
    assert torch.allclose(layer.inverse(normalised), samples, atol=1e-5)
    assert (layer.inverse(torch.randn(1000, 4, 3))[:, 0] == 0).all(), "whatever a net says of it"


def test_normalisation_is_part_of_the_lifting_net():
    # Moving the output statistics moves the output: users never see normalised values.
    net = LiftingNet(LIFTING_PRESETS["tiny"]).eval()
    x = torch.randn(2, 21, 3)
    before = net(x)
    net.output.mean += 1.0
    assert torch.allclose(net(x), before + 1.0, atol=1e-5)


def test_max_norm_cuts_the_whole_matrix():
    net = LiftingNet(LIFTING_PRESETS["tiny"])
    matrices = [m.weight.data for m in net.modules() if isinstance(m, torch.nn.Linear)]
    direction = matrices[0] / matrices[0].norm()
    net.clip_weights(1.0)
    assert all(float(m.norm()) == pytest.approx(1.0, abs=1e-5) for m in matrices)
    assert torch.allclose(matrices[0], direction, atol=1e-6)
    net.clip_weights(2.0)  # a larger limit leaves them alone
    assert float(matrices[0].norm()) == pytest.approx(1.0, abs=1e-5)


def test_max_norm_leaves_small_matrices_and_all_else_alone():
    net = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2), torch.nn.Linear(2, 2))
    with torch.no_grad():
        net[0].weight.copy_(torch.tensor([[3.0, 0.0, 0.0], [0.0, 4.0, 0.0]]))  # Frobenius norm 5, rows 3 and 4
        net[0].bias.fill_(9.0)
        net[2].weight.copy_(torch.tensor([[0.3, 0.0], [0.0, 0.4]]))
    clip_weight_norm(net, 2.5)
    assert net[0].weight.tolist() == [[1.5, 0.0, 0.0], [0.0, 2.0, 0.0]]  # both halved: the matrix, not its rows
    assert net[0].bias.tolist() == [9.0, 9.0] and net[1].weight.tolist() == [1.0, 1.0]
    assert torch.allclose(net[2].weight, torch.tensor([[0.3, 0.0], [0.0, 0.4]]))
    torch.nn.init.zeros_(net[2].weight)
    clip_weight_norm(net, 1.0)
    assert (net[2].weight == 0).all()
    with pytest.raises(ValueError, match="limit must be positive, got 0"):
        clip_weight_norm(net, 0)


def test_batch_norm_and_dropout_can_be_left_out():
    full = parameters(LiftingNet(LIFTING_PRESETS["paper"]))
    assert parameters(LiftingNet(LIFTING_PRESETS["paper_no_batch_norm"])) == full - 5 * 2 * 1024
    plain = LiftingNet(LiftingConfig(width=8, dropout=0.0, batch_norm=False))
    x = torch.randn(3, 21, 3)
    assert torch.allclose(plain.train()(x), plain.eval()(x))  # nothing left that knows of training
    assert torch.allclose(plain(x)[:1], plain(x[:1]), atol=1e-6)
    noisy = LiftingNet(LiftingConfig(width=64, dropout=0.5, batch_norm=False)).train()
    assert not torch.allclose(noisy(x), noisy(x))
    # The variants call their weights the same.
    assert set(plain.state_dict()) < set(LiftingNet(LiftingConfig(width=8)).state_dict())
    with pytest.raises(ValueError, match=r"dropout must be in \[0, 1\), got 1"):
        LiftingConfig(dropout=1.0)


@pytest.mark.parametrize("residual", [False, True])
def test_lstm_takes_and_gives_what_tpnet_does(residual):
    for current in (19, 10):
        net = LstmNet(LstmConfig(width=16, current=current, residual=residual))
        window = torch.randn(2, 20, 21, 3, requires_grad=True)
        torch.nn.init.normal_(net.output.weight)
        out = net(window)
        assert out.shape == (2, 21, 3) == TemporalNet(TemporalConfig(width=16))(window).shape
        out.sum().backward()
        assert (window.grad.abs().sum((0, 2, 3)) > 0).all()  # it reads every pose
    assert set(LSTM_PRESETS) == set(TEMPORAL_PRESETS)
    with pytest.raises(ValueError, match="current"):
        LstmConfig(window=20, current=20)


def test_lstm_has_its_parameters_by_hand():
    # 4 gates of [inputs + state + two biases] a layer; then 1024 -> 48.
    by_hand = 4 * 1024 * (48 + 1024 + 2) + 4 * 1024 * (1024 + 1024 + 2) + (1024 * 48 + 48)
    assert parameters(LstmNet(LSTM_PRESETS["paper"])) == by_hand == 12_845_104


def test_lstm_minds_the_order_of_time():
    net = LstmNet(LstmConfig(width=16)).eval()
    window = torch.randn(2, 20, 21, 3)
    assert not torch.allclose(net(window), net(window.flip(1)), atol=1e-3)


def test_residual_lstm_starts_as_tpnets_smoother():
    window = torch.randn(3, 20, 21, 3)
    lstm = LstmNet(LstmConfig(width=16, current=10, residual=True))
    dense = TemporalNet(TemporalConfig(width=16, current=10, residual=True))
    assert torch.allclose(lstm(window), dense(window), atol=1e-5)


def test_both_temporal_nets_are_in_metres():
    for net in (LstmNet(LstmConfig(width=8)), TemporalNet(TemporalConfig(width=8))):
        window = torch.randn(1, 20, 21, 3)
        before = net(window)
        net.pose.mean += 2.0
        assert torch.allclose(net(window + 2.0), before + 2.0, atol=1e-4)


def test_residual_tpnet_starts_as_a_smoother_centred_on_the_current_pose():
    for current in (19, 10):
        net = TemporalNet(TemporalConfig(width=16, current=current, residual=True)).eval()
        still = torch.randn(3, 1, 21, 3).expand(-1, 20, -1, -1)
        assert torch.allclose(net(still), still[:, 0], atol=1e-5)  # a pose that rests is left alone
        impulse = torch.zeros(20, 20, 21, 3)
        impulse[range(20), range(20)] = 1.0
        weight = net(impulse)[:, 0, 0].detach()
        assert int(weight.argmax()) == current
        assert float(weight.sum()) == pytest.approx(1.0, abs=1e-5)


def test_faithful_tpnet_predicts_the_pose_from_all_poses():
    net = TemporalNet(TemporalConfig(width=16))
    window = torch.randn(2, 20, 21, 3, requires_grad=True)
    out = net(window)
    assert out.shape == (2, 21, 3)
    out.sum().backward()
    assert (window.grad.abs().sum((0, 2, 3)) > 0).all()


def test_tpnet_refuses_a_current_outside_its_window():
    with pytest.raises(ValueError, match="current"):
        TemporalConfig(window=20, current=20)
