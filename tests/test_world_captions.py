"""Captions of the picture world: true by a reader that shares nothing with the writer, varied, and good language."""

from __future__ import annotations

import re
from collections import Counter
from functools import cache

import pytest

from caption_parser import Claims, Name, Unread, read
from huabi.data.world.captions import caption, prompt_words
from huabi.data.world.chinese import numeral
from huabi.data.world.dice import Dice
from huabi.data.world.scene import (
    MOODS,
    RELATIONS,
    SEASONS,
    SETTINGS,
    SIZES,
    STYLES,
    TIMES,
    WEATHERS,
    Relation,
    Scene,
    Thing,
)

LANGUAGES = ("en", "zh")
NUMBER = 2000
FRAME = ("setting", "time", "weather", "season", "mood")
KINDS = (
    *("sun", "moon", "cloud", "mountain", "tree", "pine", "bamboo", "flower", "house", "pagoda", "bridge", "boat"),
    *("bird", "fish", "cat", "dog", "horse", "person", "lantern", "kite", "lamp", "fence", "car", "balloon"),
    *("butterfly", "mushroom", "bench", "basket", "pot"),
)
COLOURS = ("red", "orange", "yellow", "green", "blue", "purple", "pink", "brown", "black", "white", "grey")


def random_scene(seed: int) -> Scene:
    """Any things in any relations: more tangled than any scene that is drawn."""
    dice = Dice("caption test", seed)
    kinds = dice.sample(KINDS, dice.integer(1, 4))
    things = []
    for _ in range(dice.integer(0, 3)):
        kind, colour, size = dice.choice(kinds), dice.choice(COLOURS), dice.choice(SIZES)
        for _ in range(dice.weighted({1: 6, 2: 2, 3: 2, 5: 1, 12: 0.2})):
            odd = dice.choice(SIZES) if dice.chance(0.1) else size
            things.append(Thing(kind, colour, odd, dice.uniform(), dice.uniform(0.2, 1), 0.2))
    things = dice.shuffled(things)
    ties = {}
    for _ in range(dice.integer(0, 2 * len(things)) if len(things) > 1 else 0):
        one, two = dice.sample(range(len(things)), 2)
        name = dice.choice(RELATIONS)
        if (one, two) not in ties and (two, one) not in ties and (name != "inside" or things[two].kind == "basket"):
            ties[one, two] = name
    relations = tuple(Relation(one, name, two) for (one, two), name in ties.items())
    frame = (dice.choice(SETTINGS), dice.choice(TIMES), dice.choice(WEATHERS), dice.choice(SEASONS), dice.choice(MOODS))
    return Scene(*frame, tuple(things), relations, seed)


@cache
def told(language: str) -> tuple[tuple[Scene, str | None, str], ...]:
    """Scenes with their captions."""
    out = []
    for seed in range(NUMBER):
        scene, style = random_scene(seed), (*STYLES, None)[seed % 7]
        out.append((scene, style, caption(scene, style, language, seed)))
    return tuple(out)


@cache
def claimed(language: str) -> tuple[Claims, ...]:
    return tuple(read(text, language) for _, _, text in told(language))


def meant(scene: Scene, name: Name) -> list[int]:
    """The things that a name can mean."""
    return [k for k, t in enumerate(scene.things) if t.kind == name.kind and name.colour in (None, t.colour)]


def untrue(scene: Scene, style: str | None, claims: Claims) -> list[str]:
    """The claims that are not so."""
    wrong = []
    for name, number, exact, size in claims.counts:
        found = meant(scene, name)
        if not found or (len(found) != number if exact else len(found) < number):
            wrong.append(f"{number} {name}, but there are {len(found)}")
        if size and {scene.things[k].size for k in found} != {size}:
            wrong.append(f"{size} {name}")
    known = {(r.subject, r.name, r.target) for r in scene.relations}
    for subject, relation, target in claims.relations:
        pairs = [(s, relation, t) for s in meant(scene, subject) for t in meant(scene, target)]
        if not pairs or not known.issuperset(pairs):
            wrong.append(f"{subject} {relation} {target}")
    for part, values in claims.frame.items():
        if values != {style if part == "style" else getattr(scene, part)}:
            wrong.append(f"{part} {values}")
    placed = {r.subject for r in scene.relations if r.name in ("on", "inside")}
    for name in claims.aloft:
        low = any(k in placed or scene.things[k].y > 0.42 for k in meant(scene, name))
        if low and name.kind not in ("sun", "moon", "cloud"):
            wrong.append(f"{name} in the air")
    if any(name.kind not in ("boat", "fish") or scene.setting not in ("lake", "seaside") for name in claims.afloat):
        wrong.append("water")
    return wrong


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_claim_is_true(language: str) -> None:
    for (scene, style, text), claims in zip(told(language), claimed(language)):
        assert not untrue(scene, style, claims), (text, untrue(scene, style, claims))


