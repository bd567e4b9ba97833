"""Pictures in which a part is drawn anew: what is given, what is drawn, and how the two are joined."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ..pictures import check_mask, to_tensor
from ..requests import Edit


def canvas_of(request: Edit, channels: int) -> tuple[Tensor, Tensor]:
    """The picture with its added border (C, H, W) in [-1, 1], and where it is drawn anew (1, H, W) bool.

    The border mirrors the picture. A mask that does not fit raises `RequestError`.
    """
    picture = to_tensor(request.image.image(channels))
    mask = torch.full((1, *picture.shape[1:]), not request.expand)
    if request.mask is not None:
        check_mask(request.mask, request.image, request.expand)
        mask = to_tensor(request.mask.image(1)) > 0
    border = ((0, 0), (request.expand,) * 2, (request.expand,) * 2)
    canvas = torch.from_numpy(np.pad(picture.numpy(), border, "reflect"))
    return canvas, torch.from_numpy(np.pad(mask.numpy(), border, constant_values=True))


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


def around(denoise: Callable[[Tensor, Tensor], Tensor], known: Tensor, hole: Tensor) -> Callable[..., Tensor]:
    """A denoiser whose estimate outside of `hole` is what is known.

    So what is known follows the straight line from its noise, and what is drawn sees it as it is at that time (Lugmayr
    et al. 2022, section 4.1).
    """
    return lambda x, t: torch.where(hole, denoise(x, t), known)
