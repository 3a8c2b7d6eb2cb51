"""WGAN-GP: signs, the penalty of critics made by hand, where its gradient goes, a critic that learns."""

import pytest
import torch
from torch import nn

from posecore.losses import (
    CRITIC_BETAS,
    CRITIC_LEARNING_RATE,
    PENALTY_WEIGHT,
    critic_loss,
    generator_loss,
    gradient_penalty,
    interpolates,
)
from posecore.nets.body_critic import BODY_CRITIC_PRESETS, BodyCritic
from posecore.nets.rotations import axis_angle_to_matrix


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_higher_is_more_real() -> None:
    real, fake = torch.full((4, 1), 3.0), torch.zeros(4, 1)

    def critic(x: torch.Tensor) -> torch.Tensor:
        return x[:, 0]  # gradient of norm 1: no penalty

    loss = critic_loss(critic, [real], [fake])
    assert loss.total.item() == pytest.approx(-3.0) and loss.distance.item() == pytest.approx(3.0)
    # The critic that calls the fake real pays for it, and the generator gains.
    assert critic_loss(lambda x: -x[:, 0], [real], [fake]).total.item() == pytest.approx(3.0)
    assert generator_loss(torch.tensor([1.0, 3.0])).item() == -2.0
    assert generator_loss(critic(real)) < generator_loss(critic(fake))


def test_penalty_by_hand() -> None:
    real, fake = [random(5, 3), random(5, 2, 2, seed=1)], [random(5, 3, seed=2), random(5, 2, 2, seed=3)]
    direction = random(7, seed=4)
    direction /= direction.norm()

    def linear(length: float):  # type: ignore[no-untyped-def]
        return lambda a, b: torch.cat([a, b.flatten(1)], 1) @ direction * length

    assert gradient_penalty(linear(1.0), real, fake).item() == pytest.approx(0, abs=1e-12)
    # The norm is over all inputs together: (3 − 1)², (0 − 1)².
    assert gradient_penalty(linear(3.0), real, fake).item() == pytest.approx(4.0)
    assert gradient_penalty(lambda a, b: a.sum(1) * 0, real, fake).item() == pytest.approx(1.0, abs=1e-5)
    # An input that is not looked at adds nothing.
    only = direction[:3] / direction[:3].norm()
    assert gradient_penalty(lambda a, b: a @ only, real, fake).item() == pytest.approx(0, abs=1e-12)
    total = critic_loss(linear(3.0), real, fake)
    assert total.total.item() == pytest.approx(PENALTY_WEIGHT * 4.0 - total.distance.item())


def test_penalty_is_taken_between_real_and_fake() -> None:
    """Of x²: the gradient at the interpolate is twice it."""
    real, fake = [torch.full((1000, 1), 2.0)], [torch.full((1000, 1), 4.0)]
    (between,) = interpolates(real, fake, seeded())
    assert 2.0 <= float(between.min()) < 2.05 and 3.95 < float(between.max()) <= 4.0
    assert float(between.mean()) == pytest.approx(3.0, abs=0.05)
    penalty = gradient_penalty(lambda x: (x**2)[:, 0], real, fake, seeded())
    assert penalty.item() == pytest.approx((2 * between - 1).square().mean().item())


def test_one_share_for_all_inputs_of_a_sample() -> None:
    real, fake = [torch.ones(6, 2), torch.ones(6, 3, 3)], [torch.zeros(6, 2), torch.zeros(6, 3, 3)]
    first, second = interpolates(real, fake, seeded())
    assert torch.equal(first[:, 0], second[:, 1, 2])
    assert len(set(first[:, 0].tolist())) == 6
    with pytest.raises(ValueError, match=r"expected equal shapes \(N, \.\.\.\), got real \[\(6, 2\)\]"):
        interpolates(real[:1], [torch.zeros(5, 2)])


def body_batch(count: int, spread: float, seed: int) -> list[torch.Tensor]:
    return [
        axis_angle_to_matrix(random(count, 24, 3, seed=seed).float() * spread),
        random(count, 10, seed=seed + 1).float() * spread,
        random(count, 24, 3, seed=seed + 2).float() * spread,
    ]


