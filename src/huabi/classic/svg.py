"""Strokes as SVG, and SVG as pixels."""

from __future__ import annotations

import io
import math
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from .brushes import BRUSHES, RGB, Brush
from .strokes import Stroke

Pixels = NDArray[Any]
Points = Sequence[tuple[int, int]]
LAYERS = ("wash", "paint", "line")
SMALL = 128 * 128  # pixels


def to_svg(strokes: Iterable[Stroke], size: tuple[int, int], brush: str | Brush, *, ground: bool = True) -> str:
    """The strokes as an SVG document of `size` (width, height) pixels: one element inside a `<g>` of its layer each.

    Layers that were painted one after the other follow one another. Grain and relief are the work of `paint`.

    Args:
        ground: paint the paper or canvas behind them.
    """
    medium = BRUSHES[brush] if isinstance(brush, str) else brush
    width, height = size
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}">']
    if ground:
        out.append(f'<rect width="{width}" height="{height}" fill="{_hex(medium.ground)}"/>')
    layer = None
    for number, stroke in enumerate(strokes):
        if stroke.layer != layer:
            out.append("</g>" if layer else "")
            layer = stroke.layer
            # coordinates are whole tenths of a pixel: short to write and to read
            out.append(
                f'<g class="{layer}" transform="scale(.1)" fill="none" stroke-linecap="round" stroke-linejoin="round">'
            )
        out.append(_element(stroke, number))
    out.append("</g></svg>" if layer else "</svg>")
    return "".join(out)


def render(strokes: Sequence[Stroke], size: tuple[int, int], brush: Brush) -> Pixels:
    """The strokes on a clear ground: (H, W, 4) float32 in 0..1, colours multiplied by alpha."""
    import resvg_py

    width, height = size
    if not strokes:
        return np.zeros((height, width, 4), np.float32)
    text = to_svg(strokes, size, brush, ground=False)
    # in small pictures strokes are many for their area: twice the size without smoothing takes half the time
    times = 2 if width * height <= SMALL else 1
    options: dict[str, Any] = {"width": 2 * width, "shape_rendering": "optimize_speed"} if times == 2 else {}
    data = resvg_py.svg_to_bytes(svg_string=text, skip_system_fonts=True, **options)
    with Image.open(io.BytesIO(data), formats=("PNG",)) as image:
        bands = np.asarray(image.convert("RGBA")).transpose(2, 0, 1)
    planes = np.divide(bands, np.float32(255), dtype=np.float32, order="C")  # (4, H, W): faster than pixel by pixel
    planes[:3] *= planes[3]
    if times == 2:
        planes = (planes[:, ::2, ::2] + planes[:, 1::2, ::2] + planes[:, ::2, 1::2] + planes[:, 1::2, 1::2]) / 4
    return np.ascontiguousarray(planes.transpose(1, 2, 0))


def _hex(colour: RGB) -> str:
    return f"#{bytes(colour).hex()}"


def _element(stroke: Stroke, number: int) -> str:
    points = [(int(10 * x), int(10 * y)) for x, y in stroke.points]
    width = 10 * stroke.width
    colour = _hex(stroke.colour)
    # of the fill or the line, not of the element: that would be a layer of its own, which costs more than drawing
    opacity = f'-opacity="{stroke.opacity:g}"' if stroke.opacity < 1 else ""
    if stroke.taper and len(points) > 1:
        return f'<path fill="{colour}"{opacity and " fill" + opacity} d="{_tapering(points, width)}"/>'
    if stroke.bristles and len(points) > 1:
        body = f'<path stroke="{colour}" stroke-width="{0.86 * width:.0f}" d="{_curve(points)}"/>'
        whole = f' opacity="{stroke.opacity:g}"' if opacity else ""
        return f"<g{whole}>{body}{''.join(_bristles(stroke, points, width, number))}</g>"
    line = _curve(points) if width > 25 else _straight(points)
    return f'<path stroke="{colour}" stroke-width="{width:.0f}"{opacity and " stroke" + opacity} d="{line}"/>'


def _bristles(stroke: Stroke, points: Points, width: float, number: int) -> Iterator[str]:
    """Streaks of slightly other tones, which leave the canvas at different points."""
    normals = _normals(points)
    nx, ny = normals[-1]
    for n in range(stroke.bristles):
        # a number of its own for every bristle, without a generator: a low-discrepancy sequence
        chance = (number * 0.754877666 + n * 0.569840291) % 1.0
        other = (number * 0.569840291 + n * 0.754877666 + 0.37) % 1.0
        aside = width * 0.46 * (2 * (n + 0.2 + 0.6 * other) / stroke.bristles - 1)
        line = [(x + nx * aside, y + ny * aside) for (x, y), (nx, ny) in zip(points, normals)]
        x, y = line[-1]
        line[-1] = (x + ny * width * 0.4 * other, y - nx * width * 0.4 * other)
        shift = 30 * chance - 15
        r, g, b = (min(255, max(0, int(c + shift))) for c in stroke.colour)
        thick = width * (0.5 + chance) / stroke.bristles
        way = _curve([(int(x), int(y)) for x, y in line])
        yield f'<path stroke="{_hex((r, g, b))}" stroke-opacity=".55" stroke-width="{thick:.0f}" d="{way}"/>'


def _straight(points: Points) -> str:
    if len(points) == 1:
        return _curve(points)
    return "M" + " ".join([f"{x} {y}" for x, y in points])


def _curve(points: Points) -> str:
    """A quadratic B-spline from the first point to the last."""
    if len(points) < 3:
        return _straight(points) if len(points) == 2 else f"M{points[0][0]} {points[0][1]}h1"
    (x, y), *inner, (bx, by) = points
    bends = [f"{ax} {ay} {(ax + bx) >> 1} {(ay + by) >> 1}" for (ax, ay), (bx, by) in pairwise(inner)]
    ax, ay = inner[-1]
    return f"M{x} {y}Q" + " ".join([*bends, f"{ax} {ay} {bx} {by}"])


def _normals(points: Points) -> list[tuple[float, float]]:
    out = []
    last = len(points) - 1
    for k in range(last + 1):
        (xa, ya), (xb, yb) = points[max(k - 1, 0)], points[min(k + 1, last)]
        dx, dy = xb - xa, yb - ya
        length = math.sqrt(dx * dx + dy * dy) or 1.0
        out.append((-dy / length, dx / length))
    return out


def _tapering(points: Points, width: float) -> str:
    """The outline of a stroke that swells quickly and thins out slowly."""
    last = len(points) - 1
    left, right = [], []
    for k, ((x, y), (nx, ny)) in enumerate(zip(points, _normals(points))):
        t = k / last
        half = width * (0.12 + 1.55 * (t + 0.12) * (1 - t)) / 2
        left.append((int(x + nx * half), int(y + ny * half)))
        right.append((int(x - nx * half), int(y - ny * half)))
    return _curve(left) + "L" + _curve(right[::-1])[1:] + "z"
