"""Time, weather and mood as light: what a colour looks like under them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

from .scene import Scene
from .shapes import RGB, mixed

_HAZE = 0.12  # of the haze in a thing at distance 1
_AMBIENT = 0.18  # at most of the ambient colour in a thing


def _grey(rgb: RGB) -> float:
    """How bright a colour looks, 0 to 255."""
    return 0.3 * rgb[0] + 0.59 * rgb[1] + 0.11 * rgb[2]


class Tone(NamedTuple):
    """A strong turn of colour, for the backdrop only: saturation, contrast, gain, then a tint."""

    saturation: float = 1.0
    contrast: float = 1.0  # about the middle grey
    gain: tuple[float, float, float] = (1.0, 1.0, 1.0)
    tint: RGB = (128, 128, 128)
    share: float = 0.0  # of the tint

    def apply(self, rgb: RGB) -> RGB:
        """The colour under this tone."""
        grey = _grey(rgb)
        out = []
        for channel, gain, tint in zip(rgb, self.gain, self.tint):
            value = grey + (channel - grey) * self.saturation
            value = (128 + (value - 128) * self.contrast) * gain
            out.append(min(max(round(value + (tint - value) * self.share), 0), 255))
        return out[0], out[1], out[2]


@dataclass(frozen=True)
class Light:
    """How a scene's time, weather and mood colour what stands in it, and how rough its lines are."""

    ambient: RGB
    share: float  # of the ambient colour in a thing, 0 to 0.18
    haze: RGB  # what distant things fade into
    depth: float  # how strongly the backdrop's far layers fade into the haze, 0 to 1
    line: float  # roughness of drawn lines: 0.5 calm to 1.6 angry
    zenith: RGB  # the sky's colour at the top of the picture
    low: RGB  # and at the horizon
    dark: bool  # windows are lit
    tones: tuple[Tone, ...]

    def grade(self, rgb: RGB, distance: float = 0.0) -> RGB:
        """A thing's colour in this light, mild enough to keep its name; `distance` runs from 0, near, to 1, far."""
        r, g, b = float(rgb[0]), float(rgb[1]), float(rgb[2])
        x, y, z = self.ambient
        # The further the light is from the thing in brightness, the less of it is taken: black stays black at dawn.
        share = self.share * (1 - abs(_grey(rgb) - _grey(self.ambient)) / 300)
        r, g, b = r + (x - r) * share, g + (y - g) * share, b + (z - b) * share
        if distance:
            x, y, z = self.haze
            share = _HAZE * distance * (1 - abs(_grey(rgb) - _grey(self.haze)) / 300)
            r, g, b = r + (x - r) * share, g + (y - g) * share, b + (z - b) * share
        return round(r), round(g), round(b)

    def paint(self, rgb: RGB, distance: float = 0.0) -> RGB:
        """A colour of the backdrop in this light, strong: night is dark and fog is pale."""
        for tone in self.tones:
            rgb = tone.apply(rgb)
        return mixed(rgb, self.haze, self.depth * distance)


# Ambient colours of things and their shares, which add up.
_TIME_AMBIENT: dict[str, tuple[RGB, float]] = {
    "dawn": ((255, 206, 190), 0.06),
    "day": ((255, 255, 255), 0.0),
    "dusk": ((196, 104, 92), 0.07),
    "night": ((28, 40, 104), 0.13),
}
_WEATHER_AMBIENT: dict[str, tuple[RGB, float]] = {
    "clear": ((255, 255, 255), 0.0),
    "cloudy": ((150, 155, 165), 0.02),
    "rain": ((104, 120, 144), 0.04),
    "snow": ((214, 224, 238), 0.04),
    "fog": ((196, 202, 208), 0.05),
}
_MOOD_AMBIENT: dict[str, tuple[RGB, float]] = {
    "calm": ((200, 220, 232), 0.05),
    "joyful": ((255, 222, 130), 0.05),
    "sad": ((92, 108, 140), 0.08),
    "angry": ((120, 8, 16), 0.08),
    "mysterious": ((66, 64, 140), 0.08),
    "festive": ((255, 176, 70), 0.06),
}
_LINE = {"calm": 0.5, "joyful": 0.9, "sad": 0.7, "angry": 1.6, "mysterious": 0.8, "festive": 1.0}

_SKY: dict[str, tuple[RGB, RGB]] = {  # at the top, at the horizon
    "dawn": ((182, 170, 222), (255, 212, 184)),
    "day": ((112, 180, 234), (216, 238, 246)),
    "dusk": ((92, 74, 146), (252, 160, 88)),
    "night": ((16, 24, 64), (54, 74, 132)),
}
_OVERCAST: dict[str, RGB] = {
    "dawn": (206, 192, 204),
    "day": (188, 198, 208),
    "dusk": (138, 110, 128),
    "night": (42, 48, 72),
}
_COVER: dict[str, tuple[float, float]] = {  # share of the overcast in the sky, its brightness
    "clear": (0.0, 1.0),
    "cloudy": (0.7, 0.97),
    "rain": (0.86, 0.78),
    "snow": (0.8, 0.95),
    "fog": (0.92, 1.22),
}
_DEPTH = {"clear": 0.7, "cloudy": 0.72, "rain": 0.8, "snow": 0.82, "fog": 0.92}

