"""Drawing by way of meaning (DALL-E 2; Ramesh et al. 2022): what pictures mean, as features of a frozen contrast run.

What draws is told the features of its picture, and a prior finds such features for a text.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar, cast

import torch
from torch import Tensor, nn

from ..config import configure
from ..diffusion import Flow, denoise, diffusion_loss
from ..errors import DataError, RunError
from ..model import Batch, DataSpec
from ..nets.prior import PriorNet
from ..nets.unet import Context
from ..pictures import Picture
from ..requests import Imagine
from ..rng import row_noise
from ..sampling import dpmpp_2m, guided
from ..weights import weights_of
from ._codec import frozen
from ._condition import ContextConfig, Shown
from ._edits import resized
from ._reading import ContrastReader, unit
from ._rows import pixels_of, slerp
from ._texts import Part, Text, unsaid
from .contrast import Contrast, ContrastConfig

TURN = 0.25  # of the arc from a reference to what is said, at a text's weight of 1 (Ramesh et al. 2022, section 3.3)


@dataclass(frozen=True)
class Embedding:
    """What draws is told features of a contrast run, which a prior finds for texts."""

    kind: ClassVar[str] = "embedding"
    sha256: str = ""  # of that run's weights; found out by itself, as the next three are
    size: tuple[int, int] = (64, 64)  # of the pictures that it sees
    channels: int = 3
    sight: ContrastConfig = field(default_factory=ContrastConfig)
    width: int = 256  # of the prior
    depth: int = 4  # blocks of the prior
    guidance: float = 1.5  # of the prior; 1 is off
    steps: int = 16  # of the prior

    def of(self, run: str) -> Embedding:
        """This, with what is found out of a contrast run; raises `RunError` where it is no such run."""
        header, _, sha256 = weights_of(run, "contrast")
        spec, sight = DataSpec.from_json(header["spec"]), configure(ContrastConfig(), header["config"])
        return replace(self, sha256=sha256, size=spec.size, channels=spec.channels, sight=sight)


class Walk(Imagine):
    """A picture between two, in what they mean: at `fraction` of the way."""

    ends: tuple[Picture, Picture]


class Meaning(nn.Module):
    """The frozen contrast run, and the prior p(features | text): a flow in features whose network predicts x0."""

    def __init__(self, spec: DataSpec, config: Embedding, context: ContextConfig) -> None:
        super().__init__()
        if not (spec.captions or spec.labels):
            raise DataError("condition=embedding needs captions or labels; leave it out, or add captions")
        self.spec, self.config = spec, config
        sight = Contrast(config.sight, DataSpec(config.size, config.channels, captions=True))
        self.text = Text(spec, context, ContrastReader(frozen(sight), context.width))
        self.net = PriorNet(config.sight.features, context.width, width=config.width, depth=config.depth)
        self.path = Flow(mean=0.0, shift=1.0, clean=True)

    @property
    def sight(self) -> Contrast:
        return cast(Contrast, cast(ContrastReader, self.text.encoder).sight)

    def adopt(self, run: str) -> None:
        """Takes the weights of a contrast run; raises `RunError` where it cannot be the one that is asked for."""
        if self.spec.channels != self.config.channels:
            raise RunError(f"{run} sees pictures of other channels than these; train a contrast run on these")
        cast(ContrastReader, self.text.encoder).adopt(run, self.config.sha256)

    @torch.no_grad()
    def see(self, image: Tensor) -> Tensor:
        """Features (B, D) of pictures (B, C, H, W) in [-1, 1], of mean square 1."""
        return unit(self.sight.embed(resized(image, self.config.size)))

    def loss(self, batch: Batch, x0: Tensor) -> Tensor:
        """() the prior's loss at the features (B, D) of a batch's pictures."""
        kept = batch.rng.uniform() >= self.text.drop  # (B,)
        context, some = self.text.of_batch(batch, x0, kept)
        t, eps = batch.rng.apply(self.path.draw), batch.rng.normal(x0.shape[1])
        told = self.text.told(context, some * kept)
        return diffusion_loss(self.net, self.path, x0, eps, t, context=told).mean()

    def rooms(self, request: Imagine) -> tuple[int, ...]:
        """Places for what a request says: the prior can be told requests of equal ones at once."""
        ends = (end_of(request, side) for side in (0, 1))
        return tuple(self.text.room(parts) for end in ends for parts in (self.text.said(end), unsaid(end)))

    @torch.no_grad()
    def of_requests(self, requests: Sequence[Imagine]) -> Shown:
        """What the pictures that are asked for mean, (B, D), and how much it counts in each."""
        first, second = ([end_of(request, side) for request in requests] for side in (0, 1))
        walks = any(request.between is not None for request in requests)
        a = self.drawn(first)
        b = self.drawn(second) if walks else a
        rows = [self._row(request, *ends) for request, *ends in zip(requests, a, b)]
        amounts = torch.tensor([amount for _, amount in rows], device=a.device)
        return Shown(torch.stack([features for features, _ in rows]), amounts)

    def drawn(self, requests: Sequence[Imagine]) -> Tensor:
        """Features (B, D) of what the prompts say, each by its seed; what is kept out is in nothing's place."""
        length, device = self.config.sight.features, self.text.nothing.device
        if not any(map(self._asks, requests)):
            return torch.zeros(len(requests), length, device=device)

        def estimate(x: Tensor, t: Tensor, context: Context) -> Tensor:
            return denoise(self.net, self.path, x, t, context=context)

        told = self.text.told(*self.text.of_requests(requests, lambda _: None))
        unwanted = self.text.told(*self.text.unwanted(requests))
        denoiser = guided(estimate, {"context": told}, {"context": unwanted}, self.config.guidance)
        noise = row_noise([request.seed for request in requests], (length,), "prior").to(device)
        *_, found = dpmpp_2m(denoiser, noise, self.path.times(self.config.steps))
        return unit(found)

    def _row(self, request: Imagine, a: Tensor, b: Tensor) -> tuple[Tensor, float]:
        """The features (D,) of a request, from those of its prompt or of both ends of its walk; how much they count."""
        if isinstance(request, Walk):
            left, right = map(self._of_picture, request.ends)
            return slerp(left, right, request.fraction), 1.0
        wanted, share = a, float(self._asks(request))
        if request.between is not None:
            ends = [self._asks(end_of(request, side)) for side in (0, 1)]
            wanted = slerp(a, b, request.fraction) if all(ends) else b if ends[1] else a
            share = (1 - request.fraction) * ends[0] + request.fraction * ends[1]
        if request.reference is None:
            return wanted, share * request.text_weight
        seen = self._of_picture(request.reference)
        if not share:
            return seen, 1.0
        if denied := unsaid(request):
            wanted = unit(self._of_parts(self.text.said(request)) - self._of_parts(denied))
        return slerp(seen, wanted, TURN * request.text_weight * share), 1.0

    def _asks(self, request: Imagine) -> bool:
        return bool(self.text.said(request) or unsaid(request))

    def _of_picture(self, picture: Picture) -> Tensor:
        return self.see(pixels_of(picture, self.spec)[None].to(self.text.nothing.device))[0]

    def _of_parts(self, parts: Sequence[Part]) -> Tensor:
        """The mean (D,) of what texts mean, by their shares."""
        if not parts:
            return self.text.nothing.new_zeros(self.config.sight.features)
        shares = torch.tensor([part.share for part in parts], device=self.text.nothing.device)
        return shares @ self.sight.embed_text([part.text for part in parts])


def end_of(request: Imagine, side: int) -> Imagine:
    """The request at one end of its walk between prompts, or itself, with nothing weakened."""
    prompt = request.prompt if request.between is None else request.between[side]
    return request.model_copy(update={"prompt": prompt, "between": None, "text_weight": 1.0})
