"""Made things and the heavens: whatever the seed, they stand in their frame and show their colour."""

import io

import numpy as np
import pytest
from PIL import Image

from huabi.data.world.dice import Dice
from huabi.data.world.heavens import HEAVENS
from huabi.data.world.made import MADE
from huabi.data.world.palette import COLOURS, shades
from huabi.data.world.shapes import Shades, Shape

resvg_py = pytest.importorskip("resvg_py")

THINGS = {**MADE, **HEAVENS}
SEEDS = range(12)
PIXELS = 96  # for a height of 1
MARGIN = 0.25


def drawn(kind: str, seed: int) -> tuple[list[Shape], Shades]:
    colours = THINGS[kind].colours
    tones = shades(colours[seed % len(colours)], Dice("tones", seed))
    return THINGS[kind].draw(Dice(kind, seed), tones), tones


def raster(shapes: list[Shape], aspect: float) -> np.ndarray:
    """Without smoothing, so that every pixel has a paint of its own: (H, W, 4)."""

    def hexadecimal(paint: tuple[int, int, int] | None) -> str:
        return "none" if paint is None else "#{:02x}{:02x}{:02x}".format(*paint)

    body = "".join(
        f'<path d="{s.path}" fill="{hexadecimal(s.fill)}" stroke="{hexadecimal(s.stroke)}" stroke-width="{s.width}" '
        f'stroke-linecap="round" stroke-linejoin="round" opacity="{s.opacity}"/>'
        for front in (False, True)
        for s in shapes
        if s.front == front
    )
    width, height = aspect + 2 * MARGIN, 1 + 2 * MARGIN
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{round(width * PIXELS)}" height="{round(height * PIXELS)}" '
        f'viewBox="{-width / 2} {-1 - MARGIN} {width} {height}" shape-rendering="crispEdges">{body}</svg>'
    )
    png = bytes(resvg_py.svg_to_bytes(svg_string=svg, skip_system_fonts=True))
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGBA"))


def away(paints: np.ndarray, a: tuple[int, int, int], b: tuple[int, int, int]) -> np.ndarray:
    """Distance of the paints from the mixtures of a and b."""
    start, along = np.array(a, float), np.array(b, float) - np.array(a, float)
    share = np.clip((paints - start) @ along / max(along @ along, 1.0), 0, 1)
    return np.linalg.norm(paints - (start + share[:, None] * along), axis=1)


@pytest.mark.parametrize("kind", THINGS)
def test_stands_in_its_frame_and_shows_its_colour(kind):
    aspect = THINGS[kind].aspect
    for seed in SEEDS:
        shapes, tones = drawn(kind, seed)
        picture = raster(shapes, aspect)
        solid = picture[..., 3] > 127
        rows, columns = np.nonzero(solid)
        top, foot = rows.min() / PIXELS - 1 - MARGIN, (rows.max() + 1) / PIXELS - 1 - MARGIN
        half = max(solid.shape[1] / 2 - columns.min(), columns.max() + 1 - solid.shape[1] / 2) / PIXELS
        pixel = 1.5 / PIXELS
        assert half <= aspect / 2 + pixel, seed
        assert -1 - pixel <= top <= -0.88, seed
        assert abs(foot) <= (0.06 if THINGS[kind].place == "sky" else pixel), seed
        paints = picture[solid][:, :3].astype(float)
        near = np.minimum(away(paints, tones.body, tones.dark), away(paints, tones.body, tones.light))
        assert (near < 12).mean() >= 0.55, seed
        assert len(shapes) <= 25


@pytest.mark.parametrize("kind", THINGS)
def test_a_seed_is_one_individual(kind):
    pictures = set()
    for seed in SEEDS:
        tones = shades(THINGS[kind].colours[0], Dice("tones"))
        shapes = THINGS[kind].draw(Dice(kind, seed), tones)
        assert shapes == THINGS[kind].draw(Dice(kind, seed), tones)
        pictures.add(raster(shapes, THINGS[kind].aspect).tobytes())
    assert len(pictures) == len(SEEDS)


@pytest.mark.parametrize("kind", THINGS)
def test_is_drawn_without_its_details(kind):
    for seed in SEEDS:
        shapes, _ = drawn(kind, seed)
        whole, bare = (
            raster(s, THINGS[kind].aspect)[..., 3] > 127 for s in (shapes, [s for s in shapes if not s.detail])
        )
        assert (whole & bare).sum() >= 0.9 * whole.sum(), "the silhouette hangs on a detail"


@pytest.mark.parametrize("kind", THINGS)
def test_places_for_others_lie_in_the_frame(kind):
    thing = THINGS[kind]
    assert set(thing.colours) <= set(COLOURS)
    assert thing.place in ("sky", "ground", "water")
    fronts = [any(shape.front for shape in drawn(kind, seed)[0]) for seed in SEEDS]
    assert all(fronts) if thing.vessel else not any(fronts)
    if thing.top is not None:
        assert 0 < thing.top <= 1
        for seed in SEEDS:  # there is something under the feet of who stands on it
            picture = raster(drawn(kind, seed)[0], thing.aspect)
            row, middle = round((1 + MARGIN - thing.top + 0.03) * PIXELS), picture.shape[1] // 2
            assert picture[row : row + 6, middle - 6 : middle + 6, 3].max() == 255, seed
    if thing.vessel is not None:
        x, y, width = thing.vessel
        assert -1 <= y <= 0
        assert abs(x) + width / 2 <= thing.aspect / 2
        for seed in SEEDS:  # the wall hides what is below the rim
            walls = [shape for shape in drawn(kind, seed)[0] if shape.front]
            picture = raster(walls, thing.aspect)
            row, column = round((1 + MARGIN + y + 0.1) * PIXELS), round((thing.aspect / 2 + MARGIN + x) * PIXELS)
            assert picture[row, column, 3] == 255, seed
