"""What lives in the picture world: every individual lies in its frame, shows its colour and is one of its own."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from huabi.data.world.dice import Dice
from huabi.data.world.living import LIVING
from huabi.data.world.palette import COLOURS, shades
from huabi.data.world.shapes import RGB, Shades, Shape

resvg_py = pytest.importorskip("resvg_py")
HEIGHT, PAD, SEEDS = 96, 10, 16


def drawn(kind: str, seed: int) -> tuple[list[Shape], Shades]:
    colours = LIVING[kind].colours
    tones = shades(colours[seed % len(colours)], Dice("tones", seed))
    return LIVING[kind].draw(Dice(kind, seed), tones), tones


def paint(colour: RGB | None) -> str:
    return "none" if colour is None else "#{:02x}{:02x}{:02x}".format(*colour)


def rendered(kind: str, shapes: list[Shape]) -> np.ndarray:  # (H + 2 PAD, W + 2 PAD, 4)
    """The shapes without smoothing, so that each pixel has the colour of one shape."""
    width = round(LIVING[kind].aspect * HEIGHT)
    paths = "".join(
        f'<path d="{s.path}" fill="{paint(s.fill)}" stroke="{paint(s.stroke)}" stroke-width="{s.width}" '
        'stroke-linecap="round" stroke-linejoin="round"/>'
        for s in shapes
    )
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width + 2 * PAD}" height="{HEIGHT + 2 * PAD}">'
        f'<g shape-rendering="crispEdges" transform="translate({PAD + width / 2} {PAD + HEIGHT}) scale({HEIGHT})">'
        f"{paths}</g></svg>"
    )
    return np.array(Image.open(io.BytesIO(bytes(resvg_py.svg_to_bytes(svg_string=svg, skip_system_fonts=True)))))


def of_tones(picture: np.ndarray, tones: Shades) -> np.ndarray:
    """Which pixels are body, dark, light or deep, or a mixture of the body with one of them."""
    pixels = picture[..., :3].astype(float)
    found = np.zeros(picture.shape[:2], bool)
    for other in (tones.dark, tones.light, tones.deep):
        start, way = np.array(tones.body, float), np.array(other, float) - tones.body
        share = np.clip(((pixels - start) @ way) / (way @ way), 0, 1)
        found |= np.abs(pixels - start - share[..., None] * way).max(-1) <= 4
    return found


@pytest.mark.parametrize("kind", LIVING)
def test_each_fills_its_frame_and_stays_in_it(kind: str) -> None:
    filled = []
    for seed in range(SEEDS):
        shapes, _ = drawn(kind, seed)
        covered = rendered(kind, shapes)[..., 3] > 0
        frame = covered[PAD:-PAD, PAD:-PAD]
        assert covered.sum() == frame.sum(), f"seed {seed} leaves its frame"
        assert frame[-2:].any(), f"the foot of seed {seed} hangs in the air"
        assert len(shapes) <= 26
        filled.append(frame.mean())
    assert min(filled) > 0.35
    assert np.mean(filled) > 0.44


@pytest.mark.parametrize("kind", LIVING)
def test_the_colour_is_read_without_doubt(kind: str) -> None:
    for seed in range(SEEDS):
        shapes, tones = drawn(kind, seed)
        picture = rendered(kind, shapes)
        covered = picture[..., 3] > 0
        assert (of_tones(picture, tones) & covered).sum() >= 0.55 * covered.sum(), seed


@pytest.mark.parametrize("kind", LIVING)
def test_without_details_most_of_it_is_still_there(kind: str) -> None:
    for seed in range(4):
        shapes, _ = drawn(kind, seed)
        whole = (rendered(kind, shapes)[..., 3] > 0).sum()
        plain = (rendered(kind, [s for s in shapes if not s.detail])[..., 3] > 0).sum()
        assert plain > 0.9 * whole


@pytest.mark.parametrize("kind", LIVING)
def test_a_seed_is_one_individual(kind: str) -> None:
    assert drawn(kind, 3) == drawn(kind, 3)
    tones = shades(LIVING[kind].colours[0], Dice("tones", 0))
    paths = {tuple(s.path for s in LIVING[kind].draw(Dice(kind, seed), tones)) for seed in range(60)}
    assert len(paths) == 60


def test_the_table_names_known_colours_and_places() -> None:
    for kind in LIVING.values():
        assert set(kind.colours) <= set(COLOURS)
        assert len(kind.colours) >= 3
        assert kind.place in ("sky", "ground", "water")
        assert min(kind.aspect, kind.scale) > 0
