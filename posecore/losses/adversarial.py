"""Improved Wasserstein training (Gulrajani et al. 2017), as RepNet and seed 003 train their critic.

**Higher is more real.** The critic minimises mean(fake) − mean(real) + 10 · penalty, the generator −mean(fake).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

__all__ = [
    "CRITIC_BETAS",
    "CRITIC_LEARNING_RATE",
    "CRITIC_STEPS",
    "PENALTY_WEIGHT",
    "CriticLoss",
    "critic_loss",
    "generator_loss",
    "gradient_penalty",
    "interpolates",
]

#: λ of the penalty (Gulrajani et al. 2017, algorithm 1).
PENALTY_WEIGHT = 10.0
#: Critic steps for every step of the generator (the same).
CRITIC_STEPS = 5
#: Adam's rate and β1, β2 for the critic: ``Adam(critic.parameters(), CRITIC_LEARNING_RATE, CRITIC_BETAS)``. The paper's
#: algorithm 1 prints β1 = 0; 0.5 is the project's.
CRITIC_LEARNING_RATE = 1e-4
CRITIC_BETAS = (0.5, 0.9)

#: A critic: (N, ...) tensors in, scores (N,) out.
Critic = Callable[..., Tensor]


class CriticLoss(NamedTuple):
    """What the critic minimises, and its parts (scalars)."""

    total: Tensor
    #: mean(real) − mean(fake): how well it tells them apart; an estimate of the Wasserstein distance.
    distance: Tensor
    #: without its weight.
    penalty: Tensor


def interpolates(
    real: Sequence[Tensor], fake: Sequence[Tensor], generator: torch.Generator | None = None
) -> list[Tensor]:
    """Points between real and fake: of every sample one share ε, the same in all inputs, even in [0, 1].

    Args:
        real, fake: equally many tensors (N, ...) of equal shapes.

    Raises:
        ValueError: they are not.
    """
    shapes = [[tuple(value.shape) for value in side] for side in (real, fake)]
    if shapes[0] != shapes[1] or len({shape[0] for shape in shapes[0]}) != 1:
        raise ValueError(f"expected equal shapes (N, ...), got real {shapes[0]} and fake {shapes[1]}")
    share = torch.rand(len(real[0]), generator=generator).to(real[0])
    return [
        torch.lerp(b.detach(), a.detach(), share.reshape(-1, *[1] * (a.ndim - 1)).to(a))
        for a, b in zip(real, fake, strict=True)
    ]


def gradient_penalty(
    critic: Critic, real: Sequence[Tensor], fake: Sequence[Tensor], generator: torch.Generator | None = None
) -> Tensor:
    """(‖∇ critic‖ − 1)² at :func:`interpolates`, the norm over all inputs of a sample together.

    Gulrajani et al. 2017, eq. 3. An input that the critic does not look at adds nothing. The answer has a gradient to
    the critic's parameters, and none to ``real`` or ``fake``.

    Args:
        critic: called with as many tensors as ``real`` has.

    Returns:
        scalar, mean over samples, without :data:`PENALTY_WEIGHT`.
    """
    between = [value.requires_grad_() for value in interpolates(real, fake, generator)]
    with torch.enable_grad():
        gradients = torch.autograd.grad(critic(*between).sum(), between, create_graph=True, allow_unused=True)
    squared = [gradient.flatten(1).square().sum(1) for gradient in gradients if gradient is not None]
    # The epsilon keeps the root's derivative finite where a critic is flat.
    norm = torch.stack(squared).sum(0).add(1e-12).sqrt()
    return (norm - 1.0).square().mean()


def critic_loss(
    critic: Critic,
    real: Sequence[Tensor],
    fake: Sequence[Tensor],
    penalty_weight: float = PENALTY_WEIGHT,
    generator: torch.Generator | None = None,
) -> CriticLoss:
    """mean(fake) − mean(real) + λ · :func:`gradient_penalty`: one step's loss of the critic.

    Args:
        real, fake: the critic's inputs, e.g. (rotations, betas, joints), equal shapes; no gradient goes back to them.
        generator: of the interpolates' shares, on the CPU.
    """
    real, fake = ([value.detach() for value in side] for side in (real, fake))
    distance = critic(*real).mean() - critic(*fake).mean()
    penalty = gradient_penalty(critic, real, fake, generator)
    return CriticLoss(penalty_weight * penalty - distance, distance, penalty)


def generator_loss(scores: Tensor) -> Tensor:
    """−mean of the critic's scores (N,) of generated samples, for the generator to minimise."""
    return -scores.mean()
