"""Batches from prepared pictures: endless, in an order that is a function of seed and epoch, from any step on."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ..errors import DataError
from ..model import Batch, DataSpec
from ..rng import BatchRng, generator
from ..truth import THINGS, Facts
from .cache import FORMAT, digest
from .preflight import Preflight
from .world.dice import Dice
from .world.stock import mixed

Pixels = NDArray[np.uint8]
Reader = Callable[[NDArray[np.int64]], Pixels]


@dataclass
class PictureData:
    """Pictures ready to train on: decoded, fitted, split. `close` lets go of the cache's files."""

    spec: DataSpec
    content: str  # hash of the pictures, their labels and captions
    images: Pixels  # (N, H, W, C), on the disk
    labels: NDArray[np.int64] | None
    captions: tuple[tuple[str, ...], ...] | None  # of each picture one or more; "" where it has none
    target: Pixels | None  # (N, H, W, C) the partner of each image
    other: Pixels | None  # (M, H, W, C) the second domain
    truth: Pixels | None  # (N, T) what is known of each image, see `huabi.truth`
    train: NDArray[np.int64]  # rows of images, by content
    heldout: NDArray[np.int64]
    flip: bool  # mirrored at random while training
    findings: Preflight
    settings: dict[str, Any]  # size, channels, fit, flip, pairs, balance
    other_train: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    other_heldout: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    sides: NDArray[np.int64] | None = None  # (N, 2) rows and columns of each picture before it was fitted
    names: tuple[str, ...] = ()  # of each row, as the file was called when it was read

    @property
    def fingerprint(self) -> str:
        """Hash of content and settings: what a run is trained on."""
        return digest(FORMAT, self.content, self.settings)

    def close(self) -> None:
        """Unmaps the cache; the arrays must not be used afterwards."""
        for array in (self.images, self.target, self.other, self.truth):
            mapping = getattr(array, "_mmap", None)
            if mapping is not None:
                mapping.close()


class _FileRows:
    """Rows of a memory-mapped array, read from its file: pages that are mapped would count as this process's memory."""

    def __init__(self, array: np.memmap) -> None:
        self.shape = array.shape[1:]
        self.row = int(np.prod(self.shape))
        self.offset = array.offset
        self.file = Path(str(array.filename)).open("rb", buffering=0)  # noqa: SIM115 - open for as long as rows are read
        self.lock = threading.Lock()

    def __del__(self) -> None:
        self.file.close()

    def __call__(self, rows: NDArray[np.int64]) -> Pixels:
        out = np.empty((len(rows), self.row), np.uint8)
        for n, row in enumerate(rows.tolist()):
            got = self._read(self.offset + row * self.row, out[n].data)
            if got != self.row:
                raise DataError(f"the cache {self.file.name} was cut while in use: run again, it is made anew")
        return out.reshape(len(rows), *self.shape)

    def _read(self, offset: int, into: memoryview) -> int:
        if hasattr(os, "preadv"):
            return os.preadv(self.file.fileno(), [into], offset)
        with self.lock:
            self.file.seek(offset)
            return self.file.readinto(into) or 0


def rows_of(array: Pixels) -> Reader:
    """A function that reads rows of `array` without letting this process's memory grow with the data."""
    if isinstance(array, np.memmap) and array.filename and array.flags.c_contiguous and array.dtype == np.uint8:
        return _FileRows(array)
    return lambda rows: array[rows]


@lru_cache(maxsize=8)
def _permutation(count: int, *key: object) -> NDArray[np.int64]:
    return torch.randperm(count, generator=generator(*key)).numpy()


