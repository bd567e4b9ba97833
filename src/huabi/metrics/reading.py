"""How far a reader of scenes agrees with the truth."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..truth import SLOTS, THINGS, Facts, Reading, unpack

LEAST_AREA = 0.05  # of the picture: smaller things are not asked about
MOST_HIDDEN = 0.3  # of a thing


class Agreement:
    """Counts, over pictures, what was asked of a reader and what it said rightly.

    Asked are the scene's attributes; kind and colour of every thing that covers at least 5 % of the picture and of
    which at most 30 % is hidden; how many there are of a kind and colour, where all of them are so; each relation that
    is true between two such things. `relations read` turns the last around: of all that was read between two such
    things, what is true.
    """

    def __init__(self, facts: Facts, size: tuple[int, int]) -> None:
        self.facts, self.size = facts, size
        self.asked: Counter[str] = Counter()
        self.right: Counter[str] = Counter()

    def add(self, record: NDArray[np.uint8], reading: Reading, hidden: Sequence[float] = ()) -> None:
        """One picture: its record (T,), what was read in it, and the share of each thing that is hidden, if known."""
        truth = unpack(record[None], self.facts, self.size)
        words = dict(self.facts)
        for k, name in enumerate(name for name, _ in self.facts if name not in THINGS):
            self._count(name, reading.scene[name] == words[name][truth.scene[0, k]])
        seen, kinds, colours = truth.map[0], truth.kind[0], truth.colour[0]
        areas = np.bincount(seen.ravel(), minlength=SLOTS + 1)[1:] / seen.size
        covered = np.zeros(SLOTS)
        covered[: len(hidden)] = hidden[:SLOTS]
        clear = np.flatnonzero((areas >= LEAST_AREA) & (covered <= MOST_HIDDEN)).tolist()
        found = {k: _match(seen == k + 1, np.asarray(reading.map)) for k in clear}
        for k, number in found.items():
            read = None if number is None else reading.things[number]
            self._count("kind", read is not None and read.kind == words["kind"][kinds[k] - 1])
            self._count("colour", read is not None and read.colour == words["colour"][colours[k] - 1])
        for kind, colour in sorted({(kinds[k], colours[k]) for k in clear}):
            group = np.flatnonzero((kinds == kind) & (colours == colour)).tolist()
            if set(group) <= set(clear):
                read_count = reading.count(words["kind"][kind - 1], words["colour"][colour - 1])
                self._count("count", read_count == len(group))
        self._relations(truth.relation[0], found, reading)

    def _relations(self, bits: NDArray[np.uint8], found: dict[int, int | None], reading: Reading) -> None:
        names = dict(self.facts)["relation"]
        said = set(reading.relations)
        true = {
            (found[a], name, found[b])
            for a in found
            for b in found
            for r, name in enumerate(names)
            if bits[a, b] >> r & 1
        }
        for tie in true:
            self._count("relation", tie in said)
        known = set(found.values()) - {None}
        for tie in said:
            if tie[0] in known and tie[2] in known:
                self._count("relations read", tie in true)

    def _count(self, name: str, right: bool) -> None:
        self.asked[name] += 1
        self.right[name] += bool(right)

    def shares(self) -> dict[str, float]:
        """The share that was right, 0 to 1, of each thing that was asked."""
        return {name: self.right[name] / count for name, count in self.asked.items()}


def _match(mask: NDArray[np.bool_], numbers: NDArray[np.int64]) -> int | None:
    """The place in a reading's things of what was read where `mask` is, or None where that is mostly the backdrop."""
    step = mask.shape[0] // numbers.shape[0]
    here = numbers[mask[step // 2 :: step, step // 2 :: step][: numbers.shape[0], : numbers.shape[1]]]
    if not len(here):
        return None
    number = int(np.bincount(here).argmax())
    return number - 1 if number else None
