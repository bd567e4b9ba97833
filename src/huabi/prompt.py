"""What people type: prompts with weights and options, as users of Midjourney and of the web UIs write them.

Full-width letters, digits, colons, brackets and dashes, as Chinese keyboards type them, count as their plain twins.
"""

from __future__ import annotations

import difflib
import math
import re
import secrets
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .errors import RequestError, nearest, valid
from .requests import Edit, Imagine, Paper, Vary

LONGEST = 2_000  # characters of a prompt that are read
MOST = 256  # pictures of one command
STRONGEST = 10.0  # weight
WIDEST = 8.0  # sides of a picture, one to the other
SIDES = range(8, 4097)  # pixels
SEEDS = 2**31  # from which a seed is drawn, where none is given: short enough to type again
OPTIONS = {  # inside a prompt, with an example of each
    "ar": "3:2",
    "chaos": "20",
    "guidance": "5",
    "mood": "calm",
    "n": "2",
    "no": "fog, people",
    "seed": "7",
    "steps": "20",
    "style": "ink",
    "stylize": "250",
}
# Options of Midjourney that nothing here answers to are left out, and but for flags their value as well.
FLAGS = {
    "draft", "fast", "hd", "loop", "niji", "public", "raw", "relax", "stealth", "tile", "turbo", "video",
}
OTHERS = FLAGS | {
    "cref", "cw", "exp", "iw", "motion", "oref", "ow", "p", "profile", "q", "quality", "r", "repeat", "sref",
    "stop", "sv", "sw", "v", "version", "w", "weird",
}
RAW = "raw"  # Midjourney's style of no taste
SHORT = {"aspect": "ar", "c": "chaos", "negative": "no", "s": "stylize"}
FIELDS = {"ar": "size", "no": "negative"}  # what a request calls them
BESIDE = ("ar", "frames", "n", "of")  # what is said beside the fields of a request
LEARNT = {"LATIN", "CJK"}  # scripts of English and Chinese
LANGUAGES = {"HANGUL": "Korean", "HIRAGANA": "Japanese", "KATAKANA": "Japanese"}  # of other scripts: their own name

# one for one, so that a place in one text is the same place in the other
_HALF = {0xFF01 + i: 0x21 + i for i in range(94)} | {0x3000: " ", 0x2236: ":", 0x2010: "-", 0x2011: "-", 0x2212: "-"}
_CJK = "\u2e80-\u9fff\uac00-\ud7a3\uf900-\ufaff\U00020000-\U0003ffff"
_NUMBER = r"(?>-?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+))"
_TOKEN = re.compile(
    rf"""(?P<escaped>\\[\\:()\[\]])
    | (?P<part>::(?:{_NUMBER}(?![A-Za-z0-9_]))?)
    | (?P<open>[(\[])
    | (?P<close>:[ ]*{_NUMBER}[ ]*\)|[)\]])
    | (?P<text>[^\\:()\[\]]+|.)""",
    re.VERBOSE | re.DOTALL,
)
_MARK = re.compile(rf"(?<![^\W_{_CJK}])(?<![-–—―])(?P<dash>--|[–—―]{{1,2}})(?P<name>[A-Za-z][A-Za-z_-]*)[ =]*")
_VALUE = re.compile(r"[^\s,;、。]+")
_PLAIN = re.compile(r"[0-9.]+(?!\S)")  # behind a flag, as in --niji 6
_RATIO = re.compile(r"([0-9.]{1,9}) *[:/x×] *([0-9.]{1,9})")

Part = tuple[str, float]
Task = type[Imagine | Edit | Vary]


def _hidden(character: str) -> bool:
    """Whether a character only controls others; the joiners within emoji and some scripts do more."""
    return unicodedata.category(character) in ("Cc", "Cf", "Co", "Cs") and character not in "\u200c\u200d"


def _half(text: str) -> str:
    """`text` in plain characters, each at its place, for reading grammar."""
    return "".join(" " if _hidden(c) else c for c in text.translate(_HALF))


def _bounded(weight: float) -> float:
    return max(-STRONGEST, min(STRONGEST, weight))


