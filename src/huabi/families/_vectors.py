"""Codes for pictures: a grid of vectors from a codebook, with a prior that learns which stand beside which."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..errors import RequestError
from ..model import DataSpec
from ..nets.autoencoder import GridDecoder, GridEncoder
from ..nets.masked import MaskedTransformer
from ..nets.quantiser import Quantiser
from ..pictures import Picture
from ..requests import Generate, Vary
from ..rng import BatchRng, row_noise
from ._latents import CHUNK, Coded, NetConfig, NoiseLevel
from ._rows import labels_of, pixels_of


@dataclass(frozen=True)
class Vectors:
    """A grid of codes from a codebook: the VQ-VAE (van den Oord et al. 2017)."""

    kind: ClassVar[str] = "vq"
    codes: int = 512  # of the codebook
    length: int = 16  # numbers of a code
    factor: int = 0  # pixels of a code's side: 2, 4, 8 or 16; 0 takes 4 below 64 pixels and 8 from there
    rounds: int = 16  # in which the prior fills the grid, where a request does not say
    width: int = 128  # channels of the prior
    depth: int = 4  # its blocks
    lr: float = 1e-3  # of the prior (Adam)

    def __post_init__(self) -> None:
        if min(self.codes, self.length) < 2 or min(self.rounds, self.depth) < 1 or self.width < 32 or self.width % 32:
            raise ValueError("latent.codes and length are at least 2, rounds and depth 1, width a multiple of 32")
        if self.factor not in (0, 2, 4, 8, 16):
            raise ValueError(f"latent.factor={self.factor}: known are 0, 2, 4, 8, 16")


def grid_of(size: tuple[int, int], factor: int) -> tuple[int, int]:
    """The grid of codes of `factor` pixels a side; raises `RequestError` where sides are no multiples of it."""
    if size[0] % factor or size[1] % factor:
        raise RequestError(f"codes of {factor} x {factor} pixels do not fill {size[1]} x {size[0]}; change --size")
    return size[0] // factor, size[1] // factor


class VectorLatent(nn.Module):
    """Encoder, codebook, decoder and prior of codes z (B, length, h, w), each vector of length 1.

    The prior fills places in an order drawn by chance, which makes it an autoregressive model of any order
    (Hoogeboom et al. 2022): places filled in one round do not hear of each other, and more rounds are truer.
    """

    def __init__(self, config: Vectors, net: NetConfig, spec: DataSpec) -> None:
        super().__init__()
        factor = config.factor or (4 if min(spec.size) < 64 else 8)
        self.config, self.spec, self.grid = config, spec, grid_of(spec.size, factor)
        shape = {"factor": factor, "width": net.width, "depth": net.depth}
        self.encoder = GridEncoder(spec.channels, config.length, **shape)
        self.decoder = GridDecoder(spec.channels, config.length, **shape)
        self.quantiser = Quantiser(config.codes, config.length)
        self.prior = MaskedTransformer(
            config.length, math.prod(self.grid), classes=len(spec.labels), width=config.width, depth=config.depth
        )
        self.noise = NoiseLevel()

    def vectors(self, image: Tensor) -> Tensor:
        """What the encoder says of pictures (B, C, H, W), before it is rounded to codes: (B, length, h, w)."""
        return F.normalize(self.encoder(image).float(), dim=1)

    def encode(self, image: Tensor, label: Tensor | None, rng: BatchRng) -> Coded:
        """The codes of pictures, straight through (van den Oord et al. 2017, section 3.2), and their commitment.

        The rate is the third term of eq. 3, which keeps the encoder near the codes, for each value of a picture.
        """
        z = self.vectors(image)
        index = self.quantiser(z)
        codes = self.quantiser.vectors(index)  # those that were chosen, before they move
        figures = self.quantiser.figures(index)
        if self.training:
            fresh = rng.integers(index.numel(), -(-self.config.codes // len(image))).flatten()
            self.quantiser.learn(z, index, fresh[: self.config.codes])
        commitment = (z - codes).square().sum(1).mean((1, 2)) * math.prod(self.spec.shape)
        return Coded(z + (codes - z).detach(), commitment, figures, index.flatten(1))

    def decode(self, z: Tensor, label: Tensor | None) -> Tensor:
        """Pictures (B, C, H, W), unbounded, of codes (B, length, h, w); what a label means stands in the codes."""
        out: Tensor = self.decoder(z * self.config.length**0.5).float()
        return out

    def reconstruct(self, image: Tensor, label: Tensor | None) -> Tensor:
        """Pictures (B, C, H, W) by way of their codes."""
        return self.decode(self.quantiser.vectors(self.quantiser(self.vectors(image))), label)

    def prior_loss(self, index: Tensor, label: Tensor | None, rng: BatchRng) -> Tensor:
        """Nats by place that the prior needs for what is hidden of codes (B, N), a share of cos(pi u / 2) of them.

        The shares are those of Chang et al. (2022, section 3.1).
        """
        share = (rng.uniform(1) * math.pi / 2).cos()
        order = rng.uniform(index.shape[1]).argsort(1).argsort(1)
        hidden = order < (share * index.shape[1]).ceil().clamp(min=1)
        logits = self._logits(index, hidden, label)
        nats = F.cross_entropy(logits.flatten(0, 1), index.flatten(), reduction="none").view_as(hidden)
        return ((nats * hidden).sum(1) / hidden.sum(1)).mean()

    def _logits(self, index: Tensor, hidden: Tensor, label: Tensor | None) -> Tensor:
        """What the prior says of codes (B, N), some of them hidden: (B, N, codes)."""
        out: Tensor = self.prior(self.quantiser.codebook, index, hidden, label)
        return out

    def draw(self, requests: Sequence[Generate]) -> Tensor:
        """Pictures (B, C, H, W) of codes drawn by each request's seed, or on the straight way between two ends."""
        free = [request.model_copy(update={"between": None}) for request in requests]
        rounds = requests[0].steps or self.config.rounds
        if all(request.between is None for request in requests):
            return self.decode(self._free(free, rounds), None)
        a, b = (self._ends(requests, free, side, rounds) for side in (0, 1))
        fraction = torch.tensor([request.fraction for request in requests], device=a.device)
        return self.decode(torch.lerp(a, b, fraction[:, None, None, None]), None)

    def _ends(self, requests: Sequence[Generate], free: Sequence[Generate], side: int, rounds: int) -> Tensor:
        """The codes (B, length, h, w) of one end of each request's walk, or its own where it is none."""
        anchors = [r.seed if r.between is None else r.between[side] for r in requests]
        seeds = [a if isinstance(a, int) else 0 for a in anchors]
        codes = self._free([r.model_copy(update={"seed": s}) for r, s in zip(free, seeds, strict=True)], rounds)
        for row, anchor in enumerate(anchors):
            if not isinstance(anchor, int):
                codes[row] = self.quantiser.vectors(self._index(anchor).unflatten(1, self.grid))[0]
        return codes

    def _free(self, requests: Sequence[Generate], rounds: int) -> Tensor:
        labels = labels_of(requests, self.spec, self.noise.log_sigma.device)
        return self._fill([request.seed for request in requests], labels, rounds)

    def vary(self, requests: Sequence[Vary]) -> Tensor:
        """Pictures that keep a share of 1 - strength of the given one's codes; the prior draws the others to fit."""
        given = torch.cat([self._index(request.image) for request in requests])
        label = None
        if self.spec.labels:
            label = torch.tensor([self._read(request.image) for request in requests], device=given.device)
        strength = torch.tensor([request.strength for request in requests], device=given.device)
        seeds = [request.seed for request in requests]
        return self.decode(self._fill(seeds, label, self.config.rounds, given, strength), None)

    def _fill(
        self,
        seeds: Sequence[int],
        label: Tensor | None,
        rounds: int,
        given: Tensor | None = None,
        strength: Tensor | None = None,
    ) -> Tensor:
        """Codes (B, length, h, w) that the prior draws, few at first and more in later rounds (Chang et al. 2022).

        A share of `strength` (B,) of the codes `given` (B, N) is drawn anew, all of them where none are given.
        """
        device, places = self.noise.log_sigma.device, math.prod(self.grid)
        order, u = torch.special.ndtr(row_noise(seeds, (2, places), "codes")).to(device).unbind(1)
        order = order.argsort(1).argsort(1)  # when each place is filled
        index = torch.zeros_like(order) if given is None else given
        unknown = torch.full_like(u[:, :1], places) if strength is None else (strength[:, None] * places).round()
        hidden = order < unknown
        for left in range(rounds - 1, -1, -1):
            until = unknown * math.sin(math.pi / 2 * left / rounds)  # places that stay hidden
            share = self._logits(index, hidden, label).softmax(2).cumsum(2)
            drawn = (share < u[..., None] * share[..., -1:]).sum(2).clamp(max=self.config.codes - 1)
            now = hidden & (order >= until.floor())
            index, hidden = torch.where(now, drawn, index), hidden & ~now
        codes: Tensor = self.quantiser.vectors(index.unflatten(1, self.grid))
        return codes

    def _index(self, picture: Picture) -> Tensor:
        """The codes' numbers (1, N) of a picture."""
        image = pixels_of(picture, self.spec)[None].to(self.noise.log_sigma.device)
        index: Tensor = self.quantiser(self.vectors(image))
        return index.flatten(1)

    def _read(self, picture: Picture) -> int:
        """The label under which the prior finds a picture's codes likeliest, every other one hidden in turn."""
        index, found = self._index(picture), []
        rows, columns = (torch.arange(side, device=index.device) for side in self.grid)
        even = ((rows[:, None] + columns) % 2 == 0).flatten()
        for label in torch.arange(len(self.spec.labels), device=index.device).split(CHUNK):
            codes = index.expand(len(label), -1)
            logits = torch.where(
                even[:, None],
                self._logits(codes, even.expand_as(codes), label),
                self._logits(codes, ~even.expand_as(codes), label),
            )
            found.append(-F.cross_entropy(logits.movedim(2, 1), codes, reduction="none").sum(1))
        return int(torch.cat(found).argmax())
