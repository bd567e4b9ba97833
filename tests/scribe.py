"""A family for tests of what people ask: its pictures are a function of the request, and need one step of training."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.optim import SGD, Optimizer

from huabi.errors import RequestError, nearest
from huabi.families._rows import pixels_of
from huabi.model import Batch, DataSpec, Family, Update
from huabi.pictures import to_tensor
from huabi.requests import Edit, Imagine, Vary
from huabi.rng import generator

STYLES = ("ink", "oil")


@dataclass(frozen=True)
class ScribeConfig:
    """Settings of `scribe`."""

    batch: int = 4
    ema: float = 0.05
    warmup: int = 1


class Scribe(Family):
    """Noise by the request, around a learnt grey."""

    name = "scribe"
    title = "noise by the request"
    Config = ScribeConfig
    requests = (Imagine, Edit, Vary)

    def __init__(self, config: ScribeConfig, spec: DataSpec) -> None:
        super().__init__(config, spec)
        self.grey = nn.Parameter(torch.zeros(()))

    def optimizers(self) -> dict[str, Optimizer]:
        return {"grey": SGD(self.parameters(), 0.1)}

    def losses(self, batch: Batch, step: int) -> Iterator[Update]:
        yield Update("grey", (batch.image - self.grey).square().mean())

    def batch_key(self, request: Imagine | Edit | Vary) -> Hashable:
        return type(request), self._noise(request).shape

    def sample(self, requests: Sequence[Imagine | Edit | Vary]) -> Iterator[Tensor]:
        yield torch.stack([self._picture(request) for request in requests])

    def _noise(self, request: Imagine | Edit | Vary) -> Tensor:
        size = self.spec.size
        if isinstance(request, Imagine):
            size = request.size or size
        elif isinstance(request, Edit):
            whole = request.image.image()
            left, top, right, bottom = request.expand
            size = whole.height + top + bottom, whole.width + left + right
        said = request.model_dump_json(exclude={"image", "mask", "reference", "size", "between", "fraction"})
        return torch.rand((3, *size), generator=generator(said)) * 2 - 1

    def _picture(self, request: Imagine | Edit | Vary) -> Tensor:
        noise = self._noise(request) * 0.9 + self.grey * 0.1
        if isinstance(request, Edit):
            image = to_tensor(request.image.image())
            fresh = torch.ones_like(image[:1]) if request.mask is None else to_tensor(request.mask.image(1))
            left, top, right, bottom = request.expand
            image, fresh = (
                nn.functional.pad(x, [left, right, top, bottom], value=fill) for x, fill in ((image, 0.0), (fresh, 1.0))
            )
            return torch.where(fresh > 0, noise, image)
        if isinstance(request, Imagine):
            if request.style not in (None, *STYLES):
                raise RequestError(f"no style {request.style!r}; {nearest(request.style, STYLES)}")
            if request.between is not None:
                first, last = (self._picture(Imagine(prompt=end, seed=request.seed)) for end in request.between)
                return first.lerp(last, request.fraction)
        if request.image is not None:
            return pixels_of(request.image, self.spec).lerp(noise, request.strength)
        return noise
