"""Pictures in which a part is drawn anew: what is given, what is drawn, and how the two are joined."""

from __future__ import annotations

import math

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from ..errors import RequestError
from ..pictures import to_tensor
from ..requests import Edit


class Finished(Tensor):
    """Pictures (B, C, H, W) in [-1, 1] in place of latents: they need no decoding."""


def canvas_of(request: Edit, channels: int) -> tuple[Tensor, Tensor]:
    """The picture with its added border (C, H, W) in [-1, 1], and where it is drawn anew (1, H, W) bool.

    The border mirrors the picture. A mask of another size is stretched to the picture's.
    """
    picture = request.image.image(channels)
    if request.mask is not None:
        white = request.mask.image(1).resize(picture.size, Image.Resampling.NEAREST)
        mask = to_tensor(white) > 0  # (1, H, W)
    else:
        mask = torch.full((1, picture.height, picture.width), not request.expand)
    border = ((0, 0), (request.expand,) * 2, (request.expand,) * 2)
    canvas = torch.from_numpy(np.pad(to_tensor(picture).numpy(), border, "reflect"))
    mask = torch.from_numpy(np.pad(mask.numpy(), border, constant_values=True))
    if not bool(mask.any()):
        raise RequestError("the mask has no white, so nothing would be drawn; paint white what shall be drawn anew")
    return canvas, mask


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
