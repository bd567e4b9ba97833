"""What is said in words: the parts of prompts with their weights, and the condition that they are."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import accumulate, pairwise
from typing import NamedTuple, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from ..errors import RequestError
from ..model import Batch, DataSpec
from ..nets.text import TextEncoder, Words, words_of
from ..nets.unet import Context
from ..prompt import divided
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

    pieces: tuple[tuple[str, float], ...]  # of it, and how many times the tokens of each count
    weight: float  # tokens that each of its tokens counts as besides
    share: float  # of the vector

    @property
    def text(self) -> str:
        return " ".join(text for text, _ in self.pieces)


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
            return [part._replace(weight=part.weight * share, share=part.share * share) for part, share in walk]
        said = _weighed(_signed(request.prompt, 1))
        return [Part(((request.label, 1.0),), 1.0, 1.0)] if not said and request.label in self.labels else said

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
        share = torch.tensor([part.share for part in said], device=self.nothing.device)
        found = [self._weights(part, int(count)) for part, count in zip(said, words.mask.sum(1))]
        states, weights = words.states[words.mask], torch.cat(found).to(share) / share.sum()
        vector = share @ words.pooled.float() / share.sum()
        left = room - len(states)
        return Context(F.pad(states, (0, 0, 0, left))[None], F.pad(weights, (0, left))[None], vector[None])


    def _weights(self, part: Part, count: int) -> Tensor:
        """(count,) what each token of a part's reading counts as: all of it is read at once, whatever its pieces count.

        Marks of the encoder's own around a text count once.
        """
        marks = self.encoder.count("")
        read = accumulate((text for text, _ in part.pieces), lambda before, text: f"{before} {text}")
        ends = [marks, *map(self.encoder.count, read)]
        spans = torch.tensor([max(0, b - a) for a, b in pairwise(ends)])
        times = torch.tensor([times for _, times in part.pieces]).repeat_interleave(spans)
        whole = torch.cat([torch.ones(marks // 2), times, torch.ones(max(0, count - marks // 2 - len(times)))])
        return part.weight * whole[:count]


def unsaid(request: Imagine) -> list[Part]:
    """What a request keeps out: its `negative`, and the parts of its prompts whose weight is below 0."""
    ends = [(request.prompt, 1.0)]
    if request.between is not None:
        ends = list(zip(request.between, (1 - request.fraction, request.fraction)))
    kept = [(pieces, weight * share) for end, share in ends if share for pieces, weight in _signed(end, -1)]
    return _weighed([*_signed(request.negative, 1), *kept])


Said = tuple[tuple[tuple[str, float], ...], float]  # pieces and how many times each counts, and the weight of all


def _signed(prompt: str, sign: int) -> list[Said]:
    """The parts of a prompt whose weight has this sign, with its size; what is without words says nothing."""
    found = []
    for weight, pieces in divided(prompt):
        kept = tuple((text, abs(times)) for text, times in pieces if weight * times * sign > 0 and words_of(text))
        if kept:
            found.append((kept, abs(weight)))
    return found


def _weighed(found: Sequence[Said]) -> list[Part]:
    """Parts whose tokens count as 1 on average, and whose shares sum to 1; too many raise `RequestError`."""
    if len(found) > PARTS:
        raise RequestError(f"a prompt of {len(found)} weighted parts; say it in at most {PARTS}")
    total = sum(weight for _, weight in found)
    return [Part(pieces, weight * len(found) / total, weight / total) for pieces, weight in found]