def test_the_penaltys_gradient_reaches_every_stream_of_the_critic_and_nothing_else() -> None:
    torch.manual_seed(0)
    critic = BodyCritic(BODY_CRITIC_PRESETS["tiny"])
    real, fake = body_batch(6, 0.3, 0), body_batch(6, 0.8, 10)
    for value in fake:
        value.requires_grad_()
    gradient_penalty(critic, real, fake, seeded()).backward()
    for name, parameter in critic.named_parameters():
        if not name.endswith("bias"):  # a bias moves the scores, hardly their slope
            assert parameter.grad is not None and float(parameter.grad.abs().sum()) > 0, name
    assert all(value.grad is None for value in fake)


def test_the_critics_loss_leaves_the_generator_alone() -> None:
    critic = BodyCritic(BODY_CRITIC_PRESETS["tiny"])
    real, fake = body_batch(3, 0.3, 0), [value.requires_grad_() for value in body_batch(3, 0.8, 10)]
    critic_loss(critic, real, fake).total.backward()
    assert all(value.grad is None for value in fake)
    critic.requires_grad_(False)
    generator_loss(critic(*fake)).backward()
    assert all(value.grad is not None and float(value.grad.abs().sum()) > 0 for value in fake)


def test_a_penalty_is_possible_where_gradients_are_off() -> None:
    with torch.no_grad():
        assert gradient_penalty(lambda x: 2 * x[:, 0], [torch.ones(2, 1)], [torch.zeros(2, 1)]).item() == 1.0


def test_gradients_in_double_precision() -> None:
    real, fake = [random(3, 4)], [random(3, 4, seed=1)]
    weights = (random(4, 5, seed=2).requires_grad_(), random(5, seed=3).requires_grad_())

    def loss(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
        return critic_loss(lambda x: (x @ first).tanh() @ second, real, fake, generator=seeded()).total

    assert torch.autograd.gradcheck(loss, weights)
    scores = random(4).requires_grad_()
    assert torch.autograd.gradcheck(generator_loss, scores)


def test_critic_steps_lower_its_loss_and_tell_wide_from_narrow_poses() -> None:
    torch.manual_seed(0)
    critic = BodyCritic(BODY_CRITIC_PRESETS["tiny"])
    real, fake = body_batch(64, 0.2, 0), body_batch(64, 1.0, 10)
    optimizer = torch.optim.Adam(critic.parameters(), CRITIC_LEARNING_RATE, CRITIC_BETAS)
    losses = []
    for _ in range(3):
        optimizer.zero_grad()
        loss = critic_loss(critic, real, fake, generator=seeded()).total
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[2] < losses[1] < losses[0]
    faster = torch.optim.Adam(critic.parameters(), 3e-3, CRITIC_BETAS)
    for _ in range(40):
        faster.zero_grad()
        critic_loss(critic, real, fake, generator=seeded()).total.backward()
        faster.step()
    with torch.no_grad():
        unseen, wild = body_batch(64, 0.2, 20), body_batch(64, 1.0, 30)
        right = (critic(*unseen)[:, None] > critic(*wild)[None]).float().mean()
    assert float(right) > 0.95


@pytest.mark.parametrize("side", [(2.0, 0.0), (-2.0, 0.0), (0.0, 2.0)])
def test_the_generator_is_led_to_the_real_ones_from_every_side(side: tuple[float, float]) -> None:
    torch.manual_seed(0)
    critic = nn.Sequential(nn.Linear(2, 16), nn.LeakyReLU(0.2), nn.Linear(16, 1), nn.Flatten(0))
    middle = torch.tensor([1.0, 1.0])
    real = random(32, 2).float() * 0.1 + middle
    place = (middle + torch.tensor(side)).requires_grad_()
    fake = random(32, 2, seed=1).float() * 0.1 + place
    optimizer = torch.optim.Adam(critic.parameters(), 0.02, CRITIC_BETAS)
    for _ in range(60):
        optimizer.zero_grad()
        critic_loss(critic, [real], [fake], generator=seeded()).total.backward()
        optimizer.step()
    generator_loss(critic(fake)).backward()
    assert place.grad is not None
    # Straight to them, at the slope that the penalty holds the critic to.
    assert (-place.grad).tolist() == pytest.approx([-side[0] / 2, -side[1] / 2], abs=0.25)
