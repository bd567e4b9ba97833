"""What lies behind and over the things of a scene: sky, land and weather."""

from __future__ import annotations

from .dice import Dice
from .land import DRAW, EDGE, Land, paints
from .light import Light, light
from .scene import Scene
from .shapes import RGB, Shape, ellipse, mixed

__all__ = ["Light", "backdrop", "horizon", "light", "overlay", "water"]

_HORIZON = {
    "meadow": 0.55,
    "forest": 0.52,
    "mountains": 0.54,
    "lake": 0.45,
    "seaside": 0.45,
    "village": 0.56,
    "city": 0.58,
    "garden": 0.54,
}
_WATER = {"lake": (0.47, 0.7), "seaside": (0.46, 0.7)}


def horizon(setting: str) -> float:
    """The y of the horizon in the frame, 0.42 to 0.62: what stands on the ground stands below it."""
    return _HORIZON[setting]


def water(setting: str) -> tuple[float, float] | None:
    """The band of y, top and bottom, that is water across the whole frame, or None where there is none."""
    return _WATER.get(setting)


def backdrop(scene: Scene) -> list[Shape]:
    """All that lies behind the things of a scene, from back to front, in the picture's frame.

    Sky, far layers, middle layer and ground depend on setting, time, weather, season and mood; `scene.seed` varies
    their lines. At most some 35 shapes, which cover the frame.
    """
    sheen = light(scene)
    dice = Dice("backdrop", scene.seed, scene.setting)
    materials = paints(sheen, scene.season, scene.weather == "snow")
    land = Land(scene, sheen, dice, _HORIZON[scene.setting], _WATER.get(scene.setting), materials)
    _sky(land)
    DRAW[scene.setting](land)
    if scene.mood == "mysterious":
        _mist(land)
    elif scene.mood == "festive":
        ember = mixed(sheen.low, (255, 80, 80), 0.65)
        for rgb, count in (((255, 222, 120), 15), (ember, 11)):
            land.add(_dots(dice, scene.aspect, count, 0.007, 0.0, land.horizon - 0.08), rgb, opacity=0.85)
    return land.shapes


def overlay(scene: Scene) -> list[Shape]:
    """The weather in front of everything: streaks of rain, flakes of snow or bands of fog; nothing else."""
    if scene.weather in ("clear", "cloudy"):
        return []
    dice, sheen = Dice("overlay", scene.seed, scene.weather), light(scene)
    if scene.weather == "rain":
        return _rain(scene, dice, sheen)
    if scene.weather == "snow":
        return _snow(scene, dice, sheen)
    return _fog(scene, dice, sheen)


def _sky(land: Land) -> None:
    """The gradient, the overcast, the stars and the mood's own hand."""
    scene, sheen, dice = land.scene, land.light, land.dice
    right, low = scene.aspect + EDGE, land.horizon + 0.08
    zenith = mixed(sheen.zenith, sheen.low, dice.uniform(0, 0.12))
    land.add(f"M{-EDGE} {-EDGE}H{right:.3f}V{low:.3f}H{-EDGE}Z", zenith, sheen.low)
    if scene.weather in ("cloudy", "rain", "snow"):
        shade = mixed(zenith, (70, 76, 100), 0.5 if scene.weather == "rain" else 0.3)
        for y, step, opacity in ((0.27, 0.5, 0.35), (0.12, 0.36, 0.5)):
            land.add(land.rolling(y, 0.045, step, -EDGE), shade, zenith, opacity)
    elif scene.time == "night" and scene.weather == "clear":
        star = mixed(sheen.low, (255, 250, 225), 0.85)
        land.add(_dots(dice, scene.aspect, 22, 0.0035, -0.02, land.horizon - 0.08), star, detail=True)
        land.add(_dots(dice, scene.aspect, 9, 0.0055, 0.0, land.horizon - 0.16), star, detail=True)
    _mood(land, zenith)


def _mood(land: Land, zenith: RGB) -> None:
    """What a mood does to the sky, besides its colours."""
    scene, sheen, dice, a = land.scene, land.light, land.dice, land.aspect
    mood = scene.mood
    if mood == "calm":
        bars = []
        for y in (0.2, 0.31, 0.4):
            top = y + dice.uniform(-0.03, 0.03)
            bars.append(f"M{-EDGE} {top:.3f}H{a + EDGE:.3f}v{dice.uniform(0.015, 0.03):.3f}H{-EDGE}Z")
        land.add("".join(bars), sheen.low, opacity=0.4)
    elif mood == "joyful":
        for y in (0.4, 0.3, 0.2):
            sag = dice.uniform(0.1, 0.14)
            rim = f"V{y - sag / 2:.3f}Q{a / 2:.3f} {y + sag:.3f} {a + EDGE:.3f} {y - sag / 2:.3f}"
            land.add(f"M{-EDGE} {land.horizon}{rim}V{land.horizon}Z", sheen.low, opacity=0.3)
    elif mood == "sad":
        for y, step in ((0.3, 0.3), (0.17, 0.22)):
            _veil(land, y, step, mixed(zenith, (60, 70, 92), 0.45))
    elif mood == "mysterious":
        x, glow = a * dice.uniform(0.3, 0.7), mixed(sheen.low, (140, 240, 225), 0.4)
        for wide, high in ((1.1, 0.3), (0.85, 0.2), (0.6, 0.12)):
            land.add(ellipse(x, land.horizon, wide * max(a, 1), high), glow, opacity=0.14)
    elif mood == "angry":
        land.add(land.rolling(0.1, 0.07, 0.24, -EDGE), mixed(zenith, (16, 2, 6), 0.7), opacity=0.5)
        ember = mixed(sheen.low, (230, 40, 20), 0.5)
        for rgb, thick, count in (((26, 4, 10), 0.014, 15), (ember, 0.008, 8)):
            land.add(_slashes(land, count, thick), rgb, opacity=0.6)


