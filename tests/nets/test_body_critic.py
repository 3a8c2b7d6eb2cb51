"""The critic of bodies: kinematic chain space by hand, streams on and off, what it looks at."""

from dataclasses import replace

import pytest

torch = pytest.importorskip("torch")

from posecore.nets import BODY_CRITIC_PRESETS, BodyCritic, BodyCriticConfig, axis_angle_to_matrix, kinematic_chain_space
from posecore.skeletons import H36M_17, SMPL_24, Skeleton

TINY = BODY_CRITIC_PRESETS["tiny"]


def bodies(count=4, seed=0, joints=24):
    generator = torch.Generator().manual_seed(seed)
    turns = axis_angle_to_matrix(torch.randn(count, 24, 3, generator=generator))
    return [turns, torch.randn(count, 10, generator=generator), torch.randn(count, joints, 3, generator=generator)]


def test_chain_space_by_hand():
    arm = Skeleton("ARM", ("shoulder", "elbow", "wrist"), {"elbow": "shoulder", "wrist": "elbow"})
    joints = torch.tensor([[[0.0, 0, 0], [3.0, 0, 0], [3.0, 2.0, 0]], [[1.0, 1, 1], [2.0, 1, 1], [4.0, 1, 1]]])
    # Bones of 3 and 2 at a right angle; bones of 1 and 2 in one line.
    assert kinematic_chain_space(joints, arm).tolist() == [[[9.0, 0.0], [0.0, 4.0]], [[1.0, 2.0], [2.0, 4.0]]]


def test_chain_space_does_not_see_where_the_body_is_or_faces():
    joints = bodies()[2].double()
    turn = axis_angle_to_matrix(torch.tensor([0.3, 2.0, -0.5]).double())
    moved = joints @ turn.mT + torch.tensor([1.0, 2.0, 3.0])
    assert torch.allclose(kinematic_chain_space(joints), kinematic_chain_space(moved))
    assert kinematic_chain_space(joints).shape == (4, 23, 23)
    lengths = [(joints[:, child] - joints[:, parent]).square().sum(-1) for parent, child in SMPL_24.bones]
    assert torch.allclose(kinematic_chain_space(joints).diagonal(dim1=1, dim2=2), torch.stack(lengths, 1))


def test_chain_space_gradient_and_wrong_joints():
    leg = Skeleton("LEG", ("hip", "knee", "ankle"), {"knee": "hip", "ankle": "knee"})
    joints = bodies(2, joints=3)[2].double().requires_grad_()
    assert torch.autograd.gradcheck(lambda x: kinematic_chain_space(x, leg), joints)
    with pytest.raises(ValueError, match=r"expected \(N, 17, 3\) joints of H36M_17, got \(4, 24, 3\)"):
        kinematic_chain_space(bodies()[2], H36M_17)


@pytest.mark.parametrize("off", [(), ("rotations",), ("shape",), ("kinematics",), ("rotations", "kinematics")])
def test_streams_look_at_what_they_should_and_nothing_else(off):
    critic = BodyCritic(replace(TINY, **dict.fromkeys(off, False)))
    inputs = [value.requires_grad_() for value in bodies()]
    score = critic(*inputs)
    assert score.shape == (4,)
    gradients = torch.autograd.grad(score.sum(), inputs, allow_unused=True)
    for name, gradient in zip(("rotations", "shape", "kinematics"), gradients, strict=True):
        assert (gradient is None) == (name in off)
    score = critic(*(None if gradient is None else value for value, gradient in zip(inputs, gradients, strict=True)))
    score.sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in critic.parameters())


def test_the_rotation_stream_sees_every_joint_but_the_root():
    critic = BodyCritic(replace(TINY, shape=False, kinematics=False))
    turns = bodies()[0].requires_grad_()
    critic(turns, None, None).sum().backward()
    seen = turns.grad.abs().sum((0, 2, 3)) > 0
    assert {name for name, yes in zip(SMPL_24.joints, seen.tolist(), strict=True) if not yes} == {"pelvis"}


def test_without_rotations_and_shape_a_turned_body_has_the_same_score():
    critic = BodyCritic(replace(TINY, rotations=False, shape=False)).eval()
    joints = bodies()[2]
    turn = axis_angle_to_matrix(torch.tensor([0.0, 1.0, 0.0]))
    assert torch.allclose(critic(None, None, joints), critic(None, None, joints @ turn.mT), atol=1e-5)


def test_samples_are_judged_one_by_one():
    critic = BodyCritic(TINY).train()
    inputs = bodies()
    alone = torch.cat([critic(*(value[row : row + 1] for value in inputs)) for row in range(4)])
    assert torch.allclose(critic(*inputs), alone, atol=1e-6)


def test_size_by_hand():
    rotations = (9 * 32 + 32) + (32 * 32 + 32) + 23 * 32 + (23 * 32 * 1024 + 1024) + (1024 * 1024 + 1024)
    shape = (10 * 10 + 10) + (10 * 5 + 5)
    chains = (276 * 1024 + 1024) + 2 * (1024 * 1024 + 1024)  # 23 · 24 / 2 entries of the upper triangle
    merge = ((23 + 1024 + 5 + 1024) * 1024 + 1024) + (1024 + 1)
    with torch.device("meta"):
        critic = BodyCritic(BODY_CRITIC_PRESETS["paper"])
    count = sum(p.numel() for p in critic.parameters())
    assert count == rotations + shape + chains + merge


def test_other_joint_sets_and_what_is_missing():
    critic = BodyCritic(replace(TINY, rotations=False, shape=False, skeleton=H36M_17))
    assert critic(None, None, torch.randn(2, 17, 3)).shape == (2,)
    with pytest.raises(ValueError, match="this critic looks at betas: give them, or switch that stream off"):
        BodyCritic(TINY)(bodies()[0], None, bodies()[2])
    with pytest.raises(ValueError, match="at least one stream"):
        BodyCriticConfig(rotations=False, shape=False, kinematics=False)
