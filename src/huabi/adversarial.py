"""Adversarial losses and the critics' penalties: what every contest between two networks is made of.

Scores are of any shape (B, ...), one for a picture or one for each of its patches; every result is a mean, or (B,).
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

LOSSES = ("relativistic", "hinge", "least-squares", "nonsaturating", "wgan-gp")


def generator_loss(loss: str, fake: Tensor, real: Tensor | None = None) -> Tensor:
    """What the generator lowers, from the scores of its pictures, and for the relativistic loss of real ones too.

    Sources: Jolicoeur-Martineau 2018, eq. 6 (relativistic); Lim and Ye 2017 (hinge); Mao et al. 2017, eq. 9 (least
    squares); Goodfellow et al. 2014, section 3 (non-saturating); Arjovsky et al. 2017, eq. 3 (Wasserstein).
    """
    match loss:
        case "relativistic" if real is not None:
            return F.softplus(real - fake).mean()
        case "least-squares":
            return (fake - 1).square().mean() / 2
        case "nonsaturating":
            return F.softplus(-fake).mean()
        case "hinge" | "wgan-gp":
            return -fake.mean()
    raise ValueError(f"loss={loss}: known are {', '.join(LOSSES)}")


def critic_loss(loss: str, real: Tensor, fake: Tensor) -> Tensor:
    """What the critic lowers, from the scores of real pictures and of drawn ones; sources as for `generator_loss`.

    The relativistic one measures each drawn picture against a real one. A generator cannot win by one good picture,
    since the reals that it leaves out stay above it (Sun et al. 2020).
    """
    match loss:
        case "relativistic":
            return F.softplus(fake - real).mean()
        case "least-squares":
            return ((real - 1).square() + fake.square()).mean() / 2
        case "nonsaturating":
            return (F.softplus(-real) + F.softplus(fake)).mean()
        case "hinge":
            return (F.relu(1 - real) + F.relu(1 + fake)).mean()
        case "wgan-gp":
            return (fake - real).mean()
    raise ValueError(f"loss={loss}: known are {', '.join(LOSSES)}")


def gradient_penalty(scores: Tensor, inputs: Tensor) -> Tensor:
    """The squared norm of each row's gradient (B,), itself differentiable: R1 on real inputs, R2 on drawn ones.

    scores (B, ...) must have been computed from inputs (B, ...) that ask for gradients, row from row
    (Mescheder et al. 2018, eq. 9); what a batch's deviation adds to all of its scores goes into each row's gradient.
    """
    (gradient,) = torch.autograd.grad(scores.sum(), inputs, create_graph=True)
    return gradient.square().flatten(1).sum(1)


def lipschitz_penalty(critic: Callable[[Tensor], Tensor], real: Tensor, fake: Tensor, u: Tensor) -> Tensor:
    """How far the critic's slope is from 1 between real and drawn inputs: (|grad| - 1)^2 of each row (B,).

    `u` (B,) in [0, 1] says where between them (Gulrajani et al. 2017, eq. 3).
    """
    mixed = torch.lerp(fake, real, u.reshape(-1, *[1] * (real.ndim - 1))).requires_grad_()
    return (gradient_penalty(critic(mixed), mixed).add(1e-12).sqrt() - 1).square()
