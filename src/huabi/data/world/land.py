"""The land of each setting: far, middle and near layers, as soft bands that are no object of the world."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from itertools import pairwise

from .dice import Dice
from .light import Light
from .scene import Scene
from .shapes import RGB, Shape, mixed, polygon

EDGE = 0.06  # how far layers reach over the frame, for styles that push lines about

# Materials by day. A season's row lays its own over the common ones.
_COMMON: dict[str, RGB] = {
    "hill": (150, 176, 150),
    "ridge": (112, 134, 166),
    "block": (140, 154, 182),
    "roof": (188, 116, 98),
    "wall": (226, 212, 190),
    "paving": (204, 200, 198),
    "paving_near": (180, 176, 178),
    "lane": (228, 208, 168),
    "sand": (246, 226, 178),
    "sand_near": (232, 204, 150),
    "stone": (172, 170, 168),
    "trunk": (92, 74, 72),
    "water": (150, 200, 222),
    "water_near": (86, 152, 196),
    "foam": (246, 250, 248),
    "snow": (240, 244, 252),
}
_SEASONS: dict[str, dict[str, RGB]] = {
    "spring": {
        "grass": (190, 218, 138),
        "grass_near": (148, 196, 104),
        "blade": (110, 164, 82),
        "crown": (146, 192, 112),
        "fringe": (248, 192, 210),
        "dab": (250, 178, 200),
        "second": (252, 240, 170),
        "soil": (188, 190, 128),
        "soil_near": (160, 168, 104),
        "hill": (168, 198, 150),
    },
    "summer": {
        "grass": (150, 194, 102),
        "grass_near": (104, 164, 78),
        "blade": (66, 130, 62),
        "crown": (74, 138, 82),
        "fringe": (122, 176, 96),
        "dab": (252, 222, 96),
        "second": (236, 120, 112),
        "soil": (136, 158, 96),
        "soil_near": (104, 130, 76),
        "hill": (122, 168, 128),
    },
    "autumn": {
        "grass": (222, 192, 116),
        "grass_near": (198, 152, 82),
        "blade": (160, 104, 54),
        "crown": (200, 112, 58),
        "fringe": (236, 170, 74),
        "dab": (196, 84, 44),
        "second": (240, 196, 96),
        "soil": (206, 156, 98),
        "soil_near": (176, 118, 72),
        "hill": (206, 166, 118),
        "water": (158, 190, 200),
        "water_near": (96, 140, 168),
        "sand": (236, 210, 160),
        "sand_near": (214, 180, 126),
    },
    "winter": {
        "grass": (242, 246, 252),
        "grass_near": (216, 226, 242),
        "blade": (176, 186, 200),
        "crown": (136, 124, 130),
        "fringe": (238, 243, 252),
        "dab": (250, 252, 255),
        "second": (214, 222, 236),
        "soil": (234, 238, 246),
        "soil_near": (206, 216, 232),
        "hill": (206, 216, 230),
        "ridge": (150, 168, 198),
        "roof": (236, 238, 246),
        "wall": (186, 160, 146),
        "paving": (228, 232, 240),
        "paving_near": (202, 210, 224),
        "lane": (206, 212, 224),
        "sand": (240, 240, 240),
        "sand_near": (218, 222, 228),
        "water": (176, 200, 216),
        "water_near": (118, 154, 184),
    },
}
_GROUND = ("grass", "grass_near", "soil", "soil_near", "sand", "sand_near", "paving", "paving_near", "lane", "roof")


@cache
def paints(light: Light, season: str, snowing: bool) -> dict[str, RGB]:
    """Every material's colour in this light and season; falling snow lies a little even where it is not winter."""
    base = {**_COMMON, **_SEASONS[season]}
    if snowing and season != "winter":
        base.update({name: mixed(base[name], base["snow"], 0.45) for name in _GROUND})
        base["fringe"] = mixed(base["fringe"], base["snow"], 0.75)
    return {name: light.paint(rgb) for name, rgb in base.items()}


