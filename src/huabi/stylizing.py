"""What every method reads from a request to stylise, and what it does with colours and with regions."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

from .decoding import MAX_PIXELS
from .deep import to_deep_tensor
from .errors import RequestError
from .machine import free_memory
from .nets.stylenet import moments
from .pictures import Picture, to_tensor
from .requests import Stylize
from .restoring import bled

__all__ = [
    "alpha_of",
    "check_large",
    "check_room",
    "coloured_like",
    "content_of",
    "laid_over",
    "masks_of",
    "recoloured",
    "resized",
    "same_scene",
    "shares_of",
    "size_of",
    "steadied",
    "styles_of",
]

LONGEST = 1024  # pixels of the long side of a style picture, beyond which strokes no longer grow with the picture
LEAST = 16  # pixels of a side that something can be said of
FAINT = 1e-4  # the least variance of colours that is told apart
CUT = 0.25  # mean change of a frame, in [-1, 1], from which on it is another scene
STILL, MOVED = 0.02, 0.1  # change of a pixel, in [-1, 1], below which it stays and above which it is drawn anew
_YIQ = torch.tensor([[0.299, 0.587, 0.114], [0.5959, -0.2746, -0.3213], [0.2115, -0.5227, 0.3112]])


def size_of(request: Stylize) -> tuple[int, int]:
    """Rows and columns of what is asked for; nothing is decoded."""
    size = request.image.size()
    return size if request.size is None else _scaled(size, request.size)


def check_room(size: tuple[int, int], held: int) -> None:
    """Raises `RequestError` where `held` pictures of so many rows and columns do not fit into memory."""
    if math.prod(size) > MAX_PIXELS:
        most = int(max(size) * math.sqrt(MAX_PIXELS / math.prod(size)))
        raise RequestError(f"{size[1]}x{size[0]} pixels are more than can be opened again; say --size {most}")
    need, free = 12 * held * math.prod(size), free_memory(torch.device("cpu"))
    if need > free:
        side = max(LEAST, int(max(size) * math.sqrt(free / need)))
        raise RequestError(
            f"{size[1]}x{size[0]} pixels take about {need >> 20} MB, {free >> 20} MB are free; say --size {side}"
        )


def content_of(request: Stylize) -> Tensor:
    """The picture that is stylised, (1, 3, H, W) in [-1, 1], of the size that is asked; too small a one is refused.

    Beneath transparency it has the colours of what is seen nearby.
    """
    check_large(request.image.size(), request.image.name or "the picture", "picture")
    whole = to_deep_tensor(request.image)[None]
    x, alpha = whole[:, :3].expand(-1, 3, -1, -1), whole[:, 3:]
    x = bled(x, alpha > -1) if alpha.shape[1] else x
    return x if request.size is None else resized(x, request.size)


def alpha_of(request: Stylize) -> Tensor | None:
    """How opaque the picture is that is stylised (1, 1, H, W), of the size that is asked; None where all of it is."""
    if request.image.channels < 4:
        return None
    alpha = to_deep_tensor(request.image)[None, 3:]
    return alpha if request.size is None else resized(alpha, request.size)


def styles_of(request: Stylize, long: int) -> list[Tensor]:
    """The style pictures (1, 3, h, w), each with `long` pixels on its long side; too small ones are refused.

    Where the colours are to stay, each has those of the picture.
    """
    styles = [resized(_read(style, "style"), long) for style in request.styles]
    if request.keep_colours:
        content = resized(_read(request.image, "picture"), min(long, 256))
        return [recoloured(style, content) for style in styles]
    return styles


def _read(picture: Picture, what: str) -> Tensor:
    check_large(picture.size(), picture.name or f"the {what}", what)
    return to_tensor(picture.image())[None]


def check_large(size: tuple[int, int], name: str, what: str) -> None:
    """Raises `RequestError` where something of so many rows and columns is too small to be said anything of."""
    if min(size) < LEAST:
        raise RequestError(f"{name} has {size[1]}x{size[0]} pixels: a {what} needs {LEAST} a side; give a larger one")


def shares_of(request: Stylize) -> list[float]:
    """How much each style counts, summing to 1."""
    weights = request.weights or (1.0,) * len(request.styles)
    return [weight / sum(weights) for weight in weights]


def masks_of(request: Stylize, size: tuple[int, int]) -> list[Tensor]:
    """Where each style goes, (H, W) in [0, 1]; empty where they all go everywhere."""
    known, found = request.image.size()[::-1], []
    for mask in request.masks:
        seen = mask.mask()
        if seen.size != known:
            sizes = [f"{one[0]}x{one[1]}" for one in (seen.size, known)]
            raise RequestError(f"a mask has {sizes[0]} pixels, the picture {sizes[1]}; make the mask as large")
        if not any(seen.histogram()[128:]):
            raise RequestError("a mask is all black, so its style goes nowhere; leave both out")
        x = (to_tensor(seen)[None] + 1) / 2
        found.append(F.interpolate(x, size, mode="bilinear", antialias=True)[0, 0])
    return found


def laid_over(content: Tensor, pictures: list[Tensor], masks: list[Tensor]) -> Tensor:
    """Pictures (1, 3, H, W), each where its mask (H, W) is white; the content where none is."""
    total = torch.stack(masks).sum(0)
    parts = torch.stack([picture * mask for picture, mask in zip(pictures, masks)]).sum(0)
    return (parts + content * (1 - total).clamp(min=0)) / total.clamp(min=1)


def resized(x: Tensor, long: int) -> Tensor:
    """x (1, C, H, W) with `long` pixels on its long side, and at least 16 on the other."""
    size = _scaled((x.shape[-2], x.shape[-1]), long)
    if size == tuple(x.shape[-2:]):
        return x
    return F.interpolate(x, size, mode="bicubic", antialias=True).clamp(-1, 1)


def _scaled(size: tuple[int, int], long: int) -> tuple[int, int]:
    scale = long / max(size)
    return max(LEAST, round(size[0] * scale)), max(LEAST, round(size[1] * scale))


def recoloured(x: Tensor, like: Tensor) -> Tensor:
    """x (B, 3, H, W) with the mean and the covariance of the colours of `like` (Gatys et al. 2016b, section 5.1).

    Of all linear maps that do so, the one that moves colours least (Pitie and Kokaram 2007, section 3): hues stay.
    """
    (mean, own), (centre, wanted) = moments(x), moments(like)
    with torch.autocast(x.device.type, enabled=False):
        root = _root(own, FAINT)
        back = torch.linalg.inv(root)
        turn = back @ _root(root @ wanted @ root) @ back
        moved = turn @ (x.float().flatten(2) - mean[:, :, None]) + centre[:, :, None]
        out: Tensor = moved.unflatten(2, x.shape[2:]).clamp(-1, 1)
    return out


def _root(covariance: Tensor, least: float = 0.0) -> Tensor:
    """The symmetric square root of covariances (B, 3, 3), whose variances count as `least` at least."""
    values, vectors = torch.linalg.eigh(covariance)
    root: Tensor = vectors * values.clamp(min=least).sqrt()[:, None] @ vectors.mT
    return root


def coloured_like(x: Tensor, like: Tensor) -> Tensor:
    """x (B, 3, H, W) with the chroma of `like`: of x its lightness alone stays (Gatys et al. 2016b, section 5.2)."""
    with torch.autocast(x.device.type, enabled=False):  # eight bits need more than bf16 has
        turn = _YIQ.to(x.device)
        lightness = torch.einsum("j,bjhw->bhw", turn[0], x.float())[:, None]
        chroma = torch.einsum("ij,bjhw->bihw", turn[1:], like.float())
        return torch.einsum("ij,bjhw->bihw", torch.linalg.inv(turn), torch.cat([lightness, chroma], 1)).clamp(-1, 1)


def same_scene(before: Tensor, x: Tensor) -> bool:
    """Whether a frame (1, 3, H, W) of a film goes on with the one before it, and is not the first after a cut."""
    return before.shape == x.shape and float((x - before).abs().mean()) < CUT


def steadied(frames: Iterable[tuple[Tensor, Tensor]]) -> Iterator[Tensor]:
    """Pictures of a film without flicker, from pairs (content, stylised) of (1, 3, H, W).

    Where the content is still, the last picture stays; where it moves, the new one is shown; in between they blend, as
    motion-adaptive filters do against noise.
    """
    seen, shown = torch.zeros(()), torch.zeros(())
    for content, x in frames:
        if shown.shape == x.shape:
            change = F.avg_pool2d((content - seen).abs().amax(1, keepdim=True), 5, 1, 2)
            new = ((change - STILL) / (MOVED - STILL)).clamp(0, 1)
            x = torch.lerp(shown, x, new)
            content = torch.lerp(seen, content, new)  # what is seen is what the shown picture was made from
        seen, shown = content, x
        yield x
