"""What is true of a drawn scene, as numbers beside its picture, and what a reader says of it.

A record is a row of bytes: the scene's attributes, then the kinds, the colours and the relations of its first `SLOTS`
things, then a map of which thing is seen where. `DataSpec.facts` holds the words that the numbers stand for.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

SLOTS = 16  # things that a record describes
THINGS = ("kind", "colour", "relation")  # the facts that are not the scene's own
VERSION = 2  # raised when the same scene has another record
NAMED = 1 << 7  # of the bits of two things: what a caption may name of them, the highest of their relations

Facts = tuple[tuple[str, tuple[str, ...]], ...]  # each fact's name and its words, the scene's own before `THINGS`


class Truth(NamedTuple):
    """Records of B pictures, unpacked; arrays or tensors, as the records are. Things are numbered from 1, 0 is none."""

    scene: Any  # (B, A) which word of each of the scene's attributes
    kind: Any  # (B, SLOTS), from 1
    colour: Any  # (B, SLOTS), from 1
    relation: Any  # (B, SLOTS, SLOTS): bit r where the first stands in relation r to the second; and `NAMED`
    map: Any  # (B, H, W)


def record_size(facts: Facts, size: tuple[int, int]) -> int:
    """Bytes of one picture's record."""
    return len(facts) - len(THINGS) + 2 * SLOTS + SLOTS * SLOTS + size[0] * size[1]


def unpack(records: Any, facts: Facts, size: tuple[int, int]) -> Truth:
    """The truth in records (B, `record_size`) of unsigned bytes: an array or a tensor."""
    widths = (len(facts) - len(THINGS), SLOTS, SLOTS, SLOTS * SLOTS, size[0] * size[1])
    parts, start = [], 0
    for width in widths:
        parts.append(records[:, start : start + width])
        start += width
    rows = len(records)
    scene, kind, colour, ties, seen = parts
    return Truth(scene, kind, colour, ties.reshape(rows, SLOTS, SLOTS), seen.reshape(rows, *size))


@dataclass(frozen=True)
class Seen:
    """One thing that a reader sees."""

    kind: str
    colour: str
    box: tuple[float, float, float, float]  # left, top, right, bottom, in shares of the picture's sides
    area: float  # share of the picture


@dataclass(frozen=True)
class Reading:
    """What a reader sees in a picture."""

    scene: dict[str, str]  # style, setting, time, weather, season, mood
    things: tuple[Seen, ...]
    relations: tuple[tuple[int, str, int], ...]  # (subject, name, target), by their places in `things`
    map: Any  # (h, w): 0 the backdrop, k + 1 where things[k] is seen

    def count(self, kind: str, colour: str | None = None) -> int:
        """How many things of a kind, and of a colour where one is named."""
        return sum(seen.kind == kind and colour in (None, seen.colour) for seen in self.things)
