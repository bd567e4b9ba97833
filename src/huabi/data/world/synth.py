"""What the world's sounds are made of: noises, voices, strikes and rooms, all of them arrays at 16 kHz."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

import numpy as np

from ...mel import RATE, Floats
from .dice import Dice

CYCLE = 1024  # samples of a voice's one wave
FADE = 0.02  # seconds in which a note ends


class Note(NamedTuple):
    """One tone of a voice; its pitch glides from `pitch` to `pitch * glide`."""

    start: float  # seconds
    length: float  # seconds
    pitch: float  # Hz
    level: float = 1.0
    glide: float = 1.0


def chances(dice: Dice, n: int) -> Floats:
    """n numbers in [0, 1), from the raw bits of a generator, which NumPy promises to leave as they are."""
    raw = np.random.PCG64(dice.integer(0, 2**62)).random_raw(n)
    return (raw >> np.uint64(40)).astype(np.float32) * np.float32(2.0**-24)


def seconds(n: int) -> Floats:
    """The time of each of n samples."""
    return np.arange(n, dtype=np.float32) / np.float32(RATE)


def falling(n: int, decay: float) -> Floats:
    """What begins at 1 and falls to 1/e in `decay` seconds, again and again."""
    curve: Floats = np.exp(seconds(n) * np.float32(-1 / decay))
    return curve


def even(x: Floats) -> Floats:
    """x, whole tenths of a second, as loud as others: 1 is the root mean square of its loudest tenth."""
    loudest = float(np.sqrt((x.reshape(-1, RATE // 10) ** 2).mean(1).max()))
    return x / np.float32(max(loudest, 1e-9))


def hiss(dice: Dice, n: int, low: float, high: float) -> Floats:
    """Noise between two frequencies, beyond which it fades by 12 dB an octave."""
    hertz = np.arange(1, n // 2 + 1, dtype=np.float32) * np.float32(RATE / n)
    parts = (chances(dice, n // 2 * 2) - 0.5).view(np.complex64)
    below, above = (low / hertz) ** 2, (hertz / high) ** 2
    spectrum = np.concatenate([[0], parts / ((1 + below) * (1 + above))])
    return even(np.fft.irfft(spectrum, n).astype(np.float32))


def swell(dice: Dice, n: int, hertz: float) -> Floats:
    """A slow curve in [0, 1] that turns about `hertz` times a second."""
    points = chances(dice, math.ceil(n / RATE * hertz * 2) + 2)
    at = seconds(n) * np.float32(2 * hertz)
    curve: Floats = np.interp(at, np.arange(len(points)), points).astype(np.float32)
    return curve


def moments(dice: Dice, n: int, gap: float, jitter: float = 0.5) -> list[float]:
    """Times of things that happen about every `gap` seconds, the first of them within one."""
    found, at = [], dice.uniform(0, min(gap, 0.5 * n / RATE))
    while at < n / RATE:
        found.append(at)
        at += gap * dice.uniform(1 - jitter, 1 + jitter)
    return found


@cache
def timbre(*levels: float) -> Floats:
    """One cycle of a wave of harmonics with these levels, of root mean square 1."""
    turn = 2 * np.pi * np.arange(CYCLE) / CYCLE
    parts = [level * np.sin((k + 1) * turn) for k, level in enumerate(levels)]
    wave: Floats = np.sum(parts, 0).astype(np.float32)
    wave /= np.sqrt(np.mean(wave**2))
    return wave


def voice(
    n: int, notes: Sequence[Note], wave: Floats, attack: float = 0.01, decay: float = 10.0, vibrato: float = 0.0
) -> Floats:
    """Notes one after the other, in the order of their starts; each ends where the next begins, if not before.

    Args:
        wave: one cycle, see `timbre`.
        attack, decay: seconds in which a note rises, and in which it falls to 1/e.
        vibrato: share by which the pitch swings, five and a half times a second.
    """
    out = np.zeros(n, np.float32)
    table = np.array([note for note in notes if note.start < n / RATE], np.float32)
    if not len(table):
        return out
    table[:, 1] = np.minimum(table[:, 1], np.diff(table[:, 0], append=n / RATE))
    starts = (table[:, 0] * RATE).astype(np.int64)
    each = np.repeat(np.arange(len(starts)), np.diff(starts, append=n))
    length, pitch, level, glide = (column[each] for column in table[:, 1:].T)
    at = seconds(n)[starts[0] :]
    since = at - table[each, 0]
    hertz = pitch * (1 + (glide - 1) * np.minimum(since / length, 1))
    if vibrato:
        hertz *= 1 + np.float32(vibrato) * np.sin(np.float32(2 * np.pi * 5.5) * at)
    phase = np.cumsum(hertz, dtype=np.float64) * (CYCLE / RATE)
    loud = np.minimum(since / attack, 1) * np.exp(since * np.float32(-1 / decay)) * level
    out[starts[0] :] = wave[phase.astype(np.int64) & (CYCLE - 1)] * loud * np.clip((length - since) / FADE, 0, 1)
    return out


def struck(pitch: float, partials: Sequence[float], decay: float) -> Floats:
    """One stroke on metal or wood: partials at multiples of `pitch`, the higher the sooner they die away."""
    at = seconds(int(min(4 * decay, 3) * RATE))
    tones = [
        np.exp(at * np.float32(-(ratio**0.7) / decay)) * np.sin(np.float32(2 * np.pi * pitch * ratio) * at) / (1 + k)
        for k, ratio in enumerate(partials)
        if pitch * ratio < RATE / 2
    ]
    return np.asarray(np.sum(tones, 0), np.float32)


def burst(dice: Dice, length: float, low: float, high: float) -> Floats:
    """A short noise that falls away."""
    n = max(1, round(length * 10)) * (RATE // 10)
    return hiss(dice, n, low, high) * falling(n, length / 5)


def scattered(n: int, starts: Sequence[float], grain: Floats, levels: Sequence[float] | None = None) -> Floats:
    """`grain` at each start, in seconds; what would ring on after the end is cut off."""
    out = np.zeros(n, np.float32)
    for k, start in enumerate(starts):
        at = int(start * RATE)
        out[at : at + len(grain)] += grain[: max(0, n - at)] * np.float32(1 if levels is None else levels[k])
    return out


def room(dice: Dice, x: Floats, wet: float, length: float) -> Floats:
    """x as it is heard in a room that rings for `length` seconds, by a microphone that colours it a little.

    The end rings on into the beginning, as where the sound is repeated.
    """
    n = len(x)
    rings = (chances(dice, n) - np.float32(0.5)) * falling(n, length / 7)
    rings *= np.float32(wet / np.sqrt(np.sum(rings.astype(np.float64) ** 2)))
    rings[0] += 1
    hertz = np.arange(n // 2 + 1, dtype=np.float32) * np.float32(RATE / n)
    tilt = ((hertz + 50) / 1000) ** np.float32(dice.uniform(-0.25, 0.25))
    return np.fft.irfft(np.fft.rfft(x) * np.fft.rfft(rings) * tilt, n).astype(np.float32)
