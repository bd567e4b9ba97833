"""A transformer that writes short sentences of numbered words, each after what is said and what it has written."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

from .unet import Context

__all__ = ["PlanNet"]


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
        self.blocks = nn.ModuleList(Block(width, context, head) for _ in range(depth))
        self.norm, self.leave = nn.LayerNorm(width), nn.Linear(width, words)
        nn.init.normal_(self.words.weight, std=0.1)
        for start in self.leave.parameters():
            nn.init.zeros_(start)

    def forward(self, sentence: Tensor, context: Context) -> Tensor:
        h = torch.cat([self.start.expand(len(sentence), 1, -1), self.words(sentence)], 1)
        h = h + self.place[: h.shape[1]] + self.told(context.pooled)[:, None]
        context = context._replace(states=self.heard(context.states))
        for block in self.blocks:
            h = block(h, context)
        return cast(Tensor, self.leave(self.norm(h))).float()


class Block(nn.Module):
    """x + attention(norm(x)) to what stands before and to the context, then x + mlp(norm(x)), for x (B, N, width)."""

    def __init__(self, width: int, context: int, head: int) -> None:
        super().__init__()
        self.heads = width // head
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(2))
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.told = nn.Linear(context, 2 * width)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

    def forward(self, x: Tensor, context: Context) -> Tensor:
        q, k, v = self.qkv(self.norms[0](x)).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        told = self.told(context.states).unflatten(2, (2, self.heads, -1)).permute(2, 0, 3, 1, 4)
        before = torch.ones(x.shape[1], x.shape[1], device=x.device).tril().log()
        seen = context.weight.log()[:, None].expand(-1, x.shape[1], -1)
        bias = torch.cat([before.expand(len(x), -1, -1), seen], 2)[:, None].to(q.dtype)  # (B, 1, N, N + L)
        logits = q @ torch.cat([k, told[0]], 2).mT / q.shape[-1] ** 0.5 + bias
        x = x + self.out((logits.softmax(-1) @ torch.cat([v, told[1]], 2)).transpose(1, 2).flatten(2))
        out: Tensor = x + self.mlp(self.norms[1](x))
        return out
