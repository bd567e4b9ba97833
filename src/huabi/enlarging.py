"""A model whose pictures another one enlarges, as one model: `words+upscaler`."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from .errors import RequestError
from .model import Enlarges, Finished, Identity, Model
from .requests import Generate, Imagine, Paper, Vary

__all__ = ["ENLARGED", "JOIN", "Enlarged"]

JOIN = "+"  # between the names of the two, and between their hashes
ENLARGED = (Generate, Imagine, Vary)  # what can be asked of the two: pictures in a size of the model's own


class Enlarged(Model):
    """Draws as `model` does, previews in its own size, and has `enlarger` make the last estimate larger.

    It answers what a model draws in a size of its own; what keeps the size of a given picture it does not. A size that
    a request names is that of the result; one that is nearer to the model's own is drawn as it is. Raises
    `RequestError` where `enlarger` does not enlarge such pictures.
    """

    def __init__(self, model: Model, enlarger: Model) -> None:
        if not isinstance(enlarger, Enlarges) or enlarger.scale < 2:
            raise RequestError(
                f"what stands after {JOIN} is no model that enlarges; "
                "train one: huabi train restorer DATA --out RUN --set task=upscale"
            )
        mine, its = model.spec.channels, enlarger.spec.channels
        if its not in (1, mine) and (mine, its) != (1, 3):
            raise RequestError(f"what enlarges knows {its} channels, these pictures have {mine}; train another one")
        self.model, self.enlarger, self.scale = model, enlarger, enlarger.scale
        rows, columns = model.spec.size
        self.spec = replace(model.spec, size=(rows * self.scale, columns * self.scale))
        self.requests = tuple(task for task in model.requests if task in ENLARGED)
        self.identity, self.memory = _both(model.identity, enlarger.identity), model.memory

    @property
    def paper(self) -> Paper:
        return self.model.paper.enlarged(self.scale)

    def sample(self, requests: Sequence[Any]) -> Iterator[Tensor]:
        estimate = None
        for estimate in self.model.sample([self._inner(request) for request in requests]):
            yield estimate
        if estimate is not None and self._larger(requests[0]):
            yield self._enlarged(self.model.decode(estimate)).as_subclass(Finished)

    def decode(self, x: Tensor) -> Tensor:
        return x.as_subclass(Tensor) if isinstance(x, Finished) else self.model.decode(x)

    def batch_key(self, request: Any) -> Hashable:
        return self._larger(request), self.model.batch_key(self._inner(request))

    def unread(self, text: str) -> str:
        return self.model.unread(text)

    def _larger(self, request: Any) -> bool:
        """Whether a request's picture is enlarged: its size is nearer to that of the result than to the model's own."""
        size = getattr(request, "size", None)
        return size is None or math.prod(size) > self.scale * math.prod(self.model.paper.size)

    def _inner(self, request: Any) -> Any:
        """The request as the model is asked: for a picture that is smaller by the scale."""
        size = getattr(request, "size", None)
        if size is None or not self._larger(request):
            return request
        self.paper.check(size)
        return request.model_copy(update={"size": (size[0] // self.scale, size[1] // self.scale)})

    @torch.no_grad()
    def _enlarged(self, x: Tensor) -> Tensor:
        """Pictures (B, C, H, W) in [-1, 1] -> (B, C, scale H, scale W)."""
        rows, channels = x.shape[:2]
        its = self.enlarger.spec.channels
        if its == channels:
            return self.enlarger.restore(x)
        if its == 1:  # each colour by itself
            large = self.enlarger.restore(x.flatten(0, 1)[:, None])  # (B C, 1, scale H, scale W)
            return large.view(rows, channels, *large.shape[2:])
        return self.enlarger.restore(x.expand(-1, its, -1, -1)).mean(1, keepdim=True)


def _both(model: Identity | None, enlarger: Identity | None) -> Identity | None:
    if model is None or enlarger is None:
        return model
    return replace(model, hash=f"{model.hash}{JOIN}{enlarger.hash}", family=f"{model.family}{JOIN}{enlarger.family}")
