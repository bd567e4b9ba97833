"""Reads captions of the picture world into claims, with a lexicon and a grammar of its own."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from caption_lexicon import CHINESE, DIGITS, ENGLISH, MEASURES, Token


class Unread(ValueError):
    """A caption holds a word, or an order of words, that is not understood."""


class Name(NamedTuple):
    kind: str
    colour: str | None


class Count(NamedTuple):
    """Things that are said to be there: exactly `number`, or at least so many."""

    name: Name
    number: int
    exact: bool
    size: str | None


@dataclass
class Claims:
    counts: list[Count] = field(default_factory=list)
    relations: list[tuple[Name, str, Name]] = field(default_factory=list)
    frame: dict[str, set[str]] = field(default_factory=dict)  # setting, time, weather, season, mood, style
    aloft: list[Name] = field(default_factory=list)
    afloat: list[Name] = field(default_factory=list)


FRAME = {"setting", "time", "weather", "season", "mood", "style"}
MIRRORED = {"right of": "left of", "below": "above", "in front of": "behind"}


def read(text: str, language: str) -> Claims:
    """All that a caption claims; raises `Unread` for what it does not understand."""
    return _Reader(list(_english(text) if language == "en" else _chinese(text)), language).claims


def _english(text: str) -> Iterator[Token]:
    # In the mountains, with any adjectives, is a setting: nothing can be inside a mountain.
    text = re.sub(r"\b(in|among) the ((\w+ ){0,3})mountains\b", r"in the \2highlands", text.lower())
    words = re.findall(r"[a-z-]+|[^a-z\s-]", text)
    at = 0
    while at < len(words):
        for length in range(6, 0, -1):
            token = ENGLISH.get(" ".join(words[at : at + length]))
            if token and len(words[at : at + length]) == length:
                yield token
                at += length
                break
        else:
            raise Unread(f"{words[at]!r} in {text!r}")


def _chinese(text: str) -> Iterator[Token]:
    at = 0
    while at < len(text):
        number = re.match("[一两二三四五六七八九]?十[一二三四五六七八九]?|[一两三四五六七八九]", text[at:])
        # A numeral stands before a measure word; before anything else the same sign is part of a word.
        if number and text[at + number.end() : at + number.end() + 1] in _measure_words():
            tens, ten, ones = number[0].rpartition("十")
            value = (DIGITS.get(tens, 1) * 10 if ten else 0) + DIGITS.get(ones, 0)
            after = text[at + number.end() + 1 : at + number.end() + 2]
            if not (number[0] == "一" and text[at : at + 2] == "一个" and after and _begins_hour(text[at + 2 :])):
                if number[0] == "二":
                    raise Unread(f"二 in {text!r}: 两 counts things")
                yield Token("number", number[0], value)
                at += number.end()
                continue
        for length in range(7, 0, -1):
            token = CHINESE.get(text[at : at + length])
            if token and at + length <= len(text):
                yield token._replace(value=text[at]) if token.type == "measure" else token
                at += length
                break
        else:
            raise Unread(f"{text[at]!r} in {text!r}")


def _measure_words() -> set[str]:
    return {word for word, token in CHINESE.items() if token.type == "measure"}


def _begins_hour(rest: str) -> bool:
    """Whether 一个 counts a night or a morning: weather or time follows it."""
    words = (rest[:n] for n in range(7, 0, -1))
    return next((CHINESE[word].type in ("weather", "time") for word in words if word in CHINESE), False)


class _Noun(NamedTuple):
    name: Name


class _Reader:
    """Reduces tokens to nouns, then finds relations between neighbouring nouns."""

    def __init__(self, tokens: list[Token], language: str) -> None:
        self.tokens, self.language = tokens, language
        self.claims = Claims()
        self.at = 0
        parts: list[Token | _Noun] = []
        while self.at < len(self.tokens):
            noun = self._english_noun() if language == "en" else self._chinese_noun()
            if noun is None:
                token = self._take()
                if token.type in FRAME:
                    self.claims.frame.setdefault(token.type, set()).add(token.value)
                parts.append(token)
            else:
                parts.append(_Noun(noun))
        if language == "en":
            self._english_relations(parts)
        else:
            self._chinese_relations(parts)

    def _peek(self, *types: str) -> Token | None:
        if self.at < len(self.tokens) and self.tokens[self.at].type in types:
            return self.tokens[self.at]
        return None

    def _take(self) -> Token:
        self.at += 1
        return self.tokens[self.at - 1]

    def _maybe(self, *types: str) -> Token | None:
        return self._take() if self._peek(*types) else None

    def _said(self, name: Name, number: int, exact: bool, size: Token | None) -> Name:
        self.claims.counts.append(Count(name, number, exact, size.value if size else None))
        return name

    def _english_noun(self) -> Name | None:
        start = self.at
        the = self._maybe("the")
        single = None if the else self._maybe("a")
        number = None if single else self._maybe("number")
        some = None if the or single or number else self._maybe("some")
        size = self._maybe("size")
        colour = self._maybe("colour")
        clump = None if colour else self._maybe("clump")
        colour = self._maybe("colour") if clump else colour
        noun = self._maybe("bamboo") if clump else self._maybe("one", "many", "either")
        if noun is None:
            if size or colour or number or some or clump:
                raise Unread(f"no noun after {self.tokens[start : self.at]}")
            self.at = start
            return None
        many = (clump.value if clump else noun.type) == "many"
        if noun.value == "person":
            if colour:
                raise Unread("a person of a colour")
            colour = self._clothes()
        if noun.type == "either":
            many = bool(number) or not (single or the)
        if (single and many) or ((number or some) and not many and noun.type != "either"):
            raise Unread(f"number of {noun.value}")
        if not many and not (single or the):
            raise Unread(f"{noun.value} without an article")
        name = Name(noun.value, colour.value if colour else None)
        least = int(some.value) if some else 2
        return self._said(name, number.number if number else 1 if not many else least, bool(number) or not many, size)

    def _clothes(self) -> Token | None:
        """The colour behind "in", "wearing" or "dressed in"."""
        rest = self.tokens[self.at : self.at + 2]
        if len(rest) == 2 and (rest[0].type == "wear" or rest[0].value == "inside") and rest[1].type == "colour":
            self.at += 2
            after = self.tokens[self.at : self.at + 1]
            if after and after[0].type in ("one", "many", "either"):
                raise Unread("a noun without an article")
            self._maybe("clothes")
            return rest[1]
        return None

    def _english_relations(self, parts: list[Token | _Noun]) -> None:
        kinds = ["noun" if isinstance(part, _Noun) else part.type for part in parts]
        for k, part in enumerate(parts):
            if isinstance(part, Token) and part.type == "verb":
                self._moves(part.value, parts[k - 1])
            if not isinstance(part, Token) or part.type != "relation":
                continue
            if kinds[k + 1 : k + 2] != ["noun"]:  # in a garden, under a cloudy sky
                if not FRAME.intersection(kinds[k + 1 : k + 6]):
                    raise Unread(f"{part.value} what?")
                continue
            target = parts[k + 1]
            before = kinds[max(k - 2, 0) : k]
            if before[-1:] == ["noun"]:
                subject = parts[k - 1]
            elif before == ["noun", "be"]:
                subject = parts[k - 2]
            else:
                after = kinds[k + 2 : k + 5]
                if after[:2] == ["be", "noun"]:
                    subject = parts[k + 3]
                elif after == ["there", "be", "noun"]:
                    subject = parts[k + 4]
                else:
                    raise Unread(f"what is {part.value} {target}?")
            self._relate(subject, part.value, target)

    def _moves(self, verb: str, noun: Token | _Noun) -> None:
        if not isinstance(noun, _Noun):
            raise Unread(f"what does {verb}?")
        (self.claims.aloft if verb in ("fly", "air") else self.claims.afloat).append(noun.name)

    def _relate(self, subject: Token | _Noun, name: str, target: Token | _Noun) -> None:
        if not isinstance(subject, _Noun) or not isinstance(target, _Noun):
            raise Unread(f"{subject} {name} {target}")
        first, second = subject.name, target.name
        if name in MIRRORED:
            first, name, second = second, MIRRORED[name], first
        self.claims.relations.append((first, name, second))

    def _chinese_noun(self) -> Name | None:
        start = self.at
        number, some = self._maybe("number"), None
        if not number:
            some = self._maybe("some")
        measure = self._maybe("measure") if number or (some and some.value == "3") else None
        if (number or (some and some.value == "3")) and not measure:
            raise Unread("a number without a measure word")
        colour = None
        if self._maybe("wear"):
            colour = self._maybe("colour")
            if not colour or not self._maybe("clothes"):
                raise Unread("穿 without clothes")
        size = self._maybe("size")
        colour = colour or self._maybe("colour")
        size = size or self._maybe("size")
        noun = self._maybe("kind", "build")
        if noun is None:
            if number or some or size or colour:
                raise Unread(f"no noun after {self.tokens[start : self.at]}")
            self.at = start
            return None
        if noun.type == "build":
            size, noun = noun, Token("kind", "person")
        if measure and measure.value not in MEASURES[noun.value]:
            raise Unread(f"{measure.value} does not count {noun.value}")
        name = Name(noun.value, colour.value if colour else None)
        least = int(some.value) if some else 1
        return self._said(name, number.number if number else least, bool(number), size)

    def _chinese_relations(self, parts: list[Token | _Noun]) -> None:
        kinds = ["noun" if isinstance(part, _Noun) else part.type for part in parts]
        for k, kind in enumerate(kinds):
            if kind == "sky":
                if kinds[k + 1 : k + 3] != ["small", "noun"]:
                    raise Unread("what is in the sky?")
                self._moves("fly", parts[k + 2])
            if kind != "side":
                continue
            if kinds[k - 1] == "style" and "this" in kinds[max(k - 4, 0) : k]:
                continue  # in this oil painting
            ground = k - 2 if kinds[k - 1] == "of" else k - 1
            if kinds[ground] != "noun":
                raise Unread(f"{parts[k]} of what?")
            if kinds[max(ground - 2, 0) : ground] == ["noun", "at"]:
                subject = ground - 2
            elif kinds[k + 1 : k + 3] in (["have", "noun"], ["of", "noun"]):
                subject = k + 2
            else:
                raise Unread(f"what is {parts[k]} of {parts[ground]}?")
            side = parts[k]
            assert isinstance(side, Token)
            self._relate(parts[subject], side.value, parts[ground])
