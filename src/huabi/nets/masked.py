"""A transformer that fills in what is hidden of a grid of codes, from what is seen and a label."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .convnets import Labels
from .transformer import Block

__all__ = ["MaskedTransformer"]


class MaskedTransformer(nn.Module):
    """Codes (B, N) with some hidden -> logits (B, N, codes) for each place (Chang et al. 2022, section 3.1).

    It knows codes by their vectors, so that what it learnt of one holds for those near it, and goes on holding while
    the codebook moves. Blocks norm first; heads are of 32 channels. The last layer starts at zero: at first all codes
    are as likely.

    Args:
        length: of the codebook's vectors.
        places: N, those of the grid.
    """

    def __init__(self, length: int, places: int, *, classes: int = 0, width: int = 128, depth: int = 4) -> None:
        super().__init__()
        self.embed = nn.Sequential(nn.Linear(length, width), nn.GELU(), nn.Linear(width, width))
        self.hidden = nn.Parameter(torch.randn(width) * 0.02)
        self.place = nn.Parameter(torch.randn(places, width) * 0.02)
        self.label = Labels(classes, width) if classes else None
        self.blocks = nn.ModuleList(Block(width) for _ in range(depth))
        self.norm = nn.LayerNorm(width)
        self.leave = nn.Linear(width, width)
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(self.leave.bias)

    def forward(self, codebook: Tensor, index: Tensor, hidden: Tensor, label: Tensor | None = None) -> Tensor:
        """codebook (codes, length), index (B, N) int64, hidden (B, N) bool, label (B,) -> (B, N, codes) float32."""
        known = self.embed(codebook * codebook.shape[1] ** 0.5)  # (codes, width)
        h = torch.where(hidden[..., None], self.hidden.to(known.dtype), known[index]) + self.place
        if self.label is not None and label is not None:
            h = h + self.label(label)[:, None]
        for block in self.blocks:
            h = block(h)
        logits: Tensor = self.leave(self.norm(h)) @ known.mT
        return logits.float()
