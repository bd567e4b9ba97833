"""Pictures larger than a network takes at once: in overlapping tiles, whose seams are blended."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["boxes", "places", "tiled"]

FAINT = 1e-4  # the weight of what lies at a tile's edge: it counts where no other tile is


def places(length: int, tile: int, overlap: int) -> list[int]:
    """Where tiles begin along a side of `length`: neighbours share at least `overlap`, and the last one ends with it.

    One tile alone may be longer than the side.
    """
    if not 0 <= overlap < tile:
        raise ValueError(f"tiles of {tile} cannot overlap by {overlap}")
    if length <= tile:
        return [0]
    count = -(-(length - overlap) // (tile - overlap))
    return [round(k * (length - tile) / (count - 1)) for k in range(count)]


def boxes(height: int, width: int, tile: int) -> list[tuple[int, int, int, int]]:
    """Tiles (top, left, bottom, right) side by side that cover a picture: for what is local, or a sum over places."""
    return [
        (top, left, min(top + tile, height), min(left + tile, width))
        for top in range(0, height, tile)
        for left in range(0, width, tile)
    ]


def tiled(
    apply: Callable[[Tensor], Tensor], x: Tensor, *, tile: int = 256, overlap: int = 32, multiple: int = 1,
    scale: int = 1,
) -> Tensor:
    """`apply` on tiles of x (B, C, H, W), joined into one picture of `scale` times its sides.

    Every tile that `apply` gets has the same sides, in multiples of `multiple`, to which x is padded by reflection: no
    larger than `tile`, nor than what as many tiles need to cover x. They begin at such multiples, too, so that a
    network that joins pixels to patches sees the same ones wherever a tile lies. Seams are blended by weights that fall
    linearly over the middle half of the overlap: what a network that looks no farther than a quarter of it makes of a
    tile is what it would make of the whole. The whole picture is never inside `apply` at once.

    Args:
        apply: (B, C, h, w) -> (B, D, scale h, scale w).
    """
    height, width = x.shape[-2:]
    most, shared = -(-tile // multiple), -(-overlap // multiple)
    sides = [_fitted(-(-side // multiple), most, shared) * multiple for side in (height, width)]
    x = _reflected(x, -height % multiple, -width % multiple)
    ramps = [_ramp(side * scale, min(overlap, side - 1) * scale, x.device) for side in sides]
    weight = ramps[0][:, None] * ramps[1][None]  # (h, w)
    total = out = torch.zeros(())
    for n, (row, column) in enumerate(_corners(x, sides, overlap, multiple)):
        part = apply(x[..., row : row + sides[0], column : column + sides[1]]).float()
        if not n:
            whole = [side * scale for side in x.shape[-2:]]
            out, total = part.new_zeros(*part.shape[:2], *whole), part.new_zeros(whole)
        at = (slice(row * scale, (row + sides[0]) * scale), slice(column * scale, (column + sides[1]) * scale))
        out[..., at[0], at[1]] += part * weight
        total[at] += weight
    return (out / total)[..., : height * scale, : width * scale]


def _fitted(length: int, tile: int, overlap: int) -> int:
    """The smallest tile of which as many cover a side as of `tile`."""
    if length <= tile:
        return length
    overlap = min(overlap, tile - 1)
    count = len(places(length, tile, overlap))
    return -(-(length + (count - 1) * overlap) // count)


def _corners(x: Tensor, sides: list[int], overlap: int, multiple: int) -> Iterator[tuple[int, int]]:
    shared = -(-overlap // multiple)
    rows, columns = (
        places(x.shape[2 + k] // multiple, side // multiple, min(shared, side // multiple - 1))
        for k, side in enumerate(sides)
    )
    return ((row * multiple, column * multiple) for row in rows for column in columns)


def _ramp(length: int, overlap: int, device: torch.device) -> Tensor:
    """Weights (length,) above 0, which rise over the middle half of the first `overlap` places and fall likewise."""
    place = torch.arange(length, device=device) + 1.0
    inward = torch.minimum(place, place.flip(0)) - overlap // 4
    return inward.clamp(FAINT, overlap + 1 - overlap // 4 * 2) / (overlap + 1)


def _reflected(x: Tensor, bottom: int, right: int) -> Tensor:
    """x padded at the bottom and right, by reflection as often as that takes."""
    for k, missing in ((2, bottom), (3, right)):
        while missing:
            part = min(missing, x.shape[k] - 1) or 1
            pads = (0, 0, 0, part) if k == 2 else (0, part, 0, 0)
            x = F.pad(x, pads, mode="reflect" if x.shape[k] > 1 else "replicate")
            missing -= part
    return x
