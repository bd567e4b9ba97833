"""Which pictures are held out: 5 %, by content alone, with near duplicates on one side."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

SHARE = 0.05
FEWEST = 20  # pictures from which on at least one is held out


def _draw(key: bytes) -> float:
    """A number in [0, 1) that is a function of `key`."""
    return int.from_bytes(hashlib.blake2b(b"held out" + key, digest_size=8).digest(), "big") / 2**64


def split(
    keys: Sequence[bytes],
    groups: Sequence[Sequence[int]] = (),
    labels: Sequence[int] | None = None,
    sources: Sequence[Sequence[int] | None] | None = None,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Positions to train on and positions held out, each in the order of their keys.

    Whether a picture is held out depends on its own group's content, not on names, order or what else is there, so
    it stays so when pictures are added. A group of more than a tenth of all is trained on.

    Args:
        keys: a hash of each picture's content.
        groups: near duplicates by position; what is in none stands alone.
        labels: a class whose pictures would all be held out keeps them instead.
        sources: the positions that each picture was derived from, None of an original. Originals alone are held out;
            what was derived from one of those is neither trained on nor held out.
    """
    origins = sources or [None] * len(keys)
    originals = [n for n, origin in enumerate(origins) if origin is None]
    count = len(originals)
    shared = [[n for n in group if origins[n] is None] for group in groups]
    grouped = {n for group in shared for n in group}
    units = [group for group in shared if group] + [[n] for n in originals if n not in grouped]
    small = [unit for unit in units if 10 * len(unit) <= count]
    drawn = sorted((_draw(min(keys[n] for n in unit)), unit) for unit in small)
    out = {n for value, unit in drawn if value < SHARE for n in unit}
    if count < FEWEST:
        out = set()
    elif not out and drawn:
        out = set(drawn[0][1])
    if labels is not None:
        kept = {labels[n] for n in originals if n not in out}
        out = {n for n in out if labels[n] in kept}
    left = out | {n for n, origin in enumerate(origins) if out.intersection(origin or ())}
    order = sorted(range(len(keys)), key=lambda n: (keys[n], n))
    train = np.array([n for n in order if n not in left], np.int64)
    return train, np.array([n for n in order if n in out], np.int64)
