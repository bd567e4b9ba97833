"""Pictures in which a part is drawn anew: what is given, what is drawn, and how the two are joined."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ..model import DataSpec
from ..pictures import check_mask, to_tensor
from ..requests import Edit
from ..restoring import check_memory


class Canvas(NamedTuple):
    """A picture with its added border, and the window that is worked on: what is drawn anew, and its surroundings."""

    whole: Tensor  # (C, H, W) in [-1, 1]
    window: tuple[slice, slice]
    part: Tensor  # (C, h, w), what is seen in the window
    mask: Tensor  # (1, h, w) bool, where it is drawn anew

    def joined(self, drawn: Tensor) -> Tensor:
        """The whole picture (C, H, W) with `drawn` (C, h, w) in the window's part that is drawn anew."""
        out = self.whole.clone()
        out[:, self.window[0], self.window[1]] = torch.where(self.mask, drawn.clamp(-1, 1), self.part)
        return out


def canvas_of(request: Edit, spec: DataSpec, device: torch.device) -> Canvas:
    """What `request` draws on, by a model of such pictures.

    The border mirrors the picture. What does not fit, a mask or into memory, raises `RequestError`.
    """
    (rows, columns), (left, top, right, bottom) = request.image.size(), request.expand
    check_memory((rows + top + bottom, columns + left + right), device)
    picture = to_tensor(request.image.image(spec.channels))
    mask = torch.full((1, *picture.shape[1:]), not any(request.expand))
    if request.mask is not None:
        check_mask(request.mask, request.image, any(request.expand))
        mask = to_tensor(request.mask.mask()) > 0
    border = ((0, 0), (top, bottom), (left, right))
    canvas = torch.from_numpy(np.pad(picture.numpy(), border, "reflect")).to(device)
    mask = torch.from_numpy(np.pad(mask.numpy(), border, constant_values=True)).to(device)
    sides = (mask[0].any(1), spec.size[0]), (mask[0].any(0), spec.size[1])
    down, along = (_window(marked, least) for marked, least in sides)
    return Canvas(canvas, (down, along), canvas[:, down, along], mask[:, down, along])


def _window(along: Tensor, least: int) -> slice:
    """The part of a side that is worked on: twice what is drawn anew, or what was trained, where there is room."""
    length, places = len(along), along.nonzero()
    first, last = (int(places[0]), int(places[-1]) + 1) if len(places) else (0, length)
    wanted = min(length, max(least, 2 * (last - first)))
    start = min(max(0, (first + last - wanted) // 2), length - wanted)
    return slice(start, start + wanted)


def redrawn(requests: Sequence[Edit], draw: Callable[[Edit], Iterator[Tensor]]) -> Iterator[Tensor]:
    """The estimates (B, C, H, W) of requests, each of which `draw` gives as (C, H, W).

    One by one, so that a picture is the same alone and among others; what is asked twice, as padding is, once.
    """
    each = {request: n for n, request in enumerate(dict.fromkeys(requests))}
    places = [each[request] for request in requests]
    for made in zip(*map(draw, each)):
        yield made[0].expand(len(places), *made[0].shape) if len(made) == 1 else torch.stack(made)[places]


def working_size(size: tuple[int, int], trained: tuple[int, int], multiple: int) -> tuple[int, int]:
    """Rows and columns of about the area that was trained, in about the shape of `size`, multiples of `multiple`."""
    scale = math.sqrt(math.prod(trained) / math.prod(size))
    most = 4 * max(trained) // multiple
    rows, columns = (max(1, min(most, round(side * scale / multiple))) * multiple for side in size)
    return rows, columns


def resized(pictures: Tensor, size: tuple[int, int]) -> Tensor:
    """Pictures (B, C, H, W) at another size."""
    if tuple(pictures.shape[-2:]) == size:
        return pictures
    return F.interpolate(pictures, size, mode="bilinear", antialias=True)


def within(places: Tensor, hole: Tensor) -> Tensor:
    """`places` (B, L, n, n) of a picture, within the bounds of `hole` (1, h, w): (B, L, h, w), 0 elsewhere."""
    rows, columns = (hole[0].any(other).nonzero()[:, 0] for other in (1, 0))
    out = places.new_zeros(*places.shape[:2], *hole.shape[1:])
    if len(rows):
        top, left, size = rows[0], columns[0], (int(rows[-1] - rows[0]) + 1, int(columns[-1] - columns[0]) + 1)
        out[..., top : top + size[0], left : left + size[1]] = F.interpolate(places, size)
    return out


def around(denoise: Callable[[Tensor, Tensor], Tensor], known: Tensor, hole: Tensor) -> Callable[..., Tensor]:
    """A denoiser whose estimate outside of `hole` is what is known.

    So what is known follows the straight line from its noise, and what is drawn sees it as it is at that time (Lugmayr
    et al. 2022, section 4.1).
    """
    return lambda x, t: torch.where(hole, denoise(x, t), known)
