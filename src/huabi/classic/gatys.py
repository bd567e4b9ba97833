"""Style transfer that optimises the pixels themselves (Gatys et al. 2016), coarse to fine, with any `style.Seer`."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from ..errors import RequestError
from ..machine import free_memory, pick_threads
from ..model import DataSpec, Identity, Model
from ..requests import Stylize
from ..rng import generator
from ..style import SLICES, STATISTICS, Seer, Statistics, mixed, seer_of, style_of
from ..stylizing import (
    LEAST,
    LONGEST,
    alpha_of,
    check_large,
    coloured_like,
    content_of,
    laid_over,
    masks_of,
    recoloured,
    resized,
    same_scene,
    shares_of,
    size_of,
    steadied,
    styles_of,
)
from ..tiles import boxes

SEER, STATISTIC = "efficientnet-lite0", "gram"
ITERATIONS = 200  # of all scales together
COARSEST = 64  # pixels of the long side below which no scale goes
SCALES = 4  # at most, each half of the next
HISTORY = 10  # steps that L-BFGS remembers
TILE, MARGIN = 512, 64  # pixels of tiles of larger pictures, and of what they see of their neighbours
CONTENT = 0.1  # weight of the content's loss, in that of style
SMOOTHNESS = 0.4  # weight of the total variation
RANGE = 10.0  # weight of what lies outside [-1, 1]
HELD = 14  # copies of the picture beside the history of L-BFGS
TILE_BYTES = 1 << 30  # that the maps of a tile and their gradients take, at most
LATER = 0.25  # share of the iterations that a film's next frame takes


class Part(NamedTuple):
    """What one tile adds to the loss: the content's squared error, and for each region and layer a statistic's part."""

    error: Tensor
    styles: list[list[Tensor]]


class Objective:
    """The loss of a picture (1, 3, H, W): content, style by region, and total variation, in tiles where it is large.

    Tiles are joined by sums over places alone, so the gradient is that of the whole picture, and the maps of one tile
    are held at a time: they are computed again for the backward pass (Chen et al. 2016).

    Args:
        content: the picture whose content is kept; its sides are multiples of the seer's stride.
        regions: where, (H, W) in [0, 1], each of `styles` shall be; above one half is inside.
        strength: 0 asks for the content's own style, 1 for `styles`.
        smoothness: weight of the total variation.
    """

    def __init__(
        self, seer: Seer, statistics: Statistics, content: Tensor, regions: Sequence[Tensor],
        styles: Sequence[Sequence[Tensor]], *, strength: float = 1.0, smoothness: float = SMOOTHNESS, tile: int = TILE,
    ) -> None:
        self.seer, self.statistics, self.smoothness = seer, statistics, smoothness * strength
        self.boxes = boxes(content.shape[-2], content.shape[-1], tile)
        tiles = range(len(self.boxes))
        with torch.no_grad():
            self.strides = [content.shape[-1] // h.shape[-1] for h in seer.maps(content[..., : seer.stride, :])]
            self.inside = [[{layer: self._inside(r, n, layer) for layer in seer.style} for r in regions] for n in tiles]
            self.counts = [
                {layer: sum(int(self.inside[n][k][layer].sum()) for n in tiles) for layer in seer.style}
                for k in range(len(regions))
            ]
            self.content = [self._maps(content, n)[seer.content] for n in tiles]
            own = self._joined([self._part(content, n) for n in tiles])
        self.energy = torch.stack([h.square().sum() for h in self.content]).sum()
        shares = (1 - strength, strength)
        self.targets = [
            {layer: mixed([[a[layer]], [b[k]]], shares)[0] for k, layer in enumerate(seer.style) if layer in a}
            for a, b in zip(own, styles)
        ]

    def __call__(self, x: Tensor) -> Tensor:
        """The loss () of a picture (1, 3, H, W)."""
        if len(self.boxes) == 1:
            parts = [self._part(x, 0)]
        else:
            parts = [checkpoint(self._part, x, n, use_reentrant=False) for n in range(len(self.boxes))]
        content = torch.stack([part.error for part in parts]).sum() / self.energy
        layers = [
            self.statistics.distance(mine, wanted)
            for region, targets in zip(self._joined(parts), self.targets)
            for mine, wanted in zip(region.values(), targets.values())
        ]
        style = torch.stack(layers).mean() if layers else x.new_zeros(())  # masks too thin to be seen at this scale
        rough = x.diff(dim=2).square().mean() + x.diff(dim=3).square().mean()
        outside = (x - x.clamp(-1, 1)).square().mean()
        loss: Tensor = style + CONTENT * content + self.smoothness * rough + RANGE * outside
        return loss

    def _maps(self, x: Tensor, n: int) -> list[Tensor]:
        """The maps (C, h, w) of tile n, which saw its margins, too."""
        top, left, bottom, right = self.boxes[n]
        above, before = min(MARGIN, top), min(MARGIN, left)
        seen = self.seer.maps(x[..., top - above : bottom + MARGIN, left - before : right + MARGIN])
        return [
            h[0, :, above // k : above // k + (bottom - top) // k, before // k : before // k + (right - left) // k]
            for h, k in zip(seen, self.strides)
        ]

    def _part(self, x: Tensor, n: int) -> Part:
        maps = self._maps(x, n)
        error = (maps[self.seer.content] - self.content[n]).square().sum()
        styles = [
            [self.statistics.part(_at(maps[layer], places[layer]), layer) for layer in self.seer.style]
            for places in self.inside[n]
        ]
        return Part(error, styles)

    def _inside(self, region: Tensor, n: int, layer: int) -> Tensor:
        """Which places of a layer's map of tile n lie inside a region, (h, w) bool."""
        top, left, bottom, right = self.boxes[n]
        return F.avg_pool2d(region[None, None, top:bottom, left:right], self.strides[layer])[0, 0] >= 0.5

    def _joined(self, parts: Sequence[Part]) -> list[dict[int, Tensor]]:
        """The statistics of each region of the whole picture, by layer; where it is too small for a layer, without."""
        return [
            {
                layer: self.statistics.whole([part.styles[r][k] for part in parts], count)
                for k, (layer, count) in enumerate(counts.items())
                if count
            }
            for r, counts in enumerate(self.counts)
        ]


