"""Models that restore as models that edit: what is under a mask is filled by what lies around it."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from typing import Any

from torch import Tensor

from .errors import RequestError
from .model import Model
from .requests import Edit, Restore

__all__ = ["Filling", "answering_edit"]


class Filling(Model):
    """Answers `Edit` with a mask and without words, by what `model` restores of the picture with that hole."""

    requests = (Edit,)

    def __init__(self, model: Model) -> None:
        self.model, self.spec, self.identity = model, model.spec, model.identity

    def sample(self, requests: Sequence[Edit]) -> Iterator[Tensor]:
        yield from self.model.sample([_hole(request) for request in requests])

    def decode(self, x: Tensor) -> Tensor:
        return self.model.decode(x)

    def batch_key(self, request: Any) -> Hashable:
        return self.model.batch_key(_hole(request))


def _hole(request: Edit) -> Restore:
    """The picture to restore; raises `RequestError` for what a restorer does not do."""
    if request.prompt or request.negative or any(request.expand) or request.steps or request.guidance:
        raise RequestError("this model fills holes, and draws nothing new: leave all but --mask out, or name another")
    if request.mask is None:
        raise RequestError("this model fills holes: say where with --mask FILE")
    return Restore(image=request.image, task="inpaint", mask=request.mask, strength=request.strength)


def answering_edit(model: Model) -> Model:
    """`model`, or where it restores and does not edit, its way to edit."""
    return Filling(model) if Restore in model.requests and Edit not in model.requests else model
