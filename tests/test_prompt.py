"""Prompts as people type them: weights, options, and what is said of them."""

from __future__ import annotations

import math
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from huabi.errors import RequestError
from huabi.prompt import LONGEST, OPTIONS, SHORT, cleaned, languages, parts, ratio_of, read, sides, size_for
from huabi.requests import Edit, Imagine, Paper

MARKS = [*r"()[]:\-. 19a城", "::", ":1.4)", "::2", "--seed ", "—no ", "：", "（", "\0"]
GRAMMAR = st.lists(st.sampled_from(MARKS)).map("".join)
WORDS = st.lists(st.sampled_from(["red", "house", "雾", "Été", "7up", "rock'n'roll"]), min_size=1)


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("a red house", {"a red house": 1}),
        ("a house::2 fog::0.5", {"a house": 2, "fog": 0.5}),
        ("hot:: dog", {"hot": 1, "dog": 1}),
        ("still life::-.5", {"still life": -0.5}),
        ("house::2nd street", {"house": 1, "2nd street": 1}),
        ("房子：：２雾::0.5", {"房子": 2, "雾": 0.5}),
        ("(red:1.4) house", {"red": 1.4, "house": 1}),
        ("（红色：1.4）房子", {"红色": 1.4, "房子": 1}),
        ("((strong)) [faint]", {"strong": 1.21, "faint": 1 / 1.1}),
        ("a ((very) deep:2) sea::3", {"a": 3, "very": 6.6, "deep": 6, "sea": 3}),
        (r"a smile \(: or \[not\:\:2\]", {"a smile (: or [not::2]": 1}),
        ("(a:100) (b:-100)", {"a": 10, "b": -10}),
        ("3:2) open ( and ] unequal c]", {"3:2 open and unequal c": 1}),
        ("a (b:: c) d", {"a b": 1, "c d": 1}),
        ("(red), (blue)", {"red": 1.1, "blue": 1.1}),
        ("c++:: 🐱::2", {"c++": 1, "🐱": 2}),
        ("at 10:30", {"at 10:30": 1}),
        (" ,:: ()", {}),
    ],
)
def test_weights_mean_one_thing(prompt: str, expected: dict[str, float]) -> None:
    assert dict(parts(prompt)) == pytest.approx(expected)


@given(st.one_of(st.text(), GRAMMAR))
def test_any_text_has_finite_weights_and_no_grammar(prompt: str) -> None:
    for text, weight in parts(prompt):
        assert math.isfinite(weight)
        assert abs(weight) <= 10
        assert text == text.strip()
        assert text
    for side in sides(prompt, prompt):
        assert all(weight > 0 for _, weight in side)


@given(WORDS, st.lists(st.sampled_from([" ", " (", ") ", " [", "] ", ":1.4) ", "::2 ", ":: ", "::-1 "]), min_size=20))
def test_every_word_stays_in_its_place(words: list[str], between: list[str]) -> None:
    prompt = "".join(word + mark for word, mark in zip(words, between))
    kept = words[: len(between)]
    said = " ".join(text for text, _ in parts(prompt))
    assert re.sub(r":1.4", "", said).split() == kept  # a weight without its bracket is text


def test_negative_weights_change_sides() -> None:
    wanted, kept_out = sides("a house:: fog::-0.5 (rain:0)", "blur::2 people::-1")
    assert wanted == [("a house", 1), ("people", 1)]
    assert kept_out == [("fog", 0.5), ("blur", 2)]


def test_long_prompts_and_deep_brackets_are_quickly_read() -> None:
    assert parts("(" * 50_000 + "a" + ")" * 50_000) == [("a", 10)]
    assert len(parts("(a) b " * 20_000)) == 40_000


