"""What ground and medium do to the strokes: weave and relief of oil, wet edges, granulation, tooth of the paper.

Pictures here are float32 in 0..1, (H, W, 3); layers have alpha as a fourth channel and colours multiplied by it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .brushes import Brush
from .raster import box, hashed

Pixels = NDArray[Any]
Layers = dict[str, Pixels]


def finish(layers: Layers, brush: Brush, seed: int) -> Pixels:
    """The picture that the layers make on the brush's ground."""
    shape = next(iter(layers.values())).shape[:2]
    picture: Pixels = _FINISHES[brush.name](layers, brush, shape, seed)
    return picture


def noise(shape: tuple[int, ...], salt: int, size: int = 0) -> Pixels:
    """Even noise of about `size` pixels in -1..1, (H, W)."""
    raw = (hashed(salt, np.arange(shape[0] * shape[1])) >> np.uint32(16)).astype(np.int32).reshape(shape[:2]) - 32768
    if size:
        raw = box(box(raw, size), size)
    top = max(1, int(np.abs(raw).max()))
    return (raw / np.float32(top)).astype(np.float32)


def blur(image: Pixels, radius: int) -> Pixels:
    """Two box blurs, in whole numbers; (H, W) or (H, W, C)."""
    if radius < 1:
        return image
    whole = (image * np.float32(4096)).astype(np.int32)
    return (box(box(whole, radius), radius) / np.float32(4096)).astype(np.float32)


def scale_of(shape: tuple[int, ...]) -> float:
    """How large the picture is beside 512 x 512."""
    return float(np.sqrt(np.float64(shape[0] * shape[1]))) / 512


def over(ground: Pixels, layer: Pixels, share: Pixels | None = None) -> Pixels:
    """The layer, or a share (H, W) of it, laid over the ground."""
    if share is not None:
        layer = layer * share[..., None]
    out: Pixels = ground * (1 - layer[..., 3:]) + layer[..., :3]
    return out


def _ground(brush: Brush, shape: tuple[int, ...]) -> Pixels:
    out = np.empty((*shape[:2], 3), np.float32)
    out[:] = np.array(brush.ground, np.float32) / 255
    return out