def parts(prompt: str) -> list[Part]:
    r"""The prompt's parts in their order, with their weights in [-10, 10]; their texts hold no grammar any more.

    Each piece in brackets of its own weight is a part; see `divided`. Never raises.
    """
    return [(text, _bounded(weight * factor)) for weight, pieces in divided(prompt) for text, factor in pieces]


def divided(prompt: str) -> list[tuple[float, list[Part]]]:
    r"""What stands between `::` with its weight in [-10, 10], each as pieces and how many times these count.

    `a house::2 fog::0.5` weighs what stands before `::`, by 1 where no number follows at once. Within such a part
    `(red:1.4)` multiplies by 1.4, `(red)` by 1.1, `[red]` divides by 1.1, and brackets nest; one without its partner
    counts for nothing. A backslash makes `( ) [ ] : \` plain. Parts of punctuation alone are left out. Never raises.
    """
    tokens = list(_TOKEN.finditer(_half(prompt)))
    factors = _factors(tokens)
    done: list[tuple[float, list[Part]]] = []
    pieces: list[tuple[list[str], float]] = []  # of the part in the making
    scales = [1.0]
    for place, token in enumerate(tokens):
        typed = prompt[token.start() : token.end()]
        match token.lastgroup:
            case "part":
                done.append((_bounded(float(token[0][2:] or 1)), _finished(pieces)))
                pieces, scales, typed = [], [1.0], ""
            case "open":
                if place in factors:
                    scales.append(_bounded(scales[-1] * factors[place]))
                typed = " "
            case "close" if place in factors:
                scales.pop()
                typed = " "
            case "close":
                typed = typed[:-1] + " "
            case "escaped":
                typed = typed[1:]
        if pieces and pieces[-1][1] == scales[-1]:
            pieces[-1][0].append(typed)
        else:
            pieces.append(([typed], scales[-1]))
    return [(weight, found) for weight, found in [*done, (1.0, _finished(pieces))] if found]


def _factors(tokens: list[re.Match[str]]) -> dict[int, float]:
    """By how much each bracket multiplies that has its partner, by its place; a closing one by 1."""
    factors: dict[int, float] = {}
    opened: list[int] = []
    for place, token in enumerate(tokens):
        if token.lastgroup == "part":
            opened.clear()
        elif token.lastgroup == "open":
            opened.append(place)
        elif token.lastgroup == "close" and opened and tokens[opened[-1]][0] + token[0][-1] in ("()", "[]"):
            number = token[0][:-1].strip(": ")
            factors[opened.pop()] = _bounded(float(number)) if number else 1.1 if token[0] == ")" else 1 / 1.1
            factors[place] = 1.0
    return factors


def _finished(pieces: list[tuple[list[str], float]]) -> list[Part]:
    found = [(" ".join("".join(texts).split()), scale) for texts, scale in pieces]
    return [(text, scale) for text, scale in found if _says(text)]


def _says(text: str) -> bool:
    return any(c.isalnum() or unicodedata.category(c).startswith("S") for c in text)


def sides(prompt: str, negative: str = "") -> tuple[list[Part], list[Part]]:
    """The parts of what is asked for and of what is kept out, all weights positive.

    A part of negative weight changes sides; one of weight 0 is left out.
    """
    both = [*parts(prompt), *((text, -weight) for text, weight in parts(negative))]
    return [part for part in both if part[1] > 0], [(text, -weight) for text, weight in both if weight < 0]


def cleaned(prompt: str) -> tuple[str, list[str]]:
    """The prompt in one line without control characters, at most `LONGEST` long, and what to tell people of it."""
    notes = []
    text = "".join(c for c in prompt if c.isspace() or not _hidden(c))
    if len(text) < len(prompt):
        notes.append(f"control characters: {len(prompt) - len(text)} left out")
    text = " ".join(text.split())
    if len(text) > LONGEST:
        notes.append(f"a text of {len(text):,} characters; the first {LONGEST:,} are kept")
        text = text[:LONGEST].rstrip()
    if foreign := languages(text):
        notes.append(f"{' and '.join(foreign)} letters: Huabi's own models learn English and Chinese alone")
    return text, notes


