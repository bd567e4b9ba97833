"""Variational autoencoder (Kingma and Welling 2014) with a learnt noise level, so that beta = 1 means what it says."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Adam, Optimizer

from ..model import Batch, DataSpec, Family, Update
from ..nets.autoencoder import GridDecoder, GridEncoder
from ..requests import Generate, Vary
from ..rng import row_noise
from ._detail import Detail, critic_for, critic_turn, detail_loss, seer_for
from ._latents import NetConfig, NoiseLevel, Normal, NormalLatent, gaussian_nll, kl_divergence
from ._rows import pixels_of, refuse
from ._vectors import VectorLatent, Vectors, grid_of

Logs = Mapping[str, Tensor]


@dataclass(frozen=True)
class VAEConfig:
    """Settings of `vae`."""

    batch: int = 16
    lr: float = 1e-3  # of encoder and decoder (Adam)
    beta1: float = 0.5
    beta2: float = 0.99
    sigma_lr: float = 1e-2  # of the noise level's logarithm
    warmup: int = 100  # steps
    ema: float = 0.05  # length of the weight average, as a share of the run
    beta: float = 1.0  # weight of the KL divergence (Higgins et al. 2017), or of the commitment to the codebook
    beta_warmup: int = 200  # steps until it has its full weight
    net: NetConfig = field(default_factory=NetConfig)
    latent: Normal | Vectors = field(default_factory=Normal)
    detail: Detail = field(default_factory=Detail)

    def __post_init__(self) -> None:
        if self.beta < 0 or self.beta_warmup < 0:
            raise ValueError("beta and beta_warmup are at least 0")


def _optimizers(family: VAE | Autoencoder, nets: Sequence[nn.Module], noise: NoiseLevel) -> dict[str, Optimizer]:
    """Adam for the networks that code and draw, and for the critic, if there is one."""
    config = family.config
    betas = (config.beta1, config.beta2)
    # one number has far to go, from 0 to about -3, and no noise to fear
    groups: list[dict[str, Any]] = [
        {"params": [p for net in nets for p in net.parameters()]},
        {"params": list(noise.parameters()), "lr": config.sigma_lr},
    ]
    found: dict[str, Optimizer] = {family.name: Adam(groups, config.lr, betas)}
    if family.critic is not None:
        found["critic"] = Adam(family.critic.parameters(), config.detail.lr, betas)
    return found


def _updates(
    family: VAE | Autoencoder, batch: Batch, step: int, drawn: Tensor, rate: Tensor, noise: NoiseLevel, logs: Logs
) -> Iterator[Update]:
    """The turns of the networks and of the critic.

    Args:
        drawn: what the decoder made of the codes of `batch.image` (B, C, H, W).
        rate: () nats that the codes of a picture cost, weighed.
        noise: the level of the decoder's.
        logs: figures to log beside.
    """
    image, label = batch.image, batch.label if family.spec.labels else None
    log_sigma = noise()
    sigma = log_sigma.detach().exp()
    nll = gaussian_nll(image, drawn, log_sigma).mean()
    rmse = (drawn.detach() - image).square().mean().sqrt()
    more, found = detail_loss(family.critic, family.seer, family.config.detail, image, drawn, label, sigma)
    loss = (nll + rate) / math.prod(family.spec.shape) + more
    yield Update(family.name, loss, {"nll": nll.detach(), "rmse": rmse, "sigma": sigma, **logs, **found})
    if family.critic is not None:
        yield critic_turn(family.critic, family.config.detail, image, drawn.detach(), label, step)

WORDLESS = "this model hears no words"


class VAE(Family):
    """An encoder that gives each picture a cloud of codes, and a decoder that draws pictures from codes.

    The decoder's noise level sigma is one learnt number: its best value is the root mean square error, so that the
    reconstruction gains weight as it gets better, and nothing is to be tuned (Rybkin et al. 2021). Beside a small
    error, the decoder is asked for detail: see `Detail`.
    """

    name = "vae"
    title = "codes for pictures; quick to train, and variations of yours"
    Config = VAEConfig
    requests = (Generate, Vary)
    training_only = ("critic", "seer")

    config: VAEConfig

    def __init__(self, config: VAEConfig, spec: DataSpec) -> None:
        super().__init__(config, spec)
        self.latent: NormalLatent | VectorLatent
        if isinstance(config.latent, Vectors):
            self.latent = VectorLatent(config.latent, config.net, spec)
            self.whole_batch = True  # the codebook's statistics
        else:
            self.latent = NormalLatent(config.latent, config.net, spec)
        self.critic, self.seer = critic_for(config.detail, spec), seer_for(config.detail)

    def optimizers(self) -> dict[str, Optimizer]:
        latent = self.latent
        if isinstance(latent, NormalLatent):
            return _optimizers(self, [latent.encoder, latent.decoder, latent.prior], latent.noise)
        found = _optimizers(self, [latent.encoder, latent.decoder], latent.noise)
        return found | {"prior": Adam(latent.prior.parameters(), latent.config.lr, (0.9, 0.99))}

    def beta(self, step: int) -> float:
        """The weight of the rate: it grows from 0 to `config.beta` over `beta_warmup` steps (Bowman et al. 2016)."""
        return self.config.beta * min(1.0, (step + 1) / max(1, self.config.beta_warmup))

    def losses(self, batch: Batch, step: int) -> Iterator[Update]:
        label = batch.label if self.spec.labels else None
        code = self.latent.encode(batch.image, label, batch.rng)
        drawn = self.latent.decode(code.z, label)  # (B, C, H, W)
        rate = self.beta(step) * code.rate.mean()
        yield from _updates(self, batch, step, drawn, rate, self.latent.noise, code.logs)
        if isinstance(self.latent, VectorLatent) and code.numbers is not None:
            yield Update("prior", self.latent.prior_loss(code.numbers, label, batch.rng))

    @torch.no_grad()
    def reconstruct(self, x: Tensor, label: Tensor | None) -> Tensor:
        """Pictures (B, C, H, W) and their labels (B,) -> what the decoder makes of their codes (B, C, H, W)."""
        return self.latent.reconstruct(x, label).clamp(-1, 1)

    def batch_key(self, request: Generate | Vary) -> Hashable:
        return super().batch_key(request), getattr(request, "steps", None)

    @torch.no_grad()
    def sample(self, requests: Sequence[Generate | Vary]) -> Iterator[Tensor]:
        varied = [request for request in requests if isinstance(request, Vary)]
        if varied:
            for given in varied:
                refuse(given, "prompt", why=WORDLESS)
            yield self.latent.vary(varied)
            return
        asked = [request for request in requests if isinstance(request, Generate)]
        for request in asked:
            if isinstance(self.latent, NormalLatent):
                refuse(request, "steps", why="a vae draws in one step")
            else:
                refuse(request, "truncation", why="codes from a codebook are not drawn towards a mean")
            refuse(request, "guidance", "solver", "mix", why="a vae draws without it")
        yield self.latent.draw(asked)


@dataclass(frozen=True)
class AutoencoderConfig:
    """Settings of `autoencoder`."""

    batch: int = 32
    lr: float = 1e-3  # of encoder and decoder (Adam)
    beta1: float = 0.5
    beta2: float = 0.99
    sigma_lr: float = 1e-2  # of the noise level's logarithm
    warmup: int = 100  # steps
    ema: float = 0.05  # length of the weight average, as a share of the run
    beta: float = 0.05  # weight of the KL divergence: enough for codes of about unit scale, too little to blur
    length: int = 4  # numbers of a code
    factor: int = 4  # pixels of a code's side: 2, 4, 8 or 16
    net: NetConfig = field(default_factory=NetConfig)
    detail: Detail = field(default_factory=Detail)

    def __post_init__(self) -> None:
        if self.beta < 0 or self.length < 1:
            raise ValueError("beta is at least 0, and length at least 1")
        if self.factor not in (2, 4, 8, 16):
            raise ValueError(f"factor={self.factor}: known are 2, 4, 8, 16")


class Autoencoder(Family):
    """Pictures as small grids of normal codes, and back: what latent models draw in (Rombach et al. 2022, section 3.1).

    The KL divergence weighs little, so codes lose hardly more than what cannot be seen, and lie near N(0, 1). It draws
    no pictures by itself.
    """

    name = "autoencoder"
    title = "pictures as small grids of codes, for models that draw in them"
    Config = AutoencoderConfig
    requests = (Vary,)
    training_only = ("critic", "seer")

    config: AutoencoderConfig

    def __init__(self, config: AutoencoderConfig, spec: DataSpec) -> None:
        super().__init__(config, spec)
        self.grid = grid_of(spec.size, config.factor)
        shape = {"factor": config.factor, "width": config.net.width, "depth": config.net.depth}
        self.encoder = GridEncoder(spec.channels, 2 * config.length, **shape)
        self.decoder = GridDecoder(spec.channels, config.length, **shape)
        self.noise = NoiseLevel()
        self.critic, self.seer = critic_for(config.detail, spec), seer_for(config.detail)

    def optimizers(self) -> dict[str, Optimizer]:
        return _optimizers(self, [self.encoder, self.decoder], self.noise)

    def posterior(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and logarithm of the variance (B, length, h, w) of the codes of pictures (B, C, H, W)."""
        mean, log_var = self.encoder(image).float().chunk(2, 1)
        return mean, log_var.clamp(-12, 6)

    def encode(self, image: Tensor) -> Tensor:
        """The codes (B, length, H / factor, W / factor) of pictures (B, C, H, W) in [-1, 1]."""
        return self.posterior(image)[0]

    def decode(self, x: Tensor) -> Tensor:
        """Pictures (B, C, H, W) in [-1, 1] of codes (B, length, H / factor, W / factor)."""
        out: Tensor = self.decoder(x).float()
        return out.clamp(-1, 1)

    @torch.no_grad()
    def reconstruct(self, x: Tensor, label: Tensor | None) -> Tensor:
        """Pictures (B, C, H, W) -> what the decoder makes of their codes (B, C, H, W); labels say nothing here."""
        return self.decode(self.encode(x))

    def losses(self, batch: Batch, step: int) -> Iterator[Update]:
        mean, log_var = self.posterior(batch.image)
        z = mean + (log_var / 2).exp() * batch.rng.normal(*mean.shape[1:])  # (B, length, h, w)
        kl = kl_divergence(mean, log_var).mean()
        rate = self.config.beta * kl
        yield from _updates(self, batch, step, self.decoder(z).float(), rate, self.noise, {"kl": kl.detach()})

    @torch.no_grad()
    def sample(self, requests: Sequence[Vary]) -> Iterator[Tensor]:
        for request in requests:
            refuse(request, "prompt", why=WORDLESS)
        image = torch.stack([pixels_of(request.image, self.spec) for request in requests]).to(self.device)
        z = self.encode(image)
        noise = row_noise([request.seed for request in requests], z.shape[1:]).to(self.device)
        strength = torch.tensor([request.strength for request in requests], device=self.device)[:, None, None, None]
        yield (1 - strength**2).sqrt() * z + strength * noise
