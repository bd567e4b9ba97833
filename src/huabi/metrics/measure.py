"""All measures of a set of samples against a reference, each as a score with its protocol, interval and warnings."""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from torch import Tensor

from .features import Features
from .frechet import frechet_estimate
from .inception_score import inception_score
from .kernel import kernel_estimate
from .precision_recall import manifold
from .reference import Reference
from .score import Estimate, Protocol, Score, two_sides

__all__ = ["measure", "measure_few"]

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
    n, count = len(samples), min(len(samples), len(reference.features))
    fd, kd = _names(net)
    warning = _small(fd, count, kd) if count < _SURE * samples.shape[1] else ""
    protocol = _protocol(samples, reference, net)
    distance = _score(fd, frechet_estimate(samples, reference.moments), protocol, warning)
    scores = [distance, *measure_few(samples, reference, net)]
    if net.logits is not None and n >= _LEAST_SPLIT:
        protocol = replace(protocol, reference=0)
        scores.append(_score("Inception Score", inception_score([net.logits(samples)]), protocol, _few(n, _SPLIT)))
    return scores


def measure_few(samples: Tensor, reference: Reference, net: Features) -> list[Score]:
    """Those of `measure` that few pictures allow, such as those of one class.

    They are the kernel distance, and from 6 pictures on a side precision, recall, density and coverage. Raises as
    `measure` does.
    """
    two_sides(samples, reference.features)
    count, protocol = min(len(samples), len(reference.features)), _protocol(samples, reference, net)
    scores = [_score(_names(net)[1], kernel_estimate(samples, reference.features), protocol, _few(count, _FEW))]
    if count >= _LEAST:
        x, y = (_drawn(side, count, reference.seed) for side in (samples, reference.features))
        protocol = replace(protocol, samples=count, reference=count)
        found = zip(("precision", "recall", "density", "coverage"), manifold(x, y), strict=True)
        scores += [_score(name, part, protocol, _few(count, _BALLS)) for name, part in found]
    return scores


def _names(net: Features) -> tuple[str, str]:
    """What the two distances are called: their best-known names are theirs with Inception's features alone."""
    return ("FID", "KID x 1000") if net.name == "inception" else ("Fréchet distance", "kernel distance x 1000")


def _protocol(samples: Tensor, reference: Reference, net: Features) -> Protocol:
    return Protocol(net.name, net.weights, net.resize, len(samples), len(reference.features), reference.seed)


def _score(name: str, found: Estimate, protocol: Protocol, warning: str) -> Score:
    return Score(name, *found, protocol, (warning,) if warning else (), _BOUNDS.get(name, (-math.inf, math.inf)))


def _drawn(x: Tensor, count: int, seed: int) -> Tensor:
    """`count` rows of x, without order: sets of unequal count would shift recall and coverage."""
    return x if len(x) == count else x[torch.randperm(len(x), generator=torch.Generator().manual_seed(seed))[:count]]


def _small(name: str, count: int, other: str) -> str:
    return f"{count:,} pictures are too few for {name}, which is biased upward at this count: read {other}"


def _few(count: int, enough: int) -> str:
    return f"{count:,} pictures are few; from {enough:,} on it can be trusted" if count < enough else ""
