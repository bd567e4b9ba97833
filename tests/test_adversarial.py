"""Adversarial losses and penalties against closed forms."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from huabi.adversarial import LOSSES, critic_loss, generator_loss, gradient_penalty, lipschitz_penalty

LOG_2 = math.log(2)
AT_ZERO = {  # the generator's loss and the critic's, where every score is 0
    "relativistic": (LOG_2, LOG_2),
    "hinge": (0.0, 2.0),
    "least-squares": (0.5, 0.5),
    "nonsaturating": (LOG_2, 2 * LOG_2),
    "wgan-gp": (0.0, 0.0),
}
every_loss = pytest.mark.parametrize("loss", LOSSES)


@every_loss
def test_losses_at_scores_of_zero(loss: str) -> None:
    zero = torch.zeros(5)
    found = (generator_loss(loss, zero, zero).item(), critic_loss(loss, zero, zero).item())
    assert found == pytest.approx(AT_ZERO[loss], abs=1e-6)


@every_loss
def test_each_side_gains_by_what_the_other_loses(loss: str) -> None:
    real, fake = torch.full((4,), 0.3), torch.full((4,), 0.2)
    assert generator_loss(loss, fake + 0.1, real) < generator_loss(loss, fake, real)
    assert critic_loss(loss, real, fake + 0.1) > critic_loss(loss, real, fake)
    assert critic_loss(loss, real + 0.1, fake) < critic_loss(loss, real, fake)


@every_loss
def test_scores_of_patches_count_like_those_of_pictures(loss: str) -> None:
    real, fake = torch.randn(3, 1, 4, 4), torch.randn(3, 1, 4, 4)
    rows = [generator_loss(loss, f, r) for f, r in zip(fake, real)]
    torch.testing.assert_close(generator_loss(loss, fake, real), torch.stack(rows).mean())
    torch.testing.assert_close(critic_loss(loss, real, fake), critic_loss(loss, real.flatten(), fake.flatten()))


def test_the_relativistic_loss_asks_that_each_real_stands_above_its_fake() -> None:
    real, fake = torch.tensor([2.0, 5.0]), torch.tensor([2.0, 4.0])
    expected = -torch.tensor([0.0, 1.0]).sigmoid().log().mean()
    torch.testing.assert_close(critic_loss("relativistic", real, fake), expected)
    torch.testing.assert_close(generator_loss("relativistic", fake, real), critic_loss("relativistic", fake, real))


def test_an_unknown_loss_is_named() -> None:
    for call in (lambda: generator_loss("wgan", torch.zeros(1)), lambda: critic_loss("", *torch.zeros(2, 1))):
        with pytest.raises(ValueError, match="known are relativistic, hinge"):
            call()



def test_the_slope_of_a_linear_critic_is_its_weights() -> None:
    weights = torch.randn(3 * 8 * 8, requires_grad=True)
    images = torch.randn(4, 3, 8, 8, requires_grad=True)
    penalty = gradient_penalty(images.flatten(1) @ weights, images)
    torch.testing.assert_close(penalty, weights.square().sum().expand(4))
    penalty.mean().backward(inputs=[weights])
    torch.testing.assert_close(weights.grad, 2 * weights.detach())


@pytest.mark.parametrize("norm", [0.5, 1.0, 3.0])
def test_a_slope_of_one_costs_nothing(norm: float) -> None:
    weights = torch.nn.functional.normalize(torch.randn(12), dim=0) * norm
    real, fake = torch.randn(5, 3, 2, 2), torch.randn(5, 3, 2, 2)
    found = lipschitz_penalty(lambda x: x.flatten(1) @ weights, real, fake, torch.rand(5))
    torch.testing.assert_close(found, torch.full((5,), (norm - 1) ** 2), atol=1e-5, rtol=1e-4)


def test_the_slope_is_looked_at_between_the_pictures() -> None:
    seen: list[Tensor] = []

    def critic(x: Tensor) -> Tensor:
        seen.append(x)
        return x.square().flatten(1).sum(1)

    real, fake = torch.full((3, 2), 1.0), torch.zeros(3, 2)
    lipschitz_penalty(critic, real, fake, torch.tensor([0.0, 0.25, 1.0]))
    torch.testing.assert_close(seen[0], torch.tensor([[0.0, 0.0], [0.25, 0.25], [1.0, 1.0]]))
