"""The errors that people meet: one line that says what is wrong, and what to do."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager


class HuabiError(Exception):
    """Something a person can put right; the message is one line and carries the remedy."""


class DataError(HuabiError):
    """The pictures given cannot be used as asked."""


class RunError(HuabiError):
    """A run folder is missing, locked, damaged, or does not agree with what was asked."""


class RequestError(HuabiError):
    """A request, a setting or a label that the model does not know."""


class RefusedError(RequestError):
    """A content filter lets a prompt or a picture not through."""


class TrainingError(HuabiError):
    """Training cannot go on; what was trained so far is saved."""


MOST = 24  # names that a line tells of


def nearest(name: str, known: Iterable[str]) -> str:
    """The remedy for an unknown `name`: the nearest one, if one is near, and all that are known, or the likeliest."""
    known = sorted(known)
    if len(known) > MOST:
        likely = sorted(difflib.get_close_matches(name.lower(), known, n=MOST // 2, cutoff=0.0))
        return f"{_hint(name, known)}known: {', '.join(likely)} and {len(known) - len(likely)} more"
    return f"{_hint(name, known)}known: {', '.join(known) or 'none'}"


def _hint(name: str, known: Sequence[str]) -> str:
    close = difflib.get_close_matches(name.lower(), known, n=1, cutoff=0.5)
    return f"did you mean {close[0]!r}? " if close else ""


@contextmanager
def valid() -> Iterator[None]:
    """Turns pydantic's report of a bad option into one line."""
    from pydantic import ValidationError

    try:
        yield
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"][:1]).replace("_", "-")
        reason = first["msg"].removeprefix("Value error, ")
        raise RequestError(f"--{name} {first['input']!s:.60}: {reason[0].lower() + reason[1:]}") from None
