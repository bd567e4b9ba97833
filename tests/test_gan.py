"""The GAN: its losses against closed forms, and what its samples promise."""

from __future__ import annotations

import pytest
import torch

from huabi.errors import RequestError
from huabi.families.gan import GAN, GANConfig, NetConfig, critic_loss, generator_loss, gradient_penalty
from huabi.model import Batch, DataSpec
from huabi.nets.convnets import ConvCritic, ConvGenerator
from huabi.requests import Generate
from huabi.rng import BatchRng

LABELS = ("a", "b", "c")
SMALL = GANConfig(batch=4, net=NetConfig(width=8, latent=16))


def gan(size=(16, 16), channels=3, labels=LABELS, config=SMALL) -> GAN:
    torch.manual_seed(0)
    return GAN(config, DataSpec(size, channels, labels))


def batch(family: GAN, step: int = 0) -> Batch:
    label = torch.arange(4) % 3 if family.spec.labels else None
    return Batch(torch.rand(4, *family.spec.shape) * 2 - 1, BatchRng(0, step, 4), torch.arange(4), label)


def picture(family: GAN, *requests: Generate) -> torch.Tensor:
    *_, x = family.eval().sample(requests)
    return x


def spread(family: GAN) -> GAN:
    """The family with weights large enough that differences show, and running statistics that are not the initial."""
    for p in family.parameters():
        torch.nn.init.normal_(p, std=0.3)
    family.train()
    for step in range(2):
        list(family.losses(batch(family, step), step))
    return family


@pytest.mark.parametrize("size", [(8, 8), (12, 8), (28, 28), (16, 36), (64, 64), (8, 100), (256, 256)])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_pictures_of_every_size_and_channel_count(size, channels):
    if max(size) > 100 and channels != 3:
        pytest.skip("one large size is enough")
    net = ConvGenerator(channels, size, latent=8, width=4)
    x = net(torch.randn(2, 8))
    assert x.shape == (2, channels, *size)
    assert x.abs().max() <= 1
    assert ConvCritic(channels, size, width=4)(x).shape == (2,)


@pytest.mark.parametrize("labels", [(), LABELS])
def test_a_step_turns_the_generator_first_then_the_critic(labels):
    family = gan(labels=labels)
    optimizers = family.optimizers()
    turns = []
    for update in family.losses(batch(family), 0):
        turns.append(update.optimizer)
        owned = [p for g in optimizers[update.optimizer].param_groups for p in g["params"]]
        update.loss.backward(inputs=owned)
        assert all(p.grad is not None and p.grad.isfinite().all() for p in owned)
    assert turns == ["generator", "critic"]
    owned = {id(p) for o in optimizers.values() for g in o.param_groups for p in g["params"]}
    assert owned == {id(p) for p in family.parameters()}


def test_the_critics_turn_does_not_reach_the_generator():
    family = gan()
    *_, update = family.losses(batch(family), 0)
    grads = torch.autograd.grad(update.loss, list(family.generator.parameters()), allow_unused=True)
    assert all(g is None for g in grads)


def test_losses_at_scores_of_zero_are_logarithms_of_two():
    zero = torch.zeros(5)
    assert generator_loss(zero).item() == pytest.approx(0.6931, abs=1e-4)
    assert critic_loss(zero, zero).item() == pytest.approx(2 * 0.6931, abs=1e-4)
    assert generator_loss(zero + 3) < generator_loss(zero)
    assert critic_loss(zero + 3, zero - 3) < critic_loss(zero, zero)


def test_relativistic_losses_weigh_each_fake_against_a_real():
    real, fake = torch.tensor([2.0, 5.0]), torch.tensor([2.0, 4.0])
    expected = torch.tensor([0.0, 1.0]).sigmoid().log().neg().mean()
    torch.testing.assert_close(critic_loss(real, fake, relativistic=True), expected)
    torch.testing.assert_close(generator_loss(fake, real), critic_loss(fake, real, relativistic=True))


