"""Kernel distance between two sets of features: unbiased at any count, so it compares small sets fairly."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Generator, Tensor

__all__ = ["KernelDistance", "kernel_distance"]


class KernelDistance(NamedTuple):
    """1000 MMD^2 and its standard error over blocks (nan with one block)."""

    value: float
    error: float


def kernel_distance(
    a: Tensor, b: Tensor, rng: Generator, *, block: int = 1000, blocks: int = 10
) -> KernelDistance:
    """1000 times the unbiased MMD^2 of a (n, d) and b (m, d) under k(x, y) = (x.y / d + 1)^3.

    Binkowski et al. 2018, eq. 4. The mean over at most `blocks` disjoint blocks of b, of at most `block` rows
    each, against blocks of a drawn likewise; where a has fewer blocks, its blocks take turns. 0 is
    equal, and it may fall below.
    """
    if min(len(a), len(b)) < 2:
        raise ValueError(
            f"a kernel distance needs at least 2 pictures on both sides, not {len(a)} and {len(b)}"
        )
    left, right = _blocks(a, block, blocks, rng), _blocks(b, block, blocks, rng)
    count = max(len(left), len(right))
    values = torch.stack([_mmd2(left[i % len(left)], right[i % len(right)]) for i in range(count)]) * 1000
    error = values.std().item() / count**0.5 if count > 1 else float("nan")
    return KernelDistance(values.mean().item(), error)


def _blocks(x: Tensor, block: int, blocks: int, rng: Generator) -> list[Tensor]:
    order = torch.randperm(len(x), generator=rng, device=rng.device).to(x.device)
    size = min(block, len(x))
    return [x[order[i * size : (i + 1) * size]].double() for i in range(min(blocks, len(x) // size))]


def _mmd2(x: Tensor, y: Tensor) -> Tensor:
    n, m, d = len(x), len(y), x.shape[1]
    xx, yy, xy = ((p @ q.T / d + 1) ** 3 for p, q in ((x, x), (y, y), (x, y)))
    within = (xx.sum() - xx.trace()) / (n * (n - 1)) + (yy.sum() - yy.trace()) / (m * (m - 1))
    return within - 2 * xy.mean()
