"""What models know of words and sounds: what they do not know said in words, and which words one cannot know."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import cache
from typing import Any

import torch

from .data.world.captions import prompt_words
from .data.world.vocabulary import unknown
from .families.listener import Listener
from .model import DataSpec, Model
from .models import load
from .prompt import Asked, divided
from .requests import Edit, Imagine
from .sounds import Sound

__all__ = ["cut", "fitted", "heard", "in_words", "never_said"]

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
    """What is asked of a model of `spec`; conditions that it does not know join the prompt, in the prompt's language.

    These are style and mood, and of a sound what is heard in it. Notes say so. Raises `SoundError` for a sound that
    cannot be read.
    """
    request = asked.request
    if not isinstance(request, Imagine):
        return asked
    known = {name for name, _ in spec.facts} | ({"sound"} if spec.has("sound") else set())
    prompts = request.between or (request.prompt,)
    words = prompt_words("zh" if any(map(_HAN.search, prompts)) else "en")
    update: dict[str, Any] = {}
    notes, told = [], []
    for name, weight in (("style", 1.0), ("mood", request.mood_weight), ("sound", request.sound_weight)):
        given = getattr(request, name)
        if given is None or name in known:
            continue
        said = [(name, given)] if name != "sound" else list(heard(given).items())
        text = ", ".join(words[name].get(word, (word,))[0] for name, word in said)
        update |= {name: None, f"{name}_weight": 1.0} if name != "style" else {name: None}
        if text:
            told.append(text if weight == 1 else f"({text}:{weight:g})")
            what = f"{name}s: what is heard" if name == "sound" else f"{name}: it"
            notes.append(f"this model knows no {what} joins the prompt in words: {text}")
        else:
            notes.append("this model knows no sounds, and nothing in this one is clear enough to be said in words")
    if told:
        joined = tuple(", ".join([*([prompt] if prompt else []), *told]) for prompt in prompts)
        update |= {"between": joined} if request.between else {"prompt": joined[0]}
    return replace(asked, request=request.model_copy(update=update), notes=(*asked.notes, *notes)) if notes else asked


def never_said(request: Any, spec: DataSpec) -> list[str]:
    """A note of the words that a model of `spec` never heard, where that is known: of the picture world's."""
    if not isinstance(request, Imagine) or not spec.facts or not spec.captions:
        return []
    words = unknown(" ".join(request.between or (request.prompt,)))
    few = ", ".join(word[:SHOWN] for word in words[:8]) + (" ..." if len(words) > 8 else "")
    return [f"this model never heard of: {few}; it knows the picture world alone, see docs/world.md"] if words else []


def cut(request: Any, model: Model) -> list[str]:
    """A note of where a model's reading of a prompt ends, if that is before the prompt does."""
    if not isinstance(request, Imagine | Edit):
        return []
    prompts = getattr(request, "between", None) or (request.prompt,)
    texts = [" ".join(text for text, _ in pieces) for prompt in prompts for _, pieces in divided(prompt)]
    ends = [end for end in map(model.unread, texts) if end]
    return [f"so long a text is not read to its end: what follows is left out, {end[: 2 * SHOWN]!r}" for end in ends]


def fitted(asked: Asked, spec: DataSpec) -> Asked:
    """What is asked, in what a model of `spec` knows, with notes of what it does not; see `in_words`, `never_said`."""
    asked = in_words(asked, spec)
    return replace(asked, notes=(*asked.notes, *never_said(asked.request, spec)))
