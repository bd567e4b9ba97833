"""Bird, fish, butterfly and person."""

from __future__ import annotations

import math

from .dice import Dice
from .figure import (
    BANDS,
    ROSE,
    Figure,
    Outline,
    arcs,
    band,
    eye,
    is_dark,
    lerp,
    line_tone,
    oval,
    soft,
    trace,
    unlike,
)
from .shapes import INK, PAPER, RGB, Point, Shades, Shape, mixed

BEAKS: tuple[RGB, ...] = ((240, 168, 60), (232, 124, 56), (92, 84, 92))
SCARVES: tuple[RGB, ...] = (*BANDS, (246, 240, 226))
SKINS: tuple[RGB, ...] = ((250, 218, 192), (240, 198, 164), (222, 170, 130), (176, 122, 86), (122, 82, 60))
HAIRS: tuple[RGB, ...] = ((46, 38, 44), (78, 52, 40), (122, 78, 46), (214, 164, 84), (188, 92, 48), (206, 202, 200))


def bird(dice: Dice, s: Shades) -> list[Shape]:
    """A bird in flight: beak, fanned wings and tail."""
    fig = Figure()
    beat = dice.choice(("up", "up", "down", "glide"))
    plump = dice.uniform(0.85, 1.15)
    _bird_tail(fig, dice, s)
    far, near = {
        "up": ((16, -8, dice.uniform(0.1, 0.5)), (4, -6, dice.uniform(-0.5, -0.1))),
        "down": ((10, -10, dice.uniform(0.2, 0.6)), (4, -4, dice.uniform(-2.5, -2.1))),
        "glide": ((14, -10, dice.uniform(0.5, 0.9)), (2, -4, dice.uniform(-1.2, -0.8))),
    }[beat]
    span = dice.uniform(56, 68)
    _wing(fig, dice, s, far, span * 0.9, s.dark)
    body = [
        (-34, 6),
        (-18, -9 * plump),
        (6, -15 * plump),
        (24, -17),
        (38, -12),
        (34, 6),
        (20, 17 * plump),
        (-6, 17 * plump),
    ]
    fig.add(soft(body), s.body)
    belly = [(-18, 8), (4, 5), (26, 2), (33, 4), (20, 15.5 * plump), (-4, 15.5 * plump)]
    fig.add(soft(belly), s.light if dice.chance(0.6) else mixed(s.light, PAPER, 0.55))
    beak, long = unlike(dice, s, BEAKS), dice.uniform(13, 22)
    fig.add(arcs([(41, -16), (43 + long, -9), (41, -4)], (0.12, 0.06, 0)), beak)
    fig.add(oval(32, -11, 14, 13), s.body)
    crown = dice.choice(("plain", "crest", "cap", "cheek"))
    if crown == "cap":
        fig.add(soft([(19, -13), (24, -23), (33, -25), (41, -20), (44, -12), (32, -15)]), mixed(s.dark, s.deep, 0.4))
    elif crown == "cheek":
        fig.add(oval(30, -4, 4.4, 3.2), ROSE, detail=True)
    eye(fig, 36, -13, 2.7, PAPER if is_dark(s.body) or crown == "cap" else None)
    _wing(fig, dice, s, near, span, mixed(s.body, s.dark, 0.2))
    if crown == "crest":
        feathers = arcs([(38, -21), (17, -36), (25, -17)], (0.12, 0.02)) + arcs(
            [(41, -20), (27, -40), (30, -20)], (0.12, 0.02)
        )
        fig.add(feathers, mixed(s.body, s.dark, 0.3))
    return fig.fitted(BIRD_ASPECT, s)


def _bird_tail(fig: Figure, dice: Dice, s: Shades) -> None:
    long = dice.uniform(24, 38)
    if dice.chance(0.4):  # a swallow's fork
        for dy, tone in ((-12, s.dark), (8, mixed(s.body, s.dark, 0.4))):
            fig.add(arcs([(-24, -6), (-34 - long, dy - 4), (-24, 12)], (0.05, -0.04, 0)), tone)
        return
    wide = dice.uniform(11, 18)
    tips = [(-30 - long, -wide), (-34 - long, -wide / 3), (-34 - long, wide / 3), (-30 - long, wide)]
    outline = [(-22, 9), *reversed(tips), (-22, -6)]
    fig.add(arcs(outline, (0.04, 0.24, 0.24, 0.24, 0.04, 0)), s.dark)


