"""Networks that turn a picture into another of its size: the textbooks' two, and a compute-dense one.

All take pictures (B, C, H, W) in [-1, 1] of any height and width, and labels (B,) where they were made for `classes`.
What is no multiple of `self.multiple` is padded inside by reflection. No norm mixes rows.
"""

from __future__ import annotations

from itertools import pairwise
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .convnets import convolved, laid
from .unet import UNet, padded, shape_for

__all__ = ["Dense", "ResNet", "SkipNet"]

DROPPED = 3  # of a SkipNet's innermost layers on the way up have dropout


class Dense(nn.Module):
    """x plus what the diffusion's U-Net makes of x: it starts as the identity, which already keeps what is where."""

    def __init__(
        self, channels: int, size: tuple[int, int], *, classes: int = 0, width: int = 64, depth: int = 1,
        attention: int = 1,
    ) -> None:
        super().__init__()
        shape = shape_for(max(size), width)
        self.net = UNet(channels, classes=classes, depth=depth, attention=attention, **shape)
        self.multiple = self.net.multiple

    def forward(self, x: Tensor, label: Tensor | None = None) -> Tensor:
        out: Tensor = x + self.net(x, x.new_zeros(len(x)), label)
        return out


class SkipNet(nn.Module):
    """The U-Net of Isola et al. (2017, section 6.1.1), whose layers halve the sides as often as these divide.

    C64-C128-C256-C512-C512-... down and the same up, each layer joined to its counterpart. Its norms are over each
    picture alone, as the paper's BatchNorm is at the paper's batch of 1.
    """

    def __init__(
        self, channels: int, size: tuple[int, int], *, classes: int = 0, width: int = 64, dropout: float = 0.5
    ) -> None:
        super().__init__()
        times = next(n for n in range(1, 16) if any(side % 2 ** (n + 1) for side in size))
        self.classes, self.multiple = classes, 2**times
        widths = [width * min(2**i, 8) for i in range(times)]
        edges = (0, times - 1)  # layers without a norm: the others need no bias
        self.down = nn.ModuleList(
            nn.Conv2d(a, b, 4, 2, 1, bias=n in edges)
            for n, (a, b) in enumerate(pairwise([channels + classes, *widths]))
        )
        inner = [widths[-1], *(2 * width for width in widths[-2::-1])]
        outer = [*widths[-2::-1], channels]
        self.up = nn.ModuleList(
            nn.ConvTranspose2d(a, b, 4, 2, 1, bias=n == times - 1)
            for n, (a, b) in enumerate(zip(inner, outer, strict=True))
        )
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, label: Tensor | None = None) -> Tensor:
        height, width = x.shape[-2:]
        h = laid(_told(padded(x, -height % self.multiple, -width % self.multiple), label, self.classes))
        skips: list[Tensor] = []
        for n, layer in enumerate(self.down):
            h = convolved(layer, F.leaky_relu(h, 0.2) if n else h)
            h = _normed(h) if 0 < n < len(self.down) - 1 else h
            skips.append(h)
        h = skips.pop()
        for n, layer in enumerate(self.up):
            h = convolved(layer, F.relu(h))
            if skips:
                h = _normed(h)
                h = torch.cat([self.dropout(h) if n < DROPPED else h, skips.pop()], 1)
        return h.float().tanh()[..., :height, :width]


class ResNet(nn.Module):
    """The transformer net of Johnson et al. (2016) as Zhu et al. (2017, section 7.1) have it.

    c7s1-64, d128, d256, `depth` residual blocks, u128, u64, c7s1-C, with instance norms and reflection.
    """

    multiple = 8  # 2 positions where there are fewest, which can be reflected

    def __init__(self, channels: int, *, classes: int = 0, width: int = 64, depth: int = 6) -> None:
        super().__init__()
        self.classes = classes
        layers: list[nn.Module] = [_reflecting(channels + classes, width, 7), _Norm(), nn.ReLU()]
        for n in (1, 2):
            layers += [nn.Conv2d(width * n, width * 2 * n, 3, 2, 1, bias=False), _Norm(), nn.ReLU()]
        layers += [_Residual(4 * width) for _ in range(depth)]
        for n in (2, 1):
            layers += [nn.ConvTranspose2d(width * 2 * n, width * n, 3, 2, 1, 1, bias=False), _Norm(), nn.ReLU()]
        self.body = nn.Sequential(*layers, _reflecting(width, channels, 7, bias=True))

    def forward(self, x: Tensor, label: Tensor | None = None) -> Tensor:
        height, width = x.shape[-2:]
        h = laid(_told(padded(x, -height % self.multiple, -width % self.multiple), label, self.classes))
        return cast(Tensor, self.body(h)).float().tanh()[..., :height, :width]


class _Residual(nn.Module):
    """x + norm(conv(relu(norm(conv(x)))))."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            _reflecting(width, width, 3), _Norm(), nn.ReLU(), _reflecting(width, width, 3), _Norm()
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + cast(Tensor, self.body(x))


class _Norm(nn.Module):
    """Instance norm (Ulyanov et al. 2016)."""

    def forward(self, x: Tensor) -> Tensor:
        return _normed(x)


def _normed(x: Tensor) -> Tensor:
    # in channels_last memory, which convolutions are fastest in, the kernels of norms are several times slower
    return laid(F.group_norm(x.contiguous(), x.shape[1]))


def _reflecting(inner: int, outer: int, kernel: int, bias: bool = False) -> nn.Conv2d:
    return nn.Conv2d(inner, outer, kernel, padding=kernel // 2, padding_mode="reflect", bias=bias)


def _told(x: Tensor, label: Tensor | None, classes: int) -> Tensor:
    """x with a plane for each class beside it, of which the label's is 1 (Choi et al. 2018, section 3.1)."""
    if label is None or not classes:
        return x
    planes = F.one_hot(label, classes).to(x.dtype)[:, :, None, None].expand(-1, -1, *x.shape[-2:])
    return torch.cat([x, planes], 1)
