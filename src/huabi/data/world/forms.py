"""Small means that several kinds are drawn with: softened polygons, tremor, contrasting paints."""

from __future__ import annotations

import math
from collections.abc import Sequence

from .dice import Dice
from .shapes import INK, PAPER, RGB, Point, Shades, number

GLOW: RGB = (255, 222, 130)  # lamplight
GLASS: RGB = (186, 216, 230)
GOLD: RGB = (226, 172, 62)
STRAW: RGB = (176, 124, 74)  # wicker, rope, bare wood
IRON: RGB = (112, 110, 120)


def route(*parts: str | float) -> str:
    """SVG path data from its letters and numbers."""
    return " ".join(part if isinstance(part, str) else number(part) for part in parts)


def rounded(points: Sequence[Point], radius: float) -> str:
    """A closed polygon whose corners are rounded off by at most `radius`."""
    n = len(points)
    out = []
    for k, (x, y) in enumerate(points):
        (xa, ya), (xb, yb) = points[k - 1], points[(k + 1) % n]
        before, after = math.hypot(xa - x, ya - y) or 1.0, math.hypot(xb - x, yb - y) or 1.0
        s, t = min(radius / before, 0.5), min(radius / after, 0.5)
        start = route(x + (xa - x) * s, y + (ya - y) * s)
        end = route(x + (xb - x) * t, y + (yb - y) * t)
        out.append(route("L" if k else "M", start, "Q", x, y, end))
    return "".join(out) + "Z"


def box(x: float, y: float, width: float, height: float, radius: float) -> str:
    """A rectangle from its upper left corner, with rounded corners."""
    return rounded([(x, y), (x + width, y), (x + width, y + height), (x, y + height)], radius)


def arched(x: float, y: float, width: float, height: float) -> str:
    """A door or window with a round head, from its upper left corner."""
    r = width / 2
    head = route("a", r, min(r, height), 0, 0, 1, width, 0)
    return route("M", x, y + height, "V", y + min(r, height), head, "V", y + height, "Z")


def shaky(points: Sequence[Point], dice: Dice, amount: float) -> list[Point]:
    """The points as an unsteady hand sets them; those on the ground stay on it."""
    return [(x + dice.uniform(-amount, amount), y if y == 0 else y + dice.uniform(-amount, amount)) for x, y in points]


def mirrored(points: Sequence[Point]) -> list[Point]:
    """A right half, from top to bottom, completed by its mirror image."""
    return [*points, *((-x, y) for x, y in reversed(points) if x)]


def apart(paint: RGB, *options: RGB) -> RGB:
    """The first option that is told from the paint at a glance, else the farthest one."""

    def distance(option: RGB) -> int:
        return sum(abs(a - b) for a, b in zip(paint, option))

    return next((option for option in options if distance(option) > 130), max(options, key=distance))


def pane(shades: Shades, dice: Dice) -> RGB:
    """A window's paint, which is never lost on the wall."""
    return apart(shades.body, *dice.shuffled([GLOW, PAPER, GLASS]), INK)
