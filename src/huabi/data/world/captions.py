"""Captions of a scene: true, varied, in English and Chinese."""

from __future__ import annotations

from .chinese import Chinese
from .dice import Dice
from .english import English
from .scene import STYLES, Scene
from .telling import Told, choose
from .words import prompt_words

__all__ = ["caption", "prompt_words", "written"]

WRITERS: dict[str, type[English] | type[Chinese]] = {"en": English, "zh": Chinese}


def written(scene: Scene, style: str | None = None, language: str = "en", seed: int = 0) -> tuple[Told, str]:
    """One caption of the scene, from a few words to some sentences, and what it says.

    Every caption says only a part: kinds nearly always, colours, counts, sizes, relations, setting, time, weather,
    season, mood and style each in some. What it says is true: numbers are of all the things that they can mean, and
    relations are named only where no other thing could be meant. `language` is "en" or "zh"; `style` is None where it
    shall not be told. The same arguments give the same text. Raises `ValueError` for another language or style.
    """
    if language not in WRITERS:
        raise ValueError(f"no captions in {language!r}; known: {', '.join(WRITERS)}")
    if style is not None and style not in STYLES:
        raise ValueError(f"no style {style!r}; known: {', '.join(STYLES)}")
    dice = Dice("caption", language, scene.seed, seed)
    told = choose(scene, style, dice)
    return told, WRITERS[language](told, dice).caption()


def caption(scene: Scene, style: str | None = None, language: str = "en", seed: int = 0) -> str:
    """The caption alone, see `written`."""
    return written(scene, style, language, seed)[1]
