"""A network that removes noise from features: what a picture means, told by words (Ramesh et al. 2022, section 2.2)."""

from __future__ import annotations

from typing import cast

import torch.nn.functional as F
from torch import Tensor, nn

from .unet import Attention, Context, Embedding

__all__ = ["PriorNet"]


class PriorNet(nn.Module):
    """F(x, c_noise, context) of x's shape (B, D).

    In each block the features attend to the context's tokens and pass a perceptron that time and the context's vector
    scale and shift. The network starts as zero.
    """

    def __init__(self, features: int, context: int, *, width: int = 256, depth: int = 4, head: int = 32) -> None:
        super().__init__()
        self.time, self.told = Embedding(0, width), nn.Linear(context, width)
        self.heard = nn.LayerNorm(context)
        self.enter = nn.Linear(features, width)
        self.blocks = nn.ModuleList(Block(width, context, head) for _ in range(depth))
        self.norm, self.leave = nn.LayerNorm(width), nn.Linear(width, features)
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(cast(Tensor, self.leave.bias))

    def forward(self, x: Tensor, c_noise: Tensor, context: Context) -> Tensor:
        """x (B, D), c_noise (B,), a context of B rows -> (B, D)."""
        context = context._replace(states=self.heard(context.states))
        emb = F.silu(self.time(c_noise, None) + self.told(context.pooled))
        h = self.enter(x)
        for block in self.blocks:
            h = block(h, emb, context)
        out: Tensor = self.leave(F.silu(self.norm(h)))
        return out


class Block(nn.Module):
    """x + attention(x), then x + mlp(adaln(x)), for x (B, width)."""

    def __init__(self, width: int, context: int, head: int) -> None:
        super().__init__()
        self.attention = Attention(width, head, context)
        self.norm = nn.LayerNorm(width, elementwise_affine=False)
        self.modulate = nn.Linear(width, 2 * width)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.SiLU(), nn.Linear(4 * width, width))
        for layer in (self.modulate, self.mlp[2]):
            nn.init.zeros_(cast(Tensor, layer.weight))
            nn.init.zeros_(cast(Tensor, layer.bias))

    def forward(self, x: Tensor, emb: Tensor, context: Context) -> Tensor:
        x = x + self.attention(x[:, :, None, None], context)[:, :, 0, 0]
        scale, shift = self.modulate(emb).chunk(2, 1)
        out: Tensor = x + self.mlp(self.norm(x) * (1 + scale) + shift)
        return out
