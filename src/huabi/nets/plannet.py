"""A transformer that writes short sentences of numbered words, each after what is said and what it has written."""

from __future__ import annotations

from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .transformer import Block
from .unet import Context

__all__ = ["PlanNet", "Writing"]


class PlanNet(nn.Module):
    """Sentences (B, N) of words 0..words-1 -> logits (B, N + 1, words) of each next one, the first included.

    Its blocks attend to what stands before, and, by as many tokens as each counts, to the context.
    """

    def __init__(
        self, words: int, length: int, context: int, *, width: int = 192, depth: int = 4, head: int = 32
    ) -> None:
        super().__init__()
        self.words = nn.Embedding(words, width)
        self.start = nn.Parameter(torch.randn(width) * 0.1)
        self.place = nn.Parameter(torch.randn(length, width) * 0.1)
        self.told, self.heard = nn.Linear(context, width), nn.LayerNorm(context)
        self.blocks = nn.ModuleList(Block(width, head, context) for _ in range(depth))
        self.norm, self.leave = nn.LayerNorm(width), nn.Linear(width, words)
        nn.init.normal_(self.words.weight, std=0.1)
        for start in self.leave.parameters():
            nn.init.zeros_(start)

    def forward(self, sentence: Tensor, context: Context) -> Tensor:
        h = torch.cat([self.start.expand(len(sentence), 1, -1), self.words(sentence)], 1)
        h = h + self.place[: (n := h.shape[1])] + self.told(context.pooled)[:, None]
        before = torch.ones(n, n, device=h.device).tril().log().expand(len(h), -1, -1)
        bias = torch.cat([context.weight.log()[:, None].expand(-1, n, -1), before], 2)[:, None]  # (B, 1, n, L + n)
        heard = self.heard(context.states)
        for block in self.blocks:
            h = block(h, bias, heard)
        return cast(Tensor, self.leave(self.norm(h))).float()


class Writing:
    """Sentences in the making: what was seen of them is kept, so that each further word costs as much as the first."""

    def __init__(self, net: PlanNet, context: Context) -> None:
        self.net, self.place = net, 0
        heard = net.heard(context.states)
        self._seen = [cast(Block, block).seen(heard) for block in net.blocks]
        self._pooled = net.told(context.pooled)[:, None]  # (B, 1, width)
        self._bias = context.weight.log()[:, None, None]  # (B, 1, 1, L + n)

    def next(self, word: Tensor | None = None) -> Tensor:
        """Logits (B, words) of the word after `word` (B,); of the first one after None."""
        h = self.net.start.expand(len(self._pooled), 1, -1) if word is None else self.net.words(word)[:, None]
        h = h + self.net.place[self.place] + self._pooled
        self._bias = F.pad(self._bias, (0, 1))
        for n, block in enumerate(self.net.blocks):
            h, self._seen[n] = cast(Block, block).after(h, self._seen[n], self._bias)
        self.place += 1
        return cast(Tensor, self.net.leave(self.net.norm(h))).float()[:, 0]
