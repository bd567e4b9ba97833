"""Which real picture each sample comes nearest to: a search over all of them, at 16 x 16 pixels."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..data import PictureData, rows_of, to_unit
from .alarms import thumbnails

__all__ = ["Nearest", "copies", "digest", "nearest", "thumbnails_of"]

_CHUNK = 1000  # pictures that are read at once


class Nearest(NamedTuple):
    """For each of N pictures the nearest of the others, and how far it is."""

    row: Tensor  # (N,) int64
    distance: Tensor  # (N,) root mean square over pixels, 0 to 255


def thumbnails_of(data: PictureData, rows: NDArray[np.int64]) -> Tensor:
    """The `thumbnails` of the pictures in `rows` of `data`."""
    return torch.cat([thumbnails(to_unit(pixels)) for _, pixels in _read(data, rows)])


def nearest(
    thumbs: Tensor,
    data: PictureData,
    rows: NDArray[np.int64],
    progress: Callable[[int, int], object] | None = None,
) -> Nearest:
    """The nearest of the pictures in `rows` of `data` to each of the `thumbnails`.

    Where training mirrors pictures, the mirrored ones count as well. `progress` is told how many pictures were looked
    at, and of how many. Memory is flat in the number of pictures.
    """
    views = [_rows(view) for view in ([thumbs, thumbs.flip(3)] if data.flip else [thumbs])]
    found = Nearest(torch.zeros(len(thumbs), dtype=torch.int64), torch.full((len(thumbs),), torch.inf))
    for start, pixels in _read(data, rows):
        real = _rows(thumbnails(to_unit(pixels)))
        for view in views:
            distance, at = torch.cdist(view, real).min(1)
            closer = distance < found.distance
            found.row[closer] = torch.from_numpy(rows)[start + at[closer]]
            found.distance[closer] = distance[closer]
        if progress is not None:
            progress(start + len(pixels), len(rows))
    return found._replace(distance=found.distance / thumbs[0].numel() ** 0.5)


def _rows(thumbs: Tensor) -> Tensor:
    """Thumbnails as rows (N, D) about 0: the smaller the numbers, the less do distances lose to rounding."""
    return thumbs.flatten(1).float().sub(127.5)


def digest(pixels: NDArray[np.uint8]) -> bytes:
    """A hash of the pixels (H, W, C) of a picture: equal where the pictures are."""
    return hashlib.blake2b(np.ascontiguousarray(pixels).data, digest_size=16).digest()


def copies(digests: set[bytes], data: PictureData) -> set[bytes]:
    """Those of `digests` that are of pictures in `data`, to train on or held out."""
    rows = np.arange(len(data.images))
    return {own for _, pixels in _read(data, rows) for own in map(digest, pixels) if own in digests}


def _read(data: PictureData, rows: NDArray[np.int64]) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    """The pictures of `rows`, some at a time, each time with the position of the first; of no rows none at once."""
    read = rows_of(data.images)
    for start in range(0, max(1, len(rows)), _CHUNK):
        yield start, read(rows[start : start + _CHUNK])
