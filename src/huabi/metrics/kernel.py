"""Kernel distance between two sets of features: unbiased at any count, so it compares small sets fairly."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Generator, Tensor

from .score import BLOCKS, Estimate, jackknife, two_sides

__all__ = ["kernel_distance", "kernel_estimate"]

_ROWS = 2000  # of the reference that meet a block of the samples at once


def kernel_distance(a: Tensor, b: Tensor, rng: Generator, *, block: int = 1000, blocks: int = 10) -> Estimate:
    """1000 times the unbiased MMD^2 of a (n, d) and b (m, d) under k(x, y) = (x.y / d + 1)^3.

    Binkowski et al. 2018, eq. 4. The mean over at most `blocks` disjoint blocks of b, of at most `block` rows
    each, against blocks of a drawn likewise; where a has fewer blocks, its blocks take turns. 0 is
    equal, and it may fall below. The error is that over the blocks, nan with one block.
    """
    two_sides(a, b)
    left, right = _blocks(a, block, blocks, rng), _blocks(b, block, blocks, rng)
    count = max(len(left), len(right))
    values = torch.stack([_mmd2(left[i % len(left)], right[i % len(right)]) for i in range(count)]) * 1000
    error = values.std().item() / count**0.5 if count > 1 else math.nan
    return Estimate(values.mean().item(), error)


def kernel_estimate(samples: Tensor, reference: Tensor) -> Estimate:
    """As `kernel_distance`, over all pairs of samples (n, d) and reference (m, d), with its jackknife error.

    Every pair counts once, so nothing is drawn and the value scatters less than that of blocks. The error is that
    of drawing other samples; nan below 2 x `BLOCKS` of them. No kernel is larger than a block by `_ROWS`.
    """
    two_sides(samples, reference)
    n, m = len(samples), len(reference)
    parts = [samples[k::BLOCKS] for k in range(min(BLOCKS, n))]
    within = _within(parts)
    between = torch.stack([_sum(x, reference) for x in parts])
    yy = _within(reference.split(_ROWS)).sum() / (m * (m - 1))

    def mmd2(xx: Tensor, xy: Tensor, count: int) -> float:
        return 1000 * float(xx / (count * (count - 1)) + yy - 2 * xy / (count * m))

    value = mmd2(within.sum(), between.sum(), n)
    if n < 2 * BLOCKS:
        return Estimate(value, math.nan)
    left_out = [
        mmd2(within.sum() - 2 * within[k].sum() + within[k, k], between.sum() - between[k], n - len(part))
        for k, part in enumerate(parts)
    ]
    return Estimate(value, jackknife(left_out))


def _sum(x: Tensor, y: Tensor) -> Tensor:
    """The kernel's sum over all pairs of x (n, d) and y (m, d), in float64."""
    return torch.stack([_kernel(x, rows).sum(dtype=torch.float64) for rows in y.split(_ROWS)]).sum()


def _within(parts: Sequence[Tensor]) -> Tensor:
    """The kernel's sums between all parts of a set, without what each row gives with itself."""
    sums = torch.zeros(len(parts), len(parts), dtype=torch.float64)
    for i, x in enumerate(parts):
        for j, y in enumerate(parts[: i + 1]):
            sums[i, j] = sums[j, i] = _sum(x, y)
        sums[i, i] -= (x.double().square().mean(1) + 1).pow(3).sum()
    return sums


def _kernel(x: Tensor, y: Tensor) -> Tensor:
    return (x @ y.T / x.shape[1] + 1) ** 3


def _blocks(x: Tensor, block: int, blocks: int, rng: Generator) -> list[Tensor]:
    order = torch.randperm(len(x), generator=rng, device=rng.device).to(x.device)
    size = min(block, len(x))
    return [x[order[i * size : (i + 1) * size]].double() for i in range(min(blocks, len(x) // size))]


def _mmd2(x: Tensor, y: Tensor) -> Tensor:
    n, m = len(x), len(y)
    xx, yy, xy = _kernel(x, x), _kernel(y, y), _kernel(x, y)
    within = (xx.sum() - xx.trace()) / (n * (n - 1)) + (yy.sum() - yy.trace()) / (m * (m - 1))
    return within - 2 * xy.mean()
