"""What stands over the land: sun, moon, cloud, mountain."""

from __future__ import annotations

import math
from itertools import pairwise

from .dice import Dice
from .forms import rounded, route
from .shapes import PAPER, Kind, Point, Shades, Shape, blob, ellipse, mixed, polygon, smooth

_MIDDLE = -0.5  # of the frame


def _round(angle: float, radius: float) -> Point:
    return radius * math.cos(angle), _MIDDLE + radius * math.sin(angle)


def sun(dice: Dice, shades: Shades) -> list[Shape]:
    """A disc within a wreath of rays."""
    form = dice.choice(("points", "drops", "flames", "strokes", "halo"))
    disc = dice.uniform(0.27, 0.31) if form != "halo" else dice.uniform(0.25, 0.28)
    n = dice.integer(9, 13)
    turn = dice.uniform(0, 2 * math.pi / n)
    out: list[Shape] = []
    if form == "halo":
        for radius, tone in ((0.385, shades.light), (0.335, mixed(shades.light, shades.body, 0.5))):
            out.append(Shape(ellipse(0, _MIDDLE, radius), tone))
        n = dice.integer(14, 18)
        out.insert(0, Shape(_spikes(n, 0.38, 0.495, 0.5, turn), shades.body))
    elif form == "strokes":
        gap, width = disc + 0.04, dice.uniform(0.048, 0.06)
        rays = ""
        for k in range(n):
            a = turn + 2 * math.pi * k / n
            (x0, y0), (x1, y1) = _round(a, gap + 0.02), _round(a, (0.46, 0.42)[k % 2 * (n % 2 == 0)])
            rays += route("M", x0, y0, "L", x1, y1)
        out.append(Shape(rays, stroke=shades.body, width=width))
    elif form == "drops":
        out.append(Shape(_drops(n, disc + 0.035, turn, dice.uniform(0.42, 0.56)), shades.body))
    elif form == "flames":
        out.append(Shape(_flames(dice, max(n, 11), disc, turn), mixed(shades.body, shades.dark, 0.5)))
    else:
        out.append(Shape(_spikes(n, disc, 0.43, 0.5, turn + math.pi / n), shades.dark))
        out.append(Shape(_spikes(n, disc, 0.495, 0.62, turn), shades.body))
    out.append(
        Shape(blob(0, _MIDDLE, disc, disc, dice, 12, 0.02), shades.body, mixed(shades.body, shades.dark, 0.7), 0.014)
    )
    shift = dice.uniform(0.02, 0.05)
    out.append(Shape(ellipse(-shift, _MIDDLE - shift, disc * dice.uniform(0.6, 0.72)), shades.light))
    if dice.chance(0.45):
        out.append(Shape(_swirl(disc * 0.6, turn), stroke=shades.body, width=0.026, detail=True))
    return out


def _spikes(n: int, inner: float, outer: float, broad: float, turn: float) -> str:
    """Pointed rays; `broad` is the share of the turn that each one's foot takes."""
    out = ""
    for k in range(n):
        a, half = turn + 2 * math.pi * k / n, math.pi / n * broad * 1.5
        out += polygon([_round(a - half, inner * 0.94), _round(a, outer), _round(a + half, inner * 0.94)])
    return out


def _drops(n: int, inner: float, turn: float, broad: float) -> str:
    """Tapering rays, which stand off the disc."""
    out = ""
    for k in range(n):
        a, half, outer = turn + 2 * math.pi * k / n, math.pi / n * broad, (0.495, 0.44)[k % 2 * (n % 2 == 0)]
        out += rounded([_round(a - half, inner), _round(a, outer + 0.02), _round(a + half, inner)], 0.035)
    return out


def _flames(dice: Dice, n: int, disc: float, turn: float) -> str:
    """Rays bent all one way."""
    bend = dice.choice((-1, 1)) * 0.9 * math.pi / n
    points = []
    for k in range(n):
        a, step = turn + 2 * math.pi * k / n, 2 * math.pi / n
        points += [
            _round(a, disc + 0.02),
            _round(a + step * 0.4 + bend * 0.4, 0.41),
            _round(a + step * 0.5 + bend, 0.49),
        ]
        points.append(_round(a + step * 0.8 + bend * 0.5, 0.4))
    return smooth(points, tension=0.55)


