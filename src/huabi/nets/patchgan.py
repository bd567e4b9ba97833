"""A critic that judges patches: it scores detail where it is, and hears nothing of the whole (Isola et al. 2017)."""

from __future__ import annotations

from itertools import pairwise

import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from .convnets import Labels, laid

__all__ = ["PatchCritic", "halvings_for"]


def halvings_for(size: tuple[int, int]) -> int:
    """Halvings that make patches of 26 pixels for pictures below 64, of 54 and of 110 for larger ones."""
    return 2 if min(size) < 64 else 3 if min(size) < 256 else 4


class PatchCritic(nn.Module):
    """Pictures (B, C, H, W) -> scores (B, 1, H', W'), one for each of many overlapping patches.

    Isola et al. (2017, section 3.2) without batch statistics, so that rows do not mix. `halvings` convolutions of
    4x4 halve the sides and double the channels, up to `widest` times `width`; two of 3x3 follow. A score is of a patch
    of 7 * 2^halvings - 2 pixels. With labels it is a projection critic (Miyato and Koyama 2018, eq. 3) at every patch.

    Args:
        spectral: divides each weight by its largest singular value (Miyato et al. 2018).
    """

    def __init__(
        self,
        channels: int,
        *,
        classes: int = 0,
        width: int = 64,
        widest: int = 8,
        halvings: int = 3,
        spectral: bool = False,
    ) -> None:
        super().__init__()
        widths = [channels, *(width * min(2**i, widest) for i in range(halvings + 1))]
        body = [nn.Conv2d(a, b, 4, 2, 1) for a, b in pairwise(widths[:-1])]
        body.append(nn.Conv2d(widths[-2], widths[-1], 3, padding=1))
        leave = nn.Conv2d(widths[-1], 1, 3, padding=1)
        self.body = nn.ModuleList(map(spectral_norm, body) if spectral else body)
        self.leave = spectral_norm(leave) if spectral else leave
        self.label = Labels(classes, widths[-1], std=0.02) if classes else None

    def forward(self, x: Tensor, label: Tensor | None = None) -> Tensor:
        """x (B, C, H, W), label (B,) int64 -> scores (B, 1, H', W'), float32."""
        x = laid(x)
        for layer in self.body:
            x = F.leaky_relu(layer(x), 0.2)
        scores: Tensor = self.leave(x).float()
        if self.label is not None and label is not None:
            scores = scores + (self.label(label)[:, :, None, None] * x.float()).sum(1, keepdim=True)
        return scores