@pytest.mark.parametrize("language", LANGUAGES)
def test_captions_of_other_scenes_are_found_out(language: str) -> None:
    scenes = [scene for scene, _, _ in told(language)]
    others = zip([*scenes[1:], scenes[0]], told(language), claimed(language))
    assert sum(bool(untrue(scene, style, claims)) for scene, (_, style, _), claims in others) > 0.95 * NUMBER


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_attribute_is_named_in_some_and_left_out_in_others(language: str) -> None:
    pairs = [(scene, claims) for (scene, _, _), claims in zip(told(language), claimed(language)) if scene.things]
    bounds = {
        **{"setting": (0.4, 0.62), "time": (0.3, 0.52), "weather": (0.25, 0.47), "season": (0.2, 0.42)},
        **{"mood": (0.35, 0.57), "style": (0.35, 0.6)},
    }
    for part, (low, high) in bounds.items():
        share = sum(part in claims.frame for _, claims in pairs) / len(pairs)
        assert low < share < high, (part, share)
    full = [claims for _, claims in pairs]
    assert 0.93 < sum(bool(claims.counts) for claims in full) / len(full) < 1
    counts = [count for claims in full for count in claims.counts]
    assert 0.68 < sum(count.name.colour is not None for count in counts) / len(counts) < 0.88
    assert 0.2 < sum(count.size is not None for count in counts) / len(counts) < 0.4
    assert sum(any(count.exact and count.number > 1 for count in claims.counts) for claims in full) / len(full) > 0.1
    simple = [
        claims
        for scene, claims in pairs
        if scene.relations and len({(t.kind, t.colour) for t in scene.things}) == len(scene.things)
    ]
    assert 0.4 < sum(bool(claims.relations) for claims in simple) / len(simple) < 0.8
    assert {name for claims in full for _, name, _ in claims.relations} == set(RELATIONS)


