"""Inception Score: how sure a classifier is of each sample, and how many classes it finds in all of them."""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import Tensor

from ..errors import DataError
from .score import Estimate

__all__ = ["inception_score"]

_NEVER = -1e4  # a log probability whose exponential is 0, so that 0 log 0 is 0


def inception_score(logits: Iterable[Tensor], splits: int = 10) -> Estimate:
    """exp(mean KL(p(y|x) || p(y))) over a stream of logits (n, K), from 1 to K (Salimans et al. 2016, section 4).

    The mean over `splits` parts, to which the rows are dealt in turn, and its standard error; memory is flat in the
    number of pictures. No reference takes part: it sees neither a mode that is missing nor pictures learnt by heart.
    Raises DataError below 2 rows in a part, or for NaN.
    """
    seen, probability, negentropy = 0, torch.zeros(0), torch.zeros(splits, dtype=torch.float64)
    for batch in logits:
        log_p = batch.detach().float().cpu().log_softmax(1).clamp_(min=_NEVER)
        p = log_p.exp()
        certainty = torch.linalg.vecdot(p, log_p)  # (n,), minus the entropy of each row
        if certainty.isnan().any():
            raise DataError("logits hold NaN: some of the pictures are broken")
        if not seen:
            probability = torch.zeros(splits, p.shape[1], dtype=torch.float64)
        for k in range(splits):
            rows = slice((k - seen) % splits, None, splits)
            probability[k] += p[rows].sum(0)
            negentropy[k] += certainty[rows].sum()
        seen += len(log_p)
    if seen < 2 * splits:
        raise DataError(f"an Inception Score over {splits} parts needs at least {2 * splits} pictures, not {seen}")
    count = (seen - torch.arange(splits) + splits - 1) // splits  # rows of each part
    mean = probability / count[:, None]
    scores = (negentropy / count - torch.xlogy(mean, mean).sum(1)).exp()
    error = float(scores.std()) / splits**0.5 if splits > 1 else math.nan
    return Estimate(float(scores.mean()), error)
