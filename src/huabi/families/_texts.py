"""What is said in words: the parts of prompts with their weights, and the condition that they are."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from ..errors import RequestError
from ..model import Batch, DataSpec
from ..nets.text import TextEncoder, Words, words_of
from ..nets.unet import Context
from ..prompt import parts
from ..requests import Imagine
from ._condition import Condition, ContextConfig, See

ROOM = 16  # rooms for tokens of texts are multiples of it, so that a picture is the same alone and among others
PARTS = 32  # of a prompt


class Encoder(Protocol):
    """What reads texts."""

    def count(self, text: str) -> int: ...  # tokens that a text takes

    def __call__(self, texts: Sequence[str]) -> Words: ...


class Part(NamedTuple):
    """A text among those of a request."""

    text: str
    weight: float  # tokens that each of its tokens counts as
    share: float  # of the vector


class Text(Condition):
    """A caption; where the data has none, the name of the label."""

    def __init__(self, spec: DataSpec, config: ContextConfig, encoder: Encoder | None = None) -> None:
        super().__init__(config.width, config.drop_text)
        self.encoder: Encoder = encoder or TextEncoder(config.width, depth=config.depth)
        self.labels = () if spec.captions else spec.labels

    def of_batch(self, batch: Batch, x0: Tensor, kept: Tensor) -> tuple[Context, Tensor]:
        texts: Sequence[str] = batch.caption or ()
        if batch.caption is None and batch.label is not None:
            texts = [self.labels[number] for number in batch.label.tolist()]
        words = self.encoder(texts)
        some = torch.tensor([float(bool(words_of(text))) for text in texts], device=x0.device)
        return Context(words.states, words.mask.float(), words.pooled), some

    def of_requests(self, requests: Sequence[Imagine], see: See) -> tuple[Context, Tensor]:
        weights = torch.tensor([request.text_weight for request in requests], device=self.nothing.device)
        context, shares = self._spoken([self.said(request) for request in requests])
        return context, shares * weights

    def unwanted(self, requests: Sequence[Imagine]) -> tuple[Context, Tensor]:
        return self._spoken([unsaid(request) for request in requests])

    def said(self, request: Imagine) -> list[Part]:
        """The texts of a request; their shares sum to 1, or to less on a walk from or to nothing."""
        if request.between is not None:
            ends = zip(request.between, (1 - request.fraction, request.fraction))
            walk = [(part, share) for prompt, share in ends if share for part in _weighed(_signed(prompt, 1))]
            return [Part(part.text, part.weight * share, part.share * share) for part, share in walk]
        said = _weighed(_signed(request.prompt, 1))
        return [Part(request.label, 1.0, 1.0)] if not said and request.label in self.labels else said

    def room(self, said: Sequence[Part]) -> int:
        """Places for the tokens of a request's texts."""
        return -(-sum(self.encoder.count(part.text) for part in said) // ROOM) * ROOM

    def _spoken(self, rows: Sequence[Sequence[Part]]) -> tuple[Context, Tensor]:
        """The texts of each row, and the sum of their shares (B,)."""
        room = max(map(self.room, rows))
        contexts = [self._row(said, room) for said in rows]
        shares = torch.tensor([math.fsum(part.share for part in said) for said in rows], device=self.nothing.device)
        return Context(*map(torch.cat, list(zip(*contexts))[:3])), shares

    def _row(self, said: Sequence[Part], room: int) -> Context:
        """One row: the tokens of all its texts, and the mean of their vectors by their shares.

        Each row by itself, so that it is the same alone and among others.
        """
        if not said:
            none, width = self.nothing.new_zeros, len(self.nothing)
            return Context(none(1, room, width), none(1, room), none(1, width))
        words = self.encoder([part.text for part in said])
        weight, share = (torch.tensor(side, device=self.nothing.device) for side in list(zip(*said))[1:])
        states, weights = words.states[words.mask], (words.mask * weight[:, None])[words.mask] / share.sum()
        vector = share @ words.pooled.float() / share.sum()
        left = room - len(states)
        return Context(F.pad(states, (0, 0, 0, left))[None], F.pad(weights, (0, left))[None], vector[None])


def unsaid(request: Imagine) -> list[Part]:
    """What a request keeps out: its `negative`, and the parts of its prompts whose weight is below 0."""
    ends = [(request.prompt, 1.0)]
    if request.between is not None:
        ends = list(zip(request.between, (1 - request.fraction, request.fraction)))
    kept = [(text, weight * share) for end, share in ends if share for text, weight in _signed(end, -1)]
    return _weighed([*_signed(request.negative, 1), *kept])


def _signed(prompt: str, sign: int) -> list[tuple[str, float]]:
    """The parts of a prompt whose weight has this sign, with its size; those without words say nothing."""
    return [(text, abs(weight)) for text, weight in parts(prompt) if weight * sign > 0 and words_of(text)]


def _weighed(found: Sequence[tuple[str, float]]) -> list[Part]:
    """Parts whose tokens count as 1 on average, and whose shares sum to 1; too many raise `RequestError`."""
    if len(found) > PARTS:
        raise RequestError(f"a prompt of {len(found)} weighted parts; say it in at most {PARTS}")
    total = sum(weight for _, weight in found)
    return [Part(text, weight * len(found) / total, weight / total) for text, weight in found]