def _wing(fig: Figure, dice: Dice, s: Shades, hinge: tuple[float, float, float], span: float, tone: RGB) -> None:
    """A wing that points up from its hinge, turned: arched front, scalloped feathers behind."""
    x, y, angle = hinge
    fig.place(x, y, angle, span, across=-1 if angle < -1.6 else 1)
    n = dice.integer(4, 6)
    tip, root = (-0.12, -1.0), (-0.36, 0.06)
    feathers = [lerp(root, tip, k / n) for k in range(n + 1)]
    feathers = [(px - 0.24 * math.sin(math.pi * min(0.92, k / n)), py) for k, (px, py) in enumerate(feathers)]
    outline = [*feathers, (0.24, -0.4), (0.22, 0.08)]
    fig.add(arcs(outline, [0.24] * n + [0.14, 0.08, 0.06]), tone)
    inner = [(-0.2, -0.02), (-0.3, -0.34), (-0.12, -0.62), (0.14, -0.42), (0.16, 0.02)]
    fig.add(soft(inner), s.body if tone == s.dark else s.light, detail=True)
    fig.unplace()


def fish(dice: Dice, s: Shades) -> list[Shape]:
    """A fish that swims: oval body, forked or veiled tail, fins, scales or stripes."""
    fig = Figure()
    high, marks = dice.uniform(26, 38), dice.choice(("scales", "stripes", "koi", "plain", "belly"))
    fin = mixed(s.body, s.dark, 0.6) if dice.chance(0.6) else mixed(s.body, s.light, 0.8)
    _fish_tail(fig, dice, fin)
    tall = dice.uniform(12, 22)
    back = [(-26, -high * 0.62), (-14, -high - tall * 0.7), (4, -high - tall), (22, -high * 0.74)]
    if dice.chance(0.5):
        back = [
            (-30, -high * 0.5),
            (-32, -high - tall * 0.5),
            (-18, -high - tall * 0.8),
            (-2, -high - tall),
            (24, -high * 0.7),
        ]
    n = len(back) - 1
    fig.add(arcs(back, [0.05] + [0.16] * (n - 1)), fin)
    fig.add(arcs([(8, high * 0.7), (-12, high + tall * 0.6), (-20, high * 0.6)], (0.12, 0.1, 0)), fin)
    body = [
        (-44, 0),
        (-28, -high * 0.62),
        (0, -high),
        (28, -high * 0.78),
        (50, -1),
        (28, high * 0.78),
        (0, high),
        (-28, high * 0.62),
    ]
    fig.add(soft(body), s.body)
    if marks == "belly":
        fig.add(
            soft(
                [
                    (-34, high * 0.26),
                    (0, high * 0.36),
                    (42, high * 0.22),
                    (27, high * 0.73),
                    (0, high * 0.93),
                    (-26, high * 0.58),
                ]
            ),
            s.light,
        )
    _fish_marks(fig, dice, s, marks, high)
    line = line_tone(s)
    fig.add(trace([(19, -high * 0.72), (13, 0), (19, high * 0.72)]), None, line, 1.5, True)
    fig.add(arcs([(9, high * 0.06), (-2, high * 0.6), (-13, high * 0.34)], (0.14, 0.22, 0.16)), fin)
    mouths: tuple[list[Point], ...] = (
        [(49, 4), (43, 6), (38, 4)],
        [(48.5, 5), (44, 9), (37, 9)],
        [(47, 8), (43, 6), (38, 8)],
    )
    mouth = dice.choice(mouths)
    fig.add(trace(mouth), None, line, 1.5, True)
    r = dice.uniform(4.0, 5.6)
    fig.add(oval(31, -high * 0.24, r * 1.5), PAPER)
    eye(fig, 32, -high * 0.24, r)
    return fig.fitted(FISH_ASPECT, s)


