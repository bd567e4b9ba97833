"""House and pagoda."""

from __future__ import annotations

from .dice import Dice
from .forms import GOLD, apart, arched, box, mirrored, pane, rounded, route, shaky
from .shapes import INK, PAPER, RGB, Point, Shades, Shape, ellipse, line, mixed, polygon, rectangle, smooth

RIDGE = 0.9  # the roof's height: only the chimney is higher


def house(dice: Dice, shades: Shades) -> list[Shape]:
    """A house in one of four builds, with its roof in a tone of the walls."""
    wall, roof = shades.body, shades.dark
    if dice.chance(0.35):
        wall, roof = mixed(shades.body, shades.light, 0.6), mixed(shades.body, shades.dark, 0.25)
    build = dice.choice((_gabled, _gabled, _hipped, _thatched, _saddled))
    return build(dice, shades, wall, roof)


def _chimney(dice: Dice, shades: Shades, x: float) -> list[Shape]:
    """Starts behind the roof, so it is drawn before it."""
    width = dice.uniform(0.085, 0.12)
    top = dice.uniform(-0.97, -0.955)
    return [
        Shape(rectangle(x - width / 2, top, width, 0.42), shades.body),
        Shape(rectangle(x + width * 0.1, top, width * 0.4, 0.42), shades.dark),
        Shape(box(x - width * 0.68, -1, width * 1.36, 0.055, 0.012), shades.deep),
    ]


def _windows(dice: Dice, shades: Shades, cells: list[tuple[float, float]], width: float, height: float) -> list[Shape]:
    """Windows centred at `cells`: panes, frames, crossbars, sometimes shutters."""
    round_head = dice.chance(0.35)
    out: list[Shape] = []
    corners = [(x - width / 2, y - height / 2) for x, y in cells]
    if dice.chance(0.35):
        leaf = width * 0.42
        sides = "".join(
            rectangle(x - leaf, y, leaf, height) + rectangle(x + width, y, leaf, height) for x, y in corners
        )
        out.append(Shape(sides, shades.deep))
    panes = "".join((arched if round_head else rectangle)(x, y, width, height) for x, y in corners)
    out.append(Shape(panes, pane(shades, dice), shades.deep, 0.016))
    bars = "".join(
        line((x + width / 2, y), (x + width / 2, y + height)) + line((x, y + height / 2), (x + width, y + height / 2))
        for x, y in corners
    )
    out.append(Shape(bars, stroke=shades.deep, width=0.012, detail=True))
    sills = "".join(rectangle(x - 0.015, y + height, width + 0.03, 0.022) for x, y in corners)
    out.append(Shape(sills, shades.light, detail=True))
    return out


def _door(dice: Dice, shades: Shades, x: float, height: float) -> list[Shape]:
    width = height * dice.uniform(0.5, 0.58)
    head = arched if dice.chance(0.5) else rectangle
    return [
        Shape(head(x - width / 2 - 0.02, -height - 0.02, width + 0.04, height + 0.02), shades.light),
        Shape(head(x - width / 2, -height, width, height), shades.deep),
        Shape(ellipse(x + width * 0.26, -height * 0.45, 0.013), apart(shades.deep, GOLD, PAPER), detail=True),
    ]


def _front(dice: Dice, shades: Shades, half: float, eave: float) -> list[Shape]:
    """Door and windows of a front that is 2 * `half` wide and `eave` high."""
    storeys = 2 if eave > 0.5 else 1
    storey = eave / storeys
    door = storey * (0.76 if storeys == 1 else 0.86)
    size = min(storey * 0.42, half * 0.42)
    places = (-0.56, 0.56) if half > 0.36 else (-0.5, 0.5)
    at = 0.0 if half > 0.36 and dice.chance(0.4) else dice.choice((-1, 1)) * half * 0.46
    y = -storey * 0.55
    cells = [(half * p, y) for p in places if abs(half * p - at) > size * 0.5 + door * 0.36]
    if storeys == 2:
        upper = (-0.58, 0.0, 0.58) if half > 0.36 and dice.chance(0.5) else (-0.48, 0.48)
        cells += [(half * p, -storey * 1.5) for p in upper]
    tall = size * dice.uniform(1.0, 1.25)
    return [*_windows(dice, shades, cells, size, tall), *_door(dice, shades, at, door)]


