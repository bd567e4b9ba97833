"""Things of the hand: lantern, kite, basket, pot."""

from __future__ import annotations

import math
from collections.abc import Callable

from .dice import Dice
from .forms import GOLD, apart, box, mirrored, rounded, route
from .shapes import (
    INK,
    PAPER,
    RGB,
    Point,
    Shades,
    Shape,
    ellipse,
    line,
    mixed,
    placed,
    polygon,
    rectangle,
    smooth,
)

BASKET_RIM = -0.54
POT_RIM = -0.93


def lantern(dice: Dice, shades: Shades) -> list[Shape]:
    """A paper lantern on a loop: ribs, two caps, a tassel."""
    form = dice.choice(("round", "round", "drum", "facets"))
    top, low = -dice.uniform(0.84, 0.87), -dice.uniform(0.27, 0.32)
    middle, tall = (top + low) / 2, low - top
    half = {"round": dice.uniform(0.285, 0.32), "drum": dice.uniform(0.23, 0.28), "facets": dice.uniform(0.27, 0.31)}[
        form
    ]
    cap = half * dice.uniform(0.42, 0.52)
    gold = apart(shades.body, GOLD, (122, 50, 44), INK)

    def paper(k: float) -> str:
        w = half * k
        if form == "round":
            return ellipse(0, middle, w, tall / 2)
        c = cap * 1.2 * k
        if form == "drum":
            return rounded(
                [
                    (-c, top),
                    (c, top),
                    (w, top + tall * 0.2),
                    (w, low - tall * 0.2),
                    (c, low),
                    (-c, low),
                    (-w, low - tall * 0.2),
                    (-w, top + tall * 0.2),
                ],
                0.08,
            )
        return polygon([(-c, top), (c, top), (w, middle), (c, low), (-c, low), (-w, middle)])

    out = [Shape(ellipse(0, -0.955, 0.033, 0.036), stroke=shades.deep, width=0.016)]
    out.append(Shape(paper(1), shades.body))
    out.append(Shape(paper(0.7), mixed(shades.body, shades.light, 0.45)))
    out.append(Shape(paper(0.36), shades.light))
    ribs = paper(0.85) + paper(0.53) + paper(0.18)
    out.append(Shape(ribs, stroke=shades.dark, width=0.014, detail=True))
    if dice.chance(0.35):
        hoops = "".join(
            route("M", -half * w, middle + tall * s, "Q", 0, middle + tall * s + 0.035, half * w, middle + tall * s)
            for s, w in ((-0.22, 0.88), (0.2, 0.88))
        )
        out.append(Shape(hoops, stroke=shades.dark, width=0.016))
    elif dice.chance(0.6):
        r = tall * dice.uniform(0.15, 0.19)
        out.append(Shape(polygon([(0, middle - r), (r, middle), (0, middle + r), (-r, middle)]), gold, detail=True))
    caps = box(-cap, top - 0.035, 2 * cap, 0.062, 0.02) + box(-cap, low - 0.025, 2 * cap, 0.055, 0.02)
    out.append(Shape(caps, gold))
    return out + _tassel(dice, shades, low + 0.03, gold)


def _tassel(dice: Dice, shades: Shades, y: float, gold: RGB) -> list[Shape]:
    wide, knot = dice.uniform(0.05, 0.075), y + 0.06
    sway = dice.uniform(-0.02, 0.02)
    out = [Shape(line((0, y - 0.01), (0, knot)), stroke=gold, width=0.018)]
    skirt = [(-0.025, knot), (0.025, knot), (wide + sway, 0), (-wide + sway, 0)]
    out.append(Shape(polygon(skirt), mixed(shades.body, shades.dark, 0.4)))
    threads = "".join(line((0.012 * k, knot + 0.03), (wide * 0.5 * k + sway, -0.008)) for k in (-1, 0, 1))
    out.append(Shape(threads, stroke=shades.deep, width=0.009, detail=True))
    out.append(Shape(ellipse(0, knot, 0.036, 0.032), gold))
    if dice.chance(0.4):
        beads = "".join(
            line((s * 0.11, y - 0.03), (s * 0.11, y + 0.09)) + ellipse(s * 0.11, y + 0.1, 0.018) for s in (-1, 1)
        )
        out.append(Shape(beads, gold, gold, 0.012))
    return out