def _fish_tail(fig: Figure, dice: Dice, fin: RGB) -> None:
    style = dice.choice(("fork", "fan", "veil"))
    reach = dice.uniform(28, 38)
    x = -38 - reach
    if style == "fork":
        fig.add(arcs([(-34, -5), (x, -30), (x + 14, 0), (x, 30), (-34, 5)], (-0.08, 0.14, 0.14, -0.08, 0)), fin)
    elif style == "fan":
        tips = [(x + 6, -26), (x, -9), (x, 9), (x + 6, 26)]
        fig.add(arcs([(-34, 6), *reversed(tips), (-34, -6)], (0.0, 0.2, 0.2, 0.2, 0.0, 0)), fin)
    else:
        tips = [(x + 4, -32), (x - 6, -14), (x + 8, 2), (x - 6, 18), (x + 4, 36)]
        fig.add(arcs([(-34, 6), *reversed(tips), (-34, -6)], (0.1, 0.2, 0.2, 0.2, 0.2, 0.1, 0)), fin)


def _fish_marks(fig: Figure, dice: Dice, s: Shades, marks: str, high: float) -> None:
    if marks == "scales":
        scales: Outline = []
        for row, y in enumerate((-0.4, -0.05, 0.3)):
            for k in range(3):
                x = 2 - 13 * k - 6 * (row % 2)
                scales += trace([(x + 2, (y - 0.16) * high), (x - 5, y * high), (x + 2, (y + 0.16) * high)])
        fig.add(scales, None, line_tone(s), 1.5, True)
    elif marks == "stripes":
        stripes: Outline = []
        tone = s.dark if dice.chance(0.5) else mixed(s.light, PAPER, 0.5)
        for x, share in ((6, 0.9), (-10, 0.84), (-26, 0.56)):
            stripes += band([(x, -high * share), (x - 4, 0), (x, high * share)], (5, 8, 5))
        fig.add(stripes, tone)
    elif marks == "koi":
        tone = mixed(s.light, PAPER, 0.6) if dice.chance(0.5) else s.dark
        fig.add(
            soft([(-18, -high * 0.66), (2, -high * 0.88), (8, -high * 0.4), (-6, -high * 0.1), (-20, -high * 0.3)]),
            tone,
        )
        fig.add(oval(-28, high * 0.1, 6, high * 0.2), tone, detail=True)


def butterfly(dice: Dice, s: Shades) -> list[Shape]:
    """A butterfly with open wings: two pairs, a thin dark body, feelers."""
    fig = Figure()
    tilt, near = dice.uniform(-0.3, 0.3), dice.uniform(0.72, 1.0)  # turned a little away: one side is narrower
    tall, low = dice.uniform(44, 56), dice.uniform(34, 44)
    wide, round_ = dice.uniform(52, 60), dice.uniform(0, 1)
    upper = [
        (2, -6),
        (10, -tall * 0.72),
        (30, -tall * 1.04),
        (wide, -tall * (0.96 - 0.2 * round_)),
        (wide, -tall * 0.4),
        (wide * 0.62, 0),
        (16, 4),
    ]
    style = dice.choice(("round", "tailed", "waved"))
    lower = [(2, 0), (24, -4), (wide * 0.82, 4), (wide * 0.8, low * 0.7), (wide * 0.5, low), (14, low * 0.7)]
    if style == "tailed":
        lower = [
            (2, 0),
            (26, -4),
            (wide * 0.8, 6),
            (wide * 0.66, low * 0.6),
            (wide * 0.68, low * 1.35),
            (wide * 0.5, low * 1.3),
            (wide * 0.4, low * 0.8),
            (12, low * 0.62),
        ]
    rim = dice.choice((s.dark, s.deep, s.dark))
    marks = dice.choice(("rim", "spots", "eyes", "rays"))
    for m in (-1, 1):
        fig.place(0, 0, tilt, 1, across=m * (near if m < 0 else 1))
        centre_u: Point = (wide * 0.55, -tall * 0.52)
        centre_l: Point = (wide * 0.44, low * 0.42)
        if style == "waved":
            fig.add(arcs(lower, [0.05, 0.08, 0.2, 0.2, 0.16, 0.08]), mixed(s.body, s.dark, 0.5))
        else:
            fig.add(soft(lower), mixed(s.body, s.dark, 0.5))
        fig.add(soft(upper), s.body if marks != "rim" else rim)
        if marks == "rim":
            fig.add(soft([lerp(p, centre_u, 0.16) for p in upper]), s.body)
        _wing_marks(fig, s, marks, centre_u, centre_l, wide, tall)
    fig.place(0, 0, tilt)
    dark = INK if not is_dark(s.body) else (112, 104, 112)
    fig.add(trace([(-1, -22), (-6, -38), (-15, -46)]) + trace([(1, -22), (6, -38), (15, -46)]), None, dark, 1.8)
    fig.add(oval(-15, -46, 2.4) + oval(15, -46, 2.4) + oval(0, -19, 5), dark)
    fig.add(band([(0, -16), (0, 0), (0, 26)], (6.5, 9, 3.5)), dark)
    return fig.fitted(BUTTERFLY_ASPECT, s)


