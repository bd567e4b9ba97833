"""What the world's scenes sound like: weather, place and hour by their own noises, the mood by a tune."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

import numpy as np

from ...mel import RATE, Floats
from .dice import Dice
from .synth import (
    Note,
    burst,
    chances,
    even,
    falling,
    hiss,
    moments,
    room,
    scattered,
    seconds,
    struck,
    swell,
    timbre,
    voice,
)
from .tunes import MANNERS, tune

PURE = timbre(1.0)

Maker = Callable[[Dice, int], Floats]


# ---- Weather.


def _rain(dice: Dice, n: int) -> Floats:
    sound = hiss(dice, n, dice.uniform(500, 1500), dice.uniform(4000, 8000)) * (0.7 + 0.3 * swell(dice, n, 0.7))
    drops = np.zeros(n, np.float32)
    at = (chances(dice, int(n / RATE * dice.uniform(20, 90))) * n).astype(np.int64)
    drops[at] = 6 * chances(dice, len(at)) ** 2
    sound += np.convolve(drops, struck(dice.uniform(1500, 3500), (1.0, 1.7), 0.004))[:n]
    if dice.chance(0.35):
        start = int(dice.uniform(0, 0.5) * n)
        rumble = hiss(dice, n, 30, dice.uniform(100, 250)) * (0.5 + swell(dice, n, 3))
        sound[start:] += (dice.uniform(1, 3) * rumble * falling(n, dice.uniform(0.7, 1.6)))[: n - start]
    return sound


def _wind(dice: Dice, n: int) -> Floats:
    gusts = swell(dice, n, dice.uniform(0.3, 0.9))
    low = hiss(dice, n, dice.uniform(150, 300), dice.uniform(400, 700))
    sound: Floats = low * (0.15 + gusts**2) + 0.4 * hiss(dice, n, 700, 1300) * gusts**3
    return sound


def _steps_in_snow(dice: Dice, n: int) -> Floats:
    grain = burst(dice, dice.uniform(0.15, 0.3), dice.uniform(1200, 2000), dice.uniform(3500, 6000))
    grain *= 1 + np.sin(np.float32(2 * np.pi * dice.uniform(35, 60)) * seconds(len(grain)))
    starts = moments(dice, n, dice.uniform(0.45, 0.75), 0.06)
    return scattered(n, starts, grain, [dice.uniform(0.7, 1) for _ in starts])


def _foghorn(dice: Dice, n: int) -> Floats:
    pitch, length = dice.uniform(85, 150), dice.uniform(1.2, 2.2)
    notes = [Note(start, length, pitch, 1, 0.97) for start in moments(dice, n, length + dice.uniform(0.6, 1.6), 0.1)]
    return voice(n, notes, timbre(1, 0.8, 0.7, 0.4, 0.3, 0.2), 0.15)


# ---- Places.


def _bees(dice: Dice, n: int) -> Floats:
    wave = timbre(*(1 / k for k in range(1, 12)))
    sound = np.zeros(n, np.float32)
    for _ in range(dice.integer(1, 3)):
        pitch = dice.uniform(170, 260)
        notes = [Note(t, 2.0, pitch * dice.about(1, 0.12), 1, dice.about(1, 0.1)) for t in moments(dice, n, 0.5)]
        sound += voice(n, notes, wave, 0.05, vibrato=0.03) * swell(dice, n, 0.6)
    return sound


def _woods(dice: Dice, n: int) -> Floats:
    leaves = hiss(dice, n, dice.uniform(1500, 2500), dice.uniform(4000, 6500)) * swell(dice, n, dice.uniform(1, 2)) ** 2
    pecks = dice.chance(0.5)
    if pecks or dice.chance(0.3):
        rate = dice.uniform(14, 22)
        rolls = moments(dice, n, dice.uniform(1.2, 2.2))
        starts = [roll + k / rate for roll in rolls for k in range(dice.integer(7, 14))]
        leaves += 3 * scattered(
            n, [t for t in starts if t < n / RATE], struck(dice.uniform(700, 1300), (1, 2.3), 0.012)
        )
    if not pecks or dice.chance(0.3):
        high, fall = dice.uniform(580, 720), dice.uniform(0.78, 0.84)
        calls = moments(dice, n, dice.uniform(1.1, 1.6), 0.1)
        notes = [note for t in calls for note in (Note(t, 0.18, high), Note(t + 0.32, 0.28, high * fall))]
        leaves += 1.5 * voice(n, notes, timbre(1, 0.15), 0.03)
    return leaves


def _cowbells(dice: Dice, n: int) -> Floats:
    sound = np.zeros(n, np.float32)
    for _ in range(dice.integer(2, 4)):
        stroke = struck(dice.uniform(450, 1000), (1, 1.48, 2.02, 2.67, 3.9), dice.uniform(0.08, 0.2))
        starts = moments(dice, n, dice.uniform(0.35, 0.9), 0.7)
        sound += scattered(n, starts, stroke, [dice.uniform(0.3, 1) for _ in starts])
    return sound


def _frogs(dice: Dice, n: int) -> Floats:
    at, sound = seconds(n), 0.5 * hiss(dice, n, 250, 800) * swell(dice, n, dice.uniform(1, 2)) ** 2
    for _ in range(dice.integer(2, 4)):
        length = dice.uniform(0.25, 0.5)
        notes = [Note(t, length, dice.uniform(500, 900), 1, 1.15) for t in moments(dice, n, 2 * length, 0.3)]
        rattle = np.maximum(0, np.sin(np.float32(2 * np.pi * dice.uniform(22, 40)) * at)) ** 2
        sound += voice(n, notes, timbre(1, 0.6, 0.5, 0.2), 0.05) * rattle
    return sound


def _waves(dice: Dice, n: int) -> Floats:
    period = dice.uniform(2.5, 5)
    turn = np.float32(2 * np.pi) * (seconds(n) / np.float32(period) + np.float32(dice.uniform()))
    surge = (0.5 + 0.5 * np.sin(turn)) ** 2
    sound: Floats = hiss(dice, n, 80, 500) * (0.1 + surge) + 0.7 * hiss(dice, n, 1000, 5000) * surge**2
    high = dice.uniform(1100, 1700)
    cries = moments(dice, n, dice.uniform(0.4, 1.2))
    notes = [Note(t, 0.28, high * dice.about(1, 0.08), dice.uniform(0.4, 1), 0.68) for t in cries]
    sound += dice.uniform(0.3, 0.8) * voice(n, notes, timbre(1, 0.7, 0.5, 0.3), 0.04)
    return sound


def _dogs(dice: Dice, n: int) -> Floats:
    sound = np.zeros(n, np.float32)
    for _ in range(dice.integer(1, 2)):
        pitch = dice.uniform(320, 620)
        barks = [t + k * 0.3 for t in moments(dice, n, dice.uniform(1.0, 1.8)) for k in range(dice.integer(1, 3))]
        notes = [Note(t, 0.16, pitch * dice.about(1, 0.05), dice.uniform(0.6, 1), 0.7) for t in sorted(barks)]
        sound += voice(n, notes, timbre(1, 0.9, 0.8, 0.5, 0.4, 0.3, 0.2), 0.015)
        sound += 0.3 * scattered(n, [t for t in barks if t < n / RATE], burst(dice, 0.12, 600, 3000))
    return sound


def _traffic(dice: Dice, n: int) -> Floats:
    sound = hiss(dice, n, 40, dice.uniform(150, 300)) * (0.4 + 0.6 * swell(dice, n, 0.4))
    sound += 0.3 * hiss(dice, n, 500, 1500) * swell(dice, n, 0.3) ** 2
    low, ratio = dice.uniform(330, 450), dice.choice((1.2, 1.26, 1.33))
    starts = moments(dice, n, dice.uniform(0.9, 2.2))
    lengths = [dice.uniform(0.15, 0.6) for _ in starts]
    for pitch in (low, low * ratio):
        notes = [Note(t, length, pitch) for t, length in zip(starts, lengths)]
        sound += 0.6 * voice(n, notes, timbre(1, 0.8, 0.9, 0.6, 0.5, 0.4, 0.3), 0.02)
    return sound


def _fountain(dice: Dice, n: int) -> Floats:
    sound = 0.25 * hiss(dice, n, 1500, 5000)
    for _ in range(4):
        bubbles = moments(dice, n, dice.uniform(0.05, 0.12), 0.9)
        notes = [Note(t, 0.06, dice.uniform(600, 2600), dice.uniform(0.2, 1), 1.25) for t in bubbles]
        sound += voice(n, notes, PURE, 0.004, 0.03)
    return sound


# ---- Hours.


def _birds(dice: Dice, n: int) -> Floats:
    sound = np.zeros(n, np.float32)
    for _ in range(dice.integer(2, 4)):
        low, length = dice.uniform(2200, 4500), dice.uniform(0.06, 0.16)
        song = [(dice.about(1, 0.25), dice.uniform(0.7, 1.4)) for _ in range(dice.integer(2, 5))]
        begins = moments(dice, n, dice.uniform(0.9, 1.5) * length * (len(song) + 3), 0.4)
        notes = [
            Note(t + k * 1.3 * length, length, low * pitch, 1, glide)
            for t in begins
            for k, (pitch, glide) in enumerate(song)
        ]
        sound += dice.uniform(0.4, 1) * voice(n, sorted(notes), PURE, 0.015)
    return sound


def _bell(dice: Dice, n: int) -> Floats:
    stroke = struck(dice.uniform(180, 330), (0.5, 1, 1.2, 1.5, 2, 2.7, 3.4), dice.uniform(0.8, 1.4))
    return scattered(n, moments(dice, n, dice.uniform(1.0, 1.8), 0.04), stroke)


def _crickets(dice: Dice, n: int) -> Floats:
    at, sound = seconds(n), np.zeros(n, np.float32)
    for _ in range(dice.integer(1, 3)):
        tone = np.sin(np.float32(2 * np.pi * dice.uniform(4000, 5400)) * at)
        trill = np.maximum(0, np.sin(np.float32(2 * np.pi * dice.uniform(24, 40)) * at))
        chirp = np.sin(np.float32(2 * np.pi) * (np.float32(dice.uniform(1.2, 3)) * at + np.float32(dice.uniform()))) > 0
        sound += dice.uniform(0.4, 1) * tone * trill * chirp
    if dice.chance(0.4):
        pitch = dice.uniform(300, 420)
        notes = [Note(t, 0.45, pitch, 1, 0.93) for t in moments(dice, n, dice.uniform(0.8, 1.6))]
        sound += voice(n, notes, timbre(1, 0.1), 0.1)
    return sound


MAKERS: dict[str, dict[str, Maker]] = {  # a clear sky and the day itself are silent
    "setting": {
        **{"meadow": _bees, "forest": _woods, "mountains": _cowbells, "lake": _frogs},
        **{"seaside": _waves, "village": _dogs, "city": _traffic, "garden": _fountain},
    },
    "time": {"dawn": _birds, "dusk": _bell, "night": _crickets},
    "weather": {"rain": _rain, "cloudy": _wind, "snow": _steps_in_snow, "fog": _foghorn},
    "mood": {mood: partial(tune, mood) for mood in MANNERS},
}
PARTS = {"all": tuple(MAKERS), "place": ("setting", "time", "weather"), "tune": ("mood",)}
SHARES = {"all": 0.7, "place": 0.15, "tune": 0.15}  # how often which part of a scene is heard


def level(dice: Dice) -> float:
    """How loud one of several things is heard: within 6 dB, both ways."""
    return float(10 ** dice.uniform(-0.3, 0.3))


def heard(facts: Mapping[str, str], parts: str) -> list[tuple[str, str]]:
    """What makes a noise in a scene: attributes and their words."""
    return [(name, facts[name]) for name in PARTS[parts] if facts[name] in MAKERS[name]]


def made(name: str, word: str, dice: Dice, n: int) -> Floats:
    """n samples of what one attribute sounds like."""
    return even(MAKERS[name][word](dice, n))


def echoed(x: Floats, dice: Dice) -> Floats:
    """x as it is heard in one place or another."""
    return even(room(dice, x, dice.uniform(0, 0.6), dice.uniform(0.1, 1.2)))


def sound(facts: Mapping[str, str], dice: Dice, length: float | None = None, parts: str | None = None) -> Floats:
    """What a scene sounds like: mono samples at 16 kHz in [-1, 1].

    Levels, pitches, rhythms, echoes and the microphone are as the dice fall.

    Args:
        facts: words of the scene's setting, time, weather and mood.
        length: seconds, rounded to tenths; 3 to 10 where it is left out.
        parts: "all" of these, the "place" without the mood, or the "tune" alone; by the dice where it is left out.
    """
    n = round(10 * (length or dice.uniform(3, 10))) * (RATE // 10)
    out = np.zeros(n, np.float32)
    for name, word in heard(facts, parts or dice.weighted(SHARES)):
        out += level(dice) * made(name, word, dice, n)
    out = echoed(out, dice) + 10 ** dice.uniform(-3, -2) * hiss(dice, n, 50, 6000)
    return out * np.float32(10 ** dice.uniform(-1.3, -0.05) / np.abs(out).max())