def _gabled(dice: Dice, shades: Shades, wall: RGB, roof: RGB) -> list[Shape]:
    """The gable to the front: a pointed face under a thick roof."""
    half = dice.uniform(0.31, 0.43)
    eave = dice.uniform(0.56, 0.62) if half < 0.38 and dice.chance(0.7) else dice.uniform(0.4, 0.49)
    reach = half + dice.uniform(0.045, 0.068)
    lift = 0.07 * (reach - half) / 0.06
    thick = dice.uniform(0.085, 0.12)
    outline = [(-half, 0.0), (-half, -eave), (0.0, -RIDGE + 0.04), (half, -eave), (half, 0.0)]
    band = [(-reach, -eave + lift - 0.02), (0.0, -RIDGE - 0.012), (reach, -eave + lift - 0.02)]
    lower = [(reach - 0.045, -eave + lift + thick * 0.55), (0.0, -RIDGE + thick * 1.5)]
    lower.append((-reach + 0.045, -eave + lift + thick * 0.55))
    out = _chimney(dice, shades, dice.choice((-1, 1)) * half * dice.uniform(0.45, 0.62)) if dice.chance(0.85) else []
    out.append(Shape(polygon(shaky(outline, dice, 0.004)), wall))
    shade = [(half * 0.72, 0.0), (half * 0.72, -eave), (half, -eave), (half, 0.0)]
    out.append(Shape(polygon(shade), mixed(wall, shades.dark, 0.5), detail=True))
    out.append(Shape(rounded([*band, *lower], 0.03), roof))
    out += _front(dice, shades, half, eave)
    centre, r = -(eave + (RIDGE - eave) * 0.36), (RIDGE - eave) * 0.16
    attic = ellipse(0, centre, r) if dice.chance(0.5) else arched(-r * 0.9, centre - r, r * 1.8, r * 2.1)
    out.append(Shape(attic, pane(shades, dice), shades.deep, 0.016))
    return out


def _tiles(left: float, right: float, top: float, bottom: float, slope: float) -> str:
    """Rows of short strokes on a roof; `slope` draws the rows in towards the ridge."""
    out = ""
    for row in range(3):
        share = (row + 0.7) / 3.2
        y = bottom + (top - bottom) * share
        a, b = left + slope * share + 0.05, right - slope * share - 0.05
        n = 4 - row % 2
        for k in range(n):
            x = a + (b - a) * (k + 0.25) / n
            out += route("M", x, y, "q", (b - a) / n * 0.25, 0.02, (b - a) / n * 0.5, 0)
    return out


def _hipped(dice: Dice, shades: Shades, wall: RGB, roof: RGB) -> list[Shape]:
    """The long side to the front, under a roof that falls to all sides."""
    half = dice.uniform(0.37, 0.43)
    eave = dice.uniform(0.4, 0.6)
    reach, ridge = half + 0.06, half * dice.uniform(0.42, 0.7)
    out = _chimney(dice, shades, dice.choice((-1, 1)) * ridge * dice.uniform(0.6, 0.8)) if dice.chance(0.85) else []
    out.append(Shape(polygon(shaky([(-half, 0), (-half, -eave), (half, -eave), (half, 0)], dice, 0.004)), wall))
    sag = dice.uniform(0.0, 0.03)
    side = [(reach, -eave + 0.03), (half * 0.9 - sag, -(eave + RIDGE) / 2 + sag), (ridge, -RIDGE)]
    if sag < 0.012:
        del side[1]
    outline = [*side, *((-x, y) for x, y in reversed(side))]
    out.append(Shape(rounded(outline, 0.03), roof))
    tiles = _tiles(-reach, reach, -RIDGE, -eave + 0.03, reach - ridge)
    out.append(Shape(tiles, stroke=shades.deep, width=0.012, detail=True))
    out.append(Shape(rectangle(-half, -eave + 0.022, 2 * half, 0.022), shades.deep, opacity=0.5, detail=True))
    if eave < 0.5 and dice.chance(0.75):
        x, w, y = dice.choice((-0.13, 0.0, 0.13)), 0.085, -eave - 0.06
        out.append(Shape(polygon([(x - w, y), (x - w, y - 0.12), (x, y - 0.23), (x + w, y - 0.12), (x + w, y)]), wall))
        cap = [(x - w - 0.03, y - 0.1), (x, y - 0.25), (x + w + 0.03, y - 0.1)]
        out.append(Shape(line(*cap), stroke=shades.deep, width=0.022))
        out.append(Shape(arched(x - 0.045, y - 0.13, 0.09, 0.115), pane(shades, dice)))
    return out + _front(dice, shades, half, eave)


