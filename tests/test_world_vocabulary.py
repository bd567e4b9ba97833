"""Words that the picture world never says are told apart from those that it does."""

from __future__ import annotations

import pytest

from huabi.data.world.captions import caption
from huabi.data.world.compose import draw_scene
from huabi.data.world.prompts import prompt
from huabi.data.world.scene import MOODS, STYLES
from huabi.data.world.vocabulary import unknown
from huabi.hearing import never_said
from huabi.model import DataSpec
from huabi.requests import Imagine


@pytest.mark.parametrize(
    ("text", "strange"),
    [
        ("a dragon above a red CASTLE, in oils, 8-bit", ["dragon", "CASTLE"]),
        ("two kittens on a bench at night", []),
        ("dragon, dragon", ["dragon"]),
        ("一只恐龙坐在桥上，宁静", ["恐龙"]),
        ("两只黑猫在飞机里", ["飞机"]),
        ("кот, 한국, 42, !?", []),
        ("une forêt près d'un lac", ["une", "forêt", "près", "un", "lac"]),
        ("", []),
    ],
)
def test_what_the_world_never_says(text: str, strange: list[str]) -> None:
    assert unknown(text) == strange


@pytest.mark.parametrize("language", ["en", "zh"])
def test_what_the_world_says_is_hardly_ever_strange(language: str) -> None:
    texts = [f(draw_scene(seed), STYLES[seed % 6], language, seed) for seed in range(150) for f in (caption, prompt)]
    assert sum(bool(unknown(text)) for text in texts) < 0.03 * len(texts)


def test_only_models_of_the_world_tell_of_them() -> None:
    world = DataSpec((8, 8), captions=True, facts=(("mood", MOODS),))
    asked = Imagine(prompt="a dragon and " + " ".join(f"zz{chr(97 + k)}" for k in range(20)))
    [note] = never_said(asked, world)
    assert "dragon, zza" in note
    assert note.count("zz") == 7
    assert len(never_said(Imagine(prompt="a" * 1000), world)[0]) < 120
    assert never_said(asked, DataSpec((8, 8), captions=True)) == []
    assert never_said(Imagine(prompt="a cat"), world) == []
