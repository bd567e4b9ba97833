"""Plants and mushrooms: flower, tree, pine, bamboo and mushroom."""

from __future__ import annotations

import math

from .dice import Dice
from .figure import Figure, Outline, arcs, band, is_dark, lerp, line_tone, oval, soft, trace, unlike
from .shapes import PAPER, RGB, Point, Shades, Shape, mixed

LEAF: RGB = (96, 156, 82)
HEARTS: tuple[RGB, ...] = ((246, 202, 74), (232, 142, 52), (116, 74, 50), (250, 236, 190))
BARKS: tuple[RGB, ...] = ((128, 88, 62), (106, 76, 64), (150, 112, 82), (92, 80, 78))
FRUITS: tuple[RGB, ...] = ((214, 62, 54), (246, 190, 66), (236, 132, 46), (252, 214, 222))
CREAM: RGB = (246, 232, 206)


def flower(dice: Dice, s: Shades) -> list[Shape]:
    """A flower: one big bloom (rays, cup, poppy or layered) on a slim stem with leaves."""
    fig = Figure()
    bend, stem = dice.uniform(-7, 7), dice.about(3.6, 0.2)
    bloom = dice.choice(("rays", "rays", "cup", "poppy", "layers"))
    r = dice.uniform(29, 33)
    green = mixed(LEAF, (56, 108, 84), dice.uniform())
    x, y = dice.uniform(-3, 3), -100.0 + r
    fig.add(trace([(0, -0.5), (bend, y * 0.45), (x, y)]), None, green, stem)
    _leaves(fig, dice, green, bend, stem)
    fig.place(x, y, dice.uniform(-0.22, 0.22), r)
    {"rays": _rays, "cup": _cup, "poppy": _poppy, "layers": _layers}[bloom](fig, dice, s)
    fig.unplace()
    return fig.fitted(FLOWER_ASPECT, s)


def _leaves(fig: Figure, dice: Dice, green: RGB, bend: float, stem: float) -> None:
    style = dice.choice(("pair", "pair", "blades", "one"))
    side = dice.choice((-1, 1))
    for m in (side, -side)[: 1 if style == "one" else 2]:
        tone = green if m == side else mixed(green, (30, 60, 60), 0.2)
        if style == "blades":
            tip = (m * dice.uniform(14, 21), dice.uniform(-32, -44))
            fig.add(arcs([(-m * 1.5, -0.5), tip, (m * 3.5, -0.5)], (0.1 * m, -0.22 * m, 0)), tone)
        else:
            root = (bend * 0.6, dice.uniform(-8, -18))
            tip = (m * dice.uniform(22, 29), root[1] - dice.uniform(6, 17))
            fig.add(arcs([root, tip], 0.27), tone)
            fig.add(trace([root, lerp(root, tip, 0.75)]), None, mixed(tone, (30, 60, 50), 0.35), 0.9, True)


def _petals(n: int, reach: float, wide: float, pointed: float, turn: float = 0.0) -> Outline:
    """`n` petals about (0, 0) in one outline; `pointed` from 0 (round) to 1."""
    out: Outline = []
    for k in range(n):
        a = turn + 2 * math.pi * k / n
        c, s = math.cos(a), math.sin(a)
        w = wide * reach
        shape = [
            (0.1, 0.0),
            (0.5 * reach, -w),
            ((0.86 - 0.16 * pointed) * reach, -w * (0.86 - 0.3 * pointed)),
            (reach, 0.0),
        ]
        shape += [(px, -py) for px, py in reversed(shape[1:3])]
        out += soft([(px * c - py * s, px * s + py * c) for px, py in shape])
    return out


def _rays(fig: Figure, dice: Dice, s: Shades) -> None:
    n = dice.integer(6, 13)
    wide = min(0.3, 0.8 * math.pi / n * dice.uniform(0.66, 0.84))
    pointed, turn = dice.uniform(), dice.uniform(0, 1)
    fig.add(_petals(n, 0.94, wide, pointed, turn + math.pi / n), s.dark)
    fig.add(_petals(n, 1.0, wide, pointed, turn), s.body)
    lines: Outline = []
    for k in range(n):
        a = turn + 2 * math.pi * k / n
        lines += trace([(0.3 * math.cos(a), 0.3 * math.sin(a)), (0.68 * math.cos(a), 0.68 * math.sin(a))])
    fig.add(lines, None, mixed(s.body, s.dark, 0.8), 0.04, True)
    heart, size = unlike(dice, s, HEARTS), dice.uniform(0.24, 0.34)
    fig.add(oval(0, 0, size), heart)
    fig.add(oval(-size * 0.2, -size * 0.2, size * 0.55), mixed(heart, PAPER, 0.3), detail=True)


