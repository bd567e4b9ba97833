"""The Inception network of 5 December 2015, whose pooled features the Fréchet Inception distance is defined on."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["Inception", "resize_as_tensorflow1"]


class Conv(NamedTuple):
    """One convolution of a branch, by the name that it has in the weights' file."""

    name: str
    out: int
    kernel: int | tuple[int, int]
    stride: int = 1


Step = Conv | tuple[Conv, Conv] | str  # two convolutions read the same input; a word names a pooling
Branch = tuple[Step, ...]


def _five(pool: int) -> tuple[Branch, ...]:
    return (
        (Conv("branch1x1", 64, 1),),
        (Conv("branch5x5_1", 48, 1), Conv("branch5x5_2", 64, 5)),
        (Conv("branch3x3dbl_1", 64, 1), Conv("branch3x3dbl_2", 96, 3), Conv("branch3x3dbl_3", 96, 3)),
        ("mean", Conv("branch_pool", pool, 1)),
    )


def _seven(width: int) -> tuple[Branch, ...]:
    sevens = (Conv(f"branch7x7dbl_{i}", width, (7, 1) if i % 2 == 0 else (1, 7)) for i in (2, 3, 4))
    return (
        (Conv("branch1x1", 192, 1),),
        (Conv("branch7x7_1", width, 1), Conv("branch7x7_2", width, (1, 7)), Conv("branch7x7_3", 192, (7, 1))),
        (Conv("branch7x7dbl_1", width, 1), *sevens, Conv("branch7x7dbl_5", 192, (1, 7))),
        ("mean", Conv("branch_pool", 192, 1)),
    )


def _wide(pool: str) -> tuple[Branch, ...]:
    def fork(prefix: str) -> tuple[Conv, Conv]:
        return Conv(f"{prefix}a", 384, (1, 3)), Conv(f"{prefix}b", 384, (3, 1))

    return (
        (Conv("branch1x1", 320, 1),),
        (Conv("branch3x3_1", 384, 1), fork("branch3x3_2")),
        (Conv("branch3x3dbl_1", 448, 1), Conv("branch3x3dbl_2", 384, 3), fork("branch3x3dbl_3")),
        (pool, Conv("branch_pool", 192, 1)),
    )


_BLOCKS: dict[str, tuple[Branch, ...]] = {  # Szegedy et al. 2016, table 1 and figures 5 to 7, from 35 x 35 places on
    "Mixed_5b": _five(32),
    "Mixed_5c": _five(64),
    "Mixed_5d": _five(64),
    "Mixed_6a": (
        (Conv("branch3x3", 384, 3, 2),),
        (Conv("branch3x3dbl_1", 64, 1), Conv("branch3x3dbl_2", 96, 3), Conv("branch3x3dbl_3", 96, 3, 2)),
        ("halve",),
    ),
    "Mixed_6b": _seven(128),
    "Mixed_6c": _seven(160),
    "Mixed_6d": _seven(160),
    "Mixed_6e": _seven(192),
    "Mixed_7a": (
        (Conv("branch3x3_1", 192, 1), Conv("branch3x3_2", 320, 3, 2)),
        (
            Conv("branch7x7x3_1", 192, 1),
            Conv("branch7x7x3_2", 192, (1, 7)),
            Conv("branch7x7x3_3", 192, (7, 1)),
            Conv("branch7x7x3_4", 192, 3, 2),
        ),
        ("halve",),
    ),
    "Mixed_7b": _wide("mean"),
    "Mixed_7c": _wide("largest"),  # the graph of 2015 has the maximum here, where the paper has the mean
}


