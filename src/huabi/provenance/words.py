"""The filter that comes with Huabi: phrases that no picture is drawn for, in English and Chinese; it sees no pictures.

It is a list, and not more: it knows no meaning, so that it stops the plain cases and nobody who tries. Whoever offers
Huabi to others adds phrases in `words.txt`, one a line, beside provenance.toml.
"""

from __future__ import annotations

import re
import unicodedata
from functools import cached_property

from PIL import Image

from ..index import home

__all__ = ["PHRASES", "Words"]

_MINORS = "child children kid kids minor minors underage teen teenage girl boy toddler schoolgirl schoolboy loli shota"
_EXPOSED = "naked nude topless undressed sexy erotic lewd nsfw porn"
PHRASES: dict[str, tuple[str, ...]] = {
    "it asks for minors as sexual objects": (
        *(f"{state} {who}" for state in _EXPOSED.split() for who in _MINORS.split()),
        *("child porn", "child pornography", "csam", "lolicon", "shotacon"),
        *("儿童色情", "幼女", "裸童", "未成年色情", "萝莉色情", "正太色情"),
    ),
    "it asks for pornography": (
        *("porn", "pornography", "pornographic", "hentai", "blowjob", "sex scene", "explicit sex", "genitals", "orgy"),
        *("色情图", "色情画", "色情照", "色情片", "色情内容", "色情作品", "淫秽"),
        *("性交场面", "性交画面", "自慰", "生殖器"),
    ),
    "it asks for cruelty": (
        *("beheading", "decapitated", "dismembered", "disembowelled", "mutilated corpse", "gore", "snuff film"),
        *("斩首", "肢解", "开膛", "虐杀", "碎尸"),
    ),
    "it asks for praise of terror": (
        *("isis flag", "isis propaganda", "terrorist propaganda", "nazi propaganda", "glorify hitler"),
        *("恐怖主义宣传", "纳粹宣传", "极端主义宣传"),
    ),
}


class Words:
    """Refuses prompts that hold one of `PHRASES` or of the user's own, whatever their case, width or spacing."""

    def prompt(self, text: str) -> str | None:
        plain = _plain(text)
        joined = re.sub(r"[^\w]|_", "", plain)
        for reason, pattern in self._patterns.items():
            if pattern.search(plain) or pattern.search(_apart(joined)):
                return reason
        return None

    def picture(self, image: Image.Image) -> str | None:
        return None

    @cached_property
    def _patterns(self) -> dict[str, re.Pattern[str]]:
        own = home() / "words.txt"
        lines = own.read_text(encoding="utf-8").splitlines() if own.exists() else []
        mine = {f"{own.name} of this Huabi has it": tuple(line.strip() for line in lines if line.strip())}
        return {reason: _pattern(phrases) for reason, phrases in (PHRASES | mine).items() if phrases}


def _plain(text: str) -> str:
    """One width, one case, no accents and nothing invisible."""
    split = unicodedata.normalize("NFKD", text).casefold()
    return "".join(c for c in split if unicodedata.category(c) not in ("Mn", "Cf"))


def _apart(joined: str) -> str:
    """The Chinese of a text whose signs were left out, so that none of them splits a phrase."""
    return "".join(c if "㐀" <= c <= "鿿" else " " for c in joined)


def _pattern(phrases: tuple[str, ...]) -> re.Pattern[str]:
    """Latin phrases as whole words, which anything but letters may part; Chinese ones anywhere."""
    parts = []
    for phrase in map(_plain, phrases):
        inner = r"[\W_]+".join(map(re.escape, phrase.split()))
        parts.append(rf"(?<![a-z0-9]){inner}(?![a-z0-9])" if phrase.isascii() else inner)
    return re.compile("|".join(parts))