@dataclass
class Land:
    """A picture's ground in the making: `shapes` from back to front, and the pencils that add to them."""

    scene: Scene
    light: Light
    dice: Dice
    horizon: float
    water: tuple[float, float] | None
    paints: dict[str, RGB]
    shapes: list[Shape] = field(default_factory=list)

    def __post_init__(self) -> None:
        mood = self.scene.mood
        self.aspect = self.scene.aspect
        self.swing = {"calm": 0.45, "joyful": 1.25, "sad": 0.6, "angry": 1.3}.get(mood, 1.0)
        self.droop = 0.035 if mood == "sad" else 0.0  # hills hang at both sides
        self.jagged = mood == "angry"

    def tone(self, name: str, distance: float = 0.0) -> RGB:
        """A material's colour, faded into the haze by distance."""
        rgb = self.paints[name]
        return mixed(rgb, self.light.haze, self.light.depth * distance) if distance else rgb

    def add(self, path: str, fill: RGB, fade: RGB | None = None, opacity: float = 1.0, detail: bool = False) -> None:
        """A filled shape in front of all so far."""
        self.shapes.append(Shape(path, fill, fade=fade, opacity=opacity, detail=detail))

    def stroke(self, path: str, rgb: RGB, width: float, opacity: float = 1.0, detail: bool = False) -> None:
        """A line in front of all so far."""
        if path:
            self.shapes.append(Shape(path, stroke=rgb, width=width, opacity=opacity, detail=detail))

    def rolling(self, y: float, swing: float, step: float, bottom: float, handle: float = 0.5) -> str:
        """A band across the frame whose upper edge rolls about `y`; jagged where the mood is angry."""
        width = self.aspect + 2 * EDGE
        count = max(2, round(width / step))
        d, swing, up = width / count, swing * self.swing, self.dice.choice((-0.5, 0.5))
        about, heights = self.dice.uniform, []
        for k in range(count + 1):
            side = 2 * k / count - 1
            heights.append(y + swing * (up if k % 2 else -up) * about(0.4, 1.6) + self.droop * side * side)
        out = [f"M{-EDGE} {bottom:.3f}V{heights[0]:.3f}"]
        for last, height in pairwise(heights):
            dy = height - last
            if self.jagged:
                x, rise = d * about(0.25, 0.75), dy * 0.5 + swing * about(-0.7, 0.3)
                out.append(f"l{x:.3f} {rise:.3f} {d - x:.3f} {dy - rise:.3f}")
            else:
                out.append(f"s{d * (1 - handle):.3f} {dy:.3f} {d:.3f} {dy:.3f}")
        out.append(f"V{bottom:.3f}Z")
        return "".join(out)

    def crowns(self, y: float, size: float, bottom: float, colour: RGB, fade: RGB, fringe: RGB | None = None) -> None:
        """A soft mass of foliage across the frame, of bumps `size` wide, with a fringe of light, blossom or snow."""
        about, x, high, out = self.dice.uniform, -EDGE, 0.0, []
        while x < self.aspect + EDGE:
            d, target = size * about(0.7, 1.3), size * about(-0.35, 0.35)
            r = d * about(0.52, 0.62)
            out.append(f"a{r:.3f} {r:.3f} 0 0 1 {d:.3f} {target - high:.3f}")
            x, high = x + d, target
        out.append(f"V{bottom:.3f}H{-EDGE}Z")
        body = "".join(out)
        if fringe:
            self.add(f"M{-EDGE} {y - size * 0.12:.3f}{body}", fringe)
        self.add(f"M{-EDGE} {y:.3f}{body}", colour, fade)

    def scatter(self, mark: str, count: int, top: float, bottom: float) -> str:
        """The same small mark (relative commands) at `count` places per unit of width, fewer towards the horizon."""
        about, parts = self.dice.uniform, []
        for _ in range(round(count * self.aspect)):
            depth = about()
            y = top + (bottom - top) * (1 - depth * depth)
            parts.append(f"M{about(0, self.aspect):.3f} {y:.3f}{mark}")
        return "".join(parts)

    def dashes(self, count: int, top: float, bottom: float, length: float) -> str:
        """Level dashes, longer towards the viewer: ripples, furrows."""
        about, parts = self.dice.uniform, []
        for _ in range(round(count * self.aspect)):
            depth = about()
            long = length * (0.35 + depth) * about(0.6, 1.4)
            parts.append(f"M{about(-long, self.aspect):.3f} {top + (bottom - top) * depth:.3f}h{long:.3f}")
        return "".join(parts)

    def ground(self, name: str) -> None:
        """The floor of the picture from the horizon down."""
        path = self.rolling(self.horizon, *((0.03, 0.2) if self.jagged else (0.012, 0.45)), 1 + EDGE)
        self.add(path, mixed(self.tone(name), self.light.haze, 0.25 * self.light.depth), self.tone(f"{name}_near"))

    def tufts(self, count: int, top: float, bottom: float = 1.0) -> None:
        """Grass and the season's dabs: blossom, pollen, fallen leaves."""
        self.stroke(self.scatter(TUFT, count, top, bottom), self.tone("blade"), 0.004, 0.7, detail=True)
        middle = (top + bottom) / 2
        self.add(self.scatter(SPECK, count, top, middle), self.tone("dab"), opacity=0.8, detail=True)
        self.add(self.scatter(DAB, count, middle, bottom + 0.05), self.tone("dab"), opacity=0.8, detail=True)


