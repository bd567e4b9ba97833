"""The brushes: what a medium sees of a picture, and the passes by which it is painted."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

RGB = tuple[int, int, int]
Knots = tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Pass:
    """One go over the picture with one width of brush. Lengths are for a picture of 512 x 512 and shrink with it."""

    radius: float  # of the brush, pixels
    start: Literal["error", "hatch", "edge"] = "error"  # where strokes begin
    threshold: int = 40  # error or darkness (0..255) or gradient (levels a pixel) above which they do
    length: tuple[int, int] = (2, 5)  # least and most steps to either side of the start
    step: float = 1.0  # radii
    gap: float = 1.0  # radii between starts
    blur: float = 0.5  # of the reference, radii; of an edge's picture, pixels
    opacity: float = 1.0
    form: float = 1.0  # how far strokes follow the picture's edges; 0 follows `slant`
    slant: tuple[float, float] = (0.8, -0.6)  # x, y
    wander: float = 0.2  # how far the slant differs from stroke to stroke
    curve: float = 0.6  # the curvature filter: 1 turns at once
    pigment: RGB | None = None  # None takes the picture's colour
    shade: int = 256  # the colour times this / 256
    jitter: int = 6  # of the colour, levels
    least: float = 0.8  # of the radius, pixels
    taper: bool = False  # thin at both ends
    layer: Literal["wash", "paint", "line"] = "paint"
    share: float = 1.0  # of the strokes that a limit leaves


@dataclass(frozen=True)
class Brush:
    """A medium. `tone`, `vivid` and `bands` make of a picture what this medium would show of it."""

    name: str  # also says what becomes of the strokes on its ground
    passes: tuple[Pass, ...]
    ground: RGB  # of paper or canvas
    tone: Knots = ((0, 0), (255, 255))  # curve of the brightness, after stretching the contrast
    vivid: int = 256  # saturation in 1/256; 0 is grey
    bands: int = 0  # levels of brightness; 0 keeps all
    lift: int = 0  # in 1/256: how far broad dark areas are brought up to a light one, so that only forms stay dark
    relief: int = 0  # in 1/256: how far forms are set off from what is around them
    margin: float = 0.0  # share of the short side over which the picture fades into the paper; small pictures have none
    covers: bool = False  # opaque to the border; else white is the bare ground
    bristles: int = 0  # streaks of a broad stroke


OIL = Brush(
    "oil",
    (
        Pass(22, threshold=0, length=(2, 5), blur=0.6, jitter=10, wander=0.3, least=3.5),
        Pass(11, threshold=26, length=(2, 5), jitter=12, wander=0.3, least=2.2),
        Pass(5.5, threshold=30, length=(2, 6), jitter=10, least=1.5),
        Pass(2.6, threshold=38, length=(2, 7), jitter=8, least=1.0),
    ),
    ground=(150, 128, 104),
    vivid=290,
    bristles=7,
    covers=True,
)
INK = Brush(
    "ink",
    (
        Pass(26, threshold=16, length=(1, 4), opacity=0.5, layer="wash", jitter=4, least=4.0, share=0.3),
        Pass(13, threshold=22, length=(1, 4), opacity=0.55, layer="wash", jitter=4, least=2.0, share=0.4),
        Pass(5.5, threshold=34, length=(1, 4), opacity=0.6, layer="wash", jitter=4, least=1.2, share=0.5),
        Pass(
            1.8, "edge", 11, (5, 18), step=1.8, gap=6, blur=1.4, opacity=0.95, pigment=(30, 28, 32), taper=True,
            layer="line", least=0.7,
        ),
    ),
    ground=(247, 243, 233),
    tone=((0, 26), (60, 84), (120, 156), (165, 222), (195, 255), (255, 255)),
    vivid=62,
    bands=6,
    lift=165,
    relief=110,
    margin=0.07,
)  # fmt: skip
WATERCOLOR = Brush(
    "watercolor",
    (
        Pass(24, threshold=12, length=(2, 4), blur=0.6, opacity=0.6, layer="wash", jitter=5, least=4.0),
        Pass(12, threshold=20, length=(1, 5), opacity=0.65, layer="wash", jitter=5, least=2.2),
        Pass(5.5, threshold=28, length=(1, 5), opacity=0.7, layer="wash", jitter=5, least=1.3),
        Pass(2.6, threshold=40, length=(1, 6), opacity=0.75, layer="wash", jitter=5, least=0.9),
        Pass(
            1.2, "edge", 20, (4, 12), step=2, gap=7, opacity=0.4, shade=130, taper=True, layer="line", least=0.6,
            blur=1.4, share=0.8,
        ),
    ),
    ground=(252, 250, 244),
    tone=((0, 48), (128, 156), (222, 255), (255, 255)),
    vivid=330,
    bands=9,
    lift=50,
    margin=0.05,
)  # fmt: skip
CRAYON = Brush(
    "crayon",
    (
        Pass(5, threshold=14, length=(3, 6), gap=1.9, opacity=0.6, form=0.1, slant=(0.64, -0.77), jitter=18, least=2.1),
        Pass(4, threshold=34, length=(2, 6), gap=1.8, opacity=0.62, form=0.25, slant=(0.94, -0.34), jitter=18, least=2),
        Pass(2.6, threshold=46, length=(2, 6), gap=2, opacity=0.75, form=0.8, jitter=14, least=1.3),
        Pass(1.8, "edge", 12, (3, 12), step=1.8, gap=4, blur=1.6, opacity=0.75, shade=120, layer="line", least=0.8),
    ),
    ground=(250, 247, 238),
    tone=((0, 30), (128, 144), (232, 255), (255, 255)),
    vivid=420,
    lift=40,
    margin=0.03,
)
_GRAPHITE = Pass(0.7, "hatch", step=3.4, least=0.5, taper=True, share=0.4, wander=0.08, pigment=(54, 52, 57))
PENCIL = Brush(
    "pencil",
    (
        replace(_GRAPHITE, threshold=26, length=(6, 16), gap=4.2, opacity=0.4, form=0.4, slant=(0.56, -0.83)),
        replace(_GRAPHITE, threshold=58, length=(5, 14), gap=3.6, opacity=0.5, form=0.5, slant=(0.66, -0.75)),
        replace(_GRAPHITE, threshold=98, length=(5, 14), gap=3.4, opacity=0.6, form=0.2, slant=(0.5, -0.87)),
        replace(_GRAPHITE, threshold=138, length=(5, 12), gap=3.2, opacity=0.65, form=0.1, slant=(-0.4, -0.92)),
        replace(_GRAPHITE, threshold=176, length=(4, 10), gap=3.0, opacity=0.75, form=0.1, slant=(0.92, -0.4)),
        replace(_GRAPHITE, threshold=212, length=(4, 8), gap=2.6, opacity=0.85, form=0.1, slant=(0.4, -0.92)),
        Pass(
            0.9, "edge", 8, (4, 20), step=2.4, gap=5, blur=1.1, opacity=0.85, pigment=(44, 42, 46), taper=True,
            layer="line", least=0.5,
        ),
    ),
    ground=(250, 248, 243),
    vivid=0,
    tone=((0, 0), (110, 84), (215, 216), (245, 255), (255, 255)),
    lift=60,
    relief=200,
    margin=0.05,
)  # fmt: skip
BRUSHES: dict[str, Brush] = {brush.name: brush for brush in (OIL, INK, WATERCOLOR, CRAYON, PENCIL)}