def _at(h: Tensor, inside: Tensor) -> Tensor:
    """A map (C, h, w) at the places inside, (C, k)."""
    return h.flatten(1) if bool(inside.all()) else h[:, inside]


def descend(objective: Objective, x: Tensor, iterations: int) -> Iterator[Tensor]:
    """The iterates (1, 3, H, W) of L-BFGS (Liu and Nocedal 1989) from x; it starts afresh where a step was too long."""
    best, least = x, math.inf
    x = x.clone().requires_grad_()
    solver = _solver(x)

    def loss() -> Tensor:
        solver.zero_grad()
        found = objective(x)
        found.backward()
        return found.detach()

    for _ in range(iterations):
        before = x.detach().clone()
        with torch.enable_grad():
            found = float(solver.step(loss))
        if found < least:
            best, least = before, found
        elif not found < 2 * least:
            x.data.copy_(best)
            solver = _solver(x)
        yield x.detach().clone()
    with torch.no_grad():
        if not float(objective(x)) <= least:  # the last step was too long
            yield best


def _solver(x: Tensor) -> torch.optim.LBFGS:
    return torch.optim.LBFGS([x], max_iter=1, history_size=HISTORY, tolerance_grad=0, tolerance_change=0)


class Gatys(Model):
    """Stylises pictures without a trained model; every iterate is an estimate.

    `Stylize` says which features see the style, which statistic is compared, and how many iterations are made.
    """

    requests = (Stylize,)
    spec = DataSpec((0, 0))  # whatever size the picture has

    def __init__(self) -> None:
        self.identity = Identity(family="gatys", rows=1, threads=pick_threads())

    def batch_key(self, request: Any) -> Hashable:
        return request.image.size(), request.image.channels == 4, request.size, request.iterations

    def sample(self, requests: Sequence[Stylize]) -> Iterator[Tensor]:
        """Pictures (B, 3 or 4, H, W) in [-1, 1]: coarse scales come enlarged."""
        for iterates in zip(*map(self._iterates, requests)):
            yield torch.cat(iterates)

    def film(self, request: Stylize, frames: Iterable[Tensor], steady: bool = True) -> Iterator[Tensor]:
        """Each frame (1, 3, H, W) stylised; a steady one goes on from what the last became."""

        def pairs() -> Iterator[tuple[Tensor, Tensor]]:
            last: tuple[Tensor, Tensor] | None = None
            for content in frames:
                start = last[1] if steady and last and same_scene(last[0], content) else None
                check_large((content.shape[-2], content.shape[-1]), "a frame", "picture")
                x = content
                for x in self._iterates(request, content, start):  # noqa: B007 - each lets go of the one before it
                    pass
                last = content, x
                yield content, x

        yield from steadied(pairs()) if steady else (x for _, x in pairs())

    def _iterates(
        self, request: Stylize, content: Tensor | None = None, start: Tensor | None = None
    ) -> Iterator[Tensor]:
        """Iterates of the answer, of another `content` where one is given, and from `start` at the finest scale."""
        if not request.styles:
            raise RequestError("gatys takes the style of a picture; give one or more")
        statistic = request.statistic or STATISTIC
        size = size_of(request) if content is None else (content.shape[-2], content.shape[-1])
        check_memory(size, statistic, len(request.masks) or 1)
        alpha = alpha_of(request) if content is None else None
        content = content_of(request) if content is None else content
        seer, statistics = seer_of(request.features or SEER), STATISTICS[statistic]()
        iterations = request.iterations or ITERATIONS
        plan = schedule(max(content.shape[-2:]), iterations)
        if start is not None:
            plan = [(max(content.shape[-2:]), max(1, round(LATER * iterations)))]
        smooth = SMOOTHNESS * seer.smoothness * (1.0 if request.smoothness is None else request.smoothness)
        x, last = start, content
        coloured = _coloured(content, request)
        for long, count in plan:
            scene = resized(coloured, long)
            x = _noisy(scene, request) if x is None else _finer(x, last, scene)
            last, canvas = scene, _padded(scene, seer.stride)
            regions, styles = _wanted(request, seer, statistics, scene, long)
            objective = Objective(
                seer, statistics, canvas, regions, styles, strength=request.strength, smoothness=smooth
            )
            for padded in descend(objective, _padded(x, seer.stride), count):
                x = padded[..., : scene.shape[-2], : scene.shape[-1]]
                shown = F.interpolate(x, content.shape[-2:], mode="bilinear").clamp(-1, 1)
                shown = coloured_like(shown, content) if request.keep_colours else shown
                yield shown if alpha is None else torch.cat([shown, alpha], 1)