def _veil(land: Land, y: float, step: float, rgb: RGB) -> None:
    """A curtain of grey that sags from the top of the frame."""
    x, out = -EDGE, []
    while x < land.aspect + EDGE:
        d = step * land.dice.uniform(0.7, 1.3)
        out.append(f"q{d / 2:.3f} {land.dice.uniform(0.07, 0.13):.3f} {d:.3f} 0")
        x += d
    land.add(f"M{-EDGE} {-EDGE}V{y:.3f}{''.join(out)}V{-EDGE}Z", rgb, opacity=0.22)


def _mist(land: Land) -> None:
    """Long wisps that lie over the ground."""
    a, h = land.aspect, land.horizon
    rgb, out = mixed(land.light.low, (170, 240, 230), 0.35), []
    for _ in range(round(5 + 4 * a)):
        wide, y = land.dice.uniform(0.5, 1.0), land.dice.uniform(h - 0.05, h + 0.14)
        x = land.dice.uniform(-0.5, a)
        out.append(f"M{x:.3f} {y:.3f}q{wide / 2:.3f} -.018 {wide:.3f} 0q{-wide / 2:.3f} .018 {-wide:.3f} 0Z")
    land.add("".join(out), rgb, opacity=0.16)


def _slashes(land: Land, count: int, thick: float) -> str:
    """Slanted strokes across the sky, tapered at both ends."""
    about, out = land.dice.uniform, []
    for _ in range(round(count * max(land.aspect, 0.6))):
        long = about(0.14, 0.4)
        x, y = about(-0.2, land.aspect), about(0.04, land.horizon - 0.06)
        out.append(f"M{x:.3f} {y:.3f}l{long:.3f} {-0.5 * long:.3f} {-0.6 * long:.3f} {0.3 * long + thick:.3f}Z")
    return "".join(out)


def _dots(dice: Dice, aspect: float, count: int, radius: float, top: float, bottom: float) -> str:
    """Round dots, `count` per unit of width, as one path."""
    about = dice.uniform
    arc = f"a{radius} {radius} 0 1 0 "
    dot = f"{arc}{2 * radius} 0{arc}{-2 * radius} 0Z"
    return "".join(
        f"M{about(-0.02, aspect + 0.02):.3f} {about(top, bottom):.3f}{dot}" for _ in range(round(count * aspect))
    )


def _slant(scene: Scene) -> float:
    """How far a falling drop drifts sideways for each unit it falls."""
    return {"angry": 0.75, "sad": 0.0, "calm": 0.05}.get(scene.mood, 0.22)


def _rain(scene: Scene, dice: Dice, sheen: Light) -> list[Shape]:
    slant, out = _slant(scene), []
    rgb = mixed(sheen.low, (240, 246, 252), 0.72)
    for count, long, width, opacity in ((40, 0.08, 0.006, 0.7), (34, 0.05, 0.004, 0.55)):
        drop = f"l{-slant * long:.3f} {long}"
        marks = [
            f"M{dice.uniform(0, scene.aspect + slant * 0.1):.3f} {dice.uniform(-0.04, 1):.3f}{drop}"
            for _ in range(round(count * scene.aspect))
        ]
        out.append(Shape("".join(marks), stroke=rgb, width=width, opacity=opacity))
    return out


def _snow(scene: Scene, dice: Dice, sheen: Light) -> list[Shape]:
    rgb = mixed(sheen.low, (255, 255, 255), 0.92)
    return [
        Shape(_dots(dice, scene.aspect, count, radius, 0.0, 1.0), rgb, opacity=opacity)
        for count, radius, opacity in ((34, 0.006, 0.8), (20, 0.0095, 0.92))
    ]


def _fog(scene: Scene, dice: Dice, sheen: Light) -> list[Shape]:
    h, out = _HORIZON[scene.setting], []
    rgb = mixed(sheen.low, (255, 255, 255), 0.15)
    for y, thick, layers in ((h - 0.04, 0.15, 3), (0.79, 0.1, 2)):
        y += dice.uniform(-0.03, 0.03)
        # Thinner bands upon a thick one: a soft edge without a gradient of opacity.
        for k in range(layers):
            out.append(Shape(_drift(scene.aspect, y, thick * (1 - 0.3 * k), dice), rgb, opacity=0.12))
    return out


def _drift(aspect: float, y: float, half: float, dice: Dice) -> str:
    """A level band about `y`, `half` high both ways, with gently bent edges."""
    right, third = aspect + EDGE, aspect / 3
    up, down = (half * dice.uniform(-0.4, 0.4) for _ in range(2))
    top, low = y - half, y + half
    return (
        f"M{-EDGE} {top:.3f}C{third:.3f} {top + up:.3f} {2 * third:.3f} {top - up:.3f} {right:.3f} {top:.3f}V{low:.3f}"
        f"C{2 * third:.3f} {low + down:.3f} {third:.3f} {low - down:.3f} {-EDGE} {low:.3f}Z"
    )
