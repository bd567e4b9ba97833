"""The fully connected conditional random field: labels that follow a picture's edges (Kraehenbuehl and Koltun 2011)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from .lattice import Lattice

__all__ = ["DenseCRF", "infer"]

EXACT = 4096  # pixels up to which the bilateral kernel is a matrix, in 64 MiB
Filter = Callable[[Tensor], Tensor]  # (N, L) -> (N, L)


@dataclass(frozen=True)
class DenseCRF:
    """Settings of the field. A kernel's weight says how many units of log-odds its neighbours' full agreement is worth.

    `k(i, j) = exp(-|p_i - p_j|^2 / 2 near^2)` smooths, `exp(-|p_i - p_j|^2 / 2 far^2 - |I_i - I_j|^2 / 2 colour^2)`
    joins what has one colour (eq. 3).
    """

    steps: int = 10  # of mean field
    smooth: float = 3.0  # weight of the first kernel
    near: float = 3.0  # pixels
    alike: float = 10.0  # weight of the second one
    far: float = 80.0  # pixels
    colour: float = 0.1  # of the range [-1, 1] of a channel


def infer(unary: Tensor, picture: Tensor, crf: DenseCRF = DenseCRF()) -> Tensor:
    """The labels' probabilities (L, H, W) by mean field with the Potts model (algorithm 1).

    `Q_i(l) = softmax_l(-unary_i(l) + sum_m w_m sum_{j != i} k_m(i, j) Q_j(l))`; what the Potts model adds to all labels
    alike falls out. Each kernel is normalised symmetrically, `D^-1/2 K D^-1/2` with D its row sums (Kraehenbuehl and
    Koltun 2013, section 5), so that weights mean the same at all sizes. Up to `EXACT` pixels the sums are exact; above,
    the bilateral one runs over a permutohedral lattice.

    Args:
        unary: (L, H, W), -log of what is known of each label at each pixel.
        picture: (C, H, W) in [-1, 1].
    """
    labels, height, width = unary.shape
    filters = [
        (crf.smooth, _normalised(_gaussian(height, width, crf.near, unary), height * width, unary)),
        (crf.alike, _normalised(_bilateral(picture, crf), height * width, unary)),
    ]
    known = -unary.reshape(labels, -1).T  # (N, L)
    q = known.softmax(1)
    for _ in range(crf.steps):
        q = (known + sum(weight * apply(q) for weight, apply in filters)).softmax(1)
    return q.T.reshape(unary.shape)


def _gaussian(height: int, width: int, sigma: float, like: Tensor) -> Filter:
    """The exact sum over all pixels, which falls into one over columns and one over rows."""

    def kernel(side: int) -> Tensor:
        place = torch.arange(side, device=like.device, dtype=like.dtype) / sigma
        return torch.exp(-(place[:, None] - place).square() / 2)  # (side, side)

    rows, columns = kernel(height), kernel(width)

    def apply(x: Tensor) -> Tensor:
        planes = x.T.reshape(-1, height, width)
        return (rows @ planes @ columns).reshape(len(planes), -1).T

    return apply


def _bilateral(picture: Tensor, crf: DenseCRF) -> Filter:
    channels, height, width = picture.shape
    grid = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    place = torch.stack(grid).reshape(2, -1).to(picture) / crf.far
    features = torch.cat([place, picture.reshape(channels, -1) / crf.colour]).T  # (N, 2 + C)
    if height * width > EXACT:
        return Lattice(features)
    kernel = torch.exp(-torch.cdist(features, features, compute_mode="donot_use_mm_for_euclid_dist").square() / 2)
    return lambda x: kernel @ x


def _normalised(kernel: Filter, count: int, like: Tensor) -> Filter:
    """`D^-1/2 (K - 1) D^-1/2`: the kernel without each pixel's say on itself."""
    scale = kernel(like.new_ones(count, 1)).rsqrt()
    return lambda x: scale * (kernel(scale * x) - scale * x)
