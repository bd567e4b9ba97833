"""A condition: one kind of thing that a picture can be asked to be, as tokens and a vector, or its own "nothing".

A condition counts by an amount: 1 as in training, 0 as if it were not said, and in between and beyond, a token of
weight w counts as w tokens in the softmax of attention, and its vector w times.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor, nn

from ..model import Batch
from ..nets.unet import Context
from ..requests import Imagine


class Shown(NamedTuple):
    """What the pictures that are asked for show."""

    x0: Tensor  # (B, C, h, w) latents of reference pictures, or (B, D) features
    amount: Tensor  # (B,) how much it counts


See = Callable[[Sequence[Imagine]], Shown | None]  # what requests show; None where none of them shows anything


@dataclass(frozen=True)
class ContextConfig:
    """How conditions are told."""

    width: int = 256  # of tokens and vectors
    depth: int = 2  # blocks of the text encoder
    drop: float = 0.1  # share of pictures trained without any condition, for guidance
    drop_text: float = 0.1  # share of those left that are trained without their text
    drop_rest: float = 0.8  # the same of each other condition: so that a text alone is obeyed as well

    def __post_init__(self) -> None:
        if not all(0 <= share < 1 for share in (self.drop, self.drop_text, self.drop_rest)):
            raise ValueError("context.drop, drop_text and drop_rest lie in [0, 1)")
        if self.width < 64 or self.width % 64 or self.depth < 1:
            raise ValueError("context.width is a multiple of 64, and depth at least 1")


class Condition(nn.Module, ABC):
    """One kind of thing that a picture can be asked to be.

    Args:
        drop: share of pictures that are trained without it.
    """

    guides: ClassVar[bool] = True  # whether guidance leads to it

    def __init__(self, width: int, drop: float) -> None:
        super().__init__()
        self.drop = drop
        self.nothing = nn.Parameter(torch.randn(width) * 0.1)  # a token; its vector is zero
        self.norm = nn.LayerNorm(width)  # of vectors: a text's is a mean, which others would outvoice

    @abstractmethod
    def of_batch(self, batch: Batch, x0: Tensor, kept: Tensor) -> tuple[Context, Tensor]:
        """What is true of training pictures of latents (or features) x0, and whether anything is (B,): 0 or 1.

        Where `kept` (B,) is false it is left unsaid, and need not be known.
        """

    @abstractmethod
    def of_requests(self, requests: Sequence[Imagine], see: See) -> tuple[Context, Tensor]:
        """What is asked, and how much it counts in each request (B,)."""

    def unwanted(self, requests: Sequence[Imagine]) -> tuple[Context, Tensor]:
        """What shall not be, and how much that counts in each request (B,): nothing, but of texts."""
        return self.silence(len(requests))

    def silence(self, count: int) -> tuple[Context, Tensor]:
        """`count` rows in which nothing is said."""
        width = len(self.nothing)
        none = self.nothing.new_zeros
        return Context(none(count, 0, width), none(count, 0), none(count, width)), none(count)

    def told(self, context: Context, amount: Tensor) -> Context:
        """`context`, of which each row counts by its amount (B,), and nothing's token for what 1 leaves of it."""
        rest = (1 - amount).clamp(min=0)[:, None]
        return Context(
            torch.cat([self.nothing.expand(len(amount), 1, -1), context.states.float()], 1),
            torch.cat([rest, context.weight * amount[:, None]], 1),
            self.norm(context.pooled.float()) * amount[:, None],
        )


def joined(contexts: Sequence[Context]) -> Context:
    """All that contexts say, and what shall be where as the last one says it."""
    states, weights, vectors, places = zip(*contexts)
    return Context(torch.cat(states, 1), torch.cat(weights, 1), torch.stack(vectors).sum(0), places[-1])