def _cup(fig: Figure, dice: Dice, s: Shades) -> None:
    wide, tall = dice.uniform(0.84, 0.98), dice.uniform(0.9, 1.0)
    for m in (-1, 1):
        back = [(0, 0.6), (m * wide * 0.7, 0.1), (m * wide * 0.42, -tall * 0.98), (0, -0.1)]
        fig.add(arcs(back, [0.1 * m, 0.12 * m, 0.16 * m]), s.dark)
    for m in (-1, 1):
        side = [(0, 0.92), (m * wide, -0.1), (m * wide * 0.94, -tall * 0.86), (0, -0.1)]
        fig.add(arcs(side, [-0.3 * m, -0.06 * m, -0.16 * m]), s.body if m < 0 else mixed(s.body, s.dark, 0.35))
    front = [(0, 0.92), (-0.5, 0.3), (0, -tall * 0.84), (0.5, 0.3)]
    fig.add(arcs(front, (0.2, 0.16, 0.16, 0.2)), mixed(s.body, s.light, 0.6))
    fig.add(trace([(0, 0.5), (0.02, -0.35)]), None, s.dark, 0.04, True)


def _poppy(fig: Figure, dice: Dice, s: Shades) -> None:
    n, turn = dice.integer(4, 6), dice.uniform(0, 2)
    reach = 0.5 if n == 4 else 0.52
    for k in range(n):
        a = turn + 2 * math.pi * (k * 2 % n if n % 2 else k) / n
        tone = s.body if k % 2 else mixed(s.body, s.light, 0.6)
        fig.add(
            oval(reach * math.cos(a), reach * math.sin(a), 0.5 if n < 6 else 0.44),
            tone if k < n - 1 or n % 2 == 0 else mixed(s.body, s.dark, 0.4),
        )
    heart = unlike(dice, s, ((62, 52, 58), (246, 202, 74), (206, 222, 140)))
    fig.add(_petals(n, 0.52, 0.2, 0.6, turn), mixed(s.dark, s.deep, 0.2), detail=True)
    fig.add(oval(0, 0, 0.22), heart)
    fig.add(oval(-0.04, -0.05, 0.1), mixed(heart, PAPER, 0.35), detail=True)


def _layers(fig: Figure, dice: Dice, s: Shades) -> None:
    n, turn = dice.integer(5, 8), dice.uniform(0, 2)
    tones = (s.dark, s.body, mixed(s.body, s.light, 0.5), s.body)
    for k, (reach, tone) in enumerate(zip((1.0, 0.82, 0.6, 0.38), tones)):
        ring = [
            (reach * 0.86 * math.cos(a), reach * 0.86 * math.sin(a))
            for a in (turn + k * 0.5 + 2 * math.pi * j / n for j in range(n))
        ]
        fig.add(arcs(ring, 0.3 if n < 7 else 0.34), tone)
        turn += math.pi / n
    if dice.chance(0.6):
        fig.add(oval(0, 0, 0.13), unlike(dice, s, HEARTS))
    else:
        fig.add(trace([(0.1, 0.06), (0, -0.12), (-0.13, 0.02), (-0.02, 0.16)]), None, s.dark, 0.05, True)


def tree(dice: Dice, s: Shades) -> list[Shape]:
    """A broad-leaved tree: a trunk with boughs under a wide crown."""
    fig = Figure()
    bark = unlike(dice, s, BARKS)
    lean, thick = dice.uniform(-4, 4), dice.uniform(9, 13)
    trunk = [(0, 4), (lean * 0.4, -18), (lean, -48)]
    fig.add(band(trunk, (thick * 1.5, thick, thick * 0.6)), bark)
    fig.add(
        arcs([(-thick * 1.05, 0), (-thick * 0.5, -14), (thick * 0.5, -14), (thick * 1.05, 0)], (-0.1, 0, -0.1)), bark
    )
    form = dice.choice(("round", "cloud", "oval", "spread", "heap"))
    lumps = _crown(dice, form)
    fig.add(_foliage(dice, lumps, 0, 3, 1.0), s.dark)
    fig.add(_foliage(dice, lumps, -1.5, -2.5, 0.93), s.body)
    fig.add(_foliage(dice, lumps[: max(1, len(lumps) - 1)], -5, -6, 0.55), mixed(s.body, s.light, 0.65))
    fork = [(lean * 0.7, -30), (lean + dice.choice((-8, 8)), -41)]
    fig.add(band(fork, (thick * 0.45, 2)) + band([(lean * 0.6, -22), (lean, -44)], (thick * 0.78, 2.5)), bark)
    _tree_details(fig, dice, s, lumps)
    fig.add(trace([(lean * 0.3 - 1, -8), (lean * 0.5 - 1, -20)]), None, mixed(bark, (40, 30, 40), 0.4), 1.1, True)
    return fig.fitted(TREE_ASPECT, s)


