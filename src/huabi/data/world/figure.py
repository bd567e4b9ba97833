"""Figures drawn in free units and fitted to their frame, so that any posture fills it and none leaves it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from .dice import Dice
from .shapes import INK, PAPER, RGB, Point, Shades, Shape, mixed

Outline = list[tuple[str, tuple[Point, ...]]]  # commands M, C and Z with their points
MARGIN = 0.004  # of the frame left free: curves between their sampled points bulge by less
ROSE: RGB = (238, 146, 150)  # inside ears, noses, cheeks
BANDS: tuple[RGB, ...] = ((206, 60, 56), (62, 110, 184), (240, 190, 64), (70, 146, 110))  # collars, straps, scarves
_FORMATS = {"M": "M%.4f %.4f", "C": "C%.4f %.4f %.4f %.4f %.4f %.4f", "Z": "Z"}


def soft(points: Sequence[Point], tension: float = 1.0) -> Outline:
    """A closed soft curve through the points (Catmull-Rom)."""
    n, s = len(points), tension / 6
    out: Outline = [("M", (points[0],))]
    for k in range(n):
        (x0, y0), (x1, y1), (x2, y2), (x3, y3) = points[k - 1], points[k], points[(k + 1) % n], points[(k + 2) % n]
        out.append(
            ("C", ((x1 + (x2 - x0) * s, y1 + (y2 - y0) * s), (x2 - (x3 - x1) * s, y2 - (y3 - y1) * s), (x2, y2)))
        )
    out.append(("Z", ()))
    return out


def trace(points: Sequence[Point]) -> Outline:
    """An open soft curve through the points, to be stroked."""
    out: Outline = [("M", (points[0],))]
    last = len(points) - 1
    for k in range(last):
        (x0, y0), (x1, y1) = points[max(k - 1, 0)], points[k]
        (x2, y2), (x3, y3) = points[k + 1], points[min(k + 2, last)]
        out.append(
            ("C", ((x1 + (x2 - x0) / 6, y1 + (y2 - y0) / 6), (x2 - (x3 - x1) / 6, y2 - (y3 - y1) / 6), (x2, y2)))
        )
    return out


def oval(x: float, y: float, rx: float, ry: float | None = None) -> Outline:
    """An ellipse about (x, y), of four cubic curves."""
    ry = rx if ry is None else ry
    a, b = 0.5523 * rx, 0.5523 * ry
    return [
        ("M", ((x - rx, y),)),
        ("C", ((x - rx, y - b), (x - a, y - ry), (x, y - ry))),
        ("C", ((x + a, y - ry), (x + rx, y - b), (x + rx, y))),
        ("C", ((x + rx, y + b), (x + a, y + ry), (x, y + ry))),
        ("C", ((x - a, y + ry), (x - rx, y + b), (x - rx, y))),
        ("Z", ()),
    ]


def arcs(points: Sequence[Point], bulges: Sequence[float] | float) -> Outline:
    """A closed outline of arcs that meet in corners: ears, leaves, petals, feathers.

    `bulges` are the heights of the sides' arcs as shares of their lengths, one for each side (those without one are
    straight) or one for all: positive is outward where the points go clockwise as one sees them.
    """
    n = len(points)
    each = [bulges] * n if isinstance(bulges, (int, float)) else [*bulges, *[0.0] * (n - len(bulges))]
    out: Outline = [("M", (points[0],))]
    for k, bulge in enumerate(each):
        (xa, ya), (xb, yb) = points[k], points[(k + 1) % n]
        dx, dy = xb - xa, yb - ya
        nx, ny = dy * bulge / 0.75, -dx * bulge / 0.75
        one, two = (xa + 0.2 * dx + nx, ya + 0.2 * dy + ny), (xb - 0.2 * dx + nx, yb - 0.2 * dy + ny)
        out.append(("C", (one, two, (xb, yb))))
    out.append(("Z", ()))
    return out


def band(points: Sequence[Point], widths: Sequence[float]) -> Outline:
    """A tapering band along the points, `widths` across at each: tails, trunks, legs."""
    left: list[Point] = []
    right: list[Point] = []
    for k, ((x, y), width) in enumerate(zip(points, widths)):
        (xa, ya), (xb, yb) = points[max(k - 1, 0)], points[min(k + 1, len(points) - 1)]
        length = math.hypot(xb - xa, yb - ya) or 1.0
        nx, ny = -(yb - ya) / length * width / 2, (xb - xa) / length * width / 2
        left.append((x + nx, y + ny))
        right.append((x - nx, y - ny))
    return soft([*left, *reversed(right)], tension=0.85)


def lerp(a: Point, b: Point, share: float) -> Point:
    """The point at this share of the way from a to b."""
    return a[0] + (b[0] - a[0]) * share, a[1] + (b[1] - a[1]) * share


def turned(points: Iterable[Point], angle: float, about: Point) -> list[Point]:
    """The points after a turn by `angle` (radians, clockwise as one sees it) about a point."""
    c, s = math.cos(angle), math.sin(angle)
    x, y = about
    return [(x + (px - x) * c - (py - y) * s, y + (px - x) * s + (py - y) * c) for px, py in points]


def is_dark(colour: RGB) -> bool:
    """Whether dark lines would be lost on the colour."""
    return 0.3 * colour[0] + 0.59 * colour[1] + 0.11 * colour[2] < 80


def line_tone(s: Shades) -> RGB:
    """A tone of which fine lines are seen on the body."""
    return mixed(s.light, PAPER, 0.4) if is_dark(s.body) else s.deep


def unlike(dice: Dice, s: Shades, options: Sequence[RGB], least: int = 150) -> RGB:
    """One of the options that stands out from the body by `least` (summed over the channels), if there is any."""
    far = [o for o in options if sum(abs(a - b) for a, b in zip(o, s.body)) >= least]
    return dice.choice(far or options)


class Figure:
    """Collects outlines in any units with y downwards; `fitted` scales them all into a frame."""

    def __init__(self) -> None:
        self._parts: list[tuple[Outline, RGB | None, RGB | None, float, bool]] = []
        self._place: tuple[float, ...] | None = None  # a, b, c, d, e, f as in SVG's matrix()

    def place(
        self, x: float = 0, y: float = 0, angle: float = 0, scale: float = 1, across: float = 1, along: float = 1
    ) -> None:
        """From now on outlines are scaled (`across` and `along` before the turn), turned (radians) and moved."""
        c, s = math.cos(angle) * scale, math.sin(angle) * scale
        self._place = (c * across, s * across, -s * along, c * along, x, y)

    def unplace(self) -> None:
        """From now on outlines stay as they are."""
        self._place = None

    def add(
        self,
        outline: Outline,
        fill: RGB | None = None,
        stroke: RGB | None = None,
        width: float = 0.0,
        detail: bool = False,
    ) -> None:
        """Adds a shape in front of those that are there; the stroke's width is in the outline's own units."""
        if self._place is not None:
            a, b, c, d, e, f = self._place
            width *= math.sqrt(abs(a * d - b * c))
            outline = [(o, tuple((a * x + c * y + e, b * x + d * y + f) for x, y in pts)) for o, pts in outline]
        self._parts.append((outline, fill, stroke, width, detail))

    def _bounds(self) -> tuple[float, float, float, float]:
        left = top = math.inf
        right = bottom = -math.inf
        for outline, _, stroke, width, _ in self._parts:
            pad = width / 2 if stroke is not None else 0.0
            ends = [points[-1] for letter, points in outline if letter != "Z"]
            xs, ys = [x for x, _ in ends], [y for _, y in ends]
            left, right = min(left, min(xs) - pad), max(right, max(xs) + pad)
            top, bottom = min(top, min(ys) - pad), max(bottom, max(ys) + pad)
        for outline, _, stroke, width, _ in self._parts:
            pad = width / 2 if stroke is not None else 0.0
            last: Point = (0.0, 0.0)
            for letter, points in outline:
                if letter == "C":
                    one, two, end = points
                    # Only a curve whose handles stick out can do so itself: few do.
                    if min(one[0], two[0]) - pad < left or max(one[0], two[0]) + pad > right:
                        reach = _swing(last[0], one[0], two[0], end[0])
                        left, right = min(left, reach[0] - pad), max(right, reach[1] + pad)
                    if min(one[1], two[1]) - pad < top or max(one[1], two[1]) + pad > bottom:
                        reach = _swing(last[1], one[1], two[1], end[1])
                        top, bottom = min(top, reach[0] - pad), max(bottom, reach[1] + pad)
                if points:
                    last = points[-1]
        return left, top, right, bottom

    def _rim(self, tone: RGB, width: float) -> None:
        edge = [
            step for outline, fill, _, _, detail in self._parts if fill is not None and not detail for step in outline
        ]
        self._parts.insert(0, (edge, None, tone, 2 * width, False))

    def fitted(self, aspect: float, s: Shades, give: float = 0.1) -> list[Shape]:
        """The shapes in a frame `aspect` wide and 1 high with the foot at (0, 0).

        Width and height may be stretched apart by the share `give` to fill the frame better. White things get an edge
        about them, for they often stand before a light ground.
        """
        left, top, right, bottom = self._bounds()
        if min(s.body) > 225:
            self._rim(mixed(s.dark, s.deep, 0.25), 0.007 * (bottom - top))
            left, top, right, bottom = self._bounds()
        sx, sy = (aspect - 2 * MARGIN) / (right - left), (1 - 2 * MARGIN) / (bottom - top)
        sx, sy = min(sx, sy * (1 + give)), min(sy, sx * (1 + give))
        dx, dy, line = -(left + right) / 2 * sx, -bottom * sy - MARGIN / 2, (sx + sy) / 2
        shapes = []
        for outline, fill, stroke, width, detail in self._parts:
            template = ""
            values: list[float] = []
            for letter, points in outline:
                template += _FORMATS[letter]
                for x, y in points:
                    values += (x * sx + dx, y * sy + dy)
            shapes.append(Shape(template % tuple(values), fill, stroke, round(width * line, 4), detail=detail))
        return shapes


def _swing(a: float, b: float, c: float, d: float) -> tuple[float, float]:
    """The least and the greatest of a cubic's values, sampled."""
    values = []
    for t in (0.15, 0.3, 0.4, 0.5, 0.6, 0.7, 0.85):
        u = 1 - t
        values.append(a * u * u * u + 3 * b * u * u * t + 3 * c * u * t * t + d * t * t * t)
    return min(values), max(values)


def wedges(points: Sequence[Point], at: Sequence[int], towards: Point, depth: float, width: float) -> Outline:
    """Pointed stripes that run from some of an outline's points inward."""
    out: Outline = []
    for k in at:
        base, tip = lerp(points[k], towards, 0.05), lerp(points[k], towards, depth)
        length = math.hypot(tip[0] - base[0], tip[1] - base[1]) or 1.0
        nx, ny = -(tip[1] - base[1]) / length * width / 2, (tip[0] - base[0]) / length * width / 2
        out += arcs([(base[0] + nx, base[1] + ny), tip, (base[0] - nx, base[1] - ny)], (-0.1, -0.1, 0.1))
    return out


def eye(fig: Figure, x: float, y: float, r: float, white: RGB | None = None) -> None:
    """A round dark eye with a glint; `white` is the ring about it, which dark coats need."""
    if white is not None:
        fig.add(oval(x, y, r * 1.45), white)
    fig.add(oval(x, y, r), INK)
    fig.add(oval(x - r * 0.3, y - r * 0.35, r * 0.36), PAPER, detail=True)