def _balanced(classes: Sequence[NDArray[np.int64]], count: int, seed: int, epoch: int) -> NDArray[np.int64]:
    """An epoch's order with as many pictures of each class; small classes are repeated, each picture as often."""
    share = -(-count // len(classes))
    parts = []
    for number, members in enumerate(classes):
        at = np.arange(epoch * share, (epoch + 1) * share)
        rounds = at // len(members)
        for turn in np.unique(rounds):
            inner = _permutation(len(members), "balance", seed, number, int(turn))
            parts.append(members[inner[at[rounds == turn] % len(members)]])
    joined = np.concatenate(parts)
    return joined[_permutation(len(joined), "balance", seed, "all", epoch)][:count]


class _Order:
    """Position p of the endless sequence of training pictures; epoch p // count is a permutation of all of them."""

    def __init__(self, rows: NDArray[np.int64], labels: NDArray[np.int64] | None, balance: bool, seed: int, key: str):
        self.rows, self.seed, self.key = rows, seed, key
        self.classes: list[NDArray[np.int64]] = []
        if balance and labels is not None:
            self.classes = [np.flatnonzero(labels[rows] == k) for k in np.unique(labels[rows])]
        self._epoch, self._order = -1, rows

    def _of_epoch(self, epoch: int) -> NDArray[np.int64]:
        if epoch != self._epoch:
            count = len(self.rows)
            if self.classes:
                order = _balanced(self.classes, count, self.seed, epoch)
            else:
                order = _permutation(count, self.key, self.seed, epoch)
            self._epoch, self._order = epoch, self.rows[order]
        return self._order

    def at(self, start: int, stop: int) -> NDArray[np.int64]:
        """The rows at positions `start` to `stop`."""
        count = len(self.rows)
        parts = []
        while start < stop:
            epoch, first = divmod(start, count)
            last = min(count, first + stop - start)
            parts.append(self._of_epoch(epoch)[first:last])
            start += last - first
        return np.concatenate(parts) if parts else self.rows[:0]


def to_unit(pixels: Pixels, flips: torch.Tensor | None = None) -> torch.Tensor:
    """(B, H, W, C) bytes as (B, C, H, W) in [-1, 1]; rows where `flips` is set are mirrored."""
    x = torch.from_numpy(pixels).permute(0, 3, 1, 2).to(torch.float32, memory_format=torch.contiguous_format)
    x.div_(127.5).sub_(1)
    return x if flips is None else torch.where(flips[:, None, None, None], x.flip(3), x)


def _sounds(records: Pixels, facts: Facts, key: tuple[object, ...], start: int) -> torch.Tensor:
    """Log-mel spectrograms (B, bands, frames) of scenes' sounds; each by `key` and its place in the global batch."""
    out = []
    for place, record in enumerate(records, start):
        scene = {name: words[number] for (name, words), number in zip(facts, record) if name not in THINGS}
        out.append(mixed(scene, Dice(*key, place)))
    return torch.from_numpy(np.stack(out))


def batches(
    data: PictureData,
    batch: int,
    *,
    seed: int,
    step: int = 0,
    rank: int = 0,
    world: int = 1,
    balance: bool = False,
    flip: bool | None = None,
    sound: bool = False,
) -> Iterator[Batch]:
    """Endless batches for training, from `step` on.

    Args:
        batch: pictures of the global batch; fewer pictures than that are repeated.
        seed: with the epoch, all that the order depends on.
        rank, world: this process takes rows rank * batch // world to (rank + 1) * batch // world of each batch, so
            that the batches of all ranks, joined, are those of one.
        balance: as many pictures of each class.
        flip: mirror half of the pictures; as the data says by default.
        sound: make sounds of the pictures' scenes, others in each batch.
    """
    if batch < 1 or not len(data.train):
        raise DataError(f"no batch of {batch} from {len(data.train)} pictures")
    if not 0 <= rank < world <= batch:
        raise ValueError(f"rank {rank} of {world} with a batch of {batch}")
    flip = data.flip if flip is None else flip
    start, stop = rank * batch // world, (rank + 1) * batch // world
    order = _Order(data.train, data.labels, balance, seed, "order")
    readers = {n: rows_of(a) for n, a in (("image", data.images), ("target", data.target)) if a is not None}
    truth = None if data.truth is None else rows_of(data.truth)
    if sound and truth is None:
        raise DataError("sounds are made of drawn scenes, and these pictures are none")
    others = None
    if data.other is not None:
        others = _Order(data.other_train, None, False, seed, "other order"), rows_of(data.other)
    elif data.target is not None:
        others = _Order(data.train, None, False, seed, "other order"), readers["target"]

    def flips(key: str) -> torch.Tensor | None:
        return torch.rand(batch, generator=generator(key, seed, step))[start:stop] < 0.5 if flip else None

    def told(rows: NDArray[np.int64]) -> tuple[str, ...] | None:
        """A caption of each picture, by chance where there are several."""
        if data.captions is None:
            return None
        drawn = torch.rand(batch, generator=generator("caption", seed, step))[start:stop].tolist()
        several = (data.captions[row] for row in rows.tolist())
        return tuple(captions[int(share * len(captions))] for captions, share in zip(several, drawn, strict=True))

    while True:
        rows = order.at(step * batch + start, step * batch + stop)
        mirrored = flips("flip")
        tensors = {name: to_unit(reader(rows), mirrored) for name, reader in readers.items()}
        if others is not None:
            chosen = others[0].at(step * batch + start, step * batch + stop)
            tensors["other"] = to_unit(others[1](chosen), flips("other flip"))
        records = None if truth is None else truth(rows)
        if sound and records is not None:
            tensors["sound"] = _sounds(records, data.spec.facts, ("sound", seed, step), start)
        yield Batch(
            rng=BatchRng(seed, step, batch, start, stop),
            index=torch.from_numpy(rows.copy()),
            label=None if data.labels is None else torch.from_numpy(data.labels[rows]),
            caption=told(rows),
            sides=None if data.sides is None else torch.from_numpy(data.sides[rows]),
            truth=None if records is None else torch.from_numpy(records),
            **tensors,
        )
        step += 1
