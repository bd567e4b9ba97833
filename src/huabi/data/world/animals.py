"""Pets: cat and dog."""

from __future__ import annotations

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
    wedges,
)
from .shapes import INK, PAPER, RGB, Point, Shades, Shape, mixed

TONGUE: RGB = (226, 104, 112)
IRISES: tuple[RGB, ...] = ((216, 204, 84), (142, 188, 96), (120, 182, 214), (232, 172, 72))


def cat(dice: Dice, s: Shades) -> list[Shape]:
    """A cat that sits or walks: round head, pointed ears, whiskers, a long curled tail."""
    fig = Figure()
    coat = dice.choice(("plain", "tabby", "tabby", "bib", "patch"))
    pose = dice.weighted({"front": 4, "side": 3, "walk": 3})
    {"front": _cat_front, "side": _cat_side, "walk": _cat_walk}[pose](fig, dice, s, coat)
    return fig.fitted(CAT_ASPECT, s)


def _cat_tail(fig: Figure, dice: Dice, s: Shades, points: list[Point], width: float, coat: str) -> None:
    n = len(points)
    fig.add(band(points, [width * (1 - 0.3 * k / (n - 1)) for k in range(n)]), s.body)
    if coat == "tabby":
        rings: Outline = []
        for share in (0.35, 0.6, 0.85):
            k = int(share * (n - 1))
            a, b = lerp(points[k], points[k + 1], 0.2), lerp(points[k], points[k + 1], 0.75)
            rings += band([a, b], [width * 0.84, width * 0.8])
        fig.add(rings, s.dark, detail=True)
    elif coat in ("bib", "patch"):
        tip = s.light if coat == "bib" else s.dark
        fig.add(band([lerp(points[-2], points[-1], 0.2), points[-1]], [width * 0.7, width * 0.66]), tip)


def _cat_front(fig: Figure, dice: Dice, s: Shades, coat: str) -> None:
    w, h = dice.uniform(24, 29), dice.uniform(50, 58)
    up = dice.uniform(-34, -58)
    curl = dice.choice((-12, -7, 9))
    _cat_tail(fig, dice, s, [(12, -6), (30, -6), (41, -20), (42, up + 12), (38, up), (38 + curl, up - 6)], 10, coat)
    side = [(-w * 0.72, -0.5), (-w, -12), (-w * 0.9, -26), (-w * 0.6, -h + 6), (-w * 0.4, -h - 6)]
    body = [*side, *[(-x, y) for x, y in reversed(side)]]
    fig.add(soft(body), s.body)
    if coat == "tabby":
        fig.add(wedges(body, (2, 3), (0, -28), 0.62, 7) + wedges(body, (6, 7), (0, -28), 0.62, 7), s.dark, detail=True)
    if coat in ("bib", "patch"):
        fig.add(soft([(-10, -h), (10, -h), (11, -h + 16), (0, -h + 30), (-11, -h + 16)]), s.light)
    paw = s.light if coat in ("bib", "tabby") else s.body
    line = line_tone(s)
    fig.add(trace([(-w * 0.86, -4), (-w * 0.5, -20), (-w * 0.3, -3)]), None, line, 1.1, True)
    fig.add(trace([(w * 0.86, -4), (w * 0.5, -20), (w * 0.3, -3)]), None, line, 1.1, True)
    fig.add(oval(-6.5, -4, 6.4, 4.6) + oval(6.5, -4, 6.4, 4.6), paw)
    fig.add(trace([(0, -24), (0, -5)]), None, line, 1.1, True)
    _cat_head(fig, dice, s, dice.uniform(-3, 3), -h - 14, dice.uniform(24.5, 28), coat)


