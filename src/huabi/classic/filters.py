"""What the classic models share: luminance and chrominance, blurs, the guided filter, the noise in a picture."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from ..damage import LUMA

__all__ = ["box", "gaussian", "guided", "noise_level", "to_rgb", "to_ycc"]


def to_ycc(rgb: Tensor) -> Tensor:
    """Luminance and the differences to it of blue and red (..., 3, H, W), of colours in the same range (BT.601)."""
    red, green, blue = rgb.unbind(-3)
    y = LUMA[0] * red + LUMA[1] * green + LUMA[2] * blue
    return torch.stack([y, blue - y, red - y], -3)


def to_rgb(ycc: Tensor) -> Tensor:
    """The inverse of `to_ycc`; what lies outside of the colours' range stays so."""
    y, blue, red = ycc.unbind(-3)
    green = y - (LUMA[0] * red + LUMA[2] * blue) / LUMA[1]
    return torch.stack([y + red, green, y + blue], -3)


def box(x: Tensor, radius: int) -> Tensor:
    """The mean of x (C, H, W) over windows of 2 radius + 1 pixels a side, cut at the borders; from sums of sums."""
    for dim in (1, 2):
        side = x.shape[dim]
        total = F.pad(x.double().cumsum(dim), (0, 0, 1, 0) if dim == 1 else (1, 0))
        place = torch.arange(side, device=x.device)
        low, high = (place - radius).clamp(min=0), (place + radius + 1).clamp(max=side)
        mean = total.index_select(dim, high) - total.index_select(dim, low)
        x = (mean / (high - low).reshape(-1, *[1] * (2 - dim))).to(x.dtype)
    return x


def gaussian(x: Tensor, sigma: float) -> Tensor:
    """x (C, H, W) blurred, mirrored at the borders."""
    for dim in (1, 2):
        radius = min(math.ceil(3 * sigma), x.shape[dim] - 1)
        place = torch.arange(-radius, radius + 1, device=x.device, dtype=x.dtype)
        kernel = torch.exp(-place.square() / (2 * sigma**2))
        shape = (1, 1, -1, 1) if dim == 1 else (1, 1, 1, -1)
        pads = (0, 0, radius, radius) if dim == 1 else (radius, radius, 0, 0)
        padded = F.pad(x[:, None], pads, mode="reflect")
        x = F.conv2d(padded, (kernel / kernel.sum()).reshape(shape))[:, 0]
    return x


def guided(x: Tensor, guide: Tensor, radius: int, eps: float, size: Tensor | None = None) -> Tensor:
    """x (C, H, W) smoothed where the guide (1, H, W) is smooth, with edges where it has them (He et al. 2010, eq. 8).

    Args:
        radius: of the windows, in pixels.
        eps: the guide's variance below which a window counts as smooth.
        size: the same guide (1, h, w) at another size, which the result then has (He and Sun 2015).
    """
    mean, mean_x = box(guide, radius), box(x, radius)
    variance = box(guide * guide, radius) - mean * mean
    slope = (box(guide * x, radius) - mean * mean_x) / (variance.clamp(min=0) + eps)
    slope, offset = box(slope, radius), box(mean_x - slope * mean, radius)
    if size is None:
        return slope * guide + offset
    wide = [F.interpolate(part[None], size.shape[1:], mode="bilinear")[0] for part in (slope, offset)]
    return wide[0] * size + wide[1]


def noise_level(x: Tensor, visible: Tensor | None = None) -> float:
    """The standard deviation of white noise in x (C, H, W), in its units (Immerkaer 1996); the mean over channels.

    The mask, a difference of two Laplacians, sees no straight edges. The median of what it sees, and not the mean, is
    taken, so that texture counts for less.

    Args:
        visible: (0 or 1, H, W) bool; where there is nothing to see, nothing is looked at.
    """
    if min(x.shape[1:]) < 3:
        return 0.0
    mask = x.new_tensor([[1.0, -2, 1], [-2, 4, -2], [1, -2, 1]])
    seen = F.conv2d(x[:, None], mask[None, None]).abs().flatten(1)
    if visible is not None and len(visible) and not bool(visible.all()):
        seen = seen[:, -F.max_pool2d(-visible.float(), 3, 1).flatten() > 0]  # all of the mask lies on what is visible
        if not seen.numel():
            return 0.0
    return float(seen.median(1).values.mean()) / 0.6745 / 6  # the mask's norm is 6; |N(0, 1)| has the median 0.6745