@pytest.mark.parametrize(
    ("prompt", "fields", "n", "ratio"),
    [
        ("a house", {"prompt": "a house"}, 4, None),
        ("a (red:1.4) house::2 --ar 3:2", {"prompt": "a (red:1.4) house::2"}, 4, (3, 2)),
        ("cat --seed 7 --n 2 --no fog, people", {"prompt": "cat", "seed": 7, "negative": "fog, people"}, 2, None),
        ("cat --no fog --c 20 --no rain", {"prompt": "cat", "negative": "fog, rain", "chaos": 20}, 4, None),
        ("cat --s=250 --style ink by the sea", {"prompt": "cat by the sea", "stylize": 250, "style": "ink"}, 4, None),
        ("cat --STEPS 9 --mood calm", {"prompt": "cat", "steps": 9, "mood": "calm"}, 4, None),
        ("一只猫，—ar 3：2 —no 雾，人", {"prompt": "一只猫，", "negative": "雾，人"}, 4, (3, 2)),
        ("猫——seed ７ －－n ２", {"prompt": "猫", "seed": 7}, 2, None),
        ("猫 –aspect １６：９", {"prompt": "猫"}, 4, (16, 9)),
        ("a man — the artist —the painter", {"prompt": "a man — the artist —the painter"}, 4, None),
        ("mother--in--law", {"prompt": "mother--in--law"}, 4, None),
        ("--ar 2:1", {}, 4, (2, 1)),
    ],
)
def test_options_inside_a_prompt(prompt: str, fields: object, n: int, ratio: tuple[float, float] | None) -> None:
    asked = read(prompt)
    assert asked.request.model_dump(exclude_defaults=True) == fields
    assert (asked.n, asked.ratio) == (n, ratio)


@pytest.mark.parametrize(
    ("prompt", "says"),
    [
        ("a --chaoss 3", "did you mean 'chaos'"),
        ("a —chaso 3", "did you mean 'chaos'"),
        ("a --zz 6", "known: ar, chaos"),
        ("a --ar 0:1", "3:2"),
        ("a --ar 1.5", "3:2"),
        ("a --ar 1..5:2", "3:2"),
        ("a --ar 100:1", "at most 8 times"),
        ("a --chaos 900", "--chaos 900: .*less than or equal to 100"),
        ("a --chaos nan", "--chaos nan"),
        ("a --seed x", "valid integer"),
        ("a --seed -1", "--seed -1"),
        ("a --seed 9223372036854775807", "less than"),
        ("a --steps 0", "--steps 0"),
        ("a --n 0", "1 to 256"),
        ("a --n 1000", "1 to 256"),
        ("a --n many", "1 to 256"),
        ("a --seed", "needs a value, as --seed 7"),
        ("a --no --seed 7", "needs a value, as --no fog"),
        ("a --seed 1 --seed 2", "said twice"),
    ],
)
def test_a_slip_inside_a_prompt_gets_one_line(prompt: str, says: str) -> None:
    with pytest.raises(RequestError, match=says) as found:
        read(prompt)
    assert "\n" not in str(found.value)


def test_the_page_shows_every_option_with_its_example() -> None:
    page = (Path(__file__).parent.parent / "docs" / "imagine.md").read_text(encoding="utf-8")
    assert [name for name, example in OPTIONS.items() if f"| `--{name} {example}` |" not in page] == []
    assert [short for short in SHORT if f"| `--{short}` |" not in page] == []


@given(st.one_of(st.text(), GRAMMAR))
def test_any_text_is_read_or_refused_in_words(prompt: str) -> None:
    try:
        asked = read(prompt)
    except RequestError:
        return
    assert isinstance(asked.request, Imagine)
    assert Imagine.model_validate_json(asked.request.model_dump_json()) == asked.request
    assert asked.request.prompt == " ".join(asked.request.prompt.split())


def test_what_stands_beside_the_prompt_wins() -> None:
    asked = read("a cat --seed 1 --no fog --ar 2:1 --n 2", {"seed": 5, "negative": "rain", "n": 3, "size": (64, 64)})
    assert isinstance(asked.request, Imagine)
    assert (asked.request.seed, asked.request.negative, asked.request.size) == (5, "rain", (64, 64))
    assert (asked.n, asked.ratio) == (3, None)
    assert [request.seed for request in asked.requests(Paper((32, 32)))] == [5, 6, 7]
    for given_, says in (
        ({"ar": "3:2", "size": (64, 64)}, "exclude"),
        ({"size": (0, 64)}, "pixels"),
        ({"strength": 0.5}, "--image"),
        ({"frames": 4}, "--between"),
        ({"sed": 4}, "did you mean 'seed'"),
    ):
        with pytest.raises(RequestError, match=says):
            read("a cat", given_)


