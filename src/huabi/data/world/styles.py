"""One scene in six hands: flat, pencil, ink, oil, pixel, crayon."""

from __future__ import annotations

import colorsys
from collections.abc import Callable
from dataclasses import replace
from functools import cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ...classic.brush import BRUSHES, Brush, painted
from .backdrop import light
from .kinds import KINDS
from .render import Look, Pixels, edges, masks, rasterize, to_svg
from .scene import Scene
from .shapes import RGB, mixed

GRAPHITE: RGB = (58, 56, 66)
PAPER: RGB = (252, 249, 240)
PIXELS = 64  # squares on the shorter side of pixel art, where there are as many pixels
_FIRST, _SECOND, _THIRD, _CONTOUR = BRUSHES["ink"].passes
_WASHES = replace(_FIRST, opacity=0.8), replace(_SECOND, opacity=0.7, gap=1.8), replace(_THIRD, opacity=0.7)
INK = replace(  # keeps colours; firmer washes, of which fewer are needed
    BRUSHES["ink"],
    passes=(*_WASHES, _CONTOUR),
    vivid=290,
    margin=0.0,
    lift=40,
    relief=60,
    tone=((0, 20), (90, 110), (170, 190), (225, 250), (255, 255)),
    bands=0,
)
_BROAD, _, _FINE, _OUTLINE = BRUSHES["crayon"].passes
_FIRM = replace(_BROAD, opacity=0.9, gap=2.2, length=(3, 8)), replace(_FINE, threshold=40, opacity=0.8)
CRAYON = replace(BRUSHES["crayon"], passes=(*_FIRM, _OUTLINE), vivid=300, margin=0.0)  # no second layer across
TONES = ((0.95, 0.95), (0.5, 0.95), (0.9, 0.5))  # saturation and value of the colours on maps of labels
STEP = 20  # between the levels of brightness of pixel art; hues stay what they are


def draw(scene: Scene, size: tuple[int, int], style: str) -> Pixels:
    """The scene's picture (rows, columns, 3) uint8; `size` is (rows, columns).

    The style is one of STYLES, or edges, or labels.
    """
    return _HANDS[style](scene, size)


def noise(size: tuple[int, int], cell: float, seed: int) -> NDArray[np.float32]:
    """Smooth noise (rows, columns) in [-1, 1] from an integer hash, with bumps of `cell` pixels."""
    rows, columns = (int(side / cell) + 2 for side in size)
    y, x = np.meshgrid(np.arange(rows, dtype=np.uint32), np.arange(columns, dtype=np.uint32), indexing="ij")
    h = x * np.uint32(374761393) + y * np.uint32(668265263) + np.uint32(seed * 2246822519 & 0xFFFFFFFF)
    h = (h ^ (h >> np.uint32(13))) * np.uint32(1274126177)
    values = ((h ^ (h >> np.uint32(16))) & np.uint32(0xFFFF)).astype(np.float32) / 32767.5 - 1
    if cell <= 1:
        return values[: size[0], : size[1]]
    fy, fx = (np.arange(side, dtype=np.float32) / np.float32(cell) for side in size)
    iy, ix = fy.astype(np.intp), fx.astype(np.intp)
    ty, tx = (f - i for f, i in ((fy, iy), (fx, ix)))
    ty, tx = (t * t * (3 - 2 * t) for t in (ty, tx))
    across = values[:, ix] * (1 - tx) + values[:, ix + 1] * tx
    mixture: NDArray[np.float32] = across[iy] * (1 - ty[:, None]) + across[iy + 1] * ty[:, None]
    return mixture.astype(np.float32)


def _flat(scene: Scene, size: tuple[int, int]) -> Pixels:
    """Plain shapes, with the lightest touch of paper grain."""
    return _grained(rasterize(to_svg(scene, size)), scene.seed, 2.2)


def _grained(pixels: Pixels, seed: int, amount: float) -> Pixels:
    size = pixels.shape[0], pixels.shape[1]
    grain = amount * noise(size, max(1.0, min(size) / 170), seed)
    return np.clip(pixels + grain[..., None] + np.float32(0.5), 0, 255).astype(np.uint8)


