"""From a picture to strokes, coarse to fine (Hertzmann 1998, "Painterly rendering with curved brush strokes of
multiple sizes"): strokes start where the canvas differs most from what the brush can show, follow the edges, and end
where the canvas fits better than their own colour.

Shapes: H rows, W columns, N strokes, K points to either side of a stroke's start.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from ..data.world.dice import Dice
from .brushes import RGB, Brush, Pass
from .raster import Floats, Ints, box, drift, hashed, levels, luma, magnitude, percentile, tangents, uniform


class Stroke(NamedTuple):
    """One stroke: a smooth line through its points, in pixels of the picture, x to the right and y downwards."""

    points: tuple[tuple[float, float], ...]
    width: float  # pixels
    colour: RGB
    opacity: float = 1.0
    taper: bool = False  # thin at both ends
    bristles: int = 0  # streaks along it
    layer: str = "paint"  # wash, paint or line: washes run before they dry, lines stay crisp


@dataclass
class Batch:
    """The strokes of one pass. `paths` are (2, N, K + 1, 2): to either side of the start, x and y."""

    paths: Floats
    counts: Ints  # (2, N) points of each side that are in use
    colours: Ints  # (N, 3) uint8
    widths: Floats  # (N,)
    opacities: Floats  # (N,)
    weights: Ints  # (N,) what a stroke is worth, where not all may be painted

    def take(self, index: Ints) -> Batch:
        return Batch(
            self.paths[:, index], self.counts[:, index], self.colours[index], self.widths[index],
            self.opacities[index], self.weights[index],
        )  # fmt: skip


def seen(picture: Ints, brush: Brush) -> Ints:
    """What the medium shows of a picture: contrast stretched, tones curved, colours made strong or pale. uint8."""
    grey = luma(picture)
    low, high = min(percentile(grey, 0.01), 36), max(percentile(grey, 0.99), 220)
    knots = ((0, 0), (low, 0), (high, 255), (255, 255))
    stretched = levels(picture, tuple(k for i, k in enumerate(knots) if i in (0, 3) or 0 < k[0] < 255))
    grey = luma(stretched)
    if brush.relief:
        around = max(1, min(grey.shape) // 32)
        grey = (grey + ((grey - box(grey, around)) * brush.relief >> 8)).clip(0, 255)
    if brush.lift:
        wide = max(2, min(grey.shape) // 7)
        grey = (grey + ((225 - box(box(grey, wide), wide)) * brush.lift >> 8)).clip(0, 255)
    shown = levels(grey.astype(np.uint8), brush.tone).astype(np.int32)
    if brush.bands:
        # a smooth picture gives whole areas of one tone, a noisy one would give spots
        shown = box(shown, max(1, round(min(grey.shape) / 170)))
        shown = ((shown * brush.bands + 127) // 255 * 255 + brush.bands // 2) // brush.bands
    chroma = ((stretched.astype(np.int32) - luma(stretched)[..., None]) * brush.vivid) >> 8
    out = (shown[..., None] + chroma).clip(0, 255)
    if not brush.covers:  # the lightest that a medium without white can show
        out = (out * np.array(brush.ground) + 127) // 255
    return out.astype(np.uint8)


def fading(shape: tuple[int, ...], margin: float, salt: int) -> Ints:
    """How much of the picture is painted, 0..256 (H, W): all in the middle, less and less towards a ragged border."""
    rows, columns = np.arange(shape[0])[:, None], np.arange(shape[1])[None]
    near = np.minimum(np.minimum(rows, shape[0] - 1 - rows), np.minimum(columns, shape[1] - 1 - columns))
    wide = round(margin * min(shape[:2])) - 4
    if wide < 1:
        return np.full(shape, 256)
    share: Ints = 640 * near // wide + 2 * drift(shape, salt, 2 * wide) - 256
    return share.clip(0, 256)


def place(picture: Ints, brush: Brush, detail: float, limit: int | None, seed: int) -> list[Stroke]:
    """The strokes for an RGB picture (H, W, 3) uint8, in the order in which they are painted."""
    shape = picture.shape[:2]
    # small pictures get relatively coarser brushes: no stroke is finer than a pixel or so
    scale = (float(np.sqrt(np.float64(shape[0] * shape[1]))) + 128) / 640
    dice = Dice("brush", brush.name, seed)
    target = seen(picture, brush)
    canvas = np.empty_like(target)
    canvas[:] = brush.ground
    painted = fading(shape, brush.margin, dice.integer(0, 2**32 - 1))[..., None]
    target = (canvas + ((target.astype(np.int32) - canvas) * painted >> 8)).astype(np.uint8)
    grey = luma(picture)
    out: list[Stroke] = []
    for number, go in enumerate(brush.passes):
        left = None if limit is None else limit - len(out)
        if left is not None and left < 1:
            break
        radius = max(go.least, go.radius * scale * (1.5 - detail))
        last = number == len(brush.passes) - 1
        allowed = None if left is None else left if last else max(1, int(left * go.share))
        if allowed is not None and number == 0:
            # few strokes must be large ones, or the picture is left half empty
            radius = max(radius, float(np.sqrt(np.float64(shape[0] * shape[1] / allowed))) / (1.2 * go.gap))
        salt = dice.integer(0, 2**32 - 1)
        go = replace(go, jitter=round(go.jitter * (1.5 - detail)))
        threshold = round(go.threshold * (1.5 - detail)) if go.start == "error" else go.threshold
        edges = grey
        if go.start == "edge":
            edges = magnitude(box(4 * grey, round(go.blur * scale))) * painted[..., 0] >> 10
        batch = _pass(target, canvas, edges, go, radius, threshold, salt)
        if allowed is not None and len(batch.widths) > allowed:
            best = np.argsort(-batch.weights, kind="stable")[:allowed]
            batch = batch.take(np.sort(best))
        out += _strokes(batch, go, brush.bristles if scale > 0.4 else 0)
        if go.start == "error" and any(later.start == "error" for later in brush.passes[number + 1 :]):
            _stamp(canvas, batch, round(255 * go.opacity))
    return out


def _pass(target: Ints, canvas: Ints, edges: Ints, go: Pass, radius: float, threshold: int, salt: int) -> Batch:
    reference = box(target, round(go.blur * radius)).astype(np.uint8)
    grey = luma(reference)
    if go.start == "error":
        told = _difference(reference, canvas)
        starts, weights = _cells(told, max(3, round(go.gap * radius)), 2 * threshold, salt)
    elif go.start == "edge":
        # sixteenths of a level a pixel; a picture of low contrast has its lines too
        told, threshold = edges, min(16 * threshold, max(24, _high(edges)))
        starts, weights = _cells(edges, max(3, round(go.gap * radius)), threshold, salt, peak=True)
    else:
        told = 255 - grey
        starts, weights = _hatch(255 - luma(target), go, radius, threshold, salt)
    order = np.argsort(hashed(salt, np.arange(len(starts))), kind="stable")
    starts, weights = starts[order], weights[order]
    field = tangents(grey, max(1, round(radius)), salt) if go.form > 0 else None
    colours = _colours(reference, starts, go, salt)
    paths, counts = _trace(reference, told, field, starts, colours, go, radius, threshold, salt)
    rough = uniform(salt + 2, np.arange(len(starts)), 0.8, 1.2)
    widths, opacities = 2 * radius * rough, np.full(len(starts), go.opacity)
    if go.start != "error":
        strong = np.minimum(weights / (5.0 * threshold if go.start == "edge" else 255.0), 1.0)
        widths, opacities = widths * (0.4 + 0.9 * strong), opacities * (0.45 + 0.55 * strong)
    batch = Batch(paths, counts, colours, widths, opacities, weights)
    return _thin(batch, target.shape, radius, go.length[0]) if go.start == "edge" else batch


def _high(edges: Ints) -> int:
    """A gradient that only every eighth pixel exceeds."""
    return percentile(edges // 4, 0.875) * 4


def _cells(error: Ints, size: int, threshold: int, salt: int, peak: bool = False) -> tuple[Ints, Ints]:
    """Of each cell of the grid whose mean (or peak) is above the threshold its worst pixel, (N, 2) x and y."""
    height, width = error.shape
    size = min(size, max(height, width))
    rows, columns = -(-height // size), -(-width // size)
    # the border is worth nothing, yet less than the least pixel; noise decides where a cell is even
    padded = np.full((rows * size, columns * size), -1, np.int64)
    noise = (hashed(salt + 1, np.arange(height * width)) >> np.uint32(29)).reshape(height, width)
    padded[:height, :width] = error.astype(np.int64) * 8 + noise
    cells = padded.reshape(rows, size, columns, size).swapaxes(1, 2).reshape(rows * columns, size * size)
    worst = cells.argmax(1)
    top = np.take_along_axis(cells, worst[:, None], 1)[:, 0] // 8
    value = top if peak else (cells.clip(0).sum(1) // 8) // np.maximum((cells >= 0).sum(1), 1)
    found = np.flatnonzero(value >= threshold)
    y, x = found // columns * size + worst[found] // size, found % columns * size + worst[found] % size
    return np.stack([x, y], 1), value[found]


def _hatch(dark: Ints, go: Pass, radius: float, threshold: int, salt: int) -> tuple[Ints, Ints]:
    """Starts on parallel lines along the slant, where the picture is dark enough: (N, 2) x and y."""
    height, width = dark.shape
    (ux, uy), gap, long = go.slant, go.gap * radius, max(2.0, 1.1 * go.length[1] * go.step * radius)
    reach = float(np.sqrt(np.float64(height * height + width * width))) / 2
    lines, dashes = int(reach / gap) + 2, int(reach / long) + 2
    i, j = (g.ravel() for g in np.mgrid[-lines : lines + 1, -dashes : dashes + 1])
    line = i + lines
    each = line * (2 * dashes + 1) + j + dashes
    across = (i + uniform(salt + 3, line, -0.3, 0.3)) * gap
    along = (j + uniform(salt + 4, line) + uniform(salt + 5, each, -0.25, 0.25)) * long
    x = np.floor(width / 2 + along * ux - across * uy).astype(np.int64)
    y = np.floor(height / 2 + along * uy + across * ux).astype(np.int64)
    inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    x, y = x[inside], y[inside]
    value = dark[y, x]
    found = value >= threshold
    return np.stack([x, y], 1)[found], value[found]


def _colours(reference: Ints, starts: Ints, go: Pass, salt: int) -> Ints:
    """The pigment of each stroke, a little different each time: (N, 3) uint8."""
    if go.pigment is not None:
        return np.broadcast_to(np.array(go.pigment, np.uint8), (len(starts), 3)).copy()
    colours = (reference[starts[:, 1], starts[:, 0]].astype(np.int32) * go.shade) >> 8
    n = np.arange(len(starts) * 4).reshape(-1, 4)
    change = (uniform(salt + 6, n, -1, 1) * go.jitter).astype(np.int32)
    return (colours + change[:, :1] + change[:, 1:] // 2).clip(0, 255).astype(np.uint8)


def _trace(
    reference: Ints,
    told: Ints,
    field: tuple[Floats, Floats] | None,
    starts: Ints,
    colours: Ints,
    go: Pass,
    radius: float,
    threshold: int,
    salt: int,
) -> tuple[Floats, Ints]:
    """Follows all strokes at once, to either side of their starts: paths (2, N, K + 1, 2) and counts (2, N).

    `told` (H, W) says where they end: at most as far off as the canvas is, or where it is dark, or at an edge.
    """
    height, width = reference.shape[:2]
    n, (least, most) = len(starts), go.length
    which = np.arange(2 * n) % max(n, 1)
    side = np.where(np.arange(2 * n) < n, 1.0, -1.0)
    paths = np.zeros((2 * n, most + 1, 2))
    paths[:, 0] = starts[which] + 0.5
    counts = np.ones(2 * n, np.int64)
    # the slant of each stroke, the same to both sides
    turn = uniform(salt + 7, which, -go.wander, go.wander)
    sx, sy = go.slant[0] - turn * go.slant[1], go.slant[1] + turn * go.slant[0]
    longest = least + hashed(salt + 8, which).astype(np.int64) % (most - least + 1)
    live = np.arange(2 * n)
    x, y = paths[:, 0, 0].copy(), paths[:, 0, 1].copy()
    dx, dy = sx * side, sy * side
    own = colours.astype(np.int32)[which]
    step = max(1.0, go.step * radius)
    for k in range(most):
        px, py = x[live].astype(np.int64), y[live].astype(np.int64)
        if field is not None:
            tx, ty = field[0][py, px], field[1][py, px]
            if k == 0:  # both sides of a start go opposite ways along the tangent
                flip = np.where(tx * sx[live] + ty * sy[live] < 0, -side[live], side[live])
            else:
                flip = np.where(tx * dx[live] + ty * dy[live] < 0, -1.0, 1.0)
            tx, ty = (
                go.form * tx * flip + (1 - go.form) * sx[live] * side[live],
                (go.form * ty * flip + (1 - go.form) * sy[live] * side[live]),
            )
            bend = 1.0 if k == 0 else go.curve
            tx, ty = bend * tx + (1 - bend) * dx[live], bend * ty + (1 - bend) * dy[live]
            norm = np.sqrt(tx * tx + ty * ty)
            norm = np.where(norm > 0, norm, 1.0)
            dx[live], dy[live] = tx / norm, ty / norm
        x[live] += step * dx[live]
        y[live] += step * dy[live]
        on = (x[live] >= 0) & (x[live] < width) & (y[live] >= 0) & (y[live] < height) & (longest[live] > k)
        live = live[on]
        px, py = x[live].astype(np.int64), y[live].astype(np.int64)
        if go.start == "error":
            if k >= least:
                live = live[_difference(reference[py, px], own[live]) <= told[py, px]]
        else:
            fits = told[py, px] >= (threshold if go.start == "hatch" else threshold // 2)
            live = live[fits]
        if not len(live):
            break
        paths[live, k + 1, 0], paths[live, k + 1, 1] = x[live], y[live]
        counts[live] = k + 2
    return paths.reshape(2, n, most + 1, 2), counts.reshape(2, n)


def _difference(image: Ints, other: Ints) -> Ints:
    """How far two pictures (..., 3) are apart, over all channels: (...) int32, up to 765."""
    apart = np.abs(image.astype(np.int32) - other)
    return apart[..., 0] + apart[..., 1] + apart[..., 2]


def _thin(batch: Batch, shape: tuple[int, ...], radius: float, least: int) -> Batch:
    """Leaves out lines that are short, and those that mostly retrace stronger ones."""
    size = max(1, round(2.2 * radius))
    columns = shape[1] // size + 1
    cells = (batch.paths[..., 1].astype(np.int64) // size) * columns + batch.paths[..., 0].astype(np.int64) // size
    lists, counts = cells.tolist(), batch.counts.tolist()
    taken: set[int] = set()
    found = []
    for n in np.argsort(-batch.weights * batch.counts.sum(0), kind="stable").tolist():
        line = lists[0][n][: counts[0][n]] + lists[1][n][1 : counts[1][n]]
        if len(line) <= least:
            continue
        if 5 * sum(map(taken.__contains__, line)) <= 2 * len(line):
            taken.update(line)
            found.append(n)
    return batch.take(np.sort(np.array(found, np.int64)))


def _stamp(canvas: Ints, batch: Batch, opacity: int) -> None:
    """Paints the strokes as rows of discs into the canvas that the next pass is held against."""
    radius = max(0.5, float(batch.widths.mean()) / 2) if len(batch.widths) else 0.0
    reach = int(radius)
    dy, dx = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    disc = dy * dy + dx * dx <= radius * radius
    used = np.arange(batch.paths.shape[2]) < batch.counts[..., None]  # (2, N, K + 1)
    # in the order of the strokes: where several cover a pixel, the last one is left behind
    which, side, k = np.nonzero(used.transpose(1, 0, 2))
    centres = batch.paths[side, which, k].astype(np.int64) + reach
    # what a disc has beyond the border counts at the border
    height, width = canvas.shape[:2]
    wide = np.full((height + 2 * reach, width + 2 * reach), -1)
    offsets = (dy * wide.shape[1] + dx)[disc]
    part = max(1, 1_000_000 // len(offsets))  # bounds the memory
    for start in range(0, len(which), part):
        here = slice(start, start + part)
        middles = centres[here, 1] * wide.shape[1] + centres[here, 0]
        wide.reshape(-1)[middles[:, None] + offsets] = which[here, None]
    for edged in (wide, wide.T):
        edged[reach] = edged[: reach + 1].max(0)
        edged[-reach - 1] = edged[-reach - 1 :].max(0)
    top = wide[reach : reach + height, reach : reach + width]
    hit = top >= 0
    mixed = canvas[hit].astype(np.int32) * (255 - opacity) + batch.colours[top[hit]].astype(np.int32) * opacity
    canvas[hit] = (mixed + 127) // 255


def _strokes(batch: Batch, go: Pass, most: int) -> list[Stroke]:
    back, forth = np.arange(batch.paths.shape[2]) < batch.counts[..., None]  # (N, K + 1) each
    back[:, 0] = False  # the start stands on both sides
    used = np.concatenate([back[:, ::-1], forth], 1)
    paths = np.concatenate([batch.paths[0][:, ::-1], batch.paths[1]], 1)[used]
    tenths = np.floor(paths * 10 + 0.5) / 10
    points = list(zip(tenths[:, 0].tolist(), tenths[:, 1].tolist()))
    ends = used.sum(1).cumsum().tolist()
    rounded = np.round(batch.widths, 1)
    bristles = np.where(rounded > 7, np.minimum(most, (rounded / 3).astype(np.int64)), 0).tolist()
    colours = map(tuple, batch.colours.tolist())
    rows = zip([0, *ends], ends, rounded.tolist(), colours, np.round(batch.opacities, 2).tolist(), bristles)
    return [
        Stroke(tuple(points[start:end]), width, colour, opacity, go.taper, many, go.layer)
        for start, end, width, colour, opacity, many in rows
    ]