def kite(dice: Dice, shades: Shades) -> list[Shape]:
    """A kite on its spars, with a tail of bows that waves below it."""
    form = dice.choice(("diamond", "diamond", "diamond", "delta", "six", "arch"))
    tilt = dice.choice((-1, 1)) * dice.uniform(0.1, 0.28)
    tones = dice.choice(
        (
            (shades.body, shades.light, shades.dark, shades.body),
            (shades.light, shades.body, shades.body, shades.dark),
            (shades.body, shades.body, shades.dark, shades.dark),
        )
    )
    half, tall = {"diamond": (0.37, 0.73), "delta": (0.4, 0.6), "six": (0.33, 0.66), "arch": (0.36, 0.7)}[form]
    half *= dice.uniform(0.92, 1.04)
    cross = tall * {"diamond": dice.uniform(0.32, 0.4), "delta": 0.86, "six": 0.25, "arch": 0.34}[form]
    cos, sin = math.cos(tilt), math.sin(tilt)
    shift = -sin * tall * 0.42  # so that the tilted sail stays in the middle

    def at(x: float, y: float) -> Point:
        """The sail's own axes, from its nose downwards, turned by the tilt."""
        return x * cos - y * sin - shift, x * sin + y * cos - 0.995 + abs(sin) * lift

    lift = {"diamond": 0.0, "delta": 0.0, "six": half * 0.62, "arch": half * 0.3}[form]
    nose, end, left, right = at(0, 0), at(0, tall), at(-half, cross), at(half, cross)
    hub = at(0, cross)
    sails = _sails(form, at, half, tall, cross)
    out = _tail(dice, shades, end)
    out += [Shape(path, tone) for path, tone in zip(sails, tones)]
    if form == "six":
        spars = (
            line(nose, end)
            + line(at(-half, cross), at(half, cross))
            + line(at(-half, tall - cross), at(half, tall - cross))
        )
    else:
        spars = line(nose, end) + (line(left, hub, right) if form != "delta" else "")
    seam = shades.light if sum(shades.body) < 210 else shades.deep  # on black, dark lines would be lost
    out.append(Shape(spars, stroke=seam, width=0.016))
    if dice.chance(0.4) and form != "delta":
        x, y = hub
        out.append(Shape(ellipse(x, y, half * 0.3), apart(shades.body, *dice.shuffled([GOLD, PAPER]), INK)))
    return out


def _sails(form: str, at: Callable[[float, float], Point], half: float, tall: float, cross: float) -> list[str]:
    """The cloth in two or four fields."""
    nose, end, left, right, hub = at(0, 0), at(0, tall), at(-half, cross), at(half, cross), at(0, cross)
    if form == "delta":
        inner = [at(-half * 0.34, tall * 0.72), at(half * 0.34, tall * 0.72)]
        return [
            polygon([nose, left, inner[0], end]),
            polygon([nose, right, inner[1], end]),
            polygon([nose, inner[0], end]),
            polygon([nose, inner[1], end]),
        ]
    if form == "six":
        low = tall - cross
        return [
            polygon([nose, at(-half, cross), at(half, cross)]),
            polygon([at(-half, cross), at(0, cross), at(0, low), at(-half, low)]),
            polygon([at(half, cross), at(0, cross), at(0, low), at(half, low)]),
            polygon([at(-half, low), at(half, low), end]),
        ]
    if form == "arch":

        def quarter(s: int) -> str:
            a, b = at(s * half * 0.62, 0), at(s * half, cross * 0.42)
            x, y = at(s * half, cross)
            return route("M", nose[0], nose[1], "C", a[0], a[1], b[0], b[1], x, y, "L", hub[0], hub[1], "Z")

        return [quarter(-1), quarter(1), polygon([left, hub, end]), polygon([right, hub, end])]
    return [
        polygon([nose, hub, left]),
        polygon([nose, right, hub]),
        polygon([left, hub, end]),
        polygon([hub, right, end]),
    ]


