"""Strokes as SVG, and SVG as pixels."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from .brushes import BRUSHES, RGB, Brush
from .strokes import Stroke

Pixels = NDArray[np.float32]
Points = Sequence[tuple[float, float]]
LAYERS = ("wash", "paint", "line")


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
    """The strokes on a clear ground: (H, W, 4) float32 in 0..1, colours not multiplied by alpha."""
    import resvg_py

    width, height = size
    if not strokes:
        return np.zeros((height, width, 4), np.float32)
    data = resvg_py.svg_to_bytes(svg_string=to_svg(strokes, size, brush, ground=False), skip_system_fonts=True)
    with Image.open(io.BytesIO(data), formats=("PNG",)) as image:
        return np.asarray(image.convert("RGBA"), np.float32) / 255


def _hex(colour: RGB) -> str:
    return "#%02x%02x%02x" % colour


def _element(stroke: Stroke, number: int) -> str:
    points = [(10 * x, 10 * y) for x, y in stroke.points]
    width = 10 * stroke.width
    if stroke.taper and len(points) > 1:
        opacity = f' opacity="{stroke.opacity:g}"' if stroke.opacity < 1 else ""
        return f'<path fill="{_hex(stroke.colour)}"{opacity} d="{_tapering(points, width)}"/>'
    if not stroke.bristles or len(points) < 2:
        opacity = f' stroke-opacity="{stroke.opacity:g}"' if stroke.opacity < 1 else ""
        return f'<path stroke="{_hex(stroke.colour)}" stroke-width="{width:.0f}"{opacity} d="{_curve(points)}"/>'
    opacity = f' opacity="{stroke.opacity:g}"' if stroke.opacity < 1 else ""
    lines = [f'<path stroke="{_hex(stroke.colour)}" stroke-width="{0.86 * width:.0f}" d="{_curve(points)}"/>']
    normals = _normals(points)
    for n in range(stroke.bristles):
        # a number of its own for every bristle, without a generator: a low-discrepancy sequence
        chance = (number * 0.754877666 + n * 0.569840291) % 1.0
        other = (number * 0.569840291 + n * 0.754877666 + 0.37) % 1.0
        aside = width * 0.46 * (2 * (n + 0.2 + 0.6 * other) / stroke.bristles - 1)
        line = [(x + nx * aside, y + ny * aside) for (x, y), (nx, ny) in zip(points, normals)]
        # bristles leave the canvas at different points
        (x, y), (nx, ny) = line[-1], normals[-1]
        line[-1] = (x - ny * -width * 0.4 * other, y + nx * -width * 0.4 * other)
        shift = 30 * chance - 15
        tone = tuple([min(255, max(0, int(c + shift))) for c in stroke.colour])
        lines.append(
            f'<path stroke="{_hex(tone)}" stroke-opacity=".55" stroke-width="{width * (0.5 + chance) / stroke.bristles:.0f}"'
            f' d="{_curve(line)}"/>'
        )
    return f"<g{opacity}>{''.join(lines)}</g>"


def _curve(points: Points) -> str:
    """A quadratic B-spline from the first point to the last."""
    (x, y), *rest = points
    if not rest:
        return f"M{x:.0f} {y:.0f}h1"
    out = [f"M{x:.0f} {y:.0f}"]
    if len(rest) > 1:
        for (ax, ay), (bx, by) in zip(rest[:-2], rest[1:-1]):
            out.append(f"Q{ax:.0f} {ay:.0f} {(ax + bx) / 2:.0f} {(ay + by) / 2:.0f}")
        (ax, ay), (bx, by) = rest[-2:]
        out.append(f"Q{ax:.0f} {ay:.0f} {bx:.0f} {by:.0f}")
    else:
        out.append(f"L{rest[0][0]:.0f} {rest[0][1]:.0f}")
    return "".join(out)


def _normals(points: Points) -> list[tuple[float, float]]:
    out = []
    last = len(points) - 1
    for k in range(last + 1):
        (xa, ya), (xb, yb) = points[max(k - 1, 0)], points[min(k + 1, last)]
        dx, dy = xb - xa, yb - ya
        length = (dx * dx + dy * dy) ** 0.5 or 1.0
        out.append((-dy / length, dx / length))
    return out


def _tapering(points: Points, width: float) -> str:
    """The outline of a stroke that swells quickly and thins out slowly."""
    last = len(points) - 1
    left, right = [], []
    for k, ((x, y), (nx, ny)) in enumerate(zip(points, _normals(points))):
        t = k / last
        half = width * (0.12 + 1.55 * (t + 0.12) * (1 - t)) / 2
        left.append((x + nx * half, y + ny * half))
        right.append((x - nx * half, y - ny * half))
    return _curve(left) + "L" + _curve(right[::-1])[1:] + "z"