def _wing_marks(fig: Figure, s: Shades, marks: str, upper: Point, lower: Point, wide: float, tall: float) -> None:
    pale = mixed(s.light, PAPER, 0.75)
    (ux, uy), (lx, ly) = upper, lower
    if marks == "spots":
        fig.add(oval(ux + 8, uy - 10, 6) + oval(ux - 4, uy + 4, 4) + oval(lx + 3, ly + 2, 5.5), pale)
    elif marks == "eyes":
        fig.add(oval(ux + 5, uy - 4, 9.5) + oval(lx + 3, ly + 2, 7.5), pale)
        fig.add(oval(ux + 6, uy - 4, 4.6) + oval(lx + 4, ly + 2, 3.6), s.deep)
    elif marks == "rays":
        rays: Outline = []
        for dx, dy in ((18, -16), (20, 0), (12, 12)):
            rays += arcs([(ux - 18, uy + 12), (ux + dx, uy + dy)], 0.1)
        fig.add(rays, s.light, detail=True)
        fig.add(oval(lx + 2, ly, 7, 6), s.light, detail=True)
    else:
        fig.add(oval(ux + 2, uy, 8, 7) + oval(lx + 2, ly, 6), s.light)


def person(dice: Dice, s: Shades) -> list[Shape]:
    """A person in a long coat, dress or robe of the colour, standing or waving: round head, hair or hood, boots."""
    fig = Figure()
    skin, hair = unlike(dice, s, SKINS, 60), unlike(dice, s, HAIRS)
    dress = dice.choice(("coat", "coat", "dress", "robe", "cape"))
    hem, flare = dice.uniform(-15, -9), dice.uniform(21, 26) if dress != "coat" else dice.uniform(19, 22)
    head = dice.uniform(13.5, 15.8)
    neck = -100 + 2 * head + 1
    hood = dice.choice(("hair", "hair", "hood", "beanie", "pointed", "straw"))
    style = dice.choice(("short", "bob", "long", "bun", "tails"))
    if hood == "hood":
        style = "short"
    _hair_behind(fig, hair, style, neck - head + 1, head)
    boots = unlike(dice, s, ((74, 52, 48), (48, 44, 56), (150, 76, 52)))
    stride = dice.uniform(0, 3)
    legs = band([(-7, hem - 4), (-8 - stride, -3)], (9, 8)) + band([(7, hem - 4), (8 + stride, -3)], (9, 8))
    feet = soft([(-13 - stride, -0.2), (-13 - stride, -6), (-3 - stride, -6), (-3 - stride, -0.2)], 0.6)
    feet += soft([(3 + stride, -0.2), (3 + stride, -6), (13 + stride, -6), (13 + stride, -0.2)], 0.6)
    fig.add(legs, boots if dress != "dress" else mixed(skin, s.dark, 0.2))
    fig.add(feet, boots)
    _garment(fig, dice, s, dress, neck, hem, flare)
    _arms(fig, dice, s, dress, neck, hem, flare, skin)
    scarf = unlike(dice, s, SCARVES)
    if dress != "robe" and dice.chance(0.4):
        fig.add(trace([(-8, neck + 1), (0, neck + 4), (8, neck + 1)]), None, scarf, 5)
        fig.add(band([(5, neck + 3), (8, neck + 18)], (5, 6)), scarf)
    _person_head(fig, dice, s, neck - head + 1, head, skin, hair, hood, style)
    return fig.fitted(PERSON_ASPECT, s)


