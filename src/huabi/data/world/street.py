"""What stands outdoors: bridge, fence, street lamp, bench."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

from .dice import Dice
from .forms import GLOW, apart, box, rounded, route, shaky
from .shapes import PAPER, RGB, Shades, Shape, ellipse, line, mixed, polygon, rectangle, smooth

DECK = 0.74  # the bridge's height at its middle
SEAT = 0.46  # the bench's
RAIL = 0.92  # the fence's


def bridge(dice: Dice, shades: Shades) -> list[Shape]:
    """A hump of stone over one or three arches, with a railing."""
    half, low = 1.065, dice.uniform(0.26, 0.42)
    rise = DECK - low

    def deck(x: float, above: float = 0.0) -> float:
        return -(low + above + rise * (1 - (x / half) ** 2))

    arches = [(0.0, dice.uniform(0.5, 0.66), dice.uniform(0.5, 0.58))]
    if dice.chance(0.45):
        arches = [(0.0, dice.uniform(0.3, 0.36), dice.uniform(0.5, 0.57))]
        r = dice.uniform(0.17, 0.21)
        arches += [(side * 0.63, r, r * 1.35) for side in (-1, 1)]
    openings = rings = ""
    for x, rx, ry in sorted(arches, reverse=True):
        openings += route("H", x + rx, "A", rx, ry, 0, 0, 0, x - rx, 0)
        outer, high = rx + 0.075, ry + 0.075
        rings += route("M", x + rx, 0, "A", rx, ry, 0, 0, 0, x - rx, 0, "H", x - outer)
        rings += route("A", outer, high, 0, 0, 1, x + outer, 0, "Z")
    crown = route("Q", 0, -(low + 2 * rise), half, -low)
    stone = route("M", -half, 0, "V", -low, crown, "V", 0, openings, "Z")
    out = _railing(dice, shades, half, deck)
    out.append(Shape(stone, shades.body))
    out.append(Shape(rings, shades.dark))
    joints = ""
    for _ in range(12):
        x = dice.choice((-1, 1)) * dice.uniform(0.1, 0.98)
        y = deck(x) * dice.uniform(0.25, 0.8)
        if all(((x - a) / (rx + 0.1)) ** 2 + (y / (ry + 0.08)) ** 2 > 1 for a, rx, ry in arches):
            joints += route("M", x - 0.05, y, "q", 0.05, -0.012, 0.1, 0)
    if joints:
        out.append(Shape(joints, stroke=shades.dark, width=0.022, detail=True))
    out.append(Shape(route("M", -half, -low - 0.01, crown), stroke=shades.light, width=0.055))
    return out


def _railing(dice: Dice, shades: Shades, half: float, deck: Callable[..., float]) -> list[Shape]:
    """Posts and hand rail, which follow the deck; drawn behind it and behind who stands on it."""
    tall = dice.uniform(0.18, 0.21)
    n = dice.choice((6, 8, 10))
    knob = dice.uniform(0.028, 0.036)
    xs = [half * 0.95 * (2 * k / n - 1) for k in range(n + 1)]
    posts = "".join(rectangle(x - 0.024, deck(x, tall), 0.048, tall + 0.03) for x in xs)
    knobs = "".join(ellipse(x, deck(x, tall + 0.01), knob) for x in xs)
    rail = smooth([(x, deck(x, tall * 0.72)) for x in xs], closed=False)
    kind = dice.integer(0, 2)
    filling = ""
    if kind == 0:
        filling = smooth([(x, deck(x, tall * 0.36)) for x in xs], closed=False)
    elif kind == 1:
        for a, b in pairwise(xs):
            filling += line((a, deck(a)), (b, deck(b, tall * 0.7))) + line((a, deck(a, tall * 0.7)), (b, deck(b)))
    else:
        upper = [(x, deck(x, tall * 0.7)) for x in xs]
        return [
            Shape(
                polygon([*upper, *((x, deck(x, -0.02)) for x in reversed(xs))]), mixed(shades.body, shades.dark, 0.5)
            ),
            Shape(rail, stroke=shades.light, width=0.04),
            Shape(posts, shades.body),
            Shape(knobs, shades.body),
        ]
    return [
        Shape(filling, stroke=shades.dark, width=0.024, detail=True),
        Shape(rail, stroke=shades.dark, width=0.045),
        Shape(posts, shades.body),
        Shape(knobs, shades.body),
    ]


def fence(dice: Dice, shades: Shades) -> list[Shape]:
    """Pickets on two rails, or posts with bars."""
    return _bars(dice, shades) if dice.chance(0.28) else _pickets(dice, shades)


def _picket(x: float, width: float, top: float, head: str) -> str:
    a, b, foot = x - width / 2, x + width / 2, -0.007  # half its outline above the ground
    if head == "point":
        shoulder = top + width * 0.62
        return rounded([(a, foot), (a, shoulder), (x, top), (b, shoulder), (b, foot)], 0.012)
    if head == "round":
        r = width / 2
        return route("M", a, foot, "V", top + r, "a", r, r, 0, 0, 1, width, 0, "V", foot, "Z")
    if head == "spade":
        neck, cheek, out = top + width * 1.1, top + width * 0.5, width * 0.12
        return route("M", a, foot, "V", neck, "Q", a - out, cheek, x, top, "Q", b + out, cheek, b, neck) + route(
            "V", foot, "Z"
        )
    return rounded([(a, foot), (a, top + width * 0.35), (b, top), (b, foot)], 0.012)


def _pickets(dice: Dice, shades: Shades) -> list[Shape]:
    n = dice.integer(7, 10)
    head = dice.choice(("point", "point", "round", "spade", "slant"))
    pitch = 2.16 / n
    width = pitch * dice.uniform(0.6, 0.7)
    wave = dice.choice((0.0, 0.0, 0.07, -0.07))
    ragged = dice.uniform(0.0, 0.025)
    lit = shaded = ""
    for k in range(n):
        x = pitch * (k + 0.5 - n / 2)
        s = abs(x) / 1.1
        top = -min(0.995, RAIL + 0.035 + wave * (s * s - 0.35) + dice.uniform(-ragged, ragged))
        lit += _picket(x, width, top, head)
        shaded += rectangle(x + width * 0.22, top + width * 0.75, width * 0.24, -top - width * 0.75)
    high, low = -dice.uniform(0.68, 0.74), -dice.uniform(0.24, 0.3)
    rails = box(-1.09, high, 2.18, 0.1, 0.02) + box(-1.09, low, 2.18, 0.1, 0.02)
    nails = "".join(ellipse(pitch * (k + 0.5 - n / 2), y + 0.05, 0.016) for k in range(n) for y in (high, low))
    return [
        Shape(rails, shades.dark),
        Shape(lit, shades.body, shades.deep, 0.012),
        Shape(shaded, shades.dark, detail=True),
        Shape(nails, shades.deep, detail=True),
    ]


def _bars(dice: Dice, shades: Shades) -> list[Shape]:
    """A paddock's fence."""
    posts = dice.integer(3, 4)
    width = dice.uniform(0.15, 0.18)
    xs = [-1.0 + 2.0 * k / (posts - 1) for k in range(posts)]
    crossed = dice.chance(0.4)
    heights = (0.8, 0.26) if crossed else (0.82, 0.52, 0.22)
    thick = dice.uniform(0.13, 0.16)
    out = []
    if crossed:
        braces = "".join(line((a, -0.26), (b, -0.76)) + line((a, -0.76), (b, -0.26)) for a, b in pairwise(xs))
        out.append(Shape(braces, stroke=shades.dark, width=0.1))
    for y in heights:
        ends = [(-1.08, -y - thick / 2), (1.08, -y - thick / 2), (1.08, -y + thick / 2), (-1.08, -y + thick / 2)]
        out.append(Shape(rounded(shaky(ends, dice, 0.012), 0.03), mixed(shades.body, shades.light, 0.4)))
    tops = [-min(0.99, RAIL + 0.04 + dice.uniform(-0.02, 0.02)) for _ in xs]
    uprights = "".join(
        rounded(
            [(x - width / 2, 0), (x - width / 2, y + 0.04), (x, y), (x + width / 2, y + 0.04), (x + width / 2, 0)], 0.03
        )
        for x, y in zip(xs, tops)
    )
    out.append(Shape(uprights, shades.body, shades.deep, 0.012))
    grain = "".join(line((x + width * 0.2, y + 0.12), (x + width * 0.2, -0.1)) for x, y in zip(xs, tops))
    out.append(Shape(grain, stroke=shades.dark, width=0.02, detail=True))
    return out