def _swirl(radius: float, turn: float) -> str:
    return smooth([_round(turn + k * 0.9, radius * (0.12 + k * 0.088)) for k in range(11)], closed=False)


def moon(dice: Dice, shades: Shades) -> list[Shape]:
    """A crescent, or a full disc with its seas and craters."""
    return _full(dice, shades) if dice.chance(0.35) else _crescent(dice, shades)


def _full(dice: Dice, shades: Shades) -> list[Shape]:
    side = dice.choice((-1, 1))
    out = [Shape(ellipse(0, _MIDDLE, 0.495), mixed(shades.body, shades.dark, 0.5))]
    out.append(Shape(ellipse(-side * 0.04, _MIDDLE - 0.025, 0.445), shades.body))
    turn = dice.uniform(0, 2 * math.pi)
    for k, (low, high) in enumerate(((0.13, 0.16), (0.09, 0.12), (0.06, 0.09))):
        size = dice.uniform(low, high)
        x, y = _round(turn + k * 2.1 + dice.uniform(-0.3, 0.3), dice.uniform(0.2, 0.27))
        out.append(Shape(blob(x, y, size, size * 0.86, dice, 8, 0.1), shades.dark))
        floor = ellipse(x + size * 0.12, y + size * 0.14, size * 0.62, size * 0.52)
        out.append(Shape(floor, mixed(shades.dark, shades.body, 0.35), detail=True))
    small = "".join(ellipse(*_round(turn + 1 + k * 1.7, dice.uniform(0.05, 0.38)), 0.02 + 0.004 * k) for k in range(4))
    out.append(Shape(small, shades.dark, detail=True))
    return out


def _crescent(dice: Dice, shades: Shades) -> list[Shape]:
    """Horns to the right before it is turned; the inner edge is a flatter arc than the outer one."""
    tilt = dice.choice((-1, 1)) * dice.uniform(0.1, 0.6)
    opening = dice.uniform(0.85, 1.15)  # half the angle between the horns, seen from the middle
    depth = dice.uniform(-0.06, 0.08)  # where the inner edge crosses the axis
    radius = 0.495
    across, up = radius * math.cos(opening), radius * math.sin(opening)
    cos, sin = math.cos(tilt), math.sin(tilt)
    upper = across * cos + up * sin, _MIDDLE + across * sin - up * cos
    lower = across * cos - up * sin, _MIDDLE + across * sin + up * cos

    def path(inner: float) -> str:
        gap = across - inner
        bend = (gap * gap + up * up) / (2 * gap)  # the circle through both horns and (inner, 0)
        return route("M", upper[0], upper[1], "A", radius, radius, 0, 1, 0, lower[0], lower[1]) + route(
            "A", bend, bend, 0, int(gap > up), 1, upper[0], upper[1], "Z"
        )

    out = [Shape(path(depth), mixed(shades.body, shades.dark, 0.55))]
    thick = depth + radius
    out.append(Shape(path(depth - thick * dice.uniform(0.16, 0.26)), shades.body))
    if dice.chance(0.6):
        out.append(Shape(path(depth - thick * dice.uniform(0.62, 0.72)), shades.light))
    spots = ""
    for k in range(3):
        angle = math.pi + tilt + (k - 1) * dice.uniform(0.45, 0.6)
        spots += ellipse(*_round(angle, radius - thick * dice.uniform(0.35, 0.55)), dice.uniform(0.025, 0.05))
    out.append(Shape(spots, shades.dark, detail=True))
    return out


Lobe = tuple[float, float, float]  # middle and radius


