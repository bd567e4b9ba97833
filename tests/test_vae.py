"""The VAE: its loss against torch.distributions, and what its samples and variations promise."""

from __future__ import annotations

import math

import pytest
import torch
from torch.distributions import Normal
from torch.distributions import kl_divergence as reference_kl

from huabi.errors import RequestError
from huabi.families.vae import VAE, NetConfig, VAEConfig, gaussian_nll, kl_divergence
from huabi.model import Batch, DataSpec
from huabi.nets.convnets import ConvDecoder, ConvEncoder
from huabi.nets.couplings import Couplings
from huabi.requests import Generate, Vary
from huabi.rng import BatchRng

LABELS = ("a", "b", "c")
SMALL = VAEConfig(batch=4, beta_warmup=10, net=NetConfig(width=8, latent=16))


def vae(size=(16, 16), channels=3, labels=LABELS, config=SMALL) -> VAE:
    torch.manual_seed(0)
    return VAE(config, DataSpec(size, channels, labels))


def spread(family: VAE) -> VAE:
    """The family with weights large enough that differences show."""
    for p in family.parameters():
        torch.nn.init.normal_(p, std=0.2)
    return family


def picture(family: VAE, *requests: Generate | Vary) -> torch.Tensor:
    *_, x = family.eval().sample(requests)
    return x


def train(family: VAE, image: torch.Tensor, label: torch.Tensor | None, steps: int) -> list[float]:
    optimizer = family.optimizers()["vae"]
    errors = []
    for step in range(steps):
        batch = Batch(image, BatchRng(0, step, len(image)), torch.arange(len(image)), label)
        for update in family.losses(batch, step):
            optimizer.zero_grad()
            update.loss.backward()
            optimizer.step()
        with torch.no_grad():
            errors.append((family.decoder(family.posterior(image)[0], label) - image).square().mean().item())
    return errors


def solid(value: int) -> object:
    return torch.full((16, 16, 3), value, dtype=torch.uint8).numpy()


@pytest.mark.parametrize("size", [(8, 8), (12, 8), (28, 28), (16, 36), (64, 64), (8, 100), (256, 256)])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_pictures_of_every_size_and_channel_count(size, channels):
    if max(size) > 100 and channels != 3:
        pytest.skip("one large size is enough")
    x = ConvDecoder(channels, size, latent=8, width=4)(torch.randn(2, 8))
    assert x.shape == (2, channels, *size)
    assert ConvEncoder(channels, size, 16, width=4)(x).shape == (2, 16)


def test_kl_is_that_of_torch_distributions():
    mean, log_var = torch.randn(2, 5, 7)
    reference = reference_kl(Normal(mean, (log_var / 2).exp()), Normal(0, 1)).sum(1)
    torch.testing.assert_close(kl_divergence(mean, log_var), reference)


@pytest.mark.parametrize("latent", [2, 7])
def test_the_prior_is_invertible_and_its_density_is_that_of_the_change_of_variables(latent):
    torch.manual_seed(0)
    prior = Couplings(latent, 3, classes=3, width=16)
    for p in prior.parameters():
        torch.nn.init.normal_(p, std=0.3)
    u, label = torch.randn(4, latent), torch.tensor([0, 1, 2, 0])
    z = prior(u, label)
    back, log_det = prior.inverse(z, label)
    torch.testing.assert_close(back, u, atol=1e-4, rtol=1e-4)
    for row in range(4):
        one = torch.func.jacrev(lambda x, y=label[row : row + 1]: prior(x[None], y)[0])(u[row])
        torch.testing.assert_close(-one.det().abs().log(), log_det[row], atol=1e-3, rtol=1e-3)
    density = Normal(0, 1).log_prob(u).sum(1) + log_det
    torch.testing.assert_close(prior.log_prob(z, label), density, atol=1e-3, rtol=1e-3)


def test_the_divergence_from_a_plain_prior_agrees_with_the_closed_form_on_average():
    family = vae(labels=())
    mean, log_var = torch.randn(2, 1, 16).expand(2, 20_000, 16) * 0.5
    z = mean + (log_var / 2).exp() * torch.randn(mean.shape)
    drawn = family.divergence(mean, log_var, z, None).mean()  # the flow starts as the identity
    torch.testing.assert_close(drawn, kl_divergence(mean, log_var).mean(), atol=0.1, rtol=0.02)


def test_nll_is_that_of_torch_distributions_and_best_at_the_root_mean_square_error():
    x, mean = torch.randn(2, 4, 3, 8, 8)
    log_sigma = torch.tensor(-0.7)
    reference = -Normal(mean, log_sigma.exp()).log_prob(x).flatten(1).sum(1) - 3 * 64 * math.log(2 * math.pi) / 2
    torch.testing.assert_close(gaussian_nll(x, mean, log_sigma), reference)
    best = (x - mean).square().mean().log().div(2).requires_grad_()
    (slope,) = torch.autograd.grad(gaussian_nll(x, mean, best).mean(), best)
    assert slope.abs() < 1e-3


