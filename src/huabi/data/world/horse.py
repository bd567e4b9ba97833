"""The horse."""

from __future__ import annotations

import math

from .dice import Dice
from .figure import (
    BANDS,
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
    turned,
    unlike,
)
from .shapes import INK, PAPER, RGB, Point, Shades, Shape, mixed


def horse(dice: Dice, s: Shades) -> list[Shape]:
    """A horse that stands or trots: long neck with a mane, long face, flowing tail, hooves."""
    fig = Figure()
    legs, lift, stride = dice.uniform(27, 32), dice.uniform(-0.16, 0.14), dice.choice((0.0, 1.0, 1.0))
    top = -legs - 35
    hair = dice.choice((s.deep, s.deep, mixed(s.light, PAPER, 0.6), INK)) if not is_dark(s.body) else (150, 138, 132)
    tail = [(-35, top + 8), (-44, top + 6), (-48, top + 24), (-43 - 6 * dice.uniform(), top + 44)]
    fig.add(band(tail, (7, 12, 15, 4)), hair)
    socks = dice.chance(0.45)
    _horse_legs(fig, dice, s, -legs, stride, False, socks)
    root: Point = (14, top + 12)
    crest = turned([(12, top - 2), (20, top - 20), (26, top - 33), (36, top - 36)], lift, root)
    throat = turned([(47, top - 20), (40, top - 6)], lift, root)
    body = [(-40, top + 16), (-36, top + 4), (-22, top - 1), (-4, top + 4), *crest, *throat, (38, top + 14)]
    body += [(28, -legs - 2), (8, -legs + 2), (-14, -legs - 1), (-32, -legs - 4)]
    fig.add(soft(body), s.body)
    _horse_legs(fig, dice, s, -legs, stride, True, socks)
    if dice.chance(0.4):
        spots: Outline = []
        for x, y in dice.sample([(-30, 9), (-19, 6), (-24, 18), (-9, 11), (-13, 21), (2, 14)], 5):
            spots += oval(x, top + y, dice.uniform(2.4, 4.6), dice.uniform(2.2, 3.6))
        fig.add(spots, s.light if dice.chance(0.5) else s.dark, detail=True)
    head = turned([(31, top - 31), (39, top - 25), (51, top - 15), (58, top - 8)], lift * 1.5, root)
    (px, py), (qx, qy) = head[0], head[3]
    far = math.atan2(qy - py, qx - px)
    for dx, tone in ((4.5, s.dark), (-1.5, s.body)):
        ear = [(px + dx - 4, py - 6), (px + dx - 1, py - 16 - 3 * dice.uniform()), (px + dx + 4.5, py - 5)]
        fig.add(arcs(ear, (0.14, 0.14, 0)), tone)
    fig.add(band(head, (20, 22, 17, 13.5)), s.body)
    fig.add(oval(qx - 0.5, qy + 0.2, 7.6, 7.4), mixed(s.body, s.dark, 0.7))
    fig.place(px, py, far)
    if dice.chance(0.5):
        fig.add(arcs([(8, -8.2), (30, -5), (9, -4)], (0.03, 0.1, 0)), mixed(s.light, PAPER, 0.7), detail=True)
    eye(fig, 10, -3.4, 2.1, s.light if is_dark(s.body) else None)
    fig.add(oval(35, -2, 1.3, 1.0), s.deep, detail=True)
    fig.add(trace([(36, 4), (31, 4.4), (28, 3)]), None, line_tone(s), 0.9, True)
    if dice.chance(0.5):
        strap = unlike(dice, s, BANDS)
        fig.add(trace([(24, -7.4), (25.5, 0), (24, 7.4)]) + trace([(25, -1), (13, 4), (2, -4)]), None, strap, 2, True)
    fig.unplace()
    _mane(fig, dice, hair, [(px + 8, py - 3), (px - 2, py - 8), *reversed(crest[:3]), (7, top)])
    if dice.chance(0.3):
        cloth = unlike(dice, s, BANDS)
        fig.add(soft([(-16, top), (-4, top + 3), (6, top + 1), (8, top + 17), (-5, top + 21), (-17, top + 17)]), cloth)
    return fig.fitted(HORSE_ASPECT, s)


def _horse_legs(fig: Figure, dice: Dice, s: Shades, y: float, stride: float, near: bool, socks: bool) -> None:
    legs: Outline = []
    hooves: Outline = []
    cuffs: Outline = []
    for x, dx, bend in ((-30.0, -4.0, 2.0), (25.5, 7.0, 8.0)) if near else ((-21.0, 9.0, 3.0), (18.0, -6.0, -2.0)):
        dx, bend = dx * stride * dice.uniform(0.7, 1.3), bend * stride * dice.uniform(0.6, 1.2)
        knee, foot = (x + bend, y * 0.48), (x + dx, -4.0)
        legs += band([(x, y - 10), (x + bend * 0.4, y * 0.85), knee, foot], (22, 17, 11, 10))
        cuffs += band([lerp(knee, foot, 0.45), foot], (10.2, 10.3))
        hooves += soft([(x + dx - 4.8, -6), (x + dx + 4.8, -6), (x + dx + 7, -0.3), (x + dx - 6.2, -0.3)], 0.5)
    fig.add(legs, s.body if near else s.dark)
    if socks:
        fig.add(cuffs, mixed(s.light, PAPER, 0.65) if near else mixed(s.dark, PAPER, 0.5))
    fig.add(hooves, INK if not is_dark(s.body) else (128, 114, 104))


def _mane(fig: Figure, dice: Dice, hair: RGB, ridge: list[Point]) -> None:
    """Locks that hang from the crest: arcs along the ridge and back below it."""
    below = [(x + dice.uniform(6, 10), y + dice.uniform(5, 10)) for x, y in ridge[2:]]
    outer = [(x - 3.5, y - 2.5) for x, y in ridge]
    outline = [*below, *reversed(outer)]
    fig.add(arcs(outline, [0.22] * (len(below) - 1) + [0.1] + [0.24] * (len(outer) - 1) + [0.2]), hair)


HORSE_ASPECT = 1.0
