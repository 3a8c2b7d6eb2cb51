"""The body regressor: 85 parameters, the mean that it starts from, HMR's rounds, what a vector means."""

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from scipy.spatial.transform import Rotation

from posecore.motion import forward_kinematics
from posecore.nets import BODY_REGRESSOR_PRESETS, CAMERA_KINDS, BodyRegressor, BodyRegressorConfig, axis_angle_to_matrix
from posecore.proportions import default_offsets
from posecore.skeletons import SMPL_24

TINY = BODY_REGRESSOR_PRESETS["tiny"]
PICTURES = torch.randn(3, 3, 64, 64, generator=torch.Generator().manual_seed(0))


def net(**options):
    torch.manual_seed(0)
    return BodyRegressor(replace(TINY, **options)).eval()


@pytest.mark.parametrize(
    ("camera", "rotations", "sizes"),
    [
        ("six_dof", "axis_angle", (69, 10, 6)),
        ("six_dof", "6d", (138, 10, 9)),
        ("weak_perspective", "axis_angle", (72, 10, 3)),
        ("weak_perspective", "6d", (144, 10, 3)),
        ("affine", "axis_angle", (72, 10, 6)),
        ("affine", "6d", (144, 10, 6)),
    ],
)
def test_parameters_by_camera(camera, rotations, sizes):
    regressor = net(camera=camera, rotations=rotations)
    assert regressor.config.sizes == sizes
    found = regressor(PICTURES)
    assert found.parameters.shape == (3, sum(sizes))
    assert found.rotations.shape == found.seen_rotations().shape == (3, 24, 3, 3)
    assert found.betas.shape == (3, 10)
    assert found.project(torch.randn(3, 7, 3)).shape == (3, 7, 2)
    eye = found.rotations.mT @ found.rotations
    assert torch.allclose(eye, torch.eye(3).expand_as(eye), atol=1e-5)


def test_the_seeds_and_hmrs_counts():
    assert BODY_REGRESSOR_PRESETS["seed"].count == BODY_REGRESSOR_PRESETS["hmr"].count == 85
    assert BODY_REGRESSOR_PRESETS["hmr_6d"].count == 24 * 6 + 13
    # ResNet-50 without its classifier, and 2048 → 1024 → 1024 → 85; HMR's rounds read 85 more.
    layers = (2048 * 1024 + 1024) + (1024 * 1024 + 1024) + (1024 * 85 + 85)
    for name, more in (("seed", 0), ("hmr", 85 * 1024)):
        with torch.device("meta"):
            regressor = BodyRegressor(BODY_REGRESSOR_PRESETS[name])
        count = sum(p.numel() for p in regressor.parameters())
        assert count == 25_557_032 - 2_049_000 + layers + more


def default_body(rotations):
    """(24, 3) joints of the average adult with the pelvis at the origin, world frame, m: numpy's kinematics."""
    quaternions = Rotation.from_matrix(rotations.numpy()).as_quat()[None]
    return forward_kinematics(quaternions, default_offsets(), np.zeros((1, 3)))[0][0]


@pytest.mark.parametrize("rotations", ["axis_angle", "6d"])
@pytest.mark.parametrize("camera", CAMERA_KINDS)
def test_the_mean_stands_upright_before_the_camera_and_fills_the_crop(camera, rotations):
    regressor = net(camera=camera, rotations=rotations)
    mean = regressor.decode(regressor.mean[None])
    joints = default_body(mean.rotations[0])
    top = joints[SMPL_24.index("head")] + (0.0, 0.22, 0.0)
    sole = joints[SMPL_24.index("l_foot")] + (0.0, -0.03, 0.1)
    shown = mean.project(torch.from_numpy(np.stack([*joints, top, sole])).float()[None])[0]
    place = dict(zip((*SMPL_24.joints, "top", "sole"), shown.tolist(), strict=True))
    assert float(shown.abs().max()) < 0.95  # all of them in the crop
    assert place["sole"][1] - place["top"][1] > 1.4  # and large in it; y is down
    assert place["top"][1] < place["neck"][1] < place["l_knee"][1] < place["l_ankle"][1]
    assert place["l_wrist"][0] > 0.2 and place["r_wrist"][0] < -0.2  # facing us, their left at our right
    assert place["l_shoulder"][1] < place["l_elbow"][1] < place["l_wrist"][1]  # arms down
    toes = torch.from_numpy(joints[SMPL_24.indices(("l_foot", "l_ankle"))]).float()[None]
    depths = (toes @ mean.camera.rotation.mT)[0, :, 2]
    assert depths[0] < depths[1]  # toes toward us
    assert float(mean.betas.abs().max()) == 0


@pytest.mark.parametrize("rounds", [0, 1, 3])
def test_a_new_net_says_the_mean_nearly(rounds):
    regressor = net(rounds=rounds, rotations="6d")
    found = regressor(PICTURES).parameters
    assert 0 < float((found - regressor.mean).detach().abs().max()) < 0.1


def test_three_rounds_are_three_corrections():
    regressor = net(rounds=3)
    torch.nn.init.normal_(regressor.layers[-1].weight, std=0.1)
    features = regressor.encoder(PICTURES)
    parameters, by_hand = regressor.mean.expand(3, -1), []
    for _ in range(3):
        parameters = parameters + regressor.layers(torch.cat([features, parameters], 1))
        by_hand.append(parameters)
    found = regressor.regress(PICTURES)
    assert len(found) == 3
    assert all(torch.allclose(a, b, atol=1e-6) for a, b in zip(found, by_hand, strict=True))
    assert not torch.allclose(found[1], found[2], atol=1e-3)
    assert torch.equal(regressor(PICTURES).parameters, found[-1])
    assert len(net().regress(PICTURES)) == 1