def languages(text: str) -> list[str]:
    """The languages, or else the scripts, of letters that are neither Latin nor Chinese, sorted."""
    letters = {c for c in unicodedata.normalize("NFKC", text) if unicodedata.category(c) in ("Lu", "Ll", "Lt", "Lo")}
    scripts = {unicodedata.name(c, "unknown").split()[0] for c in letters} - LEARNT
    return sorted({LANGUAGES.get(script, script.capitalize()) for script in scripts})


def ratio_of(typed: str) -> tuple[float, float]:
    """Width and height of `3:2`, full-width characters included; anything else raises `RequestError`."""
    match = _RATIO.fullmatch(_half(typed).strip().lower())
    try:
        width, height = (float(side) for side in match.groups()) if match else (0.0, 0.0)
    except ValueError:
        width = height = 0.0
    if not (width > 0 and height > 0):
        raise RequestError(f"--ar {typed}: write it as 3:2, width to height, both above 0")
    if max(width / height, height / width) > WIDEST:
        raise RequestError(f"--ar {typed}: one side is at most {WIDEST:g} times the other")
    return width, height


def size_for(ratio: tuple[float, float], paper: Paper) -> tuple[int, int]:
    """Rows and columns in the ratio (width, height) and of the area of `paper`, in multiples of 8 that it can hold."""
    (width, height), (rows, columns) = ratio, paper.size
    if width * rows == height * columns:
        return paper.size
    area = rows * columns
    high, wide = math.sqrt(area * height / width), math.sqrt(area * width / height)
    step = math.lcm(8, paper.unit)
    return max(1, round(high / step)) * step, max(1, round(wide / step)) * step


@dataclass(frozen=True)
class Asked:
    """What a prompt and options beside it ask for: `n` pictures, of which `kept` are shown; `notes` are for people."""

    request: Imagine | Edit | Vary  # of which each picture's differs in seed, size or place on the walk
    n: int
    kept: int
    ratio: tuple[float, float] | None = None
    notes: tuple[str, ...] = ()

    @property
    def walk(self) -> bool:
        """Whether the pictures lead from one prompt to another."""
        return isinstance(self.request, Imagine) and self.request.between is not None

    def requests(self, paper: Paper) -> list[Any]:
        """A request for each picture, of a model that draws on that.

        Seeds go up from the one asked for, or from one drawn by chance; a walk keeps its seed.
        """
        first = self.request.seed if "seed" in self.request.model_fields_set else secrets.randbelow(SEEDS)
        same: dict[str, Any] = {"size": size_for(self.ratio, paper)} if self.ratio else {}
        return [
            self.request.model_copy(
                update=same | ({"seed": first, "fraction": i / (self.n - 1)} if self.walk else {"seed": first + i})
            )
            for i in range(self.n)
        ]


def read(prompt: str = "", given: Mapping[str, Any] | None = None, task: Task = Imagine) -> Asked:
    """What `prompt` asks for, the options inside it included: `a house --ar 3:2 --no fog, people`.

    An option takes the word after it and `--no` all up to the next option; the other words are the prompt.

    Args:
        given: fields of the request and `ar`, `n`, `of`, `frames`, which win over those inside; None is not given.

    Raises:
        RequestError: for an option that is unknown, said twice, without a value or with a bad one.
    """
    beside = {name: value for name, value in (given or {}).items() if value is not None}
    for name in beside:
        if name not in (*task.model_fields, *BESIDE):
            raise RequestError(f"no option {name!r}; {nearest(name, [*task.model_fields, *BESIDE])}")
    text, inside, others = _taken(prompt, task)
    if "size" in beside:
        if "ar" in beside:
            raise RequestError("--ar and --size exclude each other; say one of them")
        if not all(side in SIDES for side in beside["size"]):
            raise RequestError(f"--size: each side has {SIDES[0]} to {SIDES[-1]} pixels")
        inside.pop("ar", None)
    fields: dict[str, Any] = {FIELDS.get(name, name): value for name, value in inside.items() if name not in BESIDE}
    fields |= {name: value for name, value in beside.items() if name not in BESIDE}
    choice = inside | beside
    if "strength" in fields and "image" not in fields:
        raise RequestError("--strength is of a picture to start from; add --image FILE")
    notes = _tidied(text, fields, task)
    if others:
        notes.append(f"{', '.join(others)}: nothing here answers to it, so it is left out")
    walk = "between" in fields
    n = _count("frames", choice.get("frames", 8), 2) if walk else _count("n", choice.get("n", 1 if task is Edit else 4))
    if walk and "n" in choice:
        raise RequestError("--between draws --frames pictures; leave --n out")
    kept, n = n, _count("of", choice.get("of", n), n)
    if not walk and "frames" in choice:
        raise RequestError("--frames are of a walk; add --between A B")
    with valid():
        request = task(**fields)
        task(**fields | {"seed": request.seed + n - 1})
    return Asked(request, n, kept, ratio_of(str(choice["ar"])) if "ar" in choice else None, tuple(notes))