def _tail(dice: Dice, shades: Shades, end: Point) -> list[Shape]:
    """A string that swings to and fro, with bows."""
    x, y = end
    y -= 0.01
    swing = dice.choice((-1, 1)) * dice.uniform(0.07, 0.12)
    bend = 1.0 if y < -0.4 else 0.6
    points = [(x, y)]
    for k in range(1, 5):
        points.append((x * (1 - k / 5) + swing * bend * (1 if k % 2 else -1), y + (-0.04 - y) * k / 4))
    out = [Shape(smooth(points, closed=False), stroke=shades.deep, width=0.016)]
    paints = [shades.body, apart(shades.body, GOLD, PAPER)]
    bows = ["", ""]
    for k, (px, py) in enumerate(points[1:]):
        w, h = 0.062, 0.036
        bows[k % 2] += polygon([(px - w, py - h), (px + w, py + h), (px + w, py - h), (px - w, py + h)])
    return [*out, *(Shape(path, paint) for path, paint in zip(bows, paints))]


def basket(dice: Dice, shades: Shades) -> list[Shape]:
    """A wicker basket with a bowed handle."""
    half, foot = dice.uniform(0.46, 0.49), dice.uniform(0.32, 0.42)
    bulge = dice.uniform(0.0, 0.05)
    grip = half * dice.uniform(0.72, 0.86)
    flat = dice.uniform(0.72, 1.0)
    thick = dice.uniform(0.055, 0.07)
    top = -1 + thick / 2 + 0.003
    peak = BASKET_RIM + (top - BASKET_RIM) * 4 / 3
    hoop = route("M", -grip, BASKET_RIM, "C", -grip * flat, peak, grip * flat, peak, grip, BASKET_RIM)
    out = [Shape(hoop, stroke=shades.dark, width=thick)]
    wraps = ""
    for k in range(1, 8):
        t = k / 8
        x = grip * (-((1 - t) ** 3) - 3 * flat * t * (1 - t) ** 2 + 3 * flat * t * t * (1 - t) + t**3)
        y = BASKET_RIM + (peak - BASKET_RIM) * 3 * t * (1 - t)
        wraps += route("M", x - 0.02, y - 0.018, "l", 0.04, 0.036)
    out.append(Shape(wraps, stroke=shades.light, width=0.016, detail=True))
    out.append(Shape(ellipse(0, BASKET_RIM, half - 0.02, 0.075), shades.deep))
    r = half + bulge
    wall = (
        route("M", -half + 0.01, BASKET_RIM, "Q", -r, -0.2, -foot, -0.03, "Q", 0, 0.03, foot, -0.03)
        + route("Q", r, -0.2, half - 0.01, BASKET_RIM)
        + route("Q", 0, BASKET_RIM + 0.15, -half + 0.01, BASKET_RIM, "Z")
    )
    walls = [Shape(wall, shades.body), Shape(_weave(dice, half, foot), shades.dark)]
    rim = route("M", -half + 0.012, BASKET_RIM + 0.01, "Q", 0, BASKET_RIM + 0.17, half - 0.012, BASKET_RIM + 0.01)
    walls.append(Shape(rim, stroke=shades.light, width=0.075))
    braid = ""
    for k in range(11):
        s = (k + 0.5) / 11 * 2 - 1
        y = BASKET_RIM + 0.01 + 0.08 * (1 - s * s)
        braid += route("M", half * s * 0.96 - 0.02, y + 0.03, "l", 0.04, -0.06)
    walls.append(Shape(braid, stroke=shades.dark, width=0.014, detail=True))
    if dice.chance(0.4):
        side = dice.choice((-1, 1)) * grip * 0.9
        y = BASKET_RIM + 0.04
        w = polygon([(side, y), (side - 0.11, y - 0.06), (side - 0.11, y + 0.06)]) + polygon(
            [(side, y), (side + 0.11, y - 0.06), (side + 0.11, y + 0.06)]
        )
        walls.append(Shape(w, apart(shades.body, *dice.shuffled([GOLD, PAPER, (205, 72, 66)])), detail=True))
    return [*out, *placed(walls, front=True)]


def _weave(dice: Dice, half: float, foot: float) -> str:
    """Every other cell of the wall: a plait seen from afar."""
    rows, cols = dice.choice((3, 4)), dice.integer(5, 7)
    top, low = BASKET_RIM + 0.06, -0.03
    out = ""
    for row in range(rows):
        a, b = (row + 0.12) / rows, (row + 0.88) / rows
        for col in range(row % 2, cols, 2):
            u, v = (col + 0.06) / cols * 2 - 1, (col + 0.94) / cols * 2 - 1
            cell = []
            for s, t in ((u, a), (v, a), (v, b), (u, b)):
                w = half * 0.97 + (foot - half) * t
                sag = (1 - s * s) * (0.07 * (1 - t) + 0.012 * t)
                cell.append((w * s, top + (low - top) * t + sag))
            out += rounded(cell, 0.03)
    return out


