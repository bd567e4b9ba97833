"""Pictures that fit words: a search in a folder, and the order of given pictures."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch
import torch.nn.functional as F
from PIL import Image
from safetensors import SafetensorError
from torch import Tensor

from . import index
from .checkpoint import Checkpoint
from .data import Item, Listing, scan, to_unit
from .data.cache import digest, place_of
from .data.files import Progress, cache_root, shown
from .data.pool import Pool
from .data.preflight import jobs_of
from .data.worker import Task, examine
from .durable import write_file
from .errors import DataError, HuabiError, RequestError
from .families import find
from .machine import pick_device
from .metrics.features import Features, embed, features, of_model
from .model import Family, Matches
from .nets.text import words_of
from .pictures import save_picture

__all__ = ["Match", "Search", "check_words", "cosines", "matcher", "ranked"]

ROWS = 64  # pictures that are embedded at once
KEPT = 2048  # new ones, after which what was seen is kept
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
    """The pictures of `data` as `model` sees them: read and embedded once, each again when its file has changed.

    What is seen is kept as it goes, so that a search that is stopped goes on where it was.

    Args:
        data: see `huabi.data.scan`.
        model: one that knows words, such as a trained `contrast`, or CLIP's features; another raises `RequestError`.
        progress: called with what is being done, how many pictures are done, and of how many.

    Raises DataError where no picture can be read.
    """

    def __init__(self, data: str, model: Family | Features, progress: Progress | None = None) -> None:
        self.words = _matches(model)
        self.listing = scan(data, progress=progress)
        self.items = (*self.listing.items, *self.listing.other)
        self.identity = self.words.weights
        self._path = cache_root() / "features" / f"find-{digest(self.identity, place_of(self.listing))}.safetensors"
        self._keys = [digest(item.name, item.stamp) for item in self.items]
        known = self._known()
        if new := [n for n, key in enumerate(self._keys) if key not in known]:
            self._embed(new, known, progress)
        here = [n for n, key in enumerate(self._keys) if key in known and not known[key].isnan().any()]
        if not here:
            raise DataError(f"{shown(self.listing.source)}: none of {len(self.items)} pictures can be read")
        self.features, self.rows = torch.stack([known[self._keys[n]] for n in here]), torch.tensor(here)

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

    def _known(self) -> dict[str, Tensor]:
        """Features (D,) that were kept, by the keys of their pictures, NaN of one that cannot be read.

        None where they are damaged.
        """
        try:
            found = safetensors.torch.load_file(self._path)
            keys = found["keys"].numpy().tobytes().decode("ascii")
            length = len(keys) // max(1, len(found["features"]))
            names = [keys[at : at + length] for at in range(0, len(keys), max(1, length))]
            return dict(zip(names, found["features"], strict=True))
        except (OSError, KeyError, ValueError, SafetensorError):
            return {}

    def _embed(self, places: list[int], known: dict[str, Tensor], progress: Progress | None) -> None:
        """Adds features to those that are known: of the items in these places, as far as they can be read."""
        new = 0
        for numbers, pixels in self._pixels(places, progress):
            seen = F.normalize(self.words.embed(to_unit(pixels).to(self.words.device)).float().cpu())
            if not bool(seen.isfinite().all()):
                raise RequestError("the pictures' features are not numbers: this run diverged; train another")
            known |= {self._keys[n]: row for n, row in zip(numbers, seen)}
            new += len(numbers)
            if new >= KEPT:
                self._keep(known)
                new = 0
        if known:
            nothing = torch.full_like(next(iter(known.values())), torch.nan)
            known |= {self._keys[n]: nothing for n in places if self._keys[n] not in known}
            own = set(self._keys)
            self._keep({key: row for key, row in known.items() if key in own})

    def _keep(self, known: dict[str, Tensor]) -> None:
        keys = torch.frombuffer(bytearray("".join(known), "ascii"), dtype=torch.uint8)
        self._path.parent.mkdir(parents=True, exist_ok=True)
        kept = {"features": torch.stack(list(known.values())), "keys": keys}
        write_file(self._path, safetensors.torch.save(kept))

    def _pixels(self, places: list[int], progress: Progress | None) -> Iterator[tuple[list[int], Any]]:
        """Numbers of items and their pixels (b, H, W, C), some at a time."""
        size, channels, count = self.words.size, self.words.channels, len(places)
        assert size is not None
        numbers: list[int] = []
        waiting: list[bytes] = []
        with Pool(Task(size, channels, self.words.fit), count) as pool:
            for n, facts in enumerate(pool.results(jobs_of([self.items[place] for place in places])), 1):
                if not isinstance(facts, str):
                    numbers.append(places[n - 1])
                    waiting.append(facts.pixels)
                if waiting and (len(waiting) == ROWS or n == count):
                    pixels = np.frombuffer(bytearray(b"".join(waiting)), np.uint8)
                    yield numbers, pixels.reshape(len(waiting), *size, channels)
                    numbers, waiting = [], []
                    if progress is not None:
                        progress("looking at pictures", n, count)


def ranked(model: Family | Features, pictures: Iterable[Any], text: str) -> list[int]:
    """The places of `pictures` in the order in which they fit `text`, the best first; see `cosines`."""
    order: list[int] = cosines(model, pictures, text).argsort(descending=True, stable=True).tolist()
    return order


def cosines(model: Family | Features, pictures: Iterable[Any], text: str) -> Tensor:
    """How well each of `pictures` fits `text`, (N,): the cosine of their features.

    Pictures are PIL images or tensors (C, H, W) in [-1, 1], all of one size. Raises RequestError for a model that
    knows no words and for a text without any.
    """
    words = _matches(model)
    return F.normalize(torch.cat(list(embed(words, pictures)))) @ _asked(words, text)


def matcher(name: str | None = None, device: str = "auto") -> Features:
    """What the model called `name` sees and reads, or the last one used that knows words, which is remembered.

    `clip` and `clip:MODEL` are CLIP's, but for a folder of that name. Raises `RunError` where `name` is no run,
    `RequestError` where no model is known that knows words, or this one does not, HuabiError where CLIP is not at hand.
    """
    if name is not None and name.partition(":")[0] == "clip" and not Path(name).exists():
        return features(name, pick_device(device))
    path = index.named(name) if name is not None else next(filter(_knows_words, index.known()), None)
    if path is None:
        raise RequestError(f"no run here knows words yet; {REMEDY}")
    model = Checkpoint.load(path, pick_device(device))
    found = _matches(model)
    if model.identity is not None:
        index.add(model.identity.hash, path)
    return found


def _knows_words(run: Path) -> bool:
    try:
        return hasattr(find(Checkpoint.open(run).header["family"]), "embed_text")
    except (HuabiError, ImportError):  # damaged, or of a family that is no longer installed: not the one that is sought
        return False


def check_words(text: str) -> None:
    """Raises RequestError for a text without words."""
    if not words_of(text):
        raise RequestError(f"{text!r} holds no words; say what the pictures show, in English or Chinese")


def _matches(model: Family | Features) -> Features:
    """What `model` sees and reads, where it knows words."""
    if isinstance(model, Features):
        if model.text is None:
            raise RequestError(f"{model.name} knows no words; {REMEDY}")
        return model
    if not isinstance(model, Matches):
        raise RequestError(f"a {model.name} knows no words; {REMEDY}")
    return of_model(model)


def _asked(words: Features, text: str) -> Tensor:
    """The features (D,) of a text, of length 1."""
    check_words(text)
    assert words.text is not None
    return F.normalize(words.text([text]).float().cpu())[0]


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