def cloud(dice: Dice, shades: Shades) -> list[Shape]:
    """Heaped lobes over a flat foot."""
    n = dice.integer(4, 6)
    peak = dice.uniform(0.3, 0.7)
    rises = [max(1 - (abs(k / (n - 1) - peak) / max(peak, 1 - peak)) ** 1.5, 0.0) for k in range(n)]
    sizes = [(0.15 + 0.14 * rise) * dice.uniform(0.82, 1.2) for rise in rises]
    close, lift = dice.uniform(0.68, 0.8), 0.08
    while True:
        lobes = _row(sizes, rises, close, lift)
        left, right = min(a - r for a, _, r in lobes), max(a + r for a, _, r in lobes)
        sx, sy = 1.74 / (right - left), 0.995 / -min(b - r for _, b, r in lobes)
        if sy < 1.15 * sx or lift > 0.4:  # else the frame would draw the lobes out upwards
            break
        lift += 0.04
    lobes = [(a - (left + right) / 2, b, r) for a, b, r in lobes]

    def layer(share: float, down: float, foot: float) -> str:
        """The heap with smaller lobes, over a foot in scallops."""
        inner: list[Lobe] = [(a + down * r, b + (1 - share) * r * 0.2 + down * r * 0.7, r * share) for a, b, r in lobes]
        (x0, y0, r0), (x1, y1, r1) = inner[0], inner[-1]
        a0, b0, a1, b1 = x0 * sx, (y0 + r0 * 0.3) * sy, x1 * sx, (y1 + r1 * 0.3) * sy
        width = (a1 - a0) / 3
        hem = "".join(
            route("Q", a1 - width * (k + 0.5), foot * 0.4, a1 - width * (k + 1), b0 if k == 2 else -0.2)
            for k in range(3)
        )
        return _heap(inner, sx, sy) + route("L", a1, b1, hem, "Z")

    tones = mixed(shades.body, shades.dark, 0.55), shades.light, shades.body
    paths = _heap(lobes, sx, sy) + "Z", layer(0.95, 0.0, -0.02), layer(0.84, 0.14, -0.1)
    out = [Shape(path, tone) for path, tone in zip(paths, tones)]
    if dice.chance(0.45):
        curls = ""
        for a, b, r in dice.sample(lobes[1:-1], 2):
            r *= dice.uniform(0.42, 0.52)
            curls += route("M", (a - r) * sx, (b + r * 0.3) * sy)
            for bend in (1.0, -0.72, 0.44):
                curls += route("a", abs(bend) * r * sx, abs(bend) * r * sy, 0, 0, 1, 2 * bend * r * sx, 0)
        out.append(Shape(curls, stroke=mixed(shades.body, shades.dark, 0.8), width=0.026, detail=True))
    return out


def _row(sizes: list[float], rises: list[float], close: float, lift: float) -> list[Lobe]:
    """Lobes side by side, the outer ones on the foot, the inner ones lifted."""
    lobes: list[Lobe] = []
    x = 0.0
    for k, (r, rise) in enumerate(zip(sizes, rises)):
        y = -r if k in (0, len(sizes) - 1) else -r - rise * lift
        if lobes:
            gap = (lobes[-1][2] + r) * close
            x += math.sqrt(max(gap * gap - (y - lobes[-1][1]) ** 2, gap * gap * 0.4))
        lobes.append((x, y, r))
    return lobes


def _heap(lobes: list[Lobe], sx: float, sy: float) -> str:
    """The upper outline of a row of overlapping circles, from the first one's foot to the last one's, scaled."""
    (x, y, r) = lobes[0]
    corners = [(x, y + r)]
    for (xa, ya, ra), (xb, yb, rb) in pairwise(lobes):
        dx, dy = xb - xa, yb - ya
        gap = math.hypot(dx, dy)
        along = (gap * gap + ra * ra - rb * rb) / (2 * gap)
        up = math.sqrt(max(ra * ra - along * along, 0.0))
        corners.append((xa + (along * dx + up * dy) / gap, ya + (along * dy - up * dx) / gap))
    x, y, r = lobes[-1]
    corners.append((x, y + r))
    out = route("M", corners[0][0] * sx, corners[0][1] * sy)
    for (a, b, r), (xa, ya), (xb, yb) in zip(lobes, corners, corners[1:]):
        sweep = (math.atan2(yb - b, xb - a) - math.atan2(ya - b, xa - a)) % (2 * math.pi)
        out += route("A", r * sx, r * sy, 0, int(sweep > math.pi), 1, xb * sx, yb * sy)
    return out


