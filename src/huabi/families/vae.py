"""Variational autoencoder (Kingma and Welling 2014) with a learnt noise level, so that beta = 1 means what it says."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from ..model import Batch, DataSpec, Family, Update
from ..nets.convnets import ConvDecoder, ConvEncoder
from ..nets.couplings import Couplings
from ..pictures import Picture
from ..requests import Generate, Vary
from ..rng import row_noise
from ._rows import label_mix_of, latents_of, pixels_of, refuse

LOG_255 = math.log(255)
CHUNK = 64  # pictures decoded at once while a picture's label is looked for


@dataclass(frozen=True)
class NetConfig:
    """The shape of encoder and decoder."""

    width: int = 32  # channels at the finest level
    depth: int = 1  # residual blocks of a level
    latent: int = 32  # length of the code
    flow: int = 4  # layers of the learnt prior; 0 leaves the prior a plain normal


@dataclass(frozen=True)
class VAEConfig:
    """Settings of `vae`."""

    batch: int = 64
    lr: float = 1e-3  # of both networks (Adam)
    sigma_lr: float = 1e-2  # of the noise level's logarithm
    warmup: int = 100  # steps
    ema: float = 0.05  # length of the weight average, as a share of the run
    beta: float = 1.0  # weight of the KL divergence (Higgins et al. 2017); above 1 codes are simpler, pictures softer
    beta_warmup: int = 200  # steps until it has its full weight
    net: NetConfig = field(default_factory=NetConfig)

    def __post_init__(self) -> None:
        if self.beta < 0 or self.beta_warmup < 0:
            raise ValueError("beta and beta_warmup are at least 0")


def kl_divergence(mean: Tensor, log_var: Tensor) -> Tensor:
    """KL(N(mean, exp(log_var)) || N(0, 1)) of each row in nats (B,), from (B, latent) each (Kingma, appendix B)."""
    return 0.5 * (mean.square() + log_var.exp() - 1 - log_var).sum(1)


def gaussian_nll(x: Tensor, mean: Tensor, log_sigma: Tensor) -> Tensor:
    """-log N(x; mean, sigma^2) of each row in nats (B,), without its constant (Rybkin et al. 2021, eq. 3)."""
    error = (x - mean).square().flatten(1)  # (B, pixels)
    return (0.5 * error.mean(1) * (-2 * log_sigma).exp() + log_sigma) * error.shape[1]


class VAE(Family):
    """An encoder that gives each picture a cloud of codes, and a decoder that draws pictures from codes.

    The decoder's noise level sigma is one learnt number: its best value is the root mean square error, so that the
    reconstruction gains weight as it gets better, and nothing is to be tuned (Rybkin et al. 2021).
    """

    name = "vae"
    title = "codes for pictures; soft pictures, quick to train, and variations of yours"
    Config = VAEConfig
    requests = (Generate, Vary)

    config: VAEConfig

    def __init__(self, config: VAEConfig, spec: DataSpec) -> None:
        super().__init__(config, spec)
        net, classes = config.net, len(spec.labels)
        self.encoder = ConvEncoder(spec.channels, spec.size, 2 * net.latent, width=net.width, depth=net.depth)
        self.decoder = ConvDecoder(
            spec.channels, spec.size, classes=classes, latent=net.latent, width=net.width, depth=net.depth
        )
        self.prior = Couplings(net.latent, net.flow, classes=classes)
        self.log_sigma = nn.Parameter(torch.zeros(()))

    def optimizers(self) -> dict[str, torch.optim.Optimizer]:
        nets = [p for name, p in self.named_parameters() if name != "log_sigma"]
        # one number has far to go, from 0 to about -3, and no noise to fear
        groups: list[dict[str, Any]] = [{"params": nets}, {"params": [self.log_sigma], "lr": self.config.sigma_lr}]
        return {"vae": torch.optim.Adam(groups, self.config.lr, (0.9, 0.99))}

    def posterior(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and logarithm of the variance (B, latent) of the codes of pictures (B, C, H, W)."""
        mean, log_var = self.encoder(image).float().chunk(2, 1)
        return mean, log_var.clamp(-12, 6)

    def beta(self, step: int) -> float:
        """The weight of the KL divergence: it grows from 0 to `config.beta` over `beta_warmup` steps."""
        return self.config.beta * min(1.0, (step + 1) / max(1, self.config.beta_warmup))

    def noise_level(self) -> Tensor:
        """The logarithm of sigma (), above that of 1/255: pictures of 8 bits hold nothing finer."""
        # softly, or a gradient of 0 would hold it at the floor for good
        return nn.functional.softplus(self.log_sigma + LOG_255) - LOG_255

    def losses(self, batch: Batch, step: int) -> Iterator[Update]:
        label = batch.label if self.spec.labels else None
        mean, log_var = self.posterior(batch.image)
        z = mean + (log_var / 2).exp() * batch.rng.normal(self.config.net.latent)  # (B, latent)
        drawn = self.decoder(z, label).float()
        log_sigma = self.noise_level()
        nll = gaussian_nll(batch.image, drawn, log_sigma).mean()
        kl = self.divergence(mean, log_var, z, label).mean()
        loss = (nll + self.beta(step) * kl) / math.prod(self.spec.shape)
        yield Update("vae", loss, {"nll": nll.detach(), "kl": kl.detach(), "sigma": log_sigma.detach().exp()})

    def divergence(self, mean: Tensor, log_var: Tensor, z: Tensor, label: Tensor | None) -> Tensor:
        """KL(q(z | x) || p(z | y)) of each row (B,): exact for the plain prior, else at the codes z drawn from q."""
        if not self.prior.layers:
            return kl_divergence(mean, log_var)
        entropy = 0.5 * (log_var + math.log(2 * math.pi) + 1).sum(1)
        return -entropy - self.prior.log_prob(z, label)

    @torch.no_grad()
    def sample(self, requests: Sequence[Generate | Vary]) -> Iterator[Tensor]:
        varied = [request for request in requests if isinstance(request, Vary)]
        if varied:
            yield self._vary(varied)
            return
        for request in requests:
            refuse(request, "steps", "guidance", "solver", why="a vae draws in one step")
        u = latents_of(requests, (self.config.net.latent,), self._noise).to(self.device)
        yield self._draw(u, label_mix_of(requests, self.spec, self.device, self._read))

    def _draw(self, u: Tensor, label: Tensor | None) -> Tensor:
        """Pictures (B, C, H, W) of the prior's noise u (B, latent)."""
        out: Tensor = self.decoder(self.prior(u, label), label).float()
        return out

    def _vary(self, requests: Sequence[Vary]) -> Tensor:
        """Pictures near the given ones: u = sqrt(1 - s^2) u(picture) + s noise, so that s = 1 is a free draw."""
        own = torch.stack([self._noise(request.image) for request in requests])  # (B, latent)
        strength = torch.tensor([[request.strength] for request in requests], device=self.device)
        noise = row_noise([request.seed for request in requests], (self.config.net.latent,)).to(self.device)
        label = None
        if self.spec.labels:
            label = torch.tensor([self._read(request.image) for request in requests], device=self.device)
        return self._draw((1 - strength**2).sqrt() * own + strength * noise, label)

    def _code(self, picture: Picture) -> tuple[Tensor, Tensor]:
        """A picture as this model sees it (1, C, H, W), and the mean of its codes (1, latent)."""
        image = pixels_of(picture, self.spec)[None].to(self.device)
        return image, self.posterior(image)[0]

    def _noise(self, picture: Picture) -> Tensor:
        """The prior's noise (latent,) that leads to the mean of a picture's codes, under the label read in it."""
        label = torch.tensor([self._read(picture)], device=self.device) if self.spec.labels else None
        return self.prior.inverse(self._code(picture)[1], label)[0][0]

    def _read(self, picture: Picture) -> int:
        """The label that explains a picture best: p(x | z, y) p(z | y) is largest at its code z."""
        image, code = self._code(picture)
        found = []
        for label in torch.arange(len(self.spec.labels), device=self.device).split(CHUNK):
            codes = code.expand(len(label), -1)
            nll = gaussian_nll(image, self.decoder(codes, label).float(), self.noise_level())
            found.append(self.prior.log_prob(codes, label) - nll)
        return int(torch.cat(found).argmax())