def _thatched(dice: Dice, shades: Shades, wall: RGB, roof: RGB) -> list[Shape]:
    """A cottage under a heavy, rounded roof."""
    half = dice.uniform(0.33, 0.4)
    eave = dice.uniform(0.42, 0.48)
    reach, ridge = half + dice.uniform(0.06, 0.085), half * dice.uniform(0.3, 0.5)
    out = _chimney(dice, shades, dice.choice((-1, 1)) * ridge * 0.9) if dice.chance(0.9) else []
    out.append(Shape(polygon(shaky([(-half, 0), (-half, -eave), (half, -eave), (half, 0)], dice, 0.006)), wall))
    right: list[Point] = [(ridge, -RIDGE + 0.02), (half * 0.86, -(eave + RIDGE) / 2 - 0.02), (reach, -eave + 0.04)]
    right.append((reach - 0.05, -eave + 0.075))
    fringe: list[Point] = [(half * 0.45, -eave + 0.03 + dice.uniform(-0.02, 0.02))]
    outline = mirrored([(0.0, -RIDGE + 0.004), *right, *fringe])
    out.append(Shape(smooth(outline, tension=0.7), roof))
    comb = [(-ridge * 1.1, -RIDGE + 0.07), (0.0, -RIDGE + 0.045), (ridge * 1.1, -RIDGE + 0.07)]
    out.append(Shape(smooth(comb, closed=False), stroke=shades.deep, width=0.022, detail=True))
    straw = ""
    for _ in range(9):
        share = dice.uniform(-0.8, 0.8)
        y = -eave - dice.uniform(0.0, 0.24)
        straw += route("M", half * share, y, "l", share * 0.035, 0.06)
    out.append(Shape(straw, stroke=shades.deep, width=0.01, detail=True))
    return out + _front(dice, shades, half, eave)


def _saddled(dice: Dice, shades: Shades, wall: RGB, roof: RGB) -> list[Shape]:
    """Seen across a corner: the gable at the left, the long side and its roof at the right."""
    left, right = -dice.uniform(0.4, 0.45), dice.uniform(0.4, 0.44)
    corner = left + dice.uniform(0.32, 0.38)
    eave = dice.uniform(0.4, 0.48)
    peak = (left + corner) / 2
    lit = mixed(wall, shades.light, 0.45)
    out = _chimney(dice, shades, dice.uniform(0.0, 0.2)) if dice.chance(0.85) else []
    out.append(Shape(polygon([(corner, 0), (corner, -eave), (right, -eave), (right, 0)]), wall))
    gable = [(left, 0.0), (left, -eave), (peak, -RIDGE + 0.03), (corner, -eave), (corner, 0.0)]
    out.append(Shape(polygon(gable), lit))
    low = -eave + 0.05
    slant = [(peak, -RIDGE), (right - dice.uniform(0.06, 0.1), -RIDGE), (min(right + 0.05, 0.49), low)]
    out.append(Shape(rounded([*slant, (corner + 0.02, low)], 0.012), roof))
    verge = [(left - 0.04, low), (peak, -RIDGE + 0.013), (corner + 0.02, low)]
    out.append(Shape(line(*verge), stroke=mixed(roof, shades.deep, 0.45), width=0.045))
    out.append(
        Shape(_tiles(corner - 0.03, right - 0.05, -RIDGE, low, 0.0), stroke=shades.deep, width=0.012, detail=True)
    )
    out += _door(dice, shades, peak, eave * 0.72)
    middle, wide = (corner + right) / 2, (right - corner) / 2
    cells = [(middle - wide * 0.48, -eave * 0.52), (middle + wide * 0.48, -eave * 0.52)]
    out += _windows(dice, shades, cells, wide * 0.44, eave * 0.36)
    out.append(Shape(ellipse(peak, -eave - 0.13, 0.042), pane(shades, dice), shades.deep, 0.016))
    return out