def _oil(layers: Layers, brush: Brush, shape: tuple[int, ...], seed: int) -> Pixels:
    picture = over(_ground(brush, shape), layers["paint"])
    scale = scale_of(shape)
    if scale < 0.3:
        return picture
    height = picture @ np.array([0.3, 0.59, 0.11], np.float32)
    # impasto: ridges of paint, lit from the upper left; the picture's own contrasts are kept out by clipping
    ridge = np.clip(height - blur(height, max(1, round(2 * scale))), -0.05, 0.05)
    light = np.zeros_like(ridge)
    light[1:, 1:] = ridge[1:, 1:] - ridge[:-1, :-1]
    y, x = np.arange(shape[0])[:, None], np.arange(shape[1])[None]
    period = max(2, round(1.5 * scale))
    weave = ((x // period + y // period) % 2 * 2 - 1) * np.float32(0.5)
    weave = blur(weave.astype(np.float32), period // 2) * (1 - 0.6 * height)
    shade = 1 + 1.3 * light + 0.035 * weave
    picture *= shade[..., None]
    return picture


def _wet(layer: Pixels, seed: int, run: float, edge: float) -> Pixels:
    """A wash before it dries: it runs, its rim frays and darkens."""
    shape = layer.shape[:2]
    scale = scale_of(shape)
    reach = run * scale
    wet = blur(layer, round(reach))
    if reach >= 0.5:
        rows, columns = np.mgrid[: shape[0], : shape[1]]
        size = max(1, round(2.5 * scale))
        dy = np.rint(noise(shape, seed + 11, size) * 2.6 * reach).astype(np.int64)
        dx = np.rint(noise(shape, seed + 12, size) * 2.6 * reach).astype(np.int64)
        wet = wet[(rows + dy).clip(0, shape[0] - 1), (columns + dx).clip(0, shape[1] - 1)]
    if edge:
        alpha = wet[..., 3]
        rim = np.clip(alpha - blur(alpha, max(1, round(3 * scale))), 0, 1) * edge
        gain = (1 + rim / np.maximum(alpha, 0.05))[..., None]
        wet = wet * np.minimum(gain, 1 / np.maximum(alpha, 0.05)[..., None])
    return wet


def _ink(layers: Layers, brush: Brush, shape: tuple[int, ...], seed: int) -> Pixels:
    scale = scale_of(shape)
    paper = _ground(brush, shape)
    fibre = noise(shape, seed + 1) * 0.5 + noise(shape, seed + 2, max(1, round(2 * scale))) * 0.5
    picture = paper * (1 + 0.012 * fibre)[..., None]
    wash = _wet(layers["wash"], seed, 2.2, 0.5)
    cloud = 1 + 0.22 * noise(shape, seed + 3, max(1, round(9 * scale)))
    density = np.clip(wash[..., 3] * cloud, 0, 1)
    ratio = (density / np.maximum(wash[..., 3], 1e-3))[..., None]
    picture = picture * (1 - density[..., None]) + wash[..., :3] * ratio
    line = layers["line"]
    # flying white: where the brush is nearly dry the paper's bumps stay bare
    dry = noise(shape, seed + 4, 1 if scale > 0.3 else 0)
    return over(picture, line, np.clip(1.2 - 0.7 * np.clip(dry, 0, 1), 0, 1) if scale > 0.3 else None)


def _watercolor(layers: Layers, brush: Brush, shape: tuple[int, ...], seed: int) -> Pixels:
    scale = scale_of(shape)
    wash = _wet(layers["wash"], seed, 1.4, 0.0)
    # transparent paint: paper shines through, so the washes work by multiplication
    colour = _ground(brush, shape) * (1 - wash[..., 3:]) + wash[..., :3]
    grey = colour @ np.array([0.3, 0.59, 0.11], np.float32)
    grain = noise(shape, seed + 1, max(1, round(scale)))
    pool = noise(shape, seed + 2, max(2, round(16 * scale)))
    rim = np.clip(blur(grey, max(1, round(2.5 * scale))) - grey, 0, 0.12) * 2.4
    # pigment density d (Bousseau et al. 2006, eq. 1): C' = C - (C - C^2)(d - 1)
    density = 0.32 * grain + 0.35 * pool + 5 * rim
    picture = colour - (colour - colour * colour) * density[..., None]
    picture = over(picture, layers["line"], np.clip(0.8 - 0.5 * grain, 0, 1))
    return picture * (1 + 0.012 * grain)[..., None]


def _tooth(layer: Pixels, height: Pixels, depth: float) -> Pixels:
    """The share of a dry medium that stays on rough paper: bumps take it, hollows only under pressure."""
    taken = np.clip((layer[..., 3] - height) * 1.7 + 0.5, 0, 1)
    return (1 - depth + depth * taken).astype(np.float32)


def _rough(shape: tuple[int, ...], seed: int, size: int) -> Pixels:
    """The paper's height in 0..1, evenly spread: all heights are equally frequent."""
    raw = hashed(seed, np.arange(shape[0] * shape[1])).astype(np.int64).reshape(shape[:2]) >> 16
    if size:  # soft bumps with fine grain on them
        raw = (3 * box(raw, size) + raw) // 4
    order = raw.ravel() // 64
    share: Pixels = (np.bincount(order, minlength=1025).cumsum() / order.size).astype(np.float32)
    height: Pixels = share[order].reshape(shape[:2])
    return height


def _crayon(layers: Layers, brush: Brush, shape: tuple[int, ...], seed: int) -> Pixels:
    scale = scale_of(shape)
    large = scale > 0.3
    height = _rough(shape, seed + 1, 1 if large else 0)
    picture = _ground(brush, shape)
    for name, depth in (("paint", 0.5), ("line", 0.6)):
        picture = over(picture, layers[name], _tooth(layers[name], height, depth if large else 0.2))
    return picture


def _pencil(layers: Layers, brush: Brush, shape: tuple[int, ...], seed: int) -> Pixels:
    height = _rough(shape, seed + 1, 1) * 0.5 + 0.5 * _rough(shape, seed + 3, 0)
    depth = 0.75 if scale_of(shape) > 0.3 else 0.2
    picture = _ground(brush, shape) * (1 + 0.008 * noise(shape, seed + 2, 1))[..., None]
    for name in ("paint", "line"):
        picture = over(picture, layers[name], _tooth(layers[name], height, depth))
    return picture


_FINISHES: dict[str, Any] = {
    "oil": _oil,
    "ink": _ink,
    "watercolor": _watercolor,
    "crayon": _crayon,
    "pencil": _pencil,
}
