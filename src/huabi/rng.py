"""Randomness that is a function of names and numbers, so that there is no generator state to save.

Nothing in Huabi draws from a global generator: a training step draws from its batch's `BatchRng`, a picture from its
own seed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence

import torch
from torch import Tensor


def key_seed(*key: object) -> int:
    """A 63-bit seed for `key`; the same on every machine and Python version."""
    text = "\0".join(str(part) for part in key)
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little") >> 1


def generator(*key: object, device: torch.device | str = "cpu") -> torch.Generator:
    """A fresh generator for `key`."""
    return torch.Generator(device).manual_seed(key_seed(*key))


def row_noise(seeds: Sequence[int], shape: Sequence[int], *key: object) -> Tensor:
    """Normal noise (B, *shape), row i from `seeds[i]` alone: a picture is the same alone and in a batch.

    Drawn on the CPU, so that a seed gives the same noise on every device.
    """
    rows = [torch.randn(tuple(shape), generator=generator("row", seed, *key)) for seed in seeds]
    return torch.stack(rows)  # (B, *shape)


class BatchRng:
    """The randomness of one training step: draw d of step s is keyed (seed, s, d) for the whole global batch.

    Each process and each micro-batch takes its rows of it, so that splitting a batch changes no draw.

    Args:
        seed, step: what the draws are keyed by.
        total: rows of the global batch.
        start, stop: the rows that this one hands out; all by default.
    """

    def __init__(
        self,
        seed: int,
        step: int,
        total: int,
        start: int = 0,
        stop: int | None = None,
        device: torch.device | str = "cpu",
    ) -> None:
        self.seed, self.step, self.total = seed, step, total
        self.start, self.stop = start, total if stop is None else stop
        self.device = torch.device(device)
        self._draw = 0

    def __len__(self) -> int:
        return self.stop - self.start

    def rows(self, start: int, stop: int) -> BatchRng:
        """Rows `start` to `stop` of these, from the first draw on."""
        stop = min(stop, len(self))
        return BatchRng(self.seed, self.step, self.total, self.start + start, self.start + stop, self.device)

    def to(self, device: torch.device) -> BatchRng:
        return BatchRng(self.seed, self.step, self.total, self.start, self.stop, device)

    def _next(self) -> torch.Generator:
        self._draw += 1
        return generator("batch", self.seed, self.step, self._draw, device=self.device)

    def normal(self, *shape: int) -> Tensor:
        """Standard normal (rows, *shape)."""
        return torch.randn(self.total, *shape, generator=self._next(), device=self.device)[self.start : self.stop]

    def uniform(self, *shape: int) -> Tensor:
        """Uniform in [0, 1), (rows, *shape)."""
        return torch.rand(self.total, *shape, generator=self._next(), device=self.device)[self.start : self.stop]

    def integers(self, high: int, *shape: int) -> Tensor:
        """Integers in [0, high), (rows, *shape), int64."""
        drawn = torch.randint(high, (self.total, *shape), generator=self._next(), device=self.device)
        return drawn[self.start : self.stop]

    def apply(self, draw: Callable[[int, torch.Generator], Tensor]) -> Tensor:
        """These rows of what `draw(rows of the global batch, generator)` returns, (rows, ...)."""
        return draw(self.total, self._next())[self.start : self.stop]