TUFT = "l-.007 -.017m.007 .017l.001 -.023m-.001 .023l.009 -.015"
SPECK = "q.005 -.005 .011 0q-.005 .005 -.011 0Z"
DAB = "q.008 -.011 .018 0q-.008 .009 -.018 0Z"
TRUNK = "v.11h.012l-.003 -.11Z"
WINDOW = "h.011v.015h-.011Zm0 .031"  # and on to the one below
PEBBLE = "q.004 -.011 .012 -.01q.009 .001 .01 .01Z"
LAMPLIGHT: RGB = (255, 214, 130)
WAVE = "q.016 -.009 .032 0q.016 .008 .032 0"


def meadow(land: Land) -> None:
    """Low hills far off and grass in long swells."""
    h = land.horizon
    land.add(land.rolling(h - 0.08, 0.05, 0.5, h + 0.05), land.tone("hill", 0.85), land.tone("hill", 0.95))
    land.add(land.rolling(h - 0.035, 0.035, 0.4, h + 0.05), land.tone("hill", 0.55), land.tone("hill", 0.7))
    land.ground("grass")
    land.add(land.rolling(h + 0.17, 0.04, 0.6, 1 + EDGE), land.tone("grass"), land.tone("grass_near"), 0.6)
    land.add(land.rolling(0.87, 0.04, 0.7, 1 + EDGE), land.tone("grass_near"), land.tone("blade"), 0.55)
    land.tufts(26, h + 0.04)


def forest(land: Land) -> None:
    """Masses of crowns one behind the other, shade under them, leaves on the floor."""
    h = land.horizon
    for up, size, far in ((0.34, 0.1, 0.8), (0.26, 0.12, 0.5), (0.17, 0.13, 0.15)):
        crown = land.tone("crown", far)
        land.crowns(h - up, size, h + 0.03, crown, mixed(crown, land.tone("blade", far), 0.8), land.tone("fringe", far))
    # Under the crowns it is dark, and trunks stand close, none of them with a crown of its own.
    shade = mixed(land.tone("blade"), land.tone("trunk"), 0.6)
    land.add(land.rolling(h - 0.09, 0.03, 0.16, h + 0.03), shade, land.tone("blade"), 0.6)
    land.add(land.scatter(TRUNK, 17, h - 0.1, h - 0.085), land.tone("trunk"), opacity=0.6)
    land.ground("soil")
    land.add(land.rolling(h + 0.2, 0.04, 0.5, 1 + EDGE), land.tone("soil_near"), opacity=0.35)
    land.stroke(land.dashes(16, h + 0.05, 1, 0.09), land.tone("blade"), 0.006, 0.3)
    land.tufts(22, h + 0.03)


