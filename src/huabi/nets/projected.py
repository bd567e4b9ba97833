"""A critic that judges what a frozen network sees in pictures, at several depths (Sauer et al. 2021)."""

from __future__ import annotations

import math
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .convnets import laid
from .features import EfficientNetLite0, over_grey
from .patchgan import PatchCritic

__all__ = ["ProjectedCritic"]

DEPTHS = ((1, 24), (2, 40), (4, 112))  # of the network's layers: which, and how many channels it has


class ProjectedCritic(nn.Module):
    """Pictures (B, C, H, W) in [-1, 1] -> the mean score (B,) of small critics of patches, one for each depth.

    The features are mixed over channels and, from the deepest upwards, over scales by random convolutions that never
    learn (section 3.2): so no critic can settle on a few channels, and what is deep is heard in the fine maps, too.
    Pictures are enlarged until their short side has `least` pixels. With labels all are projection critics.

    Args:
        features: the frozen network.
    """

    def __init__(
        self, features: EfficientNetLite0, size: tuple[int, int], *, classes: int = 0, width: int = 64, least: int = 64
    ) -> None:
        super().__init__()
        times = max(1, math.ceil(least / min(size)))
        self.size = (size[0] * times, size[1] * times)
        self.features = features
        self.mix = nn.ModuleList(nn.Conv2d(channels, width, 1) for _, channels in DEPTHS)
        self.smooth = nn.ModuleList(nn.Conv2d(width, width, 3, padding=1) for _ in DEPTHS)
        for layer in (*self.mix, *self.smooth):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="linear")
            nn.init.zeros_(layer.bias)
            layer.requires_grad_(False)
        critic = partial(PatchCritic, width, classes=classes, width=width, widest=1, spectral=True)
        self.judges = nn.ModuleList(critic(halvings=halvings) for halvings in (2, 1, 0))

    def forward(self, x: Tensor, label: Tensor | None = None) -> Tensor:
        if x.shape[-2:] != self.size:
            x = F.interpolate(x, self.size, mode="bilinear", align_corners=False)
        layers = self.features.layers(laid(over_grey(x)))
        maps: list[Tensor] = []
        for k in reversed(range(len(DEPTHS))):
            h = self.mix[k](layers[DEPTHS[k][0]])
            if maps:
                h = h + F.interpolate(maps[-1], h.shape[-2:])
            maps.append(self.smooth[k](h))
        scores = [judge(h, label).mean((1, 2, 3)) for judge, h in zip(self.judges, reversed(maps))]
        return torch.stack(scores).mean(0)