def test_a_task_knows_its_own_options_alone() -> None:
    image = b"GIF89a\1\0\1\0\0\0\0!\xf9\4\0\0\0\0\0,\0\0\0\0\1\0\1\0\0\2\2D\1\0;"
    assert read("a hat --seed 3", {"image": image}, Edit).n == 1
    with pytest.raises(RequestError, match="no option --chaos"):
        read("a hat --chaos 3", {"image": image}, Edit)


@pytest.mark.parametrize(
    ("prompt", "left", "others"),
    [
        ("a cat --v 6.1 --style raw --q 2 --ar 3:2", "a cat", "--v, --style raw, --q"),
        ("a cat --tile by the sea --niji 6", "a cat by the sea", "--tile, --niji"),
        ("a cat --sref https://example.org/a.png --iw 1.5", "a cat", "--sref, --iw"),
    ],
)
def test_options_of_midjourney_that_mean_nothing_here_are_left_out_and_named(
    prompt: str, left: str, others: str
) -> None:
    asked = read(prompt)
    assert asked.request == read(left).request
    assert asked.notes == (f"{others}: nothing here answers to it, so it is left out",)


def test_seeds_are_drawn_where_none_is_given() -> None:
    first, second = read("a cat").requests(Paper((32, 32))), read("a cat").requests(Paper((32, 32)))
    assert [request.seed - first[0].seed for request in first] == [0, 1, 2, 3]
    assert first[0].seed != second[0].seed


def test_a_walk_keeps_its_seed_and_goes_from_end_to_end() -> None:
    walk = read("", {"between": ("a cat", " a  dog "), "frames": 3, "seed": 7}).requests(Paper((32, 32)))
    assert [(request.seed, request.fraction) for request in walk] == [(7, 0), (7, 0.5), (7, 1)]
    assert walk[0].between == ("a cat", "a dog")
    for prompt, given_, says in (
        ("a house", {}, "leave the other one out"),
        ("", {"n": 3}, "leave --n out"),
        ("", {"frames": 1}, "2 to 256"),
        ("", {"between": ("a cat --seed 1", "b")}, "beside"),
    ):
        with pytest.raises(RequestError, match=says):
            read(prompt, {"between": ("a cat", "a dog")} | given_)


@pytest.mark.parametrize("size", [(64, 64), (512, 512), (48, 96), (1024, 1024)])
@pytest.mark.parametrize("ratio", ["1:1", "3:2", "9:16", "2:1", "4:1"])
def test_a_ratio_keeps_the_models_area(ratio: str, size: tuple[int, int]) -> None:
    width, height = ratio_of(ratio)
    rows, columns = size_for((width, height), Paper(size))
    assert rows % 8 == columns % 8 == 0
    exact = math.sqrt(math.prod(size) * height / width), math.sqrt(math.prod(size) * width / height)
    assert abs(rows - exact[0]) <= 4
    assert abs(columns - exact[1]) <= 4


def test_the_models_own_ratio_gives_its_own_size() -> None:
    assert size_for((2, 2), Paper((28, 28))) == (28, 28)
    assert size_for((3, 2), Paper((28, 42))) == (28, 42)


def test_prompts_are_cleaned_and_it_is_said() -> None:
    assert cleaned("a\tred\nhouse 👩‍🚀") == ("a red house 👩‍🚀", [])
    text, notes = cleaned("a\0 red\u202e house\ud800\ufeff")
    assert text == "a red house"
    assert ["4 left out" in note for note in notes] == [True]
    text, notes = cleaned("word " * 1000)
    assert len(text) <= LONGEST
    assert ["4,999 characters" in note for note in notes] == [True]
    assert read("").notes == read("?!").notes == ("the prompt has no words, so none guide the picture",)
    assert read("a cat", {"style": "\udcffink"}).request == read("a cat --style ink").request
    assert read("a cat --no fog\0").notes == ("control characters: 1 left out",)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("a café, naïve ½ 🐱 x²", []),
        ("一只猫在々〇", []),
        ("ｆｕｌｌ ｗｉｄｔｈ", []),
        ("кот и 猫", ["Cyrillic"]),
        ("ねこ カタカナ", ["Japanese"]),
        ("고양이 قطة", ["Arabic", "Korean"]),
    ],
)
def test_letters_that_no_model_learnt_are_named(text: str, found: list[str]) -> None:
    assert languages(text) == found
    assert bool(cleaned(text)[1]) is bool(found)
