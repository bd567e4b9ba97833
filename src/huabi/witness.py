"""What drawn pictures are held against: the data's side of alarms and of the distance to held-out pictures."""

from __future__ import annotations

from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .data import PictureData, rows_of, to_unit
from .drawing import ROWS, answers
from .metrics.alarms import Side, Sign, collapse, memorisation, over_smoothing, pictures_lost
from .metrics.features import Features, embed, features
from .metrics.nearest import thumbnails_of
from .model import Family, Identity
from .requests import Generate
from .verdict import ENOUGH

PICTURES = 128  # that alarms go by


class Witness:
    """The data's side of all comparisons; each part is read when it is first needed."""

    def __init__(self, data: PictureData, device: torch.device | str = "cpu") -> None:
        self.data, self.device = data, device
        self._read = rows_of(data.images)
        self._judges: dict[int, Tensor] = {}
        self._trained = torch.zeros(0)  # features of the first of `training`

    @cached_property
    def net(self) -> Features:
        return features("efficientnet-lite0", self.device)

    @cached_property
    def training(self) -> Tensor:
        """Some training pictures."""
        return self.some(self.data.train, PICTURES)

    @cached_property
    def heldout(self) -> Tensor:
        """Some held-out pictures; there may be none."""
        return self.some(self.data.heldout, PICTURES)

    @cached_property
    def thumbnails(self) -> Tensor:
        """Thumbnails of the whole training set."""
        return thumbnails_of(self.data, self.data.train)

    @property
    def judging(self) -> str:
        """Which pictures `judges` is of: held-out ones, but for where they are too few."""
        return "held-out" if len(self.data.heldout) >= ENOUGH else "training"

    def judges(self, count: int) -> Tensor:
        """Features of at most `count` pictures that a run's pictures are held against."""
        if count not in self._judges:
            rows = self.data.heldout if self.judging == "held-out" else self.data.train
            self._judges[count] = self.embed(self.some(rows, count))
        return self._judges[count]

    def some(self, rows: NDArray[np.int64], count: int) -> Tensor:
        """At most `count` pictures of `rows`, always the same."""
        chosen = np.random.default_rng(0).choice(rows, min(count, len(rows)), replace=False)
        return to_unit(self._read(np.sort(chosen)))

    def embed(self, pictures: Tensor) -> Tensor:
        return torch.cat(list(embed(self.net, [pictures])))

    def signs(self, pictures: Tensor, found: Tensor | None) -> dict[str, Sign]:
        """What drawn pictures and their features say, None of broken ones; where pictures are lost, that alone."""
        lost = pictures_lost(pictures, self.training)
        if lost.fires or found is None:
            return {"pictures": lost}
        pictures, found = pictures[:PICTURES], found[:PICTURES]
        known = self.training[: len(found)]
        if len(self._trained) < len(known):
            self._trained = self.embed(known)
        return {
            "pictures": lost,
            "variety": collapse(Side(pictures, found), Side(known, self._trained)),
            "copies": memorisation(pictures, self.thumbnails, self.heldout, mirrored=self.data.flip),
            "detail": over_smoothing(pictures, self.training),
        }


def drawn(family: Family, count: int) -> Tensor:
    """The family's pictures of seeds 0 to `count`, as 8 bits show them."""
    requests = [Generate(seed=seed) for seed in range(count)]
    identity = family.identity or Identity(rows=ROWS)
    parts = [answers(family, requests[k : k + ROWS], identity) for k in range(0, count, ROWS)]
    return torch.cat(parts).mul(127.5).round().div(127.5)