def mountains(land: Land) -> None:
    """Ridge over ridge, paler with distance, and a stony meadow."""
    h = land.horizon
    land.swing = min(max(land.swing, 0.8), 1.1)  # however calm they stay ridges, however wild no peak stands alone
    for up, swing, step, far in ((0.34, 0.11, 0.19, 0.8), (0.24, 0.11, 0.17, 0.55), (0.15, 0.1, 0.15, 0.3)):
        path = land.rolling(h - up, swing, step, h + 0.02, 0.27)
        land.add(path, land.tone("ridge", far), land.tone("ridge", min(far + 0.25, 0.95)))
    land.add(land.rolling(h - 0.05, 0.05, 0.35, h + 0.05), land.tone("hill", 0.35), land.tone("hill", 0.5))
    land.ground("grass")
    land.add(land.rolling(0.8, 0.07, 0.7, 1 + EDGE), land.tone("grass_near"), land.tone("hill"), 0.6)
    land.add(land.scatter(PEBBLE, 18, h + 0.05, 1), land.tone("stone"), opacity=0.9)
    land.tufts(12, h + 0.06)


def lake(land: Land) -> None:
    """A wooded shore over still water, its reflection, and a grassy bank with reeds."""
    h = land.horizon
    top, bottom = land.water or (h, h)
    land.add(land.rolling(h - 0.13, 0.08, 0.45, h + 0.02), land.tone("hill", 0.8), land.tone("hill", 0.9))
    crown = land.tone("crown", 0.35)
    land.crowns(h - 0.015, 0.075, top, crown, land.tone("blade", 0.4), land.tone("fringe", 0.4))
    _waters(land, top, bottom)
    land.add(land.rolling(top + 0.05, 0.02, 0.25, top), crown, opacity=0.35)
    land.stroke(land.dashes(14, top + 0.02, bottom, 0.1), land.tone("foam"), 0.004, 0.5)
    land.add(land.rolling(bottom + 0.026, 0.015, 0.4, 1 + EDGE), land.tone("grass"), land.tone("grass_near"))
    reed = "q.004 -.04 .001 -.07m.012 .07q.004 -.03 .008 -.05"
    land.stroke(land.scatter(reed, 9, bottom + 0.035, bottom + 0.05), land.tone("blade"), 0.005, 0.8)
    land.tufts(16, bottom + 0.06)


def seaside(land: Land) -> None:
    """The open sea to a level horizon, waves that roll in, foam and sand."""
    top, bottom = land.water or (land.horizon, land.horizon)
    _waters(land, land.horizon, bottom)
    land.add(_strip(land, land.horizon, land.horizon + 0.012), land.tone("water_near", 0.2), opacity=0.6)
    land.stroke(land.scatter(WAVE, 16, top + 0.03, bottom - 0.02), land.tone("foam"), 0.005, 0.75)
    land.add(land.rolling(bottom + 0.012, 0.012, 0.22, bottom + 0.1), land.tone("foam"), opacity=0.9)
    land.add(land.rolling(bottom + 0.032, 0.016, 0.3, 1 + EDGE), land.tone("sand_near"))
    land.add(land.rolling(bottom + 0.052, 0.016, 0.3, 1 + EDGE), land.tone("sand"), land.tone("sand_near"))
    land.stroke(land.dashes(9, bottom + 0.1, 1, 0.12), land.tone("stone"), 0.004, 0.35)
    land.add(land.scatter(PEBBLE, 10, bottom + 0.08, 1), land.tone("stone"), opacity=0.7, detail=True)
    grass = "q-.004 -.03 -.014 -.045m.014 .045q0 -.03 .004 -.06m-.004 .06q.006 -.03 .02 -.04"
    dune = mixed(land.tone("sand_near"), land.tone("grass_near"), 0.75)
    land.stroke(land.scatter(grass, 9, 0.95, 1.0), land.tone("blade"), 0.006)
    land.add(land.rolling(0.955, 0.04, 0.5, 1 + EDGE), dune, land.tone("grass_near"))
    land.add(land.scatter(DAB, 16, 0.965, 1.02), land.tone("dab"), detail=True)


