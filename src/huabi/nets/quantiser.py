"""A codebook of unit vectors: each vector becomes the code that is nearest to it (van den Oord et al. 2017)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["Quantiser"]

DEAD = 0.05  # of an even share of the choices, below which a code is replaced


class Quantiser(nn.Module):
    """Vectors (B, D, h, w) -> the numbers (B, h, w) of their codes, and back.

    Vectors and codes have length 1, so that none is out of reach for its length (Yu et al. 2022, section 3.2). Codes
    are moving means of what chose them (van den Oord et al. 2017, appendix A.1); one that is hardly chosen any more
    starts again at a vector of the batch (Dhariwal et al. 2020, section 3.1). At first all do.
    """

    codebook: Tensor  # (K, D)
    count: Tensor  # (K,) moving mean of how often a batch chooses each code
    total: Tensor  # (K, D) moving sum of what chose it

    def __init__(self, codes: int, width: int, *, decay: float = 0.97) -> None:
        super().__init__()
        self.decay = decay
        self.register_buffer("codebook", F.normalize(torch.randn(codes, width), dim=1))
        self.register_buffer("count", torch.zeros(codes))
        self.register_buffer("total", torch.zeros(codes, width))

    def forward(self, z: Tensor) -> Tensor:
        """The numbers (B, h, w) int64 of the codes nearest to unit vectors z (B, D, h, w)."""
        with torch.autocast(z.device.type, enabled=False):
            return torch.einsum("bdhw,kd->bhwk", z.float(), self.codebook).argmax(3)

    def vectors(self, index: Tensor) -> Tensor:
        """The codes (B, D, h, w) of numbers (B, h, w)."""
        return self.codebook[index].movedim(3, 1)

    @torch.no_grad()
    def learn(self, z: Tensor, index: Tensor, fresh: Tensor) -> None:
        """Moves the codes towards unit vectors z (B, D, h, w) that chose `index`.

        fresh (K,) int64 in [0, B h w) says at which of them a dead code starts again.
        """
        rows = z.detach().float().movedim(1, 3).flatten(0, 2)  # (N, D)
        chosen = F.one_hot(index.flatten(), len(self.codebook)).float()  # (N, K)
        with torch.autocast(z.device.type, enabled=False):
            self.count.lerp_(chosen.sum(0), 1 - self.decay)
            self.total.lerp_(chosen.T @ rows, 1 - self.decay)
        even = len(rows) / len(self.codebook)
        dead = self.count < DEAD * even
        self.count.copy_(torch.where(dead, even, self.count))
        self.total.copy_(torch.where(dead[:, None], even * rows[fresh], self.total))
        self.codebook.copy_(F.normalize(self.total, dim=1))

    def figures(self, index: Tensor) -> dict[str, Tensor]:
        """What is known of numbers (B, h, w): `usage`, the share of codes among them, and their perplexity, 1 to K."""
        share = torch.bincount(index.flatten(), minlength=len(self.codebook)) / index.numel()
        entropy = -torch.xlogy(share, share).sum()
        return {"usage": (share > 0).float().mean(), "perplexity": entropy.exp()}
