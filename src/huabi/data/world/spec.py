"""`world:styles=ink+flat,size=64,n=20000`: which pictures of the world, in words."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterator
from dataclasses import dataclass, fields, replace
from functools import lru_cache
from typing import NamedTuple

from ...errors import RequestError, nearest
from .captions import caption
from .compose import at_time, draw_scene
from .dice import Dice
from .kinds import KINDS
from .palette import COLOURS
from .prompts import prompt
from .scene import MOODS, SEASONS, SETTINGS, STYLES, TIMES, WEATHERS, Scene

FORMAT = 3  # raised when the same seed draws another picture
MOST = 1_000_000  # pictures of one data set
LANGUAGES = ("en", "zh", "both")
NUMBERS = {  # lowest, highest
    **{"n": (1, MOST), "size": (8, 1024), "seed": (0, (1 << 31) - 1)},
    **{"captions": (1, 16), "prompts": (0, 16)},
}
ATTRIBUTES = {"setting": SETTINGS, "time": TIMES, "weather": WEATHERS, "season": SEASONS, "mood": MOODS}
LABELS = (*ATTRIBUTES, "style", "kind")
WORDS = (*KINDS, *COLOURS, *STYLES, *itertools.chain(*ATTRIBUTES.values()))


SIDES = ("any", "edges", "labels", *STYLES, *TIMES)  # what pictures of pairs, or of two kinds, may be

Combination = tuple[str, ...]  # words, in their order in the alphabet


class Picture(NamedTuple):
    """What names one picture of the world: with a size, all that is needed to draw it."""

    seed: int
    style: str
    fixed: tuple[tuple[str, str], ...] = ()

    def scene(self, aspect: float = 1.0) -> Scene:
        fixed = dict(self.fixed)
        later = fixed.pop("later", None)
        scene = draw_scene(self.seed, aspect, **fixed)
        return at_time(scene, later) if later else scene

    def shows(self, combinations: Collection[Combination]) -> bool:
        """Whether one of its things is, or stands in a picture that is, all that one of the combinations says."""
        scene = self.scene()
        whole = {self.style, scene.setting, scene.time, scene.weather, scene.season, scene.mood}
        said = [whole | {thing.kind, thing.colour} for thing in scene.things] or [whole]
        return any(words.issuperset(combination) for combination in combinations for words in said)


@dataclass(frozen=True)
class WorldSpec:
    """Which pictures of the world."""

    styles: tuple[str, ...] = STYLES
    size: int | None = None  # advised to whoever trains on it
    n: int = 20_000
    seed: int = 0
    label: str = "setting"  # what serves as the class
    language: str = "en"  # of the captions
    captions: int = 1  # of each picture
    prompts: int = 0  # beside them, as people type them
    setting: str = ""  # the same in all pictures, where given
    time: str = ""
    weather: str = ""
    season: str = ""
    mood: str = ""
    without: tuple[Combination, ...] = ()  # what no picture shows together, as a green cat, or a pagoda in pixels
    pairs: tuple[str, ...] = ()  # two of SIDES: each scene as the one and as the other
    unpaired: tuple[str, ...] = ()  # two of SIDES: n scenes as the one, n other scenes as the other

    @property
    def sides(self) -> tuple[str, ...]:
        """What the two pictures of a pair, or the two kinds, are; nothing where pictures stand alone."""
        return self.pairs or self.unpaired

    @property
    def fixed(self) -> tuple[tuple[str, str], ...]:
        return tuple((name, value) for name in ATTRIBUTES if (value := getattr(self, name)))

    def pictures(self, side: int = 0) -> Iterator[Picture]:
        """The n pictures, of one side where there are two; those that show what they shall not are passed over.

        Picture k of one side of pairs is of the same scene as picture k of the other.
        """
        step = 2 if self.unpaired else 1
        seeds: Iterator[int] = itertools.count((self.seed << 32) + side * (step - 1), step)
        if self.without:
            seen = range(2) if self.pairs else (side,)
            seeds = (seed for seed in seeds if not any(self._picture(seed, k).shows(self.without) for k in seen))
        return (self._picture(seed, side) for seed in itertools.islice(seeds, self.n))

    def _picture(self, seed: int, side: int) -> Picture:
        word = self.sides[side] if self.sides else "any"
        if word in TIMES:
            first = self.pairs[0] if self.pairs else word
            later = (("later", word),) if first != word else ()
            return Picture(seed, Dice("style", seed).choice(self.styles), (*self.fixed, ("time", first), *later))
        dice = Dice("style", seed, side) if side else Dice("style", seed)
        return Picture(seed, dice.choice(self.styles) if word == "any" else word, self.fixed)

    def label_of(self, picture: Picture, scene: Scene) -> str:
        if self.label == "style":
            return picture.style
        if self.label == "kind":
            return max(scene.things, key=lambda thing: thing.height).kind
        return str(getattr(scene, self.label))

    def captions_of(self, picture: Picture, scene: Scene, language: str = "") -> list[str]:
        """What is said of the picture, each text by dice of its own; in the spec's language by default."""
        asked, said = language or self.language, []
        for k in range(self.captions + self.prompts):
            seed = picture.seed + (k << 64)
            spoken = Dice("language", seed).choice(LANGUAGES[:2]) if asked == "both" else asked
            write = caption if k < self.captions else prompt
            said.append(write(scene, picture.style, spoken, seed))
        return said