def _crown(dice: Dice, form: str) -> list[tuple[float, float, float, float]]:
    """The crown's rounds as (x, y, rx, ry), the highest last."""
    j = dice.uniform
    if form == "round":
        return [(j(-2, 2), -63, j(36, 41), j(34, 38))]
    if form == "oval":
        return [(j(-8, 8), -50, 32, 22), (j(-3, 3), -66, j(33, 37), j(36, 40))]
    if form == "spread":
        return [
            (-28, -57, j(16, 19), 15),
            (28, -59, j(16, 19), 15),
            (j(-3, 3), -56, 18, 15),
            (-14, -74, j(18, 21), 17),
            (14, -77, j(18, 21), 18),
        ]
    if form == "heap":
        return [(j(-4, 4), -46, j(40, 44), 20), (j(-3, 3), -64, j(32, 35), 20), (j(-3, 3), -82, j(20, 25), 18)]
    return [
        (-23, -52, j(20, 24), j(17, 20)),
        (24, -54, j(18, 24), j(17, 21)),
        (j(-4, 4), -50, 22, 20),
        (-13, -72, j(21, 25), 21),
        (j(8, 14), -77, j(21, 25), 22),
    ]


def _foliage(dice: Dice, lumps: list[tuple[float, float, float, float]], dx: float, dy: float, share: float) -> Outline:
    out: Outline = []
    n = 9 if len(lumps) < 3 else 7
    for x, y, rx, ry in lumps:
        turn = dice.uniform(0, 1)
        ring: list[Point] = []
        for k in range(n):
            a, r = turn + 2 * math.pi * k / n, dice.uniform(0.84, 0.93) * share
            ring.append((x + dx + rx * r * math.cos(a), y + dy + ry * r * math.sin(a)))
        out += arcs(ring, 0.22)
    return out


def _tree_details(fig: Figure, dice: Dice, s: Shades, lumps: list[tuple[float, float, float, float]]) -> None:
    what = dice.choice(("plain", "fruit", "fruit", "tufts"))
    if what == "plain":
        return
    marks: Outline = []
    turn = dice.uniform(0, 6)
    for k in range(9):
        x, y, rx, ry = lumps[k % len(lumps)]
        a, r = turn + 2.4 * k, 0.74 * math.sqrt((k + 0.6) / 9)
        px, py = x + rx * r * math.cos(a), y + ry * r * math.sin(a)
        if what == "fruit":
            marks += oval(px, py, 2.5)
        else:
            marks += trace([(px - 4, py), (px - 1.5, py + 2.6), (px + 1, py), (px + 3.5, py + 2.4)])
    if what == "fruit":
        fig.add(marks, unlike(dice, s, FRUITS), detail=True)
    else:
        fig.add(marks, None, mixed(s.dark, s.deep, 0.3), 1.1, True)


