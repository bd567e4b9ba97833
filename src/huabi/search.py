"""Pictures that fit words: a search in a folder, and the order of given pictures."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch
from PIL import Image
from safetensors import SafetensorError
from torch import Tensor

from . import index
from .checkpoint import Checkpoint
from .data import Item, Listing, scan, to_unit
from .data.cache import digest, identity_of
from .data.files import Progress, cache_root, shown
from .data.pool import Pool
from .data.preflight import jobs_of
from .data.worker import Task, examine
from .durable import write_file
from .errors import DataError, HuabiError, RequestError
from .families import find
from .machine import pick_device
from .metrics.features import embed, of_model
from .model import Family, Matches
from .nets.text import words_of
from .pictures import save_picture

__all__ = ["Match", "Search", "check_words", "cosines", "matcher", "ranked"]

ROWS = 64  # pictures that are embedded at once
SIDE = 192  # pixels of a picture on a sheet
REMEDY = "`huabi train contrast DATA --out RUN` trains one, on pictures with captions"


@dataclass(frozen=True)
class Match:
    """A picture that a search found, and the cosine of its features and the text's."""

    item: Item
    path: str
    cosine: float

    def picture(self) -> Image.Image:
        """The whole picture in a square of `SIDE` pixels; raises DataError where it cannot be read any more."""
        return _read(self, Task((SIDE, SIDE), fit="pad"))

    def copy(self, folder: Path, place: int) -> Path:
        """Writes the picture's file, as it is, into `folder`, under its place in the order; the path."""
        name = f"{place:03d}-{self.item.name.rpartition('/')[2]}"
        side = self.item.where.size
        if self.item.where.kind == "world":
            save_picture(_read(self, Task((side, side))), folder / f"{name}.png")
            return folder / f"{name}.png"
        folder.mkdir(parents=True, exist_ok=True)
        write_file(folder / name, self.item.read())
        return folder / name


class Search:
    """The pictures of `data` as `model` sees them: the first time they are read and embedded, then found in the cache.

    Args:
        data: see `huabi.data.scan`.
        model: one that knows words, such as a trained `contrast`; another raises `RequestError`.
        progress: called with what is being done, how many pictures are done, and of how many.

    Raises DataError where no picture can be read.
    """

    def __init__(self, data: str, model: Family, progress: Progress | None = None) -> None:
        self.words, self.device = _matches(model), model.device
        self.listing = scan(data, progress=progress)
        self.items = (*self.listing.items, *self.listing.other)
        self.identity = model.identity.hash if model.identity else ""
        path = cache_root() / "features" / f"find-{digest(self.identity, *identity_of(self.listing))}.safetensors"
        try:
            found = safetensors.torch.load_file(path)
            self.features, self.rows = found["features"], found["rows"]
        except (OSError, KeyError, SafetensorError):  # not there yet, or damaged: made anew
            self.features, self.rows = self._embed(progress)
            path.parent.mkdir(parents=True, exist_ok=True)
            write_file(path, safetensors.torch.save({"features": self.features, "rows": self.rows}))

    @property
    def unreadable(self) -> int:
        """How many pictures could not be read."""
        return len(self.items) - len(self.rows) + len(self.listing.left_out)

    def find(self, text: str, n: int = 12) -> list[Match]:
        """The `n` pictures that fit `text` best, the best first, or all where there are fewer."""
        cosines = self.features @ _asked(self.words, text)
        order = cosines.argsort(descending=True, stable=True)[:n].tolist()
        items = [self.items[int(self.rows[k])] for k in order]
        return [Match(item, _path(self.listing, item), float(cosines[k])) for k, item in zip(order, items)]

    def _embed(self, progress: Progress | None) -> tuple[Tensor, Tensor]:
        """Features (M, D) of the pictures that can be read, and their places (M,) among the items."""
        rows: list[int] = []
        features = []
        for numbers, pixels in self._pixels(progress):
            rows += numbers
            features.append(self.words.embed(to_unit(pixels).to(self.device)).float().cpu())
        if not rows:
            raise DataError(f"{shown(self.listing.source)}: none of {len(self.items)} pictures can be read")
        joined = torch.cat(features)
        if not bool(joined.isfinite().all()):
            raise RequestError("the pictures' features are not numbers: this run's training diverged; train another")
        return joined, torch.tensor(rows)

    def _pixels(self, progress: Progress | None) -> Iterator[tuple[list[int], Any]]:
        """Numbers of items and their pixels (b, H, W, C), some at a time."""
        spec, count = self.words.spec, len(self.items)
        numbers: list[int] = []
        waiting: list[bytes] = []
        with Pool(Task(spec.size, spec.channels), count) as pool:
            for n, facts in enumerate(pool.results(jobs_of(self.items)), 1):
                if not isinstance(facts, str):
                    numbers.append(n - 1)
                    waiting.append(facts.pixels)
                if waiting and (len(waiting) == ROWS or n == count):
                    pixels = np.frombuffer(bytearray(b"".join(waiting)), np.uint8)
                    yield numbers, pixels.reshape(len(waiting), *spec.size, spec.channels)
                    numbers, waiting = [], []
                    if progress is not None:
                        progress("looking at pictures", n, count)