def _tidied(text: str, fields: dict[str, Any], task: Task) -> list[str]:
    """Puts the prompt into `fields` and cleans every text there; returns what to tell people of it."""
    notes: list[str] = []
    if "between" in fields:
        if text.strip():
            raise RequestError("--between walks between two prompts of its own; leave the other one out")
        ends = [_taken(end, task) for end in fields["between"]]
        if any(inside or others for _, inside, others in ends):
            raise RequestError("options stand beside the prompts of --between, not inside them")
        tidy = [cleaned(end) for end, *_ in ends]
        fields["between"] = tuple(end for end, _ in tidy)
        notes += [note for _, found in tidy for note in found]
    elif text.strip() or task is not Vary:
        fields["prompt"], notes = cleaned(text)
        if not any(c.isalnum() for c in fields["prompt"]):
            notes.append("the prompt has no words, so none guide the picture")
    for name in ("label", "mood", "negative", "style"):
        if name in fields:
            fields[name], found = cleaned(fields[name])
            notes += found
    return list(dict.fromkeys(notes))


def _count(name: str, value: Any, least: int = 1) -> int:
    try:
        count = int(value)
    except ValueError:
        count = 0
    if not least <= count <= MOST:
        raise RequestError(f"--{name} {value}: {least} to {MOST} pictures at once; other seeds give more")
    return count


def _taken(prompt: str, task: Task) -> tuple[str, dict[str, str], list[str]]:
    """The prompt without its options, what they say by their long names, and those of `OTHERS`."""
    known = [name for name in OPTIONS if name == "n" or FIELDS.get(name, name) in task.model_fields]
    half = _half(prompt)
    marks = [mark for mark in _MARK.finditer(half) if mark["dash"] == "--" or _meant(mark["name"].lower(), known)]
    ends = [mark.start() for mark in marks[1:]] + [len(prompt)]
    words = [prompt[: marks[0].start()] if marks else prompt]
    said: dict[str, str] = {}
    others: list[str] = []
    for mark, end in zip(marks, ends):
        name = SHORT.get(mark["name"].lower(), mark["name"].lower())
        if name in OTHERS:
            others.append(f"--{name}")
            word = (_PLAIN if name in FLAGS else _VALUE).match(half, mark.end(), end)
            words.append(prompt[word.end() if word else mark.end() : end])
            continue
        if name not in known:
            raise RequestError(f"no option --{name} in a prompt; {nearest(name, known)}")
        value = prompt[mark.end() : end].strip(" ,，、") if name == "no" else ""
        if name != "no" and (word := _VALUE.match(half, mark.end(), end)):
            value = word[0]
            words.append(prompt[word.end() : end])
        if not value:
            raise RequestError(f"--{name} in a prompt needs a value, as --{name} {OPTIONS[name]}")
        if (name, value.lower()) == ("style", RAW):
            others.append(f"--style {value}")
            continue
        if name in said and name != "no":
            raise RequestError(f"--{name} is said twice in the prompt, {said[name]} and {value}; say it once")
        said[name] = f"{said[name]}, {value}" if name in said else value
    return " ".join(word.strip() for word in words if word.strip()) if marks else prompt, said, others


def _meant(name: str, known: list[str]) -> bool:
    """Whether a word behind a long dash is an option or a slip of one: in prose such dashes stand before words too."""
    long = [*known, *SHORT]
    return name in long or bool(difflib.get_close_matches(name, [word for word in long if len(word) > 3], 1, 0.8))