def pine(dice: Dice, s: Shades) -> list[Shape]:
    """A pine: a pointed tower of tiers with ragged hems on a short trunk."""
    fig = Figure()
    tiers, droop = dice.integer(3, 5), dice.uniform(0.0, 5.0)
    bark = unlike(dice, s, BARKS)
    fig.add(band([(0, 3), (0, -16)], (11, 8)), bark)
    foot, wide, slim = dice.uniform(-8, -11), dice.uniform(32, 35), dice.uniform(0.68, 0.8)
    snow = dice.chance(0.25)
    for k in range(tiers):
        share = k / (tiers - 1)
        low = foot - (100 + foot) * 0.68 * share
        half = wide * (1 - (1 - slim) * share**1.5)
        high = -100.0 if k == tiers - 1 else low - (100 + foot) * 0.68 / (tiers - 1) * 1.5
        lobes = 5 - (k > tiers // 2)
        hem = [
            (half - 2 * half * i / lobes, low - droop * (0.2 if i % lobes else -0.6) * (1 - share))
            for i in range(lobes + 1)
        ]
        bulges = [-0.06, *[0.2] * lobes, -0.06]
        fig.add(arcs([(dice.uniform(-1, 1), high), *hem], bulges), s.body if k % 2 else mixed(s.body, s.dark, 0.22))
        shade = [(0, high + 4), (half * 0.92, low - 0.5), (half * 0.3, low + 1.2)]
        fig.add(arcs(shade, (-0.06, 0.14, -0.05)), s.dark)
        if snow:
            cap = [
                (-half * 0.5, low - (low - high) * 0.42),
                (0, high + 0.5),
                (half * 0.42, low - (low - high) * 0.46),
                (half * 0.1, low - (low - high) * 0.34),
            ]
            fig.add(arcs(cap, (-0.04, -0.04, 0.2, 0.2)), PAPER if min(s.body) < 220 else (206, 220, 236), detail=True)
        else:
            fig.add(trace([(-half * 0.6, low - 3), (-half * 0.2, low - (low - high) * 0.5)]), None, s.light, 1.6, True)
    if not snow and dice.chance(0.4):
        cones: Outline = []
        for k in range(7):
            y = foot - 6 - k * 10.5
            reach = wide * (1 + (y - foot) / 88) * 0.75
            cones += oval(dice.uniform(-reach, reach), y, 2.1, 2.7)
        fig.add(cones, unlike(dice, s, (*FRUITS, (120, 78, 52))), detail=True)
    return fig.fitted(PINE_ASPECT, s)


def bamboo(dice: Dice, s: Shades) -> list[Shape]:
    """A stand of bamboo: jointed stalks side by side, sprays of narrow leaves."""
    fig = Figure()
    n = dice.weighted({3: 5, 4: 4, 5: 1})
    thick = {3: 13.0, 4: 10.5, 5: 8.8}[n] * dice.uniform(0.92, 1.1)
    order = dice.shuffled(range(n))
    leaf = mixed(s.body, s.dark, 0.8)
    spots: list[Point] = []
    rings: Outline = []
    shine: Outline = []
    for rank, k in enumerate(order):
        x = (k - (n - 1) / 2) * 46 / n + dice.uniform(-1.5, 1.5)
        lean, height = dice.uniform(-4, 4), dice.uniform(88, 99) if rank == n - 1 else dice.uniform(72, 96)
        tone = (mixed(s.body, s.dark, 0.6), s.body, mixed(s.body, s.light, 0.7))[min(2, rank * 3 // n)]
        fig.add(_stalk(dice, x, lean, height, thick, rings), tone)
        left = x - thick * 0.24
        shine += trace([(left, -height * 0.04), (left + lean, -height * 0.96)])
        spots.append((x + lean * 0.5, -height * dice.uniform(0.4, 0.9)))
    line = line_tone(s)
    fig.add(shine, None, s.light, thick * 0.13, True)
    fig.add(rings, None, line if is_dark(s.body) else mixed(s.dark, s.deep, 0.6), 2.2)
    for index, (x, y) in enumerate(spots[-3:]):
        _spray(fig, dice, x, y, 1 if x > 0 else -1, leaf if index % 2 else mixed(s.body, s.light, 0.6), line)
    return fig.fitted(BAMBOO_ASPECT, s)


def _spray(fig: Figure, dice: Dice, x: float, y: float, side: int, tone: RGB, line: RGB) -> None:
    """A twig from a joint with narrow hanging leaves in a fan."""
    end = (x + side * dice.uniform(4, 8), y - dice.uniform(5, 9))
    fig.add(trace([(x, y), end]), None, line, 1.1, True)
    leaves: Outline = []
    for j in range(4):
        a = math.pi / 2 - side * (0.15 + 0.5 * j + dice.uniform(-0.12, 0.12))
        long = dice.uniform(16, 21) * (1 - 0.08 * j)
        root = lerp((x, y), end, 1 - 0.12 * (3 - j))
        leaves += arcs([root, (root[0] + long * math.cos(a), root[1] + long * math.sin(a))], 0.15)
    fig.add(leaves, tone)


def _stalk(dice: Dice, x: float, lean: float, height: float, thick: float, rings: Outline) -> Outline:
    """The outline of a stalk's segments; the lines of its joints are added to `rings`."""
    joints = dice.integer(4, 6)
    segments: Outline = []
    for k in range(joints):
        a, b = k / joints, (k + 1) / joints
        xa, ya, xb, yb = x + lean * a, -height * a, x + lean * b, -height * b
        w = thick / 2 * (1 - 0.12 * a)
        segments += arcs(
            [(xa - w, ya - 0.9), (xb - w, yb + 0.9), (xb + w, yb + 0.9), (xa + w, ya - 0.9)],
            (-0.035, 0.12, -0.035, 0.12),
        )
        if k:
            rings += trace([(xa - w * 1.05, ya), (xa, ya + 0.6), (xa + w * 1.05, ya)])
    return segments


def mushroom(dice: Dice, s: Shades) -> list[Shape]:
    """A mushroom: a big cap, often spotted, on a pale stem; sometimes a small one beside it."""
    fig = Figure()
    if dice.chance(0.4):
        side = dice.choice((-1, 1))
        _one_mushroom(
            fig, dice, s, side * dice.uniform(31, 35), 0, dice.uniform(0.42, 0.52), side * dice.uniform(0.0, 0.14)
        )
        _one_mushroom(fig, dice, s, -side * 9, 0, 1.0, -side * dice.uniform(0.0, 0.1))
    else:
        _one_mushroom(fig, dice, s, 0, 0, 1.0, dice.uniform(-0.12, 0.12))
    if dice.chance(0.5):
        grass: Outline = []
        for k in range(5):
            x = -20 + 9 * k + dice.uniform(-3, 3)
            grass += arcs([(x - 2, 0), (x + dice.uniform(-5, 5), -dice.uniform(8, 15)), (x + 2, 0)], (0.1, 0.1))
        fig.add(grass, LEAF, detail=True)
    return fig.fitted(MUSHROOM_ASPECT, s)


def _one_mushroom(fig: Figure, dice: Dice, s: Shades, x: float, y: float, scale: float, angle: float) -> None:
    fig.place(x, y, angle, scale)
    stem, form = dice.uniform(11, 14.5), dice.choice(("dome", "dome", "bell", "flat"))
    wide = {"dome": 46, "bell": 42, "flat": 50}[form] * dice.uniform(0.95, 1.05)
    rim, top = -dice.uniform(34, 40), {"dome": -98.0, "bell": -104.0, "flat": -84.0}[form]
    pale = CREAM if min(s.body) < 220 else (226, 206, 174)
    side = [(-stem * 1.1, -1.0), (-stem * 0.95, -16.0), (-stem * 0.8, rim - 6)]
    fig.add(soft([*side, *[(-px, py) for px, py in reversed(side)]], 0.8), pale)
    shade = [(stem * 0.2, rim - 2), (stem * 0.8, rim - 2), (stem * 1.0, -3), (stem * 0.4, -3)]
    fig.add(soft(shade, 0.6), mixed(pale, s.dark, 0.22))
    fig.add(oval(0, rim - 2, wide * 0.94, 7.5), mixed(pale, s.dark, 0.4))
    _cap(fig, dice, s, wide, rim, top, 0.52 if form == "bell" else 0.7)
    fig.unplace()


def _cap(fig: Figure, dice: Dice, s: Shades, wide: float, rim: float, top: float, shoulder: float) -> None:
    span = top - rim

    def on(points: list[Point]) -> list[Point]:
        return [(wide * x, rim + span * y) for x, y in points]

    half = on([(1.0, 0.03), (0.97, 0.32), (shoulder, 0.78)])
    under = on([(0.5, -0.03), (0, 0.05), (-0.5, -0.03)])
    fig.add(soft([(0, top), *reversed(half), *under, *[(-x, y) for x, y in half]]), s.body)
    fig.add(soft(on([(0.97, 0.02), (0.92, 0.34), (0.6, 0.62), (0.66, 0.2), (0.44, 0.01)])), s.dark)
    fig.add(soft(on([(-0.74, 0.45), (-0.4, 0.84), (-0.2, 0.86), (-0.52, 0.5)])), s.light)
    marks = dice.choice(("spots", "spots", "plain", "rings"))
    if marks == "spots":
        spots: Outline = []
        places = (
            (-0.56, 0.22),
            (-0.12, 0.36),
            (0.34, 0.2),
            (0.1, 0.72),
            (0.44, 0.52),
            (-0.36, 0.58),
            (-0.84, 0.12),
            (0.8, 0.1),
        )
        for x, y in dice.sample(places, dice.integer(4, 7)):
            r = dice.uniform(3.6, 6.6) * (0.6 if abs(x) > 0.7 else 1)
            spots += oval(wide * x, rim + span * y, r, r * 0.85)
        fig.add(spots, PAPER if min(s.body) < 220 else s.dark)
    elif marks == "rings":
        ring = on([(-0.86, 0.16), (0, 0.1), (0.86, 0.16)])
        fig.add(trace(ring), None, mixed(s.dark, s.deep, 0.2), 2, True)


FLOWER_ASPECT, TREE_ASPECT, PINE_ASPECT, BAMBOO_ASPECT, MUSHROOM_ASPECT = 0.62, 0.82, 0.64, 0.66, 0.96
