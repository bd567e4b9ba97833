"""Codes for pictures: normal ones, in one row of numbers, with a prior that learns how they lie."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..model import DataSpec
from ..nets.convnets import ConvDecoder, ConvEncoder
from ..nets.couplings import Couplings
from ..pictures import Picture
from ..requests import Generate, Vary
from ..rng import BatchRng, row_noise
from ._rows import label_mix_of, latents_of, pixels_of, truncation_of

LOG_255 = math.log(255)
CHUNK = 64  # pictures decoded at once while a picture's label is looked for


@dataclass(frozen=True)
class NetConfig:
    """The shape of encoder and decoder."""

    width: int = 32  # channels at the finest level
    depth: int = 1  # residual blocks of a level


@dataclass(frozen=True)
class Normal:
    """Codes of normal numbers, the textbook's VAE."""

    kind: ClassVar[str] = "normal"
    length: int = 32  # numbers of a code
    flow: int = 4  # layers of the learnt prior; 0 leaves the prior a plain normal
    free_bits: float = 4.0  # nats that a code may tell of its picture at no cost (Kingma et al. 2016)

    def __post_init__(self) -> None:
        if self.length < 1 or min(self.flow, self.free_bits) < 0:
            raise ValueError("latent.length is at least 1, latent.flow and latent.free_bits are at least 0")


class Coded(NamedTuple):
    """Pictures as codes."""

    z: Tensor  # (B, ...) what the decoder draws from
    rate: Tensor  # (B,) what beta weighs, in nats
    logs: Mapping[str, Tensor]
    numbers: Tensor | None = None  # (B, N) of its codes, where they stand in a codebook


def kl_divergence(mean: Tensor, log_var: Tensor) -> Tensor:
    """KL(N(mean, exp(log_var)) || N(0, 1)) of each row (B, ...) in nats (B,) (Kingma and Welling, appendix B)."""
    return 0.5 * (mean.square() + log_var.exp() - 1 - log_var).flatten(1).sum(1)


def free_bits(kl: Tensor, least: float) -> Tensor:
    """Nats (B,) of codes, none of which counts as less than `least`; 0 leaves them as they are.

    A code that tells no more than that gains nothing by telling nothing, so codes do not fall silent (Kingma et al.
    2016, eq. 15, its numbers as one group). It goes row by row, and not by a batch's mean: a batch can be split.
    """
    return kl.clamp(min=least) if least else kl


class NoiseLevel(nn.Module):
    """The decoder's one sigma: () -> its logarithm, above that of 1/255, since 8 bits hold nothing finer."""

    def __init__(self) -> None:
        super().__init__()
        self.log_sigma = nn.Parameter(torch.zeros(()))

    def forward(self) -> Tensor:
        # softly, or a gradient of 0 would hold it at the floor for good
        return F.softplus(self.log_sigma + LOG_255) - LOG_255


def gaussian_nll(x: Tensor, mean: Tensor, log_sigma: Tensor) -> Tensor:
    """-log N(x; mean, sigma^2) of each row in nats (B,), without its constant (Rybkin et al. 2021, eq. 3)."""
    error = (x - mean).square().flatten(1)  # (B, pixels)
    return (0.5 * error.mean(1) * (-2 * log_sigma).exp() + log_sigma) * error.shape[1]


