"""What a sound says in words, for models that know words and no sounds."""

from __future__ import annotations

from functools import cache

import torch

from .api import load
from .families.listener import Listener
from .sounds import Sound

__all__ = ["heard"]

SURE = 0.6  # share from which on a word is believed


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