def village(land: Land) -> None:
    """Fields on a hill, a row of roofs among hedges, a lane between grass."""
    h, a = land.horizon, land.aspect
    land.add(land.rolling(h - 0.15, 0.05, 0.6, h), land.tone("hill", 0.75), land.tone("hill", 0.85))
    for up, far in ((0.09, 0.6), (0.045, 0.3)):
        _roofs(land, h - up, far)
    land.crowns(h - 0.005, 0.05, h + 0.04, land.tone("crown", 0.25), land.tone("blade", 0.3), land.tone("fringe", 0.3))
    land.ground("grass")
    far, lean = a * land.dice.uniform(0.4, 0.6), a * land.dice.uniform(-0.25, 0.25)
    near, bend, start = far + lean, h + 0.16, h + 0.012
    lane = (
        f"M{far - 0.012:.3f} {start:.3f}C{far:.3f} {bend:.3f} {near - 0.3:.3f} .8 {near - 0.24:.3f} 1.06"
        f"H{near + 0.2:.3f}C{near + 0.08:.3f} .8 {far + 0.12:.3f} {bend:.3f} {far + 0.014:.3f} {start:.3f}Z"
    )
    land.add(lane, land.tone("lane", 0.2), land.tone("lane"))
    land.stroke(land.dashes(12, h + 0.06, 1, 0.1), land.tone("blade"), 0.005, 0.25)
    land.tufts(18, h + 0.06)


def city(land: Land) -> None:
    """Bands of blocks one behind the other, lit windows after dusk, a park's hedge and a paved square."""
    h, a = land.horizon, land.aspect
    _blocks(land, h - 0.3, 0.1, 0.8)
    _blocks(land, h - 0.17, 0.12, 0.45)
    land.crowns(h - 0.03, 0.07, h + 0.03, land.tone("crown", 0.2), land.tone("blade", 0.2), land.tone("fringe", 0.2))
    land.add(_strip(land, h, 1 + EDGE), land.tone("paving", 0.2), land.tone("paving_near"))
    # Joints run to one vanishing point and lie closer together with distance.
    centre, joint = a * land.dice.uniform(0.35, 0.65), land.tone("stone")
    rays = [f"M{centre + k * 0.09:.3f} {h:.3f}L{centre + k * 0.42:.3f} 1.06" for k in range(-6, 7)]
    rows = [f"M{-EDGE} {h + (1 - h) * depth:.3f}H{a + EDGE:.3f}" for depth in (0.0, 0.1, 0.25, 0.46, 0.76)]
    land.stroke("".join(rays + rows), mixed(joint, land.tone("block"), 0.4), 0.004, 0.5)
    land.add(land.scatter(SPECK, 16, h + 0.03, 1), land.tone("dab"), opacity=0.7, detail=True)


