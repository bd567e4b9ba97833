"""An encoder of sounds: from bands of pitch over time to tokens that pictures can attend to."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .convnets import Block, laid

__all__ = ["Heard", "SoundEncoder"]


class Heard(NamedTuple):
    """A sound as tokens, in the order of time, and as one vector."""

    states: Tensor  # (B, T, width)
    pooled: Tensor  # (B, width)


class SoundEncoder(nn.Module):
    """Log-mel spectrograms (B, bands, frames) -> `Heard`, a token for every eight frames.

    Three levels of residual convolutions over pitch and time, each of which halves both; then all pitches of a moment
    are one token, at a learnt place.

    Args:
        channels: of the first level; the next ones have twice and four times as many.
        depth: blocks of a level.
    """

    def __init__(self, width: int, *, bands: int = 64, frames: int = 100, channels: int = 24, depth: int = 1) -> None:
        super().__init__()
        self.length = -(-frames // 8)  # T
        layers: list[nn.Module] = []
        inner = 1
        for outer in (channels, 2 * channels, 4 * channels):
            layers += [nn.Conv2d(inner, outer, 3, 2, 1), *(Block(outer) for _ in range(depth if inner > 1 else 0))]
            inner = outer
        self.body = nn.Sequential(*layers)
        self.enter = nn.Linear(inner * (bands // 8), width)
        self.place = nn.Parameter(torch.randn(self.length, width) * 0.02)
        self.norm = nn.LayerNorm(width)
        self.pool = nn.Linear(width, width)

    def forward(self, sound: Tensor) -> Heard:
        maps = F.silu(self.body(laid(sound[:, None])))  # (B, C, bands / 8, T)
        states = self.norm(self.enter(maps.flatten(1, 2).mT) + self.place)
        return Heard(states, self.pool(F.silu(states).mean(1)))