def _cat_side(fig: Figure, dice: Dice, s: Shades, coat: str) -> None:
    back, lift = dice.uniform(-4, 4), dice.uniform(-3, 4)
    tails = (
        [(-26, -8), (-42, -10), (-52, -24), (-50, -42), (-42, -52), (-36, -46)],
        [(-24, -8), (-42, -6), (-54, -16), (-56, -34), (-48, -44), (-54, -54)],
        [(-24, -6), (-40, -12), (-44, -30), (-38, -44), (-46, -56), (-54, -54)],
    )
    _cat_tail(fig, dice, s, list(dice.choice(tails)), 9.5, coat)
    body = [
        (-24, -0.5),
        (-33, -12),
        (-31 + back, -30),
        (-18 + back, -48),
        (2, -60),
        (22, -52),
        (25, -30),
        (24, -4),
        (6, -0.5),
    ]
    fig.add(soft(body), s.body)
    if coat == "tabby":
        fig.add(wedges(body, (1, 2, 3), (2, -26), 0.55, 8), s.dark, detail=True)
    if coat in ("bib", "patch"):
        fig.add(soft([(12, -52), (23, -48), (25, -32), (18, -24), (12, -36)]), s.light)
    line = line_tone(s)
    fig.add(band([(11, -32), (11, -16), (12, -3)], (11, 9.5, 9)), s.dark)
    fig.add(band([(18, -36), (19, -16), (19, -4)], (13, 10, 9.5)), s.body)
    fig.add(oval(21, -4, 7, 4.2), s.light if coat in ("bib", "tabby") else s.body)
    fig.add(oval(-9, -4, 9, 4.2), s.light if coat in ("bib", "tabby") else s.body)
    fig.add(trace([(-3, -5), (-2, -20), (-14, -28), (-25, -20)]), None, line, 1.2, True)
    _cat_head(fig, dice, s, 12, -68 - lift, dice.uniform(22, 25), coat)


def _cat_walk(fig: Figure, dice: Dice, s: Shades, coat: str) -> None:
    legs, arch, step = dice.uniform(19, 24), dice.uniform(0, 6), dice.uniform(-5, 5)
    top = -legs - 36
    tails = (
        [(-30, top + 8), (-44, top - 4), (-44, top - 24), (-36, top - 38), (-26, top - 34)],
        [(-30, top + 8), (-42, top - 6), (-40, top - 26), (-48, top - 38), (-57, top - 32)],
        [(-30, top + 8), (-45, top), (-51, top - 18), (-45, top - 34), (-49, top - 45)],
    )
    _cat_tail(fig, dice, s, list(dice.choice(tails)), 10, coat)
    knee = -legs * 0.55
    for x, dx in ((-19.0, step), (17.0, -step)):
        fig.add(band([(x, -legs - 8), (x + dx * 0.5, knee), (x + dx, -2.5)], (13, 10, 9)), s.dark)
    body = [(-36, -legs - 10), (-34, top + 6), (-16, top - arch), (6, top + 2 - arch), (24, top), (34, -legs - 18)]
    body += [(28, -legs - 2), (8, -legs + 2), (-14, -legs - 1), (-30, -legs)]
    fig.add(soft(body), s.body)
    for x, dx in ((-25.0, -step), (23.5, step)):
        fig.add(band([(x, -legs - 12), (x + dx * 0.5, knee), (x + dx, -3)], (19, 12.5, 10.5)), s.body)
    if coat == "tabby":
        fig.add(wedges(body, (1, 2, 3, 4), (0, -legs - 8), 0.72, 8), s.dark, detail=True)
    if coat == "patch":
        fig.add(soft([(-26, top + 6), (-12, top + 3 - arch), (-2, top + 8), (-8, top + 19), (-20, top + 16)]), s.dark)
    if coat in ("bib", "tabby"):
        fig.add(oval(-24 - step, -3, 6.6, 3.9) + oval(25 + step, -3, 6.6, 3.9), s.light)
    _cat_head(fig, dice, s, 24, top - 9, dice.uniform(22, 25), coat)