def schedule(long: int, iterations: int) -> list[tuple[int, int]]:
    """The long side of each scale, coarse to fine, and its iterations, which halve from one to the next."""
    count = max(1, min(SCALES, 1 + int(math.log2(max(1, long / COARSEST))), iterations))
    shares = [2.0 ** -k for k in range(count)]
    counts = [max(1, round(iterations * share / sum(shares))) for share in shares]
    return [(round(long / 2 ** (count - 1 - k)), steps) for k, steps in enumerate(counts)]


def check_memory(size: tuple[int, int], statistic: str, styles: int = 1) -> None:
    """Raises RequestError where the optimiser's history of a picture (rows, columns) would not fit into memory."""
    pixels = math.prod(size)
    values = 3 * (2 * HISTORY + HELD) + (6 * SLICES * styles if statistic == "sliced" else 0)
    need, free = 4 * pixels * values + TILE_BYTES, free_memory(torch.device("cpu"))
    if need > free:
        side = int(max(size) * math.sqrt(max(0, free - TILE_BYTES) / (need - TILE_BYTES)))
        raise RequestError(
            f"gatys needs about {need >> 20} MB for {size[1]}x{size[0]} pixels, {free >> 20} MB "
            f"are free; say --size {max(LEAST, side)}"
        )


def _coloured(content: Tensor, request: Stylize) -> Tensor:
    """The content (1, 3, H, W) in the colours of the styles: what is kept of it shall not hold on to its own."""
    if request.keep_colours:
        return content
    turned = [recoloured(content, style) for style in styles_of(request, 256)]
    masks = masks_of(request, (content.shape[-2], content.shape[-1]))
    shares = shares_of(request)
    mean = torch.stack([share * picture for share, picture in zip(shares, turned)]).sum(0)
    return content.lerp(laid_over(content, turned, masks) if masks else mean, request.strength)


def _noisy(scene: Tensor, request: Stylize) -> Tensor:
    """Where the optimisation starts: the content, and with `chaos` some noise over it."""
    noise = torch.randn(scene.shape, generator=generator("chaos", request.seed))
    return (scene + request.strength * request.chaos / 100 * noise).clamp(-1, 1)


def _finer(x: Tensor, last: Tensor, scene: Tensor) -> Tensor:
    """x at the size of `scene`, with the detail of the content that its own size `last` did not have."""
    size = scene.shape[-2:]
    if x.shape[-2:] == size:
        return x
    grown, known = (F.interpolate(z, size, mode="bicubic") for z in (x, last))
    return (grown + scene - known).clamp(-1, 1)


def _padded(x: Tensor, multiple: int) -> Tensor:
    height, width = x.shape[-2:]
    return F.pad(x, (0, -width % multiple, 0, -height % multiple), mode="replicate")


def _wanted(
    request: Stylize, seer: Seer, statistics: Statistics, scene: Tensor, long: int
) -> tuple[list[Tensor], list[list[Tensor]]]:
    """Regions (H, W) of a scene (1, 3, h, w) padded to what the network takes, and the style of each."""
    with torch.no_grad():
        known = [style_of(seer, statistics, style) for style in styles_of(request, min(long, LONGEST))]
    size = (scene.shape[-2], scene.shape[-1])
    masks = masks_of(request, size)
    regions = [_padded(mask[None, None], seer.stride)[0, 0] for mask in masks or [torch.ones(size)]]
    return regions, known if masks else [mixed(known, shares_of(request))]