@pytest.mark.parametrize("options", [{}, {"rounds": 3, "rotations": "6d"}, {"camera": "affine"}])
def test_every_weight_has_a_gradient(options):
    regressor = BodyRegressor(replace(TINY, **options)).train()
    found = regressor(PICTURES)
    loss = found.project(torch.randn(3, 9, 3)).sum() + found.rotations.square().sum() + found.betas.sum()
    (loss + (found.seen_rotations() * torch.randn(3, 24, 3, 3)).sum()).backward()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in regressor.parameters())
    assert (regressor.layers[-1].weight.grad.abs().sum(1) > 0).all()  # all parameters matter


def test_a_vector_means_what_its_layout_says():
    vectors = torch.randn(2, 85, generator=torch.Generator().manual_seed(1)) * 0.5
    vectors[:, -1] += 5
    found = net().decode(vectors)
    turns = torch.from_numpy(Rotation.from_rotvec(vectors[:, :69].reshape(-1, 3).numpy()).as_matrix()).float()
    assert torch.allclose(found.rotations[:, 1:].reshape(-1, 3, 3), turns, atol=1e-5)
    assert torch.equal(found.rotations[:, SMPL_24.index("pelvis")], torch.eye(3).expand(2, 3, 3))
    assert torch.equal(found.betas, vectors[:, 69:79])
    point = torch.tensor([0.3, 0.2, 0.1])
    turned = Rotation.from_rotvec(vectors[0, 79:82].numpy()).apply(point.numpy()) * (1, -1, -1)
    x, y, z = turned + vectors[0, 82:].numpy()
    assert found.project(point.expand(2, 1, 3))[0, 0].tolist() == pytest.approx([5 * x / z, 5 * y / z], rel=1e-5)


def test_layouts_differ_in_the_vector_only():
    first, second = (net(rotations="6d", layout=layout) for layout in ("2x3", "3x2"))
    assert first.mean[:6].tolist() == [1, 0, 0, 0, 1, 0] and second.mean[:6].tolist() == [1, 0, 0, 1, 0, 0]
    assert torch.allclose(first.decode(first.mean[None]).rotations, second.decode(second.mean[None]).rotations)


def test_seen_rotations_hold_what_the_camera_turned():
    """A person turned by the six_dof camera and one turned by θ's root are posed and seen alike."""
    turn = torch.tensor([0.2, 2.5, -0.3])
    camera, root = net(), net(camera="weak_perspective")
    first, second = camera.mean[None].clone(), root.mean[None].clone()
    first[0, 79:82], second[0, :3] = turn, turn
    turned, rooted = camera.decode(first), root.decode(second)
    assert torch.allclose(turned.seen_rotations(), rooted.seen_rotations(), atol=1e-6)
    assert torch.allclose(rooted.seen_rotations(), rooted.rotations, atol=1e-6)
    assert torch.allclose(turned.seen_rotations()[0, 0], axis_angle_to_matrix(turn), atol=1e-6)
    # Far away and with a long lens, perspective is weak: the two cameras agree.
    body = torch.from_numpy(default_body(rooted.rotations[0])).float()[None]
    straight = torch.from_numpy(default_body(turned.rotations[0])).float()[None]
    first[0, 84] = 500.0
    far = camera.decode(first, focal=450.0)
    assert torch.allclose(far.project(straight), rooted.project(body), atol=3e-3)


def test_focal_and_centre_come_with_the_picture():
    camera = net()
    point = torch.tensor([0.3, 0.0, 0.0]).expand(2, 1, 3)
    vectors = camera.mean.expand(2, -1)
    found = camera.decode(vectors, focal=torch.tensor([5.0, 10.0])).project(point)
    assert float(found[1, 0, 0] / found[0, 0, 0]) == pytest.approx(2.0)
    affine = net(camera="affine")
    moved = affine.decode(affine.mean[None], centre=torch.tensor([[0.1, 0.2]])).project(torch.zeros(1, 1, 3))
    assert moved[0, 0].tolist() == pytest.approx([0.1, 0.2])


def test_another_mean():
    regressor = net()
    pose = torch.randn(24, 3, generator=torch.Generator().manual_seed(2))
    regressor.set_mean(pose, torch.arange(10.0))
    mean = regressor.decode(regressor.mean[None])
    assert torch.allclose(mean.seen_rotations()[0], axis_angle_to_matrix(pose), atol=1e-6)
    assert mean.betas[0].tolist() == list(range(10))
    loaded = net()
    loaded.load_state_dict(regressor.state_dict())  # the mean travels with the weights
    assert torch.equal(loaded.mean, regressor.mean)


def test_what_is_wrong_is_said():
    with pytest.raises(ValueError, match="camera must be one of six_dof, weak_perspective, affine"):
        BodyRegressorConfig(camera="pinhole")
    with pytest.raises(ValueError, match="rotations must be 'axis_angle' or '6d'"):
        BodyRegressorConfig(rotations="quaternion")
    with pytest.raises(ValueError, match="rounds must be 0 or more"):
        BodyRegressorConfig(rounds=-1)
    with pytest.raises(ValueError, match="focal must be positive"):
        BodyRegressorConfig(focal=0.0)
    with pytest.raises(ValueError, match=r"expected \(N, 85\) parameters, got \(1, 82\)"):
        net().decode(torch.zeros(1, 82))
    with pytest.raises(ValueError, match=r"expected a mean pose of \(24, 3\), got \(23, 3\)"):
        net().set_mean(torch.zeros(23, 3))