def _cat_head(fig: Figure, dice: Dice, s: Shades, x: float, y: float, r: float, coat: str) -> None:
    fig.place(x, y, dice.uniform(-0.16, 0.16), r)
    tall, lean = dice.uniform(1.22, 1.42), dice.uniform(0.62, 0.84)
    line = line_tone(s)
    for m in (-1, 1):
        tone = s.dark if coat == "patch" and m > 0 else s.body
        fig.add(arcs([(m * 0.98, -0.1), (m * lean, -tall), (m * 0.1, -0.7)], (0.08 * m, 0.06 * m, 0)), tone)
        inner = [(m * 0.8, -0.5), (m * (lean - 0.03), -tall + 0.24), (m * 0.36, -0.72)]
        fig.add(arcs(inner, (0.06 * m, 0.04 * m, 0)), mixed(s.body, ROSE, 0.7), detail=True)
    cheek = dice.uniform(1.0, 1.14)
    half = [(0.0, -0.82), (0.58, -0.72), (0.95, -0.26), (cheek, 0.2), (0.68, 0.62)]
    face = [*half, (0.0, 0.76), *[(-px, py) for px, py in reversed(half[1:])]]
    fig.add(soft(face), s.body)
    if coat == "patch":
        fig.add(soft([(0.1, -0.72), (0.58, -0.64), (0.93, -0.16), (0.6, 0.28), (0.2, -0.1)]), s.dark)
    if coat == "tabby":
        stripes = wedges(face, (9, 0, 1), (0, 0), 0.55, 0.2) + wedges(face, (3, 7), (0, 0.1), 0.34, 0.2)
        fig.add(stripes, s.dark, detail=True)
    if coat in ("bib", "patch"):
        fig.add(oval(-0.2, 0.4, 0.3, 0.24) + oval(0.2, 0.4, 0.3, 0.24), mixed(s.light, PAPER, 0.5))
    _cat_eyes(fig, dice, s)
    fig.add(arcs([(-0.13, 0.2), (0.13, 0.2), (0, 0.34)], 0.12), INK if s.body[1] in range(110, 170) else ROSE)
    fig.add(trace([(-0.24, 0.44), (-0.1, 0.5), (0, 0.36), (0.1, 0.5), (0.24, 0.44)]), None, line, 0.055, True)
    hairs: Outline = []
    for m in (-1, 1):
        for dy in (-0.16, 0.0, 0.16):
            hairs += trace([(m * 0.56, 0.34 + dy * 0.6), (m * 1.02, 0.28 + dy * 1.3), (m * 1.34, 0.32 + dy * 1.9)])
    fig.add(hairs, None, mixed(s.deep, s.dark, 0.2) if not is_dark(s.body) else (176, 170, 178), 0.042)
    fig.unplace()


def _cat_eyes(fig: Figure, dice: Dice, s: Shades) -> None:
    style = dice.weighted({"slit": 5, "dark": 0 if is_dark(s.body) else 4, "shut": 1})
    if style == "shut":
        lids: Outline = []
        for m in (-1, 1):
            lids += trace([(m * 0.6, -0.06), (m * 0.42, 0.06), (m * 0.24, -0.06)])
        fig.add(lids, None, PAPER if is_dark(s.body) else INK, 0.09)
        return
    iris = unlike(dice, s, IRISES)
    for m in (-1, 1):
        if style == "dark":
            fig.add(oval(m * 0.42, -0.03, 0.17, 0.21), INK)
        else:
            almond = [(m * 0.66, -0.16), (m * 0.42, -0.25), (m * 0.2, -0.02), (m * 0.4, 0.17), (m * 0.6, 0.08)]
            fig.add(soft(almond), iris)
            fig.add(oval(m * 0.42, -0.04, 0.085, 0.19), INK)
        fig.add(oval(m * 0.42 - 0.05, -0.11, 0.06), PAPER, detail=True)


def dog(dice: Dice, s: Shades) -> list[Shape]:
    """A dog that stands or sits: long muzzle with a big nose, hanging ears, tongue and collar."""
    fig = Figure()
    coat = dice.choice(("plain", "saddle", "spots", "bib"))
    pose = dice.weighted({"stand": 4, "sit": 3, "front": 3})
    {"stand": _dog_stand, "sit": _dog_sit, "front": _dog_front}[pose](fig, dice, s, coat)
    return fig.fitted(DOG_ASPECT, s)


def _dog_stand(fig: Figure, dice: Dice, s: Shades, coat: str) -> None:
    legs, step = dice.uniform(23, 30), dice.uniform(-5, 5)
    top = -legs - 36
    tails = ([(-30, top + 7), (-41, top - 6), (-42, top - 26)], [(-30, top + 7), (-42, top - 4), (-48, top - 17)])
    tail = dice.choice(tails)
    fig.add(band(tail, dice.choice(((9, 7, 4.5), (9, 11, 5), (8, 9, 8)))), s.body)
    for x, dx in ((-20, step), (15, -step)):
        fig.add(band([(x, -legs - 8), (x + dx * 0.4, -legs * 0.5), (x + dx, -3)], (15, 10, 9)), s.dark)
    body = [
        (-37, -legs - 12),
        (-33, top + 5),
        (-12, top + 2),
        (8, top),
        (22, top - 14),
        (35, top - 2),
        (36, -legs - 12),
    ]
    body += [(22, -legs + 2), (2, -legs - 2), (-16, -legs - 7), (-30, -legs - 2)]
    fig.add(soft(body), s.body)
    for x, dx in ((-26, -step), (24, step)):
        knee = -legs * 0.5
        fig.add(band([(x, -legs - 13), (x + dx * 0.4, knee), (x + dx, -3.5)], (21, 13, 11.5)), s.body)
        fig.add(oval(x + dx + 2, -3.4, 7.2, 3.9), s.light if coat == "bib" else s.body)
    if coat == "saddle":
        fig.add(
            soft([(-31, top + 6), (-10, top + 3), (10, top + 2), (9, top + 13), (-10, top + 17), (-27, top + 16)]),
            s.dark,
        )
    if coat == "spots":
        fig.add(
            soft([(-26, top + 8), (-14, top + 5), (-10, top + 13), (-20, top + 18)]) + oval(4, top + 14, 6, 5), s.dark
        )
    if coat == "bib":
        fig.add(soft([(26, top + 4), (35, top + 4), (35, -legs - 10), (28, -legs - 2), (22, -legs - 12)]), s.light)
    _collar(fig, dice, s, [(15, top - 8), (25, top - 3), (35, top - 5)], 6)
    _dog_profile(fig, dice, s, 27, top - 22, dice.uniform(18, 20.5), coat)


