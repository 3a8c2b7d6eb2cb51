"""Training of the pose nets: resuming, overfitting, export. Tiny nets, drawn data."""

from __future__ import annotations

import json

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from posecore.capturing.lifting import Lifter, normalise_keypoints
from posecore.errors import SourceError
from posecore.nets.lifting import LIFTING_PRESETS, LiftingConfig, LiftingNet
from posecore.nets.temporal import TEMPORAL_PRESETS, TemporalNet
from training.pose_loop import LoopConfig, fit, load_weights, pose_loss
from training.recipes.temporal import windows


def drawn(step: int):
    generator = torch.Generator().manual_seed(step)
    inputs = torch.randn(16, 21, 3, generator=generator)
    return inputs, inputs.flip(1) * 0.3


def trained(folder, stop_at=None, steps=12, **options):
    torch.manual_seed(0)
    net = LiftingNet(LiftingConfig(width=16, blocks=1, dropout=0.5))
    loop = LoopConfig(steps=steps, log_every=2, save_every=5, **options)
    return fit(net, torch.ones(21, 3), drawn, loop, folder, {"net": {}}, stop_at=stop_at)


def test_resuming_gives_the_weights_of_an_uninterrupted_run(tmp_path):
    whole = trained(tmp_path / "whole").state_dict()
    trained(tmp_path / "cut", stop_at=5)
    resumed = trained(tmp_path / "cut").state_dict()
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)
    stored, facts = load_weights(tmp_path / "cut")
    assert all(torch.equal(whole[name], stored[name]) for name in whole)
    assert facts["step"] == 12
    log = [json.loads(line) for line in (tmp_path / "cut" / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in log] == [2, 4, 5, 6, 8, 10, 12]
    # Starting anew is another thing than resuming, and says so in the log.
    trained(tmp_path / "cut", resume=False, stop_at=2)
    assert len((tmp_path / "cut" / "log.jsonl").read_text().splitlines()) == 1


def test_no_run_is_one_clear_line(tmp_path):
    with pytest.raises(SourceError, match="checkpoint"):
        load_weights(tmp_path)


def of_root(joints: torch.Tensor) -> torch.Tensor:
    """Relative to the first joint, the root."""
    return joints - joints[..., :1, :]


@pytest.mark.parametrize("loss", ["l2", "distance"])
def test_a_tiny_lifter_overfits_eight_poses(tmp_path, loss):
    torch.manual_seed(0)
    inputs, targets = torch.randn(8, 21, 3), of_root(0.3 * torch.randn(8, 21, 3))
    net = LiftingNet(LiftingConfig(width=64, blocks=1, dropout=0.0))
    net.output.fit(targets)
    loop = LoopConfig(steps=400, learning_rate=1e-2, loss=loss, average=0.0, clip_gradient=0.0, save_every=1000)
    fit(net, net.output.scale.clone(), lambda step: (inputs, targets), loop, tmp_path, {})
    net.train()  # batch statistics of these very eight
    assert float((of_root(net(inputs)) - targets).norm(dim=-1).mean().detach()) < 0.03


def test_a_tiny_tpnet_learns_to_average_noise_away(tmp_path):
    def batches(step: int):
        generator = torch.Generator().manual_seed(step)
        pose = torch.randn(64, 1, 3, 3, generator=generator)
        noisy = pose + 0.3 * torch.randn(64, 20, 3, 3, generator=generator)
        return of_root(noisy), of_root(pose)[:, 0]

    from posecore.nets.temporal import TemporalConfig

    net = TemporalNet(TemporalConfig(width=128, joints=3, residual=True))
    loop = LoopConfig(steps=250, learning_rate=3e-3, average=0.9, save_every=1000)
    best = fit(net, torch.ones(3, 3), batches, loop, tmp_path, {})
    inputs, targets = batches(10_000)
    before = (inputs[:, -1] - targets).norm(dim=-1).mean()
    after = (of_root(best(inputs)) - targets).norm(dim=-1).mean()
    assert after < 0.8 * before


def test_losses_by_hand():
    prediction, target = torch.zeros(1, 2, 3), torch.tensor([[[3.0, 0.0, 4.0], [0.0, 0.0, 0.0]]])
    std = torch.full((2, 3), 2.0)
    assert float(pose_loss(prediction, target, std, "distance")) == pytest.approx(2.5)
    assert float(pose_loss(prediction, target, std, "l2")) == pytest.approx((9 + 16) / 4 / 3 / 2)
    weights = torch.tensor([3.0, 1.0])
    assert float(pose_loss(prediction, target, std, "distance", weights)) == pytest.approx(5 * 3 / 4)


def test_windows_repeat_the_ends():
    joints = np.arange(5, dtype=np.float32).reshape(1, 5, 1, 1)
    online = windows(joints, 4, 3)[0, :, :, 0, 0]
    assert online.tolist() == [[0, 0, 0, 0], [0, 0, 0, 1], [0, 0, 1, 2], [0, 1, 2, 3], [1, 2, 3, 4]]
    semi = windows(joints, 4, 2)[0, :, :, 0, 0]
    assert semi[0].tolist() == [0, 0, 0, 1]
    assert semi[4].tolist() == [2, 3, 4, 4]


def test_padded_runs_repeat_a_border_that_stands_still(monkeypatch):
    """Four windows over frames 0..: with the clip starting at frame 2, frame 2 stands in for 0 and 1 in all of them."""
    from training.recipes import temporal

    clip = np.arange(9, dtype=np.float32)
    run = np.stack([clip[i : i + 6] for i in range(4)])[None, :, :, None, None]
    monkeypatch.setattr(temporal, "_PADDED_SHARE", 0.0)
    rng = np.random.default_rng(0)
    assert np.array_equal(temporal._padded(rng, run, 3).numpy(), run)

    class Always:
        def random(self, count):
            return np.zeros(count)

        def integers(self, low, high, count):
            return np.full(count, 2 if low == 0 else 7)  # starts at frame 2, ends at frame 7

    monkeypatch.setattr(temporal, "_PADDED_SHARE", 1.0)
    padded = temporal._padded(Always(), run, 3).numpy()[0, :, :, 0, 0]
    assert padded.tolist() == [[2, 2, 2, 3, 4, 5], [2, 2, 3, 4, 5, 6], [2, 3, 4, 5, 6, 7], [3, 4, 5, 6, 7, 7]]


def test_acceleration_loss_by_hand():
    from training.recipes.temporal import _RUN, _acceleration_loss

    target = torch.zeros(2 * _RUN, 1, 3)
    prediction = target.clone()
    prediction[:_RUN, 0, 0] = torch.arange(_RUN) ** 2.0  # second difference 2 in the first run, 0 in the second
    assert float(_acceleration_loss(prediction, target)) == pytest.approx(1.0)


def test_exported_lifter_equals_torch_through_the_run_time_wrapper(tmp_path):
    pytest.importorskip("onnxscript")
    onnxruntime = pytest.importorskip("onnxruntime")
    from training.export_pose import export

    torch.manual_seed(0)
    net = LiftingNet(LIFTING_PRESETS["tiny"]).eval()
    rng = np.random.default_rng(0)
    keypoints, confidence = rng.normal(size=(7, 21, 2)) * 50 + 300, rng.random((7, 21))
    features = torch.from_numpy(normalise_keypoints(keypoints, confidence))
    net.input.fit(features)
    net.output.fit(torch.randn(100, 21, 3) * 0.3)
    result = export(net, tmp_path / "lifter.onnx", "keypoints", "joints", features[:3])
    assert result["parity_mm"] < 2.0
    session = onnxruntime.InferenceSession(str(tmp_path / "lifter.onnx"), providers=["CPUExecutionProvider"])
    joints = Lifter(session=session)(keypoints, confidence)  # another batch size than the exported one
    expected = net(features).detach().numpy()
    assert np.allclose(joints, expected - expected[:, :1], atol=2e-3)


def test_exported_tpnet_equals_torch_with_half_precision_weights(tmp_path):
    pytest.importorskip("onnxscript")
    onnxruntime = pytest.importorskip("onnxruntime")
    from training.export_pose import export

    torch.manual_seed(0)
    net = TemporalNet(TEMPORAL_PRESETS["tiny"]).eval()
    torch.nn.init.normal_(net.layers[-1].weight, std=0.02)
    example = torch.randn(4, 20, 21, 3) * 0.3
    result = export(net, tmp_path / "tp.onnx", "joints", "refined", example)
    assert result["weights"] == "float16"
    session = onnxruntime.InferenceSession(str(tmp_path / "tp.onnx"), providers=["CPUExecutionProvider"])
    assert {i.type for i in (*session.get_inputs(), *session.get_outputs())} == {"tensor(float)"}
    other = torch.randn(9, 20, 21, 3) * 0.3
    expected = net(other).detach().numpy()
    found = session.run(["refined"], {"joints": other.numpy()})[0]
    assert np.allclose(found, expected - expected[:, :1], atol=2e-3)
    assert (found[:, 0] == 0).all()


def test_recipes_from_motion_to_weights(motion_data, tmp_path, monkeypatch):
    """Both recipes and the export as commands, on a tiny net."""
    pytest.importorskip("onnxscript")
    pytest.importorskip("onnxruntime")
    from posecore.runtime.cards import read_card, sha256_of
    from training import export_pose
    from training.recipes import lift, temporal

    monkeypatch.setattr(temporal, "_SCENES", 4)
    common = ["--data", str(motion_data), "--preset", "tiny", "--loop.batch", "32"]
    lift.main([*common, "--out", str(tmp_path / "lift"), "--loop.steps", "3"])
    lifter = ["--lifter", str(tmp_path / "lift")]
    temporal.main([*common, *lifter, "--out", str(tmp_path / "temporal"), "--loop.steps", "3"])
    log = [json.loads(line) for line in (tmp_path / "temporal" / "log.jsonl").read_text().splitlines()]
    assert {"before_mpjpe_mm", "after_mpjpe_mm", "after_acceleration_m_s2"} <= set(log[-1])
    (tmp_path / "out").mkdir()
    online = ["--online", str(tmp_path / "temporal"), "--out", str(tmp_path / "out")]
    export_pose.main(["--data", str(motion_data), *lifter, *online])
    for name in ("lifter", "tpnet_online"):
        card = read_card(tmp_path / "out" / f"{name}.json")
        assert card.files == {f"{name}.onnx": sha256_of(tmp_path / "out" / f"{name}.onnx")}
        assert card.metrics["held-out CMU subjects, virtual cameras, noise as in training"]
