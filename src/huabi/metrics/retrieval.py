"""Retrieval: whether the right text is found for a picture, or the right picture for a text."""

from __future__ import annotations

import torch
from torch import Tensor

from ..errors import DataError

__all__ = ["ranks", "recall"]

_ROWS = 1000  # queries that are compared with all candidates at once


def ranks(queries: Tensor, candidates: Tensor, groups: Tensor | None = None) -> Tensor:
    """The place (N,) int64, from 1 on, of the first right candidate among all, by the cosine of their features (N, D).

    Candidate i is right for query i, and so are those of its group, where `groups` (N,) gives equal numbers to rows
    that mean the same. Among equally near candidates the wrong ones come first, so that a model that knows nothing
    finds nothing.
    """
    if queries.shape != candidates.shape or not len(queries):
        raise DataError(f"{len(queries)} queries and {len(candidates)} candidates are no pairs: give each one its own")
    groups = torch.arange(len(queries)) if groups is None else groups
    a, b = (torch.nn.functional.normalize(x.double(), dim=1) for x in (queries, candidates))
    found = []
    for x, own in zip(a.split(_ROWS), groups.split(_ROWS)):
        cosine = x @ b.T  # (n, N)
        right = own[:, None] == groups
        best = cosine.masked_fill(~right, -2).amax(1, keepdim=True)
        found.append(1 + ((cosine >= best) & ~right).sum(1))
    return torch.cat(found)


def recall(ranks: Tensor, k: int) -> float:
    """Recall@k: the share of queries whose first right candidate is among the first k."""
    return float((ranks <= k).double().mean())