def lamp(dice: Dice, shades: Shades) -> list[Shape]:
    """A street lamp: a lantern on a post, globes on arms, or a bell on a crook."""
    glow = apart(shades.body, GLOW, PAPER)
    form = dice.choice((_lantern_post, _lantern_post, _globes, _crook))
    return form(dice, shades, glow)


def _post(dice: Dice, shades: Shades, x: float, top: float) -> list[Shape]:
    """Foot, shaft and collars."""
    foot, shaft = dice.uniform(0.085, 0.11), dice.uniform(0.033, 0.04)
    base = dice.uniform(0.15, 0.22)
    points = [(x - foot, 0), (x - foot, -0.045), (x - foot * 0.62, -0.07), (x - foot * 0.5, -base)]
    points += [(x - shaft, -base - 0.04), (x - shaft * 0.8, top), (x + shaft * 0.8, top), (x + shaft, -base - 0.04)]
    points += [(x + foot * 0.5, -base), (x + foot * 0.62, -0.07), (x + foot, -0.045), (x + foot, 0)]
    collar = dice.uniform(-0.42, -0.34)
    rings = box(x - 0.055, -base - 0.03, 0.11, 0.03, 0.012) + box(x - 0.05, collar, 0.1, 0.028, 0.012)
    return [
        Shape(rounded(points, 0.012), shades.body),
        Shape(rectangle(x + shaft * 0.15, top, shaft * 0.6, -top - base), shades.dark, detail=True),
        Shape(rings, shades.dark),
    ]


