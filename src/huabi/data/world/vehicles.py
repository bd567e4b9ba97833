"""Boat, car and hot-air balloon."""

from __future__ import annotations

from .dice import Dice
from .forms import GLOW, GOLD, IRON, STRAW, apart, box, pane, rounded, route
from .shapes import (
    INK,
    PAPER,
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

RIM = -0.25  # of the boat, where one sits
GONDOLA = -0.15  # the balloon's basket has its rim here
ROOF = 0.96  # the car's


def boat(dice: Dice, shades: Shades) -> list[Shape]:
    """A small boat with one of four riggings over the same hull, so that one can always sit at its stern."""
    bow, stern = -dice.uniform(0.33, 0.4), -dice.uniform(0.29, 0.33)
    sheer = route("M", -0.55, stern, "Q", 0, -0.18, 0.56, bow)
    hold = route(sheer, "Q", 0.1, RIM - 0.05, -0.55, stern, "Z")
    chin = dice.uniform(0.2, 0.32)
    tail = dice.uniform(-0.44, -0.36)
    hull = route(sheer, "C", 0.5, -0.14, chin + 0.12, 0, chin, 0, "H", tail, "Q", -0.52, -0.04, -0.55, stern, "Z")
    rig = dice.choice((_sloop, _sloop, _lugger, _junk, _tug))
    out = rig(dice, shades)
    out.append(Shape(hold, shades.deep))
    tone = shades.dark if dice.chance(0.4) else shades.body
    walls = [Shape(hull, tone)]
    keel = route("M", -0.5, -0.09, "Q", -0.1, -0.03, chin + 0.13, -0.09, "Q", chin + 0.08, 0, chin, 0) + route(
        "H", tail, "Q", -0.48, -0.02, -0.5, -0.09, "Z"
    )
    walls.append(Shape(keel, mixed(tone, shades.deep, 0.45)))
    if dice.chance(0.5):
        plank = route("M", -0.525, stern + 0.11, "Q", 0, -0.08, 0.49, bow + 0.15)
        walls.append(Shape(plank, stroke=mixed(tone, shades.deep, 0.5), width=0.012, detail=True))
    else:
        holes = "".join(ellipse(x, -0.15, 0.026) for x in (-0.22, 0.0, 0.22))
        walls.append(Shape(holes, apart(tone, PAPER, INK), detail=True))
    rim = route("M", -0.545, stern, "Q", 0, -0.18, 0.55, bow)
    walls.append(Shape(rim, stroke=shades.light, width=0.03))
    return [*out, *placed(walls, front=True)]


def _mast(shades: Shades, x: float, top: float = -1.0) -> Shape:
    return Shape(
        polygon([(x - 0.018, RIM), (x - 0.01, top), (x + 0.01, top), (x + 0.018, RIM)]), apart(shades.body, STRAW, INK)
    )


def _sloop(dice: Dice, shades: Shades) -> list[Shape]:
    """A main sail over the stern, a smaller one towards the bow."""
    x, top = dice.uniform(0.0, 0.08), -dice.uniform(0.955, 0.985)
    boom, clew = -dice.uniform(0.33, 0.37), -dice.uniform(0.46, 0.54)
    belly = dice.uniform(0.02, 0.09)
    main = route("M", x - 0.025, top, "Q", (x + clew) / 2 - belly, (top + boom) / 2 - belly, clew, boom) + route(
        "Q", (x + clew) / 2, boom + 0.04, x - 0.025, boom, "Z"
    )
    reach, high = dice.uniform(0.4, 0.52), top + dice.uniform(0.04, 0.16)
    jib = (
        route("M", x + 0.025, high)
        + route("Q", (x + reach) / 2 + 0.06, (high + boom) / 2, reach, boom - 0.01)
        + route("Q", (x + reach) / 2, boom + 0.025, x + 0.025, boom - 0.02, "Z")
    )
    tones = (shades.body, shades.light) if dice.chance(0.6) else (shades.light, shades.body)
    out = [_mast(shades, x), Shape(main, tones[0]), Shape(jib, tones[1])]
    if dice.chance(0.55):
        rows = "".join(
            line((x - 0.025, boom + (top - boom) * s), (clew + (x - clew) * s * 1.05, boom + (top - boom) * s))
            for s in (0.27, 0.54)
        )
        out.append(Shape(rows, stroke=shades.dark, width=0.03))
    else:
        mark = ellipse(x + (clew - x) * 0.33, boom + (top - boom) * 0.32, 0.065)
        out.append(Shape(mark, apart(tones[0], PAPER, INK), detail=True))
    return out


def _lugger(dice: Dice, shades: Shades) -> list[Shape]:
    """One broad four-cornered sail, with its pennant."""
    x, top, foot = dice.uniform(-0.03, 0.05), -dice.uniform(0.84, 0.9), -dice.uniform(0.36, 0.4)
    left, right = -dice.uniform(0.36, 0.44), dice.uniform(0.38, 0.46)
    belly = dice.uniform(0.04, 0.08)
    peak = dice.uniform(-0.04, 0.08)
    slim = dice.uniform(0.7, 0.86)
    a, b = left * slim, right * slim
    sail = (
        route("M", a, top + peak, "L", b, top, "Q", right + belly, (top + foot) / 2, right, foot)
        + route("Q", 0, foot - belly, left, foot)
        + route("Q", left + belly * 1.2, (top + foot) / 2, a, top + peak, "Z")
    )
    out = [_mast(shades, x), Shape(sail, shades.body)]
    for s in (0.24, 0.6):  # broad stripes from yard to foot
        u, v = a + (b - a) * s, a + (b - a) * (s + 0.16)
        p, q = left + (right - left) * s, left + (right - left) * (s + 0.16)
        y = top + peak * (1 - s)
        stripe = route("M", u, y, "L", v, y, "Q", v * 1.1 + 0.03, (top + foot) / 2, q, foot - belly * 0.45) + route(
            "L", p, foot - belly * 0.45, "Q", u * 1.1 + 0.03, (top + foot) / 2, u, y, "Z"
        )
        out.append(Shape(stripe, shades.light))
    yard = line((a - 0.02, top + peak), (b + 0.02, top))
    out.append(Shape(yard, stroke=apart(shades.body, STRAW, INK), width=0.022))
    flag = polygon([(x, -1), (x - 0.2, -0.97), (x, -0.93)])
    out.append(Shape(flag, shades.dark))
    return out


def _junk(dice: Dice, shades: Shades) -> list[Shape]:
    """A fan of a sail on battens."""
    x, top, foot = dice.uniform(-0.02, 0.1), -dice.uniform(0.93, 0.97), -0.34
    battens = dice.integer(4, 5)
    left, right = -dice.uniform(0.46, 0.52), x + dice.uniform(0.2, 0.26)
    tip = dice.uniform(0.1, 0.2)
    edge: list[Point] = []
    luff: list[Point] = []
    for k in range(battens + 1):
        s = k / battens
        bulge = (s * (1 - s)) * 0.32
        edge.append((left + (x - tip - left) * s**1.3 - bulge, foot + 0.02 + (top - foot) * (s * 0.92)))
        luff.append((right + (x + 0.06 - right) * s**1.6 + bulge * 0.2, foot + (top - foot) * s))
    edge = [(max(px, -0.55), py) for px, py in edge]
    out = [_mast(shades, x)]
    for k in range(battens):
        (ax, ay), (bx, by), (cx, cy), (dx, dy) = edge[k], edge[k + 1], luff[k + 1], luff[k]
        panel = route("M", ax, ay, "Q", (ax + bx) / 2 - 0.025, (ay + by) / 2, bx, by, "L", cx, cy) + route(
            "Q", (cx + dx) / 2 + 0.015, (cy + dy) / 2, dx, dy, "Z"
        )
        out.append(Shape(panel, shades.body if k % 2 else mixed(shades.body, shades.light, 0.6)))
    ribs = "".join(line(e, u) for e, u in zip(edge, luff))
    out.append(Shape(ribs, stroke=shades.deep, width=0.016))
    return out


def _tug(dice: Dice, shades: Shades) -> list[Shape]:
    """A wheelhouse towards the bow and a funnel behind it."""
    left, right = dice.uniform(-0.08, -0.02), dice.uniform(0.3, 0.36)
    roof = -dice.uniform(0.56, 0.64)
    x, w = left + dice.uniform(0.1, 0.13), dice.uniform(0.13, 0.16)
    lip = dice.uniform(-0.93, -0.88)
    mast = right - dice.uniform(0.05, 0.09)
    funnel = [(x - w / 2, roof + 0.02), (x - w / 2 + 0.01, lip), (x + w / 2 + 0.01, lip), (x + w / 2, roof + 0.02)]
    wall = mixed(shades.body, shades.light, dice.uniform(0.2, 0.8))
    port, n = (right - left) / 2, dice.integer(2, 3)
    spots = [left + port * 2 * (k + 0.5) / n for k in range(n)]
    if dice.chance(0.5):
        windows = "".join(ellipse(a, (roof - 0.22) / 2, 0.05) for a in spots)
    else:
        windows = "".join(box(a - 0.045, roof + 0.06, 0.09, 0.12, 0.02) for a in spots)
    flag = polygon([(mast, -0.995), (mast + 0.17, -0.945), (mast, -0.895)])
    return [
        Shape(line((mast, -0.985), (mast, roof)), stroke=apart(shades.body, STRAW, INK), width=0.02),
        Shape(flag, shades.body),
        Shape(polygon(funnel), shades.body),
        Shape(rectangle(x - w / 2 + 0.007, lip + 0.08, w - 0.006, 0.07), apart(shades.body, PAPER, INK)),
        Shape(rectangle(x - w / 2 - 0.005, lip - 0.01, w + 0.03, 0.045), shades.deep),
        Shape(rectangle(left, roof, right - left, -roof - 0.2), wall),
        Shape(windows, pane(shades, dice), shades.deep, 0.016),
        Shape(box(left - 0.045, roof - 0.03, right - left + 0.09, 0.06, 0.025), shades.dark),
    ]


def car(dice: Dice, shades: Shades) -> list[Shape]:
    """A car from the side, its bonnet to the right; the roof is flat over the middle."""
    form = dice.choice(("beetle", "saloon", "van", "hatch", "truck"))
    wheel = dice.uniform(0.16, 0.185)
    front, rear = dice.uniform(0.5, 0.56), -dice.uniform(0.5, 0.56)
    body, windows = _coachwork(dice, form)
    sill = -wheel * 0.62
    trim = apart(shades.body, PAPER, INK)
    out = [
        Shape(body, shades.body),
        Shape(box(-0.9, sill - 0.09, 1.8, 0.09, 0.04), shades.dark),
        Shape(windows, pane(shades, dice), shades.deep, 0.02),
    ]
    waist = dice.uniform(-0.47, -0.43)
    if dice.chance(0.5):
        out.append(Shape(box(-0.84, waist, 1.68, 0.07, 0.03), shades.light))
    seams = line((0.02, -0.52), (0.02, sill - 0.05)) + (line((0.42, -0.5), (0.4, -0.32)) if form != "van" else "")
    out.append(Shape(seams, stroke=shades.deep, width=0.014, detail=True))
    out.append(Shape(box(-0.12, -0.4, 0.09, 0.03, 0.01), trim, detail=True))
    lamps = ellipse(0.84, -0.38, 0.05, 0.06)
    out.append(Shape(lamps, apart(shades.body, GLOW, PAPER), shades.deep, 0.012))
    out.append(Shape(box(-0.915, -0.44, 0.05, 0.1, 0.015), apart(shades.body, (196, 48, 44), GLOW), detail=True))
    bumper = box(0.8, sill - 0.08, 0.14, 0.075, 0.03) + box(-0.94, sill - 0.08, 0.14, 0.075, 0.03)
    out.append(Shape(bumper, apart(shades.body, IRON, PAPER)))
    r = wheel * 1.18
    arches = "".join(
        route("M", x - r, -0.13, "V", -wheel, "a", r, r, 0, 0, 1, 2 * r, 0, "V", -0.13, "Z") for x in (rear, front)
    )
    out.append(Shape(arches, mixed(shades.dark, shades.deep, 0.3)))
    out.append(Shape(ellipse(rear, -wheel, wheel) + ellipse(front, -wheel, wheel), INK))
    hub = wheel * dice.uniform(0.42, 0.58)
    out.append(
        Shape(ellipse(rear, -wheel, hub) + ellipse(front, -wheel, hub), dice.choice((PAPER, (198, 198, 204), GLOW)))
    )
    caps = ellipse(rear, -wheel, hub * 0.35) + ellipse(front, -wheel, hub * 0.35)
    out.append(Shape(caps, IRON, detail=True))
    return out


def _coachwork(dice: Dice, form: str) -> tuple[str, str]:
    """Outline and windows."""
    d = dice.uniform(-0.03, 0.03)
    low, roof = -0.13, -0.985
    if form == "beetle":
        points = [(-0.92, -0.3), (-0.86, -0.5), (-0.62, -0.66), (-0.42, -0.88), (-0.02, roof), (0.3 + d, -0.88)]
        points += [(0.5, -0.64), (0.76, -0.56), (0.91, -0.36), (0.9, -0.16), (0.6, low), (-0.6, low), (-0.9, -0.16)]
        glass = [rounded([(-0.5, -0.6), (-0.36, -0.8), (-0.08, -0.87), (-0.08, -0.6)], 0.06)]
        glass.append(rounded([(0.02, -0.6), (0.02, -0.87), (0.23 + d, -0.81), (0.38, -0.6)], 0.06))
        return smooth(points, tension=0.85), "".join(glass)
    if form == "van":
        points = [(-0.92, low), (-0.92, -0.9), (-0.86, roof), (0.5, roof), (0.66 + d, -0.93), (0.84, -0.58)]
        points += [(0.92, -0.5), (0.93, low)]
        glass = [box(x, -0.86, 0.34, 0.28, 0.05) for x in (-0.8, -0.38)]
        glass.append(rounded([(0.06, -0.86), (0.54 + d, -0.86), (0.7, -0.58), (0.06, -0.58)], 0.05))
        return rounded(points, 0.12), "".join(glass)
    if form == "truck":
        points = [(-0.92, low), (-0.92, -0.56), (-0.22, -0.56), (-0.2, -0.9), (-0.13, roof), (0.26, roof)]
        points += [(0.36, -0.92), (0.52 + d, -0.6), (0.84, -0.55), (0.93, -0.42), (0.93, low)]
        glass = [rounded([(-0.1, -0.6), (-0.1, -0.87), (0.24, -0.87), (0.4 + d, -0.6)], 0.05)]
        return rounded(points, 0.09), "".join(glass)
    if form == "hatch":
        points = [(-0.9, low), (-0.92, -0.5), (-0.78, -0.72), (-0.62 - d, roof), (0.2, roof), (0.34, -0.94)]
        points += [(0.56 + d, -0.58), (0.84, -0.5), (0.93, -0.36), (0.92, low)]
        glass = [rounded([(-0.7, -0.58), (-0.54 - d, -0.87), (-0.16, -0.87), (-0.16, -0.58)], 0.05)]
        glass.append(rounded([(-0.06, -0.58), (-0.06, -0.87), (0.22, -0.87), (0.42 + d, -0.58)], 0.05))
        return rounded(points, 0.12), "".join(glass)
    points = [(-0.92, low), (-0.93, -0.5), (-0.62, -0.58), (-0.42 + d, -0.94), (-0.32, roof), (0.18, roof)]
    points += [(0.28, -0.94), (0.5 - d, -0.58), (0.86, -0.52), (0.93, -0.4), (0.92, low)]
    glass = [rounded([(-0.48, -0.59), (-0.32 + d, -0.88), (-0.07, -0.88), (-0.07, -0.59)], 0.05)]
    glass.append(rounded([(0.03, -0.59), (0.03, -0.88), (0.18, -0.88), (0.37 - d, -0.59)], 0.05))
    return rounded(points, 0.11), "".join(glass)


def balloon(dice: Dice, shades: Shades) -> list[Shape]:
    """A hot-air balloon: gores, a skirt, ropes and a wicker basket."""
    half, belly = dice.uniform(0.34, 0.365), -dice.uniform(0.62, 0.67)
    mouth, low = dice.uniform(0.085, 0.11), -0.3

    def envelope(k: float) -> str:
        w, m, x = half * k, mouth * k, half * k * 0.55
        bow, high = belly + 0.2, belly - 0.22
        left = route("M", -m, low, "C", -x, low - 0.06, -w, bow, -w, belly, "C", -w, high, -x, -0.992, 0, -0.992)
        return left + route("C", x, -0.992, w, high, w, belly, "C", w, bow, x, low - 0.06, m, low, "Z")

    ropes = "".join(line((s * mouth * t, low + 0.02), (s * 0.1 * t, GONDOLA)) for s in (-1, 1) for t in (0.9, 0.35))
    out = [Shape(ropes, stroke=apart(shades.body, (120, 92, 66), INK), width=0.012)]
    pattern = dice.choice(("gores", "gores", "crown", "band", "zigzag"))
    if pattern == "gores":
        tones = [shades.dark, shades.body, shades.light, shades.body]
        if dice.chance(0.5):
            tones = [shades.body, shades.light, shades.body, shades.light, shades.body]
        n = len(tones)
        out += [Shape(envelope((1 - k / n) ** 0.8), tone) for k, tone in enumerate(tones)]
    elif pattern == "crown":
        out.append(Shape(envelope(1), shades.body))
        out.append(Shape(_crown(dice, half, belly), shades.light if dice.chance(0.5) else shades.dark))
        seams = "".join(envelope(k) for k in (0.66, 0.25))
        out.append(Shape(seams, stroke=shades.deep, width=0.01, detail=True))
    else:
        out.append(Shape(envelope(1), shades.body))
        out += _girdle(dice, shades, half, belly, pattern == "zigzag")
        seams = "".join(envelope(k) for k in (0.66, 0.25))
        out.append(Shape(seams, stroke=shades.dark, width=0.012, detail=True))
    skirt = rounded(
        [
            (-mouth * 1.15, low - 0.025),
            (mouth * 1.15, low - 0.025),
            (mouth * 0.8, low + 0.03),
            (-mouth * 0.8, low + 0.03),
        ],
        0.015,
    )
    out.append(Shape(skirt, shades.dark))
    out.append(Shape(ellipse(0, GONDOLA, 0.11, 0.018), mixed(STRAW, INK, 0.55)))
    wide, narrow = dice.uniform(0.105, 0.12), dice.uniform(0.08, 0.1)
    wall = [(-wide, GONDOLA), (wide, GONDOLA), (narrow, 0), (-narrow, 0)]
    basket = [Shape(rounded(wall, 0.03), STRAW)]
    weave = "".join(line((-wide * 0.9, y), (wide * 0.9, y)) for y in (-0.09, -0.05))
    basket.append(Shape(weave, stroke=mixed(STRAW, INK, 0.4), width=0.01, detail=True))
    basket.append(Shape(line((-wide, GONDOLA), (wide, GONDOLA)), stroke=mixed(STRAW, INK, 0.35), width=0.022))
    return [*out, *placed(basket, front=True)]


def _girdle(dice: Dice, shades: Shades, half: float, belly: float, zigzag: bool) -> list[Shape]:
    """A band about the envelope where it is widest."""
    y, tall = belly + dice.uniform(-0.03, 0.03), dice.uniform(0.07, 0.1)
    w = half * 0.985
    if not zigzag:
        sag = 0.05
        band = route("M", -w, y - tall / 2, "Q", 0, y - tall / 2 + sag, w, y - tall / 2, "V", y + tall / 2) + route(
            "Q", 0, y + tall / 2 + sag, -w, y + tall / 2, "Z"
        )
        spots = "".join(ellipse(w * s, y + sag * 0.5 * (1 - s * s), 0.022) for s in (-0.66, -0.33, 0.0, 0.33, 0.66))
        return [Shape(band, shades.light), Shape(spots, apart(shades.light, GOLD, shades.deep), detail=True)]
    n = dice.integer(5, 7)
    teeth = [(w * (2 * k / (2 * n) - 1), y + (tall / 2 if k % 2 else -tall / 2)) for k in range(2 * n + 1)]
    strip = [*teeth, *((x, v + tall * 0.9) for x, v in reversed(teeth))]
    return [Shape(polygon(strip), shades.light)]


def _crown(dice: Dice, half: float, belly: float) -> str:
    """The envelope's upper part, with a scalloped hem."""
    n, y = dice.integer(4, 6), belly - dice.uniform(0.02, 0.07)
    w = half * 0.975
    top = route("M", w, y, "C", w, belly - 0.22, half * 0.55, -0.995, 0, -0.995)
    top += route("C", -half * 0.55, -0.995, -w, belly - 0.22, -w, y)
    step = 2 * w / n
    return top + "".join(route("q", w / n, 0.1, step, 0) for _ in range(n)) + "Z"
