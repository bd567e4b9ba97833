"""Content filters: what looks at prompts before a picture is drawn, and at pictures before they are handed out.

A filter is a class without arguments that has the two methods of `Filter`. Packages bring theirs as entry points of
the group `huabi.filters`; `filters` in provenance.toml says by name which ones look.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from importlib.metadata import entry_points
from typing import Any, Protocol

from PIL import Image

from ..errors import RefusedError, RequestError, nearest
from .nudity import Nudity
from .settings import Settings
from .words import Words

__all__ = ["FILTERS", "Filter", "Guard", "guard"]


class Filter(Protocol):
    """What a filter says: the reason for which a prompt or a picture is refused, or None."""

    def prompt(self, text: str) -> str | None: ...

    def picture(self, image: Image.Image) -> str | None: ...


FILTERS: dict[str, type[Filter]] = {"words": Words, "nudity": Nudity}


class Guard:
    """Several filters as one; each method raises `RefusedError` with the reason of the first that refuses."""

    def __init__(self, filters: Sequence[Filter]) -> None:
        self.filters = filters

    def request(self, request: Any) -> None:
        for text in _texts(request) if self.filters else ():  # the words of a picture are read from its file
            self._ask("the prompt is refused", (each.prompt(text) for each in self.filters))

    def picture(self, image: Image.Image) -> None:
        self._ask("the picture is withheld", (each.picture(image) for each in self.filters))

    @staticmethod
    def _ask(outcome: str, reasons: Iterator[str | None]) -> None:
        for reason in reasons:
            if reason:
                raise RefusedError(f"{outcome}: {reason}")


def guard() -> Guard:
    """The filters of the user's settings; raises `RequestError` for a name that nothing installed has."""
    return _guard(Settings.load().filters)


@cache
def _guard(names: tuple[str, ...]) -> Guard:
    installed = {point.name: point for point in entry_points(group="huabi.filters")} if names else {}
    for name in names:
        if name not in FILTERS and name not in installed:
            raise RequestError(f"no content filter {name!r}; {nearest(name, FILTERS.keys() | installed.keys())}")
    return Guard([(FILTERS.get(name) or installed[name].load())() for name in names])


def _texts(request: Any) -> Iterator[str]:
    """What a request asks for in words; what it keeps out is nobody's harm."""
    for name in ("words", "prompt", "label", "style", "mood"):  # the words of a picture that is varied may be in it
        if isinstance(text := getattr(request, name, None), str):
            yield text
    yield from (end for end in getattr(request, "between", None) or () if isinstance(end, str))
