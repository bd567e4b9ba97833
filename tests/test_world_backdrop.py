"""The backdrop of the picture world: it covers the frame, keeps its promises and leaves things their colours."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from huabi.data.world.backdrop import backdrop, horizon, light, overlay, water
from huabi.data.world.palette import COLOURS
from huabi.data.world.scene import MOODS, SEASONS, SETTINGS, TIMES, WEATHERS, Scene
from huabi.data.world.shapes import RGB, Shape


def _svg(shapes: list[Shape], aspect: float, rows: int) -> str:
    body = []
    for k, s in enumerate(shapes):
        fill = "none" if s.fill is None else f"rgb{s.fill}"
        if s.fade is not None:
            stops = f'<stop stop-color="{fill}"/><stop offset="1" stop-color="rgb{s.fade}"/>'
            body.append(f'<linearGradient id="g{k}" x2="0" y2="1">{stops}</linearGradient>')
            fill = f"url(#g{k})"
        stroke = "none" if s.stroke is None else f"rgb{s.stroke}"
        paint = f'fill="{fill}" stroke="{stroke}" stroke-width="{s.width}" opacity="{s.opacity}"'
        body.append(f'<path d="{s.path}" {paint}/>')
    head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{round(rows * aspect)}" height="{rows}"'
    return f'{head} viewBox="0 0 {aspect} 1">{"".join(body)}</svg>'


def _pixels(shapes: list[Shape], aspect: float = 1.0, rows: int = 32) -> np.ndarray:
    """(rows, columns, 4): colours and alpha, on nothing."""
    import io

    from PIL import Image

    resvg = pytest.importorskip("resvg_py")
    data = resvg.svg_to_bytes(svg_string=_svg(shapes, aspect, rows), skip_system_fonts=True)
    return np.asarray(Image.open(io.BytesIO(bytes(data))).convert("RGBA"))


def _scene(setting: str = "meadow", time: str = "day", weather: str = "clear", season: str = "summer", **more) -> Scene:
    return Scene(setting, time, weather, season, **{"mood": "calm", **more})


def test_every_combination_is_drawn_within_its_budget():
    for combination in itertools.product(SETTINGS, TIMES, WEATHERS, SEASONS, MOODS):
        shapes = backdrop(Scene(*combination, seed=3))
        over = overlay(Scene(*combination, seed=3))
        assert 5 <= len(shapes) <= 35, combination
        assert len(over) <= 6, combination
        for shape in (*shapes, *over):
            assert shape.path.startswith("M"), combination
            assert 0 < shape.opacity <= 1, combination
            for rgb in (shape.fill, shape.stroke, shape.fade):
                assert rgb is None or all(isinstance(c, int) and 0 <= c <= 255 for c in rgb), combination


def test_the_same_scene_gives_the_same_backdrop_and_another_seed_another():
    for setting in SETTINGS:
        one = _scene(setting, weather="rain", seed=5)
        assert (backdrop(one), overlay(one)) == (backdrop(one), overlay(one))
        assert backdrop(one) != backdrop(_scene(setting, weather="rain", seed=6))


@pytest.mark.parametrize("aspect", [0.5, 1.0, 2.0])
@pytest.mark.parametrize("setting", SETTINGS)
def test_the_backdrop_covers_the_frame(setting, aspect):
    for mood, seed in itertools.product(MOODS, range(3)):
        scene = _scene(setting, mood=mood, aspect=aspect, seed=seed)
        assert _pixels(backdrop(scene), aspect)[..., 3].min() == 255, (mood, seed)


def test_horizon_and_water_are_where_things_can_be_put():
    for setting in SETTINGS:
        assert 0.42 <= horizon(setting) <= 0.62
        band = water(setting)
        assert (band is not None) == (setting in ("lake", "seaside"))
        if band is not None:
            assert horizon(setting) <= band[0] < band[1] <= 0.8


@pytest.mark.parametrize("setting", ["lake", "seaside"])
def test_the_band_of_water_is_blue_and_the_ground_below_it_is_not(setting):
    top, bottom = water(setting)
    for seed in range(4):
        picture = _pixels(backdrop(_scene(setting, seed=seed)), rows=100).astype(float)[..., :3]
        blueness = np.median(picture[..., 2] - picture[..., 0], axis=1)  # a row's, red taken from blue
        assert blueness[math.ceil(top * 100) + 2 : math.floor(bottom * 100) - 1].min() > 20
        assert blueness[math.ceil(bottom * 100) + 8 :].max() < 10


def test_weather_is_laid_over_and_clear_weather_is_nothing():
    for mood, seed in itertools.product(MOODS, range(3)):
        for weather in ("clear", "cloudy"):
            assert overlay(_scene(weather=weather, mood=mood, seed=seed)) == []
        for weather in ("rain", "snow", "fog"):
            assert overlay(_scene(weather=weather, mood=mood, seed=seed))
        fog = _pixels(overlay(_scene(weather="fog", mood=mood, seed=seed)))
        assert 0 < fog[..., 3].max() <= 0.35 * 255 + 1


def test_night_is_darker_than_day_and_winter_lies_white():
    for setting, mood in itertools.product(SETTINGS, MOODS):
        day, night = (_pixels(backdrop(_scene(setting, t, mood=mood)))[..., :3].mean() for t in ("day", "night"))
        assert night < 0.75 * day, (setting, mood)
        summer, winter = (_pixels(backdrop(_scene(setting, season=s, mood=mood))) for s in ("summer", "winter"))
        spread = [np.ptp(p[-8:, :, :3].astype(float).mean((0, 1))) for p in (summer, winter)]
        if mood == "calm":
            assert winter[-8:, :, :3].mean() > summer[-8:, :, :3].mean(), setting
            assert spread[1] < 40, setting


def _oklab(rgb: RGB) -> np.ndarray:
    """Björn Ottosson, "A perceptual color space for image processing" (2020)."""
    c = np.array(rgb) / 255
    c = np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)
    cones = np.array(
        [
            [0.4122214708, 0.5363325363, 0.0514459929],
            [0.2119034982, 0.6806995451, 0.1073969566],
            [0.0883024619, 0.2817188376, 0.6299787005],
        ]
    )
    axes = np.array(
        [
            [0.2104542553, 0.7936177850, -0.0040720468],
            [1.9779984951, -2.4285922050, 0.4505937099],
            [0.0259040371, 0.7827717662, -0.8086757660],
        ]
    )
    return axes @ np.cbrt(cones @ c)


@pytest.mark.parametrize("distance", [0.0, 0.5, 1.0])
def test_things_keep_the_names_of_their_colours_in_every_light(distance):
    names, places = list(COLOURS), np.array([_oklab(rgb) for rgb in COLOURS.values()])
    for time, weather, mood in itertools.product(TIMES, WEATHERS, MOODS):
        lamp = light(_scene(time=time, weather=weather, mood=mood))
        for name, rgb in COLOURS.items():
            seen = np.linalg.norm(places - _oklab(lamp.grade(rgb, distance)), axis=1)
            assert names[int(seen.argmin())] == name, (time, weather, mood)


def test_a_mood_has_its_own_line():
    lines = {mood: light(_scene(mood=mood)).line for mood in MOODS}
    assert lines["calm"] == min(lines.values()) == 0.5
    assert lines["angry"] == max(lines.values()) == 1.6
