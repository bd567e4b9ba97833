"""The GAN: the turns of its contest, its penalties and nets, and what its samples promise."""

from __future__ import annotations

import pytest
import torch

from huabi.adversarial import LOSSES, critic_loss, gradient_penalty, lipschitz_penalty
from huabi.config import configure
from huabi.errors import RequestError
from huabi.families.gan import DCGAN, GAN, GANConfig, Projected, ResNet
from huabi.model import Batch, DataSpec
from huabi.nets.gans import DCGANCritic, DCGANGenerator, ResNetCritic, ResNetGenerator, with_deviation
from huabi.requests import Generate
from huabi.rng import BatchRng

LABELS = ("a", "b", "c")
SMALL = GANConfig(batch=4, net=ResNet(width=8, latent=16))
NETS = [ResNet(width=8, latent=16), ResNet(width=8, depth=2, spectral=True), DCGAN(width=8, deviation=True)]


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


@pytest.mark.parametrize(
    ("generator", "critic"), [(ResNetGenerator, ResNetCritic), (DCGANGenerator, DCGANCritic)], ids=["resnet", "dcgan"]
)
@pytest.mark.parametrize("size", [(8, 8), (12, 8), (28, 28), (16, 36), (64, 64), (8, 100), (256, 256)])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_pictures_of_every_size_and_channel_count(generator, critic, size, channels):
    if max(size) > 100 and channels != 3:
        pytest.skip("one large size is enough")
    net = generator(channels, size, latent=8, width=4)
    x = net(torch.randn(2, 8))
    assert x.shape == (2, channels, *size)
    assert x.abs().max() <= 1
    for options in ({}, {"deviation": True, "spectral": True}):
        assert critic(channels, size, width=4, **options)(x).shape == (2,)


@pytest.mark.parametrize("net", NETS, ids=["plain", "deep-spectral", "dcgan"])
@pytest.mark.parametrize("labels", [(), LABELS])
def test_a_step_turns_the_generator_first_then_the_critic(labels, net):
    family = gan(labels=labels, config=GANConfig(batch=4, net=net))
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


@pytest.mark.parametrize("loss", LOSSES)
def test_every_loss_trains_both_networks(loss):
    family = gan(config=GANConfig(batch=4, loss=loss, net=SMALL.net))
    nets = (family.generator, family.critic)
    for net, update in zip(nets, family.losses(batch(family), 1), strict=True):
        assert any(
            g.abs().max() > 0
            for g in torch.autograd.grad(update.loss, list(net.parameters()), allow_unused=True)
            if g is not None
        )
    with pytest.raises(ValueError, match="relativistic"):
        GANConfig(loss="hinges")


def test_with_more_turns_of_the_critic_the_generator_waits():
    family = gan(config=GANConfig(batch=4, critic_steps=3, net=SMALL.net))
    turns = [[u.optimizer for u in family.losses(batch(family, step), step)] for step in range(4)]
    assert turns == [["generator", "critic"], ["critic"], ["critic"], ["generator", "critic"]]


@pytest.mark.parametrize(("r1", "r2"), [(2.0, 0.0), (0.0, 3.0), (2.0, 3.0)])
def test_penalties_are_lazy_and_count_for_the_steps_that_they_skip(r1, r2):
    family = gan(config=GANConfig(batch=4, r1=r1, r2=r2, net=ResNet(width=8, latent=16, deviation=False)))
    given, fake, label = batch(family), torch.rand(4, 3, 16, 16) - 0.5, torch.arange(4) % 3
    plain, lazy = (family.critic_turn(given, given.image, fake, label, step) for step in (1, 16))
    expected = 0.0
    for gamma, images in ((r1, given.image), (r2, fake)):
        leaf = images.clone().requires_grad_()
        expected += gamma / 2 * 16 * gradient_penalty(family.critic(leaf, label), leaf).mean()
    torch.testing.assert_close(lazy.loss - plain.loss, expected, atol=1e-6, rtol=1e-3)


def test_wgan_gp_has_its_own_penalty_in_every_step():
    family = gan(config=GANConfig(batch=4, loss="wgan-gp", gp=5.0, net=SMALL.net))
    given, fake, label = batch(family, 1), torch.rand(4, 3, 16, 16) - 0.5, torch.arange(4) % 3
    loss = family.critic_turn(given, given.image, fake, label, 1).loss
    u = batch(family, 1).rng.uniform()
    penalty = lipschitz_penalty(lambda x: family.critic(x, label), given.image, fake, u).mean()
    contest = critic_loss("wgan-gp", family.critic(given.image, label), family.critic(fake, label))
    torch.testing.assert_close(loss, contest + 5 * penalty)


