"""The permutohedral lattice: a Gaussian filter over points in several dimensions, in time linear in their number."""

from __future__ import annotations

import math

import torch
from torch import Tensor

__all__ = ["Lattice"]


class Lattice:
    """v -> sum_j exp(-|f_i - f_j|^2 / 2) v_j for points with features f, nearly (Adams, Baek and Davis 2010).

    Points are spread over the corners of the simplex that they lie in, the corners are blurred by (1/2, 1, 1/2) along
    each axis of the lattice, and points read them back. `docs/crf.md` says how far it is from the exact sum.

    Args:
        features: (N, d), in units in which the Gaussian's standard deviation is 1.
    """

    def __init__(self, features: Tensor) -> None:
        dims = features.shape[1]
        corner, rank, self.weights = _simplex(features)
        keys, steps = _packed(corner, rank)
        vertices, self.places = torch.unique(keys, return_inverse=True)  # (M,), (N, d + 1)
        self.count = len(vertices)
        self.neighbours = [tuple(self._found(vertices, vertices + way * step) for way in (1, -1)) for step in steps]
        self.scale = 1 / (1 + 2**-dims)  # a point alone gets its own value back: the axes' steps sum to 0

    def _found(self, vertices: Tensor, sought: Tensor) -> Tensor:
        """The numbers of the vertices of these keys; of those that are not there, `count`."""
        at = torch.searchsorted(vertices, sought).clamp(max=self.count - 1)
        return torch.where(vertices[at] == sought, at, self.count)

    def __call__(self, values: Tensor) -> Tensor:
        """The filtered values (N, L)."""
        x = values.new_zeros(self.count + 1, values.shape[1])  # the last row is all that is not there
        for k in range(self.weights.shape[1]):
            x.index_add_(0, self.places[:, k], self.weights[:, k, None] * values)
        for ahead, behind in self.neighbours:
            x[:-1] = x[:-1] + (x[ahead] + x[behind]) / 2
        parts = (self.weights[:, k, None] * x[self.places[:, k]] for k in range(self.weights.shape[1]))
        out: Tensor = sum(parts, torch.zeros_like(values)) * self.scale
        return out


def _simplex(features: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Of each point: its simplex's remainder-0 corner and the order of its coordinates (N, d + 1), its weights there.

    Adams, Baek and Davis 2010, sections 3.1 and 3.2; corners are in the lattice's own whole numbers.
    """
    dims = features.shape[1]
    k = torch.arange(1, dims + 1, device=features.device)
    scaled = features * (math.sqrt(2 / 3) * (dims + 1) / (k * (k + 1)).sqrt())
    zero = torch.zeros_like(scaled[:, :1])
    tails = scaled.flip(1).cumsum(1).flip(1)
    elevated = torch.cat([tails, zero], 1) - torch.cat([zero, k * scaled], 1)  # (N, d + 1), rows sum to 0
    corner = (elevated / (dims + 1)).round()
    excess = corner.sum(1, keepdim=True)
    rank = (corner * (dims + 1) - elevated).argsort(1).argsort(1) + excess
    turn = (rank < 0).to(corner.dtype) - (rank > dims).to(corner.dtype)
    corner, rank = (corner + turn) * (dims + 1), (rank + turn * (dims + 1)).long()
    delta = (elevated - corner) / (dims + 1)
    weights = features.new_zeros(len(features), dims + 2)
    weights.scatter_add_(1, dims - rank, delta).scatter_add_(1, dims + 1 - rank, -delta)
    weights[:, 0] += 1 + weights[:, -1]
    return corner.long(), rank, weights[:, :-1]


def _packed(corner: Tensor, rank: Tensor) -> tuple[Tensor, list[int]]:
    """A number for each corner of each point's simplex (N, d + 1), and what a step along each axis adds to it."""
    dims = corner.shape[1] - 1
    places = torch.arange(dims + 1, device=corner.device)
    offset = places[:, None] - (dims + 1) * (places > dims - places[:, None])  # [k, rank]
    lowest = corner.min(0).values - 2 * (dims + 1)
    widths = (corner.max(0).values - lowest + 2 * (dims + 1)).tolist()
    radix = [math.prod(widths[:j]) for j in range(dims)] + [0]  # the last coordinate follows from the others
    if math.prod(widths[:dims]) >= 2**62:
        raise ValueError("the features span too many standard deviations for the lattice")
    scales = torch.tensor(radix, device=corner.device)
    keys = torch.stack([((corner - lowest + offset[k][rank]) * scales).sum(1) for k in range(dims + 1)], 1)
    return keys, [(dims + 1) * one - sum(radix) for one in radix]