def _lantern_post(dice: Dice, shades: Shades, glow: RGB) -> list[Shape]:
    top, wide, narrow = -0.9, dice.uniform(0.14, 0.17), dice.uniform(0.075, 0.1)
    low = dice.uniform(-0.7, -0.66)
    out = _post(dice, shades, 0.0, low)
    bar = dice.uniform(0.11, 0.15)
    out.append(Shape(line((-bar, low + 0.11), (bar, low + 0.11)), stroke=shades.body, width=0.028))
    out.append(Shape(ellipse(-bar, low + 0.11, 0.022) + ellipse(bar, low + 0.11, 0.022), shades.body))
    out.append(Shape(rounded([(-0.1, low), (-0.05, low + 0.05), (0.05, low + 0.05), (0.1, low)], 0.01), shades.body))
    glass = [(-wide, top + 0.01), (wide, top + 0.01), (narrow, low), (-narrow, low)]
    out.append(Shape(polygon(glass), glow, shades.body, 0.036))
    bars = line((-wide * 0.3, top), (-narrow * 0.3, low)) + line((wide * 0.3, top), (narrow * 0.3, low))
    out.append(Shape(bars, stroke=shades.body, width=0.018, detail=True))
    if dice.chance(0.5):
        hood = [
            (-wide - 0.04, top + 0.02),
            (-wide * 0.45, top - 0.07),
            (wide * 0.45, top - 0.07),
            (wide + 0.04, top + 0.02),
        ]
    else:
        hood = [(-wide - 0.04, top + 0.02), (0.0, top - 0.085), (wide + 0.04, top + 0.02)]
    out.append(Shape(rounded(hood, 0.02), shades.body))
    out.append(Shape(ellipse(0, top - 0.072, 0.026), shades.body))
    return out