def _dog_sit(fig: Figure, dice: Dice, s: Shades, coat: str) -> None:
    back = dice.uniform(-4, 5)
    tail = dice.choice(([(-26, -8), (-42, -8), (-52, -18)], [(-26, -8), (-40, -14), (-45, -28)]))
    fig.add(band(tail, (11, 10, 5)), s.body)
    fig.add(band([(10, -34), (11, -18), (11, -4)], (13, 10, 9)), s.dark)
    body = [
        (-26, -0.5),
        (-34, -12),
        (-30 + back, -30),
        (-14 + back, -46),
        (2, -62),
        (22, -62),
        (28, -42),
        (22, -18),
        (4, -0.5),
    ]
    fig.add(soft(body), s.body)
    if coat == "saddle":
        fig.add(soft([(-31, -14), (-27 + back, -30), (-11 + back, -45), (2, -52), (-2, -36), (-14, -22)]), s.dark)
    if coat == "spots":
        fig.add(oval(-20 + back, -26, 6, 8) + oval(-3, -44, 7, 5), s.dark)
    if coat == "bib":
        fig.add(soft([(14, -56), (24, -56), (27, -42), (22, -22), (13, -34)]), s.light)
    fig.add(band([(18, -40), (20, -18), (20, -4)], (16, 11, 10)), s.light if coat == "bib" else s.body)
    fig.add(oval(23, -4, 8, 4.2) + oval(-8, -4.4, 11, 4.4), s.light if coat == "bib" else s.body)
    fig.add(trace([(-2, -6), (-2, -22), (-14, -30), (-26, -22)]), None, line_tone(s), 1.2, True)
    _collar(fig, dice, s, [(1, -60), (12, -55), (25, -58)], 6)
    _dog_profile(fig, dice, s, 14, -75, dice.uniform(18, 20.5), coat)


