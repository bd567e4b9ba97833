"""Painting a picture by strokes: oil, ink, watercolor, crayon and pencil."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from PIL import Image

from ..decoding import flatten
from ..errors import RequestError, nearest
from .brushes import BRUSHES, Brush, Pass
from .grain import Layers, finish
from .strokes import Stroke, place
from .svg import LAYERS, Pixels, render, to_svg

__all__ = ["BRUSHES", "Brush", "Pass", "Stroke", "paint", "painted", "strokes", "to_svg"]

LONGEST = 2048  # pixels of the long side; what is larger is made smaller first


def strokes(
    picture: Image.Image, brush: str | Brush, *, detail: float = 0.5, limit: int | None = None, seed: int = 0
) -> list[Stroke]:
    """The strokes for a picture, from the first to the last; the same on every machine.

    Args:
        picture: in any mode, of any size; what is longer than 2,048 pixels is made smaller, and the strokes lie in
            that size (see `fitted`).
        brush: one of `BRUSHES` by name, or a variation of one (`dataclasses.replace`).
        detail: 0 is broad, 1 is fine.
        limit: the most strokes; few strokes are broader ones.
        seed: another seed gives other strokes.

    Raises RequestError for an unknown brush, or a detail or limit out of range.
    """
    return place(np.asarray(fitted(picture)), _checked(brush, detail, limit), detail, limit, seed)


def paint(
    picture: Image.Image,
    brush: str | Brush,
    *,
    detail: float = 0.5,
    limit: int | None = None,
    seed: int = 0,
    frames: int = 24,
) -> Iterator[Image.Image]:
    """The canvas as the painting grows, in `frames` pictures; the last is the result, whatever their number.

    See `strokes` for the arguments. Each frame is RGB of the picture's size, or its reduced one.
    """
    medium = _checked(brush, detail, limit)
    if frames < 1:
        raise RequestError(f"{frames} frames cannot show anything; ask for at least 1")
    picture = fitted(picture)
    found = place(np.asarray(picture), medium, detail, limit, seed)
    empty = np.zeros((picture.height, picture.width, 4), np.float32)
    layers: Layers = dict.fromkeys(LAYERS, empty)
    for number in range(1, frames):
        part = found[len(found) * (number - 1) // frames : len(found) * number // frames]
        layers = {name: _laid(layer, _of(part, name), medium) for name, layer in layers.items()}
        yield _image(finish(layers, medium, seed))
    # drawn in one go, so that it does not depend on the frames by the rounding of their sums
    layers = {name: render(_of(found, name), picture.size, medium) for name in layers}
    yield _image(finish(layers, medium, seed))


def painted(picture: Image.Image, brush: str | Brush, **options: float) -> Image.Image:
    """The finished painting alone; the options are those of `paint`."""
    return next(paint(picture, brush, frames=1, **options))  # type: ignore[arg-type]


def fitted(picture: Image.Image) -> Image.Image:
    """The picture as RGB, transparency over white, its long side at most 2,048 pixels."""
    picture = flatten(picture, 3)
    long = max(picture.size)
    if long <= LONGEST:
        return picture
    size = tuple(max(1, round(side * LONGEST / long)) for side in picture.size)
    return picture.resize(size, Image.Resampling.BICUBIC, reducing_gap=3.0)  # type: ignore[arg-type]


def _checked(brush: str | Brush, detail: float, limit: int | None) -> Brush:
    if not 0 <= detail <= 1:
        raise RequestError(f"detail {detail}: it lies between 0 (broad) and 1 (fine)")
    if limit is not None and limit < 1:
        raise RequestError(f"{limit} strokes: a painting needs at least 1")
    if isinstance(brush, Brush):
        return brush
    if brush not in BRUSHES:
        raise RequestError(f"no brush {brush!r}; {nearest(brush, BRUSHES)}")
    return BRUSHES[brush]


def _of(found: list[Stroke], layer: str) -> list[Stroke]:
    return [stroke for stroke in found if stroke.layer == layer]


def _laid(below: Pixels, part: list[Stroke], brush: Brush) -> Pixels:
    """The layer with more strokes over it."""
    if not part:
        return below
    above = render(part, (below.shape[1], below.shape[0]), brush)
    out: Pixels = above + below * (1 - above[..., 3:])
    return out


def _image(pixels: Pixels) -> Image.Image:
    return Image.fromarray((pixels * np.float32(255) + np.float32(0.5)).clip(0, 255).astype(np.uint8))