def test_spectral_normalisation_holds_every_weight_at_a_singular_value_of_one():
    critic = ResNetCritic(3, (16, 16), width=8, spectral=True)
    for _ in range(30):
        critic(torch.randn(2, 3, 16, 16))
    critic.eval()
    for layer in critic.modules():
        if isinstance(layer, torch.nn.Conv2d | torch.nn.Linear):
            assert torch.linalg.matrix_norm(layer.weight.flatten(1), 2).item() == pytest.approx(1, abs=0.05)


def test_the_deviation_of_a_batch_is_one_more_channel():
    same, different = torch.ones(4, 2, 3, 3), torch.randn(1000, 2, 3, 3) * 5
    assert with_deviation(same).shape == (4, 3, 3, 3)
    assert with_deviation(same)[:, 2].max() < 1e-3
    assert with_deviation(different)[0, 2, 0, 0].item() == pytest.approx(5, rel=0.05)


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


def test_less_truncation_is_more_variety():
    family = spread(gan())
    spreads = []
    for truncation in (0.0, 0.3, 1.0):
        x = picture(family, *(Generate(seed=s, label="a", truncation=truncation) for s in range(6)))
        spreads.append(x.std(0).mean().item())
    assert spreads[0] == pytest.approx(0, abs=1e-5)
    assert spreads[0] < spreads[1] < spreads[2]
    torch.testing.assert_close(picture(family, Generate(seed=1, truncation=1.0)), picture(family, Generate(seed=1)))
    trained_so = gan(config=configure(SMALL, {"truncation": 0.3}))
    trained_so.load_state_dict(family.state_dict())
    asked, by_default = Generate(seed=3, truncation=0.3), Generate(seed=3)
    torch.testing.assert_close(picture(trained_so, by_default), picture(family, asked))


def test_two_seeds_mix_and_a_seed_mixed_with_itself_is_itself():
    family = spread(gan())
    plain, mixed, own = (picture(family, Generate(seed=1, label="a", mix=mix)) for mix in (None, 2, 1))
    torch.testing.assert_close(own, plain, atol=1e-5, rtol=1e-5)
    assert (mixed - plain).abs().mean() > 1e-3
    other = picture(family, Generate(seed=2, label="a"))
    assert (mixed - other).abs().mean() > 1e-3
    family = gan(config=GANConfig(batch=4, net=DCGAN(width=8))).eval()
    with pytest.raises(RequestError, match="net=resnet"):
        list(family.sample([Generate(mix=1)]))


def test_the_width_follows_what_the_time_allows():
    def width(steps):
        return GAN.fit(GANConfig(), steps).net.width

    assert width(None) == 32
    assert width(lambda config: 12_000 * (32 / config.net.width) ** 2) == 32
    assert width(lambda config: 10) == 24
    assert width(lambda config: 10**9) == 128
    asked = GANConfig(net=ResNet(width=24))
    assert GAN.fit(asked, lambda config: 10**9) == asked
    assert GAN.fit(GANConfig(net=DCGAN())).net == DCGAN()


@pytest.mark.parametrize(
    ("settings", "word"),
    [
        ({"net": "unet"}, "net=unet: known are resnet, dcgan"),
        ({"loss": "lsgan"}, "loss=lsgan: known are relativistic"),
        ({"net.width": -8}, "net.width is at least 0"),
        ({"net": "dcgan", "net.width": 0}, "at least 1"),
        ({"net": "dcgan", "net.depth": 2}, "no setting 'net.depth'"),
        ({"batch": 1}, "batch must be at least 2"),
        ({"augment": "adda"}, "known are auto, ada"),
        ({"augment": "ada", "augment.limit": 1.0}, "below 1"),
        ({"truncation": 1.5}, "truncation"),
        ({"r2": -1.0}, "at least 0"),
    ],
)
def test_settings_that_make_no_sense_are_named(settings, word):
    with pytest.raises(RequestError, match=word):
        configure(GANConfig(), settings)


def test_the_projected_critic_hears_pictures_through_a_network_that_stays_as_it_is() -> None:
    family = gan((8, 8), config=GANConfig(batch=4, net=Projected(width=8, latent=16, judges=8, least=32)))
    optimizers = family.optimizers()
    owned = {id(p) for group in optimizers["critic"].param_groups for p in group["params"]}
    for name, parameter in family.critic.named_parameters():
        assert (id(parameter) in owned) == parameter.requires_grad == name.startswith("judges"), name
    image = (torch.rand(2, 3, 8, 8) * 2 - 1).requires_grad_()
    family.critic(image, torch.tensor([0, 1])).sum().backward()
    assert image.grad.abs().amax((1, 2, 3)).min() > 0
    before = {name: value.clone() for name, value in family.critic.state_dict().items()}
    for update in family.losses(batch(family), 0):
        update.loss.backward()
        optimizers[update.optimizer].step()
    for name, value in family.critic.state_dict().items():
        if name.startswith(("features", "mix", "smooth")):
            assert torch.equal(value, before[name]), name
    assert not torch.equal(family.critic.judges[0].label.weight, before["judges.0.label.weight"])
