"""Tunes in the world's moods: scale, tempo, register, timbre and touch say which."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...mel import RATE, Floats
from .dice import Dice
from .synth import Note, burst, even, hiss, scattered, struck, swell, timbre, voice

MAJOR, MINOR = (0, 2, 4, 5, 7, 9, 11), (0, 2, 3, 5, 7, 8, 10)
PENTATONIC, WHOLE_TONES, DIMINISHED = (0, 2, 4, 7, 9), (0, 2, 4, 6, 8, 10), (0, 3, 6, 9)
PHRYGIAN = (0, 1, 3, 6, 7)  # without its milder steps

FLUTE, GLASS = timbre(1, 0.25, 0.08), timbre(1, 0, 0.05, 0, 0, 0.3)
PLUCKED = timbre(1, 0.5, 0.35, 0.2, 0.1)
STRINGS = timbre(*(1 / k for k in range(1, 10)))
BRASS = timbre(0.7, 1, 0.9, 0.8, 0.6, 0.4, 0.3, 0.2)


@dataclass(frozen=True)
class Manner:
    """How a mood is played; pairs are the lowest and the highest that the dice may give."""

    tempo: tuple[float, float]  # beats a minute
    root: tuple[float, float]  # Hz of the scale's first tone
    scales: tuple[tuple[int, ...], ...]
    timbres: tuple[Floats, ...]
    rhythm: dict[float, float]  # beats of a note, and how often
    touch: tuple[float, float]  # share of its time that a note sounds
    attack: float  # seconds
    decay: tuple[float, float]  # seconds
    leap: int = 2  # scale steps that the melody may go at once
    drift: float = 0.0  # steps that it tends to go: down below 0
    vibrato: float = 0.0
    chord: tuple[int, ...] = ()  # scale steps of the voices below
    parallel: bool = False  # those move with the melody, and do not lie still
    drums: bool = False
    drive: float = 0.0  # distortion


MANNERS = {
    "calm": Manner(
        (54, 76), (240, 360), (PENTATONIC,), (FLUTE, PLUCKED), {1: 2, 2: 2, 3: 1}, (1.0, 1.2), 0.06, (0.8, 2.0),
        chord=(0, 3),
    ),
    "joyful": Manner(
        (112, 150), (420, 620), (MAJOR, PENTATONIC), (PLUCKED, FLUTE), {0.5: 4, 1: 1, 0.25: 1}, (0.4, 0.7), 0.008,
        (0.15, 0.4), leap=4,
    ),
    "sad": Manner(
        (48, 70), (150, 230), (MINOR,), (STRINGS,), {1: 2, 2: 2, 1.5: 1}, (1.0, 1.1), 0.15, (3, 8), drift=-0.5,
        vibrato=0.012, chord=(0, 2),
    ),
    "angry": Manner(
        (140, 185), (65, 105), (PHRYGIAN,), (STRINGS, BRASS), {0.5: 4, 0.25: 2, 1: 1}, (0.7, 0.95), 0.005, (0.5, 2),
        leap=3, chord=(0, 1), parallel=True, drums=True, drive=3.0,
    ),
    "mysterious": Manner(
        (40, 60), (300, 520), (WHOLE_TONES, DIMINISHED), (GLASS,), {1: 2, 2: 1, 0.5: 1}, (1.0, 1.3), 0.02, (0.6, 1.6),
        leap=4,
    ),
    "festive": Manner(
        (104, 140), (220, 330), (MAJOR,), (BRASS,), {0.5: 3, 1: 2, 0.25: 1}, (0.7, 0.95), 0.02, (0.6, 2), leap=3,
        chord=(2, 4), parallel=True, drums=True,
    ),
}  # fmt: skip


def _pitch(root: float, scale: tuple[int, ...], step: int) -> float:
    octave, degree = divmod(step, len(scale))
    return root * float(2 ** (octave + scale[degree] / 12))


def _melody(manner: Manner, dice: Dice, beat: float, length: float) -> list[tuple[float, float, int]]:
    """Starts and lengths in seconds, and scale steps: a walk within an octave and a half that begins on the root."""
    found, at, step = [], dice.uniform(0, 0.2), dice.choice((0, 2, 4))
    while at < length:
        lasts = dice.weighted(manner.rhythm) * beat
        found.append((at, lasts, step))
        at += lasts
        moved = step + round(dice.uniform(-manner.leap, manner.leap) + manner.drift)
        step = moved if -3 <= moved <= 8 else dice.choice((0, 4, 6))
    return found


def _drums(dice: Dice, n: int, beat: float) -> Floats:
    deep, high = struck(dice.uniform(55, 90), (1, 1.6), 0.12), burst(dice, 0.15, 2500, 7000)
    strokes = int(n / RATE / beat * 2)
    weak = [k for k in range(strokes) if k % 4 == 2 or dice.chance(0.3)]
    on = scattered(n, [k * beat for k in range(strokes // 2)], deep / np.abs(deep).max())
    return even(on) + 0.7 * scattered(n, [k * beat / 2 for k in weak], high)


def tune(mood: str, dice: Dice, n: int) -> Floats:
    """n samples of a tune in one of the world's moods."""
    manner = MANNERS[mood]
    beat = 60 / dice.uniform(*manner.tempo)
    root, scale, wave = dice.uniform(*manner.root), dice.choice(manner.scales), dice.choice(manner.timbres)
    touch, decay = dice.uniform(*manner.touch), dice.uniform(*manner.decay)
    melody = _melody(manner, dice, beat, n / RATE)

    def played(shift: int, below: float = 1.0) -> Floats:
        notes = [Note(t, touch * lasts, _pitch(root * below, scale, step + shift)) for t, lasts, step in melody]
        return voice(n, notes, wave, manner.attack, decay, manner.vibrato)

    sound = played(0)
    for step in manner.chord:
        if manner.parallel:
            sound += 0.6 * played(step)
        else:
            bar = [Note(t, 4 * beat, _pitch(root / 2, scale, step)) for t in np.arange(0, n / RATE, 4 * beat).tolist()]
            sound += 0.4 * voice(n, bar, wave, 0.1, 4 * beat, manner.vibrato)
    if mood == "mysterious":  # a drone that breathes
        drone = voice(n, [Note(0, n / RATE, root / 4)], STRINGS, 0.5)
        sound += 0.4 * drone * swell(dice, n, 0.5) + 0.1 * hiss(dice, n, 1500, 3000) * swell(dice, n, 0.4) ** 2
    if manner.drive:
        sound = np.tanh(np.float32(manner.drive) * even(sound))
    if manner.drums:
        sound = even(sound) + dice.uniform(0.5, 1) * _drums(dice, n, beat)
    return sound