def _garment(fig: Figure, dice: Dice, s: Shades, dress: str, neck: float, hem: float, flare: float) -> None:
    waist = (neck + hem) / 2 + 2
    slim = {"coat": 15.0, "dress": 11.5, "robe": 15.0, "cape": 16.5}[dress]
    half = [(7.0, neck - 2), (13.5, neck + 5), (slim, waist), (flare, hem - 1)]
    fig.add(soft([*half, (0, hem + 2), *[(-x, y) for x, y in reversed(half)]], 0.8), s.body)
    fig.add(soft([(3, waist), (slim - 2, waist), (flare - 1, hem - 2), (4, hem + 0.8)], 0.5), s.dark)
    line = line_tone(s)
    if dress == "coat":
        fig.add(trace([(0, neck + 2), (0, hem + 1)]), None, line, 1.0, True)
        fig.add(oval(-3.6, waist - 8, 1.5) + oval(-3.6, waist, 1.5) + oval(-3.6, waist + 8, 1.5), line, detail=True)
        fig.add(trace([(-slim - 1, waist + 9), (-slim + 5, waist + 8)]), None, line, 1.2, True)
    elif dress == "dress":
        fig.add(trace([(-slim, waist), (0, waist + 1.5), (slim, waist)]), None, unlike(dice, s, SCARVES), 3.2)
        dots: Outline = []
        for x, y in ((-8, 8), (-14, 17), (-3, 16), (7, 10), (12, 19), (3, 23)):
            dots += oval(x, waist + min(y, (hem - waist) * 0.85), 1.5)
        fig.add(dots, s.light if not is_dark(s.body) else PAPER, detail=True)
    elif dress == "robe":
        fig.add(trace([(-7, neck), (1, neck + 10), (8, waist)]) + trace([(7, neck), (0, neck + 9)]), None, PAPER, 2.6)
        fig.add(
            band([(-slim - 0.5, waist), (0, waist + 1.5), (slim + 0.5, waist)], (5.5, 6, 5.5)), unlike(dice, s, SCARVES)
        )
    else:
        fig.add(trace([(-2, neck + 4), (-7, hem)]) + trace([(6, neck + 4), (13, hem - 2)]), None, line, 1.0, True)
        fig.add(oval(0, neck + 3, 2.4), (246, 206, 90), detail=True)


def _arms(fig: Figure, dice: Dice, s: Shades, dress: str, neck: float, hem: float, flare: float, skin: RGB) -> None:
    if dress == "cape":
        return
    poses = [dice.choice(("down", "down", "out")), dice.choice(("down", "down", "wave", "out"))]
    wide = 12.0 if dress == "robe" else 9.0
    for m, pose in zip((-1, 1), poses):
        shoulder = (m * 11.5, neck + 6)
        elbow, hand = {
            "down": ((m * 17.5, neck + 17), (m * 19.5, neck + 31)),
            "out": ((m * 19, neck + 14), (m * 25, neck + 24)),
            "wave": ((m * 20, neck + 8), (m * 25, neck - 10)),
        }[pose]
        fig.add(oval(*lerp(elbow, hand, 1.12), 3.6), skin)
        sleeve = band([shoulder, elbow, hand], (10, 10, wide + 1))
        fig.add(sleeve, s.light if m < 0 else mixed(s.body, s.dark, 0.5))


