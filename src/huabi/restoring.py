"""Any picture through a restorer: its depth, its transparency and its greyness survive, and what is known stays."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from .damage import grey
from .decoding import MAX_PIXELS
from .deep import to_deep_tensor
from .errors import RequestError
from .machine import free_memory
from .pictures import mask_image
from .requests import Restore

__all__ = ["bled", "check_memory", "hole_of", "resampled", "restored"]

HELD = 12  # float32 pictures of the result's size that are held at once, at most

Apply = Callable[[Tensor, Tensor | None], Tensor]


def restored(request: Restore, channels: int, apply: Apply, device: torch.device | str = "cpu") -> Tensor:
    """The picture of a request after `apply`, (C, scale H, scale W) in [-1, 1], on the CPU.

    C is 1 where the file is grey, 4 where it has transparency, else 3; a colour picture without colour is restored as
    a grey one, so that it gets none. Where only a hole is asked for, or strength is below 1, what was known is kept to
    the bit. Raises `RequestError` where the mask does not fit, or where memory does not do.

    Args:
        channels: that `apply` takes and gives: a grey one is given each colour by itself, a colour one is given grey
            as three equal colours.
        apply: pictures (B, channels, H, W) in [-1, 1] and the hole (B, 1, H, W) bool, where one is asked for ->
            (B, channels, scale H, scale W).
    """
    picture = to_deep_tensor(request.image)
    scale = request.scale if request.task == "upscale" else 1
    check_memory((scale * picture.shape[1], scale * picture.shape[2]), device)
    hole = hole_of(request)
    if request.task == "colourise":
        picture = _in_colour(picture)
    own, alpha = picture[:3], picture[3:]
    colours = bled(own[None], alpha[None] > -1)[0] if len(alpha) else own
    given = colours.to(device)[None]  # (1, 1 or 3, H, W)
    plain = given.shape[1] == 1 or (request.task != "colourise" and bool((given == given[:, :1]).all()))
    if channels == 1:
        rows = given[:, :1] if plain else given.transpose(0, 1)  # (1 or 3, 1, H, W)
        marked = None if hole is None else hole.to(device).expand(len(rows), -1, -1, -1)
        out = apply(rows, marked).transpose(0, 1)
    else:
        rest = [alpha.to(device)[None] if len(alpha) else torch.ones_like(given[:, :1])] if channels == 4 else []
        whole = apply(torch.cat([given.expand(-1, 3, -1, -1), *rest], 1), None if hole is None else hole.to(device))
        out = whole[:, :3].mean(1, keepdim=True) if plain else whole[:, :3]
    out = out.float().cpu().clamp(-1, 1).expand(-1, len(colours), -1, -1)
    before = _enlarged(colours[None], scale) if scale > 1 else own[None]
    if request.strength < 1:
        out = before.lerp(out, request.strength)
    if hole is not None:
        out = torch.where(hole, out, before)
        alpha = alpha.lerp(torch.where(hole[0], 1.0, alpha), request.strength)  # what was missing is there
    return torch.cat([out, _enlarged(alpha[None], scale).clamp(-1, 1)], 1)[0] if len(alpha) else out[0]


def bled(colours: Tensor, seen: Tensor) -> Tensor:
    """Pictures (B, C, H, W) that where nothing is `seen` (B, 1, H, W) have the colours of what is seen nearby.

    What is beneath transparency is often black, and would darken the edges of what is seen wherever pixels are mixed.
    """
    if bool(seen.all()) or not bool(seen.any()):
        return colours
    weight = seen.to(colours.dtype)
    share = F.avg_pool2d(weight, 2, ceil_mode=True)
    half = F.avg_pool2d(colours * weight, 2, ceil_mode=True) / share.clamp(min=0.1)  # of four pixels, one is 0.25
    near = F.interpolate(bled(half, share > 0), colours.shape[-2:], mode="bilinear")
    return torch.where(seen, colours, near)


def resampled(x: Tensor, scale: int, how: Image.Resampling) -> Tensor:
    """A picture (C, H, W) in [-1, 1] at `scale` times its sides; hidden colours do not show at transparent edges."""
    if len(x) == 4:
        x = torch.cat([bled(x[None, :3], x[None, 3:] > -1)[0], x[3:]])
    size = scale * x.shape[2], scale * x.shape[1]
    planes = [np.asarray(Image.fromarray(plane).resize(size, how)) for plane in x.numpy()]
    return torch.from_numpy(np.stack(planes)).clamp(-1, 1)


def hole_of(request: Restore) -> Tensor | None:
    """Where the picture is missing, (1, 1, H, W) bool; None where nothing is.

    Raises `RequestError` where a mask is given and not wanted or the other way round, where it has another size, and
    where it is all black or all white.
    """
    if request.task != "inpaint":
        if request.mask is not None:
            raise RequestError(f"a mask says what inpaint shall fill; {request.task} has no use for it: leave it out")
        return None
    if request.mask is None:
        raise RequestError("inpaint wants a mask, white where the picture is missing: say --mask FILE")
    mask = mask_image(request.mask, request.image)
    levels = mask.histogram()
    if not any(levels[128:]):
        raise RequestError("the mask is all black, so nothing is missing; paint white what is to be filled")
    if not any(levels[:128]):
        raise RequestError("the mask is all white, so nothing of the picture is left to fill it from")
    white = mask.point(lambda level: 255 if level > 127 else 0)
    return torch.frombuffer(bytearray(white.tobytes()), dtype=torch.uint8).reshape(1, 1, mask.height, mask.width) > 0


def _in_colour(picture: Tensor) -> Tensor:
    """A picture without colour as three equal ones, (3 or 4, H, W)."""
    return picture.expand(3, -1, -1) if len(picture) == 1 else grey(picture[None])[0]


def _enlarged(x: Tensor, scale: int) -> Tensor:
    return F.interpolate(x, scale_factor=scale, mode="bicubic") if scale > 1 and x.numel() else x


def check_memory(size: tuple[int, int], device: torch.device | str) -> None:
    """Raises `RequestError` where a result of so many rows and columns does not fit."""
    height, width = size
    if height * width > MAX_PIXELS:
        raise RequestError(f"{width}x{height} pixels are more than can be opened again: at most {MAX_PIXELS:,}")
    needed = HELD * 4 * 3 * height * width
    free = free_memory(torch.device(device))
    if needed > free:
        raise RequestError(
            f"a result of {width}x{height} pixels takes {needed >> 20} MB of memory, {free >> 20} MB are free; "
            "give a part of the picture, or a smaller one"
        )
