"""VAE and autoencoder: losses against torch.distributions, and what samples and variations promise."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image
from torch.distributions import Normal as Gaussian
from torch.distributions import kl_divergence as reference_kl

import huabi
from huabi.errors import RequestError
from huabi.families._detail import Detail, critic_turn, texture_error, towards_real
from huabi.families._latents import Normal, free_bits, gaussian_nll, kl_divergence
from huabi.families._vectors import Vectors
from huabi.families.vae import VAE, Autoencoder, AutoencoderConfig, NetConfig, VAEConfig
from huabi.model import Batch, DataSpec
from huabi.nets.convnets import ConvDecoder, ConvEncoder
from huabi.nets.couplings import Couplings
from huabi.nets.patchgan import PatchCritic
from huabi.nets.quantiser import Quantiser
from huabi.requests import Generate, Vary
from huabi.rng import BatchRng

LABELS = ("a", "b", "c")
NET = NetConfig(width=8)
PLAIN = Detail(adversarial=0, texture=0)
SMALL = VAEConfig(batch=4, beta_warmup=10, net=NET, latent=Normal(length=16))
BLURRED = VAEConfig(batch=4, beta_warmup=10, net=NET, latent=Normal(length=16, free_bits=0), detail=PLAIN)
CODES = VAEConfig(batch=4, net=NET, latent=Vectors(codes=16, rounds=4, width=32, depth=1))
both = pytest.mark.parametrize("config", [SMALL, CODES], ids=["normal", "vq"])


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
    optimizers = family.optimizers()
    errors = []
    for step in range(steps):
        batch = Batch(image, BatchRng(0, step, len(image)), torch.arange(len(image)), label)
        for update in family.losses(batch, step):
            owned = [p for group in optimizers[update.optimizer].param_groups for p in group["params"]]
            optimizers[update.optimizer].zero_grad()
            update.loss.backward(inputs=owned)
            optimizers[update.optimizer].step()
        with torch.no_grad():
            errors.append((family.latent.reconstruct(image, label) - image).square().mean().item())
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
    reference = reference_kl(Gaussian(mean, (log_var / 2).exp()), Gaussian(0, 1)).sum(1)
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
    density = Gaussian(0, 1).log_prob(u).sum(1) + log_det
    torch.testing.assert_close(prior.log_prob(z, label), density, atol=1e-3, rtol=1e-3)


def test_the_divergence_from_a_plain_prior_agrees_with_the_closed_form_on_average():
    family = vae(labels=())
    mean, log_var = torch.randn(2, 1, 16).expand(2, 20_000, 16) * 0.5
    z = mean + (log_var / 2).exp() * torch.randn(mean.shape)
    drawn = family.latent.divergence(mean, log_var, z, None).mean()  # the flow starts as the identity
    torch.testing.assert_close(drawn, kl_divergence(mean, log_var).mean(), atol=0.1, rtol=0.02)


def test_nll_is_that_of_torch_distributions_and_best_at_the_root_mean_square_error():
    x, mean = torch.randn(2, 4, 3, 8, 8)
    log_sigma = torch.tensor(-0.7)
    reference = -Gaussian(mean, log_sigma.exp()).log_prob(x).flatten(1).sum(1) - 3 * 64 * math.log(2 * math.pi) / 2
    torch.testing.assert_close(gaussian_nll(x, mean, log_sigma), reference)
    best = (x - mean).square().mean().log().div(2).requires_grad_()
    (slope,) = torch.autograd.grad(gaussian_nll(x, mean, best).mean(), best)
    assert slope.abs() < 1e-3


def test_the_kl_gains_its_weight_step_by_step():
    family = vae(config=replace(BLURRED, beta=2.0))
    assert [family.beta(step) for step in (0, 4, 9, 99)] == pytest.approx([0.2, 1.0, 2.0, 2.0])
    batch = Batch(torch.zeros(4, 3, 16, 16), BatchRng(0, 0, 4), torch.arange(4), torch.zeros(4, dtype=torch.int64))
    for step in (0, 9):
        (update,) = family.losses(batch._replace(rng=BatchRng(0, 0, 4)), step)
        total = update.logs["nll"] + family.beta(step) * update.logs["kl"]
        torch.testing.assert_close(update.loss.detach(), total / (3 * 16 * 16))


@both
@pytest.mark.parametrize("labels", [(), LABELS])
@pytest.mark.parametrize("bf16", [False, True])
def test_every_parameter_gets_a_gradient_and_has_one_owner(labels, bf16, config):
    family = spread(vae(labels=labels, config=config))
    label = torch.arange(4) % 3 if labels else None
    image = torch.rand(4, 3, 16, 16) * 2 - 1
    owners = {n: [p for g in o.param_groups for p in g["params"]] for n, o in family.optimizers().items()}
    with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
        for update in family.losses(Batch(image, BatchRng(0, 0, 4), torch.arange(4), label), 0):
            update.loss.backward(inputs=owners.pop(update.optimizer))
    assert not owners
    assert all(p.grad is not None and p.grad.isfinite().all() for p in family.parameters())


def test_two_hundred_steps_learn_a_handful_of_pictures():
    image = torch.rand(4, 3, 8, 8, generator=torch.Generator().manual_seed(0)) * 2 - 1
    config = VAEConfig(beta_warmup=100, net=NetConfig(width=16), latent=Normal(length=16), detail=PLAIN)
    family = vae(size=(8, 8), config=config)
    errors = train(family, image, torch.tensor([0, 1, 2, 0]), 200)
    assert errors[-1] < 0.1 * errors[0]
    assert family.latent.noise() < -1


@both
def test_a_picture_is_the_same_alone_and_in_a_batch(config):
    family = spread(vae(config=config))
    for requests in (
        [Generate(seed=s) for s in (5, 6, 7)],
        [Vary(image=solid(v), seed=v, strength=0.4) for v in (10, 90, 200)],
    ):
        together, alone = picture(family, *requests), picture(family, requests[1])
        torch.testing.assert_close(together[1:2], alone, atol=1e-5, rtol=1e-5)


@both
def test_the_label_changes_the_picture(config):
    family = spread(vae(config=config))
    x = picture(family, Generate(label="a"), Generate(label="b"), Generate(label="a"))
    assert (x[0] - x[1]).abs().mean() > 0.01
    torch.testing.assert_close(x[0], x[2])


@both
def test_strength_goes_from_the_reconstruction_to_a_free_draw(config):
    family = spread(vae(labels=(), config=config))
    image = torch.full((1, 3, 16, 16), 90 / 127.5 - 1)
    none, some, full = picture(family, *(Vary(image=solid(90), seed=3, strength=s) for s in (0.0, 0.5, 1.0)))
    with torch.no_grad():
        reconstruction = family.latent.reconstruct(image, None)[0]
    torch.testing.assert_close(none, reconstruction, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(full, picture(family, Generate(seed=3))[0], atol=1e-5, rtol=1e-5)
    assert min((some - none).abs().mean(), (some - full).abs().mean()) > 0.01


def test_a_variation_keeps_the_label_that_explains_the_picture():
    image = torch.stack([torch.full((3, 16, 16), v / 127.5 - 1) for v in (20, 130, 240)]).repeat(4, 1, 1, 1)
    family = vae(config=replace(BLURRED, beta=4.0, beta_warmup=20))
    train(family, image, torch.arange(3).repeat(4), 150)
    family.eval()
    with torch.no_grad():
        assert [family.latent._read(request.image) for request in (Vary(image=solid(v)) for v in (20, 130, 240))] == [
            0,
            1,
            2,
        ]


@both
def test_a_walk_between_pictures_begins_and_ends_at_their_reconstructions(config):
    family = spread(vae(config=config))
    walk = [Generate(between=(solid(20), solid(240)), fraction=f) for f in (0.0, 1.0)]
    ends = [Vary(image=solid(v), strength=0) for v in (20, 240)]
    torch.testing.assert_close(picture(family, *walk), picture(family, *ends), atol=1e-4, rtol=1e-4)
    seeds = picture(family, Generate(between=(1, 2), fraction=1.0))
    torch.testing.assert_close(seeds, picture(family, Generate(seed=2)), atol=1e-4, rtol=1e-4)


def test_what_a_vae_cannot_answer_is_refused_with_a_remedy():
    with pytest.raises(RequestError, match="leave 'steps' out"):
        list(vae().sample([Generate(steps=4)]))
    with pytest.raises(RequestError, match="leave 'guidance' out"):
        list(vae(config=CODES).sample([Generate(guidance=2.0)]))
    with pytest.raises(RequestError, match="change --size"):
        Autoencoder(AutoencoderConfig(factor=8), DataSpec((12, 16), 3))
    for wrong in (lambda: VAEConfig(beta=-1), lambda: Vectors(factor=3), lambda: Detail(texture=-1)):
        with pytest.raises(ValueError, match="at least 0|known are"):
            wrong()


def test_free_bits_cost_the_same_and_pull_at_nothing_below_their_least():
    kl = torch.tensor([-0.5, 3.0, 5.0], requires_grad=True)  # one draw's estimate may be negative
    rate = free_bits(kl, 4.0)
    torch.testing.assert_close(rate, torch.tensor([4.0, 4.0, 5.0]))
    (slope,) = torch.autograd.grad(rate.sum(), kl)
    torch.testing.assert_close(slope, torch.tensor([0.0, 0.0, 1.0]))
    torch.testing.assert_close(free_bits(kl, 0.0), kl)


def test_texture_is_a_matter_of_energy_and_not_of_where_it_lies():
    rng = torch.Generator().manual_seed(0)
    fine = torch.randn(2, 8, 3, 32, 32, generator=rng) * 0.3
    smooth = torch.zeros(8, 3, 32, 32)
    same, none = texture_error(fine[0], fine[1]), texture_error(smooth, fine[1])
    assert (same < 0.1 * none).all()
    assert ((fine[0] - fine[1]).square().mean() > 1.9 * (smooth - fine[1]).square().mean()).all()
    torch.testing.assert_close(texture_error(fine[0], fine[0]), torch.zeros(8))


def test_the_critics_pull_is_as_strong_as_it_is_sure_and_raises_the_score():
    torch.manual_seed(0)
    critic, x = PatchCritic(3, width=8, halvings=2), (torch.rand(4, 3, 16, 16) - 0.5).requires_grad_()
    image = torch.rand(4, 3, 16, 16)
    torch.nn.init.normal_(critic.leave.weight)  # so that scores lie far apart
    before, apart = (critic(x).mean((1, 2, 3)), critic(image).mean((1, 2, 3)) - critic(x).mean((1, 2, 3)))
    pull = towards_real(critic, x, image, None)
    torch.testing.assert_close(pull.square().mean((1, 2, 3)).sqrt(), (apart / 2).clamp(0, 1))
    assert (critic(x + 0.01 * pull).mean((1, 2, 3)) >= before).all()
    assert towards_real(critic, x, x, None).abs().max() == 0  # a critic that is beaten does not pull


def test_only_within_a_hole_does_the_critic_pull_and_only_near_it_does_it_learn():
    torch.manual_seed(0)
    critic, settings = PatchCritic(4, width=8, halvings=2), Detail(r1=0.1, r1_every=2)
    for parameter in critic.parameters():
        parameter.data.abs_()  # so that it takes what is brighter for real
    image, drawn = torch.rand(2, 2, 3, 96, 96) * 8
    drawn = drawn - 8
    hole = torch.zeros(2, 1, 96, 96, dtype=torch.bool)
    hole[0, :, :4, :7] = hole[1, :, 8:24, :16] = True
    pull = towards_real(critic, drawn.requires_grad_(), image, None, hole)
    assert (pull * ~hole).abs().max() == 0
    strength = (pull.square().mean((1, 2, 3)) / hole.float().mean((1, 2, 3))).sqrt()
    assert strength[0] > 0.1
    torch.testing.assert_close(strength[0], strength[1], rtol=0.5, atol=0)  # a small hole counts as a large one does
    far = drawn.detach().clone()
    far[..., 64:] += 5
    for step in (1, 2):  # without the penalty and with it
        losses = [critic_turn(critic, settings, image, fake, None, step, hole).loss for fake in (drawn.detach(), far)]
        torch.testing.assert_close(*losses)


@pytest.mark.parametrize("spectral", [False, True])
@pytest.mark.parametrize("size", [(8, 8), (12, 8), (16, 36)])
def test_a_patch_scores_its_own_place_alone(spectral, size):
    torch.manual_seed(0)
    critic = PatchCritic(3, classes=2, width=4, halvings=2, spectral=spectral).eval()
    x, label = torch.randn(2, 3, *size), torch.tensor([0, 1])
    scores = critic(x, label)
    assert scores.shape == (2, 1, size[0] // 4, size[1] // 4)
    torch.testing.assert_close(critic(x[1:], label[1:]), scores[1:])
    wide = torch.randn(1, 3, 8, 64)
    changed = wide.clone()
    changed[..., 0] += 1
    seen = (critic(wide, label[:1]) != critic(changed, label[:1])).any(2)[0, 0].nonzero()
    assert seen.max() * 4 < 26


def test_codes_are_the_nearest_and_learn_to_lie_where_vectors_are():
    torch.manual_seed(0)
    quantiser = Quantiser(8, 4)
    z = torch.nn.functional.normalize(torch.randn(16, 4, 4, 4), dim=1)
    index = quantiser(z)
    apart = torch.cdist(z.movedim(1, 3).flatten(0, 2), quantiser.codebook)
    assert torch.equal(index.flatten(), apart.argmin(1))
    before = (z - quantiser.vectors(index)).square().mean()
    for step in range(60):
        index = quantiser(z)
        quantiser.learn(z, index, torch.randint(256, (8,), generator=torch.Generator().manual_seed(step)))
    torch.testing.assert_close(quantiser.codebook.norm(dim=1), torch.ones(8))
    assert (z - quantiser.vectors(quantiser(z))).square().mean() < 0.8 * before


def test_dead_codes_come_back_to_life():
    torch.manual_seed(0)
    quantiser = Quantiser(32, 4)
    centres = torch.nn.functional.normalize(torch.randn(32, 4), dim=1)
    quantiser.codebook.copy_(centres[:1].expand(32, 4))  # all in one place: one is chosen
    for _ in range(100):
        drawn = centres[torch.randint(32, (8, 8, 8))] + 0.05 * torch.randn(8, 8, 8, 4)
        z = torch.nn.functional.normalize(drawn.movedim(3, 1), dim=1)
        index = quantiser(z)
        quantiser.learn(z, index, torch.randint(512, (32,)))
    figures = quantiser.figures(quantiser(z))
    assert figures["usage"] >= 0.8
    assert figures["perplexity"] > 16


def test_the_prior_of_codes_learns_what_stands_beside_what():
    family = vae(labels=("a", "b"), config=CODES)
    latent = family.latent
    optimizer = torch.optim.Adam(latent.prior.parameters(), 1e-2)
    label = torch.arange(32) % 2
    codes = (3 * label[:, None] + 5 * (torch.arange(32) // 2 % 2)[:, None]).expand(32, 16)  # one of two for a label
    for step in range(150):
        loss = latent.prior_loss(codes, label, BatchRng(0, step, 32))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        drawn = latent.quantiser(latent._fill(range(32), label, 16)).flatten(1)
    consistent = (drawn == drawn[:, :1]).all(1) & ((drawn[:, 0] - 3 * label) % 5 == 0)
    assert consistent.float().mean() > 0.8
    assert len(drawn[label == 0].unique()) == 2


def test_an_autoencoders_codes_are_a_grid_and_lead_back():
    torch.manual_seed(0)
    family = Autoencoder(AutoencoderConfig(net=NET, factor=8), DataSpec((16, 32), 3))
    z = family.encode(torch.zeros(2, 3, 16, 32))
    assert z.shape == (2, 4, 2, 4)
    assert family.decode(z).shape == (2, 3, 16, 32)
    *_, kept = family.sample([Vary(image=torch.full((16, 32, 3), 90, dtype=torch.uint8).numpy(), strength=0)])
    torch.testing.assert_close(kept, family.encode(torch.full((1, 3, 16, 32), 90 / 127.5 - 1)))


@pytest.mark.parametrize("family", ["vae", "autoencoder"])
def test_previews_show_held_out_pictures_drawn_again_and_the_log_says_how_well(family: str, tmp_path: Path) -> None:
    data = "world:styles=flat,n=40"
    huabi.train(family, data, tmp_path / "run", size=8, steps=30, settings={"net.width": 8}, threads=1)
    rows = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text("utf-8").splitlines()]
    told = [row for row in rows if "heldout_rmse" in row]
    assert 0 < told[-1]["heldout_rmse"] < 1
    assert told[-1]["heldout"] >= 1
    with Image.open(sorted((tmp_path / "run" / "previews").glob("*.png"))[-1]) as shown:
        assert shown.width > 2 * 8
