"""Candidates in order: first those whose picture fits its prompt best, as a contrast run or CLIP sees both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from .errors import RequestError
from .metrics.features import Features
from .prompt import Asked, sides
from .requests import Imagine
from .search import check_words, cosines, matcher

__all__ = ["Ranking", "ranking_for"]


@dataclass(frozen=True)
class Ranking:
    """Who orders candidates, by which words, and how many of them are kept."""

    judge: Features
    text: str
    kept: int

    def best(self, pictures: Sequence[Image.Image]) -> list[tuple[int, float]]:
        """The places of those that are kept, the best first, and the cosine of each picture and the words."""
        found = cosines(self.judge, pictures, self.text)
        order = found.argsort(descending=True, stable=True)[: self.kept].tolist()
        return [(place, float(found[place])) for place in order]

    def noted(self, recipe: dict[str, Any], cosine: float) -> dict[str, Any]:
        """The recipe of a picture that was kept, with what it was kept for."""
        return recipe | {"rank": {"model": self.judge.weights, "cosine": round(cosine, 4)}}


def ranking_for(asked: Asked, run: str | Path | None, device: str = "auto") -> Ranking | None:
    """How the pictures that are asked for are ordered by a contrast run, or by `clip:MODEL`; None where none is named.

    Raises `HuabiError` where `run` is none that knows words, or where there is nothing to order by.
    """
    if run is None:
        if asked.n > asked.kept:
            raise RequestError(f"--of {asked.n} draws candidates to choose from; say who chooses: --rank RUN")
        return None
    if asked.walk:
        raise RequestError("a walk has an order of its own; leave --rank out")
    assert isinstance(asked.request, Imagine)
    text = " ".join(part for part, _ in sides(asked.request.prompt)[0])
    check_words(text)
    return Ranking(matcher(str(run), device), text, asked.kept)
