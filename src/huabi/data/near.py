"""Near duplicates: pictures that differ by a re-compression, a resize or a touch of brightness.

A difference hash of 64 bits finds candidates, an 8 x 8 thumbnail confirms them. Hashes that differ in at most 5 bits
agree in at least 3 of 8 blocks, so sorting by each choice of 3 blocks brings them side by side (Manku, Jain and Das
Sarma, 2007): no pair is looked at without reason.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations, pairwise

import numpy as np
from numpy.typing import NDArray

BITS = 5
WINDOW = 48  # neighbours compared within a run of equal keys; longer runs are joined as chains
DIFFERENCE = 5.0  # of 255, mean over the thumbnail without its mean colour
_EDGES = tuple(range(0, 65, 8))


def hashes(outlines: Sequence[bytes]) -> NDArray[np.uint64]:
    """Difference hashes of 8 rows of 9 grey values each: bit on where the right neighbour is brighter."""
    grey = np.frombuffer(b"".join(outlines), np.uint8).reshape(-1, 8, 9)
    bits = np.packbits((grey[:, :, 1:] > grey[:, :, :-1]).reshape(-1, 64), axis=1)  # (N, 8)
    return bits.view(">u8").astype(np.uint64).reshape(-1)


def _confirmed(
    a: NDArray[np.int64], b: NDArray[np.int64], codes: NDArray[np.uint64], thumbs: NDArray[np.uint8]
) -> NDArray[np.bool_]:
    near: NDArray[np.bool_] = np.bitwise_count(codes[a] ^ codes[b]) <= BITS
    chosen = np.flatnonzero(near)
    for start in range(0, len(chosen), 1 << 16):
        part = chosen[start : start + (1 << 16)]
        x, y = (thumbs[n[part]].astype(np.float32) for n in (a, b))  # (n, 64, 3)
        gap = np.abs((x - x.mean(1, keepdims=True)) - (y - y.mean(1, keepdims=True))).mean((1, 2))
        near[part] = gap <= DIFFERENCE
    return near


def _root(parents: list[int], n: int) -> int:
    while parents[n] != n:
        parents[n] = parents[parents[n]]
        n = parents[n]
    return n


def _roots(parents: list[int]) -> NDArray[np.int64]:
    found = np.array(parents, np.int64)
    while not np.array_equal(found, up := found[found]):
        found = up
    return found


def near_groups(outlines: Sequence[bytes], thumbnails: Sequence[bytes]) -> list[list[int]]:
    """Groups of two and more pictures that are nearly the same, by their positions."""
    count = len(outlines)
    if count < 2:
        return []
    codes = hashes(outlines)
    thumbs = np.frombuffer(b"".join(thumbnails), np.uint8).reshape(count, 64, 3)
    parents = list(range(count))
    roots = _roots(parents)
    blocks = [((1 << (high - low)) - 1) << low for low, high in pairwise(_EDGES)]
    for chosen in combinations(blocks, 3):
        keys = codes & np.uint64(sum(chosen))
        order = np.lexsort((codes, keys))
        sorted_keys = keys[order]
        for step in range(1, WINDOW + 1):
            same = np.flatnonzero(sorted_keys[step:] == sorted_keys[:-step])
            if not len(same):
                break
            a, b = order[same], order[same + step]
            apart = roots[a] != roots[b]
            a, b = a[apart], b[apart]
            near = _confirmed(a, b, codes, thumbs)
            for i, j in zip(a[near].tolist(), b[near].tolist()):
                parents[_root(parents, i)] = _root(parents, j)
            if near.any():
                roots = _roots(parents)
    groups: dict[int, list[int]] = {}
    for n in range(count):
        groups.setdefault(_root(parents, n), []).append(n)
    return [group for group in groups.values() if len(group) > 1]