def _wobbled(pixels: Pixels, reach: float, seed: int) -> Pixels:
    """The picture at half its size, its lines shaken by up to `reach` of its pixels, as a hand does."""
    rows, columns = pixels.shape[0], pixels.shape[1]
    cell = max(2.0, min(rows, columns) / 14)
    y, x = np.meshgrid(np.arange(rows), np.arange(columns), indexing="ij")
    dy, dx = (np.rint(reach * noise((rows, columns), cell, seed + k)).astype(np.intp) for k in (1, 2))
    shaken = pixels[np.clip(y + dy, 0, rows - 1), np.clip(x + dx, 0, columns - 1)].astype(np.uint16)
    total = shaken[::2, ::2] + shaken[1::2, ::2] + shaken[::2, 1::2] + shaken[1::2, 1::2]
    mean: Pixels = ((total + 2) // 4).astype(np.uint8)
    return mean


def _pencil(scene: Scene, size: tuple[int, int]) -> Pixels:
    """Outlines by a shaking hand over pale coloured hatching on paper."""
    look = Look(lambda rgb: mixed(rgb, PAPER, 0.38), lambda rgb: mixed(rgb, GRAPHITE, 0.8), 0.0075)
    double = size[0] * 2, size[1] * 2
    rough = light(scene).line
    drawn = _wobbled(rasterize(to_svg(scene, double, look)), rough * max(1.0, min(size) / 90), scene.seed)
    y, x = np.meshgrid(*(np.arange(side, dtype=np.float32) for side in size), indexing="ij")
    period = max(2.6, min(size) / 46)
    shake = noise(size, period * 3, scene.seed + 5) * period * 0.35
    colour = drawn.astype(np.float32)
    tone = 1 - colour.mean(axis=2) / 255
    gaps = np.abs(((x * 0.55 + y + shake) / period) % 1 * 2 - 1)  # 0 on a stroke, 1 between two
    tooth = 0.5 + 0.5 * noise(size, max(1.0, min(size) / 200), scene.seed + 9)
    kept = np.clip(1.25 + 1.1 * tone - 0.62 * gaps - 0.25 * tooth, 0.45, 1.0)[..., None]
    white = np.array(PAPER, np.float32)
    shaded: Pixels = np.clip(white + (colour - white) * kept + 0.5, 0, 255).astype(np.uint8)
    return shaded


def _pixel(scene: Scene, size: tuple[int, int]) -> Pixels:
    """Large squares of few colours, things with a dark rim."""
    scale = max(1, min(size) // PIXELS)
    small = -(-size[0] // scale), -(-size[1] // scale)
    drawn = rasterize(to_svg(scene, small, Look(crisp=True, details=small[0] >= 48)))
    luma = (drawn @ np.array([77, 151, 28], np.uint32) >> 8)[..., None]
    level = luma // STEP * STEP + STEP // 2
    squares: Pixels = np.minimum(drawn * level // np.maximum(luma, 1), 255).astype(np.uint8)
    seen = masks(scene, small)
    rim = np.zeros(small, dtype=bool)
    for axis in (0, 1):
        for step in (1, -1):
            rim |= np.roll(seen, step, axis) != seen
    squares[rim & (seen > 0)] = (squares[rim & (seen > 0)] * 0.55).astype(np.uint8)
    return squares.repeat(scale, 0).repeat(scale, 1)[: size[0], : size[1]]


def washed(rgb: RGB) -> RGB:
    """What ink on white paper makes of a colour: grey, pale, with something of the hue."""
    grey = (rgb[0] * 77 + rgb[1] * 151 + rgb[2] * 28) >> 8
    pale = 160 + (grey * 95 >> 8)
    return mixed((pale, pale, pale), rgb, 0.25)


def _edges(scene: Scene, size: tuple[int, int]) -> Pixels:
    """Outlines alone, black on white."""
    return np.repeat(edges(scene, size)[..., None], 3, 2)


@cache
def legend() -> dict[str, RGB]:
    """The plain colour that stands for each kind of thing on a map of labels; white stands for what lies behind."""
    places = ((k // len(TONES) / (1 + len(KINDS) // len(TONES)), TONES[k % len(TONES)]) for k in range(len(KINDS)))
    found = (colorsys.hsv_to_rgb(hue, *tone) for hue, tone in places)
    return {kind: (round(255 * r), round(255 * g), round(255 * b)) for kind, (r, g, b) in zip(KINDS, found)}


def _labels(scene: Scene, size: tuple[int, int]) -> Pixels:
    """A map of labels: each thing in the colour of its kind."""
    known = legend()
    colours = [(255, 255, 255), *(known[thing.kind] for thing in scene.things)]
    return np.array(colours, np.uint8)[masks(scene, size)]


def _by_brush(brush: Brush, detail: float, look: Look | None = None) -> Callable[[Scene, tuple[int, int]], Pixels]:
    """A hand that paints the plain drawing by strokes."""

    def hand(scene: Scene, size: tuple[int, int]) -> Pixels:
        plain = Image.fromarray(rasterize(to_svg(scene, size, look)))
        return np.asarray(painted(plain, brush, detail=detail, seed=scene.seed))

    return hand


_HANDS: dict[str, Callable[[Scene, tuple[int, int]], Pixels]] = {
    "flat": _flat,
    "pencil": _pencil,
    "ink": _by_brush(INK, 0.8, Look(ground=washed)),
    "oil": _by_brush(BRUSHES["oil"], 0.8),
    "pixel": _pixel,
    "crayon": _by_brush(CRAYON, 0.9),
    "edges": _edges,
    "labels": _labels,
}