def _globes(dice: Dice, shades: Shades, glow: RGB) -> list[Shape]:
    """Two globes on curved arms, often a third on top."""
    three = dice.chance(0.55)
    r = dice.uniform(0.064, 0.072) if three else dice.uniform(0.075, 0.085)
    x, y = 0.205 - r + 0.005, -0.77
    top = -1 + 2 * r + 0.03 if three else -0.9
    out = _post(dice, shades, 0.0, top)
    arms = "".join(route("M", 0, y + 0.24, "Q", s * x, y + 0.25, s * x, y + 0.06) for s in (-1, 1))
    out.append(Shape(arms, stroke=shades.body, width=0.036))
    spots = [(-x, y), (x, y)]
    if three:
        spots.append((0.0, -1 + r + 0.008))
    cups = "".join(
        rounded(
            [(a - 0.055, b + r * 0.6), (a + 0.055, b + r * 0.6), (a + 0.03, b + r * 1.5), (a - 0.03, b + r * 1.5)],
            0.012,
        )
        for a, b in spots
    )
    out.append(Shape("".join(ellipse(a, b, r) for a, b in spots), glow, shades.dark, 0.012))
    out.append(Shape(cups, shades.body))
    hats = "".join(
        rounded([(a - r * 0.75, b - r * 0.55), (a, b - r * 1.15), (a + r * 0.75, b - r * 0.55)], 0.015)
        for a, b in spots[:2]
    )
    out.append(Shape(hats, shades.body))
    if not three:
        out.append(Shape(polygon([(-0.035, -0.88), (0, -1), (0.035, -0.88)]), shades.body))
    return out


def _crook(dice: Dice, shades: Shades, glow: RGB) -> list[Shape]:
    """The post bends over and a bell-shaped shade hangs from it."""
    x, end = -0.1, dice.uniform(0.08, 0.1)
    out = _post(dice, shades, x, -0.78)
    top, drop = -0.977, dice.uniform(-0.86, -0.83)
    hook = route("M", x, -0.76, "C", x, top - 0.03, end, top - 0.06, end, drop)
    out.append(Shape(hook, stroke=shades.body, width=0.044))
    curl = route("M", x, -0.68, "q", 0.13, -0.02, 0.11, -0.1, "q", -0.03, -0.05, -0.06, 0)
    out.append(Shape(curl, stroke=shades.body, width=0.022, detail=True))
    wide, low = dice.uniform(0.108, 0.118), drop + 0.13
    out.append(Shape(ellipse(end, low + 0.012, wide * 0.74, dice.uniform(0.06, 0.075)), glow, shades.dark, 0.01))
    bell = [(end - 0.03, drop - 0.02), (end + 0.03, drop - 0.02), (end + 0.05, drop + 0.04), (end + wide, low)]
    bell += [(end + wide, low + 0.025), (end - wide, low + 0.025), (end - wide, low), (end - 0.05, drop + 0.04)]
    out.append(Shape(rounded(bell, 0.03), shades.body))
    out.append(Shape(line((end - wide, low + 0.02), (end + wide, low + 0.02)), stroke=shades.dark, width=0.02))
    return out