def one_of(name: str, value: str, known: tuple[str, ...] | list[str]) -> str:
    """`value`, where it is known; else `RequestError` with the nearest."""
    if value not in known:
        raise RequestError(f"no {name} {value!r}; {nearest(value, known)}")
    return value


def _sides(name: str, value: str) -> tuple[str, ...]:
    """The two sides of `pencil-oil`; a time of day goes with another time of day."""
    sides = tuple(one_of("side", word, SIDES) for word in value.split("-"))
    times = sum(word in TIMES for word in sides)
    if len(sides) != 2 or times == 1 or (sides[0] == sides[1] and (name == "unpaired" or "any" not in sides)):
        raise RequestError(f"world: {name}={value}: name two sides, as pencil-oil, edges-flat, day-night or any-any")
    return sides


def _number(name: str, value: str, low: int, high: int) -> int:
    try:
        number = int(value)
    except ValueError:
        raise RequestError(f"world: {name}={value}: expected a whole number from {low} to {high}") from None
    if not low <= number <= high:
        raise RequestError(f"world: {name}={value}: expected {low} to {high}")
    return number


def _combination(text: str) -> Combination:
    """The words of `green-cat`; at least one is of a thing, so that pictures without it are never far."""
    words = sorted({one_of("word of the world", word, WORDS) for word in text.split("-")})
    if len(words) < 2 or not {*KINDS, *COLOURS}.intersection(words):
        raise RequestError(f"world: without={text}: join a thing's words to others, as in green-cat or pagoda-pixel")
    return tuple(words)


@lru_cache(maxsize=8)
def parse(text: str) -> WorldSpec:
    """The spec in `world` or `world:key=value,...`; raises `RequestError` for what is unknown."""
    values: dict[str, object] = {}
    head, _, options = text.partition(":")
    one_of("world", head, ["world"])
    for part in filter(None, options.split(",")):
        name, _, value = part.strip().partition("=")
        one_of("option of the world", name, [f.name for f in fields(WorldSpec)])
        if name in NUMBERS:
            values[name] = _number(name, value, *NUMBERS[name])
        elif name == "styles":
            values[name] = tuple(one_of("style", style, STYLES) for style in value.split("+"))
        elif name == "without":
            values[name] = tuple(_combination(text) for text in value.split("+"))
        elif name == "label":
            values[name] = one_of("label", value, LABELS)
        elif name in ("pairs", "unpaired"):
            values[name] = _sides(name, value)
        elif name == "language":
            values[name] = one_of("language", value, LANGUAGES)
        else:
            values[name] = one_of(name, value, ATTRIBUTES[name])
    spec = WorldSpec(**values)  # type: ignore[arg-type]
    if spec.sides:
        settled = {"label", "language", "unpaired" if spec.pairs else "", "time" if spec.sides[0] in TIMES else ""}
        if more := sorted(values.keys() & settled):
            raise RequestError(f"world: {'-'.join(spec.sides)} goes without {' and '.join(more)}; leave that out")
    return spec


def choose(text: str, n: int | None, style: str | None, seed: int | None) -> WorldSpec:
    """The spec of a text, with what is given beside it; `n` has no upper bound here. Raises `RequestError`."""
    if n is not None and n < 1:
        raise RequestError(f"n {n}: at least 1 picture")
    spec = parse(text)
    if spec.sides:
        raise RequestError("pairs and unpaired are sets to train on; leave them out, and name --style")
    if n is not None or "n=" not in text:
        spec = replace(spec, n=64 if n is None else n)
    if style is not None:
        spec = replace(spec, styles=tuple(one_of("style", part, STYLES) for part in style.split("+")))
    return spec if seed is None else replace(spec, seed=_number("seed", str(seed), 0, (1 << 31) - 1))
