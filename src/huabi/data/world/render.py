"""A scene as vector graphics, pixels, masks and lines."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import resvg_py
from numpy.typing import NDArray
from PIL import Image

from .backdrop import Light, backdrop, horizon, light, overlay
from .dice import Dice
from .kinds import KINDS
from .palette import shades
from .scene import Scene, Thing
from .shapes import RGB, Shape, mixed, number

Pixels = NDArray[np.uint8]
DETAILED = 18  # pixels of height from which on a thing's small inner drawing shows
UNSEEN = 8  # levels from one end of a gradient to the other that nobody sees


@dataclass(frozen=True)
class Look:
    """How shapes become paint: the part of a style that the vector drawing does.

    Args:
        fill: turns a fill's colour into the paint; None where nothing is filled.
        line: turns a fill's colour into that of an outline around it; None draws none.
        width: of the outline, in shares of the picture's height.
        details: whether small inner drawing is kept.
        crisp: no antialiasing.
        ground: the fill of what lies behind and over the things, where that differs.
    """

    fill: Callable[[RGB], RGB] | None = lambda rgb: rgb
    line: Callable[[RGB], RGB] | None = None
    width: float = 0.0
    details: bool = True
    crisp: bool = False
    ground: Callable[[RGB], RGB] | None = None


def to_hex(rgb: RGB) -> str:
    return "#{:02x}{:02x}{:02x}".format(*rgb)


@lru_cache(maxsize=64)  # a picture and its mask are of the same things
def thing_shapes(thing: Thing) -> tuple[Shape, ...]:
    """A thing's shapes in its own frame, in the colours of plain daylight."""
    dice = Dice("thing", thing.kind, thing.seed)
    return tuple(KINDS[thing.kind].draw(dice, shades(thing.colour, dice)))


def _paint(shape: Shape, look: Look, grade: Callable[[RGB], RGB], unit: float, defs: list[str]) -> str:
    """One path element; `unit` is the frame's height in the picture."""
    if shape.detail and not look.details:
        return ""
    fill = stroke = "none"
    width = shape.width
    if shape.fill is not None:
        colour = grade(shape.fill)
        if look.fill is not None:
            fill = to_hex(look.fill(colour))
        if shape.fade is not None and look.fill is not None:
            above, below = look.fill(colour), look.fill(grade(shape.fade))
            if max(abs(a - b) for a, b in zip(above, below)) < UNSEEN:  # gradients cost ten times a plain fill
                fill = to_hex(mixed(above, below, 0.5))
            else:
                stops = f'<stop stop-color="{fill}"/><stop offset="1" stop-color="{to_hex(below)}"/>'
                defs.append(f'<linearGradient id="g{len(defs)}" x2="0" y2="1">{stops}</linearGradient>')
                fill = f"url(#g{len(defs) - 1})"
        if look.line is not None and not shape.detail and shape.opacity > 0.6:
            stroke, width = to_hex(look.line(colour)), look.width / unit
    if shape.stroke is not None:
        stroke, width = to_hex((look.line or (lambda rgb: rgb))(grade(shape.stroke))), max(shape.width, width)
    parts = [f'<path d="{shape.path}" fill="{fill}"']
    if stroke != "none":
        parts.append(f'stroke="{stroke}" stroke-width="{number(width)}" stroke-linecap="round" stroke-linejoin="round"')
    if shape.opacity < 1:  # of fill and stroke: of the path itself it would cost a layer
        share = number(shape.opacity)
        parts.append(f'fill-opacity="{share}" stroke-opacity="{share}"')
    return " ".join(parts) + "/>"


def _frame(thing: Thing) -> str:
    mirror = -thing.height if thing.flip else thing.height
    return (
        f'<g transform="translate({number(thing.x)} {number(thing.y)}) scale({number(mirror)} {number(thing.height)})">'
    )


def layers(scene: Scene) -> Iterator[tuple[int, Sequence[Shape]]]:
    """(index of a thing, shapes) from back to front; what is inside a vessel comes between its two halves."""
    inside: dict[int, list[int]] = {}
    for relation in scene.relations:
        if relation.name == "inside":
            inside.setdefault(relation.target, []).append(relation.subject)
    guests = {guest for members in inside.values() for guest in members}
    for index, thing in enumerate(scene.things):
        if index in guests:
            continue
        shapes = thing_shapes(thing)
        if index not in inside:
            yield index, shapes
            continue
        yield index, [s for s in shapes if not s.front]
        for guest in inside[index]:
            yield guest, thing_shapes(scene.things[guest])
        yield index, [s for s in shapes if s.front]


