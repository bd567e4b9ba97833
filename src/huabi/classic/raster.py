"""Integer images: what decides about strokes is computed here, so that every machine decides alike.

Sums, differences and comparisons are of integers; divisions and square roots are those that IEEE 754 rounds exactly.
Shapes: H rows, W columns.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[Any]
Floats = NDArray[np.float64]


def hashed(salt: int, index: Ints) -> Ints:
    """Random uint32 of the indices: MurmurHash3's finaliser (Appleby 2011)."""
    x = np.asarray(index).astype(np.uint32) * np.uint32(0x9E3779B1) + np.uint32(salt & 0xFFFFFFFF)
    x = (x ^ (x >> np.uint32(16))) * np.uint32(0x85EBCA6B)
    x = (x ^ (x >> np.uint32(13))) * np.uint32(0xC2B2AE35)
    return x ^ (x >> np.uint32(16))


def uniform(salt: int, index: Ints, low: float = 0.0, high: float = 1.0) -> Floats:
    """Random numbers in [low, high) of the indices."""
    return low + (high - low) * (hashed(salt, index) / 4294967296.0)


def box(image: Ints, radius: int) -> Ints:
    """The mean over a square of 2 radius + 1 pixels, rounded; the border repeats. `image` is (H, W) or (H, W, C)."""
    if radius < 1:
        return image
    n = 2 * radius + 1
    out = image.astype(np.int64 if image.dtype == np.int64 else np.int32)
    for axis in (0, 1):
        index = np.arange(-radius - 1, out.shape[axis] + radius)
        total = out.take(index, axis, mode="clip").cumsum(axis, dtype=out.dtype)
        out = total[n:] - total[:-n] if axis == 0 else total[:, n:] - total[:, :-n]
        out += n // 2
        out //= n
    return out


def luma(image: Ints) -> Ints:
    """Brightness 0..255 (H, W) int32 of an RGB picture (H, W, 3), by the weights of ITU-R BT.601 in 1/256."""
    r, g, b = (image[..., c].astype(np.int32) for c in range(3))
    return (77 * r + 150 * g + 29 * b + 128) >> 8


def gradient(grey: Ints) -> tuple[Ints, Ints]:
    """Central differences along x and y (H, W), one-sided at the border."""
    high, wide = (grey.take(np.arange(-1, side + 1), axis, mode="clip") for axis, side in enumerate(grey.shape))
    return wide[:, 2:] - wide[:, :-2], high[2:] - high[:-2]


def magnitude(grey: Ints) -> Ints:
    """The length of the gradient in 1/16 (H, W) int32."""
    gx, gy = (g.astype(np.float64) for g in gradient(grey))
    return np.sqrt((gx * gx + gy * gy) * 256).astype(np.int32)


def tangents(grey: Ints, radius: int, salt: int) -> tuple[Floats, Floats]:
    """Unit vectors (x, y) along the edges of `grey`, (H, W) each.

    They are the minor eigenvectors of the structure tensor (Bigun and Granlund 1987) of a neighbourhood, joined by a
    weak share of wider ones and of a slow random field, so that plain areas flow on from their surroundings.
    """
    gx, gy = (g.astype(np.int64) for g in gradient(grey))
    a, b = 64 * (gx * gx - gy * gy), 128 * gx * gy
    near = max(1, radius)
    a, b = box(a, near), box(b, near)
    wide = min(4 * near, max(grey.shape))
    a, b = a + box(box(a, wide), wide) // 2, b + box(box(b, wide), wide) // 2
    a, b = a + 24 * drift(grey.shape, salt, 8 * near), b + 24 * drift(grey.shape, salt + 1, 8 * near)
    x, y = a.astype(np.float64), b.astype(np.float64)
    r = np.sqrt(x * x + y * y)
    safe = np.where(r > 0, 2 * r, 1.0)
    cos, sin = np.sqrt(np.maximum(r + x, 0) / safe), np.sqrt(np.maximum(r - x, 0) / safe)
    sin = np.where(y < 0, -sin, sin)
    return np.where(r > 0, -sin, 1.0), np.where(r > 0, cos, 0.0)


def drift(shape: tuple[int, ...], salt: int, size: int) -> Ints:
    """Slow random waves of about `size` pixels in about -128..127, (H, W) int64."""
    size = max(2, size)
    rows, columns = shape[0] // size + 3, shape[1] // size + 3
    knots = (hashed(salt, np.arange(rows * columns)) >> np.uint32(24)).astype(np.int64).reshape(rows, columns) - 128
    out = knots
    for axis, n in enumerate(shape[:2]):
        at, part = np.divmod(np.arange(n), size)
        # Hermite's step in 1/4096, so that the lattice does not show
        t = (4096 * part) // size
        t = (t * t * (12288 - 2 * t)) >> 24
        t = t[:, None] if axis == 0 else t[None]
        out = (out.take(at, axis) * (4096 - t) + out.take(at + 1, axis) * t) >> 12
    return out


def levels(image: Ints, knots: tuple[tuple[int, int], ...]) -> Ints:
    """The uint8 image through a curve of straight pieces: (input, output) knots from 0 to 255."""
    table = np.zeros(256, np.uint8)
    for (x0, y0), (x1, y1) in pairwise(knots):
        x = np.arange(x0, x1 + 1)
        table[x] = y0 + ((y1 - y0) * (x - x0) + (x1 - x0) // 2) // max(1, x1 - x0)
    return table[image]


def percentile(grey: Ints, share: float) -> int:
    """The least value that this share of the pixels does not exceed."""
    total = np.bincount(grey.ravel().clip(0, 255), minlength=256).cumsum()
    return int(np.searchsorted(total, share * total[-1]))
