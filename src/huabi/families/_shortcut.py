"""Shortcut models: one network for many small steps and for few long ones (Frans et al. 2024).

The network hears the number of its stride: 0 is the flow's own velocity, and n from 1 to `STRIDES` a straight line of
length 2^(n - STRIDES), which leads where two strides of half the length would.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..diffusion import Net, Path, denoise
from ..nets.unet import Context

STRIDES = 5  # lengths 1/16 to 1
FEW = 8  # steps that are taken by strides


@dataclass(frozen=True)
class ShortcutConfig:
    """How few steps are learnt."""

    share: float = 0.125  # of pictures that train strides; 0 is without
    start: float = 0.5  # share of the flow's training after which they do

    def __post_init__(self) -> None:
        if not 0 <= self.share < 1 or not 0 <= self.start <= 1:
            raise ValueError("shortcut.share lies in [0, 1), and start in [0, 1]")


def length_of(stride: Tensor) -> Tensor:
    """The lengths of strides by their numbers, which are at least 1."""
    return 2.0 ** (stride - STRIDES)


def stride_between(t: float, t_next: float) -> int:
    """The number of the stride between two times of `stride_times`."""
    return STRIDES + round(torch.tensor(t - t_next).log2().item())


def stride_times(steps: int) -> Tensor:
    """Times (steps + 1,) from 1 to 0 whose differences are lengths of strides: the shorter ones near the picture."""
    base = 1 << (steps.bit_length() - 1)
    halved = steps - base
    lengths = [1 / base] * (base - halved) + [0.5 / base] * (2 * halved)
    return 1 - torch.tensor([0.0, *lengths], dtype=torch.float64).cumsum(0)


@torch.no_grad()
def consistent(
    net: Net, path: Path, x0: Tensor, eps: Tensor, stride: Tensor, u: Tensor, context: Context, nothing: Context,
    guidance: float,
) -> tuple[Tensor, Tensor, Tensor]:
    """A picture, noise and a time whose straight line is what two strides of half the length make of (x0, eps).

    The shortest ones follow the velocity under guidance, so that all the longer ones have learnt to be guided and a
    step takes one evaluation (section 3 and appendix, "classifier-free guidance").

    Args:
        stride: (B,) numbers of the strides, from 1.
        u: (B,) in [0, 1), which of the strides of that length.
        nothing: the context in which nothing is said.
    """
    length = length_of(stride)
    t = (1 + (u / length).floor()) * length  # (B,)
    d = length.view(-1, 1, 1, 1) / 2
    shortest = (stride == 1).nonzero()[:, 0]
    nothing = nothing.rows(shortest)

    def slope(x: Tensor, t: Tensor) -> Tensor:
        told = denoise(net, path, x, t, context=context, stride=stride - 1)
        if len(shortest):
            free = denoise(net, path, x[shortest], t[shortest], context=nothing, stride=0 * shortest)
            told = told.index_copy(0, shortest, free.lerp(told[shortest], guidance))
        return (x - told) / t.view(-1, 1, 1, 1)

    x = path.mix(x0, eps, t)
    first = slope(x, t)
    v = (first + slope(x - d * first, t - length / 2)) / 2
    at = t.view(-1, 1, 1, 1)
    return x - at * v, x + (1 - at) * v, t
