"""All measures of a set of samples against a reference, each as a score with its protocol, interval and warnings."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from .features import Features
from .frechet import frechet_estimate
from .inception_score import inception_score
from .kernel import kernel_estimate
from .precision_recall import manifold
from .reference import Reference
from .score import Estimate, Protocol, Score, two_sides

__all__ = ["measure"]

_SURE = 2  # pictures for each feature, below which a covariance is mostly noise
_FEW = 50  # pictures below which even the kernel distance says little
_BALLS = 500  # pictures below which balls to the k-th neighbour say little
_SPLIT = 5000  # pictures below which the Inception Score is biased downward by its splits
_LEAST, _LEAST_SPLIT = 6, 20  # pictures that balls and the Inception Score cannot do without
_BOUNDS = {"precision": (0.0, 1.0), "recall": (0.0, 1.0), "density": (0.0, math.inf), "coverage": (0.0, 1.0)}
_BOUNDS |= {"FID": (0.0, math.inf), "Fréchet distance": (0.0, math.inf), "Inception Score": (1.0, math.inf)}


def measure(samples: Tensor, reference: Reference, net: Features) -> list[Score]:
    """Scores of samples (N, D), which are features of `net` as the reference's are.

    Fréchet and kernel distance (called FID and KID where the features are Inception's), precision, recall, density,
    coverage, and the Inception Score where the network gives logits. Raises DataError below 2 pictures on a side
    and for features that hold NaN.
    """
    two_sides(samples, reference.features)
    n, m, seed = len(samples), len(reference.features), reference.seed
    fd, kd = ("FID", "KID") if net.name == "inception" else ("Fréchet distance", "kernel distance")
    kd = f"{kd} x 1000"

    def score(name: str, found: Estimate, warning: str, sides: tuple[int, int] = (n, m)) -> Score:
        protocol = Protocol(net.name, net.weights, net.resize, *sides, seed)
        return Score(name, *found, protocol, (warning,) if warning else (), _BOUNDS.get(name, (-math.inf, math.inf)))

    count = min(n, m)
    biased = _small(fd, count, kd) if count < _SURE * samples.shape[1] else ""
    scores = [
        score(fd, frechet_estimate(samples, reference.moments), biased),
        score(kd, kernel_estimate(samples, reference.features), _few(count, _FEW)),
    ]
    if count >= _LEAST:
        x, y = (_drawn(side, count, seed) for side in (samples, reference.features))
        found = zip(("precision", "recall", "density", "coverage"), manifold(x, y), strict=True)
        scores += [score(name, part, _few(count, _BALLS), (count, count)) for name, part in found]
    if net.logits is not None and n >= _LEAST_SPLIT:
        found_score = inception_score([net.logits(samples)])
        scores.append(score("Inception Score", found_score, _few(n, _SPLIT), (n, 0)))
    return scores


def _drawn(x: Tensor, count: int, seed: int) -> Tensor:
    """`count` rows of x, without order: sets of unequal count would shift recall and coverage."""
    return x if len(x) == count else x[torch.randperm(len(x), generator=torch.Generator().manual_seed(seed))[:count]]


def _small(name: str, count: int, other: str) -> str:
    return f"{count:,} pictures are too few for {name}, which is biased upward at this count: read {other}"


def _few(count: int, enough: int) -> str:
    return f"{count:,} pictures are few; from {enough:,} on it can be trusted" if count < enough else ""
