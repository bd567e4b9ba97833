"""The transformer's block (Vaswani et al. 2017), which norms first."""

from __future__ import annotations

from torch import Tensor, cat, nn, stack

__all__ = ["Block"]


class Block(nn.Module):
    """x + attention(norm(x)), then x + mlp(norm(x)), for x (B, N, width); heads are of `head` channels.

    Args:
        told: width of what is attended to beside x; 0 is nothing.
    """

    def __init__(self, width: int, head: int = 32, told: int = 0) -> None:
        super().__init__()
        self.heads = max(1, width // head)
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(2))
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.told = nn.Linear(told, 2 * width) if told else None
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

    def forward(self, x: Tensor, bias: Tensor | None = None, told: Tensor | None = None) -> Tensor:
        """x (B, N, width), `told` (B, L, width of what is told) -> (B, N, width).

        Args:
            bias: what is added to the logits (B, heads, N, L + N) of attention; -inf hides.
        """
        return self.after(x, None if told is None else self.seen(told), bias)[0]

    def seen(self, told: Tensor) -> Tensor:
        """Keys and values (2, B, heads, L, width / heads) of what is told."""
        assert self.told is not None
        return self._heads(self.told(told))

    def after(self, x: Tensor, seen: Tensor | None, bias: Tensor | None) -> tuple[Tensor, Tensor]:
        """x through the block, which attends to keys and values seen before as to its own; and all of these."""
        q, *own = self._heads(self.qkv(self.norms[0](x)))
        both = stack(own) if seen is None else cat([seen, stack(own)], 3)
        logits = q @ both[0].mT / q.shape[-1] ** 0.5
        if bias is not None:
            logits = logits + bias.to(logits.dtype)
        x = x + self.out((logits.softmax(-1) @ both[1]).transpose(1, 2).flatten(2))
        return x + self.mlp(self.norms[1](x)), both

    def _heads(self, x: Tensor) -> Tensor:
        """(B, N, n * width) -> (n, B, heads, N, width / heads)."""
        width = self.out.in_features
        parts: Tensor = x.unflatten(2, (x.shape[2] // width, self.heads, width // self.heads))
        return parts.permute(2, 0, 3, 1, 4)
