"""The other side of a measure: features of a folder's pictures, cached by content for all runs."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
import safetensors.torch
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from torch import Tensor

from ..data import PictureData, rows_of, to_unit
from ..data.files import cache_root
from ..durable import write_file
from .features import Features, embed
from .frechet import Moments

__all__ = ["Reference", "reference"]

_ROWS = 50  # pictures that are read at once


@dataclass(frozen=True)
class Reference:
    """Features of real pictures and their moments; `seed` drew them."""

    features: Tensor  # (M, D) float32
    moments: Moments
    seed: int = 0
    rows: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))  # (M,) of the data's pictures


def reference(
    net: Features,
    data: PictureData,
    rows: NDArray[np.int64] | None = None,
    *,
    count: int = 10_000,
    seed: int = 0,
    progress: Callable[[int, int], object] | None = None,
) -> Reference:
    """`count` of the pictures in `rows` of `data`, or all where there are fewer, in the features of `net`.

    By default those to train on. They are found again under the network's weights and the data's fingerprint, whichever
    run or folder name asks. `progress` is told how many pictures are done, and of how many. Raises DataError for
    pictures whose features hold NaN.
    """
    rows = data.train if rows is None else rows
    rows = np.sort(np.random.default_rng(seed).choice(rows, min(count, len(rows)), replace=False))
    chosen = hashlib.sha256(rows.tobytes()).hexdigest()
    name = f"{net.name}-{net.weights[:16]}-{data.fingerprint}-{chosen[:16]}.safetensors"
    path = cache_root() / "features" / name
    try:
        found = safetensors.torch.load_file(path)
        return Reference(found["features"], _moments(len(rows), found["mean"], found["scatter"]), seed, rows)
    except (OSError, KeyError, SafetensorError):  # not there yet, or damaged: made anew
        pass

    def pictures() -> Iterator[Tensor]:
        read = rows_of(data.images)
        for start in range(0, len(rows), _ROWS):
            yield to_unit(read(rows[start : start + _ROWS]))
            if progress is not None:
                progress(min(start + _ROWS, len(rows)), len(rows))

    features = torch.cat(list(embed(net, pictures())))
    moments = Moments([features])
    tensors = {"features": features, "mean": moments.mean, "scatter": moments.scatter}
    path.parent.mkdir(parents=True, exist_ok=True)
    write_file(path, safetensors.torch.save(tensors))
    return Reference(features, moments, seed, rows)


def _moments(count: int, mean: Tensor, scatter: Tensor) -> Moments:
    moments = Moments()
    moments.count, moments.mean, moments.scatter = count, mean, scatter
    return moments
