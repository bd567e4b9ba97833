"""What a picture is drawn from: filled and stroked paths, before a style has had its say."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from .dice import Dice

Point = tuple[float, float]
RGB = tuple[int, int, int]


@dataclass(frozen=True)
class Shape:
    """One path in a thing's own frame, or in the picture's.

    `path` is SVG path data with absolute or relative commands. A thing's frame has its foot at (0, 0), is 1 high and
    goes up to y = -1 (y grows downwards, as in SVG). A backdrop's frame is the picture's: 1 high, y from 0 to 1.
    """

    path: str
    fill: RGB | None = None
    stroke: RGB | None = None
    width: float = 0.0  # of the stroke, in the frame's units
    opacity: float = 1.0
    front: bool = False  # of a vessel: drawn over what is inside it
    detail: bool = False  # small inner drawing (eyes, seams): styles of few strokes may leave it out
    fade: RGB | None = None  # the fill's colour at the bottom of the shape, for skies and waters: a vertical gradient


@dataclass(frozen=True)
class Shades:
    """The tones of one basic colour that a thing is painted in; `body` must cover most of the thing."""

    body: RGB
    dark: RGB  # shaded side, seams
    light: RGB  # lit side
    deep: RGB  # lines


INK: RGB = (43, 38, 48)  # eyes, noses, tyres
PAPER: RGB = (252, 247, 236)  # whites of eyes, windows by day


def mixed(a: RGB, b: RGB, share: float) -> RGB:
    """`share` of b in a."""
    return tuple(round(x + (y - x) * share) for x, y in zip(a, b))  # type: ignore[return-value]


def number(value: float) -> str:
    """Short and equal on every machine: four decimals."""
    text = f"{value:.4f}".rstrip("0").rstrip(".")
    return "0" if text in ("-0", "") else text


def polygon(points: Iterable[Point], closed: bool = True) -> str:
    """Straight lines through the points."""
    body = "L".join(f"{number(x)} {number(y)}" for x, y in points)
    return f"M{body}" + ("Z" if closed else "")


def smooth(points: Sequence[Point], closed: bool = True, tension: float = 1.0) -> str:
    """A soft curve through the points (Catmull-Rom as cubic Beziers)."""
    n = len(points)

    def at(k: int) -> Point:
        return points[k % n] if closed else points[min(max(k, 0), n - 1)]

    out = [f"M{number(points[0][0])} {number(points[0][1])}"]
    for k in range(n if closed else n - 1):
        (x0, y0), (x1, y1), (x2, y2), (x3, y3) = at(k - 1), at(k), at(k + 1), at(k + 2)
        s = tension / 6
        values = (x1 + (x2 - x0) * s, y1 + (y2 - y0) * s, x2 - (x3 - x1) * s, y2 - (y3 - y1) * s, x2, y2)
        out.append("C" + " ".join(map(number, values)))
    return "".join(out) + ("Z" if closed else "")


def ellipse(x: float, y: float, rx: float, ry: float | None = None) -> str:
    """An ellipse about (x, y)."""
    ry = rx if ry is None else ry
    arc = f"a{number(rx)} {number(ry)} 0 1 0 "
    return f"M{number(x - rx)} {number(y)}{arc}{number(2 * rx)} 0{arc}{number(-2 * rx)} 0Z"


def rectangle(x: float, y: float, width: float, height: float) -> str:
    """A rectangle from its upper left corner."""
    return f"M{number(x)} {number(y)}h{number(width)}v{number(height)}h{number(-width)}Z"


def line(*points: Point) -> str:
    """An open line through the points."""
    return polygon(points, closed=False)


def blob(x: float, y: float, rx: float, ry: float, dice: Dice, points: int = 10, rough: float = 0.12) -> str:
    """A soft uneven round: foliage, clouds, stones."""
    turn = dice.uniform(0, 2 * math.pi)
    around = [turn + 2 * math.pi * k / points for k in range(points)]
    radii = [dice.about(1.0, rough) for _ in around]
    return smooth([(x + rx * r * math.cos(a), y + ry * r * math.sin(a)) for a, r in zip(around, radii)])


@dataclass(frozen=True)
class Kind:
    """How one kind of object looks, and what is possible for it."""

    draw: Callable[[Dice, Shades], list[Shape]]  # in the thing's own frame, within x in [-aspect / 2, aspect / 2]
    aspect: float  # width for a height of 1
    place: str  # "sky", "ground" or "water": where it is at home
    colours: tuple[str, ...]  # basic colours that people would believe of it in a picture book
    scale: float = 1.0  # height beside other kinds of the same stated size
    top: float | None = None  # the height (0..1) at which something can stand on it
    vessel: tuple[float, float, float] | None = None  # x, y and width of the opening that something can be inside
    faces: bool = True  # may be mirrored


def placed(shapes: Iterable[Shape], front: bool) -> list[Shape]:
    """The shapes, marked as drawn over what is inside."""
    return [replace(shape, front=front) for shape in shapes]
