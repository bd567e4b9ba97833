"""A compute-dense U-Net that is told in tokens what to draw, and over how long a stride."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .convnets import laid
from .unet import Context, Embedding, levels, norm_of, padded

__all__ = ["TextNet", "shape_for"]


def shape_for(size: int, width: int) -> dict[str, Any]:
    """Keywords of a TextNet for latents of `size` places a side.

    Its levels, two at least, work at 16 places (if that can be) to 4. The first is wide enough for a patch of 4 pixels,
    whose 48 values are noise for the most part, and for what is found out about them.
    """
    patch = next((patch for patch in (1, 2) if size <= 16 * patch), 4)
    levels = max(2, math.ceil(math.log2(size / patch)) - 1)
    return {"patch": patch, "widths": [width * (4 + i) // 4 for i in range(levels)]}


class TextNet(nn.Module):
    """F(x, c_noise, context, stride) of x's shape, for any height and width; those that do not fit are padded inside.

    The context enters by its vector beside time, which scales and shifts after each block's norm (AdaGN; Dhariwal and
    Nichol 2021), by its tokens where the lowest levels attend (Nichol et al. 2022, GLIDE), and by what shall be where
    as further channels of each patch. The network starts as zero, and no stride makes a difference before it is
    trained with.
    """

    def __init__(
        self,
        channels: int,
        context: int,  # width of the context
        *,
        strides: int,  # numbers of strides are 0..strides
        places: int = 0,  # channels of the context's places; none of them is zero
        patch: int = 1,  # places of a patch's side that become channels
        widths: Sequence[int] = (128, 256),  # channels of each level, the first at the full resolution
        depth: int = 2,  # blocks of each level but the lowest, on the way down and again on the way up
        attention: int = 1,  # how many of the lowest levels attend
        head: int = 32,  # channels of an attention head
    ) -> None:
        super().__init__()
        self.patch, self.places = patch, places
        self.multiple = patch * 2 ** (len(widths) - 1)
        self.time = Embedding(0, emb := 2 * widths[0])
        self.stride = nn.Embedding(strides + 1, emb, padding_idx=0)  # the flow itself has no row
        self.heard = nn.LayerNorm(context)
        self.told, self.mix = nn.Linear(context, emb), nn.Linear(emb, emb)
        inner = channels * patch**2
        self.enter = nn.Conv2d(inner + places, widths[0], 3, padding=1)
        self.level = levels(widths, emb, [depth] * (len(widths) - 1) + [1], attention, head, context)
        self.norm = norm_of(widths[0])
        self.leave = nn.Conv2d(widths[0], inner, 3, padding=1)
        # the context comes in from nothing, so that time, which is small beside it, is heard
        silent = [self.stride.weight, *self.told.parameters(), *self.leave.parameters()]
        for start in silent:
            nn.init.zeros_(start)
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, x: Tensor, c_noise: Tensor, context: Context, stride: Tensor) -> Tensor:
        """x (B, C, H, W), c_noise (B,), a context of B rows, stride (B,) int64 -> (B, C, H, W)."""
        height, width = x.shape[-2:]
        context = context._replace(states=self.heard(context.states))
        emb = F.silu(self.mix(self.time(c_noise, None) + self.stride(stride) + self.told(context.pooled)))
        h = F.pixel_unshuffle(padded(x, -height % self.multiple, -width % self.multiple), self.patch)
        if self.places:
            known = h.new_zeros(len(h), self.places, *h.shape[2:])
            if context.places is not None:  # of the picture, without what it is padded by
                rows, columns = -(-height // self.patch), -(-width // self.patch)
                places = F.interpolate(context.places.to(h.dtype), (rows, columns))
                known = F.pad(places, (0, h.shape[3] - columns, 0, h.shape[2] - rows))
            h = torch.cat([h, known], 1)
        h = self.level(self.enter(laid(h)), emb, context)
        h = self.leave(F.silu(self.norm(h)))
        return F.pixel_shuffle(h, self.patch)[..., :height, :width]