@pytest.mark.parametrize("language", LANGUAGES)
def test_captions_vary_in_words_and_length(language: str) -> None:
    texts = [text for _, _, text in told(language)]
    assert len(set(texts)) >= 0.6 * NUMBER
    sizes = sorted(len(text.split()) if language == "en" else len(text) for text in texts)
    short, middle, long = sizes[NUMBER // 20], sizes[NUMBER // 2], sizes[-NUMBER // 20]
    assert (short, long) <= (6, 60) if language == "en" else short <= 8
    assert short * 2 <= middle
    assert middle * 1.6 <= long
    assert 0.15 < sum(text.count("。" if language == "zh" else ".") > 1 for text in texts) / NUMBER < 0.45


@pytest.mark.parametrize("language", LANGUAGES)
def test_one_scene_is_told_in_many_ways(language: str) -> None:
    scene = next(s for s in map(random_scene, range(99)) if len(s.things) > 3 and s.relations)
    assert len({caption(scene, "ink", language, seed) for seed in range(200)}) > 150


@pytest.mark.parametrize("language", LANGUAGES)
def test_same_arguments_same_caption(language: str) -> None:
    for scene, style, text in told(language)[:100]:
        assert caption(scene, style, language, scene.seed) == text
        assert caption(Scene(**{**scene.__dict__}), style, language, scene.seed) == text


def test_english_is_well_formed() -> None:
    one = "|".join(kind for kind in KINDS if kind != "fish")
    for _, _, text in told("en"):
        low = text.lower()
        assert text == text.strip()
        assert not re.search(r"  | [,.]|,[^ ]|\.[^ ]|,,|\.\.|-of", text), text
        assert not re.search(r"\ba [aeiou]|\ban [^aeiou]", low), text
        assert not re.search(r"\bfishes\b|\bpersons\b|\bbutterflys\b|\bone \w+s\b", low), text
        assert not re.search(rf"\b(two|three|four|some|several|few) (\w+ )?({one})\b(?! [plt])", low), text
        assert not re.search(r"[^\x20-\x7e]", text), text
        for sentence in re.findall(r"[^.]+\.", text):
            assert sentence.strip()[0].isupper(), text
        assert ". " not in text or text.endswith("."), text
        assert not re.search(r"\b(are|were) (a|an|one) |\bis (two|three|four|five|some|several|many) ", low), text


def test_chinese_is_well_formed() -> None:
    for _, _, text in told("zh"):
        assert not re.search(r"[\x00-\x7f]", text), text
        assert not re.search("[\uff0c。\uff1a、]{2}|^[\uff0c。\uff1a、]|[\uff0c、\uff1a]$|的的|有有|在在", text), text
        assert not re.search("二[轮朵片座棵株丛栋间艘条只匹个盏道辆张]", text.replace("十二", "")), text
        assert "。" not in text or text.endswith("。"), text
    assert [numeral(n) for n in (1, 2, 9, 10, 12, 20, 22, 45)] == [
        "一",
        "两",
        "九",
        "十",
        "十二",
        "二十",
        "二十二",
        "四十五",
    ]


def one_scene(*things: tuple[str, str], relations: tuple[Relation, ...] = ()) -> Scene:
    made = tuple(Thing(kind, colour, "small", 0.5, 0.8, 0.2) for kind, colour in things)
    return Scene("garden", "day", "clear", "spring", "calm", made, relations)


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_relation_that_could_mean_another_thing_is_left_out(language: str) -> None:
    """Two red cats, one of them on the bench: no words could tell which."""
    scene = one_scene(("cat", "red"), ("cat", "red"), ("bench", "blue"), relations=(Relation(0, "on", 2),))
    assert not any(read(caption(scene, None, language, seed), language).relations for seed in range(200))


@pytest.mark.parametrize("language", LANGUAGES)
def test_colours_tell_apart_what_kinds_cannot(language: str) -> None:
    scene = one_scene(("cat", "red"), ("cat", "blue"), ("bench", "blue"), relations=(Relation(0, "on", 2),))
    read_all = [read(caption(scene, None, language, seed), language) for seed in range(200)]
    named = {subject for claims in read_all for subject, _, _ in claims.relations}
    assert named == {Name("cat", "red")}


@pytest.mark.parametrize("language", LANGUAGES)
def test_clouds_forbid_a_clear_sky(language: str) -> None:
    scene = one_scene(("cloud", "white"))
    for seed in range(300):
        text = caption(scene, None, language, seed)
        assert not re.search("clear|天空晴朗|晴空", text), text


@pytest.mark.parametrize("language", LANGUAGES)
def test_an_empty_scene_is_a_place(language: str) -> None:
    for seed in range(100):
        claims = read(caption(one_scene(), "oil", language, seed), language)
        assert claims.frame["setting"] == {"garden"}
        assert not claims.counts


@pytest.mark.parametrize(
    "wrong", ["a red zebra", "a red", "two cat", "a cats", "a red cat behind", "红色的斑马", "二只猫", "一朵猫"]
)
def test_the_reader_understands_nothing_by_chance(wrong: str) -> None:
    with pytest.raises(Unread):
        read(wrong, "en" if wrong.isascii() else "zh")


def test_vocabulary_has_words_for_everything_in_both_languages() -> None:
    ids = {"kind": KINDS, "colour": COLOURS, "size": SIZES, "style": STYLES, "relation": RELATIONS}
    ids |= {"setting": SETTINGS, "time": TIMES, "weather": WEATHERS, "season": SEASONS, "mood": MOODS}
    for language in (None, *LANGUAGES):
        table = prompt_words(language)
        assert {name: set(words) for name, words in table.items()} == {name: set(known) for name, known in ids.items()}
        for category in table.values():
            spelled = Counter(word for words in category.values() for word in words)
            assert all(words for words in category.values())
            assert max(spelled.values()) == 1, spelled.most_common(1)


def test_unknown_languages_and_styles_are_refused() -> None:
    with pytest.raises(ValueError, match="fr"):
        caption(one_scene(), None, "fr")
    with pytest.raises(ValueError, match="cubist"):
        caption(one_scene(), "cubist")