def bench(dice: Dice, shades: Shades) -> list[Shape]:
    """A garden bench with a back, seen from the front and a little from above."""
    half = dice.uniform(0.72, 0.775)
    leg = dice.uniform(0.09, 0.12)
    inset = half - dice.uniform(0.06, 0.12)
    rear = "".join(rectangle(s * (inset - 0.06) - leg * 0.4, -0.5, leg * 0.8, 0.42) for s in (-1, 1))
    out = [Shape(rear, shades.deep)]
    out += _back(dice, shades, half - 0.05)
    seat = [(-half + 0.06, -SEAT - 0.07), (half - 0.06, -SEAT - 0.07), (half, -SEAT + 0.06), (-half, -SEAT + 0.06)]
    out.append(Shape(polygon(seat), shades.light))
    seams = line((-half + 0.035, -SEAT - 0.02), (half - 0.035, -SEAT - 0.02))
    out.append(Shape(seams, stroke=shades.dark, width=0.02, detail=True))
    out.append(Shape(box(-half, -SEAT + 0.055, 2 * half, 0.1, 0.02), shades.body))
    if dice.chance(0.4):
        legs = "".join(
            (
                route("M", s * inset, -0.32)
                + route("C", s * (inset - 0.16), -0.2, s * (inset + 0.02), -0.18, s * (inset - 0.02), -0.045)
            )
            for s in (-1, 1)
        )
        out.append(Shape(legs, stroke=shades.dark, width=0.085))
        out.append(
            Shape("".join(box(s * (inset - 0.02) - 0.08, -0.05, 0.16, 0.05, 0.02) for s in (-1, 1)), shades.dark)
        )
    else:
        foot = leg * dice.uniform(0.6, 1.0)
        legs = "".join(
            polygon(
                [
                    (s * inset - leg / 2, -0.32),
                    (s * inset + leg / 2, -0.32),
                    (s * inset + foot / 2, 0),
                    (s * inset - foot / 2, 0),
                ]
            )
            for s in (-1, 1)
        )
        out.append(Shape(legs, shades.dark))
    if dice.chance(0.65):
        out += _arms(dice, shades, half)
    return out


def _back(dice: Dice, shades: Shades, half: float) -> list[Shape]:
    """Two uprights with slats, bars or boards between them."""
    form = dice.choice(("slats", "slats", "bars", "boards"))
    crown = dice.choice((0.0, 0.0, 0.1, 0.14)) if form != "slats" else dice.choice((0.0, 0.06))
    top = -0.985 + crown * 0.5
    thick = dice.uniform(0.12, 0.15)
    rim = route("M", -half, top, "Q", 0, top - crown, half, top, "V", top + thick) + route(
        "Q", 0, top + thick - crown, -half, top + thick, "Z"
    )
    posts = "".join(rectangle(s * (half - 0.05) - 0.05, top + 0.02, 0.1, -top - SEAT) for s in (-1, 1))
    out = [Shape(posts, shades.dark)]
    low = -SEAT - 0.1
    if form == "slats":
        n = dice.integer(1, 2)
        gap = (low - top - thick) / n
        slats = "".join(box(-half, top + thick + gap * (k + 0.28), 2 * half, gap * 0.62, 0.02) for k in range(n))
        out.append(Shape(slats, shades.body))
    else:
        n, share = (dice.integer(7, 10), 0.56) if form == "bars" else (dice.integer(4, 6), 0.86)
        step = (2 * half - 0.2) / n
        edge = (1 - share) / 2
        bars = "".join(
            rectangle(-half + 0.1 + step * (k + edge), top + 0.06, step * share, low - top) for k in range(n)
        )
        out.append(Shape(bars, shades.body))
    out.append(Shape(rim, mixed(shades.body, shades.light, 0.35)))
    return out


def _arms(dice: Dice, shades: Shades, half: float) -> list[Shape]:
    y = -SEAT - dice.uniform(0.18, 0.22)
    struts = "".join(rectangle(s * (half - 0.03) - 0.03, y, 0.06, -SEAT - y + 0.08) for s in (-1, 1))
    rests = "".join(box(s * (half - 0.03) - 0.05, y - 0.035, 0.1, 0.08, 0.03) for s in (-1, 1))
    return [Shape(struts, shades.dark), Shape(rests, shades.body)]
