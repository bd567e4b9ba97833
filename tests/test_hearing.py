"""A sound becomes words for a model that knows none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from conftest import write_pictures
from huabi import api, families, hearing
from huabi.data.world.truth import FACTS
from huabi.model import DataSpec
from huabi.pictures import read_recipe
from huabi.prompt import Asked, read
from huabi.requests import Imagine
from huabi.sounds import Sound, wav

DEAF, HEARING = DataSpec((8, 8), 3), DataSpec((8, 8), 3, facts=FACTS)
NOISE = np.sin(np.arange(8000) * 0.3).astype(np.float32)


@pytest.fixture
def rain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hearing, "heard", lambda sound: {"weather": "rain", "mood": "sad"})


def asked(prompt: str = "", **given: Any) -> Asked:
    return hearing.in_words(read(prompt, given | {"sound": Sound.of(NOISE)}), DEAF)


@pytest.mark.parametrize(
    ("prompt", "given", "expected"),
    [
        ("a house", {}, "a house, rain, sad"),
        ("一座房子", {}, "一座房子, 下着雨, 忧伤"),
        ("", {}, "rain, sad"),
        ("a house", {"sound_weight": 0.5}, "a house, (rain, sad:0.5)"),
    ],
)
def test_what_is_heard_joins_the_prompt(prompt: str, given: dict[str, Any], expected: str, rain: None) -> None:
    found = asked(prompt, **given)
    assert isinstance(found.request, Imagine)
    assert found.request.prompt == expected
    assert found.request.sound is None
    assert "knows no sounds" in found.notes[-1]


@pytest.mark.parametrize(
    ("prompt", "given", "expected"),
    [
        ("a house", {"mood": "sad"}, "a house, sad"),
        ("一座房子", {"mood": "sad", "style": "ink"}, "一座房子, 水墨画, 忧伤"),
        ("a house --style ink", {"mood": "calm", "mood_weight": 0.5}, "a house, ink wash painting, (calm:0.5)"),
        ("a house", {"style": "cubist"}, "a house, cubist"),
    ],
)
def test_style_and_mood_join_the_prompt_of_a_model_that_knows_none(
    prompt: str, given: dict[str, Any], expected: str
) -> None:
    found = hearing.in_words(read(prompt, given), DEAF)
    assert isinstance(found.request, Imagine)
    assert found.request.prompt == expected
    assert (found.request.style, found.request.mood, found.request.mood_weight) == (None, None, 1.0)
    same = read("a house --style ink --mood sad")
    assert hearing.in_words(same, HEARING) is same


def test_both_ends_of_a_walk_hear_it(rain: None) -> None:
    found = asked(between=("a cat", "a dog"))
    assert isinstance(found.request, Imagine)
    assert found.request.between == ("a cat, rain, sad", "a dog, rain, sad")


def test_a_model_that_hears_is_told_the_sound_and_an_unclear_one_adds_nothing(
    rain: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    same = read("a house", {"sound": Sound.of(NOISE)})
    assert hearing.in_words(same, HEARING) is same
    monkeypatch.setattr(hearing, "heard", lambda sound: {})
    found = asked("a house")
    assert isinstance(found.request, Imagine)
    assert found.request.prompt == "a house"
    assert "nothing in this one is clear" in found.notes[-1]


@pytest.fixture
def _scribe(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(families.FAMILIES, "scribe", "scribe:Scribe")


@pytest.mark.usefixtures("_scribe")
def test_the_command_line_says_what_it_heard(huabi: Any, tmp_path: Path, rain: None) -> None:
    run = tmp_path / "poems"
    api.train("scribe", write_pictures(tmp_path / "photos", 8), run, size=16, steps=1, threads=1)
    (tmp_path / "rain.wav").write_bytes(wav(NOISE))
    words = ["imagine", "a house", "--sound", tmp_path / "rain.wav", "--n", 1, "--model", run]
    done = huabi(*words, "--out", tmp_path / "one.png")
    assert done.code == 0, done.err
    assert "note: this model knows no sounds: what is heard joins the prompt in words: rain, sad" in done.err
    recipe = read_recipe(tmp_path / "one.png")
    assert recipe is not None
    assert recipe["request"]["prompt"] == "a house, rain, sad"
    assert "sound" not in recipe["request"]