def garden(land: Land) -> None:
    """A clipped hedge, a border in bloom, a lawn in mown stripes."""
    h, a = land.horizon, land.aspect
    land.crowns(h - 0.17, 0.14, h, land.tone("crown", 0.7), land.tone("blade", 0.75), land.tone("fringe", 0.7))
    hedge, top = land.tone("crown", 0.15), h - 0.1
    land.add(_strip(land, top - 0.014, top + 0.01), land.tone("fringe", 0.15))
    land.add(_strip(land, top, h + 0.03), hedge, land.tone("blade", 0.1))
    land.ground("grass")
    centre = a * land.dice.uniform(0.3, 0.7)
    stripes = [
        polygon([(centre + x * 0.1, h + 0.02), (centre + x * 0.1 + 0.1, h + 0.02), (near + 0.5, 1.06), (near, 1.06)])
        for x in range(-8, 9, 2)
        for near in (centre + x * 0.5,)
    ]
    land.add("".join(stripes), land.tone("grass_near"), opacity=0.4)
    land.crowns(h + 0.015, 0.045, h + 0.05, land.tone("blade", 0.1), land.tone("crown"), None)
    for name, count in (("dab", 30), ("fringe", 22), ("second", 16)):
        land.add(land.scatter(DAB, count, h + 0.008, h + 0.045), land.tone(name), detail=True)
    land.tufts(10, h + 0.1)


def _strip(land: Land, top: float, bottom: float) -> str:
    return f"M{-EDGE} {top:.3f}H{land.aspect + EDGE:.3f}V{bottom:.3f}H{-EDGE}Z"


def _waters(land: Land, top: float, bottom: float) -> None:
    """The body of a lake or a sea, which mirrors some of the sky."""
    far = mixed(land.tone("water"), land.light.low, 0.4)
    land.add(_strip(land, top, bottom + 0.12), far, mixed(land.tone("water_near"), land.light.zenith, 0.15))


def _roofs(land: Land, y: float, far: float) -> None:
    """A row of roofs and walls in two tones, with neither doors nor panes, so that none stands out as a house."""
    about, x, roofs, walls, lit = land.dice.uniform, -EDGE, [], [], []
    while x < land.aspect + EDGE:
        d, rise, base = about(0.07, 0.12), about(0.03, 0.05), y + about(-0.015, 0.012)
        flat = d * land.dice.choice((0.0, 0.0, 0.45, 0.6))
        slope = (d - flat) / 2 + 0.008
        roofs.append(f"M{x - 0.008:.3f} {base:.3f}l{slope:.3f} {-rise:.3f}h{flat:.3f}l{slope:.3f} {rise:.3f}Z")
        walls.append(f"M{x:.3f} {base - 0.002:.3f}h{d:.3f}v.09h{-d:.3f}Z")
        lit.append(f"M{x + d * 0.4:.3f} {base + 0.014:.3f}h.012v.014h-.012Z")
        x += d + about(-0.01, 0.03)
    land.add("".join(walls), land.tone("wall", far))
    if land.light.dark:
        land.add("".join(lit), LAMPLIGHT, opacity=0.9)
    land.add("".join(roofs), land.tone("roof", far))


def _blocks(land: Land, y: float, spread: float, far: float) -> None:
    """A skyline in one tone with columns of windows, some of them lit of an evening."""
    about, x, out, panes = land.dice.uniform, -EDGE, [], []
    while x < land.aspect + EDGE:
        d, top = about(0.07, 0.13), y + about(-spread, spread * 0.6)
        out.append(f"V{top:.3f}h{d:.3f}")
        for place in (0.22, 0.6):
            # One column in four stays dark; the others start a few floors down.
            if land.dice.chance(0.75):
                first = about(0.02, 0.09)
                panes.append(f"M{x + d * place:.3f} {top + first:.3f}{WINDOW * land.dice.integer(1, 4)}")
        x += d
    low = land.horizon + 0.02
    land.add(
        f"M{-EDGE} {low:.3f}{''.join(out)}V{low:.3f}Z", land.tone("block", far), land.tone("block", far * 0.4 + 0.55)
    )
    if land.light.dark:
        land.add("".join(panes), LAMPLIGHT, opacity=0.9 - far * 0.5)
    else:
        land.add("".join(panes), land.tone("foam", far), opacity=0.45, detail=True)


DRAW = {
    "meadow": meadow,
    "forest": forest,
    "mountains": mountains,
    "lake": lake,
    "seaside": seaside,
    "village": village,
    "city": city,
    "garden": garden,
}
