"""The mood of a text, English or Chinese, by its words, what denies or strengthens them, and its emoji.

It loads no torch. Words and weights stand in `mood_words.py`.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping
from functools import cache

from . import mood_words as words
from .data.world.scene import MOODS
from .errors import RequestError

__all__ = ["mood_name", "mood_of"]

TOKENS = re.compile(r"[a-zäöüß]+|[\u3400-\u9fff]|[.,;:!?。，；：！？、…\n—]|[^\s\w]")
LONGEST = 5  # tokens of an entry
STEM = 16  # letters of a word's beginning
REACH = 4  # tokens over which a word denies or strengthens the next
EVEN = 0.05  # weight of each mood in any text
TURN = 2.0  # what is said after "but" counts so much more

Entry = tuple[tuple[str, float], ...]  # moods and weights


def _split(text: str) -> list[str]:
    """English words, single Chinese characters, marks and emoji."""
    plain = unicodedata.normalize("NFKC", text).casefold().replace("’", "'").replace("n't", "nt").replace("'", " ")
    return TOKENS.findall(plain.replace("\ufe0f", ""))


def _joined(tokens: list[str]) -> str:
    """Tokens as entries are written: `at_ease`, 心如止水."""
    return ("_" if tokens[0].isascii() else "").join(tokens)


@cache
def _entries() -> tuple[dict[str, Entry], dict[str, Entry]]:
    """Whole words and phrases, and beginnings of English words."""
    whole: dict[str, dict[str, float]] = {}
    begun: dict[str, dict[str, float]] = {}
    for table in (words.ENGLISH, words.CHINESE):
        for mood, lines in table.items():
            for weight, line in zip(words.WEIGHTS, lines):
                for word in line.split():
                    kept = begun if word.endswith("*") else whole
                    found = kept.setdefault(word.rstrip("*"), {})
                    found[mood] = max(weight, found.get(mood, 0.0))
    for mood, signs in words.EMOJI.items():
        for sign in signs:
            whole.setdefault(sign, {})[mood] = words.WEIGHTS[0]
    return ({k: tuple(v.items()) for k, v in whole.items()}, {k: tuple(v.items()) for k, v in begun.items()})


@cache
def _signals() -> dict[str, str]:
    """Words that change what the next ones mean, and how: deny, keep, more, less, turn; plain ones do not."""
    lists = {
        "deny": words.NEGATIONS + " " + words.NEGATIONS_ZH,
        "keep": words.NO_NEGATIONS + " " + words.NO_NEGATIONS_ZH,
        "more": words.STRONGER + " " + words.STRONGER_ZH,
        "less": words.WEAKER + " " + words.WEAKER_ZH,
        "turn": words.TURNS + " " + words.TURNS_ZH,
        "plain": words.PLAIN + " " + words.PLAIN_ZH,
    }
    return {word: kind for kind, line in lists.items() for word in line.split()}


def _entry(tokens: list[str]) -> Entry | None:
    whole, begun = _entries()
    joined = _joined(tokens)
    if joined in whole:
        return whole[joined]
    if len(tokens) == 1 and joined.isascii():
        return next((begun[joined[:k]] for k in range(min(len(joined), STEM), 2, -1) if joined[:k] in begun), None)
    return None


def _found(tokens: list[str]) -> Iterator[tuple[int, int, str | Entry]]:
    """Where a signal or an entry stands, how many tokens it has, and which it is: the longest that fits, in turn."""
    at = 0
    while at < len(tokens):
        for size in range(min(LONGEST, len(tokens) - at), 0, -1):
            part = tokens[at : at + size]
            what = _entry(part) or _signals().get(_joined(part))
            if what is not None:
                yield at, size, what
                break
        at += size


def _scores(text: str) -> dict[str, float]:
    """The weight of each mood in a text; all are 0 where no word of it is known."""
    tokens = _split(text)
    scores = dict.fromkeys(MOODS, 0.0)
    signals: dict[str, int] = {}  # the last of each kind: where it ended
    clause = 0  # where the present one began
    for at, size, what in _found(tokens):
        breaks = [k for k in range(clause, at) if not tokens[k].isalnum()]
        clause = breaks[-1] + 1 if breaks else clause

        def near(kind: str, at: int = at, clause: int = clause) -> bool:
            return signals.get(kind, -1) >= max(clause, at - REACH) + 1

        if isinstance(what, str):
            signals[what] = at + size
            if what == "turn":
                scores = {mood: score / TURN for mood, score in scores.items()}
            continue
        strength = (1.5 if near("more") else 1.0) * (0.6 if near("less") else 1.0)
        for mood, weight in what:
            meant: Mapping[str, float] = words.UNLIKE[mood] if near("deny") else {mood: 1.0}
            for name, share in meant.items():
                scores[name] += strength * weight * share
    return scores


def mood_of(text: str) -> dict[str, float]:
    """The share of each of the world's moods in a text of any length, summing to 1.

    A text without a word, sign or emoji that speaks of a mood has even shares.
    """
    scores = _scores(text)
    total = sum(scores.values()) + EVEN * len(scores)
    return {mood: (score + EVEN) / total for mood, score in scores.items()}


def mood_name(text: str) -> str:
    """The mood that most of a text speaks of; where it speaks of none, `RequestError`."""
    shares = mood_of(text)
    best = max(shares, key=shares.__getitem__)
    if shares[best] * len(shares) < 1 + 1e-6:
        shown = text if len(text) <= 40 else text[:39] + "…"
        raise RequestError(f"no mood can be told from {shown!r}; name one: {', '.join(MOODS)}")
    return best