_TIME_TONE: dict[str, Tone] = {
    "dawn": Tone(0.85, 0.9, (1.02, 0.95, 0.97), (255, 206, 196), 0.16),
    "day": Tone(),
    "dusk": Tone(0.95, 0.95, (0.9, 0.7, 0.78), (136, 76, 124), 0.22),
    "night": Tone(0.8, 1.0, (0.4, 0.47, 0.62), (24, 34, 88), 0.2),
}
_WEATHER_TONE: dict[str, Tone] = {
    "clear": Tone(),
    "cloudy": Tone(0.82, 0.95, (0.96, 0.96, 0.97)),
    "rain": Tone(0.7, 0.92, (0.82, 0.84, 0.87)),
    "snow": Tone(0.75, 0.92, (0.97, 0.98, 1.0)),
    "fog": Tone(0.6, 0.8),
}
_MOOD_TONE: dict[str, Tone] = {
    "calm": Tone(0.8, 0.87, (1.0, 1.01, 1.03), (206, 224, 234), 0.12),
    "joyful": Tone(1.28, 1.05, (1.05, 1.02, 0.97), (255, 220, 130), 0.05),
    "sad": Tone(0.45, 0.92, (0.76, 0.8, 0.86), (96, 112, 142), 0.18),
    "angry": Tone(0.75, 1.3, (0.78, 0.5, 0.48), (84, 6, 12), 0.26),
    "mysterious": Tone(0.6, 1.08, (0.68, 0.72, 0.92), (72, 58, 138), 0.34),
    "festive": Tone(1.15, 1.08, (1.08, 0.92, 0.82), (236, 88, 44), 0.2),
}
_MOOD_SKY: dict[str, tuple[tuple[RGB, float], tuple[RGB, float]]] = {  # tints at the top and at the horizon
    "calm": (((190, 216, 232), 0.1), ((240, 238, 230), 0.15)),
    "joyful": (((60, 170, 250), 0.15), ((255, 230, 165), 0.36)),
    "sad": (((84, 100, 130), 0.2), ((150, 162, 176), 0.3)),
    "angry": (((24, 4, 10), 0.55), ((170, 22, 14), 0.5)),
    "mysterious": (((88, 36, 140), 0.6), ((60, 168, 172), 0.45)),
    "festive": (((246, 104, 84), 0.5), ((255, 200, 90), 0.5)),
}


def light(scene: Scene) -> Light:
    """The light of a scene: of its time, weather and mood."""
    return _light(scene.time, scene.weather, scene.mood)


@cache
def _light(time: str, weather: str, mood: str) -> Light:
    parts = (_TIME_AMBIENT[time], _WEATHER_AMBIENT[weather], _MOOD_AMBIENT[mood])
    total = sum(share for _, share in parts)
    red, green, blue = (round(sum(rgb[k] * share for rgb, share in parts) / total) for k in range(3))
    share, bright = _COVER[weather]
    lid: RGB = tuple(min(round(channel * bright), 255) for channel in _OVERCAST[time])  # type: ignore[assignment]
    top, bottom = _SKY[time]
    top, bottom = mixed(top, lid, share), mixed(bottom, lid, share * 0.75)  # a rim of the time's colour stays
    # Tints follow the sky's own brightness, so that night stays night in every mood.
    dim = {"night": 0.45, "dusk": 0.8}.get(time, 1.0)
    strong = _MOOD_TONE[mood]
    if time == "night":
        strong = strong._replace(contrast=min(strong.contrast, 1.0))  # more would turn the land black
    tone = strong._replace(share=0.0)
    (high, high_share), (low, low_share) = _MOOD_SKY[mood]
    zenith = mixed(tone.apply(top), mixed((0, 0, 0), high, dim), high_share)
    bottom = mixed(tone.apply(bottom), mixed((0, 0, 0), low, dim), low_share)
    tint = strong._replace(tint=mixed((0, 0, 0), strong.tint, dim))
    return Light(
        ambient=(red, green, blue),
        share=min(total, _AMBIENT),
        haze=mixed(bottom, zenith, 0.4 if time == "dusk" else 0.15),
        depth=_DEPTH[weather],
        line=_LINE[mood],
        zenith=zenith,
        low=bottom,
        dark=time in ("dusk", "night"),
        tones=(_TIME_TONE[time], _WEATHER_TONE[weather], tint),
    )