class NormalLatent(nn.Module):
    """Encoder, decoder and prior p(z | y) of codes z (B, length)."""

    def __init__(self, config: Normal, net: NetConfig, spec: DataSpec) -> None:
        super().__init__()
        self.config, self.spec, classes = config, spec, len(spec.labels)
        shape = {"width": net.width, "depth": net.depth}
        self.encoder = ConvEncoder(spec.channels, spec.size, 2 * config.length, **shape)
        self.decoder = ConvDecoder(spec.channels, spec.size, classes=classes, latent=config.length, **shape)
        self.prior = Couplings(config.length, config.flow, classes=classes)
        self.noise = NoiseLevel()

    def posterior(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and logarithm of the variance (B, length) of the codes of pictures (B, C, H, W)."""
        mean, log_var = self.encoder(image).float().chunk(2, 1)
        return mean, log_var.clamp(-12, 6)

    def encode(self, image: Tensor, label: Tensor | None, rng: BatchRng) -> Coded:
        """A draw of each picture's codes, and KL(q(z | x) || p(z | y)) less what is free."""
        mean, log_var = self.posterior(image)
        z = mean + (log_var / 2).exp() * rng.normal(self.config.length)  # (B, length)
        kl = self.divergence(mean, log_var, z, label)
        return Coded(z, free_bits(kl, self.config.free_bits), {"kl": kl.detach().mean()})

    def divergence(self, mean: Tensor, log_var: Tensor, z: Tensor, label: Tensor | None) -> Tensor:
        """KL(q(z | x) || p(z | y)) of each row (B,): exact for the plain prior, else at the codes z drawn from q."""
        if not self.prior.layers:
            return kl_divergence(mean, log_var)
        entropy = 0.5 * (log_var + math.log(2 * math.pi) + 1).sum(1)
        return -entropy - self.prior.log_prob(z, label)

    def decode(self, z: Tensor, label: Tensor | None) -> Tensor:
        """Pictures (B, C, H, W), unbounded, of codes (B, length)."""
        out: Tensor = self.decoder(z, label).float()
        return out

    def reconstruct(self, image: Tensor, label: Tensor | None) -> Tensor:
        """Pictures (B, C, H, W) by way of the mean of their codes."""
        return self.decode(self.posterior(image)[0], label)

    def draw(self, requests: Sequence[Generate]) -> Tensor:
        """Pictures (B, C, H, W) of the prior's noise by each request's seed, or on the way between two ends."""
        device = self.noise.log_sigma.device
        u = truncation_of(requests) * latents_of(requests, (self.config.length,), self._noise)
        return self._drawn(u.to(device), label_mix_of(requests, self.spec, device, self._read))

    def vary(self, requests: Sequence[Vary]) -> Tensor:
        """Pictures near the given ones: u = sqrt(1 - s^2) u(picture) + s noise, so that s = 1 is a free draw."""
        own = torch.stack([self._noise(request.image) for request in requests])  # (B, length)
        strength = torch.tensor([[request.strength] for request in requests], device=own.device)
        noise = row_noise([request.seed for request in requests], own.shape[1:]).to(own.device)
        label = None
        if self.spec.labels:
            label = torch.tensor([self._read(request.image) for request in requests], device=own.device)
        return self._drawn((1 - strength**2).sqrt() * own + strength * noise, label)

    def _drawn(self, u: Tensor, label: Tensor | None) -> Tensor:
        return self.decode(self.prior(u, label), label)

    def _code(self, picture: Picture) -> tuple[Tensor, Tensor]:
        """A picture as this model sees it (1, C, H, W), and the mean of its codes (1, length)."""
        image = pixels_of(picture, self.spec)[None].to(self.noise.log_sigma.device)
        return image, self.posterior(image)[0]

    def _noise(self, picture: Picture) -> Tensor:
        """The prior's noise (length,) that leads to the mean of a picture's codes, under the label read in it."""
        code = self._code(picture)[1]
        label = torch.tensor([self._read(picture)], device=code.device) if self.spec.labels else None
        return self.prior.inverse(code, label)[0][0]

    def _read(self, picture: Picture) -> int:
        """The label that explains a picture best: p(x | z, y) p(z | y) is largest at its code z."""
        image, code = self._code(picture)
        found = []
        for label in torch.arange(len(self.spec.labels), device=code.device).split(CHUNK):
            codes = code.expand(len(label), -1)
            nll = gaussian_nll(image, self.decode(codes, label), self.noise())
            found.append(self.prior.log_prob(codes, label) - nll)
        return int(torch.cat(found).argmax())
