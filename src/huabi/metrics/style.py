"""How well a picture took another's style and kept its content, in features that no method here was trained with."""

from __future__ import annotations

from collections.abc import Iterable

import torch
import torch.nn.functional as F
from torch import Tensor

from ..damage import LUMA
from ..errors import DataError, HuabiError
from ..style import Gram, Seer, Sliced, Statistics, random_seer, seer_of, style_of
from .score import Protocol, Score, averaged

__all__ = ["content_distance", "held_out", "style_distance", "stylisation"]

JUDGE = 1  # the seed of what is drawn by chance to judge


def held_out(device: torch.device | str = "cpu") -> Seer:
    """The network that judges styles: VGG-19 where its weights are at hand, else one of random weights.

    `fast_style` is trained with EfficientNet-Lite0, and `gatys` takes it by default: it would judge itself. The random
    weights are drawn by another seed than those that `gatys` may take.
    """
    try:
        return seer_of("vgg19", device)
    except HuabiError:
        return random_seer(JUDGE, torch.device(device))


@torch.no_grad()
def style_distance(seer: Seer, statistics: Statistics, x: Tensor, style: Tensor) -> Tensor:
    """The relative distance () of the styles of two pictures (1, 3, H, W) in [-1, 1], the mean over layers."""
    pairs = zip(style_of(seer, statistics, x), style_of(seer, statistics, style), strict=True)
    return torch.stack([statistics.distance(a, b) for a, b in pairs]).mean()


@torch.no_grad()
def content_distance(seer: Seer, x: Tensor, content: Tensor) -> Tensor:
    """The squared distance () of unit-normalised features, place by place, from 0 to 4, the mean over layers.

    Of the lightness of pictures (1, 3, H, W) in [-1, 1], brought to one mean and contrast: colours belong to the style.
    The form is that of Zhang et al. 2018, eq. 1, without their learnt weights; features are centred first, so that
    what all places share does not hide what differs.
    """
    if x.shape != content.shape:
        sizes = " and ".join(f"{z.shape[-1]}x{z.shape[-2]}" for z in (x, content))
        raise DataError(f"pictures of {sizes} do not compare place by place: bring them to one size first")
    layers = []
    for a, b in zip(seer.maps(_lightness(x)), seer.maps(_lightness(content)), strict=True):
        a, b = (F.normalize(h - h.mean((2, 3), keepdim=True), dim=1) for h in (a, b))
        layers.append((a - b).square().sum(1).mean())
    return torch.stack(layers).mean()


def _lightness(x: Tensor) -> Tensor:
    """Pictures (B, 3, H, W) in grey, of mean 0 and deviation 1/2."""
    weights = torch.tensor(LUMA).to(x)
    grey = torch.einsum("c,bchw->bhw", weights, x)[:, None]
    grey = grey - grey.mean((2, 3), keepdim=True)
    scale = grey.square().mean((2, 3), keepdim=True).sqrt().clamp(min=1e-3)
    return (grey / scale / 2).expand(-1, 3, -1, -1)


def stylisation(triples: Iterable[tuple[Tensor, Tensor, Tensor]], seer: Seer | None = None) -> list[Score]:
    """Scores of stylised pictures, from triples (content, style, result) of (1, 3, H, W) in [-1, 1].

    Style by sliced Wasserstein distance and by Gram matrices, content, and both in one: (1 + content) (1 + style by
    sliced Wasserstein distance), which has the form of ArtFID (Wright and Ommer 2022, eq. 3) and not its numbers.
    """
    seer = seer or held_out()
    found: dict[str, list[Tensor]] = {name: [] for name in ("style (sliced)", "style (Gram)", "content", "combined")}
    for content, style, x in triples:
        sliced, gram = (style_distance(seer, statistics, x, style) for statistics in (Sliced(JUDGE), Gram()))
        kept = content_distance(seer, x, content)
        for rows, value in zip(found.values(), (sliced, gram, kept, (1 + kept) * (1 + sliced))):
            rows.append(value)
    count = len(found["content"])
    if not count:
        raise DataError("no stylised pictures to measure; give one or more")
    protocol = Protocol(seer.name, seer.weights, "not resized", count, count)
    return [averaged(name, torch.stack(rows), protocol) for name, rows in found.items()]
