"""What style is, in numbers: statistics of what a frozen network sees, wherever in the picture it sees it.

A style is a list of tensors, one for each layer, and styles mix linearly: Gram matrices as such, sorted projections as
the points of a Wasserstein barycentre (Rabin et al. 2012). So blends, strength and paths are all one `mixed`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial

import torch
import torch.nn.functional as F
from torch import Tensor

from . import weights
from .nets.features import EfficientNetLite0
from .nets.vgg import VGG19
from .rng import generator

__all__ = [
    "FEATURES",
    "STATISTICS",
    "Gram",
    "Seer",
    "Sliced",
    "Statistics",
    "mixed",
    "random_seer",
    "seer_of",
    "style_of",
]

SLICES = 32  # directions that features are projected on
FAINT = 1e-8  # below this a layer sees nothing


@dataclass(frozen=True)
class Seer:
    """A frozen network, and which of its layers show style and which one content."""

    name: str
    weights: str  # sha256, or what its weights were drawn by
    maps: Callable[[Tensor], list[Tensor]]  # pictures (B, 3, H, W) in [-1, 1] -> maps (B, C, h, w), gradients included
    content: int  # which of the maps is compared place by place
    style: tuple[int, ...]  # those of which statistics are compared
    smoothness: float = 1.0  # how much total variation goes with it
    stride: int = 32  # sides that are multiples of it have maps whose sides are exact


@lru_cache(maxsize=4)  # every frame of a film asks for it
def seer_of(name: str, device: torch.device | str = "cpu") -> Seer:
    """The network of a name in `FEATURES`; raises HuabiError where its weights are missing."""
    return FEATURES[name](torch.device(device))


def lite0_maps(net: EfficientNetLite0, x: Tensor) -> list[Tensor]:
    """Patches of 3x3 pixels, and the softened maps inside the network's blocks.

    A network with shortcuts has few and high peaks, which statistics of squares follow alone; flattened, here by tanh,
    all of its channels are heard (Wang et al. 2021, section 3.2). The first convolution halves the sides, so the
    pixels say what is finer.
    """
    return [_patches(x), *map(torch.tanh, net.hidden(x))]


def _patches(x: Tensor) -> Tensor:
    """What each pixel has around it, and a one that the mean is told by: (B, 3, H, W) -> (B, 28, H, W)."""
    around = F.unfold(F.pad(x, (1, 1, 1, 1), mode="replicate"), 3).unflatten(2, x.shape[-2:])
    return torch.cat([around, torch.ones_like(x[:, :1])], 1)


def _lite0(device: torch.device) -> Seer:
    net = weights.efficientnet_lite0().to(device)
    return Seer("efficientnet-lite0", weights.EFFICIENTNET_LITE0, partial(lite0_maps, net), 3, (0, 1, 2, 3, 4))


def _vgg19(device: torch.device) -> Seer:
    return Seer("vgg19", weights.VGG19_PREFIX, weights.vgg19().to(device).layers, 4, (0, 1, 2, 3, 5), stride=16)


def random_seer(seed: int, device: torch.device) -> Seer:
    """A pyramid of VGG-19's shape, half as wide, with random weights."""
    net = VGG19.random(seed, width=0.5).to(device)
    return Seer("random-vgg", f"seed {seed}", net.layers, 3, (0, 1, 2, 3, 5), 0.1, 16)


FEATURES: dict[str, Callable[[torch.device], Seer]] = {
    "efficientnet-lite0": _lite0,
    "vgg19": _vgg19,
    "random-vgg": partial(random_seer, 0),
}


class Gram:
    """Which channels are active together: F F^T / N of features F (C, N) (Gatys et al. 2016, eq. 3)."""

    def part(self, h: Tensor, layer: int) -> Tensor:
        """What some places add: features (C, n) -> (C, C)."""
        return h @ h.mT

    def whole(self, parts: Sequence[Tensor], count: int) -> Tensor:
        """The statistic of `count` places from its parts."""
        return torch.stack(list(parts)).sum(0) / count

    def distance(self, x: Tensor, y: Tensor) -> Tensor:
        """The squared difference, over the square of y: every layer counts alike (Gatys: fixed by hand)."""
        return (x - y).square().sum() / y.square().sum().clamp(min=FAINT)


class Sliced:
    """How features are distributed along random directions, sorted (Heitz et al. 2021, eq. 5).

    Args:
        seed: of the directions.
    """

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed
        self._known: dict[tuple[int, int], Tensor] = {}

    def part(self, h: Tensor, layer: int) -> Tensor:
        """Projections of some places: features (C, n) -> (K, n), K of at most C directions that are orthogonal."""
        channels = len(h)
        if (layer, channels) not in self._known:
            drawn = torch.randn(channels, channels, generator=generator("slices", self.seed, layer, channels))
            self._known[layer, channels] = torch.linalg.qr(drawn)[0][:SLICES]
        return self._known[layer, channels].to(h) @ h

    def whole(self, parts: Sequence[Tensor], count: int) -> Tensor:
        ordered: Tensor = torch.cat(list(parts), 1).sort(1)[0]
        return ordered

    def distance(self, x: Tensor, y: Tensor) -> Tensor:
        """The squared Wasserstein distance along each direction, over the variance of y; the mean of all."""
        y = _resampled(y, x.shape[1])
        scale = y.var(1).mean() if y.shape[1] > 1 else y.square().mean()
        return (x - y).square().mean() / scale.clamp(min=FAINT)


Statistics = Gram | Sliced
STATISTICS: dict[str, Callable[[], Statistics]] = {"gram": Gram, "sliced": Sliced}


def _resampled(x: Tensor, count: int) -> Tensor:
    """Sorted values (K, n) at `count` even quantiles."""
    if x.shape[1] == count:
        return x
    return F.interpolate(x[None], count, mode="linear", align_corners=False)[0]


def style_of(seer: Seer, statistics: Statistics, x: Tensor) -> list[Tensor]:
    """The style of one picture (1, 3, H, W) in [-1, 1]: a statistic for each layer."""
    maps = seer.maps(x)
    flat = [maps[layer][0].flatten(1) for layer in seer.style]
    return [statistics.whole([statistics.part(h, layer)], h.shape[1]) for h, layer in zip(flat, seer.style)]


def mixed(styles: Sequence[Sequence[Tensor]], shares: Sequence[float]) -> list[Tensor]:
    """The mean of styles, weighed by shares that sum to 1."""
    found = []
    for layer in zip(*styles, strict=True):
        count = max(x.shape[1] for x in layer)
        found.append(torch.stack([_resampled(x, count) * share for x, share in zip(layer, shares)]).sum(0))
    return found
