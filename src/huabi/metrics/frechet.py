"""Fréchet distance between two sets of features, from moments that are gathered batch by batch."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

__all__ = ["Moments", "frechet_distance"]


class Moments:
    """Count, mean (d,) and covariance (d, d) of a stream of features, in float64 (Chan et al. 1979).

    The moments do not depend on how the stream is cut into batches, but for rounding.
    """

    def __init__(self, batches: Iterable[Tensor] = ()) -> None:
        self.count = 0
        self.mean = torch.zeros(0, dtype=torch.float64)
        self.scatter = torch.zeros(0, 0, dtype=torch.float64)
        for features in batches:
            self.update(features)

    def update(self, features: Tensor) -> None:
        """Take in features (n, d)."""
        x = features.detach().double().cpu()
        if not len(x):
            return
        if not self.count:
            self.mean, self.scatter = x.new_zeros(x.shape[1]), x.new_zeros(x.shape[1], x.shape[1])
        total, delta = self.count + len(x), x.mean(0) - self.mean
        centred = x - x.mean(0)
        self.scatter += centred.T @ centred + torch.outer(delta, delta) * (self.count * len(x) / total)
        self.mean = self.mean + delta * (len(x) / total)
        self.count = total

    @property
    def covariance(self) -> Tensor:
        """The unbiased covariance. Raises ValueError below two rows."""
        if self.count < 2:
            raise ValueError(f"a covariance needs at least 2 pictures, not {self.count}")
        return self.scatter / (self.count - 1)


def frechet_distance(a: Moments, b: Moments) -> float:
    """|m_a - m_b|^2 + tr(A + B - 2 (A B)^(1/2)) of two Gaussians (Heusel et al. 2017, eq. 6).

    tr (A B)^(1/2) is the sum of the singular values of A^(1/2) B^(1/2): symmetric eigenproblems alone, stable
    where A and B are singular, as they are with fewer pictures than features. Biased upward at small counts:
    give a floor.
    """
    left, right = _root(a.covariance), _root(b.covariance)
    product = left @ right
    cross = torch.linalg.eigvalsh(product @ product.T).clamp(min=0).sqrt().sum()
    distance = (a.mean - b.mean).square().sum() + a.covariance.trace() + b.covariance.trace() - 2 * cross
    return max(0.0, float(distance))


def _root(covariance: Tensor) -> Tensor:
    values, vectors = torch.linalg.eigh(covariance)
    root: Tensor = vectors * values.clamp(min=0).sqrt() @ vectors.T
    return root