def mountain(dice: Dice, shades: Shades) -> list[Shape]:
    """One to three peaks with a lit and a shaded flank and snow on top."""
    n = dice.weighted({1: 0.3, 2: 0.4, 3: 0.3})
    tall = dice.uniform(-0.1, 0.1)
    side = dice.choice((-1, 1))
    peaks = [(tall, -0.992, -0.76, 0.76)]
    if n == 2:
        x = side * dice.uniform(0.16, 0.22)
        peaks = [(-x * 1.9, -dice.uniform(0.6, 0.78), -x * 1.9 - 0.36, -x * 1.9 + 0.5), (x, -0.992, x - 0.58, x + 0.56)]
    elif n == 3:
        peaks = [
            (-0.4, -dice.uniform(0.58, 0.78), -0.78, 0.1),
            (0.42, -dice.uniform(0.5, 0.74), -0.1, 0.78),
            (tall, -0.992, tall - 0.56, tall + 0.56),
        ]
    sun_side = dice.choice((-1, 1))
    out: list[Shape] = []
    for k, (x, top, left, right) in enumerate(peaks):
        far = 0.0 if k == len(peaks) - 1 else 0.5
        out += _peak(dice, shades, x, top, max(left, -0.79), min(right, 0.79), far, sun_side)
    ridge = [(-0.795, 0.0)]
    m = dice.integer(4, 5)
    ridge += [(-0.7 + 1.4 * k / m, -dice.uniform(0.03, 0.13)) for k in range(m + 1)]
    hills = smooth([*ridge, (0.795, 0.0)], closed=False, tension=0.9) + "Z"
    out.append(Shape(hills, mixed(shades.body, shades.dark, 0.7)))
    return out


def _peak(
    dice: Dice, shades: Shades, x: float, top: float, left: float, right: float, far: float, lit: int
) -> list[Shape]:
    """One mountain; `far` pales it, `lit` says which flank faces the light."""

    def flank(foot: float) -> list[Point]:
        return [(x + (foot - x) * (t + dice.uniform(-0.03, 0.03)), top * (1 - t)) for t in (0.3, 0.62)] + [(foot, 0.0)]

    near, away = flank(left), flank(right)
    outline = [*reversed(near), (x, top), *away]
    body, dark = mixed(shades.body, shades.light, far), mixed(shades.dark, shades.body, far)
    shaded = away if lit < 0 else near
    crest = [(x + dice.uniform(-0.02, 0.07) * -lit * (1 + k), top * (1 - t)) for k, t in enumerate((0.28, 0.55, 0.8))]
    out = [Shape(polygon(outline), body)]
    out.append(Shape(polygon([(x, top), *crest, (x + dice.uniform(-0.1, 0.1), 0.0), *reversed(shaded)]), dark))
    depth = dice.uniform(0.28, 0.42)
    y = top * (1 - depth)

    def edge(flank: list[Point]) -> Point:
        (xa, ya) = flank[0]
        if depth <= 1 - ya / top:
            s = depth / (1 - ya / top)
            return x + (xa - x) * s, y
        (xb, yb) = flank[1]
        s = (y - ya) / (yb - ya)
        return xa + (xb - xa) * s, y

    a, b = edge(near), edge(away)
    teeth = dice.integer(2, 3) * 2
    hem = [
        (b[0] + (a[0] - b[0]) * k / teeth, y + (-0.075 if k % 2 else 0.045) * dice.uniform(0.7, 1.3))
        for k in range(1, teeth)
    ]
    side = [near[0]] if depth > 1 - near[0][1] / top else []
    other = [away[0]] if depth > 1 - away[0][1] / top else []
    snow = [a, *side, (x, top), *other, b, *hem]
    paint = (255, 255, 252) if sum(shades.body) > 690 else PAPER
    out.append(Shape(polygon(snow), paint))
    out.append(
        Shape(
            polygon(
                [(x, top), *(other if lit < 0 else side), (b if lit < 0 else a), hem[0 if lit < 0 else -1], (x, y)]
            ),
            mixed(paint, shades.dark, 0.3),
            detail=True,
        )
    )
    return out


HEAVENS: dict[str, Kind] = {
    "sun": Kind(sun, 1.0, "sky", ("yellow", "orange", "red", "white"), scale=0.9),
    "moon": Kind(moon, 1.0, "sky", ("white", "yellow", "orange"), scale=0.8),
    "cloud": Kind(cloud, 1.75, "sky", ("white", "grey", "pink", "blue"), scale=0.7),
    "mountain": Kind(mountain, 1.6, "ground", ("green", "blue", "grey", "brown", "purple", "white"), scale=2.2),
}