def _hair_behind(fig: Figure, hair: RGB, style: str, y: float, r: float) -> None:
    if style == "bob":
        fig.add(oval(0, y + 2, r * 1.1, r * 1.06), hair)
    elif style == "long":
        fig.add(
            soft(
                [
                    (-r, y - 4),
                    (0, y - r),
                    (r, y - 4),
                    (r * 1.12, y + r * 1.5),
                    (0, y + r * 1.7),
                    (-r * 1.12, y + r * 1.5),
                ]
            ),
            hair,
        )
    elif style == "tails":
        for m in (-1, 1):
            fig.add(band([(m * r * 0.8, y - 2), (m * r * 1.3, y + 3), (m * r * 1.3, y + r * 1.3)], (7, 9, 4)), hair)


def _person_head(
    fig: Figure, dice: Dice, s: Shades, y: float, r: float, skin: RGB, hair: RGB, hood: str, style: str
) -> None:
    fig.place(0, y, dice.uniform(-0.08, 0.08), r)
    if hood == "hood":
        fig.add(
            soft([(-1.14, 0.2), (-0.8, -0.8), (0, -1.2), (0.8, -0.8), (1.14, 0.2), (0.8, 0.98), (-0.8, 0.98)]), s.body
        )
        fig.add(oval(0, 0.1, 0.82, 0.84), s.dark)
    elif style == "bun" and hood == "hair":
        fig.add(oval(0, -1.12, 0.44), hair)
    fig.add(oval(0, 0.12, 0.84 if hood != "hood" else 0.74, 0.84 if hood != "hood" else 0.76), skin)
    fringe = dice.choice(
        (
            [(-0.5, -0.16), (0.1, -0.34), (0.62, -0.1)],
            [(-0.6, 0.0), (0.0, -0.3), (0.6, 0.0)],
            [(-0.62, -0.1), (-0.1, -0.1), (0.5, -0.2)],
        )
    )
    if hood != "hood":
        cap = [(-0.92, 0.16), (-0.86, -0.5), (-0.45, -0.9), (0.1, -1.0), (0.62, -0.82), (0.92, -0.36), (0.92, 0.16)]
        fig.add(soft([*cap, (0.78, 0.04), *reversed(fringe), (-0.78, 0.04)]), hair)
    for m in (-1, 1):
        fig.add(oval(m * 0.3, 0.22, 0.085, 0.115), INK)
    blush = mixed(skin, (226, 96, 92), 0.4)
    fig.add(oval(-0.5, 0.44, 0.15, 0.1) + oval(0.5, 0.44, 0.15, 0.1), blush, detail=True)
    fig.add(trace([(-0.18, 0.5), (0, 0.6), (0.18, 0.5)]), None, mixed(skin, INK, 0.7), 0.065, True)
    if hood == "beanie":
        fig.add(soft([(-0.96, -0.34), (-0.8, -0.86), (0, -1.2), (0.8, -0.86), (0.96, -0.34), (0, -0.44)]), s.body)
        fig.add(trace([(-0.92, -0.36), (0, -0.52), (0.92, -0.36)]), None, s.dark, 0.26)
        fig.add(oval(0, -1.22, 0.24), s.light)
    elif hood == "pointed":
        fig.add(arcs([(-1.0, -0.3), (0.2, -1.9), (1.0, -0.3)], (0.08, 0.08, -0.08)), s.body)
        fig.add(trace([(-1.0, -0.3), (0, -0.46), (1.0, -0.3)]), None, s.light, 0.22)
    elif hood == "straw":
        fig.add(
            soft([(-1.5, -0.3), (-0.7, -0.62), (0.0, -1.16), (0.7, -0.62), (1.5, -0.3), (0, -0.24)]), (232, 202, 132)
        )
        fig.add(trace([(-0.74, -0.6), (0, -0.5), (0.74, -0.6)]), None, s.body, 0.2)
    fig.unplace()


BIRD_ASPECT, FISH_ASPECT, BUTTERFLY_ASPECT, PERSON_ASPECT = 1.3, 1.4, 1.2, 0.54