def test_the_kl_gains_its_weight_step_by_step():
    family = vae(config=VAEConfig(beta=2.0, beta_warmup=10, net=SMALL.net))
    assert [family.beta(step) for step in (0, 4, 9, 99)] == pytest.approx([0.2, 1.0, 2.0, 2.0])
    batch = Batch(torch.zeros(4, 3, 16, 16), BatchRng(0, 0, 4), torch.arange(4), torch.zeros(4, dtype=torch.int64))
    for step in (0, 9):
        (update,) = family.losses(batch._replace(rng=BatchRng(0, 0, 4)), step)
        total = update.logs["nll"] + family.beta(step) * update.logs["kl"]
        torch.testing.assert_close(update.loss.detach(), total / (3 * 16 * 16))


@pytest.mark.parametrize("labels", [(), LABELS])
@pytest.mark.parametrize("bf16", [False, True])
def test_every_parameter_gets_a_gradient_and_has_an_owner(labels, bf16):
    family = spread(vae(labels=labels))
    label = torch.arange(4) % 3 if labels else None
    with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
        (update,) = family.losses(Batch(torch.zeros(4, 3, 16, 16), BatchRng(0, 0, 4), torch.arange(4), label), 0)
    update.loss.backward()
    owned = {id(p) for g in family.optimizers()["vae"].param_groups for p in g["params"]}
    assert all(p.grad is not None and p.grad.isfinite().all() and id(p) in owned for p in family.parameters())


def test_two_hundred_steps_learn_a_handful_of_pictures():
    image = torch.rand(4, 3, 8, 8, generator=torch.Generator().manual_seed(0)) * 2 - 1
    family = vae(size=(8, 8), config=VAEConfig(beta_warmup=100, net=NetConfig(width=16, latent=16)))
    errors = train(family, image, torch.tensor([0, 1, 2, 0]), 200)
    assert errors[-1] < 0.1 * errors[0]
    assert family.log_sigma < -1


def test_a_picture_is_the_same_alone_and_in_a_batch():
    family = spread(vae())
    for requests in (
        [Generate(seed=s) for s in (5, 6, 7)],
        [Vary(image=solid(v), seed=v, strength=0.4) for v in (10, 90, 200)],
    ):
        together, alone = picture(family, *requests), picture(family, requests[1])
        torch.testing.assert_close(together[1:2], alone, atol=1e-5, rtol=1e-5)


def test_the_label_changes_the_picture():
    family = spread(vae())
    x = picture(family, Generate(label="a"), Generate(label="b"), Generate(label="a"))
    assert (x[0] - x[1]).abs().mean() > 0.01
    torch.testing.assert_close(x[0], x[2])


def test_strength_goes_from_the_reconstruction_to_a_free_draw():
    family = spread(vae(labels=()))
    image = torch.full((1, 3, 16, 16), 90 / 127.5 - 1)
    none, some, full = picture(family, *(Vary(image=solid(90), seed=3, strength=s) for s in (0.0, 0.5, 1.0)))
    with torch.no_grad():
        reconstruction = family.decoder(family.posterior(image)[0])[0]
    torch.testing.assert_close(none, reconstruction, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(full, picture(family, Generate(seed=3))[0], atol=1e-5, rtol=1e-5)
    assert min((some - none).abs().mean(), (some - full).abs().mean()) > 0.01


def test_a_variation_keeps_the_label_that_explains_the_picture():
    image = torch.stack([torch.full((3, 16, 16), v / 127.5 - 1) for v in (20, 130, 240)]).repeat(4, 1, 1, 1)
    family = vae(config=VAEConfig(beta=4.0, beta_warmup=20, net=SMALL.net))
    train(family, image, torch.arange(3).repeat(4), 150)
    family.eval()
    with torch.no_grad():
        assert [family._read(request.image) for request in (Vary(image=solid(v)) for v in (20, 130, 240))] == [0, 1, 2]


def test_a_walk_between_pictures_begins_and_ends_at_their_reconstructions():
    family = spread(vae())
    walk = [Generate(between=(solid(20), solid(240)), fraction=f) for f in (0.0, 1.0)]
    ends = [Vary(image=solid(v), strength=0) for v in (20, 240)]
    torch.testing.assert_close(picture(family, *walk), picture(family, *ends), atol=1e-4, rtol=1e-4)
    seeds = picture(family, Generate(between=(1, 2), fraction=1.0))
    torch.testing.assert_close(seeds, picture(family, Generate(seed=2)), atol=1e-4, rtol=1e-4)


def test_what_a_vae_cannot_answer_is_refused_with_a_remedy():
    with pytest.raises(RequestError, match="leave 'steps' out"):
        list(vae().sample([Generate(steps=4)]))
    with pytest.raises(ValueError, match="beta"):
        VAEConfig(beta=-1)
