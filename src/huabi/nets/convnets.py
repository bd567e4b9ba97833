"""Convolutional encoders, decoders and classifiers for pictures of any size that is a multiple of 4.

Labels are either numbers (B,) int64, or shares (B, classes) float, which fade from one class to another.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = [
    "ConvClassifier", "ConvDecoder", "ConvEncoder", "Labels", "base_of", "convolved", "doublings", "laid", "patch_for",
]

FEW = 16  # positions up to which a product is faster than a convolution


def doublings(size: tuple[int, int]) -> int:
    """How often the base of 4 to 7 pixels (of the shorter side) is doubled to reach `size`; at least once."""
    return max(1, int(math.log2(min(size) / 4)))


def base_of(size: tuple[int, int], times: int) -> tuple[int, int]:
    """The grid that `times` doublings bring to `size` or a little beyond, where it is cropped."""
    return -(-size[0] // 2**times), -(-size[1] // 2**times)


def laid(x: Tensor) -> Tensor:
    """x (B, C, H, W) in the order of memory that convolutions are fastest in."""
    return x.contiguous(memory_format=torch.channels_last)


def convolved(layer: nn.Module, x: Tensor) -> Tensor:
    """`layer` of x (B, C, H, W); with few positions on a CPU, whose convolutions would re-lay all weights, a product.

    For square kernels without dilation, groups or output padding.
    """
    assert isinstance(layer, nn.Conv2d | nn.ConvTranspose2d)
    kernel, stride, padding = layer.kernel_size[0], layer.stride[0], int(layer.padding[0])
    grows = isinstance(layer, nn.ConvTranspose2d)
    sides = [side if grows else (side + 2 * padding - kernel) // stride + 1 for side in x.shape[-2:]]
    if x.device.type != "cpu" or sides[0] * sides[1] > FEW:
        return cast(Tensor, layer(x))
    weight = layer.weight.permute(0, 2, 3, 1).flatten(1)  # (first channels, kernel^2 * second channels)
    taps = {"kernel_size": kernel, "padding": padding, "stride": stride}
    if grows:
        parts = x.flatten(2).mT @ weight
        parts = parts.unflatten(2, (kernel**2, -1)).transpose(1, 3).flatten(1, 2)  # (B, second * kernel^2, H * W)
        whole = [(side - 1) * stride + kernel - 2 * padding for side in sides]
        out = F.fold(parts, tuple(whole), **taps)
    else:
        parts = F.unfold(x, **taps).unflatten(1, (x.shape[1], -1)).transpose(1, 3).flatten(2)
        out = (parts @ weight.mT).mT.unflatten(2, sides)
    return laid(out if layer.bias is None else out + layer.bias[:, None, None])


class Labels(nn.Module):
    """Labels (B,) or shares (B, classes) -> (B, width): a learnt row for each class."""

    def __init__(self, classes: int, width: int, std: float = 1.0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(classes, width) * std)

    def forward(self, label: Tensor) -> Tensor:
        return label @ self.weight if label.is_floating_point() else self.weight[label]


class ConvEncoder(nn.Module):
    """Residual encoder free of batch statistics: pictures (B, C, H, W) -> (B, outputs)."""

    def __init__(
        self, channels: int, size: tuple[int, int], outputs: int, *, width: int = 32, depth: int = 1, patch: int = 0
    ) -> None:
        super().__init__()
        self.patch = patch or patch_for(size)
        grid = (size[0] // self.patch, size[1] // self.patch)
        times = doublings(grid)
        widths = _widths(width, times)
        layers: list[nn.Module] = [nn.PixelUnshuffle(self.patch)]
        layers += [nn.Conv2d(channels * self.patch**2, widths[0], 3, padding=1)]
        for inner, outer in pairwise(widths):
            layers += [Block(inner) for _ in range(depth)] + [nn.Conv2d(inner, outer, 3, 2, 1)]
        layers += [Block(widths[-1]) for _ in range(depth)] + [_norm(widths[-1]), nn.SiLU(), nn.Flatten()]
        self.body = nn.Sequential(*layers)
        self.leave = nn.Linear(widths[-1] * math.prod(base_of(grid, times)), outputs)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.leave(self.body(laid(x)))
        return out


class ConvClassifier(nn.Module):
    """Residual classifier free of batch statistics: pictures (B, C, H, W) -> logits (B, classes).

    Widths double as sides halve, down to 4 to 7 pixels; the mean over all places is read by one linear layer.
    """

    def __init__(self, channels: int, size: tuple[int, int], classes: int, *, width: int = 32, depth: int = 1) -> None:
        super().__init__()
        self.patch = patch_for(size)
        widths = [width * min(2**i, 8) for i in range(doublings((size[0] // self.patch, size[1] // self.patch)) + 1)]
        layers: list[nn.Module] = [nn.PixelUnshuffle(self.patch)]
        layers += [nn.Conv2d(channels * self.patch**2, widths[0], 3, padding=1)]
        for inner, outer in pairwise(widths):
            layers += [Block(inner) for _ in range(depth)] + [nn.Conv2d(inner, outer, 3, 2, 1)]
        layers += [Block(widths[-1]) for _ in range(depth)] + [_norm(widths[-1]), nn.SiLU()]
        self.body = nn.Sequential(*layers)
        self.leave = nn.Linear(widths[-1], classes)

    def features(self, x: Tensor) -> Tensor:
        """What the last layer reads, (B, top width)."""
        out: Tensor = self.body(x).mean((2, 3))
        return out

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.leave(self.features(x))
        return logits


class ConvDecoder(nn.Module):
    """Residual decoder: z (B, latent) -> (B, C, H, W), unbounded.

    Noise and class enter at the base and again at every block, as scale and shift after its norm: fine detail need
    not be carried through all the coarse levels.
    """

    def __init__(
        self,
        channels: int,
        size: tuple[int, int],
        *,
        classes: int = 0,
        latent: int = 64,
        width: int = 32,
        depth: int = 1,
        patch: int = 0,
    ) -> None:
        super().__init__()
        self.patch = patch or patch_for(size)
        self.grid = (size[0] // self.patch, size[1] // self.patch)
        times = doublings(self.grid)
        widths = _widths(width, times)[::-1]
        self.label = Labels(classes, latent) if classes else None
        self.embed = nn.Linear(latent * (2 if classes else 1), emb := 4 * width)
        self.base = (widths[0], *base_of(self.grid, times))
        self.enter = nn.Linear(emb, math.prod(self.base))
        self.blocks = nn.ModuleList(nn.ModuleList(Block(w, emb) for _ in range(depth)) for w in widths)
        self.grow = nn.ModuleList(nn.Conv2d(a, b, 3, padding=1) for a, b in pairwise(widths))
        self.norm = _norm(widths[-1])
        self.leave = nn.Conv2d(widths[-1], channels * self.patch**2, 3, padding=1)

    def forward(self, z: Tensor, label: Tensor | None = None) -> Tensor:
        """z (B, latent), label (B,) int64 or (B, classes) shares -> (B, C, H, W)."""
        if self.label is not None and label is not None:
            z = torch.cat([z, self.label(label).to(z.dtype)], 1)
        emb = F.silu(self.embed(z))  # (B, emb)
        h = laid(self.enter(emb).unflatten(1, self.base))
        for level, blocks in enumerate(self.blocks):
            if level:
                h = self.grow[level - 1](F.interpolate(h, scale_factor=2.0, mode="nearest"))
            for block in blocks:  # type: ignore[attr-defined]
                h = block(h, emb)
        h = self.leave(F.silu(self.norm(h[..., : self.grid[0], : self.grid[1]])))
        return F.pixel_shuffle(h, self.patch)


class Block(nn.Module):
    """x + conv(silu(norm(conv(silu(norm(x)))))), the second norm scaled and shifted by `emb` where there is one."""

    def __init__(self, width: int, emb: int = 0) -> None:
        super().__init__()
        self.first_norm, self.first = _norm(width), nn.Conv2d(width, width, 3, padding=1)
        self.second_norm, self.second = _norm(width), nn.Conv2d(width, width, 3, padding=1)
        self.modulate = nn.Linear(emb, 2 * width) if emb else None
        nn.init.zeros_(self.second.weight)

    def forward(self, x: Tensor, emb: Tensor | None = None) -> Tensor:
        h = self.second_norm(self.first(F.silu(self.first_norm(x))))
        if self.modulate is not None and emb is not None:
            scale, shift = self.modulate(emb)[:, :, None, None].chunk(2, 1)
            h = h * (1 + scale) + shift
        out: Tensor = x + self.second(F.silu(h))
        return out


def patch_for(size: tuple[int, int]) -> int:
    """Pixels of a patch's side that become channels at once: convolutions at full resolution cost the most."""
    return 1 if min(size) < 16 else 2 if min(size) <= 64 else 4


def _widths(width: int, times: int) -> list[int]:
    return [width * min(2**i, 4) for i in range(times + 1)]


def _norm(width: int) -> nn.GroupNorm:
    groups = math.gcd(max(1, width // 16), width)
    return nn.GroupNorm(groups, width)
