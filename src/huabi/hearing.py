"""What models know of words and sounds: what a sound says in words, and which words one cannot know."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import cache
from typing import Any

import torch

from .data.world.captions import prompt_words
from .data.world.vocabulary import unknown
from .families.listener import Listener
from .model import DataSpec
from .models import load
from .prompt import Asked
from .requests import Imagine
from .sounds import Sound

__all__ = ["fitted", "heard", "in_words", "never_said"]

SHOWN = 24  # characters of a word that nobody knows
SURE = 0.6  # share from which on a word is believed
_HAN = re.compile("[\u3400-\u9fff]")


@cache
def _listener() -> Listener:
    """The one that comes with Huabi."""
    model = load("world-listener", "cpu")
    assert isinstance(model, Listener)
    return model


def heard(sound: Sound) -> dict[str, str]:
    """Those of setting, time, weather and mood that a listener is sure to hear: `{"weather": "rain", "mood": "sad"}`.

    Raises `SoundError` for a sound that cannot be read, see `Sound.samples`.
    """
    [shares] = _listener().hear(torch.from_numpy(sound.log_mel())[None])
    best = {name: max(words.items(), key=lambda item: item[1]) for name, words in shares.items()}
    return {name: word for name, (word, share) in best.items() if share >= SURE}


def in_words(asked: Asked, spec: DataSpec) -> Asked:
    """What is asked of a model of `spec`; where that knows no sounds, what is heard joins the prompt, in its language.

    A note says so. Raises `SoundError` for a sound that cannot be read.
    """
    request = asked.request
    if not isinstance(request, Imagine) or request.sound is None or spec.has("sound"):
        return asked
    prompts = request.between or (request.prompt,)
    language = "zh" if any(map(_HAN.search, prompts)) else "en"
    words = prompt_words(language)
    told = ", ".join(words[name][word][0] for name, word in heard(request.sound).items())
    update: dict[str, Any] = {"sound": None, "sound_weight": 1.0}
    note = "this model knows no sounds, and nothing in this one is clear enough to be said in words"
    if told:
        note = f"this model knows no sounds: what is heard joins the prompt in words: {told}"
        said = told if request.sound_weight == 1 else f"({told}:{request.sound_weight:g})"
        joined = tuple(f"{prompt}, {said}" if prompt else said for prompt in prompts)
        update |= {"between": joined} if request.between else {"prompt": joined[0]}
    return replace(asked, request=request.model_copy(update=update), notes=(*asked.notes, note))


def never_said(request: Any, spec: DataSpec) -> list[str]:
    """A note of the words that a model of `spec` never heard, where that is known: of the picture world's."""
    if not isinstance(request, Imagine) or not spec.facts or not spec.captions:
        return []
    words = unknown(" ".join(request.between or (request.prompt,)))
    few = ", ".join(word[:SHOWN] for word in words[:8]) + (" ..." if len(words) > 8 else "")
    return [f"this model never heard of: {few}; it knows the picture world alone, see docs/world.md"] if words else []


def fitted(asked: Asked, spec: DataSpec) -> Asked:
    """What is asked, in what a model of `spec` knows, with notes of what it does not; see `in_words`, `never_said`."""
    asked = in_words(asked, spec)
    return replace(asked, notes=(*asked.notes, *never_said(asked.request, spec)))
