"""Precision and recall, density and coverage: how much of one set lies where the other set is."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from ..errors import DataError
from .score import BLOCKS, Estimate, jackknife, two_sides

__all__ = ["Manifold", "manifold"]

_ROWS = 1000  # of one set that meet all of the other at once


class Manifold(NamedTuple):
    """What part of the samples is real, and what part of the reference is reached; each 0 to 1, but for density."""

    precision: Estimate
    recall: Estimate
    density: Estimate  # 1 where samples lie as dense as the reference; may be more
    coverage: Estimate


def manifold(samples: Tensor, reference: Tensor, *, neighbours: int = 3, dense: int = 5) -> Manifold:
    """Precision and recall (Kynkäänniemi et al. 2019, eq. 2), density and coverage (Naeem et al. 2020, section 3).

    Each picture is the centre of a ball that reaches to its k-th nearest of its own set: k is `neighbours` for
    precision and recall, `dense` for the others. All but density depend on the counts: give both sides as many.
    The jackknife errors are those of drawing other samples, with the balls as they are. Distances are computed in
    the features' own precision, `_ROWS` rows at a time.

    Args:
        samples: (n, d).
        reference: (m, d).
    """
    two_sides(samples, reference)
    n, m = len(samples), len(reference)
    if min(n, m) <= max(neighbours, dense):
        raise DataError(f"{max(neighbours, dense)} neighbours need more pictures on both sides than {n} and {m}")
    middle = reference.mean(0)  # near the origin products lose fewer digits
    x, y = samples - middle, reference - middle
    (own,), (near, far) = _radii(x, (neighbours,)), _radii(y, (neighbours, dense))
    groups = min(BLOCKS, n)
    inside, depth = torch.zeros(n, dtype=torch.bool), torch.zeros(n)
    recalled, covered = (torch.zeros(m, groups, dtype=torch.bool) for _ in range(2))
    for start in range(0, m, _ROWS):
        rows = slice(start, start + _ROWS)
        distance = _squared(y[rows], x)  # (rows, n)
        inside |= (distance <= near[rows, None]).any(0)
        within, reached = distance <= far[rows, None], distance <= own
        depth += within.sum(0)
        for k in range(groups):
            covered[rows, k], recalled[rows, k] = within[:, k::groups].any(1), reached[:, k::groups].any(1)
    return Manifold(
        precision=_share(inside.double(), groups),
        recall=_reach(recalled),
        density=_share(depth.double() / dense, groups),
        coverage=_reach(covered),
    )


def _share(values: Tensor, groups: int) -> Estimate:
    """The mean of one value for each sample."""
    left_out = [
        float((values.sum() - values[k::groups].sum()) / (len(values) - len(values[k::groups]))) for k in range(groups)
    ]
    return Estimate(float(values.mean()), _error(left_out))


def _reach(hits: Tensor) -> Estimate:
    """The share of the reference that any sample hits; hits (m, groups) by each block of the samples."""
    times = hits.sum(1, keepdim=True)
    return Estimate(float((times > 0).double().mean()), _error((times > hits.long()).double().mean(0).tolist()))


def _error(left_out: list[float]) -> float:
    """nan where all blocks agree, as at a share of 0 or 1: that tells nothing of other samples."""
    return jackknife(left_out) if len(left_out) == BLOCKS and len(set(left_out)) > 1 else math.nan


def _radii(x: Tensor, counts: tuple[int, ...]) -> tuple[Tensor, ...]:
    """The squared distance of each row from its k-th nearest other row, for each k of `counts`."""
    nearest = []
    for start in range(0, len(x), _ROWS):
        distance = _squared(x[start : start + _ROWS], x)
        distance[torch.arange(len(distance)), torch.arange(start, start + len(distance))] = math.inf
        nearest.append(distance.topk(max(counts), largest=False).values)
    found = torch.cat(nearest)
    return tuple(found[:, k - 1] for k in counts)


def _squared(x: Tensor, y: Tensor) -> Tensor:
    """Squared distances (n, m) of rows."""
    sums = x.square().sum(1)[:, None] + y.square().sum(1)
    return sums.addmm_(x, y.T, alpha=-2).clamp_(min=0)