def pot(dice: Dice, shades: Shades) -> list[Shape]:
    """A flower pot: a thick rim over a tapering, bellied or footed body, with earth in it."""
    form = dice.choice(("taper", "taper", "belly", "bowl"))
    mouth = dice.uniform(0.4, 0.44)
    rim = dice.uniform(0.15, 0.21)
    neck, low = POT_RIM + rim, -0.07
    side = _profile(dice, form, mouth, neck, low)
    body = smooth(mirrored(side), tension=0.6) if form != "taper" else rounded(mirrored(side), 0.04)
    out = [
        Shape(ellipse(0, POT_RIM, mouth + 0.02, 0.065), shades.dark),
        Shape(ellipse(0, POT_RIM + 0.008, mouth - 0.05, 0.042), mixed((84, 60, 48), INK, 0.2)),
    ]
    foot = side[-1][0]
    walls = [
        Shape(
            rounded([(-foot - 0.09, -0.085), (foot + 0.09, -0.085), (foot + 0.04, 0), (-foot - 0.04, 0)], 0.03),
            shades.dark,
        )
    ]
    walls.append(Shape(body, shades.body))
    lit = [
        (-mouth * 0.66, neck + 0.05),
        (-mouth * 0.44, neck + 0.05),
        (-foot * 0.5, low - 0.12),
        (-foot * 0.72, low - 0.12),
    ]
    walls.append(Shape(rounded(lit, 0.06), shades.light, detail=True))
    walls += _ornament(dice, shades, mouth, neck, foot)
    walls.append(Shape(rectangle(-mouth * 0.95, neck, mouth * 1.9, 0.03), shades.deep, opacity=0.45, detail=True))
    lip = route("M", -mouth - 0.03, POT_RIM, "Q", 0, POT_RIM + 0.13, mouth + 0.03, POT_RIM) + route(
        "L", mouth, neck, "Q", 0, neck + 0.06, -mouth, neck, "Z"
    )
    walls.append(Shape(lip, mixed(shades.body, shades.light, 0.5)))
    return [*out, *placed(walls, front=True)]


def _profile(dice: Dice, form: str, mouth: float, neck: float, low: float) -> list[Point]:
    if form == "taper":
        return [(mouth * 0.93, neck), (dice.uniform(0.24, 0.3), low)]
    foot = dice.uniform(0.2, 0.25)
    if form == "belly":
        wide = dice.uniform(0.44, 0.47)
        return [
            (mouth * 0.72, neck),
            (wide * 0.96, -0.56),
            (wide, -0.4),
            (wide * 0.8, -0.2),
            (foot + 0.04, low),
            (foot, low),
        ]
    return [(mouth * 0.95, neck), (mouth * 0.98, -0.52), (mouth * 0.78, -0.25), (foot, -0.1), (foot, low)]


def _ornament(dice: Dice, shades: Shades, mouth: float, neck: float, foot: float) -> list[Shape]:
    form = dice.choice(("none", "band", "zigzag", "dots", "drips"))
    y, w = neck * 0.58, mouth * 0.72
    paint = apart(shades.body, PAPER, shades.deep)
    if form == "band":
        return [Shape(box(-w, y - 0.04, 2 * w, 0.08, 0.02), shades.dark)]
    if form == "zigzag":
        n = dice.integer(3, 5)
        teeth = [(w * (k / n - 1), y + (0.05 if k % 2 else -0.05)) for k in range(2 * n + 1)]
        return [Shape(line(*teeth), stroke=paint, width=0.03, detail=True)]
    if form == "dots":
        return [Shape("".join(ellipse(w * s, y, 0.04) for s in (-0.75, -0.25, 0.25, 0.75)), paint, detail=True)]
    if form == "drips":
        n = dice.integer(4, 6)
        r = mouth * 0.88 / n
        path = route("M", -mouth * 0.88, neck)
        for k in range(n):
            deep = 0.02 if k in (0, n - 1) else dice.uniform(0.04, 0.24)
            path += route("V", neck + deep, "a", r, r, 0, 0, 0, 2 * r, 0)
        return [Shape(route(path, "V", neck, "Z"), shades.dark)]
    return []
