"""Text and picture: how much of what was asked for is there."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from ..errors import DataError
from ..truth import Reading, Seen
from .score import BLOCKS, Estimate, jackknife

__all__ = ["Asked", "Wanted", "agreement", "claims", "clip_score", "scene_agreement"]


@dataclass(frozen=True)
class Asked:
    """Things of one kind that a text asks for."""

    kind: str
    colour: str | None = None  # None: any
    count: int | None = None  # None: at least one


@dataclass(frozen=True)
class Wanted:
    """What a text asks of a picture; what it leaves open is not here."""

    scene: Mapping[str, str] = field(default_factory=dict)  # attribute -> word, such as mood -> calm
    things: tuple[Asked, ...] = ()
    relations: tuple[tuple[int, str, int], ...] = ()  # (subject, name, target), by their places in `things`


def claims(reading: Reading, wanted: Wanted) -> list[tuple[str, bool]]:
    """Each claim of the text, by what it is about (an attribute, kind, colour, count, relation), and whether it holds.

    A colour is asked of things of that kind, a count of things of that kind and colour; a relation holds where any
    two things that fit stand in it.
    """
    found = [(name, reading.scene.get(name) == word) for name, word in wanted.scene.items()]
    for asked in wanted.things:
        found.append(("kind", reading.count(asked.kind) > 0))
        if asked.colour is not None:
            found.append(("colour", reading.count(asked.kind, asked.colour) > 0))
        if asked.count is not None:
            found.append(("count", reading.count(asked.kind, asked.colour) == asked.count))
    for subject, name, target in wanted.relations:
        pairs = ((reading.things[a], reading.things[b]) for a, said, b in reading.relations if said == name)
        fits = any(_fits(a, wanted.things[subject]) and _fits(b, wanted.things[target]) for a, b in pairs)
        found.append(("relation", fits))
    return found


def scene_agreement(pairs: Iterable[tuple[Reading, Wanted]]) -> Tensor:
    """The share of the text's claims that a reader reads in the picture, (N,) from 0 to 1, one for each pair.

    It can be no better than the reader: score real pictures with their own texts beside it. Raises DataError for a
    text that claims nothing.
    """
    shares = []
    for n, (reading, wanted) in enumerate(pairs):
        held = [right for _, right in claims(reading, wanted)]
        if not held:
            raise DataError(f"the text of picture {n} asks for nothing that a reader could find: leave it out")
        shares.append(sum(held) / len(held))
    return torch.tensor(shares, dtype=torch.float64)


def clip_score(pictures: Tensor, texts: Tensor) -> Tensor:
    """100 max(cos, 0), (N,), of CLIP's embeddings (N, D) of pictures and of their texts.

    The CLIPScore of Hessel et al. 2021, section 3, has the factor 2.5 in place of 100.
    """
    if pictures.shape != texts.shape:
        raise DataError(f"{len(pictures)} pictures and {len(texts)} texts are no pairs: give each picture its text")
    return 100 * torch.cosine_similarity(pictures.double(), texts.double()).clamp(min=0)


def agreement(pictures: Tensor, texts: Tensor) -> Estimate:
    """The mean of `clip_score` over pairs of features (N, D), with its jackknife error; nan below 2 x `BLOCKS` pairs.

    The features are of any model that knows pictures and texts; values of two models do not compare.
    """
    scores = clip_score(pictures, texts)
    if not len(scores):
        raise DataError("no pictures, so nothing that could agree with a text: give some")
    if len(scores) < 2 * BLOCKS:
        return Estimate(float(scores.mean()), math.nan)
    block = torch.arange(len(scores)) % BLOCKS
    return Estimate(float(scores.mean()), jackknife([float(scores[block != k].mean()) for k in range(BLOCKS)]))


def _fits(seen: Seen, asked: Asked) -> bool:
    return seen.kind == asked.kind and asked.colour in (None, seen.colour)
