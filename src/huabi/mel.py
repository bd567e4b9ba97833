"""Sounds as nets see them: how loud each band of pitch is in each tenth of a second."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

__all__ = ["BANDS", "FRAMES", "RATE", "SPAN", "in_decibels", "log_mel", "mel_filters", "mel_power"]

RATE = 16_000  # samples a second
BANDS, FRAMES = 64, 100  # of a log-mel spectrogram
WINDOW, HOP, POINTS = 400, 160, 512  # samples: 25 ms, 10 ms, and of the transform
POOLED = 10  # hops in a frame
SPAN = FRAMES * POOLED * HOP / RATE  # seconds
RANGE = 80.0  # dB below the loudest, from which on all is silence

Floats = NDArray[np.float32]


def _mel(hertz: float) -> float:
    """HTK's mel scale (O'Shaughnessy 1987; Young et al., The HTK Book, section 5.4)."""
    return float(2595 * np.log10(1 + hertz / 700))


@cache
def mel_filters() -> Floats:
    """Triangles of height 1, evenly spaced in mel from 0 to 8 kHz and half over one another: (BANDS, POINTS/2 + 1)."""
    edges = 700 * (10 ** (np.linspace(0, _mel(RATE / 2), BANDS + 2) / 2595) - 1)  # Hz
    low, peak, high = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    hertz = np.linspace(0, RATE / 2, POINTS // 2 + 1)
    return np.maximum(0, np.minimum((hertz - low) / (peak - low), (high - hertz) / (high - peak))).astype(np.float32)


def mel_power(samples: Floats) -> Floats:
    """Power in mel bands (BANDS, FRAMES) of mono samples at `RATE`, the mean over Hann windows in tenths of a second.

    A shorter sound than `SPAN` is repeated to fill the time, a longer one is cut off.
    """
    window = (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(WINDOW) / WINDOW)).astype(np.float32)
    padded = np.pad(samples[: int(SPAN * RATE)], (0, max(0, WINDOW - len(samples))))
    pieces = np.lib.stride_tricks.sliding_window_view(padded, WINDOW)[::HOP]  # (n, WINDOW)
    spectrum = np.fft.rfft(pieces * window, POINTS)
    power = (spectrum.real**2 + spectrum.imag**2) @ mel_filters().T  # (n, BANDS)
    filled = power[np.arange(FRAMES * POOLED) % len(power)]
    pooled: Floats = filled.reshape(FRAMES, POOLED, BANDS).mean(1).T
    return pooled


def in_decibels(power: Floats) -> Floats:
    """Power (..., BANDS, FRAMES) as nets see it: 1 is the loudest of a sound, -1 is 80 dB below it, or silence."""
    loudest = np.maximum(power.max((-2, -1), keepdims=True), np.float32(1e-20))
    decibels = 10 * np.log10(np.maximum(power / loudest, np.float32(10 ** (-RANGE / 10))))
    scaled: Floats = np.maximum(1 + decibels * np.float32(2 / RANGE), np.float32(-1))
    return scaled


def log_mel(samples: Floats) -> Floats:
    """The log-mel spectrogram (BANDS, FRAMES) in [-1, 1] of mono samples at `RATE`, however loud they are."""
    return in_decibels(mel_power(samples))