def _document(size: tuple[int, int], scene: Scene, body: Iterable[str], defs: Sequence[str], crisp: bool) -> str:
    rows, columns = size
    rendering = ' shape-rendering="crispEdges"' if crisp else ""
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{columns}" height="{rows}" '
        f'viewBox="0 0 {number(scene.aspect)} 1" preserveAspectRatio="xMidYMid slice"{rendering}>'
    )
    return f"{head}<defs>{''.join(defs)}</defs>{''.join(body)}</svg>"


def to_svg(scene: Scene, size: tuple[int, int], look: Look | None = None, weather: bool = True) -> str:
    """The scene as an SVG document of `size` (rows, columns); the middle is shown where the proportions differ."""
    look, lamp = look or Look(), light(scene)
    defs: list[str] = []
    # lines behind are finer, and the weather has none
    far = replace(look, width=look.width * 0.45, fill=look.ground or look.fill)
    body = [_paint(shape, far, lambda rgb: rgb, 1.0, defs) for shape in backdrop(scene)]
    for index, shapes in layers(scene):
        thing = scene.things[index]
        grade = _grade(scene, thing, lamp)
        plain = look if thing.height * size[0] >= DETAILED else replace(look, details=False)
        body.append(_frame(thing))
        body += [_paint(shape, plain, grade, thing.height, defs) for shape in shapes]
        body.append("</g>")
    if weather:
        veil = replace(far, line=None)
        body += [_paint(shape, veil, lambda rgb: rgb, 1.0, defs) for shape in overlay(scene)]
    return _document(size, scene, body, defs, look.crisp)


def _grade(scene: Scene, thing: Thing, lamp: Light) -> Callable[[RGB], RGB]:
    line = horizon(scene.setting)
    far = min(1.0, max(0.0, (0.95 - thing.y) / (0.95 - line)))
    known: dict[RGB, RGB] = {}

    def grade(rgb: RGB) -> RGB:
        if rgb not in known:
            known[rgb] = lamp.grade(rgb, far)
        return known[rgb]

    return grade


def rasterize(svg: str) -> Pixels:
    """The pixels (rows, columns, 3) of an SVG document, on white."""
    data = resvg_py.svg_to_bytes(svg_string=svg, background="white", skip_system_fonts=True)
    with Image.open(io.BytesIO(data), formats=("PNG",)) as image:
        return np.asarray(image.convert("RGB"))


def _silhouettes(scene: Scene, size: tuple[int, int], only: int | None = None) -> Pixels:
    """Things filled with the colour of their number (index + 1 in red), without antialiasing, on black."""
    body = [f'<rect width="{number(scene.aspect)}" height="1" fill="#000"/>']
    for index, shapes in layers(scene):
        if only is not None and index != only:
            continue
        paint = f"#{index + 1:02x}0000"
        body.append(_frame(scene.things[index]))
        for shape in shapes:
            if shape.opacity > 0.5:
                fill = paint if shape.fill is not None else "none"
                stroke = "" if shape.stroke is None else f' stroke="{paint}" stroke-width="{number(shape.width)}"'
                body.append(f'<path d="{shape.path}" fill="{fill}"{stroke} stroke-linecap="round"/>')
        body.append("</g>")
    return rasterize(_document(size, scene, body, [], crisp=True))


@lru_cache(maxsize=1)  # pixel art has its rims from what is then the picture's truth
def masks(scene: Scene, size: tuple[int, int]) -> Pixels:
    """(rows, columns), read-only: 0 the backdrop, k + 1 where thing k is seen; the numbers grow towards the viewer."""
    return _silhouettes(scene, size)[..., 0]


def hidden(scene: Scene, size: tuple[int, int] = (96, 96)) -> list[float]:
    """The share of each thing that others, or the frame, cover, 0 to 1."""
    seen = np.bincount(masks(scene, size).ravel(), minlength=len(scene.things) + 1)[1:]
    return [
        1 - int(seen[k]) / max(1, int((_silhouettes(scene, size, only=k)[..., 0] == k + 1).sum()))
        for k in range(len(scene.things))
    ]


def edges(scene: Scene, size: tuple[int, int]) -> Pixels:
    """The scene's outlines (rows, columns), black on white: what a scribble of it would be."""
    look = Look(fill=lambda _: (255, 255, 255), line=lambda _: (0, 0, 0), width=1.2 / size[0])
    body: list[str] = [f'<rect width="{number(scene.aspect)}" height="1" fill="#fff"/>']
    for index, shapes in layers(scene):
        thing = scene.things[index]
        body.append(_frame(thing))
        body += [_paint(shape, look, lambda rgb: rgb, thing.height, []) for shape in shapes]
        body.append("</g>")
    return rasterize(_document(size, scene, body, [], crisp=False))[..., 0]
