"""Simple hands that draw any picture: what a style network should know of besides brushes and the world's styles."""

from __future__ import annotations

import random

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

Grey = NDArray[np.float64]


def mosaic(picture: Image.Image, dice: random.Random) -> Image.Image:
    """Large squares of few colours or few tones, some with a rim where the colour changes."""
    side = dice.choice((1, 1, 2, 4, 4, 8))  # pixels: a network whose own grid has these sides can draw them
    method = dice.choice((Image.Resampling.BOX, Image.Resampling.NEAREST))
    small = picture.resize((picture.width // side, picture.height // side), method)
    colours, step = dice.randint(6, 40), dice.randint(10, 40)
    small = small.quantize(colours).convert("RGB") if dice.random() < 0.5 else _toned(small, step)
    if dice.random() < 0.5:
        small = _rimmed(small, small, dice)
    return small.resize(picture.size, Image.Resampling.NEAREST)


def poster(picture: Image.Image, dice: random.Random) -> Image.Image:
    """Even areas in few colours, most with outlines."""
    smooth = picture.filter(ImageFilter.MedianFilter(dice.choice([3, 5, 7])))
    flat = smooth.quantize(dice.randint(4, 14)).convert("RGB")
    return _rimmed(flat, smooth, dice) if dice.random() < 0.7 else flat


def halftone(picture: Image.Image, dice: random.Random) -> Image.Image:
    """Dots of an ink that are larger where it is darker, on paper; in some of three inks."""
    channels = picture.split() if dice.random() < 0.4 else (picture.convert("L"),)
    period = dice.uniform(4, 9)
    tones = []
    for channel in channels:
        along, across = _turned(picture.size, dice.uniform(0, np.pi))
        screen = (2 + np.cos(along * 2 * np.pi / period) + np.cos(across * 2 * np.pi / period)) / 4
        tones.append(_step(_light(channel) - screen, 4 / period))
    return _inked(tones, dice)


def hatching(picture: Image.Image, dice: random.Random) -> Image.Image:
    """Lines of an ink on paper, in more directions where it is darker."""
    light, paper = _light(picture.convert("L")), np.ones((picture.height, picture.width))
    first, period = dice.uniform(0, np.pi), dice.uniform(3.5, 8)
    wave = _turned(picture.size, 0.0)
    bend = 0.6 * np.sin(wave[0] / dice.uniform(8, 20)) + 0.6 * np.sin(wave[1] / dice.uniform(8, 20))
    for number, level in enumerate((0.8, 0.55, 0.3)):
        along, _ = _turned(picture.size, first + number * np.pi / 3)
        line = _step(np.cos((along + bend) * 2 * np.pi / period) - dice.uniform(0.2, 0.6), 4 / period)
        paper *= 1 - line * _step(level - light, 6)
    return _inked([paper], dice)


HANDS = (mosaic, mosaic, poster, halftone, hatching)


def _light(channel: Image.Image) -> Grey:
    return np.asarray(channel, np.float64) / 255


def _turned(size: tuple[int, int], angle: float) -> tuple[Grey, Grey]:
    """Places along a direction, and across it."""
    rows, columns = np.mgrid[: size[1], : size[0]]
    return columns * np.cos(angle) + rows * np.sin(angle), rows * np.cos(angle) - columns * np.sin(angle)


def _step(x: Grey, steep: float) -> Grey:
    """From 0 to 1 where x goes through 0."""
    found: Grey = np.clip(x * steep + 0.5, 0, 1)
    return found


def _inked(tones: list[Grey], dice: random.Random) -> Image.Image:
    """Paper where a tone is 1 and ink where it is 0; three tones are red, green and blue."""
    if len(tones) == 3:
        return Image.fromarray((np.stack(tones, -1) * 255).astype(np.uint8))
    ink, paper = (np.array([dice.uniform(*span) for _ in range(3)]) for span in ((0, 110), (170, 255)))
    tone = tones[0][..., None]
    return Image.fromarray((ink + (paper - ink) * tone).astype(np.uint8))


def _toned(picture: Image.Image, step: int) -> Image.Image:
    """In few levels of brightness, whose hues stay."""
    pixels, light = np.asarray(picture, np.float64), np.asarray(picture.convert("L"), np.float64)[..., None]
    level = light // step * step + step / 2
    return Image.fromarray(np.clip(pixels * level / np.maximum(light, 1), 0, 255).astype(np.uint8))


def _rimmed(picture: Image.Image, lines: Image.Image, dice: random.Random) -> Image.Image:
    """Darkened where the colours of `lines` change."""
    grey = _light(lines.convert("L"))
    change = np.hypot(np.diff(grey, axis=0, append=grey[-1:]), np.diff(grey, axis=1, append=grey[:, -1:]))
    if dice.random() < 0.5:  # on both sides of it
        change = np.maximum(change, np.maximum(np.roll(change, 1, 0), np.roll(change, 1, 1)))
    dark = 1 - dice.uniform(0.3, 0.9) * _step(change - dice.uniform(0.05, 0.12), 12)
    return Image.fromarray((np.asarray(picture) * dark[..., None]).astype(np.uint8))
