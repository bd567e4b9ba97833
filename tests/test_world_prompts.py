"""Prompts as people type them: true of their scene, wide in words, the same for the same arguments."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping
from functools import cache

import pytest

from huabi.data.world import prompts
from huabi.data.world.captions import prompt_words
from huabi.data.world.compose import draw_scene
from huabi.data.world.prompts import prompt
from huabi.data.world.scene import STYLES, Scene
from huabi.data.world.spec import parse

LANGUAGES = ("en", "zh")
TABLES = {
    "en": {
        "kind": prompts.NOUNS,
        "colour": prompts.COLOURS,
        "size": prompts.SIZES,
        "setting": prompts.SETTINGS,
        "time": prompts.TIMES,
        "weather": prompts.WEATHERS,
        "season": prompts.SEASONS,
        "mood": prompts.MOODS,
        "style": prompts.STYLES,
    },
    "zh": {
        "kind": prompts.NOUNS_ZH,
        "colour": prompts.COLOURS_ZH,
        "size": prompts.SIZES_ZH,
        "setting": prompts.SETTINGS_ZH,
        "time": prompts.TIMES_ZH,
        "weather": prompts.WEATHERS_ZH,
        "season": prompts.SEASONS_ZH,
        "mood": prompts.MOODS_ZH,
        "style": prompts.STYLES_ZH,
    },
}


@cache
def scene_of(seed: int) -> Scene:
    return draw_scene(seed)


def texts(language: str, count: int = 400) -> Iterator[tuple[Scene, str, str]]:
    """Scenes, their styles, and three prompts of each."""
    for seed in range(count):
        scene, style = scene_of(seed), STYLES[seed % len(STYLES)]
        for k in range(3):
            yield scene, style, prompt(scene, style, language, seed + (k << 64))


def said(text: str, table: Mapping[str, str], language: str) -> set[str]:
    """The ids of a table that a text names by a word of at least two signs."""
    edge = r"\b" if language == "en" else ""
    return {
        name
        for name, wide in table.items()
        for word in wide.split("|")
        if len(word) > 1 and re.search(f"{edge}{re.escape(word)}{edge}", text)
    }


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("category", list(TABLES["en"]))
def test_no_word_stands_for_two_things_of_a_kind(language: str, category: str) -> None:
    table, known = TABLES[language][category], prompt_words(language)[category]
    assert set(table) <= set(known)
    words = {name: {w for word in wide.split("|") for w in word.split("/")} for name, wide in table.items()}
    for one, other in itertools.permutations(known, 2):
        assert not words.get(one, set()) & (words.get(other, set()) | set(known[other])), (one, other)


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_a_prompt_says_is_true(language: str) -> None:
    named = 0
    for scene, style, text in texts(language):
        moods = said(text, TABLES[language]["mood"], language)
        styles = said(text, TABLES[language]["style"], language)
        colours = said(text, TABLES[language]["colour"], language)
        assert moods <= {scene.mood}, text
        assert styles <= {style}, text
        assert colours <= {thing.colour for thing in scene.things}, text
        named += bool(moods) + bool(styles) + bool(colours)
    assert named > 900  # they do say something


@pytest.mark.parametrize("language", LANGUAGES)
def test_prompts_reach_beyond_the_captions_words(language: str) -> None:
    """A kitten, a puppy, 8-bit: each wide word turns up somewhere."""
    everything = "\n".join(text for *_, text in texts(language, 1000))
    wide = {w for table in TABLES[language].values() for words in table.values() for w in words.split("|")}
    unused = {word for word in wide if word.split("/")[0] not in everything}
    assert len(unused) < 0.02 * len(wide), unused


def test_same_arguments_same_prompt_and_other_seeds_other_prompts() -> None:
    scene = draw_scene(5)
    assert prompt(scene, "ink", "en", 3) == prompt(scene, "ink", "en", 3)
    assert len({prompt(scene, "ink", "zh", seed) for seed in range(100)}) > 80


def test_a_world_says_as_many_as_are_asked() -> None:
    spec = parse("world:n=3,language=both,captions=2,prompts=3")
    plain = parse("world:n=3,language=both,captions=2")
    for picture in spec.pictures():
        texts = spec.captions_of(picture, picture.scene())
        assert len(texts) == 5
        assert texts[:2] == plain.captions_of(picture, picture.scene())