@pytest.mark.parametrize("loss", ["relativistic", "nonsaturating"])
def test_both_losses_train_both_networks(loss):
    family = gan(config=GANConfig(batch=4, loss=loss, net=SMALL.net))
    nets = (family.generator, family.critic)
    for net, update in zip(nets, family.losses(batch(family), 1)):
        assert any(g.abs().max() > 0 for g in torch.autograd.grad(update.loss, list(net.parameters())))
    with pytest.raises(ValueError, match="relativistic"):
        GANConfig(loss="hinge")


def test_r1_of_a_linear_critic_is_the_squared_norm_of_its_weights():
    weights = torch.randn(3 * 8 * 8, requires_grad=True)
    images = torch.randn(4, 3, 8, 8, requires_grad=True)
    penalty = gradient_penalty(images.flatten(1) @ weights, images)
    torch.testing.assert_close(penalty, weights.square().sum().expand(4))
    penalty.mean().backward(inputs=[weights])
    torch.testing.assert_close(weights.grad, 2 * weights.detach())


def test_r1_is_lazy_and_counts_for_the_steps_that_it_skips():
    family = gan()
    image, label = batch(family).image, torch.arange(4) % 3
    fake = torch.zeros_like(image)
    plain = family.critic_turn(image, fake, label, 1)
    lazy = family.critic_turn(image, fake, label, 16)
    leaf = image.clone().requires_grad_()
    penalty = gradient_penalty(family.critic(leaf, label), leaf).mean()
    torch.testing.assert_close(lazy.loss - plain.loss, SMALL.r1 / 2 * SMALL.r1_every * penalty, atol=1e-6, rtol=1e-3)


def test_r1_trains_under_autocast():
    family = gan()
    with torch.autocast("cpu", torch.bfloat16):
        *_, update = family.losses(batch(family), 0)
    grads = torch.autograd.grad(update.loss, list(family.critic.parameters()))
    assert update.loss.dtype == torch.float32
    assert all(g.isfinite().all() for g in grads)


def test_a_picture_is_the_same_alone_and_in_a_batch():
    family = spread(gan())
    requests = [Generate(seed=s) for s in (5, 6, 7)]
    torch.testing.assert_close(picture(family, *requests)[1:2], picture(family, requests[1]), atol=1e-5, rtol=1e-5)


def test_the_label_changes_the_picture_and_the_critics_score():
    family = spread(gan())
    x = picture(family, Generate(label="a"), Generate(label="b"), Generate(label="a"))
    assert (x[0] - x[1]).abs().mean() > 0.01
    torch.testing.assert_close(x[0], x[2])
    image = batch(family).image
    score = family.critic(image, torch.zeros(4, dtype=torch.int64))
    assert (score - family.critic(image, torch.ones(4, dtype=torch.int64))).abs().min() > 1e-4


def test_a_walk_between_seeds_begins_and_ends_at_their_pictures():
    family = spread(gan())
    walk = [Generate(between=(1, 2), fraction=f) for f in (0.0, 0.5, 1.0)]
    a, middle, b = picture(family, *walk)
    ends = picture(family, Generate(seed=1), Generate(seed=2))
    torch.testing.assert_close(torch.stack([a, b]), ends, atol=1e-4, rtol=1e-4)
    assert min((middle - a).abs().mean(), (middle - b).abs().mean()) > 0.01


def test_what_a_gan_cannot_answer_is_refused_with_a_remedy():
    family = gan().eval()
    for request in (Generate(steps=4), Generate(guidance=2.0), Generate(solver="heun")):
        with pytest.raises(RequestError, match="one step; leave"):
            list(family.sample([request]))
    image = torch.zeros(16, 16, 3, dtype=torch.uint8).numpy()
    with pytest.raises(RequestError, match="walk between two seeds"):
        list(family.sample([Generate(between=(1, image))]))
    with pytest.raises(ValueError, match="batch"):
        GANConfig(batch=1)