def _dog_front(fig: Figure, dice: Dice, s: Shades, coat: str) -> None:
    w = dice.uniform(25, 30)
    m = dice.choice((-1, 1))
    fig.add(band([(m * 18, -6), (m * 36, -10), (m * 44, -24)], (11, 10, 5)), s.body)
    side = [(-w * 0.8, -0.5), (-w, -12), (-w * 0.82, -28), (-w * 0.66, -46), (-w * 0.4, -60)]
    fig.add(soft([*side, *[(-x, y) for x, y in reversed(side)]]), s.body)
    if coat in ("bib", "saddle"):
        fig.add(soft([(-9, -56), (9, -56), (13, -40), (0, -22), (-13, -40)]), s.light)
    if coat == "spots":
        fig.add(oval(-w * 0.6, -28, 5, 7) + oval(w * 0.5, -40, 5, 4), s.dark)
    fig.add(oval(-w * 0.72, -4.6, 9, 4.6) + oval(w * 0.72, -4.6, 9, 4.6), s.dark)
    fig.add(band([(-8, -34), (-8, -4)], (13, 12)) + band([(8, -34), (8, -4)], (13, 12)), s.body)
    fig.add(
        trace([(0, -30), (0, -3)]) + trace([(-14.5, -26), (-14, -4)]) + trace([(14.5, -26), (14, -4)]),
        None,
        line_tone(s),
        1.2,
        True,
    )
    _collar(fig, dice, s, [(-w * 0.5, -55), (0, -50), (w * 0.5, -55)], 6)
    r = dice.uniform(20, 22.5)
    fig.place(0, -71, dice.uniform(-0.14, 0.14), r)
    long, out = dice.uniform(0.55, 0.95), dice.uniform(1.1, 1.35)
    half = [(0.0, -0.86), (0.6, -0.78), (0.95, -0.3), (0.9, 0.2), (0.6, 0.62)]
    fig.add(soft([*half, (0.0, 0.82), *[(-px, py) for px, py in reversed(half[1:])]]), s.body)
    if coat == "spots":
        fig.add(oval(0.45, -0.15, 0.36, 0.4), s.dark)
    fig.add(arcs([(-0.22, 0.5), (0.22, 0.5), (0.16, 1.02), (-0.16, 1.02)], (0, 0.05, 0.5, 0.05)), TONGUE)
    muzzle = mixed(s.light, PAPER, 0.45)
    fig.add(oval(-0.24, 0.4, 0.36, 0.32) + oval(0.24, 0.4, 0.36, 0.32) + oval(0, 0.12, 0.26, 0.36), muzzle)
    fig.add(soft([(-0.26, 0.06), (0, 0.0), (0.26, 0.06), (0.16, 0.24), (0, 0.32), (-0.16, 0.24)]), INK)
    fig.add(trace([(-0.34, 0.54), (-0.14, 0.6), (0, 0.34), (0.14, 0.6), (0.34, 0.54)]), None, INK, 0.06, True)
    for m in (-1, 1):
        eye(fig, m * 0.42, -0.2, 0.14, s.light if is_dark(s.body) else None)
        ear = [
            (m * 0.4, -0.84),
            (m * 0.92, -0.76),
            (m * out, -0.1),
            (m * (out - 0.08), long),
            (m * 0.86, long - 0.12),
            (m * 0.8, -0.2),
        ]
        fig.add(soft(ear), s.dark)
    fig.unplace()


def _collar(fig: Figure, dice: Dice, s: Shades, points: list[Point], width: float) -> None:
    colour = unlike(dice, s, BANDS)
    fig.add(trace(points), None, colour, width)
    x, y = points[1]
    fig.add(oval(x, y + width * 0.8, width * 0.5), (246, 206, 90), detail=True)


def _dog_profile(fig: Figure, dice: Dice, s: Shades, x: float, y: float, r: float, coat: str) -> None:
    fig.place(x, y, dice.uniform(-0.25, 0.12), r)
    snout, long = dice.uniform(1.45, 1.75), dice.uniform(0.6, 1.0)
    if dice.chance(0.75):
        fig.add(band([(0.75, 0.5), (0.95, 0.85), (0.98, 1.12)], (0.34, 0.36, 0.26)), TONGUE)
    head = [
        (-0.8, -0.3),
        (-0.3, -0.86),
        (0.4, -0.82),
        (0.8, -0.3),
        (snout - 0.2, -0.16),
        (snout, 0.16),
        (snout - 0.3, 0.52),
    ]
    head += [(0.8, 0.64), (0.1, 0.82), (-0.6, 0.6)]
    fig.add(soft(head), s.body)
    if coat in ("bib", "saddle"):
        jaw = [
            (0.8, -0.06),
            (snout - 0.25, -0.02),
            (snout - 0.05, 0.2),
            (snout - 0.32, 0.46),
            (0.7, 0.56),
            (0.55, 0.25),
        ]
        fig.add(soft(jaw), s.light)
    if coat == "spots":
        fig.add(oval(0.42, -0.28, 0.34, 0.36), s.dark)
    fig.add(trace([(snout - 0.1, 0.3), (1.0, 0.36), (0.62, 0.24)]), None, line_tone(s), 0.07, True)
    nose = mixed(INK, PAPER, 0.3) if is_dark(s.body) else INK
    fig.add(oval(snout - 0.06, -0.04, 0.24, 0.2), nose)
    eye(fig, 0.46, -0.24, 0.14, s.light if is_dark(s.body) else None)
    lean = dice.uniform(-0.2, 0.1)
    ear = [
        (-0.34, -0.8),
        (0.06, -0.6),
        (0.1 + lean, 0.1),
        (-0.02 + lean, long),
        (-0.4 + lean, long),
        (-0.66 + lean, 0.2),
        (-0.66, -0.46),
    ]
    fig.add(soft(ear), mixed(s.dark, s.deep, 0.25) if not is_dark(s.body) else mixed(s.light, PAPER, 0.12))
    fig.unplace()


CAT_ASPECT, DOG_ASPECT = 0.92, 0.96