def ranked(model: Family, pictures: Iterable[Any], text: str) -> list[int]:
    """The places of `pictures` in the order in which they fit `text`, the best first; see `cosines`."""
    order: list[int] = cosines(model, pictures, text).argsort(descending=True, stable=True).tolist()
    return order


def cosines(model: Family, pictures: Iterable[Any], text: str) -> Tensor:
    """How well each of `pictures` fits `text`, (N,): the cosine of their features.

    Pictures are PIL images or tensors (C, H, W) in [-1, 1], all of one size. Raises RequestError for a model that
    knows no words and for a text without any.
    """
    words = _matches(model)
    features = torch.cat(list(embed(of_model(model), pictures)))
    return features @ _asked(words, text)


def matcher(name: str | None = None, device: str = "auto") -> Family:
    """The model called `name`, or the last one used that knows words, which the index remembers from now on.

    Raises `RunError` where `name` is no run, `RequestError` where no model is known that knows words, or this one
    does not.
    """
    path = index.named(name) if name is not None else next(filter(_knows_words, index.known()), None)
    if path is None:
        raise RequestError(f"no run here knows words yet; {REMEDY}")
    model = Checkpoint.load(path, pick_device(device))
    _matches(model)
    if model.identity is not None:
        index.add(model.identity.hash, path)
    return model


def _knows_words(run: Path) -> bool:
    try:
        return hasattr(find(Checkpoint.open(run).header["family"]), "embed_text")
    except (HuabiError, ImportError):  # damaged, or of a family that is no longer installed: not the one that is sought
        return False


def check_words(text: str) -> None:
    """Raises RequestError for a text without words."""
    if not words_of(text):
        raise RequestError(f"{text!r} holds no words; say what the pictures show, in English or Chinese")


def _matches(model: Family) -> Matches:
    """`model`, where it knows words."""
    if not isinstance(model, Matches):
        raise RequestError(f"a {model.name} knows no words; {REMEDY}")
    return model


def _asked(model: Matches, text: str) -> Tensor:
    """The features (D,) of a text."""
    check_words(text)
    return model.embed_text([text])[0].float().cpu()


def _path(listing: Listing, item: Item) -> str:
    """Where a person finds the picture; of a built-in set its name."""
    inside = listing.kind in ("folder", "archive")
    return shown(str(Path(listing.source) / item.name) if inside else item.name)


def _read(match: Match, task: Task) -> Image.Image:
    facts = examine((match.item.where, None), task)
    if isinstance(facts, str):
        raise DataError(f"{match.path} changed while it was being read ({facts}): search again")
    assert task.size is not None
    return Image.frombytes("RGB", task.size[::-1], facts.pixels)