def pagoda(dice: Dice, shades: Shades) -> list[Shape]:
    """A tower of three to five storeys, each under a roof with upturned eaves, and a finial."""
    storeys = dice.integer(3, 5)
    base, reach, slim = -0.07, dice.uniform(0.325, 0.345), dice.uniform(0.42, 0.6)
    spire = dice.uniform(0.1, 0.15)
    shrink = dice.uniform(0.84, 0.94)
    first = (1 - spire + base) * (1 - shrink) / (1 - shrink**storeys)
    lift = dice.uniform(0.028, 0.05)
    roof_share = dice.uniform(0.46, 0.54)
    walls = roofs = lights = doors = rails = ""
    y, height = base, first
    for k in range(storeys):
        wide = reach * (1 - slim * k / (storeys - 1))  # the roof's half width
        half, upper = wide * 0.66, wide * (0.5 if k < storeys - 1 else 0.1)
        eave, top = y - height * (1 - roof_share), y - height
        walls += polygon([(-half, y), (-half * 0.96, eave - 0.02), (half * 0.96, eave - 0.02), (half, y)])
        roofs += _upturned(wide, upper, eave, top, min(lift, height * 0.2))
        tall = (y - eave) * 0.56
        if k == 0:
            doors = arched(-tall * 0.42, y - tall * 1.3, tall * 0.84, tall * 1.3)
        cells = 3 if half > 0.17 else 2
        for c in range(cells):
            x = half * 1.5 * ((c + 0.5) / cells - 0.5)
            if k or abs(x) > tall * 0.6:
                lights += arched(x - tall * 0.3, eave + tall * 0.3, tall * 0.6, tall * 1.05)
        if k:
            rails += line((-half * 1.12, y - tall * 0.32), (half * 1.12, y - tall * 0.32))
        y, height = top, height * shrink
    plinth = [(-reach * 0.98, 0.0), (-reach * 0.9, base), (reach * 0.9, base), (reach * 0.98, 0.0)]
    wall, roof = (shades.body, shades.dark) if dice.chance(0.6) else (shades.light, shades.body)
    out = [Shape(polygon(plinth), shades.dark), Shape(walls, wall)]
    out.append(Shape(lights, pane(shades, dice)))
    out.append(Shape(doors, shades.deep))
    out.append(Shape(rails, stroke=shades.deep, width=0.012, detail=True))
    out.append(Shape(roofs, roof))
    out.append(Shape(line((-reach * 0.93, base), (reach * 0.93, base)), stroke=shades.light, width=0.016))
    return out + _finial(dice, shades, y, reach)


def _upturned(wide: float, upper: float, eave: float, top: float, lift: float) -> str:
    """A roof `wide` at its eaves and `upper` at its top (half widths), with tips turned up."""
    tip, low, mid = eave - lift, eave + lift * 0.35, eave - (eave - top) * 0.35
    b = wide * 0.72
    under = route("M", -wide, tip, "Q", -b, low, 0, low, "Q", b, low, wide, tip)
    return under + route("Q", b, mid, upper, top, "H", -upper, "Q", -b, mid, -wide, tip, "Z")


def _finial(dice: Dice, shades: Shades, y: float, reach: float) -> list[Shape]:
    """The mast on the uppermost roof, with its rings or ball, up to the frame's edge."""
    tall = 1 + y
    gold = apart(shades.body, GOLD, PAPER, INK)
    mast = polygon([(-0.028, y + 0.02), (-0.007, -1), (0.007, -1), (0.028, y + 0.02)])
    if dice.chance(0.5):
        beads = ellipse(0, y - tall * 0.3, 0.034)
    else:
        beads = "".join(
            ellipse(0, y - tall * s, r, tall * 0.09) for s, r in ((0.12, 0.042), (0.34, 0.032), (0.56, 0.022))
        )
    return [Shape(mast, shades.deep), Shape(beads, gold)]