class Inception(nn.Module):
    """Pictures (B, 3, H, W) in [-1, 1] -> features (B, 2048), the mean over positions of the last block.

    Preprocessing, which every published figure depends on: pictures are rounded to 8 bits, resized to 299 x 299 as
    TensorFlow 1 does and mapped by (x - 128) / 128. Grey pictures are repeated to three channels. Only for
    inference: each convolution carries the batch norm that followed it in training (`huabi.weights` folds it).
    """

    size = 299
    width = 2048

    def __init__(self) -> None:
        super().__init__()
        self.Conv2d_1a_3x3 = nn.Conv2d(3, 32, 3, 2)
        self.Conv2d_2a_3x3 = nn.Conv2d(32, 32, 3)
        self.Conv2d_2b_3x3 = nn.Conv2d(32, 64, 3, padding=1)
        self.Conv2d_3b_1x1 = nn.Conv2d(64, 80, 1)
        self.Conv2d_4a_3x3 = nn.Conv2d(80, 192, 3)
        inner = 192
        for name, branches in _BLOCKS.items():
            block = Mixed(inner, branches)
            self.add_module(name, block)
            inner = block.out
        self.fc = nn.Linear(self.width, 1008, bias=False)
        self.requires_grad_(False).to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    @torch.no_grad()
    def forward(self, x: Tensor) -> Tensor:
        # on the CPU few pictures at a time stay in the cache
        return torch.cat([self._features(part) for part in x.split(8 if x.device.type == "cpu" else 128)])

    @torch.no_grad()
    def logits(self, features: Tensor) -> Tensor:
        """Features (N, 2048) -> logits (N, 1008) without the last layer's bias, as the Inception Score reads them."""
        logits: Tensor = self.fc(features.to(self.fc.weight))
        return logits

    def _features(self, x: Tensor) -> Tensor:
        x = x.expand(-1, 3, -1, -1) if x.shape[1] == 1 else x
        x = x.float().add(1).mul(127.5).round().clamp(0, 255)
        x = (resize_as_tensorflow1(x, self.size) - 128) / 128
        x = x.contiguous(memory_format=torch.channels_last)
        h = self.Conv2d_1a_3x3(x).relu_()
        h = self.Conv2d_2a_3x3(h).relu_()
        h = _halve(self.Conv2d_2b_3x3(h).relu_())
        h = self.Conv2d_3b_1x1(h).relu_()
        h = _halve(self.Conv2d_4a_3x3(h).relu_())
        for name in _BLOCKS:
            h = self.get_submodule(name)(h)
        pooled: Tensor = h.mean((2, 3))
        return pooled


class Mixed(nn.Module):
    """Branches side by side, their outputs joined by channels; each convolution is followed by a ReLU.

    A convolution of stride 1 is padded to keep the size, one of stride 2 is not padded.
    """

    def __init__(self, inner: int, branches: tuple[Branch, ...]) -> None:
        super().__init__()
        self.branches, self.out = branches, 0
        for branch in branches:
            width = inner
            for step in branch:
                if isinstance(step, str):
                    continue
                twins = (step,) if isinstance(step, Conv) else step
                for name, out, kernel, stride in twins:
                    sides = (kernel, kernel) if isinstance(kernel, int) else kernel
                    padding = (sides[0] // 2, sides[1] // 2) if stride == 1 else (0, 0)
                    self.add_module(name, nn.Conv2d(width, out, sides, stride, padding))
                width = sum(twin.out for twin in twins)
            self.out += width

    def forward(self, x: Tensor) -> Tensor:
        outs = []
        for branch in self.branches:
            h = x
            for step in branch:
                if isinstance(step, str):
                    h = _POOLS[step](h)
                elif isinstance(step, Conv):
                    h = self._conv(step, h)
                else:
                    h = torch.cat([self._conv(twin, h) for twin in step], 1)
            outs.append(h)
        return torch.cat(outs, 1)

    def _conv(self, conv: Conv, h: Tensor) -> Tensor:
        out: Tensor = self.get_submodule(conv.name)(h).relu_()
        return out


def _mean(h: Tensor) -> Tensor:
    return F.avg_pool2d(h, 3, 1, 1, count_include_pad=False)


def _largest(h: Tensor) -> Tensor:
    return F.max_pool2d(h, 3, 1, 1)


def _halve(h: Tensor) -> Tensor:
    return F.max_pool2d(h, 3, 2)


_POOLS = {"mean": _mean, "largest": _largest, "halve": _halve}


def resize_as_tensorflow1(x: Tensor, size: int) -> Tensor:
    """Pictures (B, C, H, W) -> (B, C, size, size), bilinearly, as TensorFlow 1's `resize_bilinear` does by default.

    Output pixel i reads at i * H / size, without the half pixel that others add on both sides, and nothing is
    smoothed where the picture shrinks.
    """
    for axis in (3, 2):
        side = x.shape[axis]
        place = torch.arange(size, dtype=torch.float32, device=x.device) * torch.tensor(side / size)
        low = place.long().clamp(max=side - 1)
        shape = [1, 1, 1, 1]
        shape[axis] = size
        weight = (place - low).to(x.dtype).view(shape)
        first, second = x.index_select(axis, low), x.index_select(axis, (low + 1).clamp(max=side - 1))
        x = first + (second - first) * weight
    return x
