"""Sounds of many scenes at once, for training: mixed from a stock of single noises and tunes.

Powers of unlike sounds add up, so what is kept are powers in mel bands, and a mixture costs next to nothing. The
stock fills while it is used, to some 35 MB.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

import numpy as np

from ...mel import BANDS, FRAMES, RATE, Floats, in_decibels, mel_power
from .dice import Dice
from .sounds import SHARES, echoed, heard, level, made

VARIANTS = 64  # of each noise, and of the tunes of each mood


@cache
def _kept(name: str, word: str, variant: int) -> Floats:
    """Power in mel bands (BANDS, FRAMES) of one noise or tune, 3 to 6 seconds long and then again."""
    dice = Dice("stock", name, word, variant)
    n = round(dice.uniform(30, 60)) * (RATE // 10)
    return mel_power(echoed(made(name, word, dice, n), dice))


def mixed(facts: Mapping[str, str], dice: Dice) -> Floats:
    """A log-mel spectrogram (BANDS, FRAMES) of a scene's sound, see `sounds.sound`, as the dice fall."""
    power = np.zeros((BANDS, FRAMES), np.float32)
    for name, word in heard(facts, dice.weighted(SHARES)):
        part = np.roll(_kept(name, word, dice.integer(0, VARIANTS - 1)), dice.integer(0, FRAMES - 1), 1)
        power += np.float32(level(dice) ** 2) * part
    power += np.float32(10 ** dice.uniform(-6, -4) * max(float(power.max()), 1e-9))  # what any microphone adds
    tilt = 10 ** (dice.uniform(-0.6, 0.6) * np.linspace(-1, 1, BANDS, dtype=np.float32))
    return in_decibels(power * tilt[:, None])
