"""Variational autoencoder (Kingma and Welling 2014) with a learnt noise level, so that beta = 1 means what it says."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from ..model import Batch, DataSpec, Family, Update
from ..nets.convnets import ConvDecoder, ConvEncoder
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
    latent: int = 64  # length of the code


@dataclass(frozen=True)
class Config:
    """Settings of `vae`."""

    batch: int = 64
    lr: float = 1e-3  # of both networks (Adam)
    sigma_lr: float = 1e-2  # of the noise level's logarithm
    warmup: int = 100  # steps
    ema: float = 0.05  # length of the weight average, as a share of the run
    beta: float = 1.0  # weight of the KL divergence (Higgins et al. 2017); above 1 codes are simpler, pictures softer
    beta_warmup: int = 500  # steps until it has its full weight
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
    Config = Config
    requests = (Generate, Vary)

    def __init__(self, config: Config, spec: DataSpec) -> None:
        super().__init__(config, spec)
        net, classes = config.net, len(spec.labels)
        self.encoder = ConvEncoder(spec.channels, spec.size, 2 * net.latent, width=net.width, depth=net.depth)
        self.decoder = ConvDecoder(
            spec.channels, spec.size, classes=classes, latent=net.latent, width=net.width, depth=net.depth
        )
        self.log_sigma = nn.Parameter(torch.zeros(()))

    def optimizers(self) -> dict[str, torch.optim.Optimizer]:
        nets = [*self.encoder.parameters(), *self.decoder.parameters()]
        # one number has far to go, from 0 to about -3, and no noise to fear
        groups = [{"params": nets}, {"params": [self.log_sigma], "lr": self.config.sigma_lr}]
        return {"vae": torch.optim.Adam(groups, self.config.lr, (0.9, 0.99))}

    def posterior(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and logarithm of the variance (B, latent) of the codes of pictures (B, C, H, W)."""
        mean, log_var = self.encoder(image).float().chunk(2, 1)
        return mean, log_var.clamp(-12, 6)

    def beta(self, step: int) -> float:
        """The weight of the KL divergence: it grows from 0 to `config.beta` over `beta_warmup` steps."""
        return self.config.beta * min(1.0, (step + 1) / max(1, self.config.beta_warmup))

    def losses(self, batch: Batch, step: int) -> Iterator[Update]:
        label = batch.label if self.spec.labels else None
        mean, log_var = self.posterior(batch.image)
        z = mean + (log_var / 2).exp() * batch.rng.normal(self.config.net.latent)  # (B, latent)
        drawn = self.decoder(z, label).float()
        # pictures of 8 bits hold nothing finer than 1/255; softly, or a gradient of 0 would hold it there for good
        log_sigma = nn.functional.softplus(self.log_sigma + LOG_255) - LOG_255
        nll = gaussian_nll(batch.image, drawn, log_sigma).mean()
        kl = kl_divergence(mean, log_var).mean()
        loss = (nll + self.beta(step) * kl) / math.prod(self.spec.shape)
        yield Update("vae", loss, {"nll": nll.detach(), "kl": kl.detach(), "sigma": log_sigma.detach().exp()})

    @torch.no_grad()
    def sample(self, requests: Sequence[Generate | Vary]) -> Iterator[Tensor]:
        varied = [request for request in requests if isinstance(request, Vary)]
        if varied:
            yield self._vary(varied)
            return
        for request in requests:
            refuse(request, "steps", "guidance", "solver", why="a vae draws in one step")
        z = latents_of(requests, (self.config.net.latent,), self._code).to(self.device)
        yield self.decoder(z, label_mix_of(requests, self.spec, self.device, self._read)).float()

    def _vary(self, requests: Sequence[Vary]) -> Tensor:
        """Pictures near the given ones: z = sqrt(1 - s^2) code + s noise, so that s = 1 is a free draw."""
        codes = torch.stack([self._code(request.image) for request in requests])  # (B, latent)
        strength = torch.tensor([[request.strength] for request in requests], device=self.device)
        noise = row_noise([request.seed for request in requests], (self.config.net.latent,)).to(self.device)
        label = None
        if self.spec.labels:
            label = torch.tensor([self._read(request.image) for request in requests], device=self.device)
        out: Tensor = self.decoder((1 - strength**2).sqrt() * codes + strength * noise, label).float()
        return out

    def _code(self, picture: Picture) -> Tensor:
        return self.posterior(pixels_of(picture, self.spec)[None].to(self.device))[0][0]  # (latent,)

    def _read(self, picture: Picture) -> int:
        """The label under which the decoder draws `picture` best from its code: p(x | z, y) is largest."""
        image = pixels_of(picture, self.spec).to(self.device)
        code = self._code(picture)[None]
        errors = []
        for label in torch.arange(len(self.spec.labels), device=self.device).split(CHUNK):
            drawn = self.decoder(code.expand(len(label), -1), label)
            errors.append((drawn.float() - image).square().flatten(1).mean(1))
        return int(torch.cat(errors).argmin())
