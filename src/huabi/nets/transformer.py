"""The transformer's block (Vaswani et al. 2017), which norms first."""

from __future__ import annotations

from torch import Tensor, nn

__all__ = ["Block"]


class Block(nn.Module):
    """x + attention(norm(x)), then x + mlp(norm(x)), for x (B, N, width); heads are of `head` channels."""

    def __init__(self, width: int, head: int = 32) -> None:
        super().__init__()
        self.heads = max(1, width // head)
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(2))
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Where `mask` (B, N) bool is given, only places where it is true are attended to."""
        q, k, v = self.qkv(self.norms[0](x)).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        logits = q @ k.mT / q.shape[-1] ** 0.5  # (B, heads, N, N)
        if mask is not None:
            logits = logits.masked_fill(~mask[:, None, None], float("-inf"))
        x = x + self.out((logits.softmax(-1) @ v).transpose(1, 2).flatten(2))
        out: Tensor = x + self.mlp(self.norms[1](x))
        return out
